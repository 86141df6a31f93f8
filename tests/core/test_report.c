/* test_report.c - the error handler: who is told, on which stack, what happens to errors in it; misuse. */
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail_with_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

/* Two errors that nobody takes. */
static int drop_two_errors(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(fail_with_eio, NULL)));
    int r = rill_sleep(0);
    rill_unref(rill_create_task(RILL_CORO(fail_with_eio, NULL)));
    return r < 0 ? r : rill_sleep(0);
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text != 0; text++)
        lines += *text == '\n';
    return lines;
}

static int heard;

static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)message;
    (void)future;
    heard++;
    if (arg != NULL)
        rill_loop_set_error_handler(loop, NULL, NULL);
}

static int handle_once(void *arg)
{
    heard = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hear, arg);
    return drop_two_errors(NULL);
}

static int run_handle_once(void *arg)
{
    int r = rill_run(RILL_CORO(handle_once, arg));
    return r == 0 ? heard : 99;
}

static void check_child(struct child *child, int (*fn)(void *arg), void *arg, int wanted)
{
    assert_int_equal(child_run(child, fn, arg), 0);
    assert_true(WIFEXITED(child->status));
    assert_int_equal(WEXITSTATUS(child->status), wanted);
}

static void handler_hears_of_each_error_and_nothing_is_written(void **state)
{
    static struct child child;
    (void)state;
    check_child(&child, run_handle_once, NULL, 2);
    assert_string_equal(child.text, "");
}

static void handler_that_unsets_itself_is_not_set_again(void **state)
{
    static struct child child;
    (void)state;
    check_child(&child, run_handle_once, &heard, 1);
    assert_int_equal(count_lines(child.text), 1); /* the second error goes to the default one */
    assert_non_null(strstr(child.text, "rill: nobody took the error of: <Task finished "));
    assert_non_null(strstr(child.text, "error=EIO"));
}

static void hear_other(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
    heard += 10;
}

static void hand_over(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)message;
    (void)future;
    (void)arg;
    heard++;
    rill_loop_set_error_handler(loop, hear_other, NULL);
}

static int hand_over_to_another(void *arg)
{
    (void)arg;
    heard = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hand_over, NULL);
    return drop_two_errors(NULL);
}

static void handler_can_set_another_one(void **state)
{
    (void)state;
    assert_int_equal(run_main(hand_over_to_another, NULL), 0);
    assert_int_equal(heard, 11);
}

/* An error inside the handler: a future whose error nobody takes dies there. */
static void fail_in_the_handler(rill_loop *loop, const char *message, rill_future *future,
                                void *arg)
{
    rill_future *broken = rill_loop_create_future(loop);
    (void)message;
    (void)future;
    (void)arg;
    heard++;
    (void)rill_future_set_error(broken, -ENOTTY, "the handler is broken");
    rill_unref(broken);
}

static int drop_with_a_broken_handler(void *arg)
{
    heard = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), fail_in_the_handler, arg);
    int r = drop_two_errors(NULL);
    return r == 0 ? heard : 99;
}

static int run_with_a_broken_handler(void *arg)
{
    return rill_run(RILL_CORO(drop_with_a_broken_handler, arg));
}

/* Row 123. CPython: test_set_exc_handler_broken. */
static void error_in_the_handler_goes_to_the_default_one_and_the_loop_lives_on(void **state)
{
    static struct child child;
    (void)state;
    check_child(&child, run_with_a_broken_handler, NULL, 2); /* it was called for the second, too */
    assert_int_equal(count_lines(child.text), 2);
    assert_non_null(strstr(child.text, "error=ENOTTY"));
    assert_null(strstr(child.text, "EIO"));
}

static void look_around(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)message;
    (void)arg;
    heard++;
    EXPECT_HERE(rill_get_running_loop() == loop);
    EXPECT_HERE(rill_current_task() == NULL);
    EXPECT_HERE(rill_loop_close(loop) == -EBUSY);
    EXPECT_HERE(future != NULL && rill_result(future) == -ENOTTY);
}

/* Rule 3.8: also if it is a task that drops the last reference. */
static int handler_has_no_current_task(void *arg)
{
    (void)arg;
    heard = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), look_around, NULL);
    rill_future *broken = rill_future_new();
    EXPECT_IS(rill_future_set_error(broken, -ENOTTY, NULL), 0);
    rill_unref(broken);
    EXPECT_IS(heard, 1);
    EXPECT(rill_current_task() != NULL);
    return rill_sleep(0);
}

static void keep_future(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    *(rill_future **)arg = rill_ref(future);
}

static int handler_may_keep_the_future(void *arg)
{
    rill_future *kept_one = NULL;
    (void)arg;
    rill_loop_set_error_handler(rill_get_running_loop(), keep_future, &kept_one);
    rill_future *broken = rill_future_new();
    EXPECT_IS(rill_future_set_error(broken, -ENOTTY, NULL), 0);
    rill_unref(broken);
    EXPECT(kept_one == broken);
    EXPECT_IS(rill_result(kept_one), -ENOTTY);
    rill_unref(kept_one);
    return 0;
}

/* --- Misuse. --- */

static const rill_loop_opts strict = { .strict = true };

static int run_inside(void *arg)
{
    (void)arg;
    return rill_run(RILL_CORO(fail_with_eio, NULL));
}

static int run_inside_strictly(void *arg)
{
    (void)arg;
    return rill_run_with(RILL_CORO(run_inside, NULL), &strict);
}

