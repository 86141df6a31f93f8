/* listener.c - accepting: one multishot accept, a queue of what came, a pause when descriptors run out.
 *
 * The kernel goes on accepting while nobody waits here, so connections queue up in `fds`; the bound
 * is the descriptor limit. At that limit the accept ends; it is armed again after a pause, never at
 * once, and the waiting task is told. */
#include "core/io/listener.h"

#include <rill/mem.h>
#include <rill/net.h>

#include <errno.h>
#include <string.h>

enum { first_room = 64, pause_ms = 100 };

struct rill_listener {
    struct rill_loop *loop;
    int fd;
    bool stopped, closing;
    bool passed; /* accepting ended with a connection that had gone, and none came since */
    int error;   /* to be told once */
    int *fds;
    size_t count, at, room;
    struct rill__op accept;
    struct rill__timer pause;
    struct rill__ready resume;
    struct rill__ready *waiter; /* a task's, or a server's */
};

static void wake(rill_listener *listener)
{
    if (listener->waiter != NULL)
        rill__loop_ready(listener->loop, listener->waiter);
}

static void drop(rill_listener *listener, int fd)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
    (void)listener->loop->backend->ops->call(listener->loop->backend, &op);
}

static int make_room(rill_listener *listener)
{
    if (listener->count < listener->room)
        return 0;
    if (listener->at > listener->room / 2) { /* half of it was taken: move up */
        listener->count -= listener->at;
        memmove(listener->fds, listener->fds + listener->at,
                listener->count * sizeof *listener->fds);
        listener->at = 0;
        return 0;
    }
    size_t room = listener->room == 0 ? first_room : listener->room * 2;
    int *moved = rill_resize(listener->fds, room * sizeof *moved);
    if (moved == NULL)
        return -ENOMEM;
    listener->fds = moved;
    listener->room = room;
    return 0;
}

static void free_listener(rill_listener *listener)
{
    rill__timer_stop(listener->loop, &listener->pause);
    rill__loop_unready(&listener->resume);
    while (listener->at < listener->count)
        drop(listener, listener->fds[listener->at++]);
    drop(listener, listener->fd);
    rill_free(listener->fds);
    rill_free(listener);
}

static void pause_accepting(rill_listener *listener, int error)
{
    rill_time at = rill__loop_after(listener->loop, RILL_MS(pause_ms));
    listener->error = error;
    rill__timer_start(listener->loop, &listener->pause, at);
}

/* Nothing is wrong: a signal came, or a connection went before it was taken. As asyncio has it, nobody is
 * told, and accepting goes on at once; but not again and again. */
static bool passes(rill_listener *listener, int error)
{
    bool again = listener->passed;
    listener->passed = error == -ECONNABORTED;
    return error == -EINTR || (error == -ECONNABORTED && !again);
}

static void on_accept(struct rill__op *op, int result, unsigned flags)
{
    rill_listener *listener = container_of(op, rill_listener, accept);
    if (result >= 0) {
        if (!listener->closing && make_room(listener) < 0)
            listener->error = -ENOMEM;
        if (listener->closing || listener->count == listener->room)
            drop(listener, result);
        else
            listener->fds[listener->count++] = result;
        listener->passed = false;
    }
    if (!(flags & RILL__OP_MORE)) {
        if (listener->closing && listener->waiter == NULL) {
            free_listener(listener);
            return;
        }
        if (result == -ECANCELED && op->stopping)
            listener->stopped = true; /* by us, or since the loop ends */
        else if (result < 0 && !listener->stopped && !passes(listener, result))
            pause_accepting(listener, result == -ECANCELED ? -EIO : result);
        else if (!listener->stopped)
            rill__loop_ready(listener->loop, &listener->resume); /* it ended by itself */
    }
    wake(listener);
}

static int arm(rill_listener *listener)
{
    listener->accept = (struct rill__op){ .kind = RILL__OP_ACCEPT,
                                          .fd = listener->fd,
                                          .flags = SOCK_NONBLOCK | SOCK_CLOEXEC,
                                          .done = on_accept };
    return listener->loop->backend->ops->submit(listener->loop->backend, &listener->accept);
}

static void run_resume(struct rill__ready *ready)
{
    rill_listener *listener = container_of(ready, rill_listener, resume);
    if (listener->stopped || listener->closing || listener->accept.in_flight)
        return;
    int r = arm(listener);
    if (r < 0) {
        pause_accepting(listener, r);
        wake(listener);
    }
}

int rill_listener_open(int fd, rill_listener **ret_listener)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    rill_listener *listener = rill_alloc_zero(1, sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    listener->loop = loop;
    listener->fd = fd;
    listener->resume.run = run_resume;
    listener->pause.ready = &listener->resume;
    int r = arm(listener);
    if (r < 0) {
        rill_free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

struct accept_wait {
    struct rill__plain_wait plain;
    int fd;
};

static const rill_table_wait tells_accept = { .what = "accept",
                                              .fd = RILL__AT(struct accept_wait, fd) };

/* The next connection, or the error to be told; -EAGAIN: there is neither yet. */
int rill__listener_next(rill_listener *listener)
{
    int error = listener->error;
    if (listener->at < listener->count)
        return listener->fds[listener->at++];
    listener->error = 0;
    if (error != 0)
        return error;
    return listener->stopped && !listener->accept.in_flight ? -ESHUTDOWN : -EAGAIN;
}

void rill__listener_watch(rill_listener *listener, struct rill__ready *ready)
{
    listener->waiter = ready;
}

int rill_listener_accept(rill_listener *listener, int *ret_fd)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    bool waited = false;
    while ((r = rill__listener_next(listener)) == -EAGAIN) {
        if (listener->waiter != NULL)
            return -EBUSY;
        struct accept_wait wait = { rill__plain_wait(task, &tells_accept), listener->fd };
        listener->waiter = &task->ready;
        r = rill__plain_park(&wait.plain);
        listener->waiter = NULL;
        waited = true;
        bool closed = listener->closing;
        if (closed && !listener->accept.in_flight)
            free_listener(listener);
        if (r < 0 || closed)
            return r < 0 ? r : -ESHUTDOWN;
    }
    if (r < 0)
        return r;
    *ret_fd = r;
    return waited ? 0 : rill__await_ready(task, 0);
}

void rill_listener_stop(rill_listener *listener)
{
    listener->stopped = true;
    listener->loop->backend->ops->cancel(listener->loop->backend, &listener->accept);
    wake(listener);
}

int rill_listener_take(rill_listener *listener, int *ret_fd)
{
    struct rill__op op = { .kind = RILL__OP_ACCEPT_NOW, .fd = listener->fd };
    if (!listener->stopped || listener->accept.in_flight)
        return -EBUSY;
    int r = rill__io_now(&op);
    if (r < 0)
        return r;
    *ret_fd = r;
    return 0;
}

void rill_listener_close(rill_listener *listener)
{
    if (listener == NULL)
        return;
    rill_listener_stop(listener);
    listener->closing = true;
    if (!listener->accept.in_flight && listener->waiter == NULL)
        free_listener(listener);
}
