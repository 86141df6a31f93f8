/* future.h - futures: a result that comes later, set once, awaited by anybody.
 *
 * A task is a future with a coroutine behind it, so every call here takes tasks as well. A result is
 * a code (0 or positive is success, negative is -errno) and, on success, a value: a pointer that the
 * future holds but does not own, unless the task stored it with rill_return_copy or _fmt.
 *
 *     rill_future *answer = rill_future_new();
 *     ...                                           somebody: rill_future_set_result(answer, 0, data);
 *     int rc = rill_await(answer);
 *     if (rc >= 0) use(rill_value(answer));
 *     rill_unref(answer);
 */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

typedef struct rill_loop rill_loop;
typedef struct rill_future rill_future;

/* Called in a later turn of the loop, on the loop's own stack: it must not await. */
typedef void rill_done_fn(rill_future *future, void *arg);

typedef enum rill_future_state {
    RILL_PENDING,
    RILL_FINISHED, /* with a result or an error */
    RILL_CANCELLED,
} rill_future_state;

/* The detail behind an error code. Texts live as long as the object they were read from. */
typedef struct rill_err {
    int code;                    /* negative */
    const char *where;           /* "file:line" of the one who failed, or NULL */
    const char *msg;             /* what rill_fail or rill_cancel was given, or NULL */
    const struct rill_err *next; /* the next error of a group, in order of occurrence */
    const struct rill_err *sub;  /* the first of the errors of the group that failed with this one, if it
                                  * had several; NULL: no group, or one error, or no memory */
} rill_err;

/* A reference that is dropped when its block is left. NULL is fine.
 *     RILL_AUTO_FUTURE rill_future *answer = rill_future_new();
 */
#define RILL_AUTO_FUTURE __attribute__((cleanup(rill_future_drop)))

#ifdef __cplusplus
extern "C" {
#endif

/** A pending future of the running loop.
 *  Returns: the future; on failure one already done with -ESRCH (no loop runs) or -ENOMEM; never NULL.
 *  Owns: gives one reference.   Like: loop.create_future.   Since: 0.1 */
RILL_API rill_future *rill_future_new(void);

/** A pending future of `loop`.   Returns: as rill_future_new.   Owns: gives one reference.
 *  Like: loop.create_future.   Since: 0.1 */
RILL_API rill_future *rill_loop_create_future(rill_loop *loop);

/** One more reference.   Returns: `future`.   Owns: gives one reference.   Since: 0.1 */
RILL_API rill_future *rill_ref(rill_future *future);

/** Drop one reference; with the last one the future, its value's copy and its error text go. An error
 *  that nobody took is then reported to the loop's error handler. A task that still runs runs on.
 *  Returns: nothing.   Owns: takes the reference; NULL is fine.   Since: 0.1 */
RILL_API void rill_unref(rill_future *future);

/** Drop the reference in `*future`: what RILL_AUTO_FUTURE does.
 *  Returns: nothing.   Owns: takes the reference.   Since: 0.1 */
static inline void rill_future_drop(rill_future **future)
{
    rill_unref(*future);
}

/** Wait until `future` is done. Cancelling the waiting task cancels the future.
 *  Returns: its result code; -ECANCELED (the future, or this task, was cancelled); -EDEADLK (a task
 *           awaits itself); -EXDEV (a future of another loop); -ESRCH (not in a task).
 *  Owns: borrows.   Suspends: unless it is done.   Like: await future.   Since: 0.1 */
RILL_API int rill_await(rill_future *future) RILL_SUSPENDS;

/** As rill_await, and drops the caller's reference also when it fails.
 *  Returns: as rill_await.   Owns: takes the reference.   Suspends: unless it is done.   Since: 0.1 */
RILL_API int rill_join(rill_future *future) RILL_SUSPENDS;

/** Finish `future` with a result. Waiters run in the next turn.
 *  Args: `rc` is the code; a negative one makes it an error without text.  `value` is kept, not owned.
 *  Returns: 0; -EALREADY (done or cancelled before); -EPERM (it is a task).
 *  Like: Future.set_result.   Since: 0.1 */
RILL_API int rill_future_set_result(rill_future *future, int rc, void *value);

/** As rill_future_set_result, but a cancelled future is left alone.
 *  Returns: 0, also when it was cancelled; -EALREADY (has a result); -EPERM (it is a task).
 *  Like: futures._set_result_unless_cancelled.   Since: 0.1 */
RILL_API int rill_future_set_result_unless_cancelled(rill_future *future, int rc, void *value);

/** Finish `future` with the error `err` (negative) and a formatted text (or NULL).
 *  Returns: 0; -EALREADY; -EPERM (it is a task); -EINVAL (`err` is not negative). Without memory for the
 *           text the error is set without it.   Like: Future.set_exception.   Since: 0.1 */
RILL_API int rill_future_set_error(rill_future *future, int err, const char *format, ...)
    RILL_PRINTF(3, 4);

/** Ask for the end of `future`. A plain future is cancelled at once, its waiters run in the next turn.
 *  A task gets one request, which its next await delivers as -ECANCELED.
 *  Args: `msg` may be NULL; its text is copied and reaches whoever awaits.
 *  Returns: true if a request was made; false if it was done.   Like: Task.cancel.   Since: 0.1 */
RILL_API bool rill_cancel(rill_future *future, const char *msg);

/** Call `fn(future, arg)` in a later turn once `future` is done, also if it is done now.
 *  Returns: 0; -ENOMEM; -ESHUTDOWN (its loop is closed, or about to be); -ESRCH (its loop runs in another
 *           thread, or it never had one and none runs).   Owns: the future is kept alive until the call,
 *           or until its loop is closed.   Like: Future.add_done_callback.   Since: 0.1 */
RILL_API int rill_add_done_callback(rill_future *future, rill_done_fn *fn, void *arg);

/** Remove all callbacks equal to `fn` and `arg` that are not yet scheduled.
 *  Returns: how many were removed.   Like: Future.remove_done_callback.   Since: 0.1 */
RILL_API size_t rill_remove_done_callback(rill_future *future, rill_done_fn *fn, void *arg);

/** The state of `future`.   Returns: RILL_PENDING, RILL_FINISHED or RILL_CANCELLED.   Since: 0.1 */
RILL_API rill_future_state rill_state(const rill_future *future);

/** Whether `future` has ended in any way.   Returns: true if so.   Like: Future.done.   Since: 0.1 */
RILL_API bool rill_done(const rill_future *future);

/** Whether `future` was cancelled.   Returns: true if so.   Like: Future.cancelled.   Since: 0.1 */
RILL_API bool rill_cancelled(const rill_future *future);

/** The result code of a finished future; the error counts as taken.
 *  Returns: the code; -ECANCELED (cancelled); -EINPROGRESS (pending).   Like: Future.result.   Since: 0.1 */
RILL_API int rill_result(rill_future *future);

/** The value of a finished future.
 *  Returns: the value; NULL if there is none, if it failed or while it is pending. Valid until the last
 *  reference goes.   Like: Future.result.   Since: 0.1 */
RILL_API void *rill_value(rill_future *future);

/** The detail of a future that failed or was cancelled; the error counts as taken.
 *  Returns: the detail, valid until the last reference goes; NULL if it did not fail or is pending.
 *  Like: Future.exception.   Since: 0.1 */
RILL_API const rill_err *rill_error(rill_future *future);

/** A line about `future` for people: kind, state, name, place of creation, result.
 *  Returns: the length of the whole line, as snprintf; what fits is in `buf`, ended by a zero octet.
 *  Like: repr(task).   Since: 0.1 */
RILL_API int rill_repr(const rill_future *future, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
