/* proxy.c - which proxy a request goes through, as the environment says.
 *
 * curl's reading of the variables: lower case wins; HTTP_PROXY is not looked at, since a CGI program gets
 * it from the request's Proxy field; a proxy without a scheme is an http one, without a port that of 1080. */
#include "core/client/proxy.h"

#include "core/client/auth.h"

#include <rill/task.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

enum { proxy_port = 1080 };

/* --- The variables. --- */

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    if (value == NULL && upper != NULL)
        value = getenv(upper);
    return value != NULL && value[0] != 0 ? value : NULL;
}

static int parse_proxy(rill_arena *arena, const char *text, struct rill__proxy *proxy)
{
    struct rill__url url;
    bool has_scheme = strstr(text, "://") != NULL;
    const char *whole = has_scheme ? text : rill_arena_fmt(arena, "http://%s", text);
    if (whole == NULL)
        return -ENOMEM;
    int r = rill__url_parse(arena, rill_span_of(whole), NULL, &url);
    if (r < 0)
        return r;
    *proxy = (struct rill__proxy){ .host = url.host, .tls = url.tls };
    proxy->port = url.has_port || url.tls ? url.port : proxy_port;
    if (url.user.at == NULL)
        return 0;
    return rill__auth_basic(arena, url.user, url.password, &proxy->authorization);
}

int rill__proxies_read(rill_arena *arena, struct rill__proxies *ret_proxies)
{
    struct rill__proxies proxies = { .none = NULL };
    const char *all = variable("all_proxy", "ALL_PROXY");
    const char *http = variable("http_proxy", NULL);
    const char *https = variable("https_proxy", "HTTPS_PROXY");
    const char *none = variable("no_proxy", "NO_PROXY");
    int r = 0;
    http = http != NULL ? http : all;
    https = https != NULL ? https : all;
    if (http != NULL)
        r = parse_proxy(arena, http, &proxies.http);
    if (r == 0 && https != NULL)
        r = parse_proxy(arena, https, &proxies.https);
    if (r == 0 && none != NULL) {
        proxies.none = rill_arena_copy(arena, none, strlen(none));
        r = proxies.none == NULL ? -ENOMEM : 0;
    }
    if (r == 0)
        *ret_proxies = proxies;
    return r;
}

/* --- Hosts without. --- */

/* An address of either family: its octets, and how many; 0: it is none. */
static size_t address_octets(const char *text, unsigned char octets[16])
{
    if (inet_pton(AF_INET, text, octets) == 1)
        return 4;
    return inet_pton(AF_INET6, text, octets) == 1 ? 16 : 0;
}

/* Whether the host's address lies in the network that a token names: an address, perhaps with /BITS. */
static bool is_in_network(rill_span token, const unsigned char *host, size_t size)
{
    char text[64];
    unsigned char network[16];
    uint64_t bits = 8 * size;
    if (token.size >= 2 && token.at[0] == '[' && token.at[token.size - 1] == ']')
        token = (rill_span){ token.at + 1, token.size - 2 };
    const char *slash = token.size > 0 ? memchr(token.at, '/', token.size) : NULL;
    size_t length = slash != NULL ? (size_t)(slash - token.at) : token.size;
    if (slash != NULL &&
        rill_parse_u64((rill_span){ slash + 1, token.size - length - 1 }, 8 * size, &bits) < 0)
        return false;
    if (length == 0 || length >= sizeof text)
        return false;
    memcpy(text, token.at, length);
    text[length] = 0;
    if (address_octets(text, network) != size)
        return false;
    size_t whole = (size_t)bits / 8;
    unsigned rest = (unsigned)bits % 8;
    return memcmp(network, host, whole) == 0 &&
           (rest == 0 || (network[whole] ^ host[whole]) >> (8 - rest) == 0);
}

/* Whether `host` is the name that a token gives, or below it. */
static bool is_below(rill_span token, rill_span host)
{
    if (token.size > 0 && token.at[0] == '.')
        token = (rill_span){ token.at + 1, token.size - 1 };
    if (token.size > 0 && token.at[token.size - 1] == '.')
        token.size--;
    if (token.size == 0 || token.size > host.size)
        return false;
    size_t front = host.size - token.size;
    return rill_span_equal_nocase((rill_span){ host.at + front, token.size }, token) &&
           (front == 0 || host.at[front - 1] == '.');
}

static bool goes_without(const char *none, const char *host)
{
    unsigned char octets[16];
    size_t size = address_octets(host, octets);
    if (strcmp(none, "*") == 0)
        return true;
    for (const char *at = none + strspn(none, ", "); *at != 0; at += strspn(at, ", ")) {
        rill_span token = { at, strcspn(at, ", ") };
        if (size > 0 ? is_in_network(token, octets, size) : is_below(token, rill_span_of(host)))
            return true;
        at += token.size;
    }
    return false;
}

const struct rill__proxy *rill__proxies_find(const struct rill__proxies *proxies,
                                             const struct rill__url *url)
{
    const struct rill__proxy *proxy = url->tls ? &proxies->https : &proxies->http;
    if (proxy->host == NULL || (proxies->none != NULL && goes_without(proxies->none, url->host)))
        return NULL;
    return proxy;
}
