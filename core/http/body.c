/* body.c - where a message ends: fields that frame it, persistence, and the body reader.
 *
 * What a reader of HTTP takes for the end of a message must be what every other reader takes for it;
 * where two could differ, a request hides in another one's body (request smuggling). So:
 *
 *   I1  The framing is decided once, here, from a complete head, by the table of RFC 9112 6.3, and
 *       never from the octets of the body.
 *   I2  A message with two statements about its end is refused, even where they agree (45, 47).
 *   I3  A statement that is not exactly in the one form everybody reads alike is refused, never
 *       ignored (44, 46, 48, 49): an ignored one may be understood further on.
 *   I4  Fields that decide are looked at as each line completes; what needs all lines together
 *       waits for the end of the head. Either way the order is that of the octets, not of the calls.
 *   I5  A body is complete only when its framing says so. The end of the connection completes the
 *       one kind of body that is framed by it, and is an error for all others (59, 61).
 *
 * Failure story: after a refusal the border of the message is unknown. Nobody may read another
 * message from the connection; the caller answers and closes.
 *
 * The chunked coding itself is chunk.c's. */
#include "core/http/chunk.h"
#include "core/http/field.h"
#include "core/http/head.h"

#include <errno.h>

/* --- Fields that decide --- */

/* Host agrees with an absolute target (rule 20). */
static int compare_host(rill_http_message *head, rill_http_host host)
{
    rill_http_host own = { rill_http_span(head, head->host), head->port };
    uint16_t port = head->scheme == RILL_HTTP_SCHEME_HTTPS ? 443 : 80;
    return rill_http_host_equal(host, own, port) ? 0 : rill__http_refuse(head, 400, 20);
}

/* Host is there once and is valid (rules 16, 17). */
static int note_host(rill_http_message *head, rill_http_part value)
{
    if (head->repeated >> RILL_HTTP_FIELD_HOST & 1)
        return rill__http_refuse(head, 400, 16);
    int64_t found = rill__http_host_scan(head->at + value.at, value.size);
    if (found < 0)
        return rill__http_refuse(head, 400, 17);
    rill_http_part name = { value.at, (uint32_t)found };
    uint16_t port = (uint16_t)(found >> 32);
    if (head->form == RILL_HTTP_ABSOLUTE)
        return compare_host(head, (rill_http_host){ rill_http_span(head, name), port });
    head->authority = value;
    head->host = name;
    head->port = port;
    return 0;
}

/* The options of one Connection line (rules 42, 64, 65, 78). */
static int note_connection(rill_http_message *head, rill_span value)
{
    rill_http_list list = rill_http_list_over(value);
    rill_span option;
    int r;
    if (rill__http_is(value, RILL_SPAN("keep-alive"))) { /* as nearly always */
        head->options |= OPTION_KEEP_ALIVE;
        return 0;
    }
    while ((r = rill_http_list_next(&list, &option)) > 0) {
        if (rill__http_is(option, RILL_SPAN("close")))
            head->options |= OPTION_CLOSE;
        else if (rill__http_is(option, RILL_SPAN("keep-alive")))
            head->options |= OPTION_KEEP_ALIVE;
        else if (rill__http_is(option, RILL_SPAN("upgrade")))
            head->options |= OPTION_UPGRADE;
    }
    return r < 0 ? rill__http_refuse(head, 400, 42) : 0;
}

/* Rules 44 to 46; for responses rule 60. */
static int note_length(rill_http_message *head, rill_span value)
{
    unsigned rule = 0;
    if (head->repeated >> RILL_HTTP_FIELD_CONTENT_LENGTH & 1)
        rule = 45;
    else if (value.size == 0)
        rule = 46;
    else if (rill_http_length_parse(value, &head->length) < 0)
        rule = memchr(value.at, ',', value.size) ? 45 : 44;
    if (rule == 0)
        return 0;
    return rill__http_refuse(head, 400, head->kind == KIND_RESPONSE ? 60 : rule);
}

static int note_expect(rill_http_message *head, rill_span value)
{
    if (!rill__http_is(value, RILL_SPAN("100-continue")))
        return rill__http_refuse(head, 417, 73);
    head->expect_continue = head->minor > 0;
    return 0;
}

static int note_request_field(rill_http_message *head, unsigned id, rill_http_part part)
{
    if (id == RILL_HTTP_FIELD_HOST)
        return note_host(head, part);
    if (id == RILL_HTTP_FIELD_EXPECT)
        return note_expect(head, rill_http_span(head, part));
    /* Content-Type and Authorization have one value (rule 41). */
    return head->repeated >> id & 1 ? rill__http_refuse(head, 400, 41) : 0;
}

int rill__http_note_field(rill_http_message *head, unsigned id)
{
    rill_http_part part = head->fields[head->field_count - 1].value;
    if (head->kind == KIND_TRAILER)
        return 0;
    switch (id) {
    case RILL_HTTP_FIELD_CONNECTION: return note_connection(head, rill_http_span(head, part));
    case RILL_HTTP_FIELD_CONTENT_LENGTH: return note_length(head, rill_http_span(head, part));
    default: return head->kind == KIND_REQUEST ? note_request_field(head, id, part) : 0;
    }
}

/* --- Framing --- */

enum { CODING_CHUNKED, CODING_OTHER, CODING_BAD };

/* What the Transfer-Encoding lines, taken as one list, amount to (rule 49). Unlike in other lists
 * an empty element is no element here, so this does not walk with rill_http_list. */
