/* conn.h - one client connection: accepted, served request by request, parked, closed.
 *
 * A connection that is busy has one task, with all that it needs on its stack. It waits for octets,
 * answers what they ask and waits again; h1.c does the talking, conn.c the life: who may end it and
 * how. Whoever wants it to end (a limit, a drain, a client that left) notes why and cancels the task;
 * nobody else touches the stream. One that has been silent for a while is parked: it has no task
 * until octets come. crowd.c knows all of them, and which ones to park. */
#pragma once

#include "server/conn/request.h"

#include <rill/loop.h>
#include <rill/net.h>
#include <rill/stream.h>
#include <rill/task.h>
#include <rill/time.h>

struct tables;

/* Where connections come in; outlives the configuration that named it, as its connections may. */
struct conn_listener {
    unsigned refs; /* its accepting task's, and one for each connection */
    rill_addr address;
};

enum conn_phase {
    CONN_IDLE,   /* between requests: nothing of the next one is there */
    CONN_HEAD,   /* an unfinished head */
    CONN_BODY,   /* reading a body away */
    CONN_SERVE,  /* a handler is at work, under the route's deadline */
    CONN_SEND,   /* an answer waits for the client to read */
    CONN_LINGER, /* the answer is out, the client's end is awaited */
};

/* Why the connection's task was cancelled. */
enum conn_why { CONN_NOT_ASKED, CONN_TIMEOUT, CONN_CLIENT_GONE, CONN_STOP, CONN_PARK };

/* A connection for as long as it is open. A parked one has this and its stream: keep it small. */
struct client {
    struct client *prev, *next; /* all of the worker, the oldest first */
    rill_stream *stream;
    struct conn *conn; /* its busy half; NULL: it is parked */
    struct conn_listener *listener;
    uint64_t number : 62;
    bool leaving : 1; /* while parked: it was told to end */
    bool regular : 1; /* it came back after it was parked */
};

/* The busy half, on the stack of its task. */
struct conn {
    struct client *client;
    struct conn *prev, *next; /* all busy ones of the worker */
    rill_stream *stream;
    rill_task *task;
    char *address;         /* of the client, for the log; NULL: nobody asked yet */
    struct tables *tables; /* that the request at work is pinned to; NULL: none */
    rill_time deadline;    /* of the phase; RILL_FOREVER: none */
    rill_time timer_at;    /* when `timer` looks at it; RILL_FOREVER: it is not armed */
    rill_handle timer;
    uint8_t phase;                    /* conn_phase */
    uint8_t why;                      /* conn_why */
    bool last;                        /* no request after this one */
    rill_time quiet_since;            /* crowd.c found it idle then, and nothing came since; or 0 */
    rill_time send_limit, send_since; /* in CONN_SEND: see is_stuck */
    uint64_t delivered;
    struct request request;
    rill_arena arena;    /* of the request */
    uint32_t unconsumed; /* octets of its head that are still in the stream */
    uint16_t rule;       /* of server/http/RULES.md, by which it was refused; 0: none */
    const char *end;     /* how it ended, for the log; NULL: the result of sending says it */
    rill_time begun, begun_wall;  /* when its head was complete; 0: no access record is wanted */
    uint64_t bytes_in, bytes_out; /* of the request at work */
    uint32_t head_out;            /* what of bytes_out is the head, if it went out whole */
};

/* Serve the connected socket `fd` from now on.
 * Returns: 0; -ENOMEM; -ESHUTDOWN (the loop is closing).   Owns: takes `fd` in any case. */
int conn_open(int fd, struct conn_listener *listener);

/* Drop a reference. */
void conn_listener_unref(struct conn_listener *listener);

/* Begin a phase that may last `limit`. Costs two stores, unless the limit is shorter than before.
 * If the limit of the phase before came just as that phase ended, it is forgiven. */
void conn_phase(struct conn *conn, enum conn_phase phase, rill_time limit);

/* Begin CONN_IDLE after an answer that let the client go on: in a drain for the grace, and once more. */
void conn_idle(struct conn *conn);

/* Begin CONN_SEND: a client that takes next to nothing for `limit` is cut. */
void conn_sending(struct conn *conn, rill_time limit);

/* Ask the connection to end, from outside of its task. */
void conn_stop(struct conn *conn, enum conn_why why);

/* Whether an await of the connection's task gave -ECANCELED because the limit of the phase passed,
 * and for no other reason. If so the cancel is taken back: the task goes on. */
bool conn_timed_out(struct conn *conn);

/* End a client that is parked: without a word, unless it has asked in the meantime. */
void conn_wake(struct client *client);

/* End a client that is parked at once, whatever it has asked. Needs no memory. */
void conn_end_parked(struct client *client);

/* Give a client that is parked `limit` from now on. */
void conn_repark(struct client *client, rill_time limit);
