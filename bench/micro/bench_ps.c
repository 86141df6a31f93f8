/* bench_ps.c - `rillctl ps` of a process with 100,000 tasks: how long it takes, and what it costs that process.
 *
 * A child has the tasks, all asleep but one, which counts its steps. What a step costs in CPU time is measured
 * without rillctl and while it looks, in turn; the median of both is compared. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>
#include <rill/task.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 100000, ROUNDS = 7 };

static volatile uint64_t *steps; /* of the child; 0 until its tasks sleep */
static char rillctl[512], pid_text[16];
static clockid_t child_clock;

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(100000));
}

static int count_steps(void *arg)
{
    int rc = 0;
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        rill_unref(rill_create_task(RILL_CORO(sleep_long, NULL)));
    while (rc == 0) {
        rc = rill_sleep(0);
        (*steps)++;
    }
    return rc;
}

/* The child has CPU 0 to itself, as whoever looks has a CPU of their own; if there is one. */
static void leave_cpu_0(void)
{
    cpu_set_t others;
    CPU_ZERO(&others);
    for (size_t cpu = 1; cpu < CPU_SETSIZE; cpu++)
        CPU_SET(cpu, &others);
    sched_setaffinity(0, sizeof others, &others);
}

static double child_ns(void)
{
    struct timespec spent;
    clock_gettime(child_clock, &spent);
    return (double)spent.tv_sec * 1e9 + (double)spent.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec span = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&span, NULL);
}

/* Run `rillctl ps` once. How long it took in milliseconds; below 0: it failed. */
static double look(void)
{
    char *argv[] = { rillctl, (char *)"ps", pid_text, NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1;
    double begun = micro_now_ns();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, rillctl, &actions, NULL, argv, environ) == 0)
        waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&actions);
    return status == 0 ? (micro_now_ns() - begun) / 1e6 : -1;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double values[ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

/* CPU time of a step of the child while rillctl looks at it, or (ms > 0) meanwhile sleeps. */
static double step_ns(long ms, double *ret_ms)
{
    uint64_t before = *steps;
    double begun = child_ns();
    if (ms > 0)
        pause_ms(ms);
    else
        *ret_ms = look();
    return (child_ns() - begun) / (double)(*steps - before);
}

static int measure(void)
{
    double times[ROUNDS], quiet[ROUNDS], seen[ROUNDS];
    while (*steps == 0)
        pause_ms(10);
    pause_ms(500);
    for (int i = 0; i < ROUNDS; i++) {
        quiet[i] = step_ns(500, NULL);
        seen[i] = step_ns(0, &times[i]);
        if (times[i] < 0)
            return 1;
    }
    micro_report("ps", median(times), "ms");
    micro_report("ps-cost", (median(seen) / median(quiet) - 1) * 100, "%");
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    snprintf(rillctl, sizeof rillctl, "%.*s/../rillctl", slash != NULL ? (int)(slash - argv[0]) : 1,
             slash != NULL ? argv[0] : ".");
    steps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (steps == MAP_FAILED)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        return rill_exit_code(rill_run(RILL_CORO(count_steps, NULL)));
    leave_cpu_0();
    snprintf(pid_text, sizeof pid_text, "%d", pid);
    int status = pid < 0 || clock_getcpuclockid(pid, &child_clock) != 0 ? 1 : measure();
    if (pid > 0)
        kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return status;
}
