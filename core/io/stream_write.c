/* stream_write.c - the writing half of a stream: gather, send, back-pressure.
 *
 * Small writes are copied into one block and leave with the turn, in one send. A large write is sent
 * from its caller's memory, behind what the block holds, in one message; the writer is parked
 * until the kernel has taken it all, so nothing is copied and nothing outlives its owner.
 *
 * I1 At most one send is in flight: a second one could overtake the rest of a short first one.
 * I2 The first try never waits and posts nothing if it was whole; only a socket that is full
 *    gets a waiting send for the rest.
 * I3 A direct write begins with an empty block or carries the block in front: order is kept. */
#include "core/io/stream.h"

#include "core/loop/chunk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

enum { copy_most = 4 << 10, file_slice = 2 << 20, file_turn = 8 << 20 };

struct writer {
    struct rill__wait wait;
    struct list link;
    struct rill__task *task;
    bool woken, cancelled;
};

static uint32_t chunk_size(const rill_stream *stream)
{
    return stream->chunk_end - stream->chunk_at;
}

static void drop_chunk(rill_stream *stream)
{
    if (stream->chunk != NULL)
        rill__chunk_give(stream->loop, stream->chunk);
    stream->chunk = NULL;
    stream->chunk_at = stream->chunk_end = 0;
}

static void wake_writer(rill_stream *stream)
{
    if (list_is_empty(&stream->writers))
        return;
    struct writer *writer = container_of(stream->writers.next, struct writer, link);
    writer->woken = true;
    rill__loop_ready(stream->loop, &writer->task->ready);
}

static void wake_all_writers(rill_stream *stream)
{
    list_for_each(node, &stream->writers)
        rill__loop_ready(stream->loop, &container_of(node, struct writer, link)->task->ready);
}

static void end_direct(rill_stream *stream)
{
    struct rill__stream_direct *direct = stream->direct;
    if (direct == NULL)
        return;
    stream->direct = NULL;
    direct->ended = true;
    rill__loop_ready(stream->loop, &direct->task->ready);
}

void rill__stream_fail_write(rill_stream *stream, int error)
{
    stream->send_error = error;
    drop_chunk(stream);
    end_direct(stream);
    wake_all_writers(stream);
}

void rill__stream_end_writers(rill_stream *stream)
{
    struct rill__op wake_poll = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_RDWR };
    if (!stream->send.in_flight)
        end_direct(stream); /* else its memory is the kernel's until the send has ended */
    wake_all_writers(stream);
    if (stream->filing)
        (void)stream->loop->backend->ops->call(stream->loop->backend, &wake_poll);
}

/* --- Sending. --- */

static void on_sent(struct rill__op *op, int result, unsigned flags);

static size_t direct_left(const struct rill__stream_direct *direct)
{
    size_t left = 0;
    for (size_t i = direct->at; i < direct->count; i++)
        left += direct->pieces[i].iov_len;
    return left;
}

/* Take `sent` octets off the block and then off the direct write. */
static void advance(rill_stream *stream, size_t sent)
{
    struct rill__stream_direct *direct = stream->direct;
    stream->sent += sent;
    size_t of_chunk = sent < chunk_size(stream) ? sent : chunk_size(stream);
    stream->chunk_at += (uint32_t)of_chunk;
    sent -= of_chunk;
    if (chunk_size(stream) == 0)
        drop_chunk(stream);
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
        end_direct(stream);
    }
}

static bool nobody_waits(const rill_stream *stream)
{
    return stream->direct == NULL && list_is_empty(&stream->writers);
}

static void submit_send(rill_stream *stream, uint8_t kind, void *addr, size_t size)
{
    enum { most = 1 << 30 };

    stream->send.kind = kind;
    stream->send.fd = stream->fd;
    stream->send.addr = addr;
    stream->send.size = (uint32_t)(size < most ? size : most);
    stream->send.flags = kind != RILL__OP_SEND && nobody_waits(stream) ? RILL__OP_SILENT : 0;
    stream->send.done = on_sent;
    int r = stream->loop->backend->ops->submit(stream->loop->backend, &stream->send);
    if (r < 0)
        rill__stream_fail_write(stream, r);
}

