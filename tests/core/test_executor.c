/* test_executor.c - blocking functions in threads, and results that cross threads. */
#include "core/base/mem.h"
#include "core/io/executor.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/wait.h>

/* --- The functions that threads call. --- */

static int return_it(rill_stop *stop, void *arg)
{
    (void)stop;
    return *(int *)arg;
}

static atomic_int calls, released;

static int count_call(rill_stop *stop, void *arg)
{
    (void)stop;
    (void)arg;
    return atomic_fetch_add(&calls, 1);
}

static void release_value(void *value)
{
    atomic_fetch_add(&released, 1);
    rill_free(value);
}

static int return_value(rill_stop *stop, void *arg)
{
    char *text = rill_copy(arg, strlen(arg) + 1);
    if (text == NULL)
        return -ENOMEM;
    return rill_job_return(stop, text, release_value);
}

/* A thread is in the middle of its function between `entered` and `go`. */
static sem_t entered, go;

static void reset(void)
{
    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    calls = released = 0;
}

static int wait_for_go(rill_stop *stop, void *arg)
{
    (void)arg;
    sem_post(&entered);
    while (sem_wait(&go) < 0)
        continue;
    return rill_stop_requested(stop) ? 1 : 0;
}

static int until_stopped(rill_stop *stop, void *arg)
{
    (void)arg;
    sem_post(&entered);
    while (!rill_stop_requested(stop))
        sched_yield();
    return -ECANCELED;
}

static int stopped_but_done(rill_stop *stop, void *arg)
{
    int r = until_stopped(stop, arg);
    return r == -ECANCELED ? 7 : r;
}

/* Abandoned threads would look like leaks. */
static void drop_executor(rill_executor **executor)
{
    rill__executor_close(*executor, RILL_SEC(60));
}

#define OWNED_EXECUTOR __attribute__((cleanup(drop_executor)))

/* Until a thread has said so, without holding the loop up, which it may need. Not for the thread of `task`
 * (or NULL) if that has ended. */
static int await_entered(rill_task *task)
{
    int r = 0;
    while (r == 0 && sem_trywait(&entered) < 0) {
        if (task != NULL && rill_done(task))
            return rill_result(task);
        r = rill_sleep(0);
    }
    return r;
}

/* --- Waiting for functions. --- */

static int to_thread_returns_what_the_function_returns(void *arg)
{
    int value = 41, error = -ENOSPC;
    (void)arg;
    EXPECT_IS(rill_to_thread(return_it, &value), 41);
    EXPECT_IS(rill_to_thread(return_it, &error), -ENOSPC);
    return 0;
}

static rill_var colour;

static int look_at_colour(rill_stop *stop, void *arg)
{
    (void)stop;
    (void)arg;
    const char *value = rill_var_get(&colour);
    int r = rill_var_set(&colour, "blue", NULL);
    return r < 0 ? r : value != NULL && strcmp(value, "red") == 0;
}

/* test_threads.py: test_to_thread_contextvars. */
static int to_thread_passes_a_copy_of_the_values_on(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_var_set(&colour, "red", NULL), 0);
    EXPECT_IS(rill_to_thread(look_at_colour, NULL), 1);
    EXPECT(strcmp(rill_var_get(&colour), "red") == 0);
    return 0;
}

static int stopped_in_thread(void *arg)
{
    (void)arg;
    return rill_to_thread(until_stopped, NULL);
}

/* The function is asked to stop and has returned before the await does: its argument lies on this stack. */
static int to_thread_cancelled_returns_after_its_function(void *arg)
{
    (void)arg;
    reset();
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(stopped_in_thread, NULL));
    EXPECT_IS(all_begun(1, &task), 0);
    EXPECT_IS(await_entered(task), 0);
    EXPECT(rill_cancel(task, "enough"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    return 0;
}

static int done_in_thread(void *arg)
{
    (void)arg;
    int rc = rill_to_thread(stopped_but_done, NULL);
    EXPECT_IS(rc, 7);
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    return rc;
}

/* Nothing can keep the result, so it wins, and the next await delivers the request. */
static int to_thread_result_wins_against_a_cancel(void *arg)
{
    (void)arg;
    reset();
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(done_in_thread, NULL));
    EXPECT_IS(all_begun(1, &task), 0);
    EXPECT_IS(await_entered(task), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 7);
    return 0;
}

