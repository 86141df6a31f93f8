/* task.h - coroutines and tasks: start, await, name, cancel.
 *
 * A coroutine is a plain function `int fn(void *arg)` that may await at any call depth; its return is
 * the task's result. Awaiting another coroutine in the same task is an ordinary call.
 *
 *     static int work(void *arg) {
 *         int rc = rill_sleep(RILL_MS(10));
 *         return rc < 0 ? rc : rill_return_fmt("%s done", (const char *)arg);
 *     }
 *     rill_task *task = rill_create_task(RILL_CORO(work, "it"));
 *     int rc = rill_await(task);
 *     if (rc >= 0) puts(rill_value(task));
 *     rill_unref(task);
 */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

typedef struct rill_loop rill_loop;
typedef struct rill_future rill_future;
typedef struct rill_future rill_task; /* a future with a coroutine behind it */
typedef struct rill_err rill_err;
typedef struct rill_context rill_context;

typedef int rill_fn(void *arg);
typedef void rill_call_fn(void *arg);

/* Where a coroutine object was made; static data. */
typedef struct rill_site {
    const char *function, *file;
    int line;
} rill_site;

/* A coroutine object: nothing runs until a task is made of it; dropping it leaks nothing. */
typedef struct rill_coro {
    rill_fn *fn;
    void *arg;
    const rill_site *site;
} rill_coro;

