/* fault.h - a backend around another one, in which chosen operations fail, fall short or are deaf.
 *
 * For tests: only builds with RILL_CHECK_SLOW have it. A plan holds for the loops of its thread that
 * get their backend while it is set. */
#pragma once

#include "core/op/backend.h"

enum { RILL__FAULT_KINDS = 64, RILL__FAULT_ANY = RILL__FAULT_KINDS };

struct rill__fault_plan {
    int kind; /* rill__op_kind, or RILL__FAULT_ANY; the loop's own read for its wake-ups is none */
    uint64_t nth; /* the one that fails, 1 is the first; 0: none */
    bool forever; /* and all of the kind after it */
    int error; /* its result, -errno; it never reaches the backend (but CLOSE does, and closes) */
    uint32_t cap; /* at most so many octets for each of the kind; 0: no cap */
    bool deaf;    /* cancels of the kind are swallowed: the operation ends by itself */
};

struct rill__fault_counts {
    uint64_t seen[RILL__FAULT_KINDS]; /* operations by kind */
    uint64_t failed, capped, unheard;
};

#ifdef RILL_CHECK_SLOW

/* Set the plan of this thread, and its counts to zero; NULL: no faults. The plan is copied. */
void rill__fault_set(const struct rill__fault_plan *plan);
const struct rill__fault_counts *rill__fault_counts(void);
/* Put the faults around a backend that was just made, if `made` is 0 and a plan is set: `made`, or
 * -ENOMEM without any backend. */
int rill__fault_wrap(int made, struct rill__backend **backend);

#else

static inline int rill__fault_wrap(int made, struct rill__backend **backend)
{
    (void)backend;
    return made;
}

#endif
