/* serving.h - the serving half of a worker in the test's own loop, and clients beside it.
 *
 * What is served is what a worker serves: a configuration from text, loaded as a generation, its
 * tables, a listening socket. Clients are tasks of the same loop and speak raw octets. Everything is
 * called by tasks; errors are -errno and nothing asserts. A program that uses
 * this links rilld_objects behind test_support. */
#pragma once

#include "server/conf/conf.h"

#include <rill/stream.h>
#include <rill/text.h>

struct serving {
    int fd; /* the listening socket, the server's */
    unsigned port;
    unsigned freed;     /* generations that have gone */
    struct conf *conf;  /* of the newest generation; limits below a second can be set here */
    size_t send_buffer; /* of the connections; 0: the system's */
};

extern struct serving serving;

/* Load `conf` and serve it at a port of its own. `tune` (or NULL) changes what a file cannot say.
 * Returns: 0; -errno, and what is wrong was printed. */
int serving_start(const char *conf, void (*tune)(struct conf *conf)) RILL_SUSPENDS;

/* Serve requests that come from now on by another configuration, as a reload does. */
int serving_change(const char *conf, void (*tune)(struct conf *conf));

/* Cut what is left, and give everything back. */
int serving_stop(void) RILL_SUSPENDS;

/* Park every connection that idles, as crowd.c does to those that have been silent for a while. */
void serving_park(void);

/* What the logs got since the last call, zero-terminated; valid until the next. */
const char *serving_access_log(void);
const char *serving_error_log(void);

/* Wait until the access log has `word` in it.   Returns: 0; -ETIME (and prints the log); -ECANCELED. */
int serving_await_log(const char *word) RILL_SUSPENDS;

/* --- Clients --- */

enum { ANSWER_HEAD_MAX = 4 << 10, ANSWER_BODY_MAX = 256 << 10 };

struct answer {
    int status;
    size_t head_size, body_size;
    char head[ANSWER_HEAD_MAX + 1]; /* zero-terminated, with the empty line */
    char body[ANSWER_BODY_MAX + 1];
};

/* A connection to the server. */
int client_open(rill_stream **ret_stream) RILL_SUSPENDS;

/* The same with a receive buffer of `receive` octets, not read unless the test does: a descriptor. */
int client_open_plain(int receive);

/* Send all of a text. */
int client_send(rill_stream *stream, rill_span octets) RILL_SUSPENDS;
int client_say(rill_stream *stream, const char *text) RILL_SUSPENDS;

/* Say `text` and receive the answer.   Returns: the status; as client_answer. */
int client_ask(rill_stream *stream, const char *text, struct answer *ret_answer) RILL_SUSPENDS;

/* Receive one answer. `bodiless`: it answers HEAD.
 * Returns: 0; -ENODATA (the connection ended before it, in order, with nothing of it there);
 * -EPROTO (it is broken, or the connection ended inside it); -errno. */
int client_answer(rill_stream *stream, bool bodiless, struct answer *ret_answer) RILL_SUSPENDS;

/* Expect the end of the connection and no octet before.
 * Returns: 0; -EPROTO (more octets); -errno. */
int client_ended(rill_stream *stream) RILL_SUSPENDS;

/* The value of a field of an answer; { NULL, 0 } if it has none of that name. */
rill_span answer_field(const struct answer *answer, const char *name);

/* Whether it has this value. */
bool answer_has(const struct answer *answer, const char *name, const char *value);

/* Give up turns until the others have done what they can without time passing. */
int settle(void) RILL_SUSPENDS;
