/* test_scope_shield.c - shielded blocks: requests from outside are counted at once and come later. */
#include "tests/support/expect.h"

static rill_future *shared;

static int enter_shielded(rill_scope *scope, rill_time grace)
{
    int r = rill_scope_enter(scope);
    if (r < 0)
        return r;
    r = rill_scope_shield(scope, grace);
    return r < 0 ? rill_scope_leave(scope, r) : 0;
}

static int shielded_sleep(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = enter_shielded(&scope, RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_sleep(RILL_MS(3));
    trace(r == 0 ? 's' : 'c');
    trace((char)('0' + rill_cancelling(rill_current_task())));
    r = rill_scope_leave(&scope, r);
    trace(rill_sleep(0) == -ECANCELED ? 'd' : '-');
    trace(rill_sleep(0) == -ECANCELED ? 'd' : '-');
    return r;
}

static int request_is_counted_at_once_and_delivered_behind_the_block(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(shielded_sleep, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, "later"));
    EXPECT(rill_cancel(task, "later"));
    EXPECT_IS(rill_cancelling(task), 2);
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("s2d-");
    return 0;
}

static int shield_and_return(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = enter_shielded(&scope, RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_sleep(RILL_MS(1));
    return rill_scope_leave(&scope, r);
}

/* Rule 4.4: it never reached an operation. */
static int task_that_ends_behind_its_shield_with_a_request_left_is_cancelled(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(shield_and_return, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    return 0;
}

static int shielded_with_grace(void *arg)
{
    rill_scope scope = { 0 };
    int r = enter_shielded(&scope, *(rill_time *)arg);
    if (r < 0)
        return r;
    r = rill_sleep(RILL_FOREVER);
    trace(r == -ECANCELED ? 'c' : '?');
    if (rill_sleep(0) == 0)
        trace('-'); /* it came once */
    return rill_scope_leave(&scope, r);
}

static int request_comes_through_when_the_grace_of_the_shield_has_passed(void *arg)
{
    static rill_time grace = RILL_MS(3), none = 0;
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(shielded_with_grace, &grace));
    EXPECT_IS(rill_sleep(RILL_MS(5)), 0); /* the grace begins with the request */
    rill_time asked = rill_now();
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_now() - asked >= RILL_MS(3));
    EXPECT_TRACE("c-");
    OWNED_FUTURE rill_task *open = rill_create_task(RILL_CORO(shielded_with_grace, &none));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(open, NULL));
    EXPECT_IS(rill_await(open), -ECANCELED);
    EXPECT_TRACE("c-c-");
    return 0;
}

static int pending_before(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    rill_cancel(rill_current_task(), NULL);
    r = rill_scope_shield(&scope, RILL_FOREVER);
    int inside = r == 0 ? rill_sleep(0) : r;
    r = rill_scope_leave(&scope, 0);
    EXPECT_IS(inside, 0);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    return -ECANCELED;
}

