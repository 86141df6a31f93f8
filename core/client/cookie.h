/* cookie.h - the cookies of a session: taken from responses, given to requests (RFC 6265). */
#pragma once

#include "core/base/list.h"
#include "core/client/url.h"

struct rill__jar {
    struct list cookies; /* longer paths first, then older ones: the order in which they are sent */
    size_t count;
    uint64_t uses; /* counts, for finding what was used longest ago */
};

void rill__jar_init(struct rill__jar *jar);

/* Take the value of a Set-Cookie line of `url`; a cookie that is no good is left out.
 * Returns: 0; -ENOMEM. */
int rill__jar_take(struct rill__jar *jar, const struct rill__url *url, rill_span line);

/* The value of the Cookie line for `url`, in the arena.
 * Returns: 0 and the value, perhaps empty; -ENOMEM. */
int rill__jar_give(struct rill__jar *jar, const struct rill__url *url, rill_arena *arena,
                   rill_span *ret_value);

void rill__jar_fini(struct rill__jar *jar);

/* A date as RFC 6265, 5.1.1, reads it: seconds since 1970; -EINVAL. */
int rill__cookie_date(rill_span text, int64_t *ret_seconds);
