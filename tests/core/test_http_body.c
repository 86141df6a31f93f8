/* test_http_body.c - body readers: each row whole, octet by octet and at every split, from a buffer
 * that ends at an unreadable page. A row names the rule of RULES.md it shows. */
#include "tests/support/guard.h"

#include <rill/http.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    int rule;
    rill_span input;
    const char *want; /* data, "|", trailer lines, "|", octets left over; or how it was refused */
};

#define ROW(rule, input, want)                      \
    {                                               \
        rule, { "" input, sizeof(input) - 1 }, want \
    }
#define BAD(rule, input) ROW(rule, input, "refused 400 rule " #rule)

#define T100  "a:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\na:b\r\n"
#define T1000 T100 T100 T100 T100 T100 T100 T100 T100 T100 T100

static const struct row rows[] = {
    ROW(51, "0\r\n\r\n", "||0"),
    ROW(51, "3\r\nabc\r\n0\r\n\r\nGET", "abc||3"),
    ROW(51, "003\r\nabc\r\n1\r\nd\r\n000\r\n\r\n", "abcd||0"),
    ROW(51, "a\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n", "012345678901234567890||0"),
    ROW(51, "0000000000000003\r\nabc\r\n0\r\n\r\n", "abc||0"),
    BAD(51, "00000000000000003\r\nabc\r\n0\r\n\r\n"),
    BAD(51, "8000000000000000\r\n"),
    BAD(51, "FFFFFFFFFFFFFFFF\r\n"),
    BAD(51, "\r\n0\r\n\r\n"),
    BAD(51, ";a\r\n"),
    BAD(51, " 3\r\nabc\r\n0\r\n\r\n"),
    BAD(51, "3 \r\nabc\r\n0\r\n\r\n"),
    BAD(51, "3\t;a\r\nabc\r\n0\r\n\r\n"),
    BAD(51, "0x3\r\nabc\r\n0\r\n\r\n"),
    BAD(51, "+3\r\nabc\r\n0\r\n\r\n"),
    BAD(51, "-3\r\n"),
    BAD(51, "3g\r\n"),
    BAD(2, "3\nabc\r\n0\r\n\r\n"),
    BAD(2, "3\r\nabc\n0\r\n\r\n"),
    BAD(2, "3;a\nabc\r\n0\r\n\r\n"),
    BAD(52, "3\rabc\r\n0\r\n\r\n"),
    BAD(52, "3\r\nabcd\r\n0\r\n\r\n"),
    BAD(52, "3\r\nabc\r0\r\n\r\n"),
    ROW(52, "3\r\nab\r\n0\r\n\r\n", "refused 400 rule 2"),
    ROW(53, "3;a\r\nabc\r\n0;b=c;d=\"e\\\"\t;\\\\\"\r\n\r\n", "abc||0"),
    ROW(53, "3;a=b;c\r\nabc\r\n0;e=\"\";f\r\n\r\n", "abc||0"),
    BAD(53, "3;\r\nabc\r\n"),
    BAD(53, "3;a=\r\nabc\r\n"),
    BAD(53, "3;=a\r\nabc\r\n"),
    BAD(53, "3;;a\r\nabc\r\n"),
    BAD(53, "3; a\r\nabc\r\n"),
    BAD(53, "3;a =b\r\nabc\r\n"),
    BAD(53, "3;a=b c\r\nabc\r\n"),
    BAD(53, "3;a=b=c\r\nabc\r\n"),
    BAD(53, "3;a=\"b\"c\r\nabc\r\n"),
    BAD(53, "3;a=\"b\r\nabc\r\n"),
    BAD(53, "3;a=\"\x01\"\r\nabc\r\n"),
    BAD(53, "3;a\x7f\r\nabc\r\n"),
    BAD(53, "3;a=\"\\\x01\"\r\nabc\r\n"),
    ROW(55, "0\r\nX: y\r\nZ:\r\n\r\n", "|X: y\r\nZ:\r\n|0"),
    ROW(55, "1\r\na\r\n0\r\nContent-Length: 9\r\n\r\nx", "a|Content-Length: 9\r\n|1"),
    ROW(55, "0\r\n" T1000 "\r\n", "|" T1000 "|0"),
    ROW(10, "0\r\n" T1000 "a:b\r\n\r\n", "refused 431 rule 10"),
    BAD(2, "0\r\n\n"),
    BAD(2, "0\r\nX: y\n\r\n"),
    BAD(2, "0\r\nX\n: y\r\n\r\n"),
    BAD(3, "0\r\n\rX"),
    BAD(3, "0\r\nX: y\rZ"),
    BAD(4, "0\r\n X: y\r\n\r\n"),
    BAD(36, "0\r\nX : y\r\n\r\n"),
    BAD(37, "0\r\n: y\r\n\r\n"),
    BAD(37, "0\r\nX\r\n\r\n"),
    BAD(37, "0\r\nX\x01: y\r\n\r\n"),
    BAD(39, "0\r\nX: \0\r\n\r\n"),
    BAD(40, "0\r\nX: y\r\n z\r\n\r\n"),
    ROW(59, "3\r\nab", "early"),
    ROW(59, "3\r\nabc\r\n0\r\n", "early"),
};

