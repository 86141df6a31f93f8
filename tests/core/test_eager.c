/* test_eager.c - tasks that run inside the create call until they first wait. */
#include "tests/support/expect.h"

static const rill_loop_opts eager = { .eager = true };
static rill_future *shared;
static rill_task *seen;

static int set_shared(void *arg)
{
    (void)arg;
    return rill_future_set_result(shared, 5, NULL);
}

static int future_set_in_the_eager_step_is_there_at_once(void *arg)
{
    (void)arg;
    shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(set_shared, NULL));
    EXPECT(rill_done(task));
    EXPECT_IS(rill_result(task), 0);
    EXPECT_IS(rill_await(shared), 5);
    return 0;
}

static int say_hello(void *arg)
{
    (void)arg;
    return rill_return_fmt("hello");
}

static int task_that_never_waits_is_done_when_create_returns(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(say_hello, NULL));
    EXPECT(rill_done(task));
    EXPECT(!rill_cancel(task, NULL)); /* too late */
    EXPECT_IS(rill_await(task), 0);
    EXPECT(!rill_cancelled(task));
    EXPECT(strcmp(rill_value(task), "hello") == 0);
    return 0;
}

static int wait_then_say_hello(void *arg)
{
    int r = rill_sleep(RILL_MS(1));
    return r < 0 ? r : say_hello(arg);
}

static int task_that_waits_goes_on_by_itself(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(wait_then_say_hello, NULL));
    EXPECT(!rill_done(task));
    EXPECT_IS(rill_await(task), 0);
    EXPECT(rill_done(task));
    EXPECT(strcmp(rill_value(task), "hello") == 0);
    return 0;
}

static int cancel_behind_the_eager_step_reaches_the_wait_with_its_message(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(wait_then_say_hello, NULL));
    EXPECT(rill_cancel(task, "the reason"));
    EXPECT_IS(rill_cancelling(task), 1);
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task));
    EXPECT(says(rill_error(task), "the reason"));
    return 0;
}

static int note_current(void *arg)
{
    (void)arg;
    seen = rill_current_task();
    int r = rill_sleep(RILL_MS(1));
    EXPECT(rill_current_task() == seen);
    return r;
}

static int current_task_is_the_eager_one_inside_and_the_creator_behind(void *arg)
{
    (void)arg;
    rill_task *me = rill_current_task();
    seen = NULL;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(note_current, NULL));
    EXPECT(rill_current_task() == me);
    EXPECT(seen == task);
    EXPECT_IS(rill_await(task), 0);
    return 0;
}

static int fail_on_purpose(void *arg)
{
    (void)arg;
    return rill_fail(-EIO, "on purpose");
}

static int error_of_the_eager_step_is_that_of_the_task(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(fail_on_purpose, NULL));
    EXPECT(rill_done(task));
    EXPECT_IS(rill_await(task), -EIO);
    EXPECT(says(rill_error(task), "on purpose"));
    EXPECT(says(rill_last_error(), "on purpose"));
    return 0;
}

static int cancel_oneself_and_return(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    return 7;
}

static int cancel_creator(void *arg)
{
    rill_cancel(arg, "from inside");
    return 0;
}

static int requests_inside_the_eager_step_concern_whom_they_name(void *arg)
{
    (void)arg;
    rill_task *me = rill_current_task();
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(cancel_oneself_and_return, NULL));
    EXPECT(rill_cancelled(one));
    EXPECT_IS(rill_cancelling(me), 0);
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(cancel_creator, me));
    EXPECT_IS(rill_result(two), 0);
    EXPECT_IS(rill_cancelling(me), 1);
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    EXPECT_IS(rill_uncancel(me), 0);
    return 0;
}

static int chain(void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    if (depth == 0)
        return 0;
    int r = chain(&below);
    return r < 0 ? r : r + 1;
}

static int made, done_at_once;

struct tree {
    int width, depth;
    bool grouped;
};

static int gather_tree(void *arg);

static int grow_gathered(const struct tree *below)
{
    rill_future *parts[5];
    int r = 0;
    for (int i = 0; i < below->width; i++) {
        parts[i] = rill_create_task_with(RILL_CORO(gather_tree, (void *)(uintptr_t)below),
                                         &(rill_task_opts){ .copy = sizeof *below });
        made++;
        done_at_once += rill_done(parts[i]);
    }
    r = rill_join(rill_gather((size_t)below->width, parts, 0));
    for (int i = 0; i < below->width; i++)
        rill_unref(parts[i]);
    return r;
}

