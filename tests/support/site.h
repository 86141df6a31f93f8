/* site.h - what the server's tests serve: a folder of files, and an upstream that answers when told.
 *
 * One of each per program, made before the first test and removed after the last. Outside of tasks
 * mistakes are asserted; site_accept is for tasks. */
#pragma once

#include <rill/base.h>

#include <sys/types.h>

#define ASK(target)  "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST(target) "GET " target " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

struct site {
    char folder[64];
    int upstream; /* a socket that listens on 127.0.0.1; connections wait in its queue */
    unsigned port;
};

extern struct site site;

void site_make(void);

/* Remove the folder with all its files, and the upstream.   Returns: 0; -1. */
int site_remove(void);

/* A file of the folder: `content`, then zeros up to `size`. */
void site_put(const char *name, const char *content, off_t size);
void site_drop(const char *name);

/* A plain socket that listens at a free port of the loopback. */
int site_listen(unsigned *ret_port);

/* The next connection to the upstream.   Returns: a descriptor; -ETIME; -ECANCELED. */
int site_accept(void) RILL_SUSPENDS;
