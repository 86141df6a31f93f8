/* loop.h - the event loop: ready queue, timers, one turn.
 *
 * The loop runs entries. An entry is embedded in whatever becomes ready: a task, a callback, a
 * scope whose deadline came. Being on the queue twice is impossible, so a task woken twice in a
 * turn runs once. */
#pragma once

#include <pthread.h>

#include "core/base/list.h"
#include "core/coro/coro.h"
#include "core/loop/timer.h"
#include "core/op/backend.h"

#include <rill/loop.h>

/* Something to run in the next turn. */
struct rill__ready {
    struct list link;
    void (*run)(struct rill__ready *ready);
};

/* Something to do before the kernel is entered next; one place gathers what a turn produced. */
struct rill__prepare {
    struct list link;
    void (*run)(struct rill__prepare *prepare);
};

/* Calls from other threads. */
struct rill__wake {
    pthread_mutex_t mutex; /* guards `calls` and `closed` */
    struct list calls;
    bool closed;
    int fd;         /* eventfd */
    uint64_t count; /* what the read of `fd` brings */
    struct rill__op op;
};

enum { RILL__IO_BUCKETS = 256 };

struct rill_loop {
    struct rill__backend *backend; /* NULL until the loop first runs */
    struct rill_future *current;   /* the task that runs */
    struct rill_future *main;      /* of rill_run: the one that SIGINT cancels */
    volatile bool interrupted;     /* SIGINT came; written by the signal handler */
    struct list ready, turn;       /* next turn's entries; what is left of this turn's */
    struct list prepare;
    struct rill__timers timers;
    struct rill__stack_pool stacks;
    rill_time now, wall;  /* the two clocks as read in this turn; 0: not read */
    unsigned budget_left; /* awaits that need not wait, left to the running task */
    bool running, stopping, closing;
    bool leaving;              /* the end has begun: nobody is parked any more */
    bool ending;               /* leftovers are asked to end */
    bool hard;                 /* its end is in the hard phase: no task is made any more */
    bool interrupt_told;       /* the main task was asked to cancel because of SIGINT */
    struct rill__timer grace;  /* until the hard phase */
    struct rill__ready harden; /* its begin; written by run.c */
    unsigned forks;            /* `forks` of loop.c when the ring was made */
    bool watched;              /* overflows of its stacks are reported */
    struct list live;          /* in the list of all loops */

    /* The tasks that have not ended, and how many were ever made. Written by task.c. */
    struct list tasks;
    struct list gens;     /* generators that have a stack of this loop; written by gen.c */
    struct list parked;   /* streams that wait without a task; written by park.c */
    struct list awaiting; /* done callbacks of pending futures; written by future.c */
    uint64_t tasks_made;

    struct rill__call_entry *calls_free,
        *calls_all;             /* handles' entries; never freed before the loop */
    struct rill__chunk *chunks; /* free send blocks */
    unsigned chunks_kept;
    struct rill__wake wake;
    rill_error_fn *error_fn;
    void *error_arg;
    struct rill_loop_opts opts;
    struct list io[RILL__IO_BUCKETS]; /* tasks waiting on descriptors, by number; written by io.c */
};

/* The loop that runs in this thread, or NULL. */
extern _Thread_local struct rill_loop *rill__loop_running;

/* The ring, or what stands in its place; defined by run.c, the one file that sees the backends. */
int rill__backend_new(const struct rill_loop_opts *opts, struct rill__backend **ret_backend);

/* SIGINT came while the main task ran; defined by run.c. */
void rill__loop_interrupted(struct rill_loop *loop);

/* Run turns until rill_loop_stop. 0; -EBUSY; -ESRCH: a parent's loop; why there is no ring. */
int rill__loop_run(struct rill_loop *loop);
/* Run what is ready until nothing is, without the kernel. */
void rill__loop_run_entries(struct rill_loop *loop);
/* Whether `loop` and its ring are those of a parent process: not ours to use. */
bool rill__loop_is_inherited(const struct rill_loop *loop);
/* Whether `loop` has not been freed. Walks all loops. */
bool rill__loop_is_live(const struct rill_loop *loop);
/* Tell the error handler; standard error if the loop is gone. */
void rill__loop_report(struct rill_loop *loop, const char *message, struct rill_future *future);
/* Cancel all ops and take every final completion; no task is left. */
void rill__loop_end(struct rill_loop *loop);
/* Free the ended loop. */
void rill__loop_free(struct rill_loop *loop);

/* Put `ready` on the queue for the next turn, unless it is on it. */
static inline void rill__loop_ready(struct rill_loop *loop, struct rill__ready *ready)
{
    if (!list_is_linked(&ready->link))
        list_push_back(&loop->ready, &ready->link);
}

static inline void rill__loop_unready(struct rill__ready *ready)
{
    list_remove(&ready->link);
}

static inline void rill__loop_prepare(struct rill_loop *loop, struct rill__prepare *prepare)
{
    if (!list_is_linked(&prepare->link))
        list_push_back(&loop->prepare, &prepare->link);
}

/* Begin the next turn if entries are ready and nothing else is to be done between two turns: so a
 * busy loop goes from task to task without the way through its own stack. False: it takes that. */
bool rill__loop_next_turn(struct rill_loop *loop);

/* Arm `timer`, which is not armed: its entry is put on the queue at `at`. */
static inline void rill__timer_start(struct rill_loop *loop, struct rill__timer *timer,
                                     rill_time at)
{
    rill__timer_arm(&loop->timers, timer, at);
}

/* Disarm `timer`. Its entry may be on the queue already, and stays there. */
static inline void rill__timer_stop(struct rill_loop *loop, struct rill__timer *timer)
{
    rill__timer_disarm(&loop->timers, timer);
}

/* Now, not as of the turn's begin: a timer armed late in a long step must not fire early. */
rill_time rill__loop_now(const struct rill_loop *loop);

int rill__wake_init(struct rill_loop *loop);
/* Wake the loop from a signal handler. */
void rill__wake_signal(struct rill_loop *loop);
/* Begin to listen for other threads; the loop has its backend. 0 or -ENOMEM. */
int rill__wake_start(struct rill_loop *loop);
/* Refuse further calls; those that came still run. */
void rill__wake_close(struct rill_loop *loop);
void rill__wake_fini(struct rill_loop *loop);
void rill__calls_fini(struct rill_loop *loop);
