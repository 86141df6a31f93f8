/* test_cancel.c - requests to cancel: counted, forwarded, delivered once, withdrawn. */
#include "core/task/task.h"
#include "tests/support/expect.h"

#include <rill/timeout.h>

static rill_future *shared; /* of the running scenario */
static rill_task *other_task;

static int await_shared(void *arg)
{
    (void)arg;
    return rill_await(shared);
}

/* Row 1. */
static int cancel_of_a_sleeping_task_ends_it_cancelled_and_of_a_finished_one_is_refused(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT(!rill_cancel(task, NULL));
    static int seven = 7;
    OWNED_FUTURE rill_task *quick = rill_create_task(RILL_CORO(return_int, &seven));
    EXPECT_IS(rill_await(quick), 7);
    EXPECT(!rill_cancel(quick, NULL));
    EXPECT_IS(rill_state(quick), RILL_FINISHED);
    return 0;
}

static int trace_b(void *arg)
{
    (void)arg;
    trace('b');
    return 0;
}

/* Row 2: there is no turn between the create and the cancel. */
static int cancel_before_the_first_step_means_that_the_body_never_runs(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(trace_b, NULL));
    EXPECT(rill_cancel(task, "not wanted"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT_TRACE("");
    EXPECT(rill_error(task)->msg != NULL && strcmp(rill_error(task)->msg, "not wanted") == 0);
    return 0;
}

/* Row 3: of a plain future and of a task. */
static int cancel_of_a_waiter_is_forwarded_to_what_it_awaits(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT(rill_cancelled(future)); /* at once: a plain future has no say */
    EXPECT_IS(rill_await(waiter), -ECANCELED);

    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(outer, NULL));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT(rill_cancelled(inner) && rill_cancelled(outer));
    return 0;
}

static int count_cancels(void *arg)
{
    (void)arg;
    int r = rill_await(shared);
    if (r == -ECANCELED)
        trace('c');
    if (rill_sleep(0) == -ECANCELED)
        trace('c');
    return r;
}

/* Row 5: both requests are made before the task runs again. */
static int cancel_of_task_and_awaited_future_in_one_turn_is_delivered_once(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(count_cancels, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(future, NULL));
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task) && rill_cancelled(future));
    EXPECT_TRACE("c");
    return 0;
}

static int take_cancel_and_return_42(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_FOREVER) == -ECANCELED ? 42 : -EBADMSG;
}

/* Row 6. */
static int task_that_takes_the_cancel_and_returns_a_value_is_not_cancelled(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(take_cancel_and_return_42, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 42);
    EXPECT(!rill_cancelled(task));
    return 0;
}

static int take_cancel_and_await_shared(void *arg)
{
    (void)arg;
    if (rill_sleep(RILL_FOREVER) != -ECANCELED)
        return -EBADMSG;
    trace('c');
    int r = rill_await(shared);
    trace('a');
    return r;
}

/* Row 7: the order of turns is made by yields. */
static int task_that_takes_the_cancel_may_await_something_else(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(take_cancel_and_await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("c");
    EXPECT(!rill_done(task) && !rill_done(future));
    EXPECT_IS(rill_future_set_result(future, 5, NULL), 0);
    EXPECT_IS(rill_await(task), 5);
    EXPECT_TRACE("ca");
    return 0;
}

static int cancel_oneself_and_return(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    return rill_return_fmt("dropped");
}

/* Row 9. */
static int task_that_cancels_itself_and_returns_is_cancelled(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_oneself_and_return, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT(rill_value(task) == NULL);
    return 0;
}

static int cancel_oneself_and_await_other(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), "by itself");
    return rill_await(other_task);
}

/* Row 10; the text travels too. */
static int task_that_cancels_itself_and_awaits_another_cancels_that_as_well(void *arg)
{
    (void)arg;
    rill_task *inner = other_task = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *task =
        rill_create_task(RILL_CORO(cancel_oneself_and_await_other, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(inner) && rill_cancelled(task));
    EXPECT(rill_error(inner)->msg != NULL && strcmp(rill_error(inner)->msg, "by itself") == 0);
    return 0;
}

static int yield_for_ever(void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0)
        r = rill_sleep(0);
    return r;
}

/* Row 11. */
static int cancel_reaches_a_task_that_only_gives_up_turns(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(yield_for_ever, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    return 0;
}

static int forgive_once(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_sleep(RILL_FOREVER), -ECANCELED);
    EXPECT_IS(rill_uncancel(rill_current_task()), 0);
    trace('u');
    static int thousand = 1000; /* not for ever: no run ends before this task does */
    return give_up_turns(&thousand);
}

