/* file.h - regular files: read and written by the kernel asynchronously, never by a hidden thread of ours.
 *
 * Descriptors are plain ints, valid for any other call as well. A file operation may not be cancellable:
 * the await then lasts until it ends, and the cancel is delivered by the next one.
 *
 *     int fd = rill_file_open("notes.txt", O_RDONLY, 0);
 *     int got = fd < 0 ? fd : rill_file_read(fd, buf, sizeof buf, 0);
 */
#pragma once

#include <rill/base.h>

struct open_how;
struct stat;
struct iovec;

#ifdef __cplusplus
extern "C" {
#endif

/** Open `path`; O_CLOEXEC is added.
 *  Returns: a descriptor; -ECANCELED; as open(2).   Owns: gives the descriptor; rill_file_close ends it.
 *  Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_open(const char *path, int flags, unsigned mode) RILL_SUSPENDS;

/** Open `path` below `dirfd` as `how` says. Answered at once where the kernel has the whole path in its cache.
 *  Returns: a descriptor; -ECANCELED; as openat2(2).   Owns: gives the descriptor.
 *  Suspends: when the path is not cached.   Since: 0.1 */
RILL_API int rill_file_openat2(int dirfd, const char *path, const struct open_how *how)
    RILL_SUSPENDS;

/** Read up to `size` octets at `offset`.
 *  Returns: the octets read, 0 at the end; -ECANCELED; as pread(2).   Owns: `buf` is the kernel's until it
 *  returns.   Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_read(int fd, void *buf, size_t size, uint64_t offset) RILL_SUSPENDS;

/** Write up to `size` octets at `offset`; UINT64_MAX: at the file's own position (pipes, O_APPEND).
 *  Returns: the octets written; -ECANCELED; as pwrite(2).   Owns: `buf` is the kernel's until it returns.
 *  Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_write(int fd, const void *buf, size_t size, uint64_t offset) RILL_SUSPENDS;

/** Bring data, and with `metadata` also the rest, to the disk.
 *  Returns: 0; -ECANCELED; as fsync(2).   Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_sync(int fd, bool metadata) RILL_SUSPENDS;

/** What the kernel knows of an open file.
 *  Returns: 0 and *ret_stat; as fstat(2).   Suspends: no; on a network file system it may block.
 *  Since: 0.1 */
RILL_API int rill_file_stat(int fd, struct stat *ret_stat);

/** Close a descriptor of a regular file or directory on which no operation is pending.
 *  Returns: 0; as close(2); the descriptor is gone in any case.   Owns: takes it.   Suspends: no.
 *  Since: 0.1 */
RILL_API int rill_file_close(int fd);

#ifdef __cplusplus
}
#endif
