/* test_threads.c - threads against asyncio's own cases: functions awaited, coroutines and results that cross. */
#include "core/base/mem.h"
#include "core/io/executor.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

static void drop_executor(rill_executor **executor)
{
    rill__executor_close(*executor, RILL_SEC(60));
}

#define OWNED_EXECUTOR __attribute__((cleanup(drop_executor)))
#define OWNED_JOB      __attribute__((cleanup(drop_job)))

static void drop_job(rill_job **job)
{
    rill_job_unref(*job);
}

/* --- Functions. --- */

static pthread_t loops_thread;
static atomic_int calls;

static int look_at_thread(rill_stop *stop, void *arg)
{
    (void)stop, (void)arg;
    atomic_fetch_add(&calls, 1);
    return pthread_equal(pthread_self(), loops_thread) ? 1 : 0;
}

static int call_in_thread(void *arg)
{
    return rill_to_thread(look_at_thread, arg);
}

/* test_threads.py: test_to_thread_once, test_to_thread_concurrent; test_events.py: test_run_in_executor. */
static int functions_of_ten_tasks_run_in_other_threads(void *arg)
{
    rill_future *tasks[10];
    (void)arg;
    calls = 0;
    loops_thread = pthread_self();
    for (int i = 0; i < 10; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(call_in_thread, NULL)));
    EXPECT_IS(join_all(10, tasks), 0);
    EXPECT_IS(calls, 10);
    return 0;
}

static rill_executor *narrow;

static int give_another(rill_stop *stop, void *arg)
{
    (void)stop;
    rill_job_unref(rill_executor_submit(narrow, look_at_thread, arg));
    return 0;
}

/* Who waits for its own thread waits until it is asked to stop. */
static int wait_for_another(rill_stop *stop, void *arg)
{
    OWNED_JOB rill_job *job = rill_executor_submit(narrow, look_at_thread, arg);
    int r = -ETIME;
    while (r == -ETIME && !rill_stop_requested(stop))
        r = rill_job_result(job, RILL_MS(1));
    return r == -ETIME ? -ECANCELED : r;
}

static int jobs_of_one_thread_may_give_others_and_not_wait_for_them(void *arg)
{
    OWNED_EXECUTOR rill_executor *executor = NULL;
    (void)arg;
    calls = 0;
    EXPECT_IS(rill_executor_new(1, &executor), 0);
    narrow = executor;
    EXPECT_IS(rill_join(rill_run_in_executor(executor, give_another, NULL)), 0);
    OWNED_FUTURE rill_future *stuck = rill_run_in_executor(executor, wait_for_another, NULL);
    while (calls == 0) /* what was given first */
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(stuck, NULL));
    EXPECT_IS(rill_executor_shutdown(executor, RILL_FOREVER), 0);
    OWNED_FUTURE rill_future *late = rill_run_in_executor(executor, look_at_thread, NULL);
    EXPECT_IS(rill_await(late), -ESHUTDOWN);
    EXPECT_IS(rill_executor_shutdown(executor, 0), 0);
    return 0;
}

/* --- Jobs and the futures that stand for them. --- */