static int coding_of(const rill_http_message *head)
{
    bool chunked = false, other = false;
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].id != RILL_HTTP_FIELD_TRANSFER_ENCODING)
            continue;
        rill_span value = rill_http_span(head, head->fields[i].value);
        const char *p = value.at, *end = p + value.size;
        for (bool more = true; more;) {
            const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
            const char *stop = comma ? comma : end;
            rill_span name = rill__http_trim(p, stop);
            if (chunked || !rill_http_is_token(name)) /* something behind chunked, or no name */
                return CODING_BAD;
            chunked = rill__http_is(name, RILL_SPAN("chunked"));
            other |= !chunked;
            more = comma != NULL;
            p = stop + 1;
        }
    }
    if (!chunked)
        return CODING_BAD;
    return other ? CODING_OTHER : CODING_CHUNKED;
}

/* Rules 47 to 49 and 56, 57: the framing of a request, whatever its method. */
static int frame_request(rill_http_message *head)
{
    bool coded = head->known >> RILL_HTTP_FIELD_TRANSFER_ENCODING & 1;
    bool sized = head->known >> RILL_HTTP_FIELD_CONTENT_LENGTH & 1;
    if (!coded) {
        head->framing = sized ? RILL_HTTP_BODY_LENGTH : RILL_HTTP_BODY_NONE;
        return 0;
    }
    if (sized)
        return rill__http_refuse(head, 400, 47);
    if (head->minor == 0)
        return rill__http_refuse(head, 400, 48);
    int coding = coding_of(head);
    if (coding != CODING_CHUNKED)
        return rill__http_refuse(head, coding == CODING_OTHER ? 501 : 400, 49);
    head->framing = RILL_HTTP_BODY_CHUNKED;
    return 0;
}

/* Rule 60 and RFC 9112 6.3: the framing of a response. */
static int frame_response(rill_http_message *head)
{
    bool coded = head->known >> RILL_HTTP_FIELD_TRANSFER_ENCODING & 1;
    bool sized = head->known >> RILL_HTTP_FIELD_CONTENT_LENGTH & 1;
    if (coded && (sized || head->minor == 0 || coding_of(head) != CODING_CHUNKED))
        return rill__http_refuse(head, 502, 60);
    if (head->method == RILL_HTTP_HEAD || head->status < 200 || head->status == 204 ||
        head->status == 304)
        head->framing = RILL_HTTP_BODY_NONE;
    else if (coded)
        head->framing = RILL_HTTP_BODY_CHUNKED;
    else
        head->framing = sized ? RILL_HTTP_BODY_LENGTH : RILL_HTTP_BODY_CLOSE;
    return 0;
}

int rill__http_frame(rill_http_message *head)
{
    int r = head->kind == KIND_REQUEST ? frame_request(head) : frame_response(head);
    if (r < 0)
        return r;
    if (head->kind == KIND_REQUEST && head->minor > 0 && !(head->known >> RILL_HTTP_FIELD_HOST & 1))
        return rill__http_refuse(head, 400, 15);
    unsigned options = head->options;
    head->keep_alive = !(options & OPTION_CLOSE) &&
                       (head->minor > 0 || options & OPTION_KEEP_ALIVE) &&
                       head->framing != RILL_HTTP_BODY_CLOSE;
    head->upgrade =
        options & OPTION_UPGRADE && head->minor > 0 && head->known >> RILL_HTTP_FIELD_UPGRADE & 1;
    return 0;
}

/* --- The body reader --- */

int rill_http_body_init(rill_http_body *body, const rill_http_message *head, uint64_t size_max)
{
    *body = (rill_http_body){ .size_max = size_max, .framing = head->framing };
    if (head->framing == RILL_HTTP_BODY_LENGTH) {
        body->left = head->length;
        if (head->length > size_max) {
            body->refuse_status = 413;
            return -EMSGSIZE;
        }
    }
    body->done = head->framing == RILL_HTTP_BODY_NONE ||
                 (head->framing == RILL_HTTP_BODY_LENGTH && head->length == 0);
    return 0;
}

static int64_t take_length(rill_http_body *body, const char *at, size_t size,
                           rill_http_piece *ret_piece)
{
    size_t part = size < body->left ? size : (size_t)body->left;
    body->left -= part;
    body->total += part;
    body->done = body->left == 0;
    *ret_piece = (rill_http_piece){ RILL_HTTP_PIECE_DATA, { at, part } };
    return (int64_t)part;
}

static int64_t take_close(rill_http_body *body, const char *at, size_t size,
                          rill_http_piece *ret_piece)
{
    if (size > body->size_max - body->total) {
        body->refuse_status = 413;
        return -EMSGSIZE;
    }
    body->total += size;
    *ret_piece = (rill_http_piece){ RILL_HTTP_PIECE_DATA, { at, size } };
    return (int64_t)size;
}

int64_t rill_http_body_take(rill_http_body *body, const char *at, size_t size,
                            rill_http_piece *ret_piece)
{
    if (body->refuse_status != 0)
        return body->refuse_status == 413 ? -EMSGSIZE : -EBADMSG;
    if (body->done || size == 0) {
        *ret_piece = (rill_http_piece){ RILL_HTTP_PIECE_NONE, { at, 0 } };
        return 0;
    }
    switch (body->framing) {
    case RILL_HTTP_BODY_LENGTH: return take_length(body, at, size, ret_piece);
    case RILL_HTTP_BODY_CHUNKED: return rill__http_chunk_take(body, at, size, ret_piece);
    default: return take_close(body, at, size, ret_piece);
    }
}

int rill_http_body_end(rill_http_body *body)
{
    if (body->refuse_status == 0 && body->framing == RILL_HTTP_BODY_CLOSE)
        body->done = true;
    return body->done && body->refuse_status == 0 ? 0 : -ENODATA;
}
