/* socket.c - the sockets of c-ares, as operations of the loop.
 *
 * c-ares calls these functions as if they were system calls that never wait. Sending copies the octets and
 * submits them; a receive is under way from the first send on, and c-ares is called when it has brought
 * something. So a socket outlives its close until the kernel has let go of it, and nothing blocks. */
#include "core/io/socket.h"
#include "core/dns/question.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* c-ares takes datagrams of up to 4 KiB; what it sends are a query and its length, or several of them. */
enum { in_most = 4096, out_most = 1024, sockets_most = 8 };

struct rill__dns_socket {
    struct list link;
    struct rill__question *question; /* NULL: c-ares has closed it */
    struct rill_loop *loop;
    struct rill__ready ready;
    struct rill__op in, connect;
    rill_addr remote;
    struct list sent; /* sends that have ended */
    unsigned sending; /* sends that have not */
    int fd, error;
    bool stream, sends, in_done, connect_done, ended;
    bool writes;    /* c-ares has something to send over this connection */
    bool full;      /* what was received waits to be taken */
    uint32_t in_at; /* octets of it that are taken */
    int in_result, connect_result;
    char received[in_most];
};

struct outgoing {
    struct rill__op op;
    struct list link; /* in socket->sent */
    struct rill__dns_socket *socket;
    int result;
    char octets[];
};

