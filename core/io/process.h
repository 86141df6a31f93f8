/* process.h - the children of a loop, as its end sees them. */
#pragma once

#include "core/loop/loop.h"

#include <rill/process.h>
#include <rill/stream.h>

/* Kill and reap all children of `loop` that run. */
void rill__processes_end(struct rill_loop *loop);
