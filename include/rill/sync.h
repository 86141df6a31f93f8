/* sync.h - locks, events, conditions, semaphores and barriers for the tasks of one loop.
 *
 * Nothing runs between two awaits but the task itself, so only what must stay as it is across an await
 * needs a lock. All of them lie in the caller's memory and serve waiters in order of arrival. Waiting
 * allocates nothing. What is handed to a waiter that is cancelled before it runs goes to the next one:
 * the cancel wins, and nothing is lost.
 *
 * Locks and events are valid when zeroed and need no end. The others have init and fini; an object
 * must stay where it is until its last waiter has run. Tasks of two loops must not wait for one
 * object. */
#pragma once

#include <rill/base.h>
#include <rill/task.h>

/* One task at a time; valid when zeroed.
 *
 *     RILL_AUTO_LOCK rill_lock *held = NULL;      released when the block is left
 *     int rc = rill_lock_acquire(&table->lock);
 *     if (rc < 0)
 *         return rc;
 *     held = &table->lock;
 */
typedef struct rill_lock {
    uint64_t private_[5];
} rill_lock;

/* A flag to wait for; valid when zeroed.
 *
 *     static rill_event ready;
 *     rc = rill_event_wait(&ready);               one task
 *     rill_event_set(&ready);                     another one, or a callback
 */
typedef struct rill_event {
    uint64_t private_[4];
} rill_event;

/* Waiting for something to change that a lock protects.
 *
 *     rc = rill_lock_acquire(&lock);
 *     if (rc == 0)
 *         rc = rill_condition_wait_for(&changed, is_ready, state);
 */
typedef struct rill_condition {
    uint64_t private_[5];
} rill_condition;

/* What a condition is waited for. */
typedef bool rill_pred_fn(void *arg);

/* A number of permits.
 *
 *     rc = rill_semaphore_acquire(&at_most_ten);
 *     if (rc == 0) {
 *         rc = fetch(url);
 *         rill_semaphore_release(&at_most_ten);
 *     }
 */
typedef struct rill_semaphore {
    uint64_t private_[5];
} rill_semaphore;

/* A place where a number of tasks wait until all of them are there.
 *
 *     int index = rill_barrier_wait(&start);      0 .. parties - 1, each once
 */
typedef struct rill_barrier {
    uint64_t private_[8];
} rill_barrier;

