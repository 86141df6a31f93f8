/* sem.c - a number of permits.
 *
 * Strictly first come, first served: while somebody waits, or was handed a permit and has not run yet,
 * nobody else gets one, whatever the value. So a task that releases and acquires in a loop cannot
 * starve those that it woke. */
#include "core/sync/waitq.h"

#include "core/base/plant.h"

#include <rill/sync.h>

#include <errno.h>
#include <limits.h>

struct semaphore {
    struct rill__waitq queue;
    int value;       /* permits that nobody has */
    int most;        /* the bound; INT_MAX if there is none */
    uint32_t handed; /* waiters that were handed a permit and have not run yet */
};

_Static_assert(sizeof(struct semaphore) <= sizeof(rill_semaphore),
               "rill_semaphore has room for a semaphore");

static struct semaphore *semaphore_of(rill_semaphore *semaphore)
{
    return (struct semaphore *)semaphore;
}

static int init(rill_semaphore *public, int value, int most)
{
    if (value < 0)
        return rill__misuse(-EINVAL);
    *semaphore_of(public) = (struct semaphore){ .value = value, .most = most };
    return 0;
}

int rill_semaphore_init(rill_semaphore *semaphore, int value)
{
    return init(semaphore, value, INT_MAX);
}

int rill_semaphore_init_bounded(rill_semaphore *semaphore, int value)
{
    return init(semaphore, value, value);
}

int rill_semaphore_fini(rill_semaphore *public)
{
    struct semaphore *semaphore = semaphore_of(public);
    if (semaphore != NULL && (semaphore->queue.first != NULL || semaphore->handed > 0))
        return rill__misuse(-EBUSY);
    return 0;
}

static bool is_locked(const struct semaphore *semaphore)
{
    return semaphore->value == 0 || semaphore->handed > 0 || semaphore->queue.first != NULL;
}

bool rill_semaphore_locked(const rill_semaphore *semaphore)
{
    return is_locked((const struct semaphore *)semaphore);
}

static void hand_over(struct semaphore *semaphore)
{
    if (rill__waitq_wake(&semaphore->queue) == NULL)
        return;
    semaphore->value--;
    semaphore->handed++;
}

static int wait_for_permit(struct semaphore *semaphore, struct rill__task *task)
{
    struct rill__waiter waiter;
    semaphore->queue.kind = RILL__WAITQ_SEMAPHORE;
    int r = rill__waitq_wait(&semaphore->queue, &waiter, task);
    if (!waiter.woken)
        return r;
    semaphore->handed--;
    if (r < 0 && !PLANTED(6))
        semaphore->value++;
    /* Those who came since had to wait because of us. */
    while (semaphore->value > 0 && semaphore->queue.first != NULL)
        hand_over(semaphore);
    return r;
}

int rill_semaphore_acquire(rill_semaphore *public)
{
    struct semaphore *semaphore = semaphore_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (is_locked(semaphore))
        return wait_for_permit(semaphore, task);
    semaphore->value--;
    return rill__await_ready(task, 0);
}

int rill_semaphore_release(rill_semaphore *public)
{
    struct semaphore *semaphore = semaphore_of(public);
    if (semaphore->value >= semaphore->most)
        return rill__misuse(-EOVERFLOW);
    semaphore->value++;
    hand_over(semaphore);
    return 0;
}
