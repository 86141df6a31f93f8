/* test_signal.c - signals as calls of a loop, and as values that tasks wait for. */
#include "tests/support/expect.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include <sys/wait.h>

static int came;

static void count(void *arg)
{
    came += arg != NULL ? *(int *)arg : 1;
}

/* A loop that looks for signals in a real sleep is woken by a descriptor: some turns later. */
static int until_came(int wanted)
{
    int r = 0;
    while (r == 0 && came < wanted)
        r = rill_sleep(0);
    return r;
}

/* test_unix_events.py: test_add_signal_handler, test_remove_signal_handler. */
static int handler_is_called_for_each_signal_until_it_is_removed(void *arg)
{
    static int two = 2;
    rill_loop *loop = rill_get_running_loop();
    struct sigaction now;
    (void)arg;
    came = 0;
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, count, NULL), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(came, 0); /* not inside of the signal's own handler */
    EXPECT_IS(until_came(1), 0);
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, count, &two), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(until_came(3), 0);
    EXPECT_IS(came, 3);
    EXPECT_IS(rill_remove_signal_handler(loop, SIGUSR1), 0);
    EXPECT_IS(rill_remove_signal_handler(loop, SIGUSR1), -ENOENT);
    EXPECT_IS(sigaction(SIGUSR1, NULL, &now), 0);
    EXPECT(now.sa_handler == SIG_IGN); /* as main has it */
    return 0;
}

/* As there: each that came is a call, also if several came before anybody looked. */
static int handler_is_called_as_often_as_the_signal_came(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    came = 0;
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, count, NULL), 0);
    for (int i = 0; i < 150; i++)
        EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(until_came(1), 0);
    EXPECT(came < 150); /* so many in a turn would hold up the others */
    EXPECT_IS(until_came(150), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(came, 150);
    return 0;
}

static void remove_oneself(void *arg)
{
    count(arg);
    (void)rill_remove_signal_handler(rill_get_running_loop(), SIGUSR1);
}

static int handler_that_removes_itself_is_called_once(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    came = 0;
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, remove_oneself, NULL), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(until_came(1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(came, 1);
    EXPECT_IS(rill_remove_signal_handler(loop, SIGUSR1), -ENOENT);
    return 0;
}

static rill_var colour = { .name = "colour", .initial = "none" };
static int reds;

static void look_at_colour(void *arg)
{
    reds += strcmp(rill_var_get(&colour), "red") == 0;
    (void)rill_var_set(&colour, "blue", NULL);
    count(arg);
}

/* As calls have: those of who asked for it, and what one sets is its own. */
static int handler_has_the_values_of_who_added_it(void *arg)
{
    (void)arg;
    came = reds = 0;
    EXPECT_IS(rill_var_set(&colour, "red", NULL), 0);
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGUSR1, look_at_colour, NULL), 0);
    EXPECT_IS(rill_var_set(&colour, "green", NULL), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(until_came(2), 0);
    EXPECT_IS(reds, 2);
    EXPECT_IS(strcmp(rill_var_get(&colour), "green"), 0);
    return 0;
}

static void end_wait(void *arg)
{
    (void)rill_future_set_result(arg, 0, NULL);
}

static atomic_bool heard;

static void *raise_until_heard(void *arg)
{
    while (!heard) {
        kill(getpid(), SIGUSR1);
        sched_yield();
    }
    return arg;
}

/* test_events.py: test_signal_handling_while_selecting. */
static int signal_wakes_a_loop_that_sleeps(void *arg)
{
    OWNED_FUTURE rill_future *future = rill_future_new();
    pthread_t thread;
    (void)arg;
    heard = false;
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGUSR1, end_wait, future), 0);
    EXPECT_IS(pthread_create(&thread, NULL, raise_until_heard, NULL), 0);
    int r = rill_await(future);
    heard = true;
    pthread_join(thread, NULL);
    EXPECT_IS(rill_remove_signal_handler(rill_get_running_loop(), SIGUSR1), 0);
    EXPECT_IS(r, 0);
    return 0;
}

