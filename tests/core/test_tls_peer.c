/* test_tls_peer.c - TLS with peers that are not ours: OpenSSL by itself, octet by octet, old, broken, tiresome.
 *
 * The peer is OpenSSL on two memory buffers, which the test carries to and from the plain end of a connection: so
 * it chooses what arrives together. */
#include "core/tls/tls.h"
#include "tests/support/secure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>

struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

static void drop_peer(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    ERR_clear_error();
}

#define OWNED_PEER __attribute__((cleanup(drop_peer)))

static void make_ssl(struct peer *peer, bool server)
{
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    if (server)
        SSL_set_accept_state(peer->ssl);
    else
        SSL_set_connect_state(peer->ssl);
}

/* On a stack that is large enough, as all of OpenSSL. */
static int make_peer(void *arg)
{
    struct peer *peer = arg;
    bool server = peer->context != NULL; /* what it is to be */
    peer->context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (peer->context == NULL)
        return -ENOMEM;
    SSL_CTX_set_security_level(peer->context, 0);
    SSL_CTX_set_min_proto_version(peer->context, TLS1_VERSION);
    if (server &&
        (SSL_CTX_use_certificate_chain_file(peer->context, certs_path("good")) != 1 ||
         SSL_CTX_use_PrivateKey_file(peer->context, certs_path("good"), SSL_FILETYPE_PEM) != 1))
        return -EINVAL;
    make_ssl(peer, server);
    return 0;
}

static int make(struct peer *peer, bool server)
{
    static SSL_CTX *const server_mark = (SSL_CTX *)(uintptr_t)1;
    *peer = (struct peer){ .context = server ? server_mark : NULL };
    int r = rill_call_on_loop_stack(make_peer, peer);
    return peer->context == server_mark ? -ENOMEM : r;
}

static int step(void *arg)
{
    const struct peer *peer = arg;
    int r = SSL_do_handshake(peer->ssl);
    int error = SSL_get_error(peer->ssl, r);
    ERR_clear_error();
    return r == 1 ? 1 : error == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
}

/* Send what the peer has to say, `piece` octets at a time. */
static int carry_out(const struct peer *peer, rill_stream *stream, size_t piece)
{
    char octets[4096];
    int size, r = 0;
    if (piece > sizeof octets)
        piece = sizeof octets;
    while (r >= 0 && (size = BIO_read(peer->out, octets, (int)piece)) > 0) {
        r = rill_stream_write(stream, octets, (size_t)size, NULL);
        if (r >= 0)
            r = rill_stream_drain(stream);
        if (r >= 0 && piece < sizeof octets)
            r = rill_sleep(0);
    }
    return r < 0 ? r : 0;
}

static int carry_in(const struct peer *peer, rill_stream *stream)
{
    char octets[4096];
    int r = rill_stream_read(stream, octets, sizeof octets);
    if (r > 0)
        BIO_write(peer->in, octets, r);
    return r < 0 ? r : r == 0 ? -ENODATA : 0;
}

/* The peer's side of a handshake on the stream `right`. */
static int shake(struct peer *peer, size_t piece)
{
    for (;;) {
        int done = rill_call_on_loop_stack(step, peer);
        int r = carry_out(peer, right, piece);
        if (done != 0 || r < 0)
            return r < 0 ? r : done < 0 ? done : 0;
        r = carry_in(peer, right);
        if (r < 0)
            return r;
    }
}

struct side {
    rill_tls_context *context;
    int result;
};

static int start_left(void *arg)
{
    struct side *side = arg;
    rill_tls_opts opts = { .context = side->context, .server_name = "example.org" };
    side->result = rill_stream_start_tls(left, &opts);
    if (side->result < 0)
        rill_stream_close(left);
    return side->result == -ECANCELED ? side->result : 0;
}

/* A handshake of `left`, which has `context`, with the peer behind `right`: what `left` got. */
static int meet(struct peer *peer, rill_tls_context *context, size_t piece, int *ret_peer)
{
    static struct side side;
    side = (struct side){ context, -EINPROGRESS };
    rill_task *starting = kept(rill_create_task(RILL_CORO(start_left, &side)));
    int r = shake(peer, piece);
    if (ret_peer != NULL)
        *ret_peer = r;
    if (r < 0)
        rill_stream_close(right);
    r = rill_await(starting);
    return r < 0 ? r : side.result;
}

