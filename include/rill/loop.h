/* loop.h - the event loop: run a program, call back later, reach a loop from another thread.
 *
 *     int main(void) { return rill_exit_code(rill_run(RILL_CORO(start, NULL))); }
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

typedef struct rill_loop rill_loop;

/* All zero: the defaults. */
typedef struct rill_loop_opts {
    unsigned sq_entries;   /* submission queue; 256 (8 to 32768) */
    unsigned cq_entries;   /* completion queue; 4096 (at least sq_entries) */
    unsigned recv_buffers; /* receive buffers of 2 KiB filled in at the start; 128 (16 to 4096) */
    unsigned budget;       /* awaits that need not wait before a task gives up its turn; 128 */
    bool eager;            /* new tasks run at once until their first suspension */
    bool strict;           /* a misuse dumps all tasks and aborts, where it else returns its code */
    /* How long tasks may go on after the loop asked them to cancel, before each of their awaits fails at
     * once: leftovers at its end, 10 s; main after SIGINT, no bound. RILL_FOREVER: no bound. */
    rill_time grace;
    /* How long a step of a task or a call may take; 100 ms. RILL_FOREVER: as long as it likes. One
     * that goes on for longer is reported on standard error, with a backtrace taken while it blocks. If
     * this is set, steps are also timed one by one, and the error handler is told of each. */
    rill_time slow;
    const struct rill_sim_opts *sim; /* NULL: the real world; else see rill/sim.h */
} rill_loop_opts;

/* A call that was asked for: a plain value; stale ones are harmless while the loop lives. */
typedef struct rill_handle {
    void *entry;
    uint64_t id;
} rill_handle;

/* Several main tasks on one loop, which lives from the first to the close. Zeroed: the defaults.
 *
 *     rill_runner runner = { 0 };
 *     int rc = rill_runner_run(&runner, RILL_CORO(first, NULL));
 *     if (rc >= 0) rc = rill_runner_run(&runner, RILL_CORO(second, NULL));
 *     rc = rill_first_error(rc, rill_runner_close(&runner));
 */
typedef struct rill_runner {
    uint64_t private_[16];
} rill_runner;

/* What the error handler is told. `future` may be NULL. */
typedef void rill_error_fn(rill_loop *loop, const char *message, rill_future *future, void *arg);

