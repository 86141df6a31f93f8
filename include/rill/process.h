/* process.h - programs: started, fed, read, waited for, killed.
 *
 * A process is a child with up to three pipes, which are streams. It ends once, and keeps how: a wait that
 * is cancelled loses nothing, and any number of tasks may wait. Closing gives the process back: a child that
 * runs is killed then, and reaped in any case, so no zombie is left.
 *
 *     const char *argv[] = { "sort", "-n", NULL };
 *     const rill_process_opts opts = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE };
 *     rill_process *p;
 *     rill_span out;
 *     int rc = rill_process_start(argv, &opts, &p);
 *     if (rc < 0)
 *         return rc;
 *     rc = rill_process_communicate(p, rill_span_of("3\n1\n2\n"), &out, NULL);
 *     if (rc == 0 && p->returncode == 0)
 *         fwrite(out.at, 1, out.size, stdout);
 *     rill_process_close(p);
 *
 * A pipeline, `a | b`, is a pipe(2): its write end is out_fd of the one and its read end in_fd of the other, both
 * RILL_PROCESS_FD. Close both ends once the two are started, or the reader never sees the end.
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/text.h>

#include <sys/types.h>

typedef struct rill_stream rill_stream;

/* What one of a child's standard descriptors is. */
typedef enum rill_process_stdio {
    RILL_PROCESS_INHERIT, /* as ours */
    RILL_PROCESS_PIPE,    /* a pipe, of which we have the other end as a stream */
    RILL_PROCESS_NULL,    /* /dev/null */
    RILL_PROCESS_FD,      /* a copy of the descriptor in_fd, out_fd or err_fd */
    RILL_PROCESS_STDOUT,  /* for `err` only: the same as `out` */
} rill_process_stdio;

/* All zero: the defaults. */
typedef struct rill_process_opts {
    rill_process_stdio in, out, err;
    int in_fd, out_fd, err_fd;
    const char *const *env; /* "NAME=VALUE", NULL ended; NULL: as ours */
    const char *cwd;        /* its working directory; NULL: ours */
    const int *pass_fds;    /* descriptors above 2 that it has under the same numbers */
    size_t pass_count;
    bool new_session;  /* it leads a session, and so a process group, of its own */
    bool new_group;    /* it leads a process group of its own: signals of the terminal pass it by */
    bool kill_group;   /* closing kills its whole group, also if it has ended itself */
    size_t read_limit; /* octets read ahead of who reads a pipe; 64 KiB */
    size_t output_limit; /* octets that communicate keeps of each stream; 64 MiB */
} rill_process_opts;

/* A child. All members are to be read only; the streams are the process's own references. */
typedef struct rill_process {
    pid_t pid;
    rill_stream *in, *out, *err; /* of those that are pipes; else NULL */
    bool ended;
    int returncode; /* of one that has ended: its exit status, 0 to 255; the negative number of the signal that
                       killed it; 255, and the loop's error handler is told, if nobody knows: we ignore SIGCHLD,
                       or somebody else waited for it */
} rill_process;

#ifdef __cplusplus
extern "C" {
#endif

/** Start the program `argv[0]`, which is looked for in the PATH of its environment if it has no slash.
 *  It has the standard descriptors that `opts` says, those of pass_fds and no others; no signal is blocked
 *  there, SIGPIPE and SIGXFSZ do what they do by default, and signals that we ignore are ignored.
 *  The loop is blocked until the program is there: some 0.2 ms on an idle CPU, whatever our size.
 *  Args: `argv` NULL ended; `opts` may be NULL.
 *  Returns: 0 and the process; -ENOENT, -EACCES and others of execve(2), also for `cwd`: rill_last_error names
 *           the one that it is; -EINVAL (no program; options that contradict each other); -EBADF (a descriptor to
 *           be passed); -EMFILE; -ENOMEM; -EAGAIN (no more processes); -ECANCELED (nothing was started); -ESRCH
 *           (not in a task).
 *  Owns: gives the process; rill_process_close ends it.
 *  Suspends: for one turn.   Like: asyncio.create_subprocess_exec.   Since: 0.1 */
RILL_API int rill_process_start(const char *const *argv, const rill_process_opts *opts,
                                rill_process **ret_process) RILL_SUSPENDS;

/** As rill_process_start, of `/bin/sh -c command`.   Returns: as rill_process_start.
 *  Suspends: for one turn.   Like: asyncio.create_subprocess_shell.   Since: 0.1 */
RILL_API int rill_process_start_shell(const char *command, const rill_process_opts *opts,
                                      rill_process **ret_process) RILL_SUSPENDS;

/** Wait until `process` has ended; its pipes may be open still, and full: who does not read them may wait
 *  for ever, see rill_process_communicate.
 *  Returns: its returncode: 0 to 255; above -65 the negative number of a signal; -ECANCELED (which is below
 *           all of these; a later wait gets the returncode); -ESRCH (not in a task, and `ended` is false). One that
 *           is closed meanwhile is waited for, too.
 *  Suspends: until it has ended.   Like: Process.wait.   Since: 0.1 */
RILL_API int rill_process_wait(rill_process *process) RILL_SUSPENDS;

/** Write `input` to its pipe and close that, read `out` and `err` to their ends, and wait for the end of
 *  `process`. That it does not want all of its input is no error.
 *  What was done is kept when it ends early: a later call, with the same input, goes on.
 *  Args: `input` as long as the call; `ret_out` and `ret_err` may be NULL.
 *  Returns: 0, and what it said, empty without a pipe; -EMSGSIZE (more than the option output_limit; the rest
 *           is in the pipe); -ENOMEM; -ECANCELED; -EBUSY (another task communicates with it, or reads one of its
 *           streams); -EINVAL (there is input, but no pipe for it); -ESHUTDOWN (it was closed meanwhile).
 *  Owns: the process owns what it said, until it is closed.
 *  Suspends: until it has ended, and all who have its pipes have closed them.
 *  Like: Process.communicate.   Since: 0.1 */
RILL_API int rill_process_communicate(rill_process *process, rill_span input, rill_span *ret_out,
                                      rill_span *ret_err) RILL_SUSPENDS;

/** Send the signal `signo` to `process`; never to another process that has got its number.
 *  Returns: 0; -ESRCH (it has ended); -EINVAL (no such signal); -EPERM (it runs as somebody else).
 *  Like: Process.send_signal.   Since: 0.1 */
RILL_API int rill_process_send_signal(rill_process *process, int signo);

/** Ask `process` to end: SIGTERM.   Returns: as rill_process_send_signal.   Like: Process.terminate.   Since: 0.1 */
RILL_API int rill_process_terminate(rill_process *process);

/** End `process`: SIGKILL.   Returns: as rill_process_send_signal.   Like: Process.kill.   Since: 0.1 */
RILL_API int rill_process_kill(rill_process *process);

/** Give `process` back: if it runs it is killed, with the option kill_group its whole group. It is reaped as
 *  soon as it has ended, at the latest when the loop is closed. Its pipes are closed, what is unsent is lost;
 *  who has references of the streams finds their end. Close it before the loop.
 *  Returns: nothing.   Owns: takes it; NULL is fine.   Like: transport.close.   Since: 0.1 */
RILL_API void rill_process_close(rill_process *process);

#ifdef __cplusplus
}
#endif
