/* stream_write.c - the writing half of a stream: gather, send, back-pressure.
 *
 * Small writes are copied into one block and leave with the turn, in one send. A large write is sent
 * from its caller's memory, behind what the block holds, in one message; the writer is parked
 * until the kernel has taken it all, so nothing is copied and nothing outlives its owner.
 *
 * I1 At most one send is in flight: a second one could overtake the rest of a short first one.
 * I2 The first try never waits and posts nothing if it was whole; only a socket that is full
 *    gets a waiting send for the rest.
 * I3 A direct write begins with an empty block or carries the block in front: order is kept.
 *
 * All of it but the counts lies in a block of its own, `out`, made by the first write and given back
 * when the stream is parked: a connection that waits needs none. Who is busy has one. */
#include "core/io/stream.h"

#include "core/loop/chunk.h"

#include <rill/mem.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

enum { copy_most = 4 << 10, file_slice = 2 << 20, file_turn = 8 << 20 };

struct writer {
    struct rill__wait wait;
    struct list link;
    struct rill__task *task;
    int fd;
    bool woken, cancelled;
};

static void on_sent(struct rill__op *op, int result, unsigned flags);

/* The writing half; NULL without memory. */
static struct rill__stream_out *open_out(rill_stream *stream)
{
    if (__builtin_expect(stream->out != NULL, 1))
        return stream->out;
    struct rill__stream_out *out = rill_alloc_zero(1, sizeof *out);
    if (out == NULL)
        return NULL;
    out->stream = stream;
    out->send.fd = stream->fd;
    out->send.done = on_sent;
    list_init(&out->writers);
    stream->out = out;
    return out;
}

static uint32_t chunk_size(const struct rill__stream_out *out)
{
    return out->chunk_end - out->chunk_at;
}

static void drop_chunk(struct rill__stream_out *out)
{
    if (out->chunk != NULL)
        rill__chunk_give(out->stream->loop, out->chunk);
    out->chunk = NULL;
    out->chunk_at = out->chunk_end = 0;
}

static void wake_writer(struct rill__stream_out *out)
{
    if (list_is_empty(&out->writers))
        return;
    struct writer *writer = container_of(out->writers.next, struct writer, link);
    writer->woken = true;
    rill__loop_ready(out->stream->loop, &writer->task->ready);
}

static void wake_all_writers(struct rill__stream_out *out)
{
    list_for_each(node, &out->writers)
        rill__loop_ready(out->stream->loop, &container_of(node, struct writer, link)->task->ready);
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

static void fail(struct rill__stream_out *out, int error)
{
    out->stream->send_error = error;
    drop_chunk(out);
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
           !out->stream->filing && list_is_empty(&out->writers);
}

void rill__stream_rest(rill_stream *stream)
{
    if (stream->out == NULL || !is_at_rest(stream->out))
        return;
    drop_chunk(stream->out); /* room may have been asked for and not used */
    rill_free(stream->out);
    stream->out = NULL;
}

/* No more of the direct write is sent. Its memory is the kernel's until a send in flight has ended. */
static void stop_direct(struct rill__stream_out *out)
{
    struct rill__backend *backend = out->stream->loop->backend;
    out->direct->stop = true;
    if (out->send.in_flight)
        backend->ops->cancel(backend, &out->send);
    else
        end_direct(out);
}

void rill__stream_end_writers(rill_stream *stream)
{
    struct rill__stream_out *out = stream->out;
    struct rill__op wake_poll = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_RDWR };
    if (out == NULL)
        return;
    if (out->direct != NULL)
        stop_direct(out);
    wake_all_writers(out);
    if (stream->aborted)
        stream->loop->backend->ops->cancel(stream->loop->backend, &out->send);
    if (stream->filing) /* then nothing is buffered */
        (void)stream->loop->backend->ops->call(stream->loop->backend, &wake_poll);
}

/* --- Sending. --- */

