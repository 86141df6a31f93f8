/* stream_recv.c - the reading half of a stream: receiving ahead of the reader, showing what is there.
 *
 * One multishot receive stays armed while the stream wants octets. Its completions bring receive
 * buffers of the ring. The first one is shown in place; if the reader has consumed it by the end of the
 * turn, nothing was ever copied. Otherwise (a message came in pieces, or the reader is busy) the rest
 * moves to memory of the stream's own, so that ring buffers are never held over a wait. Above the limit
 * receiving is stopped, and goes on when half of that was consumed. */
#include "core/io/stream.h"

#include "core/base/plant.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

enum { receive_size = 2048 };

struct rill__stream_reader {
    struct rill__plain_wait plain;
    size_t least;
    int fd;
    const char *name; /* of the server, in a handshake; or NULL */
};

static const struct rill__backend_ops *ops_of(const rill_stream *stream)
{
    return stream->loop->backend->ops;
}

static void give_buffer_back(rill_stream *stream, uint16_t buffer)
{
    ops_of(stream)->give_back(stream->loop->backend, buffer);
    if (PLANTED(7))
        ops_of(stream)->give_back(stream->loop->backend, buffer);
}

/* --- Receiving. --- */

static void wake_reader(rill_stream *stream)
{
    bool enough = stream->ended || stream->recv_error != 0;
    if (stream->parked) {
        if (enough || stream->size > 0)
            rill__loop_ready(stream->loop, &stream->ready);
        return;
    }
    struct rill__stream_reader *reader = stream->reader;
    if (reader != NULL && (enough || stream->size >= reader->least))
        rill__loop_ready(stream->loop, &reader->plain.task->ready);
}

/* Our own memory is done with, but for a slice that is shown from it. */
static void drop_memory(rill_stream *stream)
{
    if (stream->sliced)
        stream->held = stream->memory;
    else
        rill_free(stream->memory);
    stream->sliced = false;
    stream->memory = NULL;
    stream->room = 0;
}

/* The next read begins: nobody looks at the last slice any more. */
static void end_slice(rill_stream *stream)
{
    rill_free(stream->held);
    stream->held = NULL;
    stream->sliced = false;
}

/* Move what is there to memory of our own that has room for `more`. */
static int own_memory(rill_stream *stream, size_t more)
{
    size_t need = stream->size + more;
    if (stream->memory != NULL && need <= stream->room && !stream->sliced) {
        memmove(stream->memory, stream->at, stream->size);
        stream->at = stream->memory;
        return 0;
    }
    size_t room = stream->room > 0 ? stream->room * 2 : receive_size;
    while (room < need)
        room *= 2;
    char *memory = rill_alloc(room);
    if (memory == NULL)
        return -ENOMEM;
    if (stream->size > 0)
        memcpy(memory, stream->at, stream->size);
    drop_memory(stream);
    if (stream->borrowed)
        give_buffer_back(stream, stream->buffer);
    stream->borrowed = false;
    stream->memory = stream->at = memory;
    stream->room = room;
    return 0;
}

int rill__stream_make_room(rill_stream *stream, size_t size)
{
    bool fits =
        stream->memory != NULL && stream->at + stream->size + size <= stream->memory + stream->room;
    return fits ? 0 : own_memory(stream, size);
}

static int append(rill_stream *stream, const char *octets, size_t size)
{
    int r = rill__stream_make_room(stream, size);
    if (r < 0)
        return r;
    memcpy(stream->at + stream->size, octets, size);
    stream->size += size;
    return 0;
}

void rill__stream_pause(rill_stream *stream)
{
    if (stream->size < stream->limit)
        return;
    stream->paused = true;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
}

/* Receive again once the reader has caught up, or waits for more than there is. */
static void go_on_below_limit(rill_stream *stream)
{
    if (!stream->paused)
        return;
    const struct rill__stream_reader *reader = stream->parked ? NULL : stream->reader;
    bool wanted =
        stream->size <= stream->limit / 2 || (reader != NULL && stream->size < reader->least);
    if (!wanted || stream->recv.in_flight || stream->closing || rill_stream_peer_ended(stream))
        return;
    stream->paused = false;
    stream->rearm = true;
    rill__loop_prepare(stream->loop, &stream->prepare);
}

static void peer_ended(rill_stream *stream)
{
    if (!stream->parked && stream->peer_end.fn != NULL)
        rill__loop_ready(stream->loop, &stream->ready);
}

