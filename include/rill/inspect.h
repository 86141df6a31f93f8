/* inspect.h - looking at a running program: its tasks, what each waits for, who asked it to cancel.
 *
 * For logs, debuggers and the last words of a program that hangs:
 *
 *     rill_dump(STDERR_FILENO);
 *
 *     rill_cancel_rec rec;
 *     for (unsigned i = 0; rill_cancel_record(task, i, &rec) == 0; i++)
 *         printf("%s asked: %s\n", rec.name, rec.why != NULL ? rec.why : "no reason");
 *
 * Names of tasks are in task.h. */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

/* Who asked a task to cancel. */
typedef enum rill_cancel_by {
    RILL_BY_TASK,   /* a task, by rill_cancel */
    RILL_BY_CALL,   /* a callback, or code outside of the loop, by rill_cancel */
    RILL_BY_SCOPE,  /* a scope that the task was in: its deadline, or rill_scope_cancel */
    RILL_BY_GROUP,  /* a group: a task of it failed, its block failed, or rill_group_cancel */
    RILL_BY_SIGNAL, /* SIGINT */
    RILL_BY_LOOP,   /* the loop came to its end */
} rill_cancel_by;

/* One request to cancel. A request that came through other tasks names the one who began it. */
typedef struct rill_cancel_rec {
    rill_cancel_by by;
    uint32_t task; /* number of the asking task, of a scope's or group's task; 0: none */
    char name[32]; /* and its name, as of then; cut to 31 octets */
    const void
        *where; /* code address: the call of rill_cancel, or where scope or group was entered */
    const char *why; /* the text given, or NULL; valid until the task's next request */
    rill_time when;  /* on the loop's clock */
} rill_cancel_rec;

typedef struct rill_lock rill_lock;

typedef void rill_task_fn(rill_task *task, void *arg);

/* What a loop has done and has; the counts go up as long as it lives. */
typedef struct rill_stats {
    uint64_t steps;      /* of tasks and calls */
    uint64_t tasks_made; /* in all */
    size_t tasks;        /* that have not ended */
    size_t timers;       /* armed */
    size_t in_flight;    /* operations that the kernel has */
    size_t stacks;       /* in use */
    size_t stacks_most;  /* that were in use at once */
    uint64_t enters;     /* system calls of the loop */
    uint64_t submitted;  /* operations */
    uint64_t completions;
    uint64_t overflows;  /* the completion queue was full: nothing was lost */
    uint64_t no_buffers; /* receives that waited for a buffer */
    uint64_t wakes;      /* by other threads and signals */
} rill_stats;

/* How deep the stacks were used of the tasks, or generators, that were made at one place. */
typedef struct rill_stack_use {
    const rill_site *site; /* NULL: all places after the first 256 */
    uint64_t tasks;        /* and generators that were made there and have begun */
    size_t most;           /* octets, in whole pages, that one of those looked at has touched */
} rill_stack_use;

typedef void rill_stack_use_fn(const rill_stack_use *use, void *arg);

#ifdef __cplusplus
extern "C" {
#endif

/** A request to cancel that `task` got. The last four are kept.
 *  Args: `index` counts back from the last request, which is 0.
 *  Returns: 0 and the record; -ENOENT (no such request, or no memory to note it).
 *  Since: 0.1 */
RILL_API int rill_cancel_record(const rill_task *task, unsigned index, rill_cancel_rec *ret_rec);

/** Call `fn(task, arg)` for each unfinished task of the running loop, in order of creation; tasks may be
 *  cancelled meanwhile, and made: those are not told. NULL for `fn` only counts.
 *  Returns: how many there are; -ESRCH (no loop runs).   Like: asyncio.all_tasks.   Since: 0.1 */
RILL_API int rill_all_tasks(rill_task_fn *fn, void *arg);

/** A text that says what `task` waits for: the operation with its descriptor and peer, the future, the lock
 *  with its holder, the deadline.
 *  Returns: the length of the whole text, as snprintf; what fits is in `buf`, ended by a zero octet;
 *           -EINVAL (it is no task: none could be made).   Since: 0.1 */
RILL_API int rill_task_waits_for(const rill_task *task, char *buf, size_t size);

/** Write where `task` is parked, or runs, to the descriptor `fd`, a line per frame, the innermost first.
 *  Returns: the number of frames; 0 (it has not begun, or has ended); -EINVAL (it is no task).
 *  Like: Task.print_stack.   Since: 0.1 */
RILL_API int rill_backtrace(const rill_task *task, int fd);

/** Write all unfinished tasks of the running loop, else of this thread's own, to the descriptor `fd`: state,
 *  place of creation, what each waits for and who awaits it; then the circles of those that wait for each
 *  other. Before them, the place whose tasks used most of their stacks.
 *  Returns: how many tasks; -ESRCH (this thread has no loop).   Since: 0.1 */
RILL_API int rill_dump(int fd);

/** The counts of `loop`.   Returns: 0 and them; -ESHUTDOWN (it is closed); -ESRCH (it runs in another
 *  thread).   Since: 0.1 */
RILL_API int rill_loop_stats(const rill_loop *loop, rill_stats *ret_stats);

/** Call `fn(use, arg)` for each place where `loop` had tasks made, in no order. The first 16 tasks of a place
 *  are looked at when they have ended, and then every 16384th: `most` is what these needed at least, so leave
 *  room when you choose a stack_size by it. The places must still be there: do not unload code before.
 *  Args: NULL for `fn` only counts.
 *  Returns: how many calls that are; -ESHUTDOWN (it is closed); -ESRCH (it runs in another thread).
 *  Since: 0.1 */
RILL_API int rill_stack_census(const rill_loop *loop, rill_stack_use_fn *fn, void *arg);

/** The task that holds `lock`, or is about to. Walks the loop's tasks: for people, not for programs.
 *  Returns: it, borrowed; NULL if the lock is free, or its holder has ended.   Since: 0.1 */
RILL_API rill_task *rill_lock_holder(const rill_lock *lock);

#ifdef __cplusplus
}
#endif
