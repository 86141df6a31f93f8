/* workers.c - several processes, each with a loop of its own: rill_run_workers.
 *
 * The workers wait at a gate until all of them are there, so a fork that fails means that none has
 * begun. Results come back through shared memory: an exit status has eight bits, and a worker that
 * died has left none. While the workers run SIGINT and SIGTERM are passed on to them, unless the
 * program has its own idea of these signals. What a terminal sends reaches the workers by itself,
 * for they stay in the process group; a second SIGINT would end them without cleaning up. */
#include "core/loop/loop.h"

#include <rill/loop.h>

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { workers_max = 1024, signals = 2 };

/* Shared with the workers. */
struct yard {
    sem_t gate;
    bool go;       /* written before the gate opens */
    int results[]; /* one per worker, written by it */
};

/* What the signal handler knows. There is one crew at a time in a process. */
static atomic_flag in_use = ATOMIC_FLAG_INIT;
static volatile pid_t pids[workers_max]; /* 0: there is none, or it has ended */
static volatile sig_atomic_t told;       /* the last signal that came */

static const int passed_on[signals] = { SIGINT, SIGTERM };

static void pass_on(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    told = signo;
    for (unsigned i = 0; i < workers_max && info->si_code != SI_KERNEL; i++)
        if (pids[i] != 0)
            kill(pids[i], signo);
    errno = saved;
}

static void catch_signals(struct sigaction before[signals])
{
    struct sigaction action = { .sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART };
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < signals; i++)
        if (sigaction(passed_on[i], NULL, &before[i]) == 0 && before[i].sa_handler == SIG_DFL)
            sigaction(passed_on[i], &action, NULL);
}

static void release_signals(const struct sigaction before[signals])
{
    for (int i = 0; i < signals; i++)
        if (before[i].sa_handler == SIG_DFL)
            sigaction(passed_on[i], &before[i], NULL);
}

/* One of the CPUs this process may use; where that cannot be had the worker works all the same. */
static void pin(unsigned index)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    unsigned skip = index % (unsigned)CPU_COUNT(&allowed);
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &allowed) || skip-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
}

static _Noreturn void work(struct yard *yard, unsigned index, pid_t parent, rill_coro coro,
                           const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1); /* it had died before the line above */
    pin(index);
    while (sem_wait(&yard->gate) < 0 && errno == EINTR)
        ;
    if (!yard->go)
        _exit(1);
    sigprocmask(SIG_SETMASK, mask, NULL);
    int r = rill_run(coro);
    yard->results[index] = r;
    fflush(NULL);
    _exit(rill_exit_code(r));
}

/* 0 once all stand at the gate. */
static int fork_all(struct yard *yard, unsigned count, rill_coro coro, const sigset_t *mask)
{
    pid_t parent = getpid();
    fflush(NULL); /* or each worker would write again what is buffered now */
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return -errno;
        if (pid == 0)
            work(yard, i, parent, coro, mask);
        pids[i] = pid;
    }
    return 0;
}

static void wait_for(struct yard *yard, unsigned index)
{
    siginfo_t end = { 0 };
    int r;
    do /* it is reaped when the signal handler does not know it any more */
        r = waitid(P_PID, (id_t)pids[index], &end, WEXITED | WNOWAIT);
    while (r < 0 && errno == EINTR);
    pid_t pid = pids[index];
    pids[index] = 0;
    if (r == 0)
        waitpid(pid, NULL, 0);
    if (r == 0 && end.si_code != CLD_EXITED)
        yard->results[index] = end.si_status == told ? -EINTR : -ECHILD;
}

static int sum_up(const struct yard *yard, unsigned count)
{
    int sum = 0;
    for (unsigned i = 0; i < count; i++) {
        if (yard->results[i] < 0)
            return yard->results[i];
        if (__builtin_add_overflow(sum, yard->results[i], &sum))
            return -EOVERFLOW;
    }
    return sum;
}

static int run_crew(struct yard *yard, unsigned count, rill_coro coro)
{
    struct sigaction before[signals];
    sigset_t both, mask;
    sigemptyset(&both);
    for (int i = 0; i < signals; i++)
        sigaddset(&both, passed_on[i]);
    sigprocmask(SIG_BLOCK, &both, &mask); /* what comes now reaches all of them, or none */
    int r = fork_all(yard, count, coro, &mask);
    told = 0;
    catch_signals(before);
    yard->go = r == 0;
    for (unsigned i = 0; i < count; i++)
        sem_post(&yard->gate);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    for (unsigned i = 0; i < count; i++)
        if (pids[i] != 0)
            wait_for(yard, i);
    release_signals(before);
    return r < 0 ? r : sum_up(yard, count);
}

int rill_run_workers(unsigned count, rill_coro coro)
{
    if (count == 0 || count > workers_max)
        return -EINVAL;
    if (rill__loop_running != NULL || atomic_flag_test_and_set(&in_use))
        return -EBUSY;
    int r = -ENOMEM;
    size_t size = sizeof(struct yard) + count * sizeof(int);
    struct yard *yard = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (yard != MAP_FAILED) {
        sem_init(&yard->gate, 1, 0);
        for (unsigned i = 0; i < count; i++)
            yard->results[i] = -ECHILD; /* until it says otherwise */
        r = run_crew(yard, count, coro);
        sem_destroy(&yard->gate);
        munmap(yard, size);
    }
    atomic_flag_clear(&in_use);
    return r;
}
