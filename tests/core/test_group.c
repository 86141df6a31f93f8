/* test_group.c - task groups: children end before their block, the first failure cancels the rest. */
#include "tests/support/expect.h"

static rill_group group, outer_group;
static rill_task *parent;

typedef int body_fn(void);

/* Enter, run the body, leave: the shape of every block here. */
static int in_group(rill_group *g, body_fn *body)
{
    memset(g, 0, sizeof *g);
    int r = rill_group_enter(g);
    return r < 0 ? r : rill_group_leave(g, body());
}

static size_t count_errors(const rill_group *g)
{
    size_t count = 0;
    for (const rill_err *error = rill_group_errors(g); error != NULL; error = error->next)
        count++;
    return count;
}

#define OWNED_GROUP __attribute__((cleanup(drop_group)))

static void drop_group(rill_group **g)
{
    rill_group_fini(*g);
}

static int go(rill_fn *fn, void *arg)
{
    return rill_group_go(&group, RILL_CORO(fn, arg));
}

/* Two children, in this order. */
static int go_both(rill_fn *first, void *first_arg, rill_fn *second, void *second_arg)
{
    int r = go(first, first_arg);
    return r < 0 ? r : go(second, second_arg);
}

/* What blocks and children wait in. Not for ever: under torture the one that should fail may be cancelled,
 * which is no failure and ends nobody. */
static int stay(int r)
{
    return r < 0 ? r : rill_sleep(long_wait());
}

static int trace_and_end(void *arg)
{
    int r = rill_sleep(0);
    if (r < 0)
        return r;
    trace(*(char *)arg);
    return 0;
}

static int sleep_and_trace_cancel(void *arg)
{
    int r = stay(0);
    if (r == -ECANCELED)
        trace(*(char *)arg);
    return r;
}

static int fail_with(void *arg)
{
    int r = rill_sleep(0);
    return r < 0 ? r : rill_fail(*(int *)arg, "on purpose");
}

static char a = 'a', b = 'b';
static int eio = -EIO, enotty = -ENOTTY;

static int two_children(void)
{
    return go_both(trace_and_end, &a, trace_and_end, &b);
}

static int leaving_waits_for_all_children(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, two_children), 0);
    EXPECT_TRACE("ab");
    EXPECT(rill_group_errors(g) == NULL);
    return 0;
}

static int fail_beside_a_sleeper(void)
{
    int r = go_both(sleep_and_trace_cancel, &a, fail_with, &eio);
    r = stay(r);
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

/* Row 75. */
static int error_of_a_child_cancels_its_siblings_and_the_block(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, fail_beside_a_sleeper), -EIO);
    EXPECT_TRACE("ac");
    EXPECT_IS(count_errors(g), 1);
    EXPECT_IS(rill_group_errors(g)->code, -EIO);
    EXPECT(says(rill_group_errors(g), "on purpose"));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int fail_in_clean_up(void *arg)
{
    int r = stay(0);
    return r == -ECANCELED ? *(int *)arg : r;
}

static int all_fail(void)
{
    int r = go_both(fail_with, &eio, fail_with, &enotty);
    return rill_first_error(r, go(fail_in_clean_up, &enotty));
}

/* Row 75. */
static int all_errors_are_reported_in_order_of_occurrence(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, all_fail), -EIO);
    EXPECT_IS(count_errors(g), 3);
    const rill_err *first = rill_group_errors(g);
    EXPECT_IS(first->code, -EIO);
    EXPECT_IS(first->next->code, -ENOTTY);
    EXPECT(first->next->msg != NULL && first->next->next->msg == NULL);
    return 0;
}

static int sleeper_in_a_group(void)
{
    int r = go(sleep_and_trace_cancel, &a);
    return stay(r);
}

static int child_then_leave(void)
{
    return go(sleep_and_trace_cancel, &b);
}

static int run_body(void *arg)
{
    int r = in_group(&group, *(body_fn **)arg);
    rill_group_fini(&group);
    return r;
}

static body_fn *body_sleeps = sleeper_in_a_group, *body_leaves = child_then_leave;

