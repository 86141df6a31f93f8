/* fetch.h - one HTTP request on the loopback, over plain blocking sockets with a time limit.
 *
 * For tests that look at a daemon from outside. Addresses other than 127.0.0.1 are not to be had.
 * Errors are -errno; nothing asserts. */
#pragma once

#include <stddef.h>

enum { FETCH_BODY_MAX = 256 << 10 };

struct fetch {
    int status;                /* of the answer */
    size_t head, size;         /* octets of the head with its empty line, and of the body */
    const char *body;          /* zero-terminated; within `text` */
    char text[FETCH_BODY_MAX]; /* the answer as received */
};

/* A port of 127.0.0.1 that was free a moment ago.   Returns: the port; -errno. */
int fetch_free_port(void);

/* A connection whose sends and receives fail with -EAGAIN after `timeout_ms`.
 * Returns: the descriptor; -errno. */
int fetch_connect(int port, int timeout_ms);

/* Send all of a text.   Returns: 0; -errno. */
int fetch_send(int fd, const char *text);

/* Receive to the end of the connection.   Returns: 0; -EPROTO (no answer head, or the body is
 * shorter than its Content-Length says); -E2BIG; -errno. */
int fetch_receive(int fd, struct fetch *ret);

/* GET a target on a connection of its own.   Returns: the status of the answer; -errno as above. */
int fetch_get(int port, const char *target, int timeout_ms, struct fetch *ret);

/* Wait until the target is answered with `status`, asking again and again.
 * Returns: 0; -ETIME. */
int fetch_await(int port, const char *target, int status, int timeout_ms);
