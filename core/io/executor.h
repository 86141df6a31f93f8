/* executor.h - the executor that a loop has of its own, as the end of a run sees it. */
#pragma once

#include <rill/executor.h>

/* Shut the executor of the running loop down, as a task: `arg` is the time it has. */
int rill__executor_end(void *arg) RILL_SUSPENDS;
/* As rill_executor_free, but jobs have `span`, for which this thread is blocked. NULL is fine. */
void rill__executor_close(rill_executor *executor, rill_time span);
