/* logline.c - log lines as text: pure functions from data to octets.
 *
 * Escapes are \xHH, which JSON does not know: there the backslash is doubled, so that a reader of
 * the decoded value sees the same text as one of the combined form. */
#include "server/logline.h"

#include "server/http/utf8.h"

#include <stdint.h>

/* --- time --- */

struct civil {
    int64_t year;
    unsigned month, day, hour, minute, second, ms;
};

/* Days to a date of the proleptic Gregorian calendar. Years begin in March here, so that the leap
 * day is the last of its year; an era is 400 of them, 146097 days. */
static struct civil civil_of(rill_time now)
{
    int64_t ms = now / RILL_MS(1), days = ms / 86400000;
    int64_t rest = ms % 86400000;
    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day = (unsigned)(days - era * 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned day_of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * day_of_year + 2) / 153;
    struct civil civil = { .day = day_of_year - (153 * month + 2) / 5 + 1,
                           .month = month < 10 ? month + 3 : month - 9,
                           .hour = (unsigned)(rest / 3600000),
                           .minute = (unsigned)(rest / 60000 % 60),
                           .second = (unsigned)(rest / 1000 % 60),
                           .ms = (unsigned)(rest % 1000) };
    civil.year = (int64_t)year + era * 400 + (civil.month <= 2);
    return civil;
}

static void digits(rill_text *text, unsigned value, unsigned count)
{
    char octets[8];
    for (unsigned i = count; i-- > 0; value /= 10)
        octets[i] = (char)('0' + value % 10);
    rill_text_add(text, (rill_span){ octets, count });
}

static void clock_of_day(const struct civil *civil, rill_text *text)
{
    digits(text, civil->hour, 2);
    rill_text_char(text, ':');
    digits(text, civil->minute, 2);
    rill_text_char(text, ':');
    digits(text, civil->second, 2);
}

void logline_time(rill_time now, rill_text *text)
{
    struct civil civil = civil_of(now);
    digits(text, (unsigned)(civil.year % 10000), 4);
    rill_text_char(text, '-');
    digits(text, civil.month, 2);
    rill_text_char(text, '-');
    digits(text, civil.day, 2);
    rill_text_char(text, 'T');
    clock_of_day(&civil, text);
    rill_text_char(text, '.');
    digits(text, civil.ms, 3);
    rill_text_char(text, 'Z');
}

static void common_time(rill_time now, rill_text *text)
{
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct civil civil = civil_of(now);
    rill_text_char(text, '[');
    digits(text, civil.day, 2);
    rill_text_char(text, '/');
    rill_text_add(text, (rill_span){ months[civil.month - 1], 3 });
    rill_text_char(text, '/');
    digits(text, (unsigned)(civil.year % 10000), 4);
    rill_text_char(text, ':');
    clock_of_day(&civil, text);
    rill_text_add(text, RILL_SPAN(" +0000]"));
}

/* --- escaping --- */

/* How octets that cannot stand for themselves are written. */
struct escapes {
    const char *before_hex; /* in front of two hexadecimal digits */
    bool quotes;            /* quote and backslash get a backslash in front */
};

static const struct escapes json = { "\\\\x", true }, plain = { "\\x", true },
                            message_escapes = { "\\x", false };

/* Whether eight octets are all printable ASCII but quote and backslash. It may say no when they are,
 * after an octet that is not: borrows and carries run upwards. */
static bool eight_are_clean(const unsigned char *from)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word;
    memcpy(&word, from, sizeof word);
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
    uint64_t low = (word - ones * 0x20) & ~word; /* below 0x20 */
    uint64_t high = word | (word + ones);        /* 0x7f and above */
    uint64_t marks = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    return ((low | high | marks) & tops) == 0;
}

/* The octets of a character that may stand for itself; 0: it is none, or one that some readers take for
 * the end of a line (U+0085, U+2028, U+2029), or some terminals for a command (U+0080 to U+009F). */
static size_t printable_size(const unsigned char *from, size_t left)
{
    size_t size = utf8_size((const char *)from, left);
    bool control = size == 2 && from[0] == 0xc2 && from[1] < 0xa0;
    bool line_end = size == 3 && from[0] == 0xe2 && from[1] == 0x80 && (from[2] & 0xfe) == 0xa8;
    return control || line_end ? 0 : size;
}

