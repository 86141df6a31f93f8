/* start.c - the first line of a message: request line and status line (rules 1 to 9, 11 to 14).
 *
 * Stages of the head parser; its invariants are told in head.c. The form of a target is decided
 * here, its path is read by target.c. */
#include "core/http/field.h"
#include "core/http/head.h"
#include "core/http/scan.h"

#define METHOD_MAX  32
#define VERSION_LEN 8

static inline uint32_t offset(const rill_http_message *head, const char *p)
{
    return (uint32_t)(p - head->at);
}

/* --- Versions --- */

/* How many octets at p fit "HTTP/d.d"; stops at `end`. */
static size_t version_fits(const char *p, const char *end)
{
    static const char pattern[] = "HTTP/0.0";
    size_t i = 0;
    for (; i < VERSION_LEN && p + i < end; i++) {
        bool digit = pattern[i] == '0';
        if (digit ? p[i] < '0' || p[i] > '9' : p[i] != pattern[i])
            break;
    }
    return i;
}

/* --- Request line --- */

/* Skip up to two empty lines (rule 1).   Returns: 1; 0; -EBADMSG. */
static int skip_blank(rill_http_message *head, const char *end)
{
    const char *p = head->at + head->scan;
    for (; p < end && (*p == '\r' || *p == '\n'); p += 2) {
        if (*p == '\n')
            return rill__http_refuse(head, 400, 2);
        if (head->blank == 2)
            return rill__http_refuse(head, 400, 1);
        if (end - p < 2)
            break;
        if (p[1] != '\n')
            return rill__http_refuse(head, 400, 3);
        head->blank++;
    }
    head->scan = head->line = offset(head, p);
    return p < end && *p != '\r';
}

static int method_end(rill_http_message *head, const char *p)
{
    head->method_name = (rill_http_part){ head->line, offset(head, p) - head->line };
    head->method = (uint8_t)rill_http_method_of(rill_http_span(head, head->method_name));
    head->scan = offset(head, p) + 1;
    head->stage = STAGE_TARGET;
    return 1;
}

/* Read the method up to its space.   Returns: 1; 0; -EBADMSG. */
static int method(rill_http_message *head, const char *end)
{
    const char *start = head->at + head->line, *p = head->at + head->scan;
    const char *limit = start + METHOD_MAX;
    p = scan_class(p, end - start < METHOD_MAX ? end : limit, CLASS_TOKEN);
    head->scan = offset(head, p);
    if (p == end)
        return 0;
    if (*p == ' ' && p > start)
        return method_end(head, p);
    if (*p == '\n')
        return rill__http_refuse(head, 400, 2);
    if (*p == ' ' || *p == '\t' || *p == '\r')
        return rill__http_refuse(head, 400, 5);
    return class_of(p) & CLASS_TOKEN ? rill__http_refuse(head, 501, 9)
                                     : rill__http_refuse(head, 400, 11);
}

rill_http_method rill_http_method_of(rill_span name)
{
    for (rill_http_method m = RILL_HTTP_GET; m <= RILL_HTTP_OPTIONS; m++)
        if (rill_span_equal(name, rill_http_method_name(m)))
            return m;
    return RILL_HTTP_OTHER;
}

/* Read the target up to its space.   Returns: 1; 0; -EBADMSG. */
static int target(rill_http_message *head, const char *end, const rill_http_limits *limits)
{
    const char *start = head->at + head->line + head->method_name.size + 1;
    const char *limit = head->at + head->line + limits->line;
    const char *p = head->at + head->scan;
    if (p <= limit)
        p = scan_visible(p, end < limit ? end : limit);
    head->scan = offset(head, p);
    /* A line with a space at p goes on for a version; without one it is longer still (rule 9). */
    if (p >= limit || (p < end && *p == ' ' && limit - p < 1 + VERSION_LEN))
        return rill__http_refuse(head, 414, 9);
    if (p == end)
        return 0;
    if (*p != ' ' || p == start) {
        unsigned rule = *p == '\n' ? 2 : *p == '\r' ? 8 : *p == ' ' || *p == '\t' ? 5 : 14;
        return rill__http_refuse(head, 400, rule);
    }
    head->target = (rill_http_part){ offset(head, start), (uint32_t)(p - start) };
    head->scan = offset(head, p) + 1;
    head->stage = STAGE_VERSION;
    return 1;
}

