/* stack.c - slabs of stacks, guards, the hot pool.
 *
 * A slab is one mapping of 256 slots (fewer for large classes), reserved without memory behind it.
 * Guards: MADV_GUARD_INSTALL (kernel 6.13) costs no mapping of its own. Where it is missing, the
 * first 16,000 stacks get PROT_NONE guards, which cost two mappings each of vm.max_map_count; above
 * that a canary at the lowest octets is checked when the stack is given back. Build flags make the
 * compiler touch every page on the way down, so no frame can step over a guard. */
#include "core/coro/stack.h"

#include "core/base/check.h"
#include "core/coro/sanitizer.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* kernel 6.13; delete when the C library's headers have it */
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000) /* kernel 6.14; delete when the C library's headers have it */
#endif

enum {
    guard_size = 64 << 10,
    mapped_guards_max = 16000,
    guards_at_once = 32, /* what is asked for lies on a stack: 512 octets */
    colours = 16,
    colour_step = 128,
    hot_least = 1024, /* stacks that keep their pages */
};

static const size_t class_sizes[RILL__STACK_CLASSES] = { 64 << 10, 256 << 10, 1 << 20, 8 << 20 };
static const uint32_t slab_slots[RILL__STACK_CLASSES] = { 256, 64, 16, 4 };
static const uint64_t canary = 0x7269636865726520;

struct rill__stack_slab {
    struct rill__stack_slab *next;
    char *memory;
    size_t size;
    uint32_t slots;
#ifdef WITH_VALGRIND
    unsigned valgrind_id; /* of the last slot; those before count up to it */
#endif
};

int rill__stack_class(size_t size)
{
    for (int kind = 0; kind < RILL__STACK_CLASSES; kind++)
        if (size <= class_sizes[kind])
            return kind;
    return -1;
}

size_t rill__stack_size(uint32_t kind)
{
    return class_sizes[kind];
}

