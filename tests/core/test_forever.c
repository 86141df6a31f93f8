/* test_forever.c - run_forever and stop, and what one run leaves for the next.
 *
 * After the loop parts of CPython's test_base_events.py and test_events.py. */
#include "core/loop/loop.h"
#include "tests/support/expect.h"

#include <stdio.h>

static int seven = 7;

static rill_loop *new_loop(void)
{
    rill_loop *loop;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    return loop;
}

static int calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static void stop_here(void *loop)
{
    calls++;
    rill_loop_stop(loop);
}

static void call_again_and_again(void *loop)
{
    calls++;
    (void)rill_call_soon(loop, call_again_and_again, loop); /* refused once the loop is closing */
}

/* CPython: stop() before run_forever() runs what is ready, once. */
static void stop_before_a_run_lets_it_run_one_turn(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_non_null(rill_call_soon(loop, call_again_and_again, loop).entry);
    rill_loop_stop(loop);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_int_equal(calls, 1);
    rill_loop_stop(loop);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(rill_loop_close(loop), 0);
}

static void stop_asked_for_twice_stops_one_run(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_non_null(rill_call_soon(loop, stop_here, loop).entry);
    assert_non_null(rill_call_soon(loop, stop_here, loop).entry);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_int_equal(calls, 2);
    assert_non_null(rill_call_later(loop, RILL_MS(1), stop_here, loop).entry);
    assert_int_equal(rill_run_forever(loop), 0); /* until that, and not at once */
    assert_int_equal(calls, 3);
    assert_int_equal(rill_loop_close(loop), 0);
}

static int fail_with_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

/* CPython: test_run_until_complete_baseexception. */
static void run_that_failed_leaves_no_stop_for_the_next(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_int_equal(rill_run_coro(loop, RILL_CORO(fail_with_eio, NULL)), -EIO);
    assert_non_null(rill_call_later(loop, RILL_MS(1), stop_here, loop).entry);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(rill_loop_close(loop), 0);
}

static int take_seven_turns(void *arg)
{
    int r = give_up_turns(&seven);
    *(bool *)arg = true;
    return r;
}

/* A task that nobody waits for goes on whenever its loop runs. */
static void task_of_an_earlier_run_goes_on_in_the_next_one(void **state)
{
    rill_loop *loop = new_loop();
    bool ended = false;
    (void)state;
    rill_unref(rill_loop_create_task(loop, RILL_CORO(take_seven_turns, &ended), NULL));
    int runs = 0;
    for (; !ended && runs < 20; runs++)
        assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    assert_true(ended);
    assert_true(runs > 2);
    assert_int_equal(rill_loop_close(loop), 0);
}

static void two_loops_of_a_thread_run_in_turn(void **state)
{
    rill_loop *one = new_loop(), *two = new_loop();
    (void)state;
    rill_future *first = rill_loop_create_future(one), *second = rill_loop_create_future(two);
    assert_int_equal(rill_run_coro(one, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_run_coro(two, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_future_set_result(first, 1, NULL), 0);
    assert_int_equal(rill_future_set_result(second, 2, NULL), 0);
    assert_int_equal(rill_run_until_complete(two, second), 2);
    assert_int_equal(rill_run_until_complete(one, first), 1);
    assert_int_equal(rill_run_until_complete(one, second), -EXDEV);
    rill_unref(first);
    rill_unref(second);
    assert_int_equal(rill_loop_close(two), 0);
    assert_int_equal(rill_run_coro(one, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(one), 0);
}

/* CPython: test_time_and_call_at. */
static void call_at_a_time_waits_for_it(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    rill_time at = rill_now() + RILL_MS(20);
    assert_non_null(rill_call_at(loop, at, stop_here, loop).entry);
    assert_int_equal(rill_run_forever(loop), 0);
    assert_true(rill_now() >= at);
    assert_int_equal(calls, 1);
    assert_int_equal(rill_loop_close(loop), 0);
}

static void call_another_soon(void *arg)
{
    calls++;
    EXPECT_HERE(rill_call_soon(rill_get_running_loop(), count_call, arg).entry != NULL);
}

/* CPython: test__run_once_schedule_handle. */
static int call_asked_for_by_a_due_one_waits_for_the_next_turn(void *arg)
{
    (void)arg;
    calls = 0;
    EXPECT(rill_call_at(rill_get_running_loop(), 1, call_another_soon, NULL).entry != NULL);
    while (calls == 0)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, 2);
    return 0;
}

static rill_handle own;

static void cancel_own(void *arg)
{
    (void)arg;
    calls += rill_handle_cancel(own) ? 100 : 1;
}

static int call_cannot_take_itself_back(void *arg)
{
    (void)arg;
    calls = 0;
    own = rill_call_soon(rill_get_running_loop(), cancel_own, NULL);
    EXPECT(own.entry != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, 1);
    own = rill_call_later(rill_get_running_loop(), 0, cancel_own, NULL);
    EXPECT(own.entry != NULL);
    for (int turns = 0; calls == 1 && turns < 100000; turns++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(calls, 2);
    return 0;
}

/* CPython: test__run_once: a timer that was cancelled does not wake the loop. */
static int cancelled_timer_does_not_wake_the_loop(void *arg)
{
    (void)arg;
    rill_loop *loop = rill_get_running_loop();
    for (int i = 0; i < 50; i++) {
        rill_handle handle = rill_call_later(loop, RILL_US(100 * i), count_call, NULL);
        EXPECT(handle.entry != NULL);
        EXPECT(rill_handle_cancel(handle));
    }
    uint64_t before = loop->backend->counters.enters;
    calls = 0;
    EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    EXPECT_IS(calls, 0);
    EXPECT(loop->backend->counters.enters - before <= 4);
    return 0;
}

static const struct scenario scenarios[] = {
    OUTSIDE(stop_before_a_run_lets_it_run_one_turn),
    OUTSIDE(stop_asked_for_twice_stops_one_run),
    OUTSIDE(run_that_failed_leaves_no_stop_for_the_next),
    OUTSIDE(task_of_an_earlier_run_goes_on_in_the_next_one),
    OUTSIDE(two_loops_of_a_thread_run_in_turn),
    OUTSIDE(call_at_a_time_waits_for_it),
    SCENARIO(call_asked_for_by_a_due_one_waits_for_the_next_turn),
    SCENARIO(call_cannot_take_itself_back),
    SCENARIO_ONCE(cancelled_timer_does_not_wake_the_loop),
};

int main(void)
{
    return RUN_SCENARIOS("forever", scenarios);
}
