/* context.c - what TLS connections share: trust, certificate, protocols, and what is never spoken.
 *
 * Everything is read here, by plain calls, so that no handshake waits for a file; only a directory of
 * certificates is looked into when one of them is needed. */
#include "core/tls/tls.h"

#include <rill/mem.h>
#include <rill/task.h>

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* --- Failures. --- */

struct making {
    rill_tls_context *context;
    const rill_tls_context_opts *opts;
    char why[RILL__TLS_WHY]; /* it failed; "" if nobody knows more than the code */
};

/* Errors are told once the running task is known again. */
static int fail(struct making *making, int code, const char *what, const char *why)
{
    rill_text text = { making->why, sizeof making->why, 0, false };
    rill_text_fmt(&text, "%.120s: %s", what, why);
    (void)rill_text_end(&text);
    return code;
}

/* The error behind OpenSSL's first complaint about `what`. */
static int complaint(struct making *making, const char *what)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    int code = -EINVAL;
    if (ERR_SYSTEM_ERROR(error))
        code = -ERR_GET_REASON(error);
    else if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
        code = -ENOMEM;
    ERR_clear_error();
    return fail(making, code, what, reason != NULL ? reason : rill_strerror(code));
}

/* --- Trust. --- */

/* Where systems keep the certificates that they trust in one file. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };

static int trust_system(struct making *making)
{
    SSL_CTX *ssl = making->context->ssl;
    bool named = getenv(X509_get_default_cert_file_env()) != NULL ||
                 getenv(X509_get_default_cert_dir_env()) != NULL;
    for (size_t i = 0; !named && i < sizeof bundles / sizeof *bundles; i++)
        if (SSL_CTX_load_verify_file(ssl, bundles[i]) == 1)
            break;
    ERR_clear_error();
    return SSL_CTX_set_default_verify_paths(ssl) == 1
               ? 0
               : complaint(making, "the system's certificates");
}

static int trust(struct making *making)
{
    const rill_tls_context_opts *opts = making->opts;
    rill_tls_context *context = making->context;
    bool given = opts->ca_file != NULL || opts->ca_dir != NULL;
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    if (opts->server ? !given : opts->insecure)
        mode = SSL_VERIFY_NONE;
    SSL_CTX_set_verify(context->ssl, mode, mode != SSL_VERIFY_NONE ? rill__tls_on_verify : NULL);
    if (opts->ca_file != NULL && SSL_CTX_load_verify_file(context->ssl, opts->ca_file) != 1)
        return complaint(making, opts->ca_file);
    if (opts->ca_dir != NULL && SSL_CTX_load_verify_dir(context->ssl, opts->ca_dir) != 1)
        return complaint(making, opts->ca_dir);
    if (opts->server && opts->ca_file != NULL)
        SSL_CTX_set_client_CA_list(context->ssl, SSL_load_client_CA_file(opts->ca_file));
    return given || mode == SSL_VERIFY_NONE ? 0 : trust_system(making);
}

/* --- Who we are. --- */

enum { security_level = 2 };

/* A key that wants a password is an error: nobody is asked. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int identify(struct making *making, SSL_CTX *ssl, const char *certificate, const char *key)
{
    key = key != NULL ? key : certificate;
    if (certificate == NULL)
        return making->opts->server || key != NULL ? fail(making, -EINVAL, "TLS", "no certificate")
                                                   : 0;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1)
        return complaint(making, certificate);
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1)
        return complaint(making, key);
    return 0;
}

static int add_host(struct making *making, const rill_tls_host *host)
{
    size_t size = host->name != NULL ? strlen(host->name) : 0;
    if (size == 0 || size >= RILL__TLS_NAME)
        return fail(making, -EINVAL, "TLS", "a host's name has 1 to 255 octets");
    SSL_CTX *identity = SSL_CTX_new(TLS_server_method());
    if (identity == NULL)
        return -ENOMEM;
    SSL_CTX_set_security_level(identity, security_level);
    int r = identify(making, identity, host->certificate, host->key);
    if (r == 0)
        r = rill__tls_host_add(making->context, host->name, identity);
    if (r < 0)
        SSL_CTX_free(identity);
    return r;
}

static int add_hosts(struct making *making)
{
    const rill_tls_context_opts *opts = making->opts;
    rill_tls_context *context = making->context;
    if (opts->host_count == 0)
        return 0;
    if (!opts->server)
        return fail(making, -EINVAL, "TLS", "only a server has hosts");
    context->hosts = rill_alloc_zero(opts->host_count, sizeof *context->hosts);
    if (context->hosts == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < opts->host_count; i++) {
        int r = add_host(making, &opts->hosts[i]);
        if (r < 0)
            return r;
    }
    const char *twice = rill__tls_hosts_order(context);
    if (twice != NULL)
        return fail(making, -EINVAL, twice, "two certificates for one name");
    SSL_CTX_set_cert_cb(context->ssl, rill__tls_on_certificate, NULL);
    return 0;
}

/* --- Protocols above. --- */

