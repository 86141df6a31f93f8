/* head.c - the head parser: entry points, field lines, and the end of the head.
 *
 * Called by the server for requests and by the client for responses. The start lines are read in
 * start.c, the meaning of fields is body.c's, names and octet classes are field.c's.
 *
 * Model. A head is a run of stages (head.h). Each stage reads from left to right and stops in one of
 * three ways: its text is complete, the octets ran out, or an octet cannot stand where it stands.
 * Which of the three is decided by octets already seen, never by how many more there are. From that
 * follows what the tests check:
 *
 *   I1  The result does not depend on splits. A stage that ran out notes the octet at which it
 *       stopped (head.scan) and goes on there; the fast ways through a stage, taken when enough
 *       octets are there at once, give the same answer as the slow ones.
 *   I2  Each octet is looked at a bounded number of times over all calls: what lies before head.scan
 *       is not scanned again but for the ten octets of a version, the name when its colon is found,
 *       and the white space round a value when its line ends.
 *   I3  A refusal comes with the first octet that makes one certain. Binary on a clear-text port is
 *       refused at its first octet, not when a line gets too long.
 *   I4  Nothing at or beyond at + size is read, and nothing before a limit is passed over: every
 *       scan ends at the limit, so an endless line costs no more than the longest lawful one.
 *   I5  Only offsets are kept between calls, so the octets may move.
 *
 * Failure story. After a refusal the head stays refused; the rest of the connection has no known
 * message border. No stage writes into `fields` beyond field_max, and a field counts only when
 * its line is complete.
 *
 * Why not one table-driven state per octet: it is as strict, but costs a load and a branch on every
 * octet of long values, where these stages take sixteen at a time. */
#include "core/http/head.h"

#include "core/http/quick.h"

#include <errno.h>

static const rill_http_limits default_limits = RILL_HTTP_LIMITS;

void rill_http_head_init(rill_http_message *head, rill_http_field *fields, uint16_t field_max)
{
    /* The index `first` is valid only where `known` says so, so it is not cleared. */
    memset(head, 0, offsetof(rill_http_message, first));
    head->fields = fields;
    head->field_max = field_max;
}

__attribute__((cold, noinline)) int rill__http_refuse(rill_http_message *head, unsigned status,
                                                      unsigned rule)
{
    head->stage = STAGE_REFUSED;
    head->refuse_status = (uint16_t)(head->kind == KIND_RESPONSE ? 502 : status);
    head->refuse_rule = (uint16_t)rule;
    return -EBADMSG;
}

/* --- Field lines --- */

/* The last place where the line at hand may end: the limit of the line, or of all lines (rule 10). */
static const char *line_limit(const rill_http_message *head, const rill_http_limits *limits)
{
    uint64_t line = (uint64_t)head->line + limits->line;
    uint64_t section = (uint64_t)head->section + limits->head;
    section = section < 2 ? 0 : section - 2; /* room for the CRLF */
    return head->at + (line < section ? line : section);
}

/* A line whose first octet is no letter: the end of the head, or a refusal.
 * Returns: 2 (the empty line is complete); 0; -EBADMSG. */
static int odd_line(rill_http_message *head, const char *p, const char *end)
{
    if (*p == '\n')
        return rill__http_refuse(head, 400, 2);
    if (*p != '\r') /* white space: before the first field line, or a folded line */
        return rill__http_refuse(head, 400, head->field_count == 0 ? 4 : 40);
    if (end - p < 2)
        return 0;
    if (p[1] != '\n')
        return rill__http_refuse(head, 400, 3);
    head->scan += 2;
    return 2;
}

/* An octet that no name has, before the colon. */
static int refuse_in_name(rill_http_message *head, const char *p)
{
    unsigned rule = 37;
    if (*p == '\n')
        rule = 2;
    else if ((*p == ' ' || *p == '\t') && p > head->at + head->line)
        rule = 36;
    return rill__http_refuse(head, 400, rule);
}

