/* test_task.c - tasks: start, end, names, values, and what asks for the wrong thing. */
#include "tests/support/expect.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

static rill_future *shared;

static int return_current(void *arg)
{
    rill_task *me = rill_current_task();
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
        EXPECT(rill_current_task() == me);
    }
    return rill_return_ptr(me);
}

static void no_current_task(void *arg)
{
    (void)arg;
    EXPECT_HERE(rill_current_task() == NULL);
    EXPECT_HERE(rill_get_running_loop() != NULL);
    trace('n');
}

/* Row 23. */
static int current_task_is_right_across_interleaving_and_none_in_callbacks(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(return_current, NULL));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(return_current, NULL));
    EXPECT(rill_call_soon(rill_get_running_loop(), no_current_task, NULL).entry != NULL);
    EXPECT_IS(rill_await(one), 0);
    EXPECT_IS(rill_await(two), 0);
    EXPECT(rill_value(one) == one && rill_value(two) == two);
    EXPECT_TRACE("n");
    return 0;
}

static void current_task_outside_of_a_loop_is_none(void **state)
{
    (void)state;
    assert_null(rill_current_task());
    assert_null(rill_get_running_loop());
    assert_int_equal(rill_sleep(0), -ESRCH);
    assert_int_equal(rill_return_ptr(NULL), -ESRCH);
    assert_int_equal(rill_return_fmt("x"), -ESRCH);
    assert_int_equal(rill_defer(no_current_task, NULL), -ESRCH);
    assert_null(rill_last_error());
    assert_int_equal(rill_fail(-EIO, "nowhere"), -EIO);
}

static int await_oneself(void *arg)
{
    (void)arg;
    return rill_await(rill_current_task());
}

/* Row 21. */
static int awaiting_oneself_is_an_error(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_join(rill_create_task(RILL_CORO(await_oneself, NULL))), -EDEADLK);
    return 0;
}

/* Row 22. */
static int awaiting_a_future_of_another_loop_is_an_error(void *arg)
{
    rill_loop *other, *mine = rill_get_running_loop();
    (void)arg;
    EXPECT_IS(rill_loop_new(NULL, &other), 0);
    rill_future *future = rill_loop_create_future(other);
    bool made = !rill_done(future);
    int r = rill_await(future), timed = rill_wait_for(future, 0);
    rill_unref(future);
    EXPECT_IS(rill_loop_close(other), 0);
    EXPECT(rill_get_running_loop() == mine);
    EXPECT(!made || r == -EXDEV);
    EXPECT(!made || timed == -EXDEV);
    return 0;
}

/* Row 29. */
static int sleep_of_no_number_of_seconds_is_an_error(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_sleep_seconds(NAN), -EINVAL);
    EXPECT_IS(rill_sleep_seconds(-1), 0);
    EXPECT_IS(rill_sleep_seconds(0), 0);
    EXPECT_IS(rill_sleep_seconds(0.001), 0);
    return 0;
}

static int trace_letter(void *arg)
{
    trace(*(char *)arg);
    return 0;
}

static char a = 'a', b = 'b', c = 'c';

static int tasks_start_in_the_next_turn_in_order(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(trace_letter, &a));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(trace_letter, &b));
    OWNED_FUTURE rill_task *three = rill_create_task(RILL_CORO(trace_letter, &c));
    EXPECT_TRACE("");
    EXPECT_IS(rill_await(three), 0);
    EXPECT_TRACE("abc");
    EXPECT(rill_done(one) && rill_done(two));
    return 0;
}

static int letter_yield_letter(void *arg)
{
    const char *letters = arg;
    trace(letters[0]);
    int r = rill_sleep(0);
    trace(letters[1]);
    return r;
}

static int eager_task_runs_inside_the_call_until_it_suspends(void *arg)
{
    static char xy[] = "xy";
    (void)arg;
    rill_task *me = rill_current_task();
    OWNED_FUTURE rill_task *task = rill_create_task_with(RILL_CORO(letter_yield_letter, xy),
                                                         &(rill_task_opts){ .eager = true });
    EXPECT_TRACE("x");
    EXPECT(rill_current_task() == me);
    EXPECT(!rill_done(task));
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("xy");
    OWNED_FUTURE rill_task *quick =
        rill_create_task_with(RILL_CORO(trace_letter, &a), &(rill_task_opts){ .eager = true });
    EXPECT(rill_done(quick));
    EXPECT_TRACE("xya");
    return 0;
}

static int dropped_handle_lets_the_task_run_on(void *arg)
{
    static char xy[] = "xy";
    (void)arg;
    rill_task *task = rill_create_task(RILL_CORO(letter_yield_letter, xy));
    bool made = !rill_done(task);
    rill_unref(task);
    EXPECT(made);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("xy");
    return 0;
}

static int sum_and_spoil(void *arg)
{
    int *numbers = arg, sum = 0;
    for (int i = 0; i < 4; i++)
        sum += numbers[i];
    memset(numbers, 0, 4 * sizeof *numbers);
    return sum;
}

