/* test_date.c - the promises of server/http/date: rules 74 and 75. */
#include "server/http/date.h"

#include <rill/text.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static const int64_t now = 1767225600; /* 2026-01-01 00:00:00 */

static int parse(const char *text, int64_t *ret)
{
    return date_parse(rill_span_of(text), now, ret);
}

static void assert_date(const char *text, int64_t want)
{
    int64_t seconds = -1;
    assert_int_equal(parse(text, &seconds), 0);
    assert_true(seconds == want);
}

static void rule_75_date_in_each_format_is_the_same_second(void **state)
{
    (void)state;
    assert_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    assert_date("Sun Nov  6 08:49:37 1994", 784111777);
    assert_date("Wed Nov 16 08:49:37 1994", 784975777);
    assert_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    assert_date("Wed, 31 Dec 1969 23:59:59 GMT", -1);
    assert_date("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800); /* a leap second */
}

static void rule_75_two_digit_year_is_never_more_than_fifty_years_ahead(void **state)
{
    (void)state;
    int64_t far;
    assert_date("Thursday, 01-Jan-26 00:00:00 GMT", now);
    assert_date("Friday, 31-Dec-75 23:59:59 GMT", 3345062399);
    assert_date("Friday, 01-Jan-76 00:00:00 GMT", 3345062400);  /* fifty years to the second */
    assert_date("Thursday, 01-Jan-76 00:00:01 GMT", 189302401); /* one second more */
    assert_date("Thursday, 01-Jan-77 00:00:00 GMT", 220924800);
    assert_date("Friday, 31-Dec-99 00:00:00 GMT", 946598400);
    assert_date("Saturday, 01-Jan-00 00:00:00 GMT", 946684800);
    assert_int_equal(date_parse(RILL_SPAN("Monday, 03-Jan-11 00:00:00 GMT"), 4102444800 - 1, &far),
                     0);
    assert_true(far == 4449686400); /* seen from 2099 it is 2111 */
}

static void rule_75_anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Sun",
        "Sun,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Wed, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 08:49:37 GMT",
        "Mon, 29 Feb 2100 00:00:00 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 94",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37 GMT, x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t seconds = 7;
        assert_int_equal(parse(bad[i], &seconds), -EINVAL);
        assert_true(seconds == 7); /* untouched on failure */
    }
}

static void rule_75_each_cut_of_a_date_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < 3; i++) {
        rill_span text = rill_span_of(good[i]);
        int64_t seconds;
        for (size_t size = 0; size < text.size; size++)
            assert_int_equal(date_parse((rill_span){ text.at, size }, now, &seconds), -EINVAL);
    }
}

/* Every second of interest against the C library's calendar, there and back. */
static void rule_74_written_date_equals_the_plain_one_and_reads_back(void **state)
{
    (void)state;
    for (int64_t at = -62167219200; at < 253402300800; at += 86400 * 13 + 4241) {
        char text[64], plain[64];
        struct tm tm;
        time_t plain_at = (time_t)at;
        int64_t back;
        date_format(at, text);
        gmtime_r(&plain_at, &tm);
        snprintf(plain, sizeof plain, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 &"SunMonTueWedThuFriSat"[3 * tm.tm_wday], tm.tm_mday,
                 &"JanFebMarAprMayJunJulAugSepOctNovDec"[3 * tm.tm_mon], tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_memory_equal(text, plain, date_size);
        assert_int_equal(date_parse((rill_span){ text, date_size }, now, &back), 0);
        assert_true(back == at);
    }
}

static void rule_74_date_outside_four_digit_years_is_the_nearest_inside(void **state)
{
    (void)state;
    char text[date_size];
    date_format(INT64_MAX, text);
    assert_memory_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT", date_size);
    date_format(INT64_MIN, text);
    assert_memory_equal(text, "Sat, 01 Jan 0000 00:00:00 GMT", date_size);
}

static void rule_74_cached_date_changes_with_the_second_only(void **state)
{
    (void)state;
    struct date_cache cache = { 0 };
    assert_memory_equal(date_cached(&cache, 0), "Thu, 01 Jan 1970 00:00:00 GMT", date_size);
    cache.text[0] = 'x'; /* shows that it is not made again */
    assert_memory_equal(date_cached(&cache, 0), "xhu, 01 Jan 1970 00:00:00 GMT", date_size);
    assert_memory_equal(date_cached(&cache, 1), "Thu, 01 Jan 1970 00:00:01 GMT", date_size);
    assert_memory_equal(date_cached(&cache, 3601), "Thu, 01 Jan 1970 01:00:01 GMT", date_size);
    assert_memory_equal(date_cached(&cache, 2), "Thu, 01 Jan 1970 00:00:02 GMT", date_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_75_date_in_each_format_is_the_same_second),
        cmocka_unit_test(rule_75_two_digit_year_is_never_more_than_fifty_years_ahead),
        cmocka_unit_test(rule_75_anything_else_is_refused),
        cmocka_unit_test(rule_75_each_cut_of_a_date_is_refused),
        cmocka_unit_test(rule_74_written_date_equals_the_plain_one_and_reads_back),
        cmocka_unit_test(rule_74_date_outside_four_digit_years_is_the_nearest_inside),
        cmocka_unit_test(rule_74_cached_date_changes_with_the_second_only),
    };
    return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
