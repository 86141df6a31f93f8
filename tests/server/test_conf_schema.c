/* test_conf_schema.c - the table of settings, the reader and what is made from the table agree. */
#include "server/conf/schema.h"

#include <rill/mem.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static _Alignas(16) char memory[CONF_MEMORY_SIZE];
static char octets[1 << 20], value[CONF_SCALAR_MAX + 64];
static struct conf_report report;

/* A file with one setting of a section set to `value`, and nothing more than it needs. */
static const struct frame {
    const char *section, *before, *after;
} frames[] = {
    { "", "", "" },
    { "log", "log: {", "}" },
    { "limits", "limits: {", "}" },
    { "listen", "listen: [{", "}]" },
    { "route", "routes: {/a/: {respond: , ", "}}" },
    { "files", "routes: {/a/: {files: {", "}}}" },
    { "respond", "routes: {/a/: {respond: {", "}}}" },
    { "gather", "routes: {/a/: {gather: {", "}}}" },
    { "part", "routes: {/a/: {gather: {deadline: 60s, body_max: 16m, parts: {p: {", "}}}}}" },
};

enum { SETTINGS = 51 };

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* What else the section must have. */
static const char *company(const struct conf_section *section, const char *name)
{
    if (is(section->name, "listen") && !is(name, "address"))
        return ", address: unix:/x";
    if (is(section->name, "files") && !is(name, "root"))
        return ", root: /x";
    if (is(section->name, "gather") && !is(name, "parts"))
        return ", parts: {p: {file: /x}}";
    if (is(section->name, "respond") && is(name, "location"))
        return ", status: 201";
    return is(section->name, "part") && !is(name, "url") && !is(name, "file") ? ", file: /x" : "";
}

static bool takes(const struct conf_section *section, const char *name, const char *text)
{
    const struct frame *frame = frames;
    const struct conf *conf;
    rill_text file = { octets, sizeof octets, 0, false };
    while (!is(frame->section, section->name)) {
        frame++;
        assert_true(frame < frames + sizeof frames / sizeof *frames);
    }
    if (!is(section->name, "listen") && !is(name, "listen"))
        rill_text_fmt(&file, "listen: [127.0.0.1:1]\n");
    rill_text_fmt(&file, "%s%s: %s%s%s\n", frame->before, name, text, company(section, name),
                  frame->after);
    assert_false(file.full);
    return conf_load_text("f", (rill_span){ octets, file.used }, NULL, memory, sizeof memory,
                          &report, &conf) == 0;
}

/* --- Values at the limits and one beyond. --- */

static const char *number(enum conf_type type, uint64_t n)
{
    if (type == CONF_TYPE_DURATION)
        snprintf(value, sizeof value, "%llums", (unsigned long long)n);
    else
        snprintf(value, sizeof value, type == CONF_TYPE_OCTAL ? "%llo" : "%llu",
                 (unsigned long long)n);
    return value;
}

static void check_number(const struct conf_section *section, const struct conf_setting *setting)
{
    uint64_t unit = setting->type == CONF_TYPE_DURATION ? (uint64_t)RILL_MS(1) : 1;
    uint64_t min = setting->min / unit, max = setting->max / unit;
    assert_true(takes(section, setting->name, number(setting->type, min)));
    assert_true(takes(section, setting->name, number(setting->type, max)));
    assert_false(takes(section, setting->name, number(setting->type, max + 1)));
    if (min > 0)
        assert_false(takes(section, setting->name, number(setting->type, min - 1)));
}

/* A text of `size` octets that has the form of the setting. */
static const char *text_of(const struct conf_setting *setting, size_t size)
{
    const char *start = setting->pattern ? "/" : setting->form == conf_form_media_type ? "a/" : "a";
    memset(value, 'a', size + 2);
    value[0] = value[size + 1] = '"';
    value[size + 2] = 0;
    memcpy(value + 1, start, strlen(start) < size ? strlen(start) : size);
    return value;
}

static void check_text(const struct conf_section *section, const struct conf_setting *setting)
{
    assert_true(takes(section, setting->name, text_of(setting, setting->max)));
    assert_false(takes(section, setting->name, text_of(setting, setting->max + 1)));
    if (setting->min > 0)
        assert_false(takes(section, setting->name, text_of(setting, setting->min - 1)));
}

