/* test_http_field.c - field names, values, lists, hosts, and what the writer lets through. */
#include "tests/support/guard.h"

#include <rill/http.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Each known name is found in any case; one octet more, less or other is another name. */
static void known_name_is_found_exactly(void **state)
{
    (void)state;
    for (unsigned id = RILL_HTTP_FIELD_UNDERSCORED + 1; id < RILL_HTTP_FIELD_COUNT; id++) {
        rill_span name = rill_http_field_name((rill_http_field_id)id);
        char other[32] = { 0 };
        assert_int_equal(rill_http_field_of(name), id);
        memcpy(other, name.at, name.size);
        assert_int_not_equal(rill_http_field_of((rill_span){ other, name.size + 1 }), id);
        assert_int_not_equal(rill_http_field_of((rill_span){ other, name.size - 1 }), id);
        for (size_t i = 0; i < name.size; i++) {
            char octet = name.at[i];
            other[i] = (char)(octet ^ 0x20);
            bool letter = octet >= 'a' && octet <= 'z';
            assert_int_equal(rill_http_field_of((rill_span){ other, name.size }) == id, letter);
            for (int value = 0; value < 256; value++) {
                other[i] = (char)value;
                bool same = other[i] == octet || (letter && other[i] == (octet ^ 0x20));
                assert_int_equal(rill_http_field_of((rill_span){ other, name.size }) == id, same);
            }
            other[i] = octet;
        }
    }
}

static void underscored_name_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(rill_http_field_of(RILL_SPAN("content_length")), RILL_HTTP_FIELD_UNDERSCORED);
    assert_int_equal(rill_http_field_of(RILL_SPAN("_")), RILL_HTTP_FIELD_UNDERSCORED);
    assert_int_equal(rill_http_field_of(RILL_SPAN("x-other")), RILL_HTTP_FIELD_OTHER);
    assert_int_equal(rill_http_field_of(RILL_SPAN("")), RILL_HTTP_FIELD_OTHER);
    assert_int_equal(rill_http_field_name(RILL_HTTP_FIELD_OTHER).size, 0);
    assert_int_equal(rill_http_field_name(RILL_HTTP_FIELD_COUNT).size, 0);
}

static void method_names_are_read_back(void **state)
{
    (void)state;
    for (rill_http_method m = RILL_HTTP_GET; m <= RILL_HTTP_OPTIONS; m++)
        assert_int_equal(rill_http_method_of(rill_http_method_name(m)), m);
    assert_int_equal(rill_http_method_of(RILL_SPAN("get")), RILL_HTTP_OTHER);
    assert_int_equal(rill_http_method_of(RILL_SPAN("")), RILL_HTTP_OTHER);
}

/* The wide scans and the octet-wise ones agree: one odd octet at every place of every length. */
static void odd_octet_is_found_at_every_place(void **state)
{
    (void)state;
    guard page;
    guard_init(&page, 64);
    for (size_t size = 1; size <= 40; size++)
        for (size_t place = 0; place < size; place++)
            for (int octet = 0; octet < 256; octet++) {
                char text[64];
                memset(text, 'a', sizeof text);
                text[place] = (char)octet;
                rill_span span = { guard_put(&page, text, size), size };
                bool value = (octet >= ' ' || octet == '\t') && octet != 0x7f;
                assert_int_equal(rill_http_is_value(span), value);
                bool alnum = (octet >= '0' && octet <= '9') || (octet >= 'A' && octet <= 'Z') ||
                             (octet >= 'a' && octet <= 'z');
                bool mark = octet > 0 && octet < 128 && strchr("!#$%&'*+-.^_`|~", octet);
                assert_int_equal(rill_http_is_token(span), alnum || mark);
            }
    guard_fini(&page);
    assert_false(rill_http_is_token(RILL_SPAN("")));
    assert_true(rill_http_is_value(RILL_SPAN("")));
}

