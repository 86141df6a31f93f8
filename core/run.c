/* run.c - run a program: picks the backend, runs the main task, shuts down in order.
 *
 * The one file that sees every layer. The order of an end: the main task has ended; coroutines of
 * parked streams are started, so that they can clean up; leftover tasks are cancelled together and
 * awaited, and so is what they start meanwhile; open generators are closed; the loop's operations
 * are cancelled and their last completions taken; memory goes last. */
#include "core/dns/dns.h"
#include "core/io/executor.h"
#include "core/io/park.h"
#include "core/io/process.h"
#include "core/io/signal.h"
#include "core/op/fault.h"
#include "core/ring/call.h"
#include "core/ring/ring.h"
#include "core/sim/sim.h"
#include "core/task/gen.h"
#include "core/task/inspect.h"
#include "core/task/task.h"

#include <rill/loop.h>
#include <rill/sim.h>
#include <rill/var.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- The backend: the ring, or the simulator. --- */

/* What world the loop is to run in; false: the real one. */
static bool is_simulated(const struct rill_loop_opts *opts, struct rill__sim_opts *ret_sim)
{
    *ret_sim = (struct rill__sim_opts){ .call = rill__ring_call };
    if (opts != NULL) {
        ret_sim->recv_buffers = opts->recv_buffers;
        if (opts->sim != NULL)
            ret_sim->world = *opts->sim;
        if (opts->sim != NULL)
            return true;
    }
#ifdef RILL_CHECK_SLOW
    ret_sim->told_by_env = rill__sim_from_env(&ret_sim->world);
#endif
    return ret_sim->told_by_env;
}

int rill__backend_new(const struct rill_loop_opts *opts, struct rill__backend **ret_backend)
{
    struct rill__ring_opts ring = { opts->sq_entries, opts->cq_entries, opts->recv_buffers };
    struct rill__sim_opts sim;
    bool simulated = is_simulated(opts, &sim);
    int r = simulated ? rill__sim_new(&sim, ret_backend) : rill__ring_new(&ring, ret_backend);
    return rill__fault_wrap(r, ret_backend);
}

bool rill__backend_clocks(const struct rill_loop_opts *opts, rill_time *ret_now,
                          rill_time *ret_wall)
{
    struct rill__sim_opts sim;
    if (!is_simulated(opts, &sim))
        return false;
    *ret_now = rill__sim_now();
    *ret_wall = rill__sim_wall_clock();
    return true;
}

uint64_t rill_sim_hash(const rill_loop *loop)
{
    bool simulated = loop != NULL && loop->backend != NULL && rill__is_sim(loop->backend);
    return simulated ? rill__sim_hash(loop->backend) : 0;
}

void rill_sim_report(const char *why)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL || !rill__is_sim(loop->backend))
        return;
    rill__sim_report(loop->backend, why);
    (void)rill__tasks_dump(loop, STDERR_FILENO);
}

/* --- Running until a future is done. --- */

struct until {
    struct rill__callback callback;
    struct rill__ready ready;
    struct rill_loop *loop;
};

static void stop_loop(struct rill__ready *ready)
{
    rill_loop_stop(container_of(ready, struct until, ready)->loop);
}

/* The simulator found that nothing will ever come. Whoever waits for a connection is stuck as well: all who
 * could connect are in the same world. */
static void report_stuck(struct rill_loop *loop)
{
    (void)rill__tasks_dump(loop, STDERR_FILENO);
    list_for_each(node, &loop->tasks)
        rill__loop_report(loop, "deadlock, it waits for ever",
                          &container_of(node, struct rill__task, link)->future);
}

int rill_run_forever(rill_loop *loop)
{
    int r = rill__loop_run(loop);
    if (r == -EDEADLK)
        report_stuck(loop);
    return r;
}

/* 0 once `future` is done, or the loop was stopped before. */
static int run_until(rill_loop *loop, rill_future *future)
{
    struct until until = { .ready = { .run = stop_loop }, .loop = loop };
    until.callback.ready = &until.ready;
    if (!rill__loop_is_live(loop))
        return -ESHUTDOWN;
    if (future->loop != NULL && future->loop != loop)
        return rill__misuse(-EXDEV);
    if (rill__loop_running != NULL)
        return rill__misuse(-EBUSY);
    if (future->state == RILL_PENDING)
        rill__callback_add(future, &until.callback);
    else
        rill_loop_stop(loop); /* one turn, as asyncio does */
    int r = rill_run_forever(loop);
    rill__callback_remove(&until.callback);
    rill__loop_unready(&until.ready);
    return r;
}

