/* host.c - the certificates of a server by the name that a client asks for.
 *
 * Names are small letters, in order. A name is found as a whole, or with an asterisk for its first label. */
#include "core/tls/tls.h"

#include <rill/mem.h>

#include <errno.h>
#include <string.h>

static void to_small_letters(char *name)
{
    for (; *name != '\0'; name++)
        if (*name >= 'A' && *name <= 'Z')
            *name = (char)(*name - 'A' + 'a');
}

static int order(const void *left, const void *right)
{
    const struct rill__tls_host *a = left, *b = right;
    return strcmp(a->name, b->name);
}

int rill__tls_host_add(rill_tls_context *context, const char *name, SSL_CTX *identity)
{
    char *copy = rill_copy(name, strlen(name));
    if (copy == NULL)
        return -ENOMEM;
    to_small_letters(copy);
    context->hosts[context->host_count++] = (struct rill__tls_host){ copy, identity };
    return 0;
}

const char *rill__tls_hosts_order(rill_tls_context *context)
{
    struct rill__tls_host *hosts = context->hosts;
    if (context->host_count > 1)
        qsort(hosts, context->host_count, sizeof *hosts, order);
    for (size_t i = 1; i < context->host_count; i++)
        if (strcmp(hosts[i - 1].name, hosts[i].name) == 0)
            return hosts[i].name;
    return NULL;
}

static const struct rill__tls_host *look_up(const rill_tls_context *context, char *name)
{
    const struct rill__tls_host wanted = { name, NULL };
    return bsearch(&wanted, context->hosts, context->host_count, sizeof wanted, order);
}

static const struct rill__tls_host *find(const rill_tls_context *context, const char *asked)
{
    char name[RILL__TLS_NAME];
    size_t size = strlen(asked);
    if (size >= sizeof name)
        return NULL;
    memcpy(name, asked, size + 1);
    to_small_letters(name);
    const struct rill__tls_host *host = look_up(context, name);
    char *dot = strchr(name, '.');
    if (host != NULL || dot == NULL || dot == name)
        return host;
    dot[-1] = '*';
    return look_up(context, dot - 1);
}

int rill__tls_on_certificate(SSL *ssl, void *arg)
{
    const struct rill__tls *tls = SSL_get_app_data(ssl);
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct rill__tls_host *host = asked != NULL ? find(tls->context, asked) : NULL;
    STACK_OF(X509) *chain = NULL;
    (void)arg;
    if (host == NULL)
        return 1; /* the one for all others */
    (void)SSL_CTX_get0_chain_certs(host->identity, &chain);
    SSL_certs_clear(ssl); /* or the other one might be chosen for its kind of key */
    return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(host->identity),
                                SSL_CTX_get0_privatekey(host->identity), chain, 1);
}

void rill__tls_hosts_fini(rill_tls_context *context)
{
    for (size_t i = 0; i < context->host_count; i++) {
        rill_free(context->hosts[i].name);
        SSL_CTX_free(context->hosts[i].identity);
    }
    rill_free(context->hosts);
    context->hosts = NULL;
    context->host_count = 0;
}