/* --- Pieces. --- */

static int handshake_in_pieces_succeeds(bool server)
{
    static const size_t pieces[] = { 1, 2, 5, 7, 100, 1000 };
    OWNED_CONTEXT rill_tls_context *context = NULL;
    int r = server ? certs_server("good", NULL, &context) : certs_client("ca", NULL, &context);
    EXPECT_IS(r, 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        OWNED_PAIR;
        OWNED_PEER struct peer peer = { 0 };
        int other = 0;
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(make(&peer, !server), 0);
        EXPECT_IS(meet(&peer, context, pieces[i], &other), 0);
        EXPECT_IS(other, 0);
    }
    return 0;
}

static int client_takes_a_handshake_octet_by_octet(void *arg)
{
    (void)arg;
    return handshake_in_pieces_succeeds(false);
}

static int server_takes_a_handshake_octet_by_octet(void *arg)
{
    (void)arg;
    return handshake_in_pieces_succeeds(true);
}

/* --- Messages of TLS itself. --- */

static int update_key(void *arg)
{
    const struct peer *peer = arg;
    return SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
                   SSL_do_handshake(peer->ssl) == 1
               ? 0
               : -EPROTO;
}

static int write_hello(void *arg)
{
    const struct peer *peer = arg;
    return SSL_write(peer->ssl, "hello", 5) == 5 ? 0 : -EPROTO;
}

static int read_four(void *arg)
{
    const struct peer *peer = arg;
    char in[4];
    int r = SSL_read(peer->ssl, in, 4);
    int error = SSL_get_error(peer->ssl, r);
    ERR_clear_error();
    return r == 4 && memcmp(in, "back", 4) == 0 ? 1 : error == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
}

/* New keys come with no octet: nobody is woken; what is written next says that we have them. */
static int key_update_is_answered(void *arg)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[8];
    int r = 0;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &context), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(make(&peer, true), 0);
    EXPECT_IS(meet(&peer, context, 4096, NULL), 0);
    for (int round = 0; round < 3; round++) {
        EXPECT_IS(rill_call_on_loop_stack(update_key, &peer), 0);
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
        EXPECT_IS(rill_stream_buffered(left), 0);
        EXPECT_IS(rill_call_on_loop_stack(write_hello, &peer), 0);
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT_IS(rill_stream_read_exactly(left, in, 5, NULL), 0);
        EXPECT(memcmp(in, "hello", 5) == 0);
        EXPECT_IS(say(left, "back"), 0);
        while ((r = rill_call_on_loop_stack(read_four, &peer)) == 0)
            EXPECT_IS(carry_in(&peer, right), 0);
        EXPECT_IS(r, 1);
    }
    EXPECT_IS(rill_call_on_loop_stack(update_key, &peer), 0);
    EXPECT_IS(carry_out(&peer, right, 4096), 0);
    EXPECT_IS(end_stream(&left), 0); /* also in the midst of it */
    return 0;
}

struct transfer {
    struct peer *peer;
    size_t sent, got; /* by the peer */
};

/* The peer writes and reads on, and asks for new keys all the time: 0 when both directions are through. */
static int move_on(void *arg)
{
    enum { piece = 9000 };

    struct transfer *transfer = arg;
    SSL *ssl = transfer->peer->ssl;
    size_t left_over = mib - transfer->sent, done = 0;
    if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1)
        return -EPROTO;
    if (left_over > 0 && SSL_write_ex(ssl, pattern + transfer->sent,
                                      left_over < piece ? left_over : piece, &done) == 1)
        transfer->sent += done;
    static char in[1 << 16];
    while (SSL_read_ex(ssl, in, sizeof in, &done) == 1) {
        if (done > mib - transfer->got || memcmp(in, pattern + transfer->got, done) != 0)
            return -EILSEQ;
        transfer->got += done;
    }
    int error = SSL_get_error(ssl, 0);
    ERR_clear_error();
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN)
        return -EPROTO;
    return transfer->sent < mib || transfer->got < mib;
}

static int write_mib(void *arg)
{
    (void)arg;
    int r = rill_stream_write(left, pattern, mib, NULL);
    return r < 0 ? r : rill_stream_drain(left);
}

static int read_mib(void *arg)
{
    (void)arg;
    int r = rill_stream_read_exactly(left, arrived, mib, &arrived_size);
    return r == 0 && !arrived_in_order() ? -EILSEQ : r;
}

