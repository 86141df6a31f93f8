/* gen.h - what the end of a loop knows of generators. */
#pragma once

#include "core/loop/loop.h"

#include <rill/gen.h>

/* Close the generators that hold a stack of the loop `arg`, for good; errors go to its handler. A
 * coroutine, so that they may await in their clean-up; called without a task they get -ESRCH for it.
 * Always 0. */
int rill__gens_close(void *arg);
