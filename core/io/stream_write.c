/* stream_write.c - writing to a stream: the buffer, its marks, and turns of those who wait.
 *
 * Small writes are copied into the buffer, which is one block unless marks were set. A large write is
 * sent from where it lies, and its task waits until the kernel has taken it all. So is one that finds no
 * memory for the block. Who finds others waiting, or no room, joins the queue: first come, first served.
 * What is buffered and how it leaves is stream_send.c. */
#include "core/io/stream_out.h"
#include "core/loop/chunk.h"

#include <rill/mem.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { copy_most = 4 << 10 };

/* --- The buffer. --- */

int rill__stream_may_write(const rill_stream *stream)
{
    if (__builtin_expect(stream->send_error != 0, 0))
        return stream->send_error;
    return stream->closing || stream->eof_written ? -EPIPE : 0;
}

int rill__out_begin(rill_stream *stream, struct rill__stream_out **ret_out)
{
    int r = rill__stream_may_write(stream);
    if (r < 0)
        return r;
    *ret_out = rill__out_open(stream);
    return *ret_out == NULL ? -ENOMEM : 0;
}

/* Whether nobody is before a write that comes now. */
static bool is_free(const struct rill__stream_out *out)
{
    return !out->stream->filing && rill__out_nobody_waits(out);
}

/* What may be buffered before a write has to wait. */
static size_t high_mark(const struct rill__stream_out *out)
{
    return out->limited ? out->high : RILL__CHUNK_SIZE;
}

/* Room for `size` octets behind what the block holds; NULL: there is none. */
static char *room_in_block(struct rill__stream_out *out, size_t size)
{
    if (out->chunk == NULL) {
        out->chunk = rill__chunk_take(out->stream->loop);
        if (out->chunk == NULL)
            return NULL;
        out->chunk_room = RILL__CHUNK_SIZE;
    }
    return out->more == NULL && size <= out->chunk_room - out->chunk_end
               ? out->chunk + out->chunk_end
               : NULL;
}

char *rill_stream_room(rill_stream *stream, size_t size)
{
    struct rill__stream_out *out = rill__out_open(stream);
    if (out == NULL || rill__stream_may_write(stream) < 0 || !is_free(out) ||
        rill__out_buffered(out) + size > high_mark(out))
        return NULL;
    return room_in_block(out, size);
}

void rill_stream_put(rill_stream *stream, size_t size)
{
    struct rill__stream_out *out = stream->out;
    CHECK_SLOW(size <= out->chunk_room - out->chunk_end);
    out->chunk_end += size;
    if (out->limited)
        out->over = rill__out_buffered(out) > out->high;
    rill__loop_prepare(stream->loop, &stream->prepare);
}

static int make_room_behind(struct rill__stream_out *out, size_t size)
{
    size_t room = out->more_room > 0 ? out->more_room : 2 * (size_t)RILL__CHUNK_SIZE;
    if (size <= out->more_room - out->more_size)
        return 0;
    while (room - out->more_size < size)
        room *= 2;
    char *more = rill_resize(out->more, room);
    if (more == NULL)
        return -ENOMEM;
    out->more = more;
    out->more_room = room;
    return 0;
}

/* Copy the pieces, `size` octets in all, into the buffer, whatever its marks are. 0 or -ENOMEM. */
static int append(struct rill__stream_out *out, const struct iovec *pieces, size_t count,
                  size_t size)
{
    char *room = room_in_block(out, size);
    size_t *end = &out->chunk_end;
    if (room == NULL && out->chunk == NULL)
        return -ENOMEM;
    if (room == NULL) { /* the block is the kernel's and cannot grow */
        int r = make_room_behind(out, size);
        if (r < 0)
            return r;
        room = out->more + out->more_size;
        end = &out->more_size;
    }
    for (size_t i = 0; i < count; room += pieces[i++].iov_len)
        if (pieces[i].iov_len > 0)
            memcpy(room, pieces[i].iov_base, pieces[i].iov_len);
    *end += size;
    if (out->chunk_at == out->chunk_end) /* a block that is empty is not with the kernel */
        rill__out_next_chunk(out);
    out->over = rill__out_buffered(out) > out->high;
    rill__loop_prepare(out->stream->loop, &out->stream->prepare);
    return 0;
}

