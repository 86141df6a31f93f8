/* coro.h - one coroutine: a stack and a saved context; create, resume, suspend.
 *
 * A coroutine is resumed by whoever drives it (the loop, a generator's caller) and gives control
 * back to exactly that one. It knows nothing of tasks; `title` and `site` name it in diagnoses. */
#pragma once

#include <stdbool.h>

#include "core/coro/stack.h"

struct rill_site;

struct rill__coro {
    void *sp;                  /* saved context while suspended */
    void *caller_sp;           /* saved context of who resumed it, while it runs */
    struct rill__coro *caller; /* the coroutine that resumed it, or NULL */
    struct rill__stack stack;
    const struct rill_site *site;
    const char *title; /* NULL: it is known by `number` */
    uint32_t number;
    bool finished;
    bool generator; /* one of gen.c, driven by its caller */
#if defined(__SANITIZE_THREAD__) || defined(__clang__)
    void *fiber; /* ThreadSanitizer's */
#endif
};

/* Give `coro` a stack of class `kind` from `pool`; resume will call fn(arg) on it. 0 or -ENOMEM. */
int rill__coro_init(struct rill__coro *coro, struct rill__stack_pool *pool, uint32_t kind,
                    void (*fn)(void *arg), void *arg);
/* Run `coro` until it suspends or its function returns (then `finished` is set). */
void rill__coro_resume(struct rill__coro *coro);
/* Give control back to who resumed the running coroutine. */
void rill__coro_suspend(void);
/* Suspend the running coroutine and run `to`, a suspended one, in its place: control goes back to
 * the same resumer. */
void rill__coro_transfer(struct rill__coro *to);
/* Call fn(arg) on the thread's own stack; it must not suspend what runs now. */
void rill__coro_call_outside(void (*fn)(void *arg), void *arg);
/* Give the stack back; the coroutine has finished or never ran. */
void rill__coro_fini(struct rill__coro *coro, struct rill__stack_pool *pool);
/* The coroutine that runs in this thread; NULL: the thread's own stack. */
struct rill__coro *rill__coro_running(void);

/* The addresses at which the calls of `coro` go on, the innermost first, `most` at most: of a suspended
 * one, or of the one that runs and asks. How many. */
int rill__coro_frames(const struct rill__coro *coro, void *frames[], int most);

/* Report overflows of coroutine stacks of this thread: name, place and a backtrace on standard
 * error, then the death that was due. 0, or -ENOMEM: no memory for a signal stack. */
int rill__coro_watch_overflow(void);
/* Undo one successful call of it; with the last one the thread's signal stack is given back. */
void rill__coro_unwatch_overflow(void);
