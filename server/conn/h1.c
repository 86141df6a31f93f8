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
#include <rill/timeout.h>

#include <errno.h>
#include <string.h>

enum {
    fields_most = 1000,      /* of the setting limits.head_fields */
    path_most = 64 << 10,    /* of the setting limits.head_line */
    discard_most = 64 << 10, /* of a body that nobody reads (rule 58) */
    linger_most = 1 << 20,   /* rule 68 */
};

#define LINGER_TOTAL   RILL_SEC(5)
#define LINGER_SILENCE RILL_SEC(1)

/* A head with its fields, in memory of its own: of one that came in pieces. */
struct kept_head {
    rill_http_head head;
    rill_http_field fields[];
};

/* One request that is whole when it is first looked at needs no memory: a worker has one thread, and
 * this is in use only between two suspensions. */
static rill_http_head scratch_head;
static rill_http_field scratch_fields[fields_most];
static char scratch_path[path_most];

/* --- Keeping a request over a suspension. --- */

static rill_span moved(rill_span span, const rill_http_head *from, const char *to)
{
    if (span.at >= from->at && span.at <= from->at + from->size)
        span.at = to + (span.at - from->at);
    return span;
}

/* A path that was decoded lies in the scratch memory; its tail lies in the path. */
static int keep_path(struct request *request)
{
    if (request->path.at < scratch_path || request->path.at >= scratch_path + path_most)
        return 0;
    char *copy = rill_arena_copy(request->arena, request->path.at, request->path.size);
    if (copy == NULL)
        return -ENOMEM;
    if (request->tail.at != NULL)
        request->tail.at = copy + (request->tail.at - request->path.at);
    request->path.at = copy;
    return 0;
}

int request_keep(struct request *request)
{
    const rill_http_head *from = request->head;
    if (request->kept)
        return 0;
    size_t fields_size = from->field_count * sizeof *from->fields;
    rill_http_head *head = rill_arena_alloc(request->arena, sizeof *head);
    rill_http_field *fields = rill_arena_alloc(request->arena, fields_size);
    char *octets = rill_arena_alloc(request->arena, from->size);
    if (head == NULL || fields == NULL || octets == NULL || keep_path(request) < 0)
        return -ENOMEM;
    memcpy(octets, from->at, from->size);
    memcpy(fields, from->fields, fields_size);
    *head = *from;
    head->at = octets;
    head->fields = fields;
    request->path = moved(request->path, from, octets);
    request->tail = moved(request->tail, from, octets);
    request->query = moved(request->query, from, octets);
    request->head = head;
    request->kept = true;
    return 0;
}

/* --- Reading a head. --- */

static rill_http_limits parser_limits(const struct conf_limits *limits)
{
    return (rill_http_limits){ .line = (uint32_t)limits->head_line,
                               .head = (uint32_t)limits->head_size,
                               .fields = (uint16_t)limits->head_fields };
}

/* Go on with a head that did not come at once.
 * Returns: above 0 (complete, in *ret_kept); 0 (the client ended first); -EBADMSG (refused); -errno.
 * Owns: gives *ret_kept, unless it is NULL. */
static int read_rest(struct conn *conn, const struct conf_limits *limits,
                     struct kept_head **ret_kept)
{
    rill_http_limits bounds = parser_limits(limits);
    uint16_t most = (uint16_t)limits->head_fields;
    struct kept_head *kept = rill_alloc(sizeof *kept + most * sizeof *kept->fields);
    rill_span octets;
    int r = 0, got = rill_stream_peek(conn->stream, 0, &octets);
    *ret_kept = kept;
    if (kept == NULL)
        return -ENOMEM;
    rill_http_head_init(&kept->head, kept->fields, most);
    conn_phase(conn, CONN_HEAD, limits->head_timeout);
    while (got > 0) {
        r = rill_http_request_parse(&kept->head, octets.at, octets.size, &bounds);
        if (r != 0)
            return r;
        got = rill_stream_peek(conn->stream, octets.size + 1, &octets);
    }
    return got;
}

