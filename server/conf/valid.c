/* valid.c - what concerns more than one setting: cross-checks, and defaults that depend on others.
 *
 * build.c calls these after all settings of a section. A value that was refused is zero and its
 * node broken, so a check looks at values that stand in the file and are good (`good`). */
#include "server/conf/schema.h"

#include <stdlib.h>

#define PART_MAX ((uint64_t)256 << 10)

/* The node of a setting that the file has and that was converted. */
static struct conf_node *good(const struct conf_node *node, const char *name)
{
    struct conf_node *found = conf_node_find(node, name);
    return found && !found->broken ? found : NULL;
}

/* Whether a setting stands in the file with a value that was refused. */
static bool bad(const struct conf_node *node, const char *name)
{
    const struct conf_node *found = conf_node_find(node, name);
    return found && found->broken;
}

/* --- listen --- */

void conf_valid_listen(struct conf_read *read, struct conf_node *node, void *base)
{
    struct conf_listen *listen = base;
    const struct conf_node *mode = good(node, "mode"), *backlog = good(node, "backlog");
    listen->place = node->place;
    if (!good(node, "address"))
        return;
    if (mode && listen->address.any.sa_family != AF_UNIX)
        conf_error(read, mode->name_place,
                   "mode is for the socket file of a unix: address; "
                   "remove it");
    if (backlog && listen->systemd.size > 0)
        conf_error(read, backlog->name_place,
                   "backlog is set by the socket unit of a systemd: address; remove it");
}

static bool same_listen(const struct conf_listen *a, const struct conf_listen *b)
{
    if (a->systemd.size > 0 || b->systemd.size > 0)
        return rill_span_equal(a->systemd, b->systemd);
    return a->address.length > 0 && rill_addr_equal(&a->address, &b->address);
}

static void check_listen_twice(struct conf_read *read, const struct conf *conf)
{
    for (size_t i = 1; i < conf->listen_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct conf_listen *again = &conf->listen[i], *earlier = &conf->listen[j];
            if (!same_listen(again, earlier))
                continue;
            conf_error(read, again->place, "an address twice in listen; first at line %u",
                       earlier->place.line);
            break;
        }
}

/* --- routes --- */

void conf_valid_files(struct conf_read *read, struct conf_node *node, void *base)
{
    struct conf_files *files = base;
    const struct conf_node *root = good(node, "root");
    (void)read;
    if (root)
        files->root_place = root->place;
}

void conf_valid_respond(struct conf_read *read, struct conf_node *node, void *base)
{
    const struct conf_respond *respond = base;
    const struct conf_node *location = good(node, "location"), *body = good(node, "body");
    unsigned status = respond->status;
    if (bad(node, "status"))
        return;
    if (location && status != 201 && status / 100 != 3)
        conf_error(read, location->name_place,
                   "location with status %u; set a status of 201 or 3xx, or remove it", status);
    if (body && body->text.size > 0 && (status == 204 || status == 205 || status == 304))
        conf_error(read, body->name_place, "body with status %u, which has none; remove it",
                   status);
}

static void check_part(struct conf_read *read, const struct conf_gather *gather, bool bounded,
                       const struct conf_node *node, struct conf_part *part)
{
    const struct conf_node *timeout = good(node, "timeout"), *part_max = good(node, "part_max");
    part->place = conf_node_place(node);
    if (!timeout)
        part->timeout = gather->deadline;
    else if (bounded && part->timeout > gather->deadline)
        conf_error(read, timeout->place,
                   "timeout \"%s\" is above the gather's deadline of %s; lower it",
                   conf_quote(timeout->text).text,
                   conf_value_text(CONF_TYPE_DURATION, (uint64_t)gather->deadline).text);
    if (!part_max)
        part->part_max = gather->body_max < PART_MAX ? gather->body_max : PART_MAX;
    else if (bounded && part->part_max > gather->body_max)
        conf_error(read, part_max->place,
                   "part_max \"%s\" is above the gather's body_max of %s; lower it",
                   conf_quote(part_max->text).text,
                   conf_value_text(CONF_TYPE_SIZE, gather->body_max).text);
}

void conf_valid_gather(struct conf_read *read, struct conf_node *node, void *base)
{
    struct conf_gather *gather = base;
    const struct conf_node *parts = good(node, "parts");
    bool bounded = !bad(node, "deadline") && !bad(node, "body_max");
    struct conf_part *part = (struct conf_part *)gather->parts;
    if (!parts || gather->part_count == 0)
        return;
    for (const struct conf_node *child = parts->first; child; child = child->next)
        check_part(read, gather, bounded, child, part++);
}

