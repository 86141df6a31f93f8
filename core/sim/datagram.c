/* datagram.c - simulated datagrams: each travels whole and by itself to whoever is at its address then.
 *
 * A socket that has no room loses what arrives, as a kernel does; who sends waits only while too much of
 * his own is under way. In some worlds a datagram may be overtaken by later ones. Two classes of faults
 * lose and double them. Those of Unix sockets arrive at once, none is lost, and who sends waits for room.
 *
 * In a world with an outside a socket is real as well: what nobody in here is to get is sent by the real
 * call, and if nothing came from in here the real call looks outside. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* What a datagram costs besides its octets; what a socket has room for. */
enum { cost_each = 512, cost_most = 208 << 10, unix_queue = 10 };

struct datagram {
    struct rill__event event;
    struct list link; /* in sim->datagrams while it is under way, then at its receiver */
    uint32_t sender;  /* by its id: it may be gone */
    rill_addr from, to;
    uint32_t size;
    char octets[];
};

static struct datagram *datagram_at(struct list *link)
{
    return container_of(link, struct datagram, link);
}

static uint32_t cost(const struct datagram *datagram)
{
    return datagram->size + cost_each;
}

/* --- Life. --- */

static void drop(struct rill__sim *sim, struct datagram *datagram)
{
    rill__sim_drop_event(sim, &datagram->event);
    list_remove(&datagram->link);
    rill_free(datagram);
    sim->events_most--;
}

void rill__datagrams_drop(struct rill__sim *sim, struct list *datagrams)
{
    while (!list_is_empty(datagrams))
        drop(sim, datagram_at(datagrams->next));
}

static void arrive(struct rill__sim *sim, struct rill__event *event);

static struct datagram *make(struct rill__sim *sim, const struct rill__socket *sender,
                             const struct msghdr *message, uint32_t size)
{
    struct datagram *datagram = rill_alloc(sizeof *datagram + size);
    if (datagram == NULL || rill__sim_reserve_events(sim, 1) < 0) {
        rill_free(datagram);
        return NULL;
    }
    *datagram = (struct datagram){
        .event = { .fire = arrive }, .sender = sender->id, .from = sender->local, .size = size
    };
    char *at = datagram->octets;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        if (piece->iov_len > 0)
            memcpy(at, piece->iov_base, piece->iov_len);
        at += piece->iov_len;
    }
    return datagram;
}

/* --- Who gets it. --- */

/* How well a socket suits; 0: not at all. One that is connected hears its other side only. */
static unsigned fitness(const struct rill__socket *socket, const rill_addr *from,
                        const rill_addr *to)
{
    if (socket->type != SOCK_DGRAM || socket->closed || !rill__socket_fits(&socket->local, to))
        return 0;
    unsigned exact = rill_addr_equal(&socket->local, to) ? 2 : 1;
    if (socket->state != RILL__CONNECTED)
        return exact;
    return rill_addr_equal(&socket->remote, from) ? 2 + exact : 0;
}

/* Of several that suit as well one by the seed; but a path is that of who has bound it last. */
static struct rill__socket *receiver_of(struct rill__sim *sim, const rill_addr *from,
                                        const rill_addr *to)
{
    struct rill__socket *found = NULL;
    unsigned best = 0;
    uint64_t count = 0;
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        unsigned fit = fitness(socket, from, to);
        if (fit == 0 || fit < best)
            continue;
        count = fit > best ? 1 : count + 1;
        best = fit;
        if (socket->family == AF_UNIX || rill__sim_draw(sim, RILL__OF_NET, count) == 0)
            found = socket;
    }
    return found;
}

static struct rill__socket *socket_with_id(struct rill__sim *sim, uint32_t id)
{
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (socket->id == id)
            return socket;
    }
    return NULL;
}

static bool is_full(const struct rill__socket *receiver)
{
    return receiver->family == AF_UNIX ? receiver->queued > unix_queue
                                       : receiver->cost >= cost_most;
}

static void hand_over(struct rill__sim *sim, struct rill__socket *receiver,
                      struct datagram *datagram)
{
    list_push_back(&receiver->queue, &datagram->link);
    receiver->queued++;
    receiver->cost += cost(datagram);
    rill__socket_note(sim, receiver, RILL__ARRIVED, datagram->size);
    rill__socket_wake(sim, receiver);
}