static const char *items(const struct conf_setting *setting, size_t count)
{
    const char *format = is(setting->name, "listen")   ? "unix:/%zu, "
                         : is(setting->name, "index")  ? "i%zu, "
                         : is(setting->name, "types")  ? "t%zu: a/b, "
                         : is(setting->name, "header") ? "H%zu: a, "
                         : is(setting->name, "parts")  ? "p%zu: {file: /x}, "
                                                       : "/%zu: {respond: }, ";
    static char list[256 << 10];
    size_t used = 0;
    list[used++] = setting->type == CONF_TYPE_LIST ? '[' : '{';
    for (size_t i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        used += (size_t)snprintf(list + used, sizeof list - used, format, i);
#pragma GCC diagnostic pop
        assert_true(used < sizeof list - 2);
    }
    list[used++] = setting->type == CONF_TYPE_LIST ? ']' : '}';
    list[used] = 0;
    return list;
}

static void check_items(const struct conf_section *section, const struct conf_setting *setting)
{
    assert_true(takes(section, setting->name, items(setting, setting->max)));
    assert_false(takes(section, setting->name, items(setting, setting->max + 1)));
    assert_true(takes(section, setting->name, items(setting, setting->min)));
    if (setting->min > 0)
        assert_false(takes(section, setting->name, items(setting, setting->min - 1)));
}

static void check_words(const struct conf_section *section, const struct conf_setting *setting)
{
    for (const struct conf_word *word = setting->words; word && word->name; word++)
        assert_true(takes(section, setting->name, word->name));
    assert_false(takes(section, setting->name, "nonsense"));
}

static void check_setting(const struct conf_section *section, const struct conf_setting *setting)
{
    bool wrapped = setting->type == CONF_TYPE_LIST;
    if (setting->fallback) {
        snprintf(value, sizeof value, wrapped ? "[\"%s\"]" : "\"%s\"", setting->fallback);
        assert_true(takes(section, setting->name, value));
    }
    switch (setting->type) {
    case CONF_TYPE_DURATION:
    case CONF_TYPE_SIZE:
    case CONF_TYPE_COUNT:
    case CONF_TYPE_OCTAL: check_number(section, setting); break;
    case CONF_TYPE_STRING: check_text(section, setting); break;
    case CONF_TYPE_WORD: check_words(section, setting); break;
    case CONF_TYPE_LIST:
    case CONF_TYPE_MAP: check_items(section, setting); break;
    default: break;
    }
}

static size_t check_section(const struct conf_section *section)
{
    size_t count = section->count;
    for (size_t i = 0; i < section->count; i++) {
        check_setting(section, &section->settings[i]);
        if (section->settings[i].section)
            count += check_section(section->settings[i].section);
    }
    return count;
}

static void every_setting_is_taken_at_its_limits_and_refused_beyond(void **state)
{
    (void)state;
    assert_int_equal(check_section(&conf_schema), SETTINGS);
}

/* --- What is made from the table. --- */

static void the_schema_in_deploy_is_what_the_table_makes(void **state)
{
    (void)state;
    static char file[128 << 10];
    FILE *stream = fopen(RILL_SOURCE "/deploy/rilld.schema.json", "re");
    rill_text text = { octets, sizeof octets, 0, false };
    assert_non_null(stream);
    size_t size = fread(file, 1, sizeof file, stream);
    fclose(stream);
    conf_emit_schema(&text);
    assert_false(text.full);
    /* If it is not: emit_schema schema > deploy/rilld.schema.json */
    assert_int_equal(size, text.used);
    assert_memory_equal(file, text.at, size);
}

static void the_table_has_a_row_for_every_setting(void **state)
{
    (void)state;
    rill_text text = { octets, sizeof octets, 0, false };
    size_t rows = 0;
    conf_emit_table(&text);
    rill_text_end(&text);
    assert_false(text.full);
    for (const char *at = octets; (at = strchr(at, '\n')); at++)
        rows++;
    assert_int_equal(rows, 2 + SETTINGS);
    assert_non_null(strstr(octets,
                           "\n| `log.access` | `off`, `stdout`, `stderr`, path | `stdout` | "
                           "1 to 4095 octets | "));
    assert_non_null(strstr(octets, "\n| `files.root` | path | required | "));
    assert_non_null(strstr(octets, "\n| `limits.body` | size | `1m` | 0 to 1024g | "));
}

static void what_is_made_says_when_it_does_not_fit(void **state)
{
    (void)state;
    rill_text text = { octets, 1000, 0, false };
    conf_emit_schema(&text);
    assert_true(text.full);
    text = (rill_text){ octets, 1000, 0, false };
    conf_emit_table(&text);
    assert_true(text.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_taken_at_its_limits_and_refused_beyond),
        cmocka_unit_test(the_schema_in_deploy_is_what_the_table_makes),
        cmocka_unit_test(the_table_has_a_row_for_every_setting),
        cmocka_unit_test(what_is_made_says_when_it_does_not_fit),
    };
    return cmocka_run_group_tests_name("conf_schema", tests, NULL, NULL);
}
