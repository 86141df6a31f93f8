/* test_client_redirect.c - redirects, cookies on the way, compressed answers, proxies. */
#include "tests/support/asking.h"

#include <stdio.h>
#include <stdlib.h>

#define TO(status, location) \
    "HTTP/1.1 " status " X\r\nLocation: " location "\r\nContent-Length: 5\r\n\r\nmoved"
#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* --- Redirects. --- */

static const struct peer_answer redirects[] = {
    { .request = "GET /301", .octets = TO("301", "/end") },
    { .request = "POST /301", .octets = TO("301", "/end") },
    { .request = "PUT /301", .octets = TO("301", "/end") },
    { .request = "POST /302", .octets = TO("302", "end") },
    { .request = "PUT /303", .octets = TO("303", "/end") },
    { .request = "HEAD /303", .octets = "HTTP/1.1 303 X\r\nLocation: /end\r\n\r\n" },
    { .request = "POST /307", .octets = TO("307", "/end?q") },
    { .request = "POST /308", .octets = TO("308", "/x/../end") },
    { .request = "GET /300", .octets = TO("300", "/end") },
    { .request = "GET /304", .octets = "HTTP/1.1 304 X\r\nLocation: /end\r\n\r\n" },
    { .request = "GET /loop", .octets = TO("302", "/loop") },
    { .request = "GET /bad", .octets = TO("302", "http://") },
    { .request = "GET /ftp", .octets = TO("302", "ftp://host/") },
    { .request = "GET /nowhere", .octets = "HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n" },
    { .request = "HEAD /end", .octets = "HTTP/1.1 200 OK\r\n\r\n" },
    { .octets = GOOD },
    { .octets = NULL },
};

static int method_changes_as_with_curl(void *arg)
{
    static const struct {
        const char *method, *to;
        int status;
        const char *last; /* of the log */
    } rows[] = {
        { "GET", "/301", 200, "GET /end HTTP/1.1" },
        { "POST", "/301", 200, "GET /end HTTP/1.1" },
        { "PUT", "/301", 200, "PUT /end HTTP/1.1" },
        { "POST", "/302", 200, "GET /end HTTP/1.1" },
        { "PUT", "/303", 200, "GET /end HTTP/1.1" },
        { "HEAD", "/303", 200, "HEAD /end HTTP/1.1" },
        { "POST", "/307", 200, "POST /end?q HTTP/1.1" },
        { "POST", "/308", 200, "POST /end HTTP/1.1" },
        { "GET", "/300", 300, "GET /300 HTTP/1.1" },
        { "GET", "/304", 304, "GET /304 HTTP/1.1" },
        { "GET", "/nowhere", 302, "GET /nowhere HTTP/1.1" },
    };

    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(redirects, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool post = strcmp(rows[i].method, "POST") == 0 || strcmp(rows[i].method, "PUT") == 0;
        rill_http_request_opts opts = { .body = post ? RILL_SPAN("data") : (rill_span){ NULL, 0 } };
        peer.logged = 0;
        EXPECT_IS(ask(rows[i].method, rows[i].to, &opts), rows[i].status);
        EXPECT(peer_saw(&peer, rows[i].last));
        bool sent_again = strstr(peer.log, "data|") != NULL &&
                          strstr(strstr(peer.log, "data|") + 1, "data|") != NULL;
        EXPECT(sent_again == (post && rows[i].last[0] == 'P'));
        if (post && !sent_again) /* nothing is left that speaks of a body */
            EXPECT(strstr(strstr(peer.log, "data|"), "Content-") == NULL);
    }
    EXPECT_IS(peer.connections, 1);
    return 0;
}

static int url_of_the_response_is_the_last_one(void *arg)
{
    char wanted[128];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(redirects, NULL), 0);
    EXPECT_IS(ask("POST", "/307", NULL), 200);
    snprintf(wanted, sizeof wanted, "%s/end?q", peer.url);
    EXPECT(strcmp(asked_url, wanted) == 0);
    EXPECT(strcmp(asked_body, "hi") == 0);
    return 0;
}

