/* test_tls_inside.c - TLS inside TLS: as with the server behind a proxy with which TLS is spoken, too. */
#include "core/tls/tls.h"
#include "tests/support/secure.h"

/* A second connection for another name of the server, inside of the first one. */
static int make_inner(void)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    static const char *const alpn[] = { "inner", NULL };
    int other = 0;
    int r = certs_client("ca", alpn, &client);
    if (r == 0)
        r = certs_server("good", alpn, &server);
    if (r == 0)
        r = shake_hands(client, "www.example.net", server, &other);
    return rill_first_error(r, other);
}

static int inner_connection_carries_octets_and_ends(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(say(left, "outer"), 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, NULL), 0);
    EXPECT_IS(make_inner(), 0);
    EXPECT(rill_stream_is_tls(left) && rill_stream_is_tls(right));
    EXPECT(rill_span_equal(rill_stream_alpn(left), RILL_SPAN("inner")));
    EXPECT_IS(say(left, "hello"), 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, NULL), 0);
    EXPECT(memcmp(in, "hello", 5) == 0);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 0);
    EXPECT_IS(say(right, "welcome"), 0);
    EXPECT_IS(rill_stream_read_exactly(left, in, 7, NULL), 0);
    EXPECT(memcmp(in, "welcome", 7) == 0);
    EXPECT_IS(end_stream(&right), 0);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 0);
    EXPECT(rill_stream_at_eof(left));
    return 0;
}

static int read_mib(rill_group *group)
{
    int r = rill_group_go(group, RILL_CORO(write_one_mib, NULL));
    return r < 0 ? r : rill_stream_read_exactly(right, arrived, mib, &arrived_size);
}

static int inner_connection_carries_large_writes(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(make_inner(), 0);
    EXPECT_IS(in_group(read_mib), 0);
    EXPECT_IS(arrived_size, mib);
    EXPECT(arrived_in_order());
    return 0;
}

static int third_connection_is_refused_and_harms_nothing(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(make_inner(), 0);
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    rill_tls_opts opts = { .context = client, .server_name = "example.org" };
    EXPECT_IS(rill_stream_start_tls(left, &opts), -EALREADY);
    EXPECT_IS(say(left, "x"), 0);
    EXPECT_IS(rill_stream_read(right, in, 1), 1);
    return 0;
}

/* The two handshakes are told apart, and so are their failures. */
static int inner_certificate_is_checked(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(certs_server("wrong", NULL, &server), 0);
    int other = 0;
    EXPECT_IS(shake_hands(client, "example.org", server, &other), -EKEYREJECTED);
    EXPECT(other < 0);
    EXPECT_IS(rill_stream_read(left, in, 1), -EKEYREJECTED);
    return 0;
}

static int start_left(void *arg)
{
    rill_tls_opts opts = { .context = arg, .server_name = "example.org" };
    int r = rill_stream_start_tls(left, &opts);
    if (r < 0)
        rill_stream_close(left);
    return r;
}

/* What the first connection has brought already is the second one's begin; what is no TLS ends it. */
static int inner_handshake_takes_what_came_before_it_began(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    rill_task *starting = kept(rill_create_task(RILL_CORO(start_left, client)));
    rill_span octets;
    EXPECT_IS(rill_stream_peek(right, 200, &octets), 1);
    EXPECT_IS(rill_stream_start_tls(right, &(rill_tls_opts){ .context = server }), 0);
    EXPECT_IS(rill_await(starting), 0);
    return 0;
}

static int plain_octets_are_no_inner_handshake(void *arg)
{
    OWNED_CONTEXT rill_tls_context *server = NULL;
    rill_span octets;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    EXPECT_IS(say(left, "no TLS at all"), 0);
    EXPECT_IS(rill_stream_peek(right, 13, &octets), 1);
    EXPECT_IS(rill_stream_start_tls(right, &(rill_tls_opts){ .context = server }), -EPROTO);
    EXPECT_IS(rill_stream_buffered(right), 0);
    return 0;
}

static int shut_below(void *arg)
{
    rill_stream *stream = arg;
    (void)SSL_shutdown(rill__tls_of(stream)->below->ssl);
    rill__loop_prepare(stream->loop, &stream->prepare);
    return 0;
}

/* The outer connection is ended as it should be, but nobody said that the inner one is. */
static int end_of_the_outer_connection_alone_is_a_cut(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(make_inner(), 0);
    EXPECT_IS(rill_call_on_loop_stack(shut_below, left), 0);
    EXPECT_IS(rill_stream_read(right, in, 1), -ECONNRESET);
    EXPECT(!rill_stream_at_eof(right));
    return 0;
}

int main(void)
{
    certs_make();
    const struct scenario scenarios[] = {
        SCENARIO(inner_connection_carries_octets_and_ends),
        SCENARIO_ONCE(inner_connection_carries_large_writes),
        SCENARIO_ONCE(third_connection_is_refused_and_harms_nothing),
        SCENARIO_ONCE(inner_certificate_is_checked),
        SCENARIO_ONCE(inner_handshake_takes_what_came_before_it_began),
        SCENARIO_ONCE(plain_octets_are_no_inner_handshake),
        SCENARIO_ONCE(end_of_the_outer_connection_alone_is_a_cut),
    };
    return RUN_SCENARIOS("tls_inside", scenarios);
}