/* test_add_signal_handler_setup_error, test_add_signal_handler_install_error. */
static int signals_that_cannot_be_caught_are_refused(void *arg)
{
    const int wrong[] = { -1, 0, SIGKILL, SIGSTOP, SIGSEGV, SIGRTMAX + 1 };
    rill_loop *loop = rill_get_running_loop();
    sigset_t none, kill;
    int signo = 0;
    (void)arg;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EXPECT_IS(rill_add_signal_handler(loop, wrong[i], count, NULL), -EINVAL);
    sigemptyset(&none);
    sigemptyset(&kill);
    sigaddset(&kill, SIGUSR1);
    sigaddset(&kill, SIGKILL);
    EXPECT_IS(rill_signal_wait(&none, &signo), -EINVAL);
    EXPECT_IS(rill_signal_wait(&kill, &signo), -EINVAL);
    EXPECT_IS(rill_remove_signal_handler(loop, SIGUSR1), -ENOENT);
    return 0;
}

static sigset_t both(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    return set;
}

static int wait_for_one(void *arg)
{
    sigset_t set = both();
    int r = rill_signal_wait(&set, arg);
    return r;
}

static int signals_between_two_waits_are_kept(void *arg)
{
    sigset_t set = both();
    int first = 0, second = 0;
    (void)arg;
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for_one, &first));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &waiter), 0);
    EXPECT_IS(raise(SIGUSR2), 0);
    EXPECT_IS(rill_await(waiter), 0);
    EXPECT_IS(first, SIGUSR2);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(raise(SIGUSR1), 0); /* kept once */
    EXPECT_IS(rill_signal_wait(&set, &second), 0);
    EXPECT_IS(second, SIGUSR1);
    return 0;
}

/* The law of races: the loop can keep the signal, so the cancel wins and the next waiter gets it. */
static int signal_for_a_cancelled_waiter_goes_to_the_next(void *arg)
{
    sigset_t set = both();
    int one = 0, other = 0;
    (void)arg;
    OWNED_FUTURE rill_task *first = rill_create_task(RILL_CORO(wait_for_one, &one));
    OWNED_FUTURE rill_task *second = rill_create_task(RILL_CORO(wait_for_one, &other));
    rill_task *tasks[] = { first, second };
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(2, tasks), 0);
    EXPECT(rill_cancel(first, NULL));
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(rill_await(second), 0);
    EXPECT_IS(other, SIGUSR1);
    EXPECT_IS(rill_await(first), -ECANCELED);
    EXPECT_IS(one, 0);
    EXPECT_IS(raise(SIGUSR2), 0);
    EXPECT_IS(rill_signal_wait(&set, &one), 0);
    EXPECT_IS(one, SIGUSR2);
    return 0;
}

static rill_task *victim;

static void cancel_victim(void *arg)
{
    (void)arg;
    came++;
    (void)rill_cancel(victim, NULL);
}

/* Woken by the signal and cancelled in the same turn: the signal stays for the next wait. */
static int cancel_in_the_turn_of_the_signal_keeps_it(void *arg)
{
    sigset_t set = both();
    int one = 0, again = 0;
    (void)arg;
    came = 0;
    victim = kept(rill_create_task(RILL_CORO(wait_for_one, &one)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &victim), 0);
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGUSR1, cancel_victim, NULL), 0);
    EXPECT_IS(raise(SIGUSR1), 0);
    EXPECT_IS(until_came(1), 0);
    EXPECT_IS(rill_await(victim), -ECANCELED);
    EXPECT_IS(rill_signal_wait(&set, &again), 0);
    EXPECT_IS(again, SIGUSR1);
    EXPECT_IS(one, 0);
    return 0;
}

static void signal_has_one_loop(void **state)
{
    rill_loop *one, *other;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &one), 0);
    assert_int_equal(rill_loop_new(NULL, &other), 0);
    assert_int_equal(rill_add_signal_handler(one, SIGUSR1, count, NULL), 0);
    assert_int_equal(rill_add_signal_handler(other, SIGUSR1, count, NULL), -EBUSY);
    assert_int_equal(rill_remove_signal_handler(other, SIGUSR1), -ENOENT);
    assert_int_equal(rill_loop_close(one), 0);
    assert_int_equal(rill_add_signal_handler(other, SIGUSR1, count, NULL), 0);
    assert_int_equal(rill_loop_close(other), 0);
}

static int stop_at_signal(void *arg)
{
    (void)arg;
    return until_came(1);
}

