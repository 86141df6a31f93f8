/* test_tls_trust.c - whom TLS trusts, and what both sides agree on: certificates, names, protocols, sessions. */
#include "core/tls/tls.h"
#include "tests/support/secure.h"

#include <stdio.h>
#include <unistd.h>

/* --- Certificates. --- */

/* The handshake of a client that trusts `ca` and asks for `name` with a server that has `certificate`. */
static int meet(const char *ca, const char *name, const char *certificate, int *ret_server)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    int r = certs_client(ca, NULL, &client);
    if (r == 0)
        r = certs_server(certificate, NULL, &server);
    if (r == 0)
        r = make_streams(NULL);
    return r < 0 ? r : shake_hands(client, name, server, ret_server);
}

struct meeting {
    const char *ca, *name, *certificate, *why;
    int result;
};

static const struct meeting meetings[] = {
    { "ca", "example.org", "good", NULL, 0 },
    { "ca", "EXAMPLE.org.", "good", NULL, 0 },
    { "ca", "www.example.net", "good", NULL, 0 },
    { "ca", "127.0.0.1", "good", NULL, 0 },
    { "ca", "::1", "good", NULL, 0 },
    { "ca", "0:0::1", "good", NULL, 0 },
    { "ca", "xn--bcher-kva.example", "good", NULL, 0 },
    { "ca", "XN--BCHER-KVA.example", "good", NULL, 0 },
    { "ca",
      "b\xc3\xbc"
      "cher.example",
      "good", /* a name is taken as it is given */
      "certificate of b??cher.example: it is for example.org, *.example.net, xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "example.net", "good",
      "certificate of example.net: it is for example.org, *.example.net, xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "fxample.part.example", "good",
      "certificate of fxample.part.example: it is for example.org, *.example.net, "
      "xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "::2", "good",
      "certificate of ::2: it is for example.org, *.example.net, xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "a.b.example.net", "good",
      "certificate of a.b.example.net: it is for example.org, *.example.net, xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "127.0.0.2", "good",
      "certificate of 127.0.0.2: it is for example.org, *.example.net, xn--bcher-kva.example",
      -EKEYREJECTED },
    { "ca", "example.org", "wrong", "certificate of example.org: it is for other.example",
      -EKEYREJECTED },
    { "ca", "client", "client", "certificate of client: it is for another name", -EKEYREJECTED },
    { "ca", "example.org", "expired", "certificate of example.org: it expired 2025-06-30",
      -EKEYREJECTED },
    { "ca", "example.org", "early", "certificate of example.org: it is valid only from 2049-01-01",
      -EKEYREJECTED },
    { "ca", "example.org", "self",
      "certificate of example.org: it is signed by itself and not trusted", -EKEYREJECTED },
    { "ca", "example.org", "stranger", "certificate of example.org: its issuer is not trusted",
      -EKEYREJECTED },
    { "stranger-ca", "example.org", "stranger", NULL, 0 },
    { "self", "example.org", "self", NULL, 0 },
    { NULL, NULL, "self", NULL, 0 }, /* nothing is checked */
    { NULL, "example.org", "expired", NULL, 0 },
};

static int run_meeting(const struct meeting *meeting)
{
    int other;
    OWNED_PAIR;
    int r = meet(meeting->ca, meeting->name, meeting->certificate, &other);
    if (r == meeting->result && r < 0) {
        EXPECT(says(rill_last_error(), meeting->why));
        EXPECT_IS(other, -EPROTO); /* it was told */
    }
    return r;
}

static int certificates_are_checked(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof meetings / sizeof *meetings; i++)
        EXPECT_IS(run_meeting(&meetings[i]), meetings[i].result);
    return 0;
}

static int failed_check_leaves_nothing(void *arg)
{
    static const struct meeting refused = { "ca", "client", "client",
                                            "certificate of client: it is for another name",
                                            -EKEYREJECTED };
    (void)arg;
    return run_meeting(&refused) == -EKEYREJECTED ? 0 : -EILSEQ;
}

static int client_without_a_name_is_refused(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(meet("ca", NULL, "good", NULL), -EINVAL);
    return 0;
}

static void drop_default(void *arg)
{
    (void)arg;
    rill__tls_drop_default_context();
}

