/* executor.h - threads: blocking functions awaited, and results that cross threads.
 *
 * An executor is a bounded pool of threads that call blocking functions, one after the other. A job is
 * a result that comes later, as a future is, but belongs to no loop: any thread may set it, wait for it
 * and refer to it. A future of a loop stands for a job by rill_wrap_future.
 *
 *     static int hash_file(rill_stop *stop, void *arg) {
 *         struct work *work = arg;
 *         while (!rill_stop_requested(stop) && next_block(work)) mix(work);
 *         return rill_stop_requested(stop) ? -ECANCELED : 0;
 *     }
 *     int rc = rill_to_thread(hash_file, &work);
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

typedef struct rill_loop rill_loop;
typedef struct rill_future rill_future;
typedef struct rill_err rill_err;
typedef struct rill_executor rill_executor;
typedef struct rill_job rill_job;
typedef struct rill_stop rill_stop; /* a running job, as its function sees it */

/* Called in a thread of an executor: it may block, and must not await. Its return is the job's result, as
 * that of a coroutine is a task's; -ECANCELED means that it was cancelled. */
typedef int rill_job_fn(rill_stop *stop, void *arg);

/* Releases what a job holds, in whatever thread drops the last reference. */
typedef void rill_release_fn(void *value);

#ifdef __cplusplus
extern "C" {
#endif

/** Whether the job that runs here was asked to stop: its future was cancelled, or its executor abandons it.
 *  Returns: true if so.   Thread: any, while the function runs.   Since: 0.1 */
RILL_API bool rill_stop_requested(const rill_stop *stop);

/** Let a request to stop send the calling thread the signal `signo`, so that a system call which blocks
 *  there ends with EINTR. The program has a handler for it, without SA_RESTART. If the job is asked to stop
 *  already the signal is sent at once.   Args: `signo` 0 takes the wish back.
 *  Returns: 0; -EINVAL (no such signal).   Thread: that of the function.   Since: 0.1 */
RILL_API int rill_stop_set_signal(rill_stop *stop, int signo);

/** Store the job's value; it is passed to `release` when the job's last reference goes, also if nobody waits
 *  for the job any more.   Args: `release` may be NULL: the value is held, not owned.
 *  Returns: 0, to be returned by the function.   Thread: that of the function.   Like: return value.
 *  Since: 0.1 */
RILL_API int rill_job_return(rill_stop *stop, void *value, rill_release_fn *release);

/** An executor with up to `threads` threads, which are started as they are needed.
 *  Args: `threads` 0: four more than there are CPUs, at most 32.
 *  Returns: 0 and the executor; -EINVAL (more than 1024); -ENOMEM.
 *  Owns: gives it; rill_executor_free ends it.   Thread: any.   Like: ThreadPoolExecutor.   Since: 0.1 */
RILL_API int rill_executor_new(unsigned threads, rill_executor **ret_executor);

/** Let `executor` call `fn`, after what it was given before.   Args: NULL is the running loop's own executor,
 *  made on first use and shut down with the loop: the end of rill_run and of a runner waits for its jobs as long as
 *  for tasks (the option `grace`, 10 s), rill_loop_close not at all.
 *  Returns: a job, already done with -ESHUTDOWN (the executor is shut down), -ENOMEM, -EAGAIN (no thread could
 *           be started), -ESRCH (it was made before this process was forked, or it is NULL and no loop runs);
 *           never NULL.
 *  Owns: gives one reference; `arg` lives until the function has returned.
 *  Thread: any, but for NULL.   Like: Executor.submit.   Since: 0.1 */
RILL_API rill_job *rill_executor_submit(rill_executor *executor, rill_job_fn *fn, void *arg);

/** The future of a job that `executor` does. Cancelling the future ends it at once: a job that has not begun
 *  never does, one that runs is asked to stop and runs on, and `arg` must still be there for it.
 *  Args: as rill_executor_submit.
 *  Returns: as rill_wrap_future of that job.   Owns: gives one reference.
 *  Like: loop.run_in_executor.   Since: 0.1 */
RILL_API rill_future *rill_run_in_executor(rill_executor *executor, rill_job_fn *fn, void *arg);

/** Call `fn` in a thread of the running loop's own executor, with the task-local values of this task.
 *  A cancel asks the function to stop; the call returns when it has returned, so `arg` may lie on this
 *  stack. One that has not begun never does.
 *  Returns: what the function returned, also if a cancel came meanwhile; -ECANCELED (and it returned that, or
 *           never began); as rill_executor_submit.
 *  Suspends: yes.   Like: asyncio.to_thread.   Since: 0.1 */
RILL_API int rill_to_thread(rill_job_fn *fn, void *arg) RILL_SUSPENDS;

/** Take no more jobs and wait until those that it has are done, for up to `span`. What has not begun then is
 *  cancelled; what still runs is asked to stop, told to the loop's error handler (by the function's name and
 *  file), and abandoned to its thread.
 *  Returns: how many jobs were abandoned; -ECANCELED (no more jobs are taken, nothing is abandoned); -ENOMEM;
 *           -ESRCH (as rill_executor_submit).
 *  Suspends: while jobs are there.   Like: Executor.shutdown(wait=True).   Since: 0.1 */
RILL_API int rill_executor_shutdown(rill_executor *executor, rill_time span) RILL_SUSPENDS;

/** Give `executor` back: jobs that have not begun are cancelled, those that run are asked to stop and
 *  abandoned to their threads. It waits for nobody.
 *  Returns: nothing.   Owns: takes it; NULL is fine.   Thread: any.
 *  Like: Executor.shutdown(wait=False, cancel_futures=True).   Since: 0.1 */
RILL_API void rill_executor_free(rill_executor *executor);

/** A pending job that some thread will set.
 *  Returns: it; on failure one already done with -ENOMEM; never NULL.   Owns: gives one reference.
 *  Thread: any.   Like: concurrent.futures.Future.   Since: 0.1 */
RILL_API rill_job *rill_job_new(void);

/** One more reference.   Returns: `job`.   Owns: gives one.   Thread: any.   Since: 0.1 */
RILL_API rill_job *rill_job_ref(rill_job *job);

/** Drop one reference; with the last one the value is released.
 *  Returns: nothing.   Owns: takes it; NULL is fine.   Thread: any.   Since: 0.1 */
RILL_API void rill_job_unref(rill_job *job);

/** Finish a pending job of rill_job_new with a result.
 *  Args: `rc` negative makes it an error, -ECANCELED a cancel.   `value` is held; `release` (or NULL) gets it with
 *  the last reference, and at once if the job was done before.
 *  Returns: 0; -EALREADY (done or cancelled before); -EPERM (an executor or a loop does it).
 *  Thread: any.   Like: Future.set_result.   Since: 0.1 */
RILL_API int rill_job_set_result(rill_job *job, int rc, void *value, rill_release_fn *release);

/** Finish a pending job of rill_job_new with the error `err` (negative) and a text.
 *  Returns: 0; -EALREADY; -EPERM; -EINVAL (`err` is not negative). Without memory the text is lost.
 *  Thread: any.   Like: Future.set_exception.   Since: 0.1 */
RILL_API int rill_job_set_error(rill_job *job, int err, const char *format, ...) RILL_PRINTF(3, 4);

/** Cancel `job`. One whose function runs is only asked to stop; a task of another loop is cancelled there.
 *  Returns: true if the job is cancelled now; false if its function runs, or it is done.
 *  Thread: any.   Like: concurrent.futures.Future.cancel.   Since: 0.1 */
RILL_API bool rill_job_cancel(rill_job *job);

/** Whether `job` has ended in any way.   Returns: true if so.   Thread: any.   Since: 0.1 */
RILL_API bool rill_job_done(const rill_job *job);

/** Wait until `job` is done, for up to `span`. It blocks the thread, and with it a loop that runs there: in a
 *  task await rill_wrap_future instead.   Args: RILL_FOREVER: without a bound; 0 or less: do not wait.
 *  Returns: its result code; -ECANCELED (it was cancelled); -ETIME (`span` has passed).
 *  Thread: any; it is blocked.   Like: concurrent.futures.Future.result.   Since: 0.1 */
RILL_API int rill_job_result(rill_job *job, rill_time span);

/** The value of a finished job.   Returns: it, valid until the last reference goes; NULL if there is none, it
 *  failed, or it is pending.   Thread: any.   Since: 0.1 */
RILL_API void *rill_job_value(const rill_job *job);

/** The detail of a job that failed.   Returns: it, valid until the last reference goes; NULL if it did not fail,
 *  or is pending.   Thread: any.   Like: concurrent.futures.Future.exception.   Since: 0.1 */
RILL_API const rill_err *rill_job_error(const rill_job *job);

/** A future of the running loop, else of this thread's own, that ends as `job` does. Its value is the job's,
 *  valid as long as the future. Cancelling it cancels the job, and ends the future at once.
 *  Returns: the future, as rill_future_new.   Owns: gives one reference; borrows the job.
 *  Like: asyncio.wrap_future.   Since: 0.1 */
RILL_API rill_future *rill_wrap_future(rill_job *job);

/** Run `coro` as a task of `loop`, which another thread runs.
 *  Returns: a job that ends as the task does, already done with -ENOMEM or -ESHUTDOWN (the loop is closed);
 *           never NULL. A value that the task owns (rill_return_copy, _fmt) goes over to the job.
 *  Owns: gives one reference; what coro.arg points to lives until the task has ended.
 *  Thread: any.   Like: asyncio.run_coroutine_threadsafe.   Since: 0.1 */
RILL_API rill_job *rill_run_coroutine_threadsafe(rill_loop *loop, rill_coro coro);

#ifdef __cplusplus
}
#endif
