/* net.c - simulated stream sockets: pipes with latency and bounded room, half-close, reset, queues.
 *
 * A socket has a real number: that of a real socket which nobody uses for anything else, so that
 * numbers run out as they do in earnest, and no other descriptor can have it. What is sent goes into
 * the pipe of the other side and can be read there once it has arrived. The end of a stream travels
 * behind the octets, a reset overtakes none of them.
 *
 * A socket lives until its number is closed and the last op in flight on it has ended: closing does
 * not end ops. Only then does the other side learn of it: by the end of the stream, or by a reset if
 * octets were left unread. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* What happens to a socket, in the trace. */
enum { MADE, CLOSED, ARRIVED, ENDED, WAS_RESET, QUEUED, ACCEPTED, CONNECTED };

enum { first_port = 40000, first_numbers = 64 };

static void note(struct rill__sim *sim, const struct rill__socket *socket, int what, int64_t much)
{
    rill__sim_note(sim, RILL__TRACE_SOCKET, socket->id, what, much);
}

static void wake_all(struct rill__sim *sim, struct rill__socket *socket)
{
    while (!list_is_empty(&socket->waiters))
        rill__sim_wake(sim, container_of(socket->waiters.next, struct rill__flight, link));
}

/* --- Octets on their way. --- */

static rill_time latency(struct rill__sim *sim, const struct rill__socket *socket)
{
    if (socket->family == AF_UNIX || sim->net.latency_max == 0)
        return 0;
    uint64_t span = (uint64_t)(sim->net.latency_max - sim->net.latency_min) + 1;
    return sim->net.latency_min + (rill_time)rill__sim_draw(sim, RILL__OF_NET, span);
}

static void set_arrival(struct rill__sim *sim, struct rill__pipe *pipe)
{
    rill_time at = RILL_FOREVER;
    if (pipe->segments > 0)
        at = pipe->under_way[0].at;
    else if (pipe->end_at != 0)
        at = pipe->end_at;
    if (pipe->reset_at != 0 && pipe->reset_at < at)
        at = pipe->reset_at;
    if (at != RILL_FOREVER)
        rill__sim_set_event(sim, &pipe->event, at);
}

/* When something that is sent now arrives: never before what was sent earlier. */
static rill_time arrival(struct rill__sim *sim, const struct rill__socket *to)
{
    const struct rill__pipe *pipe = &to->in;
    rill_time at = sim->now + latency(sim, to);
    if (pipe->segments > 0 && at < pipe->under_way[pipe->segments - 1].at)
        at = pipe->under_way[pipe->segments - 1].at;
    return at;
}

static void send_segment(struct rill__sim *sim, struct rill__socket *to, uint32_t size)
{
    struct rill__pipe *pipe = &to->in;
    rill_time at = arrival(sim, to);
    if (at <= sim->now && pipe->segments == 0) {
        pipe->arrived += size;
        wake_all(sim, to);
        return;
    }
    if (pipe->segments == RILL__SEGMENTS)
        pipe->segments--; /* it arrives with the last one */
    else
        pipe->under_way[pipe->segments].size = 0;
    pipe->under_way[pipe->segments].size += size;
    pipe->under_way[pipe->segments++].at = at;
    set_arrival(sim, pipe);
}

static void send_end(struct rill__sim *sim, struct rill__socket *to)
{
    if (to == NULL || to->in.end_at != 0)
        return;
    to->in.end_at = arrival(sim, to);
    set_arrival(sim, &to->in);
}

static void send_reset(struct rill__sim *sim, struct rill__socket *to)
{
    if (to == NULL || to->in.reset_at != 0)
        return;
    to->in.reset_at = arrival(sim, to);
    set_arrival(sim, &to->in);
}

static void take_reset(struct rill__sim *sim, struct rill__socket *socket)
{
    note(sim, socket, WAS_RESET, 0);
    socket->in.ended = true;
    socket->in.end_at = socket->in.reset_at = 0;
    socket->cannot_send = true;
    socket->error = -ECONNRESET;
    if (socket->peer != NULL)
        socket->peer->peer = NULL;
    socket->peer = NULL;
}

static void fire_arrival(struct rill__sim *sim, struct rill__event *event)
{
    struct rill__pipe *pipe = container_of(event, struct rill__pipe, event);
    struct rill__socket *socket = container_of(pipe, struct rill__socket, in);
    unsigned taken = 0;
    for (; taken < pipe->segments && pipe->under_way[taken].at <= sim->now; taken++)
        pipe->arrived += pipe->under_way[taken].size;
    pipe->segments -= taken;
    memmove(pipe->under_way, pipe->under_way + taken, pipe->segments * sizeof *pipe->under_way);
    note(sim, socket, ARRIVED, pipe->arrived);
    if (pipe->end_at != 0 && pipe->end_at <= sim->now && pipe->segments == 0) {
        note(sim, socket, ENDED, 0);
        pipe->ended = true;
        pipe->end_at = 0;
    }
    if (pipe->reset_at != 0 && pipe->reset_at <= sim->now)
        take_reset(sim, socket);
    set_arrival(sim, pipe);
    wake_all(sim, socket);
}