/* The octets that stand for themselves at the start of `from`. */
static size_t clean_size(const unsigned char *from, size_t left, bool quotes)
{
    size_t at = 0;
    while (at < left) {
        if (left - at >= 8 && eight_are_clean(from + at)) {
            at += 8;
            continue;
        }
        unsigned char octet = from[at];
        if (octet >= 0x20 && octet < 0x7f) {
            if (quotes && (octet == '"' || octet == '\\'))
                break;
            at++;
            continue;
        }
        size_t size = octet >= 0x80 ? printable_size(from + at, left - at) : 0;
        if (size == 0)
            break;
        at += size;
    }
    return at;
}

static void escaped(rill_text *text, const struct escapes *escapes, rill_span span)
{
    const unsigned char *from = (const unsigned char *)span.at;
    size_t left = span.size;
    while (left > 0) {
        size_t clean = clean_size(from, left, escapes->quotes);
        rill_text_add(text, (rill_span){ (const char *)from, clean });
        from += clean;
        left -= clean;
        if (left == 0)
            break;
        if (*from == '"' || *from == '\\') {
            rill_text_char(text, '\\');
            rill_text_char(text, (char)*from);
        } else {
            rill_text_add(text, rill_span_of(escapes->before_hex));
            rill_text_hex(text, *from, 2);
        }
        from++;
        left--;
    }
}

/* A text that a peer chose, cut at LOG_TEXT_MAX but never inside of a UTF-8 sequence. */
static void chosen(rill_text *text, const struct escapes *escapes, rill_span span)
{
    bool cut = span.size > LOG_TEXT_MAX;
    if (cut) {
        span.size = LOG_TEXT_MAX;
        while (span.size > LOG_TEXT_MAX - 4 && ((unsigned char)span.at[span.size] & 0xc0) == 0x80)
            span.size--;
    }
    escaped(text, escapes, span);
    if (cut)
        rill_text_add(text, RILL_SPAN("..."));
}

static rill_span without_query(rill_span target)
{
    const char *mark = target.size > 0 ? memchr(target.at, '?', target.size) : NULL;
    return mark == NULL ? target : (rill_span){ target.at, (size_t)(mark - target.at) };
}

/* --- the JSON record --- */

/* `field` is all that stands between the value before and this one. */
static void string(rill_text *text, rill_span field, rill_span value)
{
    if (value.size == 0)
        return;
    rill_text_add(text, field);
    chosen(text, &json, value);
    rill_text_char(text, '"');
}

static void number(rill_text *text, rill_span field, uint64_t value)
{
    rill_text_add(text, field);
    rill_text_u64(text, value);
}

static void span_us(rill_text *text, rill_span field, int64_t us)
{
    if (us >= 0)
        number(text, field, (uint64_t)us);
}

static void parts(rill_text *text, const struct log_access *access)
{
    if (access->part_count == 0)
        return;
    rill_text_add(text, RILL_SPAN(",\"parts\":"));
    for (size_t i = 0; i < access->part_count; i++) {
        const struct log_part *part = &access->parts[i];
        rill_text_add(text, i == 0 ? RILL_SPAN("[{\"name\":\"") : RILL_SPAN(",{\"name\":\""));
        chosen(text, &json, part->name);
        rill_text_char(text, '"');
        span_us(text, RILL_SPAN(",\"us\":"), part->us);
        string(text, RILL_SPAN(",\"result\":\""), rill_span_of(part->result));
        rill_text_char(text, '}');
    }
    rill_text_char(text, ']');
}