static int futures_of_an_executor_have_values(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    (void)arg;
    reset();
    EXPECT_IS(rill_executor_new(2, &executor), 0);
    rill_future *one = rill_run_in_executor(executor, return_value, (char[]){ "one" });
    rill_future *two = rill_run_in_executor(executor, return_value, (char[]){ "two" });
    int rc = rill_join(rill_gather(2, (rill_future *[]){ one, two }, 0));
    bool right =
        rc >= 0 && strcmp(rill_value(one), "one") == 0 && strcmp(rill_value(two), "two") == 0;
    bool early = released > 0;
    rill_unref(one);
    rill_unref(two);
    EXPECT_IS(rc, 0);
    EXPECT(right && !early);
    while (released < 2) /* the last reference may be the thread's */
        EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

/* Row 131. */
static int cancel_of_a_running_job_ends_the_future_and_drops_the_result(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    (void)arg;
    reset();
    EXPECT_IS(rill_executor_new(1, &executor), 0);
    OWNED_FUTURE rill_future *running = rill_run_in_executor(executor, wait_for_go, NULL);
    EXPECT_IS(rill_state(running), RILL_PENDING);
    sem_wait(&entered);
    OWNED_FUTURE rill_future *queued = rill_run_in_executor(executor, count_call, NULL);
    EXPECT(rill_cancel(running, "no more"));
    EXPECT(rill_cancelled(running));
    EXPECT(rill_cancel(queued, NULL));
    sem_post(&go);
    EXPECT_IS(rill_executor_shutdown(executor, RILL_FOREVER), 0);
    EXPECT_IS(calls, 0);
    EXPECT_IS(rill_await(running), -ECANCELED);
    return 0;
}

/* --- The pool. --- */

static int jobs_wait_for_a_thread_in_order(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    rill_future *futures[4];
    int rc = 0;
    (void)arg;
    reset();
    EXPECT_IS(rill_executor_new(1, &executor), 0);
    for (int i = 0; i < 4; i++)
        futures[i] = rill_run_in_executor(executor, count_call, NULL);
    for (int i = 0; i < 4; i++) {
        int got = rill_join(futures[i]);
        rc = rc < 0 ? rc : got < 0 ? got : got == i ? 0 : -EBADMSG;
    }
    EXPECT_IS(rc, 0);
    return 0;
}

static int shutdown_waits_for_what_was_given_before(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    (void)arg;
    reset();
    EXPECT_IS(rill_executor_new(2, &executor), 0);
    for (int i = 0; i < 8; i++)
        rill_job_unref(rill_executor_submit(executor, count_call, NULL));
    EXPECT_IS(rill_executor_shutdown(executor, RILL_FOREVER), 0);
    rill_job *late = rill_executor_submit(executor, count_call, NULL);
    EXPECT(rill_job_done(late));
    EXPECT_IS(rill_job_result(late, 0), -ESHUTDOWN);
    return 0;
}

static int told;

/* It has no name outside of this file. */
static void count_told(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)future;
    (void)arg;
    told += strstr(message, "still runs in a thread") != NULL &&
            strstr(message, " wait_for_go+0x0 in ") != NULL &&
            strstr(message, "core_executor+0x") != NULL;
}

static int abandon_one(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    (void)arg;
    reset();
    told = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), count_told, NULL);
    EXPECT_IS(rill_executor_new(1, &executor), 0);
    rill_job *stuck = rill_executor_submit(executor, wait_for_go, NULL);
    EXPECT(!rill_job_done(stuck));
    sem_wait(&entered);
    rill_job *queued = rill_executor_submit(executor, count_call, NULL);
    int abandoned = rill_executor_shutdown(executor, RILL_MS(5));
    sem_post(&go);
    int result = rill_job_result(stuck, RILL_FOREVER), never = rill_job_result(queued, 0);
    rill_job_unref(stuck);
    rill_job_unref(queued);
    EXPECT_IS(abandoned, 1);
    EXPECT_IS(told, 1);
    EXPECT_IS(result, 1); /* it was asked to stop, and says so */
    EXPECT_IS(never, -ECANCELED);
    return 0;
}

