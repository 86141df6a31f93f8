/* udp.c - datagram sockets: whole datagrams, with the address of the other side. */
#include "core/io/socket.h"

#include <rill/mem.h>

#include <errno.h>

struct rill_udp {
    int fd;
    rill_addr remote; /* length 0: datagrams go to and come from anywhere */
};

static int open_socket(const rill_addr *local, const rill_addr *remote)
{
    int fd = rill__socket_for(local != NULL ? local : remote, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    struct rill__op connect_op = { .kind = RILL__OP_CONNECT_NOW, .fd = fd };
    if (local != NULL)
        rill__path_sweep(local);
    int r = local != NULL ? rill__socket_bind(fd, local) : 0;
    if (r == 0 && remote != NULL) {
        connect_op.addr = (void *)(uintptr_t)&remote->any;
        connect_op.size = remote->length;
        r = rill__io_now(&connect_op);
    }
    if (r < 0)
        rill__socket_drop(fd);
    return r < 0 ? r : fd;
}

int rill_udp_open(const rill_addr *local, const rill_addr *remote, rill_udp **ret_udp)
{
    if (local == NULL && remote == NULL)
        return -EINVAL;
    if (local != NULL && remote != NULL && local->any.sa_family != remote->any.sa_family)
        return -EINVAL;
    rill_udp *udp = rill_alloc_zero(1, sizeof *udp);
    if (udp == NULL)
        return -ENOMEM;
    udp->fd = open_socket(local, remote);
    if (udp->fd < 0) {
        int r = udp->fd;
        rill_free(udp);
        return r;
    }
    if (remote != NULL)
        udp->remote = *remote;
    *ret_udp = udp;
    return 0;
}

int rill_udp_recv(rill_udp *udp, void *buf, size_t size, rill_addr *ret_from)
{
    rill_addr from = { .length = sizeof from.un };
    struct iovec piece = { buf, size };
    struct msghdr message = {
        .msg_name = &from.any, .msg_namelen = from.length, .msg_iov = &piece, .msg_iovlen = 1
    };
    struct rill__op op = { .kind = RILL__OP_RECVMSG, .fd = udp->fd, .addr = &message };
    int r = rill__io(&op); /* after it `udp` may be gone */
    if (r < 0)
        return r;
    from.length = message.msg_namelen;
    if (ret_from != NULL)
        *ret_from = from;
    return r;
}

int rill_udp_send(rill_udp *udp, const void *buf, size_t size, const rill_addr *to)
{
    struct iovec piece = { (void *)(uintptr_t)buf, size };
    struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
    struct rill__op op = { .kind = RILL__OP_SENDMSG, .fd = udp->fd, .addr = &message };
    if (udp->remote.length > 0 && to != NULL && !rill_addr_equal(to, &udp->remote))
        return -EINVAL;
    if (udp->remote.length == 0 && to != NULL) {
        message.msg_name = (void *)(uintptr_t)&to->any;
        message.msg_namelen = to->length;
    }
    return rill__io(&op);
}

int rill_udp_fd(const rill_udp *udp)
{
    return udp->fd;
}

void rill_udp_close(rill_udp *udp)
{
    if (udp == NULL)
        return;
    (void)rill__io_close(udp->fd);
    rill_free(udp);
}
