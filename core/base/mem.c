/* mem.c - the only file that knows the allocator; can fail the Nth allocation in tests.
 *
 * mimalloc's own names are used instead of overriding malloc: a program that links librill keeps
 * its allocator. The counters are plain adds of each thread's own; they make "no leak" a comparison
 * of two numbers in every test, and failing on demand one more. */
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

#if defined(RILL_MIMALLOC) && RILL_MIMALLOC
#include <mimalloc.h>
#define raw_malloc  mi_malloc
#define raw_calloc  mi_calloc
#define raw_realloc mi_realloc
#define raw_free    mi_free
#else
#define raw_malloc  malloc
#define raw_calloc  calloc
#define raw_realloc realloc
#define raw_free    free
#endif

static _Thread_local uint64_t count;
static _Thread_local int64_t live;
static int64_t live_of_ended;          /* atomic: what threads that have ended left to others */
static _Thread_local uint64_t fail_at; /* value of `count` that fails; 0: none */
static _Thread_local bool fail_forever;

static bool must_fail(void)
{
    uint64_t n = ++count;
    if (__builtin_expect(fail_at == 0, 1))
        return false;
    return n == fail_at || (n > fail_at && fail_forever);
}

static void *counted(void *memory)
{
    live += memory != NULL;
    return memory;
}

void *rill_alloc(size_t size)
{
    return must_fail() ? NULL : counted(raw_malloc(size));
}

void *rill_alloc_zero(size_t items, size_t size)
{
    return must_fail() ? NULL : counted(raw_calloc(items, size));
}

void *rill_resize(void *memory, size_t size)
{
    if (must_fail())
        return NULL;
    /* With no octets realloc(3) may free the block and say NULL, as if it had failed. */
    void *moved = raw_realloc(memory, size > 0 ? size : 1);
    return memory == NULL ? counted(moved) : moved;
}

void rill_free(void *memory)
{
    if (memory == NULL)
        return;
    live--;
    raw_free(memory);
}

bool rill__mem_take(void)
{
    if (must_fail())
        return false;
    live++;
    return true;
}

void rill__mem_give(void)
{
    live--;
}

void *rill_copy(const void *from, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = rill_alloc(size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, from, size);
    copy[size] = 0;
    return copy;
}

void rill__mem_fail_nth(uint64_t nth, bool forever)
{
    count = 0;
    fail_forever = forever;
    fail_at = nth;
}

uint64_t rill__mem_count(void)
{
    return count;
}

int64_t rill__mem_live(void)
{
    return live + __atomic_load_n(&live_of_ended, __ATOMIC_ACQUIRE);
}

void rill__mem_end_thread(void)
{
    __atomic_add_fetch(&live_of_ended, live, __ATOMIC_RELEASE);
    live = 0;
}

void rill__mem_add_version(rill_text *text)
{
#if defined(RILL_MIMALLOC) && RILL_MIMALLOC
    int version = mi_version(); /* 209 is 2.0.9 */
    rill_text_fmt(text, "mimalloc %d.%d.%d\n", version / 100, version / 10 % 10, version % 10);
#else
    (void)text;
#endif
}
