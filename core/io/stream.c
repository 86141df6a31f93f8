/* stream.c - a stream's life, and its reading half.
 *
 * READING. One multishot receive stays armed while the stream wants octets. Its completions bring
 * receive buffers of the ring. The first one is shown in place; if the reader has consumed it by the
 * end of the turn, nothing was ever copied. Otherwise (a message came in pieces, or the reader is
 * busy) the rest moves to memory of the stream's own, so that ring buffers are never held over a
 * wait. Above the limit receiving is stopped, and goes on when half of that was consumed.
 *
 * THE END. A stream is open, closing, closed. Closing begins when its owner says so: whoever waits is
 * told, what was written goes out, then the receive is cancelled, and the descriptor closed once the
 * kernel has let go of every op: closing alone would not end them. The memory goes with the last
 * reference; each waiting task holds one, and so the stream outlives the wake-up. */
#include "core/io/stream.h"

#include "core/io/park.h"

#include <rill/mem.h>
#include <rill/net.h>

#include <errno.h>
#include <string.h>

enum { default_limit = 64 << 10, receive_size = 2048 };

struct rill__stream_reader {
    struct rill__wait wait;
    struct rill__task *task;
    size_t least;
    int fd;
    bool woken, cancelled;
};

static const struct rill__backend_ops *ops_of(const rill_stream *stream)
{
    return stream->loop->backend->ops;
}

static void give_buffer_back(rill_stream *stream, uint16_t buffer)
{
    ops_of(stream)->give_back(stream->loop->backend, buffer);
}

/* --- Receiving. --- */

static void wake_reader(rill_stream *stream)
{
    struct rill__stream_reader *reader = stream->reader;
    bool enough = stream->ended || stream->recv_error != 0;
    if (reader == NULL) {
        if (stream->parked && (enough || stream->size > 0))
            rill__loop_ready(stream->loop, &stream->ready);
        return;
    }
    if (!enough && stream->size < reader->least)
        return;
    reader->woken = true;
    rill__loop_ready(stream->loop, &reader->task->ready);
}

