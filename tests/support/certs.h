/* certs.h - certificates for tests: made anew by each program, in a directory that goes with it.
 *
 *   ca          a root, and stranger-ca, which nobody trusts
 *   good        for example.org, *.example.net, xn--bcher-kva.example, f*.part.example (which no client takes),
 *               127.0.0.1 and ::1; key and certificate in one file
 *   client      for nobody's name: of a client
 *   expired     until 2025-06-30          early       from 2049 on
 *   wrong       for other.example         self        signed by itself
 *   stranger    for example.org, by stranger-ca
 */
#pragma once

#include "tests/support/expect.h"

#include <rill/tls.h>

/* Make them; the program ends if that fails. */
void certs_make(void);
/* The path of one of them. At most four at a time. */
const char *certs_path(const char *name);

/* A server with that certificate; a client that trusts the root `ca` (NULL: checks nothing). */
int certs_server(const char *certificate, const char *const *alpn, rill_tls_context **ret_context);
int certs_client(const char *ca, const char *const *alpn, rill_tls_context **ret_context);

/* Given back when the block is left. */
#define OWNED_CONTEXT __attribute__((cleanup(certs_drop_context)))

static inline void certs_drop_context(rill_tls_context **context)
{
    rill_tls_context_unref(*context);
}