/* --- Bodies. --- */

static int discard(struct conn *conn, rill_http_body *body, rill_time silence)
{
    rill_http_piece piece;
    rill_span octets;
    while (!body->done && body->total < discard_most) {
        conn_phase(conn, CONN_BODY, silence);
        int r = rill_stream_peek(conn->stream, 1, &octets);
        if (r <= 0)
            return r < 0 ? r : -ENODATA;
        int64_t used = rill_http_body_take(body, octets.at, octets.size, &piece);
        if (used < 0)
            return (int)used;
        rill_stream_consume(conn->stream, (size_t)used);
        conn->bytes_in += (uint64_t)used;
    }
    return 0;
}

/* No handler reads a body: read what came of it away, up to discard_most octets. Where more is to
 * come, or the client waits to be told to send it, the connection ends with the answer. (58, 73)
 * Returns: 0; the status of a refusal; -errno. */
static int discard_body(struct conn *conn, const struct conf_limits *limits)
{
    const rill_http_head *head = conn->request.head;
    rill_http_body body;
    if (rill_http_body_init(&body, head, limits->body) < 0)
        return 413;
    if (body.done)
        return 0;
    if (head->expect_continue ||
        (head->framing == RILL_HTTP_BODY_LENGTH && head->length > discard_most)) {
        conn->last = true;
        return 0;
    }
    int r = discard(conn, &body, limits->body_timeout);
    if (r == -EBADMSG || r == -EMSGSIZE)
        return body.refuse_status;
    conn->last |= !body.done;
    return r;
}

/* --- Answering. --- */

static void refuse(struct conn *conn, int status, struct reply *ret_reply)
{
    reply_error(status, ret_reply);
    conn->last = true;
}

/* The head is copied: its octets can go from the stream. */
static void consume_head(struct conn *conn)
{
    rill_stream_consume(conn->stream, conn->unconsumed);
    conn->unconsumed = 0;
}

static void on_client_gone(void *arg)
{
    conn_stop(arg, CONN_CLIENT_GONE);
}

