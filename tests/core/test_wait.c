/* test_wait.c - waiting for some of many: who is done, in which order, and nobody is cancelled. */
#include "tests/support/expect.h"

static rill_future *parts[4], *ends[5];

static void make_parts(size_t count)
{
    for (size_t i = 0; i < count; i++)
        parts[i] = kept(rill_future_new());
    memset(ends, 0, sizeof ends);
}

/* Row 66. */
static int wait_for_nothing_is_an_invalid_argument(void *arg)
{
    (void)arg;
    rill_future *out[1];
    EXPECT_IS(rill_wait(0, NULL, RILL_ALL_COMPLETED, RILL_FOREVER, out), -EINVAL);
    OWNED_FUTURE rill_future *one = rill_future_new();
    EXPECT_IS(rill_wait(1, &one, (rill_wait_when)7, RILL_FOREVER, out), -EINVAL);
    return 0;
}

/* Row 66. */
static int duplicates_count_once(void *arg)
{
    (void)arg;
    make_parts(1);
    rill_future *twice[] = { parts[0], parts[0], parts[0] };
    EXPECT_IS(rill_wait(3, twice, RILL_ALL_COMPLETED, 0, ends), 0);
    EXPECT(ends[0] == parts[0] && ends[1] == NULL);
    EXPECT_IS(rill_future_set_result(parts[0], 0, NULL), 0);
    EXPECT_IS(rill_wait(3, twice, RILL_ALL_COMPLETED, RILL_FOREVER, ends), 1);
    EXPECT(ends[0] == parts[0] && ends[1] == NULL);
    return 0;
}

static void end_part(void *arg)
{
    (void)rill_future_set_result(*(rill_future **)arg, 0, NULL);
}

static bool end_soon(size_t index)
{
    return rill_call_soon(rill_get_running_loop(), end_part, &parts[index]).entry != NULL;
}

static int
done_members_stand_in_order_of_completion_and_pending_ones_in_that_of_the_argument(void *arg)
{
    (void)arg;
    make_parts(4);
    EXPECT(end_soon(3) && end_soon(1));
    EXPECT_IS(rill_wait(4, parts, RILL_ALL_COMPLETED, RILL_MS(5), ends), 2);
    EXPECT(ends[0] == parts[3] && ends[1] == parts[1]);
    EXPECT(ends[2] == parts[0] && ends[3] == parts[2] && ends[4] == NULL);
    return 0;
}

/* Row 67. */
static int first_completed_gives_everything_that_is_done_when_the_waiter_runs(void *arg)
{
    (void)arg;
    make_parts(3);
    EXPECT(end_soon(2) && end_soon(0));
    EXPECT_IS(rill_wait(3, parts, RILL_FIRST_COMPLETED, RILL_FOREVER, ends), 2);
    EXPECT(ends[0] == parts[2] && ends[1] == parts[0] && ends[2] == parts[1] && ends[3] == NULL);
    return 0;
}

static int turns[] = { 1, 2 };

/* Row 67, test_wait_really_done: the second one ends between the trigger and the run of the waiter. */
static int first_completed_counts_who_ended_behind_the_trigger(void *arg)
{
    (void)arg;
    rill_future *members[2];
    for (size_t i = 0; i < 2; i++)
        members[i] = kept(rill_create_task(RILL_CORO(give_up_turns, &turns[i])));
    EXPECT_IS(rill_wait(2, members, RILL_FIRST_COMPLETED, RILL_FOREVER, ends), 2);
    EXPECT(ends[0] == members[0] && ends[1] == members[1] && ends[2] == NULL);
    return 0;
}

/* test_wait: a second time takes no time. */
static int wait_for_what_is_done_returns_at_once(void *arg)
{
    (void)arg;
    rill_future *members[2];
    for (size_t i = 0; i < 2; i++)
        members[i] = kept(rill_sleep_future(RILL_MS(1 + (int)i), 0, NULL));
    for (int again = 0; again < 2; again++) {
        EXPECT_IS(rill_wait(2, members, RILL_ALL_COMPLETED, RILL_FOREVER, ends), 2);
        EXPECT(ends[0] == members[0] && ends[1] == members[1] && ends[2] == NULL);
        EXPECT_IS(rill_wait(2, members, RILL_FIRST_ERROR, RILL_FOREVER, ends), 2);
    }
    return 0;
}

static void fail_part(void *arg)
{
    (void)rill_future_set_result(*(rill_future **)arg, -EIO, NULL);
}

static void cancel_part(void *arg)
{
    rill_cancel(*(rill_future **)arg, NULL);
}

