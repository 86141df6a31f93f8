/* heap.h - what happens when: an intrusive min-heap of points in time, four children a node.
 *
 * The key lies beside the pointer in the heap's own array, so sifting touches one cache line a
 * level. Ties come out in the order of insertion. A node knows its place, so removal needs no
 * search. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t order; /* of insertion */
    size_t at;      /* index plus 1; 0: on no heap */
};

struct heap {
    struct heap_entry {
        int64_t key;
        struct heap_node *node;
    } * entries;

    size_t count, room;
    uint64_t inserted;
};

/* Room for `count` nodes in all: inserting up to that many cannot fail. 0 or -ENOMEM. */
int heap_reserve(struct heap *heap, size_t count);
/* Put `node` on the heap. 0 or -ENOMEM. */
int heap_insert(struct heap *heap, struct heap_node *node, int64_t key);
/* Take `node` off; nothing happens if it is on none. */
void heap_remove(struct heap *heap, struct heap_node *node);
void heap_fini(struct heap *heap);

/* The node with the smallest key, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->entries[0].node : NULL;
}

static inline bool heap_holds(const struct heap_node *node)
{
    return node->at != 0;
}
