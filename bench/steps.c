/* steps.c - counts the user-space instructions of running processes where the CPU does not.
 *
 * Many virtual machines have no performance counters. User code can still be counted exactly: this
 * program traces every thread of the given processes, steps them one instruction at a time, and
 * prints, when it gets SIGINT, how often it was at each place: lines of `address count`. It is
 * thousands of times slower than running, so the load is a small fixed number of requests
 * (harness/steps.py) and the result is a count, never a time. Instructions in the kernel are not
 * seen; a system call is one instruction. */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { TASKS_MAX = 256, PLACES = 1 << 20 };

static struct {
    pid_t id;
    uint64_t at;
} tasks[TASKS_MAX];

static int task_count;

/* How often each address was executed: open addressing, never near full. */
static struct {
    uint64_t address, count;
} places[PLACES];

static volatile sig_atomic_t stopping;

static void on_signal(int signo)
{
    if (signo == SIGINT)
        stopping = 1;
}

/* A SIGINT that comes just before waitpid would be lost but for the next tick, which ends it. */
static void set_tick(long microseconds)
{
    struct itimerval tick = { { 0, microseconds }, { 0, microseconds } };
    setitimer(ITIMER_REAL, &tick, NULL);
}

static void note(uint64_t address)
{
    uint64_t i = address * 0x9e3779b97f4a7c15 >> 44;
    while (places[i].count != 0 && places[i].address != address)
        i = (i + 1) % PLACES;
    places[i].address = address;
    places[i].count++;
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

/* A step ends before the next instruction, so it counts for where the task was before. A repeated
 * string instruction traps after each repetition and stays where it is: that is one instruction,
 * as a counter would have it. */
static void on_step(pid_t task)
{
    uint64_t at = program_counter(task);
    for (int i = 0; i < task_count; i++) {
        if (tasks[i].id != task)
            continue;
        if (tasks[i].at != at && tasks[i].at != 0)
            note(tasks[i].at);
        tasks[i].at = at;
        return;
    }
}

static void step_until_stopped(void)
{
    while (!stopping) {
        int status;
        pid_t task = waitpid(-1, &status, __WALL);
        if (task < 0 && errno != EINTR)
            break;
        if (task < 0 || !WIFSTOPPED(status))
            continue;
        int signo = WSTOPSIG(status);
        bool event = status >> 16 != 0;
        if (signo == SIGTRAP && !event)
            on_step(task);
        ptrace(PTRACE_SINGLESTEP, task, NULL, signo == SIGTRAP || event ? 0 : (long)signo);
    }
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
    struct sigaction action = { .sa_handler = on_signal };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
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
    set_tick(20000);
    step_until_stopped();
    set_tick(0);
    for (int i = 0; i < task_count; i++)
        let_go(tasks[i].id);
    for (int i = 0; i < PLACES; i++)
        if (places[i].count != 0)
            printf("%llx %llu\n", (unsigned long long)places[i].address,
                   (unsigned long long)places[i].count);
    return 0;
}
