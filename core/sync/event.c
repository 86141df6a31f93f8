/* event.c - a flag to wait for.
 *
 * Setting wakes those who wait now, whatever becomes of the flag before they run; they do not look at
 * the event again, so it may be gone by then. */
#include "core/sync/waitq.h"

#include <rill/sync.h>

struct event {
    struct rill__waitq queue;
    bool set;
};

_Static_assert(sizeof(struct event) <= sizeof(rill_event), "rill_event has room for an event");

void rill_event_set(rill_event *public)
{
    struct event *event = (struct event *)public;
    event->set = true;
    rill__waitq_wake_all(&event->queue);
}

void rill_event_clear(rill_event *public)
{
    ((struct event *)public)->set = false;
}

bool rill_event_is_set(const rill_event *public)
{
    return ((const struct event *)public)->set;
}

int rill_event_wait(rill_event *public)
{
    struct event *event = (struct event *)public;
    struct rill__task *task;
    struct rill__waiter waiter;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (event->set)
        return rill__await_ready(task, 0);
    event->queue.kind = RILL__WAITQ_EVENT;
    return rill__waitq_wait(&event->queue, &waiter, task);
}
