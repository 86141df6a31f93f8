/* form.c - what a text of the configuration must look like: paths, names, fields, routes.
 *
 * Each form answers with what is wrong and how to put it right, to be read after the name and the
 * value of the setting, or with NULL. Field names and values follow RFC 9110 sections 5.1 and 5.5. */
#include "server/conf/schema.h"

enum { NAME_SIZE_MAX = 255, PART_SIZE_MAX = 64, ROUTE_SIZE_MAX = 1024 };

#define CONTROL "holds a control character; remove it"

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_token(rill_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_alnum(text.at[i]) && (text.at[i] == 0 || !strchr("!#$%&'*+-.^_`|~", text.at[i])))
            return false;
    return text.size > 0;
}

static bool has_control(rill_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (is_control(text.at[i]))
            return true;
    return false;
}

const char *conf_form_path(rill_span text)
{
    if (text.size == 0 || text.at[0] != '/')
        return "is not absolute; begin it with a slash";
    return has_control(text) ? CONTROL : NULL;
}

const char *conf_form_segment(rill_span text)
{
    if (text.size > NAME_SIZE_MAX)
        return "is longer than 255 octets; shorten it";
    if (rill_span_equal(text, RILL_SPAN(".")) || rill_span_equal(text, RILL_SPAN("..")))
        return "is no file name; write the name of a file";
    if (memchr(text.at, '/', text.size))
        return "holds a slash; write the name of a file in the folder";
    return has_control(text) ? CONTROL : NULL;
}

const char *conf_form_field_name(rill_span text)
{
    static const char *const refused[] = {
        "connection", "content-length", "keep-alive",        "proxy-connection",
        "te",         "trailer",        "transfer-encoding", "upgrade"
    };
    if (!is_token(text))
        return "is no field name; use letters, digits and hyphens";
    if (text.size > NAME_SIZE_MAX)
        return "is longer than 255 octets; shorten it";
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (rill_span_equal_nocase(text, rill_span_of(refused[i])))
            return "belongs to framing or the connection, which rilld sets; remove it";
    if (rill_span_equal_nocase(text, RILL_SPAN("date")) ||
        rill_span_equal_nocase(text, RILL_SPAN("content-range")))
        return "differs from answer to answer, and rilld sets it; remove it";
    return NULL;
}

const char *conf_form_field_value(rill_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (is_control(text.at[i]) && text.at[i] != '\t')
            return CONTROL;
    if (text.size > 0 && (memchr(" \t", text.at[0], 2) || memchr(" \t", text.at[text.size - 1], 2)))
        return "begins or ends with white space; remove it";
    return NULL;
}

const char *conf_form_media_type(rill_span text)
{
    const char *slash = memchr(text.at, '/', text.size);
    if (!slash || slash == text.at || slash == text.at + text.size - 1)
        return "is no media type; write TYPE/SUBTYPE, such as text/html";
    return conf_form_field_value(text);
}

const char *conf_form_extension(rill_span text)
{
    if (text.size > 0 && text.at[0] == '.')
        return "begins with a dot; write it without";
    if (text.size == 0 || text.size > NAME_SIZE_MAX || memchr(text.at, '.', text.size) ||
        memchr(text.at, '/', text.size))
        return "is no extension; write what follows the last dot of a file name";
    return has_control(text) ? CONTROL : NULL;
}

const char *conf_form_location(rill_span text)
{
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.at[i] <= ' ' || (unsigned char)text.at[i] >= 0x7f ||
            strchr("\"<>\\^`{|}", text.at[i]))
            return "holds an octet that a URI may not; percent-encode it";
    return NULL;
}

const char *conf_form_socket_name(rill_span text)
{
    if (text.size == 0 || text.size > NAME_SIZE_MAX || memchr(text.at, ':', text.size))
        return "names no socket; write the FileDescriptorName= of the socket unit";
    return has_control(text) ? CONTROL : NULL;
}

const char *conf_form_part_name(rill_span text)
{
    bool good = text.size > 0 && text.size <= PART_SIZE_MAX && text.at[0] != '_';
    for (size_t i = 0; i < text.size && good; i++)
        good = is_alnum(text.at[i]) || text.at[i] == '_' || text.at[i] == '-';
    return good ? NULL : "is no part name; use up to 64 of A-Z a-z 0-9 _ -, not beginning with _";
}

/* Whether a segment of the path is one or two dots. */
static bool has_dot_segment(rill_span text)
{
    while (text.size > 0) {
        const char *slash = memchr(text.at, '/', text.size);
        rill_span segment = { text.at, slash ? (size_t)(slash - text.at) : text.size };
        if (rill_span_equal(segment, RILL_SPAN(".")) || rill_span_equal(segment, RILL_SPAN("..")))
            return true;
        size_t skip = segment.size + (slash != NULL);
        text = (rill_span){ text.at + skip, text.size - skip };
    }
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool has_percent_triplet(rill_span text)
{
    for (size_t i = 0; i + 2 < text.size; i++)
        if (text.at[i] == '%' && is_hex(text.at[i + 1]) && is_hex(text.at[i + 2]))
            return true;
    return false;
}

/* Routes are compared with the normalised path of a request (rules 26 to 33), so
 * one that no request can have is a mistake. */
const char *conf_form_route(rill_span text)
{
    if (text.size == 0 || text.at[0] != '/')
        return "does not begin with a slash; write the path, such as /app/";
    if (text.size > ROUTE_SIZE_MAX)
        return "is longer than 1024 octets; shorten it";
    if (memchr(text.at, '?', text.size) || memchr(text.at, '#', text.size))
        return "holds ? or #; a route is a path alone";
    if (memchr(text.at, '\\', text.size))
        return "holds a backslash, which no request path may; use a slash";
    if (has_dot_segment(text))
        return "holds . or .. between slashes, which no request path keeps; remove it";
    if (has_percent_triplet(text))
        return "is percent-encoded; routes are written decoded";
    return has_control(text) ? CONTROL : NULL;
}
