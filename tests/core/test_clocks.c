/* test_clocks.c - clocks that jump, stand still and end: timers neither storm nor stall.
 *
 * The loop sleeps on the real ring, but what it takes for the time is the machine's monotonic clock plus a
 * shift, or a point at which the clock has stopped. A storm is seen in the number of waits. */
#include "core/base/machine.h"
#include "core/loop/loop.h"
#include "core/op/backend.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct rill__backend_ops *real;
static struct rill__backend_ops shifted;
static rill_time shift, wall_shift, stopped_at; /* 0: the clock goes */
static unsigned waits, stopped_waits;

static rill_time shifted_now(struct rill__backend *backend)
{
    return stopped_at != 0 ? stopped_at : real->now(backend) + shift;
}

static rill_time shifted_wall(struct rill__backend *backend)
{
    return real->wall_clock(backend) + wall_shift;
}

/* The ring sleeps by the machine's clock: as long as the loop thinks that it has to. */
static int shifted_wait(struct rill__backend *backend, rill_time deadline)
{
    waits++;
    if (stopped_waits > 0 && --stopped_waits == 0)
        stopped_at = 0;
    if (deadline != 0 && deadline != RILL_FOREVER) {
        rill_time left = deadline - shifted_now(backend);
        deadline = left > 0 ? rill_time_add(real->now(backend), left) : 0;
    }
    return real->wait(backend, deadline);
}

/* From here on the running loop has the clock of this file. */
static void take_clock(void)
{
    struct rill__backend *backend = rill_get_running_loop()->backend;
    real = backend->ops;
    shifted = *real;
    shifted.now = shifted_now;
    shifted.wall_clock = shifted_wall;
    shifted.wait = shifted_wait;
    shifted.is_quiet = NULL;
    shift = wall_shift = stopped_at = 0;
    waits = stopped_waits = 0;
    shifted.soon = NULL;
    backend->ops = &shifted;
}

static void give_clock_back(void)
{
    rill_get_running_loop()->backend->ops = real;
}

static int sleep_and_trace(void *span)
{
    int r = rill_sleep(*(rill_time *)span);
    trace(r == 0 ? *(rill_time *)span < RILL_SEC(60) ? 's' : 'l' : 'c');
    return r;
}

static rill_time ms = RILL_MS(1), half_hour = RILL_SEC(1800), two_hours = RILL_SEC(7200);

/* --- R27. --- */

static int timers_work_up_to_the_end_of_the_clock(void *arg)
{
    (void)arg;
    take_clock();
    shift = RILL_FOREVER - RILL_SEC(3600) - rill_now();
    OWNED_FUTURE rill_task *late = rill_create_task(RILL_CORO(sleep_and_trace, &two_hours));
    for (int i = 0; i < 10; i++)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(!rill_done(late)); /* its deadline does not fit, so it never comes */
    EXPECT_IS(rill_wait_for_call(RILL_CORO(sleep_for_ever, NULL), RILL_MS(1)), -ETIME);
    shift += RILL_SEC(3590);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(rill_now() > 0 && !rill_done(late));
    EXPECT(waits < 100);
    (void)rill_cancel(late, NULL);
    EXPECT_IS(rill_await(late), -ECANCELED);
    give_clock_back();
    return 0;
}

static int clock_that_stands_still_makes_no_storm(void *arg)
{
    (void)arg;
    take_clock();
    stopped_at = rill_now();
    stopped_waits = 20;
    rill_time begin = rill__machine_time(CLOCK_MONOTONIC);
    EXPECT_IS(rill_sleep(RILL_MS(2)), 0);
    EXPECT(stopped_at == 0);
    /* Each wait but those right behind a completion slept for as long as was left. */
    EXPECT(rill__machine_time(CLOCK_MONOTONIC) - begin >= RILL_MS(20));
    EXPECT(waits < 40);
    give_clock_back();
    return 0;
}

static int turns_go_on_while_the_clock_stands_still(void *arg)
{
    static int turns = 100;
    (void)arg;
    take_clock();
    stopped_at = rill_now();
    stopped_waits = 1000;
    EXPECT_IS(give_up_turns(&turns), 0);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(give_up_turns, &turns));
    EXPECT_IS(rill_wait_for(task, RILL_SEC(1)), 0);
    give_clock_back();
    return 0;
}

static int jump_by_an_hour_fires_what_is_due_once_and_nothing_else(void *arg)
{
    (void)arg;
    take_clock();
    OWNED_FUTURE rill_task *soon = rill_create_task(RILL_CORO(sleep_and_trace, &ms));
    OWNED_FUTURE rill_task *half = rill_create_task(RILL_CORO(sleep_and_trace, &half_hour));
    OWNED_FUTURE rill_task *late = rill_create_task(RILL_CORO(sleep_and_trace, &two_hours));
    EXPECT_IS(rill_sleep(0), 0);
    shift += RILL_SEC(3600);
    waits = 0;
    EXPECT_IS(rill_await(half), 0);
    EXPECT(rill_done(soon) && !rill_done(late));
    EXPECT_TRACE("sl"); /* in the order of their deadlines */
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(!rill_done(late) && waits < 20);
    shift += RILL_SEC(3600);
    EXPECT_IS(rill_await(late), 0);
    give_clock_back();
    return 0;
}

