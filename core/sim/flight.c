/* flight.c - ops in flight: submitted, tried, waiting, asked to stop, told; and the receive buffers.
 *
 * The rules (I1 to I4, SILENT, CANCEL) stand in sim.c. */
#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

enum { flights_block = 64 }; /* ops that room is made for at once */

/* --- Life. --- */

static void fire_flight(struct rill__sim *sim, struct rill__event *event);

int rill__flights_make(struct rill__sim *sim)
{
    uint32_t count = sim->flight_count + flights_block;
    struct rill__flight **flights = rill_resize(sim->flights, count * sizeof *flights);
    if (flights == NULL)
        return -ENOMEM;
    sim->flights = flights;
    struct rill__flight **done = rill_resize(sim->done, count * sizeof *done);
    if (done == NULL)
        return -ENOMEM;
    sim->done = done;
    struct rill__flight *block = rill_alloc_zero(flights_block, sizeof *block);
    if (block == NULL || rill__sim_reserve_events(sim, flights_block) < 0) {
        rill_free(block);
        return -ENOMEM;
    }
    for (uint32_t i = flights_block; i-- > 0;) {
        block[i].index = sim->flight_count + i;
        block[i].next_free = sim->free_flights;
        sim->free_flights = flights[block[i].index] = &block[i];
    }
    sim->flight_count = count;
    return 0;
}

void rill__flights_fini(struct rill__sim *sim)
{
    for (uint32_t i = 0; i < sim->flight_count; i += flights_block)
        rill_free(sim->flights[i]);
    rill_free(sim->flights);
    rill_free(sim->done);
}

int rill__flight_submit(struct rill__sim *sim, struct rill__op *op)
{
    CHECK_SLOW(!op->in_flight);
    if (sim->free_flights == NULL && rill__flights_make(sim) < 0)
        return -ENOMEM;
    struct rill__flight *flight = sim->free_flights;
    sim->free_flights = flight->next_free;
    *flight = (struct rill__flight){
        .event = { .fire = fire_flight },
        .op = op,
        .fresh = true,
        .index = flight->index,
        .id = ++sim->submitted,
        .socket = rill__socket_of(sim, op->fd),
    };
    if (flight->socket != NULL)
        rill__socket_hold(flight->socket);
    list_push_back(&sim->fresh, &flight->link);
    op->slot = flight->index;
    op->in_flight = true;
    op->stopping = false;
    sim->live++;
    sim->backend.counters.submitted++;
    rill__sim_note(sim, RILL__TRACE_SUBMIT, (int64_t)flight->id, op->kind, op->size);
    return 0;
}

/* The op has ended: its owner may do with it what he likes. */
static void end_flight(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__socket *socket = flight->socket;
    rill__sim_drop_event(sim, &flight->event);
    list_remove(&flight->link);
    flight->op->in_flight = false;
    flight->op = NULL;
    flight->next_free = sim->free_flights;
    sim->free_flights = flight;
    sim->live--;
    if (socket != NULL)
        rill__socket_release(sim, socket);
}

static bool is_multishot(const struct rill__op *op)
{
    return op->kind == RILL__OP_ACCEPT || op->kind == RILL__OP_RECV_MANY;
}

static bool is_now(const struct rill__op *op)
{
    return op->kind == RILL__OP_SEND_NOW || op->kind == RILL__OP_SENDMSG_NOW;
}

/* A silent send that was whole: nobody is woken for its end. */
static bool is_quiet(const struct rill__flight *flight)
{
    const struct rill__op *op = flight->op;
    return is_now(op) && (op->flags & RILL__OP_SILENT) && flight->result == (int)op->size;
}