int rill_stream_set_limits(rill_stream *stream, size_t high, size_t low)
{
    if (low > high)
        return -EINVAL;
    struct rill__stream_out *out = rill__out_open(stream);
    if (out == NULL)
        return -ENOMEM;
    out->limited = true;
    out->high = high;
    out->low = low;
    out->over = rill__out_buffered(out) > high;
    rill__out_wake_writer(out);
    return 0;
}

int rill_stream_try_write(rill_stream *stream, const void *buf, size_t size)
{
    struct iovec piece = { (void *)(uintptr_t)buf, size };
    struct rill__stream_out *out;
    int r = rill__out_begin(stream, &out);
    if (r < 0)
        return r;
    if (!is_free(out) || rill__out_buffered(out) > high_mark(out))
        return -EAGAIN;
    if (size > INT_MAX)
        return -EMSGSIZE;
    r = size > 0 ? append(out, &piece, 1, size) : 0;
    return r < 0 ? r : (int)size;
}

/* --- Turns. --- */

struct writer {
    struct rill__plain_wait plain;
    struct rill__callback turn;
    int fd;
};

static const rill_table_wait tells_write = { .what = "stream write",
                                             .fd = RILL__AT(struct writer, fd) };

/* Whether what comes next has to wait for what is before it. */
static bool is_busy(const struct rill__stream_out *out, size_t most)
{
    return out->direct != NULL || out->stream->filing || rill__out_buffered(out) > most ||
           rill__stream_filter_wants(out->stream);
}

void rill__stream_pass_on(rill_stream *stream)
{
    if (stream->out != NULL && !is_busy(stream->out, stream->out->low))
        rill__out_wake_writer(stream->out);
}

static int queue_up(struct rill__stream_out *out, struct rill__task *task, size_t most)
{
    struct writer writer = { .plain = rill__plain_wait(task, &tells_write),
                             .turn = { .ready = &task->ready },
                             .fd = out->stream->fd };
    int r;
    list_push_back(&out->writers, &writer.turn.link);
    do
        r = rill__plain_park(&writer.plain);
    while (r == 0 && out->stream->send_error == 0 && !out->stream->closing &&
           (out->writers.next != &writer.turn.link || is_busy(out, most)));
    list_remove(&writer.turn.link);
    return r;
}

int rill__stream_wait_turn(rill_stream *stream, struct rill__task *task, size_t most)
{
    struct rill__stream_out *out = stream->out; /* it stays while somebody waits */
    int r = 0;
    stream->refs++;
    if (is_busy(out, most) || !list_is_empty(&out->writers))
        r = queue_up(out, task, most);
    if (r == 0)
        r = stream->send_error;
    if (r < 0)
        rill__stream_pass_on(stream);
    return rill_first_error(r, rill__stream_unpin(stream));
}

int rill_stream_drain(rill_stream *stream)
{
    struct rill__task *task;
    const struct rill__stream_out *out = stream->out;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    r = rill_first_error(stream->send_error, stream->recv_error);
    if (r == 0 && stream->closing)
        r = -ECONNRESET;
    if (r < 0 || out == NULL || (out->limited && !out->over) || (is_free(out) && !is_busy(out, 0)))
        return rill__await_ready(task, r);
    r = rill__stream_wait_turn(stream, task, out->low);
    if (r == 0)
        rill__stream_pass_on(stream);
    return r;
}

int rill_stream_write_eof(rill_stream *stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (stream->closing || stream->eof_written)
        return rill__await_ready(task, 0);
    r = rill_first_error(stream->send_error, stream->recv_error);
    if (r == 0 && stream->out != NULL)
        r = rill__stream_wait_turn(stream, task, 0);
    if (r < 0)
        return r;
    if (stream->pipe) { /* its end is that of the descriptor */
        rill_stream_close(stream);
        return rill__await_ready(task, 0);
    }
    stream->eof_written = true;
    rill__stream_pass_on(stream);
    if (stream->filter != NULL) { /* it tells the other side at the end of the turn */
        rill__loop_prepare(stream->loop, &stream->prepare);
        return rill__await_ready(task, 0);
    }
    struct rill__op op = { .kind = RILL__OP_SHUTDOWN, .fd = stream->fd, .flags = SHUT_WR };
    return rill__await_ready(task, rill__io_now(&op));
}

/* --- Writes. --- */

struct direct_wait {
    struct rill__wait wait;
    struct rill__stream_out *out;
    struct rill__stream_direct *direct;
    int fd;
    bool cancelled;
};

