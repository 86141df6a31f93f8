/* test_range.c - the promises of server/http/range: rules 90 to 94 and 96. */
#include "server/http/range.h"

#include <rill/text.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *value;
    uint64_t size;
    enum range_result result;
    uint64_t first, count;
};

#define ALL  RANGE_WHOLE
#define PART RANGE_PART
#define NONE RANGE_NONE

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct range range = { 77, 77 };
        enum range_result result = range_read(rill_span_of(rows[i].value), rows[i].size, &range);
        if (result != rows[i].result)
            print_message("%s of %d\n", rows[i].value, (int)rows[i].size);
        assert_int_equal(result, rows[i].result);
        assert_true(range.first == (result == PART ? rows[i].first : 77));
        assert_true(range.size == (result == PART ? rows[i].count : 77));
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

static void rule_90_malformed_range_or_other_unit_is_ignored(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=1-b",
        "bytes=b-1",
        "bytes=2-1",
        "bytes=1 -2",
        "bytes=1- 2",
        "bytes= ",
        "bytes =1-2",
        "byte=1-2",
        "bytes:1-2",
        "lines=1-2",
        "1-2",
        "bytes=--1",
        "bytes=1--2",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes=1-2;",
        "bytes=,",
        "bytes=1-2 3-4",
        "bytes=1-2,b",
        "bytes=1-2,3-2",
        "none",
        "bytes=-1-",
        "bytes=0-1-",
        "bytes=\"1-2\"",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct row row = { values[i], 10, ALL, 0, 0 };
        check_rows(&row, 1);
    }
}

static void rule_91_each_form_of_range_is_taken(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=0-0", 10, PART, 0, 1 },   { "bytes=2-4", 10, PART, 2, 3 },
        { "bytes=9-9", 10, PART, 9, 1 },   { "bytes=0-", 10, PART, 0, 10 },
        { "bytes=9-", 10, PART, 9, 1 },    { "bytes=-1", 10, PART, 9, 1 },
        { "bytes=-10", 10, PART, 0, 10 },  { "bytes=-11", 10, PART, 0, 10 },
        { "BYTES=2-4", 10, PART, 2, 3 },   { "bytes= \t2-4 , ", 10, PART, 2, 3 },
        { "bytes=,,2-4", 10, PART, 2, 3 }, { "bytes=002-004", 10, PART, 2, 3 },
    };
    CHECK_ROWS(rows);
}

static void rule_91_nothing_that_is_there_is_416(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=10-", 10, NONE, 0, 0 }, { "bytes=10-10", 10, NONE, 0, 0 },
        { "bytes=-0", 10, NONE, 0, 0 },  { "bytes=10-20,-0", 10, NONE, 0, 0 },
        { "bytes=0-", 0, NONE, 0, 0 },   { "bytes=0-0", 0, NONE, 0, 0 },
        { "bytes=-0", 0, NONE, 0, 0 },   { "bytes=-000", 0, NONE, 0, 0 },
        { "bytes=-5", 0, ALL, 0, 0 }, /* satisfiable, but no range can be written for it */
        { "bytes=-10", 0, ALL, 0, 0 },
    };
    CHECK_ROWS(rows);
}

static void rule_92_last_position_beyond_the_end_is_the_end(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=0-10", 10, PART, 0, 10 },
        { "bytes=5-999", 10, PART, 5, 5 },
        { "bytes=9-9223372036854775807", 10, PART, 9, 1 },
    };
    CHECK_ROWS(rows);
}

static void rule_93_no_number_wraps(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=5-18446744073709551615", 10, PART, 5, 5 },
        { "bytes=5-18446744073709551616", 10, PART, 5, 5 },
        { "bytes=5-18446744073709551622", 10, PART, 5, 5 },
        { "bytes=5-99999999999999999999999999999999999999", 10, PART, 5, 5 },
        { "bytes=18446744073709551616-", 10, NONE, 0, 0 },
        { "bytes=18446744073709551617-18446744073709551618", 10, NONE, 0, 0 },
        { "bytes=-18446744073709551617", 10, PART, 0, 10 },
        { "bytes=0-", INT64_MAX, PART, 0, INT64_MAX },
        { "bytes=-1", INT64_MAX, PART, INT64_MAX - 1, 1 },
        { "bytes=9223372036854775806-9223372036854775807", INT64_MAX, PART, INT64_MAX - 1, 1 },
        { "bytes=0-,0-,0-", INT64_MAX, ALL, 0, 0 }, /* the sum does not fit 64 bits */
    };
    CHECK_ROWS(rows);
}

static void rule_94_one_satisfiable_range_of_several_is_a_part(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=20-,2-4", 10, PART, 2, 3 },
        { "bytes=2-4,10-12,-0", 10, PART, 2, 3 },
        { "bytes=0-1,8-9", 10, ALL, 0, 0 }, /* two remain */
    };
    CHECK_ROWS(rows);
}

