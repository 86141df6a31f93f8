/* connect.c - the connection of a request: from the pool, or made: directly, through a proxy, with TLS. */
#include "core/client/session.h"

#include "core/dns/dns.h"

#include <rill/task.h>
#include <rill/tls.h>

#include <errno.h>

/* Where the request's URL leads to, as far as a connection is concerned. */
static struct rill__place place_of(const struct rill__request *request)
{
    const struct rill__url *url = &request->response->url;
    const struct rill__proxy *proxy = request->proxy;
    struct rill__place place = {
        .host = url->host, .port = url->port, .tls = url->tls, .address = request->address
    };
    if (proxy == NULL)
        return place;
    place.host = proxy->host;
    place.port = proxy->port;
    place.proxy = true;
    place.proxy_tls = proxy->tls;
    if (url->tls) {
        place.tunnel = url->host;
        place.tunnel_port = url->port;
    }
    return place;
}

/* --- TLS. --- */

/* Speak TLS from now on, with the server `name`. What is spoken above it is HTTP/1.1, whatever the context
 * offers. */
static int secure(const struct rill__request *request, rill_stream *stream, const char *name)
    RILL_SUSPENDS;

static int secure(const struct rill__request *request, rill_stream *stream, const char *name)
{
    rill_tls_opts opts = { .context = request->session->opts.tls, .server_name = name };
    int r = rill_stream_start_tls(stream, &opts);
    if (r < 0)
        return r;
    rill_span protocol = rill_stream_alpn(stream);
    if (protocol.size > 0 && !rill_span_equal(protocol, RILL_SPAN("http/1.1")))
        return rill_fail(-EPROTO, "%s wants to speak %.*s", name, (int)protocol.size, protocol.at);
    return 0;
}

/* --- Proxies. --- */

static int ask_for_tunnel(const struct rill__request *request, rill_stream *stream) RILL_SUSPENDS;

static int ask_for_tunnel(const struct rill__request *request, rill_stream *stream)
{
    const struct rill__url *url = &request->response->url;
    rill_span authorization = request->proxy->authorization;
    size_t size = 64 + 2 * (url->authority.size + 8) + authorization.size + 32;
    rill_arena *arena = &request->response->arena;
    rill_text text = { rill_arena_alloc(arena, size), size, 0, false };
    bool literal = strchr(url->host, ':') != NULL;
    char *target =
        rill_arena_fmt(arena, literal ? "[%s]:%u" : "%s:%u", url->host, (unsigned)url->port);
    if (text.at == NULL || target == NULL)
        return -ENOMEM;
    rill_span host = rill_span_of(target);
    int r = rill_http_write_request(&text, RILL_SPAN("CONNECT"), host, host);
    if (r == 0 && authorization.size > 0)
        r = rill_http_write_field(&text, RILL_SPAN("Proxy-Authorization"), authorization);
    rill_http_write_end(&text);
    if (r < 0 || text.full)
        return -EINVAL;
    r = rill_stream_write(stream, text.at, text.used, NULL);
    return r < 0 ? r : 0;
}

/* Have the proxy make a tunnel (RFC 9110, 9.3.6): behind a 2xx all octets are the server's. */
static int make_tunnel(struct rill__request *request, rill_stream *stream) RILL_SUSPENDS;

static int make_tunnel(struct rill__request *request, rill_stream *stream)
{
    rill_http_message head;
    int r = ask_for_tunnel(request, stream);
    if (r < 0)
        return r;
    r = rill__response_take(request, stream, RILL_FOREVER, &head);
    if (r < 0)
        return r == -ECANCELED ? r : rill_fail(r, "the proxy gave no answer to CONNECT");
    if (head.status >= 300)
        return rill_fail(-EPROTO, "the proxy refused the tunnel with %u", (unsigned)head.status);
    return 0;
}

/* --- Connections. --- */

static int dial(struct rill__request *request, const struct rill__place *place,
                struct rill__connection *connection) RILL_SUSPENDS;

static int dial(struct rill__request *request, const struct rill__place *place,
                struct rill__connection *connection)
{
    rill_time own = rill__after(request->sock_connect);
    bool sooner = own < request->connect_at;
    rill__phase_set(request, sooner ? own : request->connect_at,
                    sooner ? "sock_connect" : "connect");
    rill_time names_last = request->session->opts.dns_ttl;
    if (names_last != RILL_FOREVER && place->address == NULL)
        rill__dns_forget_older(place->host, names_last);
    int r = place->address != NULL
                ? rill_stream_connect(place->address, NULL, &connection->stream)
                : rill_open_connection(place->host, place->port, NULL, &connection->stream);
    if (r == 0 && place->proxy_tls)
        r = secure(request, connection->stream, place->host);
    if (r == 0 && place->tunnel != NULL)
        r = make_tunnel(request, connection->stream);
    if (r == 0 && place->tls)
        r = secure(request, connection->stream,
                   place->tunnel != NULL ? place->tunnel : request->response->url.host);
    return r;
}

int rill__request_connect(struct rill__request *request, bool fresh)
{
    struct rill__connection *connection;
    struct rill__place place = place_of(request);
    request->connect_at = rill__after(request->connect);
    rill__phase_set(request, request->connect_at, "connect");
    int r = rill__pool_get(&request->session->pool, &place, fresh, &connection);
    if (r < 0)
        return r;
    if (connection->stream == NULL)
        r = dial(request, &place, connection);
    if (r < 0)
        rill__connection_drop(connection);
    else
        request->response->connection = connection;
    return r;
}
