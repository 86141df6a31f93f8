/* machine.h - what the machine itself answers: its clocks and its randomness, without any loop; and what its
 * threads are for. */
#pragma once

#include <stddef.h>
#include <time.h>

#include <rill/time.h>

/* The time of `clock`, in nanoseconds. */
rill_time rill__machine_time(clockid_t clock);
/* Threads of executors, and jobs that were given to them and are not done. Without a job none of those threads
 * does anything. Both are atomic, and written by core/io/executor.c. */
extern unsigned rill__executor_threads, rill__executor_jobs;
/* Fill `memory` with the kernel's random octets. */
void rill__machine_random(void *memory, size_t size);
