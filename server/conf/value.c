/* value.c - single values: text to number, time, size, word, and the custom kinds.
 *
 * Each converter takes a scalar node and writes the member of the section's struct. What a value may
 * look like comes from its setting, never from its look. */
#include "server/conf/schema.h"

#include <errno.h>
#include <stdio.h>

struct unit {
    const char *name; /* NULL ends the list */
    uint64_t factor;
};

static const struct unit duration_units[] = { { "ms", RILL_MS(1) },         { "s", RILL_SEC(1) },
                                              { "m", RILL_SEC(60) },        { "h", RILL_SEC(3600) },
                                              { "d", RILL_SEC(24 * 3600) }, { 0 } };
static const struct unit size_units[] = {
    { "", 1 }, { "k", 1 << 10 }, { "m", 1 << 20 }, { "g", 1 << 30 }, { 0 }
};

/* --- Messages. --- */

void conf_value_error(struct conf_read *read, struct conf_node *node, const char *format, ...)
{
    char memory[512];
    va_list args;
    va_start(args, format);
    vsnprintf(memory, sizeof memory, format, args);
    va_end(args);
    conf_error(read, node->place, "%s", memory);
    node->broken = true;
}

static int refuse(struct conf_read *read, const struct conf_setting *setting,
                  struct conf_node *node, const char *why)
{
    conf_value_error(read, node, "%s \"%s\" %s", setting->name, conf_quote(node->text).text, why);
    return 0;
}

struct conf_quoted conf_value_text(enum conf_type type, uint64_t value)
{
    struct conf_quoted quoted;
    const struct unit *units = type == CONF_TYPE_DURATION ? duration_units
                               : type == CONF_TYPE_SIZE   ? size_units
                                                          : NULL;
    const struct unit *best = units;
    for (const struct unit *unit = units; unit && unit->name; unit++)
        if (value > 0 && value % unit->factor == 0)
            best = unit;
    if (type == CONF_TYPE_OCTAL)
        snprintf(quoted.text, sizeof quoted.text, "%04llo", (unsigned long long)value);
    else
        snprintf(quoted.text, sizeof quoted.text, "%llu%s",
                 (unsigned long long)(best ? value / best->factor : value),
                 !best                                      ? ""
                 : type == CONF_TYPE_DURATION && value == 0 ? "s"
                                                            : best->name);
    return quoted;
}

static int refuse_range(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node)
{
    char why[200];
    snprintf(why, sizeof why, "is out of range; write %s%s to %s",
             setting->automatic ? "auto or " : "",
             conf_value_text(setting->type, setting->min).text,
             conf_value_text(setting->type, setting->max).text);
    return refuse(read, setting, node, why);
}

/* "json, combined" */
static const char *word_list(const struct conf_setting *setting, rill_text *text)
{
    for (const struct conf_word *word = setting->words; word->name; word++)
        rill_text_fmt(text, "%s%s", word == setting->words ? "" : ", ", word->name);
    return rill_text_end(text);
}

/* --- Numbers. --- */

