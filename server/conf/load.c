/* load.c - a configuration file to a tree: the only file that knows libyaml.
 *
 * Its events are taken, not its document: that would hide anchors and explicit tags, and build the
 * whole depth before it can be refused. What gives one text two readings is refused here: anchors,
 * aliases, tags, merge keys, a second document, names that are no scalars. Types come later, from the
 * schema table alone. */
#include "server/conf/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

struct source {
    struct conf_read *read;
    rill_span text;
    yaml_parser_t parser;
};

static struct conf_place place_of(yaml_mark_t mark)
{
    return (struct conf_place){ (uint32_t)mark.line + 1, (uint32_t)mark.column + 1 };
}

/* --- Syntax errors. --- */

static size_t break_size(rill_span text, size_t at)
{
    static const rill_span breaks[] = { RILL_SPAN("\r\n"),         RILL_SPAN("\n"),
                                        RILL_SPAN("\r"),           RILL_SPAN("\xc2\x85"),
                                        RILL_SPAN("\xe2\x80\xa8"), RILL_SPAN("\xe2\x80\xa9") };
    rill_span rest = { text.at + at, text.size - at };
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
        if (rill_span_starts(rest, breaks[i]))
            return breaks[i].size;
    return 0;
}

/* libyaml gives an offset only where the reader fails; its line breaks are counted as it does. */
static struct conf_place place_at(rill_span text, size_t offset)
{
    struct conf_place place = { 1, 1 };
    for (size_t at = 0; at < offset && at < text.size;) {
        size_t skip = break_size(text, at);
        if (skip > 0) {
            place = (struct conf_place){ place.line + 1, 1 };
            at += skip;
        } else {
            place.column += ((unsigned char)text.at[at] & 0xc0) != 0x80;
            at++;
        }
    }
    return place;
}

static void report_octet(struct source *source)
{
    yaml_parser_t *parser = &source->parser;
    struct conf_place place = place_at(source->text, parser->problem_offset);
    if (strcmp(parser->problem, "control characters are not allowed") == 0)
        conf_error(source->read, place,
                   "control character U+%04X; remove it, or write it as \"\\x%02X\" in quotes",
                   (unsigned)parser->problem_value, (unsigned)parser->problem_value);
    else
        conf_error(source->read, place, "not UTF-8 (%s); save the file as UTF-8", parser->problem);
}

/* The octet at a mark, which counts characters. */
static char octet_at(rill_span text, size_t index)
{
    for (size_t at = 0; at < text.size; at++)
        if (((unsigned char)text.at[at] & 0xc0) != 0x80 && index-- == 0)
            return text.at[at];
    return 0;
}

/* What people most often did when libyaml says this. */
static const char *hint_for(const struct source *source)
{
    static const struct {
        const char *problem, *hint;
    } hints[] = {
        { "mapping values are not allowed in this context",
          "; put a value that holds \": \" into quotes, or check the indentation" },
        { "did not find expected key", "; check the indentation" },
        { "could not find expected ':'", "; write \"name: value\"" },
        { "did not find expected ',' or ']'",
          "; close the list with ], and put a value with brackets into quotes" },
        { "did not find expected ',' or '}'",
          "; close the map with }, and put a value with braces into quotes" },
        { "found unexpected end of stream", "; close the quotes" },
    };

    const yaml_parser_t *parser = &source->parser;
    if (strcmp(parser->problem, "found character that cannot start any token") == 0)
        return octet_at(source->text, parser->problem_mark.index) == '\t'
                   ? "; indent with spaces, not with tabs"
                   : "; put the value into quotes";
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strcmp(parser->problem, hints[i].problem) == 0)
            return hints[i].hint;
    return "";
}

