/* head.c - the head of a request: what the caller says, what the session says, and what frames it.
 *
 * A line of the request overrides one of the session with the same name, and either overrides what is said
 * by default. Lines that frame the message are made here alone, so that no caller can smuggle another
 * request in. */
#include "core/client/decode.h"
#include "core/client/session.h"

#include "core/base/check.h"

#include <rill/task.h>

#include <errno.h>

enum { lines_size = 320 }; /* everything but what has a size of its own */

#define AGENT "rill/" RILL_STRINGIFY(RILL_VERSION_MAJOR) "." RILL_STRINGIFY(RILL_VERSION_MINOR)

/* What the caller and the session have said. */
struct given {
    uint64_t ids; /* bit 1 << id: that field */
    rill_span cookie;
};

#define BIT(id)  ((uint64_t)1 << RILL_HTTP_FIELD_##id)
/* What is said by default. */
#define DEFAULTS (BIT(ACCEPT) | BIT(ACCEPT_ENCODING) | BIT(USER_AGENT))
/* What is sent or not, as the request goes. */
#define SPECIAL  (BIT(AUTHORIZATION) | BIT(COOKIE) | BIT(CONTENT_TYPE))

/* Whether a caller's line frames no message and can be written. */
static bool is_good(const rill_http_line *line, rill_http_field_id id)
{
    switch (id) {
    case RILL_HTTP_FIELD_HOST:
    case RILL_HTTP_FIELD_CONNECTION:
    case RILL_HTTP_FIELD_CONTENT_LENGTH:
    case RILL_HTTP_FIELD_TRANSFER_ENCODING: return false;
    default: return rill_http_is_token(line->name) && rill_http_is_value(line->value);
    }
}

/* Whether a line is sent, and what it makes superfluous. A redirect to a strange server, and one that made
 * a GET of the request, leave some out. */
static bool note(const struct rill__request *request, const rill_http_line *line,
                 rill_http_field_id id, struct given *given)
{
    const struct rill__upload *upload = &request->upload;
    switch (id) {
    case RILL_HTTP_FIELD_AUTHORIZATION:
        if (request->strange)
            return false;
        break;
    case RILL_HTTP_FIELD_COOKIE:
        if (!request->strange)
            given->cookie = line->value;
        return false;
    case RILL_HTTP_FIELD_CONTENT_TYPE:
        if (upload->pieces == NULL && upload->produce == NULL && request->redirects > 0)
            return false;
        break;
    default: break;
    }
    given->ids |= (uint64_t)1 << id;
    return true;
}

static bool is_overridden(const struct rill__request *request, rill_span name)
{
    for (size_t i = 0; i < request->opts->header_count; i++)
        if (rill_span_equal_nocase(request->opts->headers[i].name, name))
            return true;
    return false;
}

/* A line that was found good when it came, or was made by us. */
static void add_line(rill_text *text, rill_span name, rill_span value)
{
    rill_text_add(text, name);
    rill_text_add(text, RILL_SPAN(": "));
    rill_text_add(text, value);
    rill_http_write_end(text);
}

/* The session's lines. Mostly they are all sent, and were written when it was made. */
static void add_sessions(const struct rill__request *request, struct given *given, rill_text *text)
{
    const rill_http_session *session = request->session;
    bool all = session->lines.at != NULL;
    for (size_t i = 0; i < session->opts.header_count && all; i++)
        all = !is_overridden(request, session->opts.headers[i].name);
    if (all) {
        rill_text_add(text, session->lines);
        given->ids = session->line_ids;
        return;
    }
    for (size_t i = 0; i < session->opts.header_count; i++) {
        const rill_http_line *line = &session->opts.headers[i];
        if (!is_overridden(request, line->name) &&
            note(request, line, rill_http_field_of(line->name), given))
            add_line(text, line->name, line->value);
    }
}

static int add_callers(const struct rill__request *request, struct given *given, rill_text *text)
{
    const rill_http_request_opts *own = request->opts;
    add_sessions(request, given, text);
    for (size_t i = 0; i < own->header_count; i++) {
        const rill_http_line *line = &own->headers[i];
        rill_http_field_id id = rill_http_field_of(line->name);
        if (!is_good(line, id))
            return rill_fail(-EINVAL, "header %zu of the request is no good", i);
        if (note(request, line, id, given))
            add_line(text, line->name, line->value);
    }
    return 0;
}

/* Whether a request without a body says so: one that usually has one does (RFC 9110, 8.6). */
static bool tells_no_body(rill_http_method method)
{
    return method != RILL_HTTP_GET && method != RILL_HTTP_HEAD && method != RILL_HTTP_OPTIONS;
}

bool rill__head_expects(const struct rill__request *request)
{
    const struct rill__upload *upload = &request->upload;
    return request->opts->expect100 && (upload->produce != NULL || upload->size > 0);
}

static void add_framing(const struct rill__request *request, const struct given *given,
                        rill_text *text)
{
    const struct rill__upload *upload = &request->upload;
    if (upload->content_type.size > 0 && !(given->ids & BIT(CONTENT_TYPE)))
        add_line(text, RILL_SPAN("Content-Type"), upload->content_type);
    if (upload->produce != NULL)
        rill_text_add(text, RILL_SPAN("Transfer-Encoding: chunked\r\n"));
    else if (upload->pieces != NULL || tells_no_body(request->method_id))
        rill_http_write_length(text, upload->size);
    if (rill__head_expects(request) && !(given->ids & BIT(EXPECT)))
        rill_text_add(text, RILL_SPAN("Expect: 100-continue\r\n"));
    if (request->session->opts.keepalive == 0)
        rill_text_add(text, RILL_SPAN("Connection: close\r\n"));
}

