/* foreign.c - ops on descriptors that the simulator did not make: files, pipes, sockets of others.
 *
 * Each is carried out by the real call, at a virtual time. What could make the thread sleep is looked
 * at first and waits in `foreign` until it is ready; a regular file is always ready. So a program and
 * its socket pairs and files run unchanged, and in an order of the seed. */
#include "core/base/machine.h"
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What to poll for before the op is tried; 0: it does not depend on that. */
static short readiness(const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_ACCEPT:
    case RILL__OP_ACCEPT_ONE:
    case RILL__OP_RECV:
    case RILL__OP_RECVMSG:
    case RILL__OP_RECV_MANY:
    case RILL__OP_READ:
    case RILL__OP_READV: return POLLIN;
    case RILL__OP_WRITE:
    case RILL__OP_WRITEV:
    case RILL__OP_SEND:
    case RILL__OP_SENDMSG:
    case RILL__OP_CONNECT: return POLLOUT;
    case RILL__OP_POLL: return (short)op->flags;
    default: return 0;
    }
}

int rill__poll(struct pollfd *polled, size_t count, int timeout)
{
    struct rlimit limit, raised;
    int r = poll(polled, count, timeout);
    if (r >= 0 || errno != EINVAL || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return r;
    raised = (struct rlimit){ limit.rlim_max, limit.rlim_max };
    setrlimit(RLIMIT_NOFILE, &raised);
    r = poll(polled, count, timeout);
    setrlimit(RLIMIT_NOFILE, &limit);
    return r;
}

static short events_now(int fd, short wanted)
{
    struct pollfd one = { .fd = fd, .events = wanted };
    return rill__poll(&one, 1, 0) == 1 ? one.revents : 0;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
}

bool rill__foreign_is_slow(const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_FSYNC:
    case RILL__OP_OPENAT2:
    case RILL__OP_STATX:
    case RILL__OP_RENAME:
    case RILL__OP_UNLINK:
    case RILL__OP_MKDIR:
    case RILL__OP_TRUNCATE: return true;
    case RILL__OP_READ:
    case RILL__OP_READV:
    case RILL__OP_WRITE:
    case RILL__OP_WRITEV: return !rill__op_is_wake(op) && is_regular(op->fd);
    default: return false;
    }
}

static int result_of(ssize_t r)
{
    if (r >= 0)
        return (int)r;
    return errno == EAGAIN || errno == EINPROGRESS ? RILL__SIM_WAIT : -errno;
}

/* What an op reads or writes: its pieces, or one of them where short results are due. Into a pipe no
 * more than it takes without waiting once it is ready. */
struct pieces {
    const struct iovec *at;
    int count;
    struct iovec only;
    off_t offset; /* -1: where the descriptor stands */
};

static void cut_pieces(struct rill__sim *sim, const struct rill__op *op, struct pieces *pieces)
{
    enum { never_waits = 4096 };

    bool vector = op->kind == RILL__OP_READV || op->kind == RILL__OP_WRITEV;
    bool regular = is_regular(op->fd);
    *pieces = (struct pieces){ .at = op->addr, .count = (int)op->size };
    pieces->offset = regular ? (off_t)op->offset : -1;
    pieces->only = vector && op->size > 0 ? pieces->at[0] : (struct iovec){ op->addr, op->size };
    uint32_t whole = pieces->only.iov_len < INT32_MAX ? (uint32_t)pieces->only.iov_len : INT32_MAX;
    uint32_t size = rill__fault_size(sim, whole);
    if (!regular && size > never_waits)
        size = never_waits;
    if (vector && regular && size == whole)
        return;
    pieces->only.iov_len = size;
    pieces->at = &pieces->only;
    pieces->count = 1;
}

static ssize_t read_pieces(struct rill__sim *sim, const struct rill__op *op)
{
    struct pieces pieces;
    cut_pieces(sim, op, &pieces);
    return preadv2(op->fd, pieces.at, pieces.count, pieces.offset, 0);
}

static ssize_t write_pieces(struct rill__sim *sim, const struct rill__op *op)
{
    struct pieces pieces;
    cut_pieces(sim, op, &pieces);
    return pwritev2(op->fd, pieces.at, pieces.count, pieces.offset, 0);
}

