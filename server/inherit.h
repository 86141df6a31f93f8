/* inherit.h - listening sockets that the service manager passed. */
#pragma once

#include "server/listen.h"

/* Take over the sockets of LISTEN_FDS if LISTEN_PID is this process, and clear the environment. What
 * is no listening stream socket is closed and counted.   Returns: the sockets taken; -EINVAL; -ENOMEM. */
int inherit_sockets(struct listen_set *set);

/* Close those that no address uses.   Returns: how many. */
unsigned inherit_close_unused(struct listen_set *set);
