/* certs.c - certificates for tests. See certs.h. */
#include "tests/support/certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct wanted {
    const char *name, *issuer; /* NULL: it signs itself */
    const char *names;         /* as the extension has it; NULL: none */
    const char *from, *until;
    bool is_ca;
};

static const struct wanted wanted[] = {
    { "ca", NULL, NULL, "20200101000000Z", "20991231000000Z", true },
    { "stranger-ca", NULL, NULL, "20200101000000Z", "20991231000000Z", true },
    { "good", "ca",
      "DNS:example.org,DNS:*.example.net,DNS:xn--bcher-kva.example,DNS:f*.part.example,"
      "IP:127.0.0.1,IP:::1",
      "20200101000000Z", "20991231000000Z", false },
    { "client", "ca", NULL, "20200101000000Z", "20991231000000Z", false },
    { "expired", "ca", "DNS:example.org", "20200101000000Z", "20250630000000Z", false },
    { "early", "ca", "DNS:example.org", "20490101000000Z", "20991231000000Z", false },
    { "wrong", "ca", "DNS:other.example", "20200101000000Z", "20991231000000Z", false },
    { "self", NULL, "DNS:example.org", "20200101000000Z", "20991231000000Z", false },
    { "stranger", "stranger-ca", "DNS:example.org", "20200101000000Z", "20991231000000Z", false },
};

enum { count = sizeof wanted / sizeof *wanted };

static char directory[] = "/tmp/rill-certs-XXXXXX";
static EVP_PKEY *keys[count];
static X509 *certificates[count];

static void need(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "no certificates: %s\n", what);
    exit(2);
}

const char *certs_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s.pem", directory, name);
    return path;
}

static void add_extension(X509 *certificate, int kind, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    need(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(wanted[i].name, name) != 0)
        i++;
    return i;
}

static void make(size_t index)
{
    const struct wanted *what = &wanted[index];
    size_t issuer = what->issuer != NULL ? index_of(what->issuer) : index;
    X509 *made = X509_new();
    EVP_PKEY *key =
        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"); /* signatures of one size: the same runs */
    need(made != NULL && key != NULL, "no memory");
    keys[index] = key;
    certificates[index] = made;
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), (long)index + 1);
    ASN1_TIME_set_string(X509_getm_notBefore(made), what->from);
    ASN1_TIME_set_string(X509_getm_notAfter(made), what->until);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               (const unsigned char *)what->name, -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(certificates[issuer]));
    add_extension(made, NID_basic_constraints, what->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (what->names != NULL)
        add_extension(made, NID_subject_alt_name, what->names);
    need(X509_sign(made, keys[issuer], NULL) > 0, what->name);
}

static void save(size_t index)
{
    FILE *file = fopen(certs_path(wanted[index].name), "w");
    need(file != NULL, wanted[index].name);
    need(PEM_write_X509(file, certificates[index]) == 1 &&
             PEM_write_PrivateKey(file, keys[index], NULL, NULL, 0, NULL, NULL) == 1,
         wanted[index].name);
    fclose(file);
    X509_free(certificates[index]);
    EVP_PKEY_free(keys[index]);
}

static pid_t maker;

static void remove_all(void)
{
    if (getpid() != maker)
        return;
    for (size_t i = 0; i < count; i++)
        (void)unlink(certs_path(wanted[i].name));
    (void)rmdir(directory);
}

void certs_make(void)
{
    need(mkdtemp(directory) != NULL, directory);
    maker = getpid();
    (void)atexit(remove_all);
    for (size_t i = 0; i < count; i++)
        make(i);
    for (size_t i = 0; i < count; i++)
        save(i);
}

int certs_server(const char *certificate, const char *const *alpn, rill_tls_context **ret_context)
{
    rill_tls_context_opts opts = { .server = true,
                                   .certificate = certs_path(certificate),
                                   .alpn = alpn };
    return rill_tls_context_new(&opts, ret_context);
}

int certs_client(const char *ca, const char *const *alpn, rill_tls_context **ret_context)
{
    rill_tls_context_opts opts = { .ca_file = ca != NULL ? certs_path(ca) : NULL,
                                   .insecure = ca == NULL,
                                   .alpn = alpn };
    return rill_tls_context_new(&opts, ret_context);
}
