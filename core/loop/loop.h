/* loop.h - the event loop: ready queue, timers, one turn.
 *
 * The loop runs entries. An entry is embedded in whatever becomes ready: a task, a callback, a
 * scope whose deadline came. Being on the queue twice is impossible, so a task woken twice in a
 * turn runs once. */
#pragma once

#include <pthread.h>

#include "core/base/list.h"
#include "core/base/slab.h"
#include "core/coro/census.h"
#include "core/coro/coro.h"
#include "core/loop/timer.h"
#include "core/loop/var.h"
#include "core/loop/watchdog.h"
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
    int fd;         /* eventfd; -1 until the loop first runs: a child must not share it */
    uint64_t count; /* what the read of `fd` brings */
    struct rill__op op;
    struct rill__ready more; /* calls are left for the next turn */
};

enum { RILL__IO_BUCKETS = 256 };

struct rill_loop {
    struct rill__backend *backend; /* NULL until the loop first runs */
    struct rill_future *current;   /* the task that runs */
    struct rill_future *values_of; /* the task whose values callbacks have now; NULL: their own */
    struct rill_future *main;      /* of rill_run: the one that SIGINT cancels */
    volatile bool interrupted;     /* SIGINT came; written by the signal handler */
    struct list ready, turn;       /* next turn's entries; what is left of this turn's */
    struct list prepare;
    struct rill__timers timers;
    struct rill__stack_pool stacks;
    rill_time now, wall;  /* the two clocks as read in this turn; 0: not read */
    unsigned budget_left; /* awaits that need not wait, left to the running task */
    bool running, stopping, closing, reporting;
    bool leaving;              /* the end has begun: nobody is parked any more */
    bool ending;               /* leftovers are asked to end */
    bool hard;                 /* its end is in the hard phase: no task is made any more */
    bool interrupt_told;       /* the main task was asked to cancel because of SIGINT */
    struct rill__timer grace;  /* until the hard phase */
    struct rill__ready harden; /* its begin; written by run.c */
    unsigned forks;            /* rill__loop_forks when the ring was made */
    pid_t thread;              /* that made the ring: nobody else may use it */
    bool watched;              /* overflows of its stacks are reported */
    struct list live;          /* in the list of all loops */

    /* The tasks that have not ended, and how many were ever made. Written by task.c. */
    struct list tasks;
    struct list gens;     /* generators that have a stack of this loop; written by gen.c */
    struct list parked;   /* streams that wait without a task; written by park.c */
    struct list awaiting; /* done callbacks of pending futures; written by future.c */
    uint64_t tasks_made;
    struct rill__slabs
        records; /* of the tasks, also of those that have ended and are referred to */
    struct rill__census census;
    bool signalled; /* a signal came that it catches; atomic, written by the handler */
    struct rill__ready on_signal; /* looks which; written by signal.c */
    struct list signal_waits;
    struct list processes;          /* children that run; written by process.c */
    struct rill_executor *executor; /* its own; NULL: not asked for yet; written by executor.c */
    struct rill__dns *dns;          /* looks names up; NULL: nobody has asked; written by dns.c */
    unsigned outside;               /* jobs that other threads or processes do for it */
    uint64_t steps;                 /* entries run; read by the watchdog */
    bool timed;                     /* each step is timed: the option `slow` was set */
    struct rill__watched dog;

    struct rill__call_entry *calls_free,
        *calls_all;             /* handles' entries; never freed before the loop */
    struct rill__chunk *chunks; /* free send blocks */
    unsigned chunks_kept;
    struct rill__wake wake;
    struct rill__locals locals; /* values of the call that runs: var.h */
    rill_error_fn *error_fn;
    void *error_arg;
    struct rill_loop_opts opts;
    struct list io[RILL__IO_BUCKETS]; /* tasks waiting on descriptors, by number; written by io.c */
};

/* The loop that runs in this thread, or NULL. */
extern _Thread_local struct rill_loop *rill__loop_running;

/* The ring, or what stands in its place; defined by run.c, the one file that sees the backends. */
int rill__backend_new(const struct rill_loop_opts *opts, struct rill__backend **ret_backend);

/* The two clocks of a loop with these options that has no backend yet, or (NULL) of no loop at all, if a
 * simulator stands for the machine's; else false. Defined by run.c. */
bool rill__backend_clocks(const struct rill_loop_opts *opts, rill_time *ret_now,
                          rill_time *ret_wall);

/* SIGINT came while the main task ran; defined by run.c. */
void rill__loop_interrupted(struct rill_loop *loop);