/* Both directions are full and get new keys a hundred times. */
static int new_keys_in_a_transfer_lose_nothing(bool server)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    int r = server ? certs_server("good", NULL, &context) : certs_client("ca", NULL, &context);
    OWNED_PAIR;
    EXPECT_IS(r, 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(make(&peer, !server), 0);
    EXPECT_IS(meet(&peer, context, 4096, NULL), 0);
    struct transfer transfer = { &peer, 0, 0 };
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_mib, NULL)));
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_mib, NULL)));
    while ((r = rill_call_on_loop_stack(move_on, &transfer)) > 0) {
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        if (transfer.got < mib)
            EXPECT_IS(carry_in(&peer, right), 0);
    }
    EXPECT_IS(r, 0);
    EXPECT_IS(carry_out(&peer, right, 4096), 0);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT_IS(rill_await(reader), 0);
    return 0;
}

static int client_gets_new_keys_in_a_transfer(void *arg)
{
    (void)arg;
    return new_keys_in_a_transfer_lose_nothing(false);
}

static int server_gets_new_keys_in_a_transfer(void *arg)
{
    (void)arg;
    return new_keys_in_a_transfer_lose_nothing(true);
}

/* --- Renegotiation. --- */

static int renegotiate(void *arg)
{
    const struct peer *peer = arg;
    int r = SSL_renegotiate(peer->ssl) == 1 ? SSL_do_handshake(peer->ssl) : 0;
    int error = SSL_get_error(peer->ssl, r);
    ERR_clear_error();
    return r == 1 || error == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
}

/* `left`, of TLS 1.2, has met the peer behind `right`. */
static int meet_old(struct peer *peer, bool server, rill_tls_context **ret_context)
{
    int r =
        server ? certs_server("good", NULL, ret_context) : certs_client("ca", NULL, ret_context);
    if (r == 0)
        r = make_streams(NULL);
    if (r == 0)
        r = make(peer, !server);
    if (r < 0)
        return r;
    SSL_set_max_proto_version(peer->ssl, TLS1_2_VERSION);
    return meet(peer, *ret_context, 4096, NULL);
}

static int client_refuses_to_renegotiate_and_goes_on(void *arg)
{
    enum { alert = 21 };

    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[64];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(meet_old(&peer, false, &context), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(rill_call_on_loop_stack(renegotiate, &peer), 0);
        EXPECT_IS(rill_call_on_loop_stack(write_hello, &peer), 0);
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT_IS(rill_stream_read_exactly(left, in, 5, NULL), 0);
        EXPECT(memcmp(in, "hello", 5) == 0);
        EXPECT(rill_stream_read(right, in, sizeof in) > 5);
        EXPECT_IS(in[0], alert);
    }
    EXPECT_IS(say(left, "back"), 0);
    return 0;
}

static int server_refuses_to_renegotiate_and_goes_on(void *arg)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[64];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(meet_old(&peer, true, &context), 0);
    EXPECT_IS(rill_call_on_loop_stack(renegotiate, &peer), 0);
    EXPECT_IS(carry_out(&peer, right, 4096), 0);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(!rill_stream_peer_ended(left));
    EXPECT_IS(say(left, "back"), 0);
    EXPECT_IS(carry_in(&peer, right), 0);
    EXPECT_IS(rill_call_on_loop_stack(step, &peer), -EPROTO); /* it was told, and takes it badly */
    EXPECT_IS(carry_out(&peer, right, 4096), 0);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -EPROTO);
    return 0;
}

/* Each question gets an answer, and nobody takes them: they do not pile up for ever. */
static int questions_without_end_break_the_connection(void *arg)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(meet_old(&peer, false, &context), 0);
    size_t before = rill__tls_of(left)->filter.made_room;
    EXPECT(before < 1024);
    for (int i = 0; i < 60000 && !rill_stream_peer_ended(left); i++) {
        EXPECT_IS(rill_call_on_loop_stack(renegotiate, &peer), 0);
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT(rill__tls_of(left)->filter.made_room < (512 << 10));
    }
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -EPROTO);
    return 0;
}

/* --- Sessions. --- */

static int read_some(void *arg)
{
    const struct peer *peer = arg;
    char in[64];
    int r = SSL_read(peer->ssl, in, sizeof in);
    ERR_clear_error();
    return r > 0 ? r : 0;
}

