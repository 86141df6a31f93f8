/* h1.c - HTTP/1.1 on a connection: the pump between a stream and the engine of <rill/http.h>.
 *
 * MODEL. One loop per connection: look at the octets that are there, parse a head, read a body away,
 * choose a route, let its handler make a reply, send it, go on behind the request. Requests that
 * came together are answered one after the other and leave in one send, since small answers only
 * collect in the stream's buffer.
 *
 * WHERE THE OCTETS LIE. In a receive buffer of the kernel's, shown in place by rill_stream_peek and
 * valid until the task suspends. A request whose handler never suspends is parsed, answered and
 * consumed there. One that may suspend is copied to the request's arena first (request_keep), with
 * its head and fields. A head that came in pieces keeps its parser state in memory of its own.
 *
 * I1 A request is consumed only after its answer is with the stream, and exactly once.
 * I2 After a refusal nothing more is read as a request: where the next one begins is not known.
 * I3 A request is pinned to the tables that were current when its head was complete.
 * I4 An answer either goes out whole or the connection is cut: a client never takes a part for it.
 *
 * FAILURE. A limit that passes cancels the task; what it was doing then decides what the client
 * sees: nothing (idle), 408 (head, body), 504 (handler) or a cut (sending). */
#include "server/conn/h1.h"

#include "server/conf/conf.h"
#include "server/conn/access.h"
#include "server/conn/conn.h"
#include "server/conn/send.h"
#include "server/conn/tables.h"
#include "server/handler/handler.h"
#include "server/log.h"
#include "server/reply.h"
#include "server/route.h"
#include "server/shm.h"

#include <rill/http.h>
#include <rill/stream.h>

#include <errno.h>
#include <string.h>

enum {
    fields_most = 1000,      /* of the setting limits.head_fields */
    path_most = 64 << 10,    /* of the setting limits.head_line */
    discard_most = 64 << 10, /* of a body that nobody reads (rule 58) */
    discard_rate = 1 << 10,  /* octets a second that a body must bring */
    linger_most = 1 << 20,   /* rule 68 */
};

#define LINGER_TOTAL   RILL_SEC(5)
#define LINGER_SILENCE RILL_SEC(1)

/* A head with its fields, in memory of its own: of one that came in pieces. */
struct kept_head {
    rill_http_message head;
    rill_http_field fields[];
};

/* One request that is whole when it is first looked at needs no memory: a worker has one thread, and
 * this is in use only between two suspensions. */
static rill_http_message scratch_head;
static rill_http_field scratch_fields[fields_most];
static char scratch_path[path_most];

/* --- Refusals. --- */

/* Note that the request is refused.   Returns: `status`. */
static int refused(struct conn *conn, unsigned status, unsigned rule)
{
    conn->rule = (uint16_t)rule;
    conn->end = "refused";
    return (int)status;
}

/* Answer with `status`, and let nothing follow. (I2) A refused method has no route that could tell
 * what it takes; all routes take the same. (rule 77) */
static void refuse(struct conn *conn, int status, struct reply *ret_reply)
{
    if (status == 405)
        reply_error_with(&conn->arena, status, RILL_SPAN("Allow"), RILL_SPAN("GET, HEAD, OPTIONS"),
                         NULL, ret_reply);
    else
        reply_error(status, ret_reply);
    conn->last = true;
}

/* At the begin, and after each wait: an answer has a date of its own. (rule 74) */
static void look_at_clock(struct request *request)
{
    request->now = rill_wall_clock() / RILL_SEC(1);
}

/* --- Bodies. --- */

/* The head is copied: its octets can go from the stream. */
static void consume_head(struct conn *conn)
{
    rill_stream_consume(conn->stream, conn->unconsumed);
    conn->unconsumed = 0;
}

/* How long to wait for more of a body of which `size` octets came in the time since `begun`. Its rate
 * counts after a third of the limit of silence: 10 seconds, by default. */
static rill_time body_limit(rill_time begun, uint64_t size, rill_time silence)
{
    rill_time earned = RILL_SEC((rill_time)size) / discard_rate;
    rill_time left = begun + silence / 3 + earned - rill_turn_time();
    return left < silence ? left : silence;
}

