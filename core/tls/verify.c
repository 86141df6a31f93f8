/* verify.c - whether a certificate is the one that was asked for; what is wrong with it, in words. */
#include "core/tls/tls.h"

#include <rill/loop.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Names are those of the extension made for them, and an asterisk stands for one whole label (RFC 6125, 6.4). */
int rill__tls_verify(SSL *ssl, const struct rill__tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_time(param, (time_t)(rill_wall_clock() / RILL_SEC(1)));
    if (tls->name[0] == '\0')
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->name) == 1)
        return 0;
    ERR_clear_error(); /* it is no numeric address */
    if (X509_VERIFY_PARAM_set1_host(param, tls->name, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, tls->name) != 1)
        return -ENOMEM;
    return 0;
}

static void add_date(rill_text *text, const ASN1_TIME *when)
{
    struct tm date;
    if (when == NULL || ASN1_TIME_to_tm(when, &date) != 1)
        return;
    rill_text_fmt(text, " %04d-%02d-%02d", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday);
}

/* The names that the certificate is for, at most three. */
static void add_names(rill_text *text, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0, told = 0;
    for (int i = 0; i < count && told < 3; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        rill_text_add(text, told++ > 0 ? RILL_SPAN(", ") : RILL_SPAN(" "));
        rill_text_add(text, (rill_span){ (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                         (size_t)ASN1_STRING_length(name->d.dNSName) });
    }
    if (told == 0)
        rill_text_add(text, RILL_SPAN(" another name"));
    GENERAL_NAMES_free(names);
}

static void describe(rill_text *text, int error, X509 *certificate)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        rill_text_add(text, RILL_SPAN("it expired"));
        add_date(text, X509_get0_notAfter(certificate));
        return;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        rill_text_add(text, RILL_SPAN("it is valid only from"));
        add_date(text, X509_get0_notBefore(certificate));
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        rill_text_add(text, RILL_SPAN("it is for"));
        add_names(text, certificate);
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        rill_text_add(text, RILL_SPAN("it is signed by itself and not trusted"));
        return;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        rill_text_add(text, RILL_SPAN("its issuer is not trusted"));
        return;
    default: rill_text_add(text, rill_span_of(X509_verify_cert_error_string(error))); return;
    }
}

/* OpenSSL has checked one certificate of the chain; the first one that is wrong is told. */
int rill__tls_on_verify(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct rill__tls *tls = SSL_get_app_data(ssl);
    if (good || tls->certificate_error != 0)
        return good;
    tls->certificate_error = X509_STORE_CTX_get_error(store);
    rill_text text = { tls->why, sizeof tls->why, 0, false };
    if (X509_STORE_CTX_get_error_depth(store) > 0 &&
        tls->certificate_error != X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
        rill_text_add(&text, RILL_SPAN("certificate of an issuer of "));
    else
        rill_text_add(&text, RILL_SPAN("certificate of "));
    rill_text_add(&text, tls->name[0] != '\0' ? rill_span_of(tls->name) : RILL_SPAN("the client"));
    rill_text_add(&text, RILL_SPAN(": "));
    describe(&text, tls->certificate_error, X509_STORE_CTX_get_current_cert(store));
    (void)rill_text_end(&text);
    for (char *octet = tls->why; *octet != '\0'; octet++)
        if (*octet < ' ' || *octet > '~') /* the names in it are the other side's */
            *octet = '?';
    return 0;
}
