/* test_logline.c - the promises of log lines: one request, one line, whatever the client sent. */
#include "server/logbuf.h"
#include "server/logline.h"

#include "core/base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char memory[LOG_LINE_MAX];

static rill_text fresh(void)
{
    return (rill_text){ memory, sizeof memory, 0, false };
}

/* 2024-02-29T23:59:59.987Z */
#define LEAP_DAY (RILL_SEC(1709251199) + RILL_MS(987))

static struct log_access record(void)
{
    return (struct log_access){
        .time = LEAP_DAY,
        .id = { 0x0123456789abcdef, 0xf },
        .conn = 42,
        .worker = 1,
        .generation = 3,
        .listener = RILL_SPAN("0.0.0.0:80"),
        .client = RILL_SPAN("192.0.2.7"),
        .proto = RILL_SPAN("HTTP/1.1"),
        .method = RILL_SPAN("GET"),
        .host = RILL_SPAN("example.com"),
        .target = RILL_SPAN("/a?token=secret"),
        .route = RILL_SPAN("/"),
        .status = 200,
        .end = "done",
        .bytes_in = 80,
        .bytes_out = 300,
        .body_out = 123,
        .head_us = 10,
        .first_byte_us = 20,
        .total_us = 30,
        .referer = RILL_SPAN("http://example.com/?token=secret"),
        .agent = RILL_SPAN("test/1"),
    };
}

static void json_record_has_every_field_in_order(void **state)
{
    (void)state;
    struct log_access access = record();
    rill_text text = fresh();
    logline_json(&access, true, &text);
    assert_string_equal(
        rill_text_end(&text),
        "{\"time\":\"2024-02-29T23:59:59.987Z\",\"id\":\"0123456789abcdef000000000000000f\","
        "\"conn\":42,\"worker\":1,\"generation\":3,\"listener\":\"0.0.0.0:80\","
        "\"client\":\"192.0.2.7\",\"proto\":\"HTTP/1.1\",\"method\":\"GET\","
        "\"host\":\"example.com\",\"target\":\"/a?token=secret\",\"route\":\"/\",\"status\":200,"
        "\"end\":\"done\",\"bytes_in\":80,\"bytes_out\":300,\"head_us\":10,\"first_byte_us\":20,"
        "\"total_us\":30,\"referer\":\"http://example.com/?token=secret\",\"agent\":\"test/1\"}\n");
}

static void absent_fields_are_left_out(void **state)
{
    (void)state;
    struct log_access access = { .time = 0, .rule = 47, .status = 400, .end = "refused" };
    access.head_us = access.first_byte_us = access.total_us = -1;
    rill_text text = fresh();
    logline_json(&access, true, &text);
    assert_string_equal(rill_text_end(&text),
                        "{\"time\":\"1970-01-01T00:00:00.000Z\","
                        "\"id\":\"00000000000000000000000000000000\",\"conn\":0,\"worker\":0,"
                        "\"generation\":0,\"status\":400,\"rule\":47,\"end\":\"refused\","
                        "\"bytes_in\":0,\"bytes_out\":0}\n");
}

static void parts_of_a_gather_answer_are_listed(void **state)
{
    (void)state;
    const struct log_part parts[] = { { RILL_SPAN("user"), 120, "done" },
                                      { RILL_SPAN("a\"d"), 80000, "timeout" } };
    struct log_access access = record();
    access.parts = parts;
    access.part_count = 2;
    rill_text text = fresh();
    logline_json(&access, true, &text);
    assert_non_null(strstr(rill_text_end(&text),
                           ",\"parts\":[{\"name\":\"user\",\"us\":120,\"result\":\"done\"},"
                           "{\"name\":\"a\\\"d\",\"us\":80000,\"result\":\"timeout\"}],"));
}

static void combined_line_is_the_common_one(void **state)
{
    (void)state;
    struct log_access access = record();
    rill_text text = fresh();
    logline_combined(&access, true, &text);
    assert_string_equal(rill_text_end(&text),
                        "192.0.2.7 - - [29/Feb/2024:23:59:59 +0000] \"GET /a?token=secret "
                        "HTTP/1.1\" 200 123 \"http://example.com/?token=secret\" \"test/1\"\n");
    access = (struct log_access){ .time = LEAP_DAY, .status = 408 };
    text = fresh();
    logline_combined(&access, true, &text);
    assert_string_equal(rill_text_end(&text),
                        "- - - [29/Feb/2024:23:59:59 +0000] \"-\" 408 0 \"-\" \"-\"\n");
}

static void query_is_nowhere_when_it_is_not_wanted(void **state)
{
    (void)state;
    struct log_access access = record();
    for (int i = 0; i < 2; i++) {
        rill_text text = fresh();
        (i == 0 ? logline_json : logline_combined)(&access, false, &text);
        assert_null(strstr(rill_text_end(&text), "secret"));
    }
}

