/* test_loop.c - the loop: order of calls, running and stopping, other threads, forks, signals, the end. */
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <rill/file.h>

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int seven = 7;

static void trace_call(void *letter)
{
    trace(*(const char *)letter);
}

static char a = 'a', b = 'b', c = 'c', d = 'd';

static rill_loop *here(void)
{
    return rill_get_running_loop();
}

/* --- Calls. --- */

static int calls_run_in_order_and_not_inside_the_asking(void *arg)
{
    (void)arg;
    EXPECT(rill_call_soon(here(), trace_call, &a).entry != NULL);
    EXPECT(rill_call_soon(here(), trace_call, &b).entry != NULL);
    EXPECT(rill_call_soon(here(), trace_call, &c).entry != NULL);
    EXPECT_TRACE("");
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    return 0;
}

static void call_another(void *arg)
{
    (void)arg;
    (void)rill_call_soon(here(), trace_call, &b);
    trace('a');
}

static int call_asked_for_in_a_call_runs_in_the_next_turn(void *arg)
{
    (void)arg;
    EXPECT(rill_call_soon(here(), call_another, NULL).entry != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("ab");
    return 0;
}

static int timed_calls_run_in_the_order_of_their_deadlines(void *arg)
{
    rill_time now = rill_now();
    (void)arg;
    EXPECT(rill_call_at(here(), now + 3, trace_call, &c).entry != NULL);
    EXPECT(rill_call_at(here(), now + 1, trace_call, &a).entry != NULL);
    EXPECT(rill_call_at(here(), now + 2, trace_call, &b).entry != NULL);
    EXPECT(rill_call_later(here(), RILL_FOREVER, trace_call, &d).entry != NULL);
    EXPECT_TRACE("");
    EXPECT_IS(rill_sleep(RILL_US(1)), 0); /* its deadline is the last one, whenever it comes */
    EXPECT_TRACE("abc");
    return 0;
}

static int timed_calls_of_one_deadline_run_in_the_order_of_asking(void *arg)
{
    rill_time now = rill_now();
    (void)arg;
    EXPECT(rill_call_at(here(), now, trace_call, &a).entry != NULL);
    EXPECT(rill_call_at(here(), now, trace_call, &b).entry != NULL);
    EXPECT(rill_call_at(here(), now, trace_call, &c).entry != NULL);
    EXPECT(rill_call_at(here(), now, trace_call, &d).entry != NULL);
    EXPECT_IS(rill_sleep(RILL_US(1)), 0);
    EXPECT_TRACE("abcd");
    return 0;
}

static int negative_deadlines_are_due_at_once_and_in_order(void *arg)
{
    (void)arg;
    EXPECT(rill_call_later(here(), -1, trace_call, &d).entry != NULL);
    EXPECT(rill_call_at(here(), 0, trace_call, &c).entry != NULL);
    EXPECT(rill_call_at(here(), -5, trace_call, &b).entry != NULL);
    EXPECT(rill_call_at(here(), INT64_MIN, trace_call, &a).entry != NULL);
    EXPECT_TRACE("");
    EXPECT_IS(rill_sleep(RILL_US(1)), 0);
    EXPECT_TRACE("abcd");
    return 0;
}

static int cancelled_calls_are_not_made(void *arg)
{
    (void)arg;
    rill_handle soon = rill_call_soon(here(), trace_call, &a);
    rill_handle later = rill_call_at(here(), 0, trace_call, &b);
    rill_handle never = rill_call_later(here(), RILL_FOREVER, trace_call, &c);
    EXPECT(soon.entry != NULL && later.entry != NULL && never.entry != NULL);
    EXPECT(rill_handle_cancel(soon));
    EXPECT(rill_handle_cancel(later));
    EXPECT(rill_handle_cancel(never));
    EXPECT_IS(rill_sleep(RILL_US(1)), 0);
    EXPECT_TRACE("");
    return 0;
}

static int stale_handles_are_harmless(void *arg)
{
    (void)arg;
    rill_handle old = rill_call_soon(here(), trace_call, &a);
    EXPECT(old.entry != NULL);
    EXPECT(rill_handle_cancel(old));
    EXPECT(!rill_handle_cancel(old));
    rill_handle now = rill_call_soon(here(), trace_call, &b);
    EXPECT(now.entry != NULL);
    EXPECT(now.entry == old.entry); /* used again, but under another id */
    EXPECT(!rill_handle_cancel(old));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("b");
    EXPECT(!rill_handle_cancel(now));
    EXPECT(!rill_handle_cancel((rill_handle){ 0 }));
    return 0;
}

static rill_handle second;

static void cancel_second(void *arg)
{
    (void)arg;
    trace(rill_handle_cancel(second) ? 'y' : 'n');
}

static int due_call_can_be_cancelled_by_the_one_before_it(void *arg)
{
    (void)arg;
    EXPECT(rill_call_at(here(), 1, cancel_second, NULL).entry != NULL);
    second = rill_call_at(here(), 2, trace_call, &b);
    EXPECT(second.entry != NULL);
    EXPECT_IS(rill_sleep(RILL_US(1)), 0);
    EXPECT_TRACE("y");
    return 0;
}

static int later_calls_wait_for_their_time(void *arg)
{
    (void)arg;
    EXPECT(rill_call_later(here(), RILL_MS(4), trace_call, &b).entry != NULL);
    EXPECT(rill_call_later(here(), RILL_MS(1), trace_call, &a).entry != NULL);
    EXPECT(rill_call_later(here(), RILL_FOREVER, trace_call, &c).entry != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    rill_time began = rill_now();
    EXPECT_IS(rill_sleep(RILL_MS(6)), 0);
    EXPECT(rill_now() - began >= RILL_MS(6)); /* timers never fire early */
    EXPECT_TRACE("ab");
    return 0;
}

/* Row 121. */
static int cancelled_calls_leave_nothing_in_the_heap_of_timers(void *arg)
{
    (void)arg;
    size_t before = here()->timers.count;
    for (int i = 0; i < 1000; i++) {
        rill_handle handle = rill_call_later(here(), RILL_SEC(3600), trace_call, &a);
        EXPECT(handle.entry != NULL);
        EXPECT(rill_handle_cancel(handle));
        EXPECT(!rill_handle_cancel(handle));
    }
    EXPECT_IS(here()->timers.count, before);
    return 0;
}

static int spin(void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0)
        r = rill_sleep(0);
    return r;
}

/* B6: an always-ready task keeps neither timers nor completions from their turn. */
static int busy_loop_still_serves_timers_and_the_kernel(void *arg)
{
    (void)arg;
    int ends[2];
    OWNED_FUTURE rill_task *busy = rill_create_task(RILL_CORO(spin, NULL));
    OWNED_FUTURE rill_task *busy_too = rill_create_task(RILL_CORO(spin, NULL));
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_FD int from = ends[0];
    OWNED_FD int to = ends[1];
    char in;
    EXPECT_IS(write(to, "x", 1), 1);
    EXPECT_IS(rill_file_read(from, &in, 1, UINT64_MAX), 1);
    rill_cancel(busy, NULL);
    EXPECT_IS(rill_await(busy), -ECANCELED);
    rill_cancel(busy_too, NULL);
    EXPECT_IS(rill_await(busy_too), -ECANCELED);
    return 0;
}

/* Rule 3.6. */
static int idle_loop_sleeps_in_one_wait(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_sleep(0), 0);
    uint64_t before = here()->backend->counters.enters;
    EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
    if (!under_valgrind()) /* where it sleeps in pieces */
        EXPECT(here()->backend->counters.enters - before <= 3);
    return 0;
}