/* The peer begins once more, with its session: the old connection has gone. */
static int make_again(void *arg)
{
    struct peer *peer = arg;
    SSL_SESSION *session = SSL_get1_session(peer->ssl);
    bool server = SSL_is_server(peer->ssl);
    SSL_set_shutdown(peer->ssl, SSL_SENT_SHUTDOWN); /* or the session would go with it */
    SSL_free(peer->ssl);
    make_ssl(peer, server);
    if (!server)
        SSL_set_session(peer->ssl, session);
    SSL_SESSION_free(session);
    return 0;
}

static int resumes(bool server, int version)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[1];
    int r = server ? certs_server("good", NULL, &context) : certs_client("ca", NULL, &context);
    EXPECT_IS(r, 0);
    EXPECT_IS(make(&peer, !server), 0);
    SSL_CTX_set_max_proto_version(peer.context, version);
    SSL_CTX_set_session_id_context(peer.context, (const unsigned char *)"peer", 4);
    for (int round = 0; round < 3; round++) {
        OWNED_PAIR;
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(rill_call_on_loop_stack(make_again, &peer), 0);
        EXPECT_IS(meet(&peer, context, 4096, NULL), 0);
        EXPECT_IS(SSL_version(peer.ssl), version);
        EXPECT_IS(SSL_session_reused(peer.ssl), round > 0);
        EXPECT_IS(rill_call_on_loop_stack(write_hello, &peer), 0); /* a ticket may be in front */
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT_IS(rill_stream_read_exactly(left, in, 1, NULL), 0);
        EXPECT_IS(say(left, "back"), 0);
        while (rill_call_on_loop_stack(read_some, &peer) == 0)
            EXPECT_IS(carry_in(&peer, right), 0);
    }
    return 0;
}

/* With our tickets, and with those that we are given. */
static int sessions_of_both_versions_are_resumed(void *arg)
{
    (void)arg;
    for (int server = 0; server < 2; server++) {
        EXPECT_IS(resumes(server, TLS1_2_VERSION), 0);
        EXPECT_IS(resumes(server, TLS1_3_VERSION), 0);
    }
    return 0;
}

/* What a client says before the handshake, as if its ticket allowed that: anybody may say it again. */
static int say_early(void *arg)
{
    const struct peer *peer = arg;
    size_t written = 0;
    SSL_SESSION *session = SSL_get1_session(peer->ssl);
    int r = SSL_SESSION_set_max_early_data(session, 1000);
    SSL_SESSION_free(session);
    if (r == 1)
        r = SSL_write_early_data(peer->ssl, "early", 5, &written);
    ERR_clear_error();
    return r == 1 && written == 5 ? 0 : -EPROTO;
}

static int early_data_is_dropped_and_the_handshake_goes_on(void *arg)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char in[8];
    (void)arg;
    EXPECT_IS(certs_server("good", NULL, &context), 0);
    EXPECT_IS(make(&peer, false), 0);
    for (int round = 0; round < 2; round++) {
        OWNED_PAIR;
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(rill_call_on_loop_stack(make_again, &peer), 0);
        if (round > 0)
            EXPECT_IS(rill_call_on_loop_stack(say_early, &peer), 0);
        EXPECT_IS(meet(&peer, context, 4096, NULL), 0);
        EXPECT_IS(SSL_get_early_data_status(peer.ssl),
                  round > 0 ? SSL_EARLY_DATA_REJECTED : SSL_EARLY_DATA_NOT_SENT);
        EXPECT_IS(rill_call_on_loop_stack(write_hello, &peer), 0);
        EXPECT_IS(carry_out(&peer, right, 4096), 0);
        EXPECT_IS(rill_stream_read(left, in, sizeof in), 5);
        EXPECT(memcmp(in, "hello", 5) == 0);
        EXPECT_IS(say(left, "back"), 0);
        while (rill_call_on_loop_stack(read_some, &peer) == 0)
            EXPECT_IS(carry_in(&peer, right), 0);
    }
    return 0;
}

/* --- What is refused. --- */

static int old_version(bool server, int version)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    int other = 0;
    OWNED_PAIR;
    int r = server ? certs_server("good", NULL, &context) : certs_client("ca", NULL, &context);
    EXPECT_IS(r, 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(make(&peer, !server), 0);
    SSL_set_max_proto_version(peer.ssl, version);
    r = meet(&peer, context, 4096, &other);
    EXPECT_IS(r < 0, other < 0);
    return r;
}