static size_t direct_left(const struct rill__stream_direct *direct)
{
    size_t left = 0;
    for (size_t i = direct->at; i < direct->count; i++)
        left += direct->pieces[i].iov_len;
    return left;
}

/* Take `sent` octets off the block and then off the direct write. */
static void advance(struct rill__stream_out *out, size_t sent)
{
    struct rill__stream_direct *direct = out->direct;
    out->stream->sent += sent;
    size_t of_chunk = sent < chunk_size(out) ? sent : chunk_size(out);
    out->chunk_at += (uint32_t)of_chunk;
    sent -= of_chunk;
    if (chunk_size(out) == 0)
        drop_chunk(out);
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

static bool nobody_waits(const struct rill__stream_out *out)
{
    return out->direct == NULL && list_is_empty(&out->writers);
}

static void submit_send(struct rill__stream_out *out, uint8_t kind, void *addr, size_t size)
{
    enum { most = 1 << 30 };

    struct rill__backend *backend = out->stream->loop->backend;
    out->send.kind = kind;
    out->send.addr = addr;
    out->send.size = (uint32_t)(size < most ? size : most);
    bool silent = kind != RILL__OP_SEND && nobody_waits(out) && !out->stream->closing;
    out->send.flags = silent ? RILL__OP_SILENT : 0;
    int r = backend->ops->submit(backend, &out->send);
    if (r < 0)
        fail(out, r);
}

/* The block and the direct write in one message. */
static void submit_message(struct rill__stream_out *out)
{
    struct rill__stream_direct *direct = out->direct;
    size_t count = 0, size = direct_left(direct) + chunk_size(out);
    if (chunk_size(out) > 0)
        direct->vector[count++] = (struct iovec){ out->chunk + out->chunk_at, chunk_size(out) };
    for (size_t i = direct->at; i < direct->count; i++)
        direct->vector[count++] = direct->pieces[i];
    direct->message = (struct msghdr){ .msg_iov = direct->vector, .msg_iovlen = count };
    submit_send(out, RILL__OP_SENDMSG_NOW, &direct->message, size);
}

/* The first piece of what is unsent: the block, or a piece of the direct write. */
static void submit_piece(struct rill__stream_out *out, uint8_t kind)
{
    if (chunk_size(out) > 0) {
        submit_send(out, kind, out->chunk + out->chunk_at, chunk_size(out));
    } else {
        const struct iovec *piece = &out->direct->pieces[out->direct->at];
        submit_send(out, kind, piece->iov_base, piece->iov_len);
    }
}

static void send_now(struct rill__stream_out *out)
{
    const struct rill__stream_direct *direct = out->direct;
    if (direct == NULL || (chunk_size(out) == 0 && direct->count - direct->at == 1))
        submit_piece(out, RILL__OP_SEND_NOW);
    else
        submit_message(out);
}

static bool has_unsent(const struct rill__stream_out *out)
{
    return chunk_size(out) > 0 || out->direct != NULL;
}

bool rill__stream_is_sending(const rill_stream *stream)
{
    const struct rill__stream_out *out = stream->out;
    return out != NULL && (out->send.in_flight || (has_unsent(out) && !stream->aborted));
}

/* Whether a new write has to wait for what is before it. */
static bool is_busy(const rill_stream *stream)
{
    return stream->out != NULL && (has_unsent(stream->out) || stream->filing);
}

static void go_on_sending(struct rill__stream_out *out, int result)
{
    bool short_send = (uint32_t)result < out->send.size;
    advance(out, (size_t)result);
    if (out->direct != NULL && out->direct->stop)
        end_direct(out); /* what is left of it is not sent */
    if (!has_unsent(out))
        wake_writer(out);
    else if (short_send || out->send.kind == RILL__OP_SEND)
        submit_piece(out, RILL__OP_SEND); /* the socket is full: by a send that waits */
    else
        rill__loop_prepare(out->stream->loop, &out->stream->prepare);
}

static void on_sent(struct rill__op *op, int result, unsigned flags)
{
    struct rill__stream_out *out = container_of(op, struct rill__stream_out, send);
    rill_stream *stream = out->stream;
    (void)flags;
    if (result == -EAGAIN || result == -EINTR || (result == -ECANCELED && op->stopping))
        result = 0; /* full, or stopped by us or a signal: nothing is lost */
    if (stream->aborted || stream->loop->closing) {
        drop_chunk(out);
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

void rill__stream_prepare_write(rill_stream *stream)
{
    struct rill__stream_out *out = stream->out;
    bool may_send = out != NULL && !stream->aborted && stream->send_error == 0;
    if (may_send && has_unsent(out) && !out->send.in_flight)
        send_now(out);
}

void rill__stream_fini_write(rill_stream *stream)
{
    if (stream->out != NULL)
        drop_chunk(stream->out);
    rill_free(stream->out);
}

/* --- The buffer. --- */

/* 0 if octets may be written. */
static int state_of(const rill_stream *stream)
{
    if (stream->send_error != 0)
        return stream->send_error;
    return stream->closing || stream->eof_written ? -EPIPE : 0;
}

char *rill_stream_room(rill_stream *stream, size_t size)
{
    struct rill__stream_out *out = open_out(stream);
    if (out == NULL || state_of(stream) < 0 || stream->filing || !nobody_waits(out))
        return NULL;
    if (out->chunk == NULL) {
        out->chunk = rill__chunk_take(stream->loop);
        if (out->chunk == NULL)
            return NULL;
    }
    if (size > RILL__CHUNK_SIZE - out->chunk_end)
        return NULL;
    return out->chunk + out->chunk_end;
}

void rill_stream_put(rill_stream *stream, size_t size)
{
    CHECK_SLOW(size <= RILL__CHUNK_SIZE - stream->out->chunk_end);
    stream->out->chunk_end += (uint32_t)size;
    rill__loop_prepare(stream->loop, &stream->prepare);
}

/* --- Waiting for one's turn to write. --- */

static bool cancel_write(struct rill__wait *wait, const char *msg)
{
    struct writer *writer = container_of(wait, struct writer, wait);
    (void)msg;
    if (writer->cancelled)
        return false;
    writer->cancelled = true;
    rill__loop_ready(writer->task->future.loop, &writer->task->ready);
    return true;
}

static void tell_write(const struct rill__wait *wait, struct rill__told *told)
{
    told->what = "stream write";
    told->fd = container_of(wait, struct writer, wait)->fd;
}

/* The next writer may go on once we have put what we have. */
static void pass_on(rill_stream *stream)
{
    if (!is_busy(stream) && stream->out != NULL)
        wake_writer(stream->out);
}

/* Wait in the queue for one's turn, or the end of the stream. 0 or -ECANCELED. The writing half is
 * there, and stays while somebody is pinned. */
static int queue_up(rill_stream *stream, struct rill__task *task)
{
    struct list *writers = &stream->out->writers;
    while (is_busy(stream) || !list_is_empty(writers)) {
        struct writer writer = { .wait = { cancel_write, tell_write },
                                 .task = task,
                                 .fd = stream->fd };
        if (stream->send_error != 0)
            break;
        list_push_back(writers, &writer.link);
        rill__task_park(task, &writer.wait);
        list_remove(&writer.link);
        if (writer.cancelled || task->undelivered > 0)
            return rill__task_deliver(task);
        if (!is_busy(stream) || stream->closing)
            break; /* it is our turn, whoever waits behind us */
    }
    return 0;
}

/* Wait until everything before is sent. 0: it is our turn; -ECANCELED; the send error; -EBADF: the
 * stream was closed. After an error others have their turn, and the stream may be gone. */
static int wait_until_sent(rill_stream *stream, struct rill__task *task)
{
    stream->refs++;
    int r = queue_up(stream, task);
    if (r == 0)
        r = stream->send_error;
    if (r < 0)
        pass_on(stream);
    return rill_first_error(r, rill__stream_unpin(stream));
}

int rill_stream_drain(rill_stream *stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    r = rill_first_error(stream->send_error, stream->recv_error);
    if (r == 0 && stream->closing)
        r = -ECONNRESET;
    if (r < 0 || !is_busy(stream))
        return rill__await_ready(task, r);
    r = wait_until_sent(stream, task);
    if (r == 0)
        pass_on(stream);
    return r;
}

/* --- Direct writes. --- */

struct direct_wait {
    struct rill__wait wait;
    struct rill__stream_out *out;
    struct rill__stream_direct *direct;
    bool cancelled;
};

/* The kernel may have our memory: the send is asked to stop and its final completion awaited. */
static bool cancel_direct(struct rill__wait *record, const char *msg)
{
    struct direct_wait *wait = container_of(record, struct direct_wait, wait);
    (void)msg;
    wait->cancelled = true;
    if (!wait->direct->ended)
        stop_direct(wait->out);
    return false; /* whether this is the delivery, what was sent decides */
}

static void tell_direct(const struct rill__wait *record, struct rill__told *told)
{
    told->what = "stream write";
    told->fd = container_of(record, struct direct_wait, wait)->out->stream->fd;
}

static int write_direct(rill_stream *stream, struct rill__task *task,
                        struct rill__stream_direct *direct)
{
    struct direct_wait wait = { { cancel_direct, tell_direct }, stream->out, direct, false };
    direct->task = task;
    stream->out->direct = direct;
    rill__loop_prepare(stream->loop, &stream->prepare);
    stream->refs++;
    while (!direct->ended)
        rill__task_park(task, &wait.wait);
    int r = stream->send_error;
    pass_on(stream);
    r = rill_first_error(r, rill__stream_unpin(stream));
    if (direct->at == direct->count) {
        task->reached_op |= wait.cancelled; /* the result won */
        return 0;                           /* a pending cancel is delivered by the next await */
    }
    return wait.cancelled ? rill__task_deliver(task) : r;
}

static int write_pieces(rill_stream *stream, struct rill__stream_direct *direct, size_t size,
                        size_t *taken)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    r = state_of(stream);
    if (r < 0)
        return r;
    const struct rill__stream_out *out = open_out(stream);
    if (out == NULL)
        return -ENOMEM;
    bool no_room =
        size <= copy_most && chunk_size(out) > 0 && size > RILL__CHUNK_SIZE - out->chunk_end;
    if (stream->filing || !nobody_waits(out) || no_room) {
        r = wait_until_sent(stream, task);
        if (r < 0)
            return r;
        r = state_of(stream); /* who was before us may have ended the sending */
        if (r < 0 || size == 0)
            pass_on(stream);
        if (r < 0)
            return r;
    }
    char *room = size <= copy_most ? rill_stream_room(stream, size) : NULL;
    if (room != NULL || size == 0) {
        for (size_t i = 0; i < direct->count; i++) {
            memcpy(room + *taken, direct->pieces[i].iov_base, direct->pieces[i].iov_len);
            *taken += direct->pieces[i].iov_len;
        }
        if (size > 0)
            rill_stream_put(stream, size);
        return rill__await_ready(task, 0);
    }
    r = write_direct(stream, task, direct);
    *taken = direct->sent;
    return r;
}

int rill_stream_writev(rill_stream *stream, const struct iovec *pieces, size_t count,
                       size_t *ret_taken)
{
    struct rill__stream_direct direct = { .count = 0 };
    size_t size = 0, taken = 0;
    if (count > RILL__STREAM_PIECES)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len > 0)
            direct.pieces[direct.count++] = pieces[i];
        size += pieces[i].iov_len;
    }
    int r = write_pieces(stream, &direct, size, &taken);
    if (ret_taken != NULL)
        *ret_taken = taken;
    if (r < 0)
        return r;
    return size > INT_MAX ? INT_MAX : (int)size;
}

