/* pool.h - connections of a session: lent within its limits, kept for the next request. */
#pragma once

#include "core/base/list.h"
#include "core/sync/waitq.h"

#include <rill/net.h>
#include <rill/stream.h>

enum { RILL__POOL_BUCKETS = 64 };

/* Where a connection leads, and so who may use it again. Compared by value. */
struct rill__place {
    const char *host;   /* and its port: of the URL, or of the proxy that reads absolute URLs */
    const char *tunnel; /* through a proxy's tunnel: the URL's host; else NULL */
    const rill_addr *address; /* in place of the host; NULL: none */
    uint16_t port, tunnel_port;
    bool tls;       /* spoken with the URL's host */
    bool proxy;     /* the other side is a proxy */
    bool proxy_tls; /* and TLS is spoken with it */
};

/* All connections that lead to one place, and those who wait for one. */
struct rill__origin {
    struct list link;    /* in its bucket */
    struct list idle;    /* the one used last in front */
    struct list waiting; /* in the pool, while somebody waits */
    struct rill__waitq waiters;
    size_t lent;
    size_t refs; /* connections lent and idle, and tasks that wait */
    rill_addr address;
    struct rill__place place; /* its texts lie behind this */
};

/* A connection that serves one exchange at a time, or waits. */
struct rill__connection {
    rill_stream *stream; /* NULL: still to be made */
    struct rill__pool *pool;
    struct rill__origin *origin;
    struct list link; /* while it waits: in the origin */
    struct list age;  /* and in the pool */
    rill_time since;  /* then: since when */
    bool reused;      /* it has served an exchange before */
};

struct rill__pool {
    struct list buckets[RILL__POOL_BUCKETS]; /* of origins */
    struct list idle;                        /* all that wait, the one used last in front */
    struct list waiting;                     /* origins that somebody waits for */
    size_t lent, idle_count;
    size_t limit, limit_per_host;
    rill_time keepalive;      /* 0: none is kept */
    uint64_t tickets;         /* given to those who wait */
    struct rill_loop *loop;   /* of the timer; NULL: it was never armed */
    struct rill__timer timer; /* at the time when the last of the list has waited too long */
    struct rill__ready ready; /* which it makes ready */
};

/* An empty pool.   Args: limits of at least 1, SIZE_MAX for none. */
void rill__pool_init(struct rill__pool *pool, size_t limit, size_t limit_per_host,
                     rill_time keepalive);

/* Keep no connection any more, and close those that wait: they are put on `list`, a head. */
void rill__pool_close(struct rill__pool *pool, struct list *list);

/* Let go of the closed connections on `list`, each when its descriptor has gone if `wait`.
 * Returns: 0; -ECANCELED, -ESRCH (nobody waited for the rest). */
int rill__pool_drop(struct list *list, bool wait) RILL_SUSPENDS;

/* A place within the limits, waiting for one in order of arrival, and with it the connection used last, or one
 * that has no stream yet, as it is in any case if `fresh` is set.
 * Returns: 0 and the connection; -ENOMEM; -ECANCELED.
 * Owns: gives it; rill__connection_end or _drop ends it. */
int rill__pool_get(struct rill__pool *pool, const struct rill__place *place, bool fresh,
                   struct rill__connection **ret_connection) RILL_SUSPENDS;

/* The exchange is complete: the connection waits if `keep`, else it is closed. */
void rill__connection_end(struct rill__connection *connection, bool keep);

/* The exchange is not complete: reset the connection. NULL is fine. */
void rill__connection_drop(struct rill__connection *connection);

/* The same, but it is put on `list`, for rill__pool_drop. */
void rill__connection_abort(struct rill__connection *connection, struct list *list);
