/* test_connect.c - connections and servers by name: families in turn, a race that leaves nothing behind. */
#include "tests/support/lookup.h"

#include <unistd.h>

static rill_server *server;
static char hosts_path[64];
static rill_time took; /* to connect */

#define OWNED_WORLD                                           \
    __attribute__((cleanup(drop_world))) int world_mark_ = 0; \
    (void)world_mark_

static void drop_world(int *mark)
{
    (void)mark;
    rill_server_abort_clients(server);
    rill_server_free(server);
    server = NULL;
    unlink(hosts_path);
}

static int close_at_once(rill_stream *stream, void *arg)
{
    (void)arg;
    rill_span none;
    int r = rill_stream_peek(stream, 1, &none);
    return r == -ECONNRESET ? 0 : r;
}

/* A name for `addresses`, one a line of the hosts file. */
static int name_is(const char *addresses)
{
    char text[300];
    rill_text file = { text, sizeof text, 0, false };
    rill_span left = rill_span_of(addresses);
    snprintf(hosts_path, sizeof hosts_path, "/tmp/rill-connect-%d", (int)getpid());
    while (left.size > 0) {
        size_t size = strcspn(left.at, " ");
        rill_text_add(&file, (rill_span){ left.at, size });
        rill_text_add(&file, RILL_SPAN(" host.test\n"));
        size += left.at[size] == ' ';
        left = (rill_span){ left.at + size, left.size - size };
    }
    FILE *out = fopen(hosts_path, "we");
    if (out == NULL)
        return -EIO;
    fputs(rill_text_end(&file), out);
    fclose(out);
    rill_dns_opts opts = { .hosts = hosts_path, .servers = "192.0.2.1", .timeout = patience };
    return rill_dns_configure(&opts);
}

static int serve_at(const char *host)
{
    return rill_start_server(host, 0, close_at_once, NULL, NULL, &server);
}

static unsigned server_port(void)
{
    rill_addr at = rill_server_address(server);
    return rill_addr_port(&at);
}

static int connect_there(const char *wanted_peer)
{
    char text[RILL_ADDR_TEXT_MAX];
    rill_text peer_text = { text, sizeof text, 0, false };
    OWNED_STREAM rill_stream *stream = NULL;
    rill_scope scope = { 0 };
    rill_addr peer;
    rill_time start = rill_now();
    EXPECT_IS(rill_timeout(&scope, RILL_SEC(3)), 0);
    int r = rill_open_connection("host.test", server_port(), NULL, &stream);
    EXPECT_IS(rill_scope_leave(&scope, r), 0);
    took = rill_now() - start;
    EXPECT_IS(rill_socket_peer(rill_stream_fd(stream), &peer), 0);
    rill_addr_format(&peer, &peer_text);
    EXPECT(rill_span_starts((rill_span){ text, peer_text.used }, rill_span_of(wanted_peer)));
    return end_stream(&stream);
}

/* asyncio: test_create_connection_happy_eyeballs. Nobody answers at the first one: 250 ms later the
 * second one is tried, and wins. */
static int silent_address_is_passed_by_after_250_ms(void *arg)
{
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("192.0.2.1 127.0.0.1"), 0);
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    EXPECT_IS(connect_there("127.0.0.1:"), 0);
    EXPECT(took >= RILL_MS(250) && took < RILL_MS(500));
    return 0;
}

/* The family of the second try is another one than that of the first, whatever the list says. */
static int families_take_turns(void *arg)
{
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("2001:db8::1 2001:db8::2 2001:db8::3 127.0.0.1"), 0);
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    EXPECT_IS(connect_there("127.0.0.1:"), 0);
    EXPECT(took >= RILL_MS(250) && took < RILL_MS(500));
    return 0;
}

/* asyncio: test_create_connection_multiple. */
static int refused_address_is_followed_at_once(void *arg)
{
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("127.0.0.2 127.0.0.3 127.0.0.1"), 0);
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    EXPECT_IS(connect_there("127.0.0.1:"), 0);
    EXPECT(took < RILL_MS(250));
    return 0;
}

/* A refusal begins the next try early, and the one after it has its whole 250 ms. */
static int refusal_after_a_silence_goes_on_from_there(void *arg)
{
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("192.0.2.1 127.0.0.2 192.0.2.3 127.0.0.1"), 0);
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    EXPECT_IS(connect_there("127.0.0.1:"), 0);
    EXPECT(took >= RILL_MS(500) && took < RILL_MS(750));
    return 0;
}