/* Say what is wrong with the octet behind `fits` good octets of version and CRLF. */
static int refuse_version(rill_http_message *head, size_t fits, char octet)
{
    unsigned rule = 6;
    if (octet == '\n')
        rule = 2;
    else if (fits == VERSION_LEN + 1)
        rule = 3;
    else if (octet == ' ' || octet == '\t' || (fits == 0 && octet == '\r'))
        rule = 5;
    return rill__http_refuse(head, 400, rule);
}

/* Look at version and CRLF from the start, as far as they are there.   Returns: 1; 0; -EBADMSG. */
static int version(rill_http_message *head, const char *end)
{
    const char *p = head->at + head->scan;
    size_t fits = version_fits(p, end);
    if (fits == VERSION_LEN && p + fits < end && p[fits] == '\r')
        fits++;
    if (p + fits == end)
        return 0;
    if (fits != VERSION_LEN + 1 || p[fits] != '\n')
        return refuse_version(head, fits, p[fits]);
    head->minor = p[7] != '0';
    head->scan += VERSION_LEN + 2;
    if (p[5] == '1')
        return 1;
    bool preface = rill_span_equal(rill_http_span(head, head->method_name), RILL_SPAN("PRI")) &&
                   rill_span_equal(rill_http_span(head, head->target), RILL_SPAN("*"));
    return rill__http_refuse(head, 505, preface ? 13 : 6);
}

/* --- What the request line asks for --- */

static int odd_method(rill_http_message *head, const rill_http_limits *limits)
{
    rill_span name = rill_http_span(head, head->method_name);
    if (rill_span_equal(name, RILL_SPAN("CONNECT")))
        return rill__http_refuse(head, 501, 23);
    if (rill_span_equal(name, RILL_SPAN("TRACE")))
        return rill__http_refuse(head, 405, 72);
    return limits->other_methods ? 1 : rill__http_refuse(head, 501, 11);
}

/* The authority of an absolute target, which begins behind the scheme (rules 17, 19). */
static int absolute_form(rill_http_message *head, rill_span text, size_t scheme)
{
    size_t stop = scheme;
    while (stop < text.size && text.at[stop] != '/' && text.at[stop] != '?' && text.at[stop] != '#')
        stop++;
    rill_http_host host;
    if (rill_http_host_parse((rill_span){ text.at + scheme, stop - scheme }, &host) < 0)
        return rill__http_refuse(head, 400, 17);
    uint32_t at = head->target.at + (uint32_t)scheme;
    head->form = RILL_HTTP_ABSOLUTE;
    head->authority = (rill_http_part){ at, (uint32_t)(stop - scheme) };
    head->host = (rill_http_part){ at, (uint32_t)host.name.size };
    head->port = host.port;
    head->resource =
        (rill_http_part){ head->target.at + (uint32_t)stop, (uint32_t)(text.size - stop) };
    return 1;
}

static bool starts_nocase(rill_span text, rill_span lower)
{
    return text.size >= lower.size &&
           rill_span_equal_nocase((rill_span){ text.at, lower.size }, lower);
}