/* Nobody is there: only a socket that talks to that address alone learns of it. */
static void refuse(struct rill__sim *sim, struct rill__socket *sender)
{
    if (sender == NULL || sender->state != RILL__CONNECTED)
        return;
    rill__socket_note(sim, sender, RILL__REFUSED, 0);
    sender->error = -ECONNREFUSED;
    rill__socket_wake(sim, sender);
}

static void arrive(struct rill__sim *sim, struct rill__event *event)
{
    struct datagram *datagram = container_of(event, struct datagram, event);
    struct rill__socket *sender = socket_with_id(sim, datagram->sender);
    struct rill__socket *receiver = receiver_of(sim, &datagram->from, &datagram->to);
    list_remove(&datagram->link);
    if (sender != NULL) {
        bool waited = sender->under_way >= cost_most;
        sender->under_way -= cost(datagram);
        if (waited)
            rill__socket_wake(sim, sender);
    }
    if (receiver != NULL && !is_full(receiver)) {
        hand_over(sim, receiver, datagram);
        return;
    }
    if (receiver == NULL) {
        refuse(sim, sender);
    } else {
        rill__socket_note(sim, receiver, RILL__LOST, datagram->size);
        sim->lost_one = true;
    }
    drop(sim, datagram);
}

/* --- Sending. --- */

static rill_time arrival(struct rill__sim *sim, struct rill__socket *sender)
{
    rill_time at = sim->now + rill__net_latency(sim, sender);
    if (rill__sim_chance(sim, RILL__OF_NET, sim->manners.overtaken))
        return at + 1 +
               (rill_time)rill__sim_draw(sim, RILL__OF_NET,
                                         (uint64_t)(RILL_US(50) + 2 * sim->net.latency_max));
    if (at < sender->last_arrival)
        at = sender->last_arrival;
    sender->last_arrival = at;
    return at;
}

static int launch(struct rill__sim *sim, struct rill__socket *sender, const struct msghdr *message,
                  uint32_t size, const rill_addr *to)
{
    struct datagram *datagram = make(sim, sender, message, size);
    if (datagram == NULL)
        return -ENOMEM;
    datagram->to = *to;
    rill__addr_seen_from(&datagram->from, to);
    list_push_back(&sim->datagrams, &datagram->link);
    sender->under_way += cost(datagram);
    rill_time at = arrival(sim, sender);
    if (at > sim->now)
        rill__sim_set_event(sim, &datagram->event, at);
    else
        arrive(sim, &datagram->event);
    return 0;
}

/* How many of it will arrive, if somebody is there. */
static unsigned copies(struct rill__sim *sim, struct rill__socket *sender, const rill_addr *to)
{
    unsigned count = rill__addr_is_nowhere(to) ? 0 : rill__fault_copies(sim);
    if (count != 1)
        rill__socket_note(sim, sender, count == 0 ? RILL__LOST : RILL__DOUBLED, 0);
    sim->lost_one |= count == 0;
    return count;
}

static int send_inet(struct rill__sim *sim, struct rill__socket *socket,
                     const struct msghdr *message, uint32_t size, const rill_addr *to)
{
    if (rill_addr_port(to) == 0)
        return -EINVAL;
    if (socket->real && !rill__addr_is_nowhere(to) && receiver_of(sim, &socket->local, to) == NULL)
        return RILL__SIM_OUTSIDE;
    if (rill_addr_port(&socket->local) == 0)
        rill__socket_name_client(sim, socket, to);
    if (socket->under_way >= cost_most)
        return RILL__SIM_WAIT;
    for (unsigned left = copies(sim, socket, to); left > 0; left--)
        if (launch(sim, socket, message, size, to) < 0)
            return -ENOMEM;
    return (int)size;
}

static int send_unix(struct rill__sim *sim, struct rill__socket *socket,
                     const struct msghdr *message, uint32_t size, const rill_addr *to)
{
    struct rill__socket *receiver = receiver_of(sim, &socket->local, to);
    if (receiver == NULL)
        return socket->real ? RILL__SIM_OUTSIDE : -ECONNREFUSED;
    if (is_full(receiver))
        return RILL__SIM_WAIT;
    struct datagram *datagram = make(sim, socket, message, size);
    if (datagram == NULL)
        return -ENOMEM;
    hand_over(sim, receiver, datagram);
    return (int)size;
}

