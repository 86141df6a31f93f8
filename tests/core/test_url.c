/* test_url.c - URLs of the client: split, normalised, resolved, refused. */
#include "core/base/mem.h"
#include "core/client/url.h"
#include "tests/support/guard.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static guard page;
static rill_arena arena;

/* Parse a text that ends at an unreadable page. */
static int parse(const char *text, const struct rill__url *base, struct rill__url *url)
{
    size_t size = strlen(text);
    return rill__url_parse(&arena, (rill_span){ guard_put(&page, text, size), size }, base, url);
}

static int set_up(void **state)
{
    (void)state;
    guard_init(&page, RILL__URL_MAX + 64);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_fini(&page);
    rill_arena_fini(&arena);
    return 0;
}

static void url_is_split_and_normalised(void **state)
{
    (void)state;

    static const struct {
        const char *text, *host;
        unsigned port;
        bool tls;
        const char *authority, *target;
    } rows[] = {
        { "http://example.com", "example.com", 80, false, "example.com", "/" },
        { "HTTPS://Example.COM", "example.com", 443, true, "example.com", "/" },
        { "http://example.com:80/x", "example.com", 80, false, "example.com", "/x" },
        { "http://example.com:/x", "example.com", 80, false, "example.com", "/x" },
        { "https://example.com:80/x", "example.com", 80, true, "example.com:80", "/x" },
        { "http://[::1]:8080/a?b#c", "::1", 8080, false, "[::1]:8080", "/a?b" },
        { "http://127.0.0.1/a/./b/../c", "127.0.0.1", 80, false, "127.0.0.1", "/a/c" },
        { "http://h/../../x", "h", 80, false, "h", "/x" },
        { "http://h/a/%2e%2E/b/%2e", "h", 80, false, "h", "/b/" },
        { "http://h/a/..", "h", 80, false, "h", "/" },
        { "http://h/a//b/", "h", 80, false, "h", "/a//b/" },
        { "http://h/.../..a", "h", 80, false, "h", "/.../..a" },
        { "http://h?q=/../x", "h", 80, false, "h", "/?q=/../x" },
        { "http://h/?", "h", 80, false, "h", "/?" },
        { "http://h/?a?b#c?d", "h", 80, false, "h", "/?a?b" },
        { "http://h/a b\"<>`{|}\\^", "h", 80, false, "h", "/a%20b%22%3C%3E%60%7B%7C%7D%5C%5E" },
        { "http://h/\xc3\xa9?\xc3\xa9", "h", 80, false, "h", "/%C3%A9?%C3%A9" },
        { "http://h/%41%zz%4", "h", 80, false, "h", "/%41%25zz%254" },
        { "http://a.b.3com/", "a.b.3com", 80, false, "a.b.3com", "/" },
        { "http://host./", "host", 80, false, "host", "/" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rill__url url;
        char text[256];
        if (parse(rows[i].text, NULL, &url) != 0)
            fail_msg("%s is refused", rows[i].text);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.tls, rows[i].tls);
        snprintf(text, sizeof text, "%.*s", (int)url.authority.size, url.authority.at);
        assert_string_equal(text, rows[i].authority);
        snprintf(text, sizeof text, "%.*s", (int)url.target.size, url.target.at);
        assert_string_equal(text, rows[i].target);
        snprintf(text, sizeof text, "http%s://%s%s", url.tls ? "s" : "", rows[i].authority,
                 rows[i].target);
        assert_string_equal(url.text.at, text);
    }
}

static void assert_same_url(const struct rill__url *a, const struct rill__url *b)
{
    assert_string_equal(a->text.at, b->text.at);
    assert_string_equal(a->host, b->host);
    assert_true(rill_span_equal(a->authority, b->authority));
    assert_true(rill_span_equal(a->target, b->target));
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->tls, b->tls);
    assert_int_equal(a->has_port, b->has_port);
    assert_ptr_equal(a->user.at, b->user.at);
}

/* A fragment makes it go the long way, which takes the URL to pieces. */
static void url_is_read_the_same_on_the_short_way_and_the_long_one(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "http://h/",
        "http://h:8080/a/b.c?d=e",
        "https://www.example.com/...",
        "http://127.0.0.1:1/x",
        "http://h:80/",
        "https://h:443/",
        "http://h:080/",
        "http://H/",
        "http://h./a",
        "http://h:/a",
        "http://h_1~/a",
        "http://h/a/./b",
        "http://h/.",
        "http://h/a.",
        "http://h/[a]?[b]",
        "http://h/?a?b/./",
        "http://[::1]/a",
        "http://127.1/",
        "http://h/a%20b",
        "http://h/a b",
        "http://me@h/",
        "http://h\\x/",
        "http:///x",
        "http://h",
    };
    struct rill__url_front known = { .size = 0 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        struct rill__url first, again, longer;
        snprintf(text, sizeof text, "%s#x", texts[i]);
        int r = parse(text, NULL, &longer);
        for (int n = 0; n < 2; n++) {
            rill_span span = rill_span_of(texts[i]);
            assert_int_equal(parse(texts[i], NULL, &first), r);
            assert_int_equal(rill__url_parse_known(&arena, span, NULL, &known, &again), r);
            if (r < 0 || longer.user.at != NULL)
                continue;
            assert_same_url(&first, &longer);
            assert_same_url(&again, &longer);
        }
    }
}

