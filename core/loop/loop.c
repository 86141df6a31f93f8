/* loop.c - one turn: run ready, submit, wait, reap, timers.
 *
 * MODEL. `ready` holds entries in the order in which they became ready. A turn takes those that are
 * there at its begin, runs them in order, lets everybody who asked prepare their ops, enters the
 * kernel once, and puts due timers behind what the completions made ready. What becomes ready in a
 * turn runs in the next one, so no entry can starve the kernel and order follows cause.
 *
 * I1 Nothing runs inside the call that caused it: completions, timers and results only enqueue.
 * I2 An entry is on at most one of `ready` and `turn`, at most once; it may be taken off both.
 * I3 The loop sleeps in one place, in the backend's wait, with one deadline: the first timer's.
 * I4 A loop with ready entries never sleeps; one without never spins.
 *
 * FAILURE. Running out of memory fails the call that needed it, never the loop. A lost ring ends
 * the run with its error; the tasks stay as they are.
 *
 * WHY a list and not a ring buffer: entries must be removable (a scope left in the turn its deadline
 * came) and making one ready must not be able to fail. */
#include "core/loop/loop.h"

#include "core/base/machine.h"
#include "core/loop/chunk.h"

#include <rill/mem.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { trim_most = 64 }; /* cold stacks given back per idle turn */

int rill__loop_check_opts(struct rill_loop_opts *opts)
{
    if (opts->sq_entries == 0)
        opts->sq_entries = 256;
    if (opts->cq_entries == 0)
        opts->cq_entries = opts->sq_entries > 4096 ? opts->sq_entries : 4096;
    if (opts->recv_buffers == 0)
        opts->recv_buffers = 128;
    if (opts->budget == 0)
        opts->budget = 128;
    if (opts->slow == 0)
        opts->slow = RILL_MS(100);
    bool fits = opts->sq_entries >= 8 && opts->sq_entries <= 32768 &&
                opts->cq_entries >= opts->sq_entries && opts->recv_buffers >= 16 &&
                opts->recv_buffers <= 4096 && opts->slow > 0 && opts->grace >= 0;
    return fits ? 0 : -EINVAL;
}

int rill_loop_new(const rill_loop_opts *opts, rill_loop **ret_loop)
{
    rill_loop_opts checked = { 0 };
    if (opts != NULL)
        checked = *opts;
    int r = rill__loop_check_opts(&checked);
    if (r < 0)
        return r;
    rill_loop *loop = rill_alloc_zero(1, sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    loop->opts = checked;
    loop->timed = opts != NULL && opts->slow > 0 && opts->slow != RILL_FOREVER;
    list_init(&loop->ready);
    list_init(&loop->turn);
    list_init(&loop->prepare);
    list_init(&loop->tasks);
    list_init(&loop->gens);
    list_init(&loop->awaiting);
    for (size_t i = 0; i < RILL__IO_BUCKETS; i++)
        list_init(&loop->io[i]);
    list_init(&loop->parked);
    list_init(&loop->signal_waits);
    list_init(&loop->processes);
    loop->timers.origin = rill__loop_now(loop);
    rill__wake_init(loop);
    rill__loop_add_live(loop);
    *ret_loop = loop;
    return 0;
}

rill_time rill__loop_now(const struct rill_loop *loop)
{
    rill_time now, wall;
    if (loop != NULL && loop->backend != NULL)
        return loop->backend->ops->now(loop->backend);
    if (rill__backend_clocks(loop != NULL ? &loop->opts : NULL, &now, &wall))
        return now;
    return rill__machine_time(CLOCK_MONOTONIC);
}

rill_time rill_now(void)
{
    return rill__loop_now(rill__loop_running);
}

rill_time rill_turn_time(void)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return rill_now();
    if (loop->now == 0)
        loop->now = rill__loop_now(loop);
    return loop->now;
}

rill_time rill_wall_clock(void)
{
    struct rill_loop *loop = rill__loop_running;
    rill_time now, wall;
    if (loop == NULL && rill__backend_clocks(NULL, &now, &wall))
        return wall;
    if (loop == NULL)
        return rill__machine_time(CLOCK_REALTIME);
    if (loop->wall == 0)
        loop->wall = loop->backend->ops->wall_clock(loop->backend);
    return loop->wall;
}

void rill_random(void *memory, size_t size)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop != NULL)
        loop->backend->ops->random(loop->backend, memory, size);
    else
        rill__machine_random(memory, size);
}

/* --- A turn. --- */

static void run_ready(struct rill_loop *loop)
{
    struct list *node;
    list_splice(&loop->turn, &loop->ready);
    if (loop->backend != NULL && loop->backend->ops->turn != NULL)
        loop->backend->ops->turn(loop->backend, &loop->turn);
    while ((node = list_pop_front(&loop->turn)) != NULL) {
        struct rill__ready *ready = container_of(node, struct rill__ready, link);
        rill__loop_count_step(loop);
        if (loop->timed)
            rill__step_timed(loop, ready);
        else
            ready->run(ready);
    }
}

static void run_prepare(struct rill_loop *loop)
{
    struct list *node;
    while ((node = list_pop_front(&loop->prepare)) != NULL) {
        struct rill__prepare *prepare = container_of(node, struct rill__prepare, link);
        prepare->run(prepare);
    }
}

static void fire_timers(struct rill_loop *loop)
{
    struct rill__timer *due;
    if (loop->timers.count == 0)
        return;
    loop->now = rill__loop_now(loop); /* of the turn that begins, too */
    while ((due = rill__timer_take_due(&loop->timers, loop->now)) != NULL)
        rill__loop_ready(loop, due->ready);
}