static void expect_list(rill_http_list list, const char *want)
{
    char memory[256];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_span element;
    int r;
    while ((r = rill_http_list_next(&list, &element)) > 0) {
        rill_text_add(&text, element);
        rill_text_char(&text, '|');
    }
    if (r < 0)
        rill_text_add(&text, RILL_SPAN("bad"));
    assert_string_equal(rill_text_end(&text), want);
}

static void list_skips_empty_elements_and_honours_quotes(void **state)
{
    (void)state;
    expect_list(rill_http_list_over(RILL_SPAN("")), "");
    expect_list(rill_http_list_over(RILL_SPAN(" \t ")), "");
    expect_list(rill_http_list_over(RILL_SPAN("a")), "a|");
    expect_list(rill_http_list_over(RILL_SPAN(" a ,\tb;q=1 , ,c,")), "a|b;q=1|c|");
    expect_list(rill_http_list_over(RILL_SPAN("\"a,b\", W/\"c\\\",\"")), "\"a,b\"|W/\"c\\\",\"|");
    expect_list(rill_http_list_over(RILL_SPAN("a, \"b")), "a|bad");
    expect_list(rill_http_list_over(RILL_SPAN("\"b\\")), "bad");
}

/* Rule 41: lines of one name are one list, in order; other lines between them do not matter. */
static void list_goes_over_all_lines_of_a_field(void **state)
{
    (void)state;
    rill_http_field fields[8];
    rill_http_message head;
    rill_span input = RILL_SPAN("GET / HTTP/1.1\r\nAccept: a, b\r\nHost: h\r\naccept:\r\n"
                                "X: z\r\nACCEPT: c\r\n\r\n");
    rill_http_head_init(&head, fields, 8);
    assert_true(rill_http_request_parse(&head, input.at, input.size, NULL) > 0);
    expect_list(rill_http_list_of(&head, RILL_HTTP_FIELD_ACCEPT), "a|b|c|");
    expect_list(rill_http_list_of(&head, RILL_HTTP_FIELD_HOST), "h|");
    expect_list(rill_http_list_of(&head, RILL_HTTP_FIELD_COOKIE), "");
    assert_true(head.repeated >> RILL_HTTP_FIELD_ACCEPT & 1);
    assert_null(rill_http_head_value(&head, RILL_HTTP_FIELD_COOKIE).at);
    assert_int_equal(rill_http_head_find(&head, RILL_SPAN("x"), 0), 3);
}

static void list_takes_32_empty_elements(void **state)
{
    (void)state;
    char commas[64];
    memset(commas, ',', sizeof commas);
    commas[32] = 'x';
    expect_list(rill_http_list_over((rill_span){ commas, 33 }), "x|"); /* rule 42 */
    expect_list(rill_http_list_over((rill_span){ commas, 34 }), "x|");
    commas[32] = ',';
    expect_list(rill_http_list_over((rill_span){ commas, 32 }), "");
    expect_list(rill_http_list_over((rill_span){ commas, 33 }), "bad");
}

static void length_is_digits_up_to_63_bits(void **state)
{
    (void)state;
    uint64_t length = 7;
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "1,1", "0x1", "9223372036854775808", "18446744073709551617"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rill_http_length_parse(rill_span_of(bad[i]), &length), -EBADMSG);
    assert_int_equal(length, 7);
    assert_int_equal(rill_http_length_parse(RILL_SPAN("9223372036854775807"), &length), 0);
    assert_true(length == INT64_MAX);
}

static rill_http_host host_of(const char *text)
{
    rill_http_host host = { { NULL, 0 }, 0 };
    assert_int_equal(rill_http_host_parse(rill_span_of(text), &host), 0);
    return host;
}

static void hosts_are_equal_without_case_dot_and_default_port(void **state)
{
    (void)state;
    assert_true(rill_http_host_equal(host_of("Ex.org"), host_of("eX.ORG.:80"), 80)); /* rule 18 */
    assert_true(rill_http_host_equal(host_of("[::A]:443"), host_of("[::a]"), 443));
    assert_false(rill_http_host_equal(host_of("h:80"), host_of("h"), 443));
    assert_false(rill_http_host_equal(host_of("h"), host_of("hh"), 80));
}

