/* slab.h - records of one size in slabs, which a reader in another process can find: see slab.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rill__slab;

/* Valid when zeroed. */
struct rill__slabs {
    struct rill__slab **all; /* in no order */
    struct rill__slab *room; /* those with room for one more, the last one that got some first */
    uint32_t count, size;    /* slabs; places in `all` */
    uint32_t empty;          /* slabs without a record in use */
};

struct rill__slab {
    struct rill__slabs *owner;       /* NULL: it has gone, the last record takes the slab along */
    struct rill__slab *prev, *next;  /* among those with room */
    struct rill__slab_record *given; /* records given back */
    uint32_t at;                     /* in `all` */
    uint32_t used, fresh; /* records in use; records that were ever used, from the first on */
    uint32_t most;        /* records that it has room for */
};

/* What a record that is not in use begins with. */
struct rill__slab_record {
    uint64_t zero; /* a reader sees that it is none */
    struct rill__slab_record *next;
    uint16_t place;
};

enum { RILL__SLAB_HEADER = 64 };

_Static_assert(sizeof(struct rill__slab) <= RILL__SLAB_HEADER, "records begin behind the header");

/* A record of `size` octets, the same for all of `slabs`, and its place, which is asked for again; what is in
 * it is undefined. NULL: no memory. */
void *rill__slabs_take(struct rill__slabs *slabs, size_t size, uint16_t *ret_place);
/* Give a record back, also if its slabs have gone. */
void rill__slabs_give(void *record, size_t size, uint16_t place);
/* The end of `slabs`; records that are still in use stay valid. */
void rill__slabs_fini(struct rill__slabs *slabs);
