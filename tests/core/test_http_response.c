/* test_http_response.c - response heads and trailer sections: every row in every split, from a
 * buffer that ends at an unreadable page. A row names the rule of RULES.md it shows. */
#include "tests/support/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    int rule;
    rill_http_method method;
    rill_span input;
    const char *want;
};

#define ROW(rule, method, input, want)                                  \
    {                                                                   \
        rule, RILL_HTTP_##method, { "" input, sizeof(input) - 1 }, want \
    }
#define BAD(rule, input) ROW(rule, GET, input, "refused 502 rule " #rule)
#define FIELD(rule, lines, told) \
    ROW(rule, GET, "HTTP/1.1 200 OK\r\n" lines "\r\n", "200 [OK] 1.1 " told)
#define FIELD_BAD(rule, lines) BAD(rule, "HTTP/1.1 200 OK\r\n" lines "\r\n")

static const struct row rows[] = {
    FIELD(60, "", "until-close close"),
    FIELD(60, "Content-Length: 5\r\n", "length=5 keep"),
    FIELD(60, "Transfer-Encoding: chunked\r\n", "chunked keep"),
    FIELD(64, "Content-Length: 0\r\nConnection: close\r\n", "length=0 close"),
    ROW(65, GET, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 [OK] 1.0 length=0 close"),
    ROW(65, GET, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
        "200 [OK] 1.0 length=0 keep"),
    ROW(7, GET, "HTTP/1.2 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "404 [Not Found] 1.1 length=0 keep"),
    ROW(70, HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 [OK] 1.1 none keep"),
    ROW(70, HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 [OK] 1.1 none keep"),
    ROW(70, HEAD, "HTTP/1.1 200 OK\r\n\r\n", "200 [OK] 1.1 none keep"),
    ROW(76, GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "204 [No Content] 1.1 none keep"),
    ROW(76, GET, "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", "304 [] 1.1 none keep"),
    ROW(63, GET, "HTTP/1.1 100 Continue\r\n\r\n", "100 [Continue] 1.1 none keep"),
    ROW(63, GET, "HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n",
        "101 [x] 1.1 none keep upgrade"),
    ROW(106, GET, "HTTP/1.1 599\r\n\r\n", "599 [] 1.1 until-close close"),
    ROW(106, GET, "HTTP/1.1 200 \t\xe9 any text\r\n\r\n",
        "200 [\t\xe9 any text] 1.1 until-close close"),
    FIELD_BAD(60, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    FIELD_BAD(60, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    FIELD_BAD(60, "Content-Length: 5\r\nContent-Length: 5\r\n"),
    FIELD_BAD(60, "Content-Length: 5, 5\r\n"),
    FIELD_BAD(60, "Content-Length: x\r\n"),
    FIELD_BAD(60, "Transfer-Encoding: gzip\r\n"),
    FIELD_BAD(60, "Transfer-Encoding: gzip, chunked\r\n"),
    BAD(60, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    BAD(106, "HTTP/1.1 200 O\0K\r\n\r\n"),
    BAD(39, "HTTP/1.1 200 OK\r\nLocation: /\0\r\n\r\n"),
    BAD(3, "HTTP/1.1 200 OK\r\nSet-Cookie: a\rb\r\n\r\n"),
    BAD(3, "HTTP/1.1 200 O\rK\r\n\r\n"),
    BAD(2, "HTTP/1.1 200 OK\n\r\n"),
    BAD(4, "HTTP/1.1 200 OK\r\n X: y\r\n\r\n"),
    BAD(40, "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n"),
    BAD(6, "HTTP/2.0 200 OK\r\n\r\n"),
    BAD(6, "\r\nHTTP/1.1 200 OK\r\n\r\n"),
    BAD(6, "ICY 200 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1  200 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1 20 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1 2000 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1 600 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1 099 OK\r\n\r\n"),
    BAD(107, "HTTP/1.1 200\tOK\r\n\r\n"),
};

static message *shared;

static void response_rules_hold_in_every_split(void **state)
{
    (void)state;
    shared->kind = MESSAGE_RESPONSE;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shared->method = rows[i].method;
        assert_true(message_is(shared, rows[i].input, rows[i].want));
    }
}

static void response_garbage_is_refused_at_its_first_octet(void **state)
{
    (void)state;
    shared->kind = MESSAGE_RESPONSE;
    message_parse(shared, RILL_SPAN("\x15"), 0);
    assert_int_equal(shared->result, -EBADMSG);
    message_parse(shared, RILL_SPAN("HTTP/1.1 2"), 0);
    assert_int_equal(shared->result, 0);
    message_parse(shared, RILL_SPAN("HTTP/1.1 2x"), 0);
    assert_int_equal(shared->result, -EBADMSG);
}

static void response_line_limit_is_exact(void **state)
{
    (void)state;
    rill_http_limits limits = RILL_HTTP_LIMITS;
    shared->kind = MESSAGE_RESPONSE;
    shared->limits = &limits;
    limits.line = 17;
    assert_true(message_is(shared, RILL_SPAN("HTTP/1.1 200 OKOK\r\n\r\n"),
                           "200 [OKOK] 1.1 until-close close"));
    limits.line = 16;
    assert_true(message_is(shared, RILL_SPAN("HTTP/1.1 200 OKOK\r\n\r\n"), "refused 502 rule 9"));
    shared->limits = NULL;
}

/* Rule 55: the field rules hold, and what must not come in a trailer is left out. */
static void trailer_forbidden_fields_are_left_out(void **state)
{
    (void)state;
    shared->kind = MESSAGE_TRAILER;
    rill_span input = RILL_SPAN("ETag: \"a\"\r\nContent-Length: 5\r\nX: 1\r\nHost: h\r\n"
                                "Authorization: b\r\nx: 2\r\netag: \"c\"\r\n\r\nnext");
    assert_true(message_is(shared, input, "none close"));
    const rill_http_message *head = &shared->head;
    message_parse(shared, input, 0);
    assert_int_equal(shared->result, (int)input.size - 4);
    assert_int_equal(head->field_count, 4);
    assert_null(rill_http_head_get(head, RILL_HTTP_FIELD_HOST));
    assert_true(
        rill_span_equal(rill_http_head_value(head, RILL_HTTP_FIELD_ETAG), RILL_SPAN("\"a\"")));
    assert_true(head->repeated >> RILL_HTTP_FIELD_ETAG & 1);
    assert_int_equal(rill_http_head_find(head, RILL_SPAN("X"), 0), 1);
    assert_int_equal(rill_http_head_find(head, RILL_SPAN("X"), 2), 2);
    assert_int_equal(rill_http_head_find(head, RILL_SPAN("X"), 3), -ENOENT);
    assert_true(message_is(shared, RILL_SPAN("\r\n"), "none close"));
    assert_true(message_is(shared, RILL_SPAN("X : y\r\n\r\n"), "refused 400 rule 36"));
    assert_true(message_is(shared, RILL_SPAN(" X: y\r\n\r\n"), "refused 400 rule 4"));
}

static int set_up(void **state)
{
    static message storage;
    (void)state;
    message_init(&storage, MESSAGE_RESPONSE);
    shared = &storage;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    message_fini(shared);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_rules_hold_in_every_split),
        cmocka_unit_test(response_garbage_is_refused_at_its_first_octet),
        cmocka_unit_test(response_line_limit_is_exact),
        cmocka_unit_test(trailer_forbidden_fields_are_left_out),
    };
    return cmocka_run_group_tests_name("http_response", tests, set_up, tear_down);
}