static int discard(struct conn *conn, rill_http_body *body, rill_time silence)
{
    rill_time begun = rill_turn_time();
    uint64_t size = 0;
    rill_http_piece piece;
    rill_span octets;
    while (!body->done && body->total < discard_most) {
        conn_phase(conn, CONN_BODY, body_limit(begun, size, silence));
        int r = rill_stream_peek(conn->stream, 1, &octets);
        if (r <= 0)
            return r < 0 ? r : -ENODATA;
        int64_t used = rill_http_body_take(body, octets.at, octets.size, &piece);
        if (used < 0)
            return (int)used;
        rill_stream_consume(conn->stream, (size_t)used);
        conn->bytes_in += (uint64_t)used;
        size += (uint64_t)used;
    }
    return 0;
}

/* No handler reads a body: read what came of it away, up to discard_most octets. Where more is to
 * come, or the client waits to be told to send it, the connection ends with the answer. (58, 73)
 * Returns: 0; the status of a refusal; -errno. */
static int discard_body(struct conn *conn)
{
    const struct conf_limits *limits = &conn->tables->conf->limits;
    const rill_http_message *head = conn->request.head;
    rill_http_body body;
    if (rill_http_body_init(&body, head, limits->body) < 0)
        return refused(conn, 413, 0);
    if (body.done)
        return 0;
    if (head->expect_continue ||
        (head->framing == RILL_HTTP_BODY_LENGTH && head->length > discard_most)) {
        conn->last = true;
        return 0;
    }
    if (request_keep(&conn->request) < 0) {
        conn->end = "error";
        return 503;
    }
    consume_head(conn);
    int r = discard(conn, &body, limits->body_timeout);
    look_at_clock(&conn->request);
    if (r == -ECANCELED && conn_timed_out(conn))
        return refused(conn, 408, 0);
    if (r == -EBADMSG || r == -EMSGSIZE)
        return refused(conn, body.refuse_status, body.refuse_rule);
    conn->last |= !body.done;
    return r;
}

/* --- Answering. --- */

static void on_client_gone(void *arg)
{
    conn_stop(arg, CONN_CLIENT_GONE);
}

/* A handler that may take long is given up when the client leaves. */
static int serve_slowly(struct conn *conn, struct request *request, struct reply *ret_reply)
{
    const struct route *route = request->route;
    int r = request_keep(request);
    if (r < 0)
        return r;
    consume_head(conn);
    rill_stream_on_peer_end(conn->stream, on_client_gone, conn);
    r = route->handler->serve(route->state, request, ret_reply);
    rill_stream_on_peer_end(conn->stream, NULL, NULL);
    look_at_clock(request);
    return r;
}

static int status_of(int error)
{
    switch (error) {
    case -ETIME: return 504;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE: return 503;
    default: return 500;
    }
}

/* The client learns nothing of why; the operator does. */
static void tell_failure(const struct request *request, int error)
{
    static struct log_limit limit;
    log_client(&limit, LOG_ERROR, "serve", "%.*s was answered with 500 by route %.*s: %s",
               (int)request->path.size, request->path.at, (int)request->route->conf->path.size,
               request->route->conf->path.at, rill_strerror(error));
}

/* Let the handler of the route answer, within the route's deadline.
 * Returns: 0; -ECANCELED (the connection has to end). */
static int serve(struct conn *conn, struct request *request, struct reply *ret_reply)
{
    const struct route *route = request->route;
    int r;
    if (!route->handler->instant)
        conn_phase(conn, CONN_SERVE, route->conf->deadline);
    if (route->handler->suspends)
        r = serve_slowly(conn, request, ret_reply);
    else
        r = route->handler->serve(route->state, request, ret_reply);
    if (r == -ECANCELED && conn_timed_out(conn))
        r = -ETIME;
    if (request->failure != 0)
        tell_failure(request, request->failure);
    if (r == 0 || (r == -ECANCELED && rill_cancelling(conn->task) > 0))
        return r;
    int status = status_of(r);
    look_at_clock(request);
    if (status == 500)
        tell_failure(request, r);
    reply_error(status, ret_reply);
    return 0;
}

