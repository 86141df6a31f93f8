/* park.c - an idle connection without a stack: a fresh task when octets, the end or the limit comes.
 *
 * A parked stream keeps its receive armed and holds the coroutine; it has no task, no writing half
 * and no read buffer. Whatever wakes it puts its entry on the queue, and the entry starts a task at
 * once, so that octets are still where the kernel put them when the coroutine looks.
 *
 * Starting a task needs memory. Without it the stream stays parked and tries again a little later:
 * only the coroutine knows what to clean up. */
#include "core/io/park.h"

#include "core/task/task.h"

#include <errno.h>

#define RETRY RILL_MS(100)

struct start {
    rill_stream *stream;
    bool begun;
};

void rill__park_leave(rill_stream *stream)
{
    if (!stream->parked)
        return;
    rill__timer_stop(stream->loop, &stream->idle);
    rill__loop_unready(&stream->ready);
    list_remove(&stream->park.link);
    stream->parked = false;
    stream->peer_end.fn = NULL; /* they share their place with the coroutine */
    stream->reader = NULL;
}

/* The fresh task. */
static int begin(void *arg)
{
    struct start *start = arg;
    rill_coro coro = start->stream->park.coro;
    rill__park_leave(start->stream);
    start->begun = true; /* its last use: this lies on the stack of who started us */
    return coro.fn(coro.arg);
}

static void set_limit(rill_stream *stream, rill_time span)
{
    struct rill_loop *loop = stream->loop;
    rill__timer_stop(loop, &stream->idle);
    stream->idle.ready = &stream->ready;
    rill__timer_start(loop, &stream->idle, rill__loop_after(loop, span));
}

void rill__park_start(rill_stream *stream)
{
    static const rill_task_opts at_once = { .eager = true };
    struct rill_loop *loop = stream->loop;
    struct start start = { .stream = stream };
    rill_coro coro = { begin, &start, stream->park.coro.site };
    rill_task *task = rill_loop_create_task(loop, coro, &at_once);
    if (!start.begun)
        (void)rill_result(task); /* nobody else is told */
    rill_unref(task);
    if (start.begun)
        return;
    if (loop->leaving) {          /* there is no later */
        rill__park_leave(stream); /* others may hold it until after the loop's list has gone */
        rill_stream_abort(stream);
        rill_stream_unref(stream);
    } else {
        set_limit(stream, RETRY);
    }
}

int rill_stream_park(rill_stream *stream, rill_time idle, rill_coro coro)
{
    struct rill_loop *loop = stream->loop;
    if (rill__loop_running != loop)
        return -ESRCH;
    if (loop->leaving)
        return -ESHUTDOWN;
    if (!stream->parked && stream->reader != NULL)
        return -EBUSY;
    rill__park_leave(stream);
    stream->parked = true;
    stream->park.coro = coro;
    list_push_back(&loop->parked, &stream->park.link);
    set_limit(stream, idle);
    rill__stream_rest(stream);
    if (stream->size > 0 || rill_stream_peer_ended(stream))
        rill__loop_ready(loop, &stream->ready);
    return 0;
}

bool rill__park_end(struct rill_loop *loop)
{
    loop->leaving = true;
    list_for_each(node, &loop->parked)
        rill__loop_ready(loop, &container_of(node, rill_stream, park.link)->ready);
    return !list_is_empty(&loop->parked);
}
