/* bench_ps.c - `rillctl ps` of a process with 100,000 tasks: how long it takes, and what it costs that process.
 *
 * A child has the tasks, all asleep but one, which goes from step to step and counts them. What slows it is
 * what makes a step cost more of its own CPU time; that rillctl needs a CPU meanwhile is not: the child is
 * alone on CPU 0, rillctl runs elsewhere. Rounds of a second in which rillctl looks once follow rounds in which
 * it looks at nothing and rounds in which it looks at a second such child. That one tells what any neighbour
 * costs that is as busy, by the cache and the memory that both share.
 *
 *   ps          how long `rillctl ps` takes       ps-cpu      its CPU time
 *   ps-cost     by how much a step gets dearer in a second with one look at its process
 *   ps-other    the same when the look is at the other process: noise, and what neighbours cost */
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
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 100000, ROUNDS = 9, ROUND_MS = 1000, PROGRAM = 512 };

enum { NOTHING, THE_CHILD, THE_OTHER, KINDS }; /* what rillctl looks at in a round */

/* A process with many tasks. */
struct crowd {
    pid_t pid;
    volatile uint64_t *steps; /* shared with it; 0 until its tasks sleep */
    clockid_t clock;          /* its CPU time */
};

static char rillctl[PROGRAM];

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(100000));
}

static int count_steps(void *arg)
{
    volatile uint64_t *steps = arg;
    int rc = 0;
    for (int i = 0; i < TASKS; i++)
        rill_unref(rill_create_task(RILL_CORO(sleep_long, NULL)));
    while (rc == 0) {
        rc = rill_sleep(0);
        (*steps)++;
    }
    return rc;
}

/* The other child: its tasks sleep, and it takes no CPU. */
static int count_one(void *arg)
{
    volatile uint64_t *steps = arg;
    for (int i = 0; i < TASKS; i++)
        rill_unref(rill_create_task(RILL_CORO(sleep_long, NULL)));
    int rc = rill_sleep(RILL_MS(1));
    (*steps)++;
    return rc < 0 ? rc : sleep_long(NULL);
}

static void pin(bool to_cpu_0)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if ((cpu == 0) == to_cpu_0)
            CPU_SET(cpu, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus); /* a machine with one CPU has no other place */
}

static void pause_until(double at_ns)
{
    struct timespec until = { (time_t)(at_ns / 1e9), 0 };
    until.tv_nsec = (long)(at_ns - (double)until.tv_sec * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

static int start(struct crowd *crowd, rill_fn *fn)
{
    crowd->steps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crowd->steps == MAP_FAILED || (crowd->pid = fork()) < 0)
        return 1;
    if (crowd->pid == 0) {
        pin(fn == count_steps);
        _exit(rill_exit_code(rill_run(RILL_CORO(fn, (void *)(uintptr_t)crowd->steps))));
    }
    while (*crowd->steps == 0)
        pause_until(micro_now_ns() + 1e7);
    return clock_getcpuclockid(crowd->pid, &crowd->clock);
}

static void end(const struct crowd *crowd)
{
    if (crowd->pid <= 0)
        return;
    kill(crowd->pid, SIGKILL);
    waitpid(crowd->pid, NULL, 0);
}

static double spent_ns(const struct crowd *crowd)
{
    struct timespec spent;
    clock_gettime(crowd->clock, &spent);
    return (double)spent.tv_sec * 1e9 + (double)spent.tv_nsec;
}

/* What one look took, in milliseconds. */
struct look {
    double real, cpu;
};

static double ms_of(struct timeval span)
{
    return (double)span.tv_sec * 1e3 + (double)span.tv_usec / 1e3;
}

/* Run `rillctl ps` once.   Returns: false: it failed. */
static bool look_at(const struct crowd *crowd, struct look *ret_look)
{
    char pid_text[16], *argv[] = { rillctl, (char *)"ps", pid_text, NULL };
    posix_spawn_file_actions_t actions;
    struct rusage usage = { 0 };
    pid_t pid;
    int status = -1;
    double begun = micro_now_ns();
    snprintf(pid_text, sizeof pid_text, "%d", crowd->pid);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid, rillctl, &actions, NULL, argv, environ) == 0)
        wait4(pid, &status, 0, &usage);
    posix_spawn_file_actions_destroy(&actions);
    ret_look->real = (micro_now_ns() - begun) / 1e6;
    ret_look->cpu = ms_of(usage.ru_utime) + ms_of(usage.ru_stime);
    return status == 0;
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

/* CPU time of a step of `crowd` in a round in which rillctl looks at `seen`; below 0: that failed. */
static double step_ns(const struct crowd *crowd, const struct crowd *seen, struct look *ret_look)
{
    double until = micro_now_ns() + ROUND_MS * 1e6, begun = spent_ns(crowd);
    uint64_t before = *crowd->steps;
    if (seen != NULL && !look_at(seen, ret_look))
        return -1;
    pause_until(until);
    return (spent_ns(crowd) - begun) / (double)(*crowd->steps - before);
}

static int measure(const struct crowd *crowd, const struct crowd *other)
{
    const struct crowd *seen[KINDS] = { NULL, crowd, other };
    double real[ROUNDS], cpu[ROUNDS], ratios[KINDS][ROUNDS], ns[KINDS];
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < KINDS; k++) {
            int kind = (i + k) % KINDS;
            struct look look = { 0 };
            ns[kind] = step_ns(crowd, seen[kind], &look);
            if (ns[kind] < 0)
                return 1;
            if (kind == THE_CHILD) {
                real[i] = look.real;
                cpu[i] = look.cpu;
            }
        }
        for (int kind = 0; kind < KINDS; kind++)
            ratios[kind][i] = ns[kind] / ns[NOTHING];
    }
    micro_report("ps", median(real), "ms");
    micro_report("ps-cpu", median(cpu), "ms");
    micro_report("ps-cost", (median(ratios[THE_CHILD]) - 1) * 100, "%");
    micro_report("ps-other", (median(ratios[THE_OTHER]) - 1) * 100, "%");
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    struct crowd crowd = { 0 }, other = { 0 };
    snprintf(rillctl, sizeof rillctl, "%.*s/../rillctl", slash != NULL ? (int)(slash - argv[0]) : 1,
             slash != NULL ? argv[0] : ".");
    int status = start(&crowd, count_steps) != 0 || start(&other, count_one) != 0;
    pin(false);
    if (status == 0)
        status = measure(&crowd, &other);
    end(&crowd);
    end(&other);
    return status;
}
