/* test_group_nested.c - groups in groups, in scopes and in awaited tasks; groups that grow while they end. */
#include "tests/support/expect.h"

#include <rill/group.h>
#include <rill/timeout.h>

static rill_group inner, outer; /* of the running scenario */

typedef int body_fn(void);

static int in_group(rill_group *group, body_fn *body)
{
    rill_group_fini(group);
    int r = rill_group_enter(group);
    return r < 0 ? r : rill_group_leave(group, body());
}

static void drop_groups(void *unused)
{
    (void)unused;
    rill_group_fini(&inner);
    rill_group_fini(&outer);
}

/* Whether the errors of `group` are these two, or this one and none. */
static bool has_errors(const rill_group *group, int first, int second)
{
    const rill_err *error = rill_group_errors(group);
    if (error == NULL || error->code != first)
        return false;
    error = error->next;
    return second == 0 ? error == NULL
                       : error != NULL && error->code == second && error->next == NULL;
}

/* Children and blocks that wait. Not for ever: under torture who should fail may be cancelled instead. */
static int stay(void *arg)
{
    (void)arg;
    return rill_sleep(long_wait());
}

static int fail_soon(void *arg)
{
    int r = rill_sleep(RILL_MS(1));
    return r < 0 ? r : *(int *)arg;
}

/* Trace a letter and replace the cancel by an error. */
static int fail_when_cancelled(void *arg)
{
    int r = stay(NULL);
    trace('f');
    return r == -ECANCELED ? *(int *)arg : r;
}

static int eio = -EIO, enotty = -ENOTTY;

static int five_in_inner(void)
{
    int r = 0;
    for (int i = 0; i < 5 && r == 0; i++)
        r = rill_group_go(&inner, RILL_CORO(fail_when_cancelled, &eio));
    return r < 0 ? r : stay(NULL);
}

static int inner_alone(void)
{
    return in_group(&inner, five_in_inner);
}

static int inner_beside_a_sleeper(void)
{
    int r = rill_group_go(&outer, RILL_CORO(stay, NULL));
    return r < 0 ? r : in_group(&inner, five_in_inner);
}

static int run_outer(void *arg)
{
    return in_group(&outer, *(body_fn **)arg);
}

/* test_taskgroup_08, 11, 12: the errors of the inner children win over the cancel; the outer group has
 * that of the inner one. */
static int
cancel_from_outside_ends_in_the_errors_that_the_clean_up_of_inner_children_gives(void *arg)
{
    static body_fn *bodies[] = { inner_alone, inner_beside_a_sleeper };
    (void)arg;
    after_run(drop_groups, NULL);
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_outer, &bodies[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, NULL));
        EXPECT_IS(rill_await(task), -EIO);
        EXPECT(!rill_cancelled(task));
        EXPECT(has_errors(&outer, -EIO, 0));
        int count = 0;
        for (const rill_err *error = rill_group_errors(&inner); error != NULL; error = error->next)
            count += error->code == -EIO;
        EXPECT_IS(count, 5);
    }
    EXPECT_TRACE("ffffffffff");
    return 0;
}

static int sleeper_in_inner(void)
{
    return rill_group_go(&inner, RILL_CORO(stay, NULL));
}

static int outer_fails_first(void)
{
    int r = rill_group_go(&outer, RILL_CORO(fail_soon, &eio));
    return r < 0 ? r : in_group(&inner, sleeper_in_inner);
}

static int failure_in_inner(void)
{
    return rill_group_go(&inner, RILL_CORO(fail_soon, &enotty));
}

static int inner_fails_first(void)
{
    int r = rill_group_go(&outer, RILL_CORO(stay, NULL));
    return r < 0 ? r : in_group(&inner, failure_in_inner);
}

/* test_taskgroup_13: while its task leaves the inner group. */
static int failure_in_the_outer_group_ends_the_inner_one(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, outer_fails_first), -EIO);
    EXPECT(has_errors(&outer, -EIO, 0));
    EXPECT(rill_group_errors(&inner) == NULL);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

/* test_taskgroup_14. */
static int failure_in_the_inner_group_is_one_of_the_outer(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, inner_fails_first), -ENOTTY);
    EXPECT(has_errors(&outer, -ENOTTY, 0) && has_errors(&inner, -ENOTTY, 0));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int clean_up_slowly(void)
{
    int r = rill_group_go(&outer, RILL_CORO(fail_soon, &eio));
    if (r == 0)
        r = stay(NULL);
    trace(r == -ECANCELED ? 'c' : '?');
    int again = stay(NULL); /* the failure of the child interrupts this */
    trace(again == -ECANCELED ? 'c' : '?');
    return r;
}

