/* sim.c - the simulator backend: virtual clock, order of completions, one wait.
 *
 * MODEL. An op that is submitted is new until the next wait. Then all new ones are tried in the order
 * of submission, as the kernel does with an enter: what can be carried out is (the octets have moved,
 * the file is written), and the op has a result. What has to wait does so at its socket, or among the
 * foreign ones. Results come at once or, drawn from the seed, a little later in virtual time; those that
 * are there in a wait are told in an order of the seed, and now and then not all of them. When nothing
 * is there to be told, the clock jumps: to the next event, or to the deadline of the wait.
 *
 * I1 All that is decided is drawn from a generator of the seed, or follows from what the program did.
 *    Nothing looks at addresses, descriptors or the real time.
 * I2 What a healthy kernel would not do happens only as a fault of a class that is allowed: order of
 *    submission is kept, sockets lose nothing, an op has one final completion.
 * I3 The clock moves in `wait` only, and only if nothing is ready. But steps that do nothing than look
 *    at it, and turns in which nothing happens, let it pass, the more of them the faster: a busy wait
 *    must end, and must not stop the world.
 * I4 A wait never fails for want of memory: submit makes room for all that the op will need.
 * I5 The thread really sleeps only for ops on descriptors that are not ours, and only when neither an
 *    event nor a deadline is left. If there is nobody who could end that sleep, it is a deadlock.
 *
 * SILENT. The end of a silent send that was whole is told at the end of the wait that tried it, or at the
 * next one, which does not sleep then. It wakes nobody: who waits for it alone waits for ever, as on a ring.
 *
 * CANCEL. A new op is tried once and ends with -ECANCELED if it would have to wait. So does one that
 * waits, soon; what was ready before the cancel wins, and of what becomes ready after it the seed says
 * whether it wins or stays where it is. An op that has its result keeps it.
 *
 * ELSEWHERE. net.c, net_call.c and pipe.c have the sockets, foreign.c all other descriptors, fault.c what the seed makes of the
 * world, trace.c the hash. The insides are in state.h. */
#include "core/sim/sim.h"

#include "core/sim/net.h"

#include <rill/mem.h>
#include <rill/text.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ops that room is made for at once; looks at the clock and turns that take no time (I3). */
enum { flights_block = 64, reads_free = 1000, turns_free = 32, turns_quick = 4 };

static const rill_time clock_start = RILL_SEC(1000);
static const rill_time wall_start = RILL_SEC(1767225600); /* 2026-01-01T00:00:00Z */
static _Thread_local rill_time clock_now = RILL_SEC(1000);

static struct rill__sim *sim_of(struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend);
}

/* --- Draws, notes, events. --- */

void rill__sim_note(struct rill__sim *sim, enum rill__trace_what what, int64_t a, int64_t b,
                    int64_t c)
{
    rill__trace(&sim->trace, what, sim->now - sim->began, a, b, c);
}

uint64_t rill__sim_draw(struct rill__sim *sim, enum rill__concern concern, uint64_t bound)
{
    uint64_t value = rill__random_below(&sim->randoms[concern], bound);
    if (bound > 1)
        rill__sim_note(sim, RILL__TRACE_DRAW, concern, (int64_t)value, (int64_t)bound);
    return value;
}

bool rill__sim_chance(struct rill__sim *sim, enum rill__concern concern, unsigned permille)
{
    return permille > 0 && rill__sim_draw(sim, concern, 1000) < permille;
}

int rill__sim_reserve_events(struct rill__sim *sim, size_t more)
{
    int r = heap_reserve(&sim->events, sim->events_most + more);
    if (r == 0)
        sim->events_most += more;
    return r;
}

void rill__sim_drop_event(struct rill__sim *sim, struct rill__event *event)
{
    heap_remove(&sim->events, &event->node);
}

void rill__sim_set_event(struct rill__sim *sim, struct rill__event *event, rill_time at)
{
    rill__sim_drop_event(sim, event);
    int r = heap_insert(&sim->events, &event->node, at);
    CHECK(r == 0); /* I4 */
}

static void move_clock(struct rill__sim *sim, rill_time to)
{
    if (to <= sim->now)
        return;
    rill__sim_note(sim, RILL__TRACE_JUMP, to - sim->now, 0, 0);
    sim->now = clock_now = to;
}

/* --- Flights. --- */

static void fire_flight(struct rill__sim *sim, struct rill__event *event);

/* Room for further ops, and for all that they will need (I4). */
static int make_flights(struct rill__sim *sim)
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

