/* test_var.c - task-local values: set, reset, and who sees them: tasks, calls, callbacks, contexts. */
#include "tests/support/expect.h"

#include <pthread.h>

static rill_var color = { .name = "color", .initial = "none" };
static rill_var shape = { .name = "shape" };

/* A text as an argument. */
#define TEXT(text) ((void *)(uintptr_t)(text))

static bool is_text(const char *wanted)
{
    const char *text = rill_var_get(&color);
    return text != NULL && wanted != NULL && strcmp(text, wanted) == 0;
}

static int set_color(const char *text)
{
    return rill_var_set(&color, text, NULL);
}

/* --- Set and reset. --- */

static int value_set_is_got_and_reset_brings_back_the_one_before(void *arg)
{
    rill_var_token first, second;
    (void)arg;
    EXPECT(is_text("none"));
    EXPECT(rill_var_get(&shape) == NULL);
    EXPECT_IS(rill_var_set(&color, "red", &first), 0);
    EXPECT(is_text("red"));
    EXPECT_IS(rill_var_set(&color, "blue", &second), 0);
    EXPECT(is_text("blue"));
    EXPECT(rill_var_get(&shape) == NULL);
    EXPECT_IS(rill_var_reset(&color, second), 0);
    EXPECT(is_text("red"));
    EXPECT_IS(rill_var_reset(&color, first), 0);
    EXPECT(is_text("none"));
    return 0;
}

static int older_token_undoes_all_later_sets(void *arg)
{
    rill_var_token first, second;
    (void)arg;
    EXPECT_IS(rill_var_set(&color, "red", &first), 0);
    EXPECT_IS(rill_var_set(&color, "blue", &second), 0);
    EXPECT_IS(rill_var_reset(&color, first), 0);
    EXPECT(is_text("none"));
    EXPECT_IS(rill_var_reset(&color, second), -EALREADY);
    EXPECT(is_text("none"));
    return 0;
}

/* CPython, test_context: a token is good for one reset. */
static int token_used_twice_is_ealready(void *arg)
{
    rill_var_token token;
    (void)arg;
    EXPECT_IS(set_color("red"), 0);
    EXPECT_IS(rill_var_set(&color, "blue", &token), 0);
    EXPECT_IS(rill_var_reset(&color, token), 0);
    EXPECT_IS(rill_var_reset(&color, token), -EALREADY);
    EXPECT(is_text("red"));
    return 0;
}

static int token_of_another_variable_is_einval(void *arg)
{
    rill_var_token token;
    (void)arg;
    EXPECT_IS(rill_var_set(&color, "red", &token), 0);
    EXPECT_IS(rill_var_reset(&shape, token), -EINVAL);
    EXPECT(is_text("red"));
    return 0;
}

static int null_is_a_value(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_var_set(&color, NULL, NULL), 0);
    EXPECT(rill_var_get(&color) == NULL);
    return 0;
}

static int many_variables_keep_apart(void *arg)
{
    enum { count = 40 };

    static rill_var vars[count];
    rill_var_token tokens[count];
    (void)arg;
    for (int i = 0; i < count; i++)
        EXPECT_IS(rill_var_set(&vars[i], &vars[i], &tokens[i]), 0);
    for (int i = 0; i < count; i += 2)
        EXPECT_IS(rill_var_reset(&vars[i], tokens[i]), 0);
    for (int i = 0; i < count; i++)
        EXPECT(rill_var_get(&vars[i]) == (i % 2 == 0 ? NULL : &vars[i]));
    return 0;
}

/* --- Tasks. --- */