static body_fn *slow_body = clean_up_slowly;

static int await_runner(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_outer, &slow_body));
    return rill_await(task);
}

/* Row 78, test_taskgroup_15 and 16: directly, and through a task that awaits the one with the group. */
static int child_that_fails_while_the_cancelled_block_cleans_up_wins(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_outer, &slow_body));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -EIO);
    EXPECT(has_errors(&outer, -EIO, 0));
    rill_group_fini(&outer);
    OWNED_FUTURE rill_task *over = rill_create_task(RILL_CORO(await_runner, NULL));
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(over, NULL));
    EXPECT_IS(rill_await(over), -EIO);
    EXPECT_TRACE("cccc");
    return 0;
}

static int stay_and_replace(void)
{
    int r = stay(NULL);
    return r == -ECANCELED ? -ENOTTY : r;
}

static int only_stay(void)
{
    return stay(NULL);
}

/* Rows 77 and 79, test_taskgroup_17, 18: without children; the cancel stays, or the error replaces it. */
static int block_without_children_is_cancelled_or_gives_its_own_error(void *arg)
{
    static body_fn *bodies[] = { only_stay, stay_and_replace };
    static const int wanted[] = { -ECANCELED, -ENOTTY };
    (void)arg;
    after_run(drop_groups, NULL);
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_outer, &bodies[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, NULL));
        EXPECT_IS(rill_await(task), wanted[i]);
        EXPECT_IS(rill_cancelled(task), i == 0);
        EXPECT_IS(rill_group_errors(&outer) != NULL, i == 1);
    }
    return 0;
}

static int go_and_fail_at_once(void)
{
    int r = rill_group_go(&outer, RILL_CORO(fail_when_cancelled, &eio));
    return r < 0 ? r : -ENOTTY;
}

/* test_taskgroup_10: children that had no turn yet never begin. */
static int block_that_fails_at_once_cancels_children_before_they_begin(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, go_and_fail_at_once), -ENOTTY);
    EXPECT(has_errors(&outer, -ENOTTY, 0));
    EXPECT_TRACE("");
    return 0;
}

static int heads;

static int grow_heads(void *arg)
{
    int r = ++heads < 1000 ? rill_sleep(0) : -ESHUTDOWN; /* if nobody ends it */
    for (int i = 0; i < 2 && r == 0; i++)
        r = rill_group_go(&outer, RILL_CORO(grow_heads, arg));
    return r == -ESHUTDOWN ? 0 : r;
}

static int end_it_at_ten(void *arg)
{
    for (int turn = 0; turn < 100 && heads < 10; turn++) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    return *(int *)arg;
}

static int hydra(void)
{
    heads = 0;
    int r = rill_group_go(&outer, RILL_CORO(grow_heads, NULL));
    return r < 0 ? r : rill_group_go(&outer, RILL_CORO(end_it_at_ten, &eio));
}

/* test_taskgroup_25: children that start more and more are ended by one error. */
static int group_that_grows_without_end_is_ended_by_an_error(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, hydra), -EIO);
    EXPECT(heads >= 10);
    EXPECT(has_errors(&outer, -EIO, 0));
    return 0;
}

static int fail_now(void *arg)
{
    return *(int *)arg;
}

static int start_a_failure(void *arg)
{
    int r = rill_group_go(&outer, RILL_CORO(fail_now, arg));
    for (int i = 0; i < 3 && r == 0; i++)
        r = rill_sleep(0);
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

static int starter(void)
{
    return rill_group_go(&outer, RILL_CORO(start_a_failure, &eio));
}

/* cpython issue 128550: run with lazy tasks, and with eager ones. */
static int child_that_starts_a_failing_one_is_cancelled(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, starter), -EIO);
    EXPECT_TRACE("c");
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int eager_child_that_starts_a_failing_one_is_cancelled(void *arg)
{
    return child_that_starts_a_failing_one_is_cancelled(arg);
}

static int child_and_block_that_stay(void)
{
    int r = rill_group_go(&outer, RILL_CORO(fail_when_cancelled, &eio));
    return r < 0 ? r : stay(NULL);
}

static int child_that_stays(void)
{
    int r = rill_group_go(&outer, RILL_CORO(stay, NULL));
    return r < 0 ? r : stay(NULL);
}