/* A handler that may take long: under the route's deadline, and given up when the client leaves. */
static int serve_slowly(struct conn *conn, struct request *request, struct reply *ret_reply)
{
    const struct route *route = request->route;
    rill_scope scope = { 0 };
    int r = request_keep(request);
    if (r < 0)
        return r;
    consume_head(conn);
    r = rill_timeout(&scope, route->conf->deadline);
    if (r < 0)
        return r;
    rill_stream_on_peer_end(conn->stream, on_client_gone, conn);
    r = route->handler->serve(route->state, request, ret_reply);
    rill_stream_on_peer_end(conn->stream, NULL, NULL);
    return rill_scope_leave(&scope, r);
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

/* Path and query of the target.   Returns: 0; the status of a refusal. */
static int read_target(struct request *request)
{
    const rill_http_head *head = request->head;
    rill_http_target target;
    if (head->scheme == RILL_HTTP_SCHEME_HTTPS)
        return 421; /* rule 21 */
    if (rill_http_target_parse(rill_http_span(head, head->resource), scratch_path,
                               sizeof scratch_path, &target) < 0)
        return target.refuse_status;
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
    int r = 0;
    if (request->head->framing != RILL_HTTP_BODY_NONE) {
        r = request_keep(request);
        consume_head(conn);
        if (r == 0)
            r = discard_body(conn, &conn->tables->conf->limits);
        if (r < 0)
            return r;
    }
    if (r == 0)
        r = read_target(request);
    if (r != 0) {
        refuse(conn, r, ret_reply);
        return 0;
    }
    if (route_request(conn->tables->routes, request, ret_reply) == 0)
        return 0;
    conn->phase = CONN_SERVE;
    if (request->route->handler->suspends) {
        conn->deadline = RILL_FOREVER;
        r = serve_slowly(conn, request, ret_reply);
    } else {
        r = request->route->handler->serve(request->route->state, request, ret_reply);
    }
    if (r < 0 && r != -ECANCELED) {
        reply_error(status_of(r), ret_reply);
        return 0;
    }
    return r;
}

/* --- One request. --- */

static void begin_request(struct conn *conn, const rill_http_head *head)
{
    conn->tables = tables_hold();
    conn->unconsumed = head->size;
    conn->bytes_in = head->size;
    conn->bytes_out = 0;
    conn->last |= !head->keep_alive;
    conn->rule = 0;
    conn->request = (struct request){ .head = head,
                                      .arena = &conn->arena,
                                      .now = rill_wall_clock() / RILL_SEC(1) };
    shm_add(&shm_mine->in_flight, 1);
}

static void end_request(struct conn *conn)
{
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
static int serve_request(struct conn *conn, const rill_http_head *head)
{
    struct reply reply = { .status = 0 };
    struct access access;
    begin_request(conn, head);
    access_begin(&access);
    int r = make_reply(conn, &reply);
    if (r == 0)
        r = send_reply(conn, &reply);
    access_end(&access, conn, reply.status, r);
    end_request(conn);
    return r;
}

/* Answer what could not be read as a request. */
static int serve_refusal(struct conn *conn, int status, unsigned rule)
{
    static const rill_http_head none = { .at = "" };
    struct reply reply;
    struct access access;
    begin_request(conn, &none);
    conn->rule = (uint16_t)rule;
    access_begin(&access);
    refuse(conn, status, &reply);
    int r = send_reply(conn, &reply);
    access_end(&access, conn, status, r);
    end_request(conn);
    return r;
}

/* A head that is not all there yet, and then its request. */
static int serve_in_pieces(struct conn *conn)
{
    struct kept_head *kept;
    int r = read_rest(conn, &tables_current->conf->limits, &kept);
    if (r > 0)
        r = serve_request(conn, &kept->head);
    else if (r == -EBADMSG)
        r = serve_refusal(conn, kept->head.refuse_status, kept->head.refuse_rule);
    else if (r == 0)
        conn->last = true; /* the client ended in the middle: nobody to answer */
    else if (r == -ECANCELED && conn->why == CONN_TIMEOUT)
        r = rill_uncancel(conn->task) == 0 ? serve_refusal(conn, 408, 69) : r;
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
        return serve_refusal(conn, scratch_head.refuse_status, scratch_head.refuse_rule);
    return serve_in_pieces(conn);
}

/* --- The connection. --- */

/* Everything is answered: let the client read it. What it still sends is read and thrown away, since
 * closing over unread octets would reset the connection and overtake the answer. (rule 68) */
static int linger(struct conn *conn)
{
    rill_time until = rill_time_add(rill_turn_time(), LINGER_TOTAL);
    size_t discarded = 0;
    rill_span octets;
    conn_phase(conn, CONN_SEND, tables_current->conf->limits.send_timeout);
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
    if (r == -ECANCELED && conn->phase == CONN_LINGER) {
        rill_uncancel(conn->task);
        r = 0; /* silent long enough */
    }
    return r;
}

int h1_serve(struct conn *conn)
{
    rill_span octets;
    int r;
    conn_phase(conn, CONN_IDLE, tables_current->conf->limits.head_timeout);
    while ((r = rill_stream_peek(conn->stream, 1, &octets)) > 0) {
        r = serve_next(conn, octets);
        if (r < 0 || conn->last)
            break;
        conn_phase(conn, CONN_IDLE, tables_current->conf->limits.idle_timeout);
    }
    if (r == -ECANCELED && conn->phase == CONN_IDLE && rill_uncancel(conn->task) == 0)
        return 0; /* idle for too long, or no more wanted: closed without a word (rule 69) */
    return r == 0 && conn->last ? linger(conn) : r;
}