static rill_time next_deadline(struct rill_loop *loop)
{
    if (!list_is_empty(&loop->ready) || loop->stopping)
        return 0;
    rill_time next = rill__timer_next(&loop->timers);
    return next > 0 ? next : 0;
}

bool rill__loop_next_turn(struct rill_loop *loop)
{
    struct rill__backend *backend = loop->backend;
    if (list_is_empty(&loop->ready) || !list_is_empty(&loop->prepare) || loop->stopping ||
        backend->ops->is_quiet == NULL ||
        !backend->ops->is_quiet(backend, rill__timer_next(&loop->timers)))
        return false;
    loop->wall = loop->now = 0;
    list_splice(&loop->turn, &loop->ready);
    return true;
}

static int sleep_until(struct rill_loop *loop, rill_time deadline)
{
    rill__stack_trim(&loop->stacks, trim_most);
    rill__watchdog_sleep_begins(&loop->dog);
    int r = loop->backend->ops->wait(loop->backend, deadline);
    rill__watchdog_sleep_ends(&loop->dog);
    return r;
}

static int turn(struct rill_loop *loop)
{
    run_ready(loop);
    run_prepare(loop);
    rill_time deadline = next_deadline(loop);
    int r = deadline != 0 ? sleep_until(loop, deadline)
                          : loop->backend->ops->wait(loop->backend, deadline);
    loop->wall = loop->now = 0;
    fire_timers(loop);
    return r;
}

/* --- Run, stop, free. --- */

/* A peer that hangs up and a file over its limit must be error codes, not the end of the process. */
static void ignore(int signo)
{
    struct sigaction now;
    if (sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        sigaction(signo, &now, NULL);
    }
}

static int first_run(struct rill_loop *loop)
{
    int r = loop->watched ? 0 : rill__coro_watch_overflow();
    if (r < 0)
        return r;
    loop->watched = true;
    ignore(SIGPIPE);
    ignore(SIGXFSZ);
    r = rill__backend_new(&loop->opts, &loop->backend);
    if (r < 0)
        return r;
    loop->backend->outside = loop->outside;
    loop->forks = rill__loop_forks();
    loop->thread = gettid();
    r = rill__wake_start(loop);
    if (r < 0) { /* the next try begins anew: a loop that cannot be woken is none */
        loop->backend->ops->free(loop->backend);
        loop->backend = NULL;
    }
    return r;
}

int rill__loop_run(struct rill_loop *loop)
{
    int r = 0;
    if (!rill__loop_is_live(loop))
        return -ESHUTDOWN;
    if (rill__loop_is_foreign(loop))
        return -ESRCH;
    if (rill__loop_running != NULL || loop->running)
        return rill__misuse(-EBUSY);
    if (loop->backend == NULL)
        r = first_run(loop);
    if (r < 0)
        return r;
    rill__loop_running = loop;
    loop->running = true;
    rill__watchdog_enter(loop);
    do
        r = turn(loop);
    while (r == 0 && !loop->stopping);
    rill__watchdog_leave(loop);
    loop->stopping = false;
    loop->running = false;
    rill__loop_running = NULL;
    return r;
}

void rill_loop_stop(rill_loop *loop)
{
    if (loop == rill__loop_running || rill__loop_is_live(loop))
        loop->stopping = true;
}

bool rill_loop_is_running(const rill_loop *loop)
{
    return rill__loop_is_live(loop) && !rill__loop_is_inherited(loop) && loop->running;
}

bool rill_loop_is_closed(const rill_loop *loop)
{
    return !rill__loop_is_live(loop);
}

void rill__loop_run_entries(struct rill_loop *loop)
{
    struct rill_loop *outer = rill__loop_running; /* another one may be closed while a loop runs */
    rill__loop_running = loop;
    while (!list_is_empty(&loop->ready))
        run_ready(loop);
    rill__loop_running = outer;
}

size_t rill__loop_in_flight(const struct rill_loop *loop)
{
    return loop->backend != NULL ? loop->backend->ops->in_flight(loop->backend) : 0;
}

static void end_ops(struct rill_loop *loop)
{
    struct rill__backend *backend = loop->backend;
    struct rill_loop *outer = rill__loop_running;
    rill__loop_running = loop;
    backend->ops->cancel_all(backend);
    while (backend->ops->in_flight(backend) > 0) {
        if (backend->ops->wait(backend, RILL_FOREVER) < 0)
            break;
        run_ready(loop);
        run_prepare(loop);
        backend->ops->cancel_all(backend); /* what was submitted by what just ran */
    }
    rill__loop_running = outer;
    rill__loop_run_entries(loop);
}

void rill__loop_end(struct rill_loop *loop)
{
    rill__wake_close(loop);
    if (loop->backend != NULL)
        end_ops(loop);
    else
        rill__loop_run_entries(loop);
}

void rill__loop_free(struct rill_loop *loop)
{
    rill__loop_remove_live(loop);
    if (loop->backend != NULL)
        loop->backend->ops->free(loop->backend);
    rill__wake_fini(loop);
    rill__calls_fini(loop);
    rill__chunks_fini(loop);
    rill__timers_fini(&loop->timers);
    rill__stack_pool_fini(&loop->stacks);
    rill__slabs_fini(&loop->records);
    if (loop->watched)
        rill__coro_unwatch_overflow();
    rill_free(loop);
}