/* What an abandoned thread holds goes when it ends. */
static void wait_for_footing(struct footing before)
{
    while (footing_now().blocks != before.blocks)
        sched_yield();
}

static void shutdown_is_bounded_and_tells_what_it_abandons(void **state)
{
    struct footing before = footing_now();
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(abandon_one, NULL)), 0);
    wait_for_footing(before);
}

static void on_signal(int signo)
{
    (void)signo;
}

static int block_in_a_call(rill_stop *stop, void *arg)
{
    const int *pipe_fd = arg;
    char octet;
    int r = rill_stop_set_signal(stop, SIGUSR1);
    if (r < 0)
        return r;
    sem_post(&entered);
    while (!rill_stop_requested(stop))
        if (read(*pipe_fd, &octet, 1) < 0 && errno != EINTR)
            return -errno;
    return -ECANCELED;
}

static int signal_ends_a_blocking_call(void *arg)
{
    struct sigaction action = { .sa_handler = on_signal }, before;
    OWNED_EXECUTOR rill_executor *executor = NULL;
    int fds[2];
    (void)arg;
    reset();
    EXPECT_IS(rill_executor_new(1, &executor), 0);
    EXPECT_IS(pipe(fds), 0);
    sigaction(SIGUSR1, &action, &before);
    rill_job *job = rill_executor_submit(executor, block_in_a_call, &fds[0]);
    int rc = rill_job_done(job) ? rill_job_result(job, 0) : 0;
    if (rc == 0) {
        sem_wait(&entered);
        while (!rill_job_done(job)) { /* a signal may come before the call that it is to end */
            (void)rill_job_cancel(job);
            sched_yield();
        }
        rc = rill_job_result(job, 0);
    }
    rill_job_unref(job);
    sigaction(SIGUSR1, &before, NULL);
    close(fds[0]);
    close(fds[1]);
    EXPECT_IS(rc, -ECANCELED);
    return 0;
}

/* --- Jobs of other threads. --- */

static void *set_later(void *arg)
{
    sem_wait(&go);
    (void)rill_job_set_result(arg, 5, NULL, NULL);
    rill_job_unref(arg);
    rill__mem_end_thread();
    return NULL;
}

static int future_of_a_job_ends_when_another_thread_sets_it(void *arg)
{
    pthread_t thread;
    (void)arg;
    reset();
    rill_job *job = rill_job_new();
    OWNED_FUTURE rill_future *future = rill_wrap_future(job);
    EXPECT_IS(rill_state(future), RILL_PENDING);
    EXPECT_IS(pthread_create(&thread, NULL, set_later, job), 0);
    sem_post(&go);
    int rc = rill_await(future);
    pthread_join(thread, NULL);
    EXPECT_IS(rc, 5);
    return 0;
}

static void jobs_end_once(void **state)
{
    (void)state;
    reset();
    rill_job *job = rill_job_new();
    assert_int_equal(rill_job_result(job, 0), -ETIME);
    assert_int_equal(rill_job_result(job, RILL_MS(1)), -ETIME);
    assert_int_equal(rill_job_set_result(job, 3, rill_copy("x", 2), release_value), 0);
    assert_int_equal(rill_job_set_result(job, 4, rill_copy("y", 2), release_value), -EALREADY);
    assert_int_equal(released, 1);
    assert_int_equal(rill_job_set_error(job, -EIO, "late"), -EALREADY);
    assert_false(rill_job_cancel(job));
    assert_int_equal(rill_job_result(job, RILL_FOREVER), 3);
    assert_string_equal(rill_job_value(job), "x");
    rill_job_unref(job);
    assert_int_equal(released, 2);
}

static void errors_of_jobs_have_texts(void **state)
{
    (void)state;
    rill_job *job = rill_job_new();
    assert_int_equal(rill_job_set_error(job, 0, "x"), -EINVAL);
    assert_int_equal(rill_job_set_error(job, -EIO, "disk %d", 3), 0);
    assert_int_equal(rill_job_result(job, 0), -EIO);
    assert_string_equal(rill_job_error(job)->msg, "disk 3");
    rill_job_unref(job);
    job = rill_job_new();
    assert_true(rill_job_cancel(job));
    assert_int_equal(rill_job_result(job, 0), -ECANCELED);
    assert_null(rill_job_error(job));
    rill_job_unref(job);
}

