/* test_timeout.c - timeout scopes and wait_for: whose deadline it was, and what it may end. */
#include "tests/support/expect.h"

#include <time.h>

static rill_future *shared;

/* Spend time without giving up the turn. */
static void be_busy_until(rill_time at)
{
    while (rill_now() < at)
        ;
}

static int take_cancel_and_return_42(void *arg)
{
    (void)arg;
    trace('s');
    return rill_sleep(RILL_FOREVER) == -ECANCELED ? 42 : -EBADMSG;
}

static int trace_then_sleep(void *arg)
{
    (void)arg;
    trace('s');
    int r = rill_sleep(RILL_FOREVER);
    trace('e');
    return r;
}

/* Needs three turns to end after its cancel. */
static int end_slowly(void *arg)
{
    (void)arg;
    trace('s');
    int r = rill_sleep(RILL_FOREVER);
    for (int i = 0; i < 3; i++)
        if (rill_sleep(0) < 0)
            trace('!');
    trace('e');
    return r;
}

/* Row 37: a future that is done. */
static int wait_for_without_time_gives_the_result_of_a_done_future(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_future_set_result(future, 5, NULL), 0);
    EXPECT_IS(rill_wait_for(future, 0), 5);
    EXPECT_IS(rill_wait_for(future, -RILL_SEC(1)), 5);
    EXPECT_IS(rill_wait_for(future, RILL_SEC(1)), 5);
    return 0;
}

/* Row 37: a task that did not start. */
static int wait_for_without_time_never_starts_a_new_task(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(trace_then_sleep, NULL));
    EXPECT_IS(rill_wait_for(task, 0), -ETIME);
    EXPECT(rill_cancelled(task));
    EXPECT_IS(rill_wait_for_call(RILL_CORO(trace_then_sleep, NULL), 0), -ETIME);
    EXPECT_IS(rill_wait_for_call(RILL_CORO(trace_then_sleep, NULL), -1), -ETIME);
    EXPECT_TRACE("");
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

/* Row 37: a task that runs, and row 38 with timeout 0. */
static int wait_for_without_time_cancels_a_running_task_and_waits_for_its_end(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(end_slowly, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_wait_for(task, 0), -ETIME);
    EXPECT_TRACE("se");
    EXPECT(rill_cancelled(task));
    return 0;
}

/* Row 38. */
static int wait_for_returns_when_the_cancelled_task_has_really_ended(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(end_slowly, NULL));
    EXPECT_IS(rill_wait_for(task, RILL_MS(2)), -ETIME);
    EXPECT_TRACE("se");
    EXPECT(rill_cancelled(task));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

/* Row 39. */
static int wait_for_gives_the_value_of_a_task_that_took_the_cancel(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(take_cancel_and_return_42, NULL));
    EXPECT_IS(rill_wait_for(task, RILL_MS(2)), 42);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    OWNED_FUTURE rill_task *again = rill_create_task(RILL_CORO(take_cancel_and_return_42, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_wait_for(again, 0), 42);
    return 0;
}

static int ask_oneself_and_wait(void *arg)
{
    rill_cancel(rill_current_task(), NULL);
    int r = rill_wait_for_call(RILL_CORO(trace_then_sleep, NULL), *(rill_time *)arg);
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

/* Rule 4.2: the await delivers the request and does nothing else. */
static int wait_for_call_delivers_a_pending_cancel_and_never_starts(void *arg)
{
    static rill_time spans[] = { 0, -1, RILL_SEC(1) };
    (void)arg;
    for (int i = 0; i < 3; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(ask_oneself_and_wait, &spans[i]));
        EXPECT_IS(rill_await(task), -ECANCELED);
    }
    EXPECT_TRACE("ccc");
    return 0;
}

static int wait_for_shared(void *arg)
{
    return rill_wait_for(shared, *(rill_time *)arg);
}

/* Row 41. */
static int cancel_of_wait_for_cancels_the_inner_task(void *arg)
{
    (void)arg;
    static rill_time spans[] = { RILL_FOREVER, RILL_SEC(3600) };
    for (int i = 0; i < 2; i++) {
        rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
        OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(wait_for_shared, &spans[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(outer, NULL));
        EXPECT_IS(rill_await(outer), -ECANCELED);
        EXPECT(rill_cancelled(inner));
    }
    return 0;
}

/* Row 42: result and cancel before the waiter runs. */
static int cancel_in_the_turn_of_the_inner_result_leaves_that_result(void *arg)
{
    static rill_time hour = RILL_SEC(3600);
    (void)arg;
    rill_future *inner = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(wait_for_shared, &hour));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(inner, 7, NULL), 0);
    EXPECT(rill_cancel(outer, NULL));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT_IS(rill_result(inner), 7);
    return 0;
}

