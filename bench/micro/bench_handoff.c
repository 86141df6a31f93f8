/* bench_handoff.c - an item handed from one task to another through a queue for one. */
#include "bench/micro/micro.h"

#include <rill/future.h>
#include <rill/loop.h>
#include <rill/queue.h>
#include <rill/wait.h>

enum { COUNT = 20000000 };

static int produce(void *arg)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < COUNT; i++)
        rc = rill_queue_put(arg, arg);
    return rc;
}

static int consume(void *arg)
{
    void *item;
    int rc = 0;
    for (int i = 0; rc == 0 && i < COUNT; i++)
        rc = rill_queue_get(arg, &item);
    return rc;
}

static int start(void *arg)
{
    static rill_queue queue; /* outlives the tasks, whatever happens here */
    (void)arg;
    int rc = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 1 });
    if (rc < 0)
        return rc;
    double begun = micro_cpu_ns();
    rill_future *both[] = { rill_create_task(RILL_CORO(produce, &queue)),
                            rill_create_task(RILL_CORO(consume, &queue)) };
    rc = rill_join(rill_gather(2, both, 0));
    rill_unref(both[0]);
    rill_unref(both[1]);
    if (rc == 0)
        micro_report("handoff", (micro_cpu_ns() - begun) / COUNT, "ns");
    (void)rill_queue_fini(&queue);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