void logline_json(const struct log_access *access, bool query, rill_text *text)
{
    rill_text_add(text, RILL_SPAN("{\"time\":\""));
    logline_time(access->time, text);
    rill_text_add(text, RILL_SPAN("\",\"id\":\""));
    rill_text_hex(text, access->id[0], 16);
    rill_text_hex(text, access->id[1], 16);
    rill_text_char(text, '"');
    number(text, RILL_SPAN(",\"conn\":"), access->conn);
    number(text, RILL_SPAN(",\"worker\":"), access->worker);
    number(text, RILL_SPAN(",\"generation\":"), access->generation);
    string(text, RILL_SPAN(",\"listener\":\""), access->listener);
    string(text, RILL_SPAN(",\"client\":\""), access->client);
    string(text, RILL_SPAN(",\"proto\":\""), access->proto);
    string(text, RILL_SPAN(",\"method\":\""), access->method);
    string(text, RILL_SPAN(",\"host\":\""), access->host);
    string(text, RILL_SPAN(",\"target\":\""),
           query ? access->target : without_query(access->target));
    string(text, RILL_SPAN(",\"route\":\""), access->route);
    if (access->status > 0)
        number(text, RILL_SPAN(",\"status\":"), access->status);
    if (access->rule > 0)
        number(text, RILL_SPAN(",\"rule\":"), access->rule);
    string(text, RILL_SPAN(",\"end\":\""), rill_span_of(access->end));
    number(text, RILL_SPAN(",\"bytes_in\":"), access->bytes_in);
    number(text, RILL_SPAN(",\"bytes_out\":"), access->bytes_out);
    span_us(text, RILL_SPAN(",\"head_us\":"), access->head_us);
    span_us(text, RILL_SPAN(",\"first_byte_us\":"), access->first_byte_us);
    span_us(text, RILL_SPAN(",\"total_us\":"), access->total_us);
    parts(text, access);
    string(text, RILL_SPAN(",\"referer\":\""),
           query ? access->referer : without_query(access->referer));
    string(text, RILL_SPAN(",\"agent\":\""), access->agent);
    rill_text_add(text, RILL_SPAN("}\n"));
}

/* --- the combined line --- */

static void quoted(rill_text *text, rill_span value)
{
    rill_text_add(text, RILL_SPAN(" \""));
    if (value.size == 0)
        rill_text_char(text, '-');
    else
        chosen(text, &plain, value);
    rill_text_char(text, '"');
}

static void request_line(rill_text *text, const struct log_access *access, bool query)
{
    if (access->method.size == 0) {
        quoted(text, (rill_span){ 0 });
        return;
    }
    rill_text_add(text, RILL_SPAN(" \""));
    chosen(text, &plain, access->method);
    rill_text_char(text, ' ');
    chosen(text, &plain, query ? access->target : without_query(access->target));
    if (access->proto.size > 0) {
        rill_text_char(text, ' ');
        chosen(text, &plain, access->proto);
    }
    rill_text_char(text, '"');
}

void logline_combined(const struct log_access *access, bool query, rill_text *text)
{
    if (access->client.size == 0)
        rill_text_char(text, '-');
    else
        chosen(text, &plain, access->client);
    rill_text_add(text, RILL_SPAN(" - - "));
    common_time(access->time, text);
    request_line(text, access, query);
    rill_text_char(text, ' ');
    digits(text, access->status % 1000, 3);
    rill_text_char(text, ' ');
    rill_text_u64(text, access->body_out);
    quoted(text, query ? access->referer : without_query(access->referer));
    quoted(text, access->agent);
    rill_text_char(text, '\n');
}

/* --- error lines --- */

void logline_error(rill_time now, enum log_level level, int pid, int slot, const char *module,
                   rill_span message, bool journal, rill_text *text)
{
    static const struct {
        const char *word, *priority; /* of syslog(3): the journal's scale */
    } levels[] = { [LOG_DEBUG] = { "debug", "<7>" },
                   [LOG_INFO] = { "info", "<6>" },
                   [LOG_WARNING] = { "warning", "<4>" },
                   [LOG_ERROR] = { "error", "<3>" } };

    if (journal)
        rill_text_add(text, rill_span_of(levels[level].priority));
    logline_time(now, text);
    rill_text_char(text, ' ');
    rill_text_add(text, rill_span_of(levels[level].word));
    rill_text_fmt(text, " %d ", pid);
    if (slot < 0)
        rill_text_char(text, '-');
    else
        rill_text_u64(text, (uint64_t)slot);
    rill_text_char(text, ' ');
    rill_text_add(text, rill_span_of(module));
    rill_text_char(text, ' ');
    escaped(text, &message_escapes, message);
    rill_text_char(text, '\n');
}