static void set_shared(void *arg)
{
    (void)arg;
    (void)rill_future_set_result(shared, 8, NULL);
}

/* Row 43. */
static int result_set_before_the_deadline_is_delivered(void *arg)
{
    static rill_time hour = RILL_SEC(3600);
    (void)arg;
    shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for_shared, &hour));
    EXPECT(rill_call_soon(rill_get_running_loop(), set_shared, NULL).entry != NULL);
    EXPECT_IS(rill_await(waiter), 8);
    return 0;
}

/* Both are due when the loop looks next, the result first: the cancel wins, the future keeps it. R17. */
static int deadline_in_the_turn_of_the_result_is_a_timeout_and_the_result_stays(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    shared = kept(rill_future_new());
    rill_time base = rill_now();
    EXPECT(rill_call_at(rill_get_running_loop(), base + RILL_MS(5), set_shared, NULL).entry !=
           NULL);
    int r = rill_timeout_at(&scope, base + RILL_MS(6));
    if (r < 0)
        return r;
    be_busy_until(base + RILL_MS(7));
    r = rill_scope_leave(&scope, rill_await(shared));
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(rill_result(shared), 8);
    return 0;
}

/* Row 45. */
static int cancel_of_wait_for_waits_for_a_stubborn_inner_task(void *arg)
{
    static rill_time hour = RILL_SEC(3600);
    (void)arg;
    shared = kept(rill_create_task(RILL_CORO(end_slowly, NULL)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(wait_for_shared, &hour));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(outer, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(outer));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT_TRACE("se");
    return 0;
}

static int wait_for_itself(void *arg)
{
    return rill_wait_for(rill_current_task(), *(rill_time *)arg);
}

static int wait_for_oneself_is_an_error(void *arg)
{
    static rill_time spans[] = { 0, RILL_SEC(1) };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(wait_for_itself, &spans[i]));
        EXPECT_IS(rill_await(task), -EDEADLK);
    }
    return 0;
}

/* --- Scopes. --- */

struct nested {
    rill_time inner_in, outer_in; /* deadlines from now; RILL_FOREVER: none */
    rill_time busy;
    int wanted_inner, wanted_outer;
    bool inner_expired, outer_expired;
};

static int run_inner(rill_scope *inner, const struct nested *nested)
{
    rill_time begin = rill_now();
    int r = rill_timeout_at(inner, rill_time_add(begin, nested->inner_in));
    if (r < 0)
        return r;
    if (nested->busy > 0)
        be_busy_until(begin + nested->busy);
    return rill_scope_leave(inner, rill_sleep(RILL_MS(200)));
}

