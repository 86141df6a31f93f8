/* pool.c - connections of a session: lent within its limits, kept for the next request.
 *
 * Connections are kept by the place that they lead to, the one used last in front. One that waits is
 * watched: when the server ends it, it goes at once. So it does when it has waited too long, and when
 * there are too many the one goes that waited longest. Octets that came unasked are found when it is
 * taken: it goes then, for nobody can tell whose answer they are.
 *
 * Who finds a limit reached waits in the queue of its origin. A place that becomes free is handed to the one
 * that waits longest among those whose own host has room, so a host at its limit holds nobody else up. */
#include "core/client/pool.h"

#include "core/base/check.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

struct place_waiter {
    struct rill__waiter waiter;
    uint64_t ticket;
};

/* --- Origins. --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_place(const struct rill__place *a, const struct rill__place *b)
{
    return a->port == b->port && a->tls == b->tls && a->proxy == b->proxy &&
           a->proxy_tls == b->proxy_tls && a->tunnel_port == b->tunnel_port &&
           strcmp(a->host, b->host) == 0 && same_text(a->tunnel, b->tunnel) &&
           (a->address == NULL) == (b->address == NULL) &&
           (a->address == NULL || rill_addr_equal(a->address, b->address));
}

static struct list *bucket_of(struct rill__pool *pool, const struct rill__place *place)
{
    uint32_t hash =
        place->port; /* FNV-1a: there are no more origins than connections and waiters */
    for (const char *p = place->host; *p != 0; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return &pool->buckets[(hash ^ hash >> 16) % RILL__POOL_BUCKETS];
}

static struct rill__origin *make_origin(const struct rill__place *place)
{
    size_t host = strlen(place->host) + 1;
    size_t tunnel = place->tunnel != NULL ? strlen(place->tunnel) + 1 : 0;
    struct rill__origin *origin = rill_alloc(sizeof *origin + host + tunnel);
    if (origin == NULL)
        return NULL;
    *origin = (struct rill__origin){ .place = *place };
    list_init(&origin->idle);
    char *text = (char *)(origin + 1);
    origin->place.host = memcpy(text, place->host, host);
    if (tunnel > 0)
        origin->place.tunnel = memcpy(text + host, place->tunnel, tunnel);
    if (place->address != NULL) {
        origin->address = *place->address;
        origin->place.address = &origin->address;
    }
    return origin;
}

/* The origin of a place, with one more reference; NULL without memory. */
static struct rill__origin *ref_origin(struct rill__pool *pool, const struct rill__place *place)
{
    struct list *bucket = bucket_of(pool, place);
    struct rill__origin *origin = NULL;
    list_for_each(node, bucket) {
        struct rill__origin *other = container_of(node, struct rill__origin, link);
        if (same_place(&other->place, place)) {
            origin = other;
            break;
        }
    }
    if (origin == NULL) {
        origin = make_origin(place);
        if (origin == NULL)
            return NULL;
        list_push_front(bucket, &origin->link);
    }
    origin->refs++;
    return origin;
}

static void unref_origin(struct rill__origin *origin)
{
    if (--origin->refs > 0)
        return;
    list_remove(&origin->link);
    rill_free(origin);
}

/* --- Places within the limits. --- */

static bool has_room(const struct rill__pool *pool, const struct rill__origin *origin)
{
    return pool->lent < pool->limit && origin->lent < pool->limit_per_host;
}

static void lend(struct rill__pool *pool, struct rill__origin *origin)
{
    pool->lent++;
    origin->lent++;
}

/* The origin with room whose first waiter came first; NULL: there is none. */
static struct rill__origin *find_waiting(struct rill__pool *pool)
{
    struct rill__origin *found = NULL;
    uint64_t first = UINT64_MAX;
    list_for_each(node, &pool->waiting) {
        struct rill__origin *origin = container_of(node, struct rill__origin, waiting);
        if (origin->waiters.first == NULL || !has_room(pool, origin))
            continue;
        uint64_t ticket = container_of(origin->waiters.first, struct place_waiter, waiter)->ticket;
        if (ticket < first) {
            first = ticket;
            found = origin;
        }
    }
    return found;
}

