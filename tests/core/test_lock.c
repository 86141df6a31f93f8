/* test_lock.c - locks: one holder, served in order of arrival, handed on past the cancelled. */
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <signal.h>
#include <sys/wait.h>

static rill_lock lock; /* of the running scenario */
static rill_task *tasks[8];

static int take_and_keep(void *arg)
{
    int r = rill_lock_acquire(&lock);
    if (r == 0)
        trace(*(char *)arg);
    return r;
}

static int take_and_give(void *arg)
{
    int r = take_and_keep(arg);
    return r < 0 ? r : rill_lock_release(&lock);
}

/* Start `count` tasks named a, b, c, and let them run until they wait. */
static int start(rill_fn *fn, size_t count)
{
    static char letters[] = "abcdefgh";
    for (size_t i = 0; i < count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(fn, &letters[i])));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, tasks);
}

static int fresh_lock_that_we_hold(void)
{
    lock = (rill_lock){ 0 };
    return rill_lock_acquire(&lock);
}

/* test_release_no_waiters, test_lock: a zeroed lock is a free one. */
static int zeroed_lock_is_free_and_can_be_taken_and_given_back(void *arg)
{
    (void)arg;
    lock = (rill_lock){ 0 };
    EXPECT(!rill_lock_locked(&lock));
    EXPECT(rill_lock_holder(&lock) == NULL);
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT(rill_lock_locked(&lock));
    EXPECT(rill_lock_holder(&lock) == rill_current_task());
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(!rill_lock_locked(&lock));
    EXPECT(rill_lock_holder(&lock) == NULL);
    return 0;
}

/* Row 90: each release lets one go on, in the order in which they came. */
static int waiters_get_the_lock_in_order_of_arrival(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_keep, 2), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(rill_lock_holder(&lock) == tasks[0]);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    static char c = 'c';
    tasks[2] = kept(rill_create_task(RILL_CORO(take_and_keep, &c)));
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("ab");
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    EXPECT(rill_done(tasks[0]) && rill_done(tasks[1]) && rill_done(tasks[2]));
    return 0;
}

/* Row 90: who comes between the release and the run of the waiter does not pass it. */
static int nobody_passes_a_waiter_that_the_lock_was_handed_to(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_give, 2), 0);
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(!rill_lock_locked(&lock));            /* nobody holds it until the waiter runs */
    EXPECT_IS(rill_lock_release(&lock), -EPERM); /* nor can it be taken away from the waiter */
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    EXPECT_TRACE("ab");
    return rill_lock_release(&lock);
}

/* test_acquire_cancel. */
static int cancelled_waiter_leaves_nothing_behind(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_keep, 1), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(rill_lock_holder(&lock) == NULL);
    return 0;
}

/* Row 91, test_cancel_race: the holder releases and the first waiter is cancelled in one turn. */
static int waiter_cancelled_before_the_release_is_skipped(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_give, 2), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancelled(tasks[0]));
    EXPECT_IS(rill_await(tasks[1]), 0);
    EXPECT_TRACE("b");
    EXPECT(!rill_lock_locked(&lock));
    return 0;
}

/* Row 91, R29: the lock was handed over; the cancel wins and the next one gets it. */
static int waiter_cancelled_after_the_release_hands_the_lock_on(void *arg)
{
    (void)arg;
    for (size_t victim = 0; victim < 3; victim++) {
        EXPECT_IS(fresh_lock_that_we_hold(), 0);
        EXPECT_IS(start(take_and_give, 3), 0);
        EXPECT_IS(rill_lock_release(&lock), 0);
        for (size_t i = 0; i <= victim; i++)
            EXPECT(rill_cancel(tasks[i], NULL));
        for (size_t i = 0; i < 3; i++)
            EXPECT_IS(rill_await(tasks[i]), i <= victim ? -ECANCELED : 0);
        EXPECT(!rill_lock_locked(&lock));
        EXPECT(rill_lock_holder(&lock) == NULL);
    }
    EXPECT_TRACE("bcc");
    return 0;
}

