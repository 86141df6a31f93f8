/* conn.c - the life of a connection.
 *
 * TIME LIMITS. Each phase has a deadline, which is stored and not armed: one timer per connection
 * looks at it when it fires and is set anew to what it finds. So a busy keep-alive connection costs
 * no timer operation per request. Only a phase with a shorter limit moves the timer. In CONN_SEND
 * the timer looks four times within the limit at what the client took, and only one that took next
 * to nothing is cut, whatever the task waits for.
 *
 * PARKING. A connection that is silent gives its task up, which takes the stack along, and comes back
 * as a fresh one when octets come. Whoever told it to is crowd.c; a cancel is the way, and whether
 * nothing else was meant decides. What is left of the idle limit goes with the parked stream.
 *
 * THE END. A normal end closes the stream, which sends what is left. A cut (a silent client, a drain
 * at its limit, an answer that could not be finished) aborts it, so that the client can tell. */
#include "server/conn/conn.h"

#include "server/conf/conf.h"
#include "server/conn/crowd.h"
#include "server/conn/h1.h"
#include "server/conn/tables.h"

#include <rill/file.h>
#include <rill/future.h>
#include <rill/mem.h>

#include <errno.h>

enum {
    send_rate = 1 << 10, /* octets a second that a client must take */
    looks = 4,           /* at its progress within the send limit */
};

/* So late comes no timer of a worker that runs; and so long it takes one that was held up, at most, to
 * see what has come meanwhile. */
#define LATE      RILL_MS(20)
#define LAST_LOOK RILL_MS(300)

#define not_known UINT64_MAX

static uint64_t numbers;

/* --- Time limits. --- */

static void on_timer(void *arg);

static void set_timer(struct conn *conn)
{
    rill_handle_cancel(conn->timer);
    conn->timer = rill_call_at(rill_get_running_loop(), conn->deadline, on_timer, conn);
    conn->timer_at = conn->timer.entry != NULL ? conn->deadline : RILL_FOREVER;
}

/* Whether the client took less than send_rate for all of the send limit. What counts is what its
 * kernel acknowledged: a large socket buffer may take minutes before it has room again. */
static bool is_stuck(struct conn *conn)
{
    uint64_t delivered = rill_stream_delivered(conn->stream);
    rill_time now = rill_now(), span = now - conn->send_since;
    uint64_t enough = (uint64_t)span * send_rate / (uint64_t)RILL_SEC(1) + 1;
    if (conn->delivered == not_known || delivered - conn->delivered >= enough) {
        conn->send_since = now;
        conn->delivered = delivered;
    } else if (span >= conn->send_limit) {
        return true;
    }
    conn->deadline = rill_time_add(now, conn->send_limit / looks);
    return false;
}

/* Whether the client was silent until its limit as far as we know, but may have spoken while we were held
 * up: the timers are seen before the octets then. */
static bool was_not_heard(const struct conn *conn, rill_time now)
{
    bool waits = conn->phase != CONN_SERVE && conn->phase != CONN_SEND;
    return waits && now >= conn->deadline && now - conn->deadline >= LATE;
}

static void on_timer(void *arg)
{
    struct conn *conn = arg;
    rill_time now = rill_now();
    conn->timer_at = RILL_FOREVER;
    if (was_not_heard(conn, now))
        conn->deadline = now + LAST_LOOK;
    if (now < conn->deadline || (conn->phase == CONN_SEND && !is_stuck(conn))) {
        if (conn->deadline != RILL_FOREVER)
            set_timer(conn);
        return;
    }
    conn->deadline = RILL_FOREVER;
    conn_stop(conn, CONN_TIMEOUT);
}

void conn_phase(struct conn *conn, enum conn_phase phase, rill_time limit)
{
    if (conn->why == CONN_TIMEOUT)
        (void)conn_timed_out(conn);
    conn->phase = (uint8_t)phase;
    conn->deadline = rill_time_add(rill_turn_time(), limit);
    if (conn->deadline < conn->timer_at)
        set_timer(conn);
}

void conn_idle(struct conn *conn)
{
    conn->last = crowd_drains();
    conn->quiet_since = 0;
    conn_phase(conn, CONN_IDLE, crowd_idle_limit());
}

void conn_sending(struct conn *conn, rill_time limit)
{
    conn->send_limit = limit;
    conn->send_since = rill_turn_time();
    conn->delivered = not_known;
    conn_phase(conn, CONN_SEND, limit / looks);
}

void conn_stop(struct conn *conn, enum conn_why why)
{
    if (conn->why == CONN_NOT_ASKED)
        conn->why = (uint8_t)why;
    rill_cancel(conn->task, NULL);
}

bool conn_timed_out(struct conn *conn)
{
    if (conn->why != CONN_TIMEOUT || rill_uncancel(conn->task) > 0)
        return false;
    conn->why = CONN_NOT_ASKED;
    return true;
}

