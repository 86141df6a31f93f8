/* micro.h - what the micro programs share: real time, CPU time, and the line that they print.
 *
 * rill_now() stands still within a turn, so the programs read the clock themselves. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static inline double micro_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* User and system time of all threads of this process, those of the ring included. */
static inline double micro_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static inline void micro_report(const char *name, double value, const char *unit)
{
    printf("%s %.1f %s\n", name, value, unit);
}