static void set_result(struct rill__sim *sim, struct rill__flight *flight, int result)
{
    rill_time late = 0;
    flight->result = result;
    flight->has_result = true;
    if (is_quiet(flight)) {
        list_push_back(&sim->quiet, &flight->link);
        return;
    }
    if (rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.late))
        late = (rill_time)rill__sim_draw(sim, RILL__OF_ORDER, (uint64_t)sim->manners.late_max);
    if (late > 0)
        rill__sim_set_event(sim, &flight->event, sim->now + late);
    else
        sim->done[sim->done_count++] = flight;
}

/* What an op that got `result` says to the owner: more comes, or this was the last. */
static unsigned flags_for(struct rill__sim *sim, const struct rill__flight *flight, int result)
{
    if (!is_multishot(flight->op) || flight->cancelled || result < 0 ||
        (result == 0 && flight->op->kind == RILL__OP_RECV_MANY))
        return 0;
    return rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.ends) ? 0 : RILL__OP_MORE;
}

static int carry_out(struct rill__sim *sim, struct rill__flight *flight)
{
    int fault = rill__fault_for(sim, flight->op);
    if (fault < 0) {
        rill__sim_note(sim, RILL__TRACE_FAULT, (int64_t)flight->id, fault, 0);
        return fault;
    }
    if (flight->socket != NULL && !flight->socket->foreign)
        return rill__socket_try(sim, flight);
    return rill__foreign_try(sim, flight);
}

/* One try. What has to wait is linked where it waits. */
static void try_flight(struct rill__sim *sim, struct rill__flight *flight)
{
    int r = carry_out(sim, flight);
    if (r == RILL__SIM_WAIT && flight->cancelled) {
        list_remove(&flight->link);
        rill__sim_drop_event(sim, &flight->event);
        r = -ECANCELED;
    }
    if (r != RILL__SIM_WAIT) {
        flight->flags |= flags_for(sim, flight, r);
        set_result(sim, flight, r);
    } else if (heap_holds(&flight->event.node) || list_is_linked(&flight->link)) {
        ; /* the try has said itself when to come again, or what it waits for */
    } else if (flight->socket != NULL && !flight->socket->foreign) {
        list_push_back(&flight->socket->waiters, &flight->link);
    } else {
        list_push_back(&sim->foreign, &flight->link);
    }
}

static void fire_flight(struct rill__sim *sim, struct rill__event *event)
{
    struct rill__flight *flight = container_of(event, struct rill__flight, event);
    if (flight->has_result)
        sim->done[sim->done_count++] = flight;
    else if (flight->may_lose && rill__sim_draw(sim, RILL__OF_ORDER, 2) == 0)
        set_result(sim, flight, -ECANCELED); /* what came meanwhile stays where it is */
    else
        try_flight(sim, flight);
}

static rill_time short_delay(struct rill__sim *sim, const struct rill__op *op)
{
    enum { wake_most = 100 * 1000 };

    if (rill__op_is_wake(
            op)) /* signals and other threads come at any moment, even where nothing is late */
        return (rill_time)rill__sim_draw(sim, RILL__OF_ORDER, wake_most);
    return rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.late)
               ? (rill_time)rill__sim_draw(sim, RILL__OF_ORDER, (uint64_t)sim->manners.late_max)
               : 0;
}

void rill__sim_wake(struct rill__sim *sim, struct rill__flight *flight)
{
    list_remove(&flight->link);
    rill__sim_set_event(sim, &flight->event, sim->now + short_delay(sim, flight->op));
}

void rill__flights_start(struct rill__sim *sim)
{
    enum { slow_min = 2000, slow_span = 60 * 1000 };

    struct list *node;
    while ((node = list_pop_front(&sim->fresh)) != NULL) {
        struct rill__flight *flight = container_of(node, struct rill__flight, link);
        flight->fresh = false;
        bool ours = flight->socket != NULL && !flight->socket->foreign;
        if (ours || !rill__foreign_is_slow(flight->op)) {
            try_flight(sim, flight);
            continue;
        }
        rill_time delay = slow_min + (rill_time)rill__sim_draw(sim, RILL__OF_ORDER, slow_span);
        rill__sim_set_event(sim, &flight->event, sim->now + delay);
    }
}

