/* stream_file.c - sending files over a stream, behind what was written: by the kernel, or through a filter.
 *
 * A filter must see the octets: they are read through the ring, and sealed while the next ones are read. */
#include "core/io/stream_out.h"

#include <rill/mem.h>

#include <errno.h>
#include <poll.h>

enum { file_slice = 2 << 20, file_turn = 8 << 20, copy_slice = 64 << 10 };

/* What the block holds goes ahead of a file at once, and tells the kernel that more follows. */
static int send_head(rill_stream *stream, struct rill__task *task)
{
    struct rill__stream_out *out;
    int r = rill__out_begin(stream, &out);
    if (r < 0)
        return r;
    size_t size = out->chunk_end - out->chunk_at;
    if (size > 0 && !out->send.in_flight && !stream->filing && rill__out_nobody_waits(out) &&
        stream->filter == NULL) {
        struct rill__op op = { .kind = RILL__OP_SEND_MORE,
                               .fd = stream->fd,
                               .addr = out->chunk + out->chunk_at,
                               .size = (uint32_t)size };
        int sent = rill__io_now(&op);
        if (sent > 0)
            rill__out_advance(out, (size_t)sent);
    }
    r = rill__stream_wait_turn(stream, task, 0);
    if (r < 0)
        return r;
    r = rill__stream_may_write(stream);
    if (r < 0)
        rill__stream_pass_on(stream);
    return r;
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
        do
            r = rill__io_now(&op);
        while (r == -EINTR);
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
        if (stream->closing || stream->send_error != 0)
            break;
    }
    return r < 0 ? r : *sent < size ? stream->send_error : 0;
}

static int send_copies(rill_stream *stream, int fd, uint64_t offset, uint64_t size, uint64_t *sent)
{
    char *copy = rill_alloc(copy_slice);
    int r = copy == NULL ? -ENOMEM : 0;
    while (r >= 0 && *sent < size) {
        uint64_t left = size - *sent;
        struct rill__op op = { .kind = RILL__OP_READ,
                               .fd = fd,
                               .addr = copy,
                               .offset = offset + *sent,
                               .size = (uint32_t)(left < copy_slice ? left : copy_slice) };
        r = rill__io(&op);
        if (r == 0)
            r = -ENODATA;
        if (r >= 0 && stream->closing)
            break;
        size_t taken = 0;
        if (r > 0)
            r = rill__stream_write_ahead(stream, copy, (size_t)r, &taken);
        *sent += taken;
    }
    rill_free(copy);
    return r < 0 ? r : 0;
}

int rill_stream_sendfile(rill_stream *stream, int fd, uint64_t offset, uint64_t size,
                         uint64_t *ret_sent)
{
    uint64_t sent = 0;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r == 0 && stream->pipe)
        r = -ENOTSOCK;
    if (r == 0)
        r = send_head(stream, task);
    if (r == 0) {
        stream->filing = true; /* writes of others queue up behind it */
        stream->refs++;
        r = stream->filter == NULL ? send_slices(stream, fd, offset, size, &sent)
                                   : send_copies(stream, fd, offset, size, &sent);
        stream->filing = false;
        rill__stream_pass_on(stream);
        rill__stream_settle(stream);
        r = rill_first_error(r, rill__stream_unpin(stream));
    }
    if (ret_sent != NULL)
        *ret_sent = sent;
    return r;
}
