/* open.c - connections made: to an address, a host and port, a path; and pairs of streams.
 *
 * A host is a numeric address or "localhost"; nothing here asks a resolver. */
#include "core/io/socket.h"

#include <rill/stream.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/* --- Hosts. --- */

static rill_addr in4(struct in_addr host, unsigned port)
{
    rill_addr addr = { .length = sizeof addr.in4 };
    addr.in4.sin_family = AF_INET;
    addr.in4.sin_addr = host;
    addr.in4.sin_port = htons((uint16_t)port);
    return addr;
}

static rill_addr in6(struct in6_addr host, unsigned port)
{
    rill_addr addr = { .length = sizeof addr.in6 };
    addr.in6.sin6_family = AF_INET6;
    addr.in6.sin6_addr = host;
    addr.in6.sin6_port = htons((uint16_t)port);
    return addr;
}

int rill__hosts_of(const char *host, unsigned port, bool listens, struct rill__hosts *ret_hosts)
{
    struct in_addr host4 = { htonl(listens ? INADDR_ANY : INADDR_LOOPBACK) };
    struct in6_addr host6 = listens ? in6addr_any : in6addr_loopback;
    bool none = host == NULL || host[0] == 0;
    if (port > UINT16_MAX)
        return -EINVAL;
    if (!none && strcmp(host, "localhost") == 0) {
        host4.s_addr = htonl(INADDR_LOOPBACK);
        host6 = in6addr_loopback;
    } else if (!none && inet_pton(AF_INET, host, &host4) == 1) {
        *ret_hosts = (struct rill__hosts){ { in4(host4, port) }, 1 };
        return 0;
    } else if (!none) {
        if (inet_pton(AF_INET6, host, &host6) != 1)
            return -EINVAL;
        *ret_hosts = (struct rill__hosts){ { in6(host6, port) }, 1 };
        return 0;
    }
    *ret_hosts = (struct rill__hosts){ { in4(host4, port), in6(host6, port) }, 2 };
    return 0;
}

int rill__addr_of_path(const char *path, rill_addr *ret_addr)
{
    rill_addr addr = { .length = 0 };
    size_t size = path != NULL ? strlen(path) : 0;
    if (size == 0)
        return -EINVAL;
    if (size >= sizeof addr.un.sun_path)
        return -ENAMETOOLONG;
    addr.un.sun_family = AF_UNIX;
    memcpy(addr.un.sun_path, path, size);
    addr.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    *ret_addr = addr;
    return 0;
}

/* --- Connections. --- */

int rill_stream_connect(const rill_addr *addr, const rill_stream_opts *opts,
                        rill_stream **ret_stream)
{
    int fd = rill__socket_for(addr, SOCK_STREAM);
    if (fd < 0)
        return fd;
    if (rill__addr_is_inet(addr))
        (void)rill__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    int r = rill_connect(fd, addr);
    if (r == 0)
        r = rill_stream_new(fd, opts, ret_stream);
    if (r < 0)
        rill__socket_drop(fd);
    return r;
}

int rill_open_connection(const char *host, unsigned port, const rill_stream_opts *opts,
                         rill_stream **ret_stream)
{
    struct rill__hosts hosts;
    int r = rill__hosts_of(host, port, false, &hosts);
    if (r < 0)
        return r;
    int first = rill_stream_connect(&hosts.at[0], opts, ret_stream);
    for (size_t i = 1; i < hosts.count && first < 0 && first != -ECANCELED; i++) {
        r = rill_stream_connect(&hosts.at[i], opts, ret_stream);
        if (r == 0 || r == -ECANCELED)
            return r;
    }
    return first;
}

int rill_open_unix_connection(const char *path, const rill_stream_opts *opts,
                              rill_stream **ret_stream)
{
    rill_addr addr;
    int r = rill__addr_of_path(path, &addr);
    return r < 0 ? r : rill_stream_connect(&addr, opts, ret_stream);
}

int rill_stream_pair(const rill_stream_opts *opts, rill_stream **ret_one, rill_stream **ret_other)
{
    int fds[2];
    rill_stream *one, *other;
    struct rill__op op = { .kind = RILL__OP_SOCKETPAIR,
                           .fd = AF_UNIX,
                           .flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                           .addr = fds };
    int r = rill__io_now(&op);
    if (r < 0)
        return r;
    r = rill_stream_new(fds[0], opts, &one);
    if (r < 0)
        goto fail_fds;
    r = rill_stream_new(fds[1], opts, &other);
    if (r < 0)
        goto fail_one;
    *ret_one = one;
    *ret_other = other;
    return 0;

fail_one:
    rill_stream_unref(one);
    rill__socket_drop(fds[1]);
    return r;
fail_fds:
    rill__socket_drop(fds[0]);
    rill__socket_drop(fds[1]);
    return r;
}
