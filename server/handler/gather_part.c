/* gather_part.c - one part of a gather request: ask an upstream or read a file, and judge the result.
 *
 * A part runs as a task under its own timeout. It writes only its own struct, so what it had when it
 * was cancelled needs no clean-up: the memory is the arena's, connection and file are closed on the
 * way out. Nothing that an upstream says enters the answer but a body that was checked
 * (server/http/RULES.md, Gather).
 *
 * Errors travel as results; where the cause is a reason of its own, `fail` notes it on the way. */
#include "server/handler/gather_part.h"

#include "server/beneath.h"
#include "server/handler/gather_json.h"
#include "server/http/mime.h"

#include <rill/client.h>
#include <rill/file.h>
#include <rill/future.h>
#include <rill/http.h>
#include <rill/task.h>
#include <rill/timeout.h>

#include <errno.h>
#include <sys/stat.h>

enum { first_room = 4 << 10 };

static int fail(struct gather_part *part, enum gather_reason reason)
{
    part->reason = reason;
    return -EREMOTEIO;
}

/* --- Types --- */

static bool ends_nocase(rill_span text, rill_span end)
{
    return text.size >= end.size &&
           rill_span_equal_nocase((rill_span){ text.at + text.size - end.size, end.size }, end);
}

static rill_span trim(rill_span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Cut the text up to the next semicolon off the front of `rest`. */
static rill_span cut(rill_span *rest)
{
    const char *semicolon = rest->size > 0 ? memchr(rest->at, ';', rest->size) : NULL;
    size_t size = semicolon != NULL ? (size_t)(semicolon - rest->at) : rest->size;
    rill_span part = { rest->at, size };
    size_t step = semicolon != NULL ? size + 1 : size;
    if (step > 0) /* an empty rest may be NULL */
        *rest = (rill_span){ rest->at + step, rest->size - step };
    return trim(part);
}

/* Whether the parameters of a media type leave its charset at UTF-8. */
static bool is_utf8(rill_span parameters)
{
    static const rill_span name = RILL_SPAN("charset=");
    while (parameters.size > 0) {
        rill_span value = cut(&parameters);
        if (value.size < name.size ||
            !rill_span_equal_nocase((rill_span){ value.at, name.size }, name))
            continue;
        value = (rill_span){ value.at + name.size, value.size - name.size };
        if (value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"')
            value = (rill_span){ value.at + 1, value.size - 2 };
        return rill_span_equal_nocase(value, RILL_SPAN("utf-8")) ||
               rill_span_equal_nocase(value, RILL_SPAN("us-ascii"));
    }
    return true;
}

/* What a body of this Content-Type may become.   Returns: 0 and the kind; -EINVAL: nothing. */
static int kind_of(rill_span value, enum gather_kind *ret_kind)
{
    static const rill_span text = RILL_SPAN("text/");
    rill_span type = cut(&value);
    if (rill_span_equal_nocase(type, RILL_SPAN("application/json")) ||
        ends_nocase(type, RILL_SPAN("+json")))
        *ret_kind = GATHER_JSON;
    else if (type.size > text.size && is_utf8(value) &&
             rill_span_equal_nocase((rill_span){ type.at, text.size }, text))
        *ret_kind = GATHER_TEXT;
    else
        return -EINVAL;
    return 0;
}

/* --- Bodies --- */

/* Judge a complete body. */
static int finish(struct gather_part *part, enum gather_kind kind, rill_span body)
{
    if (body.size == 0) {
        part->kind = GATHER_NULL;
        part->value_size = sizeof "null" - 1;
        return 0;
    }
    part->kind = kind;
    if (kind == GATHER_TEXT) {
        part->body = body;
        return gather_json_string_size(body, &part->value_size) < 0
                   ? fail(part, GATHER_INVALID_TEXT)
                   : 0;
    }
    part->body = gather_json_trim(body);
    part->value_size = part->body.size;
    int r = gather_json_check(part->body);
    return r == -EBADMSG ? fail(part, GATHER_INVALID_JSON) : r;
}

/* Count octets of the body, of which the part has `used` now. */
static int count_octets(struct gather_part *part, size_t used, size_t more)
{
    part->run->body_used += more;
    if (used > part->conf->part_max || part->run->body_used > part->run->body_max)
        return fail(part, GATHER_TOO_LARGE);
    return 0;
}

/* Room for more octets: one more than the part may have is always enough. */
static int grow(struct gather_part *part, rill_text *body, const rill_http_message *head)
{
    uint64_t most = part->conf->part_max + 1, room = body->size > 0 ? body->size * 2 : first_room;
    if (body->used < body->size)
        return 0;
    if (body->size == 0 && head->framing == RILL_HTTP_BODY_LENGTH)
        room = head->length + 1;
    if (room > most)
        room = most;
    char *at = rill_arena_alloc(part->run->request->arena, (size_t)room);
    if (at == NULL)
        return -ENOMEM;
    if (body->used > 0)
        memcpy(at, body->at, body->used);
    body->at = at;
    body->size = (size_t)room;
    return 0;
}

static int read_body(struct gather_part *part, rill_http_response *response, rill_span *ret_body)
    RILL_SUSPENDS;

static int read_body(struct gather_part *part, rill_http_response *response, rill_span *ret_body)
{
    rill_text body = { NULL, 0, 0, false };
    int r;
    do {
        r = grow(part, &body, rill_http_response_head(response));
        if (r < 0)
            return r;
        r = rill_http_read(response, body.at + body.used, body.size - body.used);
        if (r < 0)
            return r;
        body.used += (size_t)r;
        if (count_octets(part, body.used, (size_t)r) < 0)
            return -EREMOTEIO;
    } while (r > 0);
    *ret_body = (rill_span){ body.at, body.used };
    return 0;
}

/* A body that is good for nothing, unless it is empty. */
static int read_wrong_body(struct gather_part *part, rill_http_response *response,
                           enum gather_reason wrong) RILL_SUSPENDS;

static int read_wrong_body(struct gather_part *part, rill_http_response *response,
                           enum gather_reason wrong)
{
    char first;
    int r = rill_http_read(response, &first, 1);
    if (r < 0)
        return r;
    return r > 0 ? fail(part, wrong) : finish(part, GATHER_NULL, (rill_span){ NULL, 0 });
}

/* --- Upstreams --- */

/* The URL of a url part. The tail is encoded again, so no octet of it can end the path. */
static int make_url(const struct gather_part *part, const char **ret_url)
{
    const struct request *request = part->run->request;
    const struct conf_part *conf = part->conf;
    size_t size = sizeof "http://" + conf->host.size;
    for (size_t i = 0; i < conf->piece_count; i++)
        size += conf->pieces[i].kind == CONF_PIECE_TEXT   ? conf->pieces[i].text.size
                : conf->pieces[i].kind == CONF_PIECE_TAIL ? 3 * request->tail.size
                                                          : request->query.size;
    rill_text text = { rill_arena_alloc(request->arena, size), size, 0, false };
    if (text.at == NULL)
        return -ENOMEM;
    rill_text_add(&text, RILL_SPAN("http://"));
    rill_text_add(&text, conf->host);
    for (size_t i = 0; i < conf->piece_count; i++) {
        switch (conf->pieces[i].kind) {
        case CONF_PIECE_TEXT: rill_text_add(&text, conf->pieces[i].text); break;
        case CONF_PIECE_TAIL: rill_http_path_encode(&text, request->tail); break;
        case CONF_PIECE_QUERY: rill_text_add(&text, request->query); break;
        }
    }
    *ret_url = rill_text_end(&text);
    return 0;
}

/* When the part has to end. */
static rill_time deadline_of(const struct gather_part *part)
{
    rill_time own = rill_time_add(part->run->begin, part->conf->timeout);
    return own < part->run->deadline ? own : part->run->deadline;
}

/* Ask the upstream. All that it learns of the request is what the configuration put into the target,
 * and the time left. */
static int ask(struct gather_part *part, rill_http_response **ret_response) RILL_SUSPENDS;

static int ask(struct gather_part *part, rill_http_response **ret_response)
{
    char digits[24];
    rill_text left = { digits, sizeof digits, 0, false };
    rill_time span = (deadline_of(part) - rill_turn_time()) / RILL_MS(1);
    rill_text_u64(&left, span > 1 ? (uint64_t)span : 1);
    const rill_http_line line = { RILL_SPAN("X-Request-Timeout-Ms"), { digits, left.used } };
    rill_http_request_opts opts = {
        .address = &part->conf->address,
        .headers = &line,
        .header_count = 1,
    };
    const char *url;
    int r = make_url(part, &url);
    return r < 0 ? r : rill_http_get(part->run->session, url, &opts, ret_response);
}

static int take_response(struct gather_part *part, rill_http_response *response) RILL_SUSPENDS;

static int take_response(struct gather_part *part, rill_http_response *response)
{
    const rill_http_message *head = rill_http_response_head(response);
    rill_span coding = rill_http_head_value(head, RILL_HTTP_FIELD_CONTENT_ENCODING);
    enum gather_kind kind;
    rill_span body;
    if (head->status >= 300) {
        part->status = head->status;
        return fail(part, GATHER_STATUS);
    }
    if (coding.size > 0 && !rill_span_equal_nocase(coding, RILL_SPAN("identity")))
        return read_wrong_body(part, response, GATHER_ENCODING);
    if (kind_of(rill_http_head_value(head, RILL_HTTP_FIELD_CONTENT_TYPE), &kind) < 0)
        return read_wrong_body(part, response, GATHER_TYPE);
    int r = read_body(part, response, &body);
    return r < 0 ? r : finish(part, kind, body);
}

static int run_url(struct gather_part *part) RILL_SUSPENDS;

static int run_url(struct gather_part *part)
{
    rill_http_response *response;
    int r = ask(part, &response);
    if (r < 0)
        return r;
    r = take_response(part, response);
    rill_http_close(response);
    return r;
}

/* --- Files --- */

/* Read what the file has now. If it shrinks meanwhile, what was there is what is judged. */
static int read_file(struct gather_part *part, int fd) RILL_SUSPENDS;

static int read_file(struct gather_part *part, int fd)
{
    struct stat stat;
    enum gather_kind kind = GATHER_NULL;
    size_t used = 0;
    int r = rill_file_stat(fd, &stat);
    if (r < 0)
        return r;
    if (!S_ISREG(stat.st_mode))
        return fail(part, GATHER_NOT_FOUND);
    size_t size = (size_t)stat.st_size;
    if (size > 0 && kind_of(mime_find(rill_span_of(part->place.name), NULL), &kind) < 0)
        return fail(part, GATHER_TYPE);
    r = count_octets(part, size, size);
    if (r < 0)
        return r;
    char *at = rill_arena_alloc(part->run->request->arena, size);
    if (at == NULL)
        return -ENOMEM;
    for (r = 1; used < size && r > 0; used += r > 0 ? (size_t)r : 0)
        r = rill_file_read(fd, at + used, size - used, used);
    return r < 0 ? r : finish(part, kind, (rill_span){ at, used });
}

static int run_file(struct gather_part *part) RILL_SUSPENDS;

static int run_file(struct gather_part *part)
{
    int fd = beneath_open(part->place.dir, part->place.name, true);
    if (fd < 0)
        return fd;
    int r = read_file(part, fd);
    rill_file_close(fd);
    return r;
}

/* --- A part --- */

static enum gather_reason reason_of_file(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -EXDEV: /* out of its folder */
    case -ELOOP:
    case -ENXIO: /* a socket */
    case -ENODEV: return GATHER_NOT_FOUND;
    case -EACCES:
    case -EPERM: return GATHER_FORBIDDEN;
    default: return GATHER_UNAVAILABLE;
    }
}

static enum gather_reason reason_of_url(int error)
{
    switch (error) {
    case -EPROTO: /* what it sent is no answer, or not all of one */
    case -ECONNRESET:
    case -EPIPE: return GATHER_RESET;
    case -ENOMEM: /* ours */
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -EAGAIN:
    case -EINVAL: return GATHER_UNAVAILABLE;
    default: return GATHER_CONNECT;
    }
}

/* Run the part under its own timeout, unless the total deadline comes first anyway. */
static int run_in_time(struct gather_part *part) RILL_SUSPENDS;

static int run_in_time(struct gather_part *part)
{
    rill_scope scope = { 0 };
    rill_time deadline = deadline_of(part);
    int r = rill_timeout_at(&scope, deadline < part->run->deadline ? deadline : RILL_FOREVER);
    if (r < 0)
        return r;
    r = part->conf->file.size > 0 ? run_file(part) : run_url(part);
    return rill_scope_leave(&scope, r);
}

int gather_part_run(void *arg)
{
    struct gather_part *part = arg;
    int r = run_in_time(part);
    part->took = rill_turn_time() - part->run->begin;
    if (r == 0) {
        part->reason = GATHER_GOOD;
        return 0;
    }
    if (rill_cancelling(rill_current_task()) > 0) {
        part->reason = GATHER_UNFINISHED; /* who ended it knows why */
        return -ECANCELED;
    }
    if (r == -ETIME)
        part->reason = GATHER_TIMEOUT;
    else if (r != -EREMOTEIO)
        part->reason = part->conf->file.size > 0 ? reason_of_file(r) : reason_of_url(r);
    return part->conf->optional ? 0 : -EREMOTEIO;
}