/* --- Running and stopping. --- */

static rill_loop *new_loop(void)
{
    rill_loop *loop;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    return loop;
}

static void run_until_complete_takes_coroutines_tasks_and_futures(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(return_int, &seven)), 7);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(return_int, &seven), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), 7);
    assert_int_equal(rill_run_until_complete(loop, task), 7); /* it is done already */
    rill_unref(task);
    rill_future *future = rill_loop_create_future(loop);
    assert_int_equal(rill_future_set_result(future, 3, NULL), 0);
    assert_int_equal(rill_run_until_complete(loop, future), 3);
    rill_unref(future);
    assert_false(rill_loop_is_running(loop));
    assert_int_equal(rill_loop_close(loop), 0);
}

static void stop_here(void *loop)
{
    rill_loop_stop(loop);
}

/* Row 25. */
static void stop_before_the_result_is_einprogress_and_the_task_goes_on_later(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(give_up_turns, &seven), NULL);
    assert_non_null(rill_call_soon(loop, stop_here, loop).entry);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_state(task), RILL_PENDING);
    assert_int_equal(rill_run_until_complete(loop, task), 0);
    rill_unref(task);
    assert_int_equal(rill_loop_close(loop), 0);
}

static int calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static void stop_lets_the_turn_end(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_non_null(rill_call_soon(loop, stop_here, loop).entry);
    assert_non_null(rill_call_soon(loop, count_call, NULL).entry);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(rill_loop_close(loop), 0);
}

