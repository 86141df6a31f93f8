/* sim_secure.c - TLS in worlds that split, delay and break connections: what is read is what was sent, and an
 * end is one that the other side announced.
 *
 * Clients send octets to a server, which sends them back, or does what its script says: it resets the
 * connection, speaks no TLS, has a certificate for another name, is silent, leaves in the middle of the
 * handshake. Some clients run out of time, anywhere. Everybody knows what each script must lead to. Whatever
 * breaks, with faults too: no octet is changed, lost or doubled before the break, and who reads an end has
 * read everything. */
#include "tests/support/certs.h"
#include "tests/support/seeds.h"

#include <rill/net.h>
#include <rill/stream.h>
#include <rill/timeout.h>

enum { clients = 5, calls_each = 3, first_port = 443, octets_most = 60 * 1000 };

enum script { ECHOES, RESETS, PLAIN, WRONG_NAME, SILENT, LEAVES, SCRIPTS };

static const rill_time patience = RILL_SEC(20);

/* What a client does at a time. */
struct call {
    rill_stream *stream;
    enum script script;
    size_t size; /* octets to be sent and read back */
};

static rill_tls_context *good, *wrong, *trusting;
static unsigned ended[SCRIPTS], late, broken;

static char octet_of(const struct call *call, size_t i)
{
    return (char)(call->size * 3 + i * 7 + i / 251);
}

/* --- The servers: one for each script. --- */

static int wait_for_the_end(rill_stream *stream)
{
    char octets[512];
    int r;
    while ((r = rill_stream_read(stream, octets, sizeof octets)) > 0)
        ;
    return r;
}

/* Send back up to `most` octets.   Returns: 0 (those, or all there were); -errno. */
static int echo(rill_stream *stream, size_t most)
{
    char octets[3000];
    int r = 1;
    for (size_t done = 0; done < most && r > 0; done += r > 0 ? (size_t)r : 0) {
        size_t left = most - done, much = 1 + seeds_draw(sizeof octets);
        r = rill_stream_read(stream, octets, left < much ? left : much);
        if (r > 0)
            r = rill_stream_write(stream, octets, (size_t)r, NULL);
    }
    return r < 0 ? r : rill_stream_drain(stream);
}

/* What broke: the connection is reset then, so that its end is not taken for that of the octets. */
static int follow(enum script script, rill_stream *stream)
{
    rill_tls_opts opts = { .context = script == WRONG_NAME ? wrong : good };
    int r;
    if (script == LEAVES)
        return 0;
    if (script == PLAIN) {
        r = rill_stream_write(stream, "220 hello\r\n", 11, NULL);
        return r < 0 ? r : wait_for_the_end(stream);
    }
    if (script == SILENT)
        return wait_for_the_end(stream);
    r = rill_stream_start_tls(stream, &opts);
    if (r == 0)
        r = echo(stream, script == RESETS ? seeds_draw(2000) : SIZE_MAX);
    return r < 0 || script != RESETS ? r : -ECONNRESET;
}

static int serve(rill_stream *stream, void *arg)
{
    if (follow((enum script)(uintptr_t)arg, stream) < 0)
        rill_stream_abort(stream);
    rill_stream_close(stream);
    return 0;
}

/* --- The clients. --- */

static int send_octets(void *arg)
{
    const struct call *call = arg;
    char octets[4000];
    int r = 0;
    for (size_t at = 0; at < call->size && r >= 0;) {
        size_t left = call->size - at, much = 1 + seeds_draw(sizeof octets);
        much = left < much ? left : much;
        for (size_t i = 0; i < much; i++)
            octets[i] = octet_of(call, at + i);
        r = rill_stream_write(call->stream, octets, much, NULL);
        at += much;
        if (r >= 0 && seeds_draw(4) == 0)
            r = rill_sleep(RILL_US(seeds_draw(5000)));
    }
    return r < 0 ? r : rill_stream_write_eof(call->stream);
}

/* All octets come back, in order, before the end does. */
static int read_octets(const struct call *call)
{
    char octets[3000];
    size_t got = 0;
    int r = 1;
    while (r > 0) {
        r = rill_stream_read(call->stream, octets, 1 + seeds_draw(sizeof octets));
        for (int i = 0; i < r; i++)
            EXPECT(got + (size_t)i < call->size && octets[i] == octet_of(call, got + (size_t)i));
        got += r > 0 ? (size_t)r : 0;
    }
    if (r == 0)
        EXPECT_IS(got, call->size);
    return r;
}

