/* call.c - calls in a later turn or at a point in time: rill_call_soon, _later, _at.
 *
 * Entries are recycled and live as long as the loop, each use with a new id: a handle that has
 * become stale is recognised and harmless. */
#include "core/loop/loop.h"

#include "core/base/plant.h"

#include <rill/mem.h>

struct rill__call_entry {
    struct rill__ready ready;
    struct rill__timer timer;
    struct rill_loop *loop;
    rill_call_fn *fn;
    void *arg;
    struct rill__vars *vars;              /* that were in force where it was asked for */
    uint64_t id;                          /* 0 while free */
    struct rill__call_entry *next, *made; /* free list; all entries */
};

static void release(struct rill__call_entry *entry)
{
    entry->id = 0;
    entry->next = entry->loop->calls_free;
    entry->loop->calls_free = entry;
}

static void run_call(struct rill__ready *ready)
{
    struct rill__call_entry *entry = container_of(ready, struct rill__call_entry, ready);
    rill_call_fn *fn = entry->fn;
    void *arg = entry->arg;
    struct rill_loop *loop = entry->loop;
    rill__vars_begin_call(loop, entry->vars);
    release(entry);
    fn(arg);
    rill__vars_end_call(loop);
}

static struct rill__call_entry *take(struct rill_loop *loop)
{
    struct rill__call_entry *entry = loop->calls_free;
    if (entry != NULL) {
        loop->calls_free = entry->next;
        return entry;
    }
    entry = rill_alloc_zero(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->ready.run = run_call;
    entry->timer.ready = &entry->ready;
    entry->loop = loop;
    entry->made = loop->calls_all;
    loop->calls_all = entry;
    return entry;
}

static struct rill__call_entry *make(struct rill_loop *loop, rill_call_fn *fn, void *arg)
{
    static _Thread_local uint64_t ids;
    if (rill__loop_check(loop) < 0)
        return NULL; /* a call that calls again must not keep the loop from its end */
    struct rill__call_entry *entry = take(loop);
    if (entry == NULL)
        return NULL;
    entry->fn = fn;
    entry->arg = arg;
    entry->vars = rill__vars_keep();
    entry->id = PLANTED(9) ? 1 : ++ids;
    return entry;
}

rill_handle rill_call_soon(rill_loop *loop, rill_call_fn *fn, void *arg)
{
    struct rill__call_entry *entry = make(loop, fn, arg);
    if (entry == NULL)
        return (rill_handle){ 0 };
    rill__loop_ready(loop, &entry->ready);
    return (rill_handle){ entry, entry->id };
}

rill_handle rill_call_at(rill_loop *loop, rill_time at, rill_call_fn *fn, void *arg)
{
    struct rill__call_entry *entry = make(loop, fn, arg);
    if (entry == NULL)
        return (rill_handle){ 0 };
    rill__timer_start(loop, &entry->timer, at);
    return (rill_handle){ entry, entry->id };
}

rill_handle rill_call_later(rill_loop *loop, rill_time span, rill_call_fn *fn, void *arg)
{
    if (rill__loop_check(loop) < 0)
        return (rill_handle){ 0 }; /* nor is there a clock to ask */
    return rill_call_at(loop, rill__loop_after(loop, span), fn, arg);
}

bool rill_handle_cancel(rill_handle handle)
{
    struct rill__call_entry *entry = handle.entry;
    if (entry == NULL || entry->id != handle.id)
        return false;
    rill__timer_stop(entry->loop, &entry->timer);
    rill__loop_unready(&entry->ready);
    rill__vars_drop(entry->vars);
    release(entry);
    return true;
}

void rill__calls_fini(struct rill_loop *loop)
{
    while (loop->calls_all != NULL) {
        struct rill__call_entry *dead = loop->calls_all;
        loop->calls_all = dead->made;
        if (dead->id != 0) {
            rill__timer_stop(loop, &dead->timer);
            rill__loop_unready(&dead->ready);
            rill__vars_drop(dead->vars);
        }
        rill_free(dead);
    }
    loop->calls_free = NULL;
}
