/* process.c - the life of a child: watched, waited for, killed, reaped.
 *
 * Its end is awaited by one poll of its pidfd, from its start on, whoever waits for it or not: so a child
 * that has ended is reaped with the next turn. The status is kept; a waiter that is cancelled takes nothing
 * with it. What the poll or the reaping cannot do for lack of memory, or because it was interrupted, is
 * tried again a little later.
 *
 * With kill_group a child that has ended stays unreaped until it is closed: as long as its number is not
 * given back, no other group can have it. */
#include "core/io/process_state.h"

#include "core/io/io.h"

#include <rill/mem.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

enum { output_usual = 64 << 20, unknown_status = 255, patience_ms = 1000, tries = 3 };

struct process_wait {
    struct rill__plain_wait plain;
    struct list link;
    int pidfd;
};

static int call(const struct rill__process *process, struct rill__op *op)
{
    return process->loop->backend->ops->call(process->loop->backend, op);
}

static void drop_if_unused(struct rill__process *process)
{
    if (process->users > 0 || process->pidfd >= 0 || process->watch.in_flight)
        return;
    list_remove(&process->link);
    rill__loop_unready(&process->look);
    for (int i = 0; i < 2; i++)
        rill_free(process->said[i].octets);
    rill_free(process);
}

void rill__process_release(struct rill__process *process)
{
    process->users--;
    drop_if_unused(process);
}

/* --- Its end. --- */

static void end(struct rill__process *process, int returncode)
{
    process->public.ended = true;
    process->public.returncode = returncode;
    rill__loop_outside(process->loop, -1);
    list_for_each(node, &process->waiters)
        rill__loop_ready(process->loop,
                         &container_of(node, struct process_wait, link)->plain.task->ready);
}

static void reaped(struct rill__process *process)
{
    struct rill__op op = { .kind = RILL__OP_CLOSE, .fd = process->pidfd };
    (void)call(process, &op);
    process->pidfd = -1;
}

/* Somebody waited for all children, or SIGCHLD is ignored: as asyncio. */
static int status_is_lost(const struct rill__process *process)
{
    rill__loop_report(process->loop, "a child's status was taken by somebody else: it is 255 here",
                      NULL);
    return unknown_status;
}

/* Whether it has ended. */
static bool look(struct rill__process *process, unsigned wait_ms)
{
    siginfo_t info;
    bool keep = process->kill_group && !process->closed;
    struct rill__op op = { .kind = RILL__OP_REAP,
                           .fd = process->pidfd,
                           .addr = &info,
                           .size = wait_ms,
                           .flags = keep ? WNOWAIT : 0 };
    int r = call(process, &op);
    if (r == -EAGAIN || r == -EINTR)
        return false;
    if (r < 0 && r != -ECHILD && ++process->failures < tries)
        return false;
    if (!process->public.ended)
        end(process, r < 0                        ? status_is_lost(process)
                     : info.si_code == CLD_EXITED ? info.si_status
                                                  : -info.si_status);
    if (!keep || r < 0)
        reaped(process);
    return true;
}

/* --- The watch. --- */

static void try_later(struct rill__process *process)
{
    rill_time now = rill__loop_now(process->loop);
    rill__timer_start(process->loop, &process->later, rill_time_add(now, RILL_MS(100)));
}

static void on_watch(struct rill__op *op, int result, unsigned flags)
{
    struct rill__process *process = container_of(op, struct rill__process, watch);
    (void)result, (void)flags;
    if (process->pidfd < 0)
        drop_if_unused(process); /* the loop ends */
    else
        rill__loop_ready(process->loop, &process->look);
}

static void run_look(struct rill__ready *ready)
{
    struct rill__process *process = container_of(ready, struct rill__process, look);
    if (look(process, 0))
        drop_if_unused(process);
    else
        try_later(process);
}

static void watch(struct rill__process *process)
{
    struct rill__backend *backend = process->loop->backend;
    process->watch.kind = RILL__OP_POLL;
    process->watch.fd = process->pidfd;
    process->watch.flags = POLLIN;
    process->watch.done = on_watch;
    if (backend->ops->submit(backend, &process->watch) < 0)
        try_later(process);
}

