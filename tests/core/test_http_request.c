/* test_http_request.c - request heads: every row in every split, from a buffer that ends at an
 * unreadable page. A row names the rule of RULES.md it shows. */
#include "tests/support/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    int rule;
    rill_span input;
    const char *want;
};

#define H "Host: h\r\n"
#define ROW(rule, input, want)                      \
    {                                               \
        rule, { "" input, sizeof(input) - 1 }, want \
    }
#define OK(rule, input)        ROW(rule, input, "GET origin / 1.1 h:0 none keep")
#define BAD(rule, input)       ROW(rule, input, "refused 400 rule " #rule)
/* A request with these lines behind Host. */
#define FIELD_BAD(rule, lines) BAD(rule, "GET / HTTP/1.1\r\n" H lines "\r\n")
#define FIELD_OK(rule, lines)  OK(rule, "GET / HTTP/1.1\r\n" H lines "\r\n")
#define HOST_BAD(rule, value)  BAD(rule, "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n")
#define HOST_OK(rule, value, told) \
    ROW(rule, "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n", "GET origin / 1.1 " told " none keep")
#define POST(rule, lines, told) \
    ROW(rule, "POST / HTTP/1.1\r\n" H lines "\r\n", "POST origin / 1.1 h:0 " told)
#define POST_BAD(rule, status, lines) \
    ROW(rule, "POST / HTTP/1.1\r\n" H lines "\r\n", "refused " #status " rule " #rule)

static const struct row start_rows[] = {
    OK(1, "GET / HTTP/1.1\r\n" H "\r\n"),
    OK(1, "\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    OK(1, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    BAD(1, "\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    BAD(2, "\nGET / HTTP/1.1\r\n" H "\r\n"),
    BAD(2, "GET / HTTP/1.1\n" H "\r\n"),
    BAD(2, "GET /\n" H "\r\n"),
    BAD(2, "GET\n / HTTP/1.1\r\n"),
    BAD(2, "GET / HTTP/1.1\r\nHost: h\n\r\n"),
    BAD(2, "GET / HTTP/1.1\r\nHost\n: h\r\n\r\n"),
    BAD(2, "GET / HTTP/1.1\r\n" H "\n"),
    BAD(3, "\rGET / HTTP/1.1\r\n" H "\r\n"),
    BAD(3, "GET / HTTP/1.1\rX"),
    BAD(3, "GET / HTTP/1.1\r\nHost: h\rX\r\n\r\n"),
    BAD(3, "GET / HTTP/1.1\r\n" H "\rX"),
    BAD(4, "GET / HTTP/1.1\r\n " H "\r\n"),
    BAD(4, "GET / HTTP/1.1\r\n\tX: y\r\n" H "\r\n"),
    BAD(5, " GET / HTTP/1.1\r\n" H "\r\n"),
    BAD(5, "GET  / HTTP/1.1\r\n" H "\r\n"),
    BAD(5, "GET /  HTTP/1.1\r\n" H "\r\n"),
    BAD(5, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
    BAD(5, "GET /\tHTTP/1.1\r\n" H "\r\n"),
    BAD(5, "GET / HTTP/1.1 \r\n" H "\r\n"),
    BAD(5, "GET\r\n" H "\r\n"),
    BAD(5, "GET / \r\n" H "\r\n"),
    BAD(6, "GET / http/1.1\r\n" H "\r\n"),
    BAD(6, "GET / HTTP/1.10\r\n" H "\r\n"),
    BAD(6, "GET / HTTP/11\r\n" H "\r\n"),
    BAD(6, "GET / HTTP/1.x\r\n" H "\r\n"),
    BAD(6, "GET / HTTPS/1.1\r\n" H "\r\n"),
    ROW(6, "GET / HTTP/2.0\r\n" H "\r\n", "refused 505 rule 6"),
    ROW(6, "GET / HTTP/0.9\r\n" H "\r\n", "refused 505 rule 6"),
    OK(7, "GET / HTTP/1.9\r\n" H "\r\n"),
    BAD(8, "GET /\r\n\r\n"),
    BAD(8, "GET /\r\n" H "\r\n"),
    ROW(9, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "refused 501 rule 9"),
    ROW(9, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n", "refused 501 rule 11"),
    ROW(11, "get / HTTP/1.1\r\n" H "\r\n", "refused 501 rule 11"),
    ROW(11, "BREW / HTTP/1.1\r\n" H "\r\n", "refused 501 rule 11"),
    BAD(11, "G(T / HTTP/1.1\r\n" H "\r\n"),
    BAD(11, "\x16\x03\x01\x02"),
    BAD(11, "GE\xc3 / HTTP/1.1\r\n"),
    ROW(11, "HEAD / HTTP/1.1\r\n" H "\r\n", "HEAD origin / 1.1 h:0 none keep"),
    ROW(11, "PUT / HTTP/1.1\r\n" H "\r\n", "PUT origin / 1.1 h:0 none keep"),
    ROW(11, "PATCH / HTTP/1.1\r\n" H "\r\n", "PATCH origin / 1.1 h:0 none keep"),
    ROW(11, "DELETE / HTTP/1.1\r\n" H "\r\n", "DELETE origin / 1.1 h:0 none keep"),
    ROW(13, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505 rule 13"),
    BAD(14, "GET /\x01 HTTP/1.1\r\n" H "\r\n"),
    BAD(14, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    BAD(14, "GET /\x7f HTTP/1.1\r\n" H "\r\n"),
    BAD(14, "GET /\xe9 HTTP/1.1\r\n" H "\r\n"),
    ROW(72, "TRACE / HTTP/1.1\r\n" H "\r\n", "refused 405 rule 72"),
};

static const struct row target_rows[] = {
    BAD(15, "GET / HTTP/1.1\r\n\r\n"),
    BAD(15, "GET http://h/ HTTP/1.1\r\n\r\n"),
    ROW(15, "GET / HTTP/1.0\r\n\r\n", "GET origin / 1.0 :0 none close"),
    FIELD_BAD(16, H),
    FIELD_BAD(16, "Host: other\r\n"),
    HOST_BAD(17, ""),
    HOST_BAD(17, "user@h"),
    HOST_BAD(17, "h/path"),
    HOST_BAD(17, "h, h"),
    HOST_BAD(17, "h h"),
    HOST_BAD(17, "h:0"),
    HOST_BAD(17, "h:65536"),
    HOST_BAD(17, "h:"),
    HOST_BAD(17, "h:80x"),
    HOST_BAD(17, "h:+80"),
    HOST_BAD(17, ":80"),
    HOST_BAD(17, "."),
    HOST_BAD(17, "a..b"),
    HOST_BAD(17, ".a"),
    HOST_BAD(17, "h%2e"),
    HOST_BAD(17, "h\xe9"),
    HOST_BAD(17, "[::1"),
    HOST_BAD(17, "[::1]x"),
    HOST_BAD(17, "[::g]"),
    HOST_BAD(17, "[1:2:3:4:5:6:7]"),
    HOST_BAD(17, "[1:2:3:4:5:6:7:8:9]"),
    HOST_BAD(17, "[1::2::3]"),
    HOST_BAD(17, "[:1::2]"),
    HOST_BAD(17, "[1::2:]"),
    HOST_BAD(17, "[12345::]"),
    HOST_BAD(17, "[::1.2.3]"),
    HOST_BAD(17, "[::1.2.3.256]"),
    HOST_BAD(17, "[::1.2.3.04]"),
    HOST_BAD(17, "[fe80::1%25eth0]"),
    HOST_BAD(17, "[]"),
    HOST_BAD(17, "[v1.a]"),
    HOST_OK(17, "h:1", "h:1"),
    HOST_OK(17, "h:65535", "h:65535"),
    HOST_OK(17, "a-b.c_d~e", "a-b.c_d~e:0"),
    HOST_OK(17, "192.0.2.1:8080", "192.0.2.1:8080"),
    HOST_OK(17, "[::1]:8080", "[::1]:8080"),
    HOST_OK(17, "[::]", "[::]:0"),
    HOST_OK(17, "[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]:0"),
    HOST_OK(17, "[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]:0"),
    HOST_OK(17, "[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]:0"),
    HOST_OK(18, "Example.ORG.", "Example.ORG:0"),
    ROW(19, "GET http://h/x?y HTTP/1.1\r\n" H "\r\n", "GET absolute /x?y 1.1 h:0 none keep"),
    ROW(19, "GET HTTP://h HTTP/1.1\r\n" H "\r\n", "GET absolute  1.1 h:0 none keep"),
    ROW(19, "GET http://h?q HTTP/1.1\r\n" H "\r\n", "GET absolute ?q 1.1 h:0 none keep"),
    ROW(19, "GET http://h:81/ HTTP/1.1\r\nHost: h:81\r\n\r\n", "GET absolute / 1.1 h:81 none keep"),
    ROW(19, "GET http://h/ HTTP/1.0\r\n\r\n", "GET absolute / 1.0 h:0 none close"),
    ROW(20, "GET http://H./ HTTP/1.1\r\n" H "\r\n", "GET absolute / 1.1 H:0 none keep"),
    ROW(20, "GET http://h:80/ HTTP/1.1\r\n" H "\r\n", "GET absolute / 1.1 h:80 none keep"),
    ROW(20, "GET https://h/ HTTP/1.1\r\nHost: h:443\r\n\r\n", "GET absolute / 1.1 h:0 none keep"),
    BAD(20, "GET http://other/ HTTP/1.1\r\n" H "\r\n"),
    BAD(20, "GET http://h:81/ HTTP/1.1\r\n" H "\r\n"),
    BAD(20, "GET https://h:80/ HTTP/1.1\r\n" H "\r\n"),
    BAD(17, "GET http://u@h/ HTTP/1.1\r\n" H "\r\n"),
    BAD(17, "GET http:///x HTTP/1.1\r\n" H "\r\n"),
    BAD(17, "GET http://h:0/ HTTP/1.1\r\n" H "\r\n"),
    BAD(21, "GET ftp://h/ HTTP/1.1\r\n" H "\r\n"),
    ROW(22, "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS asterisk * 1.1 h:0 none keep"),
    BAD(22, "GET * HTTP/1.1\r\n" H "\r\n"),
    BAD(22, "OPTIONS *x HTTP/1.1\r\n" H "\r\n"),
    ROW(23, "CONNECT h:443 HTTP/1.1\r\n" H "\r\n", "refused 501 rule 23"),
    BAD(23, "GET h:443 HTTP/1.1\r\n" H "\r\n"),
    BAD(23, "GET x HTTP/1.1\r\n" H "\r\n"),
};

static const struct row field_rows[] = {
    FIELD_BAD(36, "X : y\r\n"),
    FIELD_BAD(36, "X\t: y\r\n"),
    FIELD_BAD(36, "Content-Length : 0\r\n"),
    FIELD_BAD(37, ": y\r\n"),
    FIELD_BAD(37, "nocolon\r\n"),
    FIELD_BAD(37, "X(: y\r\n"),
    FIELD_BAD(37, "X\xe9: y\r\n"),
    FIELD_BAD(37, "X\0: y\r\n"),
    FIELD_BAD(37, "an-unknown-and-very-long-n\x01me: y\r\n"),
    FIELD_OK(38, "X:y\r\n"),
    FIELD_OK(38, "X: \t y \t \r\n"),
    FIELD_OK(38, "X:\r\n"),
    FIELD_OK(38, "X:   \r\n"),
    FIELD_OK(38, "!#$%&'*+-.^_`|~9aZ: y\r\n"),
    OK(38, "GET / HTTP/1.1\r\nhOsT:h\r\n\r\n"),
    FIELD_BAD(39, "X: a\0b\r\n"),
    FIELD_BAD(39, "X: a\x0b\r\n"),
    FIELD_BAD(39, "X: \x1f\r\n"),
    FIELD_BAD(39, "X: a long value, and at its end a DEL \x7f\r\n"),
    FIELD_OK(39, "X: a\tb \x80\xff\r\n"),
    FIELD_BAD(40, "X: y\r\n folded\r\n"),
    FIELD_BAD(40, "X: y\r\n\tfolded\r\n"),
    FIELD_BAD(40, " \r\n"),
    FIELD_OK(41, "Accept: a\r\nAccept: b\r\n"),
    FIELD_BAD(41, "Content-Type: a\r\nContent-Type: a\r\n"),
    FIELD_BAD(41, "Authorization: a\r\nAuthorization: b\r\n"),
    FIELD_BAD(42, "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n"),
    FIELD_OK(42, "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,x\r\n"),
    FIELD_OK(43, "Content_Length: 5\r\n"),
    FIELD_OK(43, "Transfer_Encoding: chunked\r\n"),
};

static const struct row framing_rows[] = {
    POST(44, "Content-Length: 5\r\n", "length=5 keep"),
    POST(44, "Content-Length:0005 \r\n", "length=5 keep"),
    POST(44, "Content-Length: 9223372036854775807\r\n", "length=9223372036854775807 keep"),
    POST_BAD(44, 400, "Content-Length: 9223372036854775808\r\n"),
    POST_BAD(44, 400, "Content-Length: 18446744073709551621\r\n"),
    POST_BAD(44, 400, "Content-Length: +5\r\n"),
    POST_BAD(44, 400, "Content-Length: -0\r\n"),
    POST_BAD(44, 400, "Content-Length: 5 5\r\n"),
    POST_BAD(44, 400, "Content-Length: 0x5\r\n"),
    POST_BAD(44, 400, "Content-Length: 1_0\r\n"),
    POST_BAD(44, 400, "Content-Length: 5;q=1\r\n"),
    POST_BAD(44, 400, "Content-Length: 5.0\r\n"),
    POST_BAD(45, 400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
    POST_BAD(45, 400, "Content-Length: 5\r\ncontent-length: 6\r\n"),
    POST_BAD(45, 400, "Content-Length: 5, 5\r\n"),
    POST_BAD(46, 400, "Content-Length:\r\n"),
    POST_BAD(47, 400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    POST_BAD(47, 400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    POST_BAD(47, 400, "Transfer-Encoding: x\r\nContent-Length: 0\r\n"),
    ROW(48, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "refused 400 rule 48"),
    POST(49, "Transfer-Encoding: chunked\r\n", "chunked keep"),
    POST(49, "transfer-ENCODING:CHUNKED \r\n", "chunked keep"),
    POST(50, "Transfer-Encoding: \t chunked\t\r\n", "chunked keep"),
    POST_BAD(49, 501, "Transfer-Encoding: gzip, chunked\r\n"),
    POST_BAD(49, 501, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked, chunked\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked, gzip\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: identity\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked;q=1\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: \"chunked\"\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: ,chunked\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked,\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding:\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: xchunked\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked x\r\n"),
    POST_BAD(49, 400, "Transfer-Encoding: chunked\xa0\r\n"),
    POST_BAD(39, 400,
             "Transfer-Encoding: \x0b"
             "chunked\r\n"),
    POST_BAD(40, 400, "Transfer-Encoding:\r\n chunked\r\n"),
    POST_BAD(36, 400, "Transfer-Encoding : chunked\r\n"),
    POST(56, "", "none keep"),
    ROW(57, "GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
        "GET origin / 1.1 h:0 length=3 keep"),
    ROW(57, "DELETE / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n",
        "DELETE origin / 1.1 h:0 chunked keep"),
    POST(64, "Connection: close\r\n", "none close"),
    POST(64, "Connection: x, ,CLOSE\r\n", "none close"),
    POST(64, "Connection: x\r\nConnection: Close\r\n", "none close"),
    POST(64, "Connection: keep-alive, close\r\n", "none close"),
    POST(64, "Connection: closed\r\n", "none keep"),
    ROW(65, "GET / HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n",
        "GET origin / 1.0 h:0 none keep"),
    POST(73, "Expect: 100-Continue\r\nContent-Length: 5\r\n", "length=5 keep 100"),
    POST_BAD(73, 417, "Expect: 200-ok\r\n"),
    ROW(73, "POST / HTTP/1.0\r\n" H "Expect: 100-continue\r\n\r\n",
        "POST origin / 1.0 h:0 none close"),
    POST(78, "Upgrade: websocket\r\nConnection: x, Upgrade\r\n", "none keep upgrade"),
    POST(78, "Upgrade: websocket\r\n", "none keep"),
    POST(78, "Connection: upgrade\r\n", "none keep"),
    ROW(78, "GET / HTTP/1.0\r\n" H "Connection: upgrade\r\nUpgrade: x\r\n\r\n",
        "GET origin / 1.0 h:0 none close"),
};

static message *shared;

#define EXPECT_SUMMARY(input, want) assert_true(message_is(shared, input, want))

static void expect_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        EXPECT_SUMMARY(rows[i].input, rows[i].want);
}

#define ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof *(rows))

static void request_start_line_rules_hold_in_every_split(void **state)
{
    (void)state;
    ROWS(start_rows);
}

static void request_target_and_host_rules_hold_in_every_split(void **state)
{
    (void)state;
    ROWS(target_rows);
}

static void request_field_rules_hold_in_every_split(void **state)
{
    (void)state;
    ROWS(field_rows);
}

static void request_framing_rules_hold_in_every_split(void **state)
{
    (void)state;
    ROWS(framing_rows);
}

/* Every accepted row, cut anywhere, is neither complete nor refused: nothing is guessed early. */
static void request_cut_short_is_incomplete(void **state)
{
    (void)state;
    rill_span input =
        RILL_SPAN("\r\nPOST http://h/x HTTP/1.1\r\n" H "Content-Length: 5\r\nX-Unknown: y\r\n\r\n");
    for (size_t size = 0; size < input.size; size++) {
        message_parse(shared, (rill_span){ input.at, size }, 0);
        assert_int_equal(shared->result, 0);
    }
    message_parse(shared, input, 0);
    assert_int_equal(shared->result, input.size);
}

/* The head ends where it ends, whatever follows; and parsing on gives the same answer. */
static void request_size_leaves_body_and_next_request(void **state)
{
    (void)state;
    rill_span input = RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n");
    message_parse(shared, input, 0);
    assert_int_equal(shared->result, 27);
    assert_int_equal(shared->head.size, 27);
    assert_int_equal(rill_http_request_parse(&shared->head, input.at, input.size, NULL), 27);
}

static void request_refused_stays_refused(void **state)
{
    (void)state;
    rill_span good = RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\n");
    message_parse(shared, RILL_SPAN("\n"), 0);
    assert_int_equal(shared->result, -EBADMSG);
    assert_int_equal(rill_http_request_parse(&shared->head, good.at, good.size, NULL), -EBADMSG);
    assert_int_equal(shared->head.refuse_rule, 2);
}

static void garbage_is_refused_at_its_first_octet(void **state)
{
    (void)state;
    static const rill_span garbage[] = {
        { "\x16", 1 },
        { "\x80", 1 },
        { "\0", 1 },
        { "{", 1 },
        { "GET /\x7f", 6 },
        { "GET / F", 7 },
        { "GET / HTTP/1.1\r\n\x05", 17 },
    };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        message_parse(shared, garbage[i], 0);
        assert_int_equal(shared->result, -EBADMSG);
        if (garbage[i].size > 1) {
            message_parse(shared, (rill_span){ garbage[i].at, garbage[i].size - 1 }, 0);
            assert_int_equal(shared->result, 0);
        }
    }
}

/* Rule 11: where a route names further methods, an unknown token comes through; CONNECT never. */
static void request_other_method_is_taken_if_asked_for(void **state)
{
    (void)state;
    rill_http_limits limits = RILL_HTTP_LIMITS;
    limits.other_methods = true;
    shared->limits = &limits;
    EXPECT_SUMMARY(RILL_SPAN("PURGE /x HTTP/1.1\r\n" H "\r\n"),
                   "PURGE origin /x 1.1 h:0 none keep");
    assert_int_equal(shared->head.method, RILL_HTTP_OTHER);
    EXPECT_SUMMARY(RILL_SPAN("CONNECT h:1 HTTP/1.1\r\n" H "\r\n"), "refused 501 rule 23");
    EXPECT_SUMMARY(RILL_SPAN("TRACE / HTTP/1.1\r\n" H "\r\n"), "refused 405 rule 72");
    shared->limits = NULL;
}

/* --- Limits: exact, and one beyond --- */

static char memory[40 << 10];

static rill_span build(rill_text *text)
{
    assert_false(text->full);
    return (rill_span){ text->at, text->used };
}

static rill_text builder(void)
{
    return (rill_text){ memory, sizeof memory, 0, false };
}

static void fill(rill_text *text, char octet, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rill_text_char(text, octet);
}

/* A request line of `size` octets. */
static rill_span long_line(size_t size)
{
    rill_text text = builder();
    rill_text_add(&text, RILL_SPAN("HEAD /"));
    fill(&text, 'a', size - 15);
    rill_text_add(&text, RILL_SPAN(" HTTP/1.1\r\n" H "\r\n"));
    return build(&text);
}

/* Whole, octet by octet, and at a few splits: all splits of a long head would take minutes. */
static void expect_long(rill_span input, const char *want, size_t near)
{
    char summary[64 + 8192];
    size_t splits[] = { 0, SIZE_MAX, 1, near - 1, near, near + 1, near + 2, input.size - 1 };
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        message_parse(shared, input, splits[i]);
        rill_text text = { summary, sizeof summary, 0, false };
        message_summary(shared, &text);
        assert_string_equal(rill_text_end(&text) +
                                (*want == '~' ? text.used - strlen(want) + 1 : 0),
                            want + (*want == '~'));
    }
}

static void request_line_limit_is_exact(void **state)
{
    (void)state;
    expect_long(long_line(8192), "~ 1.1 h:0 none keep", 8192);
    expect_long(long_line(8193), "refused 414 rule 9", 8192);
    expect_long(long_line(8191), "~ 1.1 h:0 none keep", 8191);
    for (size_t size = 8194; size < 8210; size++)
        expect_long(long_line(size), "refused 414 rule 9", 8192);
    /* Refused at the limit, not when the line ends. */
    message_parse(shared, (rill_span){ long_line(9000).at, 8192 }, 0);
    assert_int_equal(shared->result, -EBADMSG);
}

/* One field line of `size` octets. */
static rill_span long_field(size_t size, size_t name)
{
    rill_text text = builder();
    rill_text_add(&text, RILL_SPAN("GET / HTTP/1.1\r\n" H));
    fill(&text, 'n', name);
    rill_text_char(&text, ':');
    fill(&text, 'v', size - name - 1);
    rill_text_add(&text, RILL_SPAN("\r\n\r\n"));
    return build(&text);
}

static void field_line_limit_is_exact(void **state)
{
    (void)state;
    const size_t start = sizeof "GET / HTTP/1.1\r\n" H - 1;
    expect_long(long_field(8192, 1), "GET origin / 1.1 h:0 none keep", start + 8192);
    expect_long(long_field(8193, 1), "refused 431 rule 10", start + 8192);
    expect_long(long_field(8192, 8191), "GET origin / 1.1 h:0 none keep", start + 8191);
    expect_long(long_field(8193, 8192), "refused 431 rule 10", start + 8192);
    expect_long(long_field(8200, 8199), "refused 431 rule 10", start + 8192);
}

/* Field lines of `size` octets in all, CRLFs included. */
static rill_span long_section(size_t size)
{
    rill_text text = builder();
    rill_text_add(&text, RILL_SPAN("GET / HTTP/1.1\r\n" H "a:"));
    fill(&text, 'v', 5000);
    rill_text_add(&text, RILL_SPAN("\r\nb:"));
    fill(&text, 'v', 5000);
    rill_text_add(&text, RILL_SPAN("\r\nc:"));
    fill(&text, 'v', size - 10021);
    rill_text_add(&text, RILL_SPAN("\r\n\r\n"));
    return build(&text);
}

static void field_section_limit_is_exact(void **state)
{
    (void)state;
    const size_t start = sizeof "GET / HTTP/1.1\r\n" - 1;
    expect_long(long_section(16384), "GET origin / 1.1 h:0 none keep", start + 16384);
    expect_long(long_section(16385), "refused 431 rule 10", start + 16384);
    expect_long(long_section(16386), "refused 431 rule 10", start + 16384);
    assert_true(long_section(16384).size <= RILL_HTTP_HEAD_MAX);
}

static rill_span many_fields(size_t count)
{
    rill_text text = builder();
    rill_text_add(&text, RILL_SPAN("GET / HTTP/1.1\r\n" H));
    for (size_t i = 1; i < count; i++)
        rill_text_add(&text, RILL_SPAN("a:b\r\n"));
    rill_text_add(&text, RILL_SPAN("\r\n"));
    return build(&text);
}

static void field_count_limit_is_exact(void **state)
{
    (void)state;
    EXPECT_SUMMARY(many_fields(100), "GET origin / 1.1 h:0 none keep");
    EXPECT_SUMMARY(many_fields(101), "refused 431 rule 10");
    /* The caller's array is a limit as well, down to none. */
    rill_span input = many_fields(2);
    rill_http_head_init(&shared->head, shared->fields, 1);
    assert_int_equal(rill_http_request_parse(&shared->head, input.at, input.size, NULL), -EBADMSG);
    assert_int_equal(shared->head.refuse_status, 431);
    rill_http_head_init(&shared->head, NULL, 0);
    assert_int_equal(rill_http_request_parse(&shared->head, input.at, input.size, NULL), -EBADMSG);
    assert_int_equal(shared->head.refuse_status, 431);
}

/* Limits below any sense refuse, and do not wrap. */
static void tiny_limits_refuse_in_every_split(void **state)
{
    (void)state;
    rill_http_limits limits = { .line = 0, .head = 0, .fields = 0 };
    shared->limits = &limits;
    for (limits.line = 0; limits.line < 14; limits.line++)
        EXPECT_SUMMARY(RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\n"), "refused 414 rule 9");
    EXPECT_SUMMARY(RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\n"), "refused 431 rule 10");
    limits.fields = 1;
    for (limits.head = 0; limits.head < 9; limits.head++)
        EXPECT_SUMMARY(RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\n"), "refused 431 rule 10");
    EXPECT_SUMMARY(RILL_SPAN("GET / HTTP/1.1\r\n" H "\r\n"), "GET origin / 1.1 h:0 none keep");
    shared->limits = NULL;
}

static int set_up(void **state)
{
    static message storage;
    (void)state;
    message_init(&storage, MESSAGE_REQUEST);
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
        cmocka_unit_test(request_start_line_rules_hold_in_every_split),
        cmocka_unit_test(request_target_and_host_rules_hold_in_every_split),
        cmocka_unit_test(request_field_rules_hold_in_every_split),
        cmocka_unit_test(request_framing_rules_hold_in_every_split),
        cmocka_unit_test(request_cut_short_is_incomplete),
        cmocka_unit_test(request_size_leaves_body_and_next_request),
        cmocka_unit_test(request_refused_stays_refused),
        cmocka_unit_test(garbage_is_refused_at_its_first_octet),
        cmocka_unit_test(request_other_method_is_taken_if_asked_for),
        cmocka_unit_test(request_line_limit_is_exact),
        cmocka_unit_test(field_line_limit_is_exact),
        cmocka_unit_test(field_section_limit_is_exact),
        cmocka_unit_test(field_count_limit_is_exact),
        cmocka_unit_test(tiny_limits_refuse_in_every_split),
    };
    return cmocka_run_group_tests_name("http_request", tests, set_up, tear_down);
}