static int run_another_loop(void *other)
{
    rill_future *future = rill_loop_create_future(other);
    EXPECT(rill_loop_is_running(here()));
    EXPECT_IS(rill_run(RILL_CORO(return_int, &seven)), -EBUSY);
    EXPECT_IS(rill_run_coro(other, RILL_CORO(return_int, &seven)), -EBUSY);
    EXPECT_IS(rill_run_forever(other), -EBUSY);
    EXPECT_IS(rill_run_forever(here()), -EBUSY);
    EXPECT_IS(rill_run_until_done(other, future), -EBUSY);
    EXPECT_IS(rill_loop_close(here()), -EBUSY);
    rill_unref(future);
    return 0;
}

static void run_inside_a_run_is_ebusy(void **state)
{
    rill_loop *other = new_loop();
    (void)state;
    assert_int_equal(run_main(run_another_loop, other), 0);
    assert_int_equal(rill_run_coro(other, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(other), 0);
}

static void future_of_another_loop_is_exdev(void **state)
{
    rill_loop *one = new_loop(), *two = new_loop();
    rill_future *future = rill_loop_create_future(one);
    (void)state;
    assert_int_equal(rill_run_until_done(two, future), -EXDEV);
    rill_unref(future);
    assert_int_equal(rill_loop_close(one), 0);
    assert_int_equal(rill_loop_close(two), 0);
}

static void options_out_of_range_are_einval(void **state)
{
    static const rill_loop_opts bad[] = {
        { .sq_entries = 7 },    { .sq_entries = 32769 },  { .sq_entries = 16, .cq_entries = 15 },
        { .recv_buffers = 15 }, { .recv_buffers = 4097 },
    };
    rill_loop *loop = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rill_loop_new(&bad[i], &loop), -EINVAL);
        assert_null(loop);
    }
}

static void own_loop_is_made_once_and_anew_after_its_close(void **state)
{
    rill_loop *own = rill_get_event_loop();
    (void)state;
    assert_non_null(own);
    assert_ptr_equal(rill_get_event_loop(), own);
    assert_int_equal(rill_run_coro(own, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(own), 0);
    own = rill_get_event_loop();
    assert_int_equal(rill_run_coro(own, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(own), 0);
}

/* --- The end. --- */

static int clean_up_when_cancelled(void *arg)
{
    int r = sleep_for_ever(arg);
    trace(r == -ECANCELED ? 'c' : '!');
    EXPECT_IS(rill_sleep(0), 0); /* it is awaited, so it can wait for its clean-up */
    trace('d');
    return r;
}

static int leave_two_behind(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(clean_up_when_cancelled, NULL)));
    rill_unref(rill_create_task(RILL_CORO(clean_up_when_cancelled, NULL)));
    int r = rill_sleep(0);
    trace('m');
    return r < 0 ? r : 7;
}

static void leftovers_are_cancelled_and_awaited_at_the_end_of_a_run(void **state)
{
    (void)state;
    assert_int_equal(run_main(leave_two_behind, NULL), 7);
    assert_string_equal(traced(), "mccdd");
}

static int during_close[3];

static void ask_of_a_closing_loop(void *arg)
{
    rill_loop *loop = arg;
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(return_int, &seven), NULL);
    during_close[0] = rill_call_soon_threadsafe(loop, count_call, NULL);
    during_close[1] = rill_call_soon(loop, count_call, NULL).entry == NULL;
    during_close[2] = rill_result(task);
    (void)rill_error(task); /* taken */
    rill_unref(task);
}

static void closing_loop_takes_no_more_calls(void **state)
{
    rill_loop *loop = new_loop();
    struct footing before = footing_now();
    (void)state;
    calls = 0;
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    assert_non_null(rill_call_soon(loop, ask_of_a_closing_loop, loop).entry);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(during_close[0], -ESHUTDOWN);
    assert_int_equal(during_close[1], 1);
    assert_int_equal(during_close[2], -ESHUTDOWN);
    assert_int_equal(calls, 0);
    assert_true(footing_now().blocks < before.blocks);
}

static void calls_that_came_before_the_close_are_made(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_call_soon_threadsafe(loop, count_call, NULL), 0);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(calls, 1);
}

/* --- Other threads. --- */

enum { threads = 4, calls_each = 1000, knocks = 200 };

static rill_future *all_came;
static rill_loop *shared_loop;
static sem_t answered;

static void count_until_all(void *arg)
{
    if (++calls == *(int *)arg)
        (void)rill_future_set_result(all_came, 0, NULL);
}

static void *call_often(void *wanted)
{
    intptr_t failed = 0;
    for (int i = 0; i < calls_each; i++)
        failed += rill_call_soon_threadsafe(shared_loop, count_until_all, wanted) != 0;
    return (void *)failed;
}