/* A cancelled member is no error, as asyncio has it. */
static int first_error_waits_past_results_and_cancels(void *arg)
{
    (void)arg;
    make_parts(4);
    rill_loop *loop = rill_get_running_loop();
    EXPECT(rill_call_soon(loop, cancel_part, &parts[0]).entry != NULL);
    EXPECT(end_soon(1));
    EXPECT(rill_call_later(loop, RILL_MS(1), fail_part, &parts[2]).entry != NULL);
    EXPECT_IS(rill_wait(4, parts, RILL_FIRST_ERROR, RILL_FOREVER, ends), 3);
    EXPECT(ends[0] == parts[0] && ends[1] == parts[1] && ends[2] == parts[2] &&
           ends[3] == parts[3]);
    EXPECT_IS(rill_result(parts[2]), -EIO);
    return 0;
}

static int first_error_without_errors_waits_for_all(void *arg)
{
    (void)arg;
    make_parts(2);
    EXPECT(end_soon(0) && end_soon(1));
    EXPECT_IS(rill_wait(2, parts, RILL_FIRST_ERROR, RILL_FOREVER, ends), 2);
    return 0;
}

static int sleep_a_ms(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_MS(1));
}

/* They end in the turn of the timeout: who waits runs before it is told of them. */
static int members_that_end_with_the_timeout_are_in_order_of_completion(void *arg)
{
    (void)arg;
    rill_future *members[3];
    for (size_t i = 3; i-- > 0;)
        members[i] = kept(rill_create_task(RILL_CORO(sleep_a_ms, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_wait(3, members, RILL_ALL_COMPLETED, RILL_MS(1), ends), 3);
    EXPECT(ends[0] == members[2] && ends[1] == members[1] && ends[2] == members[0]);
    return 0;
}

/* Row 69. */
static int timeout_is_no_error_and_cancels_nothing(void *arg)
{
    (void)arg;
    make_parts(2);
    EXPECT_IS(rill_future_set_result(parts[1], 0, NULL), 0);
    EXPECT_IS(rill_wait(2, parts, RILL_ALL_COMPLETED, RILL_MS(1), ends), 1);
    EXPECT(ends[0] == parts[1] && ends[1] == parts[0] && ends[2] == NULL);
    EXPECT(!rill_done(parts[0]));
    EXPECT_IS(rill_wait(2, parts, RILL_ALL_COMPLETED, 0, ends), 1);
    EXPECT_IS(rill_wait(2, parts, RILL_FIRST_COMPLETED, -1, ends), 1);
    return 0;
}

static int wait_for_parts(void *arg)
{
    (void)arg;
    return rill_wait(2, parts, RILL_ALL_COMPLETED, RILL_FOREVER, ends);
}

/* Row 70. */
static int cancel_of_a_waiting_task_leaves_the_members_running(void *arg)
{
    (void)arg;
    make_parts(2);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for_parts, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT(!rill_done(parts[0]) && !rill_done(parts[1]));
    EXPECT_IS(rill_future_set_result(parts[0], 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int cancel_in_the_turn_of_the_end_wins_and_the_members_keep_their_results(void *arg)
{
    (void)arg;
    make_parts(2);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for_parts, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[1], 2, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0); /* its entries have run, the waiter is on the queue */
    EXPECT(rill_cancel(waiter, NULL) || rill_done(waiter));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT_IS(rill_result(parts[1]), 2);
    return 0;
}

static int two_tasks_may_wait_for_the_same_members(void *arg)
{
    (void)arg;
    make_parts(2);
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(wait_for_parts, NULL));
    EXPECT(end_soon(0) && end_soon(1));
    rill_future *mine[3];
    EXPECT_IS(rill_wait(2, parts, RILL_ALL_COMPLETED, RILL_FOREVER, mine), 2);
    EXPECT_IS(rill_await(one), 2);
    return 0;
}

/* A turn on a busy machine may take longer than the deadline that ends the wait. */
static const rill_sim_opts world = { .seed = 6 };
static const rill_loop_opts simulated = { .sim = &world };

static const struct scenario scenarios[] = {
    SCENARIO(wait_for_nothing_is_an_invalid_argument),
    SCENARIO(duplicates_count_once),
    SCENARIO_WITH(
        done_members_stand_in_order_of_completion_and_pending_ones_in_that_of_the_argument,
        &simulated),
    SCENARIO_WITH(members_that_end_with_the_timeout_are_in_order_of_completion, &simulated),
    SCENARIO(first_completed_gives_everything_that_is_done_when_the_waiter_runs),
    SCENARIO(first_completed_counts_who_ended_behind_the_trigger),
    SCENARIO(wait_for_what_is_done_returns_at_once),
    SCENARIO(first_error_waits_past_results_and_cancels),
    SCENARIO(first_error_without_errors_waits_for_all),
    SCENARIO(timeout_is_no_error_and_cancels_nothing),
    SCENARIO(cancel_of_a_waiting_task_leaves_the_members_running),
    SCENARIO(cancel_in_the_turn_of_the_end_wins_and_the_members_keep_their_results),
    SCENARIO(two_tasks_may_wait_for_the_same_members),
};

int main(void)
{
    return RUN_SCENARIOS("wait", scenarios);
}
