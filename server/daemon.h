/* daemon.h - going to the background, and telling those who wait how the start went. */
#pragma once

/* Fork twice and go on in the grandchild, in a session of its own. The first process waits for
 * daemon_ready and exits with that status; with 1 if the daemon dies before.
 * Returns: 0, in the daemon; -errno. */
int daemon_start(void);

/* Let the first process go with `status`; 0: also let go of the terminal. Without daemon_start this
 * does nothing. */
void daemon_ready(int status);
