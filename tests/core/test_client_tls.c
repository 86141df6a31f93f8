/* test_client_tls.c - https: who is trusted, connections kept, tunnels through a proxy. */
#include "tests/support/asking.h"
#include "tests/support/certs.h"

#include <rill/net.h>

#include <stdio.h>
#include <stdlib.h>

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static rill_tls_context *server_context, *client_context;
static rill_server *proxy;
static rill_addr address;

#define OWNED_PROXY                                          \
    __attribute__((cleanup(drop_proxy))) int proxy_mark = 0; \
    (void)proxy_mark

static void drop_proxy(int *mark)
{
    (void)mark;
    rill_server_abort_clients(proxy);
    rill_server_free(proxy);
    proxy = NULL;
}

static void drop_contexts(void *arg)
{
    (void)arg;
    rill_tls_context_unref(server_context);
    rill_tls_context_unref(client_context);
    server_context = client_context = NULL;
}

static const struct peer_answer always_good[] = { { .octets = GOOD }, { .octets = NULL } };

/* A peer with that certificate, and a session that trusts `ca` and asks it, whatever the URL says. */
static int begin(const char *certificate, const char *ca, const char *const *alpn, bool proxies)
    RILL_SUSPENDS;

static int begin(const char *certificate, const char *ca, const char *const *alpn, bool proxies)
{
    rill_http_session_opts opts = { .trust_env = proxies };
    after_run(drop_contexts, NULL);
    int r = peer_start(&peer, NULL, always_good);
    if (r == 0)
        r = certs_server(certificate, alpn, &server_context);
    if (r == 0)
        r = certs_client(ca, alpn, &client_context);
    if (r < 0)
        return r;
    peer.tls = server_context;
    address = rill_server_address(peer.server);
    opts.tls = client_context;
    if (!proxies)
        opts.address = &address;
    return rill_http_session_new(&opts, &session);
}

static int https_is_spoken_over_a_kept_connection(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin("good", "ca", NULL, false), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(ask("GET", "https://example.org/x", NULL), 200);
    EXPECT_IS(peer.connections, 1);
    EXPECT(peer_saw(&peer, "GET /x HTTP/1.1\r\nHost: example.org\r\n"));
    return 0;
}

/* Listening for an early answer and sending share one TLS connection. */
static int large_body_is_sent_over_tls(void *arg)
{
    static char large[1 << 20];
    static const struct peer_answer refused[] = {
        { .octets = "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n",
          .early = true,
          .end = PEER_DEAF },
        { .octets = NULL },
    };
    rill_http_request_opts opts = { .body = { large, sizeof large } };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin("good", "ca", NULL, false), 0);
    for (int i = 0; i < 2; i++)
        EXPECT_IS(ask("PUT", "https://example.org/x", &opts), 200);
    EXPECT_IS(peer.connections, 1);
    peer.answers = refused;
    EXPECT_IS(ask("PUT", "https://example.org/x", &opts), 413);
    return 0;
}

static int server_that_is_not_trusted_is_not_asked(void *arg)
{
    static const char *const rows[][2] = {
        { "wrong", "https://example.org/" },
        { "expired", "https://example.org/" },
        { "stranger", "https://example.org/" },
        { "good", "https://other.example/" },
    };
    (void)arg;
    for (size_t i = 0; i < 4; i++) {
        OWNED_SESSION;
        EXPECT_IS(begin(rows[i][0], "ca", NULL, false), 0);
        EXPECT_IS(ask("GET", rows[i][1], NULL), -EKEYREJECTED);
        EXPECT(error_says("GET https://"));
        EXPECT_IS(peer.requests, 0);
        drop_contexts(NULL);
    }
    return 0;
}

/* http and https of one host are two origins. */
static int plain_and_secure_connections_are_kept_apart(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin("good", "ca", NULL, false), 0);
    EXPECT_IS(ask("GET", "https://example.org/", NULL), 200);
    peer.tls = NULL; /* from the next connection on */
    EXPECT_IS(ask("GET", "http://example.org:443/", NULL), 200);
    EXPECT_IS(peer.connections, 2);
    return 0;
}

