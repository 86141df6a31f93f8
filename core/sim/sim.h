/* sim.h - the simulator backend, as run.c sees it. */
#pragma once

#include "core/op/backend.h"

#include <rill/sim.h>

typedef int rill__call_fn(struct rill__backend *backend, struct rill__op *op);

struct rill__sim_opts {
    rill_sim_opts world;
    unsigned recv_buffers;
    rill__call_fn *call; /* carries out ops of the second kind on real descriptors */
    bool told_by_env;    /* the seed came from RILL_SIM: the command that repeats it names it */
};

/* A simulator for this thread. 0 or -ENOMEM. */
int rill__sim_new(const struct rill__sim_opts *opts, struct rill__backend **ret_backend);
/* Whether `backend` is one. */
bool rill__is_sim(const struct rill__backend *backend);
/* What the environment variable RILL_SIM asks for. False: nothing. */
bool rill__sim_from_env(rill_sim_opts *ret_world);
/* The virtual clocks of this thread, which go on from one simulated loop to the next. */
rill_time rill__sim_now(void);
rill_time rill__sim_wall_clock(void);
uint64_t rill__sim_hash(const struct rill__backend *backend);
/* Why, the last steps, and the command that repeats them. */
void rill__sim_report(struct rill__backend *backend, const char *why);
