/* queue.c - a queue between tasks: who waits for an item, who for room, who for the end of all work.
 *
 * Each item that is put in wakes one getter, each that is taken out one putter; the waiter takes or puts
 * when it runs, so a cancel that comes first loses nothing: the item keeps its place, and the next waiter is
 * woken for it. Who comes meanwhile need not wait for what is there, as in asyncio: a waiter that
 * then finds nothing waits again, behind all others. */
#include "core/sync/items.h"
#include "core/sync/waitq.h"

#include <rill/mem.h>

#include <errno.h>

struct queue {
    struct rill__items items;
    struct rill__waitq getters, putters, joiners;
    size_t maxsize;
    size_t unfinished; /* items put in whose work is not done */
    rill_call_fn *drop;
    uint32_t woken; /* getters and putters that have not run yet */
    bool shut;
};

_Static_assert(sizeof(struct queue) <= sizeof(rill_queue), "rill_queue has room for a queue");

static struct queue *queue_of(rill_queue *queue)
{
    return (struct queue *)queue;
}

/* --- Life. --- */

int rill_queue_init(rill_queue *public, const rill_queue_opts *opts)
{
    static const rill_queue_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    if (opts->order > RILL_PRIORITY || (opts->order == RILL_PRIORITY && opts->cmp == NULL))
        return rill__misuse(-EINVAL);
    struct queue queue = { .items = { .order = (uint8_t)opts->order, .cmp = opts->cmp },
                           .maxsize = opts->maxsize,
                           .drop = opts->drop };
    int r = opts->maxsize > 0 ? rill__items_grow(&queue.items, opts->maxsize) : 0;
    if (r == 0)
        *queue_of(public) = queue;
    return r;
}

static void drop_items(struct queue *queue)
{
    while (queue->items.size > 0) {
        void *item = rill__items_take(&queue->items);
        queue->unfinished -= queue->unfinished > 0;
        if (queue->drop != NULL)
            queue->drop(item);
    }
}

int rill_queue_fini(rill_queue *public)
{
    struct queue *queue = queue_of(public);
    if (queue == NULL)
        return 0;
    if (queue->getters.first != NULL || queue->putters.first != NULL ||
        queue->joiners.first != NULL || queue->woken > 0)
        return rill__misuse(-EBUSY);
    drop_items(queue);
    rill_free(queue->items.memory);
    *queue = (struct queue){ .shut = true };
    return 0;
}

/* --- Room and items, and who is to have them. --- */

static bool is_full(const struct queue *queue)
{
    return queue->maxsize > 0 && queue->items.size >= queue->maxsize;
}

static void wake_one(struct queue *queue, struct rill__waitq *waiters)
{
    queue->woken += rill__waitq_wake(waiters) != NULL;
}

static int store(struct queue *queue, void *item)
{
    if (queue->items.size == queue->items.capacity) {
        int r = rill__items_grow(&queue->items, queue->items.size + 1);
        if (r < 0)
            return r;
    }
    rill__items_put(&queue->items, item);
    queue->unfinished++;
    wake_one(queue, &queue->getters);
    return 0;
}

static void *take(struct queue *queue)
{
    void *item = rill__items_take(&queue->items);
    wake_one(queue, &queue->putters);
    return item;
}

/* --- Putting. --- */

int rill_queue_put_nowait(rill_queue *public, void *item)
{
    struct queue *queue = queue_of(public);
    if (queue->shut)
        return -ESHUTDOWN;
    return is_full(queue) ? -EAGAIN : store(queue, item);
}

static int wait_for_room(struct queue *queue, struct rill__task *task)
{
    struct rill__waiter waiter;
    do {
        queue->putters.kind = RILL__WAITQ_PUT;
        int r = rill__waitq_wait(&queue->putters, &waiter, task);
        queue->woken -= waiter.woken;
        if (r < 0) {
            if (waiter.woken && !is_full(queue))
                wake_one(queue, &queue->putters);
            return r;
        }
    } while (is_full(queue) && !queue->shut);
    return queue->shut ? -ESHUTDOWN : 0;
}

int rill_queue_put(rill_queue *public, void *item)
{
    struct queue *queue = queue_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (queue->shut)
        return -ESHUTDOWN;
    if (!is_full(queue))
        return rill__await_ready(task, store(queue, item));
    r = wait_for_room(queue, task);
    return r < 0 ? r : store(queue, item);
}

/* --- Getting. --- */

int rill_queue_get_nowait(rill_queue *public, void **ret_item)
{
    struct queue *queue = queue_of(public);
    if (queue->items.size == 0)
        return queue->shut ? -ESHUTDOWN : -EAGAIN;
    *ret_item = take(queue);
    return 0;
}

static int wait_for_item(struct queue *queue, struct rill__task *task)
{
    struct rill__waiter waiter;
    do {
        queue->getters.kind = RILL__WAITQ_GET;
        int r = rill__waitq_wait(&queue->getters, &waiter, task);
        queue->woken -= waiter.woken;
        if (r < 0) {
            if (waiter.woken && queue->items.size > 0)
                wake_one(queue, &queue->getters);
            return r;
        }
    } while (queue->items.size == 0 && !queue->shut);
    return queue->items.size > 0 ? 0 : -ESHUTDOWN;
}

int rill_queue_get(rill_queue *public, void **ret_item)
{
    struct queue *queue = queue_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (queue->items.size > 0 || queue->shut)
        return rill__await_ready(task, rill_queue_get_nowait(public, ret_item));
    r = wait_for_item(queue, task);
    if (r == 0)
        *ret_item = take(queue);
    return r;
}

/* --- The rest. --- */

size_t rill_queue_size(const rill_queue *queue)
{
    return ((const struct queue *)queue)->items.size;
}

bool rill_queue_empty(const rill_queue *queue)
{
    return rill_queue_size(queue) == 0;
}

bool rill_queue_full(const rill_queue *queue)
{
    return is_full((const struct queue *)queue);
}

int rill_queue_task_done(rill_queue *public)
{
    struct queue *queue = queue_of(public);
    if (queue->unfinished == 0)
        return rill__misuse(-EOVERFLOW);
    if (--queue->unfinished == 0)
        rill__waitq_wake_all(&queue->joiners);
    return 0;
}

int rill_queue_join(rill_queue *public)
{
    struct queue *queue = queue_of(public);
    struct rill__task *task;
    struct rill__waiter waiter;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (queue->unfinished == 0)
        return rill__await_ready(task, 0);
    queue->joiners.kind = RILL__WAITQ_JOIN;
    return rill__waitq_wait(&queue->joiners, &waiter, task);
}

int rill_queue_shutdown(rill_queue *public, bool immediate)
{
    struct queue *queue = queue_of(public);
    queue->shut = true;
    if (immediate)
        drop_items(queue);
    if (queue->unfinished == 0)
        rill__waitq_wake_all(&queue->joiners);
    queue->woken += rill__waitq_wake_all(&queue->getters);
    queue->woken += rill__waitq_wake_all(&queue->putters);
    return 0;
}