/* Where to; 0 or an error. */
static int find_remote(const struct rill__socket *socket, const struct msghdr *message,
                       rill_addr *ret_to)
{
    if (message->msg_namelen == 0 && socket->state != RILL__CONNECTED)
        return socket->family == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    *ret_to = socket->remote;
    if (message->msg_namelen > sizeof ret_to->un)
        return -EINVAL;
    if (message->msg_namelen > 0) {
        *ret_to = (rill_addr){ .length = message->msg_namelen };
        memcpy(&ret_to->any, message->msg_name, message->msg_namelen);
    }
    return ret_to->any.sa_family == socket->family ? 0 : -EAFNOSUPPORT;
}

int rill__datagram_send(struct rill__sim *sim, struct rill__socket *socket,
                        const struct msghdr *message)
{
    static const size_t inet_most = 65507; /* what IPv4 leaves of 65535 */
    rill_addr to;
    size_t size = 0;
    if (socket->error != 0)
        return rill__socket_take_error(socket);
    if (socket->cannot_send)
        return -EPIPE;
    int r = find_remote(socket, message, &to);
    for (size_t i = 0; i < message->msg_iovlen; i++)
        size += message->msg_iov[i].iov_len;
    if (r == 0 && size > (socket->family == AF_UNIX ? cost_most : inet_most))
        r = -EMSGSIZE;
    if (r < 0)
        return r;
    return socket->family == AF_UNIX ? send_unix(sim, socket, message, (uint32_t)size, &to)
                                     : send_inet(sim, socket, message, (uint32_t)size, &to);
}

/* --- Receiving. --- */

static uint32_t copy_out(const struct datagram *datagram, const struct msghdr *message)
{
    uint32_t at = 0;
    for (size_t i = 0; i < message->msg_iovlen && at < datagram->size; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        uint32_t left = datagram->size - at;
        uint32_t part = piece->iov_len < left ? (uint32_t)piece->iov_len : left;
        if (part > 0)
            memcpy(piece->iov_base, datagram->octets + at, part);
        at += part;
    }
    return at;
}

static void copy_name(const struct datagram *datagram, struct msghdr *message)
{
    socklen_t size = datagram->from.length;
    if (message->msg_name != NULL)
        memcpy(message->msg_name, &datagram->from.any,
               size < message->msg_namelen ? size : message->msg_namelen);
    message->msg_namelen = message->msg_name != NULL ? size : 0;
}

/* Those who wait for room at a Unix socket do so at their own. */
static void wake_senders(struct rill__sim *sim)
{
    list_for_each(node, &sim->sockets) {
        struct rill__socket *socket = container_of(node, struct rill__socket, link);
        if (socket->type == SOCK_DGRAM && socket->family == AF_UNIX)
            rill__socket_wake(sim, socket);
    }
}

static void take_off(struct rill__sim *sim, struct rill__socket *socket, struct datagram *datagram)
{
    bool was_full = is_full(socket);
    socket->queued--;
    socket->cost -= cost(datagram);
    drop(sim, datagram);
    if (was_full && socket->family == AF_UNIX)
        wake_senders(sim);
}

int rill__datagram_receive(struct rill__sim *sim, struct rill__socket *socket,
                           struct msghdr *message, int flags)
{
    if (socket->error != 0)
        return rill__socket_take_error(socket);
    if (list_is_empty(&socket->queue)) {
        if (socket->cannot_read)
            return 0;
        return socket->real && socket->fd >= 0 ? RILL__SIM_OUTSIDE : RILL__SIM_WAIT;
    }
    struct datagram *datagram = datagram_at(socket->queue.next);
    uint32_t copied = copy_out(datagram, message), whole = datagram->size;
    copy_name(datagram, message);
    message->msg_controllen = 0;
    message->msg_flags = copied < whole ? MSG_TRUNC : 0;
    if (!(flags & MSG_PEEK))
        take_off(sim, socket, datagram);
    return (int)(flags & MSG_TRUNC ? whole : copied);
}

/* --- Connecting. --- */

int rill__datagram_connect(struct rill__sim *sim, struct rill__socket *socket,
                           const struct rill__op *op)
{
    rill_addr addr;
    rill__addr_of_op(op, &addr);
    if (addr.any.sa_family != socket->family)
        return -EAFNOSUPPORT;
    if (socket->family == AF_UNIX && !socket->real &&
        receiver_of(sim, &socket->local, &addr) == NULL)
        return -ECONNREFUSED;
    if (socket->real) {
        int r = rill__socket_connect_outside(socket, op);
        if (r < 0)
            return r;
    }
    rill__socket_name_client(sim, socket, &addr);
    socket->state = RILL__CONNECTED;
    return 0;
}
