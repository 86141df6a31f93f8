/* connect.c - who listens where, connections that are asked for, wait in a queue and are accepted. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- Addresses. --- */

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

static void set_port(rill_addr *addr, uint16_t port)
{
    if (addr->any.sa_family == AF_INET)
        addr->in4.sin_port = htons(port);
    else if (addr->any.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
}

void rill__addr_of_op(const struct rill__op *op, rill_addr *ret_addr)
{
    *ret_addr = (rill_addr){ .length = op->size };
    memcpy(&ret_addr->any, op->addr,
           op->size < sizeof ret_addr->un ? op->size : sizeof ret_addr->un);
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

int rill__socket_bind_to(struct rill__sim *sim, struct rill__socket *socket,
                         const struct rill__op *op)
{
    rill_addr addr;
    rill__addr_of_op(op, &addr);
    if (addr.any.sa_family != socket->family)
        return -EINVAL;
    if (sim->net.outside)
        return bind_outside(socket, op);
    if (socket->family != AF_UNIX && rill_addr_port(&addr) == 0)
        set_port(&addr, (uint16_t)(RILL__FIRST_PORT + ++sim->next_port % 20000));
    int shared = 0;
    socklen_t size = sizeof shared;
    getsockopt(socket->fd, SOL_SOCKET, SO_REUSEPORT, &shared, &size);
    if (!shared && is_taken(sim, &addr))
        return -EADDRINUSE;
    socket->local = addr;
    return 0;
}

int rill__socket_listen_at(struct rill__sim *sim, struct rill__socket *socket, int backlog)
{
    if (sim->net.outside && listen(socket->fd, backlog) < 0)
        return -errno;
    socket->real = sim->net.outside;
    socket->state = RILL__LISTENING;
    socket->backlog = backlog;
    return 0;
}

/* --- Connecting. --- */

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

static void name_client(struct rill__sim *sim, struct rill__socket *socket, const rill_addr *remote)
{
    socket->remote = *remote;
    if (socket->family == AF_UNIX || rill_addr_port(&socket->local) != 0)
        return;
    socket->local = *remote;
    set_port(&socket->local, (uint16_t)(RILL__FIRST_PORT + ++sim->next_port % 20000));
}

static int make_pipe(struct rill__sim *sim, struct rill__pipe *pipe)
{
    pipe->memory = rill_alloc(sim->net.capacity);
    if (pipe->memory == NULL)
        return -ENOMEM;
    pipe->room = sim->net.capacity;
    return 0;
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

int rill__socket_connect(struct rill__sim *sim, struct rill__flight *flight)
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

/* --- Accepting. --- */

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
