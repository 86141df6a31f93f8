/* sim_tls.c - handshakes and echoes over TLS, while the network cuts, delays and resets and clients lose patience.
 *
 * A server sends back what it is sent, and ends when its client does. Each client has some connections behind each
 * other, each of which is one of: used to its end; left within; given up after a time that may lie in the handshake,
 * the transfer or the close. Whatever the seed makes of the network: what comes back is the begin of what was sent,
 * an end that is told is behind all of it, nobody who does not want to is left waiting, and without faults each
 * connection has exactly its own result. */
#include "tests/support/certs.h"
#include "tests/support/seeds.h"

#include <rill/stream.h>
#include <rill/timeout.h>

enum { clients = 5, talks = 4, most = 60000, port = 443 };

enum script { USED, LEFT, GIVEN_UP, SCRIPTS };

static const rill_time patience = RILL_SEC(600);

static rill_tls_context *client_context, *server_context;
static unsigned seen[SCRIPTS], resumed, in_handshake, failed; /* over all seeds */

struct talk {
    rill_stream *stream;
    enum script script;
    unsigned number;
    size_t size, got;
};

static char octet_at(const struct talk *talk, size_t at)
{
    return (char)(talk->number * 11 + at * 7 + at / 251);
}

/* --- The server. --- */

static int echo(rill_stream *stream, void *arg)
{
    char octets[5000];
    (void)arg;
    int r = rill_stream_start_tls(stream, &(rill_tls_opts){ .context = server_context });
    if (r < 0)
        return r == -ECANCELED ? r : 0;
    while ((r = rill_stream_read(stream, octets, sizeof octets)) > 0) {
        r = rill_stream_write(stream, octets, (size_t)r, NULL);
        if (r < 0)
            break;
    }
    if (r < 0)
        rill_stream_abort(stream); /* our end would pass for that of the echo */
    return r == -ECANCELED ? r : 0;
}

/* --- A client. --- */

static int write_all(void *arg)
{
    char octets[9000];
    const struct talk *talk = arg;
    int r = 0;
    for (size_t at = 0; at < talk->size && r >= 0;) {
        size_t size = 1 + seeds_draw(sizeof octets);
        size = size < talk->size - at ? size : talk->size - at;
        for (size_t i = 0; i < size; i++)
            octets[i] = octet_at(talk, at + i);
        r = rill_stream_write(talk->stream, octets, size, NULL);
        at += size;
        if (r >= 0 && seeds_draw(4) == 0)
            r = rill_sleep(RILL_MS(seeds_draw(20)));
    }
    return r < 0 ? r : rill_stream_write_eof(talk->stream);
}

static int read_all(struct talk *talk)
{
    char octets[7000];
    size_t enough = talk->script == LEFT ? talk->size / 2 : SIZE_MAX;
    int r = 1;
    while (r > 0 && talk->got < enough) {
        r = rill_stream_read(talk->stream, octets, 1 + seeds_draw(sizeof octets - 1));
        for (int i = 0; i < r; i++)
            if (talk->got >= talk->size || octets[i] != octet_at(talk, talk->got++))
                return -EILSEQ;
    }
    if (r == 0 && talk->got != talk->size)
        return -EILSEQ; /* the end was told, and it was not */
    return r < 0 ? r : 0;
}

static int exchange(struct talk *talk) RILL_SUSPENDS;

static int exchange(struct talk *talk)
{
    rill_group group = { 0 };
    int r = rill_group_enter(&group);
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(write_all, talk));
    if (r == 0) {
        r = read_all(talk);
        if (r < 0 || talk->script == LEFT)
            rill_stream_abort(talk->stream);
        int left = rill_group_leave(&group, r);
        r = talk->script == LEFT && left != -ECANCELED ? r : left; /* who wrote was left, too */
    }
    rill_group_fini(&group);
    return r;
}

