/* stream_send.c - sending what a stream was given to write.
 *
 * What is buffered leaves with the turn, in one send. A direct write is sent from its caller's memory,
 * behind what is buffered, in one message; nothing of it is copied and nothing outlives its owner.
 *
 * I1 At most one send is in flight: a second one could overtake the rest of a short first one.
 * I2 The first try never waits and posts nothing if it was whole; only a socket that is full
 *    gets a waiting send for the rest.
 * I3 A direct write begins with an empty buffer or carries the buffer in front: order is kept.
 *
 * Behind a filter nothing of this is sent as it is: right before a send as many records as it may carry are
 * made of the buffer and the direct write, and those are sent. So a record is made as a whole or not at all,
 * and what the filter has to say itself goes out at its place among them.
 *
 * All of it but the counts lies in a block of its own, `out`, made by the first write and given back
 * when the stream is parked: a connection that waits needs none. Who is busy has one. */
#include "core/base/plant.h"
#include "core/io/stream_out.h"
#include "core/loop/chunk.h"

#include <rill/mem.h>

#include <errno.h>

enum { sealed_most = 4 * RILL__FILTER_MOST };

struct rill__stream_out *rill__out_open(rill_stream *stream)
{
    if (__builtin_expect(stream->out != NULL, 1))
        return stream->out;
    struct rill__stream_out *out = rill_alloc_zero(1, sizeof *out);
    if (out == NULL)
        return NULL;
    out->stream = stream;
    out->send.fd = stream->fd;
    out->send.done = rill__out_sent;
    list_init(&out->writers);
    stream->out = out;
    return out;
}

void rill__out_next_chunk(struct rill__stream_out *out)
{
    if (out->chunk_room == RILL__CHUNK_SIZE)
        rill__chunk_give(out->stream->loop, out->chunk);
    else
        rill_free(out->chunk);
    out->chunk = out->more;
    out->chunk_at = 0;
    out->chunk_end = out->more_size;
    out->chunk_room = out->more_room;
    out->more = NULL;
    out->more_size = out->more_room = 0;
}

static void drop_buffer(struct rill__stream_out *out)
{
    while (out->chunk != NULL)
        rill__out_next_chunk(out);
    rill_free(out->sealed);
    out->sealed = NULL;
    out->sealed_size = 0;
}

void rill__out_wake_writer(struct rill__stream_out *out)
{
    if (!list_is_empty(&out->writers))
        rill__loop_ready(out->stream->loop,
                         container_of(out->writers.next, struct rill__callback, link)->ready);
}

static void wake_all_writers(struct rill__stream_out *out)
{
    list_for_each(node, &out->writers)
        rill__loop_ready(out->stream->loop, container_of(node, struct rill__callback, link)->ready);
}

static void end_direct(struct rill__stream_out *out)
{
    struct rill__stream_direct *direct = out->direct;
    if (direct == NULL)
        return;
    out->direct = NULL;
    direct->ended = true;
    rill__loop_ready(out->stream->loop, &direct->task->ready);
}

static size_t chunk_size(const struct rill__stream_out *out)
{
    return out->chunk_end - out->chunk_at;
}

static void fail(struct rill__stream_out *out, int error)
{
    out->stream->send_error = error;
    out->stream->cut = true;
    drop_buffer(out);
    end_direct(out);
    wake_all_writers(out);
    if (out->stream->closing)
        return;
    rill__stream_wake_closers(out->stream);
    if (error != -EPIPE && error != -ECONNRESET) /* the other side did not go, it lacks octets */
        rill__stream_break_read(out->stream, error);
}

/* Nothing is unsent, with the kernel or waited for. */
static bool is_at_rest(const struct rill__stream_out *out)
{
    return chunk_size(out) == 0 && out->direct == NULL && !out->send.in_flight &&
           !out->stream->filing && !out->limited && out->sealed_size == 0 &&
           !rill__stream_filter_wants(out->stream) && list_is_empty(&out->writers);
}

