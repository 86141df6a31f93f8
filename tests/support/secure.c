/* secure.c - two ends of a connection that speak TLS. See secure.h. */
#include "tests/support/secure.h"

#include "core/io/stream.h"

static struct {
    rill_tls_context *client, *server;
    const char *name;
    int client_result, server_result;
} now;

int make_streams(const rill_stream_opts *opts)
{
    fill_pattern();
    left = right = NULL;
    far = -1;
    return rill_stream_pair(opts, &left, &right);
}

static int serve(void *arg)
{
    (void)arg;
    now.server_result = rill_stream_start_tls(right, &(rill_tls_opts){ .context = now.server });
    if (now.server_result < 0)
        rill_stream_close(right);
    return now.server_result == -ECANCELED || now.server_result == -ENOMEM ? now.server_result : 0;
}

static int both(rill_group *group)
{
    int r = rill_group_go(group, RILL_CORO(serve, NULL));
    if (r < 0)
        return r;
    now.client_result = rill_stream_start_tls(
        left, &(rill_tls_opts){ .context = now.client, .server_name = now.name });
    if (now.client_result < 0)
        rill_stream_close(left);
    return now.client_result == -ECANCELED || now.client_result == -ENOMEM ? now.client_result : 0;
}

int shake_hands(rill_tls_context *client, const char *name, rill_tls_context *server,
                int *ret_server)
{
    now.client = client;
    now.server = server;
    now.name = name;
    now.client_result = now.server_result = -EINPROGRESS;
    int r = in_group(both);
    if (ret_server != NULL)
        *ret_server = now.server_result;
    return r < 0 ? r : now.client_result;
}

/* Who waits for an end that is broken would wait for ever. */
static void end_other(void *arg)
{
    rill_stream *broken = *(rill_stream **)arg, *other = arg == &left ? right : left;
    if (broken != NULL && broken->recv_error != 0)
        rill_stream_abort(other);
}

int make_secure_with(const rill_stream_opts *opts)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    int other = 0;
    int r = certs_client("ca", NULL, &client);
    if (r == 0)
        r = certs_server("good", NULL, &server);
    if (r == 0)
        r = make_streams(opts);
    if (r == 0)
        r = shake_hands(client, "example.org", server, &other);
    if (r < 0 || other < 0)
        return rill_first_error(r, other);
    rill_stream_on_peer_end(left, end_other, &left);
    rill_stream_on_peer_end(right, end_other, &right);
    return 0;
}

int make_secure(void)
{
    return make_secure_with(NULL);
}

int say(rill_stream *stream, const char *text)
{
    int r = rill_stream_write(stream, text, strlen(text), NULL);
    return r < 0 ? r : rill_stream_drain(stream);
}
