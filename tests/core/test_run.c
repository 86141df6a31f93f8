/* test_run.c - rill_run: the result, the order of the end, SIGINT, exit codes. */
#include "tests/support/expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int return_12(void *arg)
{
    (void)arg;
    return 12;
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -ENOTTY;
}

static int cancel_oneself(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    return rill_sleep(0);
}

static void run_returns_what_main_returns(void **state)
{
    (void)state;
    assert_int_equal(run_main(return_12, NULL), 12);
    assert_int_equal(run_main(fail_at_once, NULL), -ENOTTY);
    assert_int_equal(run_main(cancel_oneself, NULL), -ECANCELED);
}

static int fail_with_a_text(void *arg)
{
    return rill_fail(-EIO, "disk %d is broken", *(int *)arg);
}

/* main() can say why: the text outlives the loop, until the next run of this thread. */
static void run_leaves_the_text_of_its_error_behind(void **state)
{
    int seven = 7;
    (void)state;
    assert_int_equal(run_main(fail_with_a_text, &seven), -EIO);
    const rill_err *err = rill_last_error();
    assert_non_null(err);
    assert_int_equal(err->code, -EIO);
    assert_string_equal(err->msg, "disk 7 is broken");
    assert_non_null(strstr(err->where, "test_run.c:"));
    assert_int_equal(run_main(fail_at_once, NULL), -ENOTTY);
    assert_int_equal(rill_last_error()->code, -ENOTTY);
    assert_null(rill_last_error()->msg);
    assert_int_equal(run_main(return_12, NULL), 12);
    assert_null(rill_last_error());
}

static void exit_codes_tell_success_failure_and_interrupt(void **state)
{
    (void)state;
    assert_int_equal(run_main(return_12, NULL), 12); /* the last ring was fine */
    assert_int_equal(rill_exit_code(12), 0);
    assert_int_equal(rill_exit_code(-EIO), 1);
    assert_int_equal(rill_exit_code(-EINTR), 130);
    assert_null(rill_ring_problem());
}

static int clean_up_slowly(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    for (int i = 0; i < 3; i++)
        if (rill_sleep(0) < 0)
            trace('!');
    trace(*(char *)arg);
    return r;
}

static char a = 'a', b = 'b';

static int leave_two(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(clean_up_slowly, &a)));
    rill_unref(rill_create_task(RILL_CORO(clean_up_slowly, &b)));
    int r = rill_sleep(0);
    trace('m');
    return r;
}

static int leftovers_are_cancelled_together_and_awaited(void *arg)
{
    return leave_two(arg);
}

static void leftovers_have_cleaned_up_when_run_returns(void **state)
{
    (void)state;
    assert_int_equal(run_main(leave_two, NULL), 0);
    assert_string_equal(traced(), "mab");
}

static int stay(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    trace(*(char *)arg);
    return r;
}

static int start_one_in_clean_up(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    rill_unref(rill_create_task(RILL_CORO(stay, arg)));
    return r;
}

static int leave_one_that_starts_another(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(start_one_in_clean_up, &a)));
    return rill_sleep(0);
}

/* It would sleep for ever: it has to be cancelled as well, though it was not there at the end of main. */
static void task_started_by_a_leftover_is_cancelled_as_well(void **state)
{
    (void)state;
    assert_int_equal(run_main(leave_one_that_starts_another, NULL), 0);
    assert_string_equal(traced(), "a");
}

static int reports;

static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    char text[256] = "";
    (void)loop;
    (void)message;
    (void)arg;
    if (future != NULL)
        rill_repr(future, text, sizeof text);
    reports += strstr(text, "ENOTTY") != NULL;
}

static int fail_in_clean_up(void *arg)
{
    (void)arg;
    int r = rill_sleep(RILL_FOREVER);
    return r == -ECANCELED ? -ENOTTY : r;
}

static int leave_failing(void *arg)
{
    (void)arg;
    reports = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hear, NULL);
    for (int i = 0; i < 2; i++)
        rill_unref(rill_create_task(RILL_CORO(fail_in_clean_up, NULL)));
    return rill_sleep(0);
}

/* As asyncio.run tells of exceptions during its shutdown. */
static void leftovers_that_fail_are_told(void **state)
{
    (void)state;
    assert_int_equal(run_main(leave_failing, NULL), 0);
    assert_int_equal(reports, 2);
}

/* --- Closing a loop. --- */

static void ignore_call(void *arg)
{
    (void)arg;
}

static char report[256];

static void hear_report(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)arg;
    reports++;
    if (future != NULL)
        rill_repr(future, report, sizeof report);
}

/* Row 26. */
static void pending_task_at_close_is_told_with_its_place_and_run_to_its_end(void **state)
{
    rill_loop *loop;
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_loop_set_error_handler(loop, hear_report, NULL);
    reports = 0;
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(sleep_for_ever, NULL), NULL);
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(return_12, NULL)), 12);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_true(rill_cancelled(task));
    rill_unref(task);
    assert_int_equal(reports, 1);
    assert_non_null(strstr(report, "coro=sleep_for_ever() at "));
    assert_non_null(strstr(report, "test_run.c:"));
    assert_int_equal(footing_now().blocks, before.blocks);
}

