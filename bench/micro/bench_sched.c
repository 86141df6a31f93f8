/* bench_sched.c - a switch through the scheduler: sleep of 0 among 2 and among 10,000 tasks.
 *
 * The second figure is the honest one: there every stack is cold. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/wait.h>

#include <errno.h>

static size_t turns_each;

static int spin(void *arg)
{
    (void)arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < turns_each; i++)
        rc = rill_sleep(0);
    return rc;
}

static int switch_among(const char *name, size_t tasks, size_t total)
{
    rill_future **all = rill_alloc_zero(tasks, sizeof(rill_future *));
    if (all == NULL)
        return -ENOMEM;
    turns_each = total / tasks;
    double start = micro_cpu_ns();
    for (size_t i = 0; i < tasks; i++)
        all[i] = rill_create_task(RILL_CORO(spin, NULL));
    int rc = rill_join(rill_gather(tasks, all, 0));
    double spent = micro_cpu_ns() - start;
    for (size_t i = 0; i < tasks; i++)
        rill_unref(all[i]);
    rill_free(all);
    if (rc == 0)
        micro_report(name, spent / (double)(turns_each * tasks), "ns");
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    int rc = switch_among("sched-2", 2, 20000000);
    return rc < 0 ? rc : switch_among("sched-10000", 10000, 20000000);
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
