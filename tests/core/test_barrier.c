/* test_barrier.c - barriers: all or nobody, each time anew, until somebody breaks it. */
#include "tests/support/expect.h"

enum { parties = 5 };

static rill_barrier barrier, second; /* of the running scenario */
static rill_task *tasks[2 * parties];
static int passed, broken, again; /* how often */
static bool cancels_wanted;       /* by the scenario itself */

static int fresh(int size)
{
    passed = broken = again = 0;
    cancels_wanted = false;
    int r = rill_barrier_init(&second, size);
    return r < 0 ? r : rill_barrier_init(&barrier, size);
}

static int start(rill_fn *fn, size_t from, size_t count)
{
    for (size_t i = from; i < from + count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(fn, NULL)));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, &tasks[from]);
}

static int start_and_join(rill_fn *fn)
{
    int r = start(fn, 0, parties);
    return r < 0 ? r : join_all(parties, tasks);
}

/* The barrier is as it was in the beginning. */
static bool is_fresh(const rill_barrier *one)
{
    return rill_barrier_n_waiting(one) == 0 && !rill_barrier_broken(one);
}

/* Who is cancelled will not come back: the others must not wait for him. */
static int meet(rill_barrier *at)
{
    int r = rill_barrier_wait(at);
    if (r == -ECANCELED && !cancels_wanted) {
        (void)rill_barrier_abort(&barrier);
        (void)rill_barrier_abort(&second);
    }
    return r;
}

static int wait_once(void *arg)
{
    (void)arg;
    int r = meet(&barrier);
    passed += r >= 0;
    broken += r == -ESTALE;
    return r;
}

/* test_barrier_parties, test_filling_one_task, test_filling_one_task_twice. */
static int barrier_for_one_never_waits(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_barrier_init(&barrier, 0), -EINVAL);
    EXPECT_IS(rill_barrier_init(&barrier, -4), -EINVAL);
    EXPECT_IS(rill_barrier_init(&barrier, 1), 0);
    EXPECT_IS(rill_barrier_wait(&barrier), 0);
    EXPECT_IS(rill_barrier_wait(&barrier), 0);
    EXPECT(is_fresh(&barrier));
    EXPECT_IS(rill_barrier_fini(&barrier), 0);
    EXPECT_IS(rill_barrier_fini(NULL), 0);
    return 0;
}

/* test_filling_task_by_task. */
static int tasks_wait_until_all_are_there(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(3), 0);
    for (int i = 1; i < 3; i++) {
        EXPECT_IS(start(wait_once, (size_t)i - 1, 1), 0);
        EXPECT_IS(rill_barrier_n_waiting(&barrier), i);
        EXPECT_IS(rill_barrier_fini(&barrier), -EBUSY);
    }
    EXPECT_IS(start(wait_once, 2, 1), 0);
    EXPECT_IS(rill_barrier_n_waiting(&barrier), 0);
    for (size_t i = 0; i < 3; i++)
        EXPECT_IS(rill_await(tasks[i]), i); /* the index, in order of arrival */
    EXPECT(is_fresh(&barrier));
    EXPECT_IS(rill_barrier_fini(&barrier), 0);
    return 0;
}

static int wait_twice(void *arg)
{
    int r = wait_once(arg);
    return r < 0 ? r : wait_once(arg);
}

static int check_indexes(void)
{
    unsigned seen = 0;
    for (size_t i = 0; i < parties; i++)
        seen |= 1u << rill_result(tasks[i]);
    EXPECT_IS(seen, (1u << parties) - 1);
    return 0;
}

/* Row 101, test_filling_tasks_wait_twice, test_filling_tasks_check_return_value. */
static int indexes_are_distinct_each_time(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start_and_join(wait_twice), 0);
    EXPECT_IS(passed, 2 * parties);
    EXPECT_IS(check_indexes(), 0);
    EXPECT(is_fresh(&barrier));
    return 0;
}

static int rewait; /* tasks that wait again before the others may */

static int wait_again_or_for_the_rest(void *arg)
{
    int r = wait_once(arg);
    if (r >= 0 && rewait-- <= 0)
        r = meet(&second); /* which is for exactly those */
    return r < 0 ? r : wait_once(arg);
}

/* Row 101, test_blocking_tasks_while_draining: who comes back early does not count for this time. */
static int latecomers_wait_while_the_barrier_drains(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(rill_barrier_init(&second, parties - 2), 0);
    rewait = 2;
    EXPECT_IS(start_and_join(wait_again_or_for_the_rest), 0);
    EXPECT_IS(passed, 2 * parties);
    EXPECT(is_fresh(&barrier) && is_fresh(&second));
    return 0;
}

