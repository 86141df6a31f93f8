/* slab.c - records of one size in slabs, which a reader in another process can find.
 *
 * A slab is a block of memory with a header and as many records as fit. Another process reads whole slabs at
 * once and sees which records are in use, so it follows no pointers that change meanwhile. Records that were
 * given back are used again last in, first out, and so are slabs: what is used is hot and lies together. One
 * empty slab is kept, others go back to the allocator.
 *
 * The memory is private: a child process that was forked has its own copy and cannot disturb its parent.
 *
 * A record counts as an allocation, so tests can make each one fail, and see each one that was lost.
 *
 * For sanitizers and valgrind each record is a block of its own, so that they see who uses one that was given
 * back. */
#include "core/base/slab.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#include <string.h>

#ifdef RILL_LONE_RECORDS
enum { room = 1 }; /* none is that small */
#else
enum { room = (64 << 10) - 64 /* the header */ };
#endif

static uint32_t records_of(size_t size)
{
    return size < room ? (uint32_t)(room / size) : 1;
}

static void add_room(struct rill__slabs *slabs, struct rill__slab *slab)
{
    slab->prev = NULL;
    slab->next = slabs->room;
    if (slab->next != NULL)
        slab->next->prev = slab;
    slabs->room = slab;
}

static void remove_room(struct rill__slabs *slabs, struct rill__slab *slab)
{
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        slabs->room = slab->next;
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
}

static int reserve(struct rill__slabs *slabs)
{
    if (slabs->count < slabs->size)
        return 0;
    uint32_t size = slabs->size > 0 ? 2 * slabs->size : 8;
    struct rill__slab **all = rill_resize(slabs->all, size * sizeof(struct rill__slab *));
    if (all == NULL)
        return -1;
    slabs->all = all;
    slabs->size = size;
    return 0;
}

static struct rill__slab *add_slab(struct rill__slabs *slabs, size_t size)
{
    uint32_t most = records_of(size);
    if (reserve(slabs) < 0)
        return NULL;
    struct rill__slab *slab = rill_alloc(RILL__SLAB_HEADER + most * size);
    if (slab == NULL)
        return NULL;
    *slab = (struct rill__slab){ .owner = slabs, .at = slabs->count, .most = most };
    slabs->all[slabs->count++] = slab;
    slabs->empty++;
    add_room(slabs, slab);
    return slab;
}

static void drop_slab(struct rill__slabs *slabs, struct rill__slab *slab)
{
    struct rill__slab *last = slabs->all[--slabs->count];
    remove_room(slabs, slab);
    slabs->all[slab->at] = last;
    last->at = slab->at;
    slabs->empty--;
    rill_free(slab);
}

void *rill__slabs_take(struct rill__slabs *slabs, size_t size, uint16_t *ret_place)
{
    struct rill__slab *slab = slabs->room;
    if (!rill__mem_take())
        return NULL;
    if (__builtin_expect(slab == NULL, 0) && (slab = add_slab(slabs, size)) == NULL) {
        rill__mem_give();
        return NULL;
    }
    struct rill__slab_record *record = slab->given;
    if (record != NULL) {
        slab->given = record->next;
        *ret_place = record->place;
    } else {
        *ret_place = (uint16_t)slab->fresh++;
        record = (void *)((char *)slab + RILL__SLAB_HEADER + *ret_place * size);
    }
    slabs->empty -= slab->used == 0;
    if (++slab->used == slab->most)
        remove_room(slabs, slab);
    return record;
}

void rill__slabs_give(void *memory, size_t size, uint16_t place)
{
    struct rill__slab_record *record = memory;
    struct rill__slab *slab =
        (struct rill__slab *)(void *)((char *)memory - place * size - RILL__SLAB_HEADER);
    struct rill__slabs *slabs = slab->owner;
    CHECK_SLOW(slab->used > 0 && place < slab->fresh);
    rill__mem_give();
    *record = (struct rill__slab_record){ 0, slab->given, place };
    slab->given = record;
    if (slabs == NULL) {
        if (--slab->used == 0)
            rill_free(slab);
        return;
    }
    if (slab->used == slab->most)
        add_room(slabs, slab);
    if (--slab->used > 0)
        return;
    if (++slabs->empty > 1 || slab->most == 1)
        drop_slab(slabs, slab);
}

void rill__slabs_fini(struct rill__slabs *slabs)
{
    for (uint32_t i = 0; i < slabs->count; i++) {
        slabs->all[i]->owner = NULL;
        if (slabs->all[i]->used == 0)
            rill_free(slabs->all[i]);
    }
    rill_free(slabs->all);
    memset(slabs, 0, sizeof *slabs);
}
