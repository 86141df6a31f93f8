/* test_proxy.c - which proxy a URL gets, as curl reads the environment. */
#include "core/base/mem.h"
#include "core/client/proxy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy", "no_proxy",
                                     "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY" };
static rill_arena arena;

/* The proxy that `url` gets with these variables, pairs ended by NULL, as host:port; "" for none. */
static const char *proxy_of(const char *url_text, const char *const *variables)
{
    static char text[128];
    struct rill__proxies proxies;
    struct rill__url url;
    for (size_t i = 0; i < 8; i++)
        unsetenv(names[i]);
    for (; variables[0] != NULL; variables += 2)
        setenv(variables[0], variables[1], 1);
    int r = rill__proxies_read(&arena, &proxies);
    if (r < 0)
        return "error";
    assert_int_equal(rill__url_parse(&arena, rill_span_of(url_text), NULL, &url), 0);
    const struct rill__proxy *proxy = rill__proxies_find(&proxies, &url);
    if (proxy == NULL)
        return "";
    snprintf(text, sizeof text, "%s%s:%u", proxy->tls ? "tls " : "", proxy->host,
             (unsigned)proxy->port);
    return text;
}

static int tear_down(void **state)
{
    (void)state;
    rill_arena_fini(&arena);
    return 0;
}

static void variables_are_read_as_curl_does(void **state)
{
    (void)state;

    static const struct {
        const char *url, *variables[8], *proxy;
    } rows[] = {
        { "http://a/", { NULL }, "" },
        { "http://a/", { "http_proxy", "http://p:3128" }, "p:3128" },
        { "http://a/", { "http_proxy", "p" }, "p:1080" },
        { "http://a/", { "http_proxy", "http://p:80/" }, "p:80" },
        { "http://a/", { "http_proxy", "https://p" }, "tls p:443" },
        { "http://a/", { "http_proxy", "" }, "" },
        { "http://a/", { "HTTP_PROXY", "p" }, "" }, /* of a CGI request's Proxy field */
        { "https://a/", { "http_proxy", "p" }, "" },
        { "https://a/", { "HTTPS_PROXY", "p" }, "p:1080" },
        { "https://a/", { "HTTPS_PROXY", "p", "https_proxy", "q" }, "q:1080" },
        { "https://a/", { "ALL_PROXY", "p", "http_proxy", "q" }, "p:1080" },
        { "http://a/", { "all_proxy", "p", "http_proxy", "q" }, "q:1080" },
        { "http://a/", { "http_proxy", "[::1]:8" }, "::1:8" },
        { "http://a/", { "http_proxy", "socks5://p" }, "error" },
        { "http://a/", { "http_proxy", "http://p p" }, "error" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(proxy_of(rows[i].url, rows[i].variables), rows[i].proxy) != 0)
            fail_msg("row %zu: %s", i, proxy_of(rows[i].url, rows[i].variables));
}

static void hosts_without_a_proxy_are_found_as_curl_does(void **state)
{
    (void)state;

    static const struct {
        const char *host, *none;
        bool direct;
    } rows[] = {
        { "a.example", "*", true },
        { "a.example", "*,b", false },
        { "a.example", "a.example", true },
        { "a.example", "A.Example", true },
        { "a.example", "example", true },
        { "a.example", ".example", true },
        { "a.example", "example.", true },
        { "a.example", "b.example", false },
        { "a.example", "ample", false },
        { "example", ".example", true },
        { "a.example", "x, y example", true },
        { "a.example", "x,,example ,", true },
        { "a.example", "", false },
        { "127.0.0.1", "127.0.0.1", true },
        { "127.0.0.1", "0.0.1", false },
        { "127.0.0.1", "127.0.0.0/8", true },
        { "127.0.0.1", "127.0.0.0/33", false },
        { "10.1.2.3", "10.1.2.0/25", true },
        { "10.1.2.130", "10.1.2.0/25", false },
        { "10.1.2.3", "0.0.0.0/0", true },
        { "[::1]", "::1", true },
        { "[::1]", "[::1]", true },
        { "[fe80::1]", "fe80::/10", true },
        { "[::1]", "127.0.0.1", false },
        { "10.1.2.3", "10.1.2.3/x", false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char url[64];
        const char *const variables[] = { "http_proxy", "p", "no_proxy", rows[i].none, NULL };
        snprintf(url, sizeof url, "http://%s/", rows[i].host);
        const char *proxy = proxy_of(url, variables);
        if ((proxy[0] == 0) != rows[i].direct)
            fail_msg("%s with no_proxy=%s: %s", rows[i].host, rows[i].none, proxy);
    }
}

static void password_of_a_proxy_is_made_its_authorization(void **state)
{
    (void)state;
    struct rill__proxies proxies;
    (void)proxy_of("http://a/", (const char *const[]){ "http_proxy", "http://me:x@p", NULL });
    assert_int_equal(rill__proxies_read(&arena, &proxies), 0);
    assert_true(rill_span_equal(proxies.http.authorization, RILL_SPAN("Basic bWU6eA==")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_read_as_curl_does),
        cmocka_unit_test(hosts_without_a_proxy_are_found_as_curl_does),
        cmocka_unit_test(password_of_a_proxy_is_made_its_authorization),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, tear_down);
}