/* Move what is there to memory of our own that has room for `more`. */
static int own_memory(rill_stream *stream, size_t more)
{
    size_t need = stream->size + more;
    if (stream->memory != NULL && need <= stream->room) {
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
    rill_free(stream->memory);
    if (stream->borrowed)
        give_buffer_back(stream, stream->buffer);
    stream->borrowed = false;
    stream->memory = stream->at = memory;
    stream->room = room;
    return 0;
}

static int append(rill_stream *stream, const char *octets, size_t size)
{
    bool fits =
        stream->memory != NULL && stream->at + stream->size + size <= stream->memory + stream->room;
    int r = fits ? 0 : own_memory(stream, size);
    if (r < 0)
        return r;
    memcpy(stream->at + stream->size, octets, size);
    stream->size += size;
    return 0;
}

static void pause_above_limit(rill_stream *stream)
{
    if (stream->size < stream->limit)
        return;
    stream->paused = true;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
}

/* Receive again once the reader has caught up, or waits for more than there is. */
static void go_on_below_limit(rill_stream *stream)
{
    const struct rill__stream_reader *reader = stream->reader;
    bool wanted =
        stream->size <= stream->limit / 2 || (reader != NULL && stream->size < reader->least);
    if (!stream->paused || !wanted || stream->recv.in_flight || stream->closing ||
        rill_stream_peer_ended(stream))
        return;
    stream->paused = false;
    stream->rearm = true;
    rill__loop_prepare(stream->loop, &stream->prepare);
}

static void take_octets(rill_stream *stream, const struct rill__op *op, size_t size)
{
    if (stream->size == 0 && stream->memory == NULL && !stream->closing) {
        stream->at = op->addr;
        stream->size = size;
        stream->buffer = op->buffer;
        stream->borrowed = true;
        rill__loop_prepare(stream->loop, &stream->prepare);
        return;
    }
    if (!stream->closing && stream->recv_error == 0)
        stream->recv_error = append(stream, op->addr, size);
    give_buffer_back(stream, op->buffer);
}

static void peer_ended(rill_stream *stream)
{
    if (!stream->parked && stream->peer_end.fn != NULL)
        rill__loop_ready(stream->loop, &stream->ready);
}

/* What the last completion of a receive says about the connection. */
static void note_end(rill_stream *stream, int result)
{
    if (result == 0)
        stream->ended = true;
    else if (result < 0 && result != -ECANCELED)
        stream->recv_error = result;
    else if (result == -ECANCELED && !stream->recv.stopping)
        stream->recv_error = -EIO;
    else if (result == -ECANCELED && !stream->paused)
        stream->recv_error = -ESHUTDOWN; /* the loop ends: nobody may begin anew */
}

static void recv_ended(rill_stream *stream)
{
    stream->rearm = !stream->ended && stream->recv_error == 0 && !stream->paused;
    if (stream->rearm)
        rill__loop_prepare(stream->loop, &stream->prepare);
    go_on_below_limit(stream);
    if (rill_stream_peer_ended(stream))
        peer_ended(stream);
    if (stream->recv_error != 0)
        rill__stream_wake_closers(stream);
}

static void on_recv(struct rill__op *op, int result, unsigned flags)
{
    rill_stream *stream = container_of(op, rill_stream, recv);
    if (result > 0 && (flags & RILL__OP_BUFFER)) {
        take_octets(stream, op, (size_t)result);
        pause_above_limit(stream);
    } else if (flags & RILL__OP_BUFFER) {
        give_buffer_back(stream, op->buffer);
    }
    if (stream->closing) {
        if (!(flags & RILL__OP_MORE))
            rill__stream_settle(stream);
        return;
    }
    note_end(stream, result);
    if (!(flags & RILL__OP_MORE))
        recv_ended(stream);
    wake_reader(stream);
}

int rill__stream_arm(rill_stream *stream)
{
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
    if (r < 0) {
        stream->recv_error = r;
        wake_reader(stream);
    }
}

void rill__stream_fini_read(rill_stream *stream)
{
    if (stream->borrowed)
        give_buffer_back(stream, stream->buffer);
    rill_free(stream->memory);
}

/* --- Reading. --- */

static bool cancel_read(struct rill__wait *wait, const char *msg)
{
    struct rill__stream_reader *reader = container_of(wait, struct rill__stream_reader, wait);
    (void)msg;
    if (reader->woken || reader->cancelled)
        return false;
    reader->cancelled = true;
    rill__loop_ready(reader->task->future.loop, &reader->task->ready);
    return true;
}

static void tell_read(const struct rill__wait *wait, struct rill__told *told)
{
    told->what = "stream read";
    told->fd = container_of(wait, struct rill__stream_reader, wait)->fd;
}

static int wait_for_octets(rill_stream *stream, struct rill__task *task, size_t least)
{
    struct rill__stream_reader reader = {
        .wait = { cancel_read, tell_read }, .task = task, .least = least, .fd = stream->fd
    };
    if (stream->reader != NULL || stream->parked)
        return -EBUSY;
    stream->reader = &reader;
    stream->refs++;
    go_on_below_limit(stream);
    rill__task_park(task, &reader.wait);
    stream->reader = NULL;
    int r = rill__stream_unpin(stream);
    /* I4 of cancel.c: the octets stay in the stream, so a cancel wins. */
    return reader.cancelled || task->undelivered > 0 ? rill__task_deliver(task) : r;
}

int rill_stream_peek(rill_stream *stream, size_t least, rill_span *ret_octets)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (least > stream->limit)
        return -EINVAL;
    bool waited = false;
    while (stream->size < least && !rill_stream_peer_ended(stream)) {
        r = wait_for_octets(stream, task, least);
        if (r < 0)
            return r;
        waited = true;
    }
    r = stream->size >= least ? 1 : stream->recv_error;
    if (!waited)
        r = rill__await_ready(task, r);
    *ret_octets = (rill_span){ stream->at, stream->size }; /* they move when a turn ends */
    return r;
}

void rill_stream_consume(rill_stream *stream, size_t size)
{
    CHECK(size <= stream->size);
    stream->at += size;
    stream->size -= size;
    if (stream->size == 0) {
        if (stream->borrowed)
            give_buffer_back(stream, stream->buffer);
        rill_free(stream->memory);
        stream->borrowed = false;
        stream->memory = NULL;
        stream->room = 0;
    }
    go_on_below_limit(stream);
}

