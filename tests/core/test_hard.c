/* test_hard.c - the hard phase: who ignores a cancel ends within the grace all the same. */
#include "core/task/task.h"
#include "tests/support/expect.h"

#include <signal.h>

static rill_future *shared;
static char a = 'a', b = 'b';

/* Takes no notice of a cancel until awaits fail at once. The bound is for the runs with failures: those
 * would else be right to go on for ever. */
static int ignore_cancels(void *arg)
{
    int ignored = 0;
    for (int turns = 0; turns < 2000 && ignored < 4; turns++)
        ignored += rill_sleep(RILL_MS(1)) == -ECANCELED;
    trace(arg != NULL ? *(char *)arg : 'x');
    return -ECANCELED;
}

/* B7. R17. */
static int scope_with_a_grace_ends_a_block_that_ignores_its_deadline(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_MS(2));
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_MS(5));
    rill_time begin = rill_now();
    if (r == 0)
        r = ignore_cancels(&a);
    r = rill_scope_leave(&scope, r);
    EXPECT_IS(r, -ETIME);
    EXPECT(rill_now() - begin >= RILL_MS(6));
    EXPECT_TRACE("a");
    EXPECT_IS(rill_sleep(0), 0); /* it ends with the scope */
    return 0;
}

static int in_scope_with_grace(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_MS(3));
    if (r == 0)
        r = ignore_cancels(&b);
    r = rill_scope_leave(&scope, r);
    if (r != -ECANCELED)
        return r;
    trace('-');
    return rill_sleep(0) == 0 ? r : -EBADMSG; /* it was delivered, and nothing more comes */
}

/* B7: of somebody else. */
static int request_from_outside_older_than_the_grace_is_hard_until_the_scope_is_left(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(in_scope_with_grace, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("b-");
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int await_shared_twice(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, 0);
    if (r == 0)
        r = rill_await(shared);
    trace(r == -ECANCELED ? 'c' : '?');
    r = rill_await(shared);
    trace(r == -ECANCELED ? 'c' : '?');
    return rill_scope_leave(&scope, r);
}

/* The task that is awaited ends later; a future that is done keeps its result. */
static int hard_await_does_not_wait_for_the_end_of_what_it_awaits(void *arg)
{
    (void)arg;
    rill_task *stubborn = shared = kept(rill_create_task(RILL_CORO(ignore_cancels, &a)));
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shared_twice, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("cc");
    EXPECT(!rill_done(stubborn));
    EXPECT_IS(rill_cancelling(stubborn), 1); /* it got the request once */
    for (int i = 0; i < 3; i++) {
        (void)rill_cancel(stubborn, NULL);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_sleep(0), 0);
    }
    EXPECT(rill_await(stubborn) < 0);
    EXPECT_TRACE("cca");
    return 0;
}

static int kinds_of_await(void *arg)
{
    rill_future *done = arg;
    rill_future *out[2];
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    EXPECT_IS(rill_sleep(RILL_FOREVER), -ECANCELED);
    EXPECT_IS(rill_await(done), -ECANCELED);
    EXPECT_IS(rill_wait(1, &done, RILL_ALL_COMPLETED, RILL_FOREVER, out), -ECANCELED);
    EXPECT_IS(rill_wait_for(done, 0), -ECANCELED);
    EXPECT_IS(rill_wait_for_call(RILL_CORO(sleep_for_ever, NULL), 0), -ECANCELED);
    EXPECT_IS(rill_wait_for_call(RILL_CORO(sleep_for_ever, NULL), RILL_SEC(1)), -ECANCELED);
    int fd = rill_file_open("/dev/null", 0, 0);
    EXPECT_IS(fd, -ECANCELED);
    return 0;
}

static int every_await_fails_at_once_in_the_hard_phase(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *done = rill_future_new();
    (void)rill_future_set_result(done, 3, NULL);
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, 0);
    int inside = r;
    if (r == 0)
        r = rill_scope_cancel(&scope, NULL);
    if (r == 0)
        inside = kinds_of_await(done);
    r = rill_scope_leave(&scope, -ECANCELED);
    EXPECT_IS(inside, 0);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_await(done), 3);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int child_in_hard_scope(void *arg)
{
    return ignore_cancels(arg);
}

