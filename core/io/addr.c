/* addr.c - socket addresses as values, for <rill/net.h>.
 *
 * Text to address and back without a resolver, and comparison by meaning. Strict: what is not
 * exactly one of the three forms is an error, since two readings of one address in a configuration
 * are worse than none. Sockets are made elsewhere. */
#include <rill/net.h>

#include <arpa/inet.h>
#include <errno.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static int parse_port(rill_span text, in_port_t *ret_port)
{
    uint64_t port;
    if (text.size == 0)
        return -EDESTADDRREQ;
    if (text.size > 1 && text.at[0] == '0')
        return -ERANGE;
    if (rill_parse_u64(text, UINT16_MAX, &port) < 0)
        return -ERANGE;
    *ret_port = htons((uint16_t)port);
    return 0;
}

/* inet_pton wants a zero octet behind the text. */
static int parse_host(int family, rill_span text, void *ret_host)
{
    char host[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof host || memchr(text.at, 0, text.size))
        return -EINVAL;
    memcpy(host, text.at, text.size);
    host[text.size] = 0;
    return inet_pton(family, host, ret_host) == 1 ? 0 : -EINVAL;
}

static int parse_unix(rill_span path, rill_addr *ret_addr)
{
    rill_addr addr = { .un.sun_family = AF_UNIX };
    if (path.size == 0 || memchr(path.at, 0, path.size))
        return -EINVAL;
    if (path.size >= sizeof addr.un.sun_path)
        return -ENAMETOOLONG;
    memcpy(addr.un.sun_path, path.at, path.size);
    addr.length = (socklen_t)(PATH_AT + path.size + 1);
    *ret_addr = addr;
    return 0;
}

static int parse_in6(rill_span text, rill_addr *ret_addr)
{
    rill_addr addr = { .in6.sin6_family = AF_INET6, .length = sizeof addr.in6 };
    const char *close = memchr(text.at, ']', text.size);
    if (!close)
        return -EINVAL;
    int r = parse_host(AF_INET6, (rill_span){ text.at + 1, (size_t)(close - text.at) - 1 },
                       &addr.in6.sin6_addr);
    if (r < 0)
        return r;
    rill_span rest = { close + 1, text.size - (size_t)(close + 1 - text.at) };
    if (rest.size == 0)
        return -EDESTADDRREQ;
    if (rest.at[0] != ':')
        return -EINVAL;
    r = parse_port((rill_span){ rest.at + 1, rest.size - 1 }, &addr.in6.sin6_port);
    if (r == 0)
        *ret_addr = addr;
    return r;
}

static int parse_in4(rill_span text, rill_addr *ret_addr)
{
    rill_addr addr = { .in4.sin_family = AF_INET, .length = sizeof addr.in4 };
    const char *colon = memchr(text.at, ':', text.size);
    rill_span host = { text.at, colon ? (size_t)(colon - text.at) : text.size };
    int r = parse_host(AF_INET, host, &addr.in4.sin_addr);
    if (r < 0)
        return r;
    if (!colon)
        return -EDESTADDRREQ;
    r = parse_port((rill_span){ colon + 1, text.size - host.size - 1 }, &addr.in4.sin_port);
    if (r == 0)
        *ret_addr = addr;
    return r;
}

int rill_addr_parse(rill_span text, rill_addr *ret_addr)
{
    rill_span prefix = RILL_SPAN("unix:");
    if (rill_span_starts(text, prefix))
        return parse_unix((rill_span){ text.at + prefix.size, text.size - prefix.size }, ret_addr);
    if (text.size == 0)
        return -EINVAL;
    return text.at[0] == '[' ? parse_in6(text, ret_addr) : parse_in4(text, ret_addr);
}

/* The path or abstract name. The kernel counts the final zero octet of a path or not; an abstract
 * name begins with one, and an unnamed socket has the family alone. */
static rill_span unix_name(const rill_addr *addr)
{
    size_t size = addr->length > PATH_AT ? addr->length - PATH_AT : 0;
    if (size > sizeof addr->un.sun_path)
        size = sizeof addr->un.sun_path;
    if (size > 0 && addr->un.sun_path[0] != 0)
        size = strnlen(addr->un.sun_path, size);
    return (rill_span){ addr->un.sun_path, size };
}

static sa_family_t family_of(const rill_addr *addr)
{
    return addr->length < sizeof addr->any.sa_family ? AF_UNSPEC : addr->any.sa_family;
}

void rill_addr_format(const rill_addr *addr, rill_text *text)
{
    char host[INET6_ADDRSTRLEN];
    rill_span name;
    switch (family_of(addr)) {
    case AF_INET:
        inet_ntop(AF_INET, &addr->in4.sin_addr, host, sizeof host);
        rill_text_fmt(text, "%s:%u", host, rill_addr_port(addr));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof host);
        rill_text_fmt(text, "[%s]:%u", host, rill_addr_port(addr));
        break;
    case AF_UNIX:
        name = unix_name(addr);
        rill_text_add(text, RILL_SPAN("unix:"));
        if (name.size > 0 && name.at[0] == 0) {
            rill_text_char(text, '@');
            name = (rill_span){ name.at + 1, name.size - 1 };
        }
        rill_text_add(text, name);
        break;
    default: rill_text_char(text, '-');
    }
}

bool rill_addr_equal(const rill_addr *a, const rill_addr *b)
{
    if (family_of(a) != family_of(b))
        return false;
    switch (family_of(a)) {
    case AF_INET:
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr &&
               a->in4.sin_port == b->in4.sin_port;
    case AF_INET6:
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof a->in6.sin6_addr) == 0 &&
               a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id;
    case AF_UNIX: return rill_span_equal(unix_name(a), unix_name(b));
    default: return true;
    }
}

unsigned rill_addr_port(const rill_addr *addr)
{
    switch (family_of(addr)) {
    case AF_INET: return ntohs(addr->in4.sin_port);
    case AF_INET6: return ntohs(addr->in6.sin6_port);
    default: return 0;
    }
}
