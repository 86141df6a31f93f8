/* census.h - how deep the stacks of a loop's tasks were used, for each place where tasks are made. */
#pragma once

#include "core/coro/coro.h"

enum { RILL__CENSUS_PLACES = 256, RILL__CENSUS_SLOTS = 2 * RILL__CENSUS_PLACES };

struct rill__census_place {
    const struct rill_site *site; /* NULL: the slot is empty */
    uint64_t tasks;               /* and generators that got a stack */
    uint32_t until_sample;        /* so many tasks come before the next one that is measured */
    uint32_t pages;               /* the most that a sample touched; 0: none was taken */
};

struct rill__census {
    struct rill__census_place slots[RILL__CENSUS_SLOTS], others;
    uint32_t count;
};

/* Where the search for the place of `site` begins. */
static inline uint32_t rill__census_slot(const struct rill_site *site)
{
    uint64_t hash = ((uint64_t)(uintptr_t)site >> 3) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(hash >> 55);
}

_Static_assert(RILL__CENSUS_SLOTS == 1 << (64 - 55), "a hash of 9 bits names a slot");

/* What is left of rill__census_begin where it is not the short way. */
void rill__census_begin_slow(struct rill__census *census, struct rill__coro *coro);

/* `coro`, which has its stack and has not run, is one more of its place. */
static inline void rill__census_begin(struct rill__census *census, struct rill__coro *coro)
{
    struct rill__census_place *place = &census->slots[rill__census_slot(coro->site)];
    if (__builtin_expect(place->site != coro->site || place->until_sample == 0, 0)) {
        rill__census_begin_slow(census, coro);
        return;
    }
    place->until_sample--;
    place->tasks++;
}

/* `coro` is a sample (coro->stack.sampled), has finished, and still has its stack. */
void rill__census_end(struct rill__census *census, struct rill__coro *coro);
/* The octets of `pages` pages. */
size_t rill__census_octets(uint32_t pages);
