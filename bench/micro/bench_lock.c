/* bench_lock.c - a lock that nobody else wants: taken and given back. */
#include "bench/micro/micro.h"

#include <rill/loop.h>
#include <rill/sync.h>

enum { COUNT = 50000000 };

static rill_lock lock;

static int start(void *arg)
{
    (void)arg;
    int rc = 0;
    double begun = micro_cpu_ns();
    for (int i = 0; rc == 0 && i < COUNT; i++) {
        rc = rill_lock_acquire(&lock);
        if (rc == 0)
            rc = rill_lock_release(&lock);
    }
    if (rc == 0)
        micro_report("lock", (micro_cpu_ns() - begun) / COUNT, "ns");
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
