/* message.h - HTTP heads parsed in any split and told as text, for unit tests and fuzz targets. */
#pragma once

#include "tests/support/guard.h"

#include <rill/http.h>

enum { MESSAGE_REQUEST, MESSAGE_RESPONSE, MESSAGE_TRAILER };

#define MESSAGE_FIELDS 100

typedef struct message {
    int kind;
    rill_http_method method; /* of the request, for a response */
    const rill_http_limits *limits;
    rill_http_field fields[MESSAGE_FIELDS];
    rill_http_message head;
    int result; /* of the last parse */
    guard guard;
    char text[96 << 10]; /* the result told, zero-terminated */
} message;

void message_init(message *m, int kind);
void message_fini(message *m);

/* Parse `input` in one call, if `split` is 0; octet by octet, if it is SIZE_MAX; else in two calls,
 * the first of `split` octets. Stops at the first result. Sets `result` and `text`. */
void message_parse(message *m, rill_span input, size_t split);

/* Begin another message; parse what was received of it so far, from its first octet, by one call. */
void message_restart(message *m);
void message_step(message *m, rill_span received);

/* The head in one line: "GET origin /x 1.1 host:80 none keep", or "refused 400 rule 3". */
void message_summary(const message *m, rill_text *text);

/* Parse whole, octet by octet, and at every split.   Returns: whether the summary is `want` and
 * everything that the head tells is the same each time; prints the difference if not. */
bool message_is(message *m, rill_span input, const char *want);
