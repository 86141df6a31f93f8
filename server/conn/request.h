/* request.h - one request, as handlers see it: plain data, borrowed until the answer was made.
 *
 * The octets that `head`, `path`, `tail` and `query` point to may lie in a receive buffer, which
 * is valid only until the task suspends. For a handler with `suspends` set they were copied
 * to the arena before it is called. Every other handler calls request_keep before its first
 * suspension, and reads them again from the request afterwards, since they moved. */
#pragma once

#include <rill/http.h>
#include <rill/mem.h>
#include <rill/text.h>

struct log_part;
struct route;

struct request {
    const rill_http_message *head; /* parsed: method, minor version, fields */
    rill_span path;                /* normalised (rule 26); begins with a slash, or is "*" */
    rill_span tail;                /* of `path`: what lies below the route; no leading slash */
    rill_span query;               /* as received, without the question mark */
    bool encoded_slash;        /* of the path: it holds an encoded slash or backslash (rule 30) */
    bool kept;                 /* the octets lie in the arena already */
    const struct route *route; /* set by route_find, with `tail` */
    rill_arena *arena;         /* empty for each request, freed after its answer was sent */
    int64_t now;               /* wall clock in seconds, refreshed once a loop turn */

    int failure; /* why a handler answered with 500, for the error log; 0: it did not */

    /* For the access record, in the arena: set by a handler whose answer has parts. */
    const struct log_part *parts;
    size_t part_count;
};

/* Copy the octets of the request to its arena, so that they survive a suspension.
 * Returns: 0 (also if they were kept before); -ENOMEM. */
int request_keep(struct request *request);