static void answer_knock(void *wanted)
{
    count_until_all(wanted);
    sem_post(&answered);
}

/* Each call is made when the one before it was answered, so the loop has nothing else to wake for. */
static void *knock_often(void *wanted)
{
    intptr_t failed = 0;
    for (int i = 0; i < knocks; i++) {
        failed += rill_call_soon_threadsafe(shared_loop, answer_knock, wanted) != 0;
        while (sem_wait(&answered) < 0)
            continue;
    }
    return (void *)failed;
}

struct crowd {
    void *(*fn)(void *wanted);
    int threads, wanted;
};

static int await_calls_of_threads(void *arg)
{
    struct crowd *crowd = arg;
    pthread_t ids[threads];
    void *failed;
    all_came = rill_future_new();
    shared_loop = here();
    for (int i = 0; i < crowd->threads; i++)
        EXPECT_IS(pthread_create(&ids[i], NULL, crowd->fn, &crowd->wanted), 0);
    EXPECT_IS(rill_await(all_came), 0);
    for (int i = 0; i < crowd->threads; i++) {
        EXPECT_IS(pthread_join(ids[i], &failed), 0);
        EXPECT(failed == NULL);
    }
    EXPECT_IS(calls, crowd->wanted);
    EXPECT(here()->backend->counters.wakes > 0);
    rill_unref(all_came);
    return 0;
}

/* Not run_main: memory is counted per thread, and these calls are allocated by others. */
static void calls_of_4_threads_are_all_made(void **state)
{
    struct crowd crowd = { call_often, threads, threads * calls_each };
    (void)state;
    calls = 0;
    assert_int_equal(rill_run(RILL_CORO(await_calls_of_threads, &crowd)), 0);
}

static void each_call_of_a_thread_wakes_a_loop_without_work(void **state)
{
    struct crowd crowd = { knock_often, 1, knocks };
    (void)state;
    calls = 0;
    assert_int_equal(sem_init(&answered, 0, 0), 0);
    assert_int_equal(rill_run(RILL_CORO(await_calls_of_threads, &crowd)), 0);
    sem_destroy(&answered);
}

static int threadsafe_call_of_the_own_thread_runs_in_a_later_turn(void *arg)
{
    (void)arg;
    calls = 0;
    EXPECT_IS(rill_call_soon_threadsafe(here(), count_call, NULL), 0);
    EXPECT_IS(calls, 0);
    for (int turns = 0; calls == 0 && turns < 1000; turns++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, 1);
    return 0;
}

/* --- Forks and signals. --- */

static int look_for_a_loop(void *arg)
{
    (void)arg;
    return rill_get_running_loop() != NULL || rill_current_task() != NULL ||
           rill_sleep(0) != -ESRCH;
}

static int fork_in_a_task(void *arg)
{
    static struct child child;
    (void)arg;
    EXPECT_IS(child_run(&child, look_for_a_loop, NULL), 0);
    EXPECT_IS(child.status, 0);
    EXPECT(rill_get_running_loop() != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int interrupt_oneself(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
    return sleep_for_ever(NULL);
}

static int interrupt_and_take_it(void *arg)
{
    int r = interrupt_oneself(arg);
    return r == -ECANCELED ? 7 : r;
}

/* In a child: 0 if the run ended with the code that `wanted` points to and SIGINT is as before. */
static int check_interrupted(rill_coro coro, int wanted)
{
    struct sigaction now;
    int r = rill_run(coro);
    if (r != wanted) {
        fprintf(stderr, "the run ended with %d", r);
        return 1;
    }
    return sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_DFL ? 0 : 2;
}

static int run_interrupted(void *arg)
{
    (void)arg;
    return check_interrupted(RILL_CORO(interrupt_oneself, NULL), -EINTR);
}

static int run_interrupted_and_taken(void *arg)
{
    (void)arg;
    return check_interrupted(RILL_CORO(interrupt_and_take_it, NULL), 7);
}

static void check_child(int (*fn)(void *arg), int wanted_status)
{
    static struct child child;
    assert_int_equal(child_run(&child, fn, NULL), 0);
    assert_string_equal(child.text, "");
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), wanted_status);
}

static void sigint_cancels_main_and_the_run_ends_with_eintr(void **state)
{
    (void)state;
    check_child(run_interrupted, 0);
}

static void sigint_that_main_survives_is_no_eintr(void **state)
{
    (void)state;
    check_child(run_interrupted_and_taken, 0);
}

static int interrupt_twice(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
    kill(getpid(), SIGINT);
    return 0;
}