/* Every form but origin form.   Returns: 1; -EBADMSG. */
static int odd_form(rill_http_message *head, rill_span text)
{
    if (text.at[0] == '*') {
        if (text.size > 1 || head->method != RILL_HTTP_OPTIONS)
            return rill__http_refuse(head, 400, 22);
        head->form = RILL_HTTP_ASTERISK;
        head->resource = head->target;
        return 1;
    }
    if (starts_nocase(text, RILL_SPAN("http://"))) {
        head->scheme = RILL_HTTP_SCHEME_HTTP;
        return absolute_form(head, text, 7);
    }
    if (starts_nocase(text, RILL_SPAN("https://"))) {
        head->scheme = RILL_HTTP_SCHEME_HTTPS;
        return absolute_form(head, text, 8);
    }
    const char *end = text.at + text.size;
    const char *p = memchr(text.at, ':', text.size);
    bool schemed = p && end - p >= 3 && p[1] == '/' && p[2] == '/';
    return rill__http_refuse(head, 400, schemed ? 21 : 23);
}

int rill__http_request_line(rill_http_message *head, const char *end,
                            const rill_http_limits *limits)
{
    int r = 1;
    if (head->stage <= STAGE_BLANK) {
        const char *p = head->at + head->scan;
        head->stage = STAGE_BLANK;
        if (p == end || *p == '\r' || *p == '\n')
            r = skip_blank(head, end);
        if (r <= 0)
            return r;
        head->stage = STAGE_METHOD;
    }
    if (head->stage == STAGE_METHOD && (r = method(head, end)) <= 0)
        return r;
    if (head->stage == STAGE_TARGET && (r = target(head, end, limits)) <= 0)
        return r;
    if ((r = version(head, end)) <= 0)
        return r;
    if (head->method == RILL_HTTP_OTHER && (r = odd_method(head, limits)) < 0)
        return r;
    rill_span text = rill_http_span(head, head->target);
    head->resource = head->target;
    if (text.at[0] != '/' && (r = odd_form(head, text)) < 0)
        return r;
    head->section = head->scan;
    head->stage = STAGE_LINE;
    return 1;
}

/* --- Status line --- */

#define STATUS_LEN 12 /* "HTTP/1.1 200" */

/* Version and status, looked at from the start until they and the octet behind them are there.
 * Returns: 1; 0; -EBADMSG. */
static int status(rill_http_message *head, const char *end)
{
    const char *p = head->at;
    size_t fits = version_fits(p, end);
    if (p + fits == end)
        return 0;
    if (fits < VERSION_LEN || p[5] != '1')
        return rill__http_refuse(head, 502, 6);
    if (p[fits++] != ' ')
        return rill__http_refuse(head, 502, 107);
    for (; fits < STATUS_LEN && p + fits < end; fits++)
        if (p[fits] < '0' || p[fits] > '9')
            return rill__http_refuse(head, 502, 107);
    if (p + fits == end)
        return 0;
    /* Servers that leave out the space before an absent reason are many, and nothing depends on it. */
    if (p[9] < '1' || p[9] > '5' || (p[fits] != ' ' && p[fits] != '\r'))
        return rill__http_refuse(head, 502, 107);
    head->minor = p[7] != '0';
    head->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0'));
    head->scan = STATUS_LEN + (p[fits] == ' ');
    head->stage = STAGE_REASON;
    return 1;
}

int rill__http_status_line(rill_http_message *head, const char *end, const rill_http_limits *limits)
{
    int r = 1;
    if (head->stage < STAGE_REASON && (r = status(head, end)) <= 0)
        return r;
    const char *limit = head->at + limits->line;
    const char *p = head->at + head->scan;
    if (p < limit)
        p = scan_value(p, end < limit ? end : limit);
    head->scan = offset(head, p);
    if (p == end)
        return 0;
    if (*p != '\r')
        return rill__http_refuse(head, 502, p >= limit ? 9 : *p == '\n' ? 2 : 106);
    if (end - p < 2)
        return 0;
    if (p[1] != '\n')
        return rill__http_refuse(head, 502, 3);
    uint32_t start = STATUS_LEN + (head->at[STATUS_LEN] == ' ');
    head->reason = (rill_http_part){ start, head->scan - start };
    head->scan += 2;
    head->section = head->scan;
    head->stage = STAGE_LINE;
    return 1;
}
