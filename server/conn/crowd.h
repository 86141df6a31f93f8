/* crowd.h - all connections of a worker: counted, shed, drained, and parked when they are silent. */
#pragma once

#include "server/conn/conn.h"

#include <rill/future.h>

/* A connection begins and ends; in between it becomes busy and rests, as often as it likes. */
void crowd_come(struct client *client);
void crowd_leave(struct client *client);
void crowd_join(struct conn *conn);
void crowd_rest(struct conn *conn);

/* How many there are, how many of them have a task, and the oldest. */
unsigned crowd_count(void);
unsigned crowd_busy(void);
struct client *crowd_oldest(void);

/* Requests begun and not answered to their end. */
unsigned crowd_in_flight(void);

/* Close up to `most` of the oldest idle connections.   Returns: how many were asked to end. */
unsigned crowd_shed(unsigned most);

/* All connections that are idle, and those that come, get `grace` to ask once more. */
void crowd_drain(rill_time grace);
bool crowd_drains(void);

/* How long a connection may idle, from now on. */
rill_time crowd_idle_limit(void);

/* Ask all of them to end, whatever they do; parked ones end at once. */
void crowd_stop(void);

/* The future that ends when the last connection has; one reference is the caller's. */
rill_future *crowd_all_ended(void);
