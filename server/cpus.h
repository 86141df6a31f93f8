/* cpus.h - the processors that the workers may use: how many, and which one for whom. */
#pragma once

#include <rill/text.h>

/* Workers for `workers: auto`: the processors of the affinity mask, capped by the cgroup's quota
 * rounded up; at least 1. */
unsigned cpus_count(void);

/* Pin this process to the processor of `slot`: the slots go round the affinity mask.
 * Returns: 0; -errno, then it runs where it did. */
int cpus_pin(unsigned slot);

/* The quota in a cgroup's cpu.max (`QUOTA PERIOD` or `max PERIOD`), in processors, rounded up.
 * Returns: 1 or more; 0: no limit, or no such text. */
unsigned cpus_of_quota(rill_span text);
