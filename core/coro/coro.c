/* coro.c - create, resume, suspend; the notes for sanitizers live only here and in stack.c.
 *
 * MODEL. A context is a stack pointer below which the callee-saved registers and the address to go
 * on at were pushed. rill__coro_switch exchanges two of them. A resume saves the caller's context in
 * the coroutine and loads the coroutine's; a suspend does the opposite. Resumes nest: a coroutine
 * may resume another one (a generator), so each remembers its caller. A transfer suspends one and
 * resumes another on behalf of the same caller: half the work of going through it.
 *
 * STATES. init: a context that begins in rill__coro_entry. running: `sp` is stale, `caller_sp` valid.
 * suspended: `sp` valid. finished: the function has returned and the context is never loaded again.
 *
 * I1 A coroutine is resumed only while suspended or new, by the thread that made it.
 * I2 Control goes back to the resumer exactly once per resume, from whatever coroutine runs then.
 * I3 No frame is ever unwound: a stack is given back only when its function has returned or never
 *    began, so every clean-up ladder on it has run.
 *
 * FAILURE. A stack that runs into its guard raises SIGSEGV; the handler runs on the thread's signal
 * stack, recognises the guard of the running coroutine, names it, and lets the process die with a
 * core file. There is nothing to continue: the frame that overflowed cannot be finished.
 *
 * WHY NOT ucontext: it makes a system call per switch for a signal mask that nobody changes. */
#include "core/coro/coro.h"

#include "core/base/check.h"
#include "core/base/symbols.h"
#include "core/coro/sanitizer.h"

#include <rill/mem.h>
#include <rill/task.h>
#include <rill/text.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

void rill__coro_switch(void **save_sp, void *load_sp);
void rill__coro_entry(void);
void rill__coro_main(struct rill__coro *coro, void (*fn)(void *arg), void *arg);

enum {
    below_saved = 256, /* octets between what waits on the thread's stack and what runs there */
    dead_frame = 4096, /* more than the first frames of a coroutine have */
};

static _Thread_local struct rill__coro *running;

#ifdef WITH_ASAN
static _Thread_local const void *thread_base; /* the thread's own stack */
static _Thread_local size_t thread_size;
static _Thread_local bool left_thread; /* the switch under way leaves it */
#endif
#ifdef WITH_TSAN
static _Thread_local void *thread_fiber;
#endif

/* Right before a switch: `to` NULL is the thread's own stack; `keep_fake` NULL: this stack ends.
 * Always inline: ThreadSanitizer counts calls per fiber, so a function entered on one fiber must not
 * return on another. */