static int look_set_and_look(void *wanted)
{
    EXPECT(is_text(wanted));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(is_text(wanted)); /* what the parent set meanwhile is the parent's */
    EXPECT_IS(set_color("child's"), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(is_text("child's"));
    return 0;
}

/* Row 27. CPython: test_context_1 to test_context_6. */
static int child_has_its_parents_values_and_its_changes_are_its_own(void *arg)
{
    (void)arg;
    EXPECT_IS(set_color("red"), 0);
    OWNED_FUTURE rill_task *child = rill_create_task(RILL_CORO(look_set_and_look, TEXT("red")));
    EXPECT_IS(set_color("green"), 0);
    OWNED_FUTURE rill_task *other = rill_create_task(RILL_CORO(look_set_and_look, TEXT("green")));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(set_color("blue"), 0);
    EXPECT_IS(rill_await(child), 0);
    EXPECT_IS(rill_await(other), 0);
    EXPECT(is_text("blue"));
    return 0;
}

static int set_and_take_turns(void *text)
{
    EXPECT_IS(set_color(text), 0);
    for (int i = 0; i < 5; i++) {
        EXPECT(is_text(text));
        EXPECT_IS(rill_sleep(0), 0);
    }
    EXPECT(is_text(text));
    return 0;
}

static int tasks_that_take_turns_see_their_own_values(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(set_and_take_turns, TEXT("one")));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(set_and_take_turns, TEXT("two")));
    EXPECT_IS(rill_await(one), 0);
    EXPECT_IS(rill_await(two), 0);
    EXPECT(is_text("none"));
    return 0;
}

static int eager_child_has_values_of_its_own_at_once(void *arg)
{
    rill_task_opts eager = { .eager = true };
    (void)arg;
    EXPECT_IS(set_color("red"), 0);
    OWNED_FUTURE rill_task *child =
        rill_create_task_with(RILL_CORO(set_and_take_turns, TEXT("child's")), &eager);
    EXPECT(is_text("red"));
    EXPECT_IS(rill_await(child), 0);
    EXPECT(is_text("red"));
    return 0;
}

static int reset_the_parents(void *token)
{
    return rill_var_reset(&color, *(rill_var_token *)token);
}

static int token_of_another_task_is_einval(void *arg)
{
    rill_var_token token;
    (void)arg;
    EXPECT_IS(rill_var_set(&color, "red", &token), 0);
    rill_task_opts opts = { .copy = sizeof token };
    OWNED_FUTURE rill_task *child =
        rill_create_task_with(RILL_CORO(reset_the_parents, &token), &opts);
    EXPECT_IS(rill_await(child), -EINVAL);
    EXPECT(is_text("red"));
    return 0;
}

static void reset_deferred(void *token)
{
    EXPECT_HERE(is_text("inner"));
    EXPECT_HERE(rill_var_reset(&color, *(rill_var_token *)token) == 0);
    EXPECT_HERE(is_text("none"));
}

static int set_and_defer(void *arg)
{
    static rill_var_token token;
    (void)arg;
    EXPECT_IS(rill_var_set(&color, "inner", &token), 0);
    return rill_defer(reset_deferred, &token);
}

static int deferred_calls_have_the_tasks_values(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *child = rill_create_task(RILL_CORO(set_and_defer, NULL));
    return rill_await(child);
}

/* --- Calls and callbacks. --- */

static void look_and_set(void *wanted)
{
    EXPECT_HERE(is_text(wanted));
    EXPECT_HERE(set_color("call's") == 0);
    EXPECT_HERE(is_text("call's"));
    trace('c');
}

static void look_done(rill_future *future, void *wanted)
{
    (void)future;
    look_and_set(wanted);
}

static int calls_have_the_values_from_where_they_were_asked_for(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(set_color("red"), 0);
    EXPECT(rill_call_soon(loop, look_and_set, TEXT("red")).entry != NULL);
    EXPECT(rill_call_later(loop, 0, look_and_set, TEXT("red")).entry != NULL);
    EXPECT_IS(rill_add_done_callback(future, look_done, TEXT("red")), 0);
    EXPECT_IS(set_color("blue"), 0);
    EXPECT_IS(rill_call_soon_threadsafe(loop, look_and_set, TEXT("blue")), 0);
    EXPECT_IS(rill_add_done_callback(future, look_done, TEXT("blue")), 0);
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT_TRACE("ccccc");
    EXPECT(is_text("blue"));
    return 0;
}

static int values_of_calls_never_made_are_given_back(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    rill_future *future = kept(rill_future_new());
    EXPECT_IS(set_color("red"), 0);
    rill_handle handle = rill_call_soon(loop, look_and_set, NULL);
    EXPECT(handle.entry != NULL);
    EXPECT(rill_handle_cancel(handle));
    EXPECT(rill_call_later(loop, RILL_SEC(100), look_and_set, NULL).entry != NULL);
    EXPECT_IS(rill_add_done_callback(future, look_done, NULL), 0);
    EXPECT_IS(rill_add_done_callback(future, look_done, TEXT("x")), 0);
    EXPECT_IS(rill_remove_done_callback(future, look_done, TEXT("x")), 1);
    return 0;
}

