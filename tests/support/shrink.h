/* shrink.h - a simulated story that failed is told again, in smaller worlds.
 *
 * A story is a part of a program that runs under many seeds. STORY=name STORY_SEED=17 runs one of them
 * alone, with one seed; STORY_WORLD=shuffle,short says what is on in that world, STORY_WORLD= that nothing
 * is. When a seed fails, `shrink` runs the program again and again, each time with one thing less, and
 * prints the smallest command that still fails. */
#pragma once

#include <rill/sim.h>

/* Whether the environment wants `story` at all, and other seeds than the one in `ret_seed`. */
enum shrink_wish { SHRINK_ALL_SEEDS, SHRINK_ONE_SEED, SHRINK_OTHER_STORY };
enum shrink_wish shrink_wish(const char *story, uint64_t *ret_seed);

/* Take from `world` what STORY_WORLD does not name; all stays if that is not set. */
void shrink_world(rill_sim_opts *world);

/* `story` has failed in `world`: find and print the smallest command that still fails. */
void shrink(const char *story, const rill_sim_opts *world);