void rill__flight_cancel(struct rill__sim *sim, struct rill__op *op)
{
    if (!op->in_flight || op->stopping || is_now(op))
        return;
    struct rill__flight *flight = sim->flights[op->slot];
    op->stopping = true;
    flight->cancelled = true;
    rill__sim_note(sim, RILL__TRACE_CANCEL, (int64_t)flight->id, 0, 0);
    if (flight->fresh || flight->has_result)
        return;
    bool waits = list_is_linked(&flight->link);
    bool has_octets = op->kind == RILL__OP_RECV && flight->got > 0; /* they are not lost */
    flight->may_lose = !has_octets && (waits ? !rill__foreign_is_ready(flight)
                                             : flight->again || rill__foreign_is_slow(op));
    if (waits || op->kind == RILL__OP_CONNECT) /* which may be between two of its own tries */
        rill__sim_wake(sim, flight);
}

/* --- Telling. --- */

void rill__flight_tell(struct rill__sim *sim, struct rill__flight *flight)
{
    struct rill__op *op = flight->op;
    int result = flight->result;
    unsigned flags = flight->flags;
    bool names_fd = op->kind == RILL__OP_ACCEPT || op->kind == RILL__OP_ACCEPT_ONE ||
                    op->kind == RILL__OP_OPENAT2;
    rill__sim_note(sim, RILL__TRACE_COMPLETE, (int64_t)flight->id,
                   names_fd && result > 0 ? 0 : result, flags);
    op->buffer = flight->buffer;
    if (flags & RILL__OP_BUFFER)
        op->addr = sim->buffer_memory + (size_t)flight->buffer * RILL__SIM_BUFFER;
    sim->backend.counters.completions++;
    if (flags & RILL__OP_MORE) {
        flight->has_result = false;
        flight->again = true;
        flight->flags = 0;
        rill__sim_set_event(sim, &flight->event, sim->now);
    } else {
        end_flight(sim, flight);
    }
    op->done(op, result, flags);
}

void rill__flights_settle(struct rill__sim *sim)
{
    struct list *node;
    while ((node = list_pop_front(&sim->quiet)) != NULL) {
        sim->backend.counters.settled++;
        rill__flight_tell(sim, container_of(node, struct rill__flight, link));
    }
}

/* --- Receive buffers. --- */

char *rill__sim_take_buffer(struct rill__sim *sim, struct rill__flight *flight)
{
    if (sim->free_buffer_count == 0) {
        sim->backend.counters.enobufs++;
        list_push_back(&sim->starved, &flight->link);
        return NULL;
    }
    flight->buffer = sim->free_buffers[--sim->free_buffer_count];
    flight->flags |= RILL__OP_BUFFER;
    return sim->buffer_memory + (size_t)flight->buffer * RILL__SIM_BUFFER;
}

void rill__sim_give_buffer(struct rill__sim *sim, uint16_t buffer)
{
    CHECK(sim->free_buffer_count < sim->manners.buffers); /* one was given back twice */
    memset(sim->buffer_memory + (size_t)buffer * RILL__SIM_BUFFER, 0xdb, RILL__SIM_BUFFER);
    sim->free_buffers[sim->free_buffer_count++] = buffer;
    while (!list_is_empty(&sim->starved))
        rill__sim_wake(sim, container_of(sim->starved.next, struct rill__flight, link));
}

int rill__sim_make_buffers(struct rill__sim *sim)
{
    unsigned count = sim->manners.buffers;
    sim->buffer_memory = rill_alloc((size_t)count * RILL__SIM_BUFFER);
    sim->free_buffers = rill_alloc(count * sizeof *sim->free_buffers);
    if (sim->buffer_memory == NULL || sim->free_buffers == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        sim->free_buffers[i] = (uint16_t)(count - 1 - i);
    sim->free_buffer_count = count;
    return 0;
}
