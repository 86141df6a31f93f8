/* cancel.c - requests to cancel a task: counted, forwarded, delivered, withdrawn.
 *
 * MODEL. A request raises the task's count and asks for one delivery: one await that returns
 * -ECANCELED. It never unwinds a stack.
 *
 *   task is parked, the wait takes the request   the awaited thing ends, and with it the await:
 *                                                that is the delivery
 *   else                                         `undelivered`: the next await delivers it, or
 *                                                passes it on to the future it awaits
 *
 * I1 One delivery per request at most; requests that come before it is made share it.
 * I2 The count is the caller's bookkeeping (scopes, groups): only uncancel lowers it. At zero a
 *    request that was not delivered is withdrawn.
 * I3 A kernel operation's result wins: the await returns it, `undelivered` stays for the next await
 *    and `reached_op` says that a return without any further await is no cancel.
 * I4 A result that an object can keep (a future's, a lock's, a queue's) loses: it stays where it is.
 *
 * Why requests and not exceptions or destruction: every clean-up ladder runs, in order, in the task
 * that owns it. */
#include "core/task/task.h"

#include <errno.h>

static void keep_message(struct rill__task *task, const char *msg)
{
    struct rill__detail *before = task->cancel_detail; /* `msg` may lie in it */
    task->cancel_detail = msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL;
    rill__detail_unref(before);
}

bool rill__task_cancel(struct rill__task *task, const char *msg)
{
    if (task->future.state != RILL_PENDING)
        return false;
    task->cancels++;
    keep_message(task, msg);
    task->reached_op = false;
    if (task->wait != NULL && task->wait->cancel(task->wait, msg)) {
        task->deliveries++; /* handed on: nobody can take it back any more */
        return true;
    }
    task->undelivered++;
    return true;
}

int rill__task_deliver(struct rill__task *task)
{
    task->undelivered = 0;
    task->deliveries++;
    task->reached_op = false;
    rill__task_note(task, task->cancel_detail);
    return -ECANCELED;
}

unsigned rill_cancelling(const rill_task *future)
{
    return future->kind == RILL__TASK ? container_of(future, struct rill__task, future)->cancels
                                      : 0;
}

unsigned rill_uncancel(rill_task *future)
{
    if (future->kind != RILL__TASK)
        return 0;
    struct rill__task *task = rill__task_of(future);
    if (task->cancels > 0 && --task->cancels == 0)
        task->undelivered = 0;
    return task->cancels;
}

unsigned rill__task_withdraw(struct rill__task *task, uint32_t deliveries)
{
    if (task->deliveries == deliveries && task->undelivered > 0)
        task->undelivered--;
    return rill_uncancel(&task->future);
}