static int report_syntax(struct source *source)
{
    yaml_parser_t *parser = &source->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        report_octet(source);
        return -EINVAL;
    }
    const char *hint = hint_for(source);
    struct conf_place began = place_of(parser->context_mark);
    struct conf_place place = place_of(parser->problem_mark);
    if (parser->context && conf_place_compare(began, place) != 0)
        conf_error(source->read, place, "syntax: %s, %s that began at line %u, column %u%s",
                   parser->problem, parser->context, began.line, began.column, hint);
    else
        conf_error(source->read, place, "syntax: %s%s", parser->problem, hint);
    return -EINVAL;
}

/* --- Events to nodes. --- */

static int next(struct source *source, yaml_event_t *ret_event)
{
    return yaml_parser_parse(&source->parser, ret_event) ? 0 : report_syntax(source);
}

static void refuse_properties(struct conf_read *read, const yaml_event_t *event,
                              const yaml_char_t *anchor, const yaml_char_t *tag)
{
    static const rill_span core_tag = RILL_SPAN("tag:yaml.org,2002:");
    if (anchor)
        conf_error(read, place_of(event->start_mark),
                   "anchor \"&%s\" is not supported; write the value out where it is used",
                   conf_quote(rill_span_of((const char *)anchor)).text);
    if (!tag)
        return;
    rill_span text = rill_span_of((const char *)tag);
    bool core = rill_span_starts(text, core_tag);
    conf_error(read, place_of(event->start_mark),
               "tag \"%s%s\" is not supported; remove it, the setting tells the type",
               core ? "!!" : "", conf_quote(conf_rest(text, core ? core_tag.size : 0)).text);
}

static int take_node(struct source *source, yaml_event_t *event, unsigned depth,
                     struct conf_node *ret_node);

static int take_scalar(struct source *source, const yaml_event_t *event, struct conf_node *node)
{
    size_t size = event->data.scalar.length;
    const char *copy = rill_arena_copy(&source->read->tree, event->data.scalar.value, size);
    if (!copy)
        return -ENOMEM;
    node->text = (rill_span){ copy, size };
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    refuse_properties(source->read, event, event->data.scalar.anchor, event->data.scalar.tag);
    return 0;
}

static void take_alias(struct source *source, const yaml_event_t *event, struct conf_node *node)
{
    conf_error(source->read, node->place,
               "alias \"*%s\" is not supported; write the value out, or quote it",
               conf_quote(rill_span_of((const char *)event->data.alias.anchor)).text);
    node->broken = true;
}

static int take_child(struct source *source, yaml_event_t *event, unsigned depth,
                      const struct conf_node *name, struct conf_node *parent)
{
    struct conf_node *child = rill_arena_alloc_zero(&source->read->tree, 1, sizeof *child);
    if (!child) {
        yaml_event_delete(event);
        return -ENOMEM;
    }
    int r = take_node(source, event, depth + 1, child);
    if (r < 0)
        return r;
    if (name) {
        child->name = name->text;
        child->name_place = name->place;
        if (name->broken)
            return 0; /* reported; nothing can be said about the entry */
    }
    conf_node_append(parent, child);
    return 0;
}

static int take_name(struct source *source, yaml_event_t *event, unsigned depth,
                     struct conf_node *name)
{
    int r = take_node(source, event, depth + 1, name);
    if (r < 0 || name->broken)
        return r;
    if (name->shape != CONF_SCALAR) {
        conf_error(source->read, name->place,
                   "a name is a %s; write a text, in quotes if it begins with { or [",
                   name->shape == CONF_LIST ? "list" : "map");
        name->broken = true;
    } else if (name->plain && rill_span_equal(name->text, RILL_SPAN("<<"))) {
        conf_error(source->read, name->place,
                   "merge key \"<<\" is not supported; write the settings out");
        name->broken = true;
    }
    return 0;
}