static int run_nested(void *arg)
{
    const struct nested *nested = arg;
    rill_scope outer = { 0 }, inner = { 0 };
    int r = rill_timeout(&outer, nested->outer_in);
    if (r < 0)
        return r;
    int inside = run_inner(&inner, nested);
    r = inside == -ETIME ? rill_sleep(RILL_MS(200)) : inside; /* an await after the inner scope */
    r = rill_scope_leave(&outer, r);
    EXPECT_IS(inside, nested->wanted_inner);
    EXPECT_IS(r, nested->wanted_outer);
    EXPECT_IS(rill_scope_expired(&inner), nested->inner_expired);
    EXPECT_IS(rill_scope_expired(&outer), nested->outer_expired);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

/* Row 46. */
static int nested_scopes_of_one_deadline_report_at_the_outermost(void *arg)
{
    static struct nested past = { 0, 0, 0, -ECANCELED, -ETIME, true, true };
    static struct nested soon = {
        RILL_MS(1), RILL_MS(1), RILL_MS(3), -ECANCELED, -ETIME, true, true
    };
    (void)arg;
    EXPECT_IS(run_nested(&past), 0);
    EXPECT_IS(run_nested(&soon), 0);
    return 0;
}

/* Row 47: the deadlines lie far apart, so only their order counts. */
static int nested_scopes_after_a_busy_stretch_report_what_had_passed(void *arg)
{
    static struct nested inner_only = { RILL_MS(1), RILL_MS(30), RILL_MS(2), -ETIME,
                                        -ETIME,     true,        true };
    static struct nested outer_only = { RILL_SEC(60), RILL_MS(1), RILL_MS(3), -ECANCELED,
                                        -ETIME,       false,      true };
    static struct nested both = {
        RILL_MS(1), RILL_MS(2), RILL_MS(4), -ECANCELED, -ETIME, true, true
    };
    (void)arg;
    EXPECT_IS(run_nested(&inner_only), 0);
    EXPECT_IS(run_nested(&outer_only), 0);
    EXPECT_IS(run_nested(&both), 0);
    return 0;
}

/* Row 49. */
static int foreign_error_passes_a_scope_unchanged_also_after_its_deadline(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_SEC(60));
    if (r == 0)
        r = rill_scope_leave(&scope, -EIO);
    EXPECT_IS(r, -EIO);
    rill_scope late = { 0 };
    r = rill_timeout(&late, 0);
    if (r < 0)
        return r;
    int inside = rill_sleep(0);
    r = rill_scope_leave(&late, inside == -ECANCELED ? -EIO : inside);
    EXPECT_IS(inside, -ECANCELED);
    EXPECT_IS(r, -EIO);
    EXPECT(rill_scope_expired(&late));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

/* Row 50. R17. */
static int deadline_in_the_past_fires_at_the_first_suspension(void *arg)
{
    (void)arg;
    static const rill_time spans[] = { 0, -RILL_SEC(1) };
    for (int i = 0; i < 2; i++) {
        rill_scope scope = { 0 };
        int r = rill_timeout(&scope, spans[i]);
        if (r == 0)
            r = rill_scope_leave(&scope, rill_sleep(0));
        EXPECT_IS(r, -ETIME);
    }
    return 0;
}

/* Row 50. */
static int deadline_in_the_past_is_harmless_without_a_suspension(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, 0);
    if (r == 0)
        r = rill_scope_leave(&scope, 6);
    EXPECT_IS(r, 6);
    EXPECT(!rill_scope_expired(&scope));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

/* Row 51. */
static int disabled_deadline_never_fires_and_can_be_moved(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_FOREVER);
    if (r < 0)
        return r;
    bool none = rill_scope_when(&scope) == RILL_FOREVER;
    int moved = rill_scope_reschedule(&scope, rill_now() + RILL_SEC(60));
    bool set = rill_scope_when(&scope) != RILL_FOREVER;
    int disabled = rill_scope_reschedule(&scope, RILL_FOREVER);
    int slept = rill_sleep(RILL_MS(1));
    int sooner = rill_scope_reschedule(&scope, rill_now() + RILL_MS(1));
    int r2 = rill_scope_leave(&scope, rill_sleep(RILL_SEC(60)));
    EXPECT(none && set);
    EXPECT_IS(moved, 0);
    EXPECT_IS(disabled, 0);
    EXPECT_IS(slept, 0);
    EXPECT_IS(sooner, 0);
    EXPECT_IS(r2, -ETIME);
    return 0;
}

/* Row 51: before enter, while it expires, after expiry and after leave. */
static int reschedule_outside_of_the_block_is_an_error(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    EXPECT_IS(rill_scope_reschedule(&scope, rill_now()), -EINVAL);
    EXPECT_IS(rill_scope_cancel(&scope, NULL), -EINVAL);
    EXPECT_IS(rill_scope_leave(&scope, 0), -EINVAL);
    int r = rill_timeout(&scope, 0);
    if (r < 0)
        return r;
    int inside = rill_sleep(0);
    int expiring = rill_scope_reschedule(&scope, RILL_FOREVER);
    r = rill_scope_leave(&scope, inside);
    EXPECT_IS(expiring, -EINVAL);
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(rill_scope_reschedule(&scope, RILL_FOREVER), -EINVAL);
    EXPECT_IS(rill_scope_leave(&scope, 0), -EINVAL);
    return 0;
}

static int clean_up_in_time(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int first = rill_sleep(RILL_FOREVER);
    int r = rill_timeout(&scope, RILL_MS(1));
    if (r < 0)
        return r;
    r = rill_scope_leave(&scope, rill_sleep(RILL_SEC(60)));
    trace(r == -ETIME ? 't' : '?');
    return first;
}