/* Without a context clients share one, which knows the system's roots and no others. */
static int system_does_not_trust_our_root(void *arg)
{
    OWNED_CONTEXT rill_tls_context *server = NULL, *system = NULL;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    EXPECT_IS(rill_tls_context_new(NULL, &system), 0);
    after_run(drop_default, NULL);
    for (int shared = 0; shared < 2; shared++) {
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(shake_hands(shared ? NULL : system, "example.org", server, NULL), -EKEYREJECTED);
        EXPECT(says(rill_last_error(), "certificate of example.org: its issuer is not trusted"));
        drop_pair(NULL);
    }
    return 0;
}

/* A server that names whom it trusts asks clients for certificates. */
static int server_may_ask_clients_for_certificates(void *arg)
{
    OWNED_CONTEXT rill_tls_context *server = NULL, *known = NULL, *unknown = NULL, *none = NULL;
    char told[256];
    rill_text text = { told, sizeof told, 0, false };
    int other;
    (void)arg;
    OWNED_PAIR;
    rill_tls_context_opts opts = { .server = true,
                                   .ca_file = certs_path("ca"),
                                   .certificate = certs_path("good") };
    EXPECT_IS(rill_tls_context_new(&opts, &server), 0);
    opts = (rill_tls_context_opts){ .ca_file = certs_path("ca"),
                                    .certificate = certs_path("client"),
                                    .key = certs_path("client") };
    EXPECT_IS(rill_tls_context_new(&opts, &known), 0);
    opts.certificate = opts.key = certs_path("stranger");
    EXPECT_IS(rill_tls_context_new(&opts, &unknown), 0);
    EXPECT_IS(certs_client("ca", NULL, &none), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(known, "example.org", server, &other), 0);
    EXPECT_IS(other, 0);
    rill_stream_tls_text(right, &text);
    EXPECT(strstr(rill_text_end(&text), "peer CN=client") != NULL);
    drop_pair(NULL);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(unknown, "example.org", server, &other), 0); /* it learns so later */
    EXPECT_IS(other, -EKEYREJECTED);
    EXPECT_IS(rill_stream_read(left, told, 1), -EPROTO);
    drop_pair(NULL);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(none, "example.org", server, &other), 0);
    EXPECT_IS(other, -EPROTO);
    return 0;
}

/* --- Hosts. --- */

static const rill_tls_host *hosts_of_two(void)
{
    static rill_tls_host hosts[3];
    hosts[0] = (rill_tls_host){ "other.example", certs_path("wrong"), NULL };
    hosts[1] = (rill_tls_host){ "*.Example.net", certs_path("self"), NULL };
    hosts[2] = (rill_tls_host){ "x.example.net", certs_path("expired"), NULL };
    return hosts;
}

/* The common name of the certificate that a client gets who asks for `name`; it checks nothing. */
static int shown(rill_tls_context *server, const char *name, char told[256])
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    rill_text text = { told, 256, 0, false };
    OWNED_PAIR;
    int other, r = certs_client(NULL, NULL, &client);
    if (r == 0)
        r = make_streams(NULL);
    if (r == 0)
        r = shake_hands(client, name, server, &other);
    if (r < 0)
        return r;
    rill_stream_tls_text(left, &text);
    (void)rill_text_end(&text);
    EXPECT(rill_span_equal(rill_stream_server_name(right), rill_span_of(name)));
    EXPECT(rill_span_equal(rill_stream_server_name(left), rill_span_of(name)));
    return other;
}

static int certificate_is_chosen_by_name(void *arg)
{
    static const char *const rows[][2] = {
        { "other.example", "CN=wrong" },   { "OTHER.example", "CN=wrong" },
        { "www.example.net", "CN=self" },  { "WWW.EXAMPLE.NET", "CN=self" },
        { "x.example.net", "CN=expired" }, { "a.b.example.net", "CN=good" },
        { "example.net", "CN=good" },      { "*.example.net", "CN=self" },
        { "unknown", "CN=good" },          { "", "CN=good" },
    };
    OWNED_CONTEXT rill_tls_context *server = NULL;
    char told[256];
    (void)arg;
    rill_tls_context_opts opts = {
        .server = true, .certificate = certs_path("good"), .hosts = hosts_of_two(), .host_count = 3
    };
    EXPECT_IS(rill_tls_context_new(&opts, &server), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EXPECT_IS(shown(server, rows[i][0], told), 0);
        EXPECT(strstr(told, rows[i][1]) != NULL);
    }
    return 0;
}

