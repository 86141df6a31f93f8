/* test_sim_signal.c - signals in the simulator: at a moment of the seed, and the same run twice. */
#include "tests/support/expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { seeds = 60 };

static rill_time came_at;
static unsigned soon, late;

/* One run of `fn` in the world of `seed`: its hash. */
static uint64_t run_seed(rill_fn *fn, uint64_t seed, int signo, int wanted)
{
    uint64_t hash = 0;
    rill_sim_opts world = {
        .seed = seed, .shuffle = seed % 2 == 1, .signal = signo, .ret_hash = &hash
    };
    rill_loop_opts opts = { .sim = &world };
    int r = run_main_with(fn, NULL, &opts);
    if (r != wanted)
        fail_msg("seed %llu: %s instead of %s", (unsigned long long)seed, rill_errname(r),
                 rill_errname(wanted));
    return hash;
}

/* `fn` under all seeds, twice each: how many have come at another moment than the seed before. */
static unsigned run_twice(rill_fn *fn, int signo, int wanted)
{
    unsigned others = 0;
    rill_time before = -1;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        uint64_t first = run_seed(fn, seed, signo, wanted);
        rill_time first_at = came_at;
        assert_true(run_seed(fn, seed, signo, wanted) == first);
        assert_int_equal(came_at, first_at);
        others += came_at != before;
        before = came_at;
    }
    return others;
}

static int wait_for(int wanted)
{
    sigset_t set;
    int signo = 0;
    sigemptyset(&set);
    sigaddset(&set, wanted);
    int r = rill_signal_wait(&set, &signo);
    EXPECT_IS(r < 0 ? r : signo, r < 0 ? r : wanted);
    return r;
}

/* --- What the world sends. --- */

static int wait_for_the_end(void *arg)
{
    (void)arg;
    rill_time began = rill_now();
    EXPECT_IS(wait_for(SIGTERM), 0);
    came_at = rill_now() - began;
    soon += came_at < RILL_MS(5);
    late += came_at > RILL_SEC(1);
    rill_scope scope = { 0 };
    EXPECT_IS(rill_timeout(&scope, RILL_SEC(3600)), 0);
    EXPECT_IS(rill_scope_leave(&scope, wait_for(SIGTERM)), -ETIME); /* there is no other one */
    return 0;
}

static void signal_of_a_world_comes_once_at_a_moment_of_the_seed(void **state)
{
    (void)state;
    soon = late = 0;
    assert_true(run_twice(wait_for_the_end, SIGTERM, 0) > seeds / 2);
    assert_true(soon > 0 && late > 0);
}

static int sleep_then_wait(void *arg)
{
    (void)arg;
    EXPECT_IS(rill_sleep(RILL_SEC(3600)), 0);
    rill_time began = rill_now();
    EXPECT_IS(wait_for(SIGTERM), 0);
    came_at = rill_now() - began;
    EXPECT(came_at < RILL_MS(20));
    return 0;
}

static void signal_that_nobody_catches_waits_until_somebody_does(void **state)
{
    (void)state;
    run_twice(sleep_then_wait, SIGTERM, 0);
}

static int wait_for_another(void *arg)
{
    (void)arg;
    return wait_for(SIGUSR2);
}

static void wait_for_a_signal_that_nobody_sends_is_a_deadlock(void **state)
{
    (void)state;
    run_seed(wait_for_another, 3, SIGTERM, -EDEADLK);
}

#ifdef RILL_CHECK_SLOW

static int see_whether_it_is_simulated(void *arg)
{
    *(bool *)arg = rill_sim_hash(rill_get_running_loop()) != 0;
    return *(bool *)arg ? wait_for(SIGTERM) : 0;
}

/* What is no world is none: the loop is on the ring then. */
static void environment_says_which_world_it_is(void **state)
{
    bool simulated;
    char before[64] = "";
    const char *was = getenv("RILL_SIM");
    (void)state;
    if (was != NULL)
        snprintf(before, sizeof before, "%s", was);
    setenv("RILL_SIM", "5,shuffle,sigterm,faults", 1);
    assert_int_equal(run_main(see_whether_it_is_simulated, &simulated), 0);
    assert_true(simulated);
    const char *const none[] = { "", "x", "5,", "5,sigterms", "5 sigterm" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        setenv("RILL_SIM", none[i], 1);
        assert_int_equal(run_main(see_whether_it_is_simulated, &simulated), 0);
        assert_false(simulated);
    }
    unsetenv("RILL_SIM");
    if (was != NULL)
        setenv("RILL_SIM", before, 1);
}

#endif

/* --- Ctrl-C. --- */

static unsigned begun, ended, worked;

static int hold_something(void *arg)
{
    (void)arg;
    begun++;
    int r = 0;
    while (r == 0)
        r = rill_sleep(RILL_US(700));
    rill_scope scope = { 0 };
    if (rill_scope_shield(&scope, RILL_SEC(1)) == 0) {
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
        r = rill_scope_leave(&scope, r);
    }
    ended++;
    return r;
}

static int work_until_interrupted(void *arg)
{
    rill_group group = { 0 };
    (void)arg;
    begun = ended = 0;
    rill_time began = rill_now();
    int r = rill_group_enter(&group);
    for (int i = 0; i < 3 && r == 0; i++)
        r = rill_group_go(&group, RILL_CORO(hold_something, NULL));
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    came_at = rill_now() - began;
    EXPECT_IS(begun, ended);
    worked += begun == 3;
    return r;
}

static void interrupt_at_any_moment_ends_the_run_cleanly(void **state)
{
    (void)state;
    worked = 0;
    assert_true(run_twice(work_until_interrupted, SIGINT, -EINTR) > seeds / 2);
    assert_true(worked > seeds / 2);
}

/* --- What the program sends itself. --- */

static void note_time(void *arg)
{
    *(rill_time *)arg = rill_now();
}

static int send_itself_some(void *arg)
{
    rill_time noted = 0;
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    came_at = 0;
    EXPECT_IS(rill_add_signal_handler(loop, SIGUSR1, note_time, &noted), 0);
    for (int i = 0; i < 5; i++) {
        rill_time sent = rill_now();
        EXPECT_IS(i % 2 == 0 ? raise(SIGUSR1) : kill(getpid(), SIGUSR1), 0);
        EXPECT(noted < sent);
        EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
        EXPECT(noted >= sent);
        came_at += noted - sent;
    }
    EXPECT_IS(rill_remove_signal_handler(loop, SIGUSR1), 0);
    return 0;
}

static void signal_to_oneself_comes_at_a_moment_of_the_seed(void **state)
{
    (void)state;
    assert_true(run_twice(send_itself_some, 0, 0) > seeds / 2);
}

static const struct scenario scenarios[] = {
#ifdef RILL_CHECK_SLOW
    OUTSIDE(environment_says_which_world_it_is),
#endif
    OUTSIDE(signal_of_a_world_comes_once_at_a_moment_of_the_seed),
    OUTSIDE(signal_that_nobody_catches_waits_until_somebody_does),
    OUTSIDE(wait_for_a_signal_that_nobody_sends_is_a_deadlock),
    OUTSIDE(interrupt_at_any_moment_ends_the_run_cleanly),
    OUTSIDE(signal_to_oneself_comes_at_a_moment_of_the_seed),
};

int main(void)
{
    return RUN_SCENARIOS("sim_signal", scenarios);
}
