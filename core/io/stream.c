/* stream.c - a stream's life: made, referred to, closed.
 *
 * A stream is open, closing, closed. Closing begins when its owner says so: whoever waits is told, what
 * was written goes out, then the receive is cancelled, and the descriptor closed once the kernel has let
 * go of every op: closing alone would not end them. The memory goes with the last reference; each
 * waiting task holds one, and so the stream outlives the wake-up. The halves are in stream_recv.c and
 * stream_write.c. */
#include "core/io/stream.h"

#include "core/io/park.h"

#include "core/base/plant.h"

#include <rill/mem.h>

#include <errno.h>
#include <sys/socket.h>

enum { default_limit = 64 << 10 };

static const struct rill__backend_ops *ops_of(const rill_stream *stream)
{
    return stream->loop->backend->ops;
}

/* --- Life. --- */

static void run_prepare(struct rill__prepare *prepare)
{
    rill_stream *stream = container_of(prepare, rill_stream, prepare);
    rill__stream_prepare_read(stream);
    rill__stream_prepare_write(stream);
}

static uint32_t limit_of(const rill_stream_opts *opts)
{
    if (opts == NULL || opts->read_limit == 0)
        return default_limit;
    return opts->read_limit < UINT32_MAX ? (uint32_t)opts->read_limit : UINT32_MAX;
}

static int new_stream(int fd, const rill_stream_opts *opts, const rill_stream *kind,
                      rill_stream **ret_stream)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    rill_stream *stream = rill_alloc_zero(1, sizeof *stream);
    if (stream == NULL)
        return -ENOMEM;
    stream->loop = loop;
    stream->fd = fd;
    stream->refs = 1;
    stream->limit = limit_of(opts);
    stream->pipe = kind->pipe;
    stream->pipe_writes = kind->pipe_writes;
    stream->prepare.run = run_prepare;
    stream->ready.run = rill__stream_run_later;
    int r = rill__stream_arm(stream);
    if (r < 0) {
        rill_free(stream);
        return r;
    }
    *ret_stream = stream;
    return 0;
}

int rill_stream_new(int fd, const rill_stream_opts *opts, rill_stream **ret_stream)
{
    static const rill_stream socket;
    return new_stream(fd, opts, &socket, ret_stream);
}

int rill__stream_new_pipe(int fd, bool writes, const rill_stream_opts *opts,
                          rill_stream **ret_stream)
{
    const rill_stream pipe = { .pipe = true, .pipe_writes = writes };
    return new_stream(fd, opts, &pipe, ret_stream);
}

static void free_stream(rill_stream *stream)
{
    list_remove(&stream->prepare.link);
    rill__loop_unready(&stream->ready);
    rill__stream_fini_read(stream);
    rill__stream_fini_write(stream);
    if (stream->filter != NULL)
        stream->filter->ops->free(stream->filter);
    if (PLANTED(11)) {
        struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = stream->recv.fd };
        (void)ops_of(stream)->call(stream->loop->backend, &op);
    }
    rill_free(stream);
}

void rill__stream_add_closer(rill_stream *stream, struct rill__stream_closer *closer)
{
    closer->next = stream->closers;
    stream->closers = closer;
}

void rill__stream_remove_closer(rill_stream *stream, struct rill__stream_closer *closer)
{
    struct rill__stream_closer **at = &stream->closers;
    while (*at != NULL && *at != closer)
        at = &(*at)->next;
    if (*at != NULL)
        *at = closer->next;
}

void rill__stream_wake_closers(rill_stream *stream)
{
    struct rill__stream_closer **at = &stream->closers;
    while (*at != NULL) {
        struct rill__stream_closer *closer = *at;
        if (closer->patient && !stream->closed) {
            at = &closer->next;
            continue;
        }
        *at = closer->next;
        closer->told = true;
        rill__loop_ready(stream->loop, closer->ready);
    }
}