static int in_group_in_hard_scope(rill_group *group)
{
    int r = rill_group_enter(group);
    if (r < 0)
        return r;
    r = rill_group_go(group, RILL_CORO(child_in_hard_scope, &a));
    if (r == 0)
        r = rill_group_go(group, RILL_CORO(child_in_hard_scope, &b));
    if (r == 0)
        r = ignore_cancels(NULL);
    return rill_group_leave(group, r);
}

static int hard_phase_reaches_the_children_of_a_group_and_leave_waits_for_them(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    int r = rill_timeout(&scope, RILL_MS(2));
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_MS(3));
    if (r == 0)
        r = in_group_in_hard_scope(&group);
    r = rill_scope_leave(&scope, r);
    rill_group_fini(&group);
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(strlen(traced()), 3);
    return 0;
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int group_with_a_grace_ends_children_that_ignore_its_abort(void *arg)
{
    (void)arg;
    static rill_group group;
    memset(&group, 0, sizeof group);
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    r = rill_group_set_grace(&group, RILL_MS(3));
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(ignore_cancels, &a));
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(fail_at_once, NULL));
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    EXPECT_IS(r, -EIO);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int clean_up_behind_a_shield(void *arg)
{
    (void)arg;
    rill_scope hard = { 0 }, shield = { 0 };
    int r = rill_timeout(&hard, RILL_MS(1));
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&hard, 0);
    if (r == 0)
        r = rill_sleep(RILL_FOREVER);
    int entered = rill_scope_enter(&shield);
    int inside = rill_scope_shield(&shield, *(rill_time *)arg);
    if (inside == 0)
        inside = rill_sleep(RILL_MS(6));
    if (entered == 0)
        inside = rill_scope_leave(&shield, inside);
    trace(inside == 0 ? 's' : inside == -ECANCELED ? 'c' : '?');
    trace(rill_sleep(0) == -ECANCELED ? 'h' : '?');
    r = rill_scope_leave(&hard, r);
    return r == -ETIME ? 0 : r;
}

/* Rule 4.6: shields still wait, for their own grace only. */
static int shield_inside_the_hard_phase_waits_for_its_own_grace_only(void *arg)
{
    static rill_time graces[] = { RILL_FOREVER, RILL_SEC(100), RILL_MS(1) };
    (void)arg;
    for (int i = 0; i < 3; i++) {
        OWNED_FUTURE rill_task *task =
            rill_create_task(RILL_CORO(clean_up_behind_a_shield, &graces[i]));
        EXPECT_IS(rill_await(task), 0);
    }
    EXPECT_TRACE("shshch");
    return 0;
}

static int grace_after_the_request(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(rill_scope_enter(&scope), 0);
    int r = rill_scope_cancel(&scope, NULL);
    trace(rill_sleep(0) == -ECANCELED ? 'c' : '?');
    trace(rill_sleep(0) == 0 ? '-' : '?');
    if (r == 0)
        r = rill_scope_set_grace(&scope, 0);
    trace(rill_sleep(0) == -ECANCELED ? 'h' : '?');
    r = rill_scope_leave(&scope, r == 0 ? -ECANCELED : r);
    trace(rill_sleep(0) == 0 ? '-' : '?');
    return r;
}

static int grace_set_after_the_request_runs_at_once(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_join(rill_create_task(RILL_CORO(grace_after_the_request, NULL))), 0);
    EXPECT_TRACE("c-h-");
    return 0;
}

static int forgiven(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_MS(2));
    if (r == 0 && rill_sleep(RILL_FOREVER) == -ECANCELED) {
        (void)rill_uncancel(rill_current_task());
        r = rill_sleep(RILL_MS(5));
    }
    trace(r == 0 ? 'f' : 'c');
    return rill_scope_leave(&scope, r);
}

