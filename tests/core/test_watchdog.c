/* test_watchdog.c - steps that block: told while they do, with name and place; what the watchdog costs.
 *
 * The culprits run in children, whose standard error says what was told. They block for some time on
 * the real clock, which nothing else can show. */
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static rill_time time_of(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return RILL_SEC(at.tv_sec) + at.tv_nsec;
}

static int count(const char *text, const char *part)
{
    int times = 0;
    while ((text = strstr(text, part)) != NULL) {
        times++;
        text += strlen(part);
    }
    return times;
}

/* The number that `text` begins with, or 0. */
static uint64_t number_at(const char *text)
{
    uint64_t number;
    size_t digits = strspn(text, "0123456789");
    return rill_parse_u64((rill_span){ text, digits }, UINT64_MAX, &number) == 0 ? number : 0;
}

/* Whether a backtrace in `text` has an address in the function `fn`, which is a short one. */
static bool shows(const char *text, rill_fn *fn)
{
    const uint64_t most = under_sanitizer() ? 2048 : 256; /* octets of such a function */
    while ((text = strstr(text, "[0x")) != NULL) {
        uint64_t address = 0;
        size_t digits = strspn(text + 3, "0123456789abcdef");
        bool number = rill_parse_hex((rill_span){ text + 3, digits }, UINT64_MAX, &address) == 0;
        if (number && address > (uint64_t)(uintptr_t)fn && address < (uint64_t)(uintptr_t)fn + most)
            return true;
        text += 3;
    }
    return false;
}

static struct child child;

static void check_child(int (*fn)(void *arg), void *arg)
{
    assert_int_equal(child_run(&child, fn, arg), 0);
    if (!WIFEXITED(child.status) || WEXITSTATUS(child.status) != 0)
        fail_msg("status %#x: %s", (unsigned)child.status, child.text);
}

/* --- Culprits. Their code stays where their address says. --- */

#ifdef __clang__
#define IN_PLACE __attribute__((noinline))
#else
#define IN_PLACE __attribute__((noipa))
#endif

static IN_PLACE int block_in_sleep(void *span_ms)
{
    int ms = *(int *)span_ms;
    const struct timespec span = { ms / 1000, ms % 1000 * 1000000L };
    rill_time began = time_of(CLOCK_MONOTONIC);
    int r = nanosleep(&span, NULL);
    return r == 0 && time_of(CLOCK_MONOTONIC) - began >= RILL_MS(*(int *)span_ms) ? 0 : -EINTR;
}

static volatile uint64_t sink;

/* So long on a CPU: a busy machine may take its time. */
static IN_PLACE int block_by_computing(void *span_ms)
{
    rill_time end = time_of(CLOCK_THREAD_CPUTIME_ID) + RILL_MS(*(int *)span_ms);
    do
        for (int i = 0; i < 100000; i++)
            sink += (uint64_t)i;
    while (time_of(CLOCK_THREAD_CPUTIME_ID) < end);
    return 0;
}

static int run_named(rill_fn *fn, void *arg)
{
    rill_task_opts opts = { .name = "culprit" };
    OWNED_FUTURE rill_task *task = rill_create_task_with(RILL_CORO(fn, arg), &opts);
    return rill_await(task);
}

static int sleep_in_a_task(void *span_ms)
{
    return run_named(block_in_sleep, span_ms);
}

static int compute_in_a_task(void *span_ms)
{
    return run_named(block_by_computing, span_ms);
}

static int run_sleep(void *span_ms)
{
    return -rill_run(RILL_CORO(sleep_in_a_task, span_ms));
}

static int run_compute(void *span_ms)
{
    return -rill_run(RILL_CORO(compute_in_a_task, span_ms));
}

static int long_ms = 300, short_ms = 30, middle_ms = 150;

/* Others may be told as well: on a machine that has stopped for a while whoever ran then was slow. */
static const char culprit_is_told[] = "task 'culprit', fn() made at ";

/* The watchdog's thread needs a CPU, too, and that of the culprit to tell where it is: where they get none
 * in time the culprit blocks for longer. */
static void check_told(int (*fn)(void *arg), int span_ms, const char *what, int times)
{
    static int ms;
    for (ms = span_ms; ms <= 16 * span_ms; ms *= 4) {
        check_child(fn, &ms);
        if (count(child.text, what) >= times && strstr(child.text, "cannot be seen") == NULL)
            break;
    }
    assert_int_equal(count(child.text, what), times);
}

