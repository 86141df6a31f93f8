/* items.h - the items of a queue, in the order in which they come out. */
#pragma once

#include <rill/queue.h>

struct rill__items {
    void *memory; /* of void *, or of struct ranked; NULL until there is an item */
    size_t size, capacity;
    size_t head;     /* FIFO: where the first one lies in the ring; else 0 */
    uint64_t ranked; /* PRIORITY: items that ever came, the rank of the next among its equals */
    rill_queue_cmp_fn *cmp;
    uint8_t order; /* rill_queue_order */
};

/* Make room for one more: 0 or -ENOMEM. */
int rill__items_grow(struct rill__items *items, size_t least);
/* Put `item` in; there is room. */
void rill__items_put(struct rill__items *items, void *item);
/* Take the next one out; there is one. */
void *rill__items_take(struct rill__items *items);
