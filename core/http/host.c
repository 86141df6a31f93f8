/* host.c - the authority of a request: host names, address literals, ports (rules 17 and 18).
 *
 * Stricter than the grammar of RFC 3986: a name is made of unreserved octets and has no empty label.
 * Percent-escapes and sub-delimiters name no host on the Internet, and two readers may read them
 * differently. */
#include <rill/http.h>

#include "core/http/scan.h"

#include <errno.h>

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

static int parse_port(const char *p, const char *end, uint16_t *ret_port)
{
    uint32_t value = 0;
    if (end - p < 1 || end - p > 5)
        return -EBADMSG;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(uint8_t)*p - '0';
        if (digit > 9)
            return -EBADMSG;
        value = value * 10 + digit;
    }
    if (value < 1 || value > 65535)
        return -EBADMSG;
    *ret_port = (uint16_t)value;
    return 0;
}

/* The end of the host name at p; NULL if a label is empty. */
static const char *name_end(const char *p, const char *end)
{
    char before = '.';
    for (; p < end && (class_of(p) & CLASS_HOST); p++) {
        if (*p == '.' && before == '.')
            return NULL;
        before = *p;
    }
    return p;
}

static const char *literal_end(const char *p, const char *end)
{
    const char *close = memchr(p, ']', (size_t)(end - p));
    return close && is_ipv6(p + 1, close) ? close + 1 : NULL;
}

int rill_http_host_parse(rill_span text, rill_http_host *ret_host)
{
    const char *p = text.at, *end = p + text.size;
    uint16_t port = 0;
    if (text.size == 0)
        return -EBADMSG;
    const char *stop = *p == '[' ? literal_end(p, end) : name_end(p, end);
    if (!stop || stop == p)
        return -EBADMSG;
    if (stop < end && (*stop != ':' || parse_port(stop + 1, end, &port) < 0))
        return -EBADMSG;
    size_t size = (size_t)(stop - p);
    if (stop[-1] == '.') /* one trailing dot; a name of this dot alone did not get here */
        size--;
    *ret_host = (rill_http_host){ { p, size }, port };
    return 0;
}

bool rill_http_host_equal(rill_http_host a, rill_http_host b, uint16_t default_port)
{
    return (a.port ? a.port : default_port) == (b.port ? b.port : default_port) &&
           rill_span_equal_nocase(a.name, b.name);
}