static void signal_before_the_first_run_is_not_lost(void **state)
{
    rill_loop *loop;
    (void)state;
    came = 0;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_add_signal_handler(loop, SIGUSR1, count, NULL), 0);
    raise(SIGUSR1);
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(stop_at_signal, NULL)), 0);
    assert_int_equal(came, 1);
    assert_int_equal(rill_loop_close(loop), 0);
}

static int catch_interrupt(void *arg)
{
    (void)arg;
    came = 0;
    int r = rill_add_signal_handler(rill_get_running_loop(), SIGINT, count, NULL);
    if (r < 0)
        return r;
    raise(SIGINT);
    return until_came(1);
}

/* asyncio.Runner: a handler of the program's own is in force instead of the run's. */
static void own_handler_of_sigint_takes_its_place(void **state)
{
    struct sigaction now;
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(catch_interrupt, NULL)), 0);
    assert_int_equal(sigaction(SIGINT, NULL, &now), 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGINT);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    now.sa_handler = SIG_DFL;
    sigaction(SIGINT, &now, NULL);
}

static int raise_in_child(void *arg)
{
    (void)arg;
    if (under_tsan())
        return 0; /* which delivers no signal in a child of a process with threads */
    int status = 0, r = rill_add_signal_handler(rill_get_running_loop(), SIGTERM, count, NULL);
    if (r < 0)
        return r;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    EXPECT_IS(waitpid(child, &status, 0), child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}

static volatile sig_atomic_t own_handler_called;

static void own_handler(int signo)
{
    (void)signo;
    own_handler_called = 1;
}

/* What the signal did before its loop caught it. */
static int signals_of_a_child_do_what_they_did_before(void *arg)
{
    static const struct sigaction own = { .sa_handler = own_handler };
    rill_loop *loop = rill_get_running_loop();
    struct sigaction before;
    int status = 0;
    (void)arg;
    if (under_tsan())
        return 0;
    sigaction(SIGWINCH, &own, &before);
    EXPECT_IS(rill_add_signal_handler(loop, SIGWINCH, count, NULL), 0);
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, count, NULL), 0); /* main ignores it */
    pid_t child = fork();
    if (child == 0) {
        raise(SIGUSR1);
        raise(SIGWINCH);
        _exit(own_handler_called ? 0 : 1);
    }
    EXPECT_IS(waitpid(child, &status, 0), child);
    EXPECT_IS(rill_remove_signal_handler(loop, SIGWINCH), 0);
    sigaction(SIGWINCH, &before, NULL);
    EXPECT_IS(status, 0);
    return 0;
}

static int catch_for_oneself(void *arg)
{
    (void)arg;
    came = 0;
    int r = rill_add_signal_handler(rill_get_running_loop(), SIGTERM, count, NULL);
    if (r == 0)
        r = raise(SIGTERM);
    return r == 0 ? until_came(1) : r;
}

/* test_fork_signal_handling: a child that runs a loop of its own catches for that. */
static int child_catches_signals_for_its_own_loop(void *arg)
{
    int status = 0;
    (void)arg;
    if (under_tsan()) /* there it may wait for ever */
        return 0;
    came = 0;
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGTERM, count, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        if (rill_run(RILL_CORO(catch_for_oneself, NULL)) != 0)
            _exit(1);
        raise(SIGTERM); /* as before all that: it ends us */
        _exit(2);
    }
    EXPECT_IS(waitpid(child, &status, 0), child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(came, 0);
    EXPECT_IS(raise(SIGTERM), 0);
    EXPECT_IS(until_came(1), 0);
    return 0;
}

static rill_loop *first_loop;

static int want_interrupts(void *arg)
{
    sigset_t set;
    int signo;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGINT, count, NULL), -EBUSY);
    EXPECT_IS(rill_signal_wait(&set, &signo), -EBUSY);
    EXPECT_IS(pthread_kill(pthread_self(), SIGINT), 0); /* the other loop's, whatever the thread */
    return rill_call_soon_threadsafe(first_loop, count, NULL);
}

static void *run_second_loop(void *arg)
{
    *(int *)arg = rill_run(RILL_CORO(want_interrupts, NULL));
    return NULL;
}

