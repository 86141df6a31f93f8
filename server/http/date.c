/* date.c - the dates of HTTP: written in one format, read in three. (9110 §5.6.7)
 *
 * Days are counted with March as the first month, so that the leap day is the last of a year and
 * month lengths follow one formula: (153 m + 2) / 5 days lie before month m. */
#include "server/http/date.h"

#include <errno.h>

static const char day_names[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday" };
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

enum { day_seconds = 86400, era_days = 146097 /* of 400 years */ };

/* The first second of the year 0 and the last of 9999. */
static const int64_t earliest = -62167219200, latest = 253402300799;

struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

/* Days from 1970-01-01 to a day of the Gregorian calendar; years from 0. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - era * 400;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * era_days + day_of_era - 719468;
}

static int64_t seconds_of(const struct civil *at)
{
    return days_of(at->year, at->month, at->day) * day_seconds + at->hour * 3600 + at->minute * 60 +
           at->second;
}

/* The inverse of days_of. */
static void civil_of(int64_t days, struct civil *ret_civil)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - (era_days - 1)) / era_days;
    int64_t day_of_era = shifted - era * era_days;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * day_of_year + 2) / 153;
    ret_civil->day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
    ret_civil->month = (int)(m < 10 ? m + 3 : m - 9);
    ret_civil->year = (int)(year_of_era + era * 400 + (ret_civil->month <= 2));
}

static void put_two(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

void date_format(int64_t seconds, char *ret_text)
{
    struct civil at;
    seconds = seconds < earliest ? earliest : seconds > latest ? latest : seconds;
    int64_t days = (seconds >= 0 ? seconds : seconds - (day_seconds - 1)) / day_seconds;
    int rest = (int)(seconds - days * day_seconds);
    civil_of(days, &at);
    memcpy(ret_text, "Sun, 00 Jan 0000 00:00:00 GMT", date_size);
    memcpy(ret_text, day_names[((days + 4) % 7 + 7) % 7], 3); /* 1970-01-01 was a Thursday */
    put_two(ret_text + 5, at.day);
    memcpy(ret_text + 8, month_names + 3 * (at.month - 1), 3);
    put_two(ret_text + 12, at.year / 100);
    put_two(ret_text + 14, at.year % 100);
    put_two(ret_text + 17, rest / 3600);
    put_two(ret_text + 20, rest / 60 % 60);
    put_two(ret_text + 23, rest % 60);
}

const char *date_cached(struct date_cache *cache, int64_t seconds)
{
    if (cache->second != seconds || cache->text[0] == 0) {
        date_format(seconds, cache->text);
        cache->second = seconds;
    }
    return cache->text;
}

/* The reader: each step takes what it wants from the front of the text, or marks it as bad. */
struct reader {
    rill_span left;
    bool bad;
};

static void take_text(struct reader *in, rill_span want)
{
    if (!rill_span_starts(in->left, want)) {
        in->bad = true;
        return;
    }
    in->left.at += want.size;
    in->left.size -= want.size;
}

static int take_digits(struct reader *in, size_t count)
{
    int value = 0;
    if (in->left.size < count) {
        in->bad = true;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (in->left.at[i] < '0' || in->left.at[i] > '9')
            in->bad = true;
        else
            value = value * 10 + (in->left.at[i] - '0');
    }
    in->left.at += count;
    in->left.size -= count;
    return value;
}

static int take_month(struct reader *in)
{
    for (int i = 0; i < 12; i++) {
        rill_span name = { month_names + 3 * i, 3 };
        if (rill_span_starts(in->left, name)) {
            take_text(in, name);
            return i + 1;
        }
    }
    in->bad = true;
    return 1;
}

static void take_clock(struct reader *in, struct civil *at)
{
    at->hour = take_digits(in, 2);
    take_text(in, RILL_SPAN(":"));
    at->minute = take_digits(in, 2);
    take_text(in, RILL_SPAN(":"));
    at->second = take_digits(in, 2);
}

/* "06 Nov 1994 08:49:37 GMT" */
static void take_fixdate(struct reader *in, struct civil *at)
{
    at->day = take_digits(in, 2);
    take_text(in, RILL_SPAN(" "));
    at->month = take_month(in);
    take_text(in, RILL_SPAN(" "));
    at->year = take_digits(in, 4);
    take_text(in, RILL_SPAN(" "));
    take_clock(in, at);
    take_text(in, RILL_SPAN(" GMT"));
}

/* The year that `at`, whose year has two digits, means: see date_parse. (rule 75) */
static int full_year(struct civil at, int64_t now)
{
    struct civil today = { .day = 1 };
    now = now < 0 ? 0 : now > latest ? latest : now;
    civil_of(now / day_seconds, &today);
    int year = today.year - today.year % 100 + 100 + at.year;
    for (;; year -= 100) {
        at.year = year - 50;
        if (seconds_of(&at) <= now)
            return year;
    }
}

/* "06-Nov-94 08:49:37 GMT" */
static void take_rfc850(struct reader *in, struct civil *at, int64_t now)
{
    at->day = take_digits(in, 2);
    take_text(in, RILL_SPAN("-"));
    at->month = take_month(in);
    take_text(in, RILL_SPAN("-"));
    at->year = take_digits(in, 2);
    take_text(in, RILL_SPAN(" "));
    take_clock(in, at);
    take_text(in, RILL_SPAN(" GMT"));
    if (!in->bad)
        at->year = full_year(*at, now);
}

/* "Nov  6 08:49:37 1994" */
static void take_asctime(struct reader *in, struct civil *at)
{
    at->month = take_month(in);
    take_text(in, RILL_SPAN(" "));
    if (in->left.size > 0 && in->left.at[0] == ' ') {
        take_text(in, RILL_SPAN(" "));
        at->day = take_digits(in, 1);
    } else {
        at->day = take_digits(in, 2);
        in->bad |= at->day < 10;
    }
    take_text(in, RILL_SPAN(" "));
    take_clock(in, at);
    take_text(in, RILL_SPAN(" "));
    at->year = take_digits(in, 4);
}

static bool is_real(const struct civil *at)
{
    static const char month_days[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = at->year % 4 == 0 && (at->year % 100 != 0 || at->year % 400 == 0);
    if (at->day < 1 || at->day > month_days[at->month - 1])
        return false;
    if (at->month == 2 && at->day == 29 && !leap)
        return false;
    /* Second 60 is a leap second; it counts as the first of the next minute. */
    return at->hour <= 23 && at->minute <= 59 && at->second <= 60;
}

/* The name of a weekday says which format follows; whether it is the right day is not looked at. */
int date_parse(rill_span text, int64_t now, int64_t *ret_seconds)
{
    struct civil at = { .month = 1 };
    for (size_t i = 0; i < 7; i++) {
        rill_span full = rill_span_of(day_names[i]), brief = { full.at, 3 };
        struct reader in = { text, false };
        if (!rill_span_starts(text, brief))
            continue;
        bool is_full = rill_span_starts(text, full);
        take_text(&in, is_full ? full : brief);
        if (is_full) {
            take_text(&in, RILL_SPAN(", "));
            take_rfc850(&in, &at, now);
        } else if (in.left.size > 0 && in.left.at[0] == ',') {
            take_text(&in, RILL_SPAN(", "));
            take_fixdate(&in, &at);
        } else {
            take_text(&in, RILL_SPAN(" "));
            take_asctime(&in, &at);
        }
        if (in.bad || in.left.size > 0 || !is_real(&at))
            return -EINVAL;
        *ret_seconds = seconds_of(&at);
        return 0;
    }
    return -EINVAL;
}
