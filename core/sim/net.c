/* net.c - simulated stream sockets: their life, receiving and sending, listen queues, connects.
 *
 * A socket has a real number: that of a real socket which nobody uses for anything else, so that
 * numbers run out as they do in earnest, and no other descriptor can have it. If somebody closes the
 * number behind our back, that shows when it is used next, or when nothing else is left to do.
 *
 * A socket lives until its number is closed and the last op in flight on it has ended: closing does
 * not end ops. Only then does the other side learn of it: by the end of the stream, or by a reset if
 * octets were left unread. What is under way is in pipe.c, what is done at once in net_call.c. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
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

static int make_pipe(struct rill__sim *sim, struct rill__pipe *pipe)
{
    pipe->memory = rill_alloc(sim->net.capacity);
    if (pipe->memory == NULL)
        return -ENOMEM;
    pipe->room = sim->net.capacity;
    return 0;
}

void rill__socket_free(struct rill__sim *sim, struct rill__socket *socket)
{
    rill__sim_drop_event(sim, &socket->in.event);
    list_remove(&socket->link);
    list_remove(&socket->place);
    rill_free(socket->in.memory);
    rill_free(socket);
    sim->events_most--;
}

/* Nobody has the socket any more: the other side is told, and it goes. */
static void end_socket(struct rill__sim *sim, struct rill__socket *socket)
{
    struct rill__socket *peer = socket->peer;
    rill__socket_note(sim, socket, RILL__CLOSED, socket->in.size);
    while (!list_is_empty(&socket->queue)) { /* connections that nobody has accepted */
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
    rill_free(sim->by_fd);
}

/* --- Receiving and sending. --- */

static uint32_t cut(struct rill__sim *sim, uint32_t size)
{
    size = rill__fault_size(sim, size);
    if (size > 1 && rill__sim_chance(sim, RILL__OF_NET, sim->manners.split))
        size = 1 + (uint32_t)rill__sim_draw(sim, RILL__OF_NET, size);
    return size;
}

static int take_error(struct rill__socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return error;
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

static int receive(struct rill__sim *sim, struct rill__socket *socket, char *to, uint32_t size,
                   int flags)
{
    struct rill__pipe *pipe = &socket->in;
    if (socket->state != RILL__CONNECTED)
        return -ENOTCONN;
    if (breaks(sim, socket))
        return take_error(socket);
    if (pipe->arrived > 0 && !socket->cannot_read) {
        uint32_t part = cut(sim, pipe->arrived < size ? pipe->arrived : size);
        rill__pipe_look(pipe, to, part);
        if (!(flags & MSG_PEEK))
            rill__pipe_drop(sim, socket, part);
        return (int)part;
    }
    if (socket->error != 0)
        return take_error(socket);
    return pipe->ended || socket->cannot_read ? 0 : RILL__SIM_WAIT;
}

/* Until all that was asked for is there, or the stream has ended. */
static int receive_all(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__op *op = flight->op;
    while (flight->got < op->size) {
        int r = receive(sim, flight->socket, (char *)op->addr + flight->got, op->size - flight->got,
                        (int)op->flags);
        if (r == RILL__SIM_WAIT && !flight->cancelled)
            return r;
        if (r <= 0)
            return flight->got > 0 ? (int)flight->got : r;
        flight->got += (uint32_t)r;
    }
    return (int)flight->got;
}

static int receive_many(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__socket *socket = flight->socket;
    char *buffer = NULL;
    if (socket->in.arrived > 0 && !socket->cannot_read) {
        buffer = rill__sim_take_buffer(sim, flight);
        if (buffer == NULL)
            return RILL__SIM_WAIT;
    }
    int r = receive(sim, socket, buffer, RILL__SIM_BUFFER, 0);
    if (r <= 0 && buffer != NULL) {
        sim->backend.ops->give_back(&sim->backend, flight->buffer);
        flight->flags &= ~(unsigned)RILL__OP_BUFFER;
    }
    return r;
}

/* How much can be sent now; 0: it has to wait; an error. */
int rill__socket_room(struct rill__sim *sim, struct rill__socket *socket)
{
    if (socket->state != RILL__CONNECTED)
        return -ENOTCONN;
    if (breaks(sim, socket) || socket->error != 0)
        return take_error(socket);
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

/* Into the pipe of the other side, if there still is one. */
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

static int send_pieces(struct rill__sim *sim, struct rill__socket *socket,
                       const struct iovec *pieces, size_t count)
{
    size_t size = 0;
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

/* Receives into the pieces of a message; no address and nothing besides octets comes with it. */
static int receive_message(struct rill__sim *sim, struct rill__socket *socket,
                           const struct rill__op *op)
{
    struct msghdr *message = op->addr;
    struct iovec none = { NULL, 0 };
    const struct iovec *first = message->msg_iovlen > 0 ? message->msg_iov : &none;
    uint32_t size = first->iov_len < INT_MAX ? (uint32_t)first->iov_len : INT_MAX;
    message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return receive(sim, socket, first->iov_base, size, (int)op->flags);
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

int rill__socket_send(struct rill__sim *sim, struct rill__socket *socket, const struct rill__op *op)
{
    struct iovec piece = { op->addr, op->size };
    return send_pieces(sim, socket, &piece, 1);
}

static int send_message(struct rill__sim *sim, struct rill__socket *socket,
                        const struct rill__op *op)
{
    const struct msghdr *message = op->addr;
    return send_pieces(sim, socket, message->msg_iov, message->msg_iovlen);
}

int rill__never_wait(int r)
{
    return r == RILL__SIM_WAIT ? -EAGAIN : r;
}

/* --- Connecting and accepting. --- */

static bool is_any(const rill_addr *addr)
{
    static const struct in6_addr any6;
    return addr->any.sa_family == AF_INET
               ? addr->in4.sin_addr.s_addr == 0
               : addr->any.sa_family == AF_INET6 && memcmp(&addr->in6.sin6_addr, &any6, 16) == 0;
}

bool rill__socket_fits(const rill_addr *listening, const rill_addr *wanted)
{
    if (rill_addr_equal(listening, wanted))
        return true;
    return listening->any.sa_family == wanted->any.sa_family && is_any(listening) &&
           rill_addr_port(listening) == rill_addr_port(wanted);
}

/* A socket that listens there: of several one by the seed, as the kernel spreads them; but a path is that
 * of who has bound it last. */
static struct rill__socket *listener_at(struct rill__sim *sim, const rill_addr *addr)
{
    struct rill__socket *found = NULL;
    uint64_t count = 0;
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (socket->state == RILL__LISTENING && !socket->closed &&
            rill__socket_fits(&socket->local, addr) &&
            (socket->family == AF_UNIX || rill__sim_draw(sim, RILL__OF_NET, ++count) == 0))
            found = socket;
    }
    return found;
}

void rill__set_port(rill_addr *addr, uint16_t port)
{
    if (addr->any.sa_family == AF_INET)
        addr->in4.sin_port = htons(port);
    else if (addr->any.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
}

static void name_client(struct rill__sim *sim, struct rill__socket *socket, const rill_addr *remote)
{
    socket->remote = *remote;
    if (socket->family == AF_UNIX || rill_addr_port(&socket->local) != 0)
        return;
    socket->local = *remote;
    rill__set_port(&socket->local, (uint16_t)(RILL__FIRST_PORT + ++sim->next_port % 20000));
}

static int join(struct rill__sim *sim, struct rill__socket *socket, struct rill__socket *listener,
                const rill_addr *remote)
{
    struct rill__socket *other = rill__socket_make(sim, socket->family, socket->type);
    if (other == NULL)
        return -ENOMEM;
    if (make_pipe(sim, &other->in) < 0 || make_pipe(sim, &socket->in) < 0) {
        rill__socket_free(sim, other);
        return -ENOMEM;
    }
    name_client(sim, socket, remote);
    other->local = *remote;
    other->remote = socket->local;
    socket->state = other->state = RILL__CONNECTED;
    socket->peer = other;
    other->peer = socket;
    list_push_back(&listener->queue, &other->place);
    listener->queued++;
    rill__socket_note(sim, listener, RILL__QUEUED, other->id);
    rill__socket_note(sim, socket, RILL__WAS_CONNECTED, other->id);
    rill__socket_wake(sim, listener);
    rill__socket_wake(sim, socket);
    return 0;
}

void rill__addr_of_op(const struct rill__op *op, rill_addr *ret_addr)
{
    *ret_addr = (rill_addr){ .length = op->size };
    memcpy(&ret_addr->any, op->addr,
           op->size < sizeof ret_addr->un ? op->size : sizeof ret_addr->un);
}

/* The queue is full: again later, as TCP does, with ever longer pauses, and not all at once. */
static int connect_later(struct rill__sim *sim, struct rill__flight *flight)
{
    enum { tries_most = 6 };

    if (flight->socket->family == AF_UNIX)
        return -EAGAIN;
    if (flight->got > tries_most)
        return -ETIMEDOUT;
    rill_time pause = (RILL_SEC(1) << flight->got++) +
                      (rill_time)rill__sim_draw(sim, RILL__OF_NET, (uint64_t)RILL_MS(200));
    rill__sim_set_event(sim, &flight->event, sim->now + pause);
    return RILL__SIM_WAIT;
}

static int try_connect(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__socket *socket = flight->socket;
    rill_addr addr;
    rill__addr_of_op(flight->op, &addr);
    if (socket->state != RILL__IDLE)
        return -EISCONN;
    struct rill__socket *listener = listener_at(sim, &addr);
    if (listener == NULL && sim->net.outside) {
        socket->foreign = true; /* somebody outside may listen there: the real call says */
        return rill__foreign_try(sim, flight);
    }
    if (listener == NULL)
        return socket->family == AF_UNIX ? -ENOENT : -ECONNREFUSED;
    if (listener->queued > (unsigned)listener->backlog)
        return connect_later(sim, flight);
    return join(sim, socket, listener, &addr);
}

/* A real descriptor for a simulated socket: its number is what counts. */
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

static int accept_outside(const struct rill__socket *listener, int flags)
{
    struct pollfd ready = { .fd = listener->fd, .events = POLLIN };
    if (!listener->real || listener->fd < 0 || rill__poll(&ready, 1, 0) != 1)
        return RILL__SIM_WAIT;
    int fd = accept4(listener->fd, NULL, NULL, flags);
    return fd < 0 ? -errno : fd;
}

int rill__socket_accept(struct rill__sim *sim, struct rill__socket *listener, int flags)
{
    if (listener->state != RILL__LISTENING || listener->cannot_read)
        return -EINVAL;
    if (list_is_empty(&listener->queue))
        return accept_outside(listener, flags);
    struct rill__socket *first = container_of(listener->queue.next, struct rill__socket, place);
    int fd = rill__socket_number(sim, first, flags);
    if (fd < 0)
        return fd; /* it stays in the queue */
    list_remove(&first->place);
    listener->queued--;
    rill__socket_note(sim, listener, RILL__ACCEPTED, first->id);
    return fd;
}

/* --- Ops in flight. --- */

static short holds(const struct rill__socket *socket)
{
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
    return (short)events;
}

static int try_poll(const struct rill__socket *socket, unsigned events)
{
    unsigned now = (unsigned short)holds(socket) & (events | POLLERR | POLLHUP);
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
    case RILL__OP_CONNECT: return try_connect(sim, flight);
    case RILL__OP_RECV:
        if (op->flags & MSG_WAITALL)
            return receive_all(sim, flight);
        return receive(sim, socket, op->addr, op->size, (int)op->flags);
    case RILL__OP_READ: return receive(sim, socket, op->addr, op->size, 0);
    case RILL__OP_RECV_MANY: return receive_many(sim, flight);
    case RILL__OP_RECVMSG: return receive_message(sim, socket, op);
    case RILL__OP_SEND:
    case RILL__OP_WRITE: return rill__socket_send(sim, socket, op);
    case RILL__OP_SENDMSG: return send_message(sim, socket, op);
    case RILL__OP_SEND_NOW: return rill__never_wait(rill__socket_send(sim, socket, op));
    case RILL__OP_SENDMSG_NOW: return rill__never_wait(send_message(sim, socket, op));
    case RILL__OP_POLL: return try_poll(socket, op->flags);
    default: return rill__foreign_try(sim, flight); /* what it is on its real number */
    }
}

int rill__socket_try(struct rill__sim *sim, struct rill__flight *flight)
{
    int r = try_now(sim, flight);
    return rill__op_never_waits(flight->op) ? rill__never_wait(r) : r;
}