static struct rill__dns_socket *socket_of(struct rill__question *question, int fd)
{
    list_for_each(node, &question->sockets) {
        struct rill__dns_socket *socket = container_of(node, struct rill__dns_socket, link);
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static int fail(int error)
{
    errno = -error;
    return -1;
}

static struct rill__backend *backend_of(const struct rill__dns_socket *socket)
{
    return socket->loop->backend;
}

/* --- Operations. --- */

static void on_in(struct rill__op *op, int result, unsigned flags)
{
    struct rill__dns_socket *socket = container_of(op, struct rill__dns_socket, in);
    (void)flags;
    socket->in_result = result;
    socket->in_done = true;
    rill__loop_ready(socket->loop, &socket->ready);
}

static void on_connect(struct rill__op *op, int result, unsigned flags)
{
    struct rill__dns_socket *socket = container_of(op, struct rill__dns_socket, connect);
    (void)flags;
    socket->connect_result = result;
    socket->connect_done = true;
    rill__loop_ready(socket->loop, &socket->ready);
}

static void on_sent(struct rill__op *op, int result, unsigned flags)
{
    struct outgoing *out = container_of(op, struct outgoing, op);
    (void)flags;
    out->result = result;
    out->socket->sending--;
    list_push_back(&out->socket->sent, &out->link);
    rill__loop_ready(out->socket->loop, &out->socket->ready);
}

static bool submit(struct rill__dns_socket *socket, struct rill__op *op)
{
    int r = backend_of(socket)->ops->submit(backend_of(socket), op);
    if (r == 0)
        return true;
    socket->error = r;
    rill__loop_ready(socket->loop, &socket->ready);
    return false;
}

static void receive(struct rill__dns_socket *socket)
{
    if (socket->in.in_flight || socket->in_done || socket->full || socket->ended ||
        socket->error < 0)
        return;
    socket->in = (struct rill__op){ .kind = RILL__OP_RECV,
                                    .done = on_in,
                                    .fd = socket->fd,
                                    .addr = socket->received,
                                    .size = in_most };
    (void)submit(socket, &socket->in);
}

/* Takes `out`. */
static void send_out(struct outgoing *out)
{
    if (submit(out->socket, &out->op))
        out->socket->sending++;
    else
        rill_free(out);
}

static void end(struct rill__dns_socket *socket)
{
    struct list *node;
    while ((node = list_pop_front(&socket->sent)) != NULL)
        rill_free(container_of(node, struct outgoing, link));
    if (socket->in.in_flight || socket->connect.in_flight || socket->sending > 0)
        return;
    rill__socket_drop(socket->fd);
    rill__loop_unready(&socket->ready);
    rill_free(socket);
}

/* --- What they bring. --- */

static void take_in(struct rill__dns_socket *socket)
{
    int r = socket->in_result;
    socket->in_done = false;
    if (r > 0)
        socket->full = true;
    else if (r == 0)
        socket->ended = socket->stream; /* an empty datagram is no answer */
    else if (r != -EINTR)
        socket->error = r;
    socket->in_at = 0;
}

static void take_connect(struct rill__dns_socket *socket)
{
    socket->connect_done = false;
    if (socket->connect_result == -EINTR)
        (void)submit(socket, &socket->connect);
    else if (socket->connect_result < 0)
        socket->error = socket->connect_result;
}

static void take_sent(struct outgoing *out)
{
    struct rill__dns_socket *socket = out->socket;
    uint32_t part = out->result > 0 ? (uint32_t)out->result : 0;
    bool again = out->result == -EINTR || (out->result >= 0 && part < out->op.size);
    if (out->result < 0 && !again)
        socket->error = out->result;
    if (!again) {
        rill_free(out);
        return;
    }
    out->op.addr = (char *)out->op.addr + part;
    out->op.size -= part;
    send_out(out);
}

static bool can_write(const struct rill__dns_socket *socket)
{
    return socket->writes && !socket->connect.in_flight && socket->sending == 0;
}

/* c-ares takes a part of what there is, and may close the socket. False: there is nothing for it to do. */
static bool call_ares(struct rill__dns_socket *socket)
{
    bool broken = socket->error < 0;
    bool readable = socket->full || socket->ended || broken;
    bool writable = can_write(socket) || broken;
    ares_socket_t none = ARES_SOCKET_BAD, fd = socket->fd;
    if (readable || writable)
        ares_process_fd(socket->question->channel, readable ? fd : none, writable ? fd : none);
    return readable || writable;
}

/* It expects to be called for as long as there is something to do. Who needs more calls than that for one
 * receive sends no answers. */
static void call_often(struct rill__dns_socket *socket)
{
    enum { calls_most = 16 };

    for (int left = calls_most; left > 0 && socket->question != NULL; left--)
        if (!call_ares(socket))
            return;
    socket->full = false;
    if (socket->question != NULL && socket->error == 0) {
        socket->error = -EPROTO;
        rill__loop_ready(socket->loop, &socket->ready);
    }
}

static void run_socket(struct rill__ready *ready)
{
    struct rill__dns_socket *socket = container_of(ready, struct rill__dns_socket, ready);
    struct list *node;
    if (socket->question != NULL && socket->in_done)
        take_in(socket);
    if (socket->question != NULL && socket->connect_done)
        take_connect(socket);
    while (socket->question != NULL && (node = list_pop_front(&socket->sent)) != NULL)
        take_sent(container_of(node, struct outgoing, link));
    call_often(socket);
    if (socket->question == NULL)
        end(socket);
    else if (socket->sends)
        receive(socket);
}

void rill__dns_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct rill__dns_socket *socket = socket_of(arg, fd);
    (void)readable;
    if (socket == NULL)
        return;
    socket->writes = writable && socket->stream;
    if (can_write(socket))
        rill__loop_ready(socket->loop, &socket->ready);
}

void rill__dns_sockets_fail(struct rill__question *question, int error)
{
    for (int left = sockets_most; left > 0 && !question->ended; left--) {
        if (list_is_empty(&question->sockets))
            return;
        struct rill__dns_socket *socket =
            container_of(question->sockets.next, struct rill__dns_socket, link);
        socket->full = false;
        socket->error = error;
        ares_process_fd(question->channel, socket->fd, socket->fd);
    }
}

/* --- The functions. --- */

static ares_socket_t make(int family, int type, int protocol, void *arg)
{
    struct rill__question *question = arg;
    struct rill__dns_socket *socket = rill_alloc_zero(1, sizeof *socket);
    rill_addr addr = { .any.sa_family = (sa_family_t)family };
    (void)protocol;
    int fd = socket != NULL ? rill__socket_for(&addr, type) : -ENOMEM;
    if (fd < 0) {
        rill_free(socket);
        if (fd != -EAFNOSUPPORT)
            question->local = fd;
        return fail(fd);
    }
    socket->question = question;
    socket->loop = question->loop;
    socket->ready.run = run_socket;
    list_init(&socket->sent);
    socket->fd = fd;
    socket->stream = type == SOCK_STREAM;
    list_push_back(&question->sockets, &socket->link);
    return fd;
}

static int close_it(ares_socket_t fd, void *arg)
{
    struct rill__dns_socket *socket = socket_of(arg, fd);
    if (socket == NULL)
        return fail(-EBADF);
    struct rill__backend *backend = backend_of(socket);
    list_remove(&socket->link);
    socket->question = NULL;
    if (socket->in.in_flight)
        backend->ops->cancel(backend, &socket->in);
    if (socket->connect.in_flight)
        backend->ops->cancel(backend, &socket->connect);
    if (socket->stream || socket->sends)
        rill__loop_ready(socket->loop, &socket->ready); /* who calls c-ares still looks at it */
    else
        end(socket); /* one of those with which c-ares tries addresses out, to sort them: there may be many */
    return 0;
}

/* c-ares keeps the address of a server without its interface. */
static void add_zone(rill_addr *remote, const rill_addr *server)
{
    if (remote->any.sa_family == AF_INET6 && server->any.sa_family == AF_INET6 &&
        memcmp(&remote->in6.sin6_addr, &server->in6.sin6_addr, sizeof remote->in6.sin6_addr) == 0)
        remote->in6.sin6_scope_id = server->in6.sin6_scope_id;
}

static int connect_to(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t size, void *arg)
{
    struct rill__dns_socket *socket = socket_of(arg, fd);
    if (socket == NULL || size > sizeof socket->remote.un)
        return fail(-EBADF);
    memcpy(&socket->remote.any, addr, size);
    socket->remote.length = size;
    add_zone(&socket->remote, rill__question_server(arg));
    struct rill__op op = { .kind = socket->stream ? RILL__OP_CONNECT : RILL__OP_CONNECT_NOW,
                           .done = on_connect,
                           .fd = fd,
                           .addr = &socket->remote.any,
                           .size = size };
    if (!socket->stream) {
        int r = rill__io_now(&op);
        return r < 0 ? fail(r) : 0;
    }
    socket->connect = op;
    (void)submit(socket, &socket->connect);
    return fail(socket->error < 0 ? socket->error : -EINPROGRESS);
}

static void copy_name(const struct rill__dns_socket *socket, struct sockaddr *from,
                      ares_socklen_t *from_size)
{
    if (from == NULL || from_size == NULL)
        return;
    if (*from_size > socket->remote.length)
        *from_size = socket->remote.length;
    memcpy(from, &socket->remote.any, *from_size);
}

/* What c-ares does not tell: for how long a refusal holds, and that one of two answers is a failure. */
static void note(struct rill__question *question, const struct rill__dns_socket *socket)
{
    const unsigned char *octets = (const unsigned char *)socket->received;
    size_t size = (size_t)socket->in_result;
    if (socket->stream)
        return;
    question->broken |= rill__dns_is_failure(octets, size);
    unsigned ttl = rill__dns_refusal_ttl(octets, size);
    if (ttl > 0 && (question->refusal_ttl == 0 || ttl < question->refusal_ttl))
        question->refusal_ttl = ttl;
}

static int break_off(struct rill__dns_socket *socket)
{
    socket->question->broken = true;
    return fail(socket->error);
}

/* Nothing was received: c-ares is to come again, or it is over. */
static ares_ssize_t nothing(struct rill__dns_socket *socket)
{
    if (socket->error < 0)
        return break_off(socket);
    if (!socket->ended)
        return fail(-EWOULDBLOCK);
    socket->question->broken = true;
    return 0;
}

static ares_ssize_t receive_from(ares_socket_t fd, void *to, size_t size, int flags,
                                 struct sockaddr *from, ares_socklen_t *from_size, void *arg)
{
    struct rill__dns_socket *socket = socket_of(arg, fd);
    (void)flags;
    if (socket == NULL)
        return fail(-EBADF);
    if (!socket->full)
        return nothing(socket);
    uint32_t left = (uint32_t)socket->in_result - socket->in_at;
    uint32_t part = size < left ? (uint32_t)size : left;
    memcpy(to, socket->received + socket->in_at, part);
    if (socket->in_at == 0)
        note(arg, socket);
    socket->in_at += part;
    socket->full = socket->stream && part < left;
    copy_name(socket, from, from_size);
    return (ares_ssize_t)part;
}

/* The first octets of the pieces; a datagram goes whole or not at all. NULL: no memory. */
static struct outgoing *gather(struct rill__dns_socket *socket, const struct iovec *pieces,
                               int count)
{
    struct outgoing *out = rill_alloc(sizeof *out + out_most);
    uint32_t size = 0;
    for (int i = 0; out != NULL && i < count; i++) {
        size_t room = out_most - size;
        size_t part = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        memcpy(out->octets + size, pieces[i].iov_base, part);
        size += (uint32_t)part;
    }
    if (out == NULL)
        return NULL;
    out->op = (struct rill__op){
        .kind = RILL__OP_SEND, .done = on_sent, .fd = socket->fd, .addr = out->octets, .size = size
    };
    out->socket = socket;
    out->link = (struct list){ NULL, NULL };
    return out;
}

static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *pieces, int count, void *arg)
{
    struct rill__dns_socket *socket = socket_of(arg, fd);
    if (socket == NULL)
        return fail(-EBADF);
    if (socket->error < 0)
        return break_off(socket);
    if (socket->stream && (socket->sending > 0 || !list_is_empty(&socket->sent)))
        return fail(-EWOULDBLOCK); /* one after the other */
    struct outgoing *out = gather(socket, pieces, count);
    if (out == NULL)
        return fail(-ENOMEM);
    uint32_t size = out->op.size;
    socket->sends = true;
    send_out(out);
    receive(socket);
    rill__question_sent(arg);
    return (ares_ssize_t)size;
}

const struct ares_socket_functions rill__dns_socket_functions = { make, close_it, connect_to,
                                                                  receive_from, send_pieces };