static int request_that_was_pending_at_the_shield_is_held_back_as_well(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(pending_before, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    return 0;
}

struct timed {
    bool own_deadline;
    int wanted;
};

static int timeout_behind_a_shield(void *arg)
{
    const struct timed *timed = arg;
    rill_scope scope = { 0 }, inner = { 0 };
    int r = rill_timeout(&scope, timed->own_deadline ? RILL_MS(1) : RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_scope_shield(&scope, RILL_FOREVER);
    int entered = rill_timeout(&inner, timed->own_deadline ? RILL_FOREVER : RILL_MS(1));
    if (r == 0 && entered == 0)
        r = rill_sleep(RILL_FOREVER);
    if (entered == 0)
        r = rill_scope_leave(&inner, r);
    r = rill_scope_leave(&scope, r);
    trace(r == -ETIME ? 't' : '?');
    return rill_sleep(0);
}

/* R17: timeout inside a shield, also while a request is held back. */
static int deadline_inside_a_shield_is_a_timeout_whatever_is_held_back(void *arg)
{
    static struct timed timed[] = { { true, -ETIME }, { false, -ETIME } };
    (void)arg;
    for (int i = 0; i < 4; i++) {
        OWNED_FUTURE rill_task *task =
            rill_create_task(RILL_CORO(timeout_behind_a_shield, &timed[i / 2]));
        EXPECT_IS(rill_sleep(0), 0);
        if (i % 2 == 1)
            EXPECT(rill_cancel(task, NULL));
        EXPECT_IS(rill_await(task), i % 2 == 1 ? -ECANCELED : 0);
    }
    EXPECT_TRACE("tttt");
    return 0;
}

static int outer_deadline(void *arg)
{
    rill_scope outer = { 0 }, shield = { 0 };
    (void)arg;
    int r = rill_timeout(&outer, RILL_MS(1));
    if (r < 0)
        return r;
    int entered = rill_scope_enter(&shield), inside = entered;
    if (entered == 0) {
        inside = rill_scope_shield(&shield, RILL_FOREVER);
        if (inside == 0)
            inside = rill_sleep(RILL_MS(4));
        EXPECT_HERE(inside < 0 || rill_scope_expired(&outer));
        inside = rill_scope_leave(&shield, inside);
    }
    trace(inside == 0 ? 's' : 'c');
    r = arg != NULL ? inside : rill_first_error(inside, rill_sleep(0));
    r = rill_scope_leave(&outer, r);
    trace(r == -ETIME ? 't' : r == 0 ? '0' : '?');
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return rill_sleep(0);
}

/* Delivered behind the shield, or taken back with the outer scope. */
static int deadline_of_an_outer_scope_is_held_back_too(void *arg)
{
    static int at_once;
    (void)arg;
    OWNED_FUTURE rill_task *later = rill_create_task(RILL_CORO(outer_deadline, NULL));
    EXPECT_IS(rill_await(later), 0);
    EXPECT_TRACE("st");
    OWNED_FUTURE rill_task *never = rill_create_task(RILL_CORO(outer_deadline, &at_once));
    EXPECT_IS(rill_await(never), 0);
    EXPECT_TRACE("sts0");
    return 0;
}

struct order {
    bool early; /* the outer scope asks before the shield is there */
};

/* Deliveries of others come between the request of the outer scope and its end. */
static int outer_scope_around_a_shield(const struct order *order)
{
    rill_scope outer = { 0 }, shield = { 0 }, inner = { 0 };
    EXPECT_IS(rill_scope_enter(&outer), 0);
    if (order->early)
        EXPECT_IS(rill_scope_cancel(&outer, NULL), 0);
    EXPECT_IS(rill_scope_enter(&shield), 0);
    EXPECT_IS(rill_scope_shield(&shield, RILL_FOREVER), 0);
    if (!order->early)
        EXPECT_IS(rill_scope_cancel(&outer, NULL), 0);
    EXPECT_IS(rill_scope_enter(&inner), 0);
    EXPECT_IS(rill_scope_cancel(&inner, NULL), 0);
    int inside = rill_scope_leave(&inner, rill_sleep(0));
    inside = rill_scope_leave(&shield, inside);
    int r = rill_scope_leave(&outer, inside);
    EXPECT_IS(inside, 0);
    return r;
}

static int clean_up_with_scopes(void *arg)
{
    int first = rill_sleep(RILL_FOREVER); /* so that the count stays above 0 */
    int r = outer_scope_around_a_shield(arg);
    trace(r == 0 && rill_sleep(0) == 0 ? 'k' : '?');
    return first;
}

static int outer_request_that_was_held_back_is_taken_back_and_nobody_elses(void *arg)
{
    static struct order orders[] = { { false }, { true } };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task =
            rill_create_task(RILL_CORO(clean_up_with_scopes, &orders[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, NULL));
        EXPECT_IS(rill_await(task), -ECANCELED);
    }
    EXPECT_TRACE("kk");
    return 0;
}

static int shielded_for_20_ms(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = enter_shielded(&scope, RILL_MS(20));
    if (r < 0)
        return r;
    r = rill_sleep(RILL_MS(30));
    trace(r == 0 ? 's' : 'c');
    return rill_scope_leave(&scope, r);
}

/* In virtual time: the second request comes at 15 ms, so the shield holds until 35. */
static int grace_of_a_shield_begins_anew_when_the_request_was_taken_back(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(shielded_for_20_ms, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_uncancel(task), 0);
    EXPECT_IS(rill_sleep(RILL_MS(15)), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("s");
    return 0;
}

static int nested_shields(void *arg)
{
    rill_scope outer = { 0 }, inner = { 0 };
    (void)arg;
    int r = enter_shielded(&outer, RILL_MS(1));
    if (r < 0)
        return r;
    int entered = rill_scope_enter(&inner);
    if (r == 0 && entered == 0)
        r = rill_scope_shield(&inner, RILL_FOREVER);
    if (r == 0)
        r = rill_sleep(RILL_MS(4));
    trace(r == 0 ? 'i' : 'c');
    if (entered == 0)
        r = rill_scope_leave(&inner, r);
    trace(rill_sleep(0) == -ECANCELED ? 'd' : '-');
    r = rill_scope_leave(&outer, r);
    return r < 0 ? r : -ECANCELED;
}

static int shield_that_opens_leaves_the_request_to_the_next_one_further_in(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(nested_shields, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("id");
    return 0;
}

static int request_held_back_and_taken_back_is_not_delivered(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(shielded_sleep, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_uncancel(task), 0);
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("s0--");
    return 0;
}

static int await_shared_behind_a_shield(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = enter_shielded(&scope, RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_await(shared);
    r = rill_scope_leave(&scope, r);
    trace(r == 5 ? '5' : '?');
    return rill_sleep(0);
}

/* The awaited future is not cancelled: that is what rill_shield would do for it. */
static int request_held_back_does_not_reach_what_is_awaited(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shared_behind_a_shield, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(future));
    EXPECT_IS(rill_future_set_result(future, 5, NULL), 0);
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("5");
    return 0;
}

static int children_behind_a_shield(void *arg)
{
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    static int turns = 3;
    (void)arg;
    int r = enter_shielded(&scope, RILL_FOREVER);
    if (r < 0)
        return r;
    r = rill_group_enter(&group);
    if (r == 0) {
        r = rill_group_go(&group, RILL_CORO(give_up_turns, &turns));
        r = rill_group_leave(&group, r);
    }
    r = rill_scope_leave(&scope, r);
    rill_group_fini(&group);
    trace(r == 0 ? 'g' : '?');
    return rill_sleep(0);
}

static int group_behind_a_shield_is_not_aborted_from_outside(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(children_behind_a_shield, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("g");
    return 0;
}

static int shield_outside_of_the_block_or_twice_is_an_error(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(rill_scope_shield(&scope, 0), -EINVAL);
    EXPECT_IS(rill_scope_enter(&scope), 0);
    int once = rill_scope_shield(&scope, RILL_FOREVER), twice = rill_scope_shield(&scope, 0);
    EXPECT_IS(rill_scope_leave(&scope, 0), 0);
    EXPECT_IS(once, 0);
    EXPECT_IS(twice, -EINVAL);
    EXPECT_IS(rill_scope_shield(&scope, 0), -EINVAL);
    return 0;
}

static int leave_early(bool early)
{
    RILL_AUTO_SCOPE rill_scope scope = { 0 };
    RILL_AUTO_FUTURE rill_future *future = rill_future_new();
    int r = rill_timeout(&scope, RILL_MS(1));
    if (r < 0 || early)
        return r;
    return rill_scope_leave(&scope, rill_await(future));
}

/* A scope that was not left would fire into a block that is gone. */
static int automatic_forms_leave_and_drop_by_whatever_way_the_block_is_left(void *arg)
{
    (void)arg;
    EXPECT_IS(leave_early(true), 0);
    EXPECT_IS(rill_sleep(RILL_MS(3)), 0);
    EXPECT_IS(leave_early(false), -ETIME);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static const rill_sim_opts world = { .seed = 4 };
static const rill_loop_opts simulated = { .sim = &world };

static int request_of_an_inner_scope_is_not_held_back_by_a_later_shield(void *arg)
{
    rill_scope outer = { 0 }, inner = { 0 };
    (void)arg;
    EXPECT_IS(rill_scope_enter(&outer), 0);
    EXPECT_IS(rill_scope_enter(&inner), 0);
    EXPECT_IS(rill_scope_cancel(&inner, NULL), 0);
    EXPECT_IS(rill_scope_shield(&outer, RILL_FOREVER), 0);
    int r = rill_sleep(RILL_MS(1)), left = rill_scope_leave(&inner, r);
    EXPECT_IS(rill_scope_leave(&outer, left), 0);
    EXPECT_IS(r, -ECANCELED);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(request_of_an_inner_scope_is_not_held_back_by_a_later_shield),
    SCENARIO(request_is_counted_at_once_and_delivered_behind_the_block),
    SCENARIO(task_that_ends_behind_its_shield_with_a_request_left_is_cancelled),
    SCENARIO(request_comes_through_when_the_grace_of_the_shield_has_passed),
    SCENARIO(request_that_was_pending_at_the_shield_is_held_back_as_well),
    SCENARIO(deadline_inside_a_shield_is_a_timeout_whatever_is_held_back),
    SCENARIO_WITH(deadline_of_an_outer_scope_is_held_back_too, &simulated),
    SCENARIO(outer_request_that_was_held_back_is_taken_back_and_nobody_elses),
    SCENARIO_WITH(grace_of_a_shield_begins_anew_when_the_request_was_taken_back, &simulated),
    SCENARIO_WITH(shield_that_opens_leaves_the_request_to_the_next_one_further_in, &simulated),
    SCENARIO(request_held_back_and_taken_back_is_not_delivered),
    SCENARIO(request_held_back_does_not_reach_what_is_awaited),
    SCENARIO(group_behind_a_shield_is_not_aborted_from_outside),
    SCENARIO(shield_outside_of_the_block_or_twice_is_an_error),
    SCENARIO(automatic_forms_leave_and_drop_by_whatever_way_the_block_is_left),
};

int main(void)
{
    return RUN_SCENARIOS("scope_shield", scenarios);
}