int rill_run_until_done(rill_loop *loop, rill_future *future)
{
    rill_ref(future); /* its owner may drop it while the loop runs */
    int r = run_until(loop, future);
    if (r == 0)
        r = rill_result(future);
    rill__outcome_note(future, r);
    rill_unref(future);
    return r;
}

int rill_run_coro(rill_loop *loop, rill_coro coro)
{
    if (loop == NULL)
        return -ENOMEM;
    if (rill__loop_running != NULL)
        return rill__misuse(-EBUSY);
    rill_task *task = rill_loop_create_task(loop, coro, NULL);
    int r = rill_run_until_done(loop, task);
    rill_unref(task);
    return r;
}

/* --- The grace of the loop: for the main task after SIGINT, for leftovers at the end. --- */

enum { end_grace_s = 10 };

static void harden_all(struct rill_loop *loop);

static void on_grace(struct rill__ready *ready)
{
    struct rill_loop *loop = container_of(ready, struct rill_loop, harden);
    if (loop->ending)
        harden_all(loop);
    else if (loop->main != NULL)
        rill__task_harden(rill__task_of(loop->main));
}

static void stop_grace(struct rill_loop *loop)
{
    rill__timer_stop(loop, &loop->grace);
    rill__loop_unready(&loop->harden);
}

static void start_grace(struct rill_loop *loop, rill_time span)
{
    stop_grace(loop);
    loop->harden.run = on_grace;
    loop->grace.ready = &loop->harden;
    rill__timer_start(loop, &loop->grace, rill__loop_after(loop, span));
}

static rill_time end_grace(const struct rill_loop *loop)
{
    return loop->opts.grace > 0 ? loop->opts.grace : RILL_SEC(end_grace_s);
}

/* --- SIGINT: the first one cancels the main task, the second ends the process. --- */

static struct rill_loop *_Atomic interrupted_loop;

