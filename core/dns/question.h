/* question.h - one question to the name servers, from its first query to its answer. */
#pragma once

#include "core/dns/conf.h"
#include "core/loop/loop.h"

#include <ares.h>

/* What is asked for: AF_INET, AF_INET6, 0 for both, or the name of an address. */
enum { RILL__DNS_REVERSE = -1 };

struct rill__dns_socket;

struct rill__question {
    /* The asker's, until `done`. */
    const char *name; /* without a dot at its end */
    int kind;
    bool absolute; /* the search list does not count */
    /* Called on the loop's stack, once; the question goes when it returns. */
    void (*done)(struct rill__question *question);
    void *arg;
    /* The answer. */
    int rc;
    rill_time ttl;    /* how long it holds; 0: it is not to be kept */
    rill_addr *addrs; /* owned; the asker may take it */
    size_t count;
    char host[RILL__DNS_NAME]; /* of a reverse one */
    char why[160];
    /* Its own. */
    struct rill_loop *loop;
    const struct rill__dns_conf *conf;
    struct rill__ready ready, on_late;
    struct rill__timer timer; /* the server has been silent */
    ares_channel channel;     /* NULL: no server is being asked */
    struct list sockets;
    bool dropped, ended, silent, any_silent;
    bool broken;          /* part of the answer is missing: a socket broke, or the server failed */
    unsigned asked;       /* servers, one after the other */
    int status;           /* what c-ares says */
    int local;            /* an error of this machine's: it has no socket for us */
    unsigned refusal_ttl; /* seconds; 0: nobody has said */
};

/* Ask. NULL: no memory. */
struct rill__question *rill__question_new(struct rill_loop *loop,
                                          const struct rill__dns_conf *conf);
/* It begins in the next turn. */
void rill__question_start(struct rill__question *question);
/* Nobody wants the answer: `done` is not called. */
void rill__question_drop(struct rill__question *question);

/* The server that is being asked, or was last. */
const rill_addr *rill__question_server(const struct rill__question *question);

/* --- socket.c --- */

extern const struct ares_socket_functions rill__dns_socket_functions;
/* What c-ares waits for; `arg` is the question. */
void rill__dns_socket_state(void *arg, ares_socket_t fd, int readable, int writable);
/* The server was silent for too long: everything fails, and c-ares is told. */
void rill__dns_sockets_fail(struct rill__question *question, int error);
/* A query was sent: the server has its time from now on. */
void rill__question_sent(struct rill__question *question);

/* --- wire.c --- */

/* Whether this answer says that the server has failed. */
bool rill__dns_is_failure(const unsigned char *octets, size_t size);
/* For how many seconds the refusal in this answer holds (RFC 2308); 0: it is none, or does not say. */
unsigned rill__dns_refusal_ttl(const unsigned char *octets, size_t size);
/* The least time to live of the answers in there, in seconds; 0: there are none. */
unsigned rill__dns_least_ttl(const unsigned char *octets, size_t size);

/* The version of c-ares that is loaded. */
const char *rill__dns_version(void);
