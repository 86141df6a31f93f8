/* test_gather.c - one future for many: order of results, first error, cancel of all. */
#include "tests/support/expect.h"

static rill_future *parts[8];
static int told;

static void count_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
    told++;
}

static void make_parts(size_t count)
{
    told = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), count_error, NULL);
    for (size_t i = 0; i < count; i++)
        parts[i] = kept(rill_future_new());
}

static int results_stand_in_the_order_of_the_arguments(void *arg)
{
    static int values[3];
    (void)arg;
    make_parts(3);
    OWNED_FUTURE rill_future *all = rill_gather(3, parts, 0);
    for (int i = 2; i >= 0; i--)
        EXPECT_IS(rill_future_set_result(parts[i], i + 1, &values[i]), 0);
    EXPECT_IS(rill_await(all), 0);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_IS(rill_gather_result(all, i), i + 1);
        EXPECT(rill_gather_value(all, i) == &values[i]);
    }
    EXPECT_IS(rill_gather_result(all, 3), -EINVAL);
    EXPECT(rill_gather_value(all, 3) == NULL);
    EXPECT_IS(rill_gather_result(parts[0], 0), -EINVAL);
    return 0;
}

static int gather_of_nothing_is_done(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *none = rill_gather(0, NULL, 0);
    EXPECT_IS(rill_result(none), 0);
    EXPECT_IS(rill_await(none), 0);
    return 0;
}

static void trace_done(rill_future *future, void *arg)
{
    (void)future;
    (void)arg;
    trace('d');
}

/* Row 57. */
static int first_error_ends_the_gather_once_and_later_ones_are_not_told(void *arg)
{
    (void)arg;
    make_parts(3);
    rill_future *all = kept(rill_gather(3, parts, 0));
    EXPECT_IS(rill_add_done_callback(all, trace_done, NULL), 0);
    EXPECT_IS(rill_future_set_error(parts[1], -EIO, "first"), 0);
    EXPECT_IS(rill_await(all), -EIO);
    EXPECT(rill_error(all)->msg != NULL && strcmp(rill_error(all)->msg, "first") == 0);
    EXPECT_IS(rill_future_set_error(parts[0], -ENOTTY, "second"), 0);
    EXPECT_IS(rill_future_set_result(parts[2], 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("d");
    EXPECT_IS(rill_result(all), -EIO);
    return 0;
}

static int fail_in_two_turns(void *arg)
{
    (void)arg;
    int r = rill_sleep(0);
    r = rill_first_error(r, rill_sleep(0));
    trace('f');
    return r < 0 ? r : -ENOTTY;
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

/* Row 57: also when the gather itself has gone before. */
static int errors_of_members_are_not_told_after_the_gather_has_gone(void *arg)
{
    (void)arg;
    make_parts(0);
    rill_future *members[] = { rill_create_task(RILL_CORO(fail_at_once, NULL)),
                               rill_create_task(RILL_CORO(fail_in_two_turns, NULL)) };
    int r = rill_join(rill_gather(2, members, 0));
    rill_unref(members[0]);
    rill_unref(members[1]);
    EXPECT_IS(r, -EIO);
    EXPECT_TRACE("");
    static int turns = 5;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("f");
    EXPECT_IS(told, 0);
    return 0;
}

/* Row 58. */
static int other_members_run_on_after_a_failure(void *arg)
{
    (void)arg;
    static int turns = 3;
    rill_future *members[] = { kept(rill_create_task(RILL_CORO(fail_at_once, NULL))),
                               kept(rill_create_task(RILL_CORO(give_up_turns, &turns))) };
    OWNED_FUTURE rill_future *all = rill_gather(2, members, 0);
    EXPECT_IS(rill_await(all), -EIO);
    EXPECT(!rill_done(members[1]));
    EXPECT_IS(rill_await(members[1]), 0);
    EXPECT(!rill_cancelled(members[1]));
    return 0;
}

/* Row 59. */
static int return_errors_waits_for_all_and_keeps_their_order(void *arg)
{
    (void)arg;
    make_parts(4);
    OWNED_FUTURE rill_future *all = rill_gather(4, parts, RILL_RETURN_ERRORS);
    EXPECT_IS(rill_future_set_error(parts[2], -EIO, NULL), 0);
    EXPECT(rill_cancel(parts[0], NULL));
    EXPECT_IS(rill_future_set_result(parts[3], 3, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(all));
    EXPECT_IS(rill_future_set_result(parts[1], 1, NULL), 0);
    EXPECT_IS(rill_await(all), 0);
    EXPECT_IS(rill_gather_result(all, 0), -ECANCELED);
    EXPECT_IS(rill_gather_result(all, 1), 1);
    EXPECT_IS(rill_gather_result(all, 2), -EIO);
    EXPECT_IS(rill_gather_result(all, 3), 3);
    EXPECT_IS(told, 0);
    return 0;
}

static int await_gather(void *arg)
{
    return rill_join(rill_gather(2, parts, *(unsigned *)arg));
}

/* Row 61: from the gather, and from who awaits it. */
static int cancel_of_a_gather_cancels_all_members(void *arg)
{
    static unsigned none;
    (void)arg;
    for (size_t i = 0; i < 2; i++)
        parts[i] = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    OWNED_FUTURE rill_future *all = rill_gather(2, parts, 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(all, "the whole"));
    EXPECT_IS(rill_await(all), -ECANCELED);
    EXPECT(rill_cancelled(parts[0]) && rill_cancelled(parts[1]));
    EXPECT(says(rill_error(parts[1]), "the whole"));

    make_parts(2);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_gather, &none));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT(rill_cancelled(parts[0]) && rill_cancelled(parts[1]));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    return 0;
}

/* Row 62. */
static int cancelled_waiter_of_a_gather_with_return_errors_is_cancelled(void *arg)
{
    static unsigned flags = RILL_RETURN_ERRORS;
    (void)arg;
    make_parts(2);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_gather, &flags));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(waiter, "why"));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT(rill_cancelled(waiter));
    EXPECT(rill_error(waiter)->msg != NULL && strcmp(rill_error(waiter)->msg, "why") == 0);
    return 0;
}

