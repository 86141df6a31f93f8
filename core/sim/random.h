/* random.h - the simulator's generators: one per concern, all derived from one seed.
 *
 * SplitMix64: a counter and a mixer. Concerns are separate, so that one more draw in one of them does
 * not shift the others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rill__random {
    uint64_t state;
};

static inline uint64_t rill__random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline void rill__random_init(struct rill__random *random, uint64_t seed, uint64_t concern)
{
    random->state = rill__random_mix(seed) ^ rill__random_mix(~concern);
}

static inline uint64_t rill__random_next(struct rill__random *random)
{
    return rill__random_mix(random->state += 0x9e3779b97f4a7c15u);
}

/* From 0 to `count` - 1. */
static inline uint64_t rill__random_below(struct rill__random *random, uint64_t count)
{
    return count < 2 ? 0 : rill__random_next(random) % count;
}

/* True `permille` times in a thousand. */
static inline bool rill__random_chance(struct rill__random *random, unsigned permille)
{
    return permille > 0 && rill__random_below(random, 1000) < permille;
}
