/* emit.c - the schema table as a JSON Schema for editors, and as a table for readers.
 *
 * Editors type a scalar by its look, rilld never does: so the schema takes each value in every type
 * that it may look like, and any text with a variable in it. What valid.c checks is not in it, but
 * for the choice of exactly one setting. */
#include "server/conf/schema.h"

#include <stdio.h>

#define VARIABLE ".*[$][{].*"

struct out {
    rill_text *text;
    unsigned depth;
    bool some; /* the object or array that is open has something in it */
};

/* --- JSON. --- */

static void put(struct out *out, const char *text)
{
    rill_text_add(out->text, rill_span_of(text));
}

static void put_string(struct out *out, const char *text)
{
    rill_text_char(out->text, '"');
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            rill_text_char(out->text, '\\');
        rill_text_char(out->text, *text);
    }
    rill_text_char(out->text, '"');
}

/* Begin a member, or an item if `key` is NULL, on a line of its own. */
static void begin(struct out *out, const char *key)
{
    if (out->some)
        put(out, ",");
    if (out->text->used > 0)
        put(out, "\n");
    for (unsigned i = 0; i < out->depth; i++)
        put(out, "  ");
    if (key) {
        put_string(out, key);
        put(out, ": ");
    }
    out->some = true;
}

static void open_in(struct out *out, const char *key, const char *bracket)
{
    begin(out, key);
    put(out, bracket);
    out->depth++;
    out->some = false;
}

static void close_in(struct out *out, const char *bracket)
{
    out->depth--;
    if (out->some)
        put(out, "\n");
    for (unsigned i = 0; i < out->depth && out->some; i++)
        put(out, "  ");
    put(out, bracket);
    out->some = true;
}

static void member(struct out *out, const char *key, const char *value)
{
    begin(out, key);
    put_string(out, value);
}

static void member_number(struct out *out, const char *key, uint64_t value)
{
    begin(out, key);
    rill_text_u64(out->text, value);
}

/* `json` is JSON already. */
static void member_json(struct out *out, const char *key, const char *json)
{
    begin(out, key);
    put(out, json);
}

/* --- Scalars. --- */

static void emit_pattern(struct out *out, const char *pattern)
{
    char memory[512];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_fmt(&text, "^(%s|" VARIABLE ")$", pattern);
    member(out, "pattern", rill_text_end(&text));
}

static void emit_number(struct out *out, const struct conf_setting *setting, const char *pattern)
{
    member_json(out, "type", "[\"integer\", \"string\"]");
    member_number(out, "minimum", setting->min);
    member_number(out, "maximum", setting->max);
    emit_pattern(out, pattern);
}

static bool has_off(const struct conf_word *words)
{
    for (; words->name; words++)
        if (strcmp(words->name, "off") == 0)
            return true;
    return false;
}

/* The words first, so that editors offer them. */
static void emit_words(struct out *out, const struct conf_setting *setting)
{
    open_in(out, "anyOf", "[");
    open_in(out, NULL, "{");
    open_in(out, "enum", "[");
    for (const struct conf_word *word = setting->words; word->name; word++)
        member(out, NULL, word->name);
    if (has_off(setting->words)) {
        member(out, NULL, "no");
        member(out, NULL, "false");
        member_json(out, NULL, "false");
    }
    close_in(out, "]");
    close_in(out, "}");
    open_in(out, NULL, "{");
    member(out, "type", "string");
    if (setting->pattern)
        emit_pattern(out, setting->pattern);
    else
        member(out, "pattern", "^" VARIABLE "$");
    close_in(out, "}");
    close_in(out, "]");
}

static void emit_text(struct out *out, const struct conf_setting *setting)
{
    if (setting->pattern) {
        member(out, "type", "string");
        emit_pattern(out, setting->pattern);
    } else {
        member_json(out, "type", "[\"string\", \"number\", \"boolean\", \"null\"]");
    }
}

static void emit_scalar(struct out *out, const struct conf_setting *setting)
{
    if (setting->words) {
        emit_words(out, setting);
        return;
    }
    switch (setting->type) {
    case CONF_TYPE_DURATION:
        member(out, "type", "string");
        emit_pattern(out, "[0-9]+(ms|s|m|h|d)");
        break;
    case CONF_TYPE_SIZE: emit_number(out, setting, "[0-9]+[kmg]?"); break;
    case CONF_TYPE_COUNT:
        emit_number(out, setting, setting->automatic ? "auto|[0-9]+" : "[0-9]+");
        break;
    case CONF_TYPE_OCTAL:
        member_json(out, "type", "[\"integer\", \"string\"]");
        emit_pattern(out, "[0-7]+");
        break;
    case CONF_TYPE_BOOL:
        member_json(out, "type", "[\"boolean\", \"string\"]");
        emit_pattern(out, "yes|no|on|off|true|false");
        break;
    default: emit_text(out, setting);
    }
}

/* --- Sections. --- */

static void emit_section(struct out *out, const struct conf_section *section);

static void emit_item(struct out *out, const char *key, const struct conf_setting *setting)
{
    const struct conf_section *section = setting->section;
    open_in(out, key, "{");
    if (!section) {
        member_json(out, "type", "[\"string\", \"number\", \"boolean\", \"null\"]");
    } else if (section->bare) {
        open_in(out, "anyOf", "[");
        open_in(out, NULL, "{");
        emit_scalar(out, &section->settings[0]);
        close_in(out, "}");
        open_in(out, NULL, "{");
        emit_section(out, section);
        close_in(out, "}");
        close_in(out, "]");
    } else {
        emit_section(out, section);
    }
    close_in(out, "}");
}