static void copy_in(struct rill__pipe *pipe, const char *octets, uint32_t size)
{
    uint32_t at = (pipe->at + pipe->size) % pipe->room;
    uint32_t straight = pipe->room - at < size ? pipe->room - at : size;
    memcpy(pipe->memory + at, octets, straight);
    memcpy(pipe->memory, octets + straight, size - straight);
    pipe->size += size;
}

static void copy_out(const struct rill__pipe *pipe, char *octets, uint32_t size)
{
    uint32_t straight = pipe->room - pipe->at < size ? pipe->room - pipe->at : size;
    memcpy(octets, pipe->memory + pipe->at, straight);
    memcpy(octets + straight, pipe->memory, size - straight);
}

static void drop_octets(struct rill__sim *sim, struct rill__socket *socket, uint32_t size)
{
    struct rill__pipe *pipe = &socket->in;
    pipe->at = (pipe->at + size) % pipe->room;
    pipe->size -= size;
    pipe->arrived -= size;
    if (socket->peer != NULL)
        wake_all(sim, socket->peer);
}

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

static struct rill__socket *make_socket(struct rill__sim *sim, int family, int type)
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
    socket->in.event.fire = fire_arrival;
    socket->local.any.sa_family = socket->remote.any.sa_family = (sa_family_t)family;
    socket->local.length = socket->remote.length = sizeof(sa_family_t);
    list_init(&socket->waiters);
    list_init(&socket->queue);
    list_push_back(&sim->sockets, &socket->link);
    note(sim, socket, MADE, 0);
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

static void free_socket(struct rill__sim *sim, struct rill__socket *socket)
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
    note(sim, socket, CLOSED, socket->in.size);
    while (!list_is_empty(&socket->queue)) { /* connections that nobody has accepted */
        struct rill__socket *waiting = container_of(socket->queue.next, struct rill__socket, place);
        waiting->abrupt = true;
        end_socket(sim, waiting);
    }
    if (peer != NULL) {
        if (socket->abrupt || socket->in.size > 0)
            send_reset(sim, peer);
        else if (!socket->cannot_send)
            send_end(sim, peer);
        peer->peer = NULL;
    }
    free_socket(sim, socket);
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

static void forget_number(struct rill__sim *sim, struct rill__socket *socket)
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
    forget_number(sim, socket);
    return NULL;
}

bool rill__socket_sweep(struct rill__sim *sim)
{
    bool any = false;
    for (size_t fd = 0; fd < sim->by_fd_size; fd++)
        if (sim->by_fd[fd] != NULL && !is_still_there(sim->by_fd[fd])) {
            forget_number(sim, sim->by_fd[fd]);
            any = true;
        }
    return any;
}

void rill__sockets_fini(struct rill__sim *sim)
{
    while (!list_is_empty(&sim->sockets))
        free_socket(sim, container_of(sim->sockets.next, struct rill__socket, link));
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
    send_reset(sim, socket->peer);
    take_reset(sim, socket);
    wake_all(sim, socket);
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
        copy_out(pipe, to, part);
        if (!(flags & MSG_PEEK))
            drop_octets(sim, socket, part);
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
static int room_to_send(struct rill__sim *sim, struct rill__socket *socket)
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
        send_reset(sim, socket);
        return INT_MAX;
    }
    return (int)(socket->peer->in.room - socket->peer->in.size);
}

/* Into the pipe of the other side, if there still is one. */
static void push(struct rill__sim *sim, struct rill__socket *socket, const char *octets,
                 uint32_t size)
{
    struct rill__socket *peer = socket->peer;
    if (peer == NULL || size == 0)
        return;
    copy_in(&peer->in, octets, size);
    while (size > 0) { /* a segment each, with a latency of its own */
        uint32_t part = cut(sim, size);
        send_segment(sim, peer, part);
        size -= part;
    }
}