int rill_stream_read(rill_stream *stream, void *buf, size_t size)
{
    rill_span octets;
    int r = rill_stream_peek(stream, size > 0, &octets);
    if (r <= 0)
        return r;
    size_t take = octets.size < size ? octets.size : size;
    memcpy(buf, octets.at, take);
    rill_stream_consume(stream, take);
    return (int)take;
}

int rill_stream_read_exactly(rill_stream *stream, void *buf, size_t size, size_t *ret_got)
{
    size_t got = 0;
    int r = 1;
    while (got < size && r > 0) {
        r = rill_stream_read(stream, (char *)buf + got, size - got);
        got += r > 0 ? (size_t)r : 0;
    }
    if (ret_got != NULL)
        *ret_got = got;
    if (r < 0)
        return r;
    return got == size ? 0 : -ENODATA;
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

int rill_stream_new(int fd, const rill_stream_opts *opts, rill_stream **ret_stream)
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

static void free_stream(rill_stream *stream)
{
    list_remove(&stream->prepare.link);
    rill__loop_unready(&stream->ready);
    rill__stream_fini_read(stream);
    rill__stream_fini_write(stream);
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
    while (stream->closers != NULL) {
        struct rill__stream_closer *closer = stream->closers;
        stream->closers = closer->next;
        rill__loop_ready(stream->loop, closer->ready);
    }
}

void rill__stream_settle(rill_stream *stream)
{
    if (!stream->closing || stream->closed || stream->filing || rill__stream_is_sending(stream))
        return;
    ops_of(stream)->cancel(stream->loop->backend, &stream->recv);
    if (stream->recv.in_flight)
        return;
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = stream->fd };
    (void)ops_of(stream)->call(stream->loop->backend, &op);
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
    if (stream->reader != NULL)
        rill__loop_ready(stream->loop, &stream->reader->task->ready);
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
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    if (stream == NULL || stream->aborted || stream->closed)
        return;
    struct rill__op op = { .kind = RILL__OP_SETSOCKOPT,
                           .fd = stream->fd,
                           .flags = SOL_SOCKET,
                           .offset = SO_LINGER,
                           .addr = &reset,
                           .size = sizeof reset };
    (void)ops_of(stream)->call(stream->loop->backend, &op);
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

struct close_wait {
    struct rill__wait wait;
    struct rill__stream_closer closer;
    struct rill__task *task;
    bool cancelled;
};

static bool cancel_close_wait(struct rill__wait *record, const char *msg)
{
    struct close_wait *wait = container_of(record, struct close_wait, wait);
    (void)msg;
    if (wait->cancelled)
        return false;
    wait->cancelled = true;
    rill__loop_ready(wait->task->future.loop, &wait->task->ready);
    return true;
}

static void tell_close(const struct rill__wait *wait, struct rill__told *told)
{
    (void)wait;
    told->what = "the end of a stream";
}

int rill_stream_wait_closed(rill_stream *stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (is_over(stream))
        return rill__await_ready(task, lost_by(stream));
    struct close_wait wait = { .wait = { cancel_close_wait, tell_close }, .task = task };
    wait.closer.ready = &task->ready;
    stream->refs++;
    while (r == 0 && !is_over(stream)) {
        rill__stream_remove_closer(stream, &wait.closer);
        rill__stream_add_closer(stream, &wait.closer);
        rill__task_park(task, &wait.wait);
        if (wait.cancelled || task->undelivered > 0)
            r = rill__task_deliver(task);
    }
    rill__stream_remove_closer(stream, &wait.closer);
    if (r == 0)
        r = lost_by(stream);
    rill_stream_unref(stream);
    return r;
}

int rill_stream_connect(const rill_addr *addr, const rill_stream_opts *opts,
                        rill_stream **ret_stream)
{
    int fd;
    int r = rill_connect(addr, &fd);
    if (r < 0)
        return r;
    r = rill_stream_new(fd, opts, ret_stream);
    if (r < 0) {
        struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
        (void)rill__io_now(&op);
    }
    return r;
}
