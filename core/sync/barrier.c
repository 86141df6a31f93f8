/* barrier.c - tasks that wait for each other.
 *
 * While it fills, tasks wait inside. The last one to come wakes them and gives each its index; until all
 * of them have run the barrier drains, and who comes meanwhile waits outside. A reset or an abort wakes
 * those inside with an error; what they find when they run is what counts. */
#include "core/sync/waitq.h"

#include <rill/sync.h>

#include <errno.h>

enum barrier_state { FILLING, DRAINING, RESETTING, BROKEN };

struct barrier {
    struct rill__waitq inside, outside;
    int parties;
    uint32_t leaving; /* were inside, were woken, have not run yet */
    uint32_t users;   /* tasks in a wait, inside, outside or leaving */
    uint8_t state;    /* barrier_state */
};

_Static_assert(sizeof(struct barrier) <= sizeof(rill_barrier),
               "rill_barrier has room for a barrier");

struct barrier_waiter {
    struct rill__waiter waiter;
    int index; /* set when the barrier is full */
};

static struct barrier *barrier_of(rill_barrier *barrier)
{
    return (struct barrier *)barrier;
}

int rill_barrier_init(rill_barrier *public, int parties)
{
    if (parties < 1)
        return rill__misuse(-EINVAL);
    *barrier_of(public) = (struct barrier){ .parties = parties };
    return 0;
}

int rill_barrier_fini(rill_barrier *barrier)
{
    bool used = barrier != NULL && barrier_of(barrier)->users > 0;
    return used ? rill__misuse(-EBUSY) : 0;
}

/* Begin to fill anew, with those who waited for that. */
static void refill(struct barrier *barrier)
{
    barrier->state = FILLING;
    rill__waitq_wake_all(&barrier->outside);
}

/* Wake those inside, who find `state` when they run. */
static void empty(struct barrier *barrier, enum barrier_state state)
{
    barrier->state = (uint8_t)state;
    barrier->leaving += rill__waitq_wake_all(&barrier->inside);
}

/* The last one has come. Returns its index. */
static int release(struct barrier *barrier)
{
    struct rill__waiter *waiter;
    int index = 0;
    barrier->state = DRAINING;
    while ((waiter = rill__waitq_wake(&barrier->inside)) != NULL)
        container_of(waiter, struct barrier_waiter, waiter)->index = index++;
    barrier->leaving = (uint32_t)index;
    if (index == 0)
        refill(barrier); /* a barrier for one */
    return index;
}

static int wait_inside(struct barrier *barrier, struct rill__task *task)
{
    struct barrier_waiter in = { .index = 0 };
    barrier->inside.kind = RILL__WAITQ_BARRIER;
    int r = rill__waitq_wait(&barrier->inside, &in.waiter, task);
    if (!in.waiter.woken)
        return r;
    bool broken = barrier->state != DRAINING;
    if (--barrier->leaving == 0 && barrier->state != BROKEN)
        refill(barrier);
    if (r < 0)
        return r;
    return broken ? -ESTALE : in.index;
}

static int pass(struct barrier *barrier, struct rill__task *task)
{
    while (barrier->state == DRAINING || barrier->state == RESETTING) {
        struct rill__waiter out;
        barrier->outside.kind = RILL__WAITQ_BARRIER;
        int r = rill__waitq_wait(&barrier->outside, &out, task);
        if (r < 0)
            return r;
    }
    if (barrier->state == BROKEN)
        return -ESTALE;
    if (barrier->inside.count + 1 == (uint32_t)barrier->parties)
        return rill__await_ready(task, release(barrier));
    return wait_inside(barrier, task);
}

int rill_barrier_wait(rill_barrier *public)
{
    struct barrier *barrier = barrier_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    barrier->users++;
    r = pass(barrier, task);
    barrier->users--;
    return r;
}

int rill_barrier_reset(rill_barrier *public)
{
    struct barrier *barrier = barrier_of(public);
    empty(barrier, RESETTING);
    if (barrier->leaving == 0)
        refill(barrier);
    return 0;
}

int rill_barrier_abort(rill_barrier *public)
{
    struct barrier *barrier = barrier_of(public);
    empty(barrier, BROKEN);
    rill__waitq_wake_all(&barrier->outside);
    return 0;
}

int rill_barrier_n_waiting(const rill_barrier *public)
{
    const struct barrier *barrier = (const struct barrier *)public;
    return barrier->state == FILLING ? (int)barrier->inside.count : 0;
}

bool rill_barrier_broken(const rill_barrier *public)
{
    return ((const struct barrier *)public)->state == BROKEN;
}