#ifdef __cplusplus
extern "C" {
#endif

/** Run `coro` as the main task of a new loop until it ends; leftover tasks are then cancelled and awaited,
 *  and the loop is closed. A leftover that does not end within the loop's grace is in the hard phase from then
 *  on: each await fails at once with -ECANCELED, and no task is made any more (-ESHUTDOWN).
 *  Returns: main's result code, with its text in rill_last_error; -EBUSY (a loop runs in this thread); -ENOMEM; or why there is no ring (see
 *           rill_ring_problem); -EINTR (main ended because of SIGINT).
 *  Thread: any that runs no loop.   Like: asyncio.run.   Since: 0.1 */
RILL_API int rill_run(rill_coro coro);

/** As rill_run, with options.   Returns: as rill_run; -EINVAL (an option out of its range).   Since: 0.1 */
RILL_API int rill_run_with(rill_coro coro, const rill_loop_opts *opts);

/** Fork `count` worker processes (1 to 1024), each pinned to a CPU, with a loop and a ring of its own; run
 *  `coro` in each as rill_run does, and wait for all of them. It begins in none unless all could be forked,
 *  and one that fails does not stop the others. SIGINT and SIGTERM are passed on to the workers; a worker is
 *  ended by SIGTERM when this process dies.
 *  Args: each worker has its own copy of what `coro` points to, as fork(2) makes it.
 *  Returns: the sum of their results; else the error of the first of them that failed, in order of their
 *           start: its code, -EINTR (ended by SIGINT or SIGTERM), -ECHILD (it died by another signal, or left
 *           by exit); -EOVERFLOW (the sum); -EBUSY (a loop runs in this thread, or workers of this process);
 *           -EINVAL; -ENOMEM or -EAGAIN (they cannot be forked).
 *  Thread: any that runs no loop; it is blocked meanwhile.   Like: multiprocessing.Process.   Since: 0.1 */
RILL_API int rill_run_workers(unsigned count, rill_coro coro);
/** Make ready a runner with options; its loop is made by the first run.
 *  Args: `opts` may be NULL.   Returns: 0; -EINVAL (an option out of its range).
 *  Like: asyncio.Runner.   Since: 0.1 */
RILL_API int rill_runner_init(rill_runner *runner, const rill_loop_opts *opts);

/** Run `coro` as a main task on the runner's loop until it ends; tasks that it leaves behind stay, and go on
 *  in the next run. Task-local values that it sets are there in the next run.
 *  Returns: its result code; -EBUSY (a loop runs in this thread); -ESHUTDOWN (the runner is closed);
 *           -EINTR (it ended because of SIGINT); -EINPROGRESS (it stopped the loop); -ENOMEM; or why
 *           there is no ring.
 *  Like: Runner.run.   Since: 0.1 */
RILL_API int rill_runner_run(rill_runner *runner, rill_coro coro);

/** Cancel what is left, await it, and close the runner's loop; a second close does nothing.
 *  Returns: 0; -EBUSY (a loop runs in this thread); -ESRCH (it was made before this process was forked).
 *  Like: Runner.close.   Since: 0.1 */
RILL_API int rill_runner_close(rill_runner *runner);

/** The exit status for a result code.
 *  Returns: 0 for success; 78 if the ring could not be made; 130 for -EINTR; else 1.   Since: 0.1 */
RILL_API int rill_exit_code(int rc);

/** Why the last ring of this thread could not be made.
 *  Returns: one line with the exact cause and the fix, valid until the next try; NULL: it could.
 *  Since: 0.1 */
RILL_API const char *rill_ring_problem(void);

/** What the last ring of this thread uses of what a kernel may lack; without it the same is done at a higher cost.
 *  Returns: one line, such as "registered ring, silent sends, truncate; not: no iowait", valid until the next
 *           try; NULL: there was no ring.
 *  Since: 0.1 */
RILL_API const char *rill_ring_features(void);

/** A loop that does not run yet. Its ring is made by the thread that first runs it.
 *  Args: `opts` may be NULL.   Returns: 0 and the loop; -ENOMEM; -EINVAL.   Owns: gives it;
 *  rill_loop_close ends it.   Like: asyncio.new_event_loop.   Since: 0.1 */
RILL_API int rill_loop_new(const rill_loop_opts *opts, rill_loop **ret_loop);

/** This thread's loop, made on first use.
 *  Returns: the running loop, else this thread's own; NULL without memory.   Owns: borrows; it lives until
 *  rill_loop_close.   Like: asyncio.get_event_loop.   Since: 0.1 */
RILL_API rill_loop *rill_get_event_loop(void);

/** The loop that runs in this thread.   Returns: it, borrowed; NULL.
 *  Like: asyncio.get_running_loop.   Since: 0.1 */
RILL_API rill_loop *rill_get_running_loop(void);

/** Run `loop` until `future` is done.
 *  Returns: its result code; -EINPROGRESS (the loop was stopped before); -EBUSY (a loop runs in this
 *           thread); -EXDEV (a future of another loop); -ESRCH (its ring was made by
 *           another thread or by a parent process); -ESHUTDOWN (it is closed); the ring's error.
 *  Owns: borrows.   Like: loop.run_until_complete.   Since: 0.1 */
RILL_API int rill_run_until_done(rill_loop *loop, rill_future *future);

/** Run `coro` as a task of `loop` until it is done.   Returns: as rill_run_until_done.   Since: 0.1 */
RILL_API int rill_run_coro(rill_loop *loop, rill_coro coro);

/* Takes a coroutine object or a future. */
#define rill_run_until_complete(loop, x) \
    _Generic((x), rill_coro : rill_run_coro, default : rill_run_until_done)((loop), (x))

/** Run `loop` until rill_loop_stop.   Returns: as rill_run_until_done without a future: 0; -EBUSY;
 *  -ESRCH; -ESHUTDOWN; the ring's error.
 *  Like: loop.run_forever.   Since: 0.1 */
RILL_API int rill_run_forever(rill_loop *loop);

/** Let the running `loop` end after this turn; one that does not run runs one turn next time.
 *  Returns: nothing.   Like: loop.stop.   Since: 0.1 */
RILL_API void rill_loop_stop(rill_loop *loop);

/** Report tasks of `loop` that have not ended, cancel them hard (each await fails at once) and run them to
 *  their return, give the ring back and free the loop; a second close does nothing.
 *  Returns: 0; -EBUSY (it runs, or is being closed); -ESRCH (its ring was made by another thread or by a
 *           parent process: it is left as it is).
 *  Owns: takes it; NULL is fine.   Like: loop.close.   Since: 0.1 */
RILL_API int rill_loop_close(rill_loop *loop);

/** Whether `loop` runs.   Returns: true if so.   Like: loop.is_running.   Since: 0.1 */
RILL_API bool rill_loop_is_running(const rill_loop *loop);

/** Whether `loop` was closed. Only the address is looked at; a loop made later may get the same one.
 *  Returns: true if so.   Thread: any.   Like: loop.is_closed.   Since: 0.1 */
RILL_API bool rill_loop_is_closed(const rill_loop *loop);

/** Call `fn(arg)` in the next turn, after what is ready now.
 *  Returns: a handle; its `entry` is NULL without memory, if the loop is closing or closed, or if it runs
 *           in another thread.
 *  Like: loop.call_soon.   Since: 0.1 */
RILL_API rill_handle rill_call_soon(rill_loop *loop, rill_call_fn *fn, void *arg);

/** Call `fn(arg)` once `span` has passed.   Returns: as rill_call_soon.
 *  Like: loop.call_later.   Since: 0.1 */
RILL_API rill_handle rill_call_later(rill_loop *loop, rill_time span, rill_call_fn *fn, void *arg);

/** Call `fn(arg)` at the point `at` of the loop's clock.   Returns: as rill_call_soon.
 *  Like: loop.call_at.   Since: 0.1 */
RILL_API rill_handle rill_call_at(rill_loop *loop, rill_time at, rill_call_fn *fn, void *arg);

/** Take a call back that has not been made.   Returns: true if it was still to come.
 *  Like: Handle.cancel.   Since: 0.1 */
RILL_API bool rill_handle_cancel(rill_handle handle);

/** Call `fn(arg)` in a later turn of `loop`, which is woken if it sleeps.
 *  Returns: 0; -ENOMEM; -ESHUTDOWN (the loop is closing or closed).   Thread: any.
 *  Like: loop.call_soon_threadsafe.   Since: 0.1 */
RILL_API int rill_call_soon_threadsafe(rill_loop *loop, rill_call_fn *fn, void *arg);

/** Who is told of errors that nobody took. NULL: the default, one line on standard error, which also tells
 *  of errors that come while the handler runs. The handler must not await; task-local values are those of
 *  the task that failed.
 *  Returns: nothing.   Like: loop.set_exception_handler.   Since: 0.1 */
RILL_API void rill_loop_set_error_handler(rill_loop *loop, rill_error_fn *fn, void *arg);

/** A future of a coroutine or of itself.
 *  Returns: for a coroutine a new task on the running loop, else on this thread's loop; for a future itself
 *  with one more reference.   Owns: gives one reference.   Like: asyncio.ensure_future.   Since: 0.1 */
#define rill_ensure_future(x) _Generic((x), rill_coro : rill_ensure_task, default : rill_ref)((x))

/** The task of rill_ensure_future.   Returns: as rill_loop_create_task.   Owns: gives one.   Since: 0.1 */
RILL_API rill_task *rill_ensure_task(rill_coro coro);

/** The machine's wall clock, as read at most once a turn.
 *  Returns: nanoseconds since 1970-01-01T00:00:00Z.   Thread: any.   Like: time.time().   Since: 0.1 */
RILL_API rill_time rill_wall_clock(void);

/** Fill `memory` with random octets: the kernel's, or in the simulator those of its seed.
 *  Returns: nothing.   Thread: any.   Like: os.urandom.   Since: 0.1 */
RILL_API void rill_random(void *memory, size_t size);

#ifdef __cplusplus
}
#endif
