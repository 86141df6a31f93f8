/* census.c - how deep the stacks of a loop's tasks and generators were used, for each place where such are
 * made.
 *
 * A sample of the tasks is measured, so that the others pay only for finding their place. Before a
 * sample begins the pages below the deepest one known of its place go back to the kernel: what was
 * there before belongs to who had the stack earlier. When it has ended the kernel is asked which of
 * them are there again. Nothing is read, so no page is touched that the task did not touch.
 *
 * The table does not grow: tasks of further places are counted together. */
#include "core/coro/census.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { first_samples = 16, sample_every = 16384, look_pages = 64 };

static struct rill__census_place *find(struct rill__census *census, const struct rill_site *site)
{
    for (uint32_t at = rill__census_slot(site);; at++) {
        struct rill__census_place *place = &census->slots[at % RILL__CENSUS_SLOTS];
        if (place->site == site)
            return place;
        if (place->site != NULL)
            continue;
        if (census->count == RILL__CENSUS_PLACES)
            return &census->others;
        census->count++;
        place->site = site;
        return place;
    }
}

size_t rill__census_octets(uint32_t pages)
{
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The lowest octet of `stack` that samples of `place` are known to have used. */
static char *known_end(const struct rill__census_place *place, const struct rill__stack *stack)
{
    size_t size = rill__stack_size(stack->kind), known = rill__census_octets(place->pages);
    return stack->base + (known < size ? size - known : 0);
}

/* The page of the first context is in use already. A canary would be lost with its page. */
static void begin_sample(struct rill__census_place *place, struct rill__stack *stack)
{
    if (place->pages == 0)
        place->pages = 1;
    size_t size = (size_t)(known_end(place, stack) - stack->base);
    if (size > 0 && !stack->canary)
        stack->sampled = madvise(stack->base, size, MADV_DONTNEED) == 0;
}

void rill__census_begin_slow(struct rill__census *census, struct rill__coro *coro)
{
    struct rill__census_place *place = find(census, coro->site);
    place->tasks++;
    if (place->until_sample > 0) {
        place->until_sample--;
        return;
    }
    place->until_sample = place->tasks < first_samples ? 0 : sample_every - 1;
    begin_sample(place, &coro->stack);
}

/* A frame may leave out pages, but not so many: go on as long as the lowest one looked at is used. */
void rill__census_end(struct rill__census *census, struct rill__coro *coro)
{
    unsigned char there[look_pages];
    struct rill__stack *stack = &coro->stack;
    struct rill__census_place *place = find(census, coro->site);
    size_t page = rill__census_octets(1), lowest = 0;
    char *end = known_end(place, stack);
    stack->sampled = false;
    while (lowest == 0 && end > stack->base) {
        size_t count = (size_t)(end - stack->base) / page;
        if (count > look_pages)
            count = look_pages;
        end -= count * page;
        if (mincore(end, count * page, there) < 0)
            return;
        while (lowest < count && (there[lowest] & 1) == 0)
            lowest++;
        char *used = end + lowest * page, *top = stack->base + rill__stack_size(stack->kind);
        if (lowest < count)
            place->pages = (uint32_t)((size_t)(top - used) / page);
    }
}