/* test_cancel_release_race: one release, one lock taken, whatever is cancelled. */
static int cancel_and_release_in_one_turn_let_one_waiter_in(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_keep, 3), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(rill_await(tasks[1]), 0);
    EXPECT_TRACE("b");
    EXPECT(!rill_done(tasks[2]));
    EXPECT(rill_cancel(tasks[2], NULL));
    EXPECT_IS(rill_await(tasks[2]), -ECANCELED);
    return 0;
}

/* test_finished_waiter_cancelled: somebody who has not come yet is not forgotten. */
static int latecomer_gets_the_lock_of_a_waiter_cancelled_in_that_turn(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_keep, 1), 0);
    static char b = 'b';
    tasks[1] = kept(rill_create_task(RILL_CORO(take_and_keep, &b)));
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_lock_locked(&lock));
    EXPECT(rill_cancelled(tasks[0]));
    EXPECT_IS(rill_await(tasks[1]), 0);
    return 0;
}

/* Rule 4.2 and uncancel: a request taken back in time costs the waiter nothing. */
static int cancel_that_is_withdrawn_before_the_waiter_runs_leaves_it_the_lock(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(start(take_and_keep, 1), 0);
    EXPECT_IS(rill_lock_release(&lock), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_uncancel(tasks[0]), 0);
    EXPECT_IS(rill_await(tasks[0]), 0);
    EXPECT(rill_lock_locked(&lock));
    return 0;
}

/* Rule 4.2: delivered by an await that would not have had to wait. */
static int pending_cancel_comes_before_a_free_lock(void *arg)
{
    (void)arg;
    lock = (rill_lock){ 0 };
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_lock_acquire(&lock), -ECANCELED);
    EXPECT(!rill_lock_locked(&lock));
    rill_uncancel(rill_current_task());
    return 0;
}

/* A deadline and the hand-over in one turn: the deadline comes first, the lock goes on. */
static int timed_out_waiter_hands_the_lock_on(void *arg)
{
    (void)arg;
    rill_scope scope = { 0 };
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    int r = rill_lock_acquire(&lock); /* we hold it ourselves: nobody will release it */
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT(rill_lock_locked(&lock));
    return rill_lock_release(&lock);
}

/* test_release_not_acquired. */
static int release_of_a_free_lock_is_an_error(void *arg)
{
    (void)arg;
    lock = (rill_lock){ 0 };
    EXPECT_IS(rill_lock_release(&lock), -EPERM);
    EXPECT(!rill_lock_locked(&lock));
    return 0;
}

static void release_it(void *arg)
{
    EXPECT_HERE(rill_lock_release(arg) == 0);
}

/* As in asyncio, anybody may release, also a callback. */
static int callback_can_release_what_a_task_holds(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh_lock_that_we_hold(), 0);
    EXPECT(rill_call_soon(rill_get_running_loop(), release_it, &lock).entry != NULL);
    EXPECT_IS(rill_lock_acquire(&lock), 0);
    return rill_lock_release(&lock);
}

static int hold_until_return(bool fail)
{
    RILL_AUTO_LOCK rill_lock *held = NULL;
    int r = fail ? -EIO : rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    held = &lock;
    return rill_lock_locked(&lock) ? 0 : -EBADMSG;
}

/* test_context_manager. */
static int auto_lock_is_released_when_the_block_is_left(void *arg)
{
    (void)arg;
    lock = (rill_lock){ 0 };
    EXPECT_IS(hold_until_return(false), 0);
    EXPECT(!rill_lock_locked(&lock));
    EXPECT_IS(hold_until_return(true), -EIO);
    return 0;
}

