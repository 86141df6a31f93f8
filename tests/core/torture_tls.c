/* torture_tls.c - a question and its answer over TLS, with everything going wrong.
 *
 * Both sides are in the program. What comes is compared; an end that is told must be behind all of it. */
#include "tests/support/certs.h"
#include "tests/support/torture.h"

#include <rill/net.h>

enum { size = 3000 };

static char sent[size], back[size];
static rill_tls_context *client_context, *server_context;

static void fill(void)
{
    for (size_t i = 0; i < size; i++)
        sent[i] = (char)(i * 7 + i / 251);
    memset(back, 0, size);
}

static int answer(rill_stream *stream, void *arg)
{
    char octets[700];
    (void)arg;
    int r = rill_stream_start_tls(stream, &(rill_tls_opts){ .context = server_context });
    while (r >= 0 && (r = rill_stream_read(stream, octets, sizeof octets)) > 0)
        r = rill_stream_write(stream, octets, (size_t)r, NULL);
    if (r < 0)
        rill_stream_abort(stream); /* the end of this handler would pass for that of the answer */
    return r;
}

static int ask(rill_stream *stream) RILL_SUSPENDS;

static int ask(rill_stream *stream)
{
    rill_tls_opts opts = { .context = client_context, .server_name = "example.org" };
    size_t got = 0;
    int r = rill_stream_start_tls(stream, &opts);
    if (r == 0)
        r = rill_stream_write(stream, sent, size, NULL);
    if (r >= 0)
        r = rill_stream_write_eof(stream);
    if (r == 0)
        r = rill_stream_read_exactly(stream, back, size, &got);
    if (memcmp(back, sent, got) != 0 || r == -ENODATA)
        return -EILSEQ;
    return r == 0 ? rill_stream_read(stream, back, 1) : r;
}

static int connect_and_ask(const rill_addr *address) RILL_SUSPENDS;

static int connect_and_ask(const rill_addr *address)
{
    rill_stream *stream;
    int r = rill_stream_connect(address, NULL, &stream);
    if (r < 0)
        return r;
    torture_held++;
    r = ask(stream);
    rill_stream_close(stream);
    int closed = rill_stream_wait_closed(stream);
    rill_stream_unref(stream);
    torture_held--;
    return r < 0 ? r : closed;
}

static int make_contexts(void)
{
    static const char *const alpn[] = { "echo", NULL };
    int r = certs_client("ca", alpn, &client_context);
    return r < 0 ? r : certs_server("good", alpn, &server_context);
}

static int serve_and_ask(void) RILL_SUSPENDS;

static int serve_and_ask(void)
{
    rill_server *server;
    int r = rill_start_server("127.0.0.1", 0, answer, NULL, NULL, &server);
    if (r < 0)
        return r;
    torture_held++;
    rill_addr address = rill_server_address(server);
    r = connect_and_ask(&address);
    rill_server_abort_clients(server);
    rill_server_close(server);
    int closed = rill_server_wait_closed(server);
    rill_server_free(server);
    torture_held--;
    return r < 0 ? r : closed;
}

static int secure_echo(void *arg)
{
    (void)arg;
    fill();
    int r = make_contexts();
    if (r == 0)
        r = serve_and_ask();
    rill_tls_context_unref(client_context);
    rill_tls_context_unref(server_context);
    client_context = server_context = NULL;
    return r;
}

static const struct torture_program programs[] = {
    TORTURE(secure_echo),
};

int main(void)
{
    certs_make();
    return torture_run(programs, sizeof programs / sizeof *programs);
}
