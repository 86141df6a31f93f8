/* timeout.h - timeout scopes: one deadline for any sequence of calls.
 *
 * A scope lies in the caller's memory, usually on its stack, and is valid when zeroed. Every enter is
 * paired with one leave, whose result replaces the block's. Scopes nest, and a generator does not yield
 * out of one: what runs meanwhile would be inside of it.
 *
 *     rill_scope scope = { 0 };
 *     int rc = rill_timeout(&scope, RILL_SEC(2));
 *     if (rc == 0)
 *         rc = rill_scope_leave(&scope, fetch_and_store(url));      -ETIME if the two seconds passed
 */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

typedef struct rill_scope {
    uint64_t private_[48];
} rill_scope;

/* A scope that is left when its block is left, by whatever way, if it was not left before. The result
 * of the block is not changed then: who wants -ETIME says rill_scope_leave.
 *     RILL_AUTO_SCOPE rill_scope scope = { 0 };
 */
#define RILL_AUTO_SCOPE __attribute__((cleanup(rill_scope_drop)))

#ifdef __cplusplus
extern "C" {
#endif

/** Enter `scope` with a deadline `span` from now; RILL_FOREVER for none, zero or less fires at the first
 *  suspension.   Returns: 0; -EINVAL (already entered); -ESRCH (not in a task).
 *  Like: asyncio.timeout.   Since: 0.1 */
RILL_API int rill_timeout(rill_scope *scope, rill_time span);

/** Enter `scope` with the deadline `at`.   Returns: as rill_timeout.
 *  Like: asyncio.timeout_at.   Since: 0.1 */
RILL_API int rill_timeout_at(rill_scope *scope, rill_time at);

/** Enter `scope` without a deadline.   Returns: as rill_timeout.   Since: 0.1 */
RILL_API int rill_scope_enter(rill_scope *scope);

/** Leave `scope`, the innermost that this task entered.
 *  Args: `rc` is the result of the block.
 *  Returns: -ETIME if the scope fired, the block ended with -ECANCELED and nobody else asks for a cancel;
 *           0 if so by rill_scope_cancel; else `rc`. -EINVAL if the scope was not entered by this task.
 *  Like: Timeout.__aexit__.   Since: 0.1 */
RILL_API int rill_scope_leave(rill_scope *scope, int rc);

/** Move the deadline of an entered scope; RILL_FOREVER disables it.
 *  Returns: 0; -EINVAL (not entered, fired or left).
 *  Like: Timeout.reschedule.   Since: 0.1 */
RILL_API int rill_scope_reschedule(rill_scope *scope, rill_time at);

/** Cancel the block of `scope` as if its deadline had come; leave then returns 0 for the cancel.
 *  Args: `msg` may be NULL.   Returns: 0; -EINVAL (not entered, fired or left).
 *  Like: trio's CancelScope.cancel.   Since: 0.1 */
RILL_API int rill_scope_cancel(rill_scope *scope, const char *msg);

/** Protect the block of `scope`: requests to cancel that come from outside of it are counted at once but
 *  held back, until leave or until the first of them is `grace` old. What is asked inside of the block, and
 *  by the deadline of `scope` itself, is delivered as ever, and a timeout inside does not mind what is held
 *  back.
 *  Args: `grace` may be RILL_FOREVER.
 *  Returns: 0; -EINVAL (not entered by this task, fired or left; shielded before).
 *  Like: anyio's CancelScope(shield=True).   Since: 0.1 */
RILL_API int rill_scope_shield(rill_scope *scope, rill_time grace);

/** Bound the time that the block of `scope` may go on after a request to cancel, of `scope` or from outside
 *  of it: when that is `span` old, the await that it is in, and each further one, fails at once with
 *  -ECANCELED until `scope` is left. Leaving a group and shields inside still wait, a shield for its own
 *  grace, and an operation that the kernel does not give up is awaited; children of groups inside are cancelled
 *  and fail in the same way.
 *  Args: RILL_FOREVER for no bound, as at first; 0: the request itself is hard.
 *  Returns: 0; -EINVAL (not entered or left).   Since: 0.1 */
RILL_API int rill_scope_set_grace(rill_scope *scope, rill_time span);

/** Leave `scope` if this task is in it, and keep the block's result: what RILL_AUTO_SCOPE does.
 *  Returns: nothing.   Since: 0.1 */
RILL_API void rill_scope_drop(rill_scope *scope);

/** Whether the deadline of `scope` came, also after leave.   Returns: true if so.
 *  Like: Timeout.expired.   Since: 0.1 */
RILL_API bool rill_scope_expired(const rill_scope *scope);

/** The deadline of `scope`.   Returns: a point on the loop's clock; RILL_FOREVER for none.
 *  Like: Timeout.when.   Since: 0.1 */
RILL_API rill_time rill_scope_when(const rill_scope *scope);

#ifdef __cplusplus
}
#endif