int rill_stream_write(rill_stream *stream, const void *buf, size_t size, size_t *ret_taken)
{
    struct iovec piece = { (void *)(uintptr_t)buf, size };
    return rill_stream_writev(stream, &piece, 1, ret_taken);
}

uint64_t rill_stream_delivered(const rill_stream *stream)
{
    struct rill__op op = { .kind = RILL__OP_UNACKED, .fd = stream->fd };
    int unacked = rill__io_now(&op);
    if (unacked < 0)
        return stream->sent;
    return stream->sent > (uint64_t)unacked ? stream->sent - (uint64_t)unacked : 0;
}

int rill_stream_write_eof(rill_stream *stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (stream->closing || stream->eof_written)
        return rill__await_ready(task, 0);
    r = rill_stream_drain(stream);
    if (r < 0)
        return r;
    stream->eof_written = true;
    struct rill__op op = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_WR };
    return rill__io_now(&op);
}

/* --- Files. --- */

/* What the block holds goes ahead of a file at once, and tells the kernel that more follows. */
static int send_head(rill_stream *stream, struct rill__task *task)
{
    struct rill__stream_out *out = open_out(stream);
    if (out == NULL)
        return -ENOMEM;
    if (chunk_size(out) > 0 && !out->send.in_flight && !stream->filing && nobody_waits(out)) {
        struct rill__op op = { .kind = RILL__OP_SEND_MORE,
                               .fd = stream->fd,
                               .addr = out->chunk + out->chunk_at,
                               .size = chunk_size(out) };
        int sent = rill__io_now(&op);
        if (sent > 0)
            advance(out, (size_t)sent);
    }
    int r = 0;
    if (is_busy(stream) || !list_is_empty(&out->writers))
        r = wait_until_sent(stream, task);
    return r < 0 ? r : state_of(stream);
}

