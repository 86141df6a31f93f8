/* stream.h - the insides of a stream, shared by its reading and its writing half. */
#pragma once

#include "core/io/io.h"

#include <rill/stream.h>

/* Somebody who is told when the stream is closed or breaks: taken off the list then. */
struct rill__stream_closer {
    struct rill__stream_closer *next;
    struct rill__ready *ready;
    bool patient; /* a connection that breaks is no end, only its close is */
    bool told;    /* by now the stream may be gone */
};

struct rill__filter;

/* What makes the octets of a stream out of those of its socket, and the other way round: TLS. All but `free`
 * is called on the loop's own stack. */
struct rill__filter_ops {
    /* Octets have come: what they hold goes into the stream, see rill__stream_make_room. 0; why the connection
     * is broken. */
    int (*received)(struct rill__filter *filter, const char *octets, size_t size);
    /* Make what is sent for `size` octets, at most RILL__FILTER_MOST: all of it, or an error that breaks the
     * connection. */
    int (*seal)(struct rill__filter *filter, const char *octets, size_t size);
    /* Make what tells the other side that nothing more comes. 0; why it cannot be told. */
    int (*finish)(struct rill__filter *filter);
    void (*free)(struct rill__filter *filter);
};

enum { RILL__FILTER_MOST = 16 << 10 };

struct rill__filter {
    const struct rill__filter_ops *ops;
    char *made; /* to be sent; the stream takes it over */
    size_t made_size, made_room;
    bool opening;  /* the two sides have not come to terms: nothing is written yet */
    bool ended;    /* the other side has said that nothing more comes */
    bool finished; /* we have, or cannot any more */
};

/* A connection that waits for its client has this and nothing else: keep it below 320 octets, since the
 * allocator's next size is 384. */
struct rill_stream {
    struct rill_loop *loop;
    int fd;
    unsigned refs;        /* its owners' and one for each task that waits in a call on it */
    bool closing : 1;     /* by us: what is unsent still goes out */
    bool aborted : 1;     /* what is unsent is lost */
    bool cut : 1;         /* what was written could not be sent: its end must not look like one */
    bool closed : 1;      /* the descriptor has gone; the memory goes with the last reference */
    bool eof_written : 1; /* our sending has ended */
    bool borrowed : 1;    /* `at` lies in receive buffer `buffer` */
    bool ended : 1;       /* the other side has ended its sending */
    bool paused : 1;      /* receiving was stopped above the limit */
    bool rearm : 1;       /* receiving ended by itself and goes on with the next turn */
    bool filing : 1;      /* a file is being sent */
    bool sliced : 1;      /* a slice in `memory` is shown */
    bool parked : 1;      /* nobody has it: see park.c */
    bool pipe : 1;        /* one end of a pipe, see stream_pipe.c */
    bool pipe_writes : 1; /* that which is written to */
    uint16_t buffer;
    uint32_t limit; /* octets received ahead of the reader before receiving pauses */
    int recv_error, send_error;

    /* Reading. What is there is contiguous: in one receive buffer, or in memory of our own. */
    char *at;
    size_t size;
    char *memory; /* our own; NULL: `at` lies in a receive buffer, or there is nothing */
    size_t room;
    char *held; /* former `memory` with the slice that is shown; NULL: none */
    struct rill__op recv;

    struct rill__filter *filter; /* NULL: octets are sent and received as they are */

    /* Writing. */
    struct rill__stream_out *out; /* NULL: nothing was written since it last rested */
    uint64_t sent;                /* octets that the kernel took, in all */
    struct rill__stream_closer *closers;

    struct rill__prepare prepare; /* before the kernel is entered: spill, arm, flush */
    struct rill__ready ready;     /* rill__stream_run_later */

    union {
        struct {
            struct {
                void (*fn)(void *arg); /* NULL: nobody wants to know */
                void *arg;
            } peer_end;

            struct rill__stream_reader *reader;
        };

        struct {
            rill_coro coro;
            struct list link; /* in the loop's list */
        } park;
    };

