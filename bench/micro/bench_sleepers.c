/* bench_sleepers.c - a million tasks asleep at once: CPU time until all sleep, and their memory.
 *
 * The memory is that of the whole process with its page tables. The program leaves without waking
 * the sleepers: that is not what is measured, and the peers do the same. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLEEPERS = 1000000 };

static int asleep;

static int sleeper(void *arg)
{
    (void)arg;
    asleep++;
    return rill_sleep(RILL_SEC(3600));
}

static double memory_mib(void)
{
    char line[128];
    double total = 0;
    unsigned long kib;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmRSS: %lu", &kib) == 1 || sscanf(line, "VmPTE: %lu", &kib) == 1)
            total += (double)kib / 1024;
    if (status != NULL)
        fclose(status);
    return total;
}

static int start(void *arg)
{
    (void)arg;
    double begun = micro_cpu_ns();
    for (int i = 0; i < SLEEPERS; i++) {
        rill_task *task = rill_create_task(RILL_CORO(sleeper, NULL));
        if (rill_done(task))
            return rill_join(task);
        rill_unref(task);
    }
    /* The sleepers were made ready first, so this turn is over when the last of them sleeps. */
    int rc = rill_sleep(0);
    if (rc < 0 || asleep < SLEEPERS)
        return rc < 0 ? rc : -EAGAIN;
    micro_report("sleepers-time", (micro_cpu_ns() - begun) / 1e9, "s");
    micro_report("sleepers-memory", memory_mib(), "MiB");
    fflush(stdout);
    _exit(0);
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
