/* call.h - ops that are carried out at once. */
#pragma once

#include "core/op/backend.h"

#include <sys/types.h>

/* The result of an op of the second kind (see op.h), as the system call has it. */
int rill__ring_call(struct rill__backend *backend, struct rill__op *op);

/* --- Children and pipes to them: spawn.c. As system calls: -1 and errno. --- */

struct rill__spawn;
int rill__pipe_open(int ret_fds[2], int ours);
ssize_t rill__pipe_write(int fd, const void *octets, size_t size);
int rill__spawn(struct rill__spawn *spawn);
int rill__spawned_signal(const struct rill__op *op);
int rill__spawned_reap(const struct rill__op *op);
