/* queue.h - a queue between tasks: first in first out, last in first out, or by priority.
 *
 * With a bound, putting waits while the queue is full: that is how a slow consumer slows its producer
 * down. Waiters are woken in order of arrival. An item stays in its place until a task takes it: a getter that
 * is cancelled takes nothing, and who comes while a waiter that was woken has not run yet is served at once. Waiting and handing over allocate nothing.
 *
 *     rill_queue queue;
 *     int rc = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 64 });
 *     rc = rill_queue_put(&queue, item);          one task
 *     rc = rill_queue_get(&queue, &item);         another one
 *     rill_queue_fini(&queue);
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>

typedef enum rill_queue_order {
    RILL_FIFO,
    RILL_LIFO,
    RILL_PRIORITY, /* the least first, as `cmp` has it; equal ones in the order in which they came */
} rill_queue_order;

/* Less than 0: item `a` comes before item `b`; more than 0: after it; 0: they are equal. */
typedef int rill_queue_cmp_fn(const void *a, const void *b);

/* All zero: an unbounded FIFO. */
typedef struct rill_queue_opts {
    size_t maxsize; /* items at most, with room for them from the beginning; 0: no bound */
    rill_queue_order order;
    rill_queue_cmp_fn *cmp; /* of RILL_PRIORITY */
    rill_call_fn *drop;     /* gets the items that nobody will take; NULL: they are the caller's */
} rill_queue_opts;

typedef struct rill_queue {
    uint64_t private_[22];
} rill_queue;

#ifdef __cplusplus
extern "C" {
#endif

/** Make an empty queue.
 *  Args: `opts` may be NULL.
 *  Returns: 0; -EINVAL (a priority queue without `cmp`); -ENOMEM.
 *  Owns: the memory is the caller's.   Like: asyncio.Queue.   Since: 0.1 */
RILL_API int rill_queue_init(rill_queue *queue, const rill_queue_opts *opts);

/** End a queue; NULL and zeroed memory are fine. Items that are left are dropped.
 *  Returns: 0; -EBUSY (somebody waits in it; nothing happened).   Since: 0.1 */
RILL_API int rill_queue_fini(rill_queue *queue);

/** Put an item in, waiting while the queue is full.
 *  Returns: 0; -ECANCELED (it was not put in); -ESHUTDOWN; -ENOMEM (unbounded queues only); -EXDEV (in
 *           use by another loop); -ESRCH (not in a task).
 *  Owns: takes the item if 0.   Suspends: while the queue is full.
 *  Like: asyncio.Queue.put.   Since: 0.1 */
RILL_API int rill_queue_put(rill_queue *queue, void *item) RILL_SUSPENDS;

/** Take the next item out, waiting while there is none.
 *  Returns: 0 and the item in *ret_item; -ECANCELED (none was taken, the next waiter gets it);
 *           -ESHUTDOWN (shut down, and empty); -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Owns: gives the item.   Suspends: while the queue is empty.
 *  Like: asyncio.Queue.get.   Since: 0.1 */
RILL_API int rill_queue_get(rill_queue *queue, void **ret_item) RILL_SUSPENDS;

/** Put an item in at once.
 *  Returns: 0; -EAGAIN (full); -ESHUTDOWN; -ENOMEM (unbounded queues only).
 *  Owns: takes the item if 0.   Like: asyncio.Queue.put_nowait.   Since: 0.1 */
RILL_API int rill_queue_put_nowait(rill_queue *queue, void *item);

/** Take the next item out at once.
 *  Returns: 0 and the item in *ret_item; -EAGAIN (empty); -ESHUTDOWN (shut down, and empty).
 *  Owns: gives the item.   Like: asyncio.Queue.get_nowait.   Since: 0.1 */
RILL_API int rill_queue_get_nowait(rill_queue *queue, void **ret_item);

/** How many items are in the queue.   Returns: the count.   Like: asyncio.Queue.qsize.   Since: 0.1 */
RILL_API size_t rill_queue_size(const rill_queue *queue);

/** Whether there is no item.   Returns: true if so.   Like: asyncio.Queue.empty.   Since: 0.1 */
RILL_API bool rill_queue_empty(const rill_queue *queue);

/** Whether there are `maxsize` items.   Returns: true if so; never without a bound.
 *  Like: asyncio.Queue.full.   Since: 0.1 */
RILL_API bool rill_queue_full(const rill_queue *queue);

/** Say that the work on one item that was taken out is done.
 *  Returns: 0; -EOVERFLOW (more often than items were put in).
 *  Like: asyncio.Queue.task_done.   Since: 0.1 */
RILL_API int rill_queue_task_done(rill_queue *queue);

/** Wait until the work on every item that was put in is done.
 *  Returns: 0; -ECANCELED; -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Suspends: unless all is done.   Like: asyncio.Queue.join.   Since: 0.1 */
RILL_API int rill_queue_join(rill_queue *queue) RILL_SUSPENDS;

/** Shut the queue: putting fails from now on, also for those who wait for room; getting fails when the
 *  queue is empty.
 *  Args: `immediate` drops the items at once, and counts them as done.
 *  Returns: 0, also the second time.   Like: asyncio.Queue.shutdown.   Since: 0.1 */
RILL_API int rill_queue_shutdown(rill_queue *queue, bool immediate);

#ifdef __cplusplus
}
#endif