static void rule_96_ranges_that_overlap_or_touch_are_merged(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=0-1,2-3", 10, PART, 0, 4 },
        { "bytes=2-3,0-1", 10, PART, 0, 4 },
        { "bytes=0-3,1-2", 10, PART, 0, 4 },
        { "bytes=1-2,0-3", 10, PART, 0, 4 },
        { "bytes=4-,-8", 20, ALL, 0, 0 }, /* the sum is above the length */
        { "bytes=0-4,5-9", 10, PART, 0, 10 },
        { "bytes=0-5,5-9", 10, ALL, 0, 0 }, /* the sum is above the length */
        { "bytes=0-1,3-4", 10, ALL, 0, 0 },
    };
    CHECK_ROWS(rows);
}

static void rule_96_more_than_eight_ranges_are_ignored(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7", 10, PART, 0, 8 },
        { "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8", 10, ALL, 0, 0 },
        { "bytes=20-,21-,22-,23-,24-,25-,26-,27-", 10, NONE, 0, 0 },
        { "bytes=20-,21-,22-,23-,24-,25-,26-,27-,28-", 10, ALL, 0, 0 },
        { "bytes=,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,1-2", 10, PART, 1, 2 },
        { "bytes=,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,1-2", 10, ALL, 0, 0 }, /* rule 42 */
    };
    CHECK_ROWS(rows);
}

/* The plain version: mark each octet that is asked for, then look at the marks. It takes ranges
 * of single digits only, in the form that the generator below makes. */
static enum range_result plain(const char *value, unsigned size, struct range *ret)
{
    bool marks[16] = { false };
    unsigned sum = 0, first = 16, last = 0;
    bool found = false, odd = false;
    for (const char *at = value + 6; *at != 0; at += *at == ',') {
        unsigned from, to;
        if (*at == '-') {
            unsigned count = (unsigned)(at[1] - '0');
            at += 2;
            if (count == 0)
                continue;
            odd |= size == 0;
            from = count >= size ? 0 : size - count;
            to = 15;
        } else {
            from = (unsigned)(at[0] - '0');
            bool open = at[2] == 0 || at[2] == ',';
            to = open ? 15 : (unsigned)(at[2] - '0');
            at += open ? 2 : 3;
            if (to < from)
                return RANGE_WHOLE;
        }
        for (unsigned i = from; i <= to && i < size; i++) {
            marks[i] = found = true;
            sum++;
        }
    }
    if (odd || sum > size)
        return RANGE_WHOLE;
    if (!found)
        return RANGE_NONE;
    for (unsigned i = 0; i < 16; i++)
        if (marks[i]) {
            first = first < i ? first : i;
            last = i;
        }
    for (unsigned i = first; i <= last; i++)
        if (!marks[i])
            return RANGE_WHOLE;
    *ret = (struct range){ first, last - first + 1 };
    return RANGE_PART;
}

/* One of the 120 ranges made of single digits, as text. */
static void put_range(char *at, unsigned n)
{
    if (n < 10)
        snprintf(at, 16, "-%u", n);
    else if (n < 20)
        snprintf(at, 16, "%u-", n - 10);
    else
        snprintf(at, 16, "%u-%u", (n - 20) / 10, (n - 20) % 10);
}

static void all_pairs_of_small_ranges_equal_the_plain_version(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 120; a++)
        for (unsigned b = 0; b <= 120; b++)
            for (unsigned size = 0; size < 9; size++) {
                char value[64] = "bytes=";
                struct range got = { 0, 0 }, want = { 0, 0 };
                put_range(value + 6, a);
                if (b < 120) {
                    size_t used = strlen(value);
                    value[used] = ',';
                    put_range(value + used + 1, b);
                }
                enum range_result wanted = plain(value, size, &want);
                enum range_result result = range_read(rill_span_of(value), size, &got);
                if (result != wanted || got.first != want.first || got.size != want.size)
                    print_message("%s of %u\n", value, size);
                assert_int_equal(result, wanted);
                assert_true(got.first == want.first && got.size == want.size);
            }
}

/* Random octets of the alphabet of ranges: whatever is read lies inside the representation. */
static void random_text_never_gives_octets_outside(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789-,- \tb=";
    uint64_t seed = 88172645463325252;
    for (int round = 0; round < 200000; round++) {
        char value[40] = "bytes=";
        size_t size = 6;
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint64_t bits = seed, length = bits & 0xfff;
        while (size < 24 && bits > 1) {
            value[size++] = alphabet[bits % (sizeof alphabet - 1)];
            bits /= sizeof alphabet;
        }
        struct range range;
        if (range_read((rill_span){ value, size }, length, &range) == RANGE_PART)
            assert_true(range.size > 0 && range.first < length &&
                        range.size <= length - range.first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_90_malformed_range_or_other_unit_is_ignored),
        cmocka_unit_test(rule_91_each_form_of_range_is_taken),
        cmocka_unit_test(rule_91_nothing_that_is_there_is_416),
        cmocka_unit_test(rule_92_last_position_beyond_the_end_is_the_end),
        cmocka_unit_test(rule_93_no_number_wraps),
        cmocka_unit_test(rule_94_one_satisfiable_range_of_several_is_a_part),
        cmocka_unit_test(rule_96_ranges_that_overlap_or_touch_are_merged),
        cmocka_unit_test(rule_96_more_than_eight_ranges_are_ignored),
        cmocka_unit_test(all_pairs_of_small_ranges_equal_the_plain_version),
        cmocka_unit_test(random_text_never_gives_octets_outside),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
