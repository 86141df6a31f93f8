/* regs.c - the registers that a walk over a stack begins with: of a parked task, of a thread that runs. */
#include "server/ctl/regs.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

enum { stop_ms = 500 };

void regs_of_parked(const uint64_t *words, uint64_t sp, struct regs *regs)
{
    memset(regs, 0, sizeof *regs);
#if defined(__x86_64__) /* r15 r14 r13 r12 rbx rbp and the return address */
    for (unsigned i = 0; i < 4; i++)
        regs->numbered[15 - i] = words[i];
    regs->numbered[3] = words[4];
    regs->numbered[6] = words[5];
    regs->pc = words[6];
    regs->sp = sp + REGS_SAVED * sizeof *words;
    regs->numbered[7] = regs->sp;
    regs->numbered[16] = regs->pc;
#else /* x19 to x30, d8 to d15 */
    for (unsigned i = 0; i < 12; i++)
        regs->numbered[19 + i] = words[i];
    regs->pc = words[11];
    regs->sp = sp + REGS_SAVED * sizeof *words;
    regs->numbered[31] = regs->sp;
#endif
}

static void from_thread(const struct user_regs_struct *user, struct regs *regs)
{
    memset(regs, 0, sizeof *regs);
#if defined(__x86_64__)
    const uint64_t numbered[] = { user->rax, user->rdx, user->rcx, user->rbx, user->rsi, user->rdi,
                                  user->rbp, user->rsp, user->r8,  user->r9,  user->r10, user->r11,
                                  user->r12, user->r13, user->r14, user->r15, user->rip };
    memcpy(regs->numbered, numbered, sizeof numbered);
    regs->pc = user->rip;
    regs->sp = user->rsp;
#else
    memcpy(regs->numbered, user->regs, sizeof user->regs);
    regs->numbered[31] = user->sp;
    regs->pc = user->pc;
    regs->sp = user->sp;
#endif
}

static int wait_for_stop(pid_t thread)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    int status;
    for (int i = 0; i < stop_ms; i++) {
        pid_t pid = waitpid(thread, &status, __WALL | WNOHANG);
        if (pid < 0)
            return -errno;
        if (pid == thread)
            return WIFSTOPPED(status) ? 0 : -ESRCH;
        nanosleep(&pause, NULL);
    }
    return -ETIME;
}

int regs_of_thread(pid_t thread, struct regs *ret_regs)
{
    struct user_regs_struct user;
    struct iovec memory = { &user, sizeof user };
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0)
        return -errno;
    int r = ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 ? -errno : wait_for_stop(thread);
    if (r == 0 && ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &memory) < 0)
        r = -errno;
    if (r < 0) {
        regs_release(thread);
        return r;
    }
    from_thread(&user, ret_regs);
    return 0;
}

void regs_release(pid_t thread)
{
    ptrace(PTRACE_DETACH, thread, NULL, NULL);
}
