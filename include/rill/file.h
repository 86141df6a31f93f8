/* file.h - files: read, written and named by the kernel asynchronously, never by a hidden thread of ours.
 *
 * Descriptors are plain ints, valid for any other call as well. Paths are the process's own.
 *
 * DEADLINES ARE LATE, NOT LOST. The kernel may be unable to stop an operation on a regular file. A request
 * to cancel, a deadline's too, then waits with it: the call returns the operation's result when that has
 * come, and the next call that suspends returns -ECANCELED. On pipes, sockets and terminals a request ends
 * the wait at once.
 *
 * WHAT A KERNEL THREAD DOES. Opening (unless the kernel has the path in its cache and creates nothing),
 * rill_file_stat_path, rename, unlink, rmdir, mkdir and truncate go to a thread of the kernel, each for some
 * microseconds more than a plain call; so do reads that miss the page cache without O_DIRECT, writes that
 * have to wait, and sync. A loop has 8 such threads at most, further operations wait for one. A FIFO without
 * another side holds one until that comes: open it with O_NONBLOCK.
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
 *  Returns: a descriptor; -ECANCELED (none was opened); as open(2). A FIFO opened for reading may be there
 *           before it has a writer, one opened for writing without a reader may fail with -ENXIO: the kernel
 *           tries without waiting first.
 *  Owns: gives the descriptor; rill_file_close ends it.   Suspends: yes.   Like: aiofiles.open.   Since: 0.1 */
RILL_API int rill_file_open(const char *path, int flags, unsigned mode) RILL_SUSPENDS;

/** Open `path` below `dirfd` as `how` says. Answered at once where the kernel has the whole path in its cache.
 *  Returns: a descriptor; -ECANCELED; as openat2(2).   Owns: gives the descriptor.
 *  Suspends: when the path is not cached.   Since: 0.1 */
RILL_API int rill_file_openat2(int dirfd, const char *path, const struct open_how *how)
    RILL_SUSPENDS;

/** Close a descriptor. Tasks that wait on it by a call of this header, or by rill_poll, are woken with -EBADF
 *  if the kernel can stop their operation; the descriptor is then closed when the last of these has ended.
 *  Returns: 0; as close(2): the descriptor is gone in any case; -ESRCH (no loop runs: it is still open).
 *  Owns: takes it.   Suspends: no.   Since: 0.1 */
RILL_API int rill_file_close(int fd);

/** Read up to `size` octets at `offset`; UINT64_MAX: at the file's own position. What has
 *  none, as a pipe, ignores the offset.
 *  Returns: the octets read, as many as the kernel gave; 0 at the end; -ECANCELED (nothing was read); -EBADF
 *           (closed meanwhile); as pread(2).
 *  Owns: `buf` is the kernel's until it returns.   Suspends: yes; also while a descriptor in non-blocking
 *  mode has nothing to give.   Limits: 1 GiB a call.   Since: 0.1 */
RILL_API int rill_file_read(int fd, void *buf, size_t size, uint64_t offset) RILL_SUSPENDS;

/** Read into the `count` buffers of `iov`, at most 1024, in order. Else as rill_file_read.
 *  Returns: as rill_file_read; as preadv(2).   Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_readv(int fd, const struct iovec *iov, size_t count, uint64_t offset)
    RILL_SUSPENDS;

/** Read until `size` octets are there, or the end.
 *  Returns: 0; -ENODATA (the end came before); as rill_file_read.
 *           *got (may be NULL) says in any case how many octets are in `buf`.
 *  Owns, Suspends: as rill_file_read.   Like: StreamReader.readexactly.   Since: 0.1 */
RILL_API int rill_file_read_exactly(int fd, void *buf, size_t size, uint64_t offset, size_t *got)
    RILL_SUSPENDS;