/* Note a complete name, from head.line to the colon at `colon`, in the slot of the field to come. */
static void take_name(rill_http_message *head, const char *colon, unsigned id)
{
    rill_http_field *field = &head->fields[head->field_count];
    uint32_t at = (uint32_t)(colon - head->at);
    field->name = (rill_http_part){ head->line, at - head->line };
    field->id = (uint16_t)id;
    head->scan = at + 1;
    head->stage = STAGE_VALUE;
}

/* Read a name up to its colon.   Returns: 1; 0; -EBADMSG. */
static int field_name(rill_http_message *head, const char *end, const char *limit)
{
    const char *p = head->at + head->scan, *stop = end < limit ? end : limit;
    p = scan_class(p, stop, CLASS_TOKEN);
    head->scan = (uint32_t)(p - head->at);
    if (p == end)
        return 0;
    if (p >= limit && *p != '\r')
        return rill__http_refuse(head, 431, 10);
    if (*p != ':' || head->scan == head->line) /* an empty name is refused at its colon */
        return refuse_in_name(head, p);
    rill_span name = { head->at + head->line, head->scan - head->line };
    take_name(head, p, rill_http_field_of(name));
    return 1;
}

/* Add the field whose value lies between the colon and the CR at `stop`.   Returns: 1; -EBADMSG. */
static int take_field(rill_http_message *head, const char *stop)
{
    rill_http_field *field = &head->fields[head->field_count];
    const char *p = head->at + field->name.at + field->name.size + 1;
    head->scan = (uint32_t)(stop - head->at) + 2;
    head->stage = STAGE_LINE;
    while (p < stop && is_blank(p))
        p++;
    while (p < stop && is_blank(stop - 1))
        stop--;
    field->value = (rill_http_part){ (uint32_t)(p - head->at), (uint32_t)(stop - p) };
    return rill__http_add_field(head, field->id);
}

/* Read a value up to its CRLF and add the field.   Returns: 1; 0; -EBADMSG. */
static int field_value(rill_http_message *head, const char *end, const char *limit)
{
    const char *p = scan_value(head->at + head->scan, end < limit ? end : limit);
    head->scan = (uint32_t)(p - head->at);
    if (p == end)
        return 0;
    if (*p != '\r') {
        if (p >= limit)
            return rill__http_refuse(head, 431, 10);
        return rill__http_refuse(head, 400, *p == '\n' ? 2 : 39);
    }
    if (end - p < 2)
        return 0;
    if (p[1] != '\n')
        return rill__http_refuse(head, 400, 3);
    return take_field(head, p);
}

/* Go on with the field line at hand.
 * Returns: 1 (one more line taken); 2 (the end of the section); 0; -EBADMSG. */
static int field_line(rill_http_message *head, const char *end, const rill_http_limits *limits)
{
    if (head->stage == STAGE_LINE) {
        const char *p = head->at + head->scan;
        if (p == end)
            return 0;
        if (*p == '\r' || *p == '\n' || is_blank(p))
            return odd_line(head, p, end);
        if (head->field_count == head->field_max || head->field_count == limits->fields)
            return rill__http_refuse(head, 431, 10);
        head->line = head->scan;
        head->stage = STAGE_NAME;
    }
    const char *limit = line_limit(head, limits);
    if (head->stage == STAGE_NAME) {
        int r = field_name(head, end, limit);
        if (r <= 0)
            return r;
    }
    return field_value(head, end, limit);
}

static int field_section(rill_http_message *head, const char *end, const rill_http_limits *limits)
{
    int r = 1;
    while (r == 1) {
        if (head->stage == STAGE_LINE)
            r = quick_fields(head, end, limits);
        if (r == 1)
            r = field_line(head, end, limits);
    }
    return r;
}

/* --- Entry points --- */

static int done(rill_http_message *head)
{
    head->size = head->scan;
    head->stage = STAGE_DONE;
    return (int)head->size;
}

/* Run the stages behind the start line.   Returns: as the public functions. */
static int parse_fields(rill_http_message *head, const char *end, const rill_http_limits *limits)
{
    int r = field_section(head, end, limits);
    if (r <= 0)
        return r;
    r = rill__http_frame(head);
    return r < 0 ? r : done(head);
}

/* Whether the head is complete or refused already. */
static inline bool is_over(const rill_http_message *head)
{
    return head->stage >= STAGE_DONE;
}

