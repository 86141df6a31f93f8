/* proc.h - programs run by a test: started with arguments and environment, watched, always ended.
 *
 * Standard output and error of the program go to memory files, so nothing blocks however much it
 * prints, and a test may look at any time. The program leads a process group of its own; proc_fini
 * kills the whole group, so no test leaves a process behind. Errors are -errno; nothing asserts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROC_SIGNALLED = 1000, PROC_CHILDREN_MAX = 64 };

enum proc_stream { PROC_OUT, PROC_ERR };

struct proc_spec {
    const char *const *argv; /* NULL-terminated; argv[0] is the path of the program */
    const char *const *env;  /* NULL-terminated NAME=VALUE, added to ours; may be NULL */
    const int *listen_fds;   /* passed as by a service manager, with LISTEN_PID and LISTEN_FDS */
    int listen_fd_count;
    int (*in_child)(void); /* runs in the child before the exec; not 0: the child exits 126 */
};

struct proc {
    pid_t pid;
    int pidfd, files[2]; /* the memory files, by enum proc_stream */
    bool ended;
    char *text[2]; /* what proc_text gave last */
};

/* Start a program.   Returns: 0; -errno.   Owns: the caller calls proc_fini. */
int proc_start(struct proc *proc, const struct proc_spec *spec);

/* Wait for its end.   Returns: its exit status; PROC_SIGNALLED + the signal that ended it;
 * -ETIME after `timeout_ms`. */
int proc_wait(struct proc *proc, int timeout_ms);

/* Whether it has ended, without waiting. */
bool proc_has_ended(const struct proc *proc);

/* Send a signal to the program alone.   Returns: 0; -ESRCH after its end. */
int proc_signal(struct proc *proc, int signal_number);

/* Stop any process and wait until it has stopped: the signal alone leaves it some more steps.
 * Returns: 0; -errno; -ETIME. */
int proc_freeze(pid_t pid);

/* What the program printed so far.   Returns: the text, valid until the next call for this stream;
 * "" without memory. */
const char *proc_text(struct proc *proc, enum proc_stream stream);

/* Wait until the program has printed `text`.   Returns: 0; -ESRCH if it ended without; -ETIME. */
int proc_await_text(struct proc *proc, enum proc_stream stream, const char *text, int timeout_ms);

/* The children of a process, in order of their ids.   Returns: how many; -errno. */
int proc_children(pid_t pid, pid_t ret_pids[PROC_CHILDREN_MAX]);

/* Let orphans of our programs become our children, so that they can be counted and reaped.
 * Returns: 0; -errno. */
int proc_adopt_orphans(void);

/* Kill what is left of the program and its group, and free the rest. A zeroed proc is fine. */
void proc_fini(struct proc *proc);

/* Milliseconds on the monotonic clock. */
long proc_now_ms(void);

/* Let other processes run for a moment, between two looks at something. */
void proc_pause(void);

/* A stand-in for the service manager's end of the notification protocol. */
struct proc_notify {
    int fd;
    char path[64]; /* the value of NOTIFY_SOCKET */
};

/* Returns: 0; -errno.   Owns: the caller calls proc_notify_close. */
int proc_notify_open(struct proc_notify *notify);

/* Take the next message.   Returns: 0 and the text, its lines separated by newlines; -ETIME. */
int proc_notify_next(struct proc_notify *notify, char *ret_text, size_t size, int timeout_ms);

void proc_notify_close(struct proc_notify *notify);
