/* route.c - which route answers a path: built once per configuration generation, then immutable.
 *
 * The entries are sorted by path. Each knows its `parent`: the longest prefix route that its own
 * path lies below. For a request, let Q be the last entry that is not behind its path. Every entry
 * that the path begins with sorts between that prefix and the path, so the longest matching one is
 * Q or one of its ancestors. A redirect (to a prefix, from its path without the slash) is an entry
 * like any other.
 *
 * A small table in front of the search remembers, by size and last octet of a path, the one entry
 * that such a path most likely equals; it is filled at build time and a miss costs a few
 * instructions. */
#include "server/route.h"

#include <rill/http.h>

#include <errno.h>
#include <stdlib.h>

enum { hint_count = 64 };

struct entry {
    rill_span path;
    struct route *route;
    const struct entry *parent; /* NULL: none */
    bool prefix;
};

struct routes {
    struct entry *entries; /* sorted by path */
    size_t entry_count;
    const struct entry *hints[hint_count]; /* NULL or an entry to compare with */
    struct route *routes;                  /* those of the configuration, opened so far */
    size_t route_count;
    struct route redirect; /* of all redirects */
    struct reply options;  /* for the asterisk */
    rill_arena arena;      /* all memory of the routes but this struct */
};

static int compare_paths(rill_span a, rill_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.at, b.at, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_path(const void *a, const void *b)
{
    return compare_paths(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static size_t hint_of(rill_span path)
{
    return (path.size * 7 + (unsigned char)path.at[path.size - 1]) % hint_count;
}

/* --- The redirect to a prefix --- */

static int redirect_serve(void *state, struct request *request, struct reply *ret_reply)
{
    (void)state;
    size_t size = 3 * request->path.size + request->query.size + 3;
    char *memory = rill_arena_alloc(request->arena, size);
    if (memory == NULL) {
        reply_error(503, ret_reply);
        return 0;
    }
    rill_text text = { memory, size, 0, false };
    rill_http_location_encode(&text, request->path);
    rill_text_char(&text, '/');
    if (request->query.size > 0) {
        rill_text_char(&text, '?');
        rill_text_add(&text, request->query);
    }
    reply_error_with(request->arena, 308, RILL_SPAN("Location"), (rill_span){ memory, text.used },
                     NULL, ret_reply);
    return 0;
}

/* Every method is redirected: what the route behind it takes is for it to say. */
static const struct handler redirect = {
    .name = "redirect",
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

static void fill_entries(struct routes *routes, const struct conf *conf)
{
    for (size_t i = 0; i < conf->route_count; i++) {
        const struct conf_route *from = &conf->routes[i];
        rill_span bare = { from->path.at, from->path.size - 1 };
        routes->entries[routes->entry_count++] =
            (struct entry){ from->path, &routes->routes[i], NULL, from->prefix };
        if (from->prefix && bare.size > 0 && !has_exact(conf, bare))
            routes->entries[routes->entry_count++] =
                (struct entry){ bare, &routes->redirect, NULL, false };
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
        routes->hints[hint_of(entry->path)] = entry;
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
    if (routes->routes == NULL || routes->entries == NULL)
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

static const struct entry *search(const struct routes *routes, rill_span path)
{
    size_t low = 0, high = routes->entry_count;
    while (low < high) { /* entries before `low` are not behind `path` */
        size_t middle = low + (high - low) / 2;
        if (compare_paths(routes->entries[middle].path, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct entry *entry = low > 0 ? &routes->entries[low - 1] : NULL;
    if (entry != NULL && rill_span_equal(entry->path, path))
        return entry;
    while (entry != NULL && !(entry->prefix && rill_span_starts(path, entry->path)))
        entry = entry->parent;
    return entry;
}

const struct route *route_find(const struct routes *routes, rill_span path, rill_span *ret_tail)
{
    if (path.size == 0)
        return NULL;
    const struct entry *entry = routes->hints[hint_of(path)];
    if (entry == NULL || !rill_span_equal(entry->path, path))
        entry = search(routes, path);
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
