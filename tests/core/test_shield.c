/* test_shield.c - a future that does not pass a cancel on to what it stands for. */
#include "tests/support/expect.h"

static rill_future *shared;

static int await_shared(void *arg)
{
    (void)arg;
    return rill_await(shared);
}

/* Row 73. */
static int cancel_of_the_outer_leaves_the_inner(void *arg)
{
    (void)arg;
    rill_future *inner = kept(rill_future_new());
    shared = kept(rill_shield(inner));
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(waiter, "only me"));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT(rill_cancelled(shared) && !rill_done(inner));
    EXPECT_IS(rill_future_set_result(inner, 4, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancelled(shared));
    EXPECT_IS(rill_result(inner), 4);
    return 0;
}

/* Row 73. */
static int cancel_of_the_inner_cancels_the_outer(void *arg)
{
    (void)arg;
    rill_future *inner = kept(rill_future_new());
    OWNED_FUTURE rill_future *outer = rill_shield(inner);
    EXPECT(rill_cancel(inner, "it went"));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT(rill_cancelled(outer));
    EXPECT(rill_error(outer)->msg != NULL && strcmp(rill_error(outer)->msg, "it went") == 0);
    return 0;
}

/* Row 73. */
static int done_inner_is_its_own_shield(void *arg)
{
    (void)arg;
    rill_future *inner = kept(rill_future_new());
    EXPECT_IS(rill_future_set_result(inner, 3, NULL), 0);
    OWNED_FUTURE rill_future *outer = rill_shield(inner);
    EXPECT(outer == inner);
    EXPECT_IS(rill_await(outer), 3);
    return 0;
}

/* Row 73. */
static int result_and_error_of_the_inner_pass_through(void *arg)
{
    static int value;
    (void)arg;
    rill_future *inner = kept(rill_future_new());
    OWNED_FUTURE rill_future *outer = rill_shield(inner);
    EXPECT_IS(rill_future_set_result(inner, 3, &value), 0);
    EXPECT_IS(rill_await(outer), 3);
    EXPECT(rill_value(outer) == &value);
    rill_future *bad = kept(rill_future_new());
    OWNED_FUTURE rill_future *over = rill_shield(bad);
    EXPECT_IS(rill_future_set_error(bad, -EIO, "broken"), 0);
    EXPECT_IS(rill_await(over), -EIO);
    EXPECT(rill_error(over)->msg != NULL && strcmp(rill_error(over)->msg, "broken") == 0);
    return 0;
}

/* Row 74. */
static int shield_of_a_gather_keeps_the_members(void *arg)
{
    (void)arg;
    rill_future *parts[] = { kept(rill_future_new()), kept(rill_future_new()) };
    rill_future *all = kept(rill_gather(2, parts, 0));
    OWNED_FUTURE rill_future *outer = rill_shield(all);
    EXPECT(rill_cancel(outer, NULL));
    EXPECT(rill_cancelled(outer));
    EXPECT(!rill_done(parts[0]) && !rill_done(parts[1]) && !rill_done(all));
    EXPECT_IS(rill_future_set_result(parts[0], 1, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[1], 2, NULL), 0);
    EXPECT_IS(rill_await(all), 0);
    return 0;
}

/* Row 74. */
static int gather_of_shields_cancels_only_the_shields(void *arg)
{
    (void)arg;
    rill_future *parts[] = { kept(rill_future_new()), kept(rill_future_new()) };
    rill_future *shields[] = { kept(rill_shield(parts[0])), kept(rill_shield(parts[1])) };
    OWNED_FUTURE rill_future *all = rill_gather(2, shields, 0);
    EXPECT(rill_cancel(all, NULL));
    EXPECT_IS(rill_await(all), -ECANCELED);
    EXPECT(rill_cancelled(shields[0]) && rill_cancelled(shields[1]));
    EXPECT(!rill_done(parts[0]) && !rill_done(parts[1]));
    return 0;
}

static int dropped_shield_leaves_the_inner_alone(void *arg)
{
    (void)arg;
    rill_future *inner = kept(rill_future_new());
    rill_unref(rill_shield(inner));
    OWNED_FUTURE rill_future *late = rill_shield(inner);
    EXPECT_IS(rill_future_set_result(inner, 1, NULL), 0);
    EXPECT(rill_cancel(late, NULL)); /* its entry is on the queue: the cancel was first */
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancelled(late));
    EXPECT_IS(rill_result(inner), 1);
    return 0;
}

static int told;

static void count_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
    told++;
}

/* test_shield_cancel_outer_result, .._exception, test_shield_duplicate_log_once: the error of the inner
 * has nobody who takes it, and is told once; a result is not. */
static int error_of_an_inner_whose_shields_were_cancelled_is_told_once(void *arg)
{
    (void)arg;
    told = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), count_error, NULL);
    for (int rc = 1; rc >= -1; rc -= 2) {
        rill_future *inner = rill_future_new();
        for (int i = 0; i < 2; i++) {
            OWNED_FUTURE rill_future *outer = rill_shield(inner);
            rill_cancel(outer, NULL);
        }
        (void)rill_future_set_result(inner, rc == 1 ? 1 : -EIO, NULL);
        rill_unref(inner);
        EXPECT_IS(told, rc == 1 ? 0 : 1);
    }
    return 0;
}

static int await_shield_of_shared(void *arg)
{
    (void)arg;
    return rill_join(rill_shield(shared));
}

static int await_parts(void *arg)
{
    int r = rill_await(*(rill_future **)arg);
    if (r >= 0)
        trace('i');
    return r;
}

/* Row 73, test_shield_effect: a task behind a shield ends as if nothing had happened. */
static int cancel_of_who_awaits_a_shield_leaves_the_task_behind_it(void *arg)
{
    static rill_future *waiter;
    (void)arg;
    waiter = kept(rill_future_new());
    shared = kept(rill_create_task(RILL_CORO(await_parts, &waiter)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(await_shield_of_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(outer, NULL));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT_TRACE("");
    EXPECT_IS(rill_future_set_result(waiter, 0, NULL), 0);
    EXPECT_IS(rill_await(shared), 0);
    EXPECT_TRACE("i");
    return 0;
}

static int three_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    trace('e');
    return 0;
}

static int wait_for_a_shield_leaves_the_task_running(void *arg)
{
    (void)arg;
    rill_task *task = kept(rill_create_task(RILL_CORO(three_turns, NULL)));
    OWNED_FUTURE rill_future *outer = rill_shield(task);
    EXPECT_IS(rill_wait_for(outer, 0), -ETIME);
    EXPECT_TRACE("");
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("e");
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(cancel_of_the_outer_leaves_the_inner),
    SCENARIO(cancel_of_the_inner_cancels_the_outer),
    SCENARIO(done_inner_is_its_own_shield),
    SCENARIO(result_and_error_of_the_inner_pass_through),
    SCENARIO(shield_of_a_gather_keeps_the_members),
    SCENARIO(gather_of_shields_cancels_only_the_shields),
    SCENARIO(dropped_shield_leaves_the_inner_alone),
    SCENARIO(error_of_an_inner_whose_shields_were_cancelled_is_told_once),
    SCENARIO(cancel_of_who_awaits_a_shield_leaves_the_task_behind_it),
    SCENARIO(wait_for_a_shield_leaves_the_task_running),
};

int main(void)
{
    return RUN_SCENARIOS("shield", scenarios);
}
