/* bench_gather.c - a gather of a thousand empty tasks, their creation included, per task. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>
#include <rill/wait.h>

enum { ROUNDS = 2000, MEMBERS = 1000, WARM_UP = 10 };

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int gather_once(void)
{
    static rill_future *members[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        members[i] = rill_create_task(RILL_CORO(nothing, NULL));
    int rc = rill_join(rill_gather(MEMBERS, members, 0));
    for (int i = 0; i < MEMBERS; i++)
        rill_unref(members[i]);
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    int rc = 0;
    for (int i = 0; rc == 0 && i < WARM_UP; i++)
        rc = gather_once();
    double begun = micro_cpu_ns();
    for (int i = 0; rc == 0 && i < ROUNDS; i++)
        rc = gather_once();
    if (rc == 0)
        micro_report("gather", (micro_cpu_ns() - begun) / (ROUNDS * MEMBERS), "ns");
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