static int rename_file(const struct rill__op *op)
{
    return rename(op->addr, (const char *)(uintptr_t)op->offset);
}

static int stat_file(const struct rill__op *op)
{
    return statx(op->fd, op->addr, (int)op->flags, STATX_BASIC_STATS,
                 (struct statx *)(uintptr_t)op->offset);
}

static int receive_many(struct rill__sim *sim, struct rill__flight *flight)
{
    char *buffer = rill__sim_take_buffer(sim, flight);
    if (buffer == NULL)
        return RILL__SIM_WAIT;
    uint32_t size = rill__fault_size(sim, RILL__SIM_BUFFER);
    int r = result_of(recv(flight->op->fd, buffer, size, MSG_DONTWAIT));
    if (r > 0)
        return r;
    rill__sim_give_buffer(sim, flight->buffer);
    flight->flags &= ~(unsigned)RILL__OP_BUFFER;
    return r;
}

static ssize_t connect_to(struct rill__flight *flight)
{
    const struct rill__op *op = flight->op;
    int error = 0;
    socklen_t size = sizeof error;
    if (flight->got++ == 0) /* the first try begins it, the next one looks how it went */
        return connect(op->fd, op->addr, op->size);
    if (getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

static int poll_now(const struct rill__op *op)
{
    struct pollfd one = { .fd = op->fd, .events = (short)op->flags };
    int r = rill__poll(&one, 1, 0);
    if (r > 0 && (one.revents & POLLNVAL))
        return -EBADF;
    return r > 0 ? (unsigned short)one.revents : RILL__SIM_WAIT;
}

/* NOW sends are whole unless the socket is full: then the result says how much. */
static int send_now(struct rill__sim *sim, const struct rill__op *op)
{
    enum { now = MSG_DONTWAIT | MSG_NOSIGNAL };

    uint32_t size = rill__fault_size(sim, op->size);
    int r = result_of(op->kind == RILL__OP_SEND_NOW ? send(op->fd, op->addr, size, now)
                                                    : sendmsg(op->fd, op->addr, now));
    return r == RILL__SIM_WAIT ? -EAGAIN : r;
}

static int real_call(struct rill__sim *sim, struct rill__flight *flight)
{
    enum { now = MSG_DONTWAIT | MSG_NOSIGNAL };

    struct rill__op *op = flight->op;
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_ACCEPT:
    case RILL__OP_ACCEPT_ONE: return result_of(accept4(op->fd, NULL, NULL, (int)op->flags));
    case RILL__OP_CONNECT: return result_of(connect_to(flight));
    case RILL__OP_RECV:
        return result_of(
            recv(op->fd, op->addr, rill__fault_size(sim, op->size), (int)op->flags | MSG_DONTWAIT));
    case RILL__OP_RECV_MANY: return receive_many(sim, flight);
    case RILL__OP_SEND:
        return result_of(
            send(op->fd, op->addr, rill__fault_size(sim, op->size), (int)op->flags | now));
    case RILL__OP_SEND_NOW:
    case RILL__OP_SENDMSG_NOW: return send_now(sim, op);
    case RILL__OP_RECVMSG:
        return result_of(recvmsg(op->fd, op->addr, (int)op->flags | MSG_DONTWAIT));
    case RILL__OP_SENDMSG: return result_of(sendmsg(op->fd, op->addr, (int)op->flags | now));
    case RILL__OP_POLL: return poll_now(op);
    case RILL__OP_READ:
    case RILL__OP_READV: return result_of(read_pieces(sim, op));
    case RILL__OP_WRITE:
    case RILL__OP_WRITEV: return result_of(write_pieces(sim, op));
    case RILL__OP_FSYNC: return result_of(op->flags != 0 ? fdatasync(op->fd) : fsync(op->fd));
    case RILL__OP_OPENAT2:
        return result_of(syscall(SYS_openat2, op->fd, op->addr,
                                 (struct open_how *)(uintptr_t)op->offset,
                                 sizeof(struct open_how)));
    case RILL__OP_STATX: return result_of(stat_file(op));
    case RILL__OP_RENAME: return result_of(rename_file(op));
    case RILL__OP_UNLINK: return result_of(unlinkat(AT_FDCWD, op->addr, (int)op->flags));
    case RILL__OP_MKDIR: return result_of(mkdir(op->addr, op->flags));
    case RILL__OP_TRUNCATE: return result_of(ftruncate(op->fd, (off_t)op->offset));
    default: return -EINVAL;
    }
}

int rill__foreign_try(struct rill__sim *sim, struct rill__flight *flight)
{
    const struct rill__op *op = flight->op;
    short wanted = readiness(op);
    bool waits = !rill__op_never_waits(op);
    bool looks = op->fd >= 0 && (op->kind != RILL__OP_CONNECT || flight->got > 0);
    if (wanted != 0 && looks && op->kind != RILL__OP_POLL && events_now(op->fd, wanted) == 0)
        return waits ? RILL__SIM_WAIT : -EAGAIN;
    int r = real_call(sim, flight);
    return r == RILL__SIM_WAIT && !waits ? -EAGAIN : r;
}

/* --- Waiting for the outside. --- */

static bool is_reachable(const struct rill__socket *socket)
{
    return socket->real && !list_is_empty(&socket->waiters);
}

static size_t count_foreign(const struct rill__sim *sim)
{
    size_t count = 0;
    list_for_each(node, &sim->foreign)
        count++;
    list_for_each(node, &sim->sockets)
        count += is_reachable(container_of(node, struct rill__socket, link));
    return count;
}

static size_t fill(const struct rill__sim *sim, struct pollfd *polled)
{
    size_t count = 0;
    list_for_each(node, &sim->foreign) {
        const struct rill__op *op = container_of(node, struct rill__flight, link)->op;
        polled[count++] = (struct pollfd){ .fd = op->fd, .events = readiness(op) };
    }
    list_for_each(node, &sim->sockets) {
        const struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (is_reachable(socket))
            polled[count++] = (struct pollfd){ .fd = socket->fd, .events = POLLIN };
    }
    return count;
}

static void wake_ready(struct rill__sim *sim, const struct pollfd *polled)
{
    list_for_each_safe(node, &sim->foreign)
        if ((polled++)->revents != 0)
            rill__sim_wake(sim, container_of(node, struct rill__flight, link));
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (!is_reachable(socket) || (polled++)->revents == 0)
            continue;
        while (!list_is_empty(&socket->waiters))
            rill__sim_wake(sim, container_of(socket->waiters.next, struct rill__flight, link));
    }
}