/* Row 63: between the end of the members and that of the gather. */
static int cancel_of_a_gather_whose_members_are_done_is_refused(void *arg)
{
    (void)arg;
    make_parts(2);
    OWNED_FUTURE rill_future *all = rill_gather(2, parts, 0);
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[1], 2, NULL), 0);
    EXPECT(!rill_done(all));
    EXPECT(!rill_cancel(all, NULL));
    EXPECT_IS(rill_await(all), 0);
    EXPECT_IS(rill_gather_result(all, 1), 2);
    EXPECT(!rill_cancel(all, NULL));
    return 0;
}

static int trace_and_return_4(void *arg)
{
    (void)arg;
    trace('x');
    return 4;
}

/* Row 65. */
static int member_given_twice_runs_once_and_fills_both_slots(void *arg)
{
    (void)arg;
    rill_task *task = kept(rill_create_task(RILL_CORO(trace_and_return_4, NULL)));
    rill_future *members[] = { task, task };
    OWNED_FUTURE rill_future *all = rill_gather(2, members, 0);
    EXPECT_IS(rill_await(all), 0);
    EXPECT_IS(rill_gather_result(all, 0), 4);
    EXPECT_IS(rill_gather_result(all, 1), 4);
    EXPECT_TRACE("x");
    return 0;
}

