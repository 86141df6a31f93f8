/* serve.h - the serving half of a worker, as its start-up half (worker.c) drives it.
 *
 * One worker has one set of connections and, at a time, one current configuration generation. All
 * calls are made from the worker's loop, by one task. */
#pragma once

#include <rill/base.h>
#include <rill/time.h>

struct conf;
struct conf_listen;
struct generation;
struct serve; /* the tables made of one generation: routes with their handlers open */

/* Connections that a worker may have with this configuration, if its limit of descriptors is that of the
 * caller. */
unsigned serve_connections_most(const struct conf *conf);

/* Make the tables of `generation` beside those in use.
 * Returns: 0 and the tables, which hold a reference to the generation until their last request has
 * ended; -ENOMEM; -errno of a handler that cannot be opened. On failure nothing is kept. */
int serve_prepare(struct generation *generation, struct serve **ret_serve);

/* Serve requests that come from now on by these tables; the former ones go with their last request.
 * Owns: takes the tables. */
void serve_commit(struct serve *serve);

/* Forget tables that were prepared and never committed.   Owns: takes the tables. */
void serve_abandon(struct serve *serve);

/* Accept on `fd`, a listening socket, until serve_unlisten or serve_drain. Nothing happens for a
 * socket that is served already.   Borrows `listen`.
 * Returns: 0; -ENOMEM.   Owns: takes the descriptor on success. */
int serve_listen(int fd, const struct conf_listen *listen);

/* Stop accepting on `fd`, and close our descriptor of it once that has ended: every connection that
 * was accepted meanwhile is served. With `gone` the address is gone for good: what waits in the
 * socket's queue is served, too. Nothing happens for a descriptor that is not served. */
void serve_unlisten(int fd, bool gone);

/* Stop accepting on all sockets, as serve_unlisten with `gone` does. Running requests go on. Idle
 * connections stay open for `grace` and get one more answer, with `Connection: close`. */
void serve_drain(rill_time grace);

/* Wait, after serve_drain, until the last connection has ended. When `timeout` has passed, what is
 * left is cancelled, and closed hard within a second.
 * Returns: 0 and the number of requests that were cut; -ECANCELED.   Suspends: yes. */
int serve_drained(rill_time timeout, unsigned *ret_cut) RILL_SUSPENDS;