static int list_protocols(struct making *making)
{
    rill_tls_context *context = making->context;
    const char *const *names = making->opts->alpn;
    size_t size = 0;
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        size_t length = strlen(names[i]);
        if (length == 0 || length > 255 || size > 4096)
            return fail(making, -EINVAL, "ALPN", "a name has 1 to 255 octets, and a list 4096");
        size += 1 + length;
    }
    if (size == 0)
        return 0;
    context->alpn = rill_alloc(size);
    if (context->alpn == NULL)
        return -ENOMEM;
    context->alpn_size = (unsigned)size;
    unsigned char *at = context->alpn;
    for (size_t i = 0; names[i] != NULL; i++) {
        size_t length = strlen(names[i]);
        *at++ = (unsigned char)length;
        memcpy(at, names[i], length);
        at += length;
    }
    return 0;
}

/* The first of ours that the client has, too; without one the handshake fails (RFC 7301, 3.2). */
static int select_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size,
                           const unsigned char *offered, unsigned offered_size, void *arg)
{
    const struct rill__tls *tls = SSL_get_app_data(ssl);
    const rill_tls_context *context = tls->context;
    unsigned char *name = NULL;
    (void)arg;
    int r = SSL_select_next_proto(&name, ret_size, context->alpn, context->alpn_size, offered,
                                  offered_size);
    if (r != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

static int speak(struct making *making)
{
    rill_tls_context *context = making->context;
    int r = list_protocols(making);
    if (r < 0 || context->alpn == NULL)
        return r;
    if (context->server)
        SSL_CTX_set_alpn_select_cb(context->ssl, select_protocol, NULL);
    else if (SSL_CTX_set_alpn_protos(context->ssl, context->alpn, context->alpn_size) != 0)
        return -ENOMEM;
    return 0;
}

/* --- Sessions. --- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    const struct rill__tls *tls = SSL_get_app_data(ssl);
    return tls->name[0] != '\0' && rill__tls_session_put(tls->context, tls->name, session);
}

static void resume(rill_tls_context *context)
{
    static const unsigned char id[] = "rill";
    if (context->server) {
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF); /* tickets only */
        (void)SSL_CTX_set_session_id_context(context->ssl, id, sizeof id - 1);
        return;
    }
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ssl, keep_session);
}

/* --- Life. --- */

/* What is spoken: Mozilla's intermediate settings without finite fields. The client's order counts. */
static int restrict_to_the_good(struct making *making)
{
    SSL_CTX *ssl = making->context->ssl;
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_security_level(ssl, security_level);
    bool done = SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
                SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                              "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
                SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1;
    return done ? 0 : complaint(making, "TLS");
}

/* Decoding keys takes more stack than a task should spend. */
static int fill(void *arg)
{
    struct making *making = arg;
    rill_tls_context *context = making->context;
    ERR_clear_error();
    context->ssl = SSL_CTX_new(making->opts->server ? TLS_server_method() : TLS_client_method());
    if (context->ssl == NULL)
        return -ENOMEM;
    context->refs = 1;
    context->server = making->opts->server;
    context->insecure = making->opts->insecure;
    pthread_mutex_init(&context->mutex, NULL);
    list_init(&context->sessions);
    int r = restrict_to_the_good(making);
    if (r == 0)
        r = trust(making);
    if (r == 0)
        r = identify(making, context->ssl, making->opts->certificate, making->opts->key);
    if (r == 0)
        r = add_hosts(making);
    if (r == 0)
        r = speak(making);
    resume(context);
    ERR_clear_error();
    return r;
}

static void fini(rill_tls_context *context)
{
    if (context->ssl == NULL)
        return;
    rill__tls_sessions_fini(context);
    rill__tls_hosts_fini(context);
    pthread_mutex_destroy(&context->mutex);
    SSL_CTX_free(context->ssl);
    rill_free(context->alpn);
    context->ssl = NULL;
    context->alpn = NULL;
}

static int make(rill_tls_context *context, const rill_tls_context_opts *opts)
{
    struct making making = { .context = context, .opts = opts };
    int r = rill_call_on_loop_stack(fill, &making);
    if (r < 0)
        fini(context);
    return r < 0 && making.why[0] != '\0' ? rill_fail(r, "%s", making.why) : r;
}

int rill_tls_context_new(const rill_tls_context_opts *opts, rill_tls_context **ret_context)
{
    static const rill_tls_context_opts defaults = { 0 };
    rill_tls_context *context = rill_alloc_zero(1, sizeof *context);
    if (context == NULL)
        return -ENOMEM;
    int r = make(context, opts != NULL ? opts : &defaults);
    if (r < 0) {
        rill_free(context);
        return r;
    }
    *ret_context = context;
    return 0;
}

rill_tls_context *rill_tls_context_ref(rill_tls_context *context)
{
    __atomic_add_fetch(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void rill_tls_context_unref(rill_tls_context *context)
{
    if (context == NULL || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    fini(context);
    rill_free(context);
}

/* --- The clients' own. --- */

static rill_tls_context default_context; /* it has a reference to itself */
static pthread_mutex_t default_mutex = PTHREAD_MUTEX_INITIALIZER;

int rill__tls_default_context(rill_tls_context **ret_context)
{
    static const rill_tls_context_opts defaults = { 0 };
    int r = 0;
    pthread_mutex_lock(&default_mutex);
    if (default_context.ssl == NULL)
        r = make(&default_context, &defaults);
    if (r == 0)
        *ret_context = rill_tls_context_ref(&default_context);
    pthread_mutex_unlock(&default_mutex);
    return r;
}

void rill__tls_drop_default_context(void)
{
    fini(&default_context);
}

const char *rill__tls_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
