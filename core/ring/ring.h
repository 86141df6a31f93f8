/* ring.h - the backend over io_uring. */
#pragma once

#include "core/op/backend.h"

struct rill__ring_opts {
    unsigned sq_entries, cq_entries, recv_buffers;
};

/* A ring for this thread. 0, or -errno with rill_ring_problem() set. */
int rill__ring_new(const struct rill__ring_opts *opts, struct rill__backend **ret_backend);
