/* top.h - the busiest tasks, again and again. */
#pragma once

#include "server/ctl/print.h"

#include <sys/types.h>

struct top {
    struct print print;
    bool json;
    uint64_t times;    /* answers; 0: until it is ended */
    uint64_t delay_ms; /* between two */
};

/* Show the tasks of `pids` by the steps that they made in the last `delay_ms`; the first answer counts from
 * their begin.   Returns: 0; as snapshot_take. */
int top_run(const struct top *top, const pid_t *pids, size_t count);
