/* wake.c - wake-up from other threads: a locked list of calls, and an eventfd that the loop reads.
 *
 * The mutex is held for a few instructions and never while anything runs. The eventfd is written
 * once per call that finds the list empty; the loop takes the whole list after each read. */
#include "core/loop/loop.h"

#include <rill/future.h>
#include <rill/mem.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { calls_most = 64 };

struct call {
    struct rill__ready ready;
    struct rill_loop *loop;
    struct rill__vars *vars; /* of the caller's thread */
    rill_call_fn *fn;
    void *arg;
};

static void run_call(struct rill__ready *ready)
{
    struct call *call = container_of(ready, struct call, ready);
    struct rill_loop *loop = call->loop;
    rill__vars_begin_call(loop, call->vars);
    call->fn(call->arg);
    rill__vars_end_call(loop);
    rill_free(call);
}

static void take_calls(struct rill_loop *loop)
{
    pthread_mutex_lock(&loop->wake.mutex);
    list_splice(&loop->ready, &loop->wake.calls);
    pthread_mutex_unlock(&loop->wake.mutex);
}

/* As many as a source may bring in one turn; the others in the next one. */
static void take_some_calls(struct rill_loop *loop)
{
    struct list *node;
    pthread_mutex_lock(&loop->wake.mutex);
    for (int i = 0; i < calls_most && (node = list_pop_front(&loop->wake.calls)) != NULL; i++)
        list_push_back(&loop->ready, node);
    if (!list_is_empty(&loop->wake.calls))
        rill__loop_ready(loop, &loop->wake.more);
    pthread_mutex_unlock(&loop->wake.mutex);
}

static void run_more(struct rill__ready *ready)
{
    take_some_calls(container_of(ready, struct rill_loop, wake.more));
}

/* What signals have to say; a handler only notes it. */
static void take_signals(struct rill_loop *loop)
{
    if (loop->interrupted && loop->main != NULL)
        rill__loop_interrupted(loop);
    if (__atomic_exchange_n(&loop->signalled, false, __ATOMIC_ACQ_REL))
        rill__loop_ready(loop, &loop->on_signal);
}

static void on_wake(struct rill__op *op, int result, unsigned flags)
{
    struct rill_loop *loop = container_of(op, struct rill_loop, wake.op);
    (void)flags;
    loop->backend->counters.wakes++;
    take_some_calls(loop);
    take_signals(loop);
    /* A read that failed once must not make the loop deaf; without its descriptor it would spin. */
    if (result != -EBADF && !loop->wake.closed)
        (void)loop->backend->ops->submit(loop->backend, op); /* the slot just freed is there */
}

void rill__wake_init(struct rill_loop *loop)
{
    loop->wake.fd = -1;
    loop->wake.more.run = run_more;
    list_init(&loop->wake.calls);
    pthread_mutex_init(&loop->wake.mutex, NULL);
}

/* The descriptor, if the loop has none yet: the calls that came before are taken right after. */
static int open_eventfd(struct rill__wake *wake)
{
    int fd = wake->fd >= 0 ? wake->fd : eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    pthread_mutex_lock(&wake->mutex);
    wake->fd = fd;
    pthread_mutex_unlock(&wake->mutex);
    return 0;
}

int rill__wake_start(struct rill_loop *loop)
{
    int r = open_eventfd(&loop->wake);
    if (r < 0)
        return r;
    loop->wake.op = (struct rill__op){
        .kind = RILL__OP_READ,
        .fd = loop->wake.fd,
        .addr = &loop->wake.count,
        .size = sizeof loop->wake.count,
        .offset = UINT64_MAX,
        .flags = RILL__OP_WAKE,
        .done = on_wake,
    };
    take_calls(loop);
    if (loop->interrupted || loop->signalled)
        rill__wake_signal(loop); /* a signal came before there was a descriptor to write to */
    return loop->backend->ops->submit(loop->backend, &loop->wake.op);
}

void rill__wake_signal(struct rill_loop *loop)
{
    static const uint64_t one = 1;
    if (loop->wake.fd < 0)
        return; /* it has never run; rill__wake_start looks for itself */
    ssize_t ignored = write(loop->wake.fd, &one, sizeof one);
    (void)ignored;
}

bool rill__wake_post(struct rill_loop *loop, struct rill__ready *ready)
{
    if (!rill__loop_hold(loop))
        return false;
    pthread_mutex_lock(&loop->wake.mutex);
    rill__loop_let_go(); /* who frees the loop waits for this mutex, too */
    bool closed = loop->wake.closed, first = list_is_empty(&loop->wake.calls);
    if (!closed)
        list_push_back(&loop->wake.calls, &ready->link);
    if (!closed && first)
        rill__wake_signal(loop);
    pthread_mutex_unlock(&loop->wake.mutex);
    return !closed;
}

int rill_call_soon_threadsafe(rill_loop *loop, rill_call_fn *fn, void *arg)
{
    struct call *call = rill_alloc_zero(1, sizeof *call);
    if (call == NULL)
        return -ENOMEM;
    call->ready.run = run_call;
    call->loop = loop;
    call->vars = rill__vars_keep();
    call->fn = fn;
    call->arg = arg;
    if (rill__wake_post(loop, &call->ready))
        return 0;
    rill__vars_drop(call->vars);
    rill_free(call);
    return -ESHUTDOWN;
}

void rill__wake_close(struct rill_loop *loop)
{
    pthread_mutex_lock(&loop->wake.mutex);
    loop->wake.closed = true;
    pthread_mutex_unlock(&loop->wake.mutex);
    take_calls(loop);
}

void rill__wake_fini(struct rill_loop *loop)
{
    pthread_mutex_lock(&loop->wake.mutex); /* nobody comes any more, but one may still be here */
    pthread_mutex_unlock(&loop->wake.mutex);
    if (loop->wake.fd >= 0)
        close(loop->wake.fd);
    pthread_mutex_destroy(&loop->wake.mutex);
}