static guard input;

struct result {
    char memory[16 << 10];
    rill_text text;
};

/* Hand the octets over in parts of `first`, then `step` octets, and tell what came out. */
static const char *read_body(const rill_http_message *head, rill_span octets, size_t first,
                             size_t step)
{
    static struct result data, trailers;
    rill_http_body body;
    rill_http_piece piece;
    size_t at = 0, part = first;
    data.text = (rill_text){ data.memory, sizeof data.memory, 0, false };
    trailers.text = (rill_text){ trailers.memory, sizeof trailers.memory, 0, false };
    assert_int_equal(rill_http_body_init(&body, head, UINT64_MAX), 0);
    for (; !body.done && at < octets.size; part = step) {
        size_t size = octets.size - at < part ? octets.size - at : part;
        const char *p = guard_put(&input, octets.at + at, size);
        int64_t n = rill_http_body_take(&body, p, size, &piece);
        if (n < 0) {
            data.text.used = 0;
            rill_text_fmt(&data.text, "refused %u rule %u", body.refuse_status, body.refuse_rule);
            assert_int_equal(rill_http_body_take(&body, p, size, &piece), n);
            assert_int_equal(rill_http_body_end(&body), -ENODATA);
            return rill_text_end(&data.text);
        }
        assert_true(n > 0 && (size_t)n <= size);
        if (piece.kind == RILL_HTTP_PIECE_DATA)
            rill_text_add(&data.text, piece.octets);
        if (piece.kind == RILL_HTTP_PIECE_TRAILER)
            rill_text_add(&trailers.text, piece.octets);
        at += (size_t)n;
    }
    if (rill_http_body_end(&body) < 0)
        return "early";
    assert_int_equal(body.total, data.text.used);
    rill_text_char(&data.text, '|');
    if (trailers.text.used > 0) /* without the empty line that ends them */
        rill_text_add(&data.text, (rill_span){ trailers.memory, trailers.text.used - 2 });
    rill_text_fmt(&data.text, "|%zu", octets.size - at);
    return rill_text_end(&data.text);
}

static void chunked_rules_hold_in_every_split(void **state)
{
    (void)state;
    rill_http_message head = { .framing = RILL_HTTP_BODY_CHUNKED };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_span octets = rows[i].input;
        assert_string_equal(read_body(&head, octets, octets.size, octets.size), rows[i].want);
        assert_string_equal(read_body(&head, octets, 1, 1), rows[i].want);
        for (size_t split = 1; split < octets.size; split++)
            assert_string_equal(read_body(&head, octets, split, octets.size), rows[i].want);
    }
}

static void length_body_leaves_what_follows(void **state)
{
    (void)state;
    rill_http_message head = { .framing = RILL_HTTP_BODY_LENGTH, .length = 3 };
    for (size_t split = 1; split < 7; split++)
        assert_string_equal(read_body(&head, RILL_SPAN("abcdef"), split, 1), "abc||3");
    assert_string_equal(read_body(&head, RILL_SPAN("ab"), 1, 1), "early"); /* rule 59 */
    head.length = 0;
    assert_string_equal(read_body(&head, RILL_SPAN("abc"), 1, 1), "||3");
    head.framing = RILL_HTTP_BODY_NONE; /* rule 56 */
    assert_string_equal(read_body(&head, RILL_SPAN("abc"), 1, 1), "||3");
}

