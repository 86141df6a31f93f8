/* waitq.h - a fifo of waiting tasks, on which every primitive of this folder stands.
 *
 * A waiter lies on the stack of the task that waits, so waiting allocates nothing. Waking hands over:
 * the waiter leaves the queue at once, and from then on what it waited for is its own. If a request to
 * cancel reaches it before it runs, the cancel wins, and whoever wrote the primitive gives what was
 * handed over to the next (`woken` tells that there is something to give). A cancelled waiter leaves
 * the queue at once, too, so nothing is ever handed to it.
 *
 * A queue is valid when zeroed. Once woken, a waiter does not touch the queue again. */
#pragma once

#include "core/task/told.h"

struct rill__waiter;

/* What a queue is for, so that a waiting task can say what it waits for. */
enum rill__waitq_kind {
    RILL__WAITQ_OTHER,
    RILL__WAITQ_LOCK, /* the queue is the first member of a struct rill__lock */
    RILL__WAITQ_EVENT,
    RILL__WAITQ_CONDITION,
    RILL__WAITQ_SEMAPHORE,
    RILL__WAITQ_BARRIER,
    RILL__WAITQ_GET,
    RILL__WAITQ_PUT,
    RILL__WAITQ_JOIN,
    RILL__WAITQ_CONNECTION,
};

struct rill__waitq {
    struct rill__waiter *first; /* NULL: nobody waits */
    struct rill_loop *loop;     /* of those who wait, or waited last; NULL: nobody yet */
    uint32_t count;
    uint32_t kind; /* rill__waitq_kind, set by whoever waits */
};

struct rill__waiter {
    struct rill__wait wait;
    struct list link;          /* a ring of all waiters of the queue, without a head */
    struct rill__waitq *queue; /* that it stands in; NULL once it was woken or cancelled */
    struct rill__task *task;
    bool woken;
};

/* Wait in `queue`, behind all others. 0: woken. -ECANCELED: a request was
 * delivered; with `woken` also set, what was handed over is to be given on. -EXDEV: others, of another
 * loop, use the queue; nothing happened. */
int rill__waitq_wait(struct rill__waitq *queue, struct rill__waiter *waiter,
                     struct rill__task *task);
/* Wait in `queue`, which is of this loop, until woken: requests to cancel that come meanwhile are
 * delivered then. 0 or -ECANCELED, woken in both cases. */
int rill__waitq_wait_stubbornly(struct rill__waitq *queue, struct rill__task *task);
/* Whether tasks of this loop may use `queue`, which is theirs from now on: 0 or -EXDEV. */
int rill__waitq_bind(struct rill__waitq *queue, struct rill_loop *loop);
/* Take `waiter` out of its queue. */
void rill__waitq_remove(struct rill__waiter *waiter);
/* Wake everybody who waits now; how many. */
uint32_t rill__waitq_wake_all(struct rill__waitq *queue);

static inline void rill__waitq_add(struct rill__waitq *queue, struct rill__waiter *waiter)
{
    if (queue->first == NULL) {
        list_init(&waiter->link);
        queue->first = waiter;
    } else {
        list_insert_before(&queue->first->link, &waiter->link);
    }
    waiter->queue = queue;
    queue->count++;
}

/* Make the waiter's task ready; it stands in no queue. */
static inline void rill__waiter_wake(struct rill__waiter *waiter)
{
    waiter->woken = true;
    rill__loop_ready(waiter->task->future.loop, &waiter->task->ready);
}

/* Wake the first waiter. Returns it, valid until its task runs; NULL: nobody waits. */
static inline struct rill__waiter *rill__waitq_wake(struct rill__waitq *queue)
{
    struct rill__waiter *waiter = queue->first;
    if (waiter == NULL)
        return NULL;
    rill__waitq_remove(waiter);
    rill__waiter_wake(waiter);
    return waiter;
}
