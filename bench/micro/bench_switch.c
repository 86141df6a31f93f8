/* bench_switch.c - the raw stack switch: resume and suspend of one coroutine, without a loop.
 *
 * The one program that looks behind the door: a switch alone is not public, everything built on it
 * is. The figure is for one switch, half of a resume and suspend. */
#include "bench/micro/micro.h"

#include "core/coro/coro.h"

enum { PAIRS = 50000000, WARM_UP = 1000 };

static void echo(void *arg)
{
    const bool *stop = arg;
    while (!*stop)
        rill__coro_suspend();
}

int main(void)
{
    struct rill__stack_pool pool = { 0 };
    struct rill__coro coro = { 0 };
    bool stop = false;
    if (rill__coro_init(&coro, &pool, 0, echo, &stop) < 0)
        return 1;
    for (int i = 0; i < WARM_UP; i++)
        rill__coro_resume(&coro);
    double begun = micro_cpu_ns();
    for (int i = 0; i < PAIRS; i++)
        rill__coro_resume(&coro);
    micro_report("switch", (micro_cpu_ns() - begun) / (2.0 * PAIRS), "ns");
    stop = true;
    rill__coro_resume(&coro);
    rill__coro_fini(&coro, &pool);
    rill__stack_pool_fini(&pool);
    return 0;
}