/* Put the defaults where `opts` has zeros. 0; -EINVAL: out of range. */
int rill__loop_check_opts(struct rill_loop_opts *opts);
/* Run turns until rill_loop_stop. 0; -EBUSY; -ESRCH: another's ring; why there is no ring. */
int rill__loop_run(struct rill_loop *loop);
/* Run what is ready until nothing is, without the kernel. */
void rill__loop_run_entries(struct rill_loop *loop);
/* Whether `loop` and its ring are those of a parent process: not ours to use. */
bool rill__loop_is_inherited(const struct rill_loop *loop);
/* Whether the ring of `loop` was made by another thread, or by a parent process. */
bool rill__loop_is_foreign(const struct rill_loop *loop);
/* How many forks lie between the first process and this one. */
unsigned rill__loop_forks(void);
/* Add to, take from, the list of all loops. */
void rill__loop_add_live(struct rill_loop *loop);
void rill__loop_remove_live(struct rill_loop *loop);
/* This thread's own loop if it has been made, or NULL. */
struct rill_loop *rill__loop_own(void);
/* How many operations the kernel has. */
size_t rill__loop_in_flight(const struct rill_loop *loop);
/* Whether `loop` has not been freed. Walks all loops. */
bool rill__loop_is_live(const struct rill_loop *loop);
/* The same, and if it is true nobody frees it before rill__loop_let_go: for other threads. */
bool rill__loop_hold(const struct rill_loop *loop);
void rill__loop_let_go(void);
/* A handler of signals uses a loop that it found somewhere, until it ends. Who takes that loop away from
 * all handlers, to free it, waits for those that may have found it before. */
void rill__handler_begin(void);
void rill__handler_end(void);
void rill__handlers_wait(void);
/* As rill__loop_check, of a loop that does not run in this thread. */
int rill__loop_check_idle(const struct rill_loop *loop);
/* A call that the caller could have known to be wrong: `code`; with the option `strict` a dump of all
 * tasks and the end of the process. */
int rill__misuse(int code) __attribute__((cold));
/* Tell the error handler; standard error if the loop is gone. */
void rill__loop_report(struct rill_loop *loop, const char *message, struct rill_future *future);
/* Cancel all ops and take every final completion; no task is left. */
void rill__loop_end(struct rill_loop *loop);
/* Free the ended loop. */
void rill__loop_free(struct rill_loop *loop);

/* Whether this thread may give `loop` something to do. 0; -ESHUTDOWN: it is closed, or about to be;
 * -ESRCH: it runs in another thread, or in the parent process. */
static inline int rill__loop_check(const struct rill_loop *loop)
{
    if (loop == rill__loop_running)
        return loop->closing ? -ESHUTDOWN : 0;
    return rill__loop_check_idle(loop);
}

/* Put `ready` on the queue for the next turn, unless it is on it. */
static inline void rill__loop_ready(struct rill_loop *loop, struct rill__ready *ready)
{
    if (!list_is_linked(&ready->link))
        list_push_back(&loop->ready, &ready->link);
}

/* One more entry runs. The watchdog of another thread reads the count. */
static inline void rill__loop_count_step(struct rill_loop *loop)
{
    __atomic_store_n(&loop->steps, loop->steps + 1, __ATOMIC_RELAXED);
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

/* When an armed `timer` is due. */
static inline rill_time rill__timer_at(const struct rill__timer *timer)
{
    return timer->at;
}

/* Disarm `timer`. Its entry may be on the queue already, and stays there. */
static inline void rill__timer_stop(struct rill_loop *loop, struct rill__timer *timer)
{
    rill__timer_disarm(&loop->timers, timer);
}

/* So many more jobs are done for the loop by others, or less: a virtual clock waits for them. */
static inline void rill__loop_outside(struct rill_loop *loop, int more)
{
    loop->outside += (unsigned)more;
    if (loop->backend != NULL)
        loop->backend->outside = loop->outside;
}

/* Now, not as of the turn's begin: a timer armed late in a long step must not fire early. */
rill_time rill__loop_now(const struct rill_loop *loop);

/* When `span` will have passed, or up to a microsecond later: when a timer is to fire. Without a span it is
 * now, for then the next turn is to fire it. */
static inline rill_time rill__loop_after(const struct rill_loop *loop, rill_time span)
{
    struct rill__backend *backend = loop->backend;
    bool cheap = span > 0 && backend != NULL && backend->ops->soon != NULL;
    return rill_time_add(cheap ? backend->ops->soon(backend) : rill__loop_now(loop), span);
}

void rill__wake_init(struct rill_loop *loop);
/* Put `ready`, which is on no queue, on the loop's from any thread, and wake the loop. The loop may be
 * gone. False: it is, or it is closing, and `ready` stays where it is. */
bool rill__wake_post(struct rill_loop *loop, struct rill__ready *ready);
/* Wake the loop from a signal handler. */
void rill__wake_signal(struct rill_loop *loop);
/* Begin to listen for other threads; the loop has its backend. 0, -ENOMEM, or no descriptor is left. */
int rill__wake_start(struct rill_loop *loop);
/* Refuse further calls; those that came still run. */
void rill__wake_close(struct rill_loop *loop);
void rill__wake_fini(struct rill_loop *loop);
void rill__calls_fini(struct rill_loop *loop);
