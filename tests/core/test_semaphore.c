/* test_semaphore.c - semaphores: strictly first come, first served, and no permit is ever lost. */
#include "tests/support/expect.h"

static rill_semaphore permits; /* of the running scenario */
static rill_task *tasks[4];

static char letters[] = "abcd";

static int take_and_keep(void *arg)
{
    int r = rill_semaphore_acquire(&permits);
    if (r == 0)
        trace(*(char *)arg);
    return r;
}

static int start(int value, rill_fn *fn, size_t count)
{
    (void)rill_semaphore_init(&permits, value);
    for (size_t i = 0; i < count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(fn, &letters[i])));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, tasks);
}

/* How many permits can be taken now; they are given back. */
static int count_permits(void)
{
    int count = 0;
    for (; !rill_semaphore_locked(&permits); count++)
        if (rill_semaphore_acquire(&permits) < 0)
            break;
    for (int i = 0; i < count; i++)
        (void)rill_semaphore_release(&permits);
    return count;
}

/* test_initial_value_zero, test_semaphore_value, test_release_no_waiters. */
static int value_is_the_number_of_permits(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init(&permits, -1), -EINVAL);
    EXPECT_IS(rill_semaphore_init_bounded(&permits, -1), -EINVAL);
    EXPECT_IS(rill_semaphore_init(&permits, 0), 0);
    EXPECT(rill_semaphore_locked(&permits));
    EXPECT_IS(rill_semaphore_init(&permits, 3), 0);
    EXPECT_IS(count_permits(), 3);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(count_permits(), 4);
    EXPECT_IS(rill_semaphore_fini(&permits), 0);
    EXPECT_IS(rill_semaphore_fini(NULL), 0);
    return 0;
}

/* test_release_not_acquired: one release too many. */
static int bounded_semaphore_takes_no_more_than_it_gave(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init_bounded(&permits, 2), 0);
    EXPECT_IS(rill_semaphore_release(&permits), -EOVERFLOW);
    EXPECT_IS(rill_semaphore_acquire(&permits), 0);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_semaphore_release(&permits), -EOVERFLOW);
    EXPECT_IS(count_permits(), 2);
    return 0;
}

/* test_acquire. */
static int waiters_get_permits_in_order_of_arrival(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init(&permits, 1), 0);
    for (size_t i = 0; i < 3; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[i])));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    EXPECT(rill_semaphore_locked(&permits));
    tasks[3] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[3])));
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    EXPECT(rill_semaphore_locked(&permits));
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_await(tasks[3]), 0);
    return 0;
}

static int take_twice(void *arg)
{
    for (int i = 0; i < 2; i++) {
        int r = take_and_keep(arg);
        if (r < 0)
            return r;
        r = rill_sleep(0);
        (void)rill_semaphore_release(&permits);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Row 98, test_acquire_fifo_order: who releases and acquires again goes behind those who wait. */
static int releasing_and_acquiring_again_passes_nobody(void *arg)
{
    (void)arg;
    EXPECT_IS(start(1, take_twice, 3), 0);
    for (size_t i = 0; i < 3; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    EXPECT_TRACE("abcabc");
    return 0;
}

static int take_give_take(void *arg)
{
    int r = take_and_keep(arg);
    (void)rill_semaphore_release(&permits);
    return r < 0 ? r : take_and_keep(&letters[3]);
}

/* Row 98, test_acquire_fifo_order_2. */
static int waiter_that_acquires_again_comes_last(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init(&permits, 1), 0);
    tasks[0] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[0])));
    tasks[1] = kept(rill_create_task(RILL_CORO(take_give_take, &letters[1])));
    tasks[2] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[2])));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    for (size_t i = 0; i < 3; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    EXPECT_TRACE("abcd");
    return 0;
}

/* Row 99, test_acquire_fifo_order_3, test_acquire_cancel_before_awoken, test_acquire_hang: each one
 * of the waiters is cancelled before the releases, in their turn or one before. */
static int waiter_cancelled_before_the_release_is_skipped(void *arg)
{
    (void)arg;
    for (int turns = 0; turns < 2; turns++) {
        for (size_t victim = 0; victim < 3; victim++) {
            EXPECT_IS(start(0, take_and_keep, 3), 0);
            EXPECT(rill_cancel(tasks[victim], NULL));
            EXPECT_IS(give_up_turns(&turns), 0);
            EXPECT_IS(rill_semaphore_release(&permits), 0);
            EXPECT_IS(rill_semaphore_release(&permits), 0);
            for (size_t i = 0; i < 3; i++)
                EXPECT_IS(rill_await(tasks[i]), i == victim ? -ECANCELED : 0);
            EXPECT_IS(count_permits(), 0);
        }
    }
    EXPECT_TRACE("bcacabbcacab");
    return 0;
}