static void close_body_ends_with_the_connection(void **state)
{
    (void)state;
    rill_http_message head = { .framing = RILL_HTTP_BODY_CLOSE };
    assert_string_equal(read_body(&head, RILL_SPAN("abc"), 2, 1), "abc||0");
    assert_string_equal(read_body(&head, RILL_SPAN(""), 1, 1), "||0");
}

static int64_t take_all(rill_http_body *body, rill_span octets)
{
    rill_http_piece piece;
    int64_t n = 0;
    while (octets.size > 0 && !body->done) {
        n = rill_http_body_take(body, octets.at, octets.size, &piece);
        if (n < 0)
            return n;
        octets.at += n;
        octets.size -= (size_t)n;
    }
    return n;
}

/* Each framing stops exactly one octet beyond the limit of the data, chunks before their data. */
static void body_above_its_limit_is_refused(void **state)
{
    (void)state;
    rill_http_body body;
    rill_http_message head = { .framing = RILL_HTTP_BODY_LENGTH, .length = 4 };
    assert_int_equal(rill_http_body_init(&body, &head, 4), 0);
    assert_int_equal(rill_http_body_init(&body, &head, 3), -EMSGSIZE);
    assert_int_equal(body.refuse_status, 413);
    head.framing = RILL_HTTP_BODY_CHUNKED;
    assert_int_equal(rill_http_body_init(&body, &head, 4), 0);
    assert_true(take_all(&body, RILL_SPAN("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")) > 0);
    assert_true(body.done);
    assert_int_equal(rill_http_body_init(&body, &head, 4), 0);
    assert_int_equal(take_all(&body, RILL_SPAN("3\r\nabc\r\n2\r\n")), -EMSGSIZE);
    assert_int_equal(body.refuse_status, 413);
    assert_int_equal(body.total, 3);
    head.framing = RILL_HTTP_BODY_CLOSE;
    assert_int_equal(rill_http_body_init(&body, &head, 4), 0);
    assert_int_equal(take_all(&body, RILL_SPAN("abcd")), 4);
    assert_int_equal(take_all(&body, RILL_SPAN("e")), -EMSGSIZE);
}

/* Rule 53: 4 KiB of extensions in all chunks together. */
static void chunk_extensions_have_an_exact_limit(void **state)
{
    (void)state;
    rill_http_message head = { .framing = RILL_HTTP_BODY_CHUNKED };
    static char octets[3 * 4096];
    for (size_t count = 4096; count <= 4097; count++) {
        rill_text text = { octets, sizeof octets, 0, false };
        /* The semicolon begins an extension and is not counted, as it belongs to no name. */
        for (int chunk = 0; chunk < 2; chunk++) {
            rill_text_add(&text, RILL_SPAN("1;"));
            for (size_t i = 0; i < count / 2 + (chunk ? count % 2 : 0); i++)
                rill_text_char(&text, 'x');
            rill_text_add(&text, RILL_SPAN("\r\na\r\n"));
        }
        rill_text_add(&text, RILL_SPAN("0\r\n\r\n"));
        const char *want = count == 4096 ? "aa||0" : "refused 400 rule 53";
        rill_span span = { octets, text.used };
        assert_string_equal(read_body(&head, span, span.size, span.size), want);
        assert_string_equal(read_body(&head, span, 1, 1), want);
    }
}

