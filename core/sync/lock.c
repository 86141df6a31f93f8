/* lock.c - mutual exclusion across awaits.
 *
 * Releasing hands the lock to the first waiter: it is never free in between, so nobody passes the
 * queue. Until the waiter runs nobody holds it either, and it cannot be released. As in asyncio
 * anybody may release a lock that is held, also a callback. */
#include "core/sync/lock.h"

#include <rill/inspect.h>

#include <errno.h>

static void give(struct rill__lock *lock, struct rill__task *task)
{
    lock->holder = task;
    lock->number = task->coro.number;
    lock->queue.loop = task->future.loop;
}

void rill__lock_pass_on(struct rill__lock *lock)
{
    struct rill__waiter *next = rill__waitq_wake(&lock->queue);
    lock->handed = next != NULL;
    if (next != NULL)
        give(lock, next->task);
    else
        lock->holder = NULL;
}

static __attribute__((noinline)) int wait_for_lock(struct rill__lock *lock, struct rill__task *task)
{
    struct rill__waiter waiter;
    lock->queue.kind = RILL__WAITQ_LOCK;
    int r = rill__waitq_wait(&lock->queue, &waiter, task);
    if (waiter.woken)
        lock->handed = false;
    if (waiter.woken && r < 0)
        rill__lock_pass_on(lock);
    return r;
}

int rill__lock_take_again(struct rill__lock *lock, struct rill__task *task)
{
    if (lock->holder == NULL) {
        give(lock, task);
        return 0;
    }
    lock->queue.kind = RILL__WAITQ_LOCK;
    int r = rill__waitq_wait_stubbornly(&lock->queue, task);
    lock->handed = false;
    return r;
}

int rill_lock_acquire(rill_lock *public)
{
    struct rill__lock *lock = rill__lock_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (lock->holder != NULL)
        return wait_for_lock(lock, task);
    give(lock, task);
    return rill__await_ready(task, 0);
}

int rill_lock_release(rill_lock *public)
{
    struct rill__lock *lock = rill__lock_of(public);
    if (!rill__lock_is_held(lock))
        return rill__misuse(-EPERM);
    if (lock->queue.first == NULL)
        lock->holder = NULL;
    else
        rill__lock_pass_on(lock);
    return 0;
}

bool rill_lock_locked(const rill_lock *public)
{
    return rill__lock_is_held((const struct rill__lock *)public);
}

rill_task *rill_lock_holder(const rill_lock *public)
{
    const struct rill__lock *lock = (const struct rill__lock *)public;
    if (lock->holder == NULL || !rill__loop_is_live(lock->queue.loop))
        return NULL;
    list_for_each(node, &lock->queue.loop->tasks) {
        struct rill__task *task = container_of(node, struct rill__task, link);
        if (task == lock->holder && task->coro.number == lock->number)
            return &task->future;
    }
    return NULL;
}
