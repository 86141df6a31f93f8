/* torture.h - a whole program run again and again, with one thing going wrong each time.
 *
 * A program is a coroutine that is run as a main task and ends well. It runs again with each
 * allocation failing, each operation failing with each error that it can give, results falling short,
 * and a cancel, a deadline or the hard phase at each await. It may then end in any way, but it must
 * end, and leave nothing: no memory, no descriptor, nothing that it said it holds. Where there is a
 * simulator every point is tried there, with the seeds 1 (in order) and 2 (shuffled), or as many as
 * RILL_TORTURE_SEEDS says; on the ring a sample. */
#pragma once

#include <rill.h>

#include <stddef.h>

struct torture_program {
    const char *name;
    rill_fn *main; /* 0 in the end; -EILSEQ: it saw something that must never be */
};

#define TORTURE(function)     \
    {                         \
#function, (function) \
    }

/* What a program holds now: raised and lowered by its clean-up ladders, 0 when it has ended. */
extern int torture_held;

/* Run all of them and print how many points were tried.   Returns: the exit status of the program. */
int torture_run(const struct torture_program *programs, size_t count);