static int copied_argument_belongs_to_the_task(void *arg)
{
    int numbers[] = { 1, 2, 3, 4 };
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task_with(
        RILL_CORO(sum_and_spoil, numbers), &(rill_task_opts){ .copy = sizeof numbers });
    numbers[0] = 100;
    EXPECT_IS(rill_await(task), 10);
    EXPECT_IS(numbers[3], 4);
    return 0;
}

static int options_above_their_limits_are_refused(void *arg)
{
    (void)arg;
    static char big[(64 << 10) + 1];
    OWNED_FUTURE rill_task *copy = rill_create_task_with(RILL_CORO(trace_letter, big),
                                                         &(rill_task_opts){ .copy = sizeof big });
    EXPECT_IS(rill_await(copy), -EINVAL);
    OWNED_FUTURE rill_task *stack = rill_create_task_with(
        RILL_CORO(trace_letter, &a), &(rill_task_opts){ .stack_size = (8 << 20) + 1 });
    EXPECT_IS(rill_await(stack), -EINVAL);
    EXPECT_TRACE("");
    return 0;
}

static int names_belong_to_their_tasks(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(trace_letter, &a));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(trace_letter, &b));
    OWNED_FUTURE rill_task *named =
        rill_create_task_with(RILL_CORO(trace_letter, &c), &(rill_task_opts){ .name = "yan" });
    const char *first = rill_task_name(one), *second = rill_task_name(two);
    EXPECT(strcmp(first, "Task-2") == 0 && strcmp(second, "Task-3") == 0);
    EXPECT(strcmp(rill_task_name(named), "yan") == 0);
    EXPECT_IS(rill_task_set_name(one, "first"), 0);
    EXPECT(strcmp(rill_task_name(one), "first") == 0);
    EXPECT(strcmp(rill_task_name(rill_current_task()), "Task-1") == 0);
    OWNED_FUTURE rill_future *no_task = rill_future_new();
    EXPECT_IS(rill_task_set_name(no_task, "first"), -EINVAL);
    EXPECT_IS(rill_await(named), 0);
    return 0;
}

static int return_text(void *arg)
{
    return rill_return_fmt("%s-%d", (char *)arg, 7);
}

static int return_octets(void *arg)
{
    (void)arg;
    int r = rill_return_fmt("the first is replaced");
    return rill_first_error(r, rill_return_copy("ab\0cd", 5));
}

static int values_live_until_the_last_reference(void *arg)
{
    static char name[] = "it";
    (void)arg;
    OWNED_FUTURE rill_task *text = rill_create_task(RILL_CORO(return_text, name));
    OWNED_FUTURE rill_task *octets = rill_create_task(RILL_CORO(return_octets, NULL));
    EXPECT_IS(rill_await(text), 0);
    EXPECT_IS(rill_await(octets), 0);
    EXPECT(strcmp(rill_value(text), "it-7") == 0);
    EXPECT(memcmp(rill_value(octets), "ab\0cd\0", 6) == 0);
    return 0;
}

static int fail_with_text(void *arg)
{
    (void)arg;
    return rill_fail(-EIO, "disk %d", 3);
}

static int fail_through(void *arg)
{
    (void)arg;
    return rill_join(rill_create_task(RILL_CORO(fail_with_text, NULL)));
}

static int error_text_and_place_travel_with_the_code(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(fail_through, NULL));
    EXPECT_IS(rill_await(task), -EIO);
    const rill_err *error = rill_error(task);
    EXPECT(error != NULL && error->code == -EIO && error->msg != NULL);
    EXPECT(strcmp(error->msg, "disk 3") == 0);
    EXPECT(error->where != NULL && strstr(error->where, "test_task.c:") != NULL);
    EXPECT(rill_last_error() != NULL && strcmp(rill_last_error()->msg, "disk 3") == 0);
    return 0;
}

static int fail_without_text(void *arg)
{
    (void)arg;
    int r = rill_fail(-EIO, "an error that was dealt with");
    r = rill_await(shared);
    return r; /* -EIO too, but of its own */
}

static int text_of_an_earlier_error_does_not_stick_to_a_later_one(void *arg)
{
    (void)arg;
    shared = kept(rill_future_new());
    EXPECT_IS(rill_future_set_result(shared, -EIO, NULL), 0);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(fail_without_text, NULL));
    EXPECT_IS(rill_await(task), -EIO);
    EXPECT(rill_error(task)->msg == NULL);
    return 0;
}

static int repr_names_task_coroutine_place_and_result(void *arg)
{
    static char name[] = "it";
    char text[256];
    (void)arg;
    OWNED_FUTURE rill_task *task =
        rill_create_task_with(RILL_CORO(return_text, name), &(rill_task_opts){ .name = "yan1" });
    rill_repr(task, text, sizeof text);
    EXPECT(strncmp(text, "<Task pending name='yan1' coro=return_text() at ", 48) == 0);
    EXPECT_IS(rill_await(task), 0);
    rill_repr(task, text, sizeof text);
    EXPECT(strncmp(text, "<Task finished name='yan1' coro=return_text() at ", 49) == 0);
    EXPECT(strstr(text, " result='it-7'>") != NULL);
    OWNED_FUTURE rill_task *none = rill_create_task(RILL_CORO(trace_letter, &a));
    EXPECT_IS(rill_await(none), 0);
    rill_repr(none, text, sizeof text);
    EXPECT(strstr(text, " result=None>") != NULL);
    return 0;
}