static int gather_tree(void *arg)
{
    struct tree below = *(struct tree *)arg;
    return below.depth-- == 0 ? 0 : grow_gathered(&below);
}

static int group_tree(void *arg)
{
    struct tree below = *(struct tree *)arg;
    rill_group group = { 0 };
    if (below.depth-- == 0)
        return 0;
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    for (int i = 0; r == 0 && i < below.width; i++) {
        r = rill_group_go(&group, RILL_CORO(group_tree, &below));
        made += r == 0;
    }
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

/* 5 + 25 + 125 + 625 tasks; those that gather what is done do not wait either. */
static int trees_of_eager_tasks_end_and_leave_nothing(void *arg)
{
    static int hundred = 100;
    struct tree tree = { .width = 5, .depth = 4 };
    (void)arg;
    made = done_at_once = 0;
    EXPECT_IS(chain(&hundred), 100);
    EXPECT_IS(gather_tree(&tree), 0);
    EXPECT_IS(made, 780);
    EXPECT_IS(done_at_once, made);
    made = 0;
    EXPECT_IS(group_tree(&tree), 0);
    EXPECT_IS(made, 780);
    return 0;
}

static int lazy_trees(void *arg)
{
    struct tree tree = { .width = 5, .depth = 4 };
    (void)arg;
    made = done_at_once = 0;
    EXPECT_IS(gather_tree(&tree), 0);
    EXPECT_IS(made, 780);
    EXPECT_IS(done_at_once, 0);
    made = 0;
    EXPECT_IS(group_tree(&tree), 0);
    EXPECT_IS(made, 780);
    return 0;
}

static void no_task_starts_at_once_before_its_loop_runs(void **state)
{
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(&eager, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(say_hello, NULL), NULL);
    assert_false(rill_done(task));
    assert_int_equal(rill_run_until_complete(loop, task), 0);
    rill_unref(task);
    assert_int_equal(rill_loop_close(loop), 0);
}

static rill_task *made_in_call;

static void create_eager_in_a_call(void *arg)
{
    (void)arg;
    made_in_call = kept(rill_create_task(RILL_CORO(note_current, NULL)));
    EXPECT_HERE(rill_current_task() == NULL);
}

static int eager_task_of_a_callback_runs_without_a_task_around_it(void *arg)
{
    (void)arg;
    made_in_call = NULL;
    EXPECT(rill_call_soon(rill_get_running_loop(), create_eager_in_a_call, NULL).entry != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(made_in_call != NULL);
    EXPECT_IS(rill_await(made_in_call), 0);
    return 0;
}

static int end_after_one_turn(void *arg)
{
    (void)arg;
    int r = rill_sleep(0);
    trace('e');
    return r;
}

static int create_others_and_wait(void *arg)
{
    rill_future *parts[] = { rill_create_task(RILL_CORO(end_after_one_turn, NULL)),
                             rill_create_task(RILL_CORO(end_after_one_turn, NULL)) };
    (void)arg;
    int r = rill_join(rill_gather(2, parts, 0));
    rill_unref(parts[0]);
    rill_unref(parts[1]);
    trace('c');
    return r;
}

static int eager_tasks_nest(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(create_others_and_wait, NULL));
    EXPECT(!rill_done(task));
    trace('m');
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("meec");
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO_WITH(future_set_in_the_eager_step_is_there_at_once, &eager),
    SCENARIO_WITH(task_that_never_waits_is_done_when_create_returns, &eager),
    SCENARIO_WITH(task_that_waits_goes_on_by_itself, &eager),
    SCENARIO_WITH(cancel_behind_the_eager_step_reaches_the_wait_with_its_message, &eager),
    SCENARIO_WITH(current_task_is_the_eager_one_inside_and_the_creator_behind, &eager),
    SCENARIO_WITH(error_of_the_eager_step_is_that_of_the_task, &eager),
    SCENARIO_WITH(requests_inside_the_eager_step_concern_whom_they_name, &eager),
    { .name = "trees_of_eager_tasks_end_and_leave_nothing",
      .main = trees_of_eager_tasks_end_and_leave_nothing,
      .opts = &eager,
      .once = true },
    SCENARIO_ONCE(lazy_trees),
    OUTSIDE(no_task_starts_at_once_before_its_loop_runs),
    SCENARIO_WITH(eager_task_of_a_callback_runs_without_a_task_around_it, &eager),
    SCENARIO_WITH(eager_tasks_nest, &eager),
};

int main(void)
{
    return RUN_SCENARIOS("eager", scenarios);
}