static int versions_before_1_2_are_refused(void *arg)
{
    (void)arg;
    for (int server = 0; server < 2; server++) {
        EXPECT_IS(old_version(server, TLS1_VERSION), -EPROTO);
        EXPECT_IS(old_version(server, TLS1_1_VERSION), -EPROTO);
        EXPECT_IS(old_version(server, TLS1_2_VERSION), 0);
    }
    return 0;
}

static int weak_ciphers_are_refused(void *arg)
{
    static const char *const weak[] = { "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                        "DHE-RSA-AES128-GCM-SHA256" };
    OWNED_CONTEXT rill_tls_context *context = NULL;
    (void)arg;
    EXPECT_IS(certs_server("good", NULL, &context), 0);
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        OWNED_PAIR;
        OWNED_PEER struct peer peer = { 0 };
        EXPECT_IS(make_streams(NULL), 0);
        EXPECT_IS(make(&peer, false), 0);
        SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION);
        SSL_set_cipher_list(peer.ssl, weak[i]);
        EXPECT_IS(meet(&peer, context, 4096, NULL), -EPROTO);
    }
    return 0;
}

/* One octet of a record is changed on the way. */
static int changed_record_breaks_the_connection(void *arg)
{
    OWNED_CONTEXT rill_tls_context *context = NULL;
    OWNED_PEER struct peer peer = { 0 };
    char octets[4096], in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &context), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(make(&peer, true), 0);
    EXPECT_IS(meet(&peer, context, 4096, NULL), 0);
    EXPECT_IS(rill_call_on_loop_stack(write_hello, &peer), 0);
    int size = BIO_read(peer.out, octets, sizeof octets);
    EXPECT(size > 10);
    octets[size - 1] ^= 1;
    EXPECT(rill_stream_write(right, octets, (size_t)size, NULL) == size);
    EXPECT_IS(rill_stream_drain(right), 0);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -EPROTO);
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -EPROTO);
    EXPECT_IS(end_stream(&left), -EPROTO);
    EXPECT(rill_stream_read(right, octets, sizeof octets) > 0); /* an alert */
    return 0;
}

static int garbage_is_no_handshake(void *arg)
{
    static const char *const garbage[] = { "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff",
                                           "\x16\x03\x01\x00\x04\x01\x00\x00\x00", "\x80\x80\x01" };
    OWNED_CONTEXT rill_tls_context *context = NULL;
    (void)arg;
    EXPECT_IS(certs_server("good", NULL, &context), 0);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        OWNED_PAIR;
        EXPECT_IS(make_streams(NULL), 0);
        size_t size = i == 2 ? 9 : strlen(garbage[i]);
        EXPECT(rill_stream_write(right, garbage[i], size, NULL) == (int)size);
        EXPECT_IS(rill_stream_write_eof(right), 0);
        int r = rill_stream_start_tls(left, &(rill_tls_opts){ .context = context });
        EXPECT(r == -EPROTO || r == -ECONNRESET);
    }
    return 0;
}

int main(void)
{
    certs_make();
    const struct scenario scenarios[] = {
        SCENARIO_ONCE(client_takes_a_handshake_octet_by_octet),
        SCENARIO_ONCE(server_takes_a_handshake_octet_by_octet),
        SCENARIO_ONCE(key_update_is_answered),
        SCENARIO_ONCE(client_gets_new_keys_in_a_transfer),
        SCENARIO_ONCE(server_gets_new_keys_in_a_transfer),
        SCENARIO_ONCE(client_refuses_to_renegotiate_and_goes_on),
        SCENARIO_ONCE(server_refuses_to_renegotiate_and_goes_on),
        SCENARIO_ONCE(questions_without_end_break_the_connection),
        SCENARIO_ONCE(sessions_of_both_versions_are_resumed),
        SCENARIO_ONCE(early_data_is_dropped_and_the_handshake_goes_on),
        SCENARIO_ONCE(versions_before_1_2_are_refused),
        SCENARIO_ONCE(weak_ciphers_are_refused),
        SCENARIO_ONCE(changed_record_breaks_the_connection),
        SCENARIO_ONCE(garbage_is_no_handshake),
    };
    return RUN_SCENARIOS("tls_peer", scenarios);
}
