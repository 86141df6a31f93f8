/* peer.h - a scripted HTTP server for scenarios of clients: it reads whole requests, bodies too, logs them, and
 * answers as a table says. It asserts nothing: the log is looked at by the test. */
#pragma once

#include <rill/stream.h>

enum peer_end {
    PEER_KEEP,  /* the next request is read */
    PEER_CLOSE, /* the end of the connection */
    PEER_HOLD,  /* nothing more, until the other side ends it */
    PEER_DEAF,  /* nothing more, and nothing is read: the other side cannot send on */
};

/* What a request gets. A table ends with `octets` and `request` NULL. */
struct peer_answer {
    const char *request; /* "GET /path", as far as HTTP/1.1; NULL: any */
    const char *octets;  /* NULL: none */
    size_t size;         /* 0: strlen(octets) */
    enum peer_end end;
    rill_time delay; /* before it answers */
    bool early;      /* it answers before it reads the body */
    unsigned once;   /* only so many requests; then the next row that fits counts; 0: all */
};

enum { PEER_ROWS_MAX = 32 };

struct peer {
    const struct peer_answer *answers;
    rill_server *server;
    struct rill_tls_context *tls; /* set behind peer_start: it speaks TLS */
    unsigned port;
    char url[64]; /* http://127.0.0.1:PORT */
    unsigned connections, requests;
    unsigned under_way, most; /* requests at once: now, and at most so far */
    char log[32 << 10];       /* heads and bodies as received, a bar behind each request */
    size_t logged;
    unsigned used[PEER_ROWS_MAX];
};

/* Listen at a free port of `host` (NULL: 127.0.0.1).   Args: `peer` is static memory.
 * Returns: 0; -errno. */
int peer_start(struct peer *peer, const char *host, const struct peer_answer *answers)
    RILL_SUSPENDS;

/* End it and its connections. Zeroed memory is fine. */
void peer_end(struct peer *peer);

/* Whether the log has `text`. */
bool peer_saw(const struct peer *peer, const char *text);