static int text_of_a_job_reaches_its_future(void *arg)
{
    (void)arg;
    rill_job *job = rill_job_new();
    rill_future *future = rill_wrap_future(job);
    int set = rill_job_set_error(job, -EIO, "disk");
    int rc = rill_await(future);
    const rill_err *error = rill_error(future);
    bool right = error == NULL || error->msg == NULL || strcmp(error->msg, "disk") == 0;
    rill_unref(future);
    rill_job_unref(job);
    EXPECT_IS(rc, set == -EALREADY ? -ENOMEM : -EIO);
    EXPECT(right);
    return 0;
}

/* --- Coroutines for other threads. --- */

static rill_loop *served;
static int remote_result;
static char remote_text[16];

static int say_hello(void *arg)
{
    int r = rill_sleep(RILL_MS(1));
    return r < 0 ? r : rill_return_fmt("hello %s", (const char *)arg);
}

static char you[] = "you";

static void *ask_for_hello(void *arg)
{
    rill_job *job = rill_run_coroutine_threadsafe(served, RILL_CORO(say_hello, arg));
    remote_result = rill_job_result(job, RILL_FOREVER);
    snprintf(remote_text, sizeof remote_text, "%s",
             remote_result < 0 ? "" : (char *)rill_job_value(job));
    rill_job_unref(job);
    rill__mem_end_thread();
    sem_post(&entered);
    return NULL;
}

/* test_tasks.py: RunCoroutineThreadsafeTests. */
static int coroutine_of_another_thread_runs_here(void *arg)
{
    pthread_t thread;
    (void)arg;
    reset();
    served = rill_get_running_loop();
    EXPECT_IS(pthread_create(&thread, NULL, ask_for_hello, you), 0);
    int r = await_entered(NULL);
    pthread_join(thread, NULL);
    EXPECT_IS(r, 0);
    EXPECT_IS(remote_result, 0);
    EXPECT(strcmp(remote_text, "hello you") == 0);
    return 0;
}

static void *cancel_for_ever(void *arg)
{
    (void)arg;
    rill_job *job = rill_run_coroutine_threadsafe(served, RILL_CORO(sleep_for_ever, NULL));
    bool cancelled = rill_job_cancel(job);
    remote_result = cancelled ? rill_job_result(job, 0) : 1;
    rill_job_unref(job);
    rill__mem_end_thread();
    sem_post(&entered);
    return NULL;
}

/* test_run_coroutine_threadsafe_task_cancelled. */
static int cancel_in_another_thread_cancels_the_task(void *arg)
{
    pthread_t thread;
    (void)arg;
    reset();
    served = rill_get_running_loop();
    EXPECT_IS(pthread_create(&thread, NULL, cancel_for_ever, NULL), 0);
    int r = await_entered(NULL);
    pthread_join(thread, NULL);
    EXPECT_IS(r, 0);
    EXPECT_IS(remote_result, -ECANCELED);
    for (int i = 0; i < 4; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_all_tasks(NULL, NULL), 1);
    return 0;
}

static void coroutine_for_a_closed_loop_is_refused(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_loop_close(loop), 0);
    rill_job *job = rill_run_coroutine_threadsafe(loop, RILL_CORO(sleep_for_ever, NULL));
    assert_int_equal(rill_job_result(job, RILL_FOREVER), -ESHUTDOWN);
    rill_job_unref(job);
}

/* --- The end of a run. --- */

static int leave_one_running(void *arg)
{
    (void)arg;
    reset();
    rill_future *future = rill_run_in_executor(NULL, until_stopped, NULL);
    int rc = rill_done(future) ? rill_result(future) : 0;
    if (rc == 0)
        sem_wait(&entered);
    rill_unref(future);
    return rc;
}

static const rill_loop_opts impatient = { .grace = RILL_MS(1) };

/* Row 131: the thread goes on, and nothing of the closed loop is touched. */
static void end_of_a_run_shuts_its_executor_down(void **state)
{
    struct footing before = footing_now();
    (void)state;
    assert_int_equal(rill_run_with(RILL_CORO(leave_one_running, NULL), &impatient), 0);
    wait_for_footing(before);
}

