/* echo.h - the client of the echo benchmark, the same for both servers, as a process of its own.
 *
 * All connections say one message each, then all answers are read, again and again: on a CPU that both
 * share, the server finds the messages of all connections at once, whatever it is made of. Only the
 * server's CPU time counts. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ECHO_CONNECTIONS = 64, ECHO_ROUNDS = 5000, ECHO_SIZE = 64 };

enum { ECHO_MESSAGES = ECHO_CONNECTIONS * ECHO_ROUNDS };

static inline void echo_round(const int *fds, char mark)
{
    char out[ECHO_SIZE], in[ECHO_SIZE];
    memset(out, mark, sizeof out);
    for (int i = 0; i < ECHO_CONNECTIONS; i++)
        if (send(fds[i], out, sizeof out, MSG_NOSIGNAL) != sizeof out)
            _exit(1);
    for (int i = 0; i < ECHO_CONNECTIONS; i++)
        if (recv(fds[i], in, sizeof in, MSG_WAITALL) != sizeof in ||
            memcmp(in, out, sizeof in) != 0)
            _exit(1);
}

/* Runs the client against the loopback `port`.   Returns: its process. */
static inline pid_t echo_start_client(unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((in_port_t)port) };
    int fds[ECHO_CONNECTIONS], on = 1;
    pid_t child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < ECHO_CONNECTIONS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fds[i], (struct sockaddr *)&at, sizeof at) < 0)
            _exit(1);
    }
    for (int i = 0; i < ECHO_ROUNDS; i++)
        echo_round(fds, (char)i);
    _exit(0);
}

/* Whether the client met all its answers. */
static inline bool echo_client_is_content(pid_t client)
{
    int status;
    return waitpid(client, &status, 0) == client && status == 0;
}
