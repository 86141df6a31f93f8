/* queue.c - a queue between tasks: who waits for an item, who for room, who for the end of all work.
 *
 * A waiter is woken for an item, or for room, that is there; it takes or puts when it runs, so a cancel
 * that comes first loses nothing: the item keeps its place, and the next waiter is woken for it. Until
 * then tasks that come later let it pass (`getters_woken`, `putters_woken`). The _nowait calls do not,
 * as in asyncio; who finds nothing then waits again, before all others. */
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
    uint32_t getters_woken, putters_woken; /* and have not run yet */
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
        queue->joiners.first != NULL || queue->getters_woken > 0 || queue->putters_woken > 0)
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

/* Whether there is room that nobody was woken for. */
static bool has_room(const struct queue *queue)
{
    return queue->maxsize == 0 || queue->items.size + queue->putters_woken < queue->maxsize;
}

/* Whether there is an item that nobody was woken for. */
static bool has_item(const struct queue *queue)
{
    return queue->items.size > queue->getters_woken;
}

static void wake_getters(struct queue *queue)
{
    while (has_item(queue) && rill__waitq_wake(&queue->getters) != NULL)
        queue->getters_woken++;
}

static void wake_putters(struct queue *queue)
{
    while (has_room(queue) && rill__waitq_wake(&queue->putters) != NULL)
        queue->putters_woken++;
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
    if (queue->getters.first != NULL)
        wake_getters(queue);
    return 0;
}

static void *take(struct queue *queue)
{
    void *item = rill__items_take(&queue->items);
    if (queue->putters.first != NULL)
        wake_putters(queue);
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
    bool again = false;
    do {
        queue->putters.kind = RILL__WAITQ_PUT;
        int r = rill__waitq_wait(&queue->putters, &waiter, task, again);
        queue->putters_woken -= waiter.woken;
        if (r < 0) {
            wake_putters(queue);
            return r;
        }
        again = true;
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
    if (has_room(queue))
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
    bool again = false;
    do {
        queue->getters.kind = RILL__WAITQ_GET;
        int r = rill__waitq_wait(&queue->getters, &waiter, task, again);
        queue->getters_woken -= waiter.woken;
        if (r < 0) {
            wake_getters(queue);
            return r;
        }
        again = true;
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
    if (has_item(queue) || queue->shut)
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
    return rill__waitq_wait(&queue->joiners, &waiter, task, false);
}

int rill_queue_shutdown(rill_queue *public, bool immediate)
{
    struct queue *queue = queue_of(public);
    queue->shut = true;
    if (immediate)
        drop_items(queue);
    if (queue->unfinished == 0)
        rill__waitq_wake_all(&queue->joiners);
    queue->getters_woken += rill__waitq_wake_all(&queue->getters);
    queue->putters_woken += rill__waitq_wake_all(&queue->putters);
    return 0;
}
