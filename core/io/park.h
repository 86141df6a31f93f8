/* park.h - an idle connection without a stack: what the stream and the loop's end ask of parking. */
#pragma once

#include "core/io/stream.h"

/* Octets, an end or the idle limit came: start the coroutine in a fresh task. */
void rill__park_start(rill_stream *stream);
/* `stream` is parked no more; its coroutine does not start. Nothing happens if it was not. */
void rill__park_leave(rill_stream *stream);
/* The loop ends: nothing is parked from now on, and what is parked starts with the next turn.
 * Whether there is any. */
bool rill__park_end(struct rill_loop *loop);
