/* test_runner.c - several main tasks on one loop: what stays between them, interrupts, the close. */
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int seven = 7;

static int fail_with_eio(void *arg)
{
    (void)arg;
    return -EIO;
}

/* CPython: test_run, and the loop's life. */
static void runner_runs_several_coroutines_on_one_loop(void **state)
{
    struct footing before = footing_now();
    rill_runner runner = { 0 };
    (void)state;
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(fail_with_eio, NULL)), -EIO);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_runner_close(&runner), 0);
    assert_int_equal(footing_now().blocks, before.blocks);
    assert_int_equal(footing_now().descriptors, before.descriptors);
}

static int note_loop(void *arg)
{
    *(rill_loop **)arg = rill_get_running_loop();
    return rill_get_event_loop() == rill_get_running_loop() ? 0 : -EBADMSG;
}

static void runner_keeps_its_loop_until_its_close(void **state)
{
    rill_runner runner = { 0 };
    rill_loop *first, *second;
    (void)state;
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(note_loop, &first)), 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(note_loop, &second)), 0);
    assert_ptr_equal(first, second);
    assert_false(rill_loop_is_running(first));
    assert_false(rill_loop_is_closed(first));
    assert_int_equal(rill_runner_close(&runner), 0);
    assert_true(rill_loop_is_closed(first));
}

/* CPython: test_close. */
static void closed_runner_runs_nothing_and_closes_again(void **state)
{
    rill_runner runner;
    (void)state;
    assert_int_equal(rill_runner_init(&runner, NULL), 0);
    assert_int_equal(rill_runner_close(&runner), 0); /* it never ran */
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), -ESHUTDOWN);
    assert_int_equal(rill_runner_close(&runner), 0);
    assert_int_equal(rill_runner_init(&runner, NULL), 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_runner_close(&runner), 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), -ESHUTDOWN);
}

static void runner_with_bad_options_is_einval(void **state)
{
    rill_loop_opts bad = { .sq_entries = 3 };
    rill_runner runner = { 0 };
    (void)state;
    assert_int_equal(rill_runner_init(&runner, &bad), -EINVAL);
    assert_int_equal(rill_run_with(RILL_CORO(return_int, &seven), &bad), -EINVAL);
}

static int note_and_wait(void *arg)
{
    int r = sleep_for_ever(arg);
    trace(r == -ECANCELED ? 'c' : '!');
    return r;
}

static int leave_one(void *arg)
{
    rill_unref(rill_create_task(RILL_CORO(note_and_wait, arg)));
    trace('m');
    return rill_sleep(0);
}

static int told;

static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
    told++;
}

static int listen_to_errors(void *arg)
{
    rill_loop_set_error_handler(rill_get_running_loop(), hear, arg);
    return 0;
}

/* Tasks live on between two runs; the close cancels and awaits them, which is no news. */
static int leave_one_in_a_runner(void *arg)
{
    rill_runner runner = { 0 };
    (void)arg;
    told = 0;
    if (rill_runner_run(&runner, RILL_CORO(listen_to_errors, NULL)) != 0 ||
        rill_runner_run(&runner, RILL_CORO(leave_one, NULL)) != 0)
        return 1;
    trace('-');
    if (rill_runner_run(&runner, RILL_CORO(return_int, &seven)) != 7)
        return 2;
    trace('-');
    if (rill_runner_close(&runner) != 0 || told != 0)
        return 3;
    return strcmp(traced(), "m--c") != 0;
}

static void check_child(int (*fn)(void *arg), int wanted_status)
{
    static struct child child;
    assert_int_equal(child_run(&child, fn, NULL), 0);
    assert_string_equal(child.text, "");
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), wanted_status);
}

static void leftovers_of_a_run_live_on_until_the_close(void **state)
{
    (void)state;
    check_child(leave_one_in_a_runner, 0);
}

/* Row 126. CPython: test_recursive_run, test_run_in_running_loop. */
static int run_inside(void *arg)
{
    rill_runner *outer = arg, inner = { 0 };
    EXPECT_IS(rill_runner_run(outer, RILL_CORO(return_int, &seven)), -EBUSY);
    EXPECT_IS(rill_runner_run(&inner, RILL_CORO(return_int, &seven)), -EBUSY);
    EXPECT_IS(rill_run(RILL_CORO(return_int, &seven)), -EBUSY);
    EXPECT_IS(rill_runner_close(outer), -EBUSY);
    EXPECT_IS(rill_runner_close(&inner), 0); /* it has no loop */
    return rill_sleep(0);
}

static void run_inside_a_run_is_ebusy(void **state)
{
    rill_runner runner = { 0 };
    (void)state;
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(run_inside, &runner)), 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_runner_close(&runner), 0);
}

