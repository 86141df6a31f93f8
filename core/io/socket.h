/* socket.h - sockets as the rest of io makes them. */
#pragma once

#include "core/io/io.h"

#include <rill/net.h>

struct stat;

/* A non-blocking socket of the family of `addr`: the descriptor or -errno. */
int rill__socket_for(const rill_addr *addr, int type);
int rill__socket_set(int fd, int level, int name, int value);
int rill__socket_bind(int fd, const rill_addr *addr);
void rill__socket_drop(int fd);

int rill__path_stat(const char *path, struct stat *ret_status);
int rill__path_remove(const char *path);
/* Remove the socket that somebody left behind at the path of a Unix address, so that it can be bound. */
void rill__path_sweep(const rill_addr *addr);
/* As rill_listen; with `replace` a socket at the same path goes first. */
int rill__listen(const rill_addr *addr, const rill_listen_opts *opts, bool replace, int *ret_fd);

static inline bool rill__addr_is_inet(const rill_addr *addr)
{
    return addr->any.sa_family == AF_INET || addr->any.sa_family == AF_INET6;
}

/* The addresses that a host stands for, in the order in which they are tried. */
struct rill__hosts {
    rill_addr at[2];
    size_t count;
};

/* What `host` and `port` stand for: a numeric address or "localhost". No host stands for the loopback,
 * or, to listen, for every address. 0; -EINVAL: a name, or no port. */
int rill__hosts_of(const char *host, unsigned port, bool listens, struct rill__hosts *ret_hosts);
/* 0; -EINVAL: no path; -ENAMETOOLONG. */
int rill__addr_of_path(const char *path, rill_addr *ret_addr);
