/* task.h - the task's insides: coroutine, future, name, and the state of its cancellation. */
#pragma once

#include "core/task/cancel.h"
#include "core/task/future.h"

#include <rill/table.h>
#include <rill/task.h>

/* What a task waits for, told as data: for people. Another process reads the same from the wait's record, as
 * its rill_table_wait describes it. */
struct rill__told {
    const char *what;    /* a static text: "sleep", "recv", "lock" */
    const char *name;    /* that is looked up or spoken to; or NULL */
    const void *object;  /* what has no better name than its address, or NULL */
    rill_future *future; /* what is awaited, or NULL */
    rill_future *holder; /* the task that has what is waited for, or NULL */
    rill_time deadline;  /* of the wait, or of a scope around it; RILL_FOREVER: none */
    int fd;              /* -1: none */
    const void *address; /* a struct sockaddr: where it is to be connected to; or NULL */
    uint32_t left, of;   /* so many of so many are still to come; 0 of 0: not counted */
    const void *record;  /* the wait, and how it tells its members; NULL: it has none */
    const rill_table_members *members;
    const char *deed, *whom,
        *bound; /* what the calls of the innermost block that says so are for: "GET" of
                                    * "example.org", and which bound of time it has now; or NULL */
};

/* What a parked task waits for; lies on the waiting task's stack. */
struct rill__wait {
    /* Forward a request to cancel. True: it was taken, the wait ends with -ECANCELED or with a
     * result that won; false: nothing to forward to, the request stays pending. Called again when
     * the hard phase begins (`hard` of the task is set then). */
    bool (*cancel)(struct rill__wait *wait, const char *msg);
    /* What is waited for, and where that lies in the record. NULL: nothing is known. */
    const rill_table_wait *tells;
};

/* A wait that the first request to cancel ends: nothing is asked to stop, and what was waited for stays
 * where it is. */
struct rill__plain_wait {
    struct rill__wait wait;
    struct rill__task *task;
    bool cancelled;
};

/* A million of them are to be cheap: what tells of a task lies in `coro` only, the class of its stack in
 * coro.stack.kind also before it has one, and its own name in coro.title, which it owns. What a switch
 * needs lies together, from future.loop to the begin of `coro`: two lines of the cache. */
struct rill__task {
    rill_future future;
    struct rill__ready ready;
    struct rill__wait *wait; /* what it is parked on; NULL while it runs or is ready */
    uint32_t cancels;        /* requests less uncancels */
    uint32_t undelivered;    /* requests that the next await delivers, all at once */
    uint32_t deliveries;     /* how often requests were delivered or handed on so far */
    uint32_t driving : 24;   /* generators between the task's own stack and what runs: each drives
                              * the next */
    bool owns_arg : 1;       /* `arg` is freed with the task */
    bool started : 1;
    bool reached_op : 1;  /* a request was sent to a kernel operation whose result won */
    bool passing : 1;     /* a request is being forwarded */
    bool hard : 1;        /* every await fails here; written by cancel.c */
    bool hard_wholly : 1; /* and that is so in the whole task, but behind shields */
    struct rill__coro coro;
    struct list link; /* in the loop's list of tasks, until the end */

    union {
        rill_fn *fn;                /* until its first step */
        struct rill__defer *defers; /* from then on */
    };

    void *arg;
    struct rill__block *block;     /* the innermost scope or group it is in */
    struct rill__records *records; /* the last requests; NULL before the first one */
    struct rill__locals locals;    /* its values: var.c */
};

static inline struct rill__task *rill__task_of(rill_future *future)
{
    return container_of(future, struct rill__task, future);
}

static inline struct rill__task *rill__task_of_ready(struct rill__ready *ready)
{
    return container_of(ready, struct rill__task, ready);
}

enum { RILL__NUMBERED = 16 };

/* The name of `task`, or "Task-N" written to `numbered`. Allocates nothing. */
const char *rill__task_name(const struct rill__task *task, char numbered[RILL__NUMBERED]);
/* The task whose step `ready` is; NULL: it is something else. */
struct rill__task *rill__task_of_step(struct rill__ready *ready);

/* The running task, or NULL. */
static inline struct rill__task *rill__task_running(void)
{
    struct rill_loop *loop = rill__loop_running;
    return loop != NULL && loop->current != NULL ? rill__task_of(loop->current) : NULL;
}

/* A task that has not begun, with two references: the loop's and the caller's. 0; -ESRCH; -ESHUTDOWN;
 * -ENOMEM; -EINVAL. */
int rill__task_new(struct rill_loop *loop, rill_coro coro, const rill_task_opts *opts,
                   struct rill__task **ret_task);
/* Let it begin: in the next turn, or at once if it, or its loop, is eager. */
void rill__task_launch(struct rill__task *task, bool eager);

/* The begin of every await. 0 and the running task; -ESRCH: there is none; -ECANCELED: a request was
 * pending and is delivered now. */
static inline int rill__await_begin(struct rill__task **ret_task)
{
    struct rill__task *task = rill__task_running();
    if (__builtin_expect(task == NULL, 0)) {
        CHECK("an await in a callback, which must not suspend" && rill__loop_running == NULL);
        return -ESRCH;
    }
    *ret_task = task;
    return __builtin_expect(task->undelivered > 0 || task->hard, 0) ? rill__task_deliver(task) : 0;
}

/* The end of an await that needed not wait: after `budget` of them in one step the turn is given up.
 * Always `rc`; a request that comes meanwhile is delivered by the next await. */
int rill__await_ready(struct rill__task *task, int rc);
/* Suspend the task until somebody makes it ready. */
void rill__task_park(struct rill__task *task, struct rill__wait *wait);
/* What a wait does with a request: it ends; or it takes none, and the request stays pending. */
bool rill__plain_cancel(struct rill__wait *wait, const char *msg);
bool rill__refuse_cancel(struct rill__wait *wait, const char *msg);

/* The plain wait of `task`, for rill__plain_park. */
static inline struct rill__plain_wait rill__plain_wait(struct rill__task *task,
                                                       const rill_table_wait *tells)
{
    return (struct rill__plain_wait){ .wait = { rill__plain_cancel, tells }, .task = task };
}

/* Suspend the task until it is made ready. 0, or -ECANCELED: a request came, also behind what made it
 * ready, and is delivered. */
int rill__plain_park(struct rill__plain_wait *plain);
/* Let somebody else run until the task is resumed. In a generator: give control to who drives it,
 * and who sees that the generator has not yielded gives way in turn. */
void rill__task_give_way(struct rill__task *task);
#ifdef RILL_CHECK_SLOW
/* For tests: called when a task is about to be suspended, so that each await can be cancelled. */
extern void (*rill__task_on_park)(struct rill__task *task);
#endif
/* The detail of the last error that `task`, which has not ended, gave or got, if its code is `rc`. */
static inline struct rill__detail *rill__task_last(const struct rill__task *task, int rc)
{
    struct rill__detail *last = task->future.detail;
    return last != NULL && last->err.code == rc ? last : NULL;
}

/* A run has ended with `r` since `future` was done: for rill_last_error, where no loop runs. */
void rill__outcome_note(const rill_future *future, int r);
/* Note the detail of the error that an await got (or NULL), for rill_last_error. */
void rill__task_note(struct rill__task *task, struct rill__detail *detail);
/* Wait until `future` is done and return nothing of it; requests are counted, not delivered. False:
 * the hard phase began first. */
bool rill__task_wait_done(struct rill__task *task, rill_future *future);
