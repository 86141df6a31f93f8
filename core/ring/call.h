/* call.h - ops that are carried out at once. */
#pragma once

#include "core/op/backend.h"

/* The result of an op of the second kind (see op.h), as the system call has it. */
int rill__ring_call(struct rill__backend *backend, struct rill__op *op);