static int run_interrupted_twice(void *arg)
{
    (void)arg;
    (void)rill_run(RILL_CORO(interrupt_twice, NULL));
    return 0;
}

static void second_sigint_ends_the_process_with_130(void **state)
{
    (void)state;
    check_child(run_interrupted_twice, 130);
}

/* --- Errors that nobody took, and clocks. --- */

static int told;

static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)message;
    EXPECT_HERE(loop == here());
    EXPECT_HERE(future != NULL && rill_result(future) == -EIO);
    EXPECT_HERE(arg == &told);
    told++;
}

static int fail_with_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

static int error_handler_hears_of_errors_that_nobody_took(void *arg)
{
    (void)arg;
    told = 0;
    rill_loop_set_error_handler(here(), hear, &told);
    rill_task *dropped = rill_create_task(RILL_CORO(fail_with_eio, NULL));
    EXPECT(rill_state(dropped) == RILL_PENDING);
    rill_unref(dropped);
    OWNED_FUTURE rill_task *taken = rill_create_task(RILL_CORO(fail_with_eio, NULL));
    EXPECT_IS(rill_await(taken), -EIO);
    EXPECT_IS(told, 1);
    return 0;
}

static rill_time clock_at(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return RILL_SEC(at.tv_sec) + at.tv_nsec;
}

static int clocks_are_those_of_the_machine(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_sleep(0), 0); /* a turn that read no clock yet */
    rill_time wall = clock_at(CLOCK_REALTIME), mono = clock_at(CLOCK_MONOTONIC);
    rill_time our_wall = rill_wall_clock(), turn = rill_turn_time(), now = rill_now();
    EXPECT(wall <= our_wall && our_wall <= clock_at(CLOCK_REALTIME));
    EXPECT(mono <= turn && turn <= now && now <= clock_at(CLOCK_MONOTONIC));
    EXPECT(rill_wall_clock() == our_wall && rill_turn_time() == turn); /* read once a turn */
    EXPECT_IS(rill_sleep(RILL_US(1)), 0);
    EXPECT(rill_turn_time() >= now + RILL_US(1));
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(calls_run_in_order_and_not_inside_the_asking),
    SCENARIO(call_asked_for_in_a_call_runs_in_the_next_turn),
    SCENARIO(timed_calls_run_in_the_order_of_their_deadlines),
    SCENARIO(timed_calls_of_one_deadline_run_in_the_order_of_asking),
    SCENARIO(negative_deadlines_are_due_at_once_and_in_order),
    SCENARIO(cancelled_calls_are_not_made),
    SCENARIO(stale_handles_are_harmless),
    SCENARIO(due_call_can_be_cancelled_by_the_one_before_it),
    SCENARIO(later_calls_wait_for_their_time),
    SCENARIO(cancelled_calls_leave_nothing_in_the_heap_of_timers),
    SCENARIO_ONCE(busy_loop_still_serves_timers_and_the_kernel),
    SCENARIO(idle_loop_sleeps_in_one_wait),
    OUTSIDE(run_until_complete_takes_coroutines_tasks_and_futures),
    OUTSIDE(stop_before_the_result_is_einprogress_and_the_task_goes_on_later),
    OUTSIDE(stop_lets_the_turn_end),
    OUTSIDE(run_inside_a_run_is_ebusy),
    OUTSIDE(future_of_another_loop_is_exdev),
    OUTSIDE(options_out_of_range_are_einval),
    OUTSIDE(own_loop_is_made_once_and_anew_after_its_close),
    OUTSIDE(leftovers_are_cancelled_and_awaited_at_the_end_of_a_run),
    OUTSIDE(closing_loop_takes_no_more_calls),
    OUTSIDE(calls_that_came_before_the_close_are_made),
    OUTSIDE(calls_of_4_threads_are_all_made),
    OUTSIDE(each_call_of_a_thread_wakes_a_loop_without_work),
    SCENARIO(threadsafe_call_of_the_own_thread_runs_in_a_later_turn),
    { .name = "forked_child_has_no_running_loop", .main = fork_in_a_task, .once = true },
    OUTSIDE(sigint_cancels_main_and_the_run_ends_with_eintr),
    OUTSIDE(sigint_that_main_survives_is_no_eintr),
    OUTSIDE(second_sigint_ends_the_process_with_130),
    SCENARIO(error_handler_hears_of_errors_that_nobody_took),
    SCENARIO_REAL(clocks_are_those_of_the_machine, "it compares with the machine's clocks"),
};

int main(void)
{
    return RUN_SCENARIOS("loop", scenarios);
}