/* An exact route has nothing below it that {tail} could stand for. */
static void check_tails(struct conf_read *read, const struct conf_route *route,
                        const struct conf_node *node)
{
    const struct conf_node *parts = good(good(node, "gather"), "parts");
    const struct conf_node *child = parts ? parts->first : NULL;
    for (size_t i = 0; i < route->gather.part_count && child; i++, child = child->next) {
        const struct conf_part *part = &route->gather.parts[i];
        const struct conf_node *url = good(child, "url");
        for (size_t k = 0; k < part->piece_count && url; k++)
            if (part->pieces[k].kind == CONF_PIECE_TAIL) {
                conf_error(read, url->place,
                           "{tail} below route \"%s\", which has nothing below it; end the path "
                           "of the route in a slash",
                           conf_quote(route->path).text);
                break;
            }
    }
}

static void check_fields_twice(struct conf_read *read, const struct conf_route *route,
                               const struct conf_node *node)
{
    const struct conf_node *again = good(node, "header");
    again = again ? again->first : NULL;
    for (size_t i = 0; i < route->header_count && again; i++, again = again->next)
        for (size_t j = 0; j < i; j++)
            if (rill_span_equal_nocase(route->header[i].name, route->header[j].name))
                conf_error(read, again->name_place,
                           "field \"%s\" twice in header, where case does not count; remove one",
                           conf_quote(again->name).text);
}

/* Statuses that mean nothing without a field (rule 77). */
static void check_needed_field(struct conf_read *read, const struct conf_route *route,
                               const struct conf_node *node)
{
    static const struct {
        unsigned status;
        const char *field; /* NULL: one that no route can set */
    } needs[] = { { 206, NULL }, { 401, "WWW-Authenticate" },   { 405, "Allow" },
                  { 416, NULL }, { 407, "Proxy-Authenticate" }, { 426, NULL } };

    const struct conf_node *status = good(good(node, "respond"), "status");
    for (size_t i = 0; i < sizeof needs / sizeof *needs && status; i++) {
        bool has = false;
        if (needs[i].status != route->respond.status)
            continue;
        for (size_t k = 0; k < route->header_count && needs[i].field; k++)
            has |= rill_span_equal_nocase(route->header[k].name, rill_span_of(needs[i].field));
        if (!needs[i].field)
            conf_error(read, status->place,
                       "status %u needs a field that differs from answer to answer; choose another",
                       needs[i].status);
        else if (!has)
            conf_error(read, status->place, "status %u needs the field %s; set it in header",
                       needs[i].status, needs[i].field);
    }
}

void conf_valid_route(struct conf_read *read, struct conf_node *node, void *base)
{
    struct conf_route *route = base;
    route->place = conf_node_place(node);
    route->prefix = route->path.size > 0 && route->path.at[route->path.size - 1] == '/';
    route->kind = conf_node_find(node, "files")     ? CONF_FILES
                  : conf_node_find(node, "respond") ? CONF_RESPOND
                                                    : CONF_GATHER;
    check_fields_twice(read, route, node);
    check_needed_field(read, route, node);
    if (route->prefix)
        return;
    if (route->kind == CONF_FILES)
        conf_error(read, route->place, "route \"%s\" has files but no final slash; write \"%s/\"",
                   conf_quote(route->path).text, conf_quote(route->path).text);
    else if (route->kind == CONF_GATHER && good(node, "gather"))
        check_tails(read, route, node);
}

static int by_path(const void *left, const void *right)
{
    rill_span a = ((const struct conf_route *)left)->path;
    rill_span b = ((const struct conf_route *)right)->path;
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.at, b.at, common) : 0;
    if (order != 0)
        return order;
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

/* --- The file. --- */

void conf_valid_file(struct conf_read *read, struct conf_node *node, void *base)
{
    struct conf *conf = base;
    const struct conf_node *pid_file = good(node, "pid_file");
    if (pid_file)
        conf->pid_file_place = pid_file->place;
    check_listen_twice(read, conf);
    if (conf->route_count > 1)
        qsort((struct conf_route *)conf->routes, conf->route_count, sizeof *conf->routes, by_path);
}