/* test_one_cancellation, test_cancellation_broadcast: a gather ends with the code, it is not cancelled. */
static int gather_of_a_cancelled_member_ends_with_the_code_and_is_not_cancelled(void *arg)
{
    (void)arg;
    make_parts(5);
    OWNED_FUTURE rill_future *all = rill_gather(5, parts, 0);
    EXPECT_IS(rill_add_done_callback(all, trace_done, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    EXPECT(rill_cancel(parts[1], "that one"));
    EXPECT_IS(rill_await(all), -ECANCELED);
    EXPECT(!rill_cancelled(all));
    EXPECT(rill_error(all)->msg != NULL && strcmp(rill_error(all)->msg, "that one") == 0);
    EXPECT_IS(rill_future_set_result(parts[2], 3, NULL), 0);
    EXPECT(rill_cancel(parts[3], NULL));
    EXPECT_IS(rill_future_set_result(parts[4], -EIO, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("d");
    OWNED_FUTURE rill_future *untaken = rill_gather(1, &parts[1], 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_done(untaken));
    EXPECT_IS(told, 0); /* a cancel is not told */
    return 0;
}

/* test_result_exception_one_cancellation. */
static int return_errors_keeps_cancels_of_members_among_the_results(void *arg)
{
    static const int wanted[] = { 1, -ENOTTY, -ECANCELED, 3, -ECANCELED, -EIO };
    (void)arg;
    make_parts(6);
    OWNED_FUTURE rill_future *all = rill_gather(6, parts, RILL_RETURN_ERRORS);
    for (size_t i = 0; i < 6; i++) {
        EXPECT(!rill_done(all));
        if (wanted[i] == -ECANCELED)
            EXPECT(rill_cancel(parts[i], NULL));
        else
            EXPECT_IS(rill_future_set_result(parts[i], wanted[i], NULL), 0);
    }
    EXPECT_IS(rill_await(all), 0);
    for (size_t i = 0; i < 6; i++)
        EXPECT_IS(rill_gather_result(all, i), wanted[i]);
    return 0;
}

static int gather_again_and_again(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        rill_future *one = rill_sleep_future(RILL_MS(1), 0, NULL);
        int r = rill_join(rill_gather(1, &one, RILL_RETURN_ERRORS));
        rill_unref(one);
        if (r < 0)
            return r;
    }
    return -EBADMSG;
}

/* Row 62, as the test has it: a loop around a gather that collects errors can be cancelled. */
static int loop_around_a_gather_that_collects_errors_can_be_cancelled(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(gather_again_and_again, NULL));
    EXPECT_IS(rill_sleep(RILL_MS(3)), 0);
    EXPECT(rill_cancel(task, "my message"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT(says(rill_error(task), "my message"));
    return 0;
}

static int await_part(void *arg)
{
    return rill_await(parts[*(int *)arg]);
}

static bool was_refused;
static rill_future *to_cancel;

static void cancel_it(rill_future *future, void *arg)
{
    (void)future;
    (void)arg;
    was_refused = !rill_cancel(to_cancel, NULL);
}

/* Row 63, as the test has it: the cancel comes between the end of the member's future and of the member. */
static int cancel_of_a_gather_reaches_a_member_that_is_about_to_end(void *arg)
{
    static int zero;
    (void)arg;
    make_parts(1);
    rill_future *member = kept(rill_create_task(RILL_CORO(await_part, &zero)));
    to_cancel = kept(rill_gather(1, &member, 0));
    was_refused = false;
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_add_done_callback(parts[0], cancel_it, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[0], 42, NULL), 0); /* the member's entry, then ours */
    EXPECT_IS(rill_await(to_cancel), 0);
    EXPECT(was_refused);
    EXPECT_IS(rill_gather_result(to_cancel, 0), 42);
    return 0;
}

/* As asyncio since 3.12: who gathers what is done, or has failed, need not wait a turn. */
static int members_that_are_done_count_at_once(void *arg)
{
    (void)arg;
    make_parts(4);
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[1], 2, NULL), 0);
    EXPECT_IS(rill_future_set_error(parts[3], -EIO, "early"), 0);
    OWNED_FUTURE rill_future *done = rill_gather(2, parts, 0);
    EXPECT_IS(rill_result(done), 0);
    EXPECT_IS(rill_gather_result(done, 1), 2);
    OWNED_FUTURE rill_future *half = rill_gather(3, parts, 0);
    EXPECT(!rill_done(half));
    OWNED_FUTURE rill_future *failed = rill_gather(4, parts, 0);
    EXPECT_IS(rill_result(failed), -EIO);
    EXPECT(says(rill_error(failed), "early"));
    OWNED_FUTURE rill_future *collects = rill_gather(4, parts, RILL_RETURN_ERRORS);
    EXPECT(!rill_done(collects));
    EXPECT_IS(rill_future_set_result(parts[2], 3, NULL), 0);
    EXPECT_IS(rill_await(half), 0);
    EXPECT_IS(rill_await(collects), 0);
    EXPECT_IS(rill_gather_result(collects, 3), -EIO);
    EXPECT_IS(told, 0);
    return 0;
}

/* Nobody took their errors then; an ended gather did, whoever looked at it. */
static int errors_of_members_are_told_if_the_gather_went_before_its_end(void *arg)
{
    (void)arg;
    make_parts(0);
    rill_future *dropped = rill_future_new(), *of_two = rill_future_new();
    rill_unref(rill_gather(1, &dropped, 0));
    rill_unref(rill_gather(1, &of_two, 0));
    OWNED_FUTURE rill_future *all = rill_gather(1, &of_two, 0);
    (void)rill_future_set_error(dropped, -EIO, NULL);
    (void)rill_future_set_error(of_two, -EIO, NULL);
    int r = rill_await(all);
    rill_unref(dropped);
    rill_unref(of_two);
    EXPECT_IS(r, -EIO);
    EXPECT_IS(told, 1);
    return 0;
}

/* The cancel wins, so nobody takes the error: it is told, once, for the gather. */
static int cancel_in_the_turn_of_a_members_error_comes_with_the_end_of_the_gather(void *arg)
{
    static unsigned none;
    (void)arg;
    make_parts(0);
    parts[0] = rill_future_new();
    parts[1] = rill_future_new();
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_gather, &none));
    int r = rill_sleep(0);
    (void)rill_future_set_error(parts[0], -EIO, NULL);
    (void)rill_future_set_error(parts[1], -EIO, NULL);
    rill_unref(parts[0]);
    rill_unref(parts[1]);
    EXPECT_IS(r, 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(waiter)); /* it goes on in the turn behind the end of the gather */
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT_IS(told, 1);
    return 0;
}

