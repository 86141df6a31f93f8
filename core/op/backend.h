/* backend.h - the narrow waist: what a loop asks of the ring, or of a simulator in its place.
 *
 * All kernel I/O of a loop, its clock and its randomness pass these calls. A backend belongs to one
 * loop and one thread. */
#pragma once

#include <stddef.h>

#include "core/op/op.h"

#include <rill/time.h>

struct rill__counters {
    uint64_t enters, submitted, completions, overflows, enobufs, settled, wakes;
};

struct rill__backend {
    const struct rill__backend_ops *ops;
    struct rill__counters counters;
    bool watched;      /* its loop runs on the machine's clock: steps that block are found */
    bool can_truncate; /* RILL__OP_TRUNCATE may be submitted; kernels before 6.9 have no such op */
    unsigned outside;  /* jobs that threads or processes do for this loop: a virtual clock waits for
                         them; written by who starts and takes them */
};

struct rill__backend_ops {
    /* Start an asynchronous op; its completions come from wait. 0; -ENOMEM. A full queue is not an
     * error: the op starts a little later, in order. */
    int (*submit)(struct rill__backend *backend, struct rill__op *op);
    /* Ask an op in flight to end soon. Never fails; the final completion still comes from wait. */
    void (*cancel)(struct rill__backend *backend, struct rill__op *op);
    /* Carry out an op of the second kind now: the result. */
    int (*call)(struct rill__backend *backend, struct rill__op *op);
    /* Submit what is queued, take what has completed and call `done` for it. Sleeps until the first
     * completion or `deadline`; a deadline of 0 does not sleep. 0, or -errno when the ring is lost. */
    int (*wait)(struct rill__backend *backend, rill_time deadline);
    /* True if a wait that does not sleep would do nothing and `deadline` has not come: told without a
     * system call or a look at the clock. A false is always right; NULL: never known. */
    bool (*is_quiet)(struct rill__backend *backend, rill_time deadline);
    /* A turn begins, `entries` run in it: only a simulator looks at them, and shuffles them. NULL on
     * the ring. */
    void (*turn)(struct rill__backend *backend, struct list *entries);
    /* Give a receive buffer back. */
    void (*give_back)(struct rill__backend *backend, uint16_t buffer);
    rill_time (*now)(struct rill__backend *backend);
    /* As now, or up to a microsecond after it, which costs less: for what must not come early. NULL: `now`
     * costs nothing. */
    rill_time (*soon)(struct rill__backend *backend);
    rill_time (*wall_clock)(struct rill__backend *backend);
    void (*random)(struct rill__backend *backend, void *memory, size_t size);
    /* Ask everything in flight to end. */
    void (*cancel_all)(struct rill__backend *backend);
    /* Ops in flight. */
    size_t (*in_flight)(const struct rill__backend *backend);
    /* Nothing is in flight any more. */
    void (*free)(struct rill__backend *backend);
};
