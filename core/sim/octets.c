/* octets.c - receiving from simulated streams and sending into them. What is under way is in pipe.c. */
#include "core/sim/net.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/uio.h>

static uint32_t cut(struct rill__sim *sim, uint32_t size)
{
    size = rill__fault_size(sim, size);
    if (size > 1 && rill__sim_chance(sim, RILL__OF_NET, sim->manners.split))
        size = 1 + (uint32_t)rill__sim_draw(sim, RILL__OF_NET, size);
    return size;
}

/* A reset that nobody asked for. */
static bool breaks(struct rill__sim *sim, struct rill__socket *socket)
{
    if (socket->peer == NULL || !rill__fault_resets(sim))
        return false;
    rill__pipe_send_reset(sim, socket->peer);
    rill__pipe_take_reset(sim, socket);
    rill__socket_wake(sim, socket);
    return true;
}

static int receive_datagram(struct rill__sim *sim, struct rill__socket *socket, char *to,
                            uint32_t size, int flags)
{
    struct iovec piece = { to, size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    return rill__datagram_receive(sim, socket, &message, flags);
}

int rill__socket_receive(struct rill__sim *sim, struct rill__socket *socket, char *to,
                         uint32_t size, int flags)
{
    struct rill__pipe *pipe = &socket->in;
    if (socket->type == SOCK_DGRAM)
        return receive_datagram(sim, socket, to, size, flags);
    if (socket->state != RILL__CONNECTED)
        return -ENOTCONN;
    if (breaks(sim, socket))
        return rill__socket_take_error(socket);
    if (pipe->arrived > 0 && !socket->cannot_read) {
        uint32_t part = cut(sim, pipe->arrived < size ? pipe->arrived : size);
        rill__pipe_look(pipe, to, part);
        if (!(flags & MSG_PEEK))
            rill__pipe_drop(sim, socket, part);
        return (int)part;
    }
    if (socket->error != 0)
        return rill__socket_take_error(socket);
    return pipe->ended || socket->cannot_read ? 0 : RILL__SIM_WAIT;
}

int rill__socket_receive_all(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__op *op = flight->op;
    while (flight->got < op->size) {
        int r = rill__socket_receive(sim, flight->socket, (char *)op->addr + flight->got,
                                     op->size - flight->got, (int)op->flags);
        if (r == RILL__SIM_WAIT && !flight->cancelled)
            return r;
        if (r <= 0)
            return flight->got > 0 ? (int)flight->got : r;
        flight->got += (uint32_t)r;
    }
    return (int)flight->got;
}

int rill__socket_receive_many(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__socket *socket = flight->socket;
    char *buffer = NULL;
    bool waits = socket->in.arrived > 0 || socket->queued > 0;
    if (waits && !socket->cannot_read) {
        buffer = rill__sim_take_buffer(sim, flight);
        if (buffer == NULL)
            return RILL__SIM_WAIT;
    }
    int r = rill__socket_receive(sim, socket, buffer, RILL__SIM_BUFFER, 0);
    if (r <= 0 && buffer != NULL) {
        rill__sim_give_buffer(sim, flight->buffer);
        flight->flags &= ~(unsigned)RILL__OP_BUFFER;
    }
    return r;
}

int rill__socket_room(struct rill__sim *sim, struct rill__socket *socket)
{
    if (socket->state != RILL__CONNECTED)
        return -ENOTCONN;
    if (breaks(sim, socket) || socket->error != 0)
        return rill__socket_take_error(socket);
    if (socket->cannot_send)
        return -EPIPE;
    if (socket->peer == NULL) { /* it is gone: this goes out, and a reset comes back */
        if (socket->family == AF_UNIX)
            return -EPIPE;
        rill__pipe_send_reset(sim, socket);
        return INT_MAX;
    }
    return (int)(socket->peer->in.room - socket->peer->in.size);
}

void rill__socket_push(struct rill__sim *sim, struct rill__socket *socket, const char *octets,
                       uint32_t size)
{
    struct rill__socket *peer = socket->peer;
    if (peer == NULL || size == 0)
        return;
    rill__pipe_put(&peer->in, octets, size);
    while (size > 0) { /* a segment each, with a latency of its own */
        uint32_t part = cut(sim, size);
        rill__pipe_send(sim, peer, part);
        size -= part;
    }
}

static int send_message(struct rill__sim *sim, struct rill__socket *socket,
                        const struct msghdr *message)
{
    const struct iovec *pieces = message->msg_iov;
    size_t size = 0, count = message->msg_iovlen;
    if (socket->type == SOCK_DGRAM)
        return rill__datagram_send(sim, socket, message);
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    int room = rill__socket_room(sim, socket);
    if (room < 0 || size == 0)
        return room < 0 ? room : 0;
    if (room == 0)
        return RILL__SIM_WAIT;
    uint32_t take = rill__fault_size(sim, size < (size_t)room ? (uint32_t)size : (uint32_t)room);
    uint32_t left = take;
    for (size_t i = 0; i < count && left > 0; i++) {
        uint32_t part = pieces[i].iov_len < left ? (uint32_t)pieces[i].iov_len : left;
        rill__socket_push(sim, socket, pieces[i].iov_base, part);
        left -= part;
    }
    return (int)take;
}

int rill__socket_send(struct rill__sim *sim, struct rill__socket *socket, const struct rill__op *op)
{
    struct iovec piece = { op->addr, op->size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    return send_message(sim, socket, &message);
}

int rill__socket_send_message(struct rill__sim *sim, struct rill__socket *socket,
                              const struct rill__op *op)
{
    return send_message(sim, socket, op->addr);
}
