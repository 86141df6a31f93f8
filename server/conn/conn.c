/* conn.c - the life of a connection.
 *
 * TIME LIMITS. Each phase has a deadline, which is stored and not armed: one timer per connection
 * looks at it when it fires and is set anew to what it finds. So a busy keep-alive connection costs
 * no timer operation per request. Only a phase with a shorter limit moves the timer. In CONN_SEND
 * the timer looks four times within the limit at what the client took, and only one that took next
 * to nothing is cut, whatever the task waits for.
 *
 * THE END. A normal end closes the stream, which sends what is left. A cut (a silent client, a drain
 * at its limit, an answer that could not be finished) aborts it, so that the client can tell. */
#include "server/conn/conn.h"

#include "server/conf/conf.h"
#include "server/conn/h1.h"
#include "server/conn/tables.h"
#include "server/shm.h"

#include <rill/file.h>
#include <rill/future.h>
#include <rill/mem.h>

#include <errno.h>

enum {
    send_rate = 1 << 10, /* octets a second that a client must take */
    looks = 4,           /* at its progress within the send limit */
};

#define not_known UINT64_MAX

static struct conn *first, *last;
static unsigned count;
static uint64_t numbers;
static bool draining;          /* new connections serve one request, too */
static rill_time drain_grace;  /* and have that long to ask */
static rill_future *all_ended; /* somebody waits for it, or NULL */

static void link_in(struct conn *conn)
{
    conn->prev = last;
    if (last != NULL)
        last->next = conn;
    else
        first = conn;
    last = conn;
    count++;
    shm_add(&shm_mine->connections, 1);
    shm_add(&shm_mine->accepted, 1);
}

static void link_out(struct conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        first = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    else
        last = conn->prev;
    count--;
    shm_add(&shm_mine->connections, (uint64_t)-1);
}

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

static void on_timer(void *arg)
{
    struct conn *conn = arg;
    conn->timer_at = RILL_FOREVER;
    if (rill_now() < conn->deadline || (conn->phase == CONN_SEND && !is_stuck(conn))) {
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
    conn->last = draining;
    conn_phase(conn, CONN_IDLE, draining ? drain_grace : tables_current->conf->limits.idle_timeout);
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

static void end(struct conn *conn)
{
    link_out(conn);
    rill_handle_cancel(conn->timer);
    rill_arena_fini(&conn->arena);
    rill_free(conn->client);
    conn_listener_unref(conn->listener);
    rill_unref(conn->task);
    rill_free(conn);
    if (count == 0 && all_ended != NULL)
        (void)rill_future_set_result_unless_cancelled(all_ended, 0, NULL);
}

static int conn_main(void *arg)
{
    struct conn *conn = arg;
    int r = h1_serve(conn);
    if (r == 0) {
        conn_sending(conn, tables_current->conf->limits.send_timeout);
        if (rill_cancelling(conn->task) > 0)
            rill_cancel(conn->task, NULL); /* it has to end now, whether the client reads or not */
        rill_stream_close(conn->stream);
        r = rill_stream_wait_closed(conn->stream);
    }
    if (r < 0)
        rill_stream_abort(conn->stream);
    rill_stream_unref(conn->stream);
    end(conn);
    return 0; /* what the client missed is its own affair, and in the access log */
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
    const struct conf_limits *limits = &tables_current->conf->limits;
    const rill_stream_opts opts = stream_opts(limits);
    struct conn *conn = rill_alloc_zero(1, sizeof *conn);
    int r = conn == NULL ? -ENOMEM : rill_stream_new(fd, &opts, &conn->stream);
    if (r < 0) {
        (void)rill_file_close(fd);
        rill_free(conn);
        return r;
    }
    conn->listener = listener;
    conn->number = ++numbers;
    conn->last = draining;
    conn->deadline = conn->timer_at = RILL_FOREVER;
    conn->task = rill_create_task_with(RILL_CORO(conn_main, conn), &at_once);
    if (rill_done(conn->task)) { /* there is no memory for it, or the loop is closing */
        r = rill_result(conn->task);
        rill_unref(conn->task);
        rill_stream_abort(conn->stream);
        rill_stream_unref(conn->stream);
        rill_free(conn);
        return r;
    }
    listener->refs++;
    link_in(conn);
    conn_phase(conn, CONN_IDLE, draining ? drain_grace : limits->head_timeout);
    return 0;
}

/* --- All of them. --- */

unsigned conn_count(void)
{
    return count;
}

struct conn *conn_oldest(void)
{
    return first;
}

unsigned conn_shed(unsigned most)
{
    enum { look_at = 64 }; /* so that a flood of connections costs no walk over all of them */

    unsigned looked = 0, asked = 0;
    for (struct conn *conn = first; conn != NULL && looked < look_at && asked < most;
         conn = conn->next, looked++)
        if (conn->phase == CONN_IDLE && conn->why == CONN_NOT_ASKED) {
            conn_stop(conn, CONN_TIMEOUT);
            asked++;
        }
    return asked;
}

void conn_drain(rill_time grace)
{
    draining = true;
    drain_grace = grace;
    for (struct conn *conn = first; conn != NULL; conn = conn->next) {
        if (conn->phase != CONN_SEND) /* its head is out and says otherwise: see conn_idle */
            conn->last = true;
        if (conn->phase == CONN_IDLE)
            conn_phase(conn, CONN_IDLE, grace);
    }
}

rill_future *conn_all_ended(void)
{
    rill_unref(all_ended);
    all_ended = rill_future_new();
    if (count == 0)
        (void)rill_future_set_result_unless_cancelled(all_ended, 0, NULL);
    return rill_ref(all_ended);
}
