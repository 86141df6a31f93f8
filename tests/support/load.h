/* load.h - a small load client: kept-alive connections that ask one target again and again.
 *
 * Each connection is a thread with a blocking socket and a time limit. Every request is logged. Words:
 *   failed: connect refused or reset, no answer, a truncated answer, or another status than 200;
 *   stale:  the end or a reset of a reused connection before any octet of the answer. The client asks
 *           once more on a new connection, as browsers and proxies do, and that is a new request.
 * Loopback only, and never longer than LOAD_MS_MAX. Nothing asserts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { LOAD_CONNECTIONS_MAX = 64, LOAD_MS_MAX = 60000, LOAD_RECORDS_MAX = 1 << 18 };

struct load_options {
    int port;
    const char *target;
    int connections;
    int think_ms;        /* pause between an answer and the next request; 0: none */
    bool leave_on_close; /* an answer with "Connection: close" is the last of its connection */
};

struct load_result {
    size_t requests, ok, failed, stale;
    size_t closes;  /* answers that announced the end of the connection */
    long worst_ms;  /* the longest a good answer took */
    bool truncated; /* more requests than the log holds: some are missing from `requests` */
};

struct load;

/* Begin; returns when every connection has had an answer or a failure.
 * Returns: the load; NULL without memory or threads.   Owns: load_free ends it. */
struct load *load_new(const struct load_options *options);

/* Wait until the clients have had `more` further good answers.   Returns: 0; -ETIME. */
int load_await(struct load *load, size_t more, int timeout_ms);

/* Stop the clients (each finishes its request) and count. */
void load_stop(struct load *load, struct load_result *ret);

/* Stop, free and fail the test unless every request was answered well. Prints what there was.
 * Returns: the counts. */
struct load_result load_end_untroubled(struct load *load);

/* How many requests that began at `since_ms` (proc_now_ms) or later failed. After load_stop. */
size_t load_failed_since(const struct load *load, long since_ms);

/* Print the requests that were not answered well, twenty at most. After load_stop. */
void load_print_troubles(const struct load *load);

/* Stop if it runs, and free. NULL is fine. */
void load_free(struct load *load);
