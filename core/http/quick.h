/* quick.h - the fast way through a head that came whole: nearly all of them do.
 *
 * These functions take lines that are complete and plainly lawful, with everything in registers, and
 * leave all else to the stages of head.c and start.c, at the octet where they stopped: lines that are
 * cut, odd or wrong, long names, limits at hand. They refuse nothing for its syntax and take nothing
 * that the stages would refuse, so they change the time a head takes and no result. That is tested:
 * whole input goes through here, octet by octet it does not. Part of head.c, which includes it. */
#pragma once

#include "core/http/field.h"
#include "core/http/head.h"
#include "core/http/scan.h"

/* A `GET` of an origin-form target in HTTP/1.1, without empty lines before it.
 * Anything else is left as it is. */
static inline void quick_line(rill_http_message *head, const char *end,
                              const rill_http_limits *limits)
{
    static const char version[] = " HTTP/1.1\r\n";
    const size_t version_size = sizeof version - 1;
    const char *at = head->at;
    if (end - at < 16 || memcmp(at, "GET /", 5) != 0)
        return;
    const char *limit = (size_t)(end - at) < limits->line ? end : at + limits->line;
    const char *p = scan_visible(at + 4, limit);
    /* The limit counts the line without its CRLF. */
    if (end - p < (ptrdiff_t)version_size || memcmp(p, version, version_size) != 0 ||
        (size_t)(p - at) + version_size - 2 > limits->line)
        return;
    head->method = RILL_HTTP_GET;
    head->method_name = (rill_http_part){ 0, 3 };
    head->target = head->resource = (rill_http_part){ 4, (uint32_t)(p - at) - 4 };
    head->minor = 1;
    head->scan = head->section = (uint32_t)((size_t)(p - at) + version_size);
    head->stage = STAGE_LINE;
}

static inline bool is_crlf(const char *p)
{
    return memcmp(p, "\r\n", 2) == 0;
}

/* The id of a name that is not known.   Returns: RILL_HTTP_FIELD_COUNT if it is no token. */
__attribute__((noinline)) static unsigned other_id(const char *p, size_t size)
{
    unsigned all = CLASS_TOKEN, any = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned class = class_of(p + i);
        all &= class;
        any |= class;
    }
    if (all == 0 || size == 0)
        return RILL_HTTP_FIELD_COUNT;
    return any & CLASS_UNDERSCORE ? RILL_HTTP_FIELD_UNDERSCORED : RILL_HTTP_FIELD_OTHER;
}

/* The size and id of the name at `text`, of which 16 octets are readable.
 * Returns: the id; RILL_HTTP_FIELD_COUNT for a name to leave to the stages. */
__attribute__((always_inline)) static inline unsigned quick_name(const char *text, size_t *ret_size)
{
    size_t size = scan_colon16(text);
    if (size == 16)
        return RILL_HTTP_FIELD_COUNT;
    unsigned id = rill__http_known_field(text, size);
    *ret_size = size;
    return id != RILL_HTTP_FIELD_OTHER ? id : other_id(text, size);
}

/* The same near the end of the octets: a copy is looked at, so that nothing is read behind them. */
__attribute__((noinline)) static unsigned quick_name_near_end(const char *p, const char *end,
                                                              size_t *ret_size)
{
    char copy[16] = { 0 };
    memcpy(copy, p, (size_t)(end - p));
    return quick_name(copy, ret_size);
}

/* Field lines whose names are shorter than 16 octets, and the empty line behind them. Stops at the
 * first line that is not plain, with nothing of it noted.
 * Returns: 1 (go on with the stages); 2 (the end of the head); -EBADMSG. */
static inline int quick_fields(rill_http_message *head, const char *end,
                               const rill_http_limits *limits)
{
    const char *at = head->at, *p = at + head->scan;
    const char *last = at + head->section + limits->head; /* where the last CRLF ends at most */
    const char *stop = end < last ? end : last;
    unsigned count_max = limits->fields < head->field_max ? limits->fields : head->field_max;
    int r = 1;
    while (r == 1 && stop - p > 2 && *p != '\r' && head->field_count < count_max) {
        size_t name;
        unsigned id = stop - p >= 16 ? quick_name(p, &name) : quick_name_near_end(p, stop, &name);
        if (id == RILL_HTTP_FIELD_COUNT)
            break;
        const char *value = p + name + 1;
        const char *line = scan_value(value, stop);
        if (stop - line < 2 || !is_crlf(line) || (size_t)(line - p) > limits->line)
            break;
        const char *next = line + 2;
        while (value < line && is_blank(value))
            value++;
        while (value < line && is_blank(line - 1))
            line--;
        rill_http_field *field = &head->fields[head->field_count];
        field->name = (rill_http_part){ (uint32_t)(p - at), (uint32_t)name };
        field->value = (rill_http_part){ (uint32_t)(value - at), (uint32_t)(line - value) };
        field->id = (uint16_t)id;
        p = next;
        r = rill__http_add_field(head, id);
    }
    if (r == 1 && end - p >= 2 && is_crlf(p)) {
        p += 2;
        r = 2;
    }
    head->scan = (uint32_t)(p - at);
    return r;
}