/* The run has ended and a handler that was set meanwhile put us back, or this is a child of a fork. */
static void raise_plainly(void)
{
    static const struct sigaction plain = { .sa_handler = SIG_DFL };
    sigset_t set;
    sigaction(SIGINT, &plain, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    raise(SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void on_sigint(int signo)
{
    int before = errno;
    (void)signo;
    rill__handler_begin();
    struct rill_loop *loop = interrupted_loop;
    bool ours = loop != NULL && !rill__loop_is_inherited(loop);
    if (ours && loop->interrupted)
        _exit(130);
    if (ours) {
        loop->interrupted = true;
        rill__wake_signal(loop);
    }
    rill__handler_end();
    if (!ours)
        raise_plainly();
    errno = before;
}

/* The program has its own idea of SIGINT if it is neither as it is by default nor as an earlier run left it. */
static bool is_free(const struct sigaction *now, const struct rill_loop *owner)
{
    bool plain = now->sa_handler == SIG_DFL || now->sa_handler == on_sigint;
    return plain && (owner == NULL || rill__loop_is_inherited(owner));
}

/* Only the thread of `main` does: nobody else changes who is interrupted. */
static bool catch_sigint(struct rill_loop *loop, struct sigaction *ret_before)
{
    static const struct sigaction plain = { .sa_handler = SIG_DFL };
    struct sigaction action = { .sa_handler = on_sigint, .sa_flags = SA_RESTART }, now;
    if (gettid() != getpid() || sigaction(SIGINT, NULL, &now) < 0 ||
        !is_free(&now, interrupted_loop))
        return false;
    *ret_before = now.sa_handler == on_sigint ? plain : now;
    loop->interrupted = loop->interrupt_told = false;
    interrupted_loop = loop;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    return true;
}

static void release_sigint(const struct sigaction *before)
{
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_sigint)
        sigaction(SIGINT, before, NULL);
    interrupted_loop = NULL;
    rill__handlers_wait(); /* that of another thread may still wake the loop */
}

void rill__loop_interrupted(struct rill_loop *loop)
{
    if (loop->interrupt_told)
        return;
    loop->interrupt_told = rill__cancel_by(RILL_BY_SIGNAL, loop->main, "SIGINT");
    if (loop->interrupt_told && loop->opts.grace > 0)
        start_grace(loop, loop->opts.grace);
}

/* --- The end. --- */

/* Nobody can cancel a parked stream's coroutine before it has a task. */
static void start_parked(struct rill_loop *loop)
{
    if (!rill__park_end(loop))
        return;
    rill_loop_stop(loop); /* after one turn */
    (void)rill__loop_run(loop);
}

static void ask_all(struct rill_loop *loop)
{
    list_for_each_safe(node, &loop->tasks) {
        rill_future *task = &container_of(node, struct rill__task, link)->future;
        if (rill_cancelling(task) == 0 || !loop->ending)
            rill__cancel_by(RILL_BY_LOOP, task, "the loop ends");
    }
    loop->ending = true;
}

static void harden_all(struct rill_loop *loop)
{
    loop->hard = true;
    ask_all(loop);
    list_for_each_safe(node, &loop->tasks)
        rill__task_harden(container_of(node, struct rill__task, link));
}

static void run_leftovers(struct rill_loop *loop, rill_time grace)
{
    start_parked(loop);
    ask_all(loop);
    if (grace == 0)
        harden_all(loop);
    else if (!list_is_empty(&loop->tasks))
        start_grace(loop, grace);
    while (!list_is_empty(&loop->tasks)) {
        rill_future *first =
            rill_ref(&container_of(loop->tasks.next, struct rill__task, link)->future);
        if (rill_cancelling(first) == 0) /* made meanwhile, or took the request back */
            rill__cancel_by(RILL_BY_LOOP, first, "the loop ends");
        int r = run_until(loop, first);
        rill_unref(first); /* nobody else may have taken its error: it is told then */
        if (r < 0)
            break; /* the ring is lost */
    }
    stop_grace(loop);
    loop->ending = loop->hard = false;
}

/* Its own executor is shut down by a task, so that its jobs have the loop until then. */
static void end_executor(struct rill_loop *loop)
{
    rill_time span = end_grace(loop);
    if (loop->executor == NULL)
        return;
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(rill__executor_end, &span), NULL);
    (void)run_until(loop, task);
    rill__executor_close(loop->executor, rill_result(task) < 0 ? span : 0);
    loop->executor = NULL;
    rill_unref(task);
}

/* A loop that never got its ring: no task of it has run, so each ends before its first step. */
static void drop_unstarted(struct rill_loop *loop)
{
    ask_all(loop);
    rill__loop_run_entries(loop);
}

/* Open generators are closed by a task, for they may await in their clean-up. */
static void close_generators(struct rill_loop *loop)
{
    if (list_is_empty(&loop->gens))
        return;
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(rill__gens_close, loop), NULL);
    loop->ending = true;
    start_grace(loop, end_grace(loop));
    (void)run_until(loop, task);
    rill_unref(task);
    run_leftovers(loop, end_grace(loop));
}

static void report_leftovers(struct rill_loop *loop)
{
    list_for_each(node, &loop->tasks)
        rill__loop_report(loop, "its loop is closed, but it has not ended",
                          &container_of(node, struct rill__task, link)->future);
}

int rill_loop_close(rill_loop *loop)
{
    if (loop == NULL || !rill__loop_is_live(loop))
        return 0; /* a second close does nothing */
    if (loop->running || loop->reporting || loop->closing)
        return rill__loop_is_inherited(loop) ? -ESRCH : rill__misuse(-EBUSY);
    if (rill__loop_is_foreign(loop))
        return -ESRCH;
    bool left = !list_is_empty(&loop->tasks) || !list_is_empty(&loop->gens) ||
                !list_is_empty(&loop->parked);
    if (rill__loop_running != NULL && loop->backend != NULL && left)
        return rill__misuse(-EBUSY); /* they cannot be run to their end now */
    report_leftovers(loop);
    if (loop->backend != NULL)
        run_leftovers(loop, 0);
    close_generators(loop);
    rill_executor_free(loop->executor);
    loop->executor = NULL;
    rill__signals_end(loop);
    rill__dns_end(loop);
    rill__processes_end(loop);
    loop->closing = true;
    if (loop->backend == NULL)
        drop_unstarted(loop);
    rill__loop_end(loop);
    (void)rill__gens_close(loop); /* begun by a last callback, or without memory for a task */
    rill__callbacks_drop(loop);
    rill__loop_run_entries(loop); /* of gathers and the like, whose futures ended by that */
    rill__loop_free(loop);
    return 0;
}