/* Receiving has failed: nothing comes any more, and nothing goes. What came before stays to be looked at. */
static void break_stream(rill_stream *stream, int error)
{
    stream->recv_error = error;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
    rill__stream_break_write(stream, error);
    peer_ended(stream);
    rill__stream_wake_closers(stream);
    wake_reader(stream);
}

/* Nothing more will come, though the connection may stay. */
static void end_by_filter(rill_stream *stream)
{
    stream->ended = true;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
    peer_ended(stream);
}

void rill__stream_feed(rill_stream *stream, const char *octets, size_t size)
{
    struct rill__filter *filter = stream->filter;
    bool was_opening = filter->opening;
    __builtin_prefetch(stream->reader); /* long untouched, and asked for behind a lot of work */
    int r = filter->ops->received(filter, octets, size);
    if (stream->size == 0 && stream->memory != NULL)
        drop_memory(stream);
    if (filter->made_size > 0)
        rill__loop_prepare(stream->loop, &stream->prepare);
    if (r < 0) {
        rill__stream_send_last(stream);
        break_stream(stream, r);
    } else if (filter->ended && !stream->ended) {
        end_by_filter(stream);
    }
    if (was_opening && !filter->opening && stream->reader != NULL)
        rill__loop_ready(stream->loop, &stream->reader->plain.task->ready);
}

static void take_octets(rill_stream *stream, const struct rill__op *op, size_t size)
{
    int r = 0;
    bool wanted = !stream->closing && stream->recv_error == 0;
    if (stream->filter != NULL) {
        if (wanted && !stream->ended)
            rill__stream_feed(stream, op->addr, size);
        give_buffer_back(stream, op->buffer);
        return;
    }
    if (wanted && stream->size == 0 && stream->memory == NULL) {
        stream->at = op->addr;
        stream->size = size;
        stream->buffer = op->buffer;
        stream->borrowed = true;
        rill__loop_prepare(stream->loop, &stream->prepare);
        return;
    }
    if (wanted)
        r = append(stream, op->addr, size);
    give_buffer_back(stream, op->buffer);
    if (r < 0)
        break_stream(stream, r);
}

/* What the last completion of a receive says about the connection. */
static void note_end(rill_stream *stream, int result)
{
    if (stream->recv_error != 0 || result == -EINTR) /* by a signal: it is armed anew */
        return;
    if (stream->ended) /* the filter said so, and what comes behind that is nothing to us */
        return;
    if (result == 0 && stream->filter != NULL)
        break_stream(stream, -ECONNRESET); /* cut off: there would have been word of an end */
    else if (result == 0)
        stream->ended = true;
    else if (result < 0 && result != -ECANCELED)
        break_stream(stream, result);
    else if (result == -ECANCELED && !stream->recv.stopping)
        break_stream(stream, -EIO);
    else if (result == -ECANCELED && !stream->paused)
        break_stream(stream, -ESHUTDOWN); /* the loop ends: nobody may begin anew */
}

static void recv_ended(rill_stream *stream)
{
    stream->rearm = !stream->ended && stream->recv_error == 0 && !stream->paused;
    if (PLANTED(1))
        stream->rearm = false;
    if (stream->rearm)
        rill__loop_prepare(stream->loop, &stream->prepare);
    go_on_below_limit(stream);
    if (stream->ended)
        peer_ended(stream);
}

static void on_recv(struct rill__op *op, int result, unsigned flags)
{
    rill_stream *stream = container_of(op, rill_stream, recv);
    if (PLANTED(3))
        flags &= ~(unsigned)RILL__OP_MORE;
    if (result > 0 && (flags & RILL__OP_BUFFER)) {
        take_octets(stream, op, (size_t)result);
        rill__stream_pause(stream);
    } else if (flags & RILL__OP_BUFFER) {
        give_buffer_back(stream, op->buffer);
    }
    rill__stream_received(stream, result, flags & RILL__OP_MORE);
}

void rill__stream_received(rill_stream *stream, int result, bool more)
{
    if (stream->closing) {
        if (!more)
            rill__stream_settle(stream);
        return;
    }
    note_end(stream, result);
    if (!more)
        recv_ended(stream);
    wake_reader(stream);
}

void rill__stream_break_read(rill_stream *stream, int error)
{
    if (!rill_stream_peer_ended(stream))
        break_stream(stream, error);
}

