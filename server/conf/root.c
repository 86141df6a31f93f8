/* root.c - the configuration of `rilld --root DIR --listen ADDRESS...`.
 *
 * The arguments become the tree that a file with the same meaning would give, so the schema table
 * checks them and sets all defaults. Nodes have no line, and findings name the command line. */
#include "server/conf/read.h"

#include <errno.h>
#include <unistd.h>

enum { PATH_SIZE_MAX = 4096 };

static struct conf_node *add_node(struct conf_read *read, struct conf_node *parent,
                                  enum conf_shape shape, const char *name)
{
    struct conf_node *node = rill_arena_alloc_zero(&read->tree, 1, sizeof *node);
    if (!node)
        return NULL;
    node->shape = shape;
    node->name = rill_span_of(name);
    conf_node_append(parent, node);
    return node;
}

static int add_listen(struct conf_read *read, struct conf_node *root, const char *const *listen,
                      size_t count)
{
    static const char *const standard[] = { "127.0.0.1:8080" };
    struct conf_node *list = add_node(read, root, CONF_LIST, "listen");
    if (count == 0) {
        listen = standard;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct conf_node *item = list ? add_node(read, list, CONF_SCALAR, NULL) : NULL;
        if (!item)
            return -ENOMEM;
        item->text = rill_span_of(listen[i]);
    }
    return 0;
}

static int add_route(struct conf_read *read, struct conf_node *root, rill_span folder)
{
    struct conf_node *routes = add_node(read, root, CONF_MAP, "routes");
    struct conf_node *route = routes ? add_node(read, routes, CONF_MAP, "/") : NULL;
    struct conf_node *files = route ? add_node(read, route, CONF_MAP, "files") : NULL;
    struct conf_node *value = files ? add_node(read, files, CONF_SCALAR, "root") : NULL;
    if (!value)
        return -ENOMEM;
    value->text = folder;
    return 0;
}

/* The daemon leaves its working directory, so a relative folder becomes absolute here. */
static int make_absolute(struct conf_read *read, const char *path, rill_span *ret_path)
{
    const char *whole = path;
    if (path[0] != '/') {
        char *folder = rill_arena_alloc(&read->tree, PATH_SIZE_MAX);
        if (folder && !getcwd(folder, PATH_SIZE_MAX))
            return -errno;
        whole = folder ? rill_arena_fmt(&read->tree, "%s/%s", folder, path) : NULL;
    }
    *ret_path = rill_span_of(whole);
    return whole ? 0 : -ENOMEM;
}

static int build_root(struct conf_read *read, const char *folder, const char *const *listen,
                      size_t listen_count, const struct conf **ret_conf)
{
    struct conf_node root = { .shape = CONF_MAP };
    rill_span path = { 0 };
    int r = make_absolute(read, folder, &path);
    if (r == 0)
        r = add_listen(read, &root, listen, listen_count);
    if (r == 0)
        r = add_route(read, &root, path);
    if (r == 0)
        return conf_build(read, &root, ret_conf);
    conf_error(read, (struct conf_place){ 0 }, "--root %s: %s",
               conf_quote(rill_span_of(folder)).text, rill_strerror(r));
    return r;
}

int conf_from_root(const char *root, const char *const *listen, size_t listen_count,
                   const struct conf_overrides *overrides, void *memory, size_t size,
                   struct conf_report *report, const struct conf **ret_conf)
{
    static const struct conf_overrides none;
    struct conf_read read = { .file = "command line",
                              .report = report,
                              .overrides = overrides ? overrides : &none,
                              .memory = memory,
                              .size = size };
    *report = (struct conf_report){ 0 };
    int r = build_root(&read, root, listen, listen_count, ret_conf);
    rill_arena_fini(&read.tree);
    return r;
}
