/* file.c - regular files: each call is one op. */
#include "core/io/io.h"

#include <rill/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>

enum { once_most = 1 << 30 }; /* octets per operation; the result is an int */

static uint32_t bounded(size_t size)
{
    return size < once_most ? (uint32_t)size : (uint32_t)once_most;
}

static int open_through_ring(int dirfd, const char *path, const struct open_how *how)
{
    struct rill__op op = { .kind = RILL__OP_OPENAT2,
                           .fd = dirfd,
                           .addr = (void *)(uintptr_t)path,
                           .offset = (uint64_t)(uintptr_t)how };
    return rill__io(&op);
}

int rill_file_openat2(int dirfd, const char *path, const struct open_how *how)
{
    struct open_how closing = *how;
    closing.flags |= O_CLOEXEC;
    struct rill__op cached = { .kind = RILL__OP_OPENAT2_CACHED,
                               .fd = dirfd,
                               .addr = (void *)(uintptr_t)path,
                               .offset = (uint64_t)(uintptr_t)&closing };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if ((how->flags & (O_CREAT | O_TRUNC)) || (how->flags & O_TMPFILE) == O_TMPFILE)
        return open_through_ring(dirfd, path, &closing); /* never answered from the cache */
    r = rill__io_now(&cached);
    if (r == -EAGAIN)
        return open_through_ring(dirfd, path, &closing);
    return rill__await_ready(task, r);
}

int rill_file_open(const char *path, int flags, unsigned mode)
{
    struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC) };
    if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) /* it contains O_DIRECTORY */
        how.mode = mode & 07777;
    return open_through_ring(AT_FDCWD, path, &how);
}

int rill_file_read(int fd, void *buf, size_t size, uint64_t offset)
{
    struct rill__op op = {
        .kind = RILL__OP_READ, .fd = fd, .addr = buf, .size = bounded(size), .offset = offset
    };
    return rill__io(&op);
}

int rill_file_write(int fd, const void *buf, size_t size, uint64_t offset)
{
    struct rill__op op = { .kind = RILL__OP_WRITE,
                           .fd = fd,
                           .addr = (void *)(uintptr_t)buf,
                           .size = bounded(size),
                           .offset = offset };
    return rill__io(&op);
}

int rill_file_sync(int fd, bool metadata)
{
    enum { data_only = 1 }; /* IORING_FSYNC_DATASYNC */
    struct rill__op op = { .kind = RILL__OP_FSYNC, .fd = fd, .flags = metadata ? 0 : data_only };
    return rill__io(&op);
}

int rill_file_stat(int fd, struct stat *ret_stat)
{
    struct rill__op op = { .kind = RILL__OP_FSTAT, .fd = fd, .addr = ret_stat };
    return rill__io_now(&op);
}

int rill_file_close(int fd)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
    return rill__io_now(&op);
}