#define RILL_CORO(function, argument)                                              \
    (__extension__({                                                               \
        static const rill_site rill_site_here = { #function, __FILE__, __LINE__ }; \
        (rill_coro){ (function), (argument), &rill_site_here };                    \
    }))

/* All zero: the defaults. */
typedef struct rill_task_opts {
    const char *name;  /* copied; NULL: "Task-N" */
    size_t stack_size; /* 0: 64 KiB; rounded up to 64 KiB, 256 KiB, 1 MiB or 8 MiB */
    size_t copy; /* copy that many octets of *arg into the task (up to 64 KiB); 0: arg as it is */
    bool eager;  /* run at once, inside the create call, until the first suspension */
    rill_context *context; /* its task-local values (var.h); NULL: a copy of those here */
} rill_task_opts;

#ifdef __cplusplus
extern "C" {
#endif

/** Start `coro` as a task of the running loop; it first runs in the next turn.
 *  Returns: the task; on failure one already done with -ESRCH (no loop runs), -ESHUTDOWN (the loop is
 *           closing) or -ENOMEM; never NULL.
 *  Owns: gives one reference; the loop holds its own until the task ends.
 *  Like: asyncio.create_task.   Since: 0.1 */
RILL_API rill_task *rill_create_task(rill_coro coro);

/** As rill_create_task, with options.
 *  Returns: as rill_create_task; also -EINVAL (`copy` or `stack_size` above its limit).
 *  Owns: gives one reference.   Since: 0.1 */
RILL_API rill_task *rill_create_task_with(rill_coro coro, const rill_task_opts *opts);

/** As rill_create_task_with, on `loop`, which need not run yet.   Args: `opts` may be NULL.
 *  Returns: as rill_create_task_with.   Owns: gives one reference.
 *  Like: loop.create_task.   Since: 0.1 */
RILL_API rill_task *rill_loop_create_task(rill_loop *loop, rill_coro coro,
                                          const rill_task_opts *opts);

/** The task that runs now.   Returns: it, borrowed; NULL outside of tasks and in callbacks.
 *  Like: asyncio.current_task.   Since: 0.1 */
RILL_API rill_task *rill_current_task(void);

/** The name of a task.   Returns: the name, valid while the task lives and keeps it;
 *           "Task-?" without memory for a number's text.
 *  Like: Task.get_name.   Since: 0.1 */
RILL_API const char *rill_task_name(const rill_task *task);

/** Give `task` a name; the text is copied.   Returns: 0; -ENOMEM (it keeps the old one); -EINVAL
 *  (it is no task: none could be made).   Like: Task.set_name.   Since: 0.1 */
RILL_API int rill_task_set_name(rill_task *task, const char *name);

/** How many requests to cancel `task` are open: cancel calls less uncancel calls.
 *  Returns: the count.   Like: Task.cancelling.   Since: 0.1 */
RILL_API unsigned rill_cancelling(const rill_task *task);

/** Take one request back. At zero, one that was not delivered yet is withdrawn.
 *  Returns: the requests left.   Like: Task.uncancel.   Since: 0.1 */
RILL_API unsigned rill_uncancel(rill_task *task);

/** Let `span` nanoseconds pass; zero or less gives up one turn.
 *  Returns: 0; -ECANCELED; -ESRCH (not in a task).
 *  Suspends: always.
 *  Like: asyncio.sleep.   Since: 0.1 */
RILL_API int rill_sleep(rill_time span) RILL_SUSPENDS;

/** As rill_sleep, in seconds.   Returns: as rill_sleep; -EINVAL (not a number).   Suspends: always.
 *  Like: asyncio.sleep.   Since: 0.1 */
RILL_API int rill_sleep_seconds(double seconds) RILL_SUSPENDS;

/** A future that finishes with `rc` and `value` after `span`.
 *  Returns: the future, as rill_future_new.   Owns: gives one reference.
 *  Like: asyncio.sleep(delay, result).   Since: 0.1 */
RILL_API rill_future *rill_sleep_future(rill_time span, int rc, void *value);

/** Store the running task's value: the pointer as it is.   Returns: 0, to be returned by the coroutine;
 *  -ESRCH (not in a task).   Like: return value.   Since: 0.1 */
RILL_API int rill_return_ptr(void *value);

/** Store a copy of `size` octets (and a zero octet behind) as the running task's value; the task owns it.
 *  Returns: 0; -ENOMEM; -ESRCH.   Since: 0.1 */
RILL_API int rill_return_copy(const void *value, size_t size);

/** Store a formatted text as the running task's value; the task owns it.
 *  Returns: 0; -ENOMEM; -ESRCH.   Since: 0.1 */
RILL_API int rill_return_fmt(const char *format, ...) RILL_PRINTF(1, 2);

/** Give an error a text: it travels with the code to whoever reads rill_error of this task. Use the macro
 *  rill_fail, which adds the place.
 *  Returns: `err`, to be returned by the coroutine.   Like: raise.   Since: 0.1 */
RILL_API int rill_fail_at(const char *where, int err, const char *format, ...) RILL_PRINTF(3, 4);

#define RILL_STRINGIFY_(x)  #x
#define RILL_STRINGIFY(x)   RILL_STRINGIFY_(x)
#define rill_fail(err, ...) rill_fail_at(__FILE__ ":" RILL_STRINGIFY(__LINE__), (err), __VA_ARGS__)

/** The detail of the last error that this task gave with rill_fail or got from an await. Where no loop runs: of
 *  the main task, or the future, that the last run of this thread ended with, so that main() can say what went wrong.
 *  Returns: it, valid until the next one; NULL if there is none. Its `msg` may be NULL.   Since: 0.1 */
RILL_API const rill_err *rill_last_error(void);

/** Run `fn(arg)` when the running task's function has returned; last in, first out. It must not await.
 *  Returns: 0; -ENOMEM (nothing registered); -ESRCH (not in a task).
 *  Like: contextlib.ExitStack.callback.   Since: 0.1 */
RILL_API int rill_defer(rill_call_fn *fn, void *arg);

/** Call `fn(arg)` now on the stack of the loop's thread, for calls that need more than a task's stack has,
 *  such as those to name services. As in a callback there is no current task, and an await aborts. Outside
 *  of tasks and generators it is a plain call.
 *  Returns: what `fn` returns.   Since: 0.1 */
RILL_API int rill_call_on_loop_stack(rill_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
