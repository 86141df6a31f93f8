/* launch.h - what the master does before its first fork, and what it tells about it. */
#pragma once

#include "server/master.h"

/* Limits, signals, shared pages, the first generation with its sockets, the user of the workers.
 * Returns: 0; the exit status, and standard error says why. */
int launch_prepare(struct master *master);

/* One line with the effective limits, one per address; inherited sockets that nobody wants go. */
void launch_log(struct master *master);
