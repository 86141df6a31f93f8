/* call.c - the ops that are carried out at once: plain system calls that wait for no other side.
 *
 * They pass the op interface like everything else, so that a fault plan or a simulator sees them, but
 * the ring would only hand them to a kernel thread. */
#include "core/ring/call.h"

#include "core/base/check.h"

#include <rill/net.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A filter of system calls (systemd-nspawn has one) may not know openat2, so then the name counts as
 * not cached: the ring, which no filter sees, opens it or says why not. */
static int open_cached(const struct rill__op *op)
{
    struct open_how how = *(const struct open_how *)(uintptr_t)op->offset;
    how.resolve |= RESOLVE_CACHED;
    int fd = (int)syscall(SYS_openat2, op->fd, op->addr, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        errno = EAGAIN;
    return fd;
}

/* What is no regular file is empty: nothing is waited for. */
static ssize_t load(const struct rill__op *op)
{
    char *to = (char *)(uintptr_t)op->offset;
    size_t size = 0;
    struct stat status;
    int fd = open(op->addr, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    ssize_t got = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? 1 : 0;
    while (got > 0 && size < op->size) {
        got = read(fd, to + size, op->size - size);
        size += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    return got < 0 ? -1 : (ssize_t)size;
}

static ssize_t plain_call(struct rill__op *op)
{
    off_t at = (off_t)op->offset;
    rill_addr *name = op->addr;
    int unacked;
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_SEND_MORE:
        return send(op->fd, op->addr, op->size, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
    case RILL__OP_SENDFILE: return sendfile(op->fd, (int)op->flags, &at, op->size);
    case RILL__OP_SHUTDOWN: return shutdown(op->fd, (int)op->flags);
    case RILL__OP_FSTAT: return fstat(op->fd, op->addr);
    case RILL__OP_CLOSE: return close(op->fd);
    case RILL__OP_OPENAT2_CACHED: return open_cached(op);
    case RILL__OP_ACCEPT_NOW: return accept4(op->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    case RILL__OP_SOCKET: return socket(op->fd, (int)op->flags, 0);
    case RILL__OP_SOCKETPAIR: return socketpair(op->fd, (int)op->flags, 0, op->addr);
    case RILL__OP_CONNECT_NOW: return connect(op->fd, op->addr, op->size);
    case RILL__OP_BIND: return bind(op->fd, op->addr, op->size);
    case RILL__OP_LISTEN: return listen(op->fd, (int)op->flags);
    case RILL__OP_SETSOCKOPT:
        return setsockopt(op->fd, (int)op->flags, (int)op->offset, op->addr, op->size);
    case RILL__OP_GETSOCKNAME:
        name->length = sizeof name->un;
        return getsockname(op->fd, &name->any, &name->length);
    case RILL__OP_GETPEERNAME:
        name->length = sizeof name->un;
        return getpeername(op->fd, &name->any, &name->length);
    case RILL__OP_UNACKED: return ioctl(op->fd, SIOCOUTQ, &unacked) < 0 ? -1 : unacked;
    case RILL__OP_TRUNCATE_NOW: return ftruncate(op->fd, at);
    case RILL__OP_STAT_NOW: return stat(op->addr, (struct stat *)(uintptr_t)op->offset);
    case RILL__OP_UNLINK_NOW: return unlink(op->addr);
    case RILL__OP_LOAD_NOW: return load(op);
    case RILL__OP_PIPE: return rill__pipe_open(op->addr, (int)op->flags);
    case RILL__OP_READ_NOW: return read(op->fd, op->addr, op->size);
    case RILL__OP_WRITE_NOW: return rill__pipe_write(op->fd, op->addr, op->size);
    case RILL__OP_SPAWN: return rill__spawn(op->addr);
    case RILL__OP_SIGNAL: return rill__spawned_signal(op);
    case RILL__OP_REAP: return rill__spawned_reap(op);
    case RILL__OP_GETDENTS: return syscall(SYS_getdents64, op->fd, op->addr, op->size);
    default: CHECK(false && "an op that is submitted"); return -1;
    }
}

int rill__ring_call(struct rill__backend *backend, struct rill__op *op)
{
    (void)backend;
    ssize_t r = plain_call(op);
    return r < 0 ? -errno : (int)r;
}
