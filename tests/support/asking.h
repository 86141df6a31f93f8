/* asking.h - what scenarios of the HTTP client share: a peer or two, a session, requests read to their end. */
#pragma once

#include "tests/support/expect.h"
#include "tests/support/peer.h"

extern struct peer peer, other; /* other: begun and used by those who need two */
extern rill_http_session *session;
extern char asked_body[1 << 16], asked_url[256]; /* of the last request that went well */

/* Session and peers are ended when the scenario is left. */
#define OWNED_SESSION                                            \
    __attribute__((cleanup(drop_session))) int session_mark = 0; \
    (void)session_mark

void drop_session(int *mark);

/* `peer`, and a session whose base_url is its, unless `opts` (or NULL) has one. */
int begin_asking(const struct peer_answer *answers, const rill_http_session_opts *opts)
    RILL_SUSPENDS;

/* A request whose body is read whole.   Returns: the status; -errno. */
int ask(const char *method, const char *url, const rill_http_request_opts *opts) RILL_SUSPENDS;

/* Whether the last error's text has this in it; true also if it was lost for lack of memory. */
bool error_says(const char *text);
