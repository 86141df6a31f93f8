/* test_open_connection.c - streams opened by host and port, by path, and in pairs. */
#include "tests/support/expect.h"

#include <rill/net.h>

#include <stdio.h>
#include <unistd.h>

static rill_server *server;
static char path[64];

#define OWNED_SERVER                                           \
    __attribute__((cleanup(drop_server))) int server_mark = 0; \
    (void)server_mark

static void drop_server(int *mark)
{
    (void)mark;
    rill_server_abort_clients(server);
    rill_server_free(server);
    server = NULL;
}

/* Says back what it is told, a line at a time. */
static int echo_lines(rill_stream *stream, void *arg)
{
    rill_span line;
    int r;
    (void)arg;
    while ((r = rill_stream_read_line(stream, &line)) > 0) {
        r = rill_stream_write(stream, line.at, line.size, NULL);
        if (r < 0)
            break;
    }
    return r == -ECONNRESET || r == -EPIPE ? 0 : r;
}

static int serve_at(const char *host)
{
    server = NULL;
    int r = rill_start_server(host, 0, echo_lines, NULL, NULL, &server);
    return r;
}

static unsigned port_of_server(void)
{
    rill_addr at = rill_server_address(server);
    return rill_addr_port(&at);
}

/* One line there and back, and then the end. */
static int converse(rill_stream **stream)
{
    rill_span line;
    EXPECT_IS(rill_stream_write(*stream, "hello\nworld\n", 12, NULL), 12);
    EXPECT_IS(rill_stream_read_line(*stream, &line), 6);
    EXPECT(rill_span_equal(line, RILL_SPAN("hello\n")));
    EXPECT_IS(rill_stream_write_eof(*stream), 0);
    EXPECT_IS(rill_stream_read_line(*stream, &line), 6);
    EXPECT(rill_span_equal(line, RILL_SPAN("world\n")));
    EXPECT_IS(rill_stream_read_line(*stream, &line), 0);
    EXPECT(rill_stream_at_eof(*stream));
    return end_stream(stream);
}

static int connection_to_a_numeric_host_carries_lines(void *arg)
{
    (void)arg;
    OWNED_SERVER;
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    EXPECT_IS(rill_open_connection("127.0.0.1", port_of_server(), NULL, &stream), 0);
    return converse(&stream);
}

static int localhost_and_no_host_are_the_loopback(void *arg)
{
    static const char *const hosts[] = { "localhost", NULL, "" };
    (void)arg;
    OWNED_SERVER;
    EXPECT_IS(serve_at("localhost"), 0);
    for (int i = 0; i < 3; i++) {
        OWNED_STREAM rill_stream *stream = NULL;
        EXPECT_IS(rill_open_connection(hosts[i], port_of_server(), NULL, &stream), 0);
        EXPECT_IS(converse(&stream), 0);
    }
    return 0;
}

/* Nobody listens at the first address of localhost. */
static int second_address_is_tried_when_the_first_refuses(void *arg)
{
    (void)arg;
    OWNED_SERVER;
    OWNED_STREAM rill_stream *stream = NULL;
    int r = serve_at("::1");
    if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
        return 0; /* a machine without IPv6 */
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_open_connection("localhost", port_of_server(), NULL, &stream), 0);
    return converse(&stream);
}

static int server_at_every_address_takes_both_families(void *arg)
{
    static const char *const hosts[] = { "127.0.0.1", "::1" };
    (void)arg;
    OWNED_SERVER;
    EXPECT_IS(serve_at(NULL), 0);
    for (int i = 0; i < 2; i++) {
        OWNED_STREAM rill_stream *stream = NULL;
        int r = rill_open_connection(hosts[i], port_of_server(), NULL, &stream);
        if (i == 1 && (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT || r == -ECONNREFUSED))
            continue; /* a machine without IPv6 */
        EXPECT_IS(r, 0);
        EXPECT_IS(converse(&stream), 0);
    }
    return 0;
}

static int where_nobody_listens_is_an_error(void *arg)
{
    rill_stream *stream = (rill_stream *)path;
    (void)arg;
    OWNED_SERVER;
    EXPECT_IS(serve_at("127.0.0.1"), 0);
    unsigned port = port_of_server();
    drop_server(NULL);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0); /* the kernel lets go of the socket */
    EXPECT_IS(rill_open_connection("localhost", port, NULL, &stream), -ECONNREFUSED);
    EXPECT_IS(rill_open_unix_connection("/nonexistent/socket", NULL, &stream), -ENOENT);
    EXPECT(stream == (rill_stream *)path); /* untouched */
    return 0;
}

static int names_and_bad_ports_and_paths_are_refused(void *arg)
{
    rill_stream *stream;
    rill_server *none;
    char too_long[200];
    (void)arg;
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = 0;
    EXPECT_IS(rill_open_connection("example..org", 80, NULL, &stream), -EINVAL);
    EXPECT_IS(rill_open_connection("127.0.0.1", 65536, NULL, &stream), -EINVAL);
    EXPECT_IS(rill_open_connection("1.2.3", 80, NULL, &stream), -EINVAL);
    EXPECT_IS(rill_open_unix_connection(NULL, NULL, &stream), -EINVAL);
    EXPECT_IS(rill_open_unix_connection("", NULL, &stream), -EINVAL);
    EXPECT_IS(rill_open_unix_connection(too_long, NULL, &stream), -ENAMETOOLONG);
    EXPECT_IS(rill_start_server("example..org", 0, echo_lines, NULL, NULL, &none), -EINVAL);
    EXPECT_IS(rill_start_unix_server(too_long, echo_lines, NULL, NULL, &none), -ENAMETOOLONG);
    return 0;
}

static int unix_connection_carries_lines(void *arg)
{
    (void)arg;
    OWNED_SERVER;
    OWNED_STREAM rill_stream *stream = NULL;
    server = NULL;
    snprintf(path, sizeof path, "/tmp/rill-open-%d", (int)getpid());
    EXPECT_IS(rill_start_unix_server(path, echo_lines, NULL, NULL, &server), 0);
    EXPECT_IS(rill_open_unix_connection(path, NULL, &stream), 0);
    return converse(&stream);
}

static int pair_is_connected_both_ways(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_STREAM rill_stream *one = NULL;
    OWNED_STREAM rill_stream *other = NULL;
    EXPECT_IS(rill_stream_pair(NULL, &one, &other), 0);
    EXPECT_IS(rill_stream_write(one, "there", 5, NULL), 5);
    EXPECT_IS(rill_stream_write(other, "back", 4, NULL), 4);
    EXPECT_IS(rill_stream_read(other, in, sizeof in), 5);
    EXPECT_IS(rill_stream_read(one, in, sizeof in), 4);
    EXPECT_IS(end_stream(&one), 0);
    EXPECT_IS(rill_stream_read(other, in, sizeof in), 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(connection_to_a_numeric_host_carries_lines),
    SCENARIO(localhost_and_no_host_are_the_loopback),
    SCENARIO(second_address_is_tried_when_the_first_refuses),
    SCENARIO(server_at_every_address_takes_both_families),
    SCENARIO(where_nobody_listens_is_an_error),
    SCENARIO(names_and_bad_ports_and_paths_are_refused),
    SCENARIO(unix_connection_carries_lines),
    SCENARIO(pair_is_connected_both_ways),
};

int main(void)
{
    return RUN_SCENARIOS("open_connection", scenarios);
}
