/* test_http_target.c - paths: each row from a buffer that ends at an unreadable page, written into
 * memory that does so too. A row names the rule of RULES.md it shows. */
#include "tests/support/guard.h"

#include <rill/http.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct row {
    int rule;
    rill_span input;
    const char *want; /* path, " ? query", and marks; or "refused N" */
};

#define ROW(rule, input, want)                      \
    {                                               \
        rule, { "" input, sizeof(input) - 1 }, want \
    }
#define BAD(rule, input) ROW(rule, input, "refused " #rule)

static const struct row rows[] = {
    ROW(26, "/", "/"),
    ROW(26, "", "/"),
    ROW(26, "?q", "/ ? q"),
    ROW(26, "*", "*"),
    ROW(26, "/hello", "/hello"),
    ROW(26, "/hello?", "/hello ? "),
    ROW(26, "/hello?a=b?c&d=%zz/../", "/hello ? a=b?c&d=%zz/../"),
    ROW(26, "/%68%65llo", "/hello"),
    ROW(26, "/%2568", "/%68"),
    ROW(26, "/a%3Fb?c", "/a?b ? c"),
    ROW(26, "/a%23b", "/a#b"),
    ROW(26, "/a%20b+c", "/a b+c"),
    ROW(26, "/.well-known/x.y", "/.well-known/x.y"),
    BAD(23, "hello"),
    BAD(23, "**"),
    BAD(24, "/a#b"),
    BAD(24, "/a?b#c"),
    BAD(24, "/%61#"),
    BAD(24, "#"),
    BAD(14, "/a\xe9"),
    BAD(14, "/%61\xe9"),
    BAD(14, "/a b"),
    BAD(14, "/a?\x01"),
    BAD(27, "/a%00"),
    BAD(27, "/a%0d%0a"),
    BAD(27, "/a%1F"),
    BAD(27, "/a%7f"),
    BAD(28, "/a%"),
    BAD(28, "/a%4"),
    BAD(28, "/a%4?1"),
    BAD(28, "/a%zz"),
    BAD(28, "/a%4g"),
    ROW(29, "/a/./b", "/a/b dots"),
    ROW(29, "/a/../b", "/b dots"),
    ROW(29, "/a/b/..", "/a/ dots"),
    ROW(29, "/a/b/.", "/a/b/ dots"),
    ROW(29, "/a/..", "/ dots"),
    ROW(29, "/.", "/ dots"),
    ROW(29, "/./", "/ dots"),
    ROW(29, "/a/%2e%2E/b", "/b dots"),
    ROW(29, "/a/.%2e/b", "/b dots"),
    ROW(29, "/a/%2e/b", "/a/b dots"),
    ROW(29, "/a//../b", "/a/b dots"),
    ROW(29, "/a/b/../../c", "/c dots"),
    ROW(29, "/a/...", "/a/..."),
    ROW(29, "/a/..%2e", "/a/..."),
    ROW(29, "/a/..b/.c", "/a/..b/.c"),
    ROW(29, "/a/.?../..", "/a/ ? ../.. dots"),
    BAD(29, "/.."),
    BAD(29, "/../a"),
    BAD(29, "/a/../.."),
    BAD(29, "/%2e%2e/"),
    BAD(29, "/./../a"),
    ROW(30, "/a%2fb",
        "/a\x01"
        "b slash"),
    ROW(30, "/a%2Fb%252fc",
        "/a\x01"
        "b%2fc slash"),
    ROW(30, "/a%5cb", "/a\\b slash"),
    ROW(30, "/a/..%2f", "/a/..\x01 slash"),
    ROW(30, "/a/%2e%2e%5c", "/a/..\\ slash"),
    BAD(31, "/a\\b"),
    BAD(31, "/a/..\\b"),
    BAD(31, "/%61\\b"),
    ROW(32, "/%c0%af%c0%ae", "/\xc0\xaf\xc0\xae"),
    ROW(32, "/a/%e0%80%ae%2e/x", "/a/\xe0\x80\xae./x"),
    ROW(33, "//a///b/", "//a///b/"),
};

static guard input, output;

