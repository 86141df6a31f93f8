/* test_heap.c - the intrusive heap against a plain sorted list, and without memory. */
#include "core/base/heap.h"
#include "core/base/mem.h"
#include "tests/support/expect.h"

enum { nodes_max = 500 };

static struct heap_node nodes[nodes_max];
static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* The node that must come first: the smallest key, the oldest of equal ones. */
static struct heap_node *first_by_search(void)
{
    struct heap_node *first = NULL;
    for (size_t i = 0; i < nodes_max; i++)
        if (heap_holds(&nodes[i]) &&
            (first == NULL || nodes[i].key < first->key ||
             (nodes[i].key == first->key && nodes[i].order < first->order)))
            first = &nodes[i];
    return first;
}

static void heap_gives_the_smallest_key_and_of_equal_ones_the_oldest(void **state)
{
    struct heap heap = { 0 };
    (void)state;
    memset(nodes, 0, sizeof nodes);
    seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct heap_node *node = &nodes[draw(nodes_max)];
        if (heap_holds(node))
            heap_remove(&heap, node);
        else
            assert_int_equal(heap_insert(&heap, node, (int64_t)draw(50) - 25), 0);
        assert_ptr_equal(heap_first(&heap), first_by_search());
    }
    while (heap_first(&heap) != NULL) {
        assert_ptr_equal(heap_first(&heap), first_by_search());
        heap_remove(&heap, heap_first(&heap));
    }
    assert_int_equal(heap.count, 0);
    heap_fini(&heap);
}

static void removing_what_is_on_no_heap_does_nothing(void **state)
{
    struct heap heap = { 0 };
    struct heap_node node = { 0 };
    (void)state;
    heap_remove(&heap, &node);
    assert_int_equal(heap_insert(&heap, &node, 1), 0);
    heap_remove(&heap, &node);
    heap_remove(&heap, &node);
    assert_null(heap_first(&heap));
    heap_fini(&heap);
}

static void insertion_without_memory_changes_nothing(void **state)
{
    struct heap heap = { 0 };
    (void)state;
    memset(nodes, 0, sizeof nodes);
    int64_t blocks = rill__mem_live();
    rill__mem_fail_nth(1, true);
    assert_int_equal(heap_insert(&heap, &nodes[0], 1), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_false(heap_holds(&nodes[0]));
    int r = 0;
    size_t held = 0;
    rill__mem_fail_nth(2, true); /* the second growth fails */
    for (; held < nodes_max && r == 0; held += r == 0)
        r = heap_insert(&heap, &nodes[held], (int64_t)held);
    rill__mem_fail_nth(0, false);
    assert_int_equal(r, -ENOMEM);
    assert_int_equal(heap.count, held);
    assert_ptr_equal(heap_first(&heap), &nodes[0]);
    heap_fini(&heap);
    assert_int_equal(rill__mem_live(), blocks);
}

static void node_may_be_taken_off_after_its_heap_has_gone(void **state)
{
    struct heap heap = { 0 };
    struct heap_node node = { 0 };
    (void)state;
    assert_int_equal(heap_insert(&heap, &node, 1), 0);
    heap_fini(&heap);
    assert_false(heap_holds(&node));
    heap_remove(&heap, &node);
}

static const struct scenario scenarios[] = {
    OUTSIDE(heap_gives_the_smallest_key_and_of_equal_ones_the_oldest),
    OUTSIDE(removing_what_is_on_no_heap_does_nothing),
    OUTSIDE(insertion_without_memory_changes_nothing),
    OUTSIDE(node_may_be_taken_off_after_its_heap_has_gone),
};

int main(void)
{
    return RUN_SCENARIOS("heap", scenarios);
}