/* Row 13. */
static int uncancel_lowers_the_count_and_a_later_cancel_is_delivered_again(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(forgive_once, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_cancelling(task), 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("u");
    EXPECT_IS(rill_cancelling(task), 0);
    EXPECT(!rill_done(task));
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(rill_cancelling(task), 1);
    EXPECT_IS(rill_uncancel(task), 0); /* after the end: only the count */
    EXPECT(rill_cancelled(task));
    return 0;
}

static int cancel_oneself_and_await_shared(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), "by itself");
    return rill_await(shared);
}

/* Row 10, for what ends at once when it is cancelled. */
static int task_that_cancels_itself_and_awaits_a_plain_future_goes_on(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task =
        rill_create_task(RILL_CORO(cancel_oneself_and_await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_done(task));
    EXPECT(rill_cancelled(future) && rill_cancelled(task));
    return 0;
}

static int withdraw_and_return_9(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_uncancel(rill_current_task()), 1);
    EXPECT_IS(rill_uncancel(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 9;
}

/* Row 14. R17. */
static int uncancel_to_zero_before_the_delivery_withdraws_the_request(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(withdraw_and_return_9, NULL));
    EXPECT_IS(rill_await(task), 9);
    EXPECT(!rill_cancelled(task));
    return 0;
}

struct block {
    bool scope_fires, outside_cancels;
    int code; /* what the block ends with, 0: what its await returned */
    int wanted;
    unsigned count; /* after the scope */
};

static int run_block(void *arg)
{
    const struct block *block = arg;
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    if (block->outside_cancels)
        rill_cancel(rill_current_task(), NULL);
    if (block->scope_fires)
        r = rill_scope_reschedule(&scope, rill_now());
    if (r == 0)
        r = rill_sleep(0);
    if (r == 0)
        r = rill_sleep(0);
    int left = rill_scope_leave(&scope, block->code != 0 ? block->code : r);
    EXPECT_IS(left, block->wanted);
    EXPECT_IS(rill_cancelling(rill_current_task()), block->count);
    while (rill_uncancel(rill_current_task()) > 0)
        ;
    return 0;
}

/* Row 15: only its own request, with the code of a cancel, is a timeout. */
static int scope_turns_a_cancel_into_a_timeout_only_if_it_fired_itself(void *arg)
{
    static struct block blocks[] = {
        { false, false, 0, 0, 0 },         { true, false, 0, -ETIME, 0 },
        { false, true, 0, -ECANCELED, 1 }, { true, true, 0, -ECANCELED, 1 },
        { true, false, -EIO, -EIO, 0 },    { false, false, -ECANCELED, -ECANCELED, 0 },
        { true, true, -EIO, -EIO, 1 },
    };
    (void)arg;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_block, &blocks[i]));
        EXPECT_IS(rill_await(task), 0);
    }
    return 0;
}

static int return_what_shared_said(void *arg)
{
    (void)arg;
    int r = rill_await(shared);
    trace(r == -ECANCELED ? 'c' : 'r');
    return r;
}

/* Row 17. */
static int
cancel_after_the_result_and_before_the_waiter_runs_leaves_the_result_in_the_future(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(return_what_shared_said, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(future, 3, NULL), 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT_TRACE("c");
    EXPECT_IS(rill_await(future), 3);
    return 0;
}

/* Row 18. */
static int cancel_of_one_of_two_waiters_ends_the_awaited_task_and_so_the_other(void *arg)
{
    (void)arg;
    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(await_shared, NULL));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(one, NULL));
    EXPECT_IS(rill_await(one), -ECANCELED);
    EXPECT_IS(rill_await(two), -ECANCELED);
    EXPECT(rill_cancelled(inner));
    EXPECT_IS(rill_cancelling(two), 0);
    return 0;
}

/* Row 19. */
static int cancel_of_a_sleeping_task_removes_its_timer(void *arg)
{
    (void)arg;
    struct rill__timers *timers = &rill_get_running_loop()->timers;
    size_t before = timers->count;
    static int hour = 3600;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    shared = kept(rill_sleep_future(RILL_SEC(hour), 0, NULL));
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(timers->count, before + 1);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT_IS(timers->count, before);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    return 0;
}

/* Row 30: also through a second task. */
static int cancel_message_reaches_whoever_awaits_the_cancelled_task(void *arg)
{
    (void)arg;
    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(inner, "the reason"));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT(rill_error(inner)->msg != NULL && strcmp(rill_error(inner)->msg, "the reason") == 0);
    EXPECT(rill_error(outer)->msg != NULL && strcmp(rill_error(outer)->msg, "the reason") == 0);
    EXPECT(rill_last_error() != NULL && strcmp(rill_last_error()->msg, "the reason") == 0);
    return 0;
}

static int cancelled_twice(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, 0);
    if (r == 0)
        r = rill_scope_leave(&scope, rill_sleep(0));
    EXPECT_IS(r, -ETIME);
    return rill_sleep(RILL_FOREVER);
}

/* A text of an earlier request, taken back since, is not told of a later one. */
static int cancel_message_is_that_of_the_request_that_was_delivered(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancelled_twice, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_error(task)->msg == NULL);
    return 0;
}

