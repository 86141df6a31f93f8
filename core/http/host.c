/* host.c - the authority of a request: host names, address literals, ports (rules 17 and 18).
 *
 * Stricter than the grammar of RFC 3986: a name is made of unreserved octets and has no empty label.
 * Percent-escapes and sub-delimiters name no host on the Internet, and two readers may read them
 * differently. */
#include "core/http/head.h"
#include "core/http/scan.h"

#include <errno.h>
#include <limits.h>

/* Four numbers up to 255 without leading zeros, separated by dots. */
static bool is_ipv4(const char *p, const char *end)
{
    for (int part = 0; part < 4; part++) {
        unsigned value = 0, digits = 0;
        for (; p < end && *p >= '0' && *p <= '9' && digits < 4; p++, digits++)
            value = value * 10 + (unsigned)(*p - '0');
        if (digits == 0 || value > 255 || (digits > 1 && p[-(int)digits] == '0'))
            return false;
        if (part < 3 && (p == end || *p++ != '.'))
            return false;
    }
    return p == end;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Eight groups of up to four digits, or fewer round one "::"; the last two may be an IPv4 address. */
static bool is_ipv6(const char *p, const char *end)
{
    int groups = 0;
    bool gap = false;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = true;
        p += 2;
    }
    while (p < end) {
        const char *start = p;
        while (p < end && is_hex(*p))
            p++;
        if (p < end && *p == '.')
            return is_ipv4(start, end) && (gap ? groups <= 5 : groups == 6);
        if (p == start || p - start > 4 || ++groups > 8)
            return false;
        if (p == end)
            break;
        if (*p++ != ':' || p == end)
            return false;
        if (*p == ':') {
            if (gap)
                return false;
            gap = true;
            p++;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

/* Returns: the port, 1 to 65535; -EBADMSG. */
static int parse_port(const char *p, const char *end)
{
    unsigned value = 0;
    if (end - p < 1 || end - p > 5)
        return -EBADMSG;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(uint8_t)*p - '0';
        if (digit > 9)
            return -EBADMSG;
        value = value * 10 + digit;
    }
    return value >= 1 && value <= 65535 ? (int)value : -EBADMSG;
}

#if defined(__SSE2__)
/* The same for 8 to 16 octets, which nearly all names have: the first eight and the last eight are
 * looked at together. Bit i of a mask is octet i. */
static inline const char *short_name_end(const char *p, const char *end)
{
    size_t size = (size_t)(end - p);
    __m128i v = _mm_set_epi64x((long long)load8(end - 8), (long long)load8(p));
    __m128i lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(lower, _mm_set1_epi8('a' - 1)),
                                   _mm_cmplt_epi8(lower, _mm_set1_epi8('z' + 1)));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
                                  _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
    __m128i dot = _mm_cmpeq_epi8(v, _mm_set1_epi8('.'));
    __m128i good = _mm_or_si128(_mm_or_si128(letter, digit),
                                _mm_or_si128(dot, _mm_cmpeq_epi8(v, _mm_set1_epi8('-'))));
    unsigned goods = (unsigned)_mm_movemask_epi8(good), dots = (unsigned)_mm_movemask_epi8(dot);
    goods = (goods & 0xff) | goods >> 8 << (size - 8);
    dots = (dots & 0xff) | dots >> 8 << (size - 8);
    unsigned name = (unsigned)__builtin_ctz(~goods); /* at most `size`: the bits above are clear */
    bool empty_label = dots & (dots << 1 | 1) & ((1u << name) - 1);
    return empty_label ? NULL : p + name;
}
#endif

/* The end of the host name at p; NULL if a label is empty. */
__attribute__((noinline)) static const char *long_name_end(const char *p, const char *end)
{
    char before = '.';
    for (; p < end && (class_of(p) & CLASS_HOST); p++) {
        if (*p == '.' && before == '.')
            return NULL;
        before = *p;
    }
    return p;
}

static inline const char *name_end(const char *p, const char *end)
{
#if defined(__SSE2__)
    if (end - p >= 8 && end - p <= 16) {
        const char *stop = short_name_end(p, end);
        if (stop == end || (stop && *stop == ':'))
            return stop;
    }
#endif
    return long_name_end(p, end);
}

/* The end of an address literal; NULL if it is broken. */
__attribute__((noinline)) static const char *literal_end(const char *p, const char *end)
{
    const char *close = memchr(p, ']', (size_t)(end - p));
    return close && is_ipv6(p + 1, close) ? close + 1 : NULL;
}

int64_t rill__http_host_scan(const char *p, size_t size)
{
    const char *end = p + size;
    int port = 0;
    if (size == 0 || size > INT_MAX)
        return -EBADMSG;
    const char *stop = *p == '[' ? literal_end(p, end) : name_end(p, end);
    if (!stop || stop == p)
        return -EBADMSG;
    if (stop < end && (*stop != ':' || (port = parse_port(stop + 1, end)) < 0))
        return -EBADMSG;
    /* Without one trailing dot; a name of this dot alone did not get here. */
    return (int64_t)port << 32 | ((stop - p) - (stop[-1] == '.'));
}

int rill_http_host_parse(rill_span text, rill_http_host *ret_host)
{
    int64_t found = rill__http_host_scan(text.at, text.size);
    if (found < 0)
        return -EBADMSG;
    *ret_host = (rill_http_host){ { text.at, (uint32_t)found }, (uint16_t)(found >> 32) };
    return 0;
}

bool rill_http_host_equal(rill_http_host a, rill_http_host b, uint16_t default_port)
{
    return (a.port ? a.port : default_port) == (b.port ? b.port : default_port) &&
           rill_span_equal_nocase(a.name, b.name);
}