static void tell(int r, const rill_http_target *target, char *memory, size_t size)
{
    rill_text text = { memory, size, 0, false };
    if (r < 0) {
        rill_text_fmt(&text, "refused %u", target->refuse_rule);
    } else {
        rill_text_add(&text, target->path);
        if (target->has_query) {
            rill_text_add(&text, RILL_SPAN(" ? "));
            rill_text_add(&text, target->query);
        }
        if (target->dots)
            rill_text_add(&text, RILL_SPAN(" dots"));
        if (target->encoded_slash)
            rill_text_add(&text, RILL_SPAN(" slash"));
    }
    rill_text_end(&text);
}

static int parse(rill_span raw, size_t room, rill_http_target *ret_target)
{
    const char *at = guard_put(&input, raw.at, raw.size);
    char *memory = output.map + output.size - room;
    return rill_http_target_parse((rill_span){ at, raw.size }, memory, room, ret_target);
}

static void target_rules_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_http_target target;
        char told[256];
        int r = parse(rows[i].input, rows[i].input.size, &target);
        tell(r, &target, told, sizeof told);
        assert_string_equal(told, rows[i].want);
        assert_int_equal(r, r < 0 ? -EBADMSG : 0);
        assert_int_equal(target.refuse_status, r < 0 ? 400 : 0);
    }
}

/* Without escapes and dot segments the path lies in the target itself. */
static void plain_target_is_not_copied(void **state)
{
    (void)state;
    rill_http_target target;
    rill_span raw = RILL_SPAN("/a.b/c..d/.e?f");
    assert_int_equal(rill_http_target_parse(raw, NULL, 0, &target), 0);
    assert_ptr_equal(target.path.at, raw.at);
    assert_ptr_equal(target.query.at, raw.at + 13);
}

static void target_in_too_little_memory_is_refused(void **state)
{
    (void)state;
    rill_http_target target;
    for (size_t room = 0; room < 4; room++)
        assert_int_equal(parse(RILL_SPAN("/ab%63"), room, &target), -ENOBUFS);
    assert_int_equal(parse(RILL_SPAN("/ab%63"), 4, &target), 0);
    assert_int_equal(parse(RILL_SPAN("/ab%63"), 4, &target), 0);
}

/* What the normal form encodes to reads back as the same normal form, for every row. */
static void normal_path_survives_the_wire(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rill_http_target target, again;
        char encoded[256];
        if (parse(rows[i].input, rows[i].input.size, &target) < 0 || target.path.at[0] != '/')
            continue;
        rill_text text = { encoded, sizeof encoded, 0, false };
        rill_http_path_encode(&text, target.path);
        char memory[256];
        assert_int_equal(rill_http_target_parse((rill_span){ encoded, text.used }, memory,
                                                sizeof memory, &again),
                         0);
        assert_true(rill_span_equal(again.path, target.path));
        assert_false(again.dots);
    }
}

/* Rule 35: no path makes a Location that names another host or breaks the line. */
static void location_has_one_leading_slash_and_no_controls(void **state)
{
    (void)state;

    static const struct {
        rill_span path;
        const char *want;
    } locations[] = {
        { { "/", 1 }, "/" },
        { { "", 0 }, "/" },
        { { "/a b", 4 }, "/a%20b" },
        { { "//evil.example/", 15 }, "/evil.example/" },
        { { "///", 3 }, "/" },
        { { "/\\evil", 6 }, "/%5Cevil" },
        { { "/\r\nX: y", 7 }, "/%0D%0AX:%20y" },
        { { "/a\x01"
            "b?#%\xff",
            8 },
          "/a%2Fb%3F%23%25%FF" },
        { { "/a//b", 5 }, "/a//b" },
    };

    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        char memory[64];
        rill_text text = { memory, sizeof memory, 0, false };
        rill_http_location_encode(&text, locations[i].path);
        assert_string_equal(rill_text_end(&text), locations[i].want);
    }
}

static int set_up(void **state)
{
    (void)state;
    guard_init(&input, 4096);
    guard_init(&output, 4096);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_fini(&input);
    guard_fini(&output);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_rules_hold),
        cmocka_unit_test(plain_target_is_not_copied),
        cmocka_unit_test(target_in_too_little_memory_is_refused),
        cmocka_unit_test(normal_path_survives_the_wire),
        cmocka_unit_test(location_has_one_leading_slash_and_no_controls),
    };
    return cmocka_run_group_tests_name("http_target", tests, set_up, tear_down);
}