static int redirects_are_counted(void *arg)
{
    rill_http_response *response;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(redirects, NULL), 0);
    EXPECT_IS(ask("GET", "/loop", NULL), -ELOOP);
    EXPECT(error_says("more than 10 redirects"));
    EXPECT_IS(peer.requests, 11);
    EXPECT_IS(ask("GET", "/loop", &(rill_http_request_opts){ .redirects = 2 }), -ELOOP);
    EXPECT_IS(peer.requests, 14);
    EXPECT_IS(ask("GET", "/301", &(rill_http_request_opts){ .redirects = -1 }), 301);
    EXPECT_IS(rill_http_head(session, "/303", NULL, &response), 0);
    int status = rill_http_status(response);
    rill_http_close(response);
    EXPECT_IS(status, 303);
    return 0;
}

static int redirect_to_a_bad_url_is_an_error(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(redirects, NULL), 0);
    EXPECT_IS(ask("GET", "/bad", NULL), -EPROTO);
    EXPECT_IS(ask("GET", "/ftp", NULL), -EPROTO);
    return 0;
}

static int produce_once(void *arg, void *buf, size_t size)
{
    (void)size;
    if (*(int *)arg > 0)
        return 0;
    *(int *)arg = 1;
    memcpy(buf, "data", 4);
    return 4;
}

static int body_that_cannot_be_sent_twice_is_an_error(void *arg)
{
    int done = 0;
    rill_http_request_opts opts = { .produce = produce_once, .produce_arg = &done };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(redirects, NULL), 0);
    EXPECT_IS(ask("POST", "/307", &opts), -ESPIPE);
    done = 0;
    EXPECT_IS(ask("POST", "/302", &opts), 200);
    return 0;
}

/* What is secret stays with the origin that it was given for. */
static int secrets_are_not_taken_to_another_origin(void *arg)
{
    static const rill_http_line lines[] = { { RILL_SPAN("Cookie"), RILL_SPAN("mine=1") },
                                            { RILL_SPAN("X-Own"), RILL_SPAN("kept") } };
    static const struct peer_answer elsewhere[] = { { .octets = GOOD }, { .octets = NULL } };
    static char location[256];
    static struct peer_answer answers[] = {
        { .request = "GET /away", .octets = location },
        { .request = "GET /here", .octets = TO("302", "/end") },
        { .octets = GOOD },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .headers = lines, .header_count = 2, .auth = { "a", "b" } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&other, NULL, elsewhere), 0);
    snprintf(location, sizeof location,
             "HTTP/1.1 302 X\r\nLocation: %s/x\r\nSet-Cookie: jar=2\r\nContent-Length: 0\r\n\r\n",
             other.url);
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(ask("GET", "/here", &opts), 200);
    const char *second = strstr(peer.log, "|");
    EXPECT(strstr(second, "Authorization: Basic YTpi") != NULL && strstr(second, "mine=1") != NULL);
    EXPECT_IS(ask("GET", "/away", &opts), 200);
    EXPECT(!peer_saw(&other, "Authorization") && !peer_saw(&other, "mine"));
    EXPECT(peer_saw(&other, "X-Own: kept") && peer_saw(&other, "Cookie: jar=2"));
    return 0;
}

/* As with curl: what is secret goes again to its own origin if a redirect leads back there, and a Location brings
 * a password for that origin alone. */
static int secrets_go_with_their_origin_alone(void *arg)
{
    static char away[256], back[256], named[256];
    static const struct peer_answer elsewhere[] = { { .request = "GET /on", .octets = back },
                                                    { .octets = GOOD },
                                                    { .octets = NULL } };
    static const struct peer_answer answers[] = {
        { .request = "GET /away", .octets = away },
        { .request = "GET /named", .octets = named },
        { .octets = GOOD },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .auth = { "a", "b" } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&other, NULL, elsewhere), 0);
    EXPECT_IS(begin_asking(answers, NULL), 0);
    snprintf(away, sizeof away, TO("302", "%s/on"), other.url);
    snprintf(back, sizeof back, TO("302", "%s/end"), peer.url);
    snprintf(named, sizeof named, TO("302", "http://c:d@127.0.0.1:%u/x"), other.port);
    EXPECT_IS(ask("GET", "/away", &opts), 200);
    const char *end = strstr(peer.log, "GET /end");
    EXPECT(end != NULL && strstr(end, "Authorization: Basic YTpi") != NULL);
    EXPECT_IS(ask("GET", "/named", &opts), 200);
    EXPECT(peer_saw(&other, "GET /x") && !peer_saw(&other, "Authorization"));
    snprintf(named, sizeof named, TO("302", "http://c:d@127.0.0.1:%u/y"), peer.port);
    EXPECT_IS(ask("GET", "/named", &opts), 200);
    end = strstr(peer.log, "GET /y");
    EXPECT(end != NULL && strstr(end, "Authorization: Basic Yzpk") != NULL);
    return 0;
}