static int ensure_future_makes_tasks_and_passes_futures(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_ensure_future(RILL_CORO(trace_letter, &a));
    OWNED_FUTURE rill_future *same = rill_ensure_future(task);
    EXPECT(same == task);
    EXPECT_IS(rill_await(same), 0);
    EXPECT_TRACE("a");
    return 0;
}

static int sleep_then_trace(void *arg)
{
    const char *letter = arg;
    int r = rill_sleep(RILL_MS(2 * (*letter - 'a')));
    trace(*letter);
    return r;
}

/* The longer sleeps begin later as well, so load can only make the order plainer. */
static int sleepers_wake_in_the_order_of_their_deadlines(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *soon = rill_create_task(RILL_CORO(sleep_then_trace, &a));
    OWNED_FUTURE rill_task *mid = rill_create_task(RILL_CORO(sleep_then_trace, &b));
    OWNED_FUTURE rill_task *late = rill_create_task(RILL_CORO(sleep_then_trace, &c));
    EXPECT_IS(rill_await(late), 0);
    EXPECT_TRACE("abc");
    EXPECT_IS(rill_await(mid), 0);
    EXPECT_IS(rill_await(soon), 0);
    return 0;
}

static int deep(int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    int r = depth == 0 ? rill_sleep(0) : deep(depth - 1);
    return r < 0 ? r : r + (room[0] != 0);
}

static int await_at_depth(void *arg)
{
    return deep(*(int *)arg);
}

static int await_works_at_any_call_depth(void *arg)
{
    static int depth = 100;
    (void)arg;
    EXPECT_IS(rill_join(rill_create_task(RILL_CORO(await_at_depth, &depth))), depth);
    return 0;
}

static int start_another_when_cancelled(void *arg)
{
    int r = sleep_for_ever(arg);
    rill_unref(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    return r;
}

/* The leftover's own leftover is cancelled, too. */
static int run_ends_although_a_leftover_starts_another_task(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(start_another_when_cancelled, NULL)));
    return rill_sleep(0);
}

/* In a child: what is wrong with the parent's loop there, 0 for nothing. */
static int use_of_the_loop_of_a_parent(rill_loop *loop)
{
    static int seven = 7;
    if (rill_run_coro(loop, RILL_CORO(return_int, &seven)) != -ESRCH)
        return 1;
    if (rill_loop_close(loop) != -ESRCH)
        return 2;
    return rill_run(RILL_CORO(return_int, &seven)) == 7 ? 0 : 3;
}

static void child_cannot_use_the_loop_of_its_parent_but_one_of_its_own(void **state)
{
    static int seven = 7;
    int status;
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    pid_t child = fork();
    if (child == 0) {
        alarm(20); /* the child must not outlive a failure */
        _exit(use_of_the_loop_of_a_parent(loop));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(loop), 0);
}

static void call_again(void *arg)
{
    (void)rill_call_soon(arg, call_again, arg);
}

static void close_ends_a_loop_whose_calls_call_again(void **state)
{
    static int seven = 7;
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_non_null(rill_call_soon(loop, call_again, loop).entry);
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_loop_close(loop), 0);
}

static const struct scenario scenarios[] = {
    SCENARIO(current_task_is_right_across_interleaving_and_none_in_callbacks),
    OUTSIDE(current_task_outside_of_a_loop_is_none),
    SCENARIO(run_ends_although_a_leftover_starts_another_task),
    OUTSIDE(child_cannot_use_the_loop_of_its_parent_but_one_of_its_own),
    OUTSIDE(close_ends_a_loop_whose_calls_call_again),
    SCENARIO(awaiting_oneself_is_an_error),
    SCENARIO(awaiting_a_future_of_another_loop_is_an_error),
    SCENARIO(sleep_of_no_number_of_seconds_is_an_error),
    SCENARIO(tasks_start_in_the_next_turn_in_order),
    SCENARIO(eager_task_runs_inside_the_call_until_it_suspends),
    SCENARIO(dropped_handle_lets_the_task_run_on),
    SCENARIO(copied_argument_belongs_to_the_task),
    SCENARIO(options_above_their_limits_are_refused),
    SCENARIO(names_belong_to_their_tasks),
    SCENARIO(values_live_until_the_last_reference),
    SCENARIO(error_text_and_place_travel_with_the_code),
    SCENARIO(text_of_an_earlier_error_does_not_stick_to_a_later_one),
    SCENARIO(repr_names_task_coroutine_place_and_result),
    SCENARIO(ensure_future_makes_tasks_and_passes_futures),
    SCENARIO(sleepers_wake_in_the_order_of_their_deadlines),
    SCENARIO(await_works_at_any_call_depth),
};

int main(void)
{
    return RUN_SCENARIOS("task", scenarios);
}
