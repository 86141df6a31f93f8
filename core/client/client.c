/* client.c - one exchange: write a request, read a response head, then its body as it is asked for.
 *
 * The response is one block: state and room for its field lines. The octets of its head are copied
 * out of the stream when the head is complete; those of the body pass from the stream's buffer to the
 * caller's. Nothing is read ahead of the caller but what the stream receives up to its own limit.
 *
 * The end tells the server what became of it: a connection whose response was read to its end is
 * kept or closed in order, any other is reset, since a mere end of our sending may be taken for a
 * client that waits on. */
#include "core/client/pool.h"

#include <rill/client.h>
#include <rill/http.h>
#include <rill/mem.h>

#include <errno.h>

enum {
    fields_max = 200,
    interim_max = 16,      /* rule 63 */
    lines_size = 64,       /* of a request: everything but what the caller gives */
    content_size = 4 << 10 /* first room of read_all */
};

static const rill_http_limits limits = { .line = 8192, .head = 32 << 10, .fields = fields_max };

struct rill_http_response {
    struct rill__connection *connection;
    rill_stream *stream; /* the connection's */
    char *octets;        /* of the head */
    rill_http_body body;
    int error;     /* of the body: what each further read returns */
    char *content; /* of read_all: NULL, or what it has so far */
    size_t content_used, content_room;
    rill_http_message head;
    rill_http_field fields[fields_max]; /* not cleared */
};

/* --- The request. --- */

/* Fields that tell where the message ends, or whose, are made here alone. */
static bool is_ours(rill_span name)
{
    switch (rill_http_field_of(name)) {
    case RILL_HTTP_FIELD_HOST:
    case RILL_HTTP_FIELD_CONNECTION:
    case RILL_HTTP_FIELD_CONTENT_LENGTH:
    case RILL_HTTP_FIELD_TRANSFER_ENCODING: return true;
    default: return false;
    }
}

static int write_lines(const rill_http_exchange_opts *opts, rill_text *text)
{
    int r = 0;
    for (size_t i = 0; i < opts->line_count && r == 0; i++)
        r = is_ours(opts->lines[i].name)
                ? -EINVAL
                : rill_http_write_field(text, opts->lines[i].name, opts->lines[i].value);
    if (opts->pool == NULL)
        rill_text_add(text, RILL_SPAN("Connection: close\r\n"));
    rill_http_write_end(text);
    return r;
}

static rill_span method_of(const rill_http_exchange_opts *opts)
{
    return opts->method.size > 0 ? opts->method : RILL_SPAN("GET");
}

