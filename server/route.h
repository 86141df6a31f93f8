/* route.h - which route answers a path: built once per configuration generation, then immutable.
 *
 * A path without a final slash matches itself alone; one with it matches itself and all below it.
 * Exact wins over prefix, the longest prefix wins, the order in the file never matters. The path of
 * a prefix without its final slash is redirected, unless an exact route has it.
 * (server/http/RULES.md, Routes) */
#pragma once

#include "server/conf/conf.h"
#include "server/handler/handler.h"

struct route {
    const struct conf_route *conf; /* NULL for the redirect that stands before a prefix */
    const struct handler *handler;
    void *state;                /* what handler->open made */
    struct reply_fields fields; /* of `header` */
    uint32_t methods;           /* 1u << enum rill_http_method */
    struct reply options;       /* the answer to OPTIONS, in the memory of the routes */
};

struct routes;

/* Open the routes of a configuration, which outlives them.
 * Args: `handlers` is indexed by enum conf_kind. `ret_bad` may be NULL.
 * Returns: 0; -ENOMEM; the error of a handler's open, with its route in *ret_bad.
 * Owns: gives the routes; routes_free ends them. */
int routes_new(const struct conf *conf, const struct handler *const *handlers,
               const struct handler_env *env, struct routes **ret_routes,
               const struct conf_route **ret_bad);

/* Close all routes; no request may be inside any. NULL is fine. */
void routes_free(struct routes *routes);

/* The route for a normalised path.
 * Returns: the route, and what of `path` lies below it in *ret_tail; NULL if none matches. */
const struct route *route_find(const struct routes *routes, rill_span path, rill_span *ret_tail);

/* Choose the route of a request, and answer what needs no handler: no route (404), a method that
 * the route does not take (405), OPTIONS (204).
 * Returns: 1 (route and tail are set: its handler serves the request); 0 (*ret_reply answers it). */
int route_request(const struct routes *routes, struct request *request, struct reply *ret_reply);