/* The block and the direct write in one message. */
static void submit_message(rill_stream *stream)
{
    struct rill__stream_direct *direct = stream->direct;
    size_t count = 0, size = direct_left(direct) + chunk_size(stream);
    if (chunk_size(stream) > 0)
        direct->vector[count++] =
            (struct iovec){ stream->chunk + stream->chunk_at, chunk_size(stream) };
    for (size_t i = direct->at; i < direct->count; i++)
        direct->vector[count++] = direct->pieces[i];
    direct->message = (struct msghdr){ .msg_iov = direct->vector, .msg_iovlen = count };
    submit_send(stream, RILL__OP_SENDMSG_NOW, &direct->message, size);
}

static void send_now(rill_stream *stream)
{
    struct rill__stream_direct *direct = stream->direct;
    if (direct == NULL)
        submit_send(stream, RILL__OP_SEND_NOW, stream->chunk + stream->chunk_at,
                    chunk_size(stream));
    else if (chunk_size(stream) == 0 && direct->count - direct->at == 1)
        submit_send(stream, RILL__OP_SEND_NOW, direct->pieces[direct->at].iov_base,
                    direct->pieces[direct->at].iov_len);
    else
        submit_message(stream);
}

/* The socket is full: the next piece by a send that waits. */
static void send_waiting(rill_stream *stream)
{
    if (chunk_size(stream) > 0)
        submit_send(stream, RILL__OP_SEND, stream->chunk + stream->chunk_at, chunk_size(stream));
    else
        submit_send(stream, RILL__OP_SEND, stream->direct->pieces[stream->direct->at].iov_base,
                    stream->direct->pieces[stream->direct->at].iov_len);
}

static bool has_unsent(const rill_stream *stream)
{
    return chunk_size(stream) > 0 || stream->direct != NULL;
}

/* Whether a new write has to wait for what is before it. */
static bool is_busy(const rill_stream *stream)
{
    return has_unsent(stream) || stream->filing;
}

static void on_sent(struct rill__op *op, int result, unsigned flags)
{
    rill_stream *stream = container_of(op, rill_stream, send);
    (void)flags;
    if (result == -EAGAIN || (result == -ECANCELED && op->stopping && !stream->loop->closing))
        result = 0; /* full, or stopped by cancel_direct: nothing is lost */
    if (stream->closing) {
        end_direct(stream);
        rill__stream_op_ended(stream);
        return;
    }
    if (result < 0) {
        rill__stream_fail_write(stream, result == -ECANCELED ? -EIO : result);
        return;
    }
    bool short_send = (uint32_t)result < op->size;
    advance(stream, (size_t)result);
    if (stream->direct != NULL && stream->direct->stop)
        end_direct(stream); /* its task was cancelled; what is left of it is not sent */
    if (!has_unsent(stream))
        wake_writer(stream);
    else if (short_send || op->kind == RILL__OP_SEND)
        send_waiting(stream);
    else
        rill__loop_prepare(stream->loop, &stream->prepare);
}

void rill__stream_flush_once(rill_stream *stream)
{
    if (has_unsent(stream) && !stream->send.in_flight && stream->send_error == 0)
        send_now(stream);
}

void rill__stream_prepare_write(rill_stream *stream)
{
    if (!stream->closing)
        rill__stream_flush_once(stream);
}

void rill__stream_init_write(rill_stream *stream)
{
    list_init(&stream->writers);
}

void rill__stream_fini_write(rill_stream *stream)
{
    drop_chunk(stream);
}

/* --- The buffer. --- */

char *rill_stream_room(rill_stream *stream, size_t size)
{
    if (stream->send_error != 0 || stream->filing || !nobody_waits(stream))
        return NULL;
    if (stream->chunk == NULL) {
        stream->chunk = rill__chunk_take(stream->loop);
        if (stream->chunk == NULL)
            return NULL;
    }
    if (size > RILL__CHUNK_SIZE - stream->chunk_end)
        return NULL;
    return stream->chunk + stream->chunk_end;
}