/* Take a place back and hand it on. */
static void give_back(struct rill__pool *pool, struct rill__origin *origin)
{
    pool->lent--;
    origin->lent--;
    origin = list_is_empty(&pool->waiting) ? NULL : find_waiting(pool);
    if (origin == NULL)
        return;
    lend(pool, origin);
    rill__waitq_wake(&origin->waiters);
}

static int wait_for_place(struct rill__pool *pool, struct rill__origin *origin) RILL_SUSPENDS;

static int wait_for_place(struct rill__pool *pool, struct rill__origin *origin)
{
    struct place_waiter own = { .ticket = pool->tickets++ };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (!list_is_linked(&origin->waiting))
        list_push_back(&pool->waiting, &origin->waiting);
    origin->waiters.kind = RILL__WAITQ_CONNECTION;
    r = rill__waitq_wait(&origin->waiters, &own.waiter, task);
    if (origin->waiters.first == NULL)
        list_remove(&origin->waiting);
    if (r < 0 && own.waiter.woken)
        give_back(pool, origin);
    return r;
}

/* --- Connections that wait. --- */

/* Take a connection out of those that wait; it is the caller's. */
static void take_out(struct rill__connection *connection)
{
    list_remove(&connection->link);
    list_remove(&connection->age);
    connection->pool->idle_count--;
    rill_stream_on_peer_end(connection->stream, NULL, NULL);
}

static void free_connection(struct rill__connection *connection)
{
    rill_stream_unref(connection->stream);
    rill_free(connection);
}

/* End a connection that waits. */
static void forget(struct rill__connection *connection)
{
    take_out(connection);
    unref_origin(connection->origin);
    free_connection(connection);
}

static void on_peer_end(void *arg)
{
    forget(arg);
}

static bool is_old(const struct rill__connection *connection)
{
    return rill_time_add(connection->since, connection->pool->keepalive) <= rill_turn_time();
}

static struct rill__connection *oldest(const struct rill__pool *pool)
{
    return container_of(pool->idle.prev, struct rill__connection, age);
}

/* Arm the timer for the connection that waits longest. It stays armed when the last one is taken, which is the
 * common case: it will be back. The end of the loop disarms it. */
static void arm_sweep(struct rill__pool *pool)
{
    if (list_is_empty(&pool->idle) || pool->timer.place != RILL__TIMER_IDLE ||
        list_is_linked(&pool->ready.link))
        return;
    pool->loop = rill__loop_running;
    rill__timer_start(pool->loop, &pool->timer,
                      rill_time_add(oldest(pool)->since, pool->keepalive));
}

static void sweep(struct rill__ready *ready)
{
    struct rill__pool *pool = container_of(ready, struct rill__pool, ready);
    while (!list_is_empty(&pool->idle) && is_old(oldest(pool)))
        forget(oldest(pool));
    arm_sweep(pool);
}

static void stop_sweep(struct rill__pool *pool)
{
    if (pool->timer.place != RILL__TIMER_IDLE)
        rill__timer_stop(pool->loop, &pool->timer);
    rill__loop_unready(&pool->ready);
}

/* The connection of `origin` that was used last and is still good, taken out; NULL: there is none. */
static struct rill__connection *take_idle(struct rill__origin *origin)
{
    while (!list_is_empty(&origin->idle)) {
        struct rill__connection *connection =
            container_of(origin->idle.next, struct rill__connection, link);
        if (!rill_stream_peer_ended(connection->stream) &&
            rill_stream_buffered(connection->stream) == 0 && !is_old(connection)) {
            take_out(connection);
            unref_origin(origin); /* the caller has a reference, too */
            connection->reused = true;
            return connection;
        }
        forget(connection);
    }
    return NULL;
}