static void loop_that_never_ran_is_closed_without_a_ring(void **state)
{
    rill_loop *loop;
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_loop_set_error_handler(loop, hear_report, NULL);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(return_12, NULL), NULL);
    assert_non_null(rill_call_later(loop, RILL_SEC(1), ignore_call, NULL).entry);
    assert_int_equal(rill_call_soon_threadsafe(loop, ignore_call, NULL), 0);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_true(rill_cancelled(task));
    rill_unref(task);
    assert_int_equal(footing_now().blocks, before.blocks);
    assert_int_equal(footing_now().descriptors, before.descriptors);
}

/* --- SIGINT. --- */

static bool interrupt_early;

/* In the C library's place: the run makes one after it caught SIGINT, and before it could be woken. */
int eventfd(unsigned count, int flags)
{
    if (interrupt_early)
        raise(SIGINT);
    interrupt_early = false;
    return (int)syscall(SYS_eventfd2, count, flags);
}

static int sleep_a_second(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(1));
}

static void sigint_before_the_ring_is_there_cancels_main(void **state)
{
    (void)state;
    interrupt_early = true;
    assert_int_equal(rill_run(RILL_CORO(sleep_a_second, NULL)), -EINTR);
    assert_false(interrupt_early);
}

static int interrupt_oneself(void *arg)
{
    (void)arg;
    raise(SIGINT);
    int r = rill_sleep(RILL_SEC(10));
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

static int interrupt_and_swallow(void *arg)
{
    return interrupt_oneself(arg) == -ECANCELED ? 4 : -EBADMSG;
}

static int interrupt_and_fail(void *arg)
{
    return interrupt_oneself(arg) == -ECANCELED ? -EIO : -EBADMSG;
}

static int interrupt_and_be_cancelled(void *arg)
{
    rill_cancel(rill_current_task(), NULL);
    int r = rill_sleep(0);
    return r == -ECANCELED ? interrupt_oneself(arg) : -EBADMSG;
}

/* Row 127. */
static void interrupt_cancels_main_and_is_told_only_if_main_ended_by_that(void **state)
{
    (void)state;
    assert_int_equal(run_main(interrupt_oneself, NULL), -EINTR);
    assert_string_equal(traced(), "c");
    assert_int_equal(run_main(interrupt_and_swallow, NULL), 4);
    assert_int_equal(run_main(interrupt_and_fail, NULL), -EIO);
    assert_int_equal(run_main(interrupt_and_be_cancelled, NULL), -ECANCELED);
    struct sigaction now;
    sigaction(SIGINT, NULL, &now);
    assert_true(now.sa_handler == SIG_DFL); /* as it was before */
}

static int hold_out(void *arg)
{
    (void)arg;
    raise(SIGINT);
    int r = rill_sleep(RILL_SEC(10));
    raise(SIGINT);
    return r;
}

static void second_interrupt_ends_the_process(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        (void)rill_run(RILL_CORO(hold_out, NULL));
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 130);
}

static volatile sig_atomic_t own_interrupts;

static void count_interrupt(int signo)
{
    (void)signo;
    own_interrupts++;
}

static int interrupt_and_go_on(void *arg)
{
    (void)arg;
    raise(SIGINT);
    return rill_sleep(0);
}

static void handler_of_the_program_is_left_alone(void **state)
{
    struct sigaction own = { .sa_handler = count_interrupt }, before;
    (void)state;
    sigaction(SIGINT, &own, &before);
    own_interrupts = 0;
    assert_int_equal(run_main(interrupt_and_go_on, NULL), 0);
    sigaction(SIGINT, &before, NULL);
    assert_int_equal(own_interrupts, 1);
}

static const struct scenario scenarios[] = {
    OUTSIDE(run_returns_what_main_returns),
    OUTSIDE(run_leaves_the_text_of_its_error_behind),
    OUTSIDE(exit_codes_tell_success_failure_and_interrupt),
    SCENARIO(leftovers_are_cancelled_together_and_awaited),
    OUTSIDE(leftovers_have_cleaned_up_when_run_returns),
    OUTSIDE(task_started_by_a_leftover_is_cancelled_as_well),
    OUTSIDE(leftovers_that_fail_are_told),
    OUTSIDE(pending_task_at_close_is_told_with_its_place_and_run_to_its_end),
    OUTSIDE(loop_that_never_ran_is_closed_without_a_ring),
    OUTSIDE(interrupt_cancels_main_and_is_told_only_if_main_ended_by_that),
    OUTSIDE(sigint_before_the_ring_is_there_cancels_main),
    OUTSIDE(second_interrupt_ends_the_process),
    OUTSIDE(handler_of_the_program_is_left_alone),
};

int main(void)
{
    return RUN_SCENARIOS("run", scenarios);
}
