/* net.c - listening, accepting, connecting. */
#include "core/io/io.h"

#include <rill/mem.h>
#include <rill/net.h>

#include <errno.h>
#include <netinet/tcp.h>

static int close_now(int fd)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = fd };
    return rill__io_now(&op);
}

static int socket_for(const rill_addr *addr)
{
    struct rill__op op = { .kind = RILL__OP_SOCKET,
                           .fd = addr->any.sa_family,
                           .flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC };
    return rill__io_now(&op);
}

static int set_flag(int fd, int level, int name)
{
    int on = 1;
    struct rill__op op = { .kind = RILL__OP_SETSOCKOPT,
                           .fd = fd,
                           .flags = (uint32_t)level,
                           .offset = (uint64_t)name,
                           .addr = &on,
                           .size = sizeof on };
    return rill__io_now(&op);
}

static bool is_inet(const rill_addr *addr)
{
    return addr->any.sa_family == AF_INET || addr->any.sa_family == AF_INET6;
}

int rill_connect(const rill_addr *addr, int *ret_fd)
{
    int fd = socket_for(addr);
    if (fd < 0)
        return fd;
    if (is_inet(addr))
        (void)set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
    struct rill__op op = { .kind = RILL__OP_CONNECT,
                           .fd = fd,
                           .addr = (void *)(uintptr_t)&addr->any,
                           .size = addr->length };
    int r = rill__io(&op);
    if (r < 0) {
        (void)close_now(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int rill_poll(int fd, unsigned events)
{
    struct rill__op op = { .kind = RILL__OP_POLL, .fd = fd, .flags = events };
    return rill__io(&op);
}

int rill_listen(const rill_addr *addr, const rill_listen_opts *opts, int *ret_fd)
{
    static const rill_listen_opts defaults;
    if (opts == NULL)
        opts = &defaults;
    int fd = socket_for(addr);
    if (fd < 0)
        return fd;
    int r = 0;
    if (is_inet(addr)) {
        r = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
        r = rill_first_error(r, set_flag(fd, IPPROTO_TCP, TCP_NODELAY));
    }
    if (r == 0 && opts->reuse_port)
        r = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
    struct rill__op bind_op = {
        .kind = RILL__OP_BIND, .fd = fd, .addr = (void *)(uintptr_t)&addr->any, .size = addr->length
    };
    struct rill__op listen_op = { .kind = RILL__OP_LISTEN,
                                  .fd = fd,
                                  .flags = opts->backlog > 0 ? (uint32_t)opts->backlog : 4096 };
    if (r == 0)
        r = rill__io_now(&bind_op);
    if (r == 0)
        r = rill__io_now(&listen_op);
    if (r < 0) {
        (void)close_now(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
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
