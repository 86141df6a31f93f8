/* notify.h - the service manager's notification protocol: a datagram of NAME=VALUE lines.
 *
 * Without NOTIFY_SOCKET every call does nothing. Nothing here waits: a manager that does not read
 * loses the line, as sd_notify(3) has it. */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

/* Valid when zeroed after notify_init; owned by the master. */
struct notify {
    int fd;             /* -1: nobody to tell */
    rill_time watchdog; /* WATCHDOG_USEC if it is meant for this process, else 0 */
};

/* Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and take them out of the environment, so that
 * no child speaks in the master's name. Abstract sockets (`@name`) are known.
 * Returns: 0, also if there is no manager; -EINVAL (a variable makes no sense); -errno. `notify` is
 * valid in any case. */
int notify_init(struct notify *notify);

void notify_fini(struct notify *notify);

/* Send lines, such as "READY=1\nSTATUS=2 workers". A control octet other than the newlines of the
 * format itself is the caller's to keep out.
 * Returns: 0; -EMSGSIZE (above 1 KiB); -errno. */
int notify_send(const struct notify *notify, const char *format, ...) RILL_PRINTF(2, 3);

/* "RELOADING=1" with the monotonic time that Type=notify-reload wants.   Returns: as notify_send. */
int notify_reloading(const struct notify *notify, rill_time now);
