/* route.c - which route answers a path: built once per configuration generation, then immutable.
 *
 * The entries are sorted by path. Each knows its `parent`: the longest prefix route that its own
 * path lies below. For a request, let Q be the last entry that is not behind its path. Every entry
 * that the path begins with sorts between that prefix and the path, so the longest matching one is
 * Q or one of its ancestors. A redirect (to a prefix, from its path without the slash) is an entry
 * like any other.
 *
 * Most of the comparing is done on `key`: the first eight octets of a path as a number, padded with
 * zeros, which sorts as the octets do. No path holds a zero octet, so two paths of up to eight octets
 * with one key are equal; such paths are found by a small table of hints before any search. */
#include "server/route.h"

#include <rill/http.h>

#include <errno.h>
#include <stdlib.h>

enum { key_size = 8, hint_bits = 6, hint_count = 1 << hint_bits };

struct entry {
    uint64_t key, mask; /* of the path; which octets of the key it has */
    rill_span path;
    struct route *route;
    const struct entry *parent; /* NULL: none */
    bool prefix;
};

struct routes {
    struct entry *entries;                 /* sorted by path */
    uint64_t *keys;                        /* theirs */
    const struct entry *hints[hint_count]; /* by key; NULL or one whose key is its whole path */
    size_t entry_count;
    struct route *routes; /* those of the configuration, opened so far */
    size_t route_count;
    struct route redirect; /* of all redirects */
    struct reply options;  /* for the asterisk */
    rill_arena arena;      /* all memory of the routes but this struct */
};

