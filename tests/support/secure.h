/* secure.h - two ends of a connection that speak TLS, for tests: `left` is the client, `right` the server. */
#pragma once

#include "tests/support/certs.h"
#include "tests/support/pair.h"

/* Connected streams of this loop's world, which speak plainly as yet. */
int make_streams(const rill_stream_opts *opts);
/* Both begin to speak TLS, the server in a task of its own.
 * Returns: what the client's start gave; *ret_server (or NULL) has the server's. */
int shake_hands(rill_tls_context *client, const char *name, rill_tls_context *server,
                int *ret_server) RILL_SUSPENDS;
/* All of it with contexts of the good kind: 0, and `left` speaks with `right`. If one of them breaks, say for
 * lack of memory, the other is aborted. */
int make_secure(void) RILL_SUSPENDS;
/* Write, and wait until it is sent: who cannot for lack of memory tells so, and is not waited for. */
int say(rill_stream *stream, const char *text) RILL_SUSPENDS;
int make_secure_with(const rill_stream_opts *opts) RILL_SUSPENDS;