static int sim_submit(struct rill__backend *backend, struct rill__op *op)
{
    struct rill__sim *sim = sim_of(backend);
    CHECK_SLOW(!op->in_flight);
    if (sim->free_flights == NULL && make_flights(sim) < 0)
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

static rill_time short_delay(struct rill__sim *sim)
{
    return rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.late)
               ? (rill_time)rill__sim_draw(sim, RILL__OF_ORDER, (uint64_t)sim->manners.late_max)
               : 0;
}

void rill__sim_wake(struct rill__sim *sim, struct rill__flight *flight)
{
    list_remove(&flight->link);
    rill__sim_set_event(sim, &flight->event, sim->now + short_delay(sim));
}

/* What was submitted since the last wait, in order (I2). */
static void start_fresh(struct rill__sim *sim)
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

static void sim_cancel(struct rill__backend *backend, struct rill__op *op)
{
    struct rill__sim *sim = sim_of(backend);
    if (!op->in_flight || op->stopping || is_now(op))
        return;
    struct rill__flight *flight = sim->flights[op->slot];
    op->stopping = true;
    flight->cancelled = true;
    rill__sim_note(sim, RILL__TRACE_CANCEL, (int64_t)flight->id, 0, 0);
    if (flight->fresh || flight->has_result)
        return;
    bool waits = list_is_linked(&flight->link);
    flight->may_lose =
        waits ? !rill__foreign_is_ready(flight) : flight->again || rill__foreign_is_slow(op);
    if (waits)
        rill__sim_wake(sim, flight);
}

/* --- Telling. --- */

static void tell(struct rill__sim *sim, struct rill__flight *flight)
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

static void settle(struct rill__sim *sim)
{
    struct list *node;
    while ((node = list_pop_front(&sim->quiet)) != NULL) {
        sim->backend.counters.settled++;
        tell(sim, container_of(node, struct rill__flight, link));
    }
}

static void fire_due(struct rill__sim *sim)
{
    struct heap_node *node;
    while ((node = heap_first(&sim->events)) != NULL && node->key <= sim->now) {
        struct rill__event *event = container_of(node, struct rill__event, node);
        rill__sim_drop_event(sim, event);
        event->fire(sim, event);
    }
}

/* Whether what has just been told lets more be told in the same wait. */
static bool goes_on(struct rill__sim *sim)
{
    if (heap_first(&sim->events) == NULL || rill__sim_draw(sim, RILL__OF_ORDER, 2) == 0)
        return false;
    fire_due(sim);
    return sim->done_count > 0;
}

static void tell_done(struct rill__sim *sim)
{
    enum { most = 256 };

    unsigned left = sim->manners.batch > 0 ? sim->manners.batch : most;
    if (sim->done_count > 0 && rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.spurious))
        return;
    do
        for (; sim->done_count > 0 && left > 0; left--) {
            uint64_t pick = rill__sim_draw(sim, RILL__OF_ORDER, sim->done_count);
            struct rill__flight *flight = sim->done[pick];
            sim->done[pick] = sim->done[--sim->done_count];
            tell(sim, flight);
        }
    while (left > 0 && goes_on(sim));
    if (sim->done_count > 0)
        sim->backend.counters.overflows++;
}

/* --- Waiting. --- */

static bool look(struct rill__sim *sim)
{
    fire_due(sim);
    rill__foreign_poll(sim, 0);
    return sim->done_count > 0;
}

/* I5: only somebody outside can go on. Where nobody is, there may still be a signal, for a while. */
static int wait_outside(struct rill__sim *sim)
{
    enum { signal_ms = 3000 };

    int patience = rill__foreign_may_come(sim) ? -1 : sim->net.outside ? signal_ms : 0;
    if (rill__foreign_poll(sim, patience))
        return 0;
    rill__sim_report(&sim->backend, "deadlock: nothing is ready, and nothing will be");
    return -EDEADLK;
}

/* Nothing is there to be told: let the time pass until something is, or to the deadline. */
static int sleep_until(struct rill__sim *sim, rill_time deadline)
{
    sim->turns = 0;
    while (!look(sim)) {
        struct heap_node *next = heap_first(&sim->events);
        if (next != NULL && next->key <= deadline) {
            move_clock(sim, next->key);
            continue;
        }
        if (rill__socket_sweep(sim))
            continue;
        if (sim->backend.outside > 0) {
            rill__foreign_poll(sim, -1); /* other threads work for us: their time is real */
            return 0;
        }
        if (deadline != RILL_FOREVER) {
            move_clock(sim, deadline);
            return 0;
        }
        return wait_outside(sim);
    }
    return 0;
}

/* I3: somebody is ready all the time, and nothing else happens. Events are near, then. */
static void pass_busy_turn(struct rill__sim *sim)
{
    const struct heap_node *next = heap_first(&sim->events);
    rill_time to = sim->now + RILL_US(++sim->turns / turns_free);
    rill_time near = sim->now + RILL_US(100 * sim->turns);
    if (sim->turns > turns_quick && next != NULL && next->key > to)
        to = next->key < near ? next->key : near;
    move_clock(sim, to);
}

