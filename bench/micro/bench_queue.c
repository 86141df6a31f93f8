/* bench_queue.c - a queue with room: an item put in and taken out by one task. */
#include "bench/micro/micro.h"

#include <rill/loop.h>
#include <rill/queue.h>

enum { COUNT = 50000000 };

static int put_and_get(rill_queue *queue, int count)
{
    void *item = queue;
    int rc = 0;
    for (int i = 0; rc == 0 && i < count; i++) {
        rc = rill_queue_put(queue, item);
        if (rc == 0)
            rc = rill_queue_get(queue, &item);
    }
    return rc;
}

static int start(void *arg)
{
    rill_queue queue;
    (void)arg;
    int rc = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 64 });
    if (rc < 0)
        return rc;
    double begun = micro_cpu_ns();
    rc = put_and_get(&queue, COUNT);
    if (rc == 0)
        micro_report("queue", (micro_cpu_ns() - begun) / COUNT, "ns");
    (void)rill_queue_fini(&queue);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
