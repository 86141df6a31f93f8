/* fuzz_tls.c - what a server may send to a client that begins to speak TLS.
 *
 * Oracle: the handshake ends, in an error that a stranger's octets may lead to, and never in a connection. */
#include "tests/fuzz/fuzz.h"

#include <rill.h>

enum { input_max = 32 << 10 };

static struct {
    const uint8_t *data;
    size_t size;
} now;

static int shake_hands(rill_stream *client, rill_stream *server)
{
    rill_tls_context *context;
    int r = rill_tls_context_new(&(rill_tls_context_opts){ .insecure = true }, &context);
    PROMISE(r == 0);
    r = rill_stream_try_write(server, now.data, now.size);
    if (r >= 0)
        r = rill_stream_write_eof(server);
    PROMISE(r >= 0);
    r = rill_stream_start_tls(client, &(rill_tls_opts){ .context = context });
    PROMISE(r == -EPROTO || r == -ECONNRESET || r == -EPIPE);
    PROMISE(!rill_stream_is_tls(client) && rill_stream_buffered(client) == 0);
    rill_tls_context_unref(context);
    return 0;
}

static int try_input(void *arg)
{
    rill_stream *client, *server;
    (void)arg;
    int r = rill_stream_pair(NULL, &client, &server);
    PROMISE(r == 0);
    r = shake_hands(client, server);
    rill_stream_abort(client);
    rill_stream_abort(server);
    rill_stream_unref(client);
    rill_stream_unref(server);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const rill_sim_opts world = { .seed = 1 };
    static const rill_loop_opts opts = { .sim = &world };
    if (size > input_max)
        return 0;
    now.data = data;
    now.size = size;
    PROMISE(rill_run_with(RILL_CORO(try_input, NULL), &opts) == 0);
    return 0;
}