/* Row 53. */
static int scope_in_the_clean_up_of_a_cancelled_task_times_out_by_itself(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(clean_up_in_time, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("t");
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int clean_up_cancelled(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int first = rill_sleep(RILL_FOREVER);
    int r = rill_timeout(&scope, RILL_SEC(60));
    if (r < 0)
        return r;
    r = rill_scope_leave(&scope, rill_sleep(RILL_MS(300)));
    trace(r == -ECANCELED ? 'c' : '?');
    return first;
}

/* Row 54. R17. */
static int second_cancel_inside_a_clean_up_scope_stays_a_cancel(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(clean_up_cancelled, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("c");
    EXPECT_IS(rill_cancelling(task), 2);
    return 0;
}

/* Row 55. */
static int scope_entered_twice_is_an_error(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_SEC(60));
    if (r < 0)
        return r;
    int again = rill_timeout(&scope, RILL_SEC(60));
    r = rill_scope_leave(&scope, 0);
    EXPECT_IS(again, -EINVAL);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_scope_enter(&scope), -EINVAL);
    return 0;
}

/* Row 55. */
static void scope_outside_of_a_task_is_an_error(void **state)
{
    (void)state;
    rill_scope scope = { 0 };
    assert_int_equal(rill_timeout(&scope, RILL_SEC(1)), -ESRCH);
    assert_int_equal(rill_scope_enter(&scope), -ESRCH);
    assert_int_equal(rill_wait_for_call(RILL_CORO(give_up_turns, NULL), RILL_SEC(1)), -ESRCH);
}

static rill_scope entered; /* by another task, which sleeps in it */

static int sleep_in_scope(void *arg)
{
    entered = (rill_scope){ 0 };
    int r = rill_timeout_at(&entered, *(rill_time *)arg);
    return r < 0 ? r : rill_scope_leave(&entered, rill_sleep(RILL_SEC(50)));
}

/* Row 51, test_reschedule: by another task than the one inside. */
static int deadline_can_be_moved_by_another_task(void *arg)
{
    static rill_time at;
    (void)arg;
    at = rill_now() + RILL_SEC(10);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_in_scope, &at));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_scope_when(&entered), at);
    EXPECT_IS(rill_scope_reschedule(&entered, at + RILL_SEC(20)), 0);
    EXPECT_IS(rill_scope_when(&entered), at + RILL_SEC(20));
    EXPECT_IS(rill_scope_reschedule(&entered, RILL_FOREVER), 0);
    EXPECT_IS(rill_scope_when(&entered), RILL_FOREVER);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(!rill_scope_expired(&entered));
    OWNED_FUTURE rill_task *again = rill_create_task(RILL_CORO(sleep_in_scope, &at));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_scope_reschedule(&entered, rill_now() + RILL_MS(1)), 0);
    EXPECT_IS(rill_await(again), -ETIME);
    EXPECT(!rill_cancelled(again)); /* test_outer_task_is_not_cancelled */
    EXPECT_IS(rill_cancelling(again), 0);
    return 0;
}

/* test_timeout_at_basic, test_timeout_zero: the deadline can be read afterwards. */
static int deadline_of_a_scope_that_was_left_can_be_read(void *arg)
{
    rill_scope scope = { 0 }, now = { 0 }, unused = { 0 };
    (void)arg;
    rill_time at = rill_now() + RILL_MS(1);
    int r = rill_timeout_at(&scope, at);
    if (r == 0)
        r = rill_scope_leave(&scope, rill_sleep(RILL_SEC(10)));
    EXPECT_IS(r, -ETIME);
    EXPECT(rill_scope_expired(&scope));
    EXPECT_IS(rill_scope_when(&scope), at);
    rill_time before = rill_now();
    r = rill_timeout(&now, 0);
    if (r == 0)
        r = rill_scope_leave(&now, rill_sleep(RILL_SEC(10)));
    EXPECT_IS(r, -ETIME);
    EXPECT(before <= rill_scope_when(&now) && rill_scope_when(&now) <= rill_now());
    r = rill_timeout(&unused, RILL_SEC(10));
    if (r == 0)
        r = rill_scope_leave(&unused, rill_sleep(RILL_MS(1)));
    EXPECT_IS(r, 0);
    EXPECT(!rill_scope_expired(&unused) && rill_scope_when(&unused) > rill_now());
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int cancel_oneself_in_a_scope(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_SEC(10));
    if (r < 0)
        return r;
    rill_cancel(rill_current_task(), NULL);
    r = rill_scope_leave(&scope, rill_sleep(RILL_SEC(10)));
    trace(rill_scope_expired(&scope) ? '?' : 'c');
    return r;
}