#ifdef __cplusplus
extern "C" {
#endif

/** Take `lock`, waiting while somebody holds it. The holder itself waits, too: it is not recursive.
 *  Returns: 0; -ECANCELED (not taken); -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Suspends: while it is held; served in order of arrival.   Like: asyncio.Lock.acquire.   Since: 0.1 */
RILL_API int rill_lock_acquire(rill_lock *lock) RILL_SUSPENDS;

/** Give `lock` back: the first who waits holds it from now on. Also other tasks than the holder, and
 *  callbacks, may do that.
 *  Returns: 0; -EPERM (nobody holds it).   Like: asyncio.Lock.release.   Since: 0.1 */
RILL_API int rill_lock_release(rill_lock *lock);

/** Whether somebody holds `lock`; not while it is handed to a waiter that has not run yet.
 *  Returns: true if so.   Like: asyncio.Lock.locked.   Since: 0.1 */
RILL_API bool rill_lock_locked(const rill_lock *lock);

/* A pointer to a lock, or NULL, whose lock is released when the block is left. */
#define RILL_AUTO_LOCK __attribute__((cleanup(rill_lock_drop)))

/** Release the lock that `*lock` points to, if there is one: what RILL_AUTO_LOCK does.
 *  Returns: nothing.   Since: 0.1 */
static inline void rill_lock_drop(rill_lock **lock)
{
    if (*lock != NULL)
        rill_lock_release(*lock);
}

/** Raise the flag and wake all who wait; they run even if it is cleared before.
 *  Returns: nothing.   Like: asyncio.Event.set.   Since: 0.1 */
RILL_API void rill_event_set(rill_event *event);

/** Take the flag down.   Returns: nothing.   Like: asyncio.Event.clear.   Since: 0.1 */
RILL_API void rill_event_clear(rill_event *event);

/** Whether the flag is up.   Returns: true if so.   Like: asyncio.Event.is_set.   Since: 0.1 */
RILL_API bool rill_event_is_set(const rill_event *event);

/** Wait for the flag. The event may go as soon as it was set.
 *  Returns: 0; -ECANCELED; -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Suspends: unless it is up.   Like: asyncio.Event.wait.   Since: 0.1 */
RILL_API int rill_event_wait(rill_event *event) RILL_SUSPENDS;

/** Make a condition on `lock`, which may have several.
 *  Returns: 0; -EINVAL (no lock).   Like: asyncio.Condition.   Since: 0.1 */
RILL_API int rill_condition_init(rill_condition *condition, rill_lock *lock);

/** End a condition; NULL and zeroed memory are fine.
 *  Returns: 0; -EBUSY (somebody waits).   Since: 0.1 */
RILL_API int rill_condition_fini(rill_condition *condition);

/** Give the lock up, wait for a notification, and take the lock again: whatever the result but -EPERM,
 *  -EXDEV and -ESRCH, the lock is held on return.
 *  Returns: 0; -ECANCELED (when the lock is held again; a notification is passed on); -EPERM (nobody
 *           holds the lock); -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Suspends: always.   Like: asyncio.Condition.wait.   Since: 0.1 */
RILL_API int rill_condition_wait(rill_condition *condition) RILL_SUSPENDS;

/** Wait until `pred(arg)` is true; it is asked now and after each notification, with the lock held.
 *  Returns: 0; else as rill_condition_wait.   Suspends: until it is true.
 *  Like: asyncio.Condition.wait_for.   Since: 0.1 */
RILL_API int rill_condition_wait_for(rill_condition *condition, rill_pred_fn *pred, void *arg)
    RILL_SUSPENDS;

/** Let up to `count` waiters go on, the first ones first, as soon as they have the lock.
 *  Returns: 0; -EPERM (nobody holds the lock).   Like: asyncio.Condition.notify.   Since: 0.1 */
RILL_API int rill_condition_notify(rill_condition *condition, size_t count);

/** As rill_condition_notify, for all who wait.   Returns: as there.   Since: 0.1 */
RILL_API int rill_condition_notify_all(rill_condition *condition);

/** Make a semaphore with `value` permits.
 *  Returns: 0; -EINVAL (less than none).   Like: asyncio.Semaphore.   Since: 0.1 */
RILL_API int rill_semaphore_init(rill_semaphore *semaphore, int value);

/** Make a semaphore that never has more than the `value` permits that it begins with.
 *  Returns: 0; -EINVAL (less than none).   Like: asyncio.BoundedSemaphore.   Since: 0.1 */
RILL_API int rill_semaphore_init_bounded(rill_semaphore *semaphore, int value);

/** End a semaphore; NULL and zeroed memory are fine.
 *  Returns: 0; -EBUSY (somebody waits, or was handed a permit and has not run).   Since: 0.1 */
RILL_API int rill_semaphore_fini(rill_semaphore *semaphore);

/** Take a permit, waiting while there is none.
 *  Returns: 0; -ECANCELED (none was taken); -EXDEV (in use by another loop); -ESRCH (not in a task).
 *  Suspends: while rill_semaphore_locked; served strictly in order of arrival.
 *  Like: asyncio.Semaphore.acquire.   Since: 0.1 */
RILL_API int rill_semaphore_acquire(rill_semaphore *semaphore) RILL_SUSPENDS;

/** Give a permit back, or add one.
 *  Returns: 0; -EOVERFLOW (bounded: there would be more than at the begin).
 *  Like: asyncio.Semaphore.release.   Since: 0.1 */
RILL_API int rill_semaphore_release(rill_semaphore *semaphore);

/** Whether acquiring would wait: there is no permit, or others come first.
 *  Returns: true if so.   Like: asyncio.Semaphore.locked.   Since: 0.1 */
RILL_API bool rill_semaphore_locked(const rill_semaphore *semaphore);

/** Make a barrier for `parties` tasks.
 *  Returns: 0; -EINVAL (less than one).   Like: asyncio.Barrier.   Since: 0.1 */
RILL_API int rill_barrier_init(rill_barrier *barrier, int parties);

/** End a barrier; NULL and zeroed memory are fine.
 *  Returns: 0; -EBUSY (a task is in rill_barrier_wait).   Since: 0.1 */
RILL_API int rill_barrier_fini(rill_barrier *barrier);

/** Wait until all parties are there. Who comes while the last ones leave waits for the next time.
 *  Returns: an index, in order of arrival, that no other task of this time has; -ECANCELED (the task
 *           does not count any more); -ESTALE (reset or aborted); -EXDEV (in use by another loop);
 *           -ESRCH (not in a task).
 *  Suspends: all but the last one.   Like: asyncio.Barrier.wait.   Since: 0.1 */
RILL_API int rill_barrier_wait(rill_barrier *barrier) RILL_SUSPENDS;

/** Begin anew: those who wait get -ESTALE, and when they have left, the barrier can be used again, also
 *  an aborted one.   Returns: 0.   Like: asyncio.Barrier.reset.   Since: 0.1 */
RILL_API int rill_barrier_reset(rill_barrier *barrier);

/** Break the barrier: who waits, and who comes, gets -ESTALE, until it is reset.
 *  Returns: 0.   Like: asyncio.Barrier.abort.   Since: 0.1 */
RILL_API int rill_barrier_abort(rill_barrier *barrier);

/** How many tasks wait for the others.   Returns: 0 .. parties - 1.
 *  Like: asyncio.Barrier.n_waiting.   Since: 0.1 */
RILL_API int rill_barrier_n_waiting(const rill_barrier *barrier);

/** Whether the barrier was aborted and not reset.   Returns: true if so.
 *  Like: asyncio.Barrier.broken.   Since: 0.1 */
RILL_API bool rill_barrier_broken(const rill_barrier *barrier);

#ifdef __cplusplus
}
#endif