/* Rule 54: an octet a chunk costs five octets of framing; it is taken for 100 KiB, then no more. */
static void chunk_overhead_is_bounded(void **state)
{
    (void)state;
    rill_http_message head = { .framing = RILL_HTTP_BODY_CHUNKED };
    rill_http_body body;
    size_t chunks = 0;
    assert_int_equal(rill_http_body_init(&body, &head, UINT64_MAX), 0);
    while (take_all(&body, RILL_SPAN("1\r\na\r\n")) >= 0)
        chunks++;
    assert_int_equal(body.refuse_rule, 54);
    assert_in_range(chunks, (100 << 10) / 5, (100 << 10) / 5 + 400);
    /* Chunks of a sensible size never meet it. */
    static char data[4096 + 8];
    memset(data, 'd', sizeof data);
    memcpy(data, "1000\r\n", 6);
    memcpy(data + sizeof data - 2, "\r\n", 2);
    data[6 + 4095] = 'd';
    assert_int_equal(rill_http_body_init(&body, &head, UINT64_MAX), 0);
    for (size_t i = 0; i < 50000; i++) {
        assert_true(take_all(&body, RILL_SPAN("1000\r\n")) >= 0);
        assert_true(take_all(&body, (rill_span){ data, 4096 }) >= 0);
        assert_true(take_all(&body, RILL_SPAN("\r\n")) >= 0);
    }
}

/* Trailers obey the limits of the head, exactly, and what passes here passes rill_http_trailer_parse. */
static void trailer_limits_are_exact(void **state)
{
    (void)state;
    static char octets[20 << 10];
    rill_http_message head = { .framing = RILL_HTTP_BODY_CHUNKED };
    for (size_t size = 8190; size <= 8193; size++) {
        rill_http_message trailer;
        rill_http_field fields[2];
        rill_text text = { octets, sizeof octets, 0, false };
        rill_text_add(&text, RILL_SPAN("0\r\na:"));
        for (size_t i = 2; i < size; i++)
            rill_text_char(&text, 'v');
        rill_text_add(&text, RILL_SPAN("\r\n\r\n"));
        rill_span span = { octets, text.used };
        bool good = size <= 8192;
        const char *told = read_body(&head, span, 1, 1);
        assert_true(good ? told[0] == '|' : strcmp(told, "refused 431 rule 10") == 0);
        rill_http_head_init(&trailer, fields, 2);
        int r = rill_http_trailer_parse(&trailer, octets + 3, text.used - 3, NULL);
        assert_int_equal(r, good ? (int)text.used - 3 : -EBADMSG);
    }
    for (size_t size = 16383; size <= 16385; size++) {
        rill_text text = { octets, sizeof octets, 0, false };
        rill_text_add(&text, RILL_SPAN("0\r\n"));
        for (size_t part = 0; part < 4; part++) {
            rill_text_add(&text, RILL_SPAN("a:"));
            for (size_t i = 0; i < (part < 3 ? 4092 : size - 3 * 4096 - 4); i++)
                rill_text_char(&text, 'v');
            rill_text_add(&text, RILL_SPAN("\r\n"));
        }
        rill_text_add(&text, RILL_SPAN("\r\n"));
        rill_span span = { octets, text.used };
        const char *told = read_body(&head, span, 1, 1);
        assert_true(size <= 16384 ? told[0] != 'r' : strcmp(told, "refused 431 rule 10") == 0);
    }
}

static void chunk_head_reads_back(void **state)
{
    (void)state;
    char memory[RILL_HTTP_CHUNK_HEAD_MAX];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_http_write_chunk(&text, 0x1fa);
    assert_true(rill_span_equal((rill_span){ memory, text.used }, RILL_SPAN("1fa\r\n")));
    text.used = 0;
    rill_http_write_chunk(&text, UINT64_MAX);
    assert_false(text.full);
    assert_int_equal(text.used, sizeof memory);
}

static int set_up(void **state)
{
    (void)state;
    guard_init(&input, 32 << 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_fini(&input);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_rules_hold_in_every_split),
        cmocka_unit_test(length_body_leaves_what_follows),
        cmocka_unit_test(close_body_ends_with_the_connection),
        cmocka_unit_test(body_above_its_limit_is_refused),
        cmocka_unit_test(chunk_extensions_have_an_exact_limit),
        cmocka_unit_test(chunk_overhead_is_bounded),
        cmocka_unit_test(trailer_limits_are_exact),
        cmocka_unit_test(chunk_head_reads_back),
    };
    return cmocka_run_group_tests_name("http_body", tests, set_up, tear_down);
}