static int timed(body_fn *body, rill_time span)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, span);
    return r < 0 ? r : rill_scope_leave(&scope, in_group(&outer, body));
}

/* test_timeout_taskgroup: a deadline ends the group; what its children say then is the result. */
static int deadline_around_a_group_is_a_timeout_unless_a_child_fails(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(timed(child_that_stays, RILL_MS(1)), -ETIME);
    EXPECT(rill_group_errors(&outer) == NULL);
    EXPECT_IS(timed(child_that_stays, 0), -ETIME);
    EXPECT_IS(timed(child_and_block_that_stay, RILL_MS(1)), -EIO);
    EXPECT(has_errors(&outer, -EIO, 0));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int child_with_a_deadline(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_MS(1));
    return r < 0 ? r : rill_scope_leave(&scope, stay(NULL));
}

static int children_with_deadlines(void)
{
    int r = rill_group_go(&outer, RILL_CORO(child_with_a_deadline, NULL));
    return r < 0 ? r : stay(NULL);
}

/* A timeout of a child is an error like any other. */
static int timeout_of_a_child_is_an_error_of_the_group(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, children_with_deadlines), -ETIME);
    EXPECT(has_errors(&outer, -ETIME, 0));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int staggered(void)
{
    static int seven = 7, nine = 9;
    OWNED_FUTURE rill_task *first = rill_group_create_task(&outer, RILL_CORO(return_int, &seven));
    int r = rill_sleep(RILL_MS(1));
    OWNED_FUTURE rill_task *second = rill_group_create_task(&outer, RILL_CORO(return_int, &nine));
    int first_rc = rill_result(first);
    if (r == 0)
        r = rill_await(second);
    return r == 9 && first_rc == 7 ? 0 : r;
}

/* test_taskgroup_01, 02. */
static int children_may_come_while_the_block_runs(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, staggered), 0);
    return 0;
}

static const rill_loop_opts eager = { .eager = true };

/* --- The errors of a group as one of another. --- */

static int fail_with(void *arg)
{
    int code = *(int *)arg;
    return rill_fail(code, "%s", rill_errname(code));
}

static int fail_twice(void)
{
    int r = rill_group_go(&inner, RILL_CORO(fail_with, &eio));
    return r < 0 ? r : rill_group_go(&inner, RILL_CORO(fail_with, &enotty));
}

static int fail_as_a_group(void *arg)
{
    (void)arg;
    int r = in_group(&inner, fail_twice);
    rill_group_fini(&inner);
    return r;
}

static int start_failing_group(void)
{
    return rill_group_go(&outer, RILL_CORO(fail_as_a_group, NULL));
}

static int error_of_a_group_in_a_group_has_its_errors_below_it(void *arg)
{
    (void)arg;
    after_run(drop_groups, NULL);
    EXPECT_IS(in_group(&outer, start_failing_group), -EIO);
    const rill_err *error = rill_group_errors(&outer);
    EXPECT(error != NULL && error->next == NULL && says(error, "EIO"));
    EXPECT(says(error->sub, "EIO") && says(error->sub->next, "ENOTTY"));
    EXPECT(error->sub->next->next == NULL && error->sub->sub == NULL);
    EXPECT(rill_last_error() != NULL && rill_last_error()->sub == error->sub);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(error_of_a_group_in_a_group_has_its_errors_below_it),
    SCENARIO(cancel_from_outside_ends_in_the_errors_that_the_clean_up_of_inner_children_gives),
    SCENARIO(failure_in_the_outer_group_ends_the_inner_one),
    SCENARIO(failure_in_the_inner_group_is_one_of_the_outer),
    SCENARIO(child_that_fails_while_the_cancelled_block_cleans_up_wins),
    SCENARIO(block_without_children_is_cancelled_or_gives_its_own_error),
    SCENARIO(block_that_fails_at_once_cancels_children_before_they_begin),
    SCENARIO(group_that_grows_without_end_is_ended_by_an_error),
    SCENARIO(child_that_starts_a_failing_one_is_cancelled),
    SCENARIO_WITH(eager_child_that_starts_a_failing_one_is_cancelled, &eager),
    SCENARIO(deadline_around_a_group_is_a_timeout_unless_a_child_fails),
    SCENARIO(timeout_of_a_child_is_an_error_of_the_group),
    SCENARIO(children_may_come_while_the_block_runs),
};

int main(void)
{
    return RUN_SCENARIOS("group_nested", scenarios);
}