/* B3. The sleep ends when it would have ended without anybody looking. */
static void task_that_sleeps_in_a_system_call_is_told_once_with_name_and_place(void **state)
{
    (void)state;
    check_told(run_sleep, long_ms, culprit_is_told, 1);
    assert_non_null(strstr(child.text, "test_watchdog.c:"));
    if (!shows(child.text, block_in_sleep))
        fail_msg("%p: %s", (void *)(uintptr_t)block_in_sleep, child.text);
}

static void task_that_computes_is_told_once_with_name_and_place(void **state)
{
    (void)state;
    check_told(run_compute, long_ms, culprit_is_told, 1);
    assert_true(shows(child.text, block_by_computing));
}

static void task_that_blocks_for_a_short_time_is_not_told(void **state)
{
    (void)state;
    check_child(run_sleep, &short_ms);
    assert_int_equal(count(child.text, culprit_is_told), 0);
}

static int block_twice(void *span_ms)
{
    int r = run_named(block_in_sleep, span_ms);
    return r < 0 ? r : run_named(block_in_sleep, span_ms);
}

static int run_block_twice(void *span_ms)
{
    return -rill_run(RILL_CORO(block_twice, span_ms));
}

static void each_step_that_blocks_is_told(void **state)
{
    (void)state;
    check_told(run_block_twice, long_ms, culprit_is_told, 2);
}

static void block_in_a_call(void *span_ms)
{
    (void)block_in_sleep(span_ms);
}

static int block_by_a_call(void *span_ms)
{
    EXPECT(rill_call_soon(rill_get_running_loop(), block_in_a_call, span_ms).entry != NULL);
    return rill_sleep(RILL_MS(1));
}

static int run_block_by_a_call(void *span_ms)
{
    return -rill_run(RILL_CORO(block_by_a_call, span_ms));
}

static void call_that_blocks_is_told_without_a_task(void **state)
{
    (void)state;
    check_told(run_block_by_a_call, long_ms, "rill: a call blocks its loop", 1);
    if (!shows(child.text, block_in_sleep))
        fail_msg("%p: %s", (void *)(uintptr_t)block_in_sleep, child.text);
}

static void *end_the_process(void *arg)
{
    const struct timespec span = { .tv_nsec = 600 * 1000000L };
    (void)arg;
    nanosleep(&span, NULL);
    _exit(0);
}

static IN_PLACE int be_stuck(void *arg)
{
    pthread_t thread;
    (void)arg;
    EXPECT_IS(pthread_create(&thread, NULL, end_the_process, NULL), 0);
    for (;;)
        pause();
}

static int run_stuck(void *arg)
{
    return rill_run(RILL_CORO(be_stuck, arg));
}

static void task_that_blocks_for_ever_is_told_while_it_does(void **state)
{
    (void)state;
    check_child(run_stuck, NULL);
    assert_int_equal(count(child.text, "be_stuck() made at "), 1);
    assert_true(shows(child.text, be_stuck));
}

static int run_in_a_child_of_ours(void *span_ms)
{
    static int zero;
    int status;
    if (rill_run(RILL_CORO(return_int, &zero)) != 0)
        return 1; /* a watchdog in this process */
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_sleep(span_ms));
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 2;
}

static void child_has_a_watchdog_of_its_own(void **state)
{
    (void)state;
    check_told(run_in_a_child_of_ours, long_ms, culprit_is_told, 1);
}

/* --- The option. --- */

/* "a step took 1.234 s", or 0 if that is not what the message says. */
static rill_time told_span(const char *message)
{
    static const char begin[] = "a step took ";
    const char *point = strchr(message, '.');
    if (strncmp(message, begin, strlen(begin)) != 0 || point == NULL ||
        strcmp(point + 4, " s") != 0)
        return 0;
    return RILL_SEC(number_at(message + strlen(begin))) + RILL_MS(number_at(point + 1));
}

static unsigned heard_tasks, heard_calls, heard_any;

/* On a busy machine steps of others may be slow, too, but hardly as slow as the culprit. */
static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)arg;
    heard_any++;
    if (told_span(message) < RILL_MS(middle_ms))
        return;
    if (future == NULL)
        heard_calls++;
    else if (strcmp(rill_task_name(future), "culprit") == 0)
        heard_tasks++;
}

static int block_and_hear(void *span_ms)
{
    rill_loop_set_error_handler(rill_get_running_loop(), hear, NULL);
    int r = run_named(block_in_sleep, span_ms);
    EXPECT_IS(heard_tasks, 1);
    EXPECT(rill_call_soon(rill_get_running_loop(), block_in_a_call, span_ms).entry != NULL);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT_IS(heard_tasks, 1);
    EXPECT_IS(heard_calls, 1);
    return r;
}

