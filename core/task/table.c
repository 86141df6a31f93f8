/* table.c - the table that tells readers in other processes where loops, tasks and waits are.
 *
 * The page is shared memory with a name, so that /proc shows it and no file is left behind; it is written when
 * a loop comes or goes, never while one runs. Tasks and waits themselves are private memory and are read by
 * process_vm_readv: a child that was forked from a running loop must not write to its parent's tasks, waits
 * lie on stacks, and a store to a table of its own for each switch would cost more than the table is allowed
 * to. So a reader needs the rights of a debugger.
 *
 * A child does not inherit the page (MADV_DONTFORK): it makes one of its own with its first loop. */
#include "core/loop/table.h"

#include "core/task/gen.h"
#include "core/task/told.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Offsets in a type fit 16 bits; the compiler says so if not. */
#define AT(type, member) offsetof(type, member)

_Static_assert(RILL__FUTURE_KINDS <= (int)RILL_TABLE_KINDS, "each kind has its place");

static rill_table *table; /* NULL: not made */

static void tell_loop(rill_table *page)
{
    page->loop.current = AT(struct rill_loop, current);
    page->loop.steps = AT(struct rill_loop, steps);
    page->loop.tasks_made = AT(struct rill_loop, tasks_made);
    page->loop.timers = AT(struct rill_loop, timers.count);
    page->loop.running = AT(struct rill_loop, running);
    page->loop.backend = AT(struct rill_loop, backend);
    page->loop.gens = AT(struct rill_loop, gens);
    page->loop.records = AT(struct rill_loop, records);
    page->loop.slabs = AT(struct rill_loop, records.all);
    page->loop.slab_count = AT(struct rill_loop, records.count);
    page->loop.slow = AT(struct rill_loop, opts.slow);
    page->loop.thread = AT(struct rill_loop, thread);
    page->loop.asleep = AT(struct rill_loop, dog.asleep);
    page->loop.seen = AT(struct rill_loop, dog.seen);
    page->loop.since = AT(struct rill_loop, dog.since);
    page->loop.stacks = AT(struct rill_loop, stacks.classes[0].used);
    page->loop.stack = sizeof(struct rill__stack_class);
    page->loop.places = AT(struct rill_loop, census.slots);
    page->loop.places_count = RILL__CENSUS_SLOTS;
    page->loop.others = AT(struct rill_loop, census.others);
    page->backend.real = AT(struct rill__backend, watched);
    page->backend.counters = AT(struct rill__backend, counters);
    page->place.size = sizeof(struct rill__census_place);
    page->place.site = AT(struct rill__census_place, site);
    page->place.tasks = AT(struct rill__census_place, tasks);
    page->place.pages = AT(struct rill__census_place, pages);
    page->slab.owner = AT(struct rill__slab, owner);
    page->slab.fresh = AT(struct rill__slab, fresh);
    page->slab.records = RILL__SLAB_HEADER;
}

static void tell_task(rill_table *page)
{
    page->task.size = sizeof(struct rill__task);
    page->task.refs = AT(struct rill__task, future.refs);
    page->task.kind = AT(struct rill__task, future.kind);
    page->task.state = AT(struct rill__task, future.state);
    page->task.place = AT(struct rill__task, future.place);
    page->task.steps = AT(struct rill__task, future.steps);
    page->task.loop = AT(struct rill__task, future.loop);
    page->task.callbacks = AT(struct rill__task, future.callbacks);
    page->task.ready = AT(struct rill__task, ready.link);
    page->task.wait = AT(struct rill__task, wait);
    page->task.cancels = AT(struct rill__task, cancels);
    page->task.coro = AT(struct rill__task, coro);
    page->task.block = AT(struct rill__task, block);
    page->task.is_task = RILL__TASK;
    page->task.is_pending = RILL_PENDING;
    page->wait_tells = AT(struct rill__wait, tells);
    page->coro.sp = AT(struct rill__coro, sp);
    page->coro.caller_sp = AT(struct rill__coro, caller_sp);
    page->coro.caller = AT(struct rill__coro, caller);
    page->coro.base = AT(struct rill__coro, stack.base);
    page->coro.site = AT(struct rill__coro, site);
    page->coro.title = AT(struct rill__coro, title);
    page->coro.number = AT(struct rill__coro, number);
    page->coro.finished = AT(struct rill__coro, finished);
    page->site.function = AT(rill_site, function);
    page->site.file = AT(rill_site, file);
    page->site.line = AT(rill_site, line);
}

static void tell_others(rill_table *page)
{
    page->block.outer = AT(struct rill__block, outer);
    page->block.is_group = AT(struct rill__block, on_hard);
    page->block.deed = AT(struct rill__block, deed);
    page->block.when = rill__scope_when;
    page->child = rill__group_child;
    page->gen = rill__gen_layout;
    for (int kind = 0; kind < RILL__FUTURE_KINDS; kind++)
        page->futures[kind] = rill__future_ops(&(rill_future){ .kind = (uint8_t)kind })->members;
}

static rill_table *make(void)
{
    int fd = memfd_create(RILL_TABLE_NAME, MFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *page = MAP_FAILED;
    if (ftruncate(fd, sizeof(rill_table)) == 0)
        page = mmap(NULL, sizeof(rill_table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED)
        return NULL;
    madvise(page, sizeof(rill_table), MADV_DONTFORK);
    rill_table *made = page;
    made->version = RILL_TABLE_VERSION;
    tell_loop(made);
    tell_task(made);
    tell_others(made);
    memcpy(made->magic, RILL_TABLE_MAGIC, sizeof made->magic);
    return made;
}

void rill__table_add(const struct rill_loop *loop)
{
    if (table == NULL && (table = make()) == NULL)
        return;
    for (int i = 0; i < RILL_TABLE_LOOPS; i++) {
        if (table->loops[i] != 0)
            continue;
        table->loops[i] = (uintptr_t)loop;
        return;
    }
    table->more++;
}

void rill__table_remove(const struct rill_loop *loop)
{
    if (table == NULL)
        return;
    for (int i = 0; i < RILL_TABLE_LOOPS; i++) {
        if (table->loops[i] != (uintptr_t)loop)
            continue;
        table->loops[i] = 0;
        return;
    }
    if (table->more > 0) /* else it is a loop of the parent's */
        table->more--;
}

void rill__table_forget(void)
{
    table = NULL;
}
