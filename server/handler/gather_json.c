/* gather_json.c - what may become a member's value: JSON that was checked, or text as a JSON string.
 *
 * A JSON part goes into the answer octet by octet as it came, so numbers keep their digits; jansson
 * only says whether it is valid. jansson recurses, so levels are counted first, without recursion: a
 * check of 64 levels takes 8.2 KiB of a task's 64 KiB stack (measured on x86_64, 80 octets a level and
 * the rest for the message of an error). Integers are read as reals, since a number of any size is
 * valid JSON. */
#include "server/handler/gather_json.h"

#include "server/http/utf8.h"

#include <rill/mem.h>

#include <errno.h>
#include <jansson.h>

void gather_json_init(void)
{
    json_set_alloc_funcs(rill_alloc, rill_free);
    json_object_seed(0);
}

const char *gather_json_version(void)
{
    return jansson_version_str();
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

rill_span gather_json_trim(rill_span text)
{
    while (text.size > 0 && is_space(text.at[text.size - 1]))
        text.size--;
    while (text.size > 0 && is_space(text.at[0])) {
        text.at++;
        text.size--;
    }
    return text;
}

/* Whether no bracket outside of strings is more than 64 levels deep. In text that is no JSON the count
 * means nothing, but then jansson stops where it ceases to be JSON, and up to there it is right. */
static bool is_flat(rill_span text)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > GATHER_JSON_DEPTH_MAX)
            return false;
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return true;
}

int gather_json_check(rill_span text)
{
    const size_t flags =
        JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    if (!is_flat(text))
        return -EBADMSG;
    json_t *json = json_loadb(text.at, text.size, flags, &error);
    if (json == NULL)
        return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
    json_decref(json);
    return 0;
}

/* --- Text --- */

/* The letter behind the backslash for an octet that has a short escape; 0: it has none. */
static char short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\': return c;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* Visible ASCII that needs no escape, and blanks: nearly every octet. */
static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static size_t escaped_size(char c)
{
    if (short_escape(c) != 0)
        return 2;
    return (unsigned char)c < 0x20 ? 6 : 1;
}

int gather_json_string_size(rill_span text, size_t *ret_size)
{
    size_t size = 2;
    for (size_t i = 0, step; i < text.size; i += step) {
        if (is_plain(text.at[i])) {
            step = 1;
            size++;
            continue;
        }
        step = utf8_size(text.at + i, text.size - i);
        if (step == 0)
            return -EBADMSG;
        size += step > 1 ? step : escaped_size(text.at[i]);
    }
    *ret_size = size;
    return 0;
}

static void add_escaped(rill_text *out, char c)
{
    char letter = short_escape(c);
    if (letter != 0) {
        rill_text_char(out, '\\');
        rill_text_char(out, letter);
    } else {
        rill_text_add(out, RILL_SPAN("\\u"));
        rill_text_hex(out, (unsigned char)c, 4);
    }
}

void gather_json_string(rill_text *out, rill_span text)
{
    size_t start = 0;
    rill_text_char(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain(text.at[i]) || escaped_size(text.at[i]) == 1)
            continue;
        rill_text_add(out, (rill_span){ text.at + start, i - start });
        add_escaped(out, text.at[i]);
        start = i + 1;
    }
    rill_text_add(out, (rill_span){ text.at + start, text.size - start });
    rill_text_char(out, '"');
}
