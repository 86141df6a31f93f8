/* micro.h - what the micro programs share: real time, CPU time, and the line that they print.
 *
 * rill_now() stands still within a turn, so the programs read the clock themselves. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline double micro_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* CPU time of all threads of this process, those of the ring included. On a CPU of one's own it is
 * the same as real time, and unlike that it does not count the neighbours. */
static inline double micro_cpu_ns(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (double)spent.tv_sec * 1e9 + (double)spent.tv_nsec;
}

static inline void micro_report(const char *name, double value, const char *unit)
{
    printf("%s %.1f %s\n", name, value, unit);
}
