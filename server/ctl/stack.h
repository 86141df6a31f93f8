/* stack.h - the calls that a task of another process is in, with names and lines. */
#pragma once

#include "server/ctl/snapshot.h"

enum { STACK_FRAMES = 64 };

struct stack_frame {
    uint64_t pc;
    const char *function, *file; /* NULL: not known; valid until stacks_close */
    int line;
};

struct stack {
    struct stack_frame frames[STACK_FRAMES];
    size_t count;
    const char *problem; /* why there is none, or no more; NULL: it is whole */
};

struct stacks;

/* Begin to look at stacks of the process of `snapshot`.   Returns: 0; -ENOMEM; -EIO (its programs and libraries
 * cannot be read).   Owns: gives *ret_stacks; stacks_close ends it, also NULL. */
int stacks_open(struct snapshot *snapshot, struct stacks **ret_stacks);
void stacks_close(struct stacks *stacks);

/* The calls that `task` is in, the innermost first. Of one that runs the thread is stopped for a moment. */
void stacks_walk(struct stacks *stacks, const struct snapshot_loop *loop,
                 const struct snapshot_task *task, struct stack *ret_stack);
