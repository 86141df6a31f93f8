/* proxy.h - which proxy a request goes through, as the environment says. */
#pragma once

#include "core/client/url.h"

struct rill__proxy {
    const char *host; /* NULL: there is none */
    uint16_t port;
    bool tls;                /* TLS is spoken with it */
    rill_span authorization; /* of Proxy-Authorization; empty: none */
};

struct rill__proxies {
    struct rill__proxy http, https;
    const char *none; /* no_proxy; NULL: not set */
};

/* Read the environment: http_proxy, https_proxy, all_proxy, no_proxy, and the same in capitals but for the
 * first one, as curl does.
 * Returns: 0; -EINVAL (a proxy's URL is no good); -ENOMEM. */
int rill__proxies_read(rill_arena *arena, struct rill__proxies *ret_proxies);

/* The proxy for `url`; NULL: none. */
const struct rill__proxy *rill__proxies_find(const struct rill__proxies *proxies,
                                             const struct rill__url *url);
