/* dns.h - names and addresses: looked up without blocking, by rill's own queries.
 *
 * A loop asks name servers itself, over its ring (c-ares speaks the protocol), and never uses a thread. A numeric
 * address asks nobody; "localhost" and names below it are the two loopbacks (RFC 6761); then come the lines of
 * /etc/hosts, and then the servers of /etc/resolv.conf with its `search`, `domain` and `options ndots timeout
 * attempts`. Both files are looked at again at most once a second, by a plain read of a small local file.
 *
 * A and AAAA are asked for at once. Answers are kept for their time to live (1 s to 1 h), refusals ("no such
 * name", "no such address") for what the zone says (at most 1 min), failures not at all: at most 1,024 names a
 * loop, those that were used longest ago go first. Tasks that ask the same at the same time share one question; 64
 * questions are under way at a time, others wait for their turn.
 *
 * From the first lookup on the process's c-ares allocates with rill_alloc; a program that uses c-ares itself
 * begins after that. */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

typedef struct rill_addr rill_addr;

/* For rill_dns_hints.flags. */
enum {
    RILL_DNS_PASSIVE =
        1, /* no host stands for every address, to listen at; else for the loopbacks */
    RILL_DNS_NUMERIC = 2, /* ask nobody: a name is -EINVAL */
};

/* For rill_getnameinfo: the text of the address, or an error if it has no name. */
enum { RILL_DNS_AS_NUMBER = 1, RILL_DNS_NAME_REQUIRED = 2 };

/* All zero: both families. */
typedef struct rill_dns_hints {
    int family; /* AF_INET or AF_INET6; 0: both */
    unsigned flags;
} rill_dns_hints;

/* Addresses of a host, each with the port, in the order in which to try them (RFC 6724). At most 32.
 *
 *     rill_addrinfo *list;
 *     int rc = rill_getaddrinfo("www.example.org", 443, NULL, &list);
 *     for (size_t i = 0; rc == 0 && i < list->count; i++)
 *         ... list->at[i] ...
 *     if (rc == 0) rill_addrinfo_free(list);
 */
typedef struct rill_addrinfo {
    const rill_addr *at;
    size_t count; /* never 0 */
} rill_addrinfo;

/* How a loop looks names up; all zero: as the machine does. Texts are copied. */
typedef struct rill_dns_opts {
    const char *hosts;       /* "/etc/hosts"; its first MiB counts */
    const char *resolv_conf; /* "/etc/resolv.conf"; its first 64 KiB count */
    const char
        *servers;      /* instead of that file's, at most 8: "192.0.2.1,192.0.2.2:5353,[::1]:53" */
    rill_time timeout; /* how long a server may be silent; instead of that file's, 5 s */
    unsigned attempts; /* rounds through silent servers; instead of that file's, 2; at most 5 */
} rill_dns_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** The addresses of `host` with `port`.
 *  Args: `host` is a numeric address ("fe80::1%eth0" with its interface), a name, or NULL or "": see
 *  RILL_DNS_PASSIVE; a dot at its end keeps the search list out. `hints` may be NULL.
 *  Returns: 0 and the list; -ECANCELED; -ENOENT (there is no such name); -ENODATA (it has no address of that
 *           family); -EREMOTEIO (the servers fail, refuse or talk nonsense); -ETIMEDOUT (they are silent);
 *           -ECONNREFUSED (nobody serves names there); -EINVAL (no name: more than 253 octets or 63 between
 *           dots, octets other than letters, digits, '-' and '_', or all digits behind the last dot; or a port above
 *           65535); -EMFILE, -ENOMEM and other errors of socket(2); -ESRCH (not in a task). rill_last_error names
 *           host and server.
 *  Owns: gives the list; rill_addrinfo_free ends it.   Suspends: unless the answer is known.
 *  Like: loop.getaddrinfo.   Since: 0.1 */
RILL_API int rill_getaddrinfo(const char *host, unsigned port, const rill_dns_hints *hints,
                              rill_addrinfo **ret_list) RILL_SUSPENDS;

/** Give a list back.   Returns: nothing.   Owns: takes it; NULL is fine.   Since: 0.1 */
RILL_API void rill_addrinfo_free(rill_addrinfo *list);

/** The name of the host at `addr`, or else its address as text, in `buf`. Its port is rill_addr_port.
 *  Args: `flags`: RILL_DNS_AS_NUMBER asks nobody; RILL_DNS_NAME_REQUIRED wants no number.
 *  Returns: 0; -ECANCELED; -ENOENT (it has no name, and one is required); -ENOSPC (`size` octets are too few: 254
 *           always do); -EAFNOSUPPORT (no IPv4 or IPv6 address); else as rill_getaddrinfo.
 *  Suspends: unless the answer is known.   Like: loop.getnameinfo.   Since: 0.1 */
RILL_API int rill_getnameinfo(const rill_addr *addr, unsigned flags, char *buf, size_t size)
    RILL_SUSPENDS;

/** From now on the running loop looks names up as `opts` says; what it knew is forgotten. Lookups that have begun
 *  go on.   Args: `opts` may be NULL: as the machine does.
 *  Returns: 0; -EINVAL (servers that are no addresses, or more than 8; a negative time; too many
 *           attempts); -ENOMEM; -ESRCH (no loop
 *           runs).   Suspends: no.   Since: 0.1 */
RILL_API int rill_dns_configure(const rill_dns_opts *opts);

#ifdef __cplusplus
}
#endif
