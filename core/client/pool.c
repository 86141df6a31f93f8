/* pool.c - connections of the HTTP client: made, lent, kept for the next exchange.
 *
 * A connection that waits in a pool is watched: when the server ends it, it goes at once. So it does
 * when it has waited too long, when there are too many (the one that waited longest), and when the
 * loop ends. Octets that came unasked are found when it is taken: it goes then, for nobody can tell
 * whose answer they are. A pool lives until its owner and its last lent connection let go. */
#include "core/client/pool.h"

#include <rill/loop.h>
#include <rill/mem.h>

#include <errno.h>

enum { default_idle_max = 32 };

struct rill_http_pool {
    struct list idle; /* connections that wait, the one used last in front */
    size_t idle_count, idle_max;
    rill_time idle_time;
    rill_handle sweep; /* at the time when the last of the list has waited too long */
    unsigned refs;     /* the owner's, and one for each lent connection */
    bool closed;       /* the owner has let go */
};

int rill_http_pool_new(const rill_http_pool_opts *opts, rill_http_pool **ret_pool)
{
    static const rill_http_pool_opts defaults;
    rill_http_pool *pool = rill_alloc_zero(1, sizeof *pool);
    if (pool == NULL)
        return -ENOMEM;
    if (opts == NULL)
        opts = &defaults;
    list_init(&pool->idle);
    pool->idle_max = opts->idle_max > 0 ? opts->idle_max : default_idle_max;
    pool->idle_time = opts->idle_time > 0 ? opts->idle_time : RILL_SEC(30);
    pool->refs = 1;
    *ret_pool = pool;
    return 0;
}

static void unref(rill_http_pool *pool)
{
    if (pool != NULL && --pool->refs == 0)
        rill_free(pool);
}

/* --- Waiting connections. --- */

static struct rill__connection *connection_of(struct list *node)
{
    return container_of(node, struct rill__connection, link);
}

/* Take a connection out of the pool; it is the caller's. */
static void take_out(struct rill__connection *connection)
{
    rill_http_pool *pool = connection->pool;
    list_remove(&connection->link);
    rill_stream_on_peer_end(connection->stream, NULL, NULL);
    if (--pool->idle_count == 0) {
        rill_handle_cancel(pool->sweep);
        pool->sweep = (rill_handle){ 0 };
    }
}

/* End a connection that waits. It holds no reference to its pool meanwhile. */
static void forget(struct rill__connection *connection)
{
    take_out(connection);
    rill_stream_unref(connection->stream);
    rill_free(connection);
}

static void on_peer_end(void *arg)
{
    forget(arg);
}

static bool is_old(const struct rill__connection *connection)
{
    return rill_time_add(connection->since, connection->pool->idle_time) <= rill_now();
}

/* Arm the sweep for the connection that waits longest. Without memory the old ones stay until the next
 * use of the pool. */
static void arm_sweep(rill_http_pool *pool);

static void sweep(void *arg)
{
    rill_http_pool *pool = arg;
    pool->sweep = (rill_handle){ 0 };
    while (!list_is_empty(&pool->idle) && is_old(connection_of(pool->idle.prev)))
        forget(connection_of(pool->idle.prev));
    arm_sweep(pool);
}

static void arm_sweep(rill_http_pool *pool)
{
    if (list_is_empty(&pool->idle) || pool->sweep.entry != NULL)
        return;
    rill_time at = rill_time_add(connection_of(pool->idle.prev)->since, pool->idle_time);
    pool->sweep = rill_call_at(rill_get_running_loop(), at, sweep, pool);
}

void rill_http_pool_free(rill_http_pool *pool)
{
    if (pool == NULL)
        return;
    while (!list_is_empty(&pool->idle))
        forget(connection_of(pool->idle.next));
    pool->closed = true;
    unref(pool);
}

/* The connection to `address` that was used last and is still good; NULL: there is none. */
static struct rill__connection *find(rill_http_pool *pool, const rill_addr *address)
{
    list_for_each_safe(node, &pool->idle) {
        struct rill__connection *connection = connection_of(node);
        if (!rill_addr_equal(&connection->address, address))
            continue;
        if (!rill_stream_peer_ended(connection->stream) &&
            rill_stream_buffered(connection->stream) == 0 && !is_old(connection))
            return connection;
        forget(connection);
    }
    return NULL;
}

/* --- Lent connections. --- */

static int make_connection(rill_http_pool *pool, const rill_addr *address,
                           struct rill__connection **ret_connection) RILL_SUSPENDS;

static int make_connection(rill_http_pool *pool, const rill_addr *address,
                           struct rill__connection **ret_connection)
{
    struct rill__connection *connection = rill_alloc_zero(1, sizeof *connection);
    if (connection == NULL)
        return -ENOMEM;
    int r = rill_stream_connect(address, NULL, &connection->stream);
    if (r < 0) {
        rill_free(connection);
        return r;
    }
    connection->address = *address;
    connection->pool = pool;
    *ret_connection = connection;
    return 0;
}

int rill__connection_get(rill_http_pool *pool, const rill_addr *address, bool fresh,
                         struct rill__connection **ret_connection)
{
    struct rill__connection *connection = pool != NULL && !fresh ? find(pool, address) : NULL;
    if (pool != NULL)
        pool->refs++; /* before we wait: its owner may let go meanwhile */
    if (connection == NULL) {
        int r = make_connection(pool, address, ret_connection);
        if (r < 0)
            unref(pool);
        return r;
    }
    take_out(connection);
    connection->reused = true;
    *ret_connection = connection;
    return 0;
}

void rill__connection_end(struct rill__connection *connection, bool keep)
{
    rill_http_pool *pool = connection->pool;
    if (pool == NULL || pool->closed || !keep || rill_stream_buffered(connection->stream) > 0 ||
        rill_stream_peer_ended(connection->stream)) {
        rill_stream_unref(connection->stream);
        rill_free(connection);
        unref(pool);
        return;
    }
    pool->refs--; /* its owner's is left */
    if (pool->idle_count == pool->idle_max)
        forget(connection_of(pool->idle.prev));
    connection->since = rill_now();
    list_push_front(&pool->idle, &connection->link);
    pool->idle_count++;
    rill_stream_on_peer_end(connection->stream, on_peer_end, connection);
    arm_sweep(pool);
}

void rill__connection_drop(struct rill__connection *connection)
{
    if (connection == NULL)
        return;
    rill_stream_abort(connection->stream);
    rill_stream_unref(connection->stream);
    unref(connection->pool);
    rill_free(connection);
}