static int use_inherited(void *arg)
{
    rill_executor *executor = arg;
    rill_job *job = rill_executor_submit(executor, count_call, NULL);
    int rc = rill_job_result(job, 0);
    rill_job_unref(job);
    rill_executor_free(executor);
    return rc;
}

/* --- Without threads. --- */

static int start_without_threads(void *arg)
{
    rill_executor *executor;
    (void)arg;
    EXPECT_IS(rill_executor_new(2, &executor), 0);
    rill_job *job = rill_executor_submit(executor, count_call, NULL);
    int submitted = rill_job_result(job, RILL_FOREVER);
    rill_job_unref(job);
    int shut = rill_executor_shutdown(executor, RILL_FOREVER);
    rill_executor_free(executor);
    EXPECT_IS(submitted, -EAGAIN);
    EXPECT_IS(shut, 0);
    EXPECT_IS(rill_to_thread(count_call, NULL), -EAGAIN);
    return rill_join(rill_run_in_executor(NULL, count_call, NULL)) == -EAGAIN ? 0 : -EBADMSG;
}

static int run_without_threads(void *arg)
{
    (void)arg;
    return rill_run(RILL_CORO(start_without_threads, NULL)) == 0 ? 0 : 1;
}

static void job_that_gets_no_thread_is_eagain(void **state)
{
    static struct child child;
    (void)state;
    if (under_tsan())
        skip(); /* it ends a program that cannot start a thread */
    assert_int_equal(child_run_alone(&child, run_without_threads, NULL), 0);
    assert_string_equal(child.text, "");
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == CHILD_CANNOT)
        skip();
    assert_int_equal(child.status, 0);
}

static void child_of_a_fork_has_no_threads(void **state)
{
    rill_executor *executor;
    int status;
    (void)state;
    assert_int_equal(rill_executor_new(1, &executor), 0);
    rill_job *job = rill_executor_submit(executor, count_call, NULL);
    assert_true(rill_job_result(job, RILL_FOREVER) >= 0);
    rill_job_unref(job);
    pid_t child = fork();
    if (child == 0)
        _exit(use_inherited(executor) == -ESRCH ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    drop_executor(&executor);
    assert_int_equal(status, 0);
}

static void wrong_arguments_are_refused(void **state)
{
    rill_executor *executor;
    (void)state;
    assert_int_equal(rill_executor_new(1025, &executor), -EINVAL);
    rill_executor_free(NULL);
    rill_job_unref(NULL);
    rill_job *job = rill_executor_submit(NULL, count_call, NULL);
    assert_int_equal(rill_job_result(job, 0), -ESRCH);
    rill_job_unref(job);
    assert_int_equal(rill_to_thread(count_call, NULL), -ESRCH);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        SCENARIO(to_thread_returns_what_the_function_returns),
        SCENARIO(to_thread_passes_a_copy_of_the_values_on),
        SCENARIO(to_thread_cancelled_returns_after_its_function),
        SCENARIO(to_thread_result_wins_against_a_cancel),
        SCENARIO(futures_of_an_executor_have_values),
        SCENARIO_ONCE(cancel_of_a_running_job_ends_the_future_and_drops_the_result),
        SCENARIO(jobs_wait_for_a_thread_in_order),
        SCENARIO(shutdown_waits_for_what_was_given_before),
        OUTSIDE(shutdown_is_bounded_and_tells_what_it_abandons),
        SCENARIO(signal_ends_a_blocking_call),
        SCENARIO_ONCE(future_of_a_job_ends_when_another_thread_sets_it),
        OUTSIDE(jobs_end_once),
        OUTSIDE(errors_of_jobs_have_texts),
        SCENARIO(text_of_a_job_reaches_its_future),
        SCENARIO_ONCE(coroutine_of_another_thread_runs_here),
        SCENARIO_ONCE(cancel_in_another_thread_cancels_the_task),
        OUTSIDE(coroutine_for_a_closed_loop_is_refused),
        OUTSIDE(end_of_a_run_shuts_its_executor_down),
        OUTSIDE(job_that_gets_no_thread_is_eagain),
        OUTSIDE(child_of_a_fork_has_no_threads),
        OUTSIDE(wrong_arguments_are_refused),
    };
    return RUN_SCENARIOS("executor", scenarios);
}
