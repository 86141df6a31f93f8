/* upstream.h - a scripted HTTP server on loopback, as tasks of the test's own loop.
 *
 * Its answers are octets, sent as a table says: whole or in pieces, at once or when so many requests have
 * come, ended in order, by a reset or never. Order is made by events and turns, never by time. It asserts
 * nothing: tasks must not. */
#pragma once

#include <rill/net.h>
#include <rill/task.h>
#include <rill/text.h>

#include <stddef.h>

enum upstream_end {
    UPSTREAM_CLOSE, /* the end of the connection */
    UPSTREAM_KEEP,  /* the next request is read */
    UPSTREAM_RESET, /* a reset, once the other side has read the octets */
    UPSTREAM_HOLD,  /* nothing more, until the other side ends the connection */
};

/* What a request for `target` gets. A table ends with a target of NULL. */
struct upstream_answer {
    const char *target;
    const char *octets; /* NULL: none */
    size_t size;        /* 0: strlen(octets) */
    enum upstream_end end;
    size_t piece;     /* octets a turn; 0: all at once */
    unsigned request; /* wait until this many requests have come to the upstream in all */
    unsigned
        once; /* only for this many requests; then the next row for the target counts; 0: all */
};

enum { UPSTREAM_ANSWERS_MAX = 64, UPSTREAM_CONNECTIONS_MAX = 64 };

struct upstream_connection {
    struct upstream *upstream;
    struct rill_stream *stream; /* NULL: the slot is free */
};

struct upstream {
    const struct upstream_answer *answers;
    rill_addr address;
    char host[32];        /* its address as text */
    unsigned connections; /* accepted so far */
    unsigned open;        /* of them, not ended yet */
    unsigned requests;    /* read so far */
    char request[4096];   /* the last one, as received */
    /* Private. */
    rill_listener *listener;
    rill_task *task;
    unsigned used[UPSTREAM_ANSWERS_MAX]; /* of each row */
    struct upstream_connection slots[UPSTREAM_CONNECTIONS_MAX];
};

/* Listen on a free port of 127.0.0.1 and serve.   Returns: 0; -errno.
 * Owns: `answers` stays the caller's and is used until upstream_stop. */
int upstream_start(struct upstream *upstream, const struct upstream_answer *answers);

/* Stop and wait for every connection's end. Zeroed memory is fine.   Returns: 0; -errno. */
int upstream_stop(struct upstream *upstream) RILL_SUSPENDS;

/* An address of 127.0.0.1 where nobody listens.   Returns: 0; -errno. */
int upstream_nobody(rill_addr *ret_address);

/* Let `turns` turns of the loop pass.   Returns: 0; -ECANCELED. */
int upstream_turns(unsigned turns) RILL_SUSPENDS;

/* Wait until `open` connections are open; gives up after 5 s.   Returns: 0; -ECANCELED. */
int upstream_settle(const struct upstream *upstream, unsigned open) RILL_SUSPENDS;

/* Open descriptors of this process. */
size_t upstream_descriptors(void);