static void note_session(const rill_stream *stream)
{
    char told[256];
    rill_text text = { told, sizeof told, 0, false };
    rill_stream_tls_text(stream, &text);
    resumed += strstr(rill_text_end(&text), "resumed") != NULL;
}

static int open_and_talk(struct talk *talk) RILL_SUSPENDS;

static int open_and_talk(struct talk *talk)
{
    OWNED_STREAM rill_stream *stream = NULL;
    rill_tls_opts opts = { .context = client_context, .server_name = "example.org" };
    int r = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (r < 0)
        return r;
    r = rill_stream_start_tls(stream, &opts);
    in_handshake += r == -ECANCELED;
    if (r < 0)
        return r;
    note_session(stream);
    talk->stream = stream;
    r = exchange(talk);
    return r < 0 || talk->script == LEFT ? r : end_stream(&stream);
}

static int have_talk(unsigned number) RILL_SUSPENDS;

static int have_talk(unsigned number)
{
    struct talk talk = { .number = number,
                         .script = (enum script)seeds_draw(SCRIPTS),
                         .size = 1 + seeds_draw(most) };
    rill_scope scope = { 0 };
    bool gives_up = talk.script == GIVEN_UP;
    int r = rill_timeout(&scope, gives_up ? RILL_MS(seeds_draw(60)) : patience);
    if (r == 0)
        r = rill_scope_leave(&scope, open_and_talk(&talk));
    EXPECT(r != -EILSEQ);
    EXPECT(r != -EPROTO && r != -EKEYREJECTED);
    EXPECT(r != -ETIME || gives_up);
    if (!seeds_faults && !(gives_up && r == -ETIME))
        EXPECT_IS(r, 0);
    seen[talk.script] += r == (gives_up ? -ETIME : 0);
    failed += r < 0 && r != -ETIME;
    return 0;
}

static int be_client(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;
    int r = 0;
    for (unsigned i = 0; i < talks && r == 0; i++)
        r = have_talk(number * talks + i);
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

static void drop_contexts(void *arg)
{
    (void)arg;
    rill_tls_context_unref(client_context);
    rill_tls_context_unref(server_context);
    client_context = server_context = NULL;
}

static int talk_all(void *arg)
{
    rill_server *server;
    rill_task *tasks[clients];
    int r, tries_left = 1000;
    (void)arg;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    after_run(drop_contexts, NULL);
    EXPECT_IS(certs_client("ca", NULL, &client_context), 0);
    EXPECT_IS(certs_server("good", NULL, &server_context), 0);
    do
        r = rill_start_server("127.0.0.1", port, echo, NULL, NULL, &server);
    while (r < 0 && seeds_faults && --tries_left > 0);
    EXPECT_IS(r, 0);
    for (size_t i = 0; i < seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_client, (void *)(uintptr_t)i));
    for (size_t i = 0; i < seeds_load; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    rill_server_close(server);
    rill_server_abort_clients(server);
    r = rill_first_error(r, rill_server_wait_closed(server));
    rill_server_free(server);
    return r;
}

static void secure_echo_is_whole_or_cut_under_any_seed(void **unused)
{
    (void)unused;
    memset(seen, 0, sizeof seen);
    resumed = in_handshake = failed = 0;
    if (!seeds_try(&(struct seeds_story){
            .name = "talk_all", .tell = talk_all, .seeds = 60, .load = clients, .faults = true }))
        return;
    print_message(
        "%u used, %u left, %u given up, %u of them in the handshake; %u failed by faults; "
        "%u sessions resumed\n",
        seen[USED], seen[LEFT], seen[GIVEN_UP], in_handshake, failed, resumed);
    for (size_t i = 0; i < SCRIPTS; i++)
        assert_true(seen[i] > 0);
    assert_true(in_handshake > 0 && failed > 0 && resumed > 0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(secure_echo_is_whole_or_cut_under_any_seed),
};

int main(void)
{
    certs_make();
    return SEEDS_MAIN("sim_tls", scenarios);
}
