/* daemon.h - a rilld of the test's own: a folder, a configuration, a port, a notification socket.
 *
 * The program is the one that RILLD names (ctest sets it). Its folder is below /tmp and goes away with
 * it. Errors are -errno; nothing asserts, but what went wrong is printed. */
#pragma once

#include "tests/support/proc.h"

enum { DAEMON_WORKERS = 2, DAEMON_READY_MS = 20000, DAEMON_END_MS = 45000 };

struct daemon {
    struct proc proc;
    struct proc_notify notify;
    int port;
    bool is_notifying; /* the notification socket is open */
    char folder[64], config[96];
};

/* What differs from a plain start; zeroed is plain. */
struct daemon_options {
    const char *top;    /* top-level lines of the configuration besides workers, listen, routes */
    const char *routes; /* entries of `routes`; NULL: /hello alone, which answers "one\n" */
    int (*in_child)(void);
    const int *listen_fds; /* passed on; `port` of the daemon must be theirs already */
    int listen_fd_count;
    const char *watchdog_usec;
};

/* Whether there is a program to run and a kernel that lets it; else says why not, for exit status 77. */
bool daemon_can_run(void);

/* Make the folder and pick a port (unless `port` is set); for tests that need to know them first.
 * Returns: 0; -errno.   Owns: the caller calls daemon_fini. */
int daemon_make(struct daemon *daemon);

/* Make what daemon_make makes unless it was called, write the configuration and start.
 * Returns: 0; -errno.   Owns: the caller calls daemon_fini. */
int daemon_start(struct daemon *daemon, const struct daemon_options *options);

/* As daemon_start, then wait for its READY=1.   Returns: 0; -errno. */
int daemon_start_ready(struct daemon *daemon, const struct daemon_options *options);

/* Write the configuration anew, as daemon_start does.   Returns: 0; -errno. */
int daemon_configure(struct daemon *daemon, const struct daemon_options *options);

/* Wait for a notification that has `line` in it.   Returns: 0; -ETIME. */
int daemon_await_notice(struct daemon *daemon, const char *line, int timeout_ms);

/* The ids of its two workers, the older first.   Returns: 0; -ESRCH (there are not two). */
int daemon_workers(struct daemon *daemon, pid_t ret_pids[DAEMON_WORKERS]);

/* Wait until there are two workers and `gone` is none of them.   Returns: 0; -ETIME. */
int daemon_await_new_worker(struct daemon *daemon, pid_t gone, int timeout_ms);

/* End it and remove its folder. A zeroed one is fine. */
void daemon_fini(struct daemon *daemon);
