/* tree.c - the nodes of a configuration file, as load.c makes them and build.c reads them. */
#include "server/conf/read.h"

void conf_node_append(struct conf_node *parent, struct conf_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

struct conf_node *conf_node_find(const struct conf_node *map, const char *name)
{
    if (!map || map->shape != CONF_MAP)
        return NULL;
    for (struct conf_node *child = map->first; child; child = child->next)
        if (rill_span_equal(child->name, rill_span_of(name)))
            return child;
    return NULL;
}

bool conf_node_empty(const struct conf_node *node)
{
    return node->shape == CONF_SCALAR && node->plain && node->text.size == 0;
}

struct conf_place conf_node_place(const struct conf_node *node)
{
    return node->name_place.line > 0 ? node->name_place : node->place;
}
