/* lock.h - the lock's insides, for the condition that stands on one. */
#pragma once

#include "core/sync/waitq.h"

#include <rill/sync.h>

struct rill__lock {
    struct rill__waitq queue;
    struct rill__task *holder; /* NULL: free. Only compared: the task may have ended. */
    uint32_t number;           /* the holder's */
    bool handed;               /* to a waiter, the holder, that has not run yet */
};

_Static_assert(sizeof(struct rill__lock) <= sizeof(rill_lock), "rill_lock has room for a lock");

static inline struct rill__lock *rill__lock_of(rill_lock *lock)
{
    return (struct rill__lock *)lock;
}

static inline bool rill__lock_is_held(const struct rill__lock *lock)
{
    return lock->holder != NULL && !lock->handed;
}

/* Give the lock, which is held, to the first who waits for it. */
void rill__lock_pass_on(struct rill__lock *lock);
/* Take the lock, whatever requests to cancel come: 0, or -ECANCELED with the lock held. */
int rill__lock_take_again(struct rill__lock *lock, struct rill__task *task);