static int count_to_ten(void *arg)
{
    int *count = arg;
    for (int i = 0; i < 10; i++) {
        int r = rill_lock_acquire(&lock);
        if (r < 0)
            return r;
        int seen = *count;
        r = rill_sleep(0);
        *count = seen + 1;
        (void)rill_lock_release(&lock);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What a lock is for: nobody comes between the read and the write, though there is an await. */
static int holder_is_alone_across_an_await(void *arg)
{
    static int count;
    (void)arg;
    lock = (rill_lock){ 0 };
    count = 0;
    for (size_t i = 0; i < 8; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(count_to_ten, &count)));
    for (size_t i = 0; i < 8; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    EXPECT_IS(count, 80);
    return 0;
}

static int take_in_other_loop(void *arg)
{
    (void)arg;
    return rill_lock_acquire(&lock);
}

static int hold_and_stop(void *arg)
{
    int r = rill_lock_acquire(&lock);
    if (r == 0)
        rill_loop_stop(arg);
    return r == 0 ? rill_sleep(RILL_FOREVER) : r;
}

/* A lock that one loop uses is not another one's; when that loop has gone, it is. */
static void lock_in_use_by_another_loop_is_refused(void **state)
{
    rill_loop *loop = NULL;
    (void)state;
    lock = (rill_lock){ 0 };
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(hold_and_stop, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_run(RILL_CORO(take_in_other_loop, NULL)), -EXDEV);
    assert_ptr_equal(rill_lock_holder(&lock), task);
    rill_cancel(task, NULL);
    rill_loop_close(loop);
    assert_null(rill_lock_holder(&lock)); /* it ended without a release */
    rill_unref(task);
    assert_int_equal(rill_lock_release(&lock), 0);
    assert_int_equal(rill_run(RILL_CORO(take_in_other_loop, NULL)), 0);
}

static int release_free_lock(void *arg)
{
    (void)arg;
    lock = (rill_lock){ 0 };
    return rill_lock_release(&lock);
}

static int release_free_lock_strictly(void *arg)
{
    static const rill_loop_opts strict = { .strict = true };
    (void)arg;
    return rill_run_with(RILL_CORO(release_free_lock, NULL), &strict);
}

/* Section 4, misuse: as for all objects of this folder, which share the call. */
static void misuse_on_a_strict_loop_aborts(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(release_free_lock, NULL)), -EPERM);
    assert_int_equal(child_run(&child, release_free_lock_strictly, NULL), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGABRT);
    assert_non_null(strstr(child.text, "rill: misuse: EPERM\n"));
}

/* There is nobody who could wait. */
static void lock_outside_of_tasks_is_refused(void **state)
{
    (void)state;
    lock = (rill_lock){ 0 };
    assert_int_equal(rill_lock_acquire(&lock), -ESRCH);
    assert_false(rill_lock_locked(&lock));
}

static const struct scenario scenarios[] = {
    SCENARIO(zeroed_lock_is_free_and_can_be_taken_and_given_back),
    SCENARIO(waiters_get_the_lock_in_order_of_arrival),
    SCENARIO(nobody_passes_a_waiter_that_the_lock_was_handed_to),
    SCENARIO(cancelled_waiter_leaves_nothing_behind),
    SCENARIO(waiter_cancelled_before_the_release_is_skipped),
    SCENARIO(waiter_cancelled_after_the_release_hands_the_lock_on),
    SCENARIO(cancel_and_release_in_one_turn_let_one_waiter_in),
    SCENARIO(latecomer_gets_the_lock_of_a_waiter_cancelled_in_that_turn),
    SCENARIO(cancel_that_is_withdrawn_before_the_waiter_runs_leaves_it_the_lock),
    SCENARIO(pending_cancel_comes_before_a_free_lock),
    SCENARIO(timed_out_waiter_hands_the_lock_on),
    SCENARIO(release_of_a_free_lock_is_an_error),
    SCENARIO(callback_can_release_what_a_task_holds),
    SCENARIO(auto_lock_is_released_when_the_block_is_left),
    SCENARIO(holder_is_alone_across_an_await),
    OUTSIDE(lock_in_use_by_another_loop_is_refused),
    OUTSIDE(misuse_on_a_strict_loop_aborts),
    OUTSIDE(lock_outside_of_tasks_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("lock", scenarios);
}
