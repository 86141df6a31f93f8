/* cookie_date.c - dates of cookies, as leniently as RFC 6265, 5.1.1, reads them. */
#include "core/client/cookie.h"

#include <errno.h>

struct date {
    int second, minute, hour, day, month, year;
    bool has_time, has_day, has_month, has_year;
};

static bool is_delimiter(char c)
{
    return c == '\t' || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) ||
           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}

/* Read `least` to `most` digits off the front, which no other digit may follow. */
static bool take_number(rill_span *text, size_t least, size_t most, int *ret_number)
{
    size_t size = 0;
    int number = 0;
    while (size < text->size && text->at[size] >= '0' && text->at[size] <= '9') {
        if (size == most)
            return false;
        number = number * 10 + (text->at[size++] - '0');
    }
    if (size < least)
        return false;
    *text = (rill_span){ text->at + size, text->size - size };
    *ret_number = number;
    return true;
}

static bool take_time(struct date *date, rill_span token)
{
    int *const parts[] = { &date->hour, &date->minute, &date->second };
    for (size_t i = 0; i < 3; i++) {
        if (!take_number(&token, 1, 2, parts[i]))
            return false;
        if (i == 2)
            return true;
        if (token.size == 0 || token.at[0] != ':')
            return false;
        token = (rill_span){ token.at + 1, token.size - 1 };
    }
    return false;
}

static bool take_month(struct date *date, rill_span token)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12 && token.size >= 3; i++)
        if (rill_span_equal_nocase((rill_span){ token.at, 3 }, (rill_span){ names + 3 * i, 3 })) {
            date->month = i + 1;
            return true;
        }
    return false;
}

/* Each token is what it can be first, of what is not known yet. */
static void take_token(struct date *date, rill_span token)
{
    rill_span rest = token;
    if (!date->has_time && take_time(date, token))
        date->has_time = true;
    else if (!date->has_day && take_number(&rest, 1, 2, &date->day))
        date->has_day = true;
    else if (!date->has_month && take_month(date, token))
        date->has_month = true;
    else if (!date->has_year && take_number(&rest, 2, 4, &date->year))
        date->has_year = true;
}

/* Days since 1970 of a day of the Gregorian calendar, in years that begin in March. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_good(const struct date *date)
{
    static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;
    return date->has_time && date->has_day && date->has_month && date->has_year && date->day >= 1 &&
           date->day <= days[date->month - 1] && (date->month != 2 || date->day < 29 || leap) &&
           date->year >= 1601 && date->hour <= 23 && date->minute <= 59 && date->second <= 59;
}

int rill__cookie_date(rill_span text, int64_t *ret_seconds)
{
    struct date date = { .second = 0 };
    for (size_t at = 0; at < text.size;) {
        size_t size = 0;
        while (at + size < text.size && !is_delimiter(text.at[at + size]))
            size++;
        if (size > 0)
            take_token(&date, (rill_span){ text.at + at, size });
        at += size > 0 ? size : 1;
    }
    if (date.has_year && date.year < 100)
        date.year += date.year < 70 ? 2000 : 1900;
    if (!is_good(&date))
        return -EINVAL;
    *ret_seconds = days_of(date.year, date.month, date.day) * 86400 + date.hour * 3600 +
                   date.minute * 60 + date.second;
    return 0;
}