bool rill__foreign_poll(struct rill__sim *sim, int patience)
{
    struct pollfd few[16], *polled = few;
    size_t count = count_foreign(sim);
    if (count > sizeof few / sizeof *few)
        polled = rill_alloc(count * sizeof *polled);
    if (polled == NULL)
        return true; /* the next wait tries again */
    fill(sim, polled);
    int r = rill__poll(polled, count, patience);
    if (r > 0)
        wake_ready(sim, polled);
    if (polled != few)
        rill_free(polled);
    return r != 0;
}

bool rill__foreign_is_ready(const struct rill__flight *flight)
{
    const struct rill__op *op = flight->op;
    bool ours = flight->socket != NULL && !flight->socket->foreign;
    return !ours && op->fd >= 0 && events_now(op->fd, readiness(op)) != 0;
}

/* Whether another thread runs that could come: ours do only for a job. */
static bool has_threads(void)
{
    char line[256];
    unsigned idle = 0, threads = 1;
    if (__atomic_load_n(&rill__own_jobs, __ATOMIC_SEQ_CST) == 0)
        idle = __atomic_load_n(&rill__own_threads, __ATOMIC_SEQ_CST);
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "Threads: %u", &threads) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return threads > 1 + idle;
}

/* Where datagrams of ours were lost, who waits for one waits for that, or for what would have followed. */
static bool waits_in_vain(const struct rill__sim *sim, const struct rill__socket *socket)
{
    return socket->type == SOCK_DGRAM && sim->lost_one;
}

bool rill__foreign_may_come(const struct rill__sim *sim)
{
    list_for_each(node, &sim->foreign)
        if (!rill__op_is_wake(container_of(node, struct rill__flight, link)->op))
            return true;
    list_for_each(node, &sim->sockets) {
        const struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (is_reachable(socket) && !waits_in_vain(sim, socket))
            return true;
    }
    return has_threads();
}
