/* sim_streams.c - clients and a server that sends everything back, under resets, short sends and cancels.
 *
 * Each client sends octets of its own and reads them back, while others do the same, and main cancels some
 * of them. Whatever the network does: what comes back is a beginning of what was sent. Without faults a
 * client that nobody cancelled gets all of it. Nothing leaks, no descriptor is closed for somebody else, and
 * nobody waits for ever. */
#include "tests/support/seeds.h"

#include <rill/file.h>
#include <rill/stream.h>
#include <rill/timeout.h>

#include <fcntl.h>

enum {
    seeds = 300,
    clients = 10,
    size_most = 40 << 10,
    port = 80,
    file_size = 20000,
    crowd_size = 60,
    buffers = 16
};

static const rill_time faults_span = RILL_MS(50), patience = RILL_SEC(10);

struct client {
    rill_task *task;
    rill_stream *stream;
    size_t size, got;
    bool cancelled, whole;
};

static struct client known[clients];
static unsigned wrong, whole, echoed, stale_hits, late_calls;

static char octet_of(const struct client *client, size_t at)
{
    return (char)(at * 31 + (at >> 8) + (size_t)(client - known) * 101);
}

/* --- The server. --- */

static int send_back(rill_stream *stream, void *arg)
{
    char part[3000];
    (void)arg;
    int r = 1;
    while (r > 0) {
        r = rill_stream_read(stream, part, 1 + seeds_draw(sizeof part));
        if (r > 0)
            r = rill_stream_write(stream, part, (size_t)r, NULL);
    }
    return 0; /* a connection that breaks is the client's to notice */
}

/* --- A client. --- */

static int send_all(void *arg)
{
    struct client *client = arg;
    char part[5000];
    for (size_t at = 0; at < client->size;) {
        size_t size = 1 + seeds_draw(sizeof part), left = client->size - at;
        size = size < left ? size : left;
        for (size_t i = 0; i < size; i++)
            part[i] = octet_of(client, at + i);
        int r = rill_stream_write(client->stream, part, size, NULL);
        if (r < 0)
            return r;
        at += size;
    }
    return rill_stream_write_eof(client->stream);
}

static int read_back(struct client *client)
{
    char in[4000];
    int r = 1;
    while (r > 0) {
        r = rill_stream_read(client->stream, in, 1 + seeds_draw(sizeof in));
        for (int i = 0; i < r; i++)
            wrong += in[i] != octet_of(client, client->got++);
    }
    return r;
}

static int talk(struct client *client)
{
    int r = rill_open_connection("127.0.0.1", port, NULL, &client->stream);
    if (r < 0)
        return r;
    rill_task *writer = rill_create_task(RILL_CORO(send_all, client));
    r = read_back(client);
    if (r < 0)
        rill_cancel(writer, NULL);
    int sent = rill_await(writer);
    while (!rill_done(writer)) /* cancelled again: it still uses the stream */
        sent = rill_await(writer);
    (void)rill_result(writer);
    rill_unref(writer);
    client->whole = r == 0 && sent >= 0 && client->got == client->size;
    whole += client->whole;
    if (r < 0 || seeds_draw(2) == 0) /* a close would wait for a peer that waits for us to read */
        rill_stream_abort(client->stream);
    else
        rill_stream_close(client->stream);
    int slept = seeds_draw(2) == 0 ? rill_sleep(RILL_US(seeds_draw(300)))
                                   : 0; /* its number goes to another */
    rill_stream_unref(client->stream);
    return rill_first_error(rill_first_error(r, sent), slept);
}

/* Two connections, one after the other. */
static int be_client(void *arg)
{
    struct client *client = arg;
    int r = talk(client);
    if (r < 0)
        return r;
    client->got = 0;
    return talk(client);
}

/* --- Calls whose handles have become stale. --- */

static void note_call(void *arg)
{
    ++*(unsigned *)arg;
}

static int ask_for_calls(void)
{
    static unsigned first, second;
    rill_loop *loop = rill_get_running_loop();
    first = second = 0;
    rill_handle stale = rill_call_soon(loop, note_call, &first);
    int r = rill_sleep(RILL_US(1));
    if (r < 0 || first != 1)
        return r;
    (void)rill_call_later(loop, RILL_US(5), note_call, &second); /* in the same place, perhaps */
    stale_hits += rill_handle_cancel(stale);
    r = rill_sleep(RILL_MS(1));
    late_calls += r == 0 && second != 1;
    return r;
}

/* --- The story. --- */

static int start(rill_connection_fn *handler, const rill_server_opts *opts,
                 rill_server **ret_server)
{
    int r = -EAGAIN;
    for (int tries = 0; r < 0 && tries < 1000; tries++)
        r = rill_start_server("127.0.0.1", port, handler, NULL, opts, ret_server);
    return r;
}

