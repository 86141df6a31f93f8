/* file.c - files: each call is one op, or one after the other until all octets are there. */
#include "core/io/io.h"

#include <rill/file.h>
#include <rill/net.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

enum { once_most = 1 << 30 }; /* octets per operation; the result is an int */

static uint32_t bounded(size_t size)
{
    return size < once_most ? (uint32_t)size : (uint32_t)once_most;
}

static void *pointer_of(const void *memory)
{
    return (void *)(uintptr_t)memory;
}

/* --- Opening and closing. --- */

static int open_through_ring(int dirfd, const char *path, const struct open_how *how)
{
    struct rill__op op = { .kind = RILL__OP_OPENAT2,
                           .fd = dirfd,
                           .addr = pointer_of(path),
                           .offset = (uint64_t)(uintptr_t)how };
    return rill__io(&op);
}

int rill_file_openat2(int dirfd, const char *path, const struct open_how *how)
{
    struct open_how closing = *how;
    closing.flags |= O_CLOEXEC;
    struct rill__op cached = { .kind = RILL__OP_OPENAT2_CACHED,
                               .fd = dirfd,
                               .addr = pointer_of(path),
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

int rill_file_close(int fd)
{
    return rill__io_close(fd);
}

/* --- Octets. --- */

/* A descriptor in non-blocking mode says that it would have to wait: wait for it. The kernel says so of a
 * FIFO without its other side, too, and would go on saying so: that is an end, or nobody who reads. */
static int transfer(const struct rill__op *op, int event)
{
    for (;;) {
        int r = rill__io(op);
        if (r != -EAGAIN)
            return r;
        r = rill_poll(op->fd, (unsigned)event);
        if (r < 0)
            return r;
        if ((r & event) == 0)
            return event == POLLIN ? 0 : -EPIPE;
    }
}

int rill_file_read(int fd, void *buf, size_t size, uint64_t offset)
{
    struct rill__op op = {
        .kind = RILL__OP_READ, .fd = fd, .addr = buf, .size = bounded(size), .offset = offset
    };
    return transfer(&op, POLLIN);
}

int rill_file_write(int fd, const void *buf, size_t size, uint64_t offset)
{
    struct rill__op op = { .kind = RILL__OP_WRITE,
                           .fd = fd,
                           .addr = pointer_of(buf),
                           .size = bounded(size),
                           .offset = offset };
    return transfer(&op, POLLOUT);
}

static struct rill__op vector_op(uint8_t kind, int fd, const struct iovec *iov, size_t count,
                                 uint64_t offset)
{
    return (struct rill__op){
        .kind = kind, .fd = fd, .addr = pointer_of(iov), .size = bounded(count), .offset = offset
    };
}

int rill_file_readv(int fd, const struct iovec *iov, size_t count, uint64_t offset)
{
    struct rill__op op = vector_op(RILL__OP_READV, fd, iov, count, offset);
    return transfer(&op, POLLIN);
}

int rill_file_writev(int fd, const struct iovec *iov, size_t count, uint64_t offset)
{
    struct rill__op op = vector_op(RILL__OP_WRITEV, fd, iov, count, offset);
    return transfer(&op, POLLOUT);
}

/* Where the next piece goes. */
static uint64_t advanced(uint64_t offset, size_t done)
{
    return offset == UINT64_MAX ? offset : offset + done;
}

int rill_file_read_exactly(int fd, void *buf, size_t size, uint64_t offset, size_t *got)
{
    size_t done = 0;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    while (r >= 0 && done < size) {
        r = rill_file_read(fd, (char *)buf + done, size - done, advanced(offset, done));
        if (r <= 0)
            break;
        done += (size_t)r;
    }
    if (got != NULL)
        *got = done;
    if (r < 0)
        return r;
    return size == 0 ? rill__await_ready(task, 0) : done < size ? -ENODATA : 0;
}

int rill_file_write_all(int fd, const void *buf, size_t size, uint64_t offset, size_t *taken)
{
    size_t done = 0;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    while (done < size && r >= 0) {
        r = rill_file_write(fd, (const char *)buf + done, size - done, advanced(offset, done));
        if (r == 0)
            r = -EIO; /* no system call says so of a regular file; whoever does would keep us for ever */
        if (r > 0)
            done += (size_t)r;
    }
    if (taken != NULL)
        *taken = done;
    if (r < 0)
        return r;
    return size == 0 ? rill__await_ready(task, 0) : 0;
}

int rill_file_sync(int fd, bool metadata)
{
    enum { data_only = 1 }; /* IORING_FSYNC_DATASYNC */
    struct rill__op op = { .kind = RILL__OP_FSYNC, .fd = fd, .flags = metadata ? 0 : data_only };
    return rill__io(&op);
}

int rill_file_truncate(int fd, uint64_t size)
{
    struct rill__op op = { .kind = RILL__OP_TRUNCATE, .fd = fd, .offset = size };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (task->future.loop->backend->can_truncate)
        return rill__io(&op);
    op.kind = RILL__OP_TRUNCATE_NOW;
    return rill__await_ready(task, rill__io_now(&op));
}

/* --- What is known of a file. --- */

int rill_file_stat(int fd, struct stat *ret_stat)
{
    struct rill__op op = { .kind = RILL__OP_FSTAT, .fd = fd, .addr = ret_stat };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    return r < 0 ? r : rill__await_ready(task, rill__io_now(&op));
}

static struct timespec time_of(struct statx_timestamp at)
{
    return (struct timespec){ at.tv_sec, at.tv_nsec };
}

int rill_file_stat_path(const char *path, struct stat *ret_stat)
{
    struct statx got;
    struct rill__op op = { .kind = RILL__OP_STATX,
                           .fd = AT_FDCWD,
                           .addr = pointer_of(path),
                           .offset = (uint64_t)(uintptr_t)&got };
    int r = rill__io(&op);
    if (r < 0)
        return r;
    *ret_stat = (struct stat){ .st_dev = makedev(got.stx_dev_major, got.stx_dev_minor),
                               .st_ino = got.stx_ino,
                               .st_mode = got.stx_mode,
                               .st_nlink = got.stx_nlink,
                               .st_uid = got.stx_uid,
                               .st_gid = got.stx_gid,
                               .st_rdev = makedev(got.stx_rdev_major, got.stx_rdev_minor),
                               .st_size = (off_t)got.stx_size,
                               .st_blksize = (blksize_t)got.stx_blksize,
                               .st_blocks = (blkcnt_t)got.stx_blocks,
                               .st_atim = time_of(got.stx_atime),
                               .st_mtim = time_of(got.stx_mtime),
                               .st_ctim = time_of(got.stx_ctime) };
    return 0;
}

/* --- Names. --- */

int rill_file_rename(const char *from, const char *to)
{
    struct rill__op op = { .kind = RILL__OP_RENAME,
                           .fd = AT_FDCWD,
                           .addr = pointer_of(from),
                           .offset = (uint64_t)(uintptr_t)to };
    return rill__io(&op);
}

static int path_op(uint8_t kind, const char *path, unsigned flags)
{
    struct rill__op op = { .kind = kind, .fd = AT_FDCWD, .addr = pointer_of(path), .flags = flags };
    return rill__io(&op);
}

int rill_file_unlink(const char *path)
{
    return path_op(RILL__OP_UNLINK, path, 0);
}

int rill_file_rmdir(const char *path)
{
    return path_op(RILL__OP_UNLINK, path, AT_REMOVEDIR);
}

int rill_file_mkdir(const char *path, unsigned mode)
{
    return path_op(RILL__OP_MKDIR, path, mode & 07777);
}