/* test_foreign_cancel_doesnt_timeout_if_not_expired. */
static int cancel_before_the_deadline_is_no_timeout(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_oneself_in_a_scope, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT_TRACE("c");
    return 0;
}

/* Row 53, test_nested_timeout_in_finally: clean-up of a timed-out block that has a deadline itself. */
static int scope_in_the_clean_up_of_a_timed_out_block_times_out_as_well(void *arg)
{
    rill_scope outer = { 0 }, inner = { 0 };
    (void)arg;
    int r = rill_timeout(&outer, RILL_MS(1));
    if (r < 0)
        return r;
    int first = rill_sleep(RILL_SEC(10));
    int inside = rill_timeout(&inner, RILL_MS(1));
    if (inside == 0)
        inside = rill_scope_leave(&inner, rill_sleep(RILL_SEC(10)));
    r = rill_scope_leave(&outer, first);
    EXPECT_IS(inside, -ETIME);
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int fail_when_cancelled(void *arg)
{
    int r = rill_sleep(RILL_SEC(10));
    return r == -ECANCELED ? *(int *)arg : r;
}

static rill_time time_or_none[] = { RILL_MS(1), 0 };

/* test_wait_for_reraises_exception_during_cancellation. */
static int wait_for_gives_the_error_of_a_task_that_fails_in_its_clean_up(void *arg)
{
    static int eio = -EIO;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(fail_when_cancelled, &eio));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_wait_for(task, time_or_none[i]), -EIO);
        EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    }
    return 0;
}

/* WaitForShieldTests: the shield is cancelled, what it stands for goes on. */
static int wait_for_a_shield_times_out_and_leaves_the_task(void *arg)
{
    static int five = 5;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
        OWNED_FUTURE rill_future *shield = rill_shield(task);
        EXPECT_IS(rill_wait_for(shield, time_or_none[i]), -ETIME);
        EXPECT(rill_cancelled(shield) && !rill_done(task));
        rill_cancel(task, NULL);
        EXPECT_IS(rill_await(task), -ECANCELED);
    }
    OWNED_FUTURE rill_task *quick = rill_create_task(RILL_CORO(return_int, &five));
    OWNED_FUTURE rill_future *over = rill_shield(quick);
    EXPECT_IS(rill_wait_for(over, RILL_FOREVER), 5);
    return 0;
}

/* A gather that is waited for: all its members are cancelled and have ended. */
static int wait_for_a_gather_times_out_with_its_members(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        rill_future *members[] = { kept(rill_create_task(RILL_CORO(end_slowly, NULL))),
                                   kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL))) };
        EXPECT_IS(rill_sleep(0), 0);
        OWNED_FUTURE rill_future *all = rill_gather(2, members, RILL_RETURN_ERRORS);
        EXPECT_IS(rill_wait_for(all, time_or_none[i]), -ETIME);
        EXPECT(rill_cancelled(members[0]) && rill_cancelled(members[1]));
    }
    EXPECT_TRACE("sese");
    return 0;
}

