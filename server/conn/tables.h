/* tables.h - what requests are served by: the routes and limits of one configuration generation.
 *
 * A request holds the tables that were current when its head was complete, until its answer is out;
 * so a reload changes nothing for what is under way. The last user of former tables ends them. */
#pragma once

#include <stddef.h>

struct conf;
struct routes;

struct tables {
    const struct conf *conf;
    struct routes *routes;
    unsigned generation;
    unsigned users; /* requests at work, and one while they are current */
    void (*free)(struct tables *tables);
};

/* Those for requests that begin now. Written by serve_commit. */
extern struct tables *tables_current;

static inline struct tables *tables_hold(void)
{
    tables_current->users++;
    return tables_current;
}

static inline void tables_release(struct tables *tables)
{
    if (tables != NULL && --tables->users == 0)
        tables->free(tables);
}
