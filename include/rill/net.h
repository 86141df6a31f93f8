/* net.h - socket addresses as values, single operations on sockets, listening, datagrams.
 *
 * An address is a plain value over the kernel's structures, ready for bind, connect and accept.
 * Nothing here asks a resolver: a host name is no address (dns.h looks names up).
 *
 * The calls on descriptors take any socket of the caller's; it is closed with rill_file_close, which wakes
 * who waits for it. Streams (rill/stream.h) are made of these, with buffers and back-pressure. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <rill/base.h>
#include <rill/text.h>

/* The longest text that rill_addr_format makes, in octets. */
#define RILL_ADDR_TEXT_MAX 128

/* A socket address of one of three families. Valid when zeroed: no address, `length` 0. Made by
 * rill_addr_parse, or by the kernel through `any` and `length`, as accept4(2) fills them.
 *
 *     rill_addr addr;
 *     if (rill_addr_parse(RILL_SPAN("[::1]:8080"), &addr) < 0) ...
 *     bind(fd, &addr.any, addr.length);
 */
typedef struct rill_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };

    socklen_t length; /* octets of the union in use */
} rill_addr;

/* All zero: the defaults. */
typedef struct rill_listen_opts {
    int backlog;     /* 4096 */
    bool reuse_port; /* several sockets share it, the kernel spreads connections over them */
    bool only_in6;   /* an IPv6 address takes no connections over IPv4 */
} rill_listen_opts;

typedef struct rill_listener rill_listener;

/* A datagram socket.
 *
 *     rill_udp *udp;
 *     int rc = rill_udp_open(&here, NULL, &udp);
 *     if (rc == 0 && (rc = rill_udp_recv(udp, buf, sizeof buf, &from)) >= 0)
 *         rc = rill_udp_send(udp, buf, (size_t)rc, &from);
 */
typedef struct rill_udp rill_udp;