/* asyncio: test_create_connection_connect_err. */
static int if_all_fail_the_first_error_is_told(void *arg)
{
    rill_stream *stream = NULL;
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("127.0.0.2 127.0.0.3"), 0);
    EXPECT_IS(rill_open_connection("host.test", 80, NULL, &stream), -ECONNREFUSED);
    EXPECT(stream == NULL);
    return 0;
}

/* Here nobody ever answers: the deadline ends all tries. */
static int deadline_ends_all_tries(void *arg)
{
    rill_stream *stream = NULL;
    rill_scope scope = { 0 };
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2"), 0);
    EXPECT_IS(rill_timeout(&scope, RILL_SEC(2)), 0);
    int r = rill_open_connection("host.test", 80, NULL, &stream);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT(stream == NULL);
    return 0;
}

/* asyncio: test_create_connection_getaddrinfo_err. */
static int name_that_is_unknown_is_no_host(void *arg)
{
    rill_stream *stream = NULL;
    (void)arg;
    OWNED_NAMES;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(rill_open_connection("none.test", 80, NULL, &stream), -ENOENT);
    EXPECT_IS(rill_start_server("none.test", 0, close_at_once, NULL, NULL, &server), -ENOENT);
    return 0;
}

static int name_of_a_server_is_looked_up(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    OWNED_NAMES;
    OWNED_WORLD;
    EXPECT_IS(begin(), 0);
    EXPECT_IS(serve_at("four.test"), 0);
    EXPECT_IS(rill_open_connection("four.test", server_port(), NULL, &stream), 0);
    EXPECT_IS(names.asked, 2); /* A and AAAA, once: then the answer is known */
    return end_stream(&stream);
}

/* asyncio: test_create_server_hosts. */
static int server_listens_at_all_addresses_of_its_name(void *arg)
{
    static const char *const at[] = { "127.0.0.1", "127.0.0.2", "127.0.0.3" };
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("127.0.0.1 127.0.0.2 127.0.0.3"), 0);
    EXPECT_IS(serve_at("host.test"), 0);
    for (size_t i = 0; i < 3; i++) {
        OWNED_STREAM rill_stream *stream = NULL;
        EXPECT_IS(rill_open_connection(at[i], server_port(), NULL, &stream), 0);
        EXPECT_IS(end_stream(&stream), 0);
    }
    return 0;
}

static int connect_to(void *arg)
{
    rill_stream *stream = NULL;
    int r = rill_open_connection(arg, 80, NULL, &stream);
    rill_stream_abort(stream);
    rill_stream_unref(stream);
    return r;
}

static int waits_say_what_they_wait_for(void *arg)
{
    static char host[] = "host.test", other[] = "other.test";
    char text[100];
    OWNED_FUTURE rill_task *connecting = NULL, *asking = NULL;
    (void)arg;
    OWNED_WORLD;
    EXPECT_IS(name_is("192.0.2.1 192.0.2.2"), 0);
    connecting = rill_create_task(RILL_CORO(connect_to, host));
    asking = rill_create_task(RILL_CORO(connect_to, other));
    EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    (void)rill_task_waits_for(connecting, text, sizeof text);
    EXPECT(strstr(text, "connect on fd") != NULL && strstr(text, "with 192.0.2.1:80") != NULL);
    (void)rill_task_waits_for(asking, text, sizeof text);
    EXPECT(rill_span_starts(rill_span_of(text), RILL_SPAN("DNS look-up of 'other.test'")));
    rill_cancel(connecting, NULL);
    EXPECT_IS(rill_await(connecting), -ECANCELED);
    rill_cancel(asking, NULL);
    EXPECT_IS(rill_await(asking), -ECANCELED);
    return 0;
}

static const struct scenario scenarios[] = {
    SIMULATED(silent_address_is_passed_by_after_250_ms),
    SIMULATED(families_take_turns),
    SIMULATED(refused_address_is_followed_at_once),
    SIMULATED(refusal_after_a_silence_goes_on_from_there),
    SIMULATED(if_all_fail_the_first_error_is_told),
    SIMULATED(deadline_ends_all_tries),
    SIMULATED(name_that_is_unknown_is_no_host),
    SIMULATED(name_of_a_server_is_looked_up),
    SIMULATED(server_listens_at_all_addresses_of_its_name),
    SIMULATED(waits_say_what_they_wait_for),
};

int main(void)
{
    return RUN_SCENARIOS("connect", scenarios);
}