/* Row 77: parked in the block, and parked in leave. */
static int cancelled_parent_cancels_its_children_and_waits_for_them(void *arg)
{
    (void)arg;
    body_fn **bodies[] = { &body_sleeps, &body_leaves };
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_body, bodies[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, "outside"));
        EXPECT_IS(rill_await(task), -ECANCELED);
        EXPECT(rill_cancelled(task));
        EXPECT_IS(rill_cancelling(task), 1);
        EXPECT(says(rill_error(task), "outside"));
    }
    EXPECT_TRACE("ab");
    return 0;
}

static int child_that_fails_in_clean_up(void)
{
    int r = go(fail_in_clean_up, &eio);
    return stay(r);
}

static body_fn *body_fails_late = child_that_fails_in_clean_up;

static int run_body_then_await(void *arg)
{
    int r = in_group(&group, *(body_fn **)arg);
    trace(r == -EIO ? 'e' : '?');
    rill_group_fini(&group);
    r = rill_sleep(0);
    trace(r == -ECANCELED ? 'c' : '?');
    EXPECT_IS(rill_cancelling(rill_current_task()), 1);
    return r;
}

/* Rows 78 and 86. */
static int errors_of_children_win_over_a_cancel_which_comes_at_the_next_await(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task =
        rill_create_task(RILL_CORO(run_body_then_await, &body_fails_late));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("ec");
    return 0;
}

static int fail_itself(void)
{
    int r = go(sleep_and_trace_cancel, &a);
    if (r == 0)
        r = rill_sleep(0);
    return r < 0 ? r : -ENOTTY;
}

/* Row 79. */
static int error_of_the_block_aborts_the_group_and_is_reported(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, fail_itself), -ENOTTY);
    EXPECT_TRACE("a");
    EXPECT_IS(count_errors(g), 1);
    EXPECT_IS(rill_group_errors(g)->code, -ENOTTY);
    return 0;
}

static int start_another(void *arg)
{
    int r = rill_sleep(0);
    if (r == 0)
        r = go(trace_and_end, arg);
    return r;
}

static int child_with_child(void)
{
    return go(start_another, &b);
}

/* Row 81: leave is waiting when the second one starts. */
static int children_may_start_others_while_leave_waits(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, child_with_child), 0);
    EXPECT_TRACE("b");
    return 0;
}

static int late_start;

static int start_after_abort(void *arg)
{
    int r = stay(0);
    late_start = go(trace_and_end, arg);
    return r;
}

static int abort_then_start(void)
{
    int r = go_both(start_after_abort, &a, fail_with, &eio);
    return stay(r);
}

/* Row 82. */
static int start_after_abort_after_the_end_or_before_enter_is_an_error(void *arg)
{
    (void)arg;
    static rill_group fresh;
    memset(&fresh, 0, sizeof fresh);
    EXPECT_IS(rill_group_go(&fresh, RILL_CORO(trace_and_end, &a)), -EINVAL);
    EXPECT_IS(rill_group_leave(&fresh, 0), -EINVAL);
    EXPECT_IS(rill_group_cancel(&fresh, NULL), -EINVAL);
    OWNED_GROUP rill_group *g = &group;
    late_start = 0;
    EXPECT_IS(in_group(g, abort_then_start), -EIO);
    EXPECT_IS(late_start, -ESHUTDOWN);
    EXPECT_IS(go(trace_and_end, &a), -ESHUTDOWN);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_group_leave(g, 0), -EINVAL);
    EXPECT_TRACE("");
    return 0;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static struct footing begun, ended;

static int many_children(void)
{
    for (int i = 0; i < 64; i++) {
        int r = go(nothing, NULL);
        if (r == 0)
            r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    begun = footing_now();
    for (int i = 0; i < 10000; i++) {
        int r = go(nothing, NULL);
        if (r == 0 && i % 16 == 0)
            r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    int r = rill_sleep(0);
    r = rill_first_error(r, rill_sleep(0));
    ended = footing_now();
    return r;
}

/* Row 83. */
static int finished_children_leave_nothing_behind_in_a_group_that_lives_on(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, many_children), 0);
    EXPECT(ended.blocks <= begun.blocks);
    return 0;
}

