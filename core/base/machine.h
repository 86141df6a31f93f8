/* machine.h - what the machine itself answers: its clocks and its randomness, without any loop. */
#pragma once

#include <stddef.h>
#include <time.h>

#include <rill/time.h>

/* The time of `clock`, in nanoseconds. */
rill_time rill__machine_time(clockid_t clock);
/* Fill `memory` with the kernel's random octets. */
void rill__machine_random(void *memory, size_t size);