static int run_with_slow(void *span_ms)
{
    rill_loop_opts opts = { .slow = RILL_MS(20) };
    return -rill_run_with(RILL_CORO(block_and_hear, span_ms), &opts);
}

/* Row 122. CPython: test_log_slow_callbacks. */
static void step_longer_than_the_option_says_is_told_with_name_and_duration(void **state)
{
    (void)state;
    check_told(run_with_slow, middle_ms, culprit_is_told, 1); /* the watchdog saw it, too */
    assert_true(count(child.text, "a call blocks its loop") >= 1);
}

static int take_turns_and_hear(void *arg)
{
    (void)arg;
    heard_any = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hear, NULL);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(give_up_turns, &long_ms));
    EXPECT_IS(give_up_turns(&long_ms), 0);
    EXPECT_IS(rill_await(task), 0);
    EXPECT_IS(rill_sleep(RILL_MS(40)), 0); /* to sleep in the kernel is no step */
    EXPECT_IS(heard_any, 0);
    return 0;
}

/* In the simulator, where only sleeps take time: a machine that stops for a while makes any step slow. */
static const rill_sim_opts world = { .seed = 1 };
static const rill_loop_opts slow_30 = { .slow = RILL_MS(30), .sim = &world };

static int run_without_watch(void *span_ms)
{
    rill_loop_opts opts = { .slow = RILL_FOREVER };
    return -rill_run_with(RILL_CORO(sleep_in_a_task, span_ms), &opts);
}

static void nobody_is_told_if_the_option_says_never(void **state)
{
    (void)state;
    check_child(run_without_watch, &long_ms);
    assert_string_equal(child.text, "");
}

static void negative_span_is_einval(void **state)
{
    rill_loop_opts opts = { .slow = -1 };
    rill_loop *loop;
    (void)state;
    assert_int_equal(rill_loop_new(&opts, &loop), -EINVAL);
}

/* --- What it costs. --- */

/* The file `name` of the watchdog's thread; false: there is no such thread. */
static bool watchdog_says(const char *name, char *text, size_t size)
{
    char path[300];
    bool found = false;
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    while (!found && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        found = file != NULL && fgets(text, (int)size, file) != NULL &&
                strcmp(text, "rill-watchdog\n") == 0;
        if (file != NULL)
            fclose(file);
        if (!found)
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/%s", entry->d_name, name);
        file = fopen(path, "r");
        size_t got = file != NULL ? fread(text, 1, size - 1, file) : 0;
        text[got] = 0;
        if (file != NULL)
            fclose(file);
    }
    closedir(dir);
    return found;
}

/* Nanoseconds on a CPU. */
static uint64_t watchdog_time(void)
{
    char text[128];
    return watchdog_says("schedstat", text, sizeof text) ? number_at(text) : 0;
}

static uint64_t watchdog_switches(void)
{
    static const char name[] = "\nvoluntary_ctxt_switches:\t";
    char text[4096];
    const char *at = watchdog_says("status", text, sizeof text) ? strstr(text, name) : NULL;
    return at != NULL ? number_at(at + strlen(name)) : 0;
}

static int be_busy(void *span_ms)
{
    rill_time end = rill_now() + RILL_MS(*(int *)span_ms);
    int r = 0;
    while (r == 0 && rill_now() < end)
        r = rill_sleep(0);
    return r;
}

/* What a thread that only wakes up uses of the CPU is the machine's business: 5 to 40 us each time. */
static int measure_busy(void *span_ms)
{
    uint64_t time = watchdog_time(), switches = watchdog_switches();
    int r = be_busy(span_ms);
    time = watchdog_time() - time;
    switches = watchdog_switches() - switches;
    print_message("in %d ms the watchdog looked %lu times and used %lu us\n", *(int *)span_ms,
                  (unsigned long)switches, (unsigned long)time / 1000);
    EXPECT(switches >= 5);
    EXPECT(switches <= 27); /* at 40 us each: 0.1 % */
    return r;
}

static void watchdog_of_a_busy_loop_looks_25_times_a_second(void **state)
{
    static int span_ms = 1000;
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(measure_busy, &span_ms)), 0);
}

struct doze {
    rill_loop *loop;
    rill_future *seen; /* 1: it dozes; 0: it does not */
    int dozes;
};

static void tell_doze(void *arg)
{
    struct doze *doze = arg;
    (void)rill_future_set_result(doze->seen, doze->dozes, NULL);
}

