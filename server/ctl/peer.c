/* peer.c - what a descriptor of another process is connected to, or which file it is.
 *
 * The kernel lends a copy of the descriptor (pidfd_getfd, with the rights that reading the memory needs); it is
 * asked and closed at once. */
#include "server/ctl/peer.h"

#include <rill/net.h>

#include <stdio.h>
#include <string.h>
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

/* "process 4711, sort". */
static void add_process(pid_t pid, rill_text *text)
{
    char path[64], program[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    rill_text_fmt(text, "process %d", pid);
    if (file == NULL)
        return;
    if (fgets(program, sizeof program, file) != NULL)
        program[strcspn(program, "\n")] = 0;
    fclose(file);
    rill_text_fmt(text, program[0] != 0 ? ", %s" : "%s", program);
}

static bool is_unnamed(const rill_addr *addr)
{
    return addr->any.sa_family == AF_UNIX && addr->length <= sizeof addr->any.sa_family;
}

/* The other end of a Unix socket has seldom a name: who made it, and at which name of ours. */
static void add_unnamed(int fd, rill_text *text)
{
    struct ucred maker = { 0 };
    socklen_t size = sizeof maker;
    rill_addr own = { .length = sizeof own.un };
    rill_text_fmt(text, "an unnamed socket");
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0 && maker.pid > 0) {
        rill_text_fmt(text, " of ");
        add_process(maker.pid, text);
    }
    if (getsockname(fd, &own.any, &own.length) < 0 || is_unnamed(&own))
        return;
    rill_text_fmt(text, " at ");
    rill_addr_format(&own, text);
}

static bool add_remote(int fd, rill_text *text)
{
    rill_addr addr = { .length = sizeof addr.un };
    if (getpeername(fd, &addr.any, &addr.length) < 0)
        return false;
    if (is_unnamed(&addr))
        add_unnamed(fd, text);
    else
        rill_addr_format(&addr, text);
    return true;
}

static bool add_local(int fd, rill_text *text)
{
    rill_addr addr = { .length = sizeof addr.un };
    if (getsockname(fd, &addr.any, &addr.length) < 0)
        return false;
    if (is_unnamed(&addr))
        rill_text_fmt(text, "an unnamed socket");
    else
        rill_addr_format(&addr, text);
    return true;
}

/* The process that a pidfd stands for, by the number that it has here. False: it is none, or has gone. */
static bool add_pidfd(const struct peers *peers, int fd, rill_text *text)
{
    char path[64], line[128];
    uint64_t pid = 0;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", peers->pid, fd);
    FILE *file = fopen(path, "re");
    while (file != NULL && pid == 0 && fgets(line, sizeof line, file) != NULL) {
        rill_span digits = { line + 5, strcspn(line, "\n") - 5 };
        if (strncmp(line, "Pid:\t", 5) == 0 && rill_parse_u64(digits, INT32_MAX, &pid) < 0)
            break;
    }
    if (file != NULL)
        fclose(file);
    if (pid == 0)
        return false;
    add_process((pid_t)pid, text);
    return true;
}

static enum peer_kind add_file(const struct peers *peers, int fd, rill_text *text)
{
    char link[64], path[256];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", peers->pid, fd);
    ssize_t size = readlink(link, path, sizeof path);
    if (size <= 0)
        return PEER_UNKNOWN;
    bool is_pidfd = memmem(path, (size_t)size, "pidfd", 5) != NULL && path[0] != '/';
    if (is_pidfd && add_pidfd(peers, fd, text))
        return PEER_PROCESS;
    rill_text_add(text, (rill_span){ path, (size_t)size });
    return PEER_FILE;
}

enum peer_kind peers_tell(const struct peers *peers, int fd, rill_text *text)
{
    enum peer_kind kind = PEER_UNKNOWN;
    int copy = peers->pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, peers->pidfd, fd, 0);
    if (copy < 0)
        return add_file(peers, fd, text);
    if (add_remote(copy, text))
        kind = PEER_REMOTE;
    else if (add_local(copy, text))
        kind = PEER_LOCAL;
    close(copy);
    return kind != PEER_UNKNOWN ? kind : add_file(peers, fd, text);
}
