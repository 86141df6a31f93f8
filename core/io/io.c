/* io.c - a task and an op: submit, suspend, return the result; and closing under a waiting task.
 *
 * Closing a descriptor does not end what the kernel does with it. So the loop knows which tasks sleep
 * on which descriptor: a close asks their ops to stop, and the last of them closes it. */
#include "core/io/io.h"

#include "core/base/plant.h"

#include <errno.h>

struct op_wait {
    struct rill__wait wait;
    struct rill__op op;
    struct rill__task *task;
    struct list link; /* among the waits of its bucket */
    int result;
    bool asked;  /* to stop, by a request to cancel the task */
    bool closed; /* the descriptor is to be closed when nobody with this mark is left */
};

static struct list *bucket_of(struct rill_loop *loop, int fd)
{
    return &loop->io[(unsigned)fd % RILL__IO_BUCKETS];
}

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
    if (PLANTED(2))
        rill__loop_ready(wait->task->future.loop, &wait->task->ready);
    return false; /* whether this is the delivery, the result decides */
}

static int close_now(int fd)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
    return rill__io_now(&op);
}

/* The last op on a descriptor that was closed meanwhile has ended. */
static void close_if_last(struct rill_loop *loop, int fd)
{
    list_for_each(node, bucket_of(loop, fd)) {
        struct op_wait *other = container_of(node, struct op_wait, link);
        if (other->closed && other->op.fd == fd)
            return;
    }
    (void)close_now(fd);
}

/* What the await returns. A kernel thread that was stopped says EINTR. */
static int settle(struct op_wait *wait)
{
    bool stopped = wait->result == -ECANCELED || wait->result == -EINTR;
    if (wait->asked && (stopped || PLANTED(4)))
        return rill__task_deliver(wait->task);
    if (wait->asked)
        wait->task->reached_op = true;
    if (wait->closed && stopped)
        return -EBADF;
    return wait->result == -ECANCELED ? -EIO : wait->result; /* nobody of us asked for it */
}

static const rill_table_wait tells_op = { .what = "an operation",
                                          .words = rill__op_words,
                                          .words_count = RILL__OP_WORDS,
                                          .which = RILL__AT(struct op_wait, op.kind),
                                          .fd = RILL__AT(struct op_wait, op.fd) };
static const rill_table_wait tells_connect = { .what = "connect",
                                               .fd = RILL__AT(struct op_wait, op.fd),
                                               .address = RILL__AT(struct op_wait, op.addr) };

/* A signal may end an operation early; as with any system call in Python it is begun anew. */
static bool is_interrupted(const struct op_wait *wait)
{
    return wait->result == -EINTR && !wait->asked && !wait->closed;
}

static int carry_out(struct op_wait *wait, const struct rill__op *op)
{
    struct rill_loop *loop = wait->task->future.loop;
    do {
        wait->op = *op;
        wait->op.done = on_done;
        int r = loop->backend->ops->submit(loop->backend, &wait->op);
        if (r < 0)
            return r;
        list_push_back(bucket_of(loop, op->fd), &wait->link);
        do
            rill__task_park(wait->task, &wait->wait);
        while (wait->op.in_flight && !(PLANTED(2) && wait->asked));
        list_remove(&wait->link);
    } while (is_interrupted(wait));
    return 0;
}

int rill__io(const struct rill__op *op)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    const rill_table_wait *tells = op->kind == RILL__OP_CONNECT ? &tells_connect : &tells_op;
    struct op_wait wait = { .wait = { ask_to_stop, tells }, .task = task };
    r = carry_out(&wait, op);
    if (r < 0)
        return r;
    if (wait.closed)
        close_if_last(task->future.loop, op->fd);
    return settle(&wait);
}

int rill__io_close(int fd)
{
    struct rill_loop *loop = rill__loop_running;
    bool held = false;
    if (loop == NULL)
        return -ESRCH;
    if (fd < 0)
        return -EBADF;
    list_for_each(node, bucket_of(loop, fd)) {
        struct op_wait *wait = container_of(node, struct op_wait, link);
        if (wait->op.fd != fd)
            continue;
        wait->closed = held = true;
        loop->backend->ops->cancel(loop->backend, &wait->op);
    }
    return held ? 0 : close_now(fd);
}

int rill__io_now(struct rill__op *op)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    return loop->backend->ops->call(loop->backend, op);
}