/* More tasks than parties at once: two times, one after the other. */
static int crowd_passes_in_parties(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start(wait_once, 0, 2 * parties - 1), 0);
    EXPECT_IS(join_all(parties, tasks), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(passed, parties);
    EXPECT_IS(rill_barrier_n_waiting(&barrier), parties - 1);
    EXPECT_IS(rill_barrier_wait(&barrier), parties - 1);
    EXPECT_IS(join_all(2 * parties - 1, tasks), 0);
    return 0;
}

/* Row 101, test_filling_tasks_cancel_one, and the indexes are still distinct. */
static int cancelled_waiter_does_not_count(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(3), 0);
    cancels_wanted = true;
    EXPECT_IS(start(wait_once, 0, 2), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_barrier_n_waiting(&barrier), 1);
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(start(wait_once, 2, 1), 0);
    EXPECT_IS(rill_barrier_n_waiting(&barrier), 2);
    EXPECT_IS(rill_barrier_wait(&barrier), 2);
    EXPECT_IS(rill_await(tasks[1]), 0);
    EXPECT_IS(rill_await(tasks[2]), 1);
    EXPECT(is_fresh(&barrier));
    return 0;
}

/* Row 101, R29: cancelled in the turn in which the barrier opens, at each position; the others pass. */
static int waiter_cancelled_as_the_barrier_opens_holds_nobody_up(void *arg)
{
    (void)arg;
    for (size_t victim = 0; victim < 3; victim++) {
        EXPECT_IS(fresh(4), 0);
        cancels_wanted = true;
        EXPECT_IS(start(wait_once, 0, 3), 0);
        EXPECT_IS(rill_barrier_wait(&barrier), 3);
        EXPECT(rill_cancel(tasks[victim], NULL));
        for (size_t i = 0; i < 3; i++)
            EXPECT_IS(rill_await(tasks[i]), i == victim ? -ECANCELED : (int)i);
        EXPECT_IS(rill_barrier_fini(&barrier), 0);
        EXPECT_IS(start(wait_once, 0, 3), 0);
        EXPECT_IS(rill_barrier_n_waiting(&barrier), 3); /* it is filled anew */
        EXPECT_IS(rill_barrier_wait(&barrier), 3);
        EXPECT_IS(join_all(3, tasks), 0);
    }
    return 0;
}

static int leave_if_cancelled_outside(void *arg)
{
    int r = wait_once(arg);
    if (r >= 0)
        r = wait_once(arg);
    again += r == -ECANCELED;
    return r;
}

/* A latecomer that is cancelled while the barrier drains. */
static int cancelled_latecomer_is_forgotten(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(2), 0);
    cancels_wanted = true;
    EXPECT_IS(start(wait_once, 0, 1), 0);
    tasks[1] = kept(rill_create_task(RILL_CORO(leave_if_cancelled_outside, NULL)));
    tasks[2] = kept(rill_create_task(RILL_CORO(wait_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0); /* 1 opened it and waits again, 2 waits as well */
    EXPECT(rill_cancel(tasks[2], NULL));
    EXPECT_IS(rill_await(tasks[0]), 0);
    EXPECT_IS(rill_await(tasks[2]), -ECANCELED);
    EXPECT_IS(rill_barrier_n_waiting(&barrier), 1);
    EXPECT_IS(rill_barrier_wait(&barrier), 1);
    EXPECT_IS(rill_await(tasks[1]), 0);
    return 0;
}

/* Row 102, test_reset_barrier, test_reset_barrier_while_tasks_waiting. */
static int reset_releases_the_waiters_as_broken_and_the_barrier_is_as_new(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(rill_barrier_reset(&barrier), 0);
    EXPECT(is_fresh(&barrier));
    EXPECT_IS(start(wait_once, 0, parties - 1), 0);
    EXPECT_IS(rill_barrier_reset(&barrier), 0);
    EXPECT(is_fresh(&barrier));
    for (size_t i = 0; i < parties - 1; i++)
        EXPECT_IS(rill_await(tasks[i]), -ESTALE);
    EXPECT_IS(start_and_join(wait_once), 0);
    EXPECT_IS(broken, parties - 1);
    EXPECT_IS(passed, parties);
    return 0;
}

static int reset_when_half_are_out(void *arg)
{
    int r = wait_once(arg);
    if (passed == parties - parties / 2)
        (void)rill_barrier_reset(&barrier);
    return r == -ESTALE ? 0 : r;
}

/* test_reset_barrier_when_tasks_half_draining: the rest is told. */
static int reset_while_the_barrier_drains_breaks_it_for_the_rest(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start_and_join(reset_when_half_are_out), 0);
    EXPECT_IS(broken, parties / 2);
    EXPECT(is_fresh(&barrier));
    return 0;
}

