/* group.h - task groups: children that end before the block that started them.
 *
 * A group lies in the caller's memory and is valid when zeroed. The first child that fails cancels its
 * siblings and the block; leave waits for all of them.
 *
 *     rill_group group = { 0 };
 *     int rc = rill_group_enter(&group);
 *     if (rc == 0) {
 *         rc = rill_group_go(&group, RILL_CORO(child, NULL));
 *         rc = rill_group_leave(&group, rc);
 *         rill_group_fini(&group);
 *     }
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

typedef struct rill_err rill_err;

typedef struct rill_group {
    uint64_t private_[32];
} rill_group;

#ifdef __cplusplus
extern "C" {
#endif

/** Enter `group` in the running task, once: fini makes it as new.
 *  Returns: 0; -EINVAL (entered before); -ESRCH (not in a task).   Like: TaskGroup.__aenter__.   Since: 0.1 */
RILL_API int rill_group_enter(rill_group *group);

/** Start a child. Children may start others in their group, also while leave waits.
 *  Returns: the task; already done with -ESHUTDOWN (the group is aborting or has ended; `coro` never runs),
 *           -EINVAL (not entered) or -ENOMEM; never NULL.
 *  Owns: gives one reference.   Like: TaskGroup.create_task.   Since: 0.1 */
RILL_API rill_task *rill_group_create_task(rill_group *group, rill_coro coro);

/** Start a child without keeping a handle.
 *  Returns: 0; -ESHUTDOWN; -EINVAL; -ENOMEM, as above.   Since: 0.1 */
RILL_API int rill_group_go(rill_group *group, rill_coro coro);

/** Start a child and wait until it says that it is ready, by rill_started. Its end before that is told here
 *  and does not abort the group. Cancelling the caller meanwhile cancels the child.
 *  Args: `ret_value` may be NULL.
 *  Returns: 0 and what the child gave to rill_started; the child's error; -EPROTO (it ended well without
 *           rill_started); -ECANCELED; -ESHUTDOWN, -EINVAL, -ENOMEM (as rill_group_create_task).
 *  Suspends: unless an eager child says so at once.   Like: trio's Nursery.start.   Since: 0.1 */
RILL_API int rill_group_start(rill_group *group, rill_coro coro, void **ret_value) RILL_SUSPENDS;

/** Tell the one who waits in rill_group_start for the running task that it is ready.
 *  Returns: 0; -EINVAL (nobody waits, or told before); -ESRCH (not in a task).
 *  Like: trio's task_status.started.   Since: 0.1 */
RILL_API int rill_started(void *value);

/** Bound the time that block and children may go on after the group aborts or a request to cancel comes from
 *  outside: as rill_scope_set_grace, and for the children as well; leave still waits for them.
 *  Returns: 0; -EINVAL (not entered or ended).   Since: 0.1 */
RILL_API int rill_group_set_grace(rill_group *group, rill_time span);

/** Cancel all children and the block; leave then returns 0 for the cancel.
 *  Returns: 0; -EINVAL (not entered or ended).   Like: TaskGroup.cancel.   Since: 0.1 */
RILL_API int rill_group_cancel(rill_group *group, const char *msg);

/** Wait for all children and leave the group.
 *  Args: `rc` is the result of the block; an error of it other than -ECANCELED aborts the group.
 *  Returns: the first error of a child or of the block; -ECANCELED (the task was cancelled from outside and
 *           nobody failed); else `rc`.   Suspends: while children run; always waits for all of them.
 *  Like: TaskGroup.__aexit__.   Since: 0.1 */
RILL_API int rill_group_leave(rill_group *group, int rc) RILL_SUSPENDS;

/** All errors of the group, in order of occurrence.
 *  Returns: a list, valid until fini; NULL if there are none.
 *  Like: ExceptionGroup.exceptions.   Since: 0.1 */
RILL_API const rill_err *rill_group_errors(const rill_group *group);

/** Give the errors of a group that was left back; it can be entered again. NULL and zeroed memory are fine.
 *  Returns: nothing.   Since: 0.1 */
RILL_API void rill_group_fini(rill_group *group);

#ifdef __cplusplus
}
#endif