static int request_that_is_taken_back_leads_to_no_hard_phase(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(forgiven, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("f");
    return 0;
}

/* An inner scope's own deadline concerns its block only. */
static int request_of_an_inner_scope_does_not_make_the_outer_one_hard(void *arg)
{
    (void)arg;
    rill_scope outer = { 0 }, inner = { 0 };
    int r = rill_scope_enter(&outer);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&outer, 0);
    int entered = rill_timeout(&inner, RILL_MS(1));
    if (r == 0 && entered == 0)
        r = rill_sleep(RILL_FOREVER);
    int ignored = rill_sleep(RILL_MS(1));
    if (entered == 0)
        r = rill_scope_leave(&inner, r);
    int after = rill_sleep(0);
    EXPECT_IS(rill_scope_leave(&outer, 0), 0);
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(ignored, 0);
    EXPECT_IS(after, 0);
    return 0;
}

static int end_within_grace(void *arg)
{
    rill_scope scope = { 0 }, shield = { 0 };
    size_t before = rill_get_running_loop()->timers.count;
    (void)arg;
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_SEC(50));
    int entered = rill_scope_enter(&shield);
    if (entered == 0)
        r = rill_first_error(r, rill_scope_shield(&shield, RILL_SEC(50)));
    if (r == 0)
        r = rill_sleep(RILL_MS(2));
    size_t running = rill_get_running_loop()->timers.count;
    if (entered == 0)
        r = rill_scope_leave(&shield, r);
    int delivered = rill_sleep(0);
    r = rill_scope_leave(&scope, r);
    EXPECT_IS(rill_get_running_loop()->timers.count, before);
    EXPECT_IS(running, before + 2);
    return rill_first_error(r, delivered);
}

/* Else they would run into memory that is something else by then. */
static int graces_that_run_end_with_their_scopes(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(end_within_grace, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    return 0;
}

static int grace_outside_of_the_block_is_an_error(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    EXPECT_IS(rill_scope_set_grace(&scope, 0), -EINVAL);
    EXPECT_IS(rill_group_set_grace(&group, 0), -EINVAL);
    EXPECT_IS(rill_scope_enter(&scope), 0);
    EXPECT_IS(rill_scope_leave(&scope, 0), 0);
    EXPECT_IS(rill_scope_set_grace(&scope, 0), -EINVAL);
    EXPECT_IS(rill_group_enter(&group), 0);
    EXPECT_IS(rill_group_leave(&group, 0), 0);
    EXPECT_IS(rill_group_set_grace(&group, 0), -EINVAL);
    return 0;
}

/* --- The loop's end. --- */

static int leave_a_stubborn_one(void *arg)
{
    rill_unref(rill_create_task(RILL_CORO(ignore_cancels, arg)));
    return rill_sleep(0);
}

static const rill_loop_opts short_grace = { .grace = RILL_MS(5) };

static void leftover_that_ignores_its_cancel_ends_within_the_grace_of_the_loop(void **state)
{
    (void)state;
    assert_int_equal(run_main_with(leave_a_stubborn_one, &a, &short_grace), 0);
    assert_string_equal(traced(), "a");
}

static rill_time end_asked, end_came;

/* Its own idea of a long clean-up: as long as awaits work. */
static int clean_up_for_ever(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    (void)arg;
    end_asked = rill_now();
    for (int i = 0; i < 100000 && rill_sleep(RILL_MS(500)) == 0;)
        i++;
    end_came = rill_now();
    return r;
}

static int leave_a_slow_one(void *arg)
{
    rill_unref(rill_create_task(RILL_CORO(clean_up_for_ever, arg)));
    return rill_sleep(0);
}

/* By virtual time: 10 s for clean-ups, unless one says otherwise. */
static void leftovers_have_ten_seconds_by_default(void **state)
{
    static const rill_sim_opts of_time = { .seed = 1 };
    rill_loop_opts opts = { .sim = &of_time };
    (void)state;
    assert_int_equal(run_main_with(leave_a_slow_one, NULL, &opts), 0);
    assert_in_range(end_came - end_asked, RILL_SEC(9), RILL_SEC(11));
    opts.grace = RILL_SEC(3600);
    assert_int_equal(run_main_with(leave_a_slow_one, NULL, &opts), 0);
    assert_in_range(end_came - end_asked, RILL_SEC(3599), RILL_SEC(3601));
    opts.grace = RILL_FOREVER;
    assert_int_equal(run_main_with(leave_a_slow_one, NULL, &opts), 0);
    assert_int_equal(end_came - end_asked, RILL_SEC(50000));
}

static int ignore_an_interrupt(void *arg)
{
    raise(SIGINT);
    int r = ignore_cancels(arg);
    trace(rill_sleep(0) == -ECANCELED ? 'h' : '?');
    return r;
}

static void main_that_ignores_an_interrupt_ends_within_a_grace_that_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(run_main_with(ignore_an_interrupt, &a, &short_grace), -EINTR);
    assert_string_equal(traced(), "ah");
}