/* Row 99, R29: permits were handed to all of them; those of the cancelled go on. */
static int waiter_cancelled_after_the_release_hands_its_permit_on(void *arg)
{
    (void)arg;
    for (size_t victim = 0; victim < 3; victim++) {
        for (int releases = 1; releases < 4; releases++) {
            EXPECT_IS(start(0, take_and_keep, 4), 0);
            for (int i = 0; i < releases; i++)
                EXPECT_IS(rill_semaphore_release(&permits), 0);
            EXPECT(rill_cancel(tasks[victim], NULL));
            EXPECT_IS(rill_sleep(0), 0);
            EXPECT_IS(rill_sleep(0), 0);
            int taken = 0;
            for (size_t i = 0; i < 4; i++)
                taken += rill_done(tasks[i]) && !rill_cancelled(tasks[i]);
            EXPECT_IS(taken, releases);
            EXPECT(rill_cancelled(tasks[victim]));
            for (size_t i = 0; i < 4; i++)
                rill_cancel(tasks[i], NULL);
            EXPECT_IS(rill_sleep(0), 0);
            EXPECT_IS(count_permits(), 0);
        }
    }
    return 0;
}

static int release_and_cancel_the_second(void *arg)
{
    int r = take_and_keep(arg);
    if (r == 0)
        r = rill_sleep(0);
    (void)rill_semaphore_release(&permits);
    rill_cancel(tasks[1], NULL);
    return r;
}

/* Row 99, test_acquire_no_hang: the one who got the permit is cancelled, nobody else waits. */
static int permit_of_a_cancelled_waiter_can_be_taken_by_anybody(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init(&permits, 1), 0);
    tasks[0] = kept(rill_create_task(RILL_CORO(release_and_cancel_the_second, &letters[0])));
    tasks[1] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[1])));
    EXPECT_IS(rill_await(tasks[0]), 0);
    EXPECT_IS(rill_await(tasks[1]), -ECANCELED);
    EXPECT_TRACE("a");
    EXPECT_IS(rill_semaphore_acquire(&permits), 0);
    return 0;
}

static int release_three_and_take(void *arg)
{
    for (int i = 0; i < 3; i++)
        (void)rill_semaphore_release(&permits);
    EXPECT(rill_semaphore_locked(&permits)); /* the first one has not run yet */
    return take_and_keep(arg);
}

static int take_and_start_the_last(void *arg)
{
    int r = take_and_keep(arg);
    if (r == 0)
        tasks[3] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[3])));
    return r;
}

/* Row 98, test_acquire_fifo_order_4: nobody passes, though there are permits. */
static int nobody_passes_a_waiter_that_has_not_run_though_there_are_permits(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_semaphore_init(&permits, 0), 0);
    tasks[0] = kept(rill_create_task(RILL_CORO(take_and_start_the_last, &letters[0])));
    tasks[1] = kept(rill_create_task(RILL_CORO(release_three_and_take, &letters[1])));
    tasks[2] = kept(rill_create_task(RILL_CORO(take_and_keep, &letters[2])));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("");
    EXPECT(rill_semaphore_locked(&permits));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_semaphore_release(&permits), 0); /* for the last one */
    for (size_t i = 0; i < 3; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    EXPECT_IS(rill_await(tasks[3]), 0);
    EXPECT_TRACE("abcd");
    return 0;
}

/* Section 5 and rule 4.2. */
static int semaphore_with_waiters_is_not_ended(void *arg)
{
    (void)arg;
    EXPECT_IS(start(0, take_and_keep, 1), 0);
    EXPECT_IS(rill_semaphore_fini(&permits), -EBUSY);
    EXPECT_IS(rill_semaphore_release(&permits), 0);
    EXPECT_IS(rill_semaphore_fini(&permits), -EBUSY); /* it will look at it when it runs */
    EXPECT_IS(rill_await(tasks[0]), 0);
    EXPECT_IS(rill_semaphore_fini(&permits), 0);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_semaphore_acquire(&permits), -ECANCELED);
    rill_uncancel(rill_current_task());
    return 0;
}

static int stop_and_take(void *arg)
{
    rill_loop_stop(arg);
    return rill_semaphore_acquire(&permits);
}

static int take_here(void *arg)
{
    (void)arg;
    return rill_semaphore_acquire(&permits);
}

static void semaphore_of_another_loop_is_refused(void **state)
{
    rill_loop *loop = NULL;
    (void)state;
    assert_int_equal(rill_semaphore_init(&permits, 0), 0);
    assert_int_equal(rill_semaphore_acquire(&permits), -ESRCH);
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(stop_and_take, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_run(RILL_CORO(take_here, NULL)), -EXDEV);
    assert_int_equal(rill_semaphore_release(&permits), 0);
    assert_int_equal(rill_run_until_complete(loop, task), 0);
    rill_unref(task);
    rill_loop_close(loop);
}

static const struct scenario scenarios[] = {
    SCENARIO(value_is_the_number_of_permits),
    SCENARIO(bounded_semaphore_takes_no_more_than_it_gave),
    SCENARIO(waiters_get_permits_in_order_of_arrival),
    SCENARIO(releasing_and_acquiring_again_passes_nobody),
    SCENARIO(waiter_that_acquires_again_comes_last),
    SCENARIO(waiter_cancelled_before_the_release_is_skipped),
    SCENARIO(waiter_cancelled_after_the_release_hands_its_permit_on),
    SCENARIO(permit_of_a_cancelled_waiter_can_be_taken_by_anybody),
    SCENARIO(nobody_passes_a_waiter_that_has_not_run_though_there_are_permits),
    SCENARIO(semaphore_with_waiters_is_not_ended),
    OUTSIDE(semaphore_of_another_loop_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("semaphore", scenarios);
}