static void make_a_task(void *ret_task)
{
    EXPECT_HERE(set_color("call's") == 0);
    *(rill_task **)ret_task = kept(rill_create_task(RILL_CORO(look_set_and_look, TEXT("call's"))));
}

static int task_made_in_a_call_has_the_calls_values(void *arg)
{
    static rill_task *made;
    (void)arg;
    made = NULL;
    EXPECT(rill_call_soon(rill_get_running_loop(), make_a_task, &made).entry != NULL);
    EXPECT_IS(rill_sleep(0), 0);
    return made != NULL ? rill_await(made) : -ENOMEM;
}

static int set_and_fail(void *text)
{
    EXPECT_IS(set_color(text), 0);
    return -EIO;
}

static void look_at_error(rill_loop *loop, const char *message, rill_future *future, void *wanted)
{
    (void)loop;
    (void)message;
    (void)future;
    look_and_set(wanted);
}

/* test_task_exc_handler_correct_context; an error of a plain future has the values of who dropped it. */
static int error_handler_has_the_values_of_the_task_that_failed(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    rill_loop_set_error_handler(loop, look_at_error, TEXT("failed"));
    EXPECT_IS(set_color("red"), 0);
    rill_unref(rill_create_task(RILL_CORO(set_and_fail, TEXT("failed"))));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("c");
    rill_task *failed = rill_create_task(RILL_CORO(set_and_fail, TEXT("failed")));
    int r = rill_sleep(0);
    rill_unref(failed); /* told now, in the step of another task */
    EXPECT_IS(r, 0);
    EXPECT_TRACE("cc");
    EXPECT(is_text("red"));
    rill_loop_set_error_handler(loop, look_at_error, TEXT("red"));
    rill_future *plain = rill_future_new();
    r = rill_future_set_error(plain, -EIO, NULL);
    rill_unref(plain);
    EXPECT_IS(r, 0);
    EXPECT_TRACE("ccc");
    return 0;
}

/* --- Contexts. --- */

static int set_to_arg(void *text)
{
    int r = set_color(text);
    return r < 0 ? r : 5;
}

static int context_keeps_what_is_set_in_it(void *arg)
{
    (void)arg;
    EXPECT_IS(set_color("red"), 0);
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    int first = set_color("blue");
    int ran = rill_context_run(context, look_set_and_look, TEXT("red"));
    bool mine = is_text("blue");
    int again = rill_context_run(context, set_to_arg, TEXT("other"));
    rill_context_unref(context);
    EXPECT_IS(first, 0);
    EXPECT_IS(ran, 0);
    EXPECT(mine && is_text("blue"));
    EXPECT_IS(again, 5); /* what the function returned */
    return 0;
}

static int enter_again(void *context)
{
    return rill_context_run(context, set_to_arg, NULL);
}

/* CPython, test_context: a context is entered by one at a time. */
static int context_entered_twice_is_ebusy(void *arg)
{
    (void)arg;
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    int r = rill_context_run(context, enter_again, context);
    rill_context_unref(context);
    EXPECT_IS(r, -EBUSY);
    return 0;
}

static int drop_the_context(void *context)
{
    rill_context_unref(context);
    return set_color("red");
}

static int context_lives_while_somebody_is_in_it(void *arg)
{
    (void)arg;
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    EXPECT_IS(rill_context_run(context, drop_the_context, context), 0);
    EXPECT(is_text("none"));
    return 0;
}