static int send_pieces(struct rill__sim *sim, struct rill__socket *socket,
                       const struct iovec *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    int room = room_to_send(sim, socket);
    if (room < 0 || size == 0)
        return room < 0 ? room : 0;
    if (room == 0)
        return RILL__SIM_WAIT;
    uint32_t take = rill__fault_size(sim, size < (size_t)room ? (uint32_t)size : (uint32_t)room);
    uint32_t left = take;
    for (size_t i = 0; i < count && left > 0; i++) {
        uint32_t part = pieces[i].iov_len < left ? (uint32_t)pieces[i].iov_len : left;
        push(sim, socket, pieces[i].iov_base, part);
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

static int send_octets(struct rill__sim *sim, struct rill__socket *socket,
                       const struct rill__op *op)
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

static int never_wait(int r)
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

static bool fits(const rill_addr *listening, const rill_addr *wanted)
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
        if (socket->state == RILL__LISTENING && !socket->closed && fits(&socket->local, addr) &&
            (socket->family == AF_UNIX || rill__sim_draw(sim, RILL__OF_NET, ++count) == 0))
            found = socket;
    }
    return found;
}

static void set_port(rill_addr *addr, uint16_t port)
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
    set_port(&socket->local, (uint16_t)(first_port + ++sim->next_port % 20000));
}

static int join(struct rill__sim *sim, struct rill__socket *socket, struct rill__socket *listener,
                const rill_addr *remote)
{
    struct rill__socket *other = make_socket(sim, socket->family, socket->type);
    if (other == NULL)
        return -ENOMEM;
    if (make_pipe(sim, &other->in) < 0 || make_pipe(sim, &socket->in) < 0) {
        free_socket(sim, other);
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
    note(sim, listener, QUEUED, other->id);
    note(sim, socket, CONNECTED, other->id);
    wake_all(sim, listener);
    wake_all(sim, socket);
    return 0;
}

static void addr_of_op(const struct rill__op *op, rill_addr *ret_addr)
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
    addr_of_op(flight->op, &addr);
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
static int take_number(struct rill__sim *sim, struct rill__socket *taken, int flags)
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

static int try_accept(struct rill__sim *sim, struct rill__socket *listener, int flags)
{
    if (listener->state != RILL__LISTENING || listener->cannot_read)
        return -EINVAL;
    if (list_is_empty(&listener->queue))
        return accept_outside(listener, flags);
    struct rill__socket *first = container_of(listener->queue.next, struct rill__socket, place);
    int fd = take_number(sim, first, flags);
    if (fd < 0)
        return fd; /* it stays in the queue */
    list_remove(&first->place);
    listener->queued--;
    note(sim, listener, ACCEPTED, first->id);
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
    case RILL__OP_ACCEPT_ONE: return try_accept(sim, socket, (int)op->flags);
    case RILL__OP_CONNECT: return try_connect(sim, flight);
    case RILL__OP_RECV:
        if (op->flags & MSG_WAITALL)
            return receive_all(sim, flight);
        return receive(sim, socket, op->addr, op->size, (int)op->flags);
    case RILL__OP_READ: return receive(sim, socket, op->addr, op->size, 0);
    case RILL__OP_RECV_MANY: return receive_many(sim, flight);
    case RILL__OP_RECVMSG: return receive_message(sim, socket, op);
    case RILL__OP_SEND:
    case RILL__OP_WRITE: return send_octets(sim, socket, op);
    case RILL__OP_SENDMSG: return send_message(sim, socket, op);
    case RILL__OP_SEND_NOW: return never_wait(send_octets(sim, socket, op));
    case RILL__OP_SENDMSG_NOW: return never_wait(send_message(sim, socket, op));
    case RILL__OP_POLL: return try_poll(socket, op->flags);
    default: return rill__foreign_try(sim, flight); /* what it is on its real number */
    }
}

int rill__socket_try(struct rill__sim *sim, struct rill__flight *flight)
{
    int r = try_now(sim, flight);
    return rill__op_never_waits(flight->op) ? never_wait(r) : r;
}

/* --- Ops that are carried out at once. --- */

static int call_socket(struct rill__sim *sim, const struct rill__op *op)
{
    int type = (int)op->flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct rill__socket *socket = make_socket(sim, op->fd, type);
    if (socket == NULL)
        return -ENOMEM;
    int fd = take_number(sim, socket, (int)op->flags & (SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd < 0)
        free_socket(sim, socket);
    return fd;
}

static bool is_taken(struct rill__sim *sim, const rill_addr *addr)
{
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (socket->state == RILL__LISTENING && !socket->closed && fits(&socket->local, addr))
            return true;
    }
    return false;
}

static int bind_outside(struct rill__socket *socket, const struct rill__op *op)
{
    if (bind(socket->fd, op->addr, op->size) < 0)
        return -errno;
    socket->local.length = sizeof socket->local.un;
    return getsockname(socket->fd, &socket->local.any, &socket->local.length) < 0 ? -errno : 0;
}