/* --- Writing --- */

static void written_head_reads_back(void **state)
{
    (void)state;
    char memory[256];
    rill_text text = { memory, sizeof memory, 0, false };
    assert_int_equal(
        rill_http_write_request(&text, RILL_SPAN("PUT"), RILL_SPAN("/a?b"), RILL_SPAN("[::1]:81")),
        0);
    rill_http_write_length(&text, 12345);
    assert_int_equal(rill_http_write_field(&text, RILL_SPAN("X"), RILL_SPAN("a\tb")), 0);
    rill_http_write_end(&text);
    assert_string_equal(rill_text_end(&text), "PUT /a?b HTTP/1.1\r\nHost: [::1]:81\r\n"
                                              "Content-Length: 12345\r\nX: a\tb\r\n\r\n");
    text.used = 0;
    rill_http_write_status(&text, 404);
    assert_string_equal(rill_text_end(&text), "HTTP/1.1 404 Not Found\r\n");
    text.used = 0;
    rill_http_write_status(&text, 299);
    assert_string_equal(rill_text_end(&text), "HTTP/1.1 299 Unknown\r\n");
}

/* Rule 106: nothing that breaks a line or a message gets written, not even in part. */
static void what_breaks_a_line_is_not_written(void **state)
{
    (void)state;
    char memory[256];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_span x = RILL_SPAN("x");
    static const rill_span values[] = { { "a\r", 2 }, { "a\nb", 3 }, { "\0", 1 }, { "\x7f", 1 } };
    static const rill_span names[] = { { "", 0 }, { "a:", 2 }, { "a b", 3 }, { "a\r\n", 3 } };
    static const rill_span targets[] = { { "", 0 }, { "/ ", 2 }, { "/\r\n", 3 }, { "/\xe9", 2 } };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rill_http_write_field(&text, x, values[i]), -EINVAL);
        assert_int_equal(rill_http_write_field(&text, names[i], x), -EINVAL);
        assert_int_equal(rill_http_write_request(&text, names[i], RILL_SPAN("/"), x), -EINVAL);
        assert_int_equal(rill_http_write_request(&text, RILL_SPAN("GET"), targets[i], x), -EINVAL);
        assert_int_equal(
            rill_http_write_request(&text, RILL_SPAN("GET"), RILL_SPAN("/"), values[i]), -EINVAL);
    }
    assert_int_equal(text.used, 0);
}

static void writer_without_room_says_so(void **state)
{
    (void)state;
    char memory[48];
    rill_text text = { memory, 0, 0, false };
    for (; text.size < 32; text.size++) {
        text.used = 0;
        text.full = false;
        rill_http_write_length(&text, 12345678901234);
        assert_true(text.full);
    }
    text.used = 0;
    text.full = false;
    rill_http_write_length(&text, 12345678901234);
    assert_false(text.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_name_is_found_exactly),
        cmocka_unit_test(underscored_name_is_told_apart),
        cmocka_unit_test(method_names_are_read_back),
        cmocka_unit_test(odd_octet_is_found_at_every_place),
        cmocka_unit_test(list_skips_empty_elements_and_honours_quotes),
        cmocka_unit_test(list_goes_over_all_lines_of_a_field),
        cmocka_unit_test(list_takes_32_empty_elements),
        cmocka_unit_test(length_is_digits_up_to_63_bits),
        cmocka_unit_test(hosts_are_equal_without_case_dot_and_default_port),
        cmocka_unit_test(written_head_reads_back),
        cmocka_unit_test(what_breaks_a_line_is_not_written),
        cmocka_unit_test(writer_without_room_says_so),
    };
    return cmocka_run_group_tests_name("http_field", tests, NULL, NULL);
}
