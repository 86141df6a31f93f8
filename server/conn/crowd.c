/* crowd.c - all connections of a worker: counted, shed, drained, and parked when they are silent.
 *
 * WHO IS PARKED. A busy connection keeps its task: parking after each request would cost every
 * request a new one. So the busy ones are visited in turn, and who is found idle twice, with no
 * request in between, is parked. A tick visits them once a second. Beyond a few, each newcomer pays
 * for its task by visiting some others, and those that have asked only once must be silent for a
 * moment only: thousands that come, ask and fall silent never have tasks at the same time. One that
 * came back after it was parked is a regular, and left alone for longer. Without busy connections
 * there is no tick. */
#include "server/conn/crowd.h"

#include "server/conf/conf.h"
#include "server/conn/tables.h"
#include "server/shm.h"

#include <rill/loop.h>

enum {
    few = 16,        /* busy connections that are no burden */
    visits = 1024,   /* in one tick */
    paid_visits = 4, /* by a newcomer: one is to be found idle twice for each that comes */
    shed_look = 64,  /* so that a flood of connections costs no walk over all of them */
};

#define TICK         RILL_SEC(1)
#define TICK_CROWDED RILL_MS(100) /* if one tick does not visit all */
#define MOMENT       RILL_MS(2)

static struct client *first, *last;
static unsigned count;
static struct conn *next_visit, *last_visit; /* the busy ones */
static unsigned busy;
static rill_handle tick;
static bool draining;          /* new connections serve one request, too */
static rill_time drain_grace;  /* and have that long to ask */
static rill_future *all_ended; /* somebody waits for it, or NULL */

void crowd_come(struct client *client)
{
    client->prev = last;
    if (last != NULL)
        last->next = client;
    else
        first = client;
    last = client;
    count++;
    shm_add(&shm_mine->connections, 1);
    shm_add(&shm_mine->accepted, 1);
}

void crowd_leave(struct client *client)
{
    if (client->prev != NULL)
        client->prev->next = client->next;
    else
        first = client->next;
    if (client->next != NULL)
        client->next->prev = client->prev;
    else
        last = client->prev;
    count--;
    shm_add(&shm_mine->connections, (uint64_t)-1);
    if (count == 0 && all_ended != NULL)
        (void)rill_future_set_result_unless_cancelled(all_ended, 0, NULL);
}

/* --- The busy ones. --- */

static void push(struct conn *conn)
{
    conn->next = NULL;
    conn->prev = last_visit;
    if (last_visit != NULL)
        last_visit->next = conn;
    else
        next_visit = conn;
    last_visit = conn;
}

static void pull(struct conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        next_visit = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    else
        last_visit = conn->prev;
}

static void visit(struct conn *conn)
{
    rill_time now = rill_turn_time(), patience = conn->client->regular ? TICK : MOMENT;
    if (conn->phase != CONN_IDLE || conn->why != CONN_NOT_ASKED)
        conn->quiet_since = 0;
    else if (conn->quiet_since == 0)
        conn->quiet_since = now;
    else if (now - conn->quiet_since >= patience)
        conn_stop(conn, CONN_PARK);
}

static void visit_next(unsigned most)
{
    for (unsigned left = busy < most ? busy : most; left > 0; left--) {
        struct conn *conn = next_visit;
        visit(conn);
        pull(conn);
        push(conn);
    }
}

static void set_tick(void);

static void on_tick(void *arg)
{
    (void)arg;
    visit_next(visits);
    set_tick();
}

static void set_tick(void)
{
    rill_handle_cancel(tick);
    tick = (rill_handle){ NULL, 0 };
    if (busy > 0)
        tick = rill_call_later(rill_get_running_loop(), busy > visits ? TICK_CROWDED : TICK,
                               on_tick, NULL);
}

void crowd_join(struct conn *conn)
{
    if (busy >= few)
        visit_next(paid_visits);
    push(conn);
    busy++;
    if (tick.entry == NULL)
        set_tick();
}

void crowd_rest(struct conn *conn)
{
    pull(conn);
    if (--busy == 0)
        set_tick();
}

/* --- All of them. --- */

unsigned crowd_count(void)
{
    return count;
}

unsigned crowd_busy(void)
{
    return busy;
}

struct client *crowd_oldest(void)
{
    return first;
}

unsigned crowd_in_flight(void)
{
    unsigned found = 0;
    for (const struct conn *conn = next_visit; conn != NULL; conn = conn->next)
        found += conn->tables != NULL;
    return found;
}

/* Whether it was idle, and has been asked to end now. */
static bool shed(struct client *client)
{
    struct conn *conn = client->conn;
    if (conn == NULL && !client->leaving) {
        conn_wake(client);
        return true;
    }
    if (conn == NULL || conn->phase != CONN_IDLE || conn->why != CONN_NOT_ASKED)
        return false;
    conn_stop(conn, CONN_TIMEOUT);
    return true;
}

unsigned crowd_shed(unsigned most)
{
    unsigned looked = 0, asked = 0;
    for (struct client *client = first; client != NULL && looked < shed_look && asked < most;
         client = client->next, looked++)
        asked += shed(client);
    return asked;
}

static void drain(struct client *client)
{
    struct conn *conn = client->conn;
    if (conn == NULL) {
        if (!client->leaving)
            conn_repark(client, drain_grace);
        return;
    }
    if (conn->phase != CONN_SEND) /* its head is out and says otherwise: see conn_idle */
        conn->last = true;
    if (conn->phase == CONN_IDLE)
        conn_phase(conn, CONN_IDLE, drain_grace);
}

void crowd_drain(rill_time grace)
{
    draining = true;
    drain_grace = grace;
    for (struct client *client = first; client != NULL; client = client->next)
        drain(client);
}

bool crowd_drains(void)
{
    return draining;
}

rill_time crowd_idle_limit(void)
{
    return draining ? drain_grace : tables_current->conf->limits.idle_timeout;
}

void crowd_stop(void)
{
    for (struct client *client = first, *next; client != NULL; client = next) {
        next = client->next;
        if (client->conn == NULL)
            conn_end_parked(client);
        else if (client->conn->why != CONN_STOP)
            conn_stop(client->conn, CONN_STOP);
    }
}

rill_future *crowd_all_ended(void)
{
    rill_unref(all_ended);
    all_ended = rill_future_new();
    if (count == 0)
        (void)rill_future_set_result_unless_cancelled(all_ended, 0, NULL);
    return rill_ref(all_ended);
}
