/* session.h - the insides of a session, of a request under way, and of a response. */
#pragma once

#include "core/client/cookie.h"
#include "core/client/pool.h"
#include "core/client/proxy.h"
#include "core/client/url.h"

#include <rill/client.h>
#include <rill/http.h>
#include <rill/timeout.h>

struct rill__decoder;

enum {
    RILL__RESPONSE_FIELDS_MAX = 200,
    RILL__RESPONSE_ROOM = 2 << 10 /* octets of a response's arena before it allocates */
};

struct rill_http_session {
    unsigned refs; /* the owner's, and one for each response */
    bool closed;
    struct rill_loop *loop; /* of its first request; NULL: there was none yet */
    rill_http_session_opts
        opts;              /* texts in the arena, bounds of time with the defaults filled in */
    struct rill__url base; /* text.at NULL: there is none */
    struct rill__url_front front; /* of the last URL */
    rill_span authorization;      /* empty: none */
    rill_addr address;
    struct rill__proxies proxies;
    struct rill__pool pool;
    struct rill__jar jar;
    rill_span lines;    /* of every request's head, written; at NULL: that depends on the request */
    rill_span defaults; /* the same: what a request says that says nothing itself */
    size_t lines_size;  /* of all opts.headers, written */
    uint64_t line_ids;  /* bit 1 << id: a field of opts.headers */
    rill_http_field scratch[RILL__RESPONSE_FIELDS_MAX]; /* of the head that is being parsed */
    struct list requests;                               /* under way */
    struct list responses;     /* that have a connection, and whose request has returned */
    struct rill__waitq closer; /* waits for the last request */
    rill_arena arena;
};

/* --- The body of a request. --- */

struct rill__piece {
    rill_span octets;
    const rill_http_file *file; /* in place of them */
    uint64_t size;
};

struct rill__upload {
    struct rill__piece *pieces; /* NULL: there are none */
    size_t piece_count;
    uint64_t size;          /* of all pieces */
    rill_span content_type; /* unless the caller gives one; empty: none */
    rill_http_produce_fn *produce;
    void *produce_arg;
    bool begun; /* produced octets were sent */
};

/* --- A request under way, on the stack of its task. --- */

struct rill__request {
    /* All of it happens in here: for bounds of time, and for the session's close. It comes first, so that what
     * the request is for can be told from it. */
    rill_scope scope;
    struct list link; /* in the session */
    rill_http_session *session;
    rill_http_response *response;
    const rill_http_request_opts *opts;
    rill_time connect, sock_connect, sock_read; /* spans, with the session's filled in */
    rill_time total_at, connect_at;
    const char *phase; /* which bound the scope has now */
    rill_span method;
    rill_http_method method_id;
    struct rill__upload upload;
    struct rill__url first;          /* what the caller asked for */
    rill_span authorization;         /* of the first URL's origin; empty: none */
    const rill_addr *address;        /* NULL: the URL's host */
    const struct rill__proxy *proxy; /* NULL: none */
    rill_span text;                  /* of the head */
    unsigned redirects;              /* followed so far */
    int redirects_max;               /* below 1: none is followed */
    bool strange;                    /* a redirect has led to another origin than the first */
};

/* --- A response. --- */

struct rill_http_response {
    rill_http_session *session;          /* a reference */
    struct list link;                    /* in the session */
    struct rill__connection *connection; /* NULL: not yet, or given back */
    rill_arena arena;                    /* URLs, the request's text, the head */
    struct rill__url url;
    rill_time sock_read; /* a span */
    rill_time total_at;
    bool
        unsent; /* not all of the request's body was sent: the connection is good for nothing more */
    rill_http_body body;
    struct rill__decoder *decoder; /* NULL: the body is as it came */
    bool more;                     /* the decoder has more to say */
    int error;                     /* of the body: what each further read returns */
    char *content;                 /* of read_all: NULL, or what it has so far */
    bool content_lent;             /* it lies in the arena */
    size_t content_used, content_room;
    rill_http_message head;
    _Alignas(max_align_t) char room[RILL__RESPONSE_ROOM]; /* of the arena, not cleared */
};

/* When a span from now on is over: perhaps some microseconds early, since the clock is read once a turn. */
static inline rill_time rill__after(rill_time span)
{
    return span == RILL_FOREVER ? RILL_FOREVER : rill_time_add(rill_turn_time(), span);
}

/* session.c */
rill_http_session *rill__session_ref(rill_http_session *session);
void rill__session_unref(rill_http_session *session);
/* A request has returned. */
void rill__session_leave(struct rill__request *request);

/* client.c */

/* What follows is bounded by `at`, or by the request's total if that is earlier. */
void rill__phase_set(struct rill__request *request, rill_time at, const char *name);

/* connect.c: the connection of a request. */

/* Get one, of the pool or new, ready for the request.   Returns: 0; -errno. */
int rill__request_connect(struct rill__request *request, bool fresh) RILL_SUSPENDS;

/* upload.c */

/* Find out what the body is.   Returns: 0; -EINVAL; -ENOMEM; as rill_file_stat. */
int rill__upload_init(struct rill__upload *upload, const rill_http_request_opts *opts,
                      rill_arena *arena) RILL_SUSPENDS;
/* No body, from now on: a redirect made a GET of the request. */
void rill__upload_drop(struct rill__upload *upload);
/* Send it, behind the head. *ret_whole: all of it; else the other side refused it or ended before.
 * Returns: 0; -errno. */
int rill__upload_send(struct rill__upload *upload, rill_stream *stream, bool *ret_whole)
    RILL_SUSPENDS;

/* Wait until the server wants it: it says so, or nothing for a second (RFC 9110, 10.1.1).
 * *ret_wanted: false if it has answered already, or ended the connection.
 * Returns: 0; -ECANCELED; -ENOMEM. */
int rill__upload_ask(rill_stream *stream, bool *ret_wanted) RILL_SUSPENDS;

/* form.c: bodies made of fields. */
int rill__form_encode(const rill_http_request_opts *opts, rill_arena *arena,
                      struct rill__upload *upload);
int rill__form_parts(const rill_http_request_opts *opts, rill_arena *arena,
                     struct rill__upload *upload);

/* head.c: the head of a request. */

/* Write what all requests of a session have in common.   Returns: 0; -EINVAL (a header); -ENOMEM. */
int rill__head_prepare(rill_http_session *session);
/* Whether it asks before the body is sent. */
bool rill__head_expects(const struct rill__request *request);
/* Write it: request->text.   Returns: 0; -EINVAL; -ENOMEM. */
int rill__head_write(struct rill__request *request);

/* response.c */
/* Take a head off a stream; interim ones are skipped. It is kept in the response's arena.
 * Args: `silence` is how long the other side may say nothing; RILL_FOREVER leaves the bound of time as it is.
 * Returns: 0; -ECONNRESET (the stream ended before the first octet), -EPROTO; other errors of the stream. */
int rill__response_take(struct rill__request *request, rill_stream *stream, rill_time silence,
                        rill_http_message *head) RILL_SUSPENDS;
/* The response to a request that was sent.   Returns: 0; -errno. */
int rill__response_begin(struct rill__request *request) RILL_SUSPENDS;
/* Give the connection back, or drop it: the body is complete, or what is left of it is not wanted. */
void rill__response_release(rill_http_response *response);

/* redirect.c */
/* Take the next step of a redirect.   Returns: 1 (send again); 0 (the response is the caller's); -errno. */
int rill__redirect_follow(struct rill__request *request);