static int take_children(struct source *source, unsigned depth, struct conf_node *parent)
{
    yaml_event_type_t end =
        parent->shape == CONF_LIST ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT;
    for (;;) {
        yaml_event_t event;
        struct conf_node name = { 0 };
        int r = next(source, &event);
        if (r < 0)
            return r;
        if (event.type == end) {
            yaml_event_delete(&event);
            return 0;
        }
        if (parent->shape == CONF_MAP) {
            r = take_name(source, &event, depth, &name);
            if (r == 0)
                r = next(source, &event);
            if (r < 0)
                return r;
        }
        r = take_child(source, &event, depth, parent->shape == CONF_MAP ? &name : NULL, parent);
        if (r < 0)
            return r;
    }
}

/* Takes the event, which began a node, and all up to the node's end. */
static int take_node(struct source *source, yaml_event_t *event, unsigned depth,
                     struct conf_node *node)
{
    int r = 0;
    node->place = place_of(event->start_mark);
    if (depth > CONF_DEPTH_MAX) {
        conf_error(source->read, node->place, "more than %d levels inside each other; flatten it",
                   CONF_DEPTH_MAX);
        r = -EINVAL;
    } else if (event->type == YAML_SCALAR_EVENT) {
        r = take_scalar(source, event, node);
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->shape = CONF_LIST;
        refuse_properties(source->read, event, event->data.sequence_start.anchor,
                          event->data.sequence_start.tag);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        node->shape = CONF_MAP;
        refuse_properties(source->read, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
    } else {
        take_alias(source, event, node);
    }
    yaml_event_delete(event);
    return r < 0 || node->shape == CONF_SCALAR ? r : take_children(source, depth, node);
}

/* --- The document. --- */

/* An empty file is an empty map: the missing settings are what is wrong with it. */
static int take_root(struct source *source, struct conf_node *root)
{
    yaml_event_t event;
    int r = next(source, &event);
    if (r == 0 && event.type == YAML_STREAM_END_EVENT) {
        root->plain = true;
        root->place = (struct conf_place){ 1, 1 };
    }
    if (r < 0 || event.type == YAML_STREAM_END_EVENT)
        return r;
    r = next(source, &event);
    if (r == 0)
        r = take_node(source, &event, 1, root);
    if (r == 0)
        r = next(source, &event); /* the end of the document */
    if (r == 0)
        r = next(source, &event);
    if (r < 0 || event.type == YAML_STREAM_END_EVENT)
        return r;
    conf_error(source->read, place_of(event.start_mark),
               "a second document begins; a file holds one, remove the \"---\"");
    yaml_event_delete(&event);
    return -EINVAL;
}

/* No setting needs a directive, and libyaml takes time that grows with their square. Lines end where
 * libyaml ends them. */
static int refuse_directives(struct conf_read *read, rill_span text)
{
    bool at_start = true;
    for (size_t at = 0; at < text.size;) {
        if (at_start && text.at[at] == '%') {
            conf_error(read, place_at(text, at),
                       "a line that begins with %% is a directive of YAML; remove or indent it");
            return -EINVAL;
        }
        size_t skip = break_size(text, at);
        at_start = skip > 0;
        at += skip > 0 ? skip : 1;
    }
    return 0;
}

int conf_parse(struct conf_read *read, rill_span text, struct conf_node *ret_root)
{
    static const rill_span mark = RILL_SPAN("\xef\xbb\xbf");
    yaml_event_t event;
    struct conf_node root = { .name = RILL_SPAN("the file"), .text = RILL_SPAN("") };
    if (rill_span_starts(text, mark)) /* else it would count as a character of the first line */
        text = conf_rest(text, mark.size);
    struct source source = { .read = read, .text = text };
    int r = refuse_directives(read, text);
    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&source.parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&source.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&source.parser, (const unsigned char *)text.at, text.size);
    r = next(&source, &event); /* the start of the stream, which holds nothing to free */
    if (r == 0)
        r = take_root(&source, &root);
    yaml_parser_delete(&source.parser);
    if (r == 0)
        *ret_root = root;
    return r;
}

/* --- The file. --- */

