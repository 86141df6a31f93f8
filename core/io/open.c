/* open.c - connections made: to an address, to a path; and pairs of streams. Hosts have names in dns/. */
#include "core/io/socket.h"

#include <rill/stream.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

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

int rill__socket_to(const rill_addr *addr)
{
    int fd = rill__socket_for(addr, SOCK_STREAM);
    if (fd >= 0 && rill__addr_is_inet(addr))
        (void)rill__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

int rill_stream_connect(const rill_addr *addr, const rill_stream_opts *opts,
                        rill_stream **ret_stream)
{
    int fd = rill__socket_to(addr);
    if (fd < 0)
        return fd;
    int r = rill_connect(fd, addr);
    if (r == 0)
        r = rill_stream_new(fd, opts, ret_stream);
    if (r < 0)
        rill__socket_drop(fd);
    return r;
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
