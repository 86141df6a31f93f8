/* waitq.c - waiting in a fifo, and leaving it. See waitq.h. */
#include "core/sync/waitq.h"

#include "core/base/plant.h"
#include "core/sync/lock.h"

#include <errno.h>

void rill__waitq_remove(struct rill__waiter *waiter)
{
    struct rill__waitq *queue = waiter->queue;
    if (queue->first == waiter) {
        struct rill__waiter *next = container_of(waiter->link.next, struct rill__waiter, link);
        queue->first = next != waiter ? next : NULL;
    }
    list_remove(&waiter->link);
    waiter->queue = NULL;
    queue->count--;
}

uint32_t rill__waitq_wake_all(struct rill__waitq *queue)
{
    uint32_t count = queue->count;
    while (!(PLANTED(5) && queue->count == 1) && rill__waitq_wake(queue) != NULL)
        ;
    return count;
}

int rill__waitq_bind(struct rill__waitq *queue, struct rill_loop *loop)
{
    if (queue->loop == loop)
        return 0;
    if (queue->loop != NULL && rill__loop_is_live(queue->loop))
        return rill__misuse(-EXDEV);
    queue->loop = loop;
    return 0;
}

/* Queues whose waiters tell no more than what they wait for and where it is. */
#define TELLS(text)                                                    \
    {                                                                  \
        .what = (text), .object = RILL__AT(struct rill__waiter, queue) \
    }

static const rill_table_wait tells[] = {
    [RILL__WAITQ_OTHER] = { .what = "something" },
    [RILL__WAITQ_LOCK] = { .what = "lock",
                           .object = RILL__AT(struct rill__waiter, queue),
                           .holder =
                               RILL__AT_VIA(struct rill__waiter, queue, struct rill__lock, holder),
                           .number = RILL__AT_VIA(struct rill__waiter, queue, struct rill__lock,
                                                  number) },
    [RILL__WAITQ_EVENT] = TELLS("event"),
    [RILL__WAITQ_CONDITION] = TELLS("condition"),
    [RILL__WAITQ_SEMAPHORE] = TELLS("semaphore"),
    [RILL__WAITQ_BARRIER] = TELLS("barrier"),
    [RILL__WAITQ_GET] = TELLS("an item of queue"),
    [RILL__WAITQ_PUT] = TELLS("room in queue"),
    [RILL__WAITQ_JOIN] = TELLS("the end of queue"),
    [RILL__WAITQ_CONNECTION] = TELLS("a connection of session"),
};

static bool cancel_waiter(struct rill__wait *wait, const char *msg)
{
    struct rill__waiter *waiter = container_of(wait, struct rill__waiter, wait);
    (void)msg;
    if (waiter->queue == NULL)
        return false; /* woken or cancelled before; the request is delivered when the task runs */
    rill__waitq_remove(waiter);
    rill__task_accept(waiter->task);
    rill__loop_ready(waiter->task->future.loop, &waiter->task->ready);
    return true;
}

int rill__waitq_wait(struct rill__waitq *queue, struct rill__waiter *waiter,
                     struct rill__task *task)
{
    *waiter = (struct rill__waiter){ .wait = { cancel_waiter, &tells[queue->kind] }, .task = task };
    int r = rill__waitq_bind(queue, task->future.loop);
    if (r < 0)
        return r;
    rill__waitq_add(queue, waiter);
    rill__task_park(task, &waiter->wait);
    if (!waiter->woken)
        return rill__task_deliver_accepted(task);
    return task->undelivered > 0 ? rill__task_deliver(task) : 0;
}

int rill__waitq_wait_stubbornly(struct rill__waitq *queue, struct rill__task *task)
{
    struct rill__waiter waiter = { .wait = { rill__refuse_cancel, &tells[queue->kind] },
                                   .task = task };
    rill__waitq_add(queue, &waiter);
    rill__task_park(task, &waiter.wait);
    CHECK_SLOW(waiter.woken);
    return task->undelivered > 0 ? rill__task_deliver(task) : 0;
}
