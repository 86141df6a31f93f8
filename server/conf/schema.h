/* schema.h - the settings of rilld.yaml as data: what the reader, the JSON schema and the man page share.
 *
 * A section is a map of the file and a struct in memory; a setting is an entry of the one and a member
 * of the other. The table itself is schema.c; build.c walks it, value.c converts single values. */
#pragma once

#include "server/conf/read.h"

struct conf_setting;

enum conf_type {
    CONF_TYPE_DURATION, /* rill_time */
    CONF_TYPE_SIZE,     /* uint64_t */
    CONF_TYPE_COUNT,    /* unsigned */
    CONF_TYPE_OCTAL,    /* mode_t */
    CONF_TYPE_BOOL,     /* bool */
    CONF_TYPE_WORD,     /* an enum; one of `words` */
    CONF_TYPE_STRING,   /* rill_span; min and max are octets */
    CONF_TYPE_CUSTOM,   /* as `convert` has it */
    CONF_TYPE_SECTION,  /* the struct of `section` */
    CONF_TYPE_LIST,     /* pointer and count: of `section`, else of rill_span */
    CONF_TYPE_MAP,      /* pointer and count: of `section`, else of struct conf_pair */
};

struct conf_word {
    const char *name; /* NULL ends the list */
    int value;
};

/* What is wrong with a text, to be read after its name and value, with the fix; NULL: nothing. */
typedef const char *conf_form(rill_span text);

/* The value of `node` into `base`, the struct of the section. A bad value is reported.
 * Returns: 0; -ENOBUFS. */
typedef int conf_converter(struct conf_read *read, const struct conf_setting *setting,
                           struct conf_node *node, void *base);

struct conf_setting {
    const char *name;
    enum conf_type type;
    size_t offset;        /* of the value in the section's struct */
    size_t count_offset;  /* of the number of items, for lists and maps */
    const char *fallback; /* the default as the file would have it; a list: of its only item */
    const char *derived;  /* the default in words, where valid.c sets it */
    uint64_t min, max;    /* of the value; of the octets of a text; of the items */
    bool automatic;       /* a count that may be `auto` */
    const char *label;    /* the type in words, where the table of settings says more */
    const char *pattern;  /* of a text, for the JSON schema */
    const struct conf_word *words;
    conf_form *form;      /* of a text, or of the items of a list or map */
    conf_form *name_form; /* of the names of a map */
    conf_converter *convert;
    const struct conf_section *section;
    const char *example; /* the setting is required, and so it could look */
    const char *help;
};

struct conf_section {
    const char *name; /* as the table of settings and the messages have it */
    const struct conf_setting *settings;
    size_t count;
    size_t size;           /* of the struct */
    size_t name_offset;    /* of the rill_span that takes the entry's name, if `named` */
    bool named;            /* entries of a map */
    const char *bare;      /* the setting that a lone scalar stands for, in a list of sections */
    const char *one_of[4]; /* exactly one of these is there; empty: any */
    /* Cross-checks (valid.c), after all settings: `node` is the map, or NULL for a section that the
     * file leaves out. Values of broken nodes are zero. */
    void (*check)(struct conf_read *read, struct conf_node *node, void *base);
};

extern const struct conf_section conf_schema;

/* --- Single values (value.c, url.c). --- */

conf_converter conf_convert_scalar, conf_convert_user, conf_convert_log, conf_convert_listen,
    conf_convert_url;

/* Report that a value is wrong, and mark it. */
void conf_value_error(struct conf_read *read, struct conf_node *node, const char *format, ...)
    RILL_PRINTF(3, 4);

/* A bound or default of a setting as a person writes it: "10s", "64k". */
struct conf_quoted conf_value_text(enum conf_type type, uint64_t value);

/* --- Forms of texts (form.c). --- */

conf_form conf_form_path, conf_form_segment, conf_form_field_name, conf_form_field_value,
    conf_form_media_type, conf_form_extension, conf_form_location, conf_form_part_name,
    conf_form_route, conf_form_socket_name;

/* --- Cross-checks (valid.c). --- */

void conf_valid_file(struct conf_read *read, struct conf_node *node, void *base);
void conf_valid_listen(struct conf_read *read, struct conf_node *node, void *base);
void conf_valid_route(struct conf_read *read, struct conf_node *node, void *base);
void conf_valid_files(struct conf_read *read, struct conf_node *node, void *base);
void conf_valid_respond(struct conf_read *read, struct conf_node *node, void *base);
void conf_valid_gather(struct conf_read *read, struct conf_node *node, void *base);

/* --- What else the table makes (emit.c). --- */

/* The JSON Schema of the file, for editors: the content of deploy/rilld.schema.json.
 * Returns: nothing; sets `full` if it does not fit. */
void conf_emit_schema(rill_text *text);

/* The table of all settings in Markdown: name, type, default, limits and meaning.
 * Returns: nothing; sets `full` if it does not fit. */
void conf_emit_table(rill_text *text);
