/* cond.c - waiting, with a lock given up meanwhile, until somebody notifies.
 *
 * A wait ends with the lock held, however it ends: a waiter that was notified or cancelled takes the
 * lock again when it runs, and requests to cancel that come meanwhile stay pending until it has it. A
 * notification whose wait ends in a cancel goes to the next. */
#include "core/sync/lock.h"

#include <errno.h>

struct condition {
    struct rill__waitq queue;
    struct rill__lock *lock;
    uint32_t users; /* tasks inside of a wait */
};

_Static_assert(sizeof(struct condition) <= sizeof(rill_condition),
               "rill_condition has room for a condition");

static struct condition *condition_of(rill_condition *condition)
{
    return (struct condition *)condition;
}

int rill_condition_init(rill_condition *public, rill_lock *lock)
{
    if (lock == NULL)
        return rill__misuse(-EINVAL);
    *condition_of(public) = (struct condition){ .lock = rill__lock_of(lock) };
    return 0;
}

int rill_condition_fini(rill_condition *condition)
{
    bool used = condition != NULL && condition_of(condition)->users > 0;
    return used ? rill__misuse(-EBUSY) : 0;
}

static void notify(struct condition *condition, size_t count)
{
    while (count > 0 && rill__waitq_wake(&condition->queue) != NULL)
        count--;
}

static int wait_for_notice(struct condition *condition, struct rill__task *task)
{
    struct rill__lock *lock = condition->lock;
    struct rill__waiter waiter;
    if (!rill__lock_is_held(lock))
        return rill__misuse(-EPERM);
    int r = rill__waitq_bind(&lock->queue, task->future.loop);
    if (r == 0)
        r = rill__waitq_bind(&condition->queue, task->future.loop);
    if (r < 0)
        return r;
    condition->users++;
    rill__lock_pass_on(lock);
    condition->queue.kind = RILL__WAITQ_CONDITION;
    r = rill__waitq_wait(&condition->queue, &waiter, task);
    r = rill_first_error(rill__lock_take_again(lock, task), r);
    condition->users--;
    if (r < 0 && waiter.woken)
        notify(condition, 1);
    return r;
}

int rill_condition_wait(rill_condition *condition)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    return r < 0 ? r : wait_for_notice(condition_of(condition), task);
}

int rill_condition_wait_for(rill_condition *condition, rill_pred_fn *pred, void *arg)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (pred(arg))
        return rill__await_ready(task, 0);
    do
        r = wait_for_notice(condition_of(condition), task);
    while (r == 0 && !pred(arg));
    return r;
}

int rill_condition_notify(rill_condition *public, size_t count)
{
    struct condition *condition = condition_of(public);
    if (!rill__lock_is_held(condition->lock))
        return rill__misuse(-EPERM);
    notify(condition, count);
    return 0;
}

int rill_condition_notify_all(rill_condition *condition)
{
    return rill_condition_notify(condition, SIZE_MAX);
}