static int bad_hosts_say_what_is_wrong(void *arg)
{
    rill_tls_context *context = NULL;
    rill_tls_host hosts[] = { { "a.example", certs_path("good"), NULL },
                              { "A.example", certs_path("self"), NULL } };
    rill_tls_context_opts opts = { .server = true, .hosts = hosts, .host_count = 2 };
    (void)arg;
    opts.certificate = certs_path("good");
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    EXPECT(says(rill_last_error(), "a.example: two certificates for one name"));
    hosts[1] = (rill_tls_host){ "b.example", certs_path("good"), certs_path("self") };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    hosts[1] = (rill_tls_host){ "", certs_path("good"), NULL };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    hosts[1] = (rill_tls_host){ "b.example", NULL, NULL };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    hosts[1] = (rill_tls_host){ "b.example", "/nowhere", NULL };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -ENOENT);
    opts = (rill_tls_context_opts){ .hosts = hosts, .host_count = 1 };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    EXPECT(context == NULL);
    return 0;
}

/* --- Contexts. --- */

static int bad_contexts_say_what_is_wrong(void *arg)
{
    rill_tls_context *context = NULL;
    rill_tls_context_opts opts = { .server = true };
    (void)arg;
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    opts.certificate = "/nowhere/at/all.pem";
    EXPECT_IS(rill_tls_context_new(&opts, &context), -ENOENT);
    EXPECT(says(rill_last_error(), "/nowhere/at/all.pem: No such file or directory"));
    opts.certificate = certs_path("good");
    opts.key = certs_path("self");
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    EXPECT(rill_last_error() == NULL || strstr(rill_last_error()->msg, "mismatch") != NULL);
    opts.key = "/etc/passwd";
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    opts = (rill_tls_context_opts){ .ca_file = "/etc/passwd" };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    opts = (rill_tls_context_opts){ .alpn = (const char *const[]){ "h2", "", NULL } };
    EXPECT_IS(rill_tls_context_new(&opts, &context), -EINVAL);
    EXPECT(context == NULL);
    return 0;
}

static int context_outlives_its_maker(void *arg)
{
    rill_tls_context *client = NULL, *server = NULL;
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    OWNED_CONTEXT rill_tls_context *second = rill_tls_context_ref(client);
    rill_tls_context_unref(client);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    OWNED_CONTEXT rill_tls_context *owned = server;
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(second, "example.org", server, NULL), 0);
    rill_tls_context_unref(owned);
    owned = NULL;
    EXPECT_IS(say(right, "x"), 0);
    EXPECT_IS(rill_stream_read(left, in, 1), 1);
    return 0;
}

/* --- Protocols. --- */

static int agree(const char *const *offered, const char *const *spoken, int *ret_server)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    int r = certs_client("ca", offered, &client);
    if (r == 0)
        r = certs_server("good", spoken, &server);
    if (r == 0)
        r = make_streams(NULL);
    return r < 0 ? r : shake_hands(client, "example.org", server, ret_server);
}

static bool speaks(const rill_stream *stream, const char *name)
{
    rill_span spoken = rill_stream_alpn(stream);
    return spoken.size == strlen(name) && memcmp(spoken.at, name, spoken.size) == 0;
}

static int both_agree_on_a_protocol(void *arg)
{
    static const char *const web[] = { "h2", "http/1.1", NULL },
                             *const old[] = { "http/1.1", NULL }, *const mail[] = { "smtp", NULL };
    int other;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(agree(web, old, &other), 0);
    EXPECT(speaks(left, "http/1.1") && speaks(right, "http/1.1"));
    drop_pair(NULL);
    EXPECT_IS(agree(old, web, &other), 0);
    EXPECT(speaks(left, "http/1.1") && speaks(right, "http/1.1"));
    drop_pair(NULL);
    EXPECT_IS(agree(NULL, web, &other), 0);
    EXPECT(speaks(left, "") && speaks(right, ""));
    drop_pair(NULL);
    EXPECT_IS(agree(web, NULL, &other), 0);
    EXPECT(speaks(left, ""));
    drop_pair(NULL);
    EXPECT_IS(agree(mail, web, &other), -EPROTO);
    EXPECT_IS(other, -EPROTO);
    return 0;
}