static int reset_or_wait_again(void *arg)
{
    int r = wait_once(arg);
    if (r == -ECANCELED)
        return r;
    if (passed > parties / 2)
        (void)rill_barrier_reset(&barrier);
    r = meet(&barrier);
    again += r >= 0;
    return r;
}

/* test_reset_barrier_when_tasks_half_draining_half_blocking: latecomers notice nothing. */
static int reset_while_the_barrier_drains_leaves_latecomers_waiting(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start_and_join(reset_or_wait_again), 0);
    EXPECT_IS(passed, parties - parties / 2);
    EXPECT_IS(broken, parties / 2);
    EXPECT_IS(again, parties);
    EXPECT(is_fresh(&barrier));
    return 0;
}

static int wait_again_whatever_comes(void *arg)
{
    int r = wait_once(arg);
    if (r == -ECANCELED)
        return r;
    r = meet(&barrier);
    again += r >= 0;
    return r;
}

/* test_reset_barrier_while_tasks_waiting_and_waiting_again. */
static int waiters_that_were_reset_can_wait_again_at_once(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start(wait_again_whatever_comes, 0, parties - 1), 0);
    EXPECT_IS(rill_barrier_reset(&barrier), 0);
    EXPECT_IS(rill_barrier_wait(&barrier) >= 0, true);
    EXPECT_IS(join_all(parties - 1, tasks), 0);
    EXPECT_IS(broken, parties - 1);
    EXPECT_IS(again, parties - 1);
    EXPECT(is_fresh(&barrier));
    return 0;
}

static int reset_as_the_last_one(void *arg)
{
    int r = wait_once(arg);
    if (r < 0)
        return r;
    if (passed == parties)
        (void)rill_barrier_reset(&barrier);
    for (int i = 0; i < 2 && r >= 0; i++) {
        r = meet(&barrier);
        again += r >= 0;
    }
    return r;
}

/* test_reset_barrier_while_tasks_draining: the last one has left, the others wait again. */
static int reset_after_all_have_passed_breaks_nothing(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start(reset_as_the_last_one, 0, parties), 0);
    EXPECT_IS(join_all(parties, tasks), 0);
    EXPECT_IS(again, 2 * parties);
    EXPECT(is_fresh(&barrier));
    return 0;
}

/* Row 102, test_abort_barrier: broken until it is reset. */
static int aborted_barrier_stays_broken_until_it_is_reset(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(3), 0);
    EXPECT_IS(start(wait_once, 0, 2), 0);
    EXPECT_IS(rill_barrier_abort(&barrier), 0);
    EXPECT(rill_barrier_broken(&barrier));
    EXPECT_IS(rill_barrier_n_waiting(&barrier), 0);
    EXPECT_IS(rill_await(tasks[0]), -ESTALE);
    EXPECT_IS(rill_await(tasks[1]), -ESTALE);
    EXPECT_IS(rill_barrier_wait(&barrier), -ESTALE);
    EXPECT(rill_barrier_broken(&barrier));
    EXPECT_IS(rill_barrier_reset(&barrier), 0);
    EXPECT(is_fresh(&barrier));
    EXPECT_IS(start(wait_once, 0, 2), 0);
    EXPECT_IS(rill_barrier_wait(&barrier), 2);
    return join_all(2, tasks);
}

/* An abort and a reset before anybody ran: who waited is told all the same. */
static int abort_and_reset_in_one_turn_break_it_for_the_waiters_only(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(3), 0);
    EXPECT_IS(start(wait_once, 0, 2), 0);
    EXPECT_IS(rill_barrier_abort(&barrier), 0);
    EXPECT_IS(rill_barrier_reset(&barrier), 0);
    EXPECT(!rill_barrier_broken(&barrier));
    EXPECT_IS(start(wait_once, 2, 3), 0);
    EXPECT_IS(rill_await(tasks[0]), -ESTALE);
    EXPECT_IS(rill_await(tasks[1]), -ESTALE);
    for (size_t i = 2; i < 5; i++)
        EXPECT_IS(rill_await(tasks[i]) >= 0, true);
    EXPECT(is_fresh(&barrier));
    return 0;
}