void rill__stream_rest(rill_stream *stream)
{
    if (stream->out == NULL || !is_at_rest(stream->out))
        return;
    drop_buffer(stream->out); /* room may have been asked for and not used */
    rill_free(stream->out);
    stream->out = NULL;
}

void rill__out_stop_direct(struct rill__stream_out *out)
{
    struct rill__backend *backend = out->stream->loop->backend;
    out->direct->stop = true;
    if (out->send.in_flight && out->stream->filter == NULL) /* else the kernel has copies */
        backend->ops->cancel(backend, &out->send);
    else
        end_direct(out);
}

/* Whether what is unsent will not be sent. */
static bool is_lost(const rill_stream *stream)
{
    return stream->aborted || stream->send_error != 0;
}

void rill__stream_end_writers(rill_stream *stream)
{
    struct rill__stream_out *out = stream->out;
    struct rill__op wake_poll = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_RDWR };
    if (out == NULL)
        return;
    if (out->direct != NULL)
        rill__out_stop_direct(out);
    wake_all_writers(out);
    if (is_lost(stream))
        stream->loop->backend->ops->cancel(stream->loop->backend, &out->send);
    if (stream->filing) /* then nothing is buffered */
        (void)stream->loop->backend->ops->call(stream->loop->backend, &wake_poll);
}

void rill__stream_break_write(rill_stream *stream, int error)
{
    if (stream->send_error == 0)
        stream->send_error = error;
    stream->cut |= stream->out != NULL && !is_at_rest(stream->out);
    rill__stream_end_writers(stream);
    if (stream->out != NULL && !stream->out->send.in_flight)
        drop_buffer(stream->out);
}

/* --- What was sent. --- */

static size_t direct_left(const struct rill__stream_direct *direct)
{
    size_t left = 0;
    for (size_t i = direct->at; i < direct->count; i++)
        left += direct->pieces[i].iov_len;
    return left;
}

/* Take `sent` octets off the buffer and then off the direct write. */
static void take_off(struct rill__stream_out *out, size_t sent)
{
    struct rill__stream_direct *direct = out->direct;
    while (sent > 0 && out->chunk_end > out->chunk_at) {
        size_t of_chunk = sent < chunk_size(out) ? sent : chunk_size(out);
        out->chunk_at += of_chunk;
        sent -= of_chunk;
        if (chunk_size(out) == 0)
            rill__out_next_chunk(out);
    }
    if (direct == NULL)
        return;
    direct->sent += sent;
    while (direct->at < direct->count && sent >= direct->pieces[direct->at].iov_len)
        sent -= direct->pieces[direct->at++].iov_len;
    if (direct->at < direct->count) {
        struct iovec *piece = &direct->pieces[direct->at];
        piece->iov_base = (char *)piece->iov_base + sent;
        piece->iov_len -= sent;
    } else {
        end_direct(out);
    }
}

void rill__out_advance(struct rill__stream_out *out, size_t sent)
{
    out->stream->sent += sent;
    if (out->sealed == NULL) {
        take_off(out, sent);
        return;
    }
    out->sealed_at += sent;
    out->sealed_size -= sent;
    if (out->sealed_size == 0) {
        rill_free(out->sealed);
        out->sealed = NULL;
    }
}

/* --- Records. --- */

/* What is to be sealed next, at most one record of it. */
static struct iovec next_plain(const struct rill__stream_out *out)
{
    const struct rill__stream_direct *direct = out->direct;
    struct iovec plain = { NULL, 0 };
    if (chunk_size(out) > 0)
        plain = (struct iovec){ out->chunk + out->chunk_at, chunk_size(out) };
    else if (direct != NULL && direct->at < direct->count)
        plain = direct->pieces[direct->at];
    if (plain.iov_len > RILL__FILTER_MOST)
        plain.iov_len = RILL__FILTER_MOST;
    return plain;
}

