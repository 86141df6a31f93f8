/* pool.h - connections of the HTTP client: made, lent, kept for the next exchange. */
#pragma once

#include "core/base/list.h"

#include <rill/client.h>
#include <rill/net.h>
#include <rill/stream.h>

/* A connection that serves one exchange at a time, or waits in a pool. */
struct rill__connection {
    rill_stream *stream;
    rill_http_pool *pool; /* a reference; NULL: for one exchange */
    struct list link;     /* in the pool, while it waits there */
    rill_time since;      /* then: since when */
    rill_addr address;
    bool reused; /* it has served an exchange before */
};

/* A connection to `address`: the one of the pool that was used last, or a new one, which it is in any
 * case if `fresh` is set or there is no pool.
 * Returns: 0 and the connection; -ENOMEM; -ECANCELED; else as rill_stream_connect.
 * Owns: gives the connection; rill__connection_end or _drop ends it. */
int rill__connection_get(rill_http_pool *pool, const rill_addr *address, bool fresh,
                         struct rill__connection **ret_connection) RILL_SUSPENDS;

/* The exchange is complete: the connection waits in its pool if the server keeps it, else it is closed. */
void rill__connection_end(struct rill__connection *connection, bool keep);

/* The exchange is not complete: reset the connection. NULL is fine. */
void rill__connection_drop(struct rill__connection *connection);