/* Path and query of the target.   Returns: 0; the status of a refusal. */
static int read_target(struct conn *conn)
{
    struct request *request = &conn->request;
    const rill_http_message *head = request->head;
    rill_http_target target;
    if (head->scheme == RILL_HTTP_SCHEME_HTTPS)
        return refused(conn, 421, 21);
    if (rill_http_target_parse(rill_http_span(head, head->resource), scratch_path,
                               sizeof scratch_path, &target) < 0)
        return refused(conn, target.refuse_status, target.refuse_rule);
    request->path = target.path;
    request->query = target.query;
    request->encoded_slash = target.encoded_slash;
    return 0;
}

/* The reply to a request whose head is complete.
 * Returns: 0, also for every error that has a status; -ECANCELED; the error of a broken body. */
static int make_reply(struct conn *conn, struct reply *ret_reply)
{
    struct request *request = &conn->request;
    int r = read_target(conn); /* before the body: reading that keeps the request */
    if (r == 0 && request->head->framing != RILL_HTTP_BODY_NONE)
        r = discard_body(conn);
    if (r > 0) {
        refuse(conn, r, ret_reply);
        return 0;
    }
    if (r < 0 || route_request(conn->tables->routes, request, ret_reply) == 0)
        return r;
    return serve(conn, request, ret_reply);
}

/* --- One request. --- */

static void begin_request(struct conn *conn, const rill_http_message *head)
{
    conn->tables = tables_hold();
    conn->unconsumed = head->size;
    conn->bytes_in = head->size;
    conn->bytes_out = conn->head_out = 0;
    conn->last |= !head->keep_alive;
    conn->rule = 0;
    conn->end = NULL;
    conn->request = (struct request){ .head = head, .arena = &conn->arena };
    look_at_clock(&conn->request);
    shm_add(&shm_mine->in_flight, 1);
    access_begin(conn);
}

/* `result` is that of sending the reply. */
static void end_request(struct conn *conn, const struct reply *reply, int result)
{
    access_end(conn, reply->status, result);
    if (conn->unconsumed > 0)
        consume_head(conn);
    if (conn->arena.chunks != NULL)
        rill_arena_fini(&conn->arena);
    tables_release(conn->tables);
    conn->tables = NULL;
    shm_add(&shm_mine->in_flight, (uint64_t)-1);
    shm_add(&shm_mine->requests, 1);
}

/* Answer one request whose head is complete.
 * Returns: 0 (the answer is with the stream; conn->last says whether to go on); -errno. */
static int serve_request(struct conn *conn, const rill_http_message *head)
{
    struct reply reply = { .status = 0 };
    begin_request(conn, head);
    int r = make_reply(conn, &reply);
    if (r == 0)
        r = send_reply(conn, &reply);
    end_request(conn, &reply, r);
    return r;
}

/* Answer what could not be read as a request. As much of the head as was understood, in `octets`,
 * tells how to answer, and is logged. */
static int serve_refusal(struct conn *conn, rill_http_message *head, rill_span octets,
                         unsigned status, unsigned rule)
{
    struct reply reply;
    head->at = octets.at;
    head->size = (uint32_t)octets.size;
    head->keep_alive = false;
    begin_request(conn, head);
    refuse(conn, refused(conn, status, rule), &reply);
    int r = send_reply(conn, &reply);
    end_request(conn, &reply, r);
    return r;
}

/* --- Reading a head. --- */

static rill_http_limits parser_limits(const struct conf_limits *limits)
{
    return (rill_http_limits){ .line = (uint32_t)limits->head_line,
                               .head = (uint32_t)limits->head_size,
                               .fields = (uint16_t)limits->head_fields };
}

/* Go on with a head that did not come at once.
 * Returns: above 0 (complete); 0 (the client ended first); -EBADMSG (refused); -EINVAL (the stream
 * was made when less than the limits of now were allowed); -errno. */
static int read_rest(struct conn *conn, rill_http_message *head, const rill_http_limits *bounds)
{
    rill_span octets;
    size_t least = 0;
    int r = 0;
    while (r == 0 && (r = rill_stream_peek(conn->stream, least, &octets)) > 0) {
        r = rill_http_request_parse(head, octets.at, octets.size, bounds);
        least = octets.size + 1;
    }
    return r;
}

