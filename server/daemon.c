/* daemon.c - going to the background, and telling those who wait how the start went.
 *
 * The grandchild holds one end of a pipe: the first process reads the status from it, or sees its end.
 * Standard input becomes /dev/null at once; output and error stay as they are, since the logs may go
 * there: whoever starts a daemon says where. */
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static int ready_fd = -1;

__attribute__((noreturn)) static void wait_for_status(int fd)
{
    unsigned char status = EXIT_FAILURE;
    struct iovec part = { &status, 1 };
    ssize_t got;
    while ((got = readv(fd, &part, 1)) < 0 && errno == EINTR)
        continue;
    if (got != 1)
        fputs("rilld: the daemon ended before it was ready\n", stderr);
    _exit(status);
}

static int become_leader(void)
{
    if (setsid() < 0)
        return -errno;
    pid_t pid = fork(); /* a session leader could get a terminal again; its child cannot */
    if (pid < 0)
        return -errno;
    if (pid > 0)
        _exit(EXIT_SUCCESS);
    int null = openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0)
        return -errno;
    dup2(null, STDIN_FILENO);
    close(null);
    return chdir("/") < 0 ? -errno : 0;
}

int daemon_start(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int rc = -errno;
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    if (pid > 0) {
        close(fds[1]);
        wait_for_status(fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    return become_leader();
}

void daemon_ready(int status)
{
    if (ready_fd < 0)
        return;
    unsigned char octet = (unsigned char)status;
    struct iovec part = { &octet, 1 };
    if (writev(ready_fd, &part, 1) < 0)
        perror("rilld"); /* the first process was killed: nobody waits any more */
    close(ready_fd);
    ready_fd = -1;
}
