/* task.h - the task's insides: coroutine, future, name, and the state of its cancellation. */
#pragma once

#include "core/task/future.h"

#include <rill/task.h>

/* What a parked task waits for; lies on the waiting task's stack. */
struct rill__wait {
    /* Forward a request to cancel. True: it was taken, the wait ends with -ECANCELED or with a
     * result that won; false: nothing to forward to, the request stays pending. */
    bool (*cancel)(struct rill__wait *wait, const char *msg);
};

struct rill__task {
    rill_future future;
    struct rill__ready ready;
    struct rill__coro coro;
    struct list link;        /* in the loop's list of tasks, until the end */
    struct rill__wait *wait; /* what it is parked on; NULL while it runs or is ready */
    rill_fn *fn;
    void *arg;
    const rill_site *site;
    char *name; /* NULL: "Task-N", in `numbered` once it is asked for */
    char numbered[16];
    uint32_t number;
    uint32_t cancels; /* requests less uncancels */
    uint8_t stack_class;
    bool owns_arg;
    uint32_t undelivered; /* requests that the next await delivers, all at once */
    uint32_t deliveries;  /* how often requests were delivered or handed on so far */
    bool reached_op;      /* a request was sent to a kernel operation whose result won */
    bool started;
    uint32_t
        driving; /* generators between the task's own stack and what runs: each drives the next */
    struct rill__detail *cancel_detail; /* message of the last request */
    struct rill__detail *last;          /* last error it gave or got */
    struct rill__defer *defers;
};

static inline struct rill__task *rill__task_of(rill_future *future)
{
    return container_of(future, struct rill__task, future);
}

static inline struct rill__task *rill__task_of_ready(struct rill__ready *ready)
{
    return container_of(ready, struct rill__task, ready);
}

/* The running task, or NULL. */
static inline struct rill__task *rill__task_running(void)
{
    struct rill_loop *loop = rill__loop_running;
    return loop != NULL && loop->current != NULL ? rill__task_of(loop->current) : NULL;
}

/* The begin of every await. 0 and the running task; -ESRCH: there is none; -ECANCELED: a request was
 * pending and is delivered now. */
int rill__await_begin(struct rill__task **ret_task);
/* The end of an await that needed not wait: after `budget` of them in one step the turn is given up.
 * Always `rc`; a request that comes meanwhile is delivered by the next await. */
int rill__await_ready(struct rill__task *task, int rc);
/* Suspend the task until somebody makes it ready. */
void rill__task_park(struct rill__task *task, struct rill__wait *wait);
/* Let somebody else run until the task is resumed. In a generator: give control to who drives it,
 * and who sees that the generator has not yielded gives way in turn. */
void rill__task_give_way(struct rill__task *task);
#ifdef RILL_CHECK_SLOW
/* For tests: called when a task is about to be suspended, so that each await can be cancelled. */
extern void (*rill__task_on_park)(struct rill__task *task);
#endif
/* Deliver what is pending: always -ECANCELED. */
int rill__task_deliver(struct rill__task *task);
/* Take back one request that was made when `deliveries` stood at that number; what was asked by
 * others stays. The requests that are left. */
unsigned rill__task_withdraw(struct rill__task *task, uint32_t deliveries);
/* Note the detail of the error that an await got (or NULL), for rill_last_error. */
void rill__task_note(struct rill__task *task, struct rill__detail *detail);
/* Wait until `future` is done and return nothing of it; requests are counted, not delivered. */
void rill__task_wait_done(struct rill__task *task, rill_future *future);
/* One request to cancel, as rill_cancel of the task. */
bool rill__task_cancel(struct rill__task *task, const char *msg);