static int gather_dropped_while_it_waits_leaves_its_members(void *arg)
{
    (void)arg;
    make_parts(2);
    rill_unref(rill_gather(2, parts, 0));
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    rill_unref(rill_gather(2, parts, 0)); /* one entry is on the queue */
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(parts[1]));
    return 0;
}

static int members_of_two_loops_are_refused(void *arg)
{
    rill_loop *other;
    (void)arg;
    make_parts(1);
    EXPECT_IS(rill_loop_new(NULL, &other), 0);
    rill_future *members[] = { parts[0], rill_loop_create_future(other) };
    rill_future *all = rill_gather(2, members, 0);
    bool born_done = rill_result(members[1]) != -EINPROGRESS; /* without memory */
    int r = rill_result(all);
    rill_unref(all);
    rill_unref(members[1]);
    EXPECT_IS(rill_loop_close(other), 0);
    EXPECT(born_done || r == -EXDEV);
    return 0;
}

/* Each position of the one that fails, and of the cancel. */
static int failure_at_each_position_is_the_result(void *arg)
{
    (void)arg;
    for (size_t count = 1; count <= 4; count++)
        for (size_t bad = 0; bad < count; bad++) {
            rill_future *members[4];
            for (size_t i = 0; i < count; i++)
                members[i] = rill_future_new();
            rill_future *all = rill_gather(count, members, 0);
            for (size_t i = 0; i < count; i++)
                (void)rill_future_set_result(members[i], i == bad ? -EIO : 0, NULL);
            int r = rill_join(all);
            for (size_t i = 0; i < count; i++)
                rill_unref(members[i]);
            EXPECT_IS(r, -EIO);
        }
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(results_stand_in_the_order_of_the_arguments),
    SCENARIO(gather_of_nothing_is_done),
    SCENARIO(first_error_ends_the_gather_once_and_later_ones_are_not_told),
    SCENARIO(errors_of_members_are_not_told_after_the_gather_has_gone),
    SCENARIO(other_members_run_on_after_a_failure),
    SCENARIO(return_errors_waits_for_all_and_keeps_their_order),
    SCENARIO(cancel_of_a_gather_cancels_all_members),
    SCENARIO(cancelled_waiter_of_a_gather_with_return_errors_is_cancelled),
    SCENARIO(cancel_of_a_gather_whose_members_are_done_is_refused),
    SCENARIO(member_given_twice_runs_once_and_fills_both_slots),
    SCENARIO(gather_of_a_cancelled_member_ends_with_the_code_and_is_not_cancelled),
    SCENARIO(return_errors_keeps_cancels_of_members_among_the_results),
    SCENARIO(loop_around_a_gather_that_collects_errors_can_be_cancelled),
    SCENARIO(cancel_of_a_gather_reaches_a_member_that_is_about_to_end),
    SCENARIO(members_that_are_done_count_at_once),
    SCENARIO(errors_of_members_are_told_if_the_gather_went_before_its_end),
    SCENARIO(cancel_in_the_turn_of_a_members_error_comes_with_the_end_of_the_gather),
    SCENARIO(gather_dropped_while_it_waits_leaves_its_members),
    SCENARIO(members_of_two_loops_are_refused),
    SCENARIO(failure_at_each_position_is_the_result),
};

int main(void)
{
    return RUN_SCENARIOS("gather", scenarios);
}