/* The same for references: the base is one that the long way has read. */
static void reference_is_read_the_same_on_the_short_way_and_the_long_one(void **state)
{
    (void)state;
    static const char *const bases[] = { "http://h:8080/a/b?c", "https://me:pass@[::1]/x/",
                                         "http://H:80" };
    static const char *const texts[] = { "/",   "/a/b.c?d", "/a/./b", "/..",  "//other/x", "/a b",
                                         "/a%", "/?",       "/x?y?z", "a/b",  "",          "?q",
                                         "/a.", "/.a",      "/[x]",   "/a//b" };
    for (size_t b = 0; b < sizeof bases / sizeof *bases; b++) {
        struct rill__url base, first, longer;
        assert_int_equal(parse(bases[b], NULL, &base), 0);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            char text[64];
            snprintf(text, sizeof text, "%s#x", texts[i]);
            assert_int_equal(parse(texts[i], &base, &first), parse(text, &base, &longer));
            if (first.user.at != NULL) /* it is the base's */
                assert_ptr_equal(first.user.at, base.user.at);
            assert_same_url(&first, &longer);
        }
    }
}

/* What is known of one URL is not taken for another that only begins alike. */
static void known_front_serves_its_own_origin_alone(void **state)
{
    (void)state;
    struct rill__url_front known = { .size = 0 };
    struct rill__url url;
    assert_int_equal(
        rill__url_parse_known(&arena, RILL_SPAN("http://host:80/a"), NULL, &known, &url), 0);
    assert_int_equal(known.size, 0); /* it is not normal */
    assert_int_equal(rill__url_parse_known(&arena, RILL_SPAN("http://host/a"), NULL, &known, &url),
                     0);
    assert_int_equal(known.size, sizeof "http://host" - 1);
    assert_int_equal(
        rill__url_parse_known(&arena, RILL_SPAN("http://host.example/"), NULL, &known, &url), 0);
    assert_string_equal(url.host, "host.example");
    assert_int_equal(
        rill__url_parse_known(&arena, RILL_SPAN("http://host:81/"), NULL, &known, &url), 0);
    assert_int_equal(url.port, 81);
    assert_int_equal(
        rill__url_parse_known(&arena, RILL_SPAN("https://host:81/"), NULL, &known, &url), 0);
    assert_true(url.tls);
}

static void url_with_two_readings_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "/",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "http:example.com",
        "http:/example.com",
        "http://",
        "http:///x",
        "http://:80/",
        "http://user@/",
        "http://a b/",
        "http://a\\b/",
        "http://a%41/",
        "http://a..b/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:8o/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[::1%25eth0]/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://1.2.3.4.5/",
        "http://z\xc3\xbcrich.example/",
        "http://u:s:er%3a@h%00/",
        "http://us%3Aer:x@h/",
        "http://h/\n",
        "http://h/\t",
        "http://h\r\n/",
        "http://h/\x7f",
        " http://h/",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rill__url url = { .port = 7 };
        if (parse(rows[i], NULL, &url) != -EINVAL)
            fail_msg("%s is taken", rows[i]);
        assert_int_equal(url.port, 7); /* untouched */
    }
}