static int compare_paths(rill_span a, rill_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.at, b.at, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_path(const void *a, const void *b)
{
    return compare_paths(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static inline uint64_t load_four(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return __builtin_bswap32(value);
}

/* The key of a path; both loads of a short one overlap. */
static inline uint64_t key_of(rill_span path)
{
    uint64_t key = 0;
    if (path.size >= key_size)
        return load_four(path.at) << 32 | load_four(path.at + 4);
    if (path.size >= 4)
        return load_four(path.at) << 32 | load_four(path.at + path.size - 4)
                                              << (8 * (key_size - path.size));
    for (size_t i = 0; i < path.size; i++)
        key |= (uint64_t)(unsigned char)path.at[i] << (8 * (key_size - 1 - i));
    return key;
}

static inline size_t hint_of(uint64_t key)
{
    return (key * 0x9e3779b97f4a7c15) >> (64 - hint_bits);
}

/* What lies behind the octets of the key. */
static rill_span rest_of(rill_span path)
{
    size_t skip = path.size < key_size ? path.size : key_size;
    return (rill_span){ path.at + skip, path.size - skip };
}

static __attribute__((noinline)) bool rest_begins_with(rill_span path, const struct entry *entry)
{
    return rill_span_starts(rest_of(path), rest_of(entry->path));
}

/* Whether the entry matches a path of this key. */
static inline bool matches(rill_span path, uint64_t key, const struct entry *entry)
{
    return ((key ^ entry->key) & entry->mask) == 0 &&
           (path.size == entry->path.size || (entry->prefix && path.size > entry->path.size)) &&
           (entry->path.size <= key_size || rest_begins_with(path, entry));
}

/* --- The redirect to a prefix --- */

static int redirect_serve(void *state, struct request *request, struct reply *ret_reply)
{
    (void)state;
    reply_add_slash(request->arena, 308, request->path, request->query, NULL, ret_reply);
    return 0;
}

/* Every method is redirected: what the route behind it takes is for it to say. It has no
 * configuration, so no deadline either. */
static const struct handler redirect = {
    .name = "redirect",
    .instant = true,
    .methods = ~UINT32_C(0),
    .serve = redirect_serve,
};

/* --- Building --- */

/* "GET, HEAD, OPTIONS" for a set of methods. */
static void write_allow(rill_text *text, uint32_t methods)
{
    methods |= 1u << RILL_HTTP_OPTIONS;
    for (unsigned method = RILL_HTTP_GET; method <= RILL_HTTP_OPTIONS; method++) {
        if ((methods >> method & 1) == 0)
            continue;
        if (text->used > 0)
            rill_text_add(text, RILL_SPAN(", "));
        rill_text_add(text, rill_http_method_name((rill_http_method)method));
    }
}

static int make_options(rill_arena *arena, uint32_t methods, const struct reply_fields *fields,
                        struct reply *ret_reply)
{
    char allow[96];
    rill_text text = { allow, sizeof allow, 0, false };
    struct reply_head head;
    size_t size = reply_head_room + reply_fields_size(fields);
    char *memory = rill_arena_alloc(arena, size);
    if (memory == NULL)
        return -ENOMEM;
    write_allow(&text, methods);
    reply_head_begin(&head, memory, size, 204, fields);
    reply_head_field(&head, RILL_SPAN("Allow"), (rill_span){ allow, text.used });
    return reply_head_end(&head, ret_reply);
}

static int open_route(struct routes *routes, const struct conf_route *conf,
                      const struct handler *handler, const struct handler_env *env)
{
    struct route *route = &routes->routes[routes->route_count];
    *route = (struct route){
        .conf = conf,
        .handler = handler,
        .fields = { conf->header, conf->header_count },
        .methods = handler->methods,
    };
    int r = make_options(&routes->arena, route->methods, &route->fields, &route->options);
    if (r == 0)
        r = handler->open(conf, env, &route->state);
    if (r == 0)
        routes->route_count++;
    return r;
}

/* The configuration's routes are sorted by path. */
static bool has_exact(const struct conf *conf, rill_span path)
{
    size_t low = 0, high = conf->route_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_paths(conf->routes[middle].path, path);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void add_entry(struct routes *routes, rill_span path, struct route *route, bool prefix)
{
    uint64_t key = key_of(path), absent = 0;
    if (path.size < key_size)
        absent = UINT64_MAX >> (8 * path.size);
    routes->entries[routes->entry_count++] = (struct entry){
        .key = key, .mask = ~absent, .path = path, .route = route, .prefix = prefix
    };
}

static void fill_entries(struct routes *routes, const struct conf *conf)
{
    for (size_t i = 0; i < conf->route_count; i++) {
        const struct conf_route *from = &conf->routes[i];
        rill_span bare = { from->path.at, from->path.size - 1 };
        add_entry(routes, from->path, &routes->routes[i], from->prefix);
        if (from->prefix && bare.size > 0 && !has_exact(conf, bare))
            add_entry(routes, bare, &routes->redirect, false);
    }
    qsort(routes->entries, routes->entry_count, sizeof *routes->entries, by_path);
}

/* By the argument in the file head the parent is the entry before, or one of its ancestors. */
static void link_entries(struct routes *routes)
{
    for (size_t i = 0; i < routes->entry_count; i++) {
        struct entry *entry = &routes->entries[i];
        const struct entry *parent = i > 0 ? entry - 1 : NULL;
        while (parent != NULL && !(parent->prefix && rill_span_starts(entry->path, parent->path)))
            parent = parent->parent;
        entry->parent = parent;
        routes->keys[i] = entry->key;
        if (entry->path.size <= key_size)
            routes->hints[hint_of(entry->key)] = entry;
    }
}

int routes_new(const struct conf *conf, const struct handler *const *handlers,
               const struct handler_env *env, struct routes **ret_routes,
               const struct conf_route **ret_bad)
{
    struct routes *routes = rill_alloc_zero(1, sizeof *routes);
    size_t count = conf->route_count;
    int r = -ENOMEM;
    if (routes == NULL)
        return r;
    routes->redirect = (struct route){ .handler = &redirect, .methods = redirect.methods };
    routes->routes = rill_arena_alloc_zero(&routes->arena, count, sizeof *routes->routes);
    routes->entries = rill_arena_alloc_zero(&routes->arena, 2 * count, sizeof *routes->entries);
    routes->keys = rill_arena_alloc_zero(&routes->arena, 2 * count, sizeof *routes->keys);
    if (routes->routes == NULL || routes->entries == NULL || routes->keys == NULL)
        goto fail;
    r = make_options(&routes->arena, 1u << RILL_HTTP_GET | 1u << RILL_HTTP_HEAD, NULL,
                     &routes->options);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct conf_route *from = &conf->routes[i];
        r = open_route(routes, from, handlers[from->kind], env);
        if (r < 0 && ret_bad != NULL)
            *ret_bad = from;
    }
    if (r < 0)
        goto fail;
    fill_entries(routes, conf);
    link_entries(routes);
    *ret_routes = routes;
    return 0;

fail:
    routes_free(routes);
    return r;
}

void routes_free(struct routes *routes)
{
    if (routes == NULL)
        return;
    while (routes->route_count > 0) {
        struct route *route = &routes->routes[--routes->route_count];
        route->handler->close(route->state);
    }
    rill_arena_fini(&routes->arena);
    rill_free(routes);
}

/* --- Choosing --- */

/* The number of entries that are not behind the path. */
static __attribute__((noinline)) size_t count_paths(const struct routes *routes, rill_span path)
{
    size_t low = 0, high = routes->entry_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_paths(routes->entries[middle].path, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The same by keys alone. */
static inline size_t count_keys(const struct routes *routes, uint64_t key)
{
    size_t low = 0, high = routes->entry_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (routes->keys[middle] <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static __attribute__((noinline)) const struct entry *search(const struct routes *routes,
                                                            rill_span path, uint64_t key)
{
    size_t count = count_keys(routes, key);
    if (count > 0 && routes->keys[count - 1] == key && path.size >= key_size)
        count = count_paths(routes, path); /* the keys do not decide */
    const struct entry *entry = count > 0 ? &routes->entries[count - 1] : NULL;
    while (entry != NULL && !matches(path, key, entry))
        entry = entry->parent;
    return entry;
}

const struct route *route_find(const struct routes *routes, rill_span path, rill_span *ret_tail)
{
    uint64_t key = key_of(path);
    const struct entry *entry = routes->hints[hint_of(key)];
    if (entry == NULL || entry->key != key || entry->path.size != path.size)
        entry = search(routes, path, key);
    if (entry == NULL)
        return NULL;
    *ret_tail = (rill_span){ path.at + entry->path.size, path.size - entry->path.size };
    return entry->route;
}

static void refuse_method(struct request *request, const struct route *route,
                          struct reply *ret_reply)
{
    char allow[96];
    rill_text text = { allow, sizeof allow, 0, false };
    write_allow(&text, route->methods);
    reply_error_with(request->arena, 405, RILL_SPAN("Allow"), (rill_span){ allow, text.used },
                     &route->fields, ret_reply);
}

int route_request(const struct routes *routes, struct request *request, struct reply *ret_reply)
{
    rill_http_method method = request->head->method;
    if (request->head->form == RILL_HTTP_ASTERISK) { /* OPTIONS only (rule 22) */
        *ret_reply = routes->options;
        return 0;
    }
    const struct route *route = route_find(routes, request->path, &request->tail);
    if (route == NULL) {
        reply_error(404, ret_reply);
        return 0;
    }
    request->route = route;
    if (route->methods >> method & 1)
        return 1;
    if (method == RILL_HTTP_OPTIONS) /* rule 71 */
        *ret_reply = route->options;
    else
        refuse_method(request, route, ret_reply);
    return 0;
}
