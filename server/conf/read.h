/* read.h - one reading of a configuration: its errors, its tree of nodes, and the region it fills.
 *
 * The passes in order: load.c (text to tree), expand.c (variables, names twice), build.c (tree to
 * struct conf, driven by schema.c, with value.c and url.c for single values and valid.c for what
 * concerns more than one). An error in a value is noted and reading goes on; a negative result ends it. */
#pragma once

#include "server/conf/conf.h"

#include <rill/mem.h>

#include <stdarg.h>

#define CONF_FILE_MAX   (1 << 20)  /* octets of the file */
#define CONF_SCALAR_MAX (64 << 10) /* octets of one value, after expansion */
#define CONF_EXPAND_MAX (4 << 20)  /* octets that variables make, in all */
#define CONF_DEPTH_MAX  16         /* nodes inside each other, the whole file being the first */
#define CONF_STRING_MAX 4096       /* octets of an item of a list, of a value of a map */

struct conf_read {
    const char *file; /* what the findings call it */
    struct conf_report *report;
    const struct conf_overrides *overrides; /* never NULL */
    rill_arena tree;                        /* ends with the reading */
    size_t expanded;                        /* octets that variables made so far */
    char *memory;                           /* the caller's region, which holds the result */
    size_t size, used;
};

/* What follows the first `at` octets. */
static inline rill_span conf_rest(rill_span text, size_t at)
{
    return (rill_span){ text.at + at, text.size - at };
}

/* --- Errors (report.c). --- */

/* A text for a message: cut when long, always zero-terminated. */
struct conf_quoted {
    char text[80];
};

struct conf_quoted conf_quote(rill_span text);

/* Note a finding at its place in the order of the file; line 0 stands for the file as a whole. */
void conf_report_add(struct conf_report *report, const char *file, enum conf_severity severity,
                     struct conf_place place, const char *format, ...) RILL_PRINTF(5, 6);

void conf_error(struct conf_read *read, struct conf_place place, const char *format, ...)
    RILL_PRINTF(3, 4);

/* The name out of `names` that is at most two edits away from `name`; NULL: none. */
const char *conf_nearest(rill_span name, const char *const *names, size_t count);

/* --- The tree (tree.c). --- */

enum conf_shape { CONF_SCALAR, CONF_LIST, CONF_MAP };

/* A node of the file. The entries of a map are its children and carry their names. */
struct conf_node {
    enum conf_shape shape;
    bool plain;   /* a scalar without quotes: an empty one is no value at all */
    bool broken;  /* an error was reported for it: nothing follows from its value */
    bool dropped; /* an error was reported for its name: to be taken out of its map */
    struct conf_place place, name_place;
    rill_span name, text; /* followed by a zero octet */
    struct conf_node *first, *last, *next;
    size_t count; /* children */
};

void conf_node_append(struct conf_node *parent, struct conf_node *child);

/* The entry `name` of a map; NULL: none. `map` may be NULL. */
struct conf_node *conf_node_find(const struct conf_node *map, const char *name);

/* Whether the node is a value left empty, as in `files:`. */
bool conf_node_empty(const struct conf_node *node);

/* Where a finding about the node as a whole belongs: at its name if it has one. */
struct conf_place conf_node_place(const struct conf_node *node);

/* Order of a file: negative if `a` stands before `b`. */
int conf_place_compare(struct conf_place a, struct conf_place b);

/* --- Passes. --- */

/* Text to tree (load.c). Returns: 0; -EINVAL (reported); -ENOMEM. */
int conf_parse(struct conf_read *read, rill_span text, struct conf_node *ret_root);

/* Variables in every scalar and name; then names twice in one map are reported and taken out
 * (expand.c). Returns: 0; -ENOMEM. */
int conf_expand(struct conf_read *read, struct conf_node *root);

/* Tree to configuration (build.c). Returns: 0; -EINVAL (reported); -ENOBUFS. */
int conf_build(struct conf_read *read, struct conf_node *root, const struct conf **ret_conf);

/* --- The region (build.c). --- */

/* Cleared memory of the region. Returns: the memory; NULL when it is full. */
void *conf_region_alloc(struct conf_read *read, size_t count, size_t size);

/* A copy in the region, followed by a zero octet. Returns: 0; -ENOBUFS. */
int conf_region_copy(struct conf_read *read, rill_span text, rill_span *ret_copy);
