/* socket.h - sockets as the rest of io makes them. */
#pragma once

#include "core/io/io.h"

#include <rill/net.h>
#include <rill/stream.h>

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

/* A socket for a stream that is to be connected to `addr`: the descriptor or -errno. */
int rill__socket_to(const rill_addr *addr);
/* 0; -EINVAL: no path; -ENAMETOOLONG. */
int rill__addr_of_path(const char *path, rill_addr *ret_addr);
/* A server at all of `addrs`, which are not of Unix sockets. As rill_start_server. */
int rill__server_start(const rill_addr *addrs, size_t count, rill_connection_fn *handler, void *arg,
                       const rill_server_opts *opts, rill_server **ret_server);
