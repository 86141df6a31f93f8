/* net.c - simulated sockets: their life, and the ops in flight on them.
 *
 * A socket has a real number: that of a real socket which nobody uses for anything else, so that
 * numbers run out as they do in earnest, and no other descriptor can have it. If somebody closes the
 * number behind our back, that shows when it is used next, or when nothing else is left to do.
 *
 * A socket lives until its number is closed and the last op in flight on it has ended: closing does
 * not end ops. Only then does the other side learn of it: by the end of the stream, or by a reset if
 * octets were left unread.
 *
 * connect.c has listening and connecting, octets.c receiving and sending, pipe.c what is under way,
 * datagram.c datagrams, net_call.c what is done at once. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { first_numbers = 64 };

/* --- Life. --- */

static int know_number(struct rill__sim *sim, struct rill__socket *socket, int fd)
{
    size_t size = sim->by_fd_size == 0 ? first_numbers : sim->by_fd_size;
    struct stat status;
    while (size <= (size_t)fd)
        size *= 2;
    if (size > sim->by_fd_size) {
        struct rill__socket **moved = rill_resize(sim->by_fd, size * sizeof(*moved));
        if (moved == NULL)
            return -ENOMEM;
        memset(moved + sim->by_fd_size, 0, (size - sim->by_fd_size) * sizeof(*moved));
        sim->by_fd = moved;
        sim->by_fd_size = size;
    }
    if (fstat(fd, &status) < 0)
        return -errno;
    socket->device = status.st_dev;
    socket->inode = status.st_ino;
    socket->fd = fd;
    sim->by_fd[fd] = socket;
    return 0;
}