static size_t count_digits(rill_span text)
{
    size_t digits = 0;
    while (digits < text.size && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    return digits;
}

/* Returns: 0; -EINVAL (no digits in front); -EDOM (no such unit); -ERANGE. */
static int parse_scaled(rill_span text, const struct unit *unit, uint64_t *ret_value)
{
    size_t digits = count_digits(text);
    rill_span suffix = { text.at + digits, text.size - digits };
    uint64_t value;
    while (unit->name && !rill_span_equal(suffix, rill_span_of(unit->name)))
        unit++;
    if (digits == 0)
        return -EINVAL;
    if (!unit->name)
        return -EDOM;
    if (rill_parse_u64((rill_span){ text.at, digits }, UINT64_MAX, &value) < 0 ||
        __builtin_mul_overflow(value, unit->factor, &value))
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static bool in_range(const struct conf_setting *setting, uint64_t value)
{
    return value >= setting->min && value <= setting->max;
}

static int convert_duration(struct conf_read *read, const struct conf_setting *setting,
                            struct conf_node *node, void *base)
{
    uint64_t value;
    char why[100];
    int r = parse_scaled(node->text, duration_units, &value);
    if (r == -EDOM && count_digits(node->text) == node->text.size && node->text.size < 20) {
        snprintf(why, sizeof why, "has no unit; write \"%sms\" or \"%ss\"", node->text.at,
                 node->text.at);
        return refuse(read, setting, node, why);
    }
    if (r == -EINVAL || r == -EDOM)
        return refuse(read, setting, node,
                      "is no duration; write digits and ms, s, m, h or d, such as \"10s\"");
    if (r < 0 || !in_range(setting, value))
        return refuse_range(read, setting, node);
    *(rill_time *)((char *)base + setting->offset) = (rill_time)value;
    return 0;
}

static int convert_size(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, void *base)
{
    uint64_t value;
    int r = parse_scaled(node->text, size_units, &value);
    if (r == -EINVAL || r == -EDOM)
        return refuse(read, setting, node,
                      "is no size; write digits, and k, m or g behind them, such as \"64k\"");
    if (r < 0 || !in_range(setting, value))
        return refuse_range(read, setting, node);
    *(uint64_t *)((char *)base + setting->offset) = value;
    return 0;
}

static int convert_count(struct conf_read *read, const struct conf_setting *setting,
                         struct conf_node *node, void *base)
{
    uint64_t value = CONF_AUTO;
    bool automatic = setting->automatic && rill_span_equal(node->text, RILL_SPAN("auto"));
    int r = automatic ? 0 : rill_parse_u64(node->text, UINT32_MAX, &value);
    if (r == -EINVAL)
        return refuse(read, setting, node,
                      setting->automatic ? "is no count; write auto or decimal digits"
                                         : "is no count; write decimal digits");
    if (r < 0 || (!automatic && !in_range(setting, value)))
        return refuse_range(read, setting, node);
    *(unsigned *)((char *)base + setting->offset) = (unsigned)value;
    return 0;
}

static int convert_octal(struct conf_read *read, const struct conf_setting *setting,
                         struct conf_node *node, void *base)
{
    uint64_t value = 0;
    bool octal = node->text.size > 0;
    for (size_t i = 0; i < node->text.size && octal; i++) {
        octal = node->text.at[i] >= '0' && node->text.at[i] <= '7' && value <= UINT32_MAX;
        value = value * 8 + (uint64_t)(node->text.at[i] - '0');
    }
    if (!octal || !in_range(setting, value))
        return refuse(read, setting, node, "is no mode; write octal digits, 0000 to 0777");
    *(mode_t *)((char *)base + setting->offset) = (mode_t)value;
    return 0;
}

/* --- Words. --- */

static int truth_of(rill_span text)
{
    static const rill_span truths[] = { RILL_SPAN("no"), RILL_SPAN("yes"),   RILL_SPAN("off"),
                                        RILL_SPAN("on"), RILL_SPAN("false"), RILL_SPAN("true") };
    for (int i = 0; i < 6; i++)
        if (rill_span_equal(text, truths[i]))
            return i & 1;
    return -1;
}

static int convert_bool(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, void *base)
{
    int truth = truth_of(node->text);
    if (truth < 0)
        return refuse(read, setting, node, "is neither yes nor no; write one of them");
    *(bool *)((char *)base + setting->offset) = truth == 1;
    return 0;
}

/* Where `off` is a word, the other spellings of it count too. */
static const struct conf_word *find_word(const struct conf_setting *setting, rill_span text)
{
    for (const struct conf_word *word = setting->words; word->name; word++)
        if (rill_span_equal(text, rill_span_of(word->name)) ||
            (strcmp(word->name, "off") == 0 && truth_of(text) == 0))
            return word;
    return NULL;
}

static int convert_word(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, void *base)
{
    const struct conf_word *word = find_word(setting, node->text);
    const char *names[16];
    size_t count = 0;
    char why[200], list[128];
    rill_text text = { list, sizeof list, 0, false };
    if (word) {
        memcpy((char *)base + setting->offset, &word->value, sizeof word->value);
        return 0;
    }
    for (; setting->words[count].name && count < 16; count++)
        names[count] = setting->words[count].name;
    const char *nearest = conf_nearest(node->text, names, count);
    if (nearest)
        snprintf(why, sizeof why, "is unknown; did you mean \"%s\"?", nearest);
    else
        snprintf(why, sizeof why, "is unknown; write one of %s", word_list(setting, &text));
    return refuse(read, setting, node, why);
}

/* --- Texts. --- */

/* Whether size and form are right; reported if not. */
static bool check_text(struct conf_read *read, const struct conf_setting *setting,
                       struct conf_node *node)
{
    const char *wrong = setting->form ? setting->form(node->text) : NULL;
    if (node->text.size < setting->min)
        conf_value_error(read, node, "%s is empty; give it a value or remove it", setting->name);
    else if (node->text.size > setting->max)
        conf_value_error(read, node, "%s is longer than %llu octets; shorten it", setting->name,
                         (unsigned long long)setting->max);
    else if (wrong)
        refuse(read, setting, node, wrong);
    return !node->broken;
}

static int convert_string(struct conf_read *read, const struct conf_setting *setting,
                          struct conf_node *node, void *base)
{
    if (!check_text(read, setting, node))
        return 0;
    return conf_region_copy(read, node->text, (rill_span *)((char *)base + setting->offset));
}

static int convert_custom(struct conf_read *read, const struct conf_setting *setting,
                          struct conf_node *node, void *base)
{
    return check_text(read, setting, node) ? setting->convert(read, setting, node, base) : 0;
}

int conf_convert_scalar(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, void *base)
{
    static conf_converter *const converters[] = {
        [CONF_TYPE_DURATION] = convert_duration, [CONF_TYPE_SIZE] = convert_size,
        [CONF_TYPE_COUNT] = convert_count,       [CONF_TYPE_OCTAL] = convert_octal,
        [CONF_TYPE_BOOL] = convert_bool,         [CONF_TYPE_WORD] = convert_word,
        [CONF_TYPE_STRING] = convert_string,     [CONF_TYPE_CUSTOM] = convert_custom,
    };
    if (node->shape != CONF_SCALAR) {
        conf_value_error(read, node,
                         "%s is a %s; write a single value, in quotes if it begins "
                         "with { or [",
                         setting->name, node->shape == CONF_LIST ? "list" : "map");
        return 0;
    }
    if (conf_node_empty(node) && setting->type != CONF_TYPE_STRING) {
        conf_value_error(read, node, "%s is empty; give it a value or remove it", setting->name);
        return 0;
    }
    return converters[setting->type](read, setting, node, base);
}

/* --- Custom kinds. --- */

static bool is_account(rill_span name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool later = (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!letter && !(later && i > 0) && !(c == '$' && i > 0 && i == name.size - 1))
            return false;
    }
    return name.size > 0;
}

int conf_convert_user(struct conf_read *read, const struct conf_setting *setting,
                      struct conf_node *node, void *base)
{
    struct conf *conf = base;
    const char *colon = memchr(node->text.at, ':', node->text.size);
    rill_span user = { node->text.at, colon ? (size_t)(colon - node->text.at) : node->text.size };
    rill_span group = { user.at + user.size + 1, colon ? node->text.size - user.size - 1 : 0 };
    if (!is_account(user) || (colon && !is_account(group)))
        return refuse(read, setting, node, "is no account; write NAME or NAME:GROUP");
    conf->user_place = node->place;
    int r = conf_region_copy(read, user, &conf->user);
    return r < 0 || !colon ? r : conf_region_copy(read, group, &conf->group);
}

int conf_convert_log(struct conf_read *read, const struct conf_setting *setting,
                     struct conf_node *node, void *base)
{
    struct conf_log_target *target = (void *)((char *)base + setting->offset);
    const struct conf_word *word = find_word(setting, node->text);
    char why[200], list[100];
    rill_text text = { list, sizeof list, 0, false };
    target->place = node->place;
    target->to = word ? (enum conf_log_to)word->value : CONF_LOG_FILE;
    if (word)
        return 0;
    if (conf_form_path(node->text)) {
        snprintf(why, sizeof why, "is no target; write an absolute path or one of %s",
                 word_list(setting, &text));
        return refuse(read, setting, node, why);
    }
    return conf_region_copy(read, node->text, &target->path);
}

static const char *address_error(int error)
{
    switch (error) {
    case -EDESTADDRREQ: return "has no port; add one, such as \":80\"";
    case -ERANGE: return "has no valid port; write one from 0 to 65535 without leading zeros";
    case -ENAMETOOLONG: return "is longer than a socket's path can be; use at most 107 octets";
    default: return "is no address; write IPv4:PORT, \"[IPv6]:PORT\", unix:PATH or systemd:NAME";
    }
}

int conf_convert_listen(struct conf_read *read, const struct conf_setting *setting,
                        struct conf_node *node, void *base)
{
    static const rill_span systemd = RILL_SPAN("systemd:"), local = RILL_SPAN("unix:");
    struct conf_listen *listen = base;
    bool inherited = rill_span_starts(node->text, systemd);
    rill_span name = { node->text.at + systemd.size, node->text.size - systemd.size };
    if (inherited) {
        const char *wrong = conf_form_socket_name(name);
        return wrong ? refuse(read, setting, node, wrong)
                     : conf_region_copy(read, name, &listen->systemd);
    }
    int r = rill_addr_parse(node->text, &listen->address);
    if (r < 0)
        return refuse(read, setting, node, address_error(r));
    if (rill_span_starts(node->text, local) && node->text.at[local.size] != '/')
        return refuse(read, setting, node, "has a relative path; begin it with a slash");
    return 0;
}