int rill__stream_arm(rill_stream *stream)
{
    if (stream->pipe)
        return rill__stream_arm_pipe(stream);
    stream->recv.kind = RILL__OP_RECV_MANY;
    stream->recv.fd = stream->fd;
    stream->recv.flags = 0;
    stream->recv.done = on_recv;
    return ops_of(stream)->submit(stream->loop->backend, &stream->recv);
}

void rill__stream_prepare_read(rill_stream *stream)
{
    if (stream->borrowed)
        (void)own_memory(stream, 0); /* without memory it stays where it is a little longer */
    if (!stream->rearm || stream->closing)
        return;
    stream->rearm = false;
    int r = rill__stream_arm(stream);
    if (r < 0)
        break_stream(stream, r);
}

void rill__stream_fini_read(rill_stream *stream)
{
    if (stream->borrowed)
        give_buffer_back(stream, stream->buffer);
    rill_free(stream->memory);
    rill_free(stream->held);
}

/* --- Reading. --- */

static const rill_table_wait tells_read = { .what = "stream read",
                                            .fd = RILL__AT(struct rill__stream_reader, fd) };
static const rill_table_wait tells_open = { .what = "TLS handshake",
                                            .name = RILL__AT(struct rill__stream_reader, name),
                                            .fd = RILL__AT(struct rill__stream_reader, fd) };

static int wait_for_octets(rill_stream *stream, struct rill__task *task, size_t least,
                           const rill_table_wait *tells, const char *name)
{
    struct rill__stream_reader reader = { rill__plain_wait(task, tells), least, stream->fd, name };
    if (stream->parked || stream->reader != NULL)
        return -EBUSY;
    stream->reader = &reader;
    stream->refs++;
    go_on_below_limit(stream);
    int r = rill__plain_park(&reader.plain);
    stream->reader = NULL;
    /* I4 of cancel.c: the octets stay in the stream, so a cancel wins. */
    return rill_first_error(r, rill__stream_unpin(stream));
}

int rill__stream_fill(rill_stream *stream, size_t least)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (stream->sliced || stream->held != NULL)
        end_slice(stream);
    bool waited = false;
    while (stream->size < least && !rill_stream_peer_ended(stream)) {
        r = wait_for_octets(stream, task, least, &tells_read, NULL);
        if (r < 0)
            return r;
        waited = true;
    }
    r = stream->size >= least ? 1 : stream->recv_error;
    return waited ? r : rill__await_ready(task, r);
}

int rill__stream_wait_opened(rill_stream *stream, struct rill__task *task, const char *name)
{
    int r = 0;
    while (r == 0 && stream->filter->opening && !rill_stream_peer_ended(stream))
        r = wait_for_octets(stream, task, SIZE_MAX, &tells_open, name);
    return r;
}

int rill_stream_peek(rill_stream *stream, size_t least, rill_span *ret_octets)
{
    if (least > stream->limit)
        return -EINVAL;
    int r = rill__stream_fill(stream, least);
    if (r >= 0)
        *ret_octets = (rill_span){ stream->at, stream->size }; /* they move when a turn ends */
    return r;
}

int rill__stream_slice(rill_stream *stream, size_t size, rill_span *ret_slice)
{
    int r = stream->borrowed ? own_memory(stream, 0) : 0;
    if (r < 0)
        return r;
    *ret_slice = (rill_span){ size > 0 ? stream->at : "", size };
    stream->sliced = size > 0;
    rill_stream_consume(stream, size);
    return 0;
}

void rill__stream_end_reader(rill_stream *stream)
{
    if (!stream->parked && stream->reader != NULL)
        rill__loop_ready(stream->loop, &stream->reader->plain.task->ready);
}

void rill_stream_consume(rill_stream *stream, size_t size)
{
    CHECK(size <= stream->size);
    if (size > 0) /* else there may be no memory to point into */
        stream->at += size;
    stream->size -= size;
    if (stream->size == 0) {
        if (stream->borrowed)
            give_buffer_back(stream, stream->buffer);
        stream->borrowed = false;
        drop_memory(stream);
    }
    go_on_below_limit(stream);
}

size_t rill_stream_buffered(const rill_stream *stream)
{
    return stream->size;
}

bool rill_stream_peer_ended(const rill_stream *stream)
{
    return stream->ended || stream->recv_error != 0 || stream->closing;
}

bool rill_stream_at_eof(const rill_stream *stream)
{
    return (stream->ended || stream->closing) && stream->size == 0;
}