static int wall_clock_that_jumps_moves_no_timer_and_is_followed(void *arg)
{
    static const rill_time jumps[] = { RILL_SEC(3600), -RILL_SEC(7200), RILL_SEC(3600) };
    (void)arg;
    take_clock();
    OWNED_FUTURE rill_task *half = rill_create_task(RILL_CORO(sleep_and_trace, &half_hour));
    rill_time began = rill_wall_clock();
    for (int i = 0; i < 3; i++) {
        wall_shift += jumps[i];
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
        EXPECT(!rill_done(half));
        rill_time moved = rill_wall_clock() - began - wall_shift;
        EXPECT(moved >= 0 && moved < RILL_SEC(600)); /* by the machine's own time */
    }
    EXPECT(waits < 40);
    (void)rill_cancel(half, NULL);
    EXPECT_IS(rill_await(half), -ECANCELED);
    give_clock_back();
    return 0;
}

/* --- A namespace whose monotonic clock began weeks ago. --- */

enum { cannot = 77, offset_s = 40 * 24 * 3600 };

static rill_time lateness;

static int sleep_in_the_namespace(void *arg)
{
    (void)arg;
    EXPECT(rill_now() >= RILL_SEC(offset_s));
    for (int i = 0; i < 20; i++) {
        rill_time begin = rill_now();
        EXPECT_IS(rill_sleep(RILL_MS(2)), 0);
        rill_time late = rill_now() - begin - RILL_MS(2);
        EXPECT(late >= 0);
        if (late > lateness)
            lateness = late;
    }
    EXPECT_IS(rill_wait_for_call(RILL_CORO(sleep_for_ever, NULL), RILL_MS(2)), -ETIME);
    return 0;
}

static bool move_clock(void)
{
    char text[64];
    int size = snprintf(text, sizeof text, "monotonic %d 0\n", offset_s);
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    bool moved = fd >= 0 && write(fd, text, (size_t)size) == size;
    if (fd >= 0)
        close(fd);
    return moved;
}

/* Only children of who unshared are in the new namespace. */
static int run_in_a_namespace(void *arg)
{
    int status;
    if (unshare(CLONE_NEWTIME) < 0 || !move_clock())
        return cannot;
    pid_t pid = fork();
    if (pid == 0) {
        int r = rill_run(RILL_CORO(sleep_in_the_namespace, arg));
        dprintf(STDERR_FILENO, "at most %lld us late", (long long)lateness / 1000);
        _exit(r == 0 ? 0 : 1);
    }
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}

static void namespace_with_another_clock_has_the_same_time(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, run_in_a_namespace, NULL), 0);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == cannot) {
        print_message("no time namespace can be made here\n");
        skip();
    }
    print_message("%s\n", child.text);
    assert_int_equal(child.status, 0);
}

static const char why[] = "the simulator has a clock of its own";

/* --- A clock that is not read for each timer. --- */

struct early {
    rill_time begun, span;
};

static int fired, early_ones;

static void look_whether_early(void *arg)
{
    const struct early *timer = arg;
    early_ones += rill_now() - timer->begun < timer->span;
    fired++;
}

/* Timers that are set within a microsecond share a reading of the clock; that makes none of them early. */
static int timers_set_at_nearly_one_moment_are_never_early(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    fired = early_ones = 0;
    for (int round = 0; round < 3000; round++) {
        static struct early timer;
        rill_handle first = rill_call_later(loop, RILL_SEC(1), look_whether_early, &timer);
        timer = (struct early){ rill_now(), RILL_US(2) + 16 * (round % 64) };
        EXPECT(rill_call_later(loop, timer.span, look_whether_early, &timer).entry != NULL);
        while (fired <= round) /* a loop that is busy fires it within its short turns */
            EXPECT_IS(rill_sleep(0), 0);
        (void)rill_handle_cancel(first);
    }
    EXPECT_IS(early_ones, 0);
    return 0;
}

static const struct scenario scenarios[] = {
    { .name = "timers_work_up_to_the_end_of_the_clock",
      .main = timers_work_up_to_the_end_of_the_clock,
      .once = true,
      .real = why },
    { .name = "clock_that_stands_still_makes_no_storm",
      .main = clock_that_stands_still_makes_no_storm,
      .once = true,
      .real = why },
    { .name = "turns_go_on_while_the_clock_stands_still",
      .main = turns_go_on_while_the_clock_stands_still,
      .once = true,
      .real = why },
    { .name = "jump_by_an_hour_fires_what_is_due_once_and_nothing_else",
      .main = jump_by_an_hour_fires_what_is_due_once_and_nothing_else,
      .once = true,
      .real = why },
    { .name = "wall_clock_that_jumps_moves_no_timer_and_is_followed",
      .main = wall_clock_that_jumps_moves_no_timer_and_is_followed,
      .once = true,
      .real = why },
    SCENARIO_ONCE(timers_set_at_nearly_one_moment_are_never_early),
    OUTSIDE(namespace_with_another_clock_has_the_same_time),
};

int main(void)
{
    return RUN_SCENARIOS("clocks", scenarios);
}
