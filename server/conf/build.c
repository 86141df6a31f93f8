/* build.c - a tree to a struct conf, driven by the schema table, and the region that holds it.
 *
 * A wrong value is reported and left zero, so that one reading finds every error; only a full region
 * ends the walk. The result is given out when nothing was reported. */
#include "server/conf/schema.h"

#include <errno.h>
#include <stdio.h>

enum { ALIGNMENT = 16, NAMES_MAX = 32 };

/* --- The region. --- */

static void *region_take(struct conf_read *read, size_t size, size_t alignment)
{
    size_t start = (read->used + alignment - 1) & ~(alignment - 1);
    if (start > read->size || size > read->size - start)
        return NULL;
    read->used = start + size;
    return read->memory + start;
}

void *conf_region_alloc(struct conf_read *read, size_t count, size_t size)
{
    size_t octets;
    if (__builtin_mul_overflow(count, size, &octets))
        return NULL;
    void *memory = region_take(read, octets, ALIGNMENT);
    return memory ? memset(memory, 0, octets) : NULL;
}

int conf_region_copy(struct conf_read *read, rill_span text, rill_span *ret_copy)
{
    char *copy = region_take(read, text.size + 1, 1);
    if (!copy)
        return -ENOBUFS;
    if (text.size > 0)
        memcpy(copy, text.at, text.size);
    copy[text.size] = 0;
    *ret_copy = (rill_span){ copy, text.size };
    return 0;
}

/* --- Sections. --- */

static int build_section(struct conf_read *read, const struct conf_section *section,
                         struct conf_node *node, void *base);

/* How messages call the section: `files`, `route "/hello"`. */
struct title {
    char text[128];
};

static struct title title_of(const struct conf_section *section, const struct conf_node *node)
{
    struct title title;
    if (section == &conf_schema)
        snprintf(title.text, sizeof title.text, "the file");
    else if (section->named && node)
        snprintf(title.text, sizeof title.text, "%s \"%s\"", section->name,
                 conf_quote(node->name).text);
    else
        snprintf(title.text, sizeof title.text, "%s", section->name);
    return title;
}

static void report_unknown(struct conf_read *read, const struct conf_section *section,
                           const struct conf_node *node, const struct conf_node *child)
{
    const char *names[NAMES_MAX];
    char memory[512];
    rill_text all = { memory, sizeof memory, 0, false };
    size_t count = 0;
    for (; count < section->count && count < NAMES_MAX; count++) {
        names[count] = section->settings[count].name;
        rill_text_fmt(&all, "%s%s", count > 0 ? ", " : "", names[count]);
    }
    const char *nearest = conf_nearest(child->name, names, count);
    if (nearest)
        conf_error(read, child->name_place, "unknown name \"%s\" in %s; did you mean \"%s\"?",
                   conf_quote(child->name).text, title_of(section, node).text, nearest);
    else
        conf_error(read, child->name_place, "unknown name \"%s\" in %s; it takes %s",
                   conf_quote(child->name).text, title_of(section, node).text, rill_text_end(&all));
}

static void check_names(struct conf_read *read, const struct conf_section *section,
                        const struct conf_node *node)
{
    for (const struct conf_node *child = node->first; child; child = child->next) {
        size_t i = 0;
        while (i < section->count &&
               !rill_span_equal(child->name, rill_span_of(section->settings[i].name)))
            i++;
        if (i == section->count)
            report_unknown(read, section, node, child);
    }
}

static void check_required(struct conf_read *read, const struct conf_section *section,
                           const struct conf_node *node)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_setting *setting = &section->settings[i];
        if (setting->example && !conf_node_find(node, setting->name))
            conf_error(read, conf_node_place(node), "%s has no %s; add \"%s\"",
                       title_of(section, node).text, setting->name, setting->example);
    }
}

