/* test_outlive.c - what is used after its owner has dropped it, or after its loop was closed. */
#include "tests/support/expect.h"

/* --- Dropped by its owner while somebody waits for it. --- */

static rill_future *owned[2];

static int drop_owned(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        rill_future *dropped = owned[i];
        owned[i] = NULL;
        rill_unref(dropped);
    }
    return 0;
}

static int cancel_late(void *arg)
{
    (void)arg;
    int r = rill_sleep(RILL_SEC(10));
    return r == -ECANCELED ? rill_sleep(RILL_MS(2)) : r;
}

static int drop_soon(void *arg)
{
    int r = rill_sleep(RILL_MS(1));
    return rill_first_error(drop_owned(arg), r);
}

static void drop_after(void *arg)
{
    (void)drop_owned(arg);
}

static int wait_for_that_is_late_keeps_the_task_that_its_owner_drops(void *arg)
{
    (void)arg;
    after_run(drop_after, NULL);
    owned[0] = rill_create_task(RILL_CORO(cancel_late, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *dropper = rill_create_task(RILL_CORO(drop_soon, NULL));
    (void)dropper;
    EXPECT_IS(rill_wait_for(owned[0], 0), 0);
    return 0;
}

static int wait_keeps_the_members_that_their_owner_drops(void *arg)
{
    rill_future *members[2], *out[3];
    (void)arg;
    after_run(drop_after, NULL);
    for (int i = 0; i < 2; i++)
        members[i] = owned[i] = rill_future_new();
    OWNED_FUTURE rill_task *dropper = rill_create_task(RILL_CORO(drop_soon, NULL));
    (void)dropper;
    EXPECT_IS(rill_wait(2, members, RILL_ALL_COMPLETED, RILL_MS(5), out), 0);
    return 0;
}

static void stop(void *loop)
{
    rill_loop_stop(loop);
}

static void run_keeps_the_future_that_its_owner_drops(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_future *future = owned[0] = rill_loop_create_future(loop);
    rill_call_soon(loop, drop_after, NULL);
    rill_call_soon(loop, stop, loop);
    assert_int_equal(rill_run_until_complete(loop, future), -EINPROGRESS);
    assert_int_equal(rill_loop_close(loop), 0);
}

/* --- Used after the loop was closed. --- */

static void end_of_a_future_of_a_closed_loop_makes_nobody_ready(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_future *future = rill_loop_create_future(loop);
    rill_future *gather = rill_gather(1, &future, 0), *shield = rill_shield(future);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(rill_future_set_result(future, 7, NULL), 0);
    assert_int_equal(rill_result(future), 7);
    assert_int_equal(rill_result(gather), -EINPROGRESS);
    assert_int_equal(rill_result(shield), -EINPROGRESS);
    rill_unref(shield);
    rill_unref(gather);
    rill_unref(future);
}

static void nothing(rill_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

static void callback_or_gather_of_a_future_of_a_closed_loop_is_eshutdown(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_future *futures[] = { rill_loop_create_future(loop), rill_loop_create_future(loop) };
    assert_int_equal(rill_future_set_result(futures[1], 0, NULL), 0);
    assert_int_equal(rill_loop_close(loop), 0);
    rill_loop_stop(loop);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rill_add_done_callback(futures[i], nothing, NULL), -ESHUTDOWN);
        rill_future *gather = rill_gather(1, &futures[i], 0);
        assert_int_equal(rill_result(gather), -ESHUTDOWN);
        rill_unref(gather);
    }
    rill_unref(futures[0]);
    rill_unref(futures[1]);
}

static int asked_again;

static void ask_again(rill_future *future, void *arg)
{
    asked_again++;
    if (asked_again < 1000)
        (void)rill_add_done_callback(future, ask_again, arg);
}

static void callback_that_asks_for_itself_does_not_keep_a_loop_from_its_end(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_future *future = rill_loop_create_future(loop);
    assert_int_equal(rill_add_done_callback(future, ask_again, NULL), 0);
    assert_int_equal(rill_future_set_result(future, 0, NULL), 0);
    rill_unref(future);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(asked_again, 1);
}

static const struct scenario scenarios[] = {
    SCENARIO(wait_for_that_is_late_keeps_the_task_that_its_owner_drops),
    SCENARIO(wait_keeps_the_members_that_their_owner_drops),
    OUTSIDE(run_keeps_the_future_that_its_owner_drops),
    OUTSIDE(end_of_a_future_of_a_closed_loop_makes_nobody_ready),
    OUTSIDE(callback_or_gather_of_a_future_of_a_closed_loop_is_eshutdown),
    OUTSIDE(callback_that_asks_for_itself_does_not_keep_a_loop_from_its_end),
};

int main(void)
{
    return RUN_SCENARIOS("outlive", scenarios);
}