static int result_of(const rill_http_message *head)
{
    return head->stage == STAGE_DONE ? (int)head->size : -EBADMSG;
}

int rill_http_request_parse(rill_http_message *head, const char *at, size_t size,
                            const rill_http_limits *limits)
{
    const char *end = at + size;
    head->at = at;
    if (!limits)
        limits = &default_limits;
    if (is_over(head))
        return result_of(head);
    if (head->stage == STAGE_START)
        quick_line(head, end, limits);
    if (head->stage < STAGE_LINE) {
        int r = rill__http_request_line(head, end, limits);
        if (r <= 0)
            return r;
    }
    return parse_fields(head, end, limits);
}

int rill_http_response_parse(rill_http_message *head, rill_http_method method, const char *at,
                             size_t size, const rill_http_limits *limits)
{
    const char *end = at + size;
    head->at = at;
    head->kind = KIND_RESPONSE;
    head->method = (uint8_t)method;
    if (!limits)
        limits = &default_limits;
    if (is_over(head))
        return result_of(head);
    if (head->stage < STAGE_LINE) {
        int r = rill__http_status_line(head, end, limits);
        if (r <= 0)
            return r;
    }
    return parse_fields(head, end, limits);
}

/* --- Trailers (rule 55) --- */

#define BIT(id) ((uint64_t)1 << RILL_HTTP_FIELD_##id)

/* Framing, routing, authentication, request modifiers and content description have no business in a
 * trailer section: who merged them would act on what nobody checked (RFC 9110, 6.5.1). */
static const uint64_t not_in_trailers =
    BIT(TE) | BIT(HOST) | BIT(EXPECT) | BIT(UPGRADE) | BIT(TRAILER) | BIT(CONNECTION) |
    BIT(KEEP_ALIVE) | BIT(PROXY_CONNECTION) | BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING) |
    BIT(PROXY) | BIT(VIA) | BIT(FORWARDED) | BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_HOST) |
    BIT(X_FORWARDED_PROTO) | BIT(MAX_FORWARDS) | BIT(AUTHORIZATION) | BIT(PROXY_AUTHORIZATION) |
    BIT(WWW_AUTHENTICATE) | BIT(PROXY_AUTHENTICATE) | BIT(COOKIE) | BIT(SET_COOKIE) |
    BIT(CONTENT_TYPE) | BIT(CONTENT_RANGE) | BIT(CONTENT_ENCODING) | BIT(CONTENT_LOCATION) |
    BIT(CONTENT_LANGUAGE) | BIT(RANGE) | BIT(IF_MATCH) | BIT(IF_RANGE) | BIT(IF_NONE_MATCH) |
    BIT(IF_MODIFIED_SINCE) | BIT(IF_UNMODIFIED_SINCE) | BIT(CACHE_CONTROL) | BIT(AGE) |
    BIT(EXPIRES) | BIT(DATE) | BIT(LOCATION) | BIT(RETRY_AFTER) | BIT(VARY);

/* Take the forbidden lines out of a complete table and set the index anew. */
static void drop_forbidden(rill_http_message *head)
{
    uint16_t kept = 0;
    head->known = head->repeated = 0;
    for (uint16_t i = 0; i < head->field_count; i++) {
        rill_http_field field = head->fields[i];
        uint64_t bit = (uint64_t)1 << field.id;
        if (bit & not_in_trailers)
            continue;
        if (head->known & bit)
            head->repeated |= bit;
        else
            head->first[field.id] = kept;
        head->known |= bit;
        head->fields[kept++] = field;
    }
    head->field_count = kept;
}

int rill_http_trailer_parse(rill_http_message *head, const char *at, size_t size,
                            const rill_http_limits *limits)
{
    if (is_over(head))
        return result_of(head);
    head->at = at;
    head->kind = KIND_TRAILER;
    if (head->stage == STAGE_START)
        head->stage = STAGE_LINE;
    int r = field_section(head, at + size, limits ? limits : &default_limits);
    if (r <= 0)
        return r;
    drop_forbidden(head);
    return done(head);
}
