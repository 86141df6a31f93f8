/* doctor.h - why there is no io_uring here, and what to do about it. */
#pragma once

#include <rill/text.h>

enum { DOCTOR_EXIT = 78 }; /* the environment cannot work, and a restart will not help */

/* What the machine says; read by doctor_look, made up by tests. */
struct doctor_facts {
    int sysctl;       /* kernel.io_uring_disabled; -1: the kernel has no such setting */
    uint64_t memlock; /* RLIMIT_MEMLOCK in octets; UINT64_MAX: no limit */
    unsigned workers; /* of the configuration */
};

/* Read the facts of this process. */
void doctor_look(unsigned workers, struct doctor_facts *ret_facts);

/* Append one line, without its end: what making a ring failed with (`code`, negative), why, and the
 * fix. `problem` is what rill_ring_problem said, used for codes that have no text here; NULL is fine. */
void doctor_explain(int code, const char *problem, const struct doctor_facts *facts,
                    rill_text *text);

/* Append a size as people write it: 64k, 6m, or octets. */
void doctor_size(rill_text *text, uint64_t size);