static int sim_wait(struct rill__backend *backend, rill_time deadline)
{
    struct rill__sim *sim = sim_of(backend);
    bool due = sim->settles || !list_is_empty(&sim->quiet);
    rill_time span = due || deadline <= sim->now ? 0 : deadline - sim->now;
    sim->settles = false;
    sim->backend.counters.enters++;
    rill__sim_note(sim, RILL__TRACE_WAIT, deadline == RILL_FOREVER ? -1 : span, 0, 0);
    start_fresh(sim);
    int r = 0;
    if (span > 0)
        r = sleep_until(sim, deadline);
    else if (look(sim))
        sim->turns = 0;
    else
        pass_busy_turn(sim);
    sim->reads = 0;
    tell_done(sim);
    if (due ||
        (!list_is_empty(&sim->quiet) && !rill__sim_chance(sim, RILL__OF_ORDER, sim->manners.late)))
        settle(sim);
    return r;
}

static void sim_turn(struct rill__backend *backend, struct list *entries)
{
    struct rill__sim *sim = sim_of(backend);
    struct list left;
    size_t count = 0;
    list_for_each(node, entries)
        count++;
    if (count == 0)
        return;
    rill__sim_note(sim, RILL__TRACE_TURN, (int64_t)count, 0, 0);
    if (!sim->opts.world.shuffle)
        return;
    list_init(&left);
    list_splice(&left, entries);
    for (; count > 0; count--) {
        struct list *node = left.next;
        for (uint64_t skip = rill__sim_draw(sim, RILL__OF_ORDER, count); skip > 0; skip--)
            node = node->next;
        list_remove(node);
        list_push_back(entries, node);
    }
}

/* --- The rest of the waist. --- */

static int sim_call(struct rill__backend *backend, struct rill__op *op)
{
    struct rill__sim *sim = sim_of(backend);
    struct rill__socket *socket = rill__socket_of(sim, op->fd);
    int64_t id = socket != NULL ? socket->id : 0;
    int r = op->kind == RILL__OP_CLOSE ? 0 : rill__fault_for(sim, op);
    if (r == 0 && !rill__socket_call(sim, op, &r))
        r = sim->opts.call(backend, op);
    bool names_fd = op->kind == RILL__OP_SOCKET || op->kind == RILL__OP_ACCEPT_NOW ||
                    op->kind == RILL__OP_OPENAT2_CACHED;
    rill__sim_note(sim, RILL__TRACE_CALL, op->kind, id, names_fd && r > 0 ? 0 : r);
    return r;
}

static rill_time sim_now(struct rill__backend *backend)
{
    struct rill__sim *sim = sim_of(backend);
    rill__sim_note(sim, RILL__TRACE_NOW, 0, 0, 0);
    clock_now = sim->now += RILL_US(++sim->reads / reads_free); /* I3 */
    return sim->now;
}

static rill_time sim_wall_clock(struct rill__backend *backend)
{
    rill__sim_note(sim_of(backend), RILL__TRACE_WALL, 0, 0, 0);
    return rill__sim_wall_clock();
}

static void sim_random(struct rill__backend *backend, void *memory, size_t size)
{
    struct rill__sim *sim = sim_of(backend);
    char *at = memory;
    rill__sim_note(sim, RILL__TRACE_RANDOM, (int64_t)size, 0, 0);
    while (size > 0) {
        uint64_t octets = rill__random_next(&sim->randoms[RILL__OF_PROGRAM]);
        size_t part = size < sizeof octets ? size : sizeof octets;
        memcpy(at, &octets, part);
        at += part;
        size -= part;
    }
}

static void sim_cancel_all(struct rill__backend *backend)
{
    struct rill__sim *sim = sim_of(backend);
    for (uint32_t i = 0; i < sim->flight_count; i++)
        if (sim->flights[i]->op != NULL)
            sim_cancel(backend, sim->flights[i]->op);
    sim->settles = true; /* who asks waits for the silent ones, too */
}

static size_t sim_in_flight(const struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend)->live;
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

static void sim_give_back(struct rill__backend *backend, uint16_t buffer)
{
    struct rill__sim *sim = sim_of(backend);
    CHECK(sim->free_buffer_count < sim->manners.buffers); /* one was given back twice */
    memset(sim->buffer_memory + (size_t)buffer * RILL__SIM_BUFFER, 0xdb, RILL__SIM_BUFFER);
    sim->free_buffers[sim->free_buffer_count++] = buffer;
    while (!list_is_empty(&sim->starved))
        rill__sim_wake(sim, container_of(sim->starved.next, struct rill__flight, link));
}

