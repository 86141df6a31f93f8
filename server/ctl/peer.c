/* peer.c - what a descriptor of another process is connected to, or which file it is.
 *
 * The kernel lends a copy of the descriptor (pidfd_getfd, with the rights that reading the memory needs); it is
 * asked and closed at once. */
#include "server/ctl/peer.h"

#include <rill/net.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void peers_open(struct peers *peers, pid_t pid)
{
    peers->pid = pid;
    peers->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
}

void peers_close(struct peers *peers)
{
    if (peers->pidfd >= 0)
        close(peers->pidfd);
    peers->pidfd = -1;
}

static bool add_address(int fd, int (*ask)(int fd, struct sockaddr *addr, socklen_t *length),
                        rill_text *text)
{
    rill_addr addr = { .length = sizeof addr.un };
    size_t before = text->used;
    if (ask(fd, &addr.any, &addr.length) < 0)
        return false;
    rill_addr_format(&addr, text);
    return text->used > before;
}

static int peer_name(int fd, struct sockaddr *addr, socklen_t *length)
{
    return getpeername(fd, addr, length);
}

static int socket_name(int fd, struct sockaddr *addr, socklen_t *length)
{
    return getsockname(fd, addr, length);
}

static enum peer_kind add_file(const struct peers *peers, int fd, rill_text *text)
{
    char link[64], path[256];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", peers->pid, fd);
    ssize_t size = readlink(link, path, sizeof path);
    if (size <= 0)
        return PEER_UNKNOWN;
    rill_text_add(text, (rill_span){ path, (size_t)size });
    return PEER_FILE;
}

enum peer_kind peers_tell(const struct peers *peers, int fd, rill_text *text)
{
    enum peer_kind kind = PEER_UNKNOWN;
    int copy = peers->pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, peers->pidfd, fd, 0);
    if (copy < 0)
        return add_file(peers, fd, text);
    if (add_address(copy, peer_name, text))
        kind = PEER_REMOTE;
    else if (add_address(copy, socket_name, text))
        kind = PEER_LOCAL;
    close(copy);
    return kind != PEER_UNKNOWN ? kind : add_file(peers, fd, text);
}