/* Wait until the watchdog has not woken up for a while; it gets 30 s, as nobody knows how busy the
 * machine is. */
static void *see_it_doze(void *arg)
{
    const struct timespec span = { .tv_nsec = 300 * 1000000L };
    struct doze *doze = arg;
    uint64_t before, now = watchdog_switches();
    int times = 0;
    do {
        before = now;
        nanosleep(&span, NULL);
        now = watchdog_switches();
    } while (now != before && ++times < 100);
    doze->dozes = now == before;
    (void)rill_call_soon_threadsafe(doze->loop, tell_doze, doze);
    return NULL;
}

static int idle_and_block(void *span_ms)
{
    pthread_t thread;
    OWNED_FUTURE rill_future *seen = rill_future_new();
    struct doze doze = { rill_get_running_loop(), seen, 0 };
    EXPECT(seen != NULL);
    EXPECT_IS(pthread_create(&thread, NULL, see_it_doze, &doze), 0);
    EXPECT_IS(rill_await(seen), 1);
    EXPECT_IS(pthread_join(thread, NULL), 0);
    return run_named(block_in_sleep, span_ms);
}

static int run_idle_and_block(void *span_ms)
{
    return -rill_run(RILL_CORO(idle_and_block, span_ms));
}

/* Rule 3.6. */
static void watchdog_of_an_idle_loop_dozes_and_still_finds_what_blocks_later(void **state)
{
    (void)state;
    check_told(run_idle_and_block, long_ms, culprit_is_told, 1);
}

static int look_for_a_watchdog(void *arg)
{
    char text[64];
    (void)arg;
    return watchdog_says("comm", text, sizeof text) ? 1 : 0;
}

static int run_simulated(void *arg)
{
    rill_sim_opts sim = { .seed = 1 };
    rill_loop_opts opts = { .sim = &sim };
    return rill_run_with(RILL_CORO(look_for_a_watchdog, arg), &opts);
}

static int run_real(void *arg)
{
    return rill_run(RILL_CORO(look_for_a_watchdog, arg)) == 1 ? 0 : 1;
}

static void simulated_loop_has_no_watchdog(void **state)
{
    (void)state;
    check_child(run_simulated, NULL);
    check_child(run_real, NULL);
}

static const struct scenario scenarios[] = {
    OUTSIDE(
        simulated_loop_has_no_watchdog), /* first: a child has no threads, but this is clearer */
    OUTSIDE(task_that_sleeps_in_a_system_call_is_told_once_with_name_and_place),
    OUTSIDE(task_that_computes_is_told_once_with_name_and_place),
    OUTSIDE(task_that_blocks_for_a_short_time_is_not_told),
    OUTSIDE(each_step_that_blocks_is_told),
    OUTSIDE(call_that_blocks_is_told_without_a_task),
    OUTSIDE(task_that_blocks_for_ever_is_told_while_it_does),
    OUTSIDE(child_has_a_watchdog_of_its_own),
    OUTSIDE(step_longer_than_the_option_says_is_told_with_name_and_duration),
    SCENARIO_WITH(take_turns_and_hear, &slow_30),
    OUTSIDE(nobody_is_told_if_the_option_says_never),
    OUTSIDE(negative_span_is_einval),
    OUTSIDE(watchdog_of_a_busy_loop_looks_25_times_a_second),
    OUTSIDE(watchdog_of_an_idle_loop_dozes_and_still_finds_what_blocks_later),
};

/* With ThreadSanitizer only loops with the option are watched. */
static const struct scenario with_option[] = {
    OUTSIDE(step_longer_than_the_option_says_is_told_with_name_and_duration),
    SCENARIO_WITH(take_turns_and_hear, &slow_30),
    OUTSIDE(negative_span_is_einval),
};

/* Valgrind runs one thread at a time, so the watchdog sees the culprit late, and in valgrind's code. */
static const struct scenario on_one_thread[] = {
    OUTSIDE(simulated_loop_has_no_watchdog),
    OUTSIDE(child_has_a_watchdog_of_its_own),
    OUTSIDE(task_that_blocks_for_a_short_time_is_not_told),
    SCENARIO_WITH(take_turns_and_hear, &slow_30),
    OUTSIDE(nobody_is_told_if_the_option_says_never),
    OUTSIDE(negative_span_is_einval),
};

int main(void)
{
    if (under_tsan())
        return RUN_SCENARIOS("watchdog", with_option);
    if (under_valgrind())
        return RUN_SCENARIOS("watchdog", on_one_thread);
    return RUN_SCENARIOS("watchdog", scenarios);
}
