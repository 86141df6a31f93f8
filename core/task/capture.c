/* capture.c - where another thread of this process is, seen while it goes on.
 *
 * A thread inside a system call must not be disturbed: a signal would end its sleep early. For such a
 * thread /proc tells stack pointer and program counter, but no other register. A thread that runs is
 * sent SIGURG, which programs ignore unless they say otherwise (and if they do, we leave it alone); the
 * handler notes its registers. In both cases what lies on its stack is copied and looked through:
 *
 *   frames of code with frame pointers make a chain, which is followed;
 *   below it, in the C library, and between its first two links, whatever could be a return address
 *   counts as one: it points into code, right behind a call instruction. So there may be a few too many
 *   of those, never too few.
 *
 * All memory is read by process_vm_readv, which fails where a load would end the process. */
#include "core/task/capture.h"

#include <rill/text.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    page = 4096,
    words_most = 4 * page / sizeof(uintptr_t),
    tries = 3,      /* looks at a thread that runs, 1 ms apart: it may be about to sleep */
    answer_ms = 50, /* how long it may take to answer the signal */
    look_signal = SIGURG,
};

struct seen {
    uintptr_t pc, sp, fp; /* fp: 0 if it is not known */
    size_t count;
    uintptr_t words[words_most]; /* from sp on */
};

static struct seen seen;
static bool asked;  /* the handler is to fill in `seen` */
static bool filled; /* it has; read by the thread that asked */
static sem_t answered;

bool rill__capture_copy(void *to, const void *from, size_t size)
{
    struct iovec mine = { to, size }, other = { (void *)(uintptr_t)from, size };
    return process_vm_readv(getpid(), &mine, 1, &other, 1, 0) == (ssize_t)size;
}

/* Copy the stack, page by page as far as there is one. */
static void copy_stack(void)
{
    uintptr_t at = seen.sp & ~(uintptr_t)7, end = at + sizeof seen.words;
    seen.sp = at;
    seen.count = 0;
    while (at < end) {
        uintptr_t next = (at | (page - 1)) + 1;
        if (next > end)
            next = end;
        if (!rill__capture_copy(&seen.words[seen.count], (const void *)at, next - at))
            return;
        seen.count += (next - at) / sizeof *seen.words;
        at = next;
    }
}

/* --- A thread that runs. --- */

static void on_look(int signo, siginfo_t *info, void *context)
{
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
    int before = errno;
    (void)signo;
    (void)info;
    if (!__atomic_exchange_n(&asked, false, __ATOMIC_ACQ_REL))
        return; /* too late, or somebody else's */
#if defined(__x86_64__)
    seen.pc = (uintptr_t)machine->gregs[REG_RIP];
    seen.sp = (uintptr_t)machine->gregs[REG_RSP];
    seen.fp = (uintptr_t)machine->gregs[REG_RBP];
#elif defined(__aarch64__)
    seen.pc = (uintptr_t)machine->pc;
    seen.sp = (uintptr_t)machine->sp;
    seen.fp = (uintptr_t)machine->regs[29];
#endif
    copy_stack();
    __atomic_store_n(&filled, true, __ATOMIC_RELEASE);
    sem_post(&answered);
    errno = before;
}

