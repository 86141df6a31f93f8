/* expand.c - ${NAME} and ${NAME:-default} in every scalar, and names that stand twice in one map.
 *
 * It runs on the finished tree, so no value of a variable can add structure, and names are compared
 * as they are after it. Bounded: by CONF_SCALAR_MAX per value and CONF_EXPAND_MAX in all. */
#include "server/conf/read.h"

#include <errno.h>
#include <stdlib.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(rill_span name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!is_letter(name.at[i]) && (i == 0 || name.at[i] < '0' || name.at[i] > '9'))
            return false;
    return name.size > 0;
}

/* The value of the variable whose inside of the braces is `inside`. As in a shell, the default
 * stands in for an empty variable as well. Returns: 0; -EINVAL (reported); -ENOMEM. */
static int lookup(struct conf_read *read, struct conf_place place, rill_span inside,
                  rill_span *ret_value)
{
    const char *split = memmem(inside.at, inside.size, ":-", 2);
    rill_span name = { inside.at, split ? (size_t)(split - inside.at) : inside.size };
    if (!is_name(name)) {
        conf_error(read, place,
                   "\"${%s}\" names no variable; write ${NAME}, or $${ for the characters ${",
                   conf_quote(inside).text);
        return -EINVAL;
    }
    const char *copy = rill_arena_copy(&read->tree, name.at, name.size);
    if (!copy)
        return -ENOMEM;
    const char *value = getenv(copy);
    if (split && (!value || *value == 0)) {
        *ret_value = conf_rest(inside, name.size + 2);
        return 0;
    }
    if (!value) {
        conf_error(read, place, "the variable \"%s\" is not set; set it, or write ${%s:-default}",
                   conf_quote(name).text, conf_quote(name).text);
        return -EINVAL;
    }
    *ret_value = rill_span_of(value);
    return 0;
}

/* Write the expansion of `text` to `out`. Returns: 0; -EINVAL (reported); -ENOMEM. */
static int expand_into(struct conf_read *read, struct conf_place place, rill_span text,
                       rill_text *out)
{
    while (text.size > 0) {
        const char *dollar = memchr(text.at, '$', text.size);
        size_t plain = dollar ? (size_t)(dollar - text.at) : text.size;
        rill_text_add(out, (rill_span){ text.at, plain });
        text = conf_rest(text, plain);
        if (rill_span_starts(text, RILL_SPAN("$${"))) {
            rill_text_add(out, RILL_SPAN("${"));
            text = conf_rest(text, 3);
        } else if (rill_span_starts(text, RILL_SPAN("${"))) {
            const char *close = memchr(text.at, '}', text.size);
            rill_span value;
            if (!close) {
                conf_error(read, place, "\"${\" without \"}\"; close it, or write $${");
                return -EINVAL;
            }
            rill_span inside = { text.at + 2, (size_t)(close - text.at) - 2 };
            int r = lookup(read, place, inside, &value);
            if (r < 0)
                return r;
            rill_text_add(out, value);
            text = conf_rest(text, inside.size + 3);
        } else if (text.size > 0) {
            rill_text_char(out, '$');
            text = conf_rest(text, 1);
        }
    }
    return 0;
}

static int too_long(struct conf_read *read, struct conf_place place)
{
    conf_error(read, place, "a value longer than 64k; shorten it");
    return -EINVAL;
}

static int replace(struct conf_read *read, struct conf_place place, rill_span *text)
{
    char *memory = rill_alloc(CONF_SCALAR_MAX);
    if (!memory)
        return -ENOMEM;
    rill_text out = { memory, CONF_SCALAR_MAX, 0, false };
    int r = expand_into(read, place, *text, &out);
    if (r == 0 && out.full)
        r = too_long(read, place);
    if (r == 0 && (read->expanded += out.used) > CONF_EXPAND_MAX) {
        conf_error(read, place, "variables make more than 4m of text; shorten them");
        r = -EINVAL;
    }
    if (r == 0) {
        const char *copy = rill_arena_copy(&read->tree, memory, out.used);
        if (copy)
            *text = (rill_span){ copy, out.used };
        else
            r = -ENOMEM;
    }
    rill_free(memory);
    return r;
}

/* Returns: 0; -EINVAL (reported: the text is as before); -ENOMEM. */
static int expand_text(struct conf_read *read, struct conf_place place, rill_span *text)
{
    if (text->size > CONF_SCALAR_MAX)
        return too_long(read, place);
    if (text->size == 0 || !memmem(text->at, text->size, "${", 2))
        return 0;
    if (read->expanded > CONF_EXPAND_MAX)
        return -EINVAL; /* reported where it was crossed */
    return replace(read, place, text);
}

/* --- Names twice. --- */

static int by_name(const void *left, const void *right)
{
    const struct conf_node *a = *(struct conf_node *const *)left;
    const struct conf_node *b = *(struct conf_node *const *)right;
    size_t common = a->name.size < b->name.size ? a->name.size : b->name.size;
    int order = common > 0 ? memcmp(a->name.at, b->name.at, common) : 0;
    if (order != 0)
        return order;
    if (a->name.size != b->name.size)
        return a->name.size < b->name.size ? -1 : 1;
    return conf_place_compare(a->name_place, b->name_place);
}

static void report_twice(struct conf_read *read, const struct conf_node *map,
                         const struct conf_node *again, const struct conf_node *earlier)
{
    rill_span where = map->name.size > 0 ? map->name : RILL_SPAN("this map");
    conf_error(read, again->name_place, "name \"%s\" twice in %s; first at line %u",
               conf_quote(again->name).text, conf_quote(where).text, earlier->name_place.line);
}

static void unlink_dropped(struct conf_node *map)
{
    struct conf_node *child = map->first;
    map->first = map->last = NULL;
    map->count = 0;
    while (child) {
        struct conf_node *following = child->next;
        child->next = NULL;
        if (!child->dropped)
            conf_node_append(map, child);
        child = following;
    }
}

/* Sorting keeps a file of a hundred thousand names from costing the square of it. */
static int refuse_twice(struct conf_read *read, struct conf_node *map)
{
    size_t count = 0;
    struct conf_node **sorted = rill_arena_alloc_zero(&read->tree, map->count, sizeof(void *));
    if (!sorted)
        return -ENOMEM;
    for (struct conf_node *child = map->first; child; child = child->next)
        sorted[count++] = child;
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (!rill_span_equal(sorted[i]->name, sorted[first]->name)) {
            first = i;
            continue;
        }
        report_twice(read, map, sorted[i], sorted[first]);
        sorted[i]->dropped = true;
    }
    return 0;
}

/* What is inside, then the names of a map. Returns: 0; -ENOMEM. */
static int expand_children(struct conf_read *read, struct conf_node *node)
{
    int r = 0;
    for (struct conf_node *child = node->first; child && r == 0; child = child->next) {
        r = expand_text(read, child->name_place, &child->name);
        if (r == -EINVAL)
            child->dropped = true;
        if (r != -ENOMEM)
            r = conf_expand(read, child);
    }
    if (r == 0 && node->shape == CONF_MAP && node->count > 1)
        r = refuse_twice(read, node);
    unlink_dropped(node);
    return r;
}

int conf_expand(struct conf_read *read, struct conf_node *node)
{
    if (node->shape != CONF_SCALAR)
        return expand_children(read, node);
    int r = expand_text(read, node->place, &node->text);
    if (r == -EINVAL)
        node->broken = true;
    return r == -ENOMEM ? r : 0;
}