static void octets_that_could_break_a_line_are_escaped(void **state)
{
    (void)state;

    static const struct {
        const char *sent, *in_json, *in_combined;
    } rows[] = {
        { "\n\r\t", "\\\\x0a\\\\x0d\\\\x09", "\\x0a\\x0d\\x09" },
        { "\x01\x1f\x7f", "\\\\x01\\\\x1f\\\\x7f", "\\x01\\x1f\\x7f" },
        { "\"\\", "\\\"\\\\", "\\\"\\\\" },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xff", "\\\\xff", "\\xff" },
        { "\xc0\xaf", "\\\\xc0\\\\xaf", "\\xc0\\xaf" }, /* overlong */
        { "\xe0\x80\xaf", "\\\\xe0\\\\x80\\\\xaf", "\\xe0\\x80\\xaf" },
        { "\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80", "\\xed\\xa0\\x80" }, /* surrogate */
        { "\xf4\x90\x80\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80", "\\xf4\\x90\\x80\\x80" },
        { "a\xc3", "a\\\\xc3", "a\\xc3" },                       /* cut short */
        { "\xc2\x9b;1m", "\\\\xc2\\\\x9b;1m", "\\xc2\\x9b;1m" }, /* U+009B, CSI */
        { "\xc2\x80\xc2\x9f\xc2\xa0", "\\\\xc2\\\\x80\\\\xc2\\\\x9f\xc2\xa0",
          "\\xc2\\x80\\xc2\\x9f\xc2\xa0" }, /* C1, no-break space */
        { "\xe2\x80\xa8\xe2\x80\xa9", "\\\\xe2\\\\x80\\\\xa8\\\\xe2\\\\x80\\\\xa9",
          "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" }, /* U+2028, U+2029 */
        { "\xe2\x80\xa7\xe2\x80\xaa", "\xe2\x80\xa7\xe2\x80\xaa", "\xe2\x80\xa7\xe2\x80\xaa" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct log_access access = { .agent = rill_span_of(rows[i].sent) };
        char expected[128];
        rill_text text = fresh();
        logline_json(&access, true, &text);
        snprintf(expected, sizeof expected, "\"agent\":\"%s\"}\n", rows[i].in_json);
        assert_non_null(strstr(rill_text_end(&text), expected));
        text = fresh();
        logline_combined(&access, true, &text);
        snprintf(expected, sizeof expected, " \"%s\"\n", rows[i].in_combined);
        assert_non_null(strstr(rill_text_end(&text), expected));
    }
}

/* Every pair of octets in every field: one line end, at the end, and no quote that opens or closes. */
static void any_two_octets_make_one_line_with_balanced_quotes(void **state)
{
    (void)state;
    for (unsigned pair = 0; pair < 65536; pair++) {
        char sent[2] = { (char)(pair >> 8), (char)pair };
        rill_span span = { sent, 2 };
        struct log_access access = { .client = span,
                                     .method = span,
                                     .host = span,
                                     .target = span,
                                     .proto = span,
                                     .referer = span,
                                     .agent = span };
        for (int i = 0; i < 2; i++) {
            rill_text text = fresh();
            (i == 0 ? logline_json : logline_combined)(&access, true, &text);
            unsigned ends = 0, quotes = 0;
            for (size_t at = 0; at < text.used; at++) {
                if (memory[at] == '\\')
                    at++;
                else
                    quotes += memory[at] == '"';
                ends += memory[at] == '\n' || (memory[at] >= 0 && memory[at] < 0x20);
            }
            assert_int_equal(ends, 1);
            assert_int_equal(quotes % 2, 0);
            assert_int_equal(memory[text.used - 1], '\n');
        }
    }
}

static void long_text_is_cut_but_not_inside_a_character(void **state)
{
    (void)state;
    static char sent[LOG_TEXT_MAX + 3];
    for (size_t i = 0; i + 1 < sizeof sent; i += 2)
        memcpy(sent + i + 1, "\xc3\xa4", i + 2 < sizeof sent ? 2 : 0);
    sent[0] = 'x';
    struct log_access access = { .agent = { sent, sizeof sent } };
    rill_text text = fresh();
    logline_json(&access, true, &text);
    const char *agent = strstr(rill_text_end(&text), "\"agent\":\"x\xc3\xa4");
    assert_non_null(agent);
    assert_non_null(strstr(agent, "\xc3\xa4...\"}\n"));
    assert_null(strstr(agent, "\\x"));
    assert_int_equal(strlen(agent), strlen("\"agent\":\"...\"}\n") + LOG_TEXT_MAX - 1);
}

static void record_too_large_for_its_room_sets_full(void **state)
{
    (void)state;
    struct log_access access = record();
    rill_text text = fresh();
    logline_json(&access, true, &text);
    for (size_t size = 0; size < text.used; size++) {
        rill_text small = { memory, size, 0, false };
        logline_json(&access, true, &small);
        assert_true(small.full);
    }
}

static void error_line_has_its_columns(void **state)
{
    (void)state;
    rill_text text = fresh();
    logline_error(LEAP_DAY, LOG_WARNING, 77, 2, "conf", RILL_SPAN("line 1\nof \"x\" \xff"), false,
                  &text);
    assert_string_equal(rill_text_end(&text),
                        "2024-02-29T23:59:59.987Z warning 77 2 conf line 1\\x0aof \"x\" \\xff\n");
    text = fresh();
    logline_error(LEAP_DAY, LOG_ERROR, 77, -1, "master", RILL_SPAN("gone"), true, &text);
    assert_string_equal(rill_text_end(&text),
                        "<3>2024-02-29T23:59:59.987Z error 77 - master gone\n");
}

static void times_before_and_after_the_usual_are_dates(void **state)
{
    (void)state;

    static const struct {
        int64_t seconds;
        const char *date;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },          { -1, "1969-12-31T23:59:59.000Z" },
        { 951782400, "2000-02-29T00:00:00.000Z" },  { 4102444800, "2100-01-01T00:00:00.000Z" },
        { 4107542400, "2100-03-01T00:00:00.000Z" }, { 1798761599, "2026-12-31T23:59:59.000Z" }
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_text text = fresh();
        logline_time(RILL_SEC(rows[i].seconds), &text);
        assert_string_equal(rill_text_end(&text), rows[i].date);
    }
}