static int stop_the_loop(void *arg)
{
    rill_loop_stop(rill_get_running_loop());
    return sleep_for_ever(arg);
}

static void main_that_stops_the_loop_is_einprogress_and_cancelled_at_the_close(void **state)
{
    (void)state;
    assert_int_equal(run_main(stop_the_loop, NULL), -EINPROGRESS);
}

/* --- SIGINT, in children: 0 if all went as promised. --- */

static int interrupt_in_sleep(void *arg)
{
    (void)arg;
    raise(SIGINT);
    return rill_sleep(RILL_SEC(10));
}

static int spin_until_cancelled(void *arg)
{
    int r = 0;
    (void)arg;
    raise(SIGINT);
    while (r == 0)
        r = rill_sleep(0);
    return r;
}

static bool default_sigint(void)
{
    struct sigaction now;
    return sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

/* Row 127. CPython: test_interrupt_wait, test_interrupt_call_soon: the runner can be used afterwards. */
static int interrupt_each_run(void *arg)
{
    rill_runner runner = { 0 };
    (void)arg;
    if (rill_runner_run(&runner, RILL_CORO(interrupt_in_sleep, NULL)) != -EINTR)
        return 1;
    if (!default_sigint())
        return 2;
    if (rill_runner_run(&runner, RILL_CORO(return_int, &seven)) != 7)
        return 3;
    if (rill_runner_run(&runner, RILL_CORO(spin_until_cancelled, NULL)) != -EINTR)
        return 4; /* a first one again: what was before does not count */
    return rill_runner_close(&runner);
}

static void interrupt_ends_one_run_and_not_the_runner(void **state)
{
    (void)state;
    check_child(interrupt_each_run, 0);
}

static void interrupt_now(void *arg)
{
    (void)arg;
    raise(SIGINT);
}

static int await_a_future(void *future)
{
    OWNED_FUTURE rill_future *mine = rill_future_new();
    if (rill_call_later(rill_get_running_loop(), RILL_MS(1), interrupt_now, NULL).entry == NULL)
        return -ENOMEM;
    *(rill_future **)future = rill_ref(mine);
    int r = rill_await(mine);
    return r == -ECANCELED ? r : -EBADMSG;
}

/* Row 127. CPython: test_interrupt_wait. */
static int interrupt_an_await(void *arg)
{
    rill_future *future = NULL;
    (void)arg;
    if (rill_run(RILL_CORO(await_a_future, &future)) != -EINTR)
        return 1;
    bool cancelled = rill_cancelled(future);
    rill_unref(future);
    return cancelled ? 0 : 2;
}

static void interrupt_cancels_what_main_awaits(void **state)
{
    (void)state;
    check_child(interrupt_an_await, 0);
}

static int be_interrupted_again(void *arg)
{
    int r = interrupt_in_sleep(arg);
    if (r != -ECANCELED)
        return -EBADMSG;
    r = rill_sleep(0); /* it is delivered once */
    return r == 0 ? 3 : r;
}

static int swallow_and_go_on(void *arg)
{
    (void)arg;
    return rill_run(RILL_CORO(be_interrupted_again, NULL)) == 3 ? 0 : 1;
}

static void interrupt_that_main_takes_is_over(void **state)
{
    (void)state;
    check_child(swallow_and_go_on, 0);
}

static int cancel_and_interrupt(void *task)
{
    rill_cancel(task, NULL);
    raise(SIGINT);
    return 0;
}

static int be_cancelled_and_interrupted(void *arg)
{
    (void)arg;
    rill_unref(rill_create_task(RILL_CORO(cancel_and_interrupt, rill_current_task())));
    return rill_sleep(RILL_SEC(10));
}

/* Row 127. CPython: test_interrupt_cancelled_task. */
static int interrupt_a_cancelled_main(void *arg)
{
    (void)arg;
    int r = rill_run(RILL_CORO(be_cancelled_and_interrupted, NULL));
    return r == -ECANCELED ? 0 : 1;
}

static void interrupt_of_a_cancelled_main_stays_a_cancel(void **state)
{
    (void)state;
    check_child(interrupt_a_cancelled_main, 0);
}

static int uncancel_and_give_up(void *arg)
{
    int r = interrupt_in_sleep(arg);
    if (r == -ECANCELED && rill_uncancel(rill_current_task()) == 0)
        return -ECANCELED; /* on its own account */
    return -EBADMSG;
}

/* CPython: Runner.run asks uncancel() again, which says 0 for a count that is 0 already. */
static int take_the_interrupt_back(void *arg)
{
    (void)arg;
    int r = rill_run(RILL_CORO(uncancel_and_give_up, NULL));
    return r == -EINTR ? 0 : 1;
}

static void interrupt_that_main_took_back_is_told_if_it_ends_cancelled(void **state)
{
    (void)state;
    check_child(take_the_interrupt_back, 0);
}

static int interrupt_after_main(void *arg)
{
    rill_runner runner = { 0 };
    (void)arg;
    if (rill_runner_run(&runner, RILL_CORO(return_int, &seven)) != 7)
        return 1;
    raise(SIGINT); /* nobody catches it between two runs */
    return 2;
}

static void interrupt_between_runs_ends_the_process(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, interrupt_after_main, NULL), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGINT);
}

