/* heap.c - sifting of the intrusive min-heap. */
#include "core/sim/heap.h"

#include "core/base/check.h"

#include <rill/mem.h>

#include <errno.h>

enum { arity = 4, first_room = 64 };

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    if (a->key != b->key)
        return a->key < b->key;
    return a->node->order < b->node->order;
}

static void put(struct heap *heap, size_t at, struct heap_entry entry)
{
    heap->entries[at] = entry;
    entry.node->at = at + 1;
}

static void sift_up(struct heap *heap, size_t at, struct heap_entry entry)
{
    while (at > 0) {
        size_t parent = (at - 1) / arity;
        if (!before(&entry, &heap->entries[parent]))
            break;
        put(heap, at, heap->entries[parent]);
        at = parent;
    }
    put(heap, at, entry);
}

static void sift_down(struct heap *heap, size_t at, struct heap_entry entry)
{
    for (;;) {
        size_t child = at * arity + 1, least = child;
        if (child >= heap->count)
            break;
        size_t end = child + arity < heap->count ? child + arity : heap->count;
        for (size_t i = child + 1; i < end; i++)
            if (before(&heap->entries[i], &heap->entries[least]))
                least = i;
        if (!before(&heap->entries[least], &entry))
            break;
        put(heap, at, heap->entries[least]);
        at = least;
    }
    put(heap, at, entry);
}

int heap_reserve(struct heap *heap, size_t count)
{
    size_t room = heap->room == 0 ? first_room : heap->room;
    if (count <= heap->room)
        return 0;
    while (room < count)
        room *= 2;
    struct heap_entry *moved = rill_resize(heap->entries, room * sizeof *moved);
    if (moved == NULL)
        return -ENOMEM;
    heap->entries = moved;
    heap->room = room;
    return 0;
}

int heap_insert(struct heap *heap, struct heap_node *node, int64_t key)
{
    CHECK_SLOW(!heap_holds(node));
    if (heap->count == heap->room && heap_reserve(heap, heap->count + 1) < 0)
        return -ENOMEM;
    node->key = key;
    node->order = heap->inserted++;
    sift_up(heap, heap->count++, (struct heap_entry){ key, node });
    return 0;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!heap_holds(node))
        return;
    size_t at = node->at - 1;
    struct heap_entry last = heap->entries[--heap->count];
    node->at = 0;
    if (last.node == node)
        return;
    if (at > 0 && before(&last, &heap->entries[(at - 1) / arity]))
        sift_up(heap, at, last);
    else
        sift_down(heap, at, last);
}

void heap_fini(struct heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->entries[i].node->at = 0; /* its owner may live on, and take it off later */
    rill_free(heap->entries);
    *heap = (struct heap){ 0 };
}