/* --- Sessions. --- */

static bool is_resumed(const rill_stream *stream)
{
    char told[256];
    rill_text text = { told, sizeof told, 0, false };
    rill_stream_tls_text(stream, &text);
    return strstr(rill_text_end(&text), "resumed") != NULL;
}

/* One octet each way: the tickets are there by then. */
static int talk(void)
{
    char in[1];
    int r = say(right, "x");
    if (r == 0)
        r = rill_stream_read(left, in, 1);
    if (r > 0)
        r = say(left, "x");
    if (r == 0)
        r = rill_stream_read(right, in, 1);
    return r;
}

static int session_is_resumed(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL, *other = NULL;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(certs_client("ca", NULL, &other), 0);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(shake_hands(client, "example.org", server, NULL), 0);
        EXPECT_IS(talk(), 1);
        EXPECT_IS(is_resumed(left), i > 0);
        EXPECT_IS(is_resumed(right), i > 0);
        drop_pair(NULL);
    }
    EXPECT_IS(make_streams(NULL), 0); /* another name, or another context, has none */
    EXPECT_IS(shake_hands(client, "www.example.net", server, NULL), 0);
    EXPECT(!is_resumed(left));
    drop_pair(NULL);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(other, "example.org", server, NULL), 0);
    EXPECT(!is_resumed(left));
    return 0;
}

/* A server that does not know the session any more makes a new one. */
static int unknown_session_is_no_error(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL, *restarted = NULL;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    EXPECT_IS(certs_server("good", NULL, &restarted), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(client, "example.org", server, NULL), 0);
    EXPECT_IS(talk(), 1);
    drop_pair(NULL);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(shake_hands(client, "example.org", restarted, NULL), 0);
    EXPECT_IS(talk(), 1);
    EXPECT(!is_resumed(left));
    return 0;
}

/* The last used ones are kept, so many and no more. */
static int kept_sessions_are_bounded(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    char name[32];
    (void)arg;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    for (int i = 0; i < RILL__TLS_SESSIONS + 10; i++) {
        SSL_SESSION *session = SSL_SESSION_new();
        snprintf(name, sizeof name, "%d.example", i);
        EXPECT(session != NULL && rill__tls_session_put(client, name, session));
        if (i == RILL__TLS_SESSIONS - 1) { /* the first one is used once more */
            session = SSL_SESSION_new();
            EXPECT(rill__tls_session_put(client, "0.example", session));
        }
    }
    EXPECT_IS(client->sessions_count, RILL__TLS_SESSIONS);
    for (int i = 0; i < RILL__TLS_SESSIONS + 10; i++) {
        snprintf(name, sizeof name, "%d.example", i);
        SSL_SESSION *session = rill__tls_session_get(client, name);
        EXPECT((session != NULL) == (i == 0 || i > 10));
        SSL_SESSION_free(session);
    }
    EXPECT_IS(client->sessions_count, 0); /* none of them can be resumed, so none is kept */
    return 0;
}

int main(void)
{
    certs_make();
    const struct scenario scenarios[] = {
        SCENARIO_ONCE(certificates_are_checked),
        SCENARIO(failed_check_leaves_nothing),
        SCENARIO(client_without_a_name_is_refused),
        SCENARIO_ONCE(system_does_not_trust_our_root),
        SCENARIO_ONCE(server_may_ask_clients_for_certificates),
        SCENARIO_ONCE(certificate_is_chosen_by_name),
        SCENARIO(bad_hosts_say_what_is_wrong),
        SCENARIO(bad_contexts_say_what_is_wrong),
        SCENARIO(context_outlives_its_maker),
        SCENARIO_ONCE(both_agree_on_a_protocol),
        SCENARIO_ONCE(session_is_resumed),
        SCENARIO(unknown_session_is_no_error),
        SCENARIO_ONCE(kept_sessions_are_bounded),
    };
    return RUN_SCENARIOS("tls_trust", scenarios);
}