/* --- the buffer --- */

static bool add(struct logbuf *buf, const char *line)
{
    for (unsigned nth = 0; nth < 2; nth++) {
        rill_text room = logbuf_room(buf, nth);
        rill_text_add(&room, rill_span_of(line));
        if (!room.full) {
            logbuf_add(buf, &room);
            return true;
        }
    }
    return false;
}

static void buffer_gives_lines_in_order_and_none_twice(void **state)
{
    (void)state;
    struct logbuf buf;
    unsigned written = 0, read = 0, dropped = 0;
    assert_int_equal(logbuf_init(&buf, 64), 0);
    for (unsigned round = 0; round < 10000; round++) {
        char line[16];
        snprintf(line, sizeof line, "%08u\n", written);
        if (add(&buf, line))
            written++;
        else
            dropped++;
        if (round % 7 < 2) /* the writer lags, then catches up, line by line */
            for (unsigned n = 0; n < 3; n++) {
                rill_span got = logbuf_peek(&buf, 9);
                if (got.size == 0)
                    break;
                snprintf(line, sizeof line, "%08u\n", read++);
                assert_int_equal(got.size, 9);
                assert_memory_equal(got.at, line, 9);
                logbuf_consume(&buf, 9);
            }
    }
    assert_true(dropped > 0 && read > 4000);
    assert_in_range(written - read, 0, 64 / 9);
    logbuf_fini(&buf);
}

static void buffer_keeps_a_batch_in_place_while_lines_are_added(void **state)
{
    (void)state;
    struct logbuf buf;
    assert_int_equal(logbuf_init(&buf, 32), 0);
    assert_true(add(&buf, "first line\n"));
    rill_span batch = logbuf_peek(&buf, 64);
    while (add(&buf, "xyz\n"))
        ;
    assert_memory_equal(batch.at, "first line\n", batch.size);
    logbuf_consume(&buf, batch.size);
    assert_true(add(&buf, "at front\n"));
    assert_false(add(&buf, "no more\n"));
    logbuf_fini(&buf);
}

static void buffer_without_memory_is_an_error(void **state)
{
    (void)state;
    struct logbuf buf = { 0 };
    rill__mem_fail_nth(1, false);
    assert_int_equal(logbuf_init(&buf, 64), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_false(add(&buf, "x"));
    logbuf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_record_has_every_field_in_order),
        cmocka_unit_test(absent_fields_are_left_out),
        cmocka_unit_test(parts_of_a_gather_answer_are_listed),
        cmocka_unit_test(combined_line_is_the_common_one),
        cmocka_unit_test(query_is_nowhere_when_it_is_not_wanted),
        cmocka_unit_test(octets_that_could_break_a_line_are_escaped),
        cmocka_unit_test(any_two_octets_make_one_line_with_balanced_quotes),
        cmocka_unit_test(long_text_is_cut_but_not_inside_a_character),
        cmocka_unit_test(record_too_large_for_its_room_sets_full),
        cmocka_unit_test(error_line_has_its_columns),
        cmocka_unit_test(times_before_and_after_the_usual_are_dates),
        cmocka_unit_test(buffer_gives_lines_in_order_and_none_twice),
        cmocka_unit_test(buffer_keeps_a_batch_in_place_while_lines_are_added),
        cmocka_unit_test(buffer_without_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("logline", tests, NULL, NULL);
}
