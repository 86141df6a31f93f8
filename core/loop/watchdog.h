/* watchdog.h - what the loop tells the watchdog, which finds steps that block; defined by
 * core/task/watchdog.c, which knows what a task is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/list.h"

#include <rill/time.h>

struct rill_loop;
struct rill__ready;

/* Of a loop that runs on the machine's clock. The loop writes `asleep`, the watchdog the rest. */
struct rill__watched {
    struct list link; /* in the watchdog's list while the loop runs */
    bool asleep;      /* it waits in the kernel for something to do */
    bool told;        /* the step under way was reported */
    bool slept;       /* it was asleep at the last look */
    pid_t thread;
    uint64_t seen;   /* the step under way at the last look */
    rill_time since; /* when it was first seen, and later by what its thread waited for a CPU */
    uint64_t queued; /* how long its thread has waited for one in all; 0: not looked at */
};

/* The watchdog dozes because no loop does anything: who wakes up tells it. */
extern bool rill__watchdog_dozes;

/* Run `ready`, and tell if it takes too long. */
void rill__step_timed(struct rill_loop *loop, struct rill__ready *ready);

/* `loop` begins and ends to run in this thread. */
void rill__watchdog_enter(struct rill_loop *loop);
void rill__watchdog_leave(struct rill_loop *loop);
/* Look again: a loop has something to do. */
void rill__watchdog_wake(void);

static inline void rill__watchdog_sleep_begins(struct rill__watched *watched)
{
    __atomic_store_n(&watched->asleep, true, __ATOMIC_RELAXED);
}

/* Sequentially consistent: either we see that it dozes, or it sees that we are awake. */
static inline void rill__watchdog_sleep_ends(struct rill__watched *watched)
{
    __atomic_store_n(&watched->asleep, false, __ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&rill__watchdog_dozes, __ATOMIC_SEQ_CST), 0))
        rill__watchdog_wake();
}