static void reset_at_close(const rill_stream *stream)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    struct rill__op op = { .kind = RILL__OP_SETSOCKOPT,
                           .fd = stream->fd,
                           .flags = SOL_SOCKET,
                           .offset = SO_LINGER,
                           .addr = &reset,
                           .size = sizeof reset };
    (void)ops_of(stream)->call(stream->loop->backend, &op);
}

void rill__stream_settle(rill_stream *stream)
{
    if (!stream->closing || stream->closed || stream->filing || rill__stream_must_send(stream))
        return;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
    if (stream->recv.in_flight || rill__stream_is_sending(stream))
        return;
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = stream->fd };
    if (stream->cut)
        reset_at_close(stream);
    (void)ops_of(stream)->call(stream->loop->backend, &op);
    stream->fd = -1; /* by now it may be somebody else's */
    stream->closed = true;
    rill__stream_wake_closers(stream);
    if (stream->refs == 0)
        free_stream(stream);
}

int rill__stream_unpin(rill_stream *stream)
{
    bool closing = stream->closing;
    rill_stream_unref(stream);
    return closing ? -EBADF : 0;
}

static void begin_closing(rill_stream *stream)
{
    rill__park_leave(stream);
    stream->closing = true;
    rill__stream_end_reader(stream);
    rill__stream_end_writers(stream);
    stream->peer_end.fn = NULL;
}

void rill_stream_close(rill_stream *stream)
{
    if (stream == NULL || stream->closing)
        return;
    begin_closing(stream);
    rill__loop_prepare(stream->loop, &stream->prepare);
    rill__stream_settle(stream);
}

void rill_stream_abort(rill_stream *stream)
{
    if (stream == NULL || stream->aborted || stream->closed)
        return;
    reset_at_close(stream);
    stream->aborted = true;
    if (!stream->closing)
        begin_closing(stream);
    else
        rill__stream_end_writers(stream);
    rill__stream_settle(stream);
}

rill_stream *rill_stream_ref(rill_stream *stream)
{
    stream->refs++;
    return stream;
}

void rill_stream_unref(rill_stream *stream)
{
    if (stream == NULL || --stream->refs > 0)
        return;
    if (stream->closed)
        free_stream(stream);
    else
        rill_stream_close(stream); /* and then it goes */
}

static int lost_by(const rill_stream *stream)
{
    return rill_first_error(stream->send_error, stream->recv_error);
}

/* Whether nothing more is to be waited for: closed, or broken and nobody has closed it. */
static bool is_over(const rill_stream *stream)
{
    return stream->closed || (!stream->closing && lost_by(stream) < 0);
}

static const rill_table_wait tells_close = { .what = "the end of a stream" };

int rill_stream_wait_closed(rill_stream *stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (is_over(stream))
        return rill__await_ready(task, lost_by(stream));
    struct rill__plain_wait wait = rill__plain_wait(task, &tells_close);
    struct rill__stream_closer closer = { .ready = &task->ready };
    stream->refs++;
    while (r == 0 && !is_over(stream)) {
        rill__stream_remove_closer(stream, &closer);
        rill__stream_add_closer(stream, &closer);
        r = rill__plain_park(&wait);
    }
    rill__stream_remove_closer(stream, &closer);
    if (r == 0)
        r = lost_by(stream);
    rill_stream_unref(stream);
    return r;
}

void rill__stream_run_later(struct rill__ready *ready)
{
    rill_stream *stream = container_of(ready, rill_stream, ready);
    if (stream->parked) {
        rill__park_start(stream);
        return;
    }
    void (*fn)(void *arg) = stream->peer_end.fn;
    stream->peer_end.fn = NULL;
    if (fn != NULL)
        fn(stream->peer_end.arg);
}

void rill_stream_on_peer_end(rill_stream *stream, void (*fn)(void *arg), void *arg)
{
    if (stream->parked)
        return;
    stream->peer_end.fn = fn;
    stream->peer_end.arg = arg;
    if (fn == NULL)
        rill__loop_unready(&stream->ready);
    else if (rill_stream_peer_ended(stream))
        rill__loop_ready(stream->loop, &stream->ready);
}

int rill_stream_fd(const rill_stream *stream)
{
    return stream->fd;
}
