/* items.c - the items of a queue: a ring, a stack or a heap in one array.
 *
 * The array's capacity is a power of two. It grows by doubling and never shrinks: a queue that swings
 * between empty and its usual size does not allocate. */
#include "core/sync/items.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

struct ranked {
    void *item;
    uint64_t rank; /* orders those that are equal */
};

enum { capacity_least = 8 };

static size_t item_size(const struct rill__items *items)
{
    return items->order == RILL_PRIORITY ? sizeof(struct ranked) : sizeof(void *);
}

/* Copy all items to `to`, the first one first. */
static void copy_out(const struct rill__items *items, char *to)
{
    size_t each = item_size(items), until_end = items->capacity - items->head;
    size_t first = items->size < until_end ? items->size : until_end;
    if (items->size == 0)
        return;
    memcpy(to, (char *)items->memory + items->head * each, first * each);
    memcpy(to + first * each, items->memory, (items->size - first) * each);
}

int rill__items_grow(struct rill__items *items, size_t least)
{
    size_t capacity = items->capacity > 0 ? items->capacity : capacity_least;
    size_t most = SIZE_MAX / 2 / sizeof(struct ranked);
    if (least > most)
        return -ENOMEM;
    while (capacity < least)
        capacity *= 2;
    char *memory = rill_alloc(capacity * item_size(items));
    if (memory == NULL)
        return -ENOMEM;
    copy_out(items, memory);
    rill_free(items->memory);
    items->memory = memory;
    items->capacity = capacity;
    items->head = 0;
    return 0;
}

static bool is_before(const struct rill__items *items, struct ranked a, struct ranked b)
{
    int order = items->cmp(a.item, b.item);
    return order < 0 || (order == 0 && a.rank < b.rank);
}

static void sift_up(struct rill__items *items, size_t at, struct ranked new)
{
    struct ranked *heap = items->memory;
    while (at > 0 && is_before(items, new, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = new;
}

/* Take the first out and close the gap with the last. */
static void *take_least(struct rill__items *items)
{
    struct ranked *heap = items->memory, last = heap[items->size];
    void *least = heap[0].item;
    size_t at = 0, child;
    while ((child = 2 * at + 1) < items->size) {
        if (child + 1 < items->size && is_before(items, heap[child + 1], heap[child]))
            child++;
        if (!is_before(items, heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return least;
}

void rill__items_put(struct rill__items *items, void *item)
{
    size_t at = items->size++;
    if (items->order == RILL_PRIORITY)
        sift_up(items, at, (struct ranked){ item, items->ranked++ });
    else
        ((void **)items->memory)[(items->head + at) & (items->capacity - 1)] = item;
}

void *rill__items_take(struct rill__items *items)
{
    void **array = items->memory;
    size_t left = --items->size, head = items->head;
    if (items->order == RILL_PRIORITY)
        return take_least(items);
    if (items->order == RILL_LIFO)
        return array[left];
    items->head = (head + 1) & (items->capacity - 1);
    return array[head];
}
