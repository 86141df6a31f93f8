/* listener.h - what a server asks of its listeners: to be called, instead of waiting in a task. */
#pragma once

#include "core/io/io.h"

#include <rill/net.h>

/* Put `ready` on the queue whenever a connection came, accepting failed or ended; NULL: no more. */
void rill__listener_watch(rill_listener *listener, struct rill__ready *ready);
/* The next connection; -EAGAIN (none is there); -ESHUTDOWN (stopped, and none is left); an error of
 * accept(2), told once.   Owns: gives the descriptor. */
int rill__listener_next(rill_listener *listener);
