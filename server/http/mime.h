/* mime.h - the media type of a file, from the last extension of its name. */
#pragma once

#include <rill/mem.h>
#include <rill/text.h>

struct mime_type {
    rill_span extension; /* without the dot; letters of either case are equal */
    rill_span type;      /* the whole value of Content-Type */
};

/* Types that go before the built-in ones; the first that fits wins. */
struct mime_types {
    const struct mime_type *at;
    size_t count;
};

/* The Content-Type for a file name (or a path that ends in one); `own` may be NULL.
 * Returns: a text that lives as long as `own`; application/octet-stream if nothing fits. */
rill_span mime_find(rill_span name, const struct mime_types *own);

/* The whole Content-Type for a type from the configuration: text types without a parameter get
 * `; charset=utf-8`.
 * Returns: 0 and the value, which is `type` itself or lies in the arena; -ENOMEM. */
int mime_complete(rill_arena *arena, rill_span type, rill_span *ret_type);

/* The built-in table, in the order of the extensions, for tests. */
const struct mime_type *mime_builtin(size_t *ret_count);
