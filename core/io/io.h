/* io.h - submit, suspend, return the result: the one place where a task sleeps on an op. */
#pragma once

#include "core/task/told.h"

/* Carry out the asynchronous `op` for the running task and return its result; kind and arguments
 * are set. A request to cancel asks the kernel to stop the op; a result that wins is returned and
 * the request stays pending. -ESRCH outside of tasks. */
int rill__io(const struct rill__op *op) RILL_SUSPENDS;

/* Close `fd` and wake the tasks that sleep on it here: those whose op can be stopped get -EBADF. The
 * descriptor is closed when the last of these ops has ended. 0; as close(2); -ESRCH: no loop runs. */
int rill__io_close(int fd);

/* Carry out `op` at once, on the running loop or without one. */
int rill__io_now(struct rill__op *op);
