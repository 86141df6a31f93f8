/* machine.c - the machine's clocks and randomness, for the ring and for where no loop runs.
 *
 * Everything that runs in a loop asks the loop's backend instead, which may be a simulator. */
#include "core/base/machine.h"

#include <sys/random.h>

unsigned rill__own_threads, rill__own_jobs;

rill_time rill__machine_time(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return RILL_SEC(at.tv_sec) + at.tv_nsec;
}

void rill__machine_random(void *memory, size_t size)
{
    char *at = memory;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0)
            continue; /* only EINTR, and only before the first seed */
        at += got;
        size -= (size_t)got;
    }
}
