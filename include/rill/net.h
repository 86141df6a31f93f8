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

#ifdef __cplusplus
}
#endif
