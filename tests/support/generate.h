/* generate.h - generators that tests drive, and what drives them. */
#pragma once

#include "tests/support/expect.h"

/* Freed when the block is left. */
#define OWNED_GEN __attribute__((cleanup(drop_gen)))

static inline void drop_gen(rill_gen **gen)
{
    rill_gen_free(*gen);
}

static inline void *number(intptr_t n)
{
    return (void *)n;
}

/* The number that `gen` yields next; -1 at its end, or the error. */
static inline intptr_t next_of(rill_gen *gen)
{
    void *value;
    int r = rill_gen_next(gen, &value);
    return r > 0 ? (intptr_t)value : r < 0 ? r : -1;
}

static inline intptr_t send_to(rill_gen *gen, intptr_t n)
{
    void *value;
    int r = rill_gen_send(gen, number(n), &value);
    return r > 0 ? (intptr_t)value : r < 0 ? r : -1;
}

/* Yields 1, 2 and so on up to the int that `arg` points to, then ends with 99. */
int count(void *arg);
/* Takes as many closes as the int that `arg` points to says, then ends. */
int ignore_closes(void *arg);
/* Delegates to the generator that `arg` points to; the trace says how that ended. */
int delegate(void *arg);

/* `*ret_outer` delegates to `*ret_inner`, a generator of `inner`.   Returns: 0; -ENOMEM. */
int delegation(rill_coro inner, rill_gen **ret_inner, rill_gen **ret_outer);
