/* seeds.h - stories that are told under many seeds; one that fails is told again, in smaller worlds.
 *
 * A story is a coroutine that checks what it promises while a simulated world does what its seed says. The
 * environment chooses:
 *
 *   STORY=name           this one alone
 *   STORY_SEED=17        with this seed; STORY_SEEDS=5000: so many, from that one or from 1
 *   STORY_WORLD=shuffle,short   what is on, of what the seed would have; STORY_WORLD= nothing
 *   STORY_LOAD=5         how much goes on
 *
 * When a seed fails the program is run again and again, each time with one class of faults less, in order,
 * and then with half the load, as long as it still fails; the smallest command that does is printed. */
#pragma once

#include "tests/support/expect.h"

struct seeds_story {
    const char *name;
    rill_fn *tell;
    unsigned seeds;       /* 1 to so many */
    unsigned load;        /* how much goes on: the story knows what that is */
    bool faults;          /* faults strike, in every other world */
    bool ordered;         /* what is ready runs in order in every other world */
    rill_time faults_end; /* not 0: faults strike in each world, but no longer than that */
    unsigned recv_buffers;
};

/* Of the world that is now. */
extern unsigned seeds_load;
extern bool seeds_faults;

/* From 0 to `below` - 1, as the seed says: what the program does, not what happens to it. */
uint32_t seeds_draw(uint32_t below);

/* Tell the story under all its seeds; the test fails with the first that does.   Returns: false if the
 * environment wanted something else than all of them as they are. */
bool seeds_try(const struct seeds_story *story);

/* Run the stories of a program, each of which is a test that calls seeds_try.   Returns: its exit status. */
int seeds_main(const char *group, const struct scenario *scenarios, size_t count);

#define SEEDS_MAIN(group, scenarios) \
    seeds_main((group), (scenarios), sizeof(scenarios) / sizeof *(scenarios))
