/* stream_out.h - the writing half of a stream: what writing, sending and files share. */
#pragma once

#include "core/io/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum { RILL__STREAM_PIECES = 16 };

/* A write that is sent from its caller's memory; lies on the writing task's stack. */
struct rill__stream_direct {
    struct iovec pieces[RILL__STREAM_PIECES];
    size_t count, at; /* pieces; the first that is not yet sent */
    size_t sent;
    bool ended; /* sent, stopped, or the stream has failed */
    bool stop;  /* its task was cancelled: send no more of it */
    struct rill__task *task;
    struct msghdr message; /* the buffer and the pieces, while they are with the kernel */
    struct iovec vector[RILL__STREAM_PIECES + 2];
};

/* The writing half, while the stream is used for writing. The buffer is a block, which may be with the
 * kernel, and `more`, which collects what does not fit there; it is the next block then. */
struct rill__stream_out {
    rill_stream *stream;
    char *chunk; /* NULL: nothing is buffered */
    size_t chunk_at, chunk_end, chunk_room;
    char *more; /* NULL: nothing lies behind the block */
    size_t more_size, more_room;
    char *sealed;                  /* what a filter made of them, on its way; NULL: nothing */
    size_t sealed_at, sealed_size; /* what is left of it */
    size_t high, low;              /* the marks, once `limited` */
    bool limited;                  /* they were set: writes are buffered as far as they allow */
    bool over; /* the buffer was above the high mark and has not come down to the low one */
    struct rill__op send; /* at most one */
    struct rill__stream_direct *direct;
    struct list writers; /* rill__callback of tasks that wait for their turn, in order */
};

/* The writing half; NULL without memory. */
struct rill__stream_out *rill__out_open(rill_stream *stream);
/* What is to be sent next: of the buffer, else of the direct write. */
struct iovec rill__out_piece(const struct rill__stream_out *out);
/* A send has ended. */
void rill__out_sent(struct rill__op *op, int result, unsigned flags);
/* Send a piece through the pipe once that has room. 0; -ENOMEM. */
int rill__out_send_pipe(struct rill__stream_out *out);
/* Take `sent` octets off the buffer and then off the direct write. */
void rill__out_advance(struct rill__stream_out *out, size_t sent);
/* The block is empty: what lies behind it is the next one. */
void rill__out_next_chunk(struct rill__stream_out *out);
/* No more of the direct write is sent. Its memory is the kernel's until a send in flight has ended. */
void rill__out_stop_direct(struct rill__stream_out *out);
/* Whoever is next in the queue looks whether it is his turn. */
void rill__out_wake_writer(struct rill__stream_out *out);

static inline size_t rill__out_buffered(const struct rill__stream_out *out)
{
    return out->chunk_end - out->chunk_at + out->more_size + out->sealed_size;
}

static inline bool rill__out_has_unsent(const struct rill__stream_out *out)
{
    return out->chunk_end > out->chunk_at || out->direct != NULL || out->sealed_size > 0 ||
           rill__stream_filter_wants(out->stream);
}

static inline bool rill__out_nobody_waits(const struct rill__stream_out *out)
{
    return out->direct == NULL && list_is_empty(&out->writers);
}

/* 0 if octets may be written, else why not. */
int rill__stream_may_write(const rill_stream *stream);
/* The writing half, for a write that begins. 0; why nothing may be written; -ENOMEM. */
int rill__out_begin(rill_stream *stream, struct rill__stream_out **ret_out);
/* Wait in the queue until it is our turn and at most `most` octets are buffered. 0; -ECANCELED; the send
 * error; -EBADF: the stream was closed. After an error others have their turn, and it may be gone. */
int rill__stream_wait_turn(rill_stream *stream, struct rill__task *task, size_t most) RILL_SUSPENDS;
/* Write `size` octets as who has the turn, before all who wait. As rill_stream_write. */
int rill__stream_write_ahead(rill_stream *stream, const void *buf, size_t size, size_t *ret_taken)
    RILL_SUSPENDS;
/* We are done with our turn: the next writer looks whether it is his. */
void rill__stream_pass_on(rill_stream *stream);
