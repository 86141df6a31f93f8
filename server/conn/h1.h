/* h1.h - HTTP/1.1 on a connection: octets in, requests to handlers, answers out. */
#pragma once

#include <rill/base.h>

struct conn;

/* Serve requests until the connection has to end.
 * Returns: 0 (close it when everything is sent); an error (there is nobody to send it to, or it was
 * cut: abort it). */
int h1_serve(struct conn *conn) RILL_SUSPENDS;
