/* conn.c - the life of a connection.
 *
 * TIME LIMITS. Each phase has a deadline, which is stored and not armed: one timer per connection
 * looks at it when it fires and is set anew to what it finds. So a busy keep-alive connection costs
 * no timer operation per request. Only a phase with a shorter limit moves the timer.
 *
 * THE END. A normal end closes the stream, which sends what is left. A cut (a silent client, a drain
 * at its limit, an answer that could not be finished) aborts it, so that the client can tell. */
#include "server/conn/conn.h"

#include "server/conf/conf.h"
#include "server/conn/h1.h"
#include "server/conn/tables.h"
#include "server/shm.h"

#include <rill/future.h>
#include <rill/mem.h>

#include <errno.h>

static struct conn *first, *last;
static unsigned count;
static uint64_t numbers;
static bool draining;          /* new connections serve one request, too */
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

static void on_timer(void *arg)
{
    struct conn *conn = arg;
    conn->timer_at = RILL_FOREVER;
    if (rill_now() < conn->deadline) {
        if (conn->deadline != RILL_FOREVER)
            set_timer(conn);
        return;
    }
    conn->deadline = RILL_FOREVER;
    conn_stop(conn, CONN_TIMEOUT);
}

void conn_phase(struct conn *conn, enum conn_phase phase, rill_time limit)
{
    conn->phase = (uint8_t)phase;
    conn->deadline = rill_time_add(rill_turn_time(), limit);
    if (conn->deadline < conn->timer_at)
        set_timer(conn);
}

void conn_stop(struct conn *conn, enum conn_why why)
{
    if (conn->why == CONN_NOT_ASKED)
        conn->why = (uint8_t)why;
    rill_cancel(conn->task, NULL);
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
        conn_phase(conn, CONN_SEND, tables_current->conf->limits.send_timeout);
        r = rill_stream_close(conn->stream);
    } else {
        rill_stream_abort(conn->stream);
    }
    end(conn);
    (void)r; /* what the client missed is its own affair, and in the access log */
    return 0;
}

int conn_open(int fd, struct conn_listener *listener)
{
    struct conn *conn = rill_alloc_zero(1, sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    int r = rill_stream_new(fd, NULL, &conn->stream);
    if (r < 0)
        goto fail;
    conn->listener = listener;
    conn->number = ++numbers;
    conn->last = draining;
    conn->deadline = conn->timer_at = RILL_FOREVER;
    conn->task = rill_create_task(RILL_CORO(conn_main, conn));
    if (rill_done(conn->task)) {
        r = rill_result(conn->task);
        rill_unref(conn->task);
        rill_stream_abort(conn->stream);
        rill_free(conn);
        return r == -ENOMEM ? 0 : r; /* the socket is gone: nothing is left to close */
    }
    listener->refs++;
    link_in(conn);
    return 0;

fail:
    rill_free(conn);
    return r;
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
    for (struct conn *conn = first; conn != NULL; conn = conn->next) {
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