int rill__socket_number(struct rill__sim *sim, struct rill__socket *taken, int flags)
{
    int fd = socket(taken->family, taken->type | flags, 0);
    if (fd < 0)
        return -errno;
    int r = know_number(sim, taken, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

struct rill__socket *rill__socket_make(struct rill__sim *sim, int family, int type)
{
    struct rill__socket *socket = rill_alloc_zero(1, sizeof *socket);
    if (socket == NULL || rill__sim_reserve_events(sim, 1) < 0) {
        rill_free(socket);
        return NULL;
    }
    socket->id = ++sim->sockets_made;
    socket->fd = -1;
    socket->family = family;
    socket->type = type;
    socket->in.event.fire = rill__pipe_arrive;
    socket->local.any.sa_family = socket->remote.any.sa_family = (sa_family_t)family;
    socket->local.length = socket->remote.length = sizeof(sa_family_t);
    list_init(&socket->waiters);
    list_init(&socket->queue);
    list_push_back(&sim->sockets, &socket->link);
    rill__socket_note(sim, socket, RILL__MADE, 0);
    return socket;
}

void rill__socket_free(struct rill__sim *sim, struct rill__socket *socket)
{
    rill__sim_drop_event(sim, &socket->in.event);
    list_remove(&socket->link);
    list_remove(&socket->place);
    if (socket->type == SOCK_DGRAM)
        rill__datagrams_drop(sim, &socket->queue);
    rill_free(socket->in.memory);
    rill_free(socket);
    sim->events_most--;
}

/* Nobody has the socket any more: the other side is told, and it goes. */
static void end_socket(struct rill__sim *sim, struct rill__socket *socket)
{
    struct rill__socket *peer = socket->peer;
    rill__socket_note(sim, socket, RILL__CLOSED, socket->in.size);
    while (socket->state == RILL__LISTENING && !list_is_empty(&socket->queue)) {
        struct rill__socket *waiting = container_of(socket->queue.next, struct rill__socket, place);
        waiting->abrupt = true;
        end_socket(sim, waiting);
    }
    if (peer != NULL) {
        if (socket->abrupt || socket->in.size > 0)
            rill__pipe_send_reset(sim, peer);
        else if (!socket->cannot_send)
            rill__pipe_send_end(sim, peer);
        peer->peer = NULL;
    }
    rill__socket_free(sim, socket);
}

void rill__socket_hold(struct rill__socket *socket)
{
    socket->flights++;
}

void rill__socket_release(struct rill__sim *sim, struct rill__socket *socket)
{
    if (--socket->flights == 0 && socket->closed)
        end_socket(sim, socket);
}

void rill__socket_forget(struct rill__sim *sim, struct rill__socket *socket)
{
    sim->by_fd[socket->fd] = NULL;
    socket->fd = -1;
    socket->closed = true;
    if (socket->flights == 0)
        end_socket(sim, socket);
}

static bool is_still_there(const struct rill__socket *socket)
{
    struct stat status;
    return fstat(socket->fd, &status) == 0 && status.st_dev == socket->device &&
           status.st_ino == socket->inode;
}

struct rill__socket *rill__socket_of(struct rill__sim *sim, int fd)
{
    struct rill__socket *socket = fd >= 0 && (size_t)fd < sim->by_fd_size ? sim->by_fd[fd] : NULL;
    if (socket == NULL || is_still_there(socket))
        return socket;
    rill__socket_forget(sim, socket);
    return NULL;
}

bool rill__socket_sweep(struct rill__sim *sim)
{
    bool any = false;
    for (size_t fd = 0; fd < sim->by_fd_size; fd++)
        if (sim->by_fd[fd] != NULL && !is_still_there(sim->by_fd[fd])) {
            rill__socket_forget(sim, sim->by_fd[fd]);
            any = true;
        }
    return any;
}

void rill__sockets_fini(struct rill__sim *sim)
{
    while (!list_is_empty(&sim->sockets))
        rill__socket_free(sim, container_of(sim->sockets.next, struct rill__socket, link));
    rill__datagrams_drop(sim, &sim->datagrams);
    rill_free(sim->by_fd);
}

/* --- Ops in flight. --- */

static unsigned holds_datagrams(const struct rill__socket *socket)
{
    unsigned events = POLLOUT | POLLWRNORM;
    if (!list_is_empty(&socket->queue) || socket->cannot_read)
        events |= POLLIN | POLLRDNORM;
    return socket->error != 0 ? events | POLLERR | POLLIN : events;
}

static unsigned holds(const struct rill__socket *socket)
{
    if (socket->type == SOCK_DGRAM)
        return holds_datagrams(socket);
    const struct rill__socket *peer = socket->peer;
    bool ended = socket->in.ended || socket->cannot_read;
    unsigned events = 0;
    if (socket->in.arrived > 0 || ended || !list_is_empty(&socket->queue))
        events |= POLLIN | POLLRDNORM;
    if (ended)
        events |= POLLRDHUP;
    if (socket->state == RILL__CONNECTED && (peer == NULL || peer->in.size < peer->in.room))
        events |= POLLOUT | POLLWRNORM;
    if ((ended && socket->cannot_send) || socket->state == RILL__IDLE)
        events |= POLLHUP;
    if (socket->error != 0)
        events |= POLLERR;
    return events;
}

static int try_poll(const struct rill__socket *socket, unsigned events)
{
    unsigned now = holds(socket) & (events | POLLERR | POLLHUP);
    if (socket->real && now == 0) {
        struct pollfd ready = { .fd = socket->fd, .events = (short)events };
        now = rill__poll(&ready, 1, 0) == 1 ? (unsigned short)ready.revents : 0;
    }
    return now != 0 ? (int)now : RILL__SIM_WAIT;
}

static int try_now(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__op *op = flight->op;
    struct rill__socket *socket = flight->socket;
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_ACCEPT:
    case RILL__OP_ACCEPT_ONE: return rill__socket_accept(sim, socket, (int)op->flags);
    case RILL__OP_CONNECT:
        if (socket->type == SOCK_DGRAM)
            return rill__datagram_connect(sim, socket, op);
        return rill__socket_connect(sim, flight);
    case RILL__OP_RECV:
        if ((op->flags & MSG_WAITALL) && socket->type != SOCK_DGRAM)
            return rill__socket_receive_all(sim, flight);
        return rill__socket_receive(sim, socket, op->addr, op->size, (int)op->flags);
    case RILL__OP_READ: return rill__socket_receive(sim, socket, op->addr, op->size, 0);
    case RILL__OP_RECV_MANY: return rill__socket_receive_many(sim, flight);
    case RILL__OP_RECVMSG: return rill__datagram_receive(sim, socket, op->addr, (int)op->flags);
    case RILL__OP_SEND:
    case RILL__OP_WRITE: return rill__socket_send(sim, socket, op);
    case RILL__OP_SENDMSG: return rill__socket_send_message(sim, socket, op);
    case RILL__OP_SEND_NOW: return rill__never_wait(rill__socket_send(sim, socket, op));
    case RILL__OP_SENDMSG_NOW: return rill__never_wait(rill__socket_send_message(sim, socket, op));
    case RILL__OP_POLL: return try_poll(socket, op->flags);
    default: return rill__foreign_try(sim, flight); /* what it is on its real number */
    }
}

bool rill__op_never_waits(const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_RECV:
    case RILL__OP_RECVMSG:
    case RILL__OP_SEND:
    case RILL__OP_SENDMSG: return (op->flags & MSG_DONTWAIT) != 0;
    default: return false;
    }
}

int rill__never_wait(int r)
{
    return r == RILL__SIM_WAIT ? -EAGAIN : r;
}

/* By the real call. Such a socket is watched for what comes, not for room: a send without it tries again. */
static int try_outside(struct rill__sim *sim, struct rill__flight *flight)
{
    int r = rill__foreign_try(sim, flight);
    if (r == RILL__SIM_WAIT && flight->op->kind == RILL__OP_SENDMSG && !flight->cancelled)
        rill__sim_set_event(sim, &flight->event, sim->now + RILL_MS(1));
    return r;
}

int rill__socket_try(struct rill__sim *sim, struct rill__flight *flight)
{
    int r = try_now(sim, flight);
    if (r == RILL__SIM_OUTSIDE)
        r = try_outside(sim, flight);
    return rill__op_never_waits(flight->op) ? rill__never_wait(r) : r;
}
