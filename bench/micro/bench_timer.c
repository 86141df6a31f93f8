/* bench_timer.c - start and stop of a timer while 100,000 others are pending. */
#include "bench/micro/micro.h"

#include <rill/loop.h>

#include <errno.h>

enum { PENDING = 100000, COUNT = 5000000 };

static rill_handle pending[PENDING];

static void nothing(void *arg)
{
    (void)arg;
}

static int start_and_stop(rill_loop *loop)
{
    double begun = micro_cpu_ns();
    for (int i = 0; i < COUNT; i++) {
        rill_handle handle = rill_call_later(loop, RILL_SEC(1 + i % 1000), nothing, NULL);
        if (!rill_handle_cancel(handle))
            return -ENOMEM;
    }
    micro_report("timer", (micro_cpu_ns() - begun) / COUNT, "ns");
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    rill_loop *loop = rill_get_running_loop();
    int rc = 0;
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = rill_sleep(RILL_MS(1)); /* a loop that has been running for a while */
    if (rc < 0)
        return rc;
    for (int i = 0; i < PENDING; i++)
        pending[i] = rill_call_later(loop, RILL_SEC(1000) + RILL_MS(10) * i, nothing, NULL);
    rc = start_and_stop(loop);
    for (int i = 0; i < PENDING; i++)
        rill_handle_cancel(pending[i]);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