/* --- The pool. --- */

void rill__pool_init(struct rill__pool *pool, size_t limit, size_t limit_per_host,
                     rill_time keepalive)
{
    *pool = (struct rill__pool){ .limit = limit,
                                 .limit_per_host = limit_per_host,
                                 .keepalive = keepalive };
    for (size_t i = 0; i < RILL__POOL_BUCKETS; i++)
        list_init(&pool->buckets[i]);
    list_init(&pool->idle);
    list_init(&pool->waiting);
    pool->ready.run = sweep;
    pool->timer.ready = &pool->ready;
}

void rill__pool_close(struct rill__pool *pool, struct list *list)
{
    stop_sweep(pool);
    pool->keepalive = 0;
    while (!list_is_empty(&pool->idle)) {
        struct rill__connection *connection = oldest(pool);
        take_out(connection);
        unref_origin(connection->origin);
        rill_stream_close(connection->stream);
        list_push_back(list, &connection->link);
    }
}

int rill__pool_drop(struct list *list, bool wait)
{
    int r = 0;
    for (struct list *node; (node = list_pop_front(list)) != NULL;) {
        struct rill__connection *connection = container_of(node, struct rill__connection, link);
        if (wait && r >= 0) {
            r = rill_stream_wait_closed(connection->stream);
            r = r == -ECANCELED || r == -ESRCH ? r : 0; /* how it broke is nobody's concern */
        }
        free_connection(connection);
    }
    return r;
}

/* --- Lent connections. --- */

int rill__pool_get(struct rill__pool *pool, const struct rill__place *place, bool fresh,
                   struct rill__connection **ret_connection)
{
    struct rill__origin *origin = ref_origin(pool, place);
    if (origin == NULL)
        return -ENOMEM;
    int r = 0;
    if (has_room(pool, origin))
        lend(pool, origin);
    else
        r = wait_for_place(pool, origin);
    if (r < 0)
        goto fail_origin;
    struct rill__connection *connection = fresh ? NULL : take_idle(origin);
    if (connection == NULL) {
        connection = rill_alloc_zero(1, sizeof *connection);
        if (connection == NULL) {
            r = -ENOMEM;
            goto fail_place;
        }
        connection->pool = pool;
        connection->origin = origin;
    }
    *ret_connection = connection;
    return 0;

fail_place:
    give_back(pool, origin);
fail_origin:
    unref_origin(origin);
    return r;
}

/* Put a connection with those that wait. */
static void keep_connection(struct rill__connection *connection)
{
    struct rill__pool *pool = connection->pool;
    if (pool->idle_count >= pool->limit)
        forget(oldest(pool));
    connection->since = rill_turn_time();
    list_push_front(&connection->origin->idle, &connection->link);
    list_push_front(&pool->idle, &connection->age);
    pool->idle_count++;
    connection->origin->refs++;
    rill_stream_on_peer_end(connection->stream, on_peer_end, connection);
    arm_sweep(pool);
}

void rill__connection_end(struct rill__connection *connection, bool keep)
{
    struct rill__pool *pool = connection->pool;
    struct rill__origin *origin = connection->origin;
    if (keep && pool->keepalive > 0 && rill_stream_buffered(connection->stream) == 0 &&
        !rill_stream_peer_ended(connection->stream))
        keep_connection(connection);
    else
        free_connection(connection);
    give_back(pool, origin);
    unref_origin(origin);
}

void rill__connection_abort(struct rill__connection *connection, struct list *list)
{
    rill_stream_abort(connection->stream);
    give_back(connection->pool, connection->origin);
    unref_origin(connection->origin);
    list_push_back(list, &connection->link);
}

void rill__connection_drop(struct rill__connection *connection)
{
    struct list list;
    if (connection == NULL)
        return;
    list_init(&list);
    rill__connection_abort(connection, &list);
    free_connection(connection);
}
