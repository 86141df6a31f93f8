/* pipe.c - what one side of a simulated connection has sent and the other has not read.
 *
 * Octets lie in the pipe of who is to read them, and can be read once they have arrived: each piece that
 * was sent has a latency of its own, but none overtakes another. The end of the stream travels behind
 * them, and so does a reset. */
#include "core/sim/net.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void rill__socket_note(struct rill__sim *sim, const struct rill__socket *socket, int what,
                       int64_t much)
{
    rill__sim_note(sim, RILL__TRACE_SOCKET, socket->id, what, much);
}

void rill__socket_wake(struct rill__sim *sim, struct rill__socket *socket)
{
    while (!list_is_empty(&socket->waiters))
        rill__sim_wake(sim, container_of(socket->waiters.next, struct rill__flight, link));
}

rill_time rill__net_latency(struct rill__sim *sim, const struct rill__socket *socket)
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
    rill_time at = sim->now + rill__net_latency(sim, to);
    if (pipe->segments > 0 && at < pipe->under_way[pipe->segments - 1].at)
        at = pipe->under_way[pipe->segments - 1].at;
    return at;
}

void rill__pipe_send(struct rill__sim *sim, struct rill__socket *to, uint32_t size)
{
    struct rill__pipe *pipe = &to->in;
    rill_time at = arrival(sim, to);
    if (at <= sim->now && pipe->segments == 0) {
        pipe->arrived += size;
        rill__socket_wake(sim, to);
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

void rill__pipe_send_end(struct rill__sim *sim, struct rill__socket *to)
{
    if (to == NULL || to->in.end_at != 0)
        return;
    to->in.end_at = arrival(sim, to);
    set_arrival(sim, &to->in);
}

void rill__pipe_send_reset(struct rill__sim *sim, struct rill__socket *to)
{
    if (to == NULL || to->in.reset_at != 0)
        return;
    to->in.reset_at = arrival(sim, to);
    set_arrival(sim, &to->in);
}

void rill__pipe_take_reset(struct rill__sim *sim, struct rill__socket *socket)
{
    rill__socket_note(sim, socket, RILL__WAS_RESET, 0);
    socket->in.ended = true;
    socket->in.end_at = socket->in.reset_at = 0;
    socket->cannot_send = true;
    socket->error = -ECONNRESET;
    if (socket->peer != NULL)
        socket->peer->peer = NULL;
    socket->peer = NULL;
}

void rill__pipe_arrive(struct rill__sim *sim, struct rill__event *event)
{
    struct rill__pipe *pipe = container_of(event, struct rill__pipe, event);
    struct rill__socket *socket = container_of(pipe, struct rill__socket, in);
    unsigned taken = 0;
    for (; taken < pipe->segments && pipe->under_way[taken].at <= sim->now; taken++)
        pipe->arrived += pipe->under_way[taken].size;
    pipe->segments -= taken;
    memmove(pipe->under_way, pipe->under_way + taken, pipe->segments * sizeof *pipe->under_way);
    rill__socket_note(sim, socket, RILL__ARRIVED, pipe->arrived);
    if (pipe->end_at != 0 && pipe->end_at <= sim->now && pipe->segments == 0) {
        rill__socket_note(sim, socket, RILL__ENDED, 0);
        pipe->ended = true;
        pipe->end_at = 0;
    }
    if (pipe->reset_at != 0 && pipe->reset_at <= sim->now)
        rill__pipe_take_reset(sim, socket);
    set_arrival(sim, pipe);
    rill__socket_wake(sim, socket);
}

void rill__pipe_put(struct rill__pipe *pipe, const char *octets, uint32_t size)
{
    uint32_t at = (pipe->at + pipe->size) % pipe->room;
    uint32_t straight = pipe->room - at < size ? pipe->room - at : size;
    memcpy(pipe->memory + at, octets, straight);
    memcpy(pipe->memory, octets + straight, size - straight);
    pipe->size += size;
}

void rill__pipe_look(const struct rill__pipe *pipe, char *octets, uint32_t size)
{
    uint32_t straight = pipe->room - pipe->at < size ? pipe->room - pipe->at : size;
    memcpy(octets, pipe->memory + pipe->at, straight);
    memcpy(octets + straight, pipe->memory, size - straight);
}

void rill__pipe_drop(struct rill__sim *sim, struct rill__socket *socket, uint32_t size)
{
    struct rill__pipe *pipe = &socket->in;
    pipe->at = (pipe->at + size) % pipe->room;
    pipe->size -= size;
    pipe->arrived -= size;
    if (socket->peer != NULL)
        rill__socket_wake(sim, socket->peer);
}
