/* net_call.c - the ops on simulated sockets that are carried out at once: names, options, ends. */
#include "core/sim/net.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int call_socket(struct rill__sim *sim, const struct rill__op *op)
{
    int type = (int)op->flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct rill__socket *socket = rill__socket_make(sim, op->fd, type);
    if (socket == NULL)
        return -ENOMEM;
    int fd = rill__socket_number(sim, socket, (int)op->flags & (SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd < 0)
        rill__socket_free(sim, socket);
    else
        socket->real = type == SOCK_DGRAM && sim->net.outside;
    return fd;
}

static int call_shutdown(struct rill__sim *sim, struct rill__socket *socket, int how)
{
    if (socket->state == RILL__IDLE)
        return -ENOTCONN;
    if (socket->state == RILL__LISTENING || how != SHUT_WR)
        socket->cannot_read = true;
    if (socket->state == RILL__CONNECTED && how != SHUT_RD && !socket->cannot_send) {
        socket->cannot_send = true;
        rill__pipe_send_end(sim, socket->peer);
    }
    rill__socket_wake(sim, socket);
    return 0;
}

static int call_close(struct rill__sim *sim, struct rill__socket *socket)
{
    int fd = socket->fd;
    rill__socket_forget(sim, socket);
    return close(fd) < 0 ? -errno : 0;
}

static int call_setsockopt(struct rill__socket *socket, const struct rill__op *op)
{
    struct linger linger;
    bool lingers = (int)op->flags == SOL_SOCKET && (int)op->offset == SO_LINGER;
    if (lingers && op->size == sizeof linger && socket->family != AF_UNIX) {
        memcpy(&linger, op->addr, sizeof linger);
        socket->abrupt = linger.l_onoff != 0 && linger.l_linger == 0;
    }
    if (setsockopt(socket->fd, (int)op->flags, (int)op->offset, op->addr, op->size) < 0)
        return -errno;
    return 0;
}

static int call_sendfile(struct rill__sim *sim, struct rill__socket *socket,
                         const struct rill__op *op)
{
    char octets[1024]; /* short is allowed, and tasks run on small stacks */
    int room = rill__socket_room(sim, socket);
    if (room <= 0)
        return room == 0 ? -EAGAIN : room;
    size_t size = op->size < sizeof octets ? op->size : sizeof octets;
    size = rill__fault_size(sim, (uint32_t)(size < (size_t)room ? size : (size_t)room));
    ssize_t got = pread((int)op->flags, octets, size, (off_t)op->offset);
    if (got > 0)
        rill__socket_push(sim, socket, octets, (uint32_t)got);
    return got < 0 ? -errno : (int)got;
}

static int call_name(const rill_addr *name, const struct rill__op *op)
{
    *(rill_addr *)op->addr = *name;
    return 0;
}

static int call_on(struct rill__sim *sim, struct rill__socket *socket, const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_SEND_MORE: return rill__never_wait(rill__socket_send(sim, socket, op));
    case RILL__OP_SENDFILE: return call_sendfile(sim, socket, op);
    case RILL__OP_SHUTDOWN: return call_shutdown(sim, socket, (int)op->flags);
    case RILL__OP_CLOSE: return call_close(sim, socket);
    case RILL__OP_CONNECT_NOW:
        return socket->type == SOCK_DGRAM ? rill__datagram_connect(sim, socket, op)
                                          : RILL__SIM_OUTSIDE;
    case RILL__OP_ACCEPT_NOW:
        return rill__never_wait(rill__socket_accept(sim, socket, SOCK_NONBLOCK | SOCK_CLOEXEC));
    case RILL__OP_BIND: return rill__socket_bind_to(sim, socket, op);
    case RILL__OP_LISTEN: return rill__socket_listen_at(sim, socket, (int)op->flags);
    case RILL__OP_SETSOCKOPT: return call_setsockopt(socket, op);
    case RILL__OP_GETSOCKNAME: return call_name(&socket->local, op);
    case RILL__OP_GETPEERNAME:
        return socket->state == RILL__CONNECTED ? call_name(&socket->remote, op) : -ENOTCONN;
    case RILL__OP_UNACKED:
        return socket->peer != NULL ? (int)(socket->peer->in.size - socket->peer->in.arrived) : 0;
    default: return RILL__SIM_OUTSIDE; /* the real call on its number does */
    }
}

static bool is_simulated(const struct rill__op *op)
{
    int type = (int)op->flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (op->kind == RILL__OP_SOCKETPAIR)
        return type == SOCK_STREAM && op->fd == AF_UNIX;
    return (type == SOCK_STREAM || type == SOCK_DGRAM) &&
           (op->fd == AF_INET || op->fd == AF_INET6 || op->fd == AF_UNIX);
}

bool rill__socket_call(struct rill__sim *sim, struct rill__op *op, int *ret_result)
{
    if (op->kind == RILL__OP_SOCKET || op->kind == RILL__OP_SOCKETPAIR) {
        if (!is_simulated(op))
            return false;
        *ret_result =
            op->kind == RILL__OP_SOCKET ? call_socket(sim, op) : rill__socket_pair(sim, op);
        return true;
    }
    struct rill__socket *socket = rill__socket_of(sim, op->fd);
    if (socket == NULL || (socket->foreign && op->kind != RILL__OP_CLOSE))
        return false;
    int r = call_on(sim, socket, op);
    if (r == RILL__SIM_OUTSIDE)
        return false;
    *ret_result = r;
    return true;
}
