/* tls.h - what the files of TLS share: contexts, kept sessions, connections. */
#pragma once

#include "core/base/list.h"
#include "core/io/stream.h"

#include <rill/tls.h>

#include <openssl/ssl.h>
#include <pthread.h>

/* A certificate for one name. */
struct rill__tls_host {
    char *name;
    SSL_CTX *identity; /* its certificate, chain and key */
};

struct rill_tls_context {
    SSL_CTX *ssl;
    unsigned refs; /* atomic */
    bool server, insecure;
    unsigned char *alpn; /* as it goes over the wire: each name behind its length */
    unsigned alpn_size;
    struct rill__tls_host *hosts; /* in order of their names */
    size_t host_count;
    pthread_mutex_t mutex; /* guards what follows */
    struct list sessions;  /* kept for resuming, the last used first */
    unsigned sessions_count;
};

enum { RILL__TLS_WHY = 192, RILL__TLS_NAME = 256 };

/* A connection. Its memory is the stream's filter. */
struct rill__tls {
    struct rill__filter filter;
    rill_stream *stream;
    rill_tls_context *context;
    SSL *ssl;
    struct rill__tls *below;   /* the connection that this one lies in; NULL: in none */
    struct rill__filter *wire; /* gets the records: that of the topmost connection */
    const char *in;            /* octets that came and OpenSSL has not read */
    size_t in_size;
    bool no_memory; /* an allocation of ours failed below OpenSSL */
    int certificate_error;
    char why[RILL__TLS_WHY];   /* it is broken */
    char name[RILL__TLS_NAME]; /* of the server; "" on a server's side */
};

/* The context of clients that have none, one for the process. 0 and a reference; as rill_tls_context_new. */
int rill__tls_default_context(rill_tls_context **ret_context);
/* For tests: give what it holds back. */
void rill__tls_drop_default_context(void);

/* The version of OpenSSL that is loaded. */
const char *rill__tls_version(void);

/* The connection of `stream`, which may speak TLS already: the new one lies in that then. Octets that were not read
 * are taken for it. On the loop's stack. 0 or -ENOMEM. */
int rill__tls_open(rill_stream *stream, rill_tls_context *context, const char *name);
/* The connection of `stream`; NULL: it does not speak TLS. */
struct rill__tls *rill__tls_of(const rill_stream *stream);

/* Set what is checked of the other side's certificate. 0 or -ENOMEM. */
int rill__tls_verify(SSL *ssl, const struct rill__tls *tls);
/* OpenSSL's callback, which tells in `why` what is wrong. */
int rill__tls_on_verify(int good, X509_STORE_CTX *store);

/* Add a host, for whom there is room; `identity` is taken. 0 or -ENOMEM. */
int rill__tls_host_add(rill_tls_context *context, const char *name, SSL_CTX *identity);
/* All of them were added. NULL, or a name that is there twice. */
const char *rill__tls_hosts_order(rill_tls_context *context);
/* OpenSSL's callback, which chooses the certificate. */
int rill__tls_on_certificate(SSL *ssl, void *arg);
void rill__tls_hosts_fini(rill_tls_context *context);

/* Kept sessions: one for each server's name, at most RILL__TLS_SESSIONS of them. */
enum { RILL__TLS_SESSIONS = 1000 };

/* Keep `session`, whose reference is taken. False: there is no memory, and it is not. */
bool rill__tls_session_put(rill_tls_context *context, const char *name, SSL_SESSION *session);
/* A session to be resumed with the server `name`, with a reference; NULL: there is none. */
SSL_SESSION *rill__tls_session_get(rill_tls_context *context, const char *name);
void rill__tls_sessions_fini(rill_tls_context *context);