static int inner_body(void)
{
    int r = go(fail_with, &eio);
    if (r == 0)
        r = rill_group_go(&outer_group, RILL_CORO(fail_with, &enotty));
    return stay(r);
}

static int outer_body(void)
{
    int r = in_group(&group, inner_body);
    trace(r == -EIO ? 'i' : '?');
    if (rill_cancelling(rill_current_task()) != 1)
        trace('!');
    r = stay(0);
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

/* Row 85: both children fail in one turn. */
static int inner_and_outer_group_that_fail_in_one_turn_report_both_errors(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *inner = &group;
    OWNED_GROUP rill_group *outer = &outer_group;
    (void)inner;
    EXPECT_IS(in_group(outer, outer_body), -ENOTTY);
    EXPECT_TRACE("ic");
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int cancel_parent_and_fail(void *arg)
{
    (void)arg;
    rill_cancel(parent, "outside");
    return -EIO;
}

static int cancelled_by_a_failing_child(void)
{
    int r = go(cancel_parent_and_fail, NULL);
    return stay(r);
}

static body_fn *body_both = cancelled_by_a_failing_child;

/* Row 86. */
static int child_error_and_outside_cancel_in_one_turn_give_first_the_error(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_body_then_await, &body_both));
    parent = task;
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("ec");
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int replace_cancel(void)
{
    int r = go(fail_with, &eio);
    r = stay(r);
    return r == -ECANCELED ? -ENOTTY : r;
}

/* Row 87. */
static int clean_up_that_replaces_the_cancel_by_an_error_keeps_the_count(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, replace_cancel), -EIO);
    EXPECT_IS(count_errors(g), 2);
    EXPECT_IS(rill_group_errors(g)->next->code, -ENOTTY);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int fail_now(void *arg)
{
    return *(int *)arg;
}

static int eager_failure(void)
{
    int r = go(fail_now, &eio);
    if (r < 0)
        return r;
    r = rill_sleep(0);
    trace(r == -ECANCELED ? 'c' : '-');
    return r;
}

/* Row 89: with a loop whose tasks start at once. */
static int eager_child_that_fails_inside_the_call_cancels_only_the_block(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, eager_failure), -EIO);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int cancel_group_and_sleep(void *arg)
{
    EXPECT_IS(rill_group_cancel(&group, NULL), 0);
    return sleep_for_ever(arg);
}

static int eager_canceller(void)
{
    return go(cancel_group_and_sleep, NULL);
}

/* It is not yet on the group's list when the group is cancelled. */
static int eager_child_that_cancels_its_group_is_cancelled_itself(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, eager_canceller), 0);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int cancel_own_group(void)
{
    int r = go(sleep_and_trace_cancel, &a);
    if (r == 0)
        r = rill_group_cancel(&group, "enough");
    return stay(r);
}

static int group_cancel_ends_block_and_children_and_is_no_error(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, cancel_own_group), 0);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT(rill_group_errors(g) == NULL);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int cancel_group_and_leave_at_once(void)
{
    int r = go(trace_and_end, &a);
    return r < 0 ? r : rill_group_cancel(&group, NULL);
}

static int group_cancel_that_was_never_delivered_is_taken_back(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, cancel_group_and_leave_at_once), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int handle_of_a_child(void)
{
    static int seven = 7;
    OWNED_FUTURE rill_task *task = rill_group_create_task(&group, RILL_CORO(return_int, &seven));
    int r = rill_await(task);
    trace(r == 7 ? '7' : '?');
    return r < 0 ? r : 0;
}

static int handle_of_a_child_can_be_awaited(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, handle_of_a_child), 0);
    EXPECT_TRACE("7");
    return 0;
}

static int cancelled_child(void)
{
    OWNED_FUTURE rill_task *task = rill_group_create_task(&group, RILL_CORO(sleep_for_ever, NULL));
    int r = go(trace_and_end, &b);
    if (r == 0)
        r = rill_sleep(0);
    if (r == 0)
        rill_cancel(task, NULL);
    return r;
}

static int cancel_of_one_child_leaves_the_others(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, cancelled_child), 0);
    EXPECT_TRACE("b");
    return 0;
}