static int forget_to_leave(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    return rill_timeout(&scope, RILL_SEC(1));
}

static void await_in_a_callback(void *arg)
{
    rill_lock lock = { 0 };
    (void)!rill_lock_acquire(arg != NULL ? arg : &lock);
}

static int call_one_that_awaits(void *arg)
{
    rill_call_soon(rill_get_running_loop(), await_in_a_callback, arg);
    return rill_sleep(RILL_SEC(1));
}

static int fail_with_a_text(void *arg)
{
    (void)arg;
    return rill_fail(-EIO, "disk 7 is broken");
}

static int drop_a_text(void *arg)
{
    rill_unref(rill_create_task(RILL_CORO(fail_with_a_text, arg)));
    return rill_sleep(0);
}

static int run_forgetful(void *arg)
{
    return rill_run(RILL_CORO(forget_to_leave, arg));
}

static int run_callback(void *arg)
{
    return rill_run(RILL_CORO(call_one_that_awaits, arg));
}

static int run_dropping(void *arg)
{
    return rill_run(RILL_CORO(drop_a_text, arg));
}

static void assert_aborts_with(int (*fn)(void *arg), const char *text, const char *function)
{
    static struct child child;
    assert_int_equal(child_run(&child, fn, NULL), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGABRT);
    if (strstr(child.text, text) == NULL || strstr(child.text, function) == NULL)
        fail_msg("no \"%s\" or \"%s\" in: %s", text, function, child.text);
}

/* What only an abort can end says whose mistake it is, and where. */
static void mistakes_that_abort_are_told_with_their_place(void **state)
{
    (void)state;
    assert_aborts_with(run_forgetful, "forget_to_leave() made at ", "  forget_to_leave+0x");
    assert_aborts_with(run_callback, "an await in a callback", "  await_in_a_callback+0x");
}

static void errors_that_nobody_took_are_told_with_their_text(void **state)
{
    static struct child child;
    (void)state;
    check_child(&child, run_dropping, NULL, 0);
    assert_non_null(strstr(child.text, "error=EIO>: disk 7 is broken ("));
    assert_non_null(strstr(child.text, "test_report.c:"));
}

static void misuse_on_a_strict_loop_dumps_the_tasks_and_aborts(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(run_main(run_inside, NULL), -EBUSY);
    assert_int_equal(child_run(&child, run_inside_strictly, NULL), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGABRT);
    assert_non_null(strstr(child.text, "rill: misuse: EBUSY\n"));
    assert_non_null(strstr(child.text, "  run_inside+0x"));
    assert_non_null(strstr(child.text, "rill: 1 tasks, "));
    assert_non_null(strstr(child.text, "run_inside() made at "));
}

static int leave_what_was_not_entered(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    return rill_scope_leave(&scope, 0);
}

static int shield_what_was_not_entered(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    return rill_scope_shield(&scope, 0);
}

static int go_in_a_group_that_was_not_entered(void *arg)
{
    rill_group group = { 0 };
    return rill_group_go(&group, RILL_CORO(fail_with_eio, arg));
}

static int start_for_nobody(void *arg)
{
    return rill_started(arg);
}

static int await_oneself(void *arg)
{
    (void)arg;
    return rill_await(rill_current_task());
}

static int run_strictly(void *arg)
{
    return rill_run_with(RILL_CORO(*(rill_fn **)arg, NULL), &strict);
}

/* Each is a code on other loops. */
static void misuse_of_scopes_groups_and_awaits_aborts_as_well(void **state)
{
    static struct child child;

    static struct {
        rill_fn *fn;
        int code;
    } misuses[] = { { leave_what_was_not_entered, -EINVAL },
                    { shield_what_was_not_entered, -EINVAL },
                    { go_in_a_group_that_was_not_entered, -EINVAL },
                    { start_for_nobody, -EINVAL },
                    { await_oneself, -EDEADLK } };

    (void)state;
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        assert_int_equal(run_main(misuses[i].fn, NULL), misuses[i].code);
        assert_int_equal(child_run(&child, run_strictly, &misuses[i].fn), 0);
        assert_true(WIFSIGNALED(child.status));
        assert_int_equal(WTERMSIG(child.status), SIGABRT);
        assert_non_null(strstr(child.text, rill_errname(misuses[i].code)));
    }
}

static int wait_a_little(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_result(future), -EINPROGRESS);
    return rill_sleep(0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(handler_hears_of_each_error_and_nothing_is_written),
    OUTSIDE(handler_that_unsets_itself_is_not_set_again),
    OUTSIDE(handler_can_set_another_one),
    OUTSIDE(error_in_the_handler_goes_to_the_default_one_and_the_loop_lives_on),
    SCENARIO_ONCE(handler_has_no_current_task),
    SCENARIO_ONCE(handler_may_keep_the_future),
    OUTSIDE(misuse_on_a_strict_loop_dumps_the_tasks_and_aborts),
    OUTSIDE(mistakes_that_abort_are_told_with_their_place),
    OUTSIDE(errors_that_nobody_took_are_told_with_their_text),
    OUTSIDE(misuse_of_scopes_groups_and_awaits_aborts_as_well),
    { .name = "strict_loop_runs_what_is_right", .main = wait_a_little, .opts = &strict },
};

int main(void)
{
    return RUN_SCENARIOS("report", scenarios);
}
