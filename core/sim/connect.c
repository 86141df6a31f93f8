/* connect.c - who listens where, connections that are asked for, wait in a queue and are accepted. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Addresses. --- */

static bool is_any(const rill_addr *addr)
{
    static const struct in6_addr any6;
    return addr->any.sa_family == AF_INET
               ? addr->in4.sin_addr.s_addr == 0
               : addr->any.sa_family == AF_INET6 && memcmp(&addr->in6.sin6_addr, &any6, 16) == 0;
}

bool rill__socket_fits(const rill_addr *local, const rill_addr *wanted)
{
    if (rill_addr_equal(local, wanted))
        return true;
    return local->any.sa_family == wanted->any.sa_family && is_any(local) &&
           rill_addr_port(local) == rill_addr_port(wanted);
}

static void set_port(rill_addr *addr, uint16_t port)
{
    if (addr->any.sa_family == AF_INET)
        addr->in4.sin_port = htons(port);
    else if (addr->any.sa_family == AF_INET6)
        addr->in6.sin6_port = htons(port);
}

bool rill__addr_is_nowhere(const rill_addr *addr)
{
    static const unsigned char nowhere6[4] = { 0x20, 0x01, 0x0d, 0xb8 };
    if (addr->any.sa_family == AF_INET)
        return ntohl(addr->in4.sin_addr.s_addr) >> 8 == 0xc00002; /* 192.0.2.0/24 */
    return addr->any.sa_family == AF_INET6 &&
           memcmp(&addr->in6.sin6_addr, nowhere6, sizeof nowhere6) == 0; /* 2001:db8::/32 */
}

void rill__addr_seen_from(rill_addr *addr, const rill_addr *to)
{
    unsigned port = rill_addr_port(addr);
    if (!is_any(addr))
        return;
    *addr = *to;
    set_port(addr, (uint16_t)port);
}

void rill__addr_of_op(const struct rill__op *op, rill_addr *ret_addr)
{
    *ret_addr = (rill_addr){ .length = op->size };
    memcpy(&ret_addr->any, op->addr,
           op->size < sizeof ret_addr->un ? op->size : sizeof ret_addr->un);
}

static bool is_taken(struct rill__sim *sim, const struct rill__socket *by, const rill_addr *addr)
{
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        bool counts = socket != by && socket->type == by->type && !socket->closed &&
                      (by->type == SOCK_DGRAM || socket->state == RILL__LISTENING);
        if (counts &&
            (rill__socket_fits(&socket->local, addr) || rill__socket_fits(addr, &socket->local)))
            return true;
    }
    return false;
}

/* A port that nobody else has. */
static void choose_port(struct rill__sim *sim, const struct rill__socket *by, rill_addr *addr)
{
    enum { ports = 20000 };

    for (int tries = 0; tries < ports; tries++) {
        set_port(addr, (uint16_t)(RILL__FIRST_PORT + ++sim->next_port % ports));
        if (!is_taken(sim, by, addr))
            return;
    }
}

static int learn_name(struct rill__socket *socket)
{
    socket->local.length = sizeof socket->local.un;
    return getsockname(socket->fd, &socket->local.any, &socket->local.length) < 0 ? -errno : 0;
}

static int bind_outside(struct rill__socket *socket, const struct rill__op *op)
{
    return bind(socket->fd, op->addr, op->size) < 0 ? -errno : learn_name(socket);
}

int rill__socket_connect_outside(struct rill__socket *socket, const struct rill__op *op)
{
    return connect(socket->fd, op->addr, op->size) < 0 ? -errno : learn_name(socket);
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
        choose_port(sim, socket, &addr);
    int shared = 0;
    socklen_t size = sizeof shared;
    getsockopt(socket->fd, SOL_SOCKET, SO_REUSEPORT, &shared, &size);
    if (!shared && is_taken(sim, socket, &addr))
        return -EADDRINUSE;
    socket->local = addr;
    return 0;
}

int rill__socket_listen_at(struct rill__sim *sim, struct rill__socket *socket, int backlog)
{
    if (socket->type != SOCK_STREAM)
        return -EOPNOTSUPP;
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
        if (socket->state == RILL__LISTENING && !socket->closed &&
            rill__socket_fits(&socket->local, addr) &&
            (socket->family == AF_UNIX || rill__sim_draw(sim, RILL__OF_NET, ++count) == 0))
            found = socket;
    }
    return found;
}

void rill__socket_name_client(struct rill__sim *sim, struct rill__socket *socket,
                              const rill_addr *remote)
{
    socket->remote = *remote;
    if (socket->family == AF_UNIX)
        return;
    rill__addr_seen_from(&socket->local, remote);
    if (rill_addr_port(&socket->local) == 0)
        choose_port(sim, socket, &socket->local);
}

static int make_pipe(struct rill__sim *sim, struct rill__pipe *pipe)
{
    pipe->memory = rill_alloc(sim->net.capacity);
    if (pipe->memory == NULL)
        return -ENOMEM;
    pipe->room = sim->net.capacity;
    return 0;
}

/* The other side of a connection. NULL: no memory. */
static struct rill__socket *make_peer(struct rill__sim *sim, struct rill__socket *socket)
{
    struct rill__socket *peer = rill__socket_make(sim, socket->family, socket->type);
    if (peer == NULL)
        return NULL;
    if (make_pipe(sim, &peer->in) < 0 || make_pipe(sim, &socket->in) < 0) {
        rill__socket_free(sim, peer);
        return NULL;
    }
    socket->state = peer->state = RILL__CONNECTED;
    socket->peer = peer;
    peer->peer = socket;
    return peer;
}

static int join(struct rill__sim *sim, struct rill__socket *socket, struct rill__socket *listener,
                const rill_addr *remote)
{
    struct rill__socket *other = make_peer(sim, socket);
    if (other == NULL)
        return -ENOMEM;
    rill__socket_name_client(sim, socket, remote);
    other->local = *remote;
    other->remote = socket->local;
    list_push_back(&listener->queue, &other->place);
    listener->queued++;
    rill__socket_note(sim, listener, RILL__QUEUED, other->id);
    rill__socket_note(sim, socket, RILL__WAS_CONNECTED, other->id);
    rill__socket_wake(sim, listener);
    rill__socket_wake(sim, socket);
    return 0;
}

int rill__socket_pair(struct rill__sim *sim, const struct rill__op *op)
{
    int flags = (int)op->flags & (SOCK_NONBLOCK | SOCK_CLOEXEC), *fds = op->addr;
    struct rill__socket *one = rill__socket_make(sim, op->fd, SOCK_STREAM);
    struct rill__socket *other = one != NULL ? make_peer(sim, one) : NULL;
    int fd = other != NULL ? rill__socket_number(sim, one, flags) : -ENOMEM;
    int other_fd = fd >= 0 ? rill__socket_number(sim, other, flags) : fd;
    if (other_fd >= 0) {
        fds[0] = fd;
        fds[1] = other_fd;
        return 0;
    }
    if (fd >= 0) {
        sim->by_fd[fd] = NULL;
        close(fd);
    }
    if (other != NULL)
        rill__socket_free(sim, other);
    if (one != NULL)
        rill__socket_free(sim, one);
    return other_fd;
}

/* The queue is full, or nobody answers: again later, as TCP does, with ever longer pauses, and not all
 * at once. */
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
    if (rill__addr_is_nowhere(&addr))
        return connect_later(sim, flight);
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
