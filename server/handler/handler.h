/* handler.h - what answers a request: one struct, three calls, plain coroutine code.
 *
 * A handler is opened once per route and configuration generation, in each worker, and serves any
 * number of requests at once until it is closed. Handlers do not see each other. */
#pragma once

#include "server/conn/request.h"
#include "server/reply.h"

#include <rill/base.h>
#include <rill/time.h>

/* How long work may go on that was told to end. Whoever ignores that finds that every further await
 * fails: so it holds neither a connection nor the end of the worker. */
#define HANDLER_GRACE RILL_SEC(2)

struct conf_route;
struct filecache;
struct generation;

/* What the worker lends to its handlers; what it points to is valid from open to close. */
struct handler_env {
    struct filecache *files; /* the worker's cache of open files */

    /* The descriptor of a directory that the configuration names, borrowed: generation_dir. */
    int (*directory)(const struct generation *generation, rill_span path);
    const struct generation *generation;
};

struct handler {
    const char *name;
    bool suspends;    /* serve may suspend at once: the request is copied to its arena before */
    bool instant;     /* serve never suspends: no deadline is set */
    uint32_t methods; /* 1u << enum rill_http_method: what it takes unless the route says more */

    /* Make the handler's state for one route. `conf` outlives it.
     * Returns: 0; -errno, and *ret_state is untouched. */
    int (*open)(const struct conf_route *conf, const struct handler_env *env, void **ret_state);

    /* End the state; no request is inside. NULL is fine. */
    void (*close)(void *state);

    /* Answer one request. An error answer is an answer.
     * Returns: 0 and the reply; -ECANCELED (the client left); another -errno is answered for it: with
     * 504, 503 or, and then it is logged, 500. One that answers with 500 itself says why in
     * request->failure.
     * Owns: the caller calls reply_release. */
    int (*serve)(void *state, struct request *request, struct reply *ret_reply) RILL_SUSPENDS;
};

extern const struct handler handler_respond, handler_files, handler_gather;