/* The kernel may have our memory: the send is asked to stop and its final completion awaited. */
static bool cancel_direct(struct rill__wait *record, const char *msg)
{
    struct direct_wait *wait = container_of(record, struct direct_wait, wait);
    (void)msg;
    wait->cancelled = true;
    if (!wait->direct->ended)
        rill__out_stop_direct(wait->out);
    return false; /* whether this is the delivery, what was sent decides */
}

static const rill_table_wait tells_direct = { .what = "stream write",
                                              .fd = RILL__AT(struct direct_wait, fd) };

static int write_direct(rill_stream *stream, struct rill__task *task,
                        struct rill__stream_direct *direct)
{
    struct direct_wait wait = {
        { cancel_direct, &tells_direct }, stream->out, direct, stream->fd, false
    };
    direct->task = task;
    stream->out->direct = direct;
    rill__loop_prepare(stream->loop, &stream->prepare);
    stream->refs++;
    while (!direct->ended)
        rill__task_park(task, &wait.wait);
    int r = stream->send_error;
    rill__stream_pass_on(stream);
    r = rill_first_error(r, rill__stream_unpin(stream));
    if (direct->at == direct->count) {
        task->reached_op |= wait.cancelled; /* the result won */
        return 0;                           /* a pending cancel is delivered by the next await */
    }
    return wait.cancelled ? rill__task_deliver(task) : r;
}

int rill__stream_write_ahead(rill_stream *stream, const void *buf, size_t size, size_t *ret_taken)
{
    struct rill__stream_direct direct;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r == 0)
        r = rill__stream_may_write(stream);
    if (r < 0)
        return r;
    direct.pieces[0] = (struct iovec){ (void *)(uintptr_t)buf, size };
    direct.count = 1;
    direct.at = direct.sent = 0;
    direct.ended = direct.stop = false;
    r = write_direct(stream, task, &direct);
    *ret_taken = direct.sent;
    return r;
}

/* The most that a single write may add to the buffer: what is larger is sent from where it lies. */
static size_t buffered_most(const struct rill__stream_out *out)
{
    return out->limited ? out->high : copy_most;
}

static bool fits(const struct rill__stream_out *out, size_t size)
{
    return size <= buffered_most(out) && rill__out_buffered(out) + size <= high_mark(out) &&
           (out->limited || out->chunk == NULL || size <= out->chunk_room - out->chunk_end);
}

static int write_pieces(rill_stream *stream, struct rill__stream_direct *direct, size_t size,
                        size_t *taken)
{
    struct rill__stream_out *out;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r == 0)
        r = rill__out_begin(stream, &out);
    if (r < 0)
        return r;
    if (!is_free(out) || (size <= buffered_most(out) && !fits(out, size))) {
        r = rill__stream_wait_turn(stream, task, out->low);
        if (r < 0)
            return r;
        r = rill__stream_may_write(stream); /* who was before us may have ended the sending */
        if (r < 0 || size == 0) {
            rill__stream_pass_on(stream);
            return r;
        }
    }
    if (size == 0 || (fits(out, size) && append(out, direct->pieces, direct->count, size) == 0)) {
        *taken = size;
        rill__stream_pass_on(stream);
        return rill__await_ready(task, 0);
    }
    r = write_direct(stream, task, direct);
    *taken = direct->sent;
    return r;
}

int rill_stream_writev(rill_stream *stream, const struct iovec *pieces, size_t count,
                       size_t *ret_taken)
{
    struct rill__stream_direct direct; /* large: not cleared as a whole */
    size_t size = 0, taken = 0;
    if (count > RILL__STREAM_PIECES)
        return -EINVAL;
    direct.count = direct.at = direct.sent = 0;
    direct.ended = direct.stop = false;
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

/* A small write that finds room: nothing but a copy. */
static bool write_small(rill_stream *stream, const void *buf, size_t size)
{
    struct rill__stream_out *out = stream->out;
    if (out == NULL || size == 0 || rill__stream_may_write(stream) < 0 || !is_free(out) ||
        !fits(out, size))
        return false;
    char *room = room_in_block(out, size);
    if (room == NULL)
        return false;
    memcpy(room, buf, size);
    rill_stream_put(stream, size);
    return true;
}

int rill_stream_write(rill_stream *stream, const void *buf, size_t size, size_t *ret_taken)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    bool done = r == 0 && write_small(stream, buf, size);
    if (ret_taken != NULL)
        *ret_taken = done ? size : 0;
    if (done)
        return rill__await_ready(task, (int)size);
    if (r < 0)
        return r;
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
