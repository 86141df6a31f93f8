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
 * I6 What wakes the loop from outside of it (a signal, another thread) is seen in a wait, and told at a
 *    moment of the seed after that.
 *
 * SILENT. The end of a silent send that was whole is told at the end of the wait that tried it, or at the
 * next one, which does not sleep then. It wakes nobody: who waits for it alone waits for ever, as on a ring.
 *
 * CANCEL. A new op is tried once and ends with -ECANCELED if it would have to wait. So does one that
 * waits, soon; what was ready before the cancel wins, and of what becomes ready after it the seed says
 * whether it wins or stays where it is. An op that has its result keeps it.
 *
 * ELSEWHERE. flight.c has the ops in flight, world.c draws, events and clocks, fault.c what the seed makes
 * of the world, signal.c the signal that it sends, trace.c the hash. net.c and the files that it names have the sockets, foreign.c all other
 * descriptors. The insides are in state.h. */
#include "core/sim/sim.h"

#include "core/sim/net.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looks at the clock and turns that take no time (I3). */
enum { reads_free = 1000, turns_free = 32, turns_quick = 4 };

static struct rill__sim *sim_of(struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend);
}

/* --- Telling. --- */

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
            rill__flight_tell(sim, flight);
        }
    while (left > 0 && goes_on(sim));
    if (sim->done_count > 0)
        sim->backend.counters.overflows++;
}

/* --- Waiting. --- */

static bool look(struct rill__sim *sim)
{
    fire_due(sim);
    rill__signal_send(sim);
    rill__foreign_poll(sim, 0);
    return sim->done_count > 0;
}

/* I5: only somebody outside can go on. Where nobody is, there may still be a signal, for a while. */
static int wait_outside(struct rill__sim *sim)
{
    enum { signal_ms = 3000, look_again_ms = 100 };

    bool may_come;
    do {
        may_come = rill__foreign_may_come(sim);
        int patience = may_come ? look_again_ms : sim->net.outside ? signal_ms : 0;
        if (rill__foreign_poll(sim, patience))
            return 0;
    } while (may_come); /* it may have gone meanwhile */
    rill__sim_report(&sim->backend, "deadlock: nothing is ready, and nothing will be");
    return -EDEADLK;
}

static int patience_until(const struct rill__sim *sim, rill_time deadline)
{
    rill_time left = deadline - sim->now, most = RILL_SEC(1000);
    return deadline == RILL_FOREVER ? -1 : (int)((left < most ? left : most) / RILL_MS(1)) + 1;
}

/* Nothing is there to be told: let the time pass until something is, or to the deadline. */
static int sleep_until(struct rill__sim *sim, rill_time deadline)
{
    sim->turns = 0;
    while (!look(sim)) {
        struct heap_node *next = heap_first(&sim->events);
        if (next != NULL && next->key <= deadline) {
            rill__sim_move_clock(sim, next->key);
            continue;
        }
        if (rill__socket_sweep(sim))
            continue;
        /* Other threads work for us: their time is real, and so is ours until they have done it. */
        if (sim->backend.outside > 0 && rill__foreign_poll(sim, patience_until(sim, deadline)))
            return 0;
        if (deadline != RILL_FOREVER) {
            rill__sim_move_clock(sim, deadline);
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
    rill__sim_move_clock(sim, to);
}

static int sim_wait(struct rill__backend *backend, rill_time deadline)
{
    struct rill__sim *sim = sim_of(backend);
    bool due = sim->settles || !list_is_empty(&sim->quiet);
    rill_time span = due || deadline <= sim->now ? 0 : deadline - sim->now;
    sim->settles = false;
    sim->backend.counters.enters++;
    rill__sim_note(sim, RILL__TRACE_WAIT, deadline == RILL_FOREVER ? -1 : span, 0, 0);
    rill__flights_start(sim);
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
        rill__flights_settle(sim);
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

static int sim_submit(struct rill__backend *backend, struct rill__op *op)
{
    return rill__flight_submit(sim_of(backend), op);
}

static void sim_cancel(struct rill__backend *backend, struct rill__op *op)
{
    rill__flight_cancel(sim_of(backend), op);
}

static void sim_give_back(struct rill__backend *backend, uint16_t buffer)
{
    rill__sim_give_buffer(sim_of(backend), buffer);
}

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
    rill__sim_pass(sim, RILL_US(++sim->reads / reads_free)); /* I3 */
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
            rill__flight_cancel(sim, sim->flights[i]->op);
    sim->settles = true; /* who asks waits for the silent ones, too */
}

static size_t sim_in_flight(const struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend)->live;
}

/* --- Life. --- */

static void free_sim(struct rill__sim *sim)
{
    rill__sockets_fini(sim);
    rill__flights_fini(sim);
    rill_free(sim->buffer_memory);
    rill_free(sim->free_buffers);
    heap_fini(&sim->events);
    rill_free(sim);
}

static void sim_free(struct rill__backend *backend)
{
    struct rill__sim *sim = sim_of(backend);
    CHECK(sim->live == 0);
    CHECK(sim->free_buffer_count == sim->manners.buffers); /* one was never given back */
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
    sim->began = sim->now = rill__sim_now();
    for (uint64_t i = 0; i < RILL__CONCERNS; i++)
        rill__random_init(&sim->randoms[i], opts->world.seed, i);
    list_init(&sim->fresh);
    list_init(&sim->foreign);
    list_init(&sim->starved);
    list_init(&sim->quiet);
    list_init(&sim->sockets);
    list_init(&sim->datagrams);
    rill__manners_draw(sim);
    int r = rill__flights_make(sim);
    if (r == 0)
        r = rill__sim_make_buffers(sim);
    if (r == 0)
        r = rill__signal_plan(sim);
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
