/* process_start.c - starting a child: its options checked, its pipes made, its program run. */
#include "core/io/process_state.h"

#include "core/io/socket.h"
#include "core/io/stream.h"
#include "core/op/spawn.h"

#include <errno.h>

struct plan {
    struct rill__spawn spawn;
    int theirs[3]; /* the child's ends of pipes; -1: none */
};

/* --- Options. --- */

static int check_passed(const rill_process_opts *opts)
{
    for (size_t i = 0; i < opts->pass_count; i++)
        if (opts->pass_fds[i] < 3)
            return -EINVAL;
    return 0;
}

static int check_opts(const char *const *argv, const rill_process_opts *opts)
{
    bool leads = opts->new_session || opts->new_group;
    if (argv == NULL || argv[0] == NULL || (opts->kill_group && !leads))
        return -EINVAL;
    if (opts->in == RILL_PROCESS_STDOUT || opts->out == RILL_PROCESS_STDOUT)
        return -EINVAL;
    return check_passed(opts);
}

/* What the child's descriptor `number` is, or a pipe is made for it. */
static int choose(const rill_process_opts *opts, int number, int *ret_fd)
{
    const rill_process_stdio kinds[] = { opts->in, opts->out, opts->err };
    const int fds[] = { opts->in_fd, opts->out_fd, opts->err_fd };
    switch (kinds[number]) {
    case RILL_PROCESS_INHERIT: *ret_fd = RILL__SPAWN_INHERIT; return 0;
    case RILL_PROCESS_NULL: *ret_fd = RILL__SPAWN_NULL; return 0;
    case RILL_PROCESS_STDOUT: *ret_fd = RILL__SPAWN_OUTPUT; return 0;
    case RILL_PROCESS_FD: *ret_fd = fds[number]; return fds[number] >= 0 ? 0 : -EBADF;
    case RILL_PROCESS_PIPE: return 1;
    default: return -EINVAL;
    }
}

/* --- Pipes. --- */

static int make_pipe(struct plan *plan, int number, const rill_stream_opts *opts,
                     rill_stream **ret_stream)
{
    int fds[2], ours = number == 0 ? 1 : 0;
    struct rill__op op = { .kind = RILL__OP_PIPE, .addr = fds, .flags = (uint32_t)ours };
    int r = rill__io_now(&op);
    if (r < 0)
        return r;
    plan->theirs[number] = plan->spawn.fds[number] = fds[1 - ours];
    r = rill__stream_new_pipe(fds[ours], number == 0, opts, ret_stream);
    if (r < 0)
        rill__socket_drop(fds[ours]);
    return r;
}

static int make_pipes(struct plan *plan, const rill_process_opts *opts, rill_process *public)
{
    rill_stream **streams[] = { &public->in, &public->out, &public->err };
    const rill_stream_opts stream_opts = { .read_limit = opts->read_limit };
    int r = 0;
    for (int number = 0; number < 3 && r >= 0; number++) {
        r = choose(opts, number, &plan->spawn.fds[number]);
        if (r > 0)
            r = make_pipe(plan, number, &stream_opts, streams[number]);
    }
    return r;
}

/* --- The start. --- */

static int start(const char *const *argv, const rill_process_opts *opts, rill_process *public)
{
    struct plan plan = { .spawn = { .argv = argv,
                                    .env = opts->env,
                                    .cwd = opts->cwd,
                                    .pass = opts->pass_fds,
                                    .pass_count = opts->pass_count,
                                    .group = opts->new_group,
                                    .session = opts->new_session },
                         .theirs = { -1, -1, -1 } };
    struct rill__op op = { .kind = RILL__OP_SPAWN, .addr = &plan.spawn };
    int r = make_pipes(&plan, opts, public);
    if (r >= 0)
        r = rill__io_now(&op);
    for (int number = 0; number < 3; number++)
        if (plan.theirs[number] >= 0)
            rill__socket_drop(plan.theirs[number]);
    if (r < 0 && (r != -ECHILD || plan.spawn.pid == 0)) /* ECHILD: it has ended, and is forgotten */
        return rill_fail(r, "%s", plan.spawn.no_cwd ? opts->cwd : argv[0]);
    rill__process_begin(rill__process_of(public), plan.spawn.pid, r);
    return 0;
}

int rill_process_start(const char *const *argv, const rill_process_opts *opts,
                       rill_process **ret_process)
{
    static const rill_process_opts usual;
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (opts == NULL)
        opts = &usual;
    if (r == 0)
        r = check_opts(argv, opts);
    if (r < 0)
        return r;
    struct rill__process *process = rill__process_new(opts);
    if (process == NULL)
        return -ENOMEM;
    r = start(argv, opts, &process->public);
    if (r < 0)
        rill_process_close(&process->public);
    else
        *ret_process = &process->public;
    task->future.loop->budget_left = 1; /* it took as long as a whole turn: others come first now */
    return rill__await_ready(task, r);
}

int rill_process_start_shell(const char *command, const rill_process_opts *opts,
                             rill_process **ret_process)
{
    const char *const argv[] = { "/bin/sh", "-c", command, NULL };
    return command == NULL ? -EINVAL : rill_process_start(argv, opts, ret_process);
}