/* --- Beginning and end. --- */

void conn_listener_unref(struct conn_listener *listener)
{
    if (--listener->refs == 0)
        rill_free(listener);
}

/* What only a busy connection has. */
static void rest(struct conn *conn)
{
    crowd_rest(conn);
    rill_handle_cancel(conn->timer);
    rill_arena_fini(&conn->arena);
    rill_free(conn->address);
    conn->client->conn = NULL;
}

static void drop(struct client *client)
{
    crowd_leave(client);
    conn_listener_unref(client->listener);
    rill_free(client);
}

static int wake_main(void *arg);

void conn_repark(struct client *client, rill_time limit)
{
    (void)rill_stream_park(client->stream, limit, RILL_CORO(wake_main, client));
}

void conn_wake(struct client *client)
{
    client->leaving = true;
    conn_repark(client, 0);
}

void conn_end_parked(struct client *client)
{
    rill_stream_close(client->stream);
    rill_stream_unref(client->stream); /* its coroutine would have had this one */
    drop(client);
}

/* Whether the connection was told to park, and for no other reason, and now is. What is left of its
 * limit goes with it. */
static bool park(struct conn *conn)
{
    struct client *client = conn->client;
    if (conn->why != CONN_PARK || rill_uncancel(conn->task) > 0)
        return false;
    rill_time left = conn->deadline;
    if (left != RILL_FOREVER)
        left -= rill_turn_time();
    return rill_stream_park(client->stream, left, RILL_CORO(wake_main, client)) == 0;
}

/* Send what is left and close; or cut, after an error. */
static void finish(struct conn *conn, int r)
{
    if (r == 0) {
        conn_sending(conn, tables_current->conf->limits.send_timeout);
        if (rill_cancelling(conn->task) > 0)
            rill_cancel(conn->task, NULL); /* it has to end now, whether the client reads or not */
        rill_stream_close(conn->stream);
        r = rill_stream_wait_closed(conn->stream);
    }
    if (r < 0)
        rill_stream_abort(conn->stream); /* what the client missed is its own affair */
    rill_stream_unref(conn->stream);
}

/* A busy time, from the accept or the first octets after a silence to the next silence or the end. */
static int talk(struct client *client, rill_time limit, bool is_over)
{
    struct conn conn = { .client = client,
                         .stream = client->stream,
                         .task = rill_current_task(),
                         .last = crowd_drains() || client->leaving,
                         .deadline = RILL_FOREVER,
                         .timer_at = RILL_FOREVER };
    client->conn = &conn;
    client->leaving = false;
    crowd_join(&conn);
    conn_phase(&conn, CONN_IDLE, limit);
    int r = is_over ? 0 : h1_serve(&conn);
    bool parked = r == 0 && park(&conn);
    if (!parked)
        finish(&conn, r);
    rest(&conn);
    if (!parked)
        drop(client);
    return 0;
}

static int first_main(void *arg)
{
    rill_time limit = tables_current->conf->limits.head_timeout;
    return talk(arg, crowd_drains() ? crowd_idle_limit() : limit, false);
}

/* Octets have come, or the client has left; else the limit has passed: perhaps while we were held up. */
static int wake_main(void *arg)
{
    struct client *client = arg;
    bool is_silent =
        rill_stream_buffered(client->stream) == 0 && !rill_stream_peer_ended(client->stream);
    client->regular = true;
    return talk(client, is_silent ? LAST_LOOK : crowd_idle_limit(), is_silent && client->leaving);
}

/* A head in pieces is collected in the stream. */
static rill_stream_opts stream_opts(const struct conf_limits *limits)
{
    size_t head_most = limits->head_line + limits->head_size + 16;
    return (rill_stream_opts){ .read_limit = head_most > 64 << 10 ? head_most : 0 };
}

int conn_open(int fd, struct conn_listener *listener)
{
    /* At once, until it waits: a task that is cancelled before its first step would never run. */
    static const rill_task_opts at_once = { .eager = true };
    const rill_stream_opts opts = stream_opts(&tables_current->conf->limits);
    struct client *client = rill_alloc_zero(1, sizeof *client);
    int r = client == NULL ? -ENOMEM : rill_stream_new(fd, &opts, &client->stream);
    if (r < 0) {
        (void)rill_file_close(fd);
        rill_free(client);
        return r;
    }
    client->listener = listener;
    client->number = ++numbers & (UINT64_MAX >> 2);
    listener->refs++;
    crowd_come(client);
    rill_task *task = rill_create_task_with(RILL_CORO(first_main, client), &at_once);
    if (rill_done(task)) { /* there is no memory for it, or the loop is closing */
        r = rill_result(task);
        rill_stream_abort(client->stream);
        rill_stream_unref(client->stream);
        drop(client);
    }
    rill_unref(task);
    return r;
}