static void emit_items(struct out *out, const struct conf_setting *setting)
{
    bool list = setting->type == CONF_TYPE_LIST;
    char type[40];
    snprintf(type, sizeof type, setting->min > 0 ? "\"%s\"" : "[\"%s\", \"null\"]",
             list ? "array" : "object");
    member_json(out, "type", type);
    member_number(out, list ? "minItems" : "minProperties", setting->min);
    member_number(out, list ? "maxItems" : "maxProperties", setting->max);
    emit_item(out, list ? "items" : "additionalProperties", setting);
}

static void emit_setting(struct out *out, const struct conf_setting *setting)
{
    open_in(out, setting->name, "{");
    member(out, "description", setting->help);
    if (setting->type == CONF_TYPE_SECTION) {
        emit_section(out, setting->section);
    } else if (setting->type == CONF_TYPE_LIST || setting->type == CONF_TYPE_MAP) {
        emit_items(out, setting);
    } else {
        if (setting->fallback)
            member(out, "default", setting->fallback);
        emit_scalar(out, setting);
    }
    close_in(out, "}");
}

static bool has_required(const struct conf_section *section)
{
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].example)
            return true;
    return false;
}

static void emit_choices(struct out *out, const struct conf_section *section)
{
    open_in(out, "oneOf", "[");
    for (size_t i = 0; section->one_of[i]; i++) {
        begin(out, NULL);
        put(out, "{ \"required\": [");
        put_string(out, section->one_of[i]);
        put(out, "] }");
    }
    close_in(out, "]");
}

static void emit_section(struct out *out, const struct conf_section *section)
{
    bool required = has_required(section), choice = section->one_of[0] != NULL;
    member_json(out, "type", required || choice ? "\"object\"" : "[\"object\", \"null\"]");
    member_json(out, "additionalProperties", "false");
    if (required) {
        open_in(out, "required", "[");
        for (size_t i = 0; i < section->count; i++)
            if (section->settings[i].example)
                member(out, NULL, section->settings[i].name);
        close_in(out, "]");
    }
    if (choice)
        emit_choices(out, section);
    open_in(out, "properties", "{");
    for (size_t i = 0; i < section->count; i++)
        emit_setting(out, &section->settings[i]);
    close_in(out, "}");
}

void conf_emit_schema(rill_text *text)
{
    struct out out = { .text = text };
    open_in(&out, NULL, "{");
    member(&out, "$schema", "http://json-schema.org/draft-07/schema#");
    member(&out, "title", "rilld.yaml");
    member(&out, "description", "Configuration of rilld. Made from its table of settings.");
    emit_section(&out, &conf_schema);
    close_in(&out, "}");
    put(&out, "\n");
}

/* --- The table of settings. --- */

static void row_type(rill_text *text, const struct conf_setting *setting)
{
    static const char *const names[] = {
        [CONF_TYPE_DURATION] = "duration",  [CONF_TYPE_SIZE] = "size",
        [CONF_TYPE_COUNT] = "count",        [CONF_TYPE_OCTAL] = "octal",
        [CONF_TYPE_BOOL] = "bool",          [CONF_TYPE_STRING] = "string",
        [CONF_TYPE_SECTION] = "section",    [CONF_TYPE_LIST] = "list of",
        [CONF_TYPE_MAP] = "map of name to",
    };
    const struct conf_word *word = setting->words;
    for (; word && word->name; word++)
        rill_text_fmt(text, "%s`%s`", word == setting->words ? "" : ", ", word->name);
    if (setting->automatic)
        rill_text_fmt(text, "`auto`, ");
    if (setting->type == CONF_TYPE_WORD)
        return;
    rill_text_fmt(text, "%s%s", setting->words ? ", " : "",
                  setting->label ? setting->label : names[setting->type]);
    if (!setting->label && setting->section && setting->type != CONF_TYPE_SECTION)
        rill_text_fmt(text, " %s", setting->section->name);
}

static void row_default(rill_text *text, const struct conf_setting *setting)
{
    if (setting->example)
        rill_text_fmt(text, "required");
    else if (setting->derived)
        rill_text_fmt(text, "%s", setting->derived);
    else if (setting->fallback)
        rill_text_fmt(text, "`%s`", setting->fallback);
    else if (setting->type == CONF_TYPE_LIST || setting->type == CONF_TYPE_MAP)
        rill_text_fmt(text, "empty");
    else if (setting->type != CONF_TYPE_SECTION)
        rill_text_fmt(text, "none");
}

static void row_limits(rill_text *text, const struct conf_setting *setting)
{
    const char *unit =
        setting->type == CONF_TYPE_STRING || setting->type == CONF_TYPE_CUSTOM ? " octets"
        : setting->type == CONF_TYPE_LIST || setting->type == CONF_TYPE_MAP    ? " entries"
                                                                               : "";
    if (setting->max > 0)
        rill_text_fmt(text, "%s to %s%s", conf_value_text(setting->type, setting->min).text,
                      conf_value_text(setting->type, setting->max).text, unit);
}

static void emit_rows(rill_text *text, const struct conf_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_setting *setting = &section->settings[i];
        rill_text_fmt(text, "| `%s%s%s` | ", section->name, section->name[0] ? "." : "",
                      setting->name);
        row_type(text, setting);
        rill_text_add(text, RILL_SPAN(" | "));
        row_default(text, setting);
        rill_text_add(text, RILL_SPAN(" | "));
        row_limits(text, setting);
        rill_text_fmt(text, " | %s |\n", setting->help);
    }
    for (size_t i = 0; i < section->count; i++)
        if (section->settings[i].section)
            emit_rows(text, section->settings[i].section);
}

void conf_emit_table(rill_text *text)
{
    rill_text_add(text, RILL_SPAN("| Name | Type | Default | Limits | Meaning |\n"
                                  "|---|---|---|---|---|\n"));
    emit_rows(text, &conf_schema);
}
