/* net.h - socket addresses as values: parse, format, compare.
 *
 * An address is a plain value over the kernel's structures, ready for bind, connect and accept.
 * Nothing here asks a resolver: a host name is no address. */
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
    int backlog; /* 4096 */
    bool
        reuse_port; /* several sockets share the address, the kernel spreads connections over them */
} rill_listen_opts;

typedef struct rill_listener rill_listener;

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

/** A stream socket connected to `addr`, non-blocking, without Nagle's delay.
 *  Returns: 0 and the descriptor; -ECANCELED; as socket(2) and connect(2).
 *  Owns: gives the descriptor.   Suspends: yes.   Like: loop.sock_connect.   Since: 0.1 */
RILL_API int rill_connect(const rill_addr *addr, int *ret_fd) RILL_SUSPENDS;

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

/** Stop, close what was not taken, and close the socket when the kernel has let go of it. No task may wait
 *  in rill_listener_accept.   Returns: nothing.   Owns: takes it; NULL is fine.   Since: 0.1 */
RILL_API void rill_listener_close(rill_listener *listener);

#ifdef __cplusplus
}
#endif