static int call_bind(struct rill__sim *sim, struct rill__socket *socket, const struct rill__op *op)
{
    rill_addr addr;
    addr_of_op(op, &addr);
    if (addr.any.sa_family != socket->family)
        return -EINVAL;
    if (sim->net.outside)
        return bind_outside(socket, op);
    if (socket->family != AF_UNIX && rill_addr_port(&addr) == 0)
        set_port(&addr, (uint16_t)(first_port + ++sim->next_port % 20000));
    int shared = 0;
    socklen_t size = sizeof shared;
    getsockopt(socket->fd, SOL_SOCKET, SO_REUSEPORT, &shared, &size);
    if (!shared && is_taken(sim, &addr))
        return -EADDRINUSE;
    socket->local = addr;
    return 0;
}

static int call_listen(struct rill__sim *sim, struct rill__socket *socket, int backlog)
{
    if (sim->net.outside && listen(socket->fd, backlog) < 0)
        return -errno;
    socket->real = sim->net.outside;
    socket->state = RILL__LISTENING;
    socket->backlog = backlog;
    return 0;
}

static int call_shutdown(struct rill__sim *sim, struct rill__socket *socket, int how)
{
    if (socket->state == RILL__IDLE)
        return -ENOTCONN;
    if (socket->state == RILL__LISTENING || how != SHUT_WR)
        socket->cannot_read = true;
    if (socket->state == RILL__CONNECTED && how != SHUT_RD && !socket->cannot_send) {
        socket->cannot_send = true;
        send_end(sim, socket->peer);
    }
    wake_all(sim, socket);
    return 0;
}

static int call_close(struct rill__sim *sim, struct rill__socket *socket)
{
    int fd = socket->fd;
    forget_number(sim, socket);
    return close(fd) < 0 ? -errno : 0;
}

static int call_setsockopt(struct rill__socket *socket, const struct rill__op *op)
{
    struct linger linger;
    if ((int)op->flags == SOL_SOCKET && (int)op->offset == SO_LINGER && op->size == sizeof linger) {
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
    int room = room_to_send(sim, socket);
    if (room <= 0)
        return room == 0 ? -EAGAIN : room;
    size_t size = op->size < sizeof octets ? op->size : sizeof octets;
    size = rill__fault_size(sim, (uint32_t)(size < (size_t)room ? size : (size_t)room));
    ssize_t got = pread((int)op->flags, octets, size, (off_t)op->offset);
    if (got > 0)
        push(sim, socket, octets, (uint32_t)got);
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
    case RILL__OP_SEND_MORE: return never_wait(send_octets(sim, socket, op));
    case RILL__OP_SENDFILE: return call_sendfile(sim, socket, op);
    case RILL__OP_SHUTDOWN: return call_shutdown(sim, socket, (int)op->flags);
    case RILL__OP_CLOSE: return call_close(sim, socket);
    case RILL__OP_ACCEPT_NOW:
        return never_wait(try_accept(sim, socket, SOCK_NONBLOCK | SOCK_CLOEXEC));
    case RILL__OP_BIND: return call_bind(sim, socket, op);
    case RILL__OP_LISTEN: return call_listen(sim, socket, (int)op->flags);
    case RILL__OP_SETSOCKOPT: return call_setsockopt(socket, op);
    case RILL__OP_GETSOCKNAME: return call_name(&socket->local, op);
    case RILL__OP_GETPEERNAME:
        return socket->state == RILL__CONNECTED ? call_name(&socket->remote, op) : -ENOTCONN;
    case RILL__OP_UNACKED:
        return socket->peer != NULL ? (int)(socket->peer->in.size - socket->peer->in.arrived) : 0;
    default: return RILL__SIM_WAIT; /* the real call on its number does */
    }
}

static bool is_simulated(const struct rill__op *op)
{
    int type = (int)op->flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    return type == SOCK_STREAM && (op->fd == AF_INET || op->fd == AF_INET6 || op->fd == AF_UNIX);
}

bool rill__socket_call(struct rill__sim *sim, struct rill__op *op, int *ret_result)
{
    if (op->kind == RILL__OP_SOCKET) {
        if (!is_simulated(op))
            return false; /* datagrams and the like are nobody's yet: real */
        *ret_result = call_socket(sim, op);
        return true;
    }
    struct rill__socket *socket = rill__socket_of(sim, op->fd);
    if (socket == NULL || (socket->foreign && op->kind != RILL__OP_CLOSE))
        return false;
    int r = call_on(sim, socket, op);
    if (r == RILL__SIM_WAIT)
        return false;
    *ret_result = r;
    return true;
}
