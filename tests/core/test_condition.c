/* test_condition.c - conditions: the lock is given up while waiting and held again afterwards. */
#include "tests/support/expect.h"

static rill_lock lock; /* of the running scenario */
static rill_condition changed;
static rill_task *tasks[3];
static int state; /* what the predicates look at */

static char letters[] = "abc";

/* However the block is left, its task does not take the lock along: others wait for it, and a wait on a
 * condition does not end without it. */
#define OWN_LOCK __attribute__((cleanup(give_back))) rill_lock *own __attribute__((unused)) = &lock

static void give_back(rill_lock **own)
{
    if (rill_lock_holder(*own) == rill_current_task())
        (void)rill_lock_release(*own);
}

static void make(void)
{
    lock = (rill_lock){ 0 };
    (void)rill_condition_init(&changed, &lock);
    state = 0;
}

static int start(rill_fn *fn, size_t count)
{
    make();
    for (size_t i = 0; i < count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(fn, &letters[i])));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, tasks);
}

/* Waits with the lock and keeps it. */
static int wait_and_keep(void *arg)
{
    int r = rill_lock_acquire(&lock);
    if (r == 0)
        r = rill_condition_wait(&changed);
    if (r == 0)
        trace(*(char *)arg);
    return r;
}

/* Waits with the lock and gives it back. */
static int wait_and_give(void *arg)
{
    RILL_AUTO_LOCK rill_lock *held = NULL;
    int r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    held = &lock;
    r = rill_condition_wait(&changed);
    EXPECT(rill_lock_holder(&lock) == rill_current_task()); /* however it ended */
    trace(r == 0 ? *(char *)arg : '!');
    return r;
}

static int notify_once(size_t count)
{
    int r = rill_lock_acquire(&lock);
    if (r == 0)
        r = rill_condition_notify(&changed, count);
    return r == 0 ? rill_lock_release(&lock) : r;
}