/* --- Cookies. --- */

static const struct peer_answer cookies[] = {
    { .request = "GET /login",
      .octets = "HTTP/1.1 302 X\r\nLocation: /home\r\nSet-Cookie: id=7; Path=/; HttpOnly\r\n"
                "Set-Cookie: other=x; Path=/other\r\nContent-Length: 0\r\n\r\n" },
    { .octets = GOOD },
    { .octets = NULL },
};

static int cookies_are_kept_and_sent(void *arg)
{
    static const rill_http_line own[] = { { RILL_SPAN("Cookie"), RILL_SPAN("own=1") } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(cookies, NULL), 0);
    EXPECT_IS(ask("GET", "/login", NULL), 200);
    EXPECT(peer_saw(&peer, "GET /home HTTP/1.1") && peer_saw(&peer, "\r\nCookie: id=7\r\n"));
    EXPECT_IS(ask("GET", "/other/x", NULL), 200);
    EXPECT(peer_saw(&peer, "\r\nCookie: other=x; id=7\r\n"));
    EXPECT_IS(ask("GET", "/", &(rill_http_request_opts){ .headers = own, .header_count = 1 }), 200);
    EXPECT(peer_saw(&peer, "\r\nCookie: own=1; id=7\r\n"));
    return 0;
}

static int session_without_cookies_keeps_none(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(cookies, &(rill_http_session_opts){ .no_cookies = true }), 0);
    EXPECT_IS(ask("GET", "/login", NULL), 200);
    EXPECT(!peer_saw(&peer, "Cookie"));
    return 0;
}

/* --- Compressed answers. --- */

/* "drop by drop\n" by gzip -n. */
#define PACKED                                                         \
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x29\xca\x2f\x50\x48" \
    "\xaa\x54\x48\x01\xd2\x5c\x00\x83\x1e\xac\x73\x0d\x00\x00\x00"

static const struct peer_answer packed[] = {
    { .request = "GET /gzip",
      .octets = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 31\r\n\r\n" PACKED,
      .size = 94 },
    { .request = "GET /chunked",
      .octets = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                "1f\r\n" PACKED "\r\n0\r\n\r\n",
      .size = 113 },
    { .request = "GET /broken",
      .octets = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi" },
    { .request = "HEAD /gzip", .octets = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" },
    { .request = "GET /none", .octets = "HTTP/1.1 204 OK\r\nContent-Encoding: gzip\r\n\r\n" },
    { .octets = NULL },
};

static int compressed_body_is_made_plain(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(packed, NULL), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(ask("GET", i == 0 ? "/gzip" : "/chunked", NULL), 200);
        EXPECT(strcmp(asked_body, "drop by drop\n") == 0);
    }
    EXPECT_IS(ask("HEAD", "/gzip", NULL), 200);
    EXPECT_IS(ask("GET", "/none", NULL), 204);
    EXPECT_IS(peer.connections, 1);
    EXPECT_IS(ask("GET", "/broken", NULL), -EPROTO);
    EXPECT(error_says("compression is broken"));
    return 0;
}

static int raw_session_leaves_it_compressed(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(packed, &(rill_http_session_opts){ .raw = true }), 0);
    EXPECT_IS(ask("GET", "/gzip", NULL), 200);
    EXPECT(memcmp(asked_body, PACKED, 31) == 0);
    EXPECT(!peer_saw(&peer, "Accept-Encoding"));
    return 0;
}

/* --- Proxies. --- */

