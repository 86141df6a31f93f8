/* io.c - a task and an op: submit, suspend, return the result. */
#include "core/io/io.h"

#include <errno.h>

struct op_wait {
    struct rill__wait wait;
    struct rill__op op;
    struct rill__task *task;
    int result;
    bool asked;
};

static void on_done(struct rill__op *op, int result, unsigned flags)
{
    struct op_wait *wait = container_of(op, struct op_wait, op);
    (void)flags;
    wait->result = result;
    rill__loop_ready(wait->task->future.loop, &wait->task->ready);
}

static bool ask_to_stop(struct rill__wait *record, const char *msg)
{
    struct op_wait *wait = container_of(record, struct op_wait, wait);
    struct rill__backend *backend = wait->task->future.loop->backend;
    (void)msg;
    wait->asked = true;
    backend->ops->cancel(backend, &wait->op);
    return false; /* whether this is the delivery, the result decides */
}

int rill__io(const struct rill__op *op)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    struct rill__backend *backend = task->future.loop->backend;
    struct op_wait wait = { .wait = { ask_to_stop }, .op = *op, .task = task };
    wait.op.done = on_done;
    r = backend->ops->submit(backend, &wait.op);
    if (r < 0)
        return r;
    do
        rill__task_park(task, &wait.wait);
    while (wait.op.in_flight);
    if (wait.asked && wait.result == -ECANCELED)
        return rill__task_deliver(task);
    if (wait.asked)
        task->reached_op = true;
    else if (wait.result == -ECANCELED)
        return -EIO; /* nobody of us asked for it */
    return wait.result;
}

int rill__io_now(struct rill__op *op)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    return loop->backend->ops->call(loop->backend, op);
}