static int wait_writable(rill_stream *stream)
{
    struct rill__op op = { .kind = RILL__OP_POLL, .fd = stream->fd, .flags = POLLOUT };
    int r = rill__io(&op);
    return r < 0 ? r : 0;
}

static int send_slices(rill_stream *stream, int fd, uint64_t offset, uint64_t size, uint64_t *sent)
{
    uint64_t in_turn = 0;
    int r = 0;
    while (*sent < size && r >= 0) {
        uint64_t left = size - *sent;
        struct rill__op op = { .kind = RILL__OP_SENDFILE,
                               .fd = stream->fd,
                               .flags = (uint32_t)fd,
                               .offset = offset + *sent,
                               .size = (uint32_t)(left < file_slice ? left : file_slice) };
        r = rill__io_now(&op);
        if (r == 0)
            return -ENODATA;
        if (r > 0) {
            *sent += (uint64_t)r;
            stream->sent += (uint64_t)r;
            in_turn += (uint64_t)r;
        }
        /* Less than asked means that the socket is full, or the file has ended: the next call tells. */
        bool full = r == -EAGAIN || (r > 0 && (uint32_t)r < op.size);
        if (full && *sent < size) {
            r = wait_writable(stream);
            in_turn = 0;
        } else if (in_turn >= file_turn) {
            r = rill_sleep(0); /* others want to be served too */
            in_turn = 0;
        }
        if (stream->closing)
            break;
    }
    return r < 0 ? r : 0;
}

int rill_stream_sendfile(rill_stream *stream, int fd, uint64_t offset, uint64_t size,
                         uint64_t *ret_sent)
{
    uint64_t sent = 0;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r == 0)
        r = send_head(stream, task);
    if (r == 0) {
        stream->filing = true; /* writes of others queue up behind it */
        stream->refs++;
        r = send_slices(stream, fd, offset, size, &sent);
        stream->filing = false;
        pass_on(stream);
        rill__stream_settle(stream);
        r = rill_first_error(r, rill__stream_unpin(stream));
    }
    if (ret_sent != NULL)
        *ret_sent = sent;
    return r;
}