static void run_again(struct rill__ready *ready)
{
    watch(container_of(ready, struct rill__process, again));
}

struct rill__process *rill__process_new(const rill_process_opts *opts)
{
    struct rill__process *process = rill_alloc_zero(1, sizeof *process);
    if (process == NULL)
        return NULL;
    process->loop = rill__loop_running;
    process->users = 1;
    process->pidfd = -1;
    process->kill_group = opts->kill_group;
    process->output_limit = opts->output_limit > 0 ? opts->output_limit : output_usual;
    process->look.run = run_look;
    process->again.run = run_again;
    process->later.ready = &process->again;
    list_init(&process->waiters);
    list_push_back(&process->loop->processes, &process->link);
    return process;
}

void rill__process_begin(struct rill__process *process, pid_t pid, int pidfd)
{
    process->public.pid = pid;
    rill__loop_outside(process->loop, 1);
    if (pidfd < 0) {
        end(process, status_is_lost(process));
        return;
    }
    process->pidfd = pidfd;
    watch(process);
}

/* --- Waiting and signals. --- */

static const rill_table_wait tells_wait = { .what = "the end of a process",
                                            .fd = RILL__AT(struct process_wait, pidfd) };

int rill_process_wait(rill_process *public)
{
    struct rill__process *process = rill__process_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (public->ended)
        return rill__await_ready(task, public->returncode);
    struct process_wait wait = { .plain = rill__plain_wait(task, &tells_wait),
                                 .pidfd = process->pidfd };
    list_push_back(&process->waiters, &wait.link);
    process->users++;
    do
        r = rill__plain_park(&wait.plain);
    while (r == 0 && !public->ended);
    list_remove(&wait.link);
    if (r == 0)
        r = public->returncode;
    rill__process_release(process);
    return r;
}

int rill_process_send_signal(rill_process *public, int signo)
{
    struct rill__process *process = rill__process_of(public);
    struct rill__op op = { .kind = RILL__OP_SIGNAL,
                           .fd = process->pidfd,
                           .flags = (uint32_t)signo };
    return public->ended || process->pidfd < 0 ? -ESRCH : call(process, &op);
}

int rill_process_terminate(rill_process *public)
{
    return rill_process_send_signal(public, SIGTERM);
}

int rill_process_kill(rill_process *public)
{
    return rill_process_send_signal(public, SIGKILL);
}

/* --- Closing. --- */

/* Nothing of it is to live on. */
static void destroy(struct rill__process *process)
{
    struct rill__op op = { .kind = RILL__OP_SIGNAL,
                           .fd = process->pidfd,
                           .flags = SIGKILL,
                           .offset = (uint64_t)process->public.pid };
    process->closed = true;
    if (process->pidfd < 0)
        return;
    if (process->kill_group)
        (void)call(process, &op);
    if (!process->public.ended)
        (void)rill_process_kill(&process->public);
    else if (!look(process, 0))
        try_later(process);
}

static void end_streams(rill_process *public)
{
    rill_stream **streams[] = { &public->in, &public->out, &public->err };
    for (int i = 0; i < 3; i++) {
        rill_stream_abort(*streams[i]);
        rill_stream_unref(*streams[i]);
        *streams[i] = NULL;
    }
}

void rill_process_close(rill_process *public)
{
    if (public == NULL)
        return;
    struct rill__process *process = rill__process_of(public);
    destroy(process);
    end_streams(public);
    rill__process_release(process);
}

/* The dead are waited for only as long as a kernel that is well needs. */
static void end_at_once(struct rill__process *process)
{
    destroy(process);
    rill__timer_stop(process->loop, &process->later);
    rill__loop_unready(&process->look);
    rill__loop_unready(&process->again);
    if (process->pidfd >= 0 && !look(process, patience_ms)) {
        rill__loop_report(process->loop, "a child was killed and has not ended", NULL);
        if (!process->public.ended)
            end(process, -SIGKILL);
        reaped(process);
    }
    end_streams(&process->public);
}

void rill__processes_end(struct rill_loop *loop)
{
    list_for_each_safe(node, &loop->processes) {
        struct rill__process *process = container_of(node, struct rill__process, link);
        end_at_once(process);
        list_remove(&process->link);
        drop_if_unused(process);
    }
}
