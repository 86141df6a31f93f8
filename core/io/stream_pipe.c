/* stream_pipe.c - streams over one end of a pipe: what a socket's receive and send are there.
 *
 * Kernels know no receive that goes on by itself for a pipe, and a write to one raises SIGPIPE. So an
 * operation only waits until the pipe is ready, and what is moved then is moved by plain calls, which
 * never wait: the descriptor is non-blocking. The rest of a stream does not know the difference.
 *
 * The end that is written to is polled for nothing but errors: its "receive" ends with the stream's end
 * when nobody is left to read. */
#include "core/io/stream_out.h"

#include <errno.h>
#include <poll.h>

/* --- Reading. --- */

/* The octets taken; 0: the end; -EINTR: there was nothing; the error. */
static int take_some(rill_stream *stream)
{
    enum { piece = 16 << 10 };

    struct rill__backend *backend = stream->loop->backend;
    int r = rill__stream_make_room(stream, piece);
    if (r < 0)
        return r;
    struct rill__op op = { .kind = RILL__OP_READ_NOW,
                           .fd = stream->fd,
                           .addr = stream->at + stream->size,
                           .size = piece };
    r = backend->ops->call(backend, &op);
    if (r > 0)
        stream->size += (size_t)r;
    rill__stream_pause(stream);
    return r == -EAGAIN ? -EINTR : r;
}

static void on_ready(struct rill__op *op, int result, unsigned flags)
{
    rill_stream *stream = container_of(op, rill_stream, recv);
    (void)flags;
    if (result > 0 && stream->pipe_writes)
        result = 0; /* nobody reads */
    else if (result > 0 && !stream->closing)
        result = take_some(stream);
    rill__stream_received(stream, result, false);
}

int rill__stream_arm_pipe(rill_stream *stream)
{
    struct rill__backend *backend = stream->loop->backend;
    stream->recv.kind = RILL__OP_POLL;
    stream->recv.fd = stream->fd;
    stream->recv.flags = stream->pipe_writes ? 0 : POLLIN;
    stream->recv.done = on_ready;
    return backend->ops->submit(backend, &stream->recv);
}

/* --- Writing. --- */

/* The pipe has room, or nobody reads from it. */
static void on_room(struct rill__op *op, int result, unsigned flags)
{
    enum { most = 1 << 30 };

    struct rill__stream_out *out = container_of(op, struct rill__stream_out, send);
    struct rill__backend *backend = out->stream->loop->backend;
    bool stopped = out->direct != NULL && out->direct->stop;
    if (result > 0 && (stopped || !rill__stream_must_send(out->stream))) {
        result = 0;
    } else if (result > 0) {
        struct iovec piece = rill__out_piece(out);
        op->size = (uint32_t)(piece.iov_len < most ? piece.iov_len : most);
        struct rill__op write = {
            .kind = RILL__OP_WRITE_NOW, .fd = op->fd, .addr = piece.iov_base, .size = op->size
        };
        result = backend->ops->call(backend, &write);
    }
    rill__out_sent(op, result, flags);
}

int rill__out_send_pipe(struct rill__stream_out *out)
{
    struct rill__backend *backend = out->stream->loop->backend;
    out->send.kind = RILL__OP_POLL;
    out->send.flags = POLLOUT;
    out->send.done = on_room;
    return backend->ops->submit(backend, &out->send);
}
