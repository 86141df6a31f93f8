/* gen.h - what the end of a loop, and who looks at tasks, know of generators. */
#pragma once

#include "core/task/task.h"

#include <rill/gen.h>

/* Close the generators that hold a stack of the loop `arg`, for good; errors go to its handler. A
 * coroutine, so that they may await in their clean-up; called without a task they get -ESRCH for it.
 * Always 0. */
int rill__gens_close(void *arg);
/* The coroutine of the generator that `task` is in, driven by others or by the task itself; the task's
 * own if it is in none. */
const struct rill__coro *rill__gen_inmost(const struct rill__task *task);
/* The same for readers in other processes. */
extern const rill_table_gen rill__gen_layout;