/* test_wait: waiters go on one by one, as they get the lock. */
static int notified_waiters_go_on_as_they_get_the_lock(void *arg)
{
    (void)arg;
    EXPECT_IS(start(wait_and_keep, 3), 0);
    EXPECT(!rill_lock_locked(&lock));
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT_IS(rill_condition_notify(&changed, 1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("");
    EXPECT(rill_lock_locked(&lock));
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT(rill_lock_locked(&lock)); /* by the first task, which has ended: anybody may notify */
    EXPECT_IS(rill_condition_notify(&changed, 2), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("ab");
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    EXPECT(rill_done(tasks[0]) && rill_done(tasks[1]) && rill_done(tasks[2]));
    return 0;
}

/* test_notify, test_notify_all: in order of arrival, more than there are is all. */
static int notify_wakes_the_first_ones(void *arg)
{
    (void)arg;
    EXPECT_IS(start(wait_and_give, 3), 0);
    EXPECT_IS(notify_once(1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT_IS(notify_once(0), 0);
    EXPECT_IS(notify_once(1), 0);
    EXPECT_IS(notify_once(2048), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    EXPECT_IS(rill_await(tasks[2]), 0);
    EXPECT(!rill_lock_locked(&lock));
    return 0;
}

static int notify_all_wakes_everybody(void *arg)
{
    OWN_LOCK;
    (void)arg;
    EXPECT_IS(start(wait_and_give, 3), 0);
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT_IS(rill_condition_notify_all(&changed), 0);
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    EXPECT_IS(rill_condition_fini(&changed), 0);
    return 0;
}

/* Row 94, test_wait_cancel, test_cancelled_error_wakeup: the lock is free; the text comes along. */
static int cancelled_wait_ends_with_the_lock_held(void *arg)
{
    (void)arg;
    EXPECT_IS(start(wait_and_give, 1), 0);
    EXPECT(rill_cancel(tasks[0], "foo"));
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_TRACE("!");
    EXPECT(says(rill_error(tasks[0]), "foo"));
    EXPECT(!rill_lock_locked(&lock));
    EXPECT_IS(rill_condition_fini(&changed), 0);
    return 0;
}

/* Row 94, test_wait_cancel_contested: somebody else has the lock when the cancel comes. */
static int cancelled_wait_waits_for_a_lock_that_is_taken(void *arg)
{
    OWN_LOCK;
    (void)arg;
    for (int notified = 0; notified < 2; notified++) {
        EXPECT_IS(start(wait_and_give, 1), 0);
        EXPECT_IS(rill_lock_acquire(&lock), 0);
        if (notified)
            EXPECT_IS(rill_condition_notify(&changed, 1), 0);
        EXPECT(rill_cancel(tasks[0], NULL));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(!rill_done(tasks[0]));
        EXPECT_IS(rill_condition_fini(&changed), -EBUSY);
        EXPECT_IS(rill_lock_release(&lock), 0);
        EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
        EXPECT(!rill_lock_locked(&lock));
    }
    EXPECT_TRACE("!!");
    return 0;
}

/* Row 95, test_wait_cancel_after_notify, test_cancelled_error_re_aquire: once, and twice. */
static int cancel_while_the_lock_is_taken_again_is_reported_when_it_is_held(void *arg)
{
    OWN_LOCK;
    (void)arg;
    for (int requests = 1; requests < 3; requests++) {
        EXPECT_IS(start(wait_and_give, 1), 0);
        EXPECT_IS(rill_lock_acquire(&lock), 0);
        EXPECT_IS(rill_condition_notify(&changed, 1), 0);
        EXPECT_IS(rill_sleep(0), 0); /* it wants the lock now */
        for (int i = 0; i < requests; i++) {
            EXPECT(rill_cancel(tasks[0], "foo"));
            EXPECT_IS(rill_sleep(0), 0);
        }
        EXPECT(!rill_done(tasks[0]));
        EXPECT_IS(rill_lock_release(&lock), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancelled(tasks[0]));
        EXPECT(says(rill_error(tasks[0]), "foo"));
        EXPECT_IS(rill_cancelling(tasks[0]), requests);
    }
    EXPECT_TRACE("!!");
    return 0;
}

/* Row 95: the lock was handed to it, and then the request came. */
static int cancel_after_the_lock_was_handed_over_keeps_the_lock(void *arg)
{
    OWN_LOCK;
    (void)arg;
    EXPECT_IS(start(wait_and_give, 1), 0);
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT_IS(rill_condition_notify(&changed, 1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_TRACE("!");
    EXPECT(!rill_lock_locked(&lock));
    return 0;
}

/* Row 94, test_timeout_in_block. */
static int timed_out_wait_ends_with_the_lock_held(void *arg)
{
    OWN_LOCK;
    rill_scope scope = { 0 };
    (void)arg;
    make();
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    int r = rill_condition_wait(&changed);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT(rill_lock_holder(&lock) == rill_current_task());
    return rill_lock_release(&lock);
}

/* Rows 97 and 4.2; test_notify_all_unacquired. */
static int wait_and_notify_without_the_lock_are_errors(void *arg)
{
    (void)arg;
    make();
    EXPECT_IS(rill_condition_wait(&changed), -EPERM);
    EXPECT_IS(rill_condition_notify(&changed, 1), -EPERM);
    EXPECT_IS(rill_condition_notify_all(&changed), -EPERM);
    EXPECT_IS(rill_condition_init(&changed, NULL), -EINVAL);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_condition_wait(&changed), -ECANCELED);
    rill_uncancel(rill_current_task());
    return 0;
}

static bool is_not_zero(void *arg)
{
    return *(int *)arg != 0;
}

static bool is_zero(void *arg)
{
    return *(int *)arg == 0;
}

static int wait_for_state(void *arg)
{
    RILL_AUTO_LOCK rill_lock *held = NULL;
    int r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    held = &lock;
    r = rill_condition_wait_for(&changed, is_not_zero, &state);
    if (r == 0)
        trace(*(char *)arg);
    return r;
}

/* test_wait_for: a notification without the state is not enough. */
static int wait_for_goes_on_when_the_predicate_holds(void *arg)
{
    (void)arg;
    EXPECT_IS(start(wait_for_state, 1), 0);
    EXPECT_IS(notify_once(1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("");
    state = 1;
    EXPECT_IS(notify_once(1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_await(tasks[0]), 0);
    return 0;
}

/* test_wait_for_unacquired. */
static int wait_for_what_holds_already_needs_no_lock(void *arg)
{
    (void)arg;
    make();
    EXPECT_IS(rill_condition_wait_for(&changed, is_not_zero, &state), -EPERM);
    state = 1;
    EXPECT_IS(rill_condition_wait_for(&changed, is_not_zero, &state), 0);
    return 0;
}

/* Takes one off the state each time; ends when it is negative. */
static int consume(void *arg)
{
    RILL_AUTO_LOCK rill_lock *held = NULL;
    (void)arg;
    int r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    held = &lock;
    for (;;) {
        r = rill_condition_wait_for(&changed, is_not_zero, &state);
        if (r < 0 || state < 0)
            return r;
        state--;
    }
}

/* With the lock held: produce, cancel the first consumer, and see the second one consume. */
static int produce_and_cancel_the_first(int turns)
{
    rill_scope scope = { 0 };
    state = 1;
    EXPECT_IS(rill_condition_notify(&changed, 1), 0);
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_timeout(&scope, RILL_MS(10)), 0);
    int r = rill_condition_wait_for(&changed, is_zero, &state);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME); /* nobody notifies us */
    EXPECT_IS(state, 0);
    state = -1;
    EXPECT_IS(rill_condition_notify_all(&changed), 0);
    return 0;
}

/* R29, test_cancelled_wakeup, test_cancelled_wakeup_relock: in the turn of the notify, and while it
 * wants the lock again; the notification goes to the next. */
static int notification_of_a_cancelled_waiter_goes_to_the_next(void *arg)
{
    OWN_LOCK;
    (void)arg;
    for (int turns = 0; turns < 2; turns++) {
        EXPECT_IS(start(consume, 2), 0);
        EXPECT_IS(rill_lock_acquire(&lock), 0);
        EXPECT_IS(produce_and_cancel_the_first(turns), 0);
        EXPECT_IS(rill_lock_release(&lock), 0);
        EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
        EXPECT_IS(rill_await(tasks[1]), 0);
    }
    return 0;
}

/* R29: a request that comes before the notify takes nothing away. */
static int waiter_cancelled_before_the_notify_is_skipped(void *arg)
{
    OWN_LOCK;
    (void)arg;
    for (size_t victim = 0; victim < 3; victim++) {
        EXPECT_IS(start(wait_and_give, 3), 0);
        EXPECT_IS(rill_lock_acquire(&lock), 0);
        EXPECT(rill_cancel(tasks[victim], NULL));
        EXPECT_IS(rill_condition_notify(&changed, 2), 0);
        EXPECT_IS(rill_lock_release(&lock), 0);
        for (size_t i = 0; i < 3; i++)
            EXPECT_IS(rill_await(tasks[i]), i == victim ? -ECANCELED : 0);
    }
    return 0;
}

/* In a block without grace each await fails, but this one has the lock when it does. */
static int wait_and_fail_hard(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    int r = rill_scope_enter(&scope);
    if (r == 0)
        r = rill_scope_set_grace(&scope, 0);
    if (r == 0)
        r = wait_and_give(arg);
    int next = rill_sleep(0);
    r = rill_scope_leave(&scope, r);
    trace(next == -ECANCELED ? 'h' : '-');
    return r;
}

/* Rule 4.6: the hard phase does not take the lock away from who waits on a condition. */
static int hard_phase_waits_for_the_lock(void *arg)
{
    OWN_LOCK;
    (void)arg;
    EXPECT_IS(start(wait_and_fail_hard, 1), 0);
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_TRACE("!h");
    EXPECT(!rill_lock_locked(&lock));
    return 0;
}

static int hold_and_stop(void *arg)
{
    int r = rill_lock_acquire(&lock);
    if (r == 0)
        rill_loop_stop(arg);
    return r == 0 ? rill_condition_wait(&changed) : r;
}

static int wait_in_other_loop(void *arg)
{
    (void)arg;
    rill_lock other = { 0 };
    rill_condition on_other;
    EXPECT_IS(rill_lock_acquire(&lock), 0); /* free while the other one waits */
    EXPECT_IS(rill_condition_wait(&changed), -EXDEV);
    EXPECT(rill_lock_holder(&lock) == rill_current_task());
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_condition_init(&on_other, &other), 0);
    EXPECT_IS(rill_condition_wait(&on_other), -EPERM);
    return 0;
}

/* test_ambiguous_loops. */
static void condition_of_another_loop_is_refused(void **unused)
{
    rill_loop *loop = NULL;
    (void)unused;
    make();
    assert_int_equal(rill_condition_wait(&changed), -ESRCH);
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(hold_and_stop, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(run_main(wait_in_other_loop, NULL), 0);
    rill_cancel(task, NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -ECANCELED);
    rill_unref(task);
    rill_loop_close(loop);
}

static const struct scenario scenarios[] = {
    SCENARIO_ONCE(notified_waiters_go_on_as_they_get_the_lock), /* its tasks end with the lock */
    SCENARIO(notify_wakes_the_first_ones),
    SCENARIO(notify_all_wakes_everybody),
    SCENARIO(cancelled_wait_ends_with_the_lock_held),
    SCENARIO(cancelled_wait_waits_for_a_lock_that_is_taken),
    SCENARIO(cancel_while_the_lock_is_taken_again_is_reported_when_it_is_held),
    SCENARIO(cancel_after_the_lock_was_handed_over_keeps_the_lock),
    SCENARIO(timed_out_wait_ends_with_the_lock_held),
    SCENARIO(wait_and_notify_without_the_lock_are_errors),
    SCENARIO(wait_for_goes_on_when_the_predicate_holds),
    SCENARIO(wait_for_what_holds_already_needs_no_lock),
    SCENARIO(notification_of_a_cancelled_waiter_goes_to_the_next),
    SCENARIO(waiter_cancelled_before_the_notify_is_skipped),
    SCENARIO(hard_phase_waits_for_the_lock),
    OUTSIDE(condition_of_another_loop_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("condition", scenarios);
}