static int abort_when_half_are_out(void *arg)
{
    int r = wait_once(arg);
    if (r < 0)
        return r == -ESTALE ? 0 : r;
    if (passed > parties / 2)
        return rill_barrier_abort(&barrier);
    r = meet(&barrier);
    again += r == -ESTALE;
    return r == -ESTALE ? 0 : r;
}

/* test_abort_barrier_when_tasks_half_draining_half_blocking: those inside and those outside. */
static int abort_while_the_barrier_drains_breaks_it_for_everybody(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start_and_join(abort_when_half_are_out), 0);
    EXPECT(rill_barrier_broken(&barrier));
    EXPECT_IS(broken, parties / 2);
    EXPECT_IS(again, parties - parties / 2 - 1);
    return 0;
}

static int abort_on_error_and_meet_again(void *arg)
{
    int r = wait_once(arg);
    if (r == parties / 2)
        (void)rill_barrier_abort(&barrier); /* it failed */
    else if (r >= 0)
        r = wait_once(arg);
    if (r == -ECANCELED)
        return r;
    r = meet(&second);
    if (r == parties / 2)
        (void)rill_barrier_reset(&barrier);
    if (r >= 0)
        r = meet(&second);
    if (r >= 0)
        r = meet(&barrier);
    again += r >= 0;
    return r;
}

/* Row 102, test_abort_barrier_when_exception, .._then_resetting. */
static int party_that_fails_aborts_and_all_meet_again_after_a_reset(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(parties), 0);
    EXPECT_IS(start_and_join(abort_on_error_and_meet_again), 0);
    EXPECT_IS(broken, parties - 1);
    EXPECT_IS(again, parties);
    EXPECT(is_fresh(&barrier) && is_fresh(&second));
    return 0;
}

static int stop_and_wait(void *arg)
{
    rill_loop_stop(arg);
    return rill_barrier_wait(&barrier);
}

static int wait_here(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_barrier_wait(&barrier), -ECANCELED); /* rule 4.2 */
    rill_uncancel(rill_current_task());
    return rill_barrier_wait(&barrier);
}

static void barrier_of_another_loop_is_refused(void **state)
{
    rill_loop *loop = NULL;
    (void)state;
    assert_int_equal(rill_barrier_init(&barrier, 3), 0);
    assert_int_equal(rill_barrier_wait(&barrier), -ESRCH);
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(stop_and_wait, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_run(RILL_CORO(wait_here, NULL)), -EXDEV);
    assert_int_equal(rill_barrier_n_waiting(&barrier), 1);
    assert_int_equal(rill_barrier_abort(&barrier), 0);
    assert_int_equal(rill_run_until_complete(loop, task), -ESTALE);
    assert_int_equal(rill_barrier_fini(&barrier), 0);
    rill_unref(task);
    rill_loop_close(loop);
}

static const struct scenario scenarios[] = {
    SCENARIO(barrier_for_one_never_waits),
    SCENARIO(tasks_wait_until_all_are_there),
    SCENARIO(indexes_are_distinct_each_time),
    SCENARIO(latecomers_wait_while_the_barrier_drains),
    SCENARIO(crowd_passes_in_parties),
    SCENARIO_ONCE(cancelled_waiter_does_not_count),
    SCENARIO_ONCE(waiter_cancelled_as_the_barrier_opens_holds_nobody_up),
    SCENARIO_ONCE(cancelled_latecomer_is_forgotten),
    SCENARIO(reset_releases_the_waiters_as_broken_and_the_barrier_is_as_new),
    SCENARIO(reset_while_the_barrier_drains_breaks_it_for_the_rest),
    SCENARIO(reset_while_the_barrier_drains_leaves_latecomers_waiting),
    SCENARIO(waiters_that_were_reset_can_wait_again_at_once),
    SCENARIO(reset_after_all_have_passed_breaks_nothing),
    SCENARIO(aborted_barrier_stays_broken_until_it_is_reset),
    SCENARIO(abort_and_reset_in_one_turn_break_it_for_the_waiters_only),
    SCENARIO(abort_while_the_barrier_drains_breaks_it_for_everybody),
    SCENARIO(party_that_fails_aborts_and_all_meet_again_after_a_reset),
    OUTSIDE(barrier_of_another_loop_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("barrier", scenarios);
}