void rill__capture_init(void)
{
    struct sigaction action = { .sa_sigaction = on_look,
                                .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK },
                     now;
    sem_init(&answered, 0, 0);
    sigemptyset(&action.sa_mask);
    if (sigaction(look_signal, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        sigaction(look_signal, &action, NULL);
}

static bool is_our_handler(void)
{
    struct sigaction now;
    return sigaction(look_signal, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
           now.sa_sigaction == on_look;
}

static bool wait_for_answer(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += answer_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (sem_clockwait(&answered, CLOCK_MONOTONIC, &until) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

static bool ask(pid_t thread)
{
    if (!is_our_handler())
        return false;
    __atomic_store_n(&filled, false, __ATOMIC_RELAXED);
    __atomic_store_n(&asked, true, __ATOMIC_RELEASE);
    bool answers = syscall(SYS_tgkill, getpid(), thread, look_signal) == 0 && wait_for_answer();
    if (!answers && __atomic_exchange_n(&asked, false, __ATOMIC_ACQ_REL))
        return false;
    while (!answers && sem_wait(&answered) < 0) /* it is answering just now */
        continue;
    return __atomic_load_n(&filled, __ATOMIC_ACQUIRE);
}

/* --- A thread in a system call. --- */

/* The number behind the last blank of `line`, which is cut off there. */
static bool take_last(char *line, uint64_t *ret_number)
{
    char *at = strrchr(line, ' ');
    if (at == NULL || strncmp(at, " 0x", 3) != 0)
        return false;
    *at = 0;
    return rill_parse_hex(rill_span_of(at + 3), UINT64_MAX, ret_number) == 0;
}

/* The file `name` of a thread, without its end of line. False: nobody may read it. */
static bool read_proc(pid_t thread, const char *name, char *line, size_t size)
{
    snprintf(line, size, "/proc/self/task/%d/%s", thread, name);
    int fd = open(line, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, line, size - 1);
    close(fd);
    line[got > 0 ? got : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    return got > 0;
}

uint64_t rill__capture_queued(pid_t thread)
{
    char line[128];
    uint64_t queued = 0;
    if (!read_proc(thread, "schedstat", line, sizeof line))
        return 0;
    const char *second = line + strcspn(line, " ");
    second += *second != 0;
    rill_span digits = { second, strcspn(second, " ") };
    return rill_parse_u64(digits, UINT64_MAX, &queued) == 0 ? queued : 0;
}

/* 1: `seen` has its registers; 0: it runs; -1: nobody may know. Where we had no CPU for a while the call may
 * have ended before the stack was copied: then that is no longer the one that belongs to it. */
static int look_into_proc(pid_t thread)
{
    char line[256], before[256];
    uint64_t pc, sp;
    if (!read_proc(thread, "syscall", line, sizeof line))
        return -1;
    memcpy(before, line, sizeof before);
    if (!take_last(line, &pc) || !take_last(line, &sp))
        return 0;
    seen.pc = pc;
    seen.sp = sp;
    seen.fp = 0;
    copy_stack();
    if (!read_proc(thread, "syscall", line, sizeof line))
        return -1;
    return strcmp(line, before) == 0 ? 1 : 0;
}

/* --- What the stack says. --- */

/* Whether the octets before `address` end in a call. */
static bool is_behind_call(uintptr_t address)
{
#if defined(__x86_64__)
    unsigned char code[7];
    if (!rill__capture_copy(code, (const void *)(address - sizeof code), sizeof code))
        return false;
    if (code[2] == 0xe8)
        return true;                      /* call rel32 */
    for (int size = 2; size <= 7; size++) /* call r/m64, of every length */
        if (size != 5 && code[7 - size] == 0xff && (code[8 - size] >> 3 & 7) == 2)
            return true;
    return false;
#elif defined(__aarch64__)
    uint32_t code;
    if (address % 4 != 0 ||
        !rill__capture_copy(&code, (const void *)(address - sizeof code), sizeof code))
        return false;
    return (code & 0xfc000000) == 0x94000000 || (code & 0xfefff000) == 0xd63f0000;
#endif
}

static bool is_return_address(uintptr_t word)
{
    Dl_info info;
    return word > page && dladdr((const void *)word, &info) != 0 &&
           word - (uintptr_t)info.dli_fbase > page && is_behind_call(word);
}

/* The index of the word that `address` points to; `count` if it lies elsewhere. */
static size_t index_of(uintptr_t address)
{
    bool here = address >= seen.sp && address % sizeof address == 0;
    size_t index = here ? (address - seen.sp) / sizeof address : seen.count;
    return index + 1 < seen.count ? index : seen.count;
}

/* Whether a frame begins at `index`: the frame pointer of its caller, and where that goes on. */
static bool is_frame(size_t index)
{
    uintptr_t up = seen.words[index];
    return (up == 0 || (index_of(up) < seen.count && index_of(up) > index)) &&
           is_return_address(seen.words[index + 1]);
}

static int follow(size_t index, void *frames[], int count, int most)
{
    while (count < most && index < seen.count && is_frame(index)) {
        frames[count++] = (void *)seen.words[index + 1];
        index = index_of(seen.words[index]);
    }
    return count;
}

static int look_through(void *frames[], int most)
{
    size_t chain = 0; /* where it goes on; 0: it was not found yet */
    int count = 0;
    if (most > 0)
        frames[count++] = (void *)seen.pc;
    if (seen.fp != 0 && index_of(seen.fp) < seen.count && is_frame(index_of(seen.fp)))
        return follow(index_of(seen.fp), frames, count, most);
    for (size_t i = 0; i + 1 < seen.count && count < most; i++) {
        size_t up = index_of(seen.words[i]);
        if (chain == 0 && up < seen.count && is_frame(i) && is_frame(up))
            chain = up; /* what lies between may be of functions that only saved the pointer */
        if (is_return_address(seen.words[i]))
            frames[count++] = (void *)seen.words[i];
        if (chain > 0 && i + 1 >= chain)
            return follow(chain, frames, count, most);
    }
    return count;
}

int rill__capture(pid_t thread, void *frames[], int most)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    int r = look_into_proc(thread);
    for (int i = 1; i < tries && r == 0; i++) {
        nanosleep(&pause, NULL);
        r = look_into_proc(thread);
    }
    if (r == 0)
        r = ask(thread);
    return r > 0 ? look_through(frames, most) : 0;
}
