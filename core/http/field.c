/* field.c - field names and values: octet classes, the table of known names, list elements.
 *
 * Known names are looked up by length, then by whole words with the letters' case masked away. The
 * list of names is RILL_HTTP_FIELDS in the public header, sorted by length; rill__http_group must
 * name the first id of each length (a test looks every name up). */
#include "core/http/field.h"

#include "core/http/scan.h"

#include <errno.h>

/* What most octets are, by range, and then the marks. */
#define ALNUM (CLASS_TOKEN | CLASS_VALUE | CLASS_VISIBLE | CLASS_HOST | CLASS_PATH | CLASS_PLAIN)
#define MARK  (CLASS_VALUE | CLASS_VISIBLE)
#define DELIM (MARK | CLASS_PATH | CLASS_PLAIN)

const uint8_t rill__http_class[256] = {
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['\t'] = CLASS_VALUE,
    [' '] = CLASS_VALUE,
    [0x80 ... 0xff] = CLASS_VALUE,
    ['!'] = DELIM | CLASS_TOKEN,
    ['"'] = MARK | CLASS_PLAIN,
    ['#'] = MARK | CLASS_TOKEN,
    ['$'] = DELIM | CLASS_TOKEN,
    ['%'] = MARK | CLASS_TOKEN,
    ['&'] = DELIM | CLASS_TOKEN,
    ['\''] = DELIM | CLASS_TOKEN,
    ['('] = DELIM,
    [')'] = DELIM,
    ['*'] = DELIM | CLASS_TOKEN,
    ['+'] = DELIM | CLASS_TOKEN,
    [','] = DELIM,
    ['-'] = ALNUM,
    ['.'] = ALNUM & ~CLASS_PLAIN,
    ['/'] = DELIM,
    [':'] = DELIM,
    [';'] = DELIM,
    ['<'] = MARK | CLASS_PLAIN,
    ['='] = DELIM,
    ['>'] = MARK | CLASS_PLAIN,
    ['?'] = MARK,
    ['@'] = DELIM,
    ['['] = MARK | CLASS_PLAIN,
    ['\\'] = MARK,
    [']'] = MARK | CLASS_PLAIN,
    ['^'] = MARK | CLASS_TOKEN | CLASS_PLAIN,
    ['_'] = ALNUM | CLASS_UNDERSCORE,
    ['`'] = MARK | CLASS_TOKEN | CLASS_PLAIN,
    ['{'] = MARK | CLASS_PLAIN,
    ['|'] = MARK | CLASS_TOKEN | CLASS_PLAIN,
    ['}'] = MARK | CLASS_PLAIN,
    ['~'] = ALNUM,
};

const struct rill__http_known rill__http_known[RILL_HTTP_FIELD_COUNT + 1] = {
#define KNOWN(id, text) [RILL_HTTP_FIELD_##id] = { text, sizeof(text) - 1 },
    RILL_HTTP_FIELDS(KNOWN)
#undef KNOWN
};

const uint8_t rill__http_group[RILL__HTTP_NAME_MAX + 1] = {
    [2] = RILL_HTTP_FIELD_TE,
    [3] = RILL_HTTP_FIELD_VIA,
    [4] = RILL_HTTP_FIELD_HOST,
    [5] = RILL_HTTP_FIELD_RANGE,
    [6] = RILL_HTTP_FIELD_ACCEPT,
    [7] = RILL_HTTP_FIELD_REFERER,
    [8] = RILL_HTTP_FIELD_IF_MATCH,
    [9] = RILL_HTTP_FIELD_FORWARDED,
    [10] = RILL_HTTP_FIELD_USER_AGENT,
    [11] = RILL_HTTP_FIELD_TRACEPARENT,
    [12] = RILL_HTTP_FIELD_CONTENT_TYPE,
    [13] = RILL_HTTP_FIELD_IF_NONE_MATCH,
    [14] = RILL_HTTP_FIELD_CONTENT_LENGTH,
    [15] = RILL_HTTP_FIELD_ACCEPT_ENCODING,
    [16] = RILL_HTTP_FIELD_CONTENT_ENCODING,
    [17] = RILL_HTTP_FIELD_IF_MODIFIED_SINCE,
    [18] = RILL_HTTP_FIELD_PROXY_AUTHENTICATE,
    [19] = RILL_HTTP_FIELD_IF_UNMODIFIED_SINCE,
    [20] = RILL_HTTP_FIELD_SEC_WEBSOCKET_ACCEPT,
    [21] = RILL_HTTP_FIELD_SEC_WEBSOCKET_VERSION,
    [22] = RILL_HTTP_FIELD_SEC_WEBSOCKET_PROTOCOL,
};