static int install_guard(struct rill__stack_pool *pool, char *at)
{
    if (pool->guard_pages)
        return madvise(at, guard_size, MADV_GUARD_INSTALL) == 0 ? 0 : -ENOMEM;
    return mprotect(at, guard_size, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

/* Guards for `guards_at_once` stacks by one call, a third cheaper than one each. False: this kernel,
 * or what confines us, does not do that, or not wholly; asking for them again does no harm. */
static bool install_many(char *memory, size_t stride)
{
    struct iovec guards[guards_at_once];
#ifdef WITH_VALGRIND
    if (RUNNING_ON_VALGRIND)
        return false; /* it does not know this call, and says so each time */
#endif
    for (size_t i = 0; i < guards_at_once; i++)
        guards[i] = (struct iovec){ memory + i * stride, guard_size };
    return process_madvise(PIDFD_SELF, guards, guards_at_once, MADV_GUARD_INSTALL, 0) ==
           (ssize_t)guards_at_once * guard_size;
}

static void probe(struct rill__stack_pool *pool, char *at)
{
    if (!pool->probed)
        pool->guard_pages = madvise(at, guard_size, MADV_GUARD_INSTALL) == 0;
    pool->probed = true;
}

/* Guards for all slots of a slab, or canaries for all of them. */
static int install_guards(struct rill__stack_pool *pool, char *memory, size_t stride,
                          uint32_t slots, bool *ret_canaries)
{
    probe(pool, memory);
    *ret_canaries = !pool->guard_pages && pool->mapped_guards + slots > mapped_guards_max;
    uint32_t slot = 0;
    while (pool->guard_pages && slot + guards_at_once <= slots &&
           install_many(memory + slot * stride, stride))
        slot += guards_at_once;
    for (; slot < slots; slot++) {
        char *at = memory + slot * stride;
        if (*ret_canaries)
            memcpy(at + guard_size, &canary, sizeof canary);
        else if (install_guard(pool, at) < 0)
            return -ENOMEM;
    }
    if (!pool->guard_pages && !*ret_canaries)
        pool->mapped_guards += slots;
    return 0;
}

/* Put the stacks of a new slab at the cold end, the first slot to be taken first. The caller has
 * made room. */
static void add_free(struct rill__stack_class *class, char *memory, uint32_t kind, bool canaries)
{
    size_t stride = guard_size + class_sizes[kind];
    uint32_t slots = slab_slots[kind];
    memmove(class->free + slots, class->free, class->free_count * sizeof *class->free);
    for (uint32_t slot = 0; slot < slots; slot++)
        class->free[slots - 1 - slot] =
            (struct rill__stack){ memory + slot * stride + guard_size, (uint16_t)kind, canaries,
                                  false, slot };
    class->free_count += slots;
    class->cold += slots;
    class->made += slots;
}

/* Room in the free list for `slots` more stacks. */
static int reserve(struct rill__stack_class *class, uint32_t slots)
{
    size_t room = class->room > 0 ? class->room : slots;
    while (room < class->made + slots)
        room *= 2;
    if (room == class->room)
        return 0;
    struct rill__stack *free = rill_resize(class->free, room * sizeof *free);
    if (free == NULL)
        return -ENOMEM;
    class->free = free;
    class->room = room;
    return 0;
}

/* Valgrind would take a switch for one stack that grows or shrinks, and its contents for undefined;
 * the leak sanitizer would not look for pointers here, and must not look into the guards. */
static void tell_checkers(struct rill__stack_slab *slab)
{
    size_t stride = slab->size / slab->slots;
    for (char *at = slab->memory; at < slab->memory + slab->size; at += stride) {
#ifdef WITH_VALGRIND
        slab->valgrind_id = VALGRIND_STACK_REGISTER(at + guard_size, at + stride);
#endif
#ifdef WITH_ASAN
        __lsan_register_root_region(at + guard_size, stride - guard_size);
#endif
    }
}

static void untell_checkers(struct rill__stack_slab *slab)
{
#ifdef WITH_VALGRIND
    for (unsigned i = 0; i < slab->slots; i++)
        VALGRIND_STACK_DEREGISTER(slab->valgrind_id - i);
#endif
#ifdef WITH_ASAN
    size_t stride = slab->size / slab->slots;
    for (char *at = slab->memory; at < slab->memory + slab->size; at += stride)
        __lsan_unregister_root_region(at + guard_size, stride - guard_size);
    __asan_unpoison_memory_region(slab->memory, slab->size);
#endif
    (void)slab;
}

static int add_slab(struct rill__stack_pool *pool, uint32_t kind)
{
    struct rill__stack_class *class = &pool->classes[kind];
    size_t stride = guard_size + class_sizes[kind];
    uint32_t slots = slab_slots[kind];
    struct rill__stack_slab *slab = rill_alloc(sizeof *slab);
    if (slab == NULL)
        return -ENOMEM;
    if (reserve(class, slots) < 0)
        goto fail_slab;
    slab->size = stride * slots;
    slab->memory = mmap(NULL, slab->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (slab->memory == MAP_FAILED)
        goto fail_slab;
    madvise(slab->memory, slab->size, MADV_NOHUGEPAGE);
    bool canaries;
    if (install_guards(pool, slab->memory, stride, slots, &canaries) < 0)
        goto fail_mapping;
    slab->slots = slots;
    tell_checkers(slab);
    add_free(class, slab->memory, kind, canaries);
    slab->next = pool->slabs;
    pool->slabs = slab;
    return 0;

fail_mapping:
    munmap(slab->memory, slab->size);
fail_slab:
    rill_free(slab);
    return -ENOMEM;
}

int rill__stack_take(struct rill__stack_pool *pool, uint32_t kind, struct rill__stack *ret_stack)
{
    struct rill__stack_class *class = &pool->classes[kind];
    if (class->free_count == 0 && add_slab(pool, kind) < 0)
        return -ENOMEM;
    *ret_stack = class->free[--class->free_count];
    if (class->cold > class->free_count)
        class->cold = class->free_count;
    if (++class->used > class->used_high)
        class->used_high = class->used;
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(ret_stack->base, class_sizes[kind]);
#endif
    return 0;
}

void rill__stack_give(struct rill__stack_pool *pool, struct rill__stack stack)
{
    struct rill__stack_class *class = &pool->classes[stack.kind];
    if (__builtin_expect(stack.canary, 0)) {
        uint64_t low;
        memcpy(&low, stack.base, sizeof low);
        CHECK(low == canary || low == 0); /* a task has used its whole stack and more */
    }
    CHECK_SLOW(class->free_count < class->made);
    class->free[class->free_count++] = stack;
    class->used--;
}

char *rill__stack_top(struct rill__stack stack)
{
    return stack.base + class_sizes[stack.kind] - stack.slot % colours * colour_step;
}

bool rill__stack_in_guard(struct rill__stack stack, const void *address)
{
    const char *at = address;
    return stack.base != NULL && at < stack.base && at >= stack.base - guard_size;
}

size_t rill__stack_trim(struct rill__stack_pool *pool, size_t most)
{
    size_t done = 0;
    for (uint32_t kind = 0; kind < RILL__STACK_CLASSES; kind++) {
        struct rill__stack_class *class = &pool->classes[kind];
        size_t keep = class->used_high / 4 > hot_least ? class->used_high / 4 : hot_least;
        while (done < most && class->cold + keep < class->free_count) {
            madvise(class->free[class->cold++].base, class_sizes[kind], MADV_DONTNEED);
            done++;
        }
    }
    return done;
}

void rill__stack_pool_fini(struct rill__stack_pool *pool)
{
    for (uint32_t kind = 0; kind < RILL__STACK_CLASSES; kind++) {
        CHECK(pool->classes[kind].used == 0);
        rill_free(pool->classes[kind].free);
    }
    while (pool->slabs != NULL) {
        struct rill__stack_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        untell_checkers(slab);
        munmap(slab->memory, slab->size);
        rill_free(slab);
    }
    memset(pool, 0, sizeof *pool);
}