/* A head that could not be read to its end, as `error` of read_rest says. */
static int serve_unread(struct conn *conn, rill_http_message *head, int error)
{
    bool late = error == -ECANCELED && conn_timed_out(conn);
    rill_span octets;
    if (!late && error != -EBADMSG && error != -EINVAL)
        return error;
    int r = rill_stream_peek(conn->stream, 0, &octets);
    if (r < 0)
        return r;
    if (late)
        return serve_refusal(conn, head, octets, 408, 69);
    if (error == -EINVAL)
        return serve_refusal(conn, head, octets, 431, 10);
    return serve_refusal(conn, head, octets, head->refuse_status, head->refuse_rule);
}

/* A head that is not all there yet, and then its request. */
static int serve_in_pieces(struct conn *conn, rill_span octets)
{
    const struct conf_limits *limits = &tables_current->conf->limits;
    rill_http_limits bounds = parser_limits(limits);
    uint16_t most = (uint16_t)limits->head_fields;
    struct kept_head *kept = rill_alloc(sizeof *kept + most * sizeof *kept->fields);
    if (kept == NULL)
        return serve_refusal(conn, &scratch_head, octets, 503, 0);
    rill_http_head_init(&kept->head, kept->fields, most);
    conn_phase(conn, CONN_HEAD, limits->head_timeout);
    int r = read_rest(conn, &kept->head, &bounds);
    if (r > 0)
        r = serve_request(conn, &kept->head);
    else if (r == 0)
        conn->last = true; /* the client ended in the middle: nobody to answer */
    else
        r = serve_unread(conn, &kept->head, r);
    rill_free(kept);
    return r;
}

/* The next request, whose first octets are there. */
static int serve_next(struct conn *conn, rill_span octets)
{
    const struct conf_limits *limits = &tables_current->conf->limits;
    rill_http_limits bounds = parser_limits(limits);
    rill_http_head_init(&scratch_head, scratch_fields, (uint16_t)limits->head_fields);
    int size = rill_http_request_parse(&scratch_head, octets.at, octets.size, &bounds);
    if (size > 0)
        return serve_request(conn, &scratch_head);
    if (size < 0)
        return serve_refusal(conn, &scratch_head, octets, scratch_head.refuse_status,
                             scratch_head.refuse_rule);
    return serve_in_pieces(conn, octets);
}

/* --- The connection. --- */

/* Everything is answered: let the client read it. What it still sends is read and thrown away, since
 * closing over unread octets would reset the connection and overtake the answer. (rule 68) */
static int linger(struct conn *conn)
{
    rill_time until = rill_time_add(rill_turn_time(), LINGER_TOTAL);
    size_t discarded = 0;
    rill_span octets;
    conn_sending(conn, tables_current->conf->limits.send_timeout);
    int r = rill_stream_write_eof(conn->stream);
    while (r == 0 && discarded < linger_most && rill_turn_time() < until) {
        conn_phase(conn, CONN_LINGER, LINGER_SILENCE);
        r = rill_stream_peek(conn->stream, 1, &octets);
        if (r <= 0)
            break;
        discarded += octets.size;
        rill_stream_consume(conn->stream, octets.size);
        r = 0;
    }
    if (r == -ECANCELED && conn->phase == CONN_LINGER && conn_timed_out(conn))
        r = 0; /* silent long enough */
    return r;
}

/* Wait for the first octets of a request. A connection that has idled too long is closed without a
 * word, unless a request came at the last moment. (rule 69) */
static int await_request(struct conn *conn, rill_span *ret_octets)
{
    int r = rill_stream_peek(conn->stream, 1, ret_octets);
    if (r != -ECANCELED || rill_stream_buffered(conn->stream) == 0 || !conn_timed_out(conn))
        return r;
    conn->last = true;
    return rill_stream_peek(conn->stream, 1, ret_octets);
}

int h1_serve(struct conn *conn)
{
    rill_span octets;
    int r;
    while ((r = await_request(conn, &octets)) > 0) {
        r = serve_next(conn, octets);
        if (r < 0 || conn->last)
            break;
        conn_idle(conn);
    }
    if (r == -ECANCELED && conn->phase == CONN_IDLE)
        return 0;
    return r == 0 && conn->last ? linger(conn) : r;
}
