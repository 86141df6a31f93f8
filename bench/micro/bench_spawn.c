/* bench_spawn.c - spawn and join of an empty task, one at a time, from a warm pool of stacks. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>

enum { COUNT = 5000000, WARM_UP = 1000 };

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_and_join(int count)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++)
        rc = rill_join(rill_create_task(RILL_CORO(nothing, NULL)));
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    int rc = spawn_and_join(WARM_UP);
    double begun = micro_cpu_ns();
    if (rc == 0)
        rc = spawn_and_join(COUNT);
    if (rc == 0)
        micro_report("spawn", (micro_cpu_ns() - begun) / COUNT, "ns");
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
