/* test_event.c - events: who waits goes on when the flag was raised, whatever becomes of it. */
#include "tests/support/expect.h"

static rill_event event; /* of the running scenario */
static rill_task *tasks[3];

static int wait_and_trace(void *arg)
{
    int r = rill_event_wait(&event);
    if (r == 0)
        trace(*(char *)arg);
    return r;
}

static int start(size_t count)
{
    static char letters[] = "abc";
    event = (rill_event){ 0 };
    for (size_t i = 0; i < count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(wait_and_trace, &letters[i])));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, tasks);
}

/* test_wait: in order of arrival; who comes after the set does not wait. */
static int waiters_go_on_in_order_when_the_flag_is_raised(void *arg)
{
    static char d = 'd';
    (void)arg;
    EXPECT_IS(start(2), 0);
    EXPECT_TRACE("");
    rill_task *late = kept(rill_create_task(RILL_CORO(wait_and_trace, &d)));
    rill_event_set(&event);
    EXPECT(rill_event_is_set(&event));
    EXPECT_TRACE(""); /* nobody runs inside the call */
    EXPECT_IS(rill_await(late), 0);
    EXPECT_TRACE("dab"); /* it was ready before they were */
    return 0;
}

/* test_wait_on_set, test_clear. */
static int zeroed_event_is_down_and_a_raised_one_is_not_waited_for(void *arg)
{
    (void)arg;
    event = (rill_event){ 0 };
    EXPECT(!rill_event_is_set(&event));
    rill_event_set(&event);
    EXPECT_IS(rill_event_wait(&event), 0);
    EXPECT_IS(rill_event_wait(&event), 0);
    rill_event_clear(&event);
    EXPECT(!rill_event_is_set(&event));
    return 0;
}

/* Row 93. */
static int set_and_clear_in_one_turn_wake_those_who_waited(void *arg)
{
    (void)arg;
    EXPECT_IS(start(2), 0);
    rill_event_set(&event);
    rill_event_clear(&event);
    EXPECT(!rill_event_is_set(&event));
    rill_event_set(&event);
    rill_event_set(&event);
    rill_event_clear(&event);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("ab");
    EXPECT_IS(rill_await(tasks[0]), 0);
    return 0;
}

/* test_wait_cancel, R29: before and after the set, at each position. */
static int cancelled_waiter_takes_no_wake_up_of_others(void *arg)
{
    (void)arg;
    for (int after = 0; after < 2; after++) {
        for (size_t victim = 0; victim < 3; victim++) {
            EXPECT_IS(start(3), 0);
            if (after)
                rill_event_set(&event);
            EXPECT(rill_cancel(tasks[victim], NULL));
            rill_event_set(&event);
            for (size_t i = 0; i < 3; i++)
                EXPECT_IS(rill_await(tasks[i]), i == victim ? -ECANCELED : 0);
            EXPECT(rill_event_is_set(&event));
        }
    }
    EXPECT_TRACE("bcacabbcacab");
    return 0;
}

static int wait_for_event_of_others(void *arg)
{
    return rill_event_wait(*(rill_event **)arg);
}

/* The frame that holds the event is gone when the waiter runs. */
static int set_event_of_own_and_return(rill_task **ret_waiter)
{
    static rill_event *place;
    rill_event local = { 0 };
    place = &local;
    *ret_waiter = kept(rill_create_task(RILL_CORO(wait_for_event_of_others, &place)));
    int r = rill_sleep(0);
    rill_event_set(&local);
    memset(&local, 0xff, sizeof local);
    return r;
}

/* Section 5: the memory outlives the wake-up, not the wait. */
static int event_may_go_as_soon_as_it_was_set(void *arg)
{
    rill_task *waiter;
    (void)arg;
    EXPECT_IS(set_event_of_own_and_return(&waiter), 0);
    EXPECT_IS(rill_await(waiter), 0);
    return 0;
}

static void raise_it(void *arg)
{
    rill_event_set(arg);
}

static int callback_can_raise_the_flag(void *arg)
{
    (void)arg;
    event = (rill_event){ 0 };
    rill_loop *loop = rill_get_running_loop();
    EXPECT(rill_call_later(loop, RILL_MS(1), raise_it, &event).entry != NULL);
    EXPECT_IS(rill_event_wait(&event), 0);
    return 0;
}

/* Rule 4.2. */
static int pending_cancel_comes_before_a_raised_flag(void *arg)
{
    (void)arg;
    event = (rill_event){ 0 };
    rill_event_set(&event);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_event_wait(&event), -ECANCELED);
    rill_uncancel(rill_current_task());
    return 0;
}

static int wait_with_deadline(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    event = (rill_event){ 0 };
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    int r = rill_event_wait(&event);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    return 0;
}

static int stop_and_wait(void *arg)
{
    rill_loop_stop(arg);
    return rill_event_wait(&event);
}

static int wait_here(void *arg)
{
    (void)arg;
    return rill_event_wait(&event);
}

static void event_of_another_loop_is_refused(void **state)
{
    rill_loop *loop = NULL;
    (void)state;
    event = (rill_event){ 0 };
    assert_int_equal(rill_event_wait(&event), -ESRCH);
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(stop_and_wait, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_run(RILL_CORO(wait_here, NULL)), -EXDEV);
    rill_event_set(&event);
    assert_int_equal(rill_run_until_complete(loop, task), 0);
    rill_unref(task);
    rill_loop_close(loop);
}

static const struct scenario scenarios[] = {
    SCENARIO(waiters_go_on_in_order_when_the_flag_is_raised),
    SCENARIO(zeroed_event_is_down_and_a_raised_one_is_not_waited_for),
    SCENARIO(set_and_clear_in_one_turn_wake_those_who_waited),
    SCENARIO(cancelled_waiter_takes_no_wake_up_of_others),
    SCENARIO(event_may_go_as_soon_as_it_was_set),
    SCENARIO(callback_can_raise_the_flag),
    SCENARIO(pending_cancel_comes_before_a_raised_flag),
    SCENARIO(wait_with_deadline),
    OUTSIDE(event_of_another_loop_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("event", scenarios);
}