void rill_stream_put(rill_stream *stream, size_t size)
{
    CHECK_SLOW(size <= RILL__CHUNK_SIZE - stream->chunk_end);
    stream->chunk_end += (uint32_t)size;
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

/* The next writer may go on once we have put what we have. */
static void pass_on(rill_stream *stream)
{
    if (!is_busy(stream))
        wake_writer(stream);
}

/* Wait in the queue for one's turn, or the end of the stream. 0 or -ECANCELED. */
static int queue_up(rill_stream *stream, struct rill__task *task)
{
    while (is_busy(stream) || !list_is_empty(&stream->writers)) {
        struct writer writer = { .wait = { cancel_write }, .task = task };
        if (stream->send_error != 0)
            break;
        list_push_back(&stream->writers, &writer.link);
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
    stream->pins++;
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
    if (!is_busy(stream))
        return rill__await_ready(task, stream->send_error);
    r = wait_until_sent(stream, task);
    if (r == 0)
        pass_on(stream);
    return r;
}

/* --- Direct writes. --- */

struct direct_wait {
    struct rill__wait wait;
    rill_stream *stream;
    struct rill__stream_direct *direct;
};

/* The kernel may have our memory: the send is asked to stop and its final completion awaited. */
static bool cancel_direct(struct rill__wait *record, const char *msg)
{
    struct direct_wait *wait = container_of(record, struct direct_wait, wait);
    rill_stream *stream = wait->stream;
    (void)msg;
    wait->direct->stop = true;
    if (wait->direct->ended)
        return false;
    if (stream->send.in_flight)
        stream->loop->backend->ops->cancel(stream->loop->backend, &stream->send);
    else
        end_direct(stream);
    return false; /* whether this is the delivery, what was sent decides */
}

static int write_direct(rill_stream *stream, struct rill__task *task,
                        struct rill__stream_direct *direct)
{
    struct direct_wait wait = { { cancel_direct }, stream, direct };
    direct->task = task;
    stream->direct = direct;
    rill__loop_prepare(stream->loop, &stream->prepare);
    stream->pins++;
    while (!direct->ended)
        rill__task_park(task, &wait.wait);
    int r = stream->send_error;
    pass_on(stream);
    r = rill_first_error(r, rill__stream_unpin(stream));
    if (direct->at == direct->count) {
        task->reached_op |= direct->stop; /* the result won */
        return 0;                         /* a pending cancel is delivered by the next await */
    }
    return direct->stop ? rill__task_deliver(task) : r;
}

static int write_pieces(rill_stream *stream, struct rill__stream_direct *direct, size_t size,
                        size_t *taken)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (stream->send_error != 0)
        return stream->send_error;
    if (stream->filing || !nobody_waits(stream) ||
        (size <= copy_most && chunk_size(stream) > 0 &&
         size > RILL__CHUNK_SIZE - stream->chunk_end)) {
        r = wait_until_sent(stream, task);
        if (r < 0)
            return r;
        if (size == 0)
            pass_on(stream);
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
    int r = rill_stream_drain(stream);
    if (r < 0)
        return r;
    struct rill__op op = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_WR };
    return rill__io_now(&op);
}

/* --- Files. --- */

/* What the block holds goes ahead of a file at once, and tells the kernel that more follows. */
static int send_head(rill_stream *stream, struct rill__task *task)
{
    if (chunk_size(stream) > 0 && !stream->send.in_flight && !stream->filing &&
        nobody_waits(stream)) {
        struct rill__op op = { .kind = RILL__OP_SEND_MORE,
                               .fd = stream->fd,
                               .addr = stream->chunk + stream->chunk_at,
                               .size = chunk_size(stream) };
        int sent = rill__io_now(&op);
        if (sent > 0)
            advance(stream, (size_t)sent);
    }
    if (is_busy(stream) || !list_is_empty(&stream->writers))
        return wait_until_sent(stream, task);
    return stream->send_error;
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
        stream->pins++;
        r = send_slices(stream, fd, offset, size, &sent);
        stream->filing = false;
        pass_on(stream);
        r = rill_first_error(r, rill__stream_unpin(stream));
    }
    if (ret_sent != NULL)
        *ret_sent = sent;
    return r;
}
