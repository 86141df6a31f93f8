/* send.h - an answer on its way: reply to octets on a stream. */
#pragma once

#include <rill/base.h>

struct conn;
struct reply;

/* Send `reply`, as the request at work and the state of the connection demand: with today's date, with
 * a Connection line where one is needed, without a body for HEAD. The reply is released in any case.
 * Returns: 0 (everything is sent, or in the stream's buffer); -ECANCELED (the client did not read, or
 * the connection is asked to end); the send error. After an error the connection must be cut. */
int send_reply(struct conn *conn, struct reply *reply) RILL_SUSPENDS;