static int swallow_then_cancel_oneself(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, 0);
    if (r < 0)
        return r;
    r = rill_await(shared); /* the scope's request goes there, and is swallowed */
    EXPECT_HERE(r == 42 || r < 0);
    rill_cancel(rill_current_task(), "another one");
    r = rill_scope_leave(&scope, r);
    EXPECT_IS(r, 42);
    EXPECT_IS(rill_cancelling(rill_current_task()), 1);
    return rill_sleep(0);
}

/* A request that was handed on is gone; leaving its scope takes nobody else's back. */
static int cancel_handed_on_by_a_scope_is_not_taken_back_from_somebody_else(void *arg)
{
    (void)arg;
    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(take_cancel_and_return_42, NULL)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(swallow_then_cancel_oneself, NULL));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT(rill_cancelled(outer));
    EXPECT_IS(rill_result(inner), 42);
    return 0;
}

static rill_task *cycle[3];

static int await_next_in_cycle(void *arg)
{
    return rill_await(cycle[*(int *)arg]);
}

/* Each awaits the next one, and the last one the first: nobody else could end that. */
static int cancel_ends_a_cycle_of_tasks_that_await_each_other(void *arg)
{
    static int next[] = { 1, 2, 0 };
    (void)arg;
    for (int i = 0; i < 3; i++)
        cycle[i] = kept(rill_create_task(RILL_CORO(await_next_in_cycle, &next[i])));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(cycle[1], NULL));
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(rill_await(cycle[i]), -ECANCELED);
        EXPECT_IS(rill_cancelling(cycle[i]), 1);
    }
    return 0;
}

static int busy(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100000; i++) {
        int r = rill_await(shared); /* it is done: nothing to wait for */
        if (r < 0)
            return r;
        trace('x');
    }
    return 0;
}

/* Rule 4.2: stricter than asyncio, where an always-ready task never sees its cancel. */
static int cancel_reaches_a_task_whose_awaits_never_have_to_wait(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(busy, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(strlen(traced()), 127); /* the 128th await gave up its turn */
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(strlen(traced()), 128);
    return 0;
}

static void defer_note(void *arg)
{
    trace(*(char *)arg);
    EXPECT_HERE(rill_current_task() == NULL);
}

static int deferring(void *arg)
{
    (void)arg;
    static char one = '1', two = '2';
    int r = rill_defer(defer_note, &one);
    r = rill_first_error(r, rill_defer(defer_note, &two));
    r = rill_first_error(r, rill_sleep(RILL_FOREVER));
    trace('r');
    return r;
}

static int deferred_calls_run_last_in_first_out_also_after_a_cancel(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(deferring, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("r21");
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(cancel_of_a_sleeping_task_ends_it_cancelled_and_of_a_finished_one_is_refused),
    SCENARIO(cancel_before_the_first_step_means_that_the_body_never_runs),
    SCENARIO(cancel_of_a_waiter_is_forwarded_to_what_it_awaits),
    SCENARIO(cancel_of_task_and_awaited_future_in_one_turn_is_delivered_once),
    SCENARIO(task_that_takes_the_cancel_and_returns_a_value_is_not_cancelled),
    SCENARIO(task_that_takes_the_cancel_may_await_something_else),
    SCENARIO(task_that_cancels_itself_and_returns_is_cancelled),
    SCENARIO(task_that_cancels_itself_and_awaits_another_cancels_that_as_well),
    SCENARIO(task_that_cancels_itself_and_awaits_a_plain_future_goes_on),
    SCENARIO(cancel_reaches_a_task_that_only_gives_up_turns),
    SCENARIO(uncancel_lowers_the_count_and_a_later_cancel_is_delivered_again),
    SCENARIO(uncancel_to_zero_before_the_delivery_withdraws_the_request),
    SCENARIO(scope_turns_a_cancel_into_a_timeout_only_if_it_fired_itself),
    SCENARIO(cancel_after_the_result_and_before_the_waiter_runs_leaves_the_result_in_the_future),
    SCENARIO(cancel_of_one_of_two_waiters_ends_the_awaited_task_and_so_the_other),
    SCENARIO(cancel_of_a_sleeping_task_removes_its_timer),
    SCENARIO(cancel_message_reaches_whoever_awaits_the_cancelled_task),
    SCENARIO(cancel_message_is_that_of_the_request_that_was_delivered),
    SCENARIO(cancel_handed_on_by_a_scope_is_not_taken_back_from_somebody_else),
    SCENARIO(cancel_ends_a_cycle_of_tasks_that_await_each_other),
    SCENARIO(cancel_reaches_a_task_whose_awaits_never_have_to_wait),
    SCENARIO(deferred_calls_run_last_in_first_out_also_after_a_cancel),
};

int main(void)
{
    return RUN_SCENARIOS("cancel", scenarios);
}