static int converse(struct call *call)
{
    int r = rill_open_connection("127.0.0.1", first_port + call->script, NULL, &call->stream);
    if (r < 0)
        return r;
    rill_tls_opts opts = { .context = trusting, .server_name = "example.org" };
    r = rill_stream_start_tls(call->stream, &opts);
    if (r == 0) {
        rill_task *sender = rill_create_task(RILL_CORO(send_octets, call));
        r = read_octets(call);
        rill_cancel(sender, NULL);
        int sent = rill_join(sender);
        if (r == 0 && sent < 0)
            r = sent;
    }
    if (r < 0)
        rill_stream_abort(call->stream);
    rill_stream_close(call->stream);
    rill_stream_unref(call->stream);
    return r;
}

/* Without faults a script leads to this, unless the client ran out of time. */
static bool is_right(enum script script, int r)
{
    switch (script) {
    case ECHOES: return r == 0;
    case RESETS: return r == -ECONNRESET || r == -EPIPE;
    case PLAIN: return r == -EPROTO;
    case WRONG_NAME: return r == -EKEYREJECTED;
    case LEAVES: return r == -ECONNRESET;
    default: return false;
    }
}

static int call_once(void)
{
    struct call call = { .script = (enum script)seeds_draw(SCRIPTS),
                         .size = seeds_draw(seeds_draw(2) == 0 ? octets_most : 100) };
    rill_time span = seeds_draw(4) == 0 ? RILL_US(seeds_draw(100 * 1000)) : patience;
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, span);
    if (r == 0)
        r = rill_scope_leave(&scope, converse(&call));
    EXPECT(r != -EBADMSG);
    if (r == -ETIME) {
        late++;
        EXPECT(seeds_faults || call.script == SILENT || span < patience);
        return 0;
    }
    EXPECT(r != 0 || call.script == ECHOES);
    if (!seeds_faults && !is_right(call.script, r)) {
        print_message("script %u: %s\n", call.script, rill_errname(r));
        EXPECT_IS(r, 0);
    }
    ended[call.script]++;
    broken += r < 0;
    return 0;
}

static int be_client(void *arg)
{
    int r = 0;
    (void)arg;
    for (int i = 0; i < calls_each && r == 0; i++)
        r = call_once();
    return r;
}

/* --- The story. --- */

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int start_servers(rill_server *servers[SCRIPTS])
{
    for (unsigned i = 0; i < SCRIPTS; i++) {
        int r, tries = 1000;
        do
            r = rill_start_server("127.0.0.1", first_port + i, serve, (void *)(uintptr_t)i, NULL,
                                  &servers[i]);
        while (r < 0 && seeds_faults && --tries > 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_contexts(void)
{
    int r = certs_server("good", NULL, &good);
    if (r == 0)
        r = certs_server("wrong", NULL, &wrong);
    return r < 0 ? r : certs_client("ca", NULL, &trusting);
}

static void drop_contexts(void)
{
    rill_tls_context_unref(good);
    rill_tls_context_unref(wrong);
    rill_tls_context_unref(trusting);
}

static int call_all(void *arg)
{
    rill_server *servers[SCRIPTS];
    rill_task *tasks[clients];
    (void)arg;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(make_contexts(), 0);
    EXPECT_IS(start_servers(servers), 0);
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, NULL));
    int r = 0;
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    EXPECT_IS(r, 0);
    rill_time began = rill_now();
    for (unsigned i = 0; i < SCRIPTS; i++) {
        rill_server_close(servers[i]);
        EXPECT_IS(rill_server_wait_closed(servers[i]), 0);
        rill_server_free(servers[i]);
    }
    EXPECT(rill_now() - began < patience);
    drop_contexts();
    return 0;
}

static void read_end_means_that_all_was_read(void **state)
{
    (void)state;
    memset(ended, 0, sizeof ended);
    late = broken = 0;
    if (!seeds_try(&(struct seeds_story){
            .name = "call_all", .tell = call_all, .seeds = 40, .load = clients }))
        return;
    print_message("%u echoed, %u broken, %u out of time\n", ended[ECHOES], broken, late);
    for (size_t i = 0; i < SCRIPTS; i++)
        assert_true(i == SILENT || ended[i] > 0);
    assert_true(late > 0);
}

static void read_end_means_that_all_was_read_also_under_faults(void **state)
{
    (void)state;
    (void)seeds_try(&(struct seeds_story){ .name = "call_all_under_faults",
                                           .tell = call_all,
                                           .seeds = 40,
                                           .load = clients,
                                           .faults_end = RILL_SEC(20) });
}

static const struct scenario scenarios[] = {
    OUTSIDE(read_end_means_that_all_was_read),
    OUTSIDE(read_end_means_that_all_was_read_also_under_faults),
};

int main(void)
{
    certs_make();
    return SEEDS_MAIN("sim_secure", scenarios);
}