/* Exactly one of the alternatives. */
static void check_one_of(struct conf_read *read, const struct conf_section *section,
                         const struct conf_node *node)
{
    const char *const *names = section->one_of;
    const struct conf_node *first = NULL;
    for (size_t i = 0; names[i]; i++) {
        const struct conf_node *found = conf_node_find(node, names[i]);
        if (found && first)
            conf_error(read, found->name_place, "%s has both %s and %s; keep one",
                       title_of(section, node).text, conf_quote(first->name).text, names[i]);
        else if (found)
            first = found;
    }
    if (!first && names[0])
        conf_error(read, conf_node_place(node), "%s has none of %s, %s%s%s; add one",
                   title_of(section, node).text, names[0], names[1], names[2] ? ", " : "",
                   names[2] ? names[2] : "");
}

static bool is_alternative(const struct conf_section *section, const char *name)
{
    for (size_t i = 0; section->one_of[i]; i++)
        if (strcmp(section->one_of[i], name) == 0)
            return true;
    return false;
}

/* --- Lists and maps. --- */

static int build_string(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, rill_span *at)
{
    struct conf_setting item = *setting;
    item.type = CONF_TYPE_STRING;
    item.offset = 0;
    item.min = 1;
    item.max = CONF_STRING_MAX;
    return conf_convert_scalar(read, &item, node, at);
}

static int build_name(struct conf_read *read, const struct conf_setting *setting,
                      const struct conf_node *node, rill_span *at)
{
    const char *wrong = setting->name_form ? setting->name_form(node->name) : NULL;
    if (wrong)
        conf_error(read, node->name_place, "name \"%s\" in %s %s", conf_quote(node->name).text,
                   setting->name, wrong);
    return conf_region_copy(read, node->name, at);
}

/* A lone scalar stands for a section with that one setting. */
static int build_bare(struct conf_read *read, const struct conf_section *section,
                      struct conf_node *node, void *at)
{
    struct conf_node entry = *node;
    struct conf_node map = { .shape = CONF_MAP, .place = node->place };
    entry.name = rill_span_of(section->bare);
    entry.next = NULL;
    conf_node_append(&map, &entry);
    return build_section(read, section, &map, at);
}

static int build_item(struct conf_read *read, const struct conf_setting *setting,
                      struct conf_node *node, char *at)
{
    const struct conf_section *section = setting->section;
    int r = 0;
    if (setting->type == CONF_TYPE_MAP)
        r = build_name(read, setting, node,
                       (rill_span *)(at + (section ? section->name_offset : 0)));
    if (r < 0 || node->broken)
        return r;
    if (!section)
        return build_string(
            read, setting, node,
            (rill_span *)(at + (setting->type == CONF_TYPE_MAP ? offsetof(struct conf_pair, value)
                                                               : 0)));
    if (section->bare && node->shape == CONF_SCALAR && !conf_node_empty(node))
        return build_bare(read, section, node, at);
    return build_section(read, section, node, at);
}

static size_t item_size(const struct conf_setting *setting)
{
    if (setting->section)
        return setting->section->size;
    return setting->type == CONF_TYPE_MAP ? sizeof(struct conf_pair) : sizeof(rill_span);
}

