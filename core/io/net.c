/* net.c - sockets: made, bound, listening, named. */
#include "core/io/socket.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

void rill__socket_drop(int fd)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
    (void)rill__io_now(&op);
}

int rill__socket_for(const rill_addr *addr, int type)
{
    struct rill__op op = { .kind = RILL__OP_SOCKET,
                           .fd = addr->any.sa_family,
                           .flags = (uint32_t)type | SOCK_NONBLOCK | SOCK_CLOEXEC };
    return rill__io_now(&op);
}

int rill__socket_set(int fd, int level, int name, int value)
{
    struct rill__op op = { .kind = RILL__OP_SETSOCKOPT,
                           .fd = fd,
                           .flags = (uint32_t)level,
                           .offset = (uint64_t)name,
                           .addr = &value,
                           .size = sizeof value };
    return rill__io_now(&op);
}

int rill__socket_bind(int fd, const rill_addr *addr)
{
    struct rill__op op = {
        .kind = RILL__OP_BIND, .fd = fd, .addr = (void *)(uintptr_t)&addr->any, .size = addr->length
    };
    return rill__io_now(&op);
}

int rill__path_stat(const char *path, struct stat *ret_status)
{
    struct rill__op op = { .kind = RILL__OP_STAT_NOW,
                           .addr = (void *)(uintptr_t)path,
                           .offset = (uint64_t)(uintptr_t)ret_status };
    return rill__io_now(&op);
}

int rill__path_remove(const char *path)
{
    struct rill__op op = { .kind = RILL__OP_UNLINK_NOW, .addr = (void *)(uintptr_t)path };
    return rill__io_now(&op);
}

void rill__path_sweep(const rill_addr *addr)
{
    char path[sizeof addr->un.sun_path + 1] =
        ""; /* the kernel wants no zero octet behind a path, we do */
    struct stat status;
    size_t at = offsetof(struct sockaddr_un, sun_path);
    if (addr->any.sa_family != AF_UNIX || addr->length <= at || addr->length > sizeof addr->un)
        return;
    memcpy(path, addr->un.sun_path,
           addr->length - at); /* an abstract name begins with a zero octet */
    if (path[0] != 0 && rill__path_stat(path, &status) == 0 && S_ISSOCK(status.st_mode))
        (void)rill__path_remove(path); /* if it cannot be, bind says why */
}

static int set_listen_flags(int fd, const rill_addr *addr, const rill_listen_opts *opts)
{
    int r = 0;
    if (rill__addr_is_inet(addr)) {
        r = rill__socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        r = rill_first_error(r, rill__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1));
    }
    if (r == 0 && opts->reuse_port)
        r = rill__socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && opts->only_in6 && addr->any.sa_family == AF_INET6)
        r = rill__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return r;
}

/* Bound and listening. What cannot listen leaves no name of its own behind. */
static int let_listen(int fd, const rill_addr *addr, const rill_listen_opts *opts)
{
    struct rill__op op = { .kind = RILL__OP_LISTEN,
                           .fd = fd,
                           .flags = opts->backlog > 0 ? (uint32_t)opts->backlog : 4096 };
    int r = rill__socket_bind(fd, addr);
    if (r < 0)
        return r;
    r = rill__io_now(&op);
    if (r < 0)
        rill__path_sweep(addr);
    return r;
}

int rill__listen(const rill_addr *addr, const rill_listen_opts *opts, bool replace, int *ret_fd)
{
    int fd = rill__socket_for(addr, SOCK_STREAM);
    if (fd < 0)
        return fd;
    int r = set_listen_flags(fd, addr, opts);
    if (r == 0 && replace)
        rill__path_sweep(addr);
    if (r == 0)
        r = let_listen(fd, addr, opts);
    if (r < 0) {
        rill__socket_drop(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int rill_listen(const rill_addr *addr, const rill_listen_opts *opts, int *ret_fd)
{
    static const rill_listen_opts defaults;
    return rill__listen(addr, opts != NULL ? opts : &defaults, false, ret_fd);
}

int rill_socket_name(int fd, rill_addr *ret_addr)
{
    struct rill__op op = { .kind = RILL__OP_GETSOCKNAME, .fd = fd, .addr = ret_addr };
    return rill__io_now(&op);
}

int rill_socket_peer(int fd, rill_addr *ret_addr)
{
    struct rill__op op = { .kind = RILL__OP_GETPEERNAME, .fd = fd, .addr = ret_addr };
    return rill__io_now(&op);
}