static int entered_twice(void)
{
    return rill_group_enter(&group) == -EINVAL ? 0 : -EBADMSG;
}

/* test_taskgroup_already_entered, test_taskgroup_double_enter. */
static int group_is_entered_once_until_fini_makes_it_new(void *arg)
{
    (void)arg;
    OWNED_GROUP rill_group *g = &group;
    EXPECT_IS(in_group(g, entered_twice), 0);
    EXPECT_IS(rill_group_enter(g), -EINVAL);
    rill_group_fini(g);
    EXPECT_IS(rill_group_enter(g), 0);
    EXPECT_IS(rill_group_leave(g, -EIO), -EIO);
    EXPECT_IS(count_errors(g), 1);
    rill_group_fini(g);
    EXPECT(rill_group_errors(g) == NULL);
    EXPECT_IS(rill_group_enter(g), 0);
    EXPECT_IS(rill_group_leave(g, 5), 5);
    return 0;
}

/* test_taskgroup_without_parent_task. */
static void group_outside_of_a_task_is_an_error(void **state)
{
    rill_group fresh = { 0 };
    (void)state;
    assert_int_equal(rill_group_enter(&fresh), -ESRCH);
    assert_int_equal(rill_group_go(&fresh, RILL_CORO(trace_and_end, &a)), -EINVAL);
}

static int end_slowly(void *arg)
{
    int r = stay(0);
    for (int i = 0; i < 3; i++)
        if (rill_sleep(0) < 0)
            trace('!');
    trace(*(char *)arg);
    return r;
}

static int slow_children(void)
{
    int r = go_both(end_slowly, &a, end_slowly, &b);
    return stay(r);
}

static body_fn *body_slow = slow_children;

static int leave_waits_for_children_that_clean_up_slowly_also_when_cancelled_again(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_body, &body_slow));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, "first"));
    EXPECT_IS(rill_sleep(0), 0);
    /* Reaches leave, which goes on waiting; the children are left alone. */
    EXPECT(rill_cancel(task, "second"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(says(rill_error(task), "first")); /* test_cancellation: the one that ended the block */
    EXPECT_TRACE("ab");
    EXPECT_IS(rill_cancelling(task), 2);
    return 0;
}

static const rill_loop_opts eager = { .eager = true };

static const struct scenario scenarios[] = {
    SCENARIO(leaving_waits_for_all_children),
    SCENARIO(error_of_a_child_cancels_its_siblings_and_the_block),
    SCENARIO(all_errors_are_reported_in_order_of_occurrence),
    SCENARIO(cancelled_parent_cancels_its_children_and_waits_for_them),
    SCENARIO(errors_of_children_win_over_a_cancel_which_comes_at_the_next_await),
    SCENARIO(error_of_the_block_aborts_the_group_and_is_reported),
    SCENARIO(children_may_start_others_while_leave_waits),
    SCENARIO(start_after_abort_after_the_end_or_before_enter_is_an_error),
    SCENARIO_ONCE(finished_children_leave_nothing_behind_in_a_group_that_lives_on),
    SCENARIO(inner_and_outer_group_that_fail_in_one_turn_report_both_errors),
    SCENARIO(child_error_and_outside_cancel_in_one_turn_give_first_the_error),
    SCENARIO(clean_up_that_replaces_the_cancel_by_an_error_keeps_the_count),
    SCENARIO_WITH(eager_child_that_fails_inside_the_call_cancels_only_the_block, &eager),
    SCENARIO_WITH(eager_child_that_cancels_its_group_is_cancelled_itself, &eager),
    SCENARIO(group_cancel_ends_block_and_children_and_is_no_error),
    SCENARIO(group_cancel_that_was_never_delivered_is_taken_back),
    SCENARIO(handle_of_a_child_can_be_awaited),
    SCENARIO(cancel_of_one_child_leaves_the_others),
    SCENARIO(group_is_entered_once_until_fini_makes_it_new),
    SCENARIO(leave_waits_for_children_that_clean_up_slowly_also_when_cancelled_again),
    OUTSIDE(group_outside_of_a_task_is_an_error),
};

int main(void)
{
    return RUN_SCENARIOS("group", scenarios);
}