static int build_items(struct conf_read *read, const struct conf_setting *setting,
                       const struct conf_node *node, char *base)
{
    size_t size = item_size(setting);
    if (node->count < setting->min || node->count > setting->max) {
        conf_error(read, conf_node_place(node), "%s has %zu entries; it takes %llu to %llu",
                   setting->name, node->count, (unsigned long long)setting->min,
                   (unsigned long long)setting->max);
        return 0;
    }
    char *items = conf_region_alloc(read, node->count, size);
    if (!items)
        return -ENOBUFS;
    memcpy(base + setting->offset, &(void *){ items }, sizeof(void *));
    memcpy(base + setting->count_offset, &node->count, sizeof node->count);
    for (struct conf_node *child = node->first; child; child = child->next, items += size) {
        int r = build_item(read, setting, child, items);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- Settings. --- */

/* Whether the node is a list or a map, as wanted; an empty value is an empty one. */
static bool check_shape(struct conf_read *read, const char *name, enum conf_shape wanted,
                        struct conf_node *node)
{
    if (node->shape == wanted || conf_node_empty(node))
        return true;
    if (wanted == CONF_LIST)
        conf_error(read, node->place, "%s is no list; write \"[ITEM, ...]\" or \"- ITEM\" lines",
                   name);
    else
        conf_error(read, node->place, "%s is no map; write \"NAME: VALUE\" lines below it", name);
    node->broken = true;
    return false;
}

static int build_default(struct conf_read *read, const struct conf_setting *setting, char *base)
{
    struct conf_node value = { .text = rill_span_of(setting->fallback) };
    struct conf_node list = { .shape = CONF_LIST };
    if (setting->type == CONF_TYPE_SECTION)
        return build_section(read, setting->section, NULL, base + setting->offset);
    if (!setting->fallback)
        return 0;
    if (setting->type != CONF_TYPE_LIST)
        return conf_convert_scalar(read, setting, &value, base);
    conf_node_append(&list, &value);
    return build_items(read, setting, &list, base);
}

static int build_setting(struct conf_read *read, const struct conf_setting *setting,
                         struct conf_node *node, char *base)
{
    if (node->broken)
        return 0;
    switch (setting->type) {
    case CONF_TYPE_SECTION:
        return build_section(read, setting->section, node, base + setting->offset);
    case CONF_TYPE_LIST:
        return check_shape(read, setting->name, CONF_LIST, node)
                   ? build_items(read, setting, node, base)
                   : 0;
    case CONF_TYPE_MAP:
        return check_shape(read, setting->name, CONF_MAP, node)
                   ? build_items(read, setting, node, base)
                   : 0;
    default: return conf_convert_scalar(read, setting, node, base);
    }
}

static int build_settings(struct conf_read *read, const struct conf_section *section,
                          struct conf_node *node, char *base)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_setting *setting = &section->settings[i];
        struct conf_node *child = conf_node_find(node, setting->name);
        int r = 0;
        if (child)
            r = build_setting(read, setting, child, base);
        else if (!is_alternative(section, setting->name))
            r = build_default(read, setting, base);
        if (r < 0)
            return r;
    }
    return 0;
}

static int build_section(struct conf_read *read, const struct conf_section *section,
                         struct conf_node *node, void *base)
{
    if (node && !check_shape(read, title_of(section, node).text, CONF_MAP, node))
        return 0;
    if (node) {
        check_names(read, section, node);
        check_required(read, section, node);
        check_one_of(read, section, node);
    }
    int r = build_settings(read, section, node, base);
    if (r == 0 && section->check)
        section->check(read, node, base);
    return r;
}

/* --- The whole. --- */

static int apply_overrides(struct conf_read *read, struct conf *conf)
{
    const struct conf_overrides *over = read->overrides;
    if (over->workers > CONF_WORKERS_MAX)
        conf_error(read, (struct conf_place){ 0 }, "--workers %u is out of range; write 1 to %d",
                   over->workers, CONF_WORKERS_MAX);
    else if (over->workers > 0)
        conf->workers = over->workers;
    if (!over->pid_file)
        return 0;
    conf->pid_file_place = (struct conf_place){ 0 };
    return conf_region_copy(read, rill_span_of(over->pid_file), &conf->pid_file);
}

int conf_build(struct conf_read *read, struct conf_node *root, const struct conf **ret_conf)
{
    struct conf *conf = conf_region_alloc(read, 1, sizeof *conf);
    int r = conf ? build_section(read, &conf_schema, root, conf) : -ENOBUFS;
    if (r == 0)
        r = apply_overrides(read, conf);
    if (r == 0)
        r = conf_region_copy(read, rill_span_of(read->file), &conf->source);
    if (r == -ENOBUFS)
        conf_error(read, (struct conf_place){ 0 }, "needs more than %zu octets; shorten it",
                   read->size);
    if (r < 0 || read->report->errors > 0)
        return r < 0 ? r : -EINVAL;
    conf->memory_used = read->used;
    *ret_conf = conf;
    return 0;
}