static int protocol_other_than_http_1_is_refused(void *arg)
{
    static const char *const alpn[] = { "h2", NULL };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin("good", "ca", alpn, false), 0);
    EXPECT_IS(ask("GET", "https://example.org/", NULL), -EPROTO);
    EXPECT(error_says("wants to speak h2"));
    return 0;
}

/* --- A tunnel. --- */

static char asked[256];   /* of the proxy */
static bool proxy_secure; /* TLS is spoken with it, too */

struct pipe {
    rill_stream *from, *to;
};

static int pump(void *arg)
{
    const struct pipe *pipe = arg;
    rill_span octets;
    int r;
    while ((r = rill_stream_peek(pipe->from, 1, &octets)) > 0) {
        r = rill_stream_write(pipe->to, octets.at, octets.size, NULL);
        if (r < 0)
            break;
        rill_stream_consume(pipe->from, octets.size);
    }
    rill_stream_abort(pipe->from); /* which ends the other direction, too */
    rill_stream_abort(pipe->to);
    return r;
}

static int pump_both(rill_stream *left, rill_stream *right) RILL_SUSPENDS;

static int pump_both(rill_stream *left, rill_stream *right)
{
    struct pipe there = { left, right }, back = { right, left };
    rill_group group = { 0 };
    int r = rill_group_enter(&group);
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(pump, &there));
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(pump, &back));
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

static int serve_tunnel(rill_stream *stream, void *arg)
{
    static const char made[] = "HTTP/1.1 200 Made\r\n\r\n";
    OWNED_STREAM rill_stream *server = NULL;
    rill_span text;
    (void)arg;
    int r = 0;
    if (proxy_secure)
        r = rill_stream_start_tls(stream, &(rill_tls_opts){ .context = server_context });
    if (r == 0)
        r = rill_stream_read_until(stream, &RILL_SPAN("\r\n\r\n"), 1, &text);
    if (r < 0)
        return r == -ECANCELED ? r : 0;
    snprintf(asked, sizeof asked, "%.*s", (int)strcspn(text.at, "\r"), text.at);
    r = rill_stream_connect(&address, NULL, &server);
    if (r >= 0)
        r = rill_stream_write(stream, made, sizeof made - 1, NULL);
    if (r >= 0)
        r = pump_both(stream, server);
    return r == -ECANCELED ? r : 0;
}

static int ask_through_tunnel(void)
{
    char url[64];
    OWNED_SESSION;
    OWNED_PROXY;
    EXPECT_IS(rill_start_server("127.0.0.1", 0, serve_tunnel, NULL, NULL, &proxy), 0);
    rill_addr at = rill_server_address(proxy);
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", proxy_secure ? "https" : "http",
             rill_addr_port(&at));
    setenv("https_proxy", url, 1);
    int r = begin("good", "ca", NULL, true);
    unsetenv("https_proxy");
    EXPECT_IS(r, 0);
    for (int i = 0; i < 2; i++)
        EXPECT_IS(ask("GET", "https://example.org/x", NULL), 200);
    EXPECT(strcmp(asked, "CONNECT example.org:443 HTTP/1.1") == 0);
    EXPECT(peer_saw(&peer, "GET /x HTTP/1.1\r\nHost: example.org\r\n"));
    EXPECT_IS(peer.connections, 1);
    return 0;
}

static int tunnel_through_a_proxy_is_kept(void *arg)
{
    (void)arg;
    proxy_secure = false;
    return ask_through_tunnel();
}

/* TLS with the server goes inside TLS with the proxy. */
static int tunnel_through_a_secure_proxy_is_kept(void *arg)
{
    (void)arg;
    proxy_secure = true;
    return ask_through_tunnel();
}

static const struct scenario scenarios[] = {
    SCENARIO(https_is_spoken_over_a_kept_connection),
    SCENARIO_ONCE(large_body_is_sent_over_tls),
    SCENARIO(server_that_is_not_trusted_is_not_asked),
    SCENARIO(plain_and_secure_connections_are_kept_apart),
    SCENARIO(protocol_other_than_http_1_is_refused),
    SCENARIO(tunnel_through_a_proxy_is_kept),
    SCENARIO_ONCE(tunnel_through_a_secure_proxy_is_kept),
};

int main(void)
{
    certs_make();
    return RUN_SCENARIOS("client_tls", scenarios);
}
