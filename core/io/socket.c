/* socket.c - single operations on sockets of the caller's: each await is one op. */
#include "core/io/socket.h"

#include <errno.h>
#include <poll.h>

enum { once_most = 1 << 30 }; /* octets per operation; the result is an int */

static uint32_t bounded(size_t size)
{
    return size < once_most ? (uint32_t)size : (uint32_t)once_most;
}

int rill_accept(int fd, rill_addr *ret_addr)
{
    struct rill__op op = { .kind = RILL__OP_ACCEPT_ONE,
                           .fd = fd,
                           .flags = SOCK_NONBLOCK | SOCK_CLOEXEC };
    int accepted = rill__io(&op);
    if (accepted < 0 || ret_addr == NULL)
        return accepted;
    rill_addr addr;
    *ret_addr = rill_socket_peer(accepted, &addr) == 0 ? addr : (rill_addr){ .length = 0 };
    return accepted;
}

int rill_connect(int fd, const rill_addr *addr)
{
    struct rill__op op = { .kind = RILL__OP_CONNECT,
                           .fd = fd,
                           .addr = (void *)(uintptr_t)&addr->any,
                           .size = addr->length };
    int r = rill__io(&op);
    while (r == -EALREADY) { /* one that was cancelled still goes on in the kernel */
        r = rill_poll(fd, POLLOUT);
        if (r >= 0)
            r = rill__io(&op);
    }
    return r;
}

int rill_recv(int fd, void *buf, size_t size, int flags)
{
    struct rill__op op = { .kind = RILL__OP_RECV,
                           .fd = fd,
                           .addr = buf,
                           .size = bounded(size),
                           .flags = (uint32_t)flags };
    return rill__io(&op);
}

int rill_send(int fd, const void *buf, size_t size, int flags)
{
    struct rill__op op = { .kind = RILL__OP_SEND,
                           .fd = fd,
                           .addr = (void *)(uintptr_t)buf,
                           .size = bounded(size),
                           .flags = (uint32_t)flags };
    return rill__io(&op);
}

int rill_send_all(int fd, const void *buf, size_t size, size_t *ret_sent)
{
    size_t sent = 0;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    while (sent < size && r >= 0) {
        r = rill_send(fd, (const char *)buf + sent, size - sent, 0);
        sent += r > 0 ? (size_t)r : 0;
    }
    if (ret_sent != NULL)
        *ret_sent = sent;
    if (r < 0)
        return r;
    return size == 0 ? rill__await_ready(task, 0) : 0;
}

int rill_poll(int fd, unsigned events)
{
    struct rill__op op = { .kind = RILL__OP_POLL, .fd = fd, .flags = events };
    return rill__io(&op);
}