static void ignore_call(void *arg)
{
    (void)arg;
}

static int take_over_sigint(void *arg)
{
    (void)arg;
    return rill_add_signal_handler(rill_get_running_loop(), SIGINT, ignore_call, NULL);
}

/* A handler that the first loop had is given back with it. */
static int interrupt_a_run_after_a_handler(void *arg)
{
    (void)arg;
    if (rill_run(RILL_CORO(take_over_sigint, NULL)) != 0)
        return 1;
    if (rill_run(RILL_CORO(interrupt_in_sleep, NULL)) != -EINTR)
        return 2;
    return default_sigint() ? 0 : 3;
}

static void run_after_one_with_a_handler_is_interrupted(void **state)
{
    (void)state;
    check_child(interrupt_a_run_after_a_handler, 0);
}

/* --- Forks. --- */

/* What SIGINT does in a child that was forked from a run: with `runs`, in a run of its own. */
static int status_of_a_child(bool runs)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (runs)
            _exit(rill_run(RILL_CORO(interrupt_in_sleep, NULL)) == -EINTR ? 0 : 1);
        raise(SIGINT);
        _exit(2);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static int fork_inside(void *arg)
{
    int status = status_of_a_child(false);
    (void)arg;
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    EXPECT_IS(status_of_a_child(true), 0);
    return rill_sleep(0);
}

static int fork_from_a_run(void *arg)
{
    const rill_loop_opts opts = { .slow = RILL_FOREVER }; /* it waits for its children */
    (void)arg;
    return rill_run_with(RILL_CORO(fork_inside, NULL), &opts) == 0 ? 0 : 1;
}

static void interrupt_of_a_child_is_its_own(void **state)
{
    (void)state;
    if (under_tsan())
        skip(); /* it delivers no signal in a child of a process with threads */
    check_child(fork_from_a_run, 0);
}

static int use_the_parents_runner(void *arg)
{
    rill_runner own = { 0 };
    if (rill_runner_run(arg, RILL_CORO(return_int, &seven)) != -ESRCH)
        return 1;
    if (rill_runner_close(arg) != -ESRCH)
        return 2;
    if (rill_runner_run(&own, RILL_CORO(return_int, &seven)) != 7)
        return 3;
    return rill_runner_close(&own);
}

static void runner_of_the_parent_is_esrch_in_a_child(void **state)
{
    static struct child child;
    rill_runner runner = { 0 };
    (void)state;
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(child_run(&child, use_the_parents_runner, &runner), 0);
    assert_int_equal(child.status, 0);
    assert_int_equal(rill_runner_run(&runner, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(rill_runner_close(&runner), 0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(runner_runs_several_coroutines_on_one_loop),
    OUTSIDE(runner_keeps_its_loop_until_its_close),
    OUTSIDE(closed_runner_runs_nothing_and_closes_again),
    OUTSIDE(runner_with_bad_options_is_einval),
    OUTSIDE(leftovers_of_a_run_live_on_until_the_close),
    OUTSIDE(run_inside_a_run_is_ebusy),
    OUTSIDE(main_that_stops_the_loop_is_einprogress_and_cancelled_at_the_close),
    OUTSIDE(interrupt_ends_one_run_and_not_the_runner),
    OUTSIDE(interrupt_cancels_what_main_awaits),
    OUTSIDE(interrupt_that_main_takes_is_over),
    OUTSIDE(interrupt_of_a_cancelled_main_stays_a_cancel),
    OUTSIDE(interrupt_that_main_took_back_is_told_if_it_ends_cancelled),
    OUTSIDE(interrupt_between_runs_ends_the_process),
    OUTSIDE(run_after_one_with_a_handler_is_interrupted),
    OUTSIDE(interrupt_of_a_child_is_its_own),
    OUTSIDE(runner_of_the_parent_is_esrch_in_a_child),
};

int main(void)
{
    return RUN_SCENARIOS("runner", scenarios);
}
