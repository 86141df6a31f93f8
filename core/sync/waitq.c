/* waitq.c - waiting in a fifo, and leaving it. See waitq.h. */
#include "core/sync/waitq.h"

#include "core/base/plant.h"

#include <rill/inspect.h>

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

static void tell_waiter(const struct rill__wait *wait, struct rill__told *told)
{
    static const char *const words[] = {
        [RILL__WAITQ_LOCK] = "lock",           [RILL__WAITQ_EVENT] = "event",
        [RILL__WAITQ_CONDITION] = "condition", [RILL__WAITQ_SEMAPHORE] = "semaphore",
        [RILL__WAITQ_BARRIER] = "barrier",     [RILL__WAITQ_GET] = "an item of queue",
        [RILL__WAITQ_PUT] = "room in queue",   [RILL__WAITQ_JOIN] = "the end of queue",
    };
    const struct rill__waitq *queue = container_of(wait, struct rill__waiter, wait)->queue;
    if (queue == NULL || words[queue->kind] == NULL)
        return;
    told->what = words[queue->kind];
    told->object = queue;
    if (queue->kind == RILL__WAITQ_LOCK)
        told->holder = rill_lock_holder((const rill_lock *)queue);
}

static bool cancel_waiter(struct rill__wait *wait, const char *msg)
{
    struct rill__waiter *waiter = container_of(wait, struct rill__waiter, wait);
    (void)msg;
    if (waiter->queue == NULL)
        return false; /* woken or cancelled before; the request is delivered when the task runs */
    rill__waitq_remove(waiter);
    rill__loop_ready(waiter->task->future.loop, &waiter->task->ready);
    return true;
}

int rill__waitq_wait(struct rill__waitq *queue, struct rill__waiter *waiter,
                     struct rill__task *task, bool first)
{
    *waiter = (struct rill__waiter){ .wait = { cancel_waiter, tell_waiter }, .task = task };
    int r = rill__waitq_bind(queue, task->future.loop);
    if (r < 0)
        return r;
    rill__waitq_add(queue, waiter);
    if (first)
        queue->first = waiter; /* a ring: the place before the first is the one behind the last */
    rill__task_park(task, &waiter->wait);
    return !waiter->woken || task->undelivered > 0 ? rill__task_deliver(task) : 0;
}

int rill__waitq_wait_stubbornly(struct rill__waitq *queue, struct rill__task *task)
{
    struct rill__waiter waiter = { .wait = { rill__refuse_cancel, tell_waiter }, .task = task };
    rill__waitq_add(queue, &waiter);
    rill__task_park(task, &waiter.wait);
    CHECK_SLOW(waiter.woken);
    return task->undelivered > 0 ? rill__task_deliver(task) : 0;
}
