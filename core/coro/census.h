/* census.h - how deep the stacks of a loop's tasks were used, for each place where tasks are made. */
#pragma once

#include "core/coro/coro.h"

enum { RILL__CENSUS_PLACES = 256, RILL__CENSUS_SLOTS = 2 * RILL__CENSUS_PLACES };

struct rill__census_place {
    const struct rill_site *site; /* NULL: the slot is empty */
    uint64_t tasks;               /* that got a stack */
    uint32_t pages;               /* the most that a sample touched; 0: none was taken */
};

struct rill__census {
    struct rill__census_place slots[RILL__CENSUS_SLOTS], others;
    uint32_t count;
};

/* `coro`, which has its stack and has not run, is one more of its place. */
void rill__census_begin(struct rill__census *census, struct rill__coro *coro);
/* `coro` is a sample (coro->stack.sampled), has finished, and still has its stack. */
void rill__census_end(struct rill__census *census, struct rill__coro *coro);
/* The octets of `pages` pages. */
size_t rill__census_octets(uint32_t pages);