/* Have records made, as many as one send may carry, behind what the filter has to say anyway. */
static int seal(struct rill__stream_out *out)
{
    rill_stream *stream = out->stream;
    struct rill__filter *filter = stream->filter;
    struct iovec plain = { NULL, 0 };
    int r = 0;
    if (!filter->opening)
        plain = next_plain(out);
    while (r == 0 && plain.iov_len > 0 && filter->made_size < sealed_most) {
        r = filter->ops->seal(filter, plain.iov_base, plain.iov_len);
        if (r == 0)
            take_off(out, plain.iov_len);
        plain = next_plain(out);
    }
    if (r == 0 && plain.iov_len == 0 && (stream->closing || stream->eof_written) &&
        !filter->finished) {
        filter->finished = true;
        r = filter->ops->finish(filter);
    }
    out->sealed = filter->made;
    out->sealed_at = 0;
    out->sealed_size = filter->made_size;
    filter->made = NULL;
    filter->made_size = filter->made_room = 0;
    return r;
}

void rill__stream_send_last(rill_stream *stream)
{
    const struct rill__filter *filter = stream->filter;
    const struct rill__stream_out *out = stream->out;
    if (filter->made_size == 0 || stream->closing || (out != NULL && out->sealed_size > 0))
        return;
    struct rill__op op = { .kind = RILL__OP_SEND_MORE,
                           .fd = stream->fd,
                           .addr = filter->made,
                           .size = (uint32_t)filter->made_size };
    (void)stream->loop->backend->ops->call(stream->loop->backend, &op);
}

/* --- Sending. --- */

static void submit_send(struct rill__stream_out *out, uint8_t kind, void *addr, size_t size)
{
    enum { most = 1 << 30 };

    struct rill__backend *backend = out->stream->loop->backend;
    out->send.kind = kind;
    out->send.addr = addr;
    out->send.size = (uint32_t)(size < most ? size : most);
    bool silent = kind != RILL__OP_SEND && rill__out_nobody_waits(out) && !out->stream->closing;
    out->send.flags = silent ? RILL__OP_SILENT : 0;
    int r =
        out->stream->pipe ? rill__out_send_pipe(out) : backend->ops->submit(backend, &out->send);
    if (r < 0)
        fail(out, r);
}

/* The buffer and the direct write in one message. */
static void submit_message(struct rill__stream_out *out)
{
    struct rill__stream_direct *direct = out->direct;
    size_t count = 0, size = direct_left(direct) + rill__out_buffered(out);
    if (chunk_size(out) > 0)
        direct->vector[count++] = (struct iovec){ out->chunk + out->chunk_at, chunk_size(out) };
    if (out->more_size > 0)
        direct->vector[count++] = (struct iovec){ out->more, out->more_size };
    for (size_t i = direct->at; i < direct->count; i++)
        direct->vector[count++] = direct->pieces[i];
    direct->message = (struct msghdr){ .msg_iov = direct->vector, .msg_iovlen = count };
    submit_send(out, RILL__OP_SENDMSG_NOW, &direct->message, size);
}

/* What is left of the records, or new ones. */
static void submit_sealed(struct rill__stream_out *out, uint8_t kind)
{
    int r = out->sealed_size == 0 ? seal(out) : 0;
    if (r < 0)
        fail(out, r);
    else if (out->sealed_size > 0)
        submit_send(out, kind, out->sealed + out->sealed_at, out->sealed_size);
}

struct iovec rill__out_piece(const struct rill__stream_out *out)
{
    if (chunk_size(out) > 0)
        return (struct iovec){ out->chunk + out->chunk_at, chunk_size(out) };
    return out->direct->pieces[out->direct->at];
}