static void swallow(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int cancel_some(void)
{
    for (int i = 0; i < 4; i++) {
        int r = rill_sleep(RILL_US(seeds_draw(2000)));
        if (r < 0)
            return r;
        struct client *client = &known[seeds_draw(seeds_load)];
        if (seeds_draw(3) == 0 && rill_cancel(client->task, NULL))
            client->cancelled = true;
    }
    return 0;
}

static int tell_story(void *arg)
{
    rill_server *server;
    (void)arg;
    memset(known, 0, sizeof known);
    wrong = whole = stale_hits = late_calls = 0;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(start(send_back, NULL, &server), 0);
    for (int i = 0; i < (int)seeds_load; i++) {
        known[i].size = seeds_draw(size_most);
        known[i].task = rill_create_task(RILL_CORO(be_client, &known[i]));
    }
    EXPECT_IS(cancel_some(), 0);
    EXPECT_IS(ask_for_calls(), 0);
    for (int i = 0; i < (int)seeds_load; i++) {
        int r = rill_join(known[i].task);
        EXPECT(seeds_faults || known[i].cancelled || (r >= 0 && known[i].whole));
    }
    rill_server_close(server);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    rill_server_free(server);
    echoed += whole;
    EXPECT_IS(wrong, 0);
    EXPECT_IS(stale_hits, 0);
    EXPECT_IS(late_calls, 0);
    return 0;
}

/* --- Files. --- */

static int write_whole(int fd, const char *from, size_t size)
{
    for (size_t at = 0; at < size;) {
        int r = rill_file_write(fd, from + at, size - at, at);
        if (r < 0 && r != -EINTR)
            return r;
        at += r > 0 ? (size_t)r : 0;
    }
    return 0;
}

static int read_whole(int fd, char *to, size_t size)
{
    size_t at = 0;
    for (int r = 1; at < size && r != 0;) {
        r = rill_file_read(fd, to + at, size - at, at);
        if (r < 0 && r != -EINTR)
            return r;
        at += r > 0 ? (size_t)r : 0;
    }
    return at == size ? 0 : -ENODATA;
}

/* Reads that a deadline cuts short: once they have returned, nobody writes into their memory any more. */
static int read_in_a_hurry(int fd)
{
    char part[512], untouched[sizeof part];
    memset(untouched, 'u', sizeof untouched);
    for (int i = 0; i < 10; i++) {
        rill_scope hurry = { 0 };
        int r = rill_timeout(&hurry, RILL_US(seeds_draw(60)));
        if (r < 0)
            return r;
        (void)rill_scope_leave(&hurry, rill_file_read(fd, part, sizeof part, 0));
        memset(part, 'u', sizeof part);
        r = rill_sleep(RILL_US(100));
        if (r < 0)
            return r;
        wrong += memcmp(part, untouched, sizeof part) != 0;
    }
    return 0;
}

static int keep_a_file(void *arg)
{
    static char written[file_size], got[file_size];
    size_t size = seeds_load;
    (void)arg;
    wrong = 0;
    for (size_t i = 0; i < size; i++)
        written[i] = (char)seeds_draw(256);
    rill_scope hurry = { 0 };
    EXPECT_IS(rill_timeout(&hurry, RILL_US(seeds_draw(100))), 0);
    int fd = rill_file_open("/tmp", O_TMPFILE | O_RDWR, 0600);
    (void)rill_scope_leave(&hurry, fd); /* a descriptor that came all the same is ours */
    EXPECT(seeds_faults || fd >= 0 || fd == -ECANCELED);
    if (fd < 0)
        return 0;
    int r = write_whole(fd, written, size);
    if (r == 0)
        r = read_whole(fd, got, size);
    EXPECT(seeds_faults || r == 0);
    EXPECT(r < 0 || memcmp(written, got, size) == 0);
    EXPECT_IS(read_in_a_hurry(fd), 0);
    EXPECT_IS(wrong, 0);
    EXPECT_IS(rill_file_close(fd), 0);
    return 0;
}

/* --- More clients at once than the queue takes. --- */

static unsigned greeted, refused;

static int greet(rill_stream *stream, void *arg)
{
    (void)arg;
    return rill_stream_write(stream, "!", 1, NULL);
}

static int be_greeted(void *arg)
{
    rill_stream *stream;
    char in = 0;
    (void)arg;
    int r = rill_open_connection("127.0.0.1", port, NULL, &stream);
    if (r < 0) {
        refused++;
        return r;
    }
    r = rill_stream_read(stream, &in, 1);
    greeted += r == 1 && in == '!';
    rill_stream_unref(stream);
    return r;
}

static int crowd(void *arg)
{
    static const rill_server_opts narrow = { .backlog = 3 };
    static rill_task *tasks[crowd_size];
    rill_server *server;
    (void)arg;
    greeted = refused = 0;
    if (seeds_faults)
        rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    EXPECT_IS(start(greet, &narrow, &server), 0);
    for (int i = 0; i < (int)seeds_load; i++)
        tasks[i] = rill_create_task(RILL_CORO(be_greeted, NULL));
    for (int i = 0; i < (int)seeds_load; i++) {
        int r = rill_join(tasks[i]);
        EXPECT(seeds_faults || r == 1);
    }
    EXPECT(seeds_faults || (greeted == seeds_load && refused == 0));
    rill_server_close(server);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    rill_server_free(server);
    return 0;
}

/* --- Liveness: once the faults have stopped, all comes to its end. --- */

static rill_time latest; /* after the faults' end */
static bool given_up;

/* Again and again, whatever fails and whoever cancels, until all has come back. */
static int persist(void *arg)
{
    struct client *client = arg;
    while (!client->whole && !given_up) {
        client->got = 0;
        (void)talk(client);
        while (rill_cancelling(rill_current_task()) > 0)
            rill_uncancel(rill_current_task());
        if (rill_sleep(RILL_MS(1)) < 0)
            rill_uncancel(rill_current_task());
    }
    return 0;
}

static int outlive_the_faults(void *arg)
{
    static rill_task *tasks[clients], *out[clients + 1];
    rill_server *server;
    (void)arg;
    memset(known, 0, sizeof known);
    wrong = whole = 0;
    given_up = false;
    rill_loop_set_error_handler(rill_get_running_loop(), swallow, NULL);
    rill_time end = rill_now() + faults_span;
    EXPECT_IS(start(send_back, NULL, &server), 0);
    for (int i = 0; i < (int)seeds_load; i++) {
        known[i].size = seeds_draw(size_most);
        known[i].task = tasks[i] = kept(rill_create_task(RILL_CORO(persist, &known[i])));
    }
    int turns = 2;
    EXPECT_IS(give_up_turns(&turns), 0); /* who is cancelled before it begins does nothing */
    EXPECT_IS(cancel_some(), 0);
    int ended = rill_wait(seeds_load, tasks, RILL_ALL_COMPLETED, faults_span + patience, out);
    given_up = true; /* nobody may hold up the loop's end */
    EXPECT_IS(ended, seeds_load);
    for (int i = 0; i < (int)seeds_load; i++)
        EXPECT(known[i].whole);
    rill_server_close(server);
    EXPECT_IS(rill_server_wait_closed(server), 0);
    rill_server_free(server);
    EXPECT_IS(wrong, 0);
    rill_time late = rill_now() - end;
    EXPECT(late <= patience);
    latest = late > latest ? late : latest;
    return 0;
}

/* --- Many seeds. --- */

static void octets_come_back_as_they_were_sent_under_any_seed(void **unused)
{
    (void)unused;
    echoed = 0;
    (void)seeds_try(&(struct seeds_story){ .name = "tell_story",
                                           .tell = tell_story,
                                           .seeds = seeds,
                                           .load = clients,
                                           .faults = true,
                                           .recv_buffers = buffers });
    print_message("%u whole echoes\n", echoed);
}

static void everybody_in_a_crowd_is_served_under_any_seed(void **unused)
{
    (void)unused;
    (void)seeds_try(&(struct seeds_story){ .name = "crowd",
                                           .tell = crowd,
                                           .seeds = seeds,
                                           .load = crowd_size,
                                           .faults = true,
                                           .recv_buffers = buffers });
}

static void file_keeps_what_was_written_under_any_seed(void **unused)
{
    (void)unused;
    (void)seeds_try(&(struct seeds_story){ .name = "keep_a_file",
                                           .tell = keep_a_file,
                                           .seeds = seeds,
                                           .load = file_size,
                                           .faults = true,
                                           .recv_buffers = buffers });
}

static void all_work_ends_soon_after_the_faults_under_any_seed(void **unused)
{
    (void)unused;
    latest = 0;
    (void)seeds_try(&(struct seeds_story){ .name = "outlive_the_faults",
                                           .tell = outlive_the_faults,
                                           .seeds = seeds,
                                           .load = clients,
                                           .faults_end = faults_span,
                                           .recv_buffers = buffers });
    print_message("at most %lld ms after the faults\n", (long long)(latest / RILL_MS(1)));
}

static const struct scenario scenarios[] = {
    OUTSIDE(octets_come_back_as_they_were_sent_under_any_seed),
    OUTSIDE(everybody_in_a_crowd_is_served_under_any_seed),
    OUTSIDE(file_keeps_what_was_written_under_any_seed),
    OUTSIDE(all_work_ends_soon_after_the_faults_under_any_seed),
};

int main(void)
{
    return SEEDS_MAIN("sim_streams", scenarios);
}
