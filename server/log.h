/* log.h - the error log and the access log of this process.
 *
 * Before log_start lines go straight to their descriptor, without waiting: so the master logs, and a
 * worker before its loop runs. After log_start they go through one bounded buffer per file and are
 * written by the ring; a line that finds no room is dropped and counted, and nobody ever waits. */
#pragma once

#include "server/logline.h"

#include <rill/base.h>
#include <rill/time.h>

struct conf_log;
struct conf_log_target;

/* Who logs: a worker's slot, or -1 for the master. Before this call nothing but standard error. */
void log_identity(int slot);

/* The slot given to log_identity. */
int log_slot(void);

/* Open the file of a log; for `off` /dev/null, so that there is always one to pass on.
 * Returns: a descriptor; -errno. */
int log_open(const struct conf_log_target *target);

/* Log as the configuration says, to these descriptors. The former ones are closed once what is being
 * written to them has been. Borrowed text is not kept.   Owns: takes the descriptors. */
void log_use(const struct conf_log *conf, int access, int error);

/* The descriptors in use, borrowed; -1: no such log. */
void log_descriptors(int *ret_access, int *ret_error);

/* Buffer from now on and write by the ring; called by a task. A worker's, once.
 * Returns: 0; -ENOMEM. */
int log_start(size_t buffer_size);

/* Write what is buffered, for `limit` at most; lines that come later go straight to their descriptor.
 * Returns: 0; -ETIME (lines were lost, and counted); -ECANCELED.   Suspends: while there is some. */
int log_stop(rill_time limit) RILL_SUSPENDS;

/* Whether a line of this level would be shown. */
bool log_shows(enum log_level level);

/* One line of the error log; control octets in it are escaped. `module` is one word: conf, master. */
void log_line(enum log_level level, const char *module, const char *format, ...) RILL_PRINTF(3, 4);

/* What a client can cause is logged at most ten times a second and kind; one of these per kind, valid
 * when zeroed, in static memory. */
struct log_limit {
    rill_time since;
    unsigned shown, left_out;
};

/* Count one event.   Returns: whether to log it; *ret_left_out, set when it is true, is the number of
 * events left out before it. */
bool log_limit_take(struct log_limit *limit, rill_time now, unsigned *ret_left_out);

/* As log_line, under `limit`; the number of lines left out follows in a line of its own. */
void log_client(struct log_limit *limit, enum log_level level, const char *module,
                const char *format, ...) RILL_PRINTF(4, 5);

/* Whether there is an access log: if not, a record need not be made. */
bool log_access_wanted(void);

/* One record of the access log, in the configured format. Costs nothing when there is no such log. */
void log_access(const struct log_access *access);