static void user_information_is_decoded_and_left_out_of_the_text(void **state)
{
    (void)state;

    static const struct {
        const char *text, *user, *password;
    } rows[] = {
        { "http://me:secret@h/", "me", "secret" },
        { "http://me@h/", "me", "" },
        { "http://m%65:a:b%40@h/", "me", "a:b@" },
        { "http://a@b:c@h/", "a@b", "c" },
        { "http://:pw@h/", "", "pw" },
        { "http://%2@h/", "%2", "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rill__url url;
        assert_int_equal(parse(rows[i].text, NULL, &url), 0);
        assert_true(rill_span_equal(url.user, rill_span_of(rows[i].user)));
        assert_true(rill_span_equal(url.password, rill_span_of(rows[i].password)));
        assert_string_equal(url.text.at, "http://h/");
    }
}

/* RFC 3986, 5.4, with its base as http. */
static void reference_is_resolved_as_the_rfc_shows(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "g", "/b/c/g" },
        { "./g", "/b/c/g" },
        { "g/", "/b/c/g/" },
        { "/g", "/g" },
        { "?y", "/b/c/d;p?y" },
        { "g?y", "/b/c/g?y" },
        { "#s", "/b/c/d;p?q" },
        { "g#s", "/b/c/g" },
        { "g?y#s", "/b/c/g?y" },
        { ";x", "/b/c/;x" },
        { "g;x", "/b/c/g;x" },
        { "g;x?y#s", "/b/c/g;x?y" },
        { "", "/b/c/d;p?q" },
        { ".", "/b/c/" },
        { "./", "/b/c/" },
        { "..", "/b/" },
        { "../", "/b/" },
        { "../g", "/b/g" },
        { "../..", "/" },
        { "../../", "/" },
        { "../../g", "/g" },
        { "../../../g", "/g" },
        { "../../../../g", "/g" },
        { "/./g", "/g" },
        { "/../g", "/g" },
        { "g.", "/b/c/g." },
        { ".g", "/b/c/.g" },
        { "g..", "/b/c/g.." },
        { "..g", "/b/c/..g" },
        { "./../g", "/b/g" },
        { "./g/.", "/b/c/g/" },
        { "g/./h", "/b/c/g/h" },
        { "g/../h", "/b/c/h" },
        { "g;x=1/./y", "/b/c/g;x=1/y" },
        { "g;x=1/../y", "/b/c/y" },
        { "g?y/./x", "/b/c/g?y/./x" },
        { "g?y/../x", "/b/c/g?y/../x" },
    };
    struct rill__url base, url;
    assert_int_equal(parse("http://u:p@a:81/b/c/d;p?q", NULL, &base), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parse(rows[i][0], &base, &url), 0);
        if (!rill_span_equal(url.target, rill_span_of(rows[i][1])))
            fail_msg("%s gives %.*s", rows[i][0], (int)url.target.size, url.target.at);
        assert_string_equal(url.host, "a");
        assert_int_equal(url.port, 81);
        assert_true(rill__url_same_origin(&url, &base));
        assert_true(url.user.at == base.user.at);
    }
}

static void reference_with_a_host_of_its_own_keeps_nothing_but_the_scheme(void **state)
{
    (void)state;
    struct rill__url base, url;
    assert_int_equal(parse("https://u:p@a:81/b?q", NULL, &base), 0);
    assert_int_equal(parse("//c/d", &base, &url), 0);
    assert_string_equal(url.text.at, "https://c/d");
    assert_null(url.user.at);
    assert_false(rill__url_same_origin(&url, &base));
    assert_int_equal(parse("http://a:81", &base, &url), 0);
    assert_string_equal(url.text.at, "http://a:81/");
    assert_false(rill__url_same_origin(&url, &base));
    assert_int_equal(parse("///x", &base, &url), -EINVAL);
}

static void longest_url_is_taken_and_a_longer_one_refused(void **state)
{
    (void)state;
    static char text[RILL__URL_MAX + 2];
    struct rill__url url;
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "http://h/", 9);
    assert_int_equal(parse(text, NULL, &url), -EINVAL);
    text[RILL__URL_MAX] = 0;
    assert_int_equal(parse(text, NULL, &url), 0);
    memset(text + 9, ' ', RILL__URL_MAX / 2); /* encoded it is too long */
    assert_int_equal(parse(text, NULL, &url), -EINVAL);
}

static void each_failed_allocation_is_an_error(void **state)
{
    (void)state;
    struct rill__url url;
    int r = -ENOMEM;
    for (uint64_t nth = 1; r == -ENOMEM; nth++) {
        rill_arena_fini(&arena);
        rill__mem_fail_nth(nth, false);
        r = parse("http://user:password@host:8080/a?b", NULL, &url);
        rill__mem_fail_nth(0, false);
        assert_true(nth < 9);
    }
    assert_int_equal(r, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_is_split_and_normalised),
        cmocka_unit_test(url_is_read_the_same_on_the_short_way_and_the_long_one),
        cmocka_unit_test(reference_is_read_the_same_on_the_short_way_and_the_long_one),
        cmocka_unit_test(known_front_serves_its_own_origin_alone),
        cmocka_unit_test(url_with_two_readings_is_refused),
        cmocka_unit_test(user_information_is_decoded_and_left_out_of_the_text),
        cmocka_unit_test(reference_is_resolved_as_the_rfc_shows),
        cmocka_unit_test(reference_with_a_host_of_its_own_keeps_nothing_but_the_scheme),
        cmocka_unit_test(longest_url_is_taken_and_a_longer_one_refused),
        cmocka_unit_test(each_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests_name("url", tests, set_up, tear_down);
}