static int make_buffers(struct rill__sim *sim)
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

/* --- Life. --- */

static void free_sim(struct rill__sim *sim)
{
    rill__sockets_fini(sim);
    for (uint32_t i = 0; i < sim->flight_count; i += flights_block)
        rill_free(sim->flights[i]);
    rill_free(sim->flights);
    rill_free(sim->done);
    rill_free(sim->buffer_memory);
    rill_free(sim->free_buffers);
    heap_fini(&sim->events);
    rill_free(sim);
}

static void sim_free(struct rill__backend *backend)
{
    struct rill__sim *sim = sim_of(backend);
    CHECK(sim->live == 0);
    if (sim->opts.world.ret_hash != NULL)
        *sim->opts.world.ret_hash = sim->trace.hash;
    const char *wanted = getenv("RILL_SIM_TRACE");
    if (wanted != NULL && *wanted != 0 && *wanted != '0')
        fprintf(stderr, "rill: simulator: seed %llu, %llu steps, hash %016llx\n",
                (unsigned long long)sim->opts.world.seed, (unsigned long long)sim->trace.steps,
                (unsigned long long)sim->trace.hash);
    free_sim(sim);
}

static const struct rill__backend_ops sim_ops = {
    .submit = sim_submit,
    .cancel = sim_cancel,
    .call = sim_call,
    .wait = sim_wait,
    .turn = sim_turn,
    .give_back = sim_give_back,
    .now = sim_now,
    .wall_clock = sim_wall_clock,
    .random = sim_random,
    .cancel_all = sim_cancel_all,
    .in_flight = sim_in_flight,
    .free = sim_free,
};

int rill__sim_new(const struct rill__sim_opts *opts, struct rill__backend **ret_backend)
{
    struct rill__sim *sim = rill_alloc_zero(1, sizeof *sim);
    if (sim == NULL)
        return -ENOMEM;
    const char *loud = getenv("RILL_SIM_TRACE");
    sim->backend.ops = &sim_ops;
    sim->backend.can_truncate = true;
    sim->opts = *opts;
    sim->trace.loud = loud != NULL && *loud == '2';
    sim->began = sim->now = clock_now;
    for (uint64_t i = 0; i < RILL__CONCERNS; i++)
        rill__random_init(&sim->randoms[i], opts->world.seed, i);
    list_init(&sim->fresh);
    list_init(&sim->foreign);
    list_init(&sim->starved);
    list_init(&sim->quiet);
    list_init(&sim->sockets);
    rill__manners_draw(sim);
    int r = make_flights(sim);
    if (r == 0)
        r = make_buffers(sim);
    if (r < 0) {
        free_sim(sim);
        return r;
    }
    *ret_backend = &sim->backend;
    return 0;
}

bool rill__is_sim(const struct rill__backend *backend)
{
    return backend->ops == &sim_ops;
}

rill_time rill__sim_now(void)
{
    return clock_now;
}

rill_time rill__sim_wall_clock(void)
{
    return wall_start + (clock_now - clock_start);
}

uint64_t rill__sim_hash(const struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend)->trace.hash;
}

void rill__sim_report(struct rill__backend *backend, const char *why)
{
    struct rill__sim *sim = sim_of(backend);
    unsigned long long seed = sim->opts.world.seed;
    rill__trace_print(&sim->trace);
    fprintf(stderr, "rill: simulator: %s (seed %llu, step %llu)\n", why, seed,
            (unsigned long long)sim->trace.steps);
    if (sim->opts.told_by_env)
        fprintf(stderr, "rill: simulator: again: RILL_SIM=%s %s\n", getenv("RILL_SIM"),
                program_invocation_name);
}

/* --- The environment. --- */

static bool take_word(rill_span *text, const char *word)
{
    size_t size = strlen(word);
    if (text->size < size || memcmp(text->at, word, size) != 0)
        return false;
    *text = (rill_span){ text->at + size, text->size - size };
    return true;
}

bool rill__sim_from_env(rill_sim_opts *ret_world)
{
    static const rill_sim_net reachable = { .outside = true };
    const char *text = getenv("RILL_SIM");
    rill_sim_opts world = { .net = &reachable };
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    rill_span rest = rill_span_of(text);
    for (; rest.size > 0 && *rest.at >= '0' && *rest.at <= '9'; rest.at++, rest.size--)
        world.seed = world.seed * 10 + (uint64_t)(*rest.at - '0');
    while (rest.size > 0)
        if (take_word(&rest, ",shuffle"))
            world.shuffle = true;
        else if (take_word(&rest, ",faults"))
            world.faults = RILL_SIM_ALL;
        else
            return false;
    *ret_world = world;
    return true;
}