/* --- The runner: several main tasks on one loop. --- */

struct runner {
    struct rill_loop *loop; /* made by the first run */
    rill_context *context;  /* of all main tasks: a copy of what was in force at the first run */
    struct rill_loop_opts opts;
    bool closed;
};

_Static_assert(sizeof(struct runner) <= sizeof(rill_runner), "raise private_ of rill_runner");

static struct runner *runner_of(rill_runner *public)
{
    return (struct runner *)(void *)public->private_;
}

int rill_runner_init(rill_runner *public, const rill_loop_opts *opts)
{
    struct rill_loop_opts checked = { 0 };
    if (opts != NULL)
        checked = *opts;
    int r = rill__loop_check_opts(&checked);
    if (r < 0)
        return r;
    *runner_of(public) = (struct runner){ .opts = opts != NULL ? *opts : (rill_loop_opts){ 0 } };
    return 0;
}

static int run_main(struct rill_loop *loop, rill_coro coro, rill_context *context)
{
    struct sigaction before;
    rill_task_opts opts = { .context = context };
    rill_task *task = rill_loop_create_task(loop, coro, &opts);
    bool caught = catch_sigint(loop, &before);
    loop->main = task;
    int r = rill_run_until_done(loop, task);
    if (r == -ECANCELED && loop->interrupt_told && rill_uncancel(task) == 0)
        rill__outcome_note(task, r = -EINTR); /* the interrupt was the only request */
    stop_grace(loop);
    loop->main = NULL;
    if (caught)
        release_sigint(&before);
    rill_unref(task);
    return r;
}

int rill_runner_run(rill_runner *public, rill_coro coro)
{
    struct runner *runner = runner_of(public);
    if (rill__loop_running != NULL)
        return rill__misuse(-EBUSY);
    if (runner->closed)
        return -ESHUTDOWN;
    int r = runner->loop != NULL ? 0 : rill_loop_new(&runner->opts, &runner->loop);
    if (runner->context == NULL)
        runner->context = rill_context_copy();
    if (r == 0 && runner->context == NULL)
        r = -ENOMEM;
    return r < 0 ? r : run_main(runner->loop, coro, runner->context);
}

static void end_all(struct rill_loop *loop)
{
    run_leftovers(loop, end_grace(loop));
    end_executor(loop);
}

int rill_runner_close(rill_runner *public)
{
    struct runner *runner = runner_of(public);
    struct rill_loop *loop = runner->loop;
    if (loop != NULL && rill__loop_is_foreign(loop))
        return -ESRCH;
    if (loop != NULL && rill__loop_running != NULL)
        return rill__misuse(-EBUSY); /* its tasks cannot be run to their end now */
    if (loop != NULL && loop->backend != NULL)
        end_all(loop);
    else if (loop != NULL)
        drop_unstarted(loop); /* there was no ring, as the run has told: nothing more to report */
    rill_context_unref(runner->context);
    runner->context = NULL;
    runner->loop = NULL;
    runner->closed = true;
    return rill_loop_close(loop);
}

int rill_run_with(rill_coro coro, const rill_loop_opts *opts)
{
    rill_runner runner;
    int r = rill_runner_init(&runner, opts);
    if (r < 0)
        return r;
    r = rill_runner_run(&runner, coro);
    if (rill__loop_running == NULL)
        (void)rill_runner_close(&runner);
    return r;
}

int rill_run(rill_coro coro)
{
    return rill_run_with(coro, NULL);
}

int rill_exit_code(int rc)
{
    if (rc >= 0)
        return 0;
    if (rc == -EINTR)
        return 130;
    return rill_ring_problem() != NULL ? 78 : 1;
}