/* The request as one text.   Owns: gives it. */
static int make_request(const rill_http_exchange_opts *opts, rill_text *ret_text)
{
    size_t size = lines_size + method_of(opts).size + opts->target.size + opts->host.size;
    for (size_t i = 0; i < opts->line_count; i++)
        size += opts->lines[i].name.size + opts->lines[i].value.size + 4; /* ": " and CRLF */
    rill_text text = { rill_alloc(size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    int r = rill_http_write_request(&text, method_of(opts), opts->target, opts->host);
    if (r == 0)
        r = write_lines(opts, &text);
    CHECK(r < 0 || !text.full);
    if (r < 0)
        rill_free(text.at);
    else
        *ret_text = text;
    return r;
}

/* A server may answer and close before it has read all of the request: then its answer counts, not
 * our failure to write. */
static int write_request(rill_stream *stream, const rill_text *text)
{
    int r = rill_stream_write(stream, text->at, text->used, NULL);
    return r == -ECANCELED || r == -ENOMEM ? r : 0;
}

/* --- The head. --- */

/* Take a complete head of `size` octets out of the stream. */
static int keep_head(rill_http_response *response, rill_span octets, int size)
{
    response->octets = rill_copy(octets.at, (size_t)size);
    if (response->octets == NULL)
        return -ENOMEM;
    response->head.at = response->octets;
    rill_stream_consume(response->stream, (size_t)size);
    return rill_http_body_init(&response->body, &response->head, UINT64_MAX);
}

/* One head, interim or not, as far as *ret_octets; it stays in the stream. Its size or -errno. */
static int parse_head(rill_http_response *response, rill_http_method method, rill_span *ret_octets)
{
    rill_http_head_init(&response->head, response->fields, fields_max);
    for (size_t least = 1;; least = ret_octets->size + 1) {
        int r = rill_stream_peek(response->stream, least, ret_octets);
        if (r == 0)
            return ret_octets->size == 0 ? -ECONNRESET : -EPROTO;
        if (r < 0)
            return r;
        r = rill_http_response_parse(&response->head, method, ret_octets->at, ret_octets->size,
                                     &limits);
        if (r != 0)
            return r < 0 ? -EPROTO : r;
    }
}

static int read_head(rill_http_response *response, rill_http_method method)
{
    rill_span octets;
    for (int interim = 0; interim <= interim_max; interim++) {
        int r = parse_head(response, method, &octets);
        if (r < 0)
            return interim > 0 && r == -ECONNRESET ? -EPROTO : r;
        if (response->head.status >= 200)
            return keep_head(response, octets, r);
        if (response->head.status == 101) /* nobody asked for it */
            return -EPROTO;
        rill_stream_consume(response->stream, (size_t)r);
    }
    return -EPROTO;
}

/* --- An exchange. --- */

/* Whether a request may be sent again, and so on a connection that may be dead (RFC 9110, 9.2.2). */
static bool is_idempotent(rill_http_method method)
{
    switch (method) {
    case RILL_HTTP_GET:
    case RILL_HTTP_HEAD:
    case RILL_HTTP_OPTIONS:
    case RILL_HTTP_PUT:
    case RILL_HTTP_DELETE: return true;
    default: return false;
    }
}

/* One try: on a connection of the pool, if there is one and `fresh` is not set. */
static int try_exchange(const rill_http_exchange_opts *opts, const rill_text *text, bool fresh,
                        rill_http_response *response) RILL_SUSPENDS;

static int try_exchange(const rill_http_exchange_opts *opts, const rill_text *text, bool fresh,
                        rill_http_response *response)
{
    int r = rill__connection_get(opts->pool, opts->address, fresh, &response->connection);
    if (r < 0)
        return r;
    response->stream = response->connection->stream;
    r = write_request(response->stream, text);
    return r < 0 ? r : read_head(response, rill_http_method_of(method_of(opts)));
}

static int run_exchange(const rill_http_exchange_opts *opts, rill_http_response *response)
    RILL_SUSPENDS;

static int run_exchange(const rill_http_exchange_opts *opts, rill_http_response *response)
{
    bool idempotent = is_idempotent(rill_http_method_of(method_of(opts)));
    rill_text text;
    int r = make_request(opts, &text);
    if (r < 0)
        return r;
    r = try_exchange(opts, &text, !idempotent, response);
    if (r == -ECONNRESET && response->connection != NULL && response->connection->reused) {
        rill__connection_drop(response->connection);
        response->connection = NULL;
        r = try_exchange(opts, &text, true, response);
    }
    rill_free(text.at);
    return r;
}

int rill_http_exchange(const rill_http_exchange_opts *opts, rill_http_response **ret_response)
{
    rill_http_response *response = rill_alloc(sizeof *response);
    if (response == NULL)
        return -ENOMEM;
    memset(response, 0, offsetof(rill_http_response, fields));
    int r = run_exchange(opts, response);
    if (r < 0)
        rill_http_close(response);
    else
        *ret_response = response;
    return r;
}

void rill_http_close(rill_http_response *response)
{
    if (response == NULL)
        return;
    if (!response->body.done || response->error != 0)
        rill__connection_drop(response->connection);
    else
        rill__connection_end(response->connection, response->head.keep_alive);
    rill_free(response->octets);
    rill_free(response->content);
    rill_free(response);
}

int rill_http_status(const rill_http_response *response)
{
    return response->head.status;
}

rill_span rill_http_header(const rill_http_response *response, rill_span name)
{
    const rill_http_message *head = &response->head;
    int i = rill_http_head_find(head, name, 0);
    return i < 0 ? (rill_span){ NULL, 0 } : rill_http_span(head, head->fields[i].value);
}

const rill_http_message *rill_http_response_head(const rill_http_response *response)
{
    return &response->head;
}

/* --- The body. --- */

/* The next octets of the body, moved to `buf`. 0: only framing was there, or the body is complete. */
static int take_octets(rill_http_response *response, rill_span octets, void *buf, size_t size)
{
    rill_http_piece piece;
    size_t most = octets.size < size ? octets.size : size; /* so that the data fit */
    int64_t used = rill_http_body_take(&response->body, octets.at, most, &piece);
    if (used < 0)
        return -EPROTO;
    int got = piece.kind == RILL_HTTP_PIECE_DATA ? (int)piece.octets.size : 0;
    if (got > 0)
        memcpy(buf, piece.octets.at, (size_t)got);
    rill_stream_consume(response->stream, (size_t)used);
    return got;
}

int rill_http_read(rill_http_response *response, void *buf, size_t size)
{
    int r = response->error;
    while (r == 0 && size > 0 && !response->body.done) {
        rill_span octets;
        r = rill_stream_peek(response->stream, 1, &octets);
        if (r > 0)
            r = take_octets(response, octets, buf, size);
        else if (r == 0)
            r = rill_http_body_end(&response->body) < 0 ? -EPROTO : 0;
    }
    if (r < 0 && r != -ECANCELED)
        response->error = r;
    return r;
}

/* Room for more octets and the zero octet behind them, as far as `max` allows. */
static int grow_content(rill_http_response *response, size_t max)
{
    if (response->content_used + 1 < response->content_room)
        return 0;
    size_t room = response->content_room > 0 ? response->content_room * 2 : content_size;
    const rill_http_message *head = &response->head;
    if (response->content == NULL && head->framing == RILL_HTTP_BODY_LENGTH)
        room = head->length < max ? (size_t)head->length + 2 : max + 2;
    if (room > max + 2)
        room = max + 2;
    char *content = rill_resize(response->content, room);
    if (content == NULL)
        return -ENOMEM;
    response->content = content;
    response->content_room = room;
    return 0;
}

int rill_http_read_all(rill_http_response *response, size_t max, rill_span *ret_body)
{
    int r;
    if (max > SIZE_MAX / 4)
        max = SIZE_MAX / 4;
    do {
        r = grow_content(response, max);
        if (r < 0)
            return r;
        size_t room = response->content_room - response->content_used - 1;
        r = rill_http_read(response, response->content + response->content_used, room);
        response->content_used += r > 0 ? (size_t)r : 0;
        if (response->content_used > max)
            return -EMSGSIZE;
    } while (r > 0);
    if (r < 0)
        return r;
    response->content[response->content_used] = 0;
    *ret_body = (rill_span){ response->content, response->content_used };
    return 0;
}
