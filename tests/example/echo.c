/* echo.c - an echo server that gives each connection so much time, and clients to try it: [HOST PORT].
 *
 * A connection's deadline is a scope around its handler: whatever it waits for when the time is up, it
 * cleans up and goes. Without arguments three clients talk to a server of their own, one of them says
 * nothing; with an address the server serves until Ctrl-C. */
#include <rill.h>

#include <stdio.h>

enum { lines_each = 3 };

static const rill_time per_connection = RILL_MS(500);

static int echo_lines(rill_stream *stream)
{
    rill_span line;
    int rc;
    while ((rc = rill_stream_read_line(stream, &line)) > 0) {
        rc = rill_stream_write(stream, line.at, line.size, NULL);
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* One connection. That its time is up is no error; the stream is closed when this returns. */
static int serve(rill_stream *stream, void *arg)
{
    rill_scope scope = { 0 };
    int *late = arg, rc = rill_timeout(&scope, per_connection);
    if (rc < 0)
        return rc;
    rc = rill_scope_leave(&scope, echo_lines(stream));
    *late += rc == -ETIME;
    return rc == -ETIME ? 0 : rc;
}

struct client {
    const char *name;
    int lines; /* that it says */
    rill_addr server;
};

static int converse(rill_stream *stream, int lines, int *ret_echoed)
{
    rill_span line;
    int rc = 0;
    *ret_echoed = 0;
    for (int i = 0; i < lines && rc >= 0; i++) {
        rc = rill_stream_write(stream, "drop by drop\n", 13, NULL);
        if (rc >= 0)
            rc = rill_stream_read_line(stream, &line);
        *ret_echoed += rc == 13;
    }
    if (lines == 0) /* says nothing, and is sent away */
        rc = rill_stream_read_line(stream, &line);
    return rc < 0 ? rc : 0;
}

static int run_client(void *arg)
{
    struct client *client = arg;
    rill_stream *stream;
    int echoed, rc = rill_stream_connect(&client->server, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = converse(stream, client->lines, &echoed);
    rill_stream_close(stream);
    rc = rill_first_error(rc, rill_stream_wait_closed(stream));
    rill_stream_unref(stream);
    return rc < 0 ? rc : rill_return_fmt("%s: %d lines came back", client->name, echoed);
}

static int run_clients(rill_addr server)
{
    struct client clients[] = { { "talker", lines_each, server },
                                { "silent", 0, server },
                                { "another", lines_each, server } };
    rill_task *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = rill_create_task(RILL_CORO(run_client, &clients[i]));
    int rc = rill_join(rill_gather(3, tasks, RILL_RETURN_ERRORS));
    for (int i = 0; i < 3; i++) {
        int r = rill_result(tasks[i]);
        puts(r < 0 ? rill_strerror(r) : rill_value(tasks[i]));
        rc = rill_first_error(rc, r);
        rill_unref(tasks[i]);
    }
    return rc;
}

static int start(void *arg)
{
    char **argv = arg;
    uint64_t port = 0;
    int late = 0;
    rill_server *server;
    if (argv[1] != NULL && rill_parse_u64(rill_span_of(argv[2]), 65535, &port) < 0)
        return -EINVAL;
    int rc = rill_start_server(argv[1] != NULL ? argv[1] : "127.0.0.1", (unsigned)port, serve,
                               &late, NULL, &server);
    if (rc < 0)
        return rc;
    if (argv[1] != NULL) {
        rc = rill_serve_forever(server);
    } else {
        rc = run_clients(rill_server_address(server));
        rill_server_close(server);
        rc = rill_first_error(rc, rill_server_wait_closed(server));
    }
    rill_server_free(server);
    printf("%d sent away\n", late);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 1 && argc != 3)
        return 2;
    return rill_exit_code(rill_run(RILL_CORO(start, argv)));
}
