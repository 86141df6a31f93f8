/* stream.h - the insides of a stream, shared by its reading and its writing half. */
#pragma once

#include "core/io/io.h"

#include <rill/stream.h>

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
    struct msghdr message; /* the block and the pieces, while they are with the kernel */
    struct iovec vector[RILL__STREAM_PIECES + 1];
};

struct rill_stream {
    struct rill_loop *loop;
    int fd;
    bool closing;  /* the owner has let go; freed with its last op and its last pin */
    unsigned pins; /* tasks that wait in a call on it */

    /* Reading. What is there is contiguous: in one receive buffer, or in memory of our own. */
    char *at;
    size_t size;
    char *memory; /* our own; NULL: `at` lies in a receive buffer, or there is nothing */
    size_t room;
    size_t limit;
    uint16_t buffer;
    bool borrowed; /* `at` lies in receive buffer `buffer` */
    bool ended;    /* the other side has ended its sending */
    bool paused;   /* receiving was stopped above the limit */
    bool rearm;    /* receiving ended by itself and goes on with the next turn */
    int recv_error;
    struct rill__op recv;
    struct rill__stream_reader *reader;

    /* Writing. */
    char *chunk; /* NULL: nothing is buffered */
    uint32_t chunk_at, chunk_end;
    int send_error;
    uint64_t sent; /* octets that the kernel took, in all */
    struct rill__op send; /* at most one */
    struct rill__stream_direct *direct;
    bool filing;         /* a file is being sent */
    struct list writers; /* tasks that wait for their turn, in order */

    struct rill__prepare prepare; /* before the kernel is entered: spill, arm, flush */
    struct rill__ready peer_end;
    void (*peer_end_fn)(void *arg);
    void *peer_end_arg;
};

/* The reading half. */
int rill__stream_arm(rill_stream *stream);
void rill__stream_prepare_read(rill_stream *stream);
void rill__stream_fini_read(rill_stream *stream);

/* The writing half. */
void rill__stream_init_write(rill_stream *stream);
void rill__stream_prepare_write(rill_stream *stream);
/* Send what is unsent, as far as the socket takes it now. */
void rill__stream_flush_once(rill_stream *stream);
void rill__stream_fail_write(rill_stream *stream, int error);
/* The stream is being closed: nobody waits any longer than the kernel needs. */
void rill__stream_end_writers(rill_stream *stream);
void rill__stream_fini_write(rill_stream *stream);

/* Close in order without waiting: what is unsent is lost. Nobody may be reading or writing.
 * Owns: takes the stream. */
void rill__stream_let_go(rill_stream *stream);
/* An op of the stream has ended: the stream goes if its owner has let go and this was the last. */
void rill__stream_op_ended(rill_stream *stream);
/* The end of a wait that raised `pins`: 0, or -EBADF if the stream was closed meanwhile and must not
 * be touched any more. */
int rill__stream_unpin(rill_stream *stream);