static void write_defaults(const rill_http_session *session, uint64_t given, rill_text *text)
{
    if (!(given & BIT(ACCEPT)))
        rill_text_add(text, RILL_SPAN("Accept: */*\r\n"));
    if (!(given & BIT(ACCEPT_ENCODING)) && !session->opts.raw)
        rill_text_add(text, RILL_SPAN("Accept-Encoding: " RILL__DECODE_ACCEPT "\r\n"));
    if (!(given & BIT(USER_AGENT)))
        rill_text_add(text, RILL_SPAN("User-Agent: " AGENT "\r\n"));
}

/* What nobody gave. */
static void add_defaults(const struct rill__request *request, const struct given *given,
                         rill_text *text)
{
    const rill_http_session *session = request->session;
    const struct rill__proxy *proxy = request->proxy;
    if (((given->ids ^ session->line_ids) & DEFAULTS) == 0)
        rill_text_add(text, session->defaults);
    else
        write_defaults(session, given->ids, text);
    if (!(given->ids & BIT(AUTHORIZATION)) && request->authorization.size > 0 && !request->strange)
        add_line(text, RILL_SPAN("Authorization"), request->authorization);
    if (proxy != NULL && !request->response->url.tls && proxy->authorization.size > 0)
        add_line(text, RILL_SPAN("Proxy-Authorization"), proxy->authorization);
}

/* The cookies of the jar behind the caller's. Both were found good when they came. */
static void add_cookies(rill_span own, rill_span jar, rill_text *text)
{
    if (own.size == 0 && jar.size == 0)
        return;
    rill_text_add(text, RILL_SPAN("Cookie: "));
    rill_text_add(text, own);
    rill_text_add(text, own.size > 0 && jar.size > 0 ? RILL_SPAN("; ") : RILL_SPAN(""));
    rill_text_add(text, jar);
    rill_http_write_end(text);
}

/* How the target is written: a proxy is given the whole URL (RFC 9112, 3.2.2). */
static rill_span target_of(const struct rill__request *request)
{
    const struct rill__url *url = &request->response->url;
    return request->proxy != NULL && !url->tls ? url->text : url->target;
}

static size_t lines_size_of(const rill_http_line *lines, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += lines[i].name.size + lines[i].value.size + sizeof ": \r\n" - 1;
    return size;
}

/* Write what is the same in all requests of a session. */
int rill__head_prepare(rill_http_session *session)
{
    const rill_http_session_opts *opts = &session->opts;
    size_t size = lines_size_of(opts->headers, opts->header_count);
    rill_text lines = { rill_arena_alloc(&session->arena, size), size, 0, false };
    rill_text defaults = { rill_arena_alloc(&session->arena, lines_size), lines_size, 0, false };
    if (lines.at == NULL || defaults.at == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < opts->header_count; i++) {
        rill_http_field_id id = rill_http_field_of(opts->headers[i].name);
        if (!is_good(&opts->headers[i], id))
            return rill_fail(-EINVAL, "header %zu of the session is no good", i);
        add_line(&lines, opts->headers[i].name, opts->headers[i].value);
        session->line_ids |= (uint64_t)1 << id;
    }
    write_defaults(session, session->line_ids, &defaults);
    CHECK(!lines.full && !defaults.full);
    if (!(session->line_ids & SPECIAL))
        session->lines = (rill_span){ lines.at, lines.used };
    session->lines_size = size;
    session->defaults = (rill_span){ defaults.at, defaults.used };
    return 0;
}

static size_t size_of(const struct rill__request *request, rill_span cookies)
{
    const rill_http_session *session = request->session;
    const struct rill__proxy *proxy = request->proxy;
    return lines_size + request->method.size + target_of(request).size +
           request->response->url.authority.size + cookies.size + request->authorization.size +
           (proxy != NULL ? proxy->authorization.size : 0) + request->upload.content_type.size +
           session->lines_size + lines_size_of(request->opts->headers, request->opts->header_count);
}

static int find_cookies(struct rill__request *request, rill_span *ret_cookies)
{
    rill_http_session *session = request->session;
    *ret_cookies = (rill_span){ NULL, 0 };
    if (session->opts.no_cookies || session->jar.count == 0)
        return 0;
    return rill__jar_give(&session->jar, &request->response->url, &request->response->arena,
                          ret_cookies);
}

int rill__head_write(struct rill__request *request)
{
    struct given given = { .ids = 0 };
    rill_span cookies;
    int r = find_cookies(request, &cookies);
    if (r < 0)
        return r;
    size_t size = size_of(request, cookies);
    rill_text text = { rill_arena_alloc(&request->response->arena, size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    rill_text_add(&text, request->method);
    rill_text_char(&text, ' ');
    rill_text_add(&text, target_of(request));
    rill_text_add(&text, RILL_SPAN(" HTTP/1.1\r\nHost: "));
    rill_text_add(&text, request->response->url.authority);
    rill_http_write_end(&text);
    r = add_callers(request, &given, &text);
    if (r < 0)
        return r;
    add_defaults(request, &given, &text);
    add_cookies(given.cookie, cookies, &text);
    add_framing(request, &given, &text);
    rill_http_write_end(&text);
    CHECK(!text.full);
    request->text = (rill_span){ text.at, text.used };
    return 0;
}
