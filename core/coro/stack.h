/* stack.h - slabs of stacks, guards, the hot pool: the single truth about stack layout.
 *
 *     one slot:   | guard 64 KiB | stack .......................... | colour |
 *                                base                              top
 *
 * A pool belongs to one thread. Free stacks are reused last in, first out, so that hot ones stay in
 * the cache; cold ones give their pages back in rill__stack_trim. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RILL__STACK_CLASSES = 4 };

struct rill__stack {
    char *base;    /* lowest usable octet; NULL: no stack */
    uint16_t kind; /* size class */
    bool canary;   /* no guard below it: its lowest octets are checked instead */
    bool sampled;  /* for census.c, while it is in use */
    uint32_t slot; /* within its slab: colours the top */
};

struct rill__stack_class {
    struct rill__stack *free; /* free stacks, the hottest last */
    size_t free_count;
    size_t made, room; /* room of `free` is never less than made: giving a stack back cannot fail */
    size_t used, used_high;
    size_t cold; /* the first so many free ones own no pages */
};

struct rill__stack_pool {
    struct rill__stack_slab *slabs;
    struct rill__stack_class classes[RILL__STACK_CLASSES];
    bool probed, guard_pages; /* MADV_GUARD_INSTALL: was tried, works */
    size_t mapped_guards;     /* PROT_NONE guards made so far */
};

/* The smallest class that holds `size` octets (0: the default); -1 if none does. */
int rill__stack_class(size_t size);
size_t rill__stack_size(uint32_t kind);

/* Take a stack. 0 or -ENOMEM. */
int rill__stack_take(struct rill__stack_pool *pool, uint32_t kind, struct rill__stack *ret_stack);
/* Give a stack back, on which no frame is live. */
void rill__stack_give(struct rill__stack_pool *pool, struct rill__stack stack);
/* The end of the usable octets, aligned to 16. */
char *rill__stack_top(struct rill__stack stack);
/* Whether `address` lies in the guard below `stack`. */
bool rill__stack_in_guard(struct rill__stack stack, const void *address);
/* Give the pages of up to `most` cold stacks back to the kernel; how many were. */
size_t rill__stack_trim(struct rill__stack_pool *pool, size_t most);
/* Unmap everything; no stack may be in use. */
void rill__stack_pool_fini(struct rill__stack_pool *pool);