static void close_is_hard_at_once(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_loop_set_error_handler(loop, NULL, NULL);
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(leave_a_stubborn_one, &b)), 0);
    rill_time begin = rill_now();
    assert_int_equal(rill_loop_close(loop), 0);
    assert_true(rill_now() - begin < RILL_SEC(5)); /* and not ten */
}

static int make_more(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    (void)arg;
    for (int i = 0; i < 3; i++) {
        rill_task *more = rill_create_task(RILL_CORO(make_more, NULL));
        int made = rill_done(more) ? rill_result(more) : 0;
        trace(made == -ESHUTDOWN ? 's' : 'm');
        rill_unref(more);
        if (rill_sleep(RILL_MS(4)) < 0)
            trace('c');
    }
    return r;
}

static int leave_one_that_makes_more(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(make_more, NULL)));
    return rill_sleep(0);
}

static void no_task_is_made_in_the_hard_phase_of_the_loop(void **state)
{
    static const rill_loop_opts at_once = { .grace = 1 };
    (void)state;
    assert_int_equal(run_main_with(leave_one_that_makes_more, NULL, &at_once), 0);
    assert_non_null(strstr(traced(), "s"));
}

/* Which of two short times was over first is told by a clock that nobody else slows down. */
static const rill_sim_opts world = { .seed = 7 };
static const rill_loop_opts simulated = { .sim = &world };

static const struct scenario scenarios[] = {
    SCENARIO(scope_with_a_grace_ends_a_block_that_ignores_its_deadline),
    SCENARIO_WITH(request_from_outside_older_than_the_grace_is_hard_until_the_scope_is_left,
                  &simulated),
    SCENARIO_WITH(hard_await_does_not_wait_for_the_end_of_what_it_awaits, &simulated),
    SCENARIO_WITH(every_await_fails_at_once_in_the_hard_phase, &simulated),
    SCENARIO_WITH(hard_phase_reaches_the_children_of_a_group_and_leave_waits_for_them, &simulated),
    SCENARIO(group_with_a_grace_ends_children_that_ignore_its_abort),
    SCENARIO_WITH(shield_inside_the_hard_phase_waits_for_its_own_grace_only, &simulated),
    SCENARIO_WITH(grace_set_after_the_request_runs_at_once, &simulated),
    SCENARIO_WITH(request_that_is_taken_back_leads_to_no_hard_phase, &simulated),
    SCENARIO_WITH(request_of_an_inner_scope_does_not_make_the_outer_one_hard, &simulated),
    SCENARIO_WITH(graces_that_run_end_with_their_scopes, &simulated),
    SCENARIO(grace_outside_of_the_block_is_an_error),
    OUTSIDE(leftover_that_ignores_its_cancel_ends_within_the_grace_of_the_loop),
    OUTSIDE(leftovers_have_ten_seconds_by_default),
    OUTSIDE(main_that_ignores_an_interrupt_ends_within_a_grace_that_was_asked_for),
    OUTSIDE(close_is_hard_at_once),
    OUTSIDE(no_task_is_made_in_the_hard_phase_of_the_loop),
};

int main(void)
{
    return RUN_SCENARIOS("hard", scenarios);
}