static int share_interrupts(void *arg)
{
    pthread_t thread;
    int second = 1;
    (void)arg;
    came = 0;
    first_loop = rill_get_running_loop();
    EXPECT_IS(rill_add_signal_handler(first_loop, SIGINT, count, NULL), 0);
    EXPECT_IS(pthread_create(&thread, NULL, run_second_loop, &second), 0);
    int r = until_came(2);
    pthread_join(thread, NULL);
    EXPECT_IS(r, 0);
    EXPECT_IS(second, 0);
    return rill_remove_signal_handler(first_loop, SIGINT);
}

static void of_two_loops_in_two_threads_the_first_has_the_signal(void **state)
{
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(share_interrupts, NULL)), 0);
}

static void *raise_often(void *arg)
{
    for (int i = 0; i < 2000; i++)
        kill(getpid(), SIGUSR1);
    return arg;
}

static int catch_and_release(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int r = rill_add_signal_handler(loop, SIGUSR1, count, NULL);
        if (r == 0)
            r = rill_sleep(0);
        if (r == 0)
            r = rill_remove_signal_handler(loop, SIGUSR1);
        if (r < 0)
            return r;
    }
    return 0;
}

static void ignore_call(void *arg)
{
    (void)arg;
}

/* Giving a signal back while another thread may be inside of the handler. */
static void release_races_with_signals(void **state)
{
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, raise_often, NULL), 0);
    int r = rill_run(RILL_CORO(catch_and_release, NULL));
    pthread_join(thread, NULL);
    assert_int_equal(r, 0);
}

static int catch_if_it_is_free(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int caught = rill_add_signal_handler(loop, SIGUSR1, ignore_call, NULL);
        int r = rill_sleep(0);
        if (caught == 0 && r == 0)
            r = rill_remove_signal_handler(loop, SIGUSR1);
        if (r < 0 || (caught < 0 && caught != -EBUSY))
            return r < 0 ? r : caught;
    }
    return 0;
}

static void *run_and_catch(void *arg)
{
    *(int *)arg = rill_run(RILL_CORO(catch_if_it_is_free, NULL));
    return NULL;
}

/* Two loops in two threads that take the place from each other, while signals come to a third. */
static void loops_race_for_a_signal(void **state)
{
    pthread_t threads[2], raiser;
    int results[2] = { 1, 1 };
    (void)state;
    assert_int_equal(pthread_create(&raiser, NULL, raise_often, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_and_catch, &results[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_join(raiser, NULL);
    assert_int_equal(results[0], 0);
    assert_int_equal(results[1], 0);
}

int main(void)
{
    static const struct sigaction ignored = { .sa_handler = SIG_IGN };
    (void)sigaction(SIGUSR1, &ignored,
                    NULL); /* a run that was cut short does not catch what it then raises */
    (void)sigaction(SIGUSR2, &ignored, NULL);
    static const struct scenario scenarios[] = {
        SCENARIO(handler_is_called_for_each_signal_until_it_is_removed),
        SCENARIO(handler_is_called_as_often_as_the_signal_came),
        SCENARIO(handler_that_removes_itself_is_called_once),
        SCENARIO_REAL(signal_wakes_a_loop_that_sleeps, "another thread sends it"),
        SCENARIO(handler_has_the_values_of_who_added_it),
        SCENARIO(signals_that_cannot_be_caught_are_refused),
        SCENARIO(signals_between_two_waits_are_kept),
        SCENARIO(signal_for_a_cancelled_waiter_goes_to_the_next),
        SCENARIO(cancel_in_the_turn_of_the_signal_keeps_it),
        SCENARIO_ONCE(raise_in_child),
        SCENARIO_ONCE(signals_of_a_child_do_what_they_did_before),
        SCENARIO_ONCE(child_catches_signals_for_its_own_loop),
        OUTSIDE(of_two_loops_in_two_threads_the_first_has_the_signal),
        OUTSIDE(signal_has_one_loop),
        OUTSIDE(signal_before_the_first_run_is_not_lost),
        OUTSIDE(own_handler_of_sigint_takes_its_place),
        OUTSIDE(release_races_with_signals),
        OUTSIDE(loops_race_for_a_signal),
    };
    return RUN_SCENARIOS("signal", scenarios);
}
