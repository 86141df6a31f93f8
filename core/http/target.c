/* target.c - path and query of a target: decoded once, without dot segments (rules 24 to 35).
 *
 * Most paths are in normal form already; they are scanned once and used where they lie. The others
 * are written into the caller's memory in one pass: a path never grows by it, and the memory is
 * looked at only behind the write position, where a segment that turned out to be ".." is taken back.
 *
 * The normal form is one-to-one: what encodes it and reads it again gets the same octets. An encoded
 * slash is kept apart from a real one by RILL_HTTP_ENCODED_SLASH. */
#include <rill/http.h>

#include "core/http/scan.h"

#include <errno.h>

static int refuse(rill_http_target *ret_target, unsigned rule)
{
    ret_target->refuse_status = 400;
    ret_target->refuse_rule = (uint16_t)rule;
    return -EBADMSG;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet an escape at *p stands for, moving *p behind it.   Returns: the rule it breaks; 0. */
static unsigned decode(const char **p, const char *end, rill_http_target *target, char *ret_octet)
{
    int high = end - *p > 2 ? hex_of((*p)[1]) : -1;
    int low = high >= 0 ? hex_of((*p)[2]) : -1;
    if (low < 0)
        return 28;
    unsigned octet = (unsigned)high << 4 | (unsigned)low;
    if (octet < 0x20 || octet == 0x7f)
        return 27;
    *p += 3;
    if (octet == '/' || octet == '\\')
        target->encoded_slash = true;
    *ret_octet = octet == '/' ? RILL_HTTP_ENCODED_SLASH : (char)octet;
    return 0;
}

/* The next octet of a raw path, decoded.   Returns: the rule it breaks; 0. */
static unsigned next_octet(const char **p, const char *end, rill_http_target *target,
                           char *ret_octet)
{
    char c = **p;
    if (c == '%')
        return decode(p, end, target, ret_octet);
    if (c == '\\')
        return 31;
    if (!(class_of(p[0]) & CLASS_VISIBLE))
        return 14;
    (*p)++;
    *ret_octet = c;
    return 0;
}

struct writer {
    char *start, *at, *end; /* the caller's memory; `start` is the root slash */
    char *segment;          /* first octet of the segment at hand, behind its slash */
};

/* A segment is complete: take it back if it is a dot segment.   Returns: 1 (taken back); 0; -EBADMSG
 * (above the root, rule 29). */
static int end_segment(struct writer *w, rill_http_target *target)
{
    size_t size = (size_t)(w->at - w->segment);
    bool one = size == 1 && w->segment[0] == '.';
    bool two = size == 2 && w->segment[0] == '.' && w->segment[1] == '.';
    if (!one && !two)
        return 0;
    target->dots = true;
    w->at = w->segment; /* behind the slash that led here */
    if (one)
        return 1;
    if (w->at == w->start + 1)
        return refuse(target, 29);
    w->at--;
    while (w->at[-1] != '/')
        w->at--;
    w->segment = w->at;
    return 1;
}

/* Write the octets of [p, end) in normal form behind what the writer has.
 * Returns: 0; -EBADMSG; -ENOBUFS. */
static int normalise(struct writer *w, const char *p, const char *end, rill_http_target *target)
{
    int r;
    while (p < end) {
        char c;
        unsigned rule = next_octet(&p, end, target, &c);
        if (rule)
            return refuse(target, rule);
        if (c == '/') {
            if ((r = end_segment(w, target)) < 0)
                return r;
            if (r > 0)
                continue; /* the slash that led to the dot segment is there */
        }
        if (w->at == w->end)
            return -ENOBUFS;
        *w->at++ = c;
        if (c == '/')
            w->segment = w->at;
    }
    r = end_segment(w, target);
    return r < 0 ? r : 0;
}

/* Whether the segment at p, which begins with a dot, may be a dot segment: then the path is written
 * anew. It ends at a slash, a query or the end; an escape may still decode to a dot. */
static bool is_dots(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && q - p < 3 && *q == '.')
        q++;
    return q - p < 3 && (q == end || *q == '/' || *q == '%' || *q == '?');
}

/* How much of [p, end) is in normal form as it stands, up to an octet that needs a look. */
static const char *plain_path(const char *p, const char *end)
{
    const char *start = p;
    while ((p = scan_class(p, end, CLASS_PLAIN)) < end && *p == '.') {
        if (p > start && p[-1] == '/' && is_dots(p, end))
            break;
        p++;
    }
    return p;
}

/* Normalise the path [p, end), of which the octets before `odd` are in normal form. */
static int rewrite(const char *p, const char *odd, const char *end, rill_span memory,
                   rill_http_target *target)
{
    size_t plain = (size_t)(odd - p);
    char *start = (char *)(uintptr_t)memory.at;
    if (plain > memory.size)
        return -ENOBUFS;
    memcpy(start, p, plain);
    struct writer w = { start, start + plain, start + memory.size, start + plain };
    while (w.segment[-1] != '/')
        w.segment--;
    int r = normalise(&w, odd, end, target);
    target->path = (rill_span){ start, (size_t)(w.at - start) };
    return r;
}

static int parse_path(const char *p, const char *odd, const char *end, rill_span memory,
                      rill_http_target *target)
{
    if (p == end)
        target->path = RILL_SPAN("/");
    else if (odd == end)
        target->path = (rill_span){ p, (size_t)(end - p) };
    else
        return rewrite(p, odd, end, memory, target);
    return 0;
}

int rill_http_target_parse(rill_span raw, char *memory, size_t size, rill_http_target *ret_target)
{
    const char *p = raw.at, *end = p + raw.size;
    *ret_target = (rill_http_target){ .path = raw };
    if (raw.size == 1 && *p == '*')
        return 0;
    if (raw.size > 0 && *p != '/' && *p != '?' && *p != '#')
        return refuse(ret_target, 23);
    const char *odd = plain_path(p, end), *stop = odd;
    if (odd < end && *odd != '?') {
        const char *mark = memchr(odd, '?', (size_t)(end - odd));
        stop = mark ? mark : end;
        if (memchr(odd, '#', (size_t)(end - odd)))
            return refuse(ret_target, 24);
    } else if (odd < end && memchr(odd, '#', (size_t)(end - odd))) {
        return refuse(ret_target, 24);
    }
    if (stop < end) {
        ret_target->has_query = true;
        ret_target->query = (rill_span){ stop + 1, (size_t)(end - stop - 1) };
        if (scan_visible(stop, end) < end)
            return refuse(ret_target, 14);
    }
    return parse_path(p, odd, stop, (rill_span){ memory, size }, ret_target);
}

/* --- The way back --- */

void rill_http_path_encode(rill_text *text, rill_span path)
{
    for (size_t i = 0; i < path.size; i++) {
        const char *p = path.at + i;
        uint8_t octet = *p == RILL_HTTP_ENCODED_SLASH ? '/' : (uint8_t)*p;
        if (class_of(p) & CLASS_PATH) {
            rill_text_char(text, *p);
            continue;
        }
        char escape[3] = { '%', "0123456789ABCDEF"[octet >> 4], "0123456789ABCDEF"[octet & 15] };
        rill_text_add(text, (rill_span){ escape, sizeof escape });
    }
}

void rill_http_location_encode(rill_text *text, rill_span path)
{
    while (path.size > 0 && path.at[0] == '/') {
        path.at++;
        path.size--;
    }
    rill_text_char(text, '/');
    rill_http_path_encode(text, path);
}
