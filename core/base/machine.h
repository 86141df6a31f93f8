/* machine.h - what the machine itself answers: its clocks and its randomness, without any loop; and what its
 * threads are for. */
#pragma once

#include <stddef.h>
#include <time.h>

#include <rill/time.h>

/* The time of `clock`, in nanoseconds. */
rill_time rill__machine_time(clockid_t clock);
/* Threads that the library has started, and jobs that were given to them and are not done: without a job none of
 * those threads does anything for a loop. Both are atomic. */
extern unsigned rill__own_threads, rill__own_jobs;
/* Fill `memory` with the kernel's random octets. */
void rill__machine_random(void *memory, size_t size);
