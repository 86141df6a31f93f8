/* signal.h - the signals that a loop catches, as its end sees them. */
#pragma once

#include "core/loop/loop.h"

#include <rill/signal.h>

/* Give all signals of `loop` back. */
void rill__signals_end(struct rill_loop *loop);