static void set_proxies(const char *http, const char *https, const char *none)
{
    static const char *const names[] = { "http_proxy",  "https_proxy", "no_proxy", "all_proxy",
                                         "HTTPS_PROXY", "NO_PROXY",    "ALL_PROXY" };
    const char *const values[] = { http, https, none };
    for (size_t i = 0; i < 7; i++) {
        if (i < 3 && values[i] != NULL)
            setenv(names[i], values[i], 1);
        else
            unsetenv(names[i]);
    }
}

static int proxy_of_the_environment_gets_whole_urls(void *arg)
{
    static const struct peer_answer answers[] = { { .octets = GOOD }, { .octets = NULL } };
    rill_http_session_opts opts = { .base_url = "http://u:p@far.example/dir/", .trust_env = true };
    char proxy[96];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(peer_start(&other, NULL, answers), 0);
    snprintf(proxy, sizeof proxy, "http://me:secret@127.0.0.1:%u", other.port);
    set_proxies(proxy, NULL, "127.0.0.1");
    int r = begin_asking(answers, &opts);
    set_proxies(NULL, NULL, NULL);
    EXPECT_IS(r, 0);
    EXPECT_IS(ask("GET", "x?y", NULL), 200);
    EXPECT(peer_saw(&other, "GET http://far.example/dir/x?y HTTP/1.1\r\nHost: far.example\r\n"));
    EXPECT(peer_saw(&other, "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"));
    EXPECT(peer_saw(&other, "\r\nAuthorization: Basic dTpw\r\n"));
    EXPECT_IS(ask("GET", "http://other.example/", NULL), 200);
    EXPECT_IS(other.connections, 1); /* it is the proxy's */
    EXPECT_IS(ask("GET", peer.url, NULL), 200);
    EXPECT(!peer_saw(&peer, "Proxy-Authorization") && peer.requests == 1);
    return 0;
}

static char asked[512]; /* of the proxy */

/* A proxy that makes no tunnels. */
static int refuse_tunnel(rill_stream *stream, void *arg)
{
    static const char refusal[] = "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n";
    rill_span text;
    (void)arg;
    int r = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &text);
    if (r < 0)
        return r == -ENODATA || r == -ECONNRESET ? 0 : r;
    snprintf(asked, sizeof asked, "%.*s", (int)text.size, text.at);
    r = rill_stream_write(stream, refusal, sizeof refusal - 1, NULL);
    return r < 0 && r != -ECANCELED ? 0 : r;
}

static int proxy_that_refuses_a_tunnel_is_an_error(void *arg)
{
    rill_http_session_opts opts = { .trust_env = true };
    char proxy[96];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(rill_start_server("127.0.0.1", 0, refuse_tunnel, NULL, NULL, &other.server), 0);
    rill_addr at = rill_server_address(other.server);
    snprintf(proxy, sizeof proxy, "me:x@127.0.0.1:%u", rill_addr_port(&at));
    set_proxies(NULL, proxy, NULL);
    int r = begin_asking(redirects, &opts);
    set_proxies(NULL, NULL, NULL);
    EXPECT_IS(r, 0);
    EXPECT_IS(ask("GET", "https://far.example/", NULL), -EPROTO);
    EXPECT(error_says("refused the tunnel with 407"));
    EXPECT(strcmp(asked, "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"
                         "Proxy-Authorization: Basic bWU6eA==\r\n\r\n") == 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO_ONCE(method_changes_as_with_curl),
    SCENARIO(url_of_the_response_is_the_last_one),
    SCENARIO_ONCE(redirects_are_counted),
    SCENARIO(redirect_to_a_bad_url_is_an_error),
    SCENARIO(body_that_cannot_be_sent_twice_is_an_error),
    SCENARIO(secrets_are_not_taken_to_another_origin),
    SCENARIO(secrets_go_with_their_origin_alone),
    SCENARIO(cookies_are_kept_and_sent),
    SCENARIO(session_without_cookies_keeps_none),
    SCENARIO(compressed_body_is_made_plain),
    SCENARIO(raw_session_leaves_it_compressed),
    SCENARIO(proxy_of_the_environment_gets_whole_urls),
    SCENARIO(proxy_that_refuses_a_tunnel_is_an_error),
};

int main(void)
{
    return RUN_SCENARIOS("client_redirect", scenarios);
}
