/* test_cookie.c - the jar: which cookies are taken, which are given, what bounds it. */
#include "core/base/mem.h"
#include "core/client/cookie.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rill_arena arena;

static struct rill__url url_of(const char *text)
{
    struct rill__url url;
    if (rill__url_parse(&arena, rill_span_of(text), NULL, &url) < 0)
        fail_msg("%s", text);
    return url;
}

static void take(struct rill__jar *jar, const char *from, const char *line)
{
    struct rill__url url = url_of(from);
    char *copy = rill_copy(line, strlen(line)); /* what is taken must not point into it */
    assert_int_equal(rill__jar_take(jar, &url, (rill_span){ copy, strlen(line) }), 0);
    memset(copy, 'X', strlen(line));
    rill_free(copy);
}

static const char *given(struct rill__jar *jar, const char *to)
{
    static char text[16384];
    struct rill__url url = url_of(to);
    rill_span value;
    assert_int_equal(rill__jar_give(jar, &url, &arena, &value), 0);
    snprintf(text, sizeof text, "%.*s", (int)value.size, value.size > 0 ? value.at : "");
    return text;
}

static int tear_down(void **state)
{
    (void)state;
    rill_arena_fini(&arena);
    return 0;
}

/* A cookie that is set by one URL and what another one gets of it. */
static void cookie_goes_where_it_belongs(void **state)
{
    (void)state;

    static const struct {
        const char *from, *line, *to, *given;
    } rows[] = {
        { "http://a.example/x/y", "n=v", "http://a.example/x/z", "n=v" },
        { "http://a.example/x/y", "n=v", "http://a.example/x", "n=v" },
        { "http://a.example/x/y", "n=v", "http://a.example/xy", "" },
        { "http://a.example/x/y", "n=v", "http://a.example/", "" },
        { "http://a.example/", "n=v", "http://a.example:8080/any?q", "n=v" },
        { "http://a.example/", "n=v", "http://b.a.example/", "" },
        { "http://a.example/", "n=v", "http://example/", "" },
        { "http://a.example/", " n = v ; path = / ", "http://a.example/", "n=v" },
        { "http://a.example/", "n=", "http://a.example/", "n=" },
        { "http://a.example/", "n=\"v w\"", "http://a.example/", "n=\"v w\"" },
        { "http://a.example/", "n=a=b", "http://a.example/", "n=a=b" },
        { "http://a.example/", "n", "http://a.example/", "" },
        { "http://a.example/", "=v", "http://a.example/", "" },
        { "http://a.example/", "", "http://a.example/", "" },
        { "http://a.example/", ";;;", "http://a.example/", "" },
        /* paths */
        { "http://a.example/x/", "n=v; Path=/y", "http://a.example/y/z", "n=v" },
        { "http://a.example/x/", "n=v; Path=/y/", "http://a.example/y", "" },
        { "http://a.example/x/", "n=v; Path=y", "http://a.example/x/", "n=v" },
        { "http://a.example/x/", "n=v; Path", "http://a.example/x/", "n=v" },
        { "http://a.example/x/", "n=v; Path=/a; Path=/b", "http://a.example/b", "n=v" },
        /* domains */
        { "http://a.b.example/", "n=v; Domain=b.example", "http://c.b.example/", "n=v" },
        { "http://a.b.example/", "n=v; Domain=.B.Example", "http://b.example/", "n=v" },
        { "http://a.b.example/", "n=v; Domain=b.example", "http://xb.example/", "" },
        { "http://a.b.example/", "n=v; Domain=c.example", "http://c.example/", "" },
        { "http://a.b.example/", "n=v; Domain=a.a.b.example", "http://a.a.b.example/", "" },
        { "http://a.b.example/", "n=v; Domain=example", "http://a.b.example/", "" },
        { "http://a.b.example/", "n=v; Domain=.", "http://a.b.example/", "n=v" },
        { "http://a.b.example/", "n=v; Domain=", "http://a.b.example/", "n=v" },
        { "http://localhost/", "n=v; Domain=localhost", "http://localhost/", "n=v" },
        { "http://127.0.0.1/", "n=v; Domain=127.0.0.1", "http://127.0.0.1/", "n=v" },
        { "http://127.0.0.1/", "n=v; Domain=0.0.1", "http://127.0.0.1/", "" },
        { "http://[::1]/", "n=v", "http://[::1]/", "n=v" },
        /* Secure, and this machine, where it does not matter */
        { "https://a.example/", "n=v; Secure", "https://a.example/", "n=v" },
        { "https://a.example/", "n=v; Secure", "http://a.example/", "" },
        { "http://a.example/", "n=v; Secure", "https://a.example/", "" },
        { "http://127.0.0.1/", "n=v; secure", "http://127.0.0.1/", "n=v" },
        { "https://a.example/", "__Secure-n=v", "https://a.example/", "" },
        { "https://a.example/", "__Secure-n=v; Secure", "https://a.example/", "__Secure-n=v" },
        { "https://a.example/", "__Host-n=v; Secure", "https://a.example/", "" },
        { "https://a.example/", "__host-n=v; Secure; Path=/", "https://a.example/", "__host-n=v" },
        { "https://a.example/", "__Host-n=v; Secure; Path=/; Domain=a.example",
          "https://a.example/", "" },
        /* time */
        { "http://a.example/", "n=v; Max-Age=10", "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; Max-Age=0", "http://a.example/", "" },
        { "http://a.example/", "n=v; Max-Age=-1", "http://a.example/", "" },
        { "http://a.example/", "n=v; Max-Age=x", "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; Max-Age=99999999999999999999", "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/",
          "" },
        { "http://a.example/", "n=v; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "http://a.example/",
          "n=v" },
        { "http://a.example/", "n=v; Expires=never", "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
          "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=10",
          "http://a.example/", "n=v" },
        { "http://a.example/", "n=v; HttpOnly; SameSite=None; x=y", "http://a.example/", "n=v" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rill__jar jar;
        rill__jar_init(&jar);
        take(&jar, rows[i].from, rows[i].line);
        if (strcmp(given(&jar, rows[i].to), rows[i].given) != 0)
            fail_msg("%s of %s: %s gets '%s'", rows[i].line, rows[i].from, rows[i].to,
                     given(&jar, rows[i].to));
        rill__jar_fini(&jar);
    }
}

static void longer_paths_go_first_then_older_cookies(void **state)
{
    (void)state;
    struct rill__jar jar;
    rill__jar_init(&jar);
    take(&jar, "http://h.example/", "a=1; Path=/");
    take(&jar, "http://h.example/", "b=2; Path=/x/y");
    take(&jar, "http://h.example/", "c=3; Path=/x");
    take(&jar, "http://h.example/", "d=4; Path=/");
    assert_string_equal(given(&jar, "http://h.example/x/y"), "b=2; c=3; a=1; d=4");
    take(&jar, "http://h.example/", "a=new; Path=/"); /* keeps its place */
    assert_string_equal(given(&jar, "http://h.example/"), "a=new; d=4");
    take(&jar, "http://h.example/", "a=; Path=/; Max-Age=0");
    assert_string_equal(given(&jar, "http://h.example/"), "d=4");
    assert_int_equal(jar.count, 3);
    rill__jar_fini(&jar);
    assert_int_equal(jar.count, 0);
}

/* A cookie of the host alone is another one than that of its domain. */
static void insecure_answer_does_not_hide_a_secure_cookie(void **state)
{
    (void)state;
    struct rill__jar jar;
    rill__jar_init(&jar);
    take(&jar, "https://a.example/", "n=safe; Secure; Path=/");
    take(&jar, "http://a.example/", "n=forged; Path=/");
    take(&jar, "http://a.example/", "n=forged; Path=/x; Domain=a.example");
    take(&jar, "http://a.example/", "m=fine; Path=/");
    assert_string_equal(given(&jar, "https://a.example/x"), "n=safe; m=fine");
    take(&jar, "https://a.example/", "n=mine; Path=/; Domain=a.example");
    assert_string_equal(given(&jar, "https://a.example/"), "n=safe; m=fine; n=mine");
    rill__jar_fini(&jar);
}

static void jar_is_bounded_and_what_was_used_longest_ago_goes(void **state)
{
    (void)state;
    struct rill__jar jar;
    char line[5000], url[64];
    rill__jar_init(&jar);
    for (int i = 0; i < 60; i++) {
        snprintf(line, sizeof line, "n%d=v; Path=/", i);
        take(&jar, "http://a.example/", line);
    }
    assert_int_equal(jar.count, 50);
    assert_null(strstr(given(&jar, "http://a.example/"), "n9=v"));
    assert_non_null(strstr(given(&jar, "http://a.example/"), "n10=v"));
    for (int i = 0; i < 3100; i++) {
        snprintf(url, sizeof url, "http://h%d.example/", i);
        take(&jar, url, "n=v");
    }
    assert_int_equal(jar.count, 3000);
    assert_string_equal(given(&jar, "http://h3099.example/"), "n=v");
    assert_string_equal(given(&jar, "http://h0.example/"), "");
    rill__jar_fini(&jar);

    rill__jar_init(&jar);
    memset(line, 'v', sizeof line);
    memcpy(line, "n=", 2);
    line[4097] = 0; /* name and value of 4096 */
    take(&jar, "http://a.example/", line);
    assert_int_equal(jar.count, 1);
    line[4097] = 'v';
    line[4098] = 0;
    take(&jar, "http://b.example/", line);
    assert_int_equal(jar.count, 1);
    rill__jar_fini(&jar);
}

static void line_of_cookies_is_bounded_as_curls(void **state)
{
    (void)state;
    struct rill__jar jar;
    char line[4097];
    rill__jar_init(&jar);
    for (int i = 0; i < 4; i++) {
        memset(line, 'v', sizeof line);
        line[0] = (char)('a' + i);
        line[1] = '=';
        line[4000] = 0;
        take(&jar, "http://a.example/", line);
    }
    assert_int_equal(strlen(given(&jar, "http://a.example/")), 2 * 4000 + 2);
    rill__jar_fini(&jar);
}

/* The table of RFC 6265, 5.1.1: tokens in any order. */
static void dates_are_read_leniently(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        int64_t seconds; /* -2: refused */
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "1994 november 6th 8:49:37", 784111777 },
        { "06-Nov-1994 08:49:37junk", 784111777 },
        { "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 },
        { "1 Jan 70 00:00:00", 0 },
        { "1 Jan 69 00:00:00", 3124224000 },
        { "31 Dec 1969 23:59:59", -1 },
        { "Thu, 29 Feb 2023 00:00:00 GMT", -2 },
        { "31 Apr 2024 00:00:00", -2 },
        { "32 Jan 2024 00:00:00", -2 },
        { "1 Jan 1600 00:00:00", -2 },
        { "1 Jan 2024 24:00:00", -2 },
        { "1 Jan 2024 00:60:00", -2 },
        { "1 Jan 2024 00:00", -2 },
        { "1 Foo 2024 00:00:00", -2 },
        { "1 Jan 00:00:00", -2 },
        { "", -2 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t seconds = -2;
        int r = rill__cookie_date(rill_span_of(rows[i].text), &seconds);
        if (seconds != rows[i].seconds || (r == 0) == (rows[i].seconds == -2))
            fail_msg("%s is %lld", rows[i].text, (long long)seconds);
    }
}

static void each_failed_allocation_changes_nothing(void **state)
{
    (void)state;
    struct rill__jar jar;
    struct rill__url url = url_of("http://a.example/");
    rill_span value;
    rill__jar_init(&jar);
    rill__mem_fail_nth(1, false);
    assert_int_equal(rill__jar_take(&jar, &url, RILL_SPAN("n=v")), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_int_equal(jar.count, 0);
    take(&jar, "http://a.example/", "n=v");
    rill_arena small = { .limit = 1 };
    assert_int_equal(rill__jar_give(&jar, &url, &small, &value), -ENOMEM);
    rill_arena_fini(&small);
    rill__jar_fini(&jar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookie_goes_where_it_belongs),
        cmocka_unit_test(longer_paths_go_first_then_older_cookies),
        cmocka_unit_test(insecure_answer_does_not_hide_a_secure_cookie),
        cmocka_unit_test(jar_is_bounded_and_what_was_used_longest_ago_goes),
        cmocka_unit_test(line_of_cookies_is_bounded_as_curls),
        cmocka_unit_test(dates_are_read_leniently),
        cmocka_unit_test(each_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests_name("cookie", tests, NULL, tear_down);
}