    struct rill__timer idle; /* while parked */
};

/* As rill_stream_new, over our end of a pipe of RILL__OP_PIPE: only one half of the stream can be used. */
int rill__stream_new_pipe(int fd, bool writes, const rill_stream_opts *opts,
                          rill_stream **ret_stream);

/* The reading half. */
int rill__stream_arm(rill_stream *stream);
/* The same for a pipe. */
int rill__stream_arm_pipe(rill_stream *stream);
/* A receive has ended with `result`, and what it brought was taken. */
void rill__stream_received(rill_stream *stream, int result, bool more);
void rill__stream_prepare_read(rill_stream *stream);
/* As rill_stream_peek, also above the limit. */
int rill__stream_fill(rill_stream *stream, size_t least) RILL_SUSPENDS;
/* Take `size` octets away and show them where they stay until the next read. 0 or -ENOMEM: nothing was
 * taken. */
int rill__stream_slice(rill_stream *stream, size_t size, rill_span *ret_slice);
/* Sending failed though the other side is there: it will wait for what is lost, and who waits for its
 * answer here has to know. */
void rill__stream_break_read(rill_stream *stream, int error);
/* Octets have come for the filter. */
void rill__stream_feed(rill_stream *stream, const char *octets, size_t size);
/* Room for `size` octets behind what is there, in memory of the stream's own: who fills it raises `size`. 0 or
 * -ENOMEM. */
int rill__stream_make_room(rill_stream *stream, size_t size);
/* Stop receiving if what is there is above the limit. */
void rill__stream_pause(rill_stream *stream);
/* Wait, as the only reader, until the filter has opened the connection or that is broken. 0; -ECANCELED; -EBUSY;
 * -EBADF: it was closed. */
int rill__stream_wait_opened(rill_stream *stream, struct rill__task *task, const char *name)
    RILL_SUSPENDS;
/* The stream is being closed: nobody waits for octets any more. */
void rill__stream_end_reader(rill_stream *stream);
void rill__stream_fini_read(rill_stream *stream);
/* What waits for a turn of its own: the call at the peer's end, the coroutine of a parked stream. */
void rill__stream_run_later(struct rill__ready *ready);

/* The writing half. */
void rill__stream_prepare_write(rill_stream *stream);
/* Whether something is unsent that no send carries of which nobody would be told. */
bool rill__stream_must_send(const rill_stream *stream);
/* It is about to break: send what the filter made, as far as it fits now. */
void rill__stream_send_last(rill_stream *stream);
/* Whether the kernel has a send. */
bool rill__stream_is_sending(const rill_stream *stream);
/* Nobody is about to write: give back what only writing needs, unless something is unsent. */
void rill__stream_rest(rill_stream *stream);
/* Receiving failed: what is unsent is lost, and who writes or drains is told. */
void rill__stream_break_write(rill_stream *stream, int error);
/* The stream is being closed: nobody waits any longer than the kernel needs. What is buffered is sent
 * unless `aborted` or broken. */
void rill__stream_end_writers(rill_stream *stream);
void rill__stream_fini_write(rill_stream *stream);

void rill__stream_add_closer(rill_stream *stream, struct rill__stream_closer *closer);
void rill__stream_remove_closer(rill_stream *stream, struct rill__stream_closer *closer);
void rill__stream_wake_closers(rill_stream *stream);
/* Something ended that the close of a closing stream may have waited for. The stream may be gone
 * afterwards. */
void rill__stream_settle(rill_stream *stream);
/* The end of a wait that took a reference: 0, or -EBADF if the stream was closed meanwhile; it may be
 * gone then. */
int rill__stream_unpin(rill_stream *stream);

/* Whether the filter has something to send, or the end to tell. */
static inline bool rill__stream_filter_wants(const rill_stream *stream)
{
    const struct rill__filter *filter = stream->filter;
    return filter != NULL && (filter->made_size > 0 ||
                              ((stream->closing || stream->eof_written) && !filter->finished));
}
