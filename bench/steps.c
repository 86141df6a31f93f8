/* steps.c - counts the user-space instructions of running processes where the CPU does not.
 *
 * Many virtual machines have no performance counters. User code can still be counted exactly: this
 * program traces every thread of the given processes, steps them one instruction at a time, and
 * prints the sum when it gets SIGINT. It is thousands of times slower than running, so the load is
 * a small fixed number of requests (harness/steps.py) and the result is a count, never a time.
 * Instructions in the kernel are not seen; a system call is one instruction. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { TASKS_MAX = 256 };

static struct {
    pid_t id;
    uint64_t at;
} tasks[TASKS_MAX];

static int task_count;
static volatile sig_atomic_t stopping;

static void stop(int signo)
{
    (void)signo;
    stopping = 1;
}

static uint64_t program_counter(pid_t task)
{
    struct user_regs_struct regs;
    struct iovec view = { &regs, sizeof regs };
    if (ptrace(PTRACE_GETREGSET, task, NT_PRSTATUS, &view) < 0)
        return 0;
#ifdef __x86_64__
    return regs.rip;
#else
    return regs.pc;
#endif
}

/* A repeated string instruction traps after each repetition and stays where it is: that is one
 * instruction, as a counter would have it. */
static bool moved_on(pid_t task)
{
    uint64_t at = program_counter(task);
    for (int i = 0; i < task_count; i++) {
        if (tasks[i].id != task)
            continue;
        bool moved = tasks[i].at != at;
        tasks[i].at = at;
        return moved;
    }
    return false;
}

static uint64_t count_steps(void)
{
    uint64_t steps = 0;
    while (!stopping) {
        int status;
        pid_t task = waitpid(-1, &status, __WALL);
        if (task < 0 && errno != EINTR)
            break;
        if (task < 0 || !WIFSTOPPED(status))
            continue;
        int signo = WSTOPSIG(status);
        bool event = status >> 16 != 0;
        if (signo == SIGTRAP && !event && moved_on(task))
            steps++;
        ptrace(PTRACE_SINGLESTEP, task, NULL, signo == SIGTRAP || event ? 0 : (long)signo);
    }
    return steps;
}

static bool trap_is_pending(pid_t task)
{
    siginfo_t info[8];
    struct __ptrace_peeksiginfo_args all = { .nr = 8 };
    long count = ptrace(PTRACE_PEEKSIGINFO, task, &all, info);
    for (long i = 0; i < count; i++)
        if (info[i].si_signo == SIGTRAP)
            return true;
    return false;
}

/* A task that is interrupted in a system call may stop before the trap of its last step arrives.
 * Left to itself, that trap would kill it: take it first. */
static void let_go(pid_t task)
{
    int status;
    ptrace(PTRACE_INTERRUPT, task, NULL, NULL);
    if (waitpid(task, &status, __WALL) != task || !WIFSTOPPED(status))
        return;
    if (status >> 16 != 0 && trap_is_pending(task)) {
        ptrace(PTRACE_CONT, task, NULL, NULL);
        waitpid(task, &status, __WALL);
    }
    ptrace(PTRACE_DETACH, task, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct sigaction on_stop = { .sa_handler = stop };
    sigaction(SIGINT, &on_stop, NULL);
    for (int i = 1; i < argc && task_count < TASKS_MAX; i++) {
        int id;
        if (sscanf(argv[i], "%d", &id) != 1 || ptrace(PTRACE_SEIZE, id, NULL, NULL) < 0)
            continue;
        ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
        tasks[task_count++].id = id;
    }
    if (task_count == 0) {
        fputs("usage: steps THREAD... (none of them could be traced)\n", stderr);
        return 1;
    }
    puts("tracing");
    fflush(stdout);
    uint64_t steps = count_steps();
    for (int i = 0; i < task_count; i++)
        let_go(tasks[i].id);
    printf("%llu\n", (unsigned long long)steps);
    return 0;
}