_Static_assert(RILL_HTTP_FIELD_COUNT <= 64, "head.known has one bit per id");

rill_http_field_id rill_http_field_of(rill_span name)
{
    char padded[RILL__HTTP_NAME_MAX + 8] = { 0 };
    if (name.size <= RILL__HTTP_NAME_MAX) {
        if (name.size > 0)
            memcpy(padded, name.at, name.size);
        unsigned id = rill__http_known_field(padded, name.size);
        if (id != RILL_HTTP_FIELD_OTHER)
            return (rill_http_field_id)id;
    }
    bool underscored = name.size > 0 && memchr(name.at, '_', name.size) != NULL;
    return underscored ? RILL_HTTP_FIELD_UNDERSCORED : RILL_HTTP_FIELD_OTHER;
}

rill_span rill_http_field_name(rill_http_field_id id)
{
    if ((unsigned)id >= RILL_HTTP_FIELD_COUNT)
        return (rill_span){ "", 0 };
    return (rill_span){ rill__http_known[id].name, rill__http_known[id].size };
}

int rill_http_head_find(const rill_http_message *head, rill_span name, uint16_t from)
{
    for (unsigned i = from; i < head->field_count; i++)
        if (head->fields[i].name.size == name.size &&
            rill_span_equal_nocase(rill_http_span(head, head->fields[i].name), name))
            return (int)i;
    return -ENOENT;
}

bool rill_http_is_token(rill_span text)
{
    return text.size > 0 &&
           scan_class(text.at, text.at + text.size, CLASS_TOKEN) == text.at + text.size;
}

bool rill_http_is_value(rill_span text)
{
    return text.size == 0 || scan_value(text.at, text.at + text.size) == text.at + text.size;
}

int rill_http_length_parse(rill_span text, uint64_t *ret_length)
{
    return rill_parse_u64(text, INT64_MAX, ret_length) < 0 ? -EBADMSG : 0;
}

/* --- List fields --- */

#define BLANK_MAX 32

/* The end of the element at p: a comma outside quoted strings, or `end`; NULL if a quote stays open. */
static const char *element_end(const char *p, const char *end)
{
    bool quoted = false;
    for (; p < end; p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (quoted && *p == '\\' && end - p > 1)
            p++;
        else if (!quoted && *p == ',')
            return p;
    }
    return quoted ? NULL : end;
}

rill_span rill__http_trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (rill_span){ p, (size_t)(end - p) };
}

/* Go to the next line of the field.   Returns: false at the end. */
static bool next_line(rill_http_list *list)
{
    const rill_http_message *head = list->head;
    if (!head)
        return false;
    while (list->next < head->field_count) {
        const rill_http_field *field = &head->fields[list->next++];
        if (field->id != list->id)
            continue;
        list->rest = rill_http_span(head, field->value);
        if (list->rest.size > 0)
            return true;
    }
    return false;
}

int rill_http_list_next(rill_http_list *list, rill_span *ret_element)
{
    while (list->rest.size > 0 || next_line(list)) {
        const char *p = list->rest.at, *end = p + list->rest.size;
        const char *stop = element_end(p, end);
        if (!stop)
            return -EBADMSG;
        const char *after = stop < end ? stop + 1 : end;
        rill_span element = rill__http_trim(p, stop);
        list->rest = (rill_span){ after, (size_t)(end - after) };
        if (element.size > 0) {
            *ret_element = element;
            return 1;
        }
        if (++list->blank > BLANK_MAX) /* rule 42 */
            return -EBADMSG;
    }
    return 0;
}
