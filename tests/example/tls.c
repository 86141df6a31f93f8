/* tls.c - an echo server that speaks TLS, and a client: PEM, serve PORT PEM, or talk PORT NAME CA TEXT.
 *
 * PEM holds a key and its certificate. With that alone both sides are in here, and the client trusts this one
 * certificate, for the name "localhost". A line says how each connection is protected. */
#include <rill.h>

#include <stdio.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: tls PEM | tls serve PORT PEM | tls talk PORT NAME CA TEXT\n", stderr);
    return -EINVAL;
}

static void tell(const char *who, const rill_stream *stream)
{
    char memory[200];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_stream_tls_text(stream, &text);
    printf("%s: %s\n", who, rill_text_end(&text));
}

/* --- The server. --- */

static int serve(rill_stream *stream, void *arg)
{
    rill_tls_opts opts = { .context = arg };
    rill_span line;
    int rc = rill_stream_start_tls(stream, &opts);
    if (rc < 0)
        return rc;
    while ((rc = rill_stream_read_line(stream, &line)) > 0)
        if ((rc = rill_stream_write(stream, line.at, line.size, NULL)) < 0)
            break;
    return rc;
}

static int start_server(unsigned port, const char *pem, rill_tls_context **ret_context,
                        rill_server **ret_server) RILL_SUSPENDS;

static int start_server(unsigned port, const char *pem, rill_tls_context **ret_context,
                        rill_server **ret_server)
{
    rill_tls_context_opts opts = { .server = true, .certificate = pem };
    int rc = rill_tls_context_new(&opts, ret_context);
    if (rc < 0)
        return rc;
    rc = rill_start_server("127.0.0.1", port, serve, *ret_context, NULL, ret_server);
    if (rc < 0)
        rill_tls_context_unref(*ret_context);
    return rc;
}

static int serve_for_ever(unsigned port, const char *pem)
{
    rill_tls_context *context;
    rill_server *server;
    int rc = start_server(port, pem, &context, &server);
    if (rc < 0)
        return rc;
    rc = rill_serve_forever(server);
    rill_server_free(server);
    rill_tls_context_unref(context);
    return rc;
}

/* --- The client. --- */

static int converse(rill_stream *stream, const char *text)
{
    rill_span line;
    int rc = rill_stream_write(stream, text, strlen(text), NULL);
    if (rc >= 0)
        rc = rill_stream_write(stream, "\n", 1, NULL);
    if (rc >= 0)
        rc = rill_stream_read_line(stream, &line);
    if (rc > 0)
        printf("back: %.*s", (int)line.size, line.at);
    return rc > 0 ? 0 : rc;
}

static int talk(unsigned port, const char *name, rill_tls_context *context, const char *text)
{
    rill_tls_opts opts = { .context = context, .server_name = name };
    rill_stream *stream;
    int rc = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (rc < 0)
        return rc;
    rc = rill_stream_start_tls(stream, &opts);
    if (rc == 0) {
        tell("client", stream);
        rc = converse(stream, text);
    }
    rill_stream_close(stream);
    rc = rill_first_error(rc, rill_stream_wait_closed(stream));
    rill_stream_unref(stream);
    return rc;
}

static int talk_trusting(unsigned port, const char *name, const char *ca, const char *text)
{
    rill_tls_context_opts opts = { .ca_file = ca };
    rill_tls_context *context;
    int rc = rill_tls_context_new(&opts, &context);
    if (rc < 0)
        return rc;
    rc = talk(port, name, context, text);
    rill_tls_context_unref(context);
    return rc;
}

/* --- Both. --- */

static int try_both(const char *pem)
{
    rill_tls_context *context;
    rill_server *server;
    int rc = start_server(0, pem, &context, &server);
    if (rc < 0)
        return rc;
    rill_addr address = rill_server_address(server);
    rc = talk_trusting(rill_addr_port(&address), "localhost", pem, "drop by drop");
    rill_server_close(server);
    rc = rill_first_error(rc, rill_server_wait_closed(server));
    rill_server_free(server);
    rill_tls_context_unref(context);
    return rc;
}

static int run(char **argv)
{
    uint64_t port;
    if (argv[1] == NULL)
        return usage();
    if (argv[2] == NULL)
        return try_both(argv[1]);
    if (argv[3] == NULL || rill_parse_u64(rill_span_of(argv[2]), 65535, &port) < 0)
        return usage();
    if (strcmp(argv[1], "serve") == 0)
        return serve_for_ever((unsigned)port, argv[3]);
    if (strcmp(argv[1], "talk") == 0 && argv[4] != NULL && argv[5] != NULL)
        return talk_trusting((unsigned)port, argv[3], argv[4], argv[5]);
    return usage();
}

static int start(void *arg)
{
    int rc = run(arg);
    const rill_err *error = rill_last_error();
    if (rc < 0 && rc != -ECANCELED)
        fprintf(stderr, "tls: %s\n", error != NULL ? error->msg : rill_strerror(rc));
    return rc;
}

int main(int argc, char **argv)
{
    (void)argc;
    return rill_exit_code(rill_run(RILL_CORO(start, argv)));
}
