/* start.c - a stream begins to speak TLS, and tells about it.
 *
 * The task only waits: the handshake goes on in the calls by which octets come, as everything does later. What
 * was written before TLS is sent first; what came before it and was not read is the begin of the handshake, so
 * that nothing that somebody slipped in front of it is ever taken for a protected octet. */
#include "core/tls/tls.h"

#include "core/io/stream_out.h"

#include <errno.h>
#include <string.h>

struct start {
    rill_stream *stream;
    rill_tls_context *context;
    const char *name;
};

static int begin(void *arg)
{
    const struct start *start = arg;
    return rill__tls_open(start->stream, start->context, start->name);
}

static int shake_hands(rill_stream *stream, struct rill__task *task, const char *name)
{
    int r = rill__stream_wait_opened(stream, task, name[0] != 0 ? name : NULL);
    if (r == 0)
        r = stream->closing ? -EBADF : stream->recv_error;
    if (r == 0 && stream->filter->opening) /* the end came without a cut */
        r = -ECONNRESET;
    if (r < 0)
        rill__stream_break_read(stream, r == -ECANCELED ? -ECONNABORTED : r);
    return r;
}

static int explain(const rill_stream *stream, int error)
{
    const struct rill__tls *tls = rill__tls_of(stream);
    if (error == -EKEYREJECTED || error == -EPROTO)
        return rill_fail(error, "%s", tls->why);
    if (error == -ECONNRESET)
        return rill_fail(error, "the connection ended in the TLS handshake");
    return error;
}

/* The stream is ours alone: begin and wait for the end of the handshake. */
static int open_connection(struct start *start, struct rill__task *task)
{
    rill_stream *stream = start->stream;
    stream->filing = true; /* who writes meanwhile waits */
    stream->refs++;
    int r = rill_call_on_loop_stack(begin, start);
    if (r == 0) {
        r = shake_hands(stream, task, start->name);
        r = r == -ECANCELED ? r : explain(stream, r);
    }
    stream->filing = false;
    rill__stream_pass_on(stream);
    rill__stream_settle(stream);
    return rill_first_error(r, rill__stream_unpin(stream));
}

static int check(const rill_stream *stream, const struct start *start)
{
    const struct rill__tls *below = rill__tls_of(stream);
    size_t size = strlen(start->name);
    if (below != NULL && below->below != NULL)
        return -EALREADY;
    if (stream->parked || stream->reader != NULL)
        return -EBUSY;
    if (size >= RILL__TLS_NAME)
        return rill_fail(-EINVAL, "the server's name is too long");
    if (size == 0 && !start->context->server && !start->context->insecure)
        return rill_fail(-EINVAL, "no name of a server to be verified");
    return 0;
}

static int start_with(struct start *start, struct rill__task *task)
{
    rill_stream *stream = start->stream;
    struct rill__stream_out *out;
    int r = check(stream, start);
    if (r == 0)
        r = stream->recv_error;
    if (r == 0)
        r = rill__out_begin(stream, &out);
    if (r < 0)
        return rill__await_ready(task, r);
    r = rill__stream_wait_turn(stream, task, 0);
    if (r < 0)
        return r;
    r = check(stream, start); /* again: we may have waited */
    if (r == 0)
        r = rill__stream_may_write(stream);
    if (r < 0) {
        rill__stream_pass_on(stream);
        return r;
    }
    return open_connection(start, task);
}

int rill_stream_start_tls(rill_stream *stream, const rill_tls_opts *opts)
{
    static const rill_tls_opts defaults = { 0 };
    struct start start = { .stream = stream };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    opts = opts != NULL ? opts : &defaults;
    if (opts->context != NULL)
        start.context = rill_tls_context_ref(opts->context);
    else
        r = rill__tls_default_context(&start.context);
    if (r < 0)
        return r;
    start.name = opts->server_name == NULL || start.context->server ? "" : opts->server_name;
    r = start_with(&start, task);
    rill_tls_context_unref(start.context);
    return r;
}

/* --- What there is. --- */

bool rill_stream_is_tls(const rill_stream *stream)
{
    return rill__tls_of(stream) != NULL && !stream->filter->opening;
}

rill_span rill_stream_alpn(const rill_stream *stream)
{
    const struct rill__tls *tls = rill__tls_of(stream);
    const unsigned char *name = NULL;
    unsigned size = 0;
    if (tls != NULL)
        SSL_get0_alpn_selected(tls->ssl, &name, &size);
    return (rill_span){ size > 0 ? (const char *)name : "", size };
}

rill_span rill_stream_server_name(const rill_stream *stream)
{
    const struct rill__tls *tls = rill__tls_of(stream);
    const char *name = NULL;
    if (tls != NULL)
        name = tls->context->server ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name)
                                    : tls->name;
    return rill_span_of(name != NULL ? name : "");
}

/* The subject of the other side's certificate. */
static void add_peer(rill_text *text, const X509 *certificate)
{
    char line[256];
    if (certificate == NULL || X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                                         NID_commonName, line, sizeof line) < 0)
        return;
    for (char *octet = line; *octet != '\0'; octet++)
        if (*octet < ' ' || *octet > '~')
            *octet = '?';
    rill_text_fmt(text, ", peer CN=%s", line);
}

void rill_stream_tls_text(const rill_stream *stream, rill_text *text)
{
    const struct rill__tls *tls = rill__tls_of(stream);
    if (tls == NULL)
        return;
    rill_text_fmt(text, "%s, %s, %s session", SSL_get_version(tls->ssl),
                  SSL_get_cipher_name(tls->ssl), SSL_session_reused(tls->ssl) ? "resumed" : "new");
    add_peer(text, SSL_get0_peer_certificate(tls->ssl));
}