/** Write up to `size` octets at `offset`; UINT64_MAX: at the file's own position (pipes, O_APPEND). One
 *  operation, which may be short, as write(2) is: at a full disk, a limit, or in a pipe.
 *  Returns: the octets written; -ECANCELED (nothing was written); -EBADF (closed meanwhile); as pwrite(2).
 *  Owns: `buf` is the kernel's until it returns.   Suspends: yes.   Limits: 1 GiB a call.   Since: 0.1 */
RILL_API int rill_file_write(int fd, const void *buf, size_t size, uint64_t offset) RILL_SUSPENDS;

/** Write the `count` buffers of `iov`, at most 1024, in order. Else as rill_file_write.
 *  Returns: as rill_file_write; as pwritev(2).   Suspends: yes.   Since: 0.1 */
RILL_API int rill_file_writev(int fd, const struct iovec *iov, size_t count, uint64_t offset)
    RILL_SUSPENDS;

/** Write all `size` octets, however many operations that takes.
 *  Returns: 0; as rill_file_write. *taken (may be NULL) says in any case how many octets were written.
 *  Owns, Suspends: as rill_file_write.   Like: aiofiles' write.   Since: 0.1 */
RILL_API int rill_file_write_all(int fd, const void *buf, size_t size, uint64_t offset,
                                 size_t *taken) RILL_SUSPENDS;

/** Bring data, and with `metadata` also the rest, to the disk.
 *  Returns: 0; -ECANCELED; as fsync(2).   Suspends: yes.   Like: os.fsync, os.fdatasync.   Since: 0.1 */
RILL_API int rill_file_sync(int fd, bool metadata) RILL_SUSPENDS;

/** Make the file `size` octets long. A kernel before 6.9 cannot do this asynchronously: there the loop stands
 *  still for as long as it takes.
 *  Returns: 0; -ECANCELED; as ftruncate(2).   Suspends: where the kernel can.   Since: 0.1 */
RILL_API int rill_file_truncate(int fd, uint64_t size) RILL_SUSPENDS;

/** What the kernel knows of an open file. Made as a plain call, which waits for no disk; on a network file
 *  system it may block the loop.
 *  Returns: 0 and *ret_stat; -ECANCELED; as fstat(2).   Suspends: only to give up a turn.   Like: os.fstat.
 *  Since: 0.1 */
RILL_API int rill_file_stat(int fd, struct stat *ret_stat) RILL_SUSPENDS;

/** What the kernel knows of the file at `path`, links followed.
 *  Returns: 0 and *ret_stat; -ECANCELED; as stat(2).   Suspends: yes.   Like: aiofiles.os.stat.
 *  Since: 0.1 */
RILL_API int rill_file_stat_path(const char *path, struct stat *ret_stat) RILL_SUSPENDS;

/** Give the file at `from` the name `to`, in the place of what has that name.
 *  Returns: 0; -ECANCELED (nothing was renamed); as rename(2).   Suspends: yes.   Like: aiofiles.os.replace.
 *  Since: 0.1 */
RILL_API int rill_file_rename(const char *from, const char *to) RILL_SUSPENDS;

/** Remove the name `path`; the file goes with its last name and descriptor.
 *  Returns: 0; -ECANCELED (it is still there); as unlink(2).   Suspends: yes.   Like: aiofiles.os.remove.
 *  Since: 0.1 */
RILL_API int rill_file_unlink(const char *path) RILL_SUSPENDS;

/** Make a directory.
 *  Returns: 0; -ECANCELED (none was made); as mkdir(2).   Suspends: yes.   Like: aiofiles.os.mkdir.
 *  Since: 0.1 */
RILL_API int rill_file_mkdir(const char *path, unsigned mode) RILL_SUSPENDS;

/** Remove an empty directory.
 *  Returns: 0; -ECANCELED (it is still there); as rmdir(2).   Suspends: yes.   Like: aiofiles.os.rmdir.
 *  Since: 0.1 */
RILL_API int rill_file_rmdir(const char *path) RILL_SUSPENDS;

#ifdef __cplusplus
}
#endif
