/* wait.h - waiting for several futures: gather, wait, as_completed, wait_for, shield.
 *
 * All arrays of futures are borrowed for the call; who needs a member longer holds a reference. The
 * same future may stand in an array twice.
 *
 *     rill_future *parts[] = { rill_create_task(RILL_CORO(a, NULL)), rill_create_task(RILL_CORO(b, NULL)) };
 *     int rc = rill_join(rill_gather(2, parts, 0));
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

typedef struct rill_future rill_future;

enum { RILL_RETURN_ERRORS = 1 }; /* gather: collect errors instead of failing at the first */

typedef enum rill_wait_when {
    RILL_ALL_COMPLETED,
    RILL_FIRST_COMPLETED,
    RILL_FIRST_ERROR, /* the first that failed; all, if none fails */
} rill_wait_when;

/* An iteration in order of completion; lies in the caller's memory between init and fini. */
typedef struct rill_as_completed {
    uint64_t private_[8];
} rill_as_completed;

#ifdef __cplusplus
extern "C" {
#endif

/** One future for all members. It ends with 0 when all are done, or with the error of the first that fails
 *  (-ECANCELED: it was cancelled); the others then run on, and what they use must live on. With RILL_RETURN_ERRORS it waits for all and ends
 *  with 0. Cancelling it cancels all members and makes it end with -ECANCELED; rill_cancelled is never true.
 *  Returns: the future; already done if all members are, or one has failed, or with -ENOMEM, -EXDEV (members of several loops),
 *           -ESRCH (no loop); never NULL.
 *  Owns: gives one reference, holds one of each member while it lives.   Like: asyncio.gather.   Since: 0.1 */
RILL_API rill_future *rill_gather(size_t count, rill_future *const futures[], unsigned flags);

/** The result code of member `index` of a gather.
 *  Returns: as rill_result; -EINVAL (not a gather, or no such member).   Since: 0.1 */
RILL_API int rill_gather_result(rill_future *gather, size_t index);

/** The value of member `index` of a gather.
 *  Returns: as rill_value; NULL also if there is no such member.   Since: 0.1 */
RILL_API void *rill_gather_value(rill_future *gather, size_t index);

/** Wait until members are done as `when` says, or `timeout` has passed. Nobody is cancelled.
 *  Args: `timeout` RILL_FOREVER for none, 0 polls.  `out` has room for count + 1: first the done members in
 *        order of completion, then the pending ones in order of the argument, then NULL; duplicates once.
 *  Returns: how many are done; -EINVAL (no members, no such `when`); -ECANCELED; -EXDEV; -ENOMEM; -ESRCH.
 *  Owns: borrows.   Suspends: unless the condition holds.   Like: asyncio.wait.   Since: 0.1 */
RILL_API int rill_wait(size_t count, rill_future *const futures[], rill_wait_when when,
                       rill_time timeout, rill_future *out[]) RILL_SUSPENDS;

/** Wait for `future`, at most `span`; then cancel it and wait for its end.
 *  Returns: its result code, also if it comes while it is being cancelled; -ETIME; -ECANCELED (this task was
 *           cancelled: so was the future, and it has ended); as rill_await.
 *  Owns: borrows.   Suspends: unless it is done.   Like: asyncio.wait_for.   Since: 0.1 */
RILL_API int rill_wait_for(rill_future *future, rill_time span) RILL_SUSPENDS;

/** Run `coro` in this task, at most `span`.
 *  Returns: its result; -ETIME (it was cancelled by the deadline).   Suspends: as `coro` does.
 *  Like: asyncio.wait_for of a coroutine.   Since: 0.1 */
RILL_API int rill_wait_for_call(rill_coro coro, rill_time span) RILL_SUSPENDS;

/** A future that ends as `future` does, but whose cancel does not reach `future`.
 *  Returns: the outer future; `future` itself with one more reference if it is done; never NULL.
 *  Owns: gives one reference, holds one of `future`.   Like: asyncio.shield.   Since: 0.1 */
RILL_API rill_future *rill_shield(rill_future *future);

/** Start an iteration over members in order of completion, at most `span` long in total.
 *  Returns: 0; -ENOMEM; -EXDEV; -ESRCH (no loop).   Owns: holds one reference of each member until fini.
 *  Like: asyncio.as_completed.   Since: 0.1 */
RILL_API int rill_as_completed_init(rill_as_completed *it, size_t count,
                                    rill_future *const futures[], rill_time span);

/** The next member that finishes; several tasks may wait at once, first come first served.
 *  Returns: 1 and the member; 0 (no more members, but those that others wait for); -ETIME (the span has passed: once for each member that
 *           was not done in time, then 0); -ECANCELED.
 *  Owns: borrows; the member lives until fini.   Suspends: until one is done.   Since: 0.1 */
RILL_API int rill_as_completed_next(rill_as_completed *it, rill_future **ret_future) RILL_SUSPENDS;

/** End an iteration; the members run on. NULL and zeroed memory are fine.
 *  Returns: 0; -EBUSY (a task waits in next).   Since: 0.1 */
RILL_API int rill_as_completed_fini(rill_as_completed *it);

#ifdef __cplusplus
}
#endif
