/* response.c - a response: its head off the stream, then its body as it is asked for.
 *
 * The octets of the head are copied out of the stream when the head is complete; those of the body pass
 * from the stream's buffer to the caller's, through the decoder if they are compressed. Nothing is read ahead
 * of the caller but what the stream receives up to its own limit.
 *
 * The end tells the server what became of it: a connection whose response was read to its end is kept or
 * closed in order, any other is reset, since a mere end of our sending may be taken for a client that waits
 * on. It goes back with the last octet, before the caller closes the response. */
#include "core/client/decode.h"
#include "core/client/session.h"

#include "core/io/stream.h"

#include <rill/mem.h>
#include <rill/task.h>

#include <errno.h>

enum {
    interim_max = 16,       /* rule 63 */
    content_size = 4 << 10, /* first room of read_all */
    believed_max = 1 << 20, /* octets that memory is taken for before they come */
    rest_max = 64 << 10     /* of a body: taken when the response is closed, if it is there */
};

static const rill_http_limits limits = { .line = 8192,
                                         .head = 32 << 10,
                                         .fields = RILL__RESPONSE_FIELDS_MAX };

/* --- The head. --- */

/* The fields of a head of which a part is there move out of the session's scratch: others use it meanwhile. */
static int own_fields(const struct rill__request *request, rill_http_message *head)
{
    if (head->fields != request->session->scratch)
        return 0;
    rill_http_field *own =
        rill_arena_alloc(&request->response->arena, head->field_max * sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    size_t begun = head->field_count < head->field_max ? head->field_count + 1u : head->field_max;
    memcpy(own, head->fields, begun * sizeof *own);
    head->fields = own;
    return 0;
}

/* Parse one head, interim or not, at the front of the stream; it stays there. Its size or -errno. */
static int parse_head(struct rill__request *request, rill_stream *stream, rill_time silence,
                      rill_http_message *head, rill_span *ret_octets) RILL_SUSPENDS;

static int parse_head(struct rill__request *request, rill_stream *stream, rill_time silence,
                      rill_http_message *head, rill_span *ret_octets)
{
    rill_http_head_init(head, head->fields, RILL__RESPONSE_FIELDS_MAX);
    for (size_t least = 1;; least = ret_octets->size + 1) {
        if (silence != RILL_FOREVER)
            rill__phase_set(request, rill__after(silence), "sock_read");
        int r = rill_stream_peek(stream, least, ret_octets);
        if (r == 0)
            return ret_octets->size == 0 ? -ECONNRESET
                                         : rill_fail(-EPROTO, "the response ended inside its head");
        if (r < 0)
            return r;
        r = rill_http_response_parse(head, request->method_id, ret_octets->at, ret_octets->size,
                                     &limits);
        if (r < 0)
            return rill_fail(-EPROTO, "the response breaks rule %u", (unsigned)head->refuse_rule);
        if (r > 0)
            return r;
        r = own_fields(request, head);
        if (r < 0)
            return r;
    }
}

/* Copy what outlives the stream's buffer and the scratch. */
static int keep_head(const struct rill__request *request, rill_http_message *head, size_t size)
{
    rill_arena *arena = &request->response->arena;
    const char *octets = head->at;
    head->at = rill_arena_copy(arena, octets, size);
    if (head->at == NULL)
        return -ENOMEM;
    if (head->fields != request->session->scratch)
        return 0;
    rill_http_field *own = rill_arena_alloc(arena, head->field_count * sizeof *own);
    if (own == NULL)
        return -ENOMEM;
    memcpy(own, head->fields, head->field_count * sizeof *own);
    head->fields = own;
    head->field_max = head->field_count;
    return 0;
}

int rill__response_take(struct rill__request *request, rill_stream *stream, rill_time silence,
                        rill_http_message *head)
{
    head->fields = request->session->scratch;
    for (int interim = 0; interim <= interim_max; interim++) {
        rill_span octets;
        int size = parse_head(request, stream, silence, head, &octets);
        if (size < 0)
            return interim > 0 && size == -ECONNRESET
                       ? rill_fail(-EPROTO, "an interim response was the last one")
                       : size;
        if (head->status == 101) /* nobody asked for it */
            return rill_fail(-EPROTO, "the response switches protocols");
        int r = head->status >= 200 ? keep_head(request, head, (size_t)size) : 0;
        if (r < 0)
            return r;
        rill_stream_consume(stream, (size_t)size);
        if (head->status >= 200)
            return 0;
    }
    return rill_fail(-EPROTO, "more than %d interim responses", interim_max);
}

/* Take the cookies that the response sets. */
static int take_cookies(rill_http_response *response)
{
    rill_http_message *head = &response->head;
    int r = 0;
    if (response->session->opts.no_cookies || !(head->known >> RILL_HTTP_FIELD_SET_COOKIE & 1))
        return 0;
    for (uint16_t i = head->first[RILL_HTTP_FIELD_SET_COOKIE]; i < head->field_count && r == 0; i++)
        if (head->fields[i].id == RILL_HTTP_FIELD_SET_COOKIE)
            r = rill__jar_take(&response->session->jar, &response->url,
                               rill_http_span(head, head->fields[i].value));
    return r;
}

static int make_decoder(rill_http_response *response)
{
    const rill_http_session_opts *opts = &response->session->opts;
    rill_span coding = rill_http_head_value(&response->head, RILL_HTTP_FIELD_CONTENT_ENCODING);
    if (opts->raw || coding.size == 0 || response->body.done)
        return 0;
    return rill__decoder_new(coding, opts->inflate_max, &response->decoder);
}

int rill__response_begin(struct rill__request *request)
{
    rill_http_response *response = request->response;
    int r = rill__response_take(request, response->connection->stream, request->sock_read,
                                &response->head);
    if (r == 0)
        r = rill_http_body_init(&response->body, &response->head, UINT64_MAX);
    if (r == 0)
        r = take_cookies(response);
    if (r == 0)
        r = make_decoder(response);
    return r;
}

/* --- The end. --- */

/* Take what is there of a body that nobody wants, if that is the rest of it. */
static void take_rest(rill_http_response *response)
{
    rill_stream *stream = response->connection->stream;
    size_t taken = 0;
    rill_http_piece piece;
    while (!response->body.done && stream->size > 0 && taken < rest_max) {
        int64_t used = rill_http_body_take(&response->body, stream->at, stream->size, &piece);
        if (used < 0)
            return;
        rill_stream_consume(stream, (size_t)used);
        taken += (size_t)used;
    }
}

void rill__response_release(rill_http_response *response)
{
    struct rill__connection *connection = response->connection;
    if (connection == NULL)
        return;
    list_remove(&response->link);
    if (response->error == 0 && !response->unsent)
        take_rest(response);
    response->connection = NULL;
    if (!response->body.done || response->error != 0 || response->unsent)
        rill__connection_drop(connection);
    else
        rill__connection_end(connection, response->head.keep_alive);
}

void rill_http_close(rill_http_response *response)
{
    if (response == NULL)
        return;
    rill__response_release(response);
    rill__decoder_free(response->decoder);
    if (!response->content_lent)
        rill_free(response->content);
    rill_arena_fini(&response->arena);
    rill__session_unref(response->session);
    rill_free(response);
}

/* --- What it says. --- */

int rill_http_status(const rill_http_response *response)
{
    return response->head.status;
}

const char *rill_http_url(const rill_http_response *response)
{
    return response->url.text.at;
}

rill_span rill_http_header(const rill_http_response *response, const char *name)
{
    const rill_http_message *head = &response->head;
    int i = rill_http_head_find(head, rill_span_of(name), 0);
    return i < 0 ? (rill_span){ NULL, 0 } : rill_http_span(head, head->fields[i].value);
}

const rill_http_message *rill_http_response_head(const rill_http_response *response)
{
    return &response->head;
}

/* --- The body. --- */

/* A wait for octets, and what may be told of it. */
struct body_wait {
    rill_scope scope;
    const rill_http_response *response;
    const char *what, *bound;
};

static const rill_table_deed tells_body = {
    .what = RILL__AT(struct body_wait, what),
    .of = RILL__AT_VIA(struct body_wait, response, rill_http_response, url.host),
    .bound = RILL__AT(struct body_wait, bound),
};

/* Wait for octets within the bounds of time. As rill_stream_peek; -ETIME. */
static int wait_in_time(rill_http_response *response, rill_span *ret_octets) RILL_SUSPENDS;

static int wait_in_time(rill_http_response *response, rill_span *ret_octets)
{
    struct body_wait wait = { .response = response, .what = "the body of" };
    rill_stream *stream = response->connection->stream;
    rill_time silent_at = rill__after(response->sock_read);
    bool total = response->total_at <= silent_at;
    wait.bound = total ? "total" : "sock_read";
    int r = rill_timeout_at(&wait.scope, total ? response->total_at : silent_at);
    if (r < 0)
        return r;
    rill__scope_tell(&wait.scope, &tells_body);
    r = rill_scope_leave(&wait.scope, rill_stream_peek(stream, 1, ret_octets));
    if (r == -ETIME)
        r = rill_fail(r, "%s: the rest of the body did not come in time (%s)",
                      response->url.text.at, wait.bound);
    return r;
}

static int wait_for_octets(rill_http_response *response, rill_span *ret_octets) RILL_SUSPENDS;

static int wait_for_octets(rill_http_response *response, rill_span *ret_octets)
{
    rill_http_session *session = response->session;
    rill_stream *stream = response->connection->stream;
    bool bound = response->total_at != RILL_FOREVER || response->sock_read != RILL_FOREVER;
    int r = bound && rill_stream_buffered(stream) == 0 ? wait_in_time(response, ret_octets)
                                                       : rill_stream_peek(stream, 1, ret_octets);
    if (session->closed && r != -ECANCELED) /* the connection has gone, also if octets came */
        r = rill_fail(-ESHUTDOWN, "%s: the session was closed", response->url.text.at);
    return r;
}

/* The next octets of the body, moved to `buf`. 0: only framing was there, or the body is complete. */
static int take_plain(rill_http_response *response, rill_span octets, char *buf, size_t size)
{
    rill_http_piece piece;
    size_t most = octets.size < size ? octets.size : size; /* so that the data fit */
    int64_t used = rill_http_body_take(&response->body, octets.at, most, &piece);
    if (used < 0)
        return rill_fail(-EPROTO, "the body breaks rule %u", (unsigned)response->body.refuse_rule);
    int got = piece.kind == RILL_HTTP_PIECE_DATA ? (int)piece.octets.size : 0;
    if (got > 0)
        memcpy(buf, piece.octets.at, (size_t)got);
    rill_stream_consume(response->connection->stream, (size_t)used);
    return got;
}

static int decode(rill_http_response *response, rill_span in, size_t *ret_used, char *buf,
                  size_t size)
{
    int r = rill__decode(response->decoder, in, ret_used, buf, size);
    response->more = r == (int)size;
    if (r == -EPROTO)
        return rill_fail(r, "the body's compression is broken");
    if (r == -EMSGSIZE)
        return rill_fail(r, "the compressed body grows more than %u times",
                         response->session->opts.inflate_max);
    return r;
}

/* The same for a compressed body. The decoder may take a part of a piece only: then the framing is taken as
 * far as that, too. */
static int take_decoded(rill_http_response *response, rill_span octets, char *buf, size_t size)
{
    rill_http_body whole = response->body;
    rill_http_piece piece;
    size_t taken = 0;
    int64_t used = rill_http_body_take(&whole, octets.at, octets.size, &piece);
    int got = 0;
    if (used > 0 && piece.kind == RILL_HTTP_PIECE_DATA)
        got = decode(response, piece.octets, &taken, buf, size);
    if (got < 0)
        return got;
    if (used > 0 && piece.kind == RILL_HTTP_PIECE_DATA && taken < piece.octets.size) {
        size_t front = (size_t)(piece.octets.at - octets.at) + taken;
        used = rill_http_body_take(&response->body, octets.at, front, &piece);
    } else {
        response->body = whole;
    }
    if (used < 0)
        return rill_fail(-EPROTO, "the body breaks rule %u", (unsigned)response->body.refuse_rule);
    rill_stream_consume(response->connection->stream, (size_t)used);
    return got;
}

/* Read until octets for the caller come. 0: the body is complete. */
static int read_some(rill_http_response *response, char *buf, size_t size) RILL_SUSPENDS;

static int read_some(rill_http_response *response, char *buf, size_t size)
{
    int r = 0;
    size_t used;
    while (r == 0) {
        rill_span octets;
        if (response->more) {
            r = decode(response, (rill_span){ NULL, 0 }, &used, buf, size);
            continue;
        }
        if (response->body.done)
            break;
        r = wait_for_octets(response, &octets);
        if (r > 0)
            r = response->decoder != NULL ? take_decoded(response, octets, buf, size)
                                          : take_plain(response, octets, buf, size);
        else if (r == 0 && rill_http_body_end(&response->body) < 0)
            r = rill_fail(-EPROTO, "the connection ended inside the body");
    }
    if (r == 0 && response->decoder != NULL && !rill__decoder_is_whole(response->decoder))
        r = rill_fail(-EPROTO, "the compressed body is cut short");
    return r;
}

int rill_http_read(rill_http_response *response, void *buf, size_t size)
{
    if (response->error != 0 || size == 0)
        return response->error;
    int r = read_some(response, buf, size < INT32_MAX ? size : INT32_MAX);
    bool harmless = r == -ECANCELED || r == -EBUSY; /* who reads already goes on */
    if (r < 0 && !harmless) /* the session's close may have been the cause, and taken it */
        response->error = response->error != 0 ? response->error : r;
    if (response->error != 0 || response->body.done)
        rill__response_release(response);
    return response->error != 0 ? response->error : r;
}

/* Room for a body whose size is said: it never has to grow, so it may lie in the arena. */
static int make_room(rill_http_response *response, size_t room)
{
    const rill_arena *arena = &response->arena;
    bool lent = room <= (size_t)(arena->end - arena->at);
    response->content = lent ? rill_arena_alloc(&response->arena, room) : rill_alloc(room);
    if (response->content == NULL)
        return -ENOMEM;
    response->content_room = room;
    response->content_lent = lent;
    return 0;
}

/* Room for more octets and the zero octet behind them, as far as `max` allows. */
static int grow_content(rill_http_response *response, size_t max)
{
    const rill_http_message *head = &response->head;
    if (response->content_used + 1 < response->content_room)
        return 0;
    if (response->content == NULL && response->decoder == NULL &&
        head->framing == RILL_HTTP_BODY_LENGTH && head->length <= max &&
        head->length <= believed_max)
        return make_room(response, (size_t)head->length + 2);
    size_t room = response->content_room > 0 ? response->content_room * 2 : content_size;
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
