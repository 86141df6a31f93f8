/* host.c - hosts of which nobody is asked, and what a name may look like.
 *
 * Strict, as addresses are in io/addr.c: "127.1" and "0x7f.0.0.1" are old spellings of an address, and
 * whoever checks a name before it is looked up might read something else in them. */
#include "core/dns/host.h"

#include "core/dns/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

enum { label_most = 63 };

void rill__addr_set_port(rill_addr *addr, unsigned port)
{
    if (addr->any.sa_family == AF_INET)
        addr->in4.sin_port = htons((uint16_t)port);
    else
        addr->in6.sin6_port = htons((uint16_t)port);
}

static rill_addr in4(uint32_t host)
{
    rill_addr addr = { .length = sizeof addr.in4 };
    addr.in4.sin_family = AF_INET;
    addr.in4.sin_addr.s_addr = htonl(host);
    return addr;
}

static rill_addr in6(const struct in6_addr *host)
{
    rill_addr addr = { .length = sizeof addr.in6 };
    addr.in6.sin6_family = AF_INET6;
    addr.in6.sin6_addr = *host;
    return addr;
}

/* The interface behind the '%' of a link-local address: its number, or its name (RFC 4007, 11). 0: there is none. */
static uint32_t zone_of(rill_span text)
{
    char name[IF_NAMESIZE];
    uint64_t number;
    if (rill_parse_u64(text, UINT32_MAX, &number) == 0)
        return (uint32_t)number;
    if (text.size == 0 || text.size >= sizeof name)
        return 0;
    memcpy(name, text.at, text.size);
    name[text.size] = 0;
    return if_nametoindex(name);
}

bool rill__host_number(rill_span text, int family, rill_addr *ret_addr)
{
    char number[INET6_ADDRSTRLEN];
    struct in_addr host4;
    struct in6_addr host6;
    const char *percent = text.size > 0 ? memchr(text.at, '%', text.size) : NULL;
    size_t size = percent != NULL ? (size_t)(percent - text.at) : text.size;
    if (size == 0 || size >= sizeof number)
        return false;
    memcpy(number, text.at, size);
    number[size] = 0;
    if (family != AF_INET6 && percent == NULL && inet_pton(AF_INET, number, &host4) == 1) {
        *ret_addr = in4(ntohl(host4.s_addr));
        return true;
    }
    if (family == AF_INET || inet_pton(AF_INET6, number, &host6) != 1)
        return false;
    rill_addr addr = in6(&host6);
    if (percent != NULL)
        addr.in6.sin6_scope_id = zone_of((rill_span){ percent + 1, text.size - size - 1 });
    *ret_addr = addr;
    return percent == NULL || addr.in6.sin6_scope_id > 0;
}

/* "localhost", and all below it (RFC 6761, 6.3). */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    size_t size = strlen(host), tail = sizeof name - 1;
    if (size > 0 && host[size - 1] == '.')
        size--;
    if (size < tail)
        return false;
    rill_span end = { host + size - tail, tail };
    return rill_span_equal_nocase(end, rill_span_of(name)) &&
           (size == tail || (size > tail + 1 && host[size - tail - 1] == '.'));
}

int rill__host_is_known(const char *host, int family, bool passive, rill_addr ret_addrs[2],
                        size_t *ret_count)
{
    bool none = host == NULL || host[0] == 0;
    bool every = none && passive;
    size_t count = 0;
    if (!none && rill__host_number(rill_span_of(host), 0, &ret_addrs[0])) {
        *ret_count = 1;
        return family == 0 || ret_addrs[0].any.sa_family == family ? 1 : -EINVAL;
    }
    if (!none && !is_localhost(host))
        return 0;
    if (family != AF_INET6)
        ret_addrs[count++] = in4(every ? INADDR_ANY : INADDR_LOOPBACK);
    if (family != AF_INET)
        ret_addrs[count++] = in6(every ? &in6addr_any : &in6addr_loopback);
    *ret_count = count;
    return 1;
}

/* Letters in small; 0: no octet of a name. */
static char octet_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c + ('a' - 'A'));
    bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    return fits ? c : 0;
}

int rill__host_name(const char *host, char *ret_name, size_t size)
{
    size_t label = 0, digits = 0, at = 0;
    for (; host[at] != 0 && !(host[at] == '.' && host[at + 1] == 0); at++) {
        bool dot = host[at] == '.';
        char octet = dot ? '.' : octet_of(host[at]);
        if (octet == 0 || at + 1 >= size || (dot && label == 0) || (!dot && label == label_most))
            return -EINVAL;
        label = dot ? 0 : label + 1;
        digits = dot ? 0 : digits + (octet >= '0' && octet <= '9');
        ret_name[at] = octet;
    }
    if (label == 0 || digits == label)
        return -EINVAL;
    ret_name[at] = 0;
    return 0;
}