static int scope_cancel_ends_the_block_and_is_no_error(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    int asked = rill_scope_cancel(&scope, "enough");
    int twice = rill_scope_cancel(&scope, "enough");
    r = rill_scope_leave(&scope, rill_sleep(RILL_SEC(60)));
    EXPECT_IS(asked, 0);
    EXPECT_IS(twice, -EINVAL);
    EXPECT_IS(r, 0);
    EXPECT(!rill_scope_expired(&scope));
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

/* The deadline is on the queue when the block ends: it must not fire into what comes after. */
static int scope_left_in_the_turn_of_its_deadline_does_not_fire_later(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_timeout(&scope, RILL_MS(1));
    if (r < 0)
        return r;
    be_busy_until(rill_now() + RILL_MS(2));
    r = rill_scope_leave(&scope, 0);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return 0;
}

static int call_in_time(void *arg)
{
    (void)arg;
    int r = rill_sleep(0);
    return r < 0 ? r : 12;
}

static int wait_for_call_gives_the_result_of_a_call_in_time(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_wait_for_call(RILL_CORO(call_in_time, NULL), RILL_SEC(60)), 12);
    EXPECT_IS(rill_wait_for_call(RILL_CORO(sleep_for_ever, NULL), RILL_MS(1)), -ETIME);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int cancel_scopes_in_the_clean_up(void *arg)
{
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    (void)arg;
    int first = rill_sleep(RILL_FOREVER);
    int r = rill_scope_enter(&scope);
    if (r == 0)
        r = rill_scope_cancel(&scope, NULL);
    r = rill_scope_leave(&scope, r);
    trace(r == 0 && rill_sleep(0) == 0 ? 's' : '?');
    r = rill_group_enter(&group);
    if (r == 0)
        r = rill_group_cancel(&group, NULL);
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    trace(r == 0 && rill_sleep(0) == 0 ? 'g' : '?');
    return first;
}

/* The count stays above 0 for the request that the clean-up is about. */
static int request_of_a_clean_up_scope_that_was_never_delivered_is_taken_back(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_scopes_in_the_clean_up, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("sg");
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

/* Which deadlines have passed when is a matter of milliseconds: on a clock that nobody else slows down. */
static const rill_sim_opts world = { .seed = 3 };
static const rill_loop_opts simulated = { .sim = &world };

static const struct scenario scenarios[] = {
    SCENARIO(wait_for_without_time_gives_the_result_of_a_done_future),
    SCENARIO(wait_for_without_time_never_starts_a_new_task),
    SCENARIO(wait_for_call_delivers_a_pending_cancel_and_never_starts),
    SCENARIO(wait_for_without_time_cancels_a_running_task_and_waits_for_its_end),
    SCENARIO(wait_for_returns_when_the_cancelled_task_has_really_ended),
    SCENARIO(wait_for_gives_the_value_of_a_task_that_took_the_cancel),
    SCENARIO(cancel_of_wait_for_cancels_the_inner_task),
    SCENARIO(cancel_in_the_turn_of_the_inner_result_leaves_that_result),
    SCENARIO(result_set_before_the_deadline_is_delivered),
    SCENARIO_WITH(deadline_in_the_turn_of_the_result_is_a_timeout_and_the_result_stays, &simulated),
    SCENARIO(cancel_of_wait_for_waits_for_a_stubborn_inner_task),
    SCENARIO(wait_for_oneself_is_an_error),
    SCENARIO_WITH(nested_scopes_of_one_deadline_report_at_the_outermost, &simulated),
    SCENARIO_WITH(nested_scopes_after_a_busy_stretch_report_what_had_passed, &simulated),
    SCENARIO_WITH(foreign_error_passes_a_scope_unchanged_also_after_its_deadline, &simulated),
    SCENARIO(deadline_in_the_past_fires_at_the_first_suspension),
    SCENARIO(deadline_in_the_past_is_harmless_without_a_suspension),
    SCENARIO(disabled_deadline_never_fires_and_can_be_moved),
    SCENARIO(reschedule_outside_of_the_block_is_an_error),
    SCENARIO(scope_in_the_clean_up_of_a_cancelled_task_times_out_by_itself),
    SCENARIO(second_cancel_inside_a_clean_up_scope_stays_a_cancel),
    SCENARIO(request_of_a_clean_up_scope_that_was_never_delivered_is_taken_back),
    SCENARIO(scope_entered_twice_is_an_error),
    SCENARIO(scope_cancel_ends_the_block_and_is_no_error),
    SCENARIO(scope_left_in_the_turn_of_its_deadline_does_not_fire_later),
    SCENARIO(wait_for_call_gives_the_result_of_a_call_in_time),
    SCENARIO(deadline_can_be_moved_by_another_task),
    SCENARIO(deadline_of_a_scope_that_was_left_can_be_read),
    SCENARIO(cancel_before_the_deadline_is_no_timeout),
    SCENARIO(scope_in_the_clean_up_of_a_timed_out_block_times_out_as_well),
    SCENARIO(wait_for_gives_the_error_of_a_task_that_fails_in_its_clean_up),
    SCENARIO(wait_for_a_shield_times_out_and_leaves_the_task),
    SCENARIO(wait_for_a_gather_times_out_with_its_members),
    OUTSIDE(scope_outside_of_a_task_is_an_error),
};

int main(void)
{
    return RUN_SCENARIOS("timeout", scenarios);
}