static inline __attribute__((always_inline)) void before_switch(struct rill__coro *to,
                                                                void **keep_fake)
{
#ifdef WITH_ASAN
    bool own = to != NULL && to->stack.base != NULL;
    const void *base = own ? to->stack.base : thread_base;
    size_t size = own ? rill__stack_size(to->stack.kind) : thread_size;
    __sanitizer_start_switch_fiber(keep_fake, base, size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(to != NULL ? to->fiber : thread_fiber, 0);
#endif
    (void)to;
    (void)keep_fake;
}

/* Right after a switch, on the stack that goes on. */
static inline void after_switch(void *fake)
{
#ifdef WITH_ASAN
    const void *base;
    size_t size;
    __sanitizer_finish_switch_fiber(fake, &base, &size);
    if (left_thread) {
        thread_base = base;
        thread_size = size;
        left_thread = false;
    }
#endif
    (void)fake;
}

void rill__coro_main(struct rill__coro *coro, void (*fn)(void *arg), void *arg)
{
    after_switch(NULL);
    fn(arg);
    coro->finished = true;
    running = coro->caller;
    before_switch(coro->caller, NULL);
    rill__coro_switch(&coro->sp, coro->caller_sp);
    CHECK(false); /* I1: a finished coroutine was resumed */
}

/* What rill__coro_main is called with lies in it, and nowhere else. `top` is a multiple of 16. */
static void *first_context(void *top, struct rill__coro *coro, void (*fn)(void *arg), void *arg)
{
    void **sp = top;
#if defined(__x86_64__)
    sp -= 9; /* r15 r14 r13 r12 rbx rbp rip, and two words that end the chain of frames */
    memset(sp, 0, 9 * sizeof *sp);
    sp[3] = coro;
    sp[2] = (void *)fn;
    sp[1] = arg;
    sp[6] = (void *)rill__coro_entry;
#elif defined(__aarch64__)
    sp -= 20; /* x19-x30, d8-d15 */
    memset(sp, 0, 20 * sizeof *sp);
    sp[0] = coro;
    sp[1] = (void *)fn;
    sp[2] = arg;
    sp[11] = (void *)rill__coro_entry;
#endif
    return sp;
}

int rill__coro_init(struct rill__coro *coro, struct rill__stack_pool *pool, uint32_t kind,
                    void (*fn)(void *arg), void *arg)
{
    int r = rill__stack_take(pool, kind, &coro->stack);
    if (r < 0)
        return r;
    coro->finished = false;
    coro->sp = first_context(rill__stack_top(coro->stack), coro, fn, arg);
#ifdef WITH_TSAN
    coro->fiber = __tsan_create_fiber(0);
#endif
    return 0;
}

void rill__coro_resume(struct rill__coro *coro)
{
    void *fake = NULL;
    CHECK_SLOW(!coro->finished);
    coro->caller = running;
#ifdef WITH_ASAN
    left_thread = running == NULL;
#endif
#ifdef WITH_TSAN
    if (running == NULL)
        thread_fiber = __tsan_get_current_fiber();
#endif
    running = coro;
    before_switch(coro, &fake);
    rill__coro_switch(&coro->caller_sp, coro->sp);
    after_switch(fake);
}

void rill__coro_suspend(void)
{
    struct rill__coro *coro = running;
    void *fake = NULL;
    CHECK(coro != NULL); /* an await outside of a coroutine */
    running = coro->caller;
    before_switch(coro->caller, &fake);
    rill__coro_switch(&coro->sp, coro->caller_sp);
    after_switch(fake);
}

void rill__coro_transfer(struct rill__coro *to)
{
    struct rill__coro *from = running;
    void *fake = NULL;
    CHECK_SLOW(!to->finished);
    to->caller = from->caller;
    to->caller_sp = from->caller_sp;
    running = to;
    before_switch(to, &fake);
    rill__coro_switch(&from->sp, to->sp);
    after_switch(fake);
}

/* A coroutine without a stack of its own: what it runs lies below what waits on the thread's. */
void rill__coro_call_outside(void (*fn)(void *arg), void *arg)
{
    struct rill__coro call = { 0 }, *last = running;
    if (last == NULL || last->stack.base == NULL) {
        fn(arg); /* we are there */
        return;
    }
    while (last->caller != NULL && last->caller->stack.base != NULL)
        last = last->caller;
    uintptr_t top = ((uintptr_t)last->caller_sp - below_saved) & ~(uintptr_t)15;
#ifdef WITH_VALGRIND
    /* It takes what lies below the stack pointer of a stack that we left for nobody's. */
    (void)VALGRIND_MAKE_MEM_UNDEFINED((void *)(top - dead_frame), dead_frame);
#endif
    call.sp = first_context((void *)top, &call, fn, arg);
#ifdef WITH_TSAN
    call.fiber = thread_fiber;
#endif
    rill__coro_resume(&call);
#ifdef WITH_ASAN
    /* The frame of rill__coro_main never returned: what lies there next must not meet its marks. */
    ASAN_UNPOISON_MEMORY_REGION((void *)(top - dead_frame), dead_frame);
#endif
}

void rill__coro_fini(struct rill__coro *coro, struct rill__stack_pool *pool)
{
    if (coro->stack.base == NULL)
        return;
#ifdef WITH_TSAN
    __tsan_destroy_fiber(coro->fiber);
#endif
    rill__stack_give(pool, coro->stack);
    coro->stack.base = NULL;
}

struct rill__coro *rill__coro_running(void)
{
    return running;
}

/* --- The overflow report. --- */

enum { signal_stack_size = 64 << 10, frames_max = 32 };

static _Thread_local void *signal_stack;
static _Thread_local unsigned watchers; /* loops of this thread that rely on it */
static struct sigaction previous;       /* what SIGSEGV did before */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Follow the frame pointers from `frame`, never leaving the coroutine's stack. */
static int walk(const struct rill__coro *coro, void *pc, char *frame, void *frames[], int most)
{
    char *low = coro->stack.base, *high = rill__stack_top(coro->stack) - 2 * sizeof(void *);
    int count = 0;
    if (most > 0)
        frames[count++] = pc;
    while (count < most && frame >= low && frame <= high && (uintptr_t)frame % 8 == 0) {
        void *words[2];
        memcpy(words, frame, sizeof words);
        if (words[1] == NULL || (char *)words[0] <= frame)
            break;
        frames[count++] = words[1];
        frame = words[0];
    }
    return count;
}

static int walk_context(const ucontext_t *context, const struct rill__coro *coro, void *frames[])
{
#if defined(__x86_64__)
    void *pc = (void *)context->uc_mcontext.gregs[REG_RIP];
    char *frame = (char *)context->uc_mcontext.gregs[REG_RBP];
#elif defined(__aarch64__)
    void *pc = (void *)context->uc_mcontext.pc;
    char *frame = (char *)context->uc_mcontext.regs[29];
#endif
    return walk(coro, pc, frame, frames, frames_max);
}

/* Where the context of one that does not run is saved: with whom it resumed, if that one runs. */
static void **saved_context(const struct rill__coro *coro)
{
    for (const struct rill__coro *resumed = running; resumed != NULL; resumed = resumed->caller)
        if (resumed->caller == coro)
            return resumed->caller_sp;
    return coro->sp;
}

int rill__coro_frames(const struct rill__coro *coro, void *frames[], int most)
{
    if (coro->stack.base == NULL || coro->finished)
        return 0;
    if (coro == running)
        return walk(coro, __builtin_return_address(0), __builtin_frame_address(0), frames, most);
    void **sp = saved_context(coro); /* as first_context and the switch lay it out */
#if defined(__x86_64__)
    return walk(coro, sp[6], sp[5], frames, most);
#elif defined(__aarch64__)
    return walk(coro, sp[11], sp[10], frames, most);
#endif
}

static void report(const struct rill__coro *coro, const void *address, const ucontext_t *context)
{
    char memory[512];
    void *frames[frames_max];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_add(&text, RILL_SPAN("rill: stack overflow in "));
    rill_text_add(&text, coro->generator ? RILL_SPAN("generator '") : RILL_SPAN("task '"));
    rill_text_add(&text, rill_span_of(coro->title != NULL ? coro->title : "Task-"));
    if (coro->title == NULL)
        rill_text_u64(&text, coro->number);
    rill_text_add(&text, RILL_SPAN("'"));
    if (coro->site != NULL) {
        rill_text_add(&text, RILL_SPAN(", coroutine "));
        rill_text_add(&text, rill_span_of(coro->site->function));
        rill_text_add(&text, RILL_SPAN("() made at "));
        rill_text_add(&text, rill_span_of(coro->site->file));
        rill_text_add(&text, RILL_SPAN(":"));
        rill_text_u64(&text, (uint64_t)coro->site->line);
    }
    rill_text_add(&text, RILL_SPAN(": all of its "));
    rill_text_u64(&text, rill__stack_size(coro->stack.kind) >> 10);
    rill_text_add(&text, RILL_SPAN(" KiB are used, fault at 0x"));
    rill_text_hex(&text, (uint64_t)(uintptr_t)address, 0);
    rill_text_add(&text, RILL_SPAN("; raise its stack_size or keep less on its stack\n"));
    ssize_t ignored = write(STDERR_FILENO, memory, text.used);
    (void)ignored;
    rill__symbols_write(frames, walk_context(context, coro, frames), STDERR_FILENO);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    struct rill__coro *coro = running;
    (void)signo;
    if (coro != NULL && rill__stack_in_guard(coro->stack, info->si_addr))
        report(coro, info->si_addr, context);
    /* The instruction faults again, into what the program had before us: a core file by default. */
    sigaction(SIGSEGV, &previous, NULL);
}

static void install_handler(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous);
}

int rill__coro_watch_overflow(void)
{
    stack_t now;
    pthread_once(&once, install_handler);
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) {
        watchers++;
        return 0; /* it is there, or the program, or a sanitizer, brought its own */
    }
    signal_stack = rill_alloc(signal_stack_size);
    if (signal_stack == NULL)
        return -ENOMEM;
    stack_t mine = { .ss_sp = signal_stack, .ss_size = signal_stack_size };
    if (sigaltstack(&mine, NULL) < 0) {
        rill_free(signal_stack);
        signal_stack = NULL;
        return -errno;
    }
    watchers++;
    return 0;
}

void rill__coro_unwatch_overflow(void)
{
    stack_t off = { .ss_flags = SS_DISABLE };
    if (--watchers > 0 || signal_stack == NULL)
        return;
    sigaltstack(&off, NULL);
    rill_free(signal_stack);
    signal_stack = NULL;
}