static int read_text(struct conf_read *read, rill_span text, const struct conf **ret_conf)
{
    struct conf_node root;
    if (text.size > CONF_FILE_MAX) {
        conf_error(read, (struct conf_place){ 0 }, "larger than 1m; split or shorten it");
        return -EINVAL;
    }
    int r = conf_parse(read, text, &root);
    if (r == 0)
        r = conf_expand(read, &root);
    if (r == 0)
        r = conf_build(read, &root, ret_conf);
    return r;
}

int conf_load_text(const char *name, rill_span text, const struct conf_overrides *overrides,
                   void *memory, size_t size, struct conf_report *report,
                   const struct conf **ret_conf)
{
    static const struct conf_overrides none;
    struct conf_read read = { .file = name,
                              .report = report,
                              .overrides = overrides ? overrides : &none,
                              .memory = memory,
                              .size = size };
    *report = (struct conf_report){ 0 };
    int r = read_text(&read, text, ret_conf);
    if (r == -ENOMEM)
        conf_error(&read, (struct conf_place){ 0 }, "no memory to read it");
    rill_arena_fini(&read.tree);
    return r;
}

/* What a file is that cannot hold a configuration; NULL: it can. */
static const char *kind_of(mode_t mode)
{
    return S_ISREG(mode)    ? NULL
           : S_ISDIR(mode)  ? "folder"
           : S_ISFIFO(mode) ? "FIFO or pipe"
           : S_ISSOCK(mode) ? "socket"
                            : "device";
}

/* Open a regular file and nothing else: reading anything else may wait, and a reload must not.
 * Returns: a descriptor; -EINVAL (reported); -errno (likewise). */
static int open_regular(const char *path, struct conf_report *report)
{
    struct stat state;
    const struct conf_place nowhere = { 0 };
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &state) < 0 ? -errno : 0;
    const char *kind = r == -ENXIO ? "socket" : r == 0 ? kind_of(state.st_mode) : NULL;
    if (kind) {
        r = -EINVAL;
        conf_report_add(report, path, CONF_ERROR, nowhere,
                        "it is a %s; write the configuration to a regular file", kind);
    } else if (r < 0) {
        conf_report_add(report, path, CONF_ERROR, nowhere, "cannot open it: %s; %s",
                        rill_strerror(r),
                        r == -EMFILE || r == -ENFILE ? "raise the limit of descriptors, LimitNOFILE"
                                                     : "name a file that is there and may be read");
    }
    if (r < 0 && fd >= 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* One octet above the limit is enough to know that the file is too large.
 * Returns: 0; -errno (reported). */
static int read_file(const char *path, char *memory, size_t size, struct conf_report *report,
                     size_t *ret_size)
{
    int fd = open_regular(path, report);
    if (fd < 0)
        return fd;
    FILE *file = fdopen(fd, "r");
    errno = file ? 0 : errno;
    size_t got = file ? fread(memory, 1, size, file) : 0;
    int r = !file || ferror(file) ? -(errno ? errno : EIO) : 0;
    if (!file)
        close(fd);
    else
        fclose(file);
    if (r == 0)
        *ret_size = got;
    else
        conf_report_add(report, path, CONF_ERROR, (struct conf_place){ 0 }, "cannot read it: %s",
                        rill_strerror(r));
    return r;
}

int conf_load(const char *path, const struct conf_overrides *overrides, void *memory, size_t size,
              struct conf_report *report, const struct conf **ret_conf)
{
    size_t text_size;
    char *text = rill_alloc(CONF_FILE_MAX + 1);
    *report = (struct conf_report){ 0 };
    if (!text) {
        conf_report_add(report, path, CONF_ERROR, (struct conf_place){ 0 }, "no memory to read it");
        return -ENOMEM;
    }
    int r = read_file(path, text, CONF_FILE_MAX + 1, report, &text_size);
    if (r == 0)
        r = conf_load_text(path, (rill_span){ text, text_size }, overrides, memory, size, report,
                           ret_conf);
    rill_free(text);
    return r;
}

const char *conf_yaml_version(void)
{
    return yaml_get_version_string();
}