/* The first piece of what is unsent: the block, or a piece of the direct write. */
static void submit_piece(struct rill__stream_out *out, uint8_t kind)
{
    if (out->stream->filter != NULL) {
        submit_sealed(out, kind);
        return;
    }
    struct iovec piece = rill__out_piece(out);
    submit_send(out, kind, piece.iov_base, piece.iov_len);
}

static void send_now(struct rill__stream_out *out)
{
    const struct rill__stream_direct *direct = out->direct;
    if (direct == NULL || out->stream->filter != NULL || out->stream->pipe ||
        (chunk_size(out) == 0 && direct->count - direct->at == 1))
        submit_piece(out, RILL__OP_SEND_NOW);
    else
        submit_message(out);
}

bool rill__stream_is_sending(const rill_stream *stream)
{
    return stream->out != NULL && stream->out->send.in_flight;
}

/* The end of a silent send wakes no loop that sleeps: a close must not wait for it before it lets the
 * receive bring a completion that does. */
bool rill__stream_must_send(const rill_stream *stream)
{
    const struct rill__stream_out *out = stream->out;
    if (is_lost(stream))
        return false;
    if (out == NULL || rill__stream_filter_wants(stream))
        return rill__stream_filter_wants(stream);
    bool silent = out->send.in_flight && (out->send.flags & RILL__OP_SILENT);
    return out->direct != NULL || rill__out_buffered(out) > (silent ? out->send.size : 0);
}

static void go_on_sending(struct rill__stream_out *out, int result)
{
    bool short_send = (uint32_t)result < out->send.size;
    rill__out_advance(out, PLANTED(8) && short_send ? out->send.size : (size_t)result);
    out->over = out->over && rill__out_buffered(out) > out->low;
    if (out->direct != NULL && out->direct->stop)
        end_direct(out); /* what is left of it is not sent */
    if (out->direct == NULL && rill__out_buffered(out) <= out->low)
        rill__out_wake_writer(out);
    if (!rill__out_has_unsent(out))
        return;
    if (short_send || out->send.kind == RILL__OP_SEND)
        submit_piece(out, RILL__OP_SEND); /* the socket is full: by a send that waits */
    else
        rill__loop_prepare(out->stream->loop, &out->stream->prepare);
}

void rill__out_sent(struct rill__op *op, int result, unsigned flags)
{
    struct rill__stream_out *out = container_of(op, struct rill__stream_out, send);
    rill_stream *stream = out->stream;
    (void)flags;
    if (result == -EAGAIN || result == -EINTR || (result == -ECANCELED && op->stopping))
        result = 0; /* full, or stopped by us or a signal: nothing is lost */
    if (is_lost(stream) || stream->loop->closing) {
        if (result > 0)
            rill__out_advance(out, (size_t)result);
        drop_buffer(out);
        end_direct(out);
    } else if (result < 0) {
        fail(out, result == -ECANCELED ? -EIO : result);
    } else {
        go_on_sending(out, result);
    }
    if (stream->parked)
        rill__stream_rest(stream);
    rill__stream_settle(stream);
}

/* The filter may have something to say on a stream that nobody writes to: without memory it cannot. */
static void open_for_filter(rill_stream *stream)
{
    if (!is_lost(stream) && rill__stream_filter_wants(stream) && rill__out_open(stream) == NULL)
        rill__stream_break_write(stream, -ENOMEM);
}

void rill__stream_prepare_write(rill_stream *stream)
{
    if (stream->filter != NULL && stream->out == NULL)
        open_for_filter(stream);
    struct rill__stream_out *out = stream->out;
    if (out != NULL && !is_lost(stream) && rill__out_has_unsent(out) && !out->send.in_flight)
        send_now(out);
    if (is_lost(stream) || stream->filter != NULL) /* a close may have nothing left to wait for */
        rill__stream_settle(stream);
}

void rill__stream_fini_write(rill_stream *stream)
{
    if (stream->out != NULL)
        drop_buffer(stream->out);
    rill_free(stream->out);
}
