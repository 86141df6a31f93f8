/* worker.h - one worker process: from the fork to its end. */
#pragma once

#include "server/generation.h"
#include "server/privs.h"
#include "server/shm.h"

/* What a worker is born with. All of it is the child's own copy. */
struct worker_start {
    unsigned slot, workers;        /* its slot; of how many */
    int channel;                   /* its end */
    struct generation *generation; /* the current one, with its directories open */
    const struct privs *privs;
    struct shm_worker *page;
};

/* Give up rights, make the ring, serve until told to end. Called once, in the child.
 * Returns: the exit status. */
int worker_main(const struct worker_start *start);