#ifdef __cplusplus
extern "C" {
#endif

/** The address that `text` spells: `IPv4:PORT`, `[IPv6]:PORT` or `unix:PATH`, and nothing around it.
 *  Args: the port is 0 to 65535 without leading zeros; IPv4 is four decimal numbers; IPv6 has no
 *  zone; the path is 1 to 107 octets.
 *  Returns: 0 and the address;
 *           -EINVAL (none of the three forms, or a host that is no literal address);
 *           -EDESTADDRREQ (a host but no port, as in `127.0.0.1` or `[::1]:`);
 *           -ERANGE (the port is no number from 0 to 65535);
 *           -ENAMETOOLONG (the path does not fit into a socket address).
 *  Thread: any.   Like: inet_pton(3).   Since: 0.1 */
RILL_API int rill_addr_parse(rill_span text, rill_addr *ret_addr)
    __attribute__((warn_unused_result));

/** Append the text of an address in the form that rill_addr_parse reads.
 *  An abstract Unix address is shown as `unix:@NAME`, an unnamed one as `unix:`, no address as `-`.
 *  Returns: nothing; sets `full` if it does not fit: RILL_ADDR_TEXT_MAX octets always do.
 *  Thread: any.   Since: 0.1 */
RILL_API void rill_addr_format(const rill_addr *addr, rill_text *text);

/** Whether two addresses name the same endpoint; padding and IPv6 flow labels do not count.
 *  Returns: true if so.   Thread: any.   Since: 0.1 */
RILL_API bool rill_addr_equal(const rill_addr *a, const rill_addr *b);

/** The port of an address, in the machine's order.
 *  Returns: 0 to 65535; 0 for a Unix address or none.   Thread: any.   Since: 0.1 */
RILL_API unsigned rill_addr_port(const rill_addr *addr);

/** The local address of a socket.
 *  Returns: 0 and the address; as getsockname(2); -ESRCH (no loop runs).   Suspends: no.   Since: 0.1 */
RILL_API int rill_socket_name(int fd, rill_addr *ret_addr);

/** The address of the other side of a connected socket.
 *  Returns: 0 and the address; as getpeername(2); -ESRCH (no loop runs).   Suspends: no.   Since: 0.1 */
RILL_API int rill_socket_peer(int fd, rill_addr *ret_addr);

/** The next connection of the listening socket `fd`, as a non-blocking descriptor.
 *  Args: `ret_addr` may be NULL; it gets the other side's address, of length 0 if that has gone already.
 *  Returns: the descriptor; -ECANCELED (no connection was taken); as accept(2); -EBADF (also: closed by
 *           rill_file_close while we waited); -ESRCH (not in a task).
 *  Owns: gives the descriptor.   Suspends: until one is there.   Like: loop.sock_accept.   Since: 0.1 */
RILL_API int rill_accept(int fd, rill_addr *ret_addr) RILL_SUSPENDS;

/** Connect the socket `fd` to `addr`. After a cancel it may be tried again, with the same socket.
 *  Returns: 0; -ECANCELED; as connect(2); -EBADF; -ESRCH.
 *  Suspends: yes.   Like: loop.sock_connect.   Since: 0.1 */
RILL_API int rill_connect(int fd, const rill_addr *addr) RILL_SUSPENDS;

/** Receive up to `size` octets from the socket `fd`, whatever it is set to.   Args: `flags` as recv(2) has them.
 *  Returns: the octets received; 0 at the end of the stream; -ECANCELED (nothing was received); as recv(2);
 *           -EBADF; -ESRCH.
 *  Suspends: while nothing is there.   Like: loop.sock_recv_into.   Since: 0.1 */
RILL_API int rill_recv(int fd, void *buf, size_t size, int flags) RILL_SUSPENDS;

/** Send octets to the socket `fd`, as many as it takes once there is room.   Args: `flags` as send(2) has them.
 *  Returns: the octets sent; -ECANCELED (nothing was sent); as send(2); -EBADF; -ESRCH.
 *  Suspends: while there is no room.   Since: 0.1 */
RILL_API int rill_send(int fd, const void *buf, size_t size, int flags) RILL_SUSPENDS;

/** Send all `size` octets to the socket `fd`.
 *  Returns: 0; else as rill_send. *ret_sent (or NULL) is set in any case to the octets that were sent.
 *  Suspends: until they are.   Like: loop.sock_sendall.   Since: 0.1 */
RILL_API int rill_send_all(int fd, const void *buf, size_t size, size_t *ret_sent) RILL_SUSPENDS;

/** Wait until one of `events`, those of poll(2), holds for `fd`, once.
 *  Returns: the events that hold, POLLERR and POLLHUP among them; -ECANCELED; -EBADF; -ESRCH (not in a task).
 *  Suspends: until then.   Like: loop.add_reader.   Since: 0.1 */
RILL_API int rill_poll(int fd, unsigned events) RILL_SUSPENDS;

/** A socket that listens at `addr`.   Args: `opts` may be NULL.
 *  Returns: 0 and the descriptor; as socket(2), bind(2) and listen(2); -ESRCH (no loop runs).
 *  Owns: gives the descriptor.   Suspends: no.   Since: 0.1 */
RILL_API int rill_listen(const rill_addr *addr, const rill_listen_opts *opts, int *ret_fd);

/** Start to accept connections at the listening socket `fd`.
 *  Returns: 0 and the listener; -ENOMEM; -ESRCH (no loop runs).
 *  Owns: takes `fd` (on failure it stays the caller's), gives the listener; rill_listener_close ends both.
 *  Suspends: no.   Since: 0.1 */
RILL_API int rill_listener_open(int fd, rill_listener **ret_listener);

/** The next connection, in order of arrival, as a non-blocking descriptor.
 *  Returns: 0 and the descriptor; -ECANCELED (no connection was taken); -ESHUTDOWN (stopped, and none is
 *           left); -EBUSY (another task waits); -EMFILE, -ENFILE, -ENOMEM and other errors of accept(2):
 *           told once, accepting goes on by itself after 100 ms.
 *  Owns: gives the descriptor.   Suspends: while none is there.   Like: loop.sock_accept.   Since: 0.1 */
RILL_API int rill_listener_accept(rill_listener *listener, int *ret_fd) RILL_SUSPENDS;

/** Accept no more; what came before is still given by rill_listener_accept.
 *  Returns: nothing.   Since: 0.1 */
RILL_API void rill_listener_stop(rill_listener *listener);

/** A connection that waits in the socket's own queue, for a listener that was stopped: none is lost when the
 *  socket is closed afterwards.
 *  Returns: 0 and the descriptor; -EAGAIN (none waits); -EBUSY (not stopped yet); as accept(2).
 *  Owns: gives the descriptor.   Suspends: no.   Since: 0.1 */
RILL_API int rill_listener_take(rill_listener *listener, int *ret_fd);

/** Stop, close what was not taken, and close the socket when the kernel has let go of it. A task that waits
 *  in rill_listener_accept gets -ESHUTDOWN.   Returns: nothing.   Owns: takes it; NULL is fine.   Since: 0.1 */
RILL_API void rill_listener_close(rill_listener *listener);

/** A datagram socket at `local`, or one that talks to `remote` only.
 *  Args: either may be NULL, not both; Unix addresses will do, too: a socket that was left behind at the path
 *  of `local` is replaced, and its name stays when this one is closed.
 *  Returns: 0 and the socket; -EINVAL (no address, or two of different families); -ENOMEM; as socket(2),
 *           bind(2) and connect(2); -ESRCH (no loop runs).
 *  Owns: gives the socket.   Suspends: no.   Like: loop.create_datagram_endpoint.   Since: 0.1 */
RILL_API int rill_udp_open(const rill_addr *local, const rill_addr *remote, rill_udp **ret_udp);

/** The next datagram: what does not fit into `size` octets is cut off.   Args: `ret_from` may be NULL.
 *  Returns: its length and the sender; 0 for an empty one; -ECANCELED (none was taken); -EBADF (closed while
 *           we waited); -ECONNREFUSED and the like (an earlier datagram did not arrive); as recvmsg(2).
 *  Suspends: until one comes; several tasks may wait, each gets another one.
 *  Like: loop.sock_recvfrom_into.   Since: 0.1 */
RILL_API int rill_udp_recv(rill_udp *udp, void *buf, size_t size, rill_addr *ret_from)
    RILL_SUSPENDS;

/** Send one datagram.   Args: `to` may be NULL if the socket has a remote address.
 *  Returns: `size`; -ECANCELED (it was not sent); -EINVAL (it has another remote address); -EDESTADDRREQ (it has
 *           none); -EMSGSIZE; -EBADF; as sendmsg(2).
 *  Suspends: while the socket has no room.   Like: loop.sock_sendto.   Since: 0.1 */
RILL_API int rill_udp_send(rill_udp *udp, const void *buf, size_t size, const rill_addr *to)
    RILL_SUSPENDS;

/** The socket behind it, for socket options and rill_socket_name.   Returns: the descriptor, borrowed.
 *  Since: 0.1 */
RILL_API int rill_udp_fd(const rill_udp *udp);

/** Close the socket, on a loop that runs; who waits for it gets -EBADF.   Returns: nothing.   Owns: takes it; NULL is fine.
 *  Since: 0.1 */
RILL_API void rill_udp_close(rill_udp *udp);

#ifdef __cplusplus
}
#endif