static int add_to_shared(void *text)
{
    EXPECT_IS(set_color(text), 0);
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int look_for(void *wanted)
{
    EXPECT(is_text(wanted));
    return 0;
}

/* CPython: create_task(context=...): the task runs in that very context. */
static int tasks_in_one_context_share_their_values(void *arg)
{
    (void)arg;
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    rill_task_opts opts = { .context = context };
    OWNED_FUTURE rill_task *one =
        rill_create_task_with(RILL_CORO(add_to_shared, TEXT("one's")), &opts);
    OWNED_FUTURE rill_task *two = rill_create_task_with(RILL_CORO(look_for, TEXT("one's")), &opts);
    int r = rill_await(one);
    if (r == 0)
        r = rill_await(two);
    if (r == 0)
        r = rill_context_run(context, look_for, TEXT("one's"));
    rill_context_unref(context);
    EXPECT_IS(r, 0);
    EXPECT(is_text("none"));
    return 0;
}

static int look_and_copy(void *wanted)
{
    EXPECT(is_text(wanted));
    OWNED_FUTURE rill_task *child = rill_create_task(RILL_CORO(look_set_and_look, wanted));
    EXPECT_IS(rill_await(child), 0);
    EXPECT(is_text(wanted));
    return 0;
}

static int child_of_a_task_in_a_context_has_a_copy(void *arg)
{
    (void)arg;
    EXPECT_IS(set_color("red"), 0);
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    rill_task_opts opts = { .context = context };
    OWNED_FUTURE rill_task *task =
        rill_create_task_with(RILL_CORO(look_and_copy, TEXT("red")), &opts);
    rill_context_unref(context);
    EXPECT_IS(rill_await(task), 0);
    return 0;
}

/* --- Outside of loops. --- */

static int inherit_and_set(void *wanted)
{
    EXPECT(is_text(wanted));
    return set_color("main's");
}

static void main_task_has_the_threads_values_and_keeps_its_own(void **state)
{
    struct footing before = footing_now();
    rill_var_token token;
    (void)state;
    assert_int_equal(rill_var_set(&color, "thread's", &token), 0);
    assert_int_equal(rill_run(RILL_CORO(inherit_and_set, TEXT("thread's"))), 0);
    assert_true(is_text("thread's"));
    assert_int_equal(rill_var_reset(&color, token), 0);
    assert_true(is_text("none"));
    assert_int_equal(footing_now().blocks, before.blocks);
}

/* CPython, test_runners: test_run_keeps_context. */
static void runner_keeps_values_from_run_to_run(void **state)
{
    rill_runner runner = { 0 };
    (void)state;
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(inherit_and_set, TEXT("none"))), 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(look_for, TEXT("main's"))), 0);
    assert_int_equal(rill_runner_close(&runner), 0);
    assert_true(is_text("none"));
}

static void *set_in_a_thread(void *result)
{
    bool unset = is_text("none");
    *(int *)result = set_color("other thread's") == 0 && unset && is_text("other thread's");
    return NULL;
}

static void values_of_a_thread_are_its_own_and_go_with_it(void **state)
{
    pthread_t thread;
    int result = 0;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, set_in_a_thread, &result), 0);
    pthread_join(thread, NULL);
    assert_int_equal(result, 1);
    assert_true(is_text("none"));
}

static const struct scenario scenarios[] = {
    SCENARIO(value_set_is_got_and_reset_brings_back_the_one_before),
    SCENARIO(older_token_undoes_all_later_sets),
    SCENARIO(token_used_twice_is_ealready),
    SCENARIO(token_of_another_variable_is_einval),
    SCENARIO(null_is_a_value),
    SCENARIO(many_variables_keep_apart),
    SCENARIO(child_has_its_parents_values_and_its_changes_are_its_own),
    SCENARIO(tasks_that_take_turns_see_their_own_values),
    SCENARIO(eager_child_has_values_of_its_own_at_once),
    SCENARIO(token_of_another_task_is_einval),
    SCENARIO(deferred_calls_have_the_tasks_values),
    SCENARIO(calls_have_the_values_from_where_they_were_asked_for),
    SCENARIO(values_of_calls_never_made_are_given_back),
    SCENARIO(task_made_in_a_call_has_the_calls_values),
    SCENARIO(error_handler_has_the_values_of_the_task_that_failed),
    SCENARIO(context_keeps_what_is_set_in_it),
    SCENARIO(context_entered_twice_is_ebusy),
    SCENARIO(context_lives_while_somebody_is_in_it),
    SCENARIO(tasks_in_one_context_share_their_values),
    SCENARIO(child_of_a_task_in_a_context_has_a_copy),
    OUTSIDE(main_task_has_the_threads_values_and_keeps_its_own),
    OUTSIDE(runner_keeps_values_from_run_to_run),
    OUTSIDE(values_of_a_thread_are_its_own_and_go_with_it),
};

int main(void)
{
    return RUN_SCENARIOS("var", scenarios);
}