/* test_futures.py: test_wrap_future_cancel, test_wrap_future_cancel2. */
static int cancel_of_a_wrapped_job_reaches_it_unless_it_is_done(void *arg)
{
    OWNED_JOB rill_job *pending = rill_job_new(), *done = rill_job_new();
    OWNED_FUTURE rill_future *one = rill_wrap_future(pending), *other = rill_wrap_future(done);
    (void)arg;
    if (rill_job_done(pending) || rill_job_done(done) || rill_done(one) || rill_done(other))
        return -ENOMEM;
    EXPECT(rill_cancel(one, NULL));
    EXPECT_IS(rill_job_set_result(done, 42, NULL, NULL), 0);
    EXPECT(rill_cancel(other, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancelled(one) && rill_cancelled(other));
    EXPECT_IS(rill_job_result(pending, 0), -ECANCELED);
    EXPECT_IS(rill_job_result(done, 0), 42);
    return 0;
}

static int job_that_nobody_will_end_goes_with_its_futures(void *arg)
{
    OWNED_JOB rill_job *job = rill_job_new();
    OWNED_FUTURE rill_future *one = rill_wrap_future(job), *other = rill_wrap_future(job);
    (void)arg;
    EXPECT(rill_state(one) == RILL_PENDING || rill_result(one) == -ENOMEM);
    return rill_state(other) == RILL_PENDING ? 0 : rill_result(other);
}

/* test_wrap_future_use_global_loop: this thread's own loop, if none runs. */
static void job_is_wrapped_for_the_loop_that_will_run(void **state)
{
    rill_loop *loop = rill_get_event_loop();
    rill_executor *executor;
    (void)state;
    calls = 0;
    loops_thread = pthread_self();
    assert_int_equal(rill_executor_new(1, &executor), 0);
    rill_job *job = rill_executor_submit(executor, look_at_thread, NULL);
    rill_future *future = rill_wrap_future(job);
    assert_int_equal(rill_run_until_complete(loop, future), 0);
    assert_int_equal(calls, 1);
    rill_unref(future);
    rill_job_unref(job);
    drop_executor(&executor);
    assert_int_equal(rill_loop_close(loop), 0);
}

/* --- Coroutines for a loop of another thread. --- */

static rill_loop *served;

static struct asked {
    rill_fn *fn;        /* the coroutine */
    rill_time patience; /* of the thread, which then cancels */
    int result, end;
    bool right; /* the text of the error */
    atomic_bool over;
} asked;

static void *ask(void *arg)
{
    struct asked *as = arg;
    rill_job *job = rill_run_coroutine_threadsafe(served, RILL_CORO(as->fn, NULL));
    as->result = rill_job_result(job, as->patience);
    if (as->result == -ETIME)
        (void)rill_job_cancel(job);
    as->end = rill_job_result(job, RILL_FOREVER);
    as->right = says(rill_job_error(job), "Fail!");
    rill_job_unref(job);
    rill__mem_end_thread();
    as->over = true;
    return NULL;
}

static int asked_by_a_thread(rill_fn *fn, rill_time patience)
{
    pthread_t thread;
    int r = 0;
    asked = (struct asked){ .fn = fn, .patience = patience };
    served = rill_get_running_loop();
    EXPECT_IS(pthread_create(&thread, NULL, ask, &asked), 0);
    while (r == 0 && !asked.over)
        r = rill_sleep(0);
    pthread_join(thread, NULL);
    return r;
}

static int fail_with_text(void *arg)
{
    (void)arg;
    return rill_fail(-EIO, "Fail!");
}

static int cancel_oneself(void *arg)
{
    (void)arg;
    (void)rill_cancel(rill_current_task(), NULL);
    return rill_sleep(0);
}

/* test_tasks.py: test_run_coroutine_threadsafe_with_exception, _task_cancelled. */
static int thread_is_told_how_its_coroutine_ended(void *arg)
{
    (void)arg;
    EXPECT_IS(asked_by_a_thread(fail_with_text, RILL_FOREVER), 0);
    EXPECT_IS(asked.result, -EIO);
    EXPECT(asked.right);
    EXPECT_IS(asked_by_a_thread(cancel_oneself, RILL_FOREVER), 0);
    EXPECT_IS(asked.result, -ECANCELED);
    return 0;
}

/* test_run_coroutine_threadsafe_with_timeout. */
static int thread_that_waits_no_longer_leaves_no_task(void *arg)
{
    (void)arg;
    EXPECT_IS(asked_by_a_thread(sleep_for_ever, 0), 0);
    EXPECT_IS(asked.result, -ETIME);
    EXPECT_IS(asked.end, -ECANCELED);
    for (int i = 0; i < 4; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_all_tasks(NULL, NULL), 1);
    return 0;
}

/* --- Loops in threads. --- */

static int look_at_sigint(void *arg)
{
    struct sigaction now;
    EXPECT_IS(sigaction(SIGINT, NULL, &now), 0);
    *(bool *)arg = now.sa_handler == SIG_DFL;
    return rill_sleep(0);
}

static void *run_here(void *arg)
{
    bool plain = false;
    *(int *)arg = rill_run(RILL_CORO(look_at_sigint, &plain));
    if (!plain)
        *(int *)arg = -EBADMSG;
    rill__mem_end_thread();
    return NULL;
}

/* test_runners.py: test_signal_install_not_supported_ok. */
static void run_in_another_thread_leaves_sigint_alone(void **state)
{
    pthread_t thread;
    int result = 1;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_here, &result), 0);
    pthread_join(thread, NULL);
    assert_int_equal(result, 0);
}

static atomic_bool may_end, ended;

static int until_told(rill_stop *stop, void *arg)
{
    (void)stop, (void)arg;
    calls = 1;
    while (!may_end)
        sched_yield();
    ended = true;
    return 0;
}

static void never_called(rill_future *future, void *arg)
{
    (void)future;
    *(bool *)arg = true;
}

/* Row 131. test_base_events.py, test_events.py: test_run_in_executor_cancel. */
static void end_of_a_job_does_not_touch_a_closed_loop(void **state)
{
    rill_loop *loop = rill_get_event_loop();
    rill_executor *executor;
    bool called = false;
    (void)state;
    calls = 0;
    may_end = ended = false;
    assert_int_equal(rill_executor_new(1, &executor), 0);
    rill_future *future = rill_run_in_executor(executor, until_told, NULL);
    assert_int_equal(rill_add_done_callback(future, never_called, &called), 0);
    while (calls == 0)
        sched_yield();
    assert_int_equal(rill_loop_close(loop), 0);
    may_end = true;
    drop_executor(&executor);
    assert_true(ended);
    assert_false(called);
    rill_unref(future);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        SCENARIO(functions_of_ten_tasks_run_in_other_threads),
        SCENARIO_ONCE(jobs_of_one_thread_may_give_others_and_not_wait_for_them),
        SCENARIO(cancel_of_a_wrapped_job_reaches_it_unless_it_is_done),
        SCENARIO(job_that_nobody_will_end_goes_with_its_futures),
        OUTSIDE(job_is_wrapped_for_the_loop_that_will_run),
        SCENARIO_ONCE(thread_is_told_how_its_coroutine_ended),
        SCENARIO_ONCE(thread_that_waits_no_longer_leaves_no_task),
        OUTSIDE(run_in_another_thread_leaves_sigint_alone),
        OUTSIDE(end_of_a_job_does_not_touch_a_closed_loop),
    };
    return RUN_SCENARIOS("threads", scenarios);
}
