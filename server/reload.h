/* reload.h - a new configuration generation in place of the current one, in all processes or in none. */
#pragma once

#include "server/master.h"

/* Load the first generation, open its logs and bind its sockets; errors go to standard error.
 * Returns: 0; -errno. */
int reload_first(struct master *master);

/* Load the next generation, check it against the current one, open what it needs and send it to all
 * workers. Errors go to the log.   Returns: 0; -errno, and there is no next generation. */
int reload_begin(struct master *master);

/* Send the next generation to a worker that was just forked with the current one. */
void reload_include(struct master *master, struct slot *slot);

/* What the worker of a slot answered. */
void reload_answer(struct master *master, struct slot *slot, const struct channel_message *message);

/* Whether all have answered that they are prepared. A refusal or the deadline sets reload_refused. */
bool reload_is_decided(struct master *master);

/* Whether all workers serve the new generation. One that does not say so in time is left to its
 * heartbeat. */
bool reload_is_over(struct master *master);

/* Make the next generation the current one, and tell the workers to go over to it. */
void reload_commit(struct master *master);

/* Forget the next generation everywhere. */
void reload_abandon(struct master *master);

/* Open the log files of the current generation again and pass them to the workers. During a reload it
 * is to be done once more at its end. */
void reload_reopen_logs(struct master *master);

/* Free generations that no process holds. */
void reload_collect(struct master *master);
