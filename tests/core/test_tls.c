/* test_tls.c - streams that speak TLS: octets arrive in order, ends are told from cuts, nothing wakes in vain. */
#include "core/io/io.h"
#include "tests/support/secure.h"

#include <rill/file.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int read_all(rill_stream *stream, size_t size)
{
    while (arrived_size < size) {
        int r = rill_stream_read(stream, arrived + arrived_size, sizeof arrived - arrived_size);
        if (r <= 0)
            return r < 0 ? r : -ENODATA;
        arrived_size += (size_t)r;
    }
    return 0;
}

/* Wait until `size` octets are there. */
static int wait_for(const rill_stream *stream, size_t size)
{
    for (int turns = 0; rill_stream_buffered(stream) < size; turns++) {
        int r = turns < 10000 ? rill_sleep(RILL_MS(1)) : -ETIME;
        if (r < 0 || rill_stream_peer_ended(stream))
            return r < 0 ? r : -ENODATA;
    }
    return 0;
}

/* --- The handshake. --- */

static int handshake_makes_both_ends_speak_tls(void *arg)
{
    char in[8], told[256];
    rill_text text = { told, sizeof told, 0, false };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT(!rill_stream_is_tls(left));
    drop_pair(NULL);
    EXPECT_IS(make_secure(), 0);
    EXPECT(rill_stream_is_tls(left) && rill_stream_is_tls(right));
    EXPECT_IS(rill_stream_alpn(left).size, 0);
    EXPECT_IS(say(left, "hello"), 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, NULL), 0);
    EXPECT(memcmp(in, "hello", 5) == 0);
    EXPECT_IS(say(right, "welcome"), 0);
    EXPECT_IS(rill_stream_read_exactly(left, in, 7, NULL), 0);
    EXPECT(memcmp(in, "welcome", 7) == 0);
    rill_stream_tls_text(left, &text);
    EXPECT(strcmp(rill_text_end(&text),
                  "TLSv1.3, TLS_AES_128_GCM_SHA256, new session, peer CN=good") == 0);
    return 0;
}

/* What nobody read before the handshake is a part of it: octets that are no TLS end it. */
static int octets_before_the_handshake_never_reach_a_reader(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(rill_stream_write(right, "injected octets", 15, NULL), 15);
    EXPECT_IS(wait_for(left, 15), 0);
    rill_tls_opts opts = { .context = client, .server_name = "example.org" };
    EXPECT_IS(rill_stream_start_tls(left, &opts), -EPROTO);
    EXPECT(says(rill_last_error(), "TLS with example.org: wrong version number"));
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -EPROTO);
    EXPECT_IS(rill_stream_buffered(left), 0);
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -EPROTO);
    return 0;
}

static int start_left(void *arg)
{
    rill_tls_opts opts = { .context = arg, .server_name = "example.org" };
    int r = rill_stream_start_tls(left, &opts);
    if (r < 0 && r != -EBADF)
        rill_stream_close(left);
    return r;
}

/* Its words lie there when the server begins; what was written before TLS goes out as it is. */
static int handshake_takes_what_came_before_it_began(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL, *server = NULL;
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(certs_server("good", NULL, &server), 0);
    EXPECT_IS(make_streams(NULL), 0);
    EXPECT_IS(rill_stream_write(left, "STARTTLS", 8, NULL), 8);
    rill_task *starting = kept(rill_create_task(RILL_CORO(start_left, client)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &starting), 0); /* else its words never come */
    EXPECT_IS(rill_stream_read_exactly(right, in, 8, NULL), 0);
    EXPECT(memcmp(in, "STARTTLS", 8) == 0);
    EXPECT_IS(wait_for(right, 200), 0);
    EXPECT_IS(rill_stream_start_tls(right, &(rill_tls_opts){ .context = server }), 0);
    EXPECT_IS(rill_await(starting), 0);
    return 0;
}

/* `left` waits in a handshake with a silent server. */
static int start_alone(rill_tls_context *client, rill_task **ret_starting)
{
    int r = make_streams(NULL);
    if (r < 0)
        return r;
    *ret_starting = kept(rill_create_task(RILL_CORO(start_left, client)));
    r = rill_sleep(0);
    if (r == 0)
        r = all_begun(1, ret_starting);
    return r < 0 ? r : rill_sleep(0);
}

static int read_of_another_task_and_a_parked_stream_are_busy(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    (void)arg;
    rill_task *starting;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(start_alone(client, &starting), 0);
    char in[8];
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -EBUSY);
    EXPECT_IS(rill_stream_park(left, RILL_FOREVER, RILL_CORO(sleep_for_ever, NULL)), -EBUSY);
    EXPECT_IS(rill_stream_try_write(left, "x", 1), -EAGAIN);
    EXPECT(!rill_stream_is_tls(left));
    EXPECT(rill_cancel(starting, NULL));
    EXPECT_IS(rill_await(starting), -ECANCELED);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -ECONNABORTED);
    EXPECT_IS(rill_stream_try_write(left, "x", 1), -ECONNABORTED);
    EXPECT(!rill_stream_is_tls(left));
    return 0;
}

static int close_ends_a_handshake(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    (void)arg;
    rill_task *starting;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(start_alone(client, &starting), 0);
    rill_stream_close(left);
    EXPECT_IS(rill_await(starting), -EBADF);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    return 0;
}

static int end_in_the_handshake_is_a_reset(void *arg)
{
    OWNED_CONTEXT rill_tls_context *client = NULL;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(certs_client("ca", NULL, &client), 0);
    EXPECT_IS(make_streams(NULL), 0);
    rill_stream_close(right);
    rill_tls_opts opts = { .context = client, .server_name = "example.org" };
    int r = rill_stream_start_tls(left, &opts);
    EXPECT(r == -ECONNRESET || r == -EPIPE);
    return 0;
}

/* --- Octets. --- */

static size_t write_size;

static int write_pattern(void *arg)
{
    size_t size = *(const size_t *)arg;
    for (size_t at = 0; at < mib;) {
        size_t piece = mib - at < size ? mib - at : size;
        int r = rill_stream_write(left, pattern + at, piece, NULL);
        if (r < 0)
            return r;
        at += piece;
    }
    return rill_stream_write_eof(left);
}

static int read_pattern(rill_group *group)
{
    int r = rill_group_go(group, RILL_CORO(write_pattern, &write_size));
    if (r == 0)
        r = read_all(right, mib);
    return r;
}

static int transfer(size_t size)
{
    char in[1];
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    write_size = size;
    EXPECT_IS(in_group(read_pattern), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_read(right, in, 1), 0);
    EXPECT(rill_stream_at_eof(right));
    return 0;
}

static int large_writes_arrive_in_order(void *arg)
{
    (void)arg;
    return transfer(mib);
}

static int writes_of_odd_sizes_arrive_in_order(void *arg)
{
    static const size_t sizes[] = { 333, 4097, 16384, 16385, 70001 };
    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int r = transfer(sizes[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int octet_by_octet_arrives_in_order(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    for (int i = 0; i < 100; i++) {
        EXPECT_IS(rill_stream_write(left, pattern + i, 1, NULL), 1);
        EXPECT_IS(rill_stream_drain(left), 0);
        EXPECT_IS(read_all(right, (size_t)i + 1), 0);
    }
    EXPECT(arrived_in_order());
    return 0;
}

/* Pieces, room in place, and tries: all calls that write. */
static int every_way_to_write_is_sealed(void *arg)
{
    struct iovec pieces[] = { { pattern, 10 }, { pattern + 10, 0 }, { pattern + 10, 9990 } };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(rill_stream_writev(left, pieces, 3, NULL), 10000);
    EXPECT_IS(rill_stream_drain(left), 0);
    char *room = rill_stream_room(left, 100);
    EXPECT(room != NULL);
    memcpy(room, pattern + 10000, 100);
    rill_stream_put(left, 100);
    EXPECT_IS(rill_stream_try_write(left, pattern + 10100, 10000), 10000);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(read_all(right, 20100), 0);
    EXPECT(arrived_in_order());
    EXPECT(rill_stream_delivered(left) > 20100);
    return 0;
}

static int send_file(void *arg)
{
    uint64_t sent = 0;
    (void)arg;
    int r = rill_stream_write(left, pattern, 100, NULL);
    if (r >= 0)
        r = rill_stream_sendfile(left, file_fd, 100, mib - 100, &sent);
    if (r == 0)
        r = rill_stream_sendfile(left, file_fd, mib - 10, 20, &sent);
    trace(r == -ENODATA && sent == 10 ? 'f' : 'e');
    if (r != -ENODATA)
        rill_stream_abort(left); /* nobody is to wait for the rest */
    return r == -ENODATA ? 0 : r;
}

static int take_file(rill_group *group)
{
    int r = rill_group_go(group, RILL_CORO(send_file, NULL));
    return r < 0 ? r : read_all(right, mib + 10);
}

static int file_is_sent_behind_what_was_written(void *arg)
{
    (void)arg;
    OWNED_FILE;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(make_file(mib), 0);
    EXPECT_IS(in_group(take_file), 0);
    EXPECT_TRACE("f");
    EXPECT(memcmp(arrived, pattern, mib) == 0);
    return 0;
}

static int write_or_abort(void *arg)
{
    int r = write_one_mib(arg);
    if (r < 0 && (r != -ECANCELED || taken_by_writer == 0))
        rill_stream_abort(left);
    return r;
}

/* The octets that `taken` counts arrive, and no others. */
static int cancelled_write_has_sent_what_it_says(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    taken_by_writer = 0;
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_or_abort, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &writer), 0);
    EXPECT_IS(read_all(right, 1000), 0);
    EXPECT(rill_cancel(writer, NULL));
    int r = rill_await(writer);
    EXPECT(r == -ECANCELED || r == mib);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(read_all(right, taken_by_writer), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_read(right, in, 1), 0);
    return 0;
}

/* Receiving pauses a record above the limit, and goes on when the reader does. */
static int reader_that_lags_holds_the_sender_up(void *arg)
{
    enum { limit = 4096 };

    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure_with(&(rill_stream_opts){ .read_limit = limit }), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_one_mib, NULL)));
    for (int i = 0; i < 50; i++)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(!rill_done(writer));
    EXPECT(rill_stream_buffered(right) >= limit);
    EXPECT(rill_stream_buffered(right) <= limit + (512 << 10)); /* as without TLS */
    EXPECT_IS(read_all(right, mib), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_await(writer), mib);
    return 0;
}

static int lines_and_peeks_work_on_plaintext(void *arg)
{
    rill_span octets;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(say(left, "one\ntwo"), 0);
    EXPECT_IS(rill_stream_read_line(right, &octets), 4);
    EXPECT(memcmp(octets.at, "one\n", 4) == 0);
    EXPECT_IS(rill_stream_peek(right, 3, &octets), 1);
    EXPECT(octets.size == 3 && memcmp(octets.at, "two", 3) == 0);
    rill_stream_consume(right, 3);
    EXPECT_IS(rill_stream_peek(right, 0, &octets), 1);
    EXPECT_IS(octets.size, 0);
    return 0;
}

/* --- Ends. --- */

static int half_close_lets_the_answer_through(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(say(left, "question"), 0);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_write_eof(left), 0); /* once more changes nothing */
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -EPIPE);
    EXPECT_IS(rill_stream_read_exactly(right, in, 8, NULL), 0);
    EXPECT_IS(rill_stream_read(right, in, 8), 0);
    EXPECT(rill_stream_at_eof(right));
    EXPECT_IS(say(right, "answer"), 0);
    rill_stream_close(right);
    EXPECT_IS(rill_stream_read_exactly(left, in, 6, NULL), 0);
    EXPECT_IS(rill_stream_read(left, in, 8), 0);
    EXPECT(rill_stream_at_eof(left));
    return 0;
}

static int close_sends_what_was_written_and_the_end(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, 100000), 100000);
    rill_stream_close(left);
    EXPECT_IS(read_all(right, 100000), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_read(right, in, 1), 0);
    EXPECT(rill_stream_at_eof(right));
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    return 0;
}

static int idle_stream_closes_with_the_end(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    EXPECT_IS(end_stream(&left), 0);
    EXPECT_IS(rill_stream_read(right, in, 1), 0);
    EXPECT(rill_stream_at_eof(right));
    return 0;
}

/* The socket ends and nobody said that nothing more comes: somebody on the way may have cut it. */
static int end_without_notice_is_a_cut(void *arg)
{
    char in[8];
    rill_span octets;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(say(left, "hello"), 0);
    EXPECT_IS(rill_stream_drain(left), 0);
    struct rill__op cut = { .kind = RILL__OP_SHUTDOWN,
                            .fd = rill_stream_fd(left),
                            .flags = SHUT_WR };
    EXPECT_IS(rill__io_now(&cut), 0);
    EXPECT_IS(rill_stream_peek(right, 1, &octets), 1);
    EXPECT_IS(octets.size, 5);
    rill_stream_consume(right, 5);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), -ECONNRESET);
    EXPECT(!rill_stream_at_eof(right) && rill_stream_peer_ended(right));
    return 0;
}

static int close_waits_for_a_peer_that_does_not_read(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure_with(&(rill_stream_opts){ .read_limit = 4096 }), 0);
    EXPECT_IS(rill_stream_set_limits(left, mib, 0), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, mib), mib);
    rill_stream_close(left);
    for (int i = 0; i < 20; i++)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(rill_stream_fd(left) >= 0); /* not yet */
    EXPECT_IS(read_all(right, mib), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_read(right, in, 1), 0);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    return 0;
}

static int abort_drops_what_is_unsent(void *arg)
{
    char in[1];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure_with(&(rill_stream_opts){ .read_limit = 4096 }), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, mib), mib);
    rill_stream_abort(left);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    int r;
    while ((r = rill_stream_read(right, in, 1)) > 0)
        ;
    EXPECT_IS(r, -ECONNRESET);
    return 0;
}

/* --- Parked. --- */

static int wake_up(void *arg)
{
    (void)arg;
    trace(rill_stream_buffered(left) > 0 ? 'o' : rill_stream_peer_ended(left) ? 'e' : 'l');
    return 0;
}

/* The server's tickets come behind the handshake: messages of TLS are no octets. */
static int parked_stream_is_woken_by_octets_alone(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(rill_stream_park(left, RILL_FOREVER, RILL_CORO(wake_up, NULL)), 0);
    EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
    EXPECT_TRACE("");
    EXPECT_IS(say(right, "x"), 0);
    EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
    EXPECT_TRACE("o");
    return 0;
}

static int parked_stream_is_woken_by_the_end(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_secure(), 0);
    EXPECT_IS(rill_stream_park(left, RILL_FOREVER, RILL_CORO(wake_up, NULL)), 0);
    EXPECT_IS(rill_stream_write_eof(right), 0);
    EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
    EXPECT_TRACE("e");
    return 0;
}

int main(void)
{
    certs_make();
    const struct scenario scenarios[] = {
        SCENARIO(handshake_makes_both_ends_speak_tls),
        SCENARIO(octets_before_the_handshake_never_reach_a_reader),
        SCENARIO(handshake_takes_what_came_before_it_began),
        SCENARIO(read_of_another_task_and_a_parked_stream_are_busy),
        SCENARIO(close_ends_a_handshake),
        SCENARIO(end_in_the_handshake_is_a_reset),
        SCENARIO_ONCE(large_writes_arrive_in_order),
        SCENARIO_ONCE(writes_of_odd_sizes_arrive_in_order),
        SCENARIO_ONCE(octet_by_octet_arrives_in_order),
        SCENARIO(every_way_to_write_is_sealed),
        SCENARIO(file_is_sent_behind_what_was_written),
        SCENARIO(cancelled_write_has_sent_what_it_says),
        SCENARIO_ONCE(reader_that_lags_holds_the_sender_up),
        SCENARIO(lines_and_peeks_work_on_plaintext),
        SCENARIO(half_close_lets_the_answer_through),
        SCENARIO(close_sends_what_was_written_and_the_end),
        SCENARIO(idle_stream_closes_with_the_end),
        SCENARIO(end_without_notice_is_a_cut),
        SCENARIO(close_waits_for_a_peer_that_does_not_read),
        SCENARIO(abort_drops_what_is_unsent),
        SCENARIO(parked_stream_is_woken_by_octets_alone),
        SCENARIO(parked_stream_is_woken_by_the_end),
    };
    return RUN_SCENARIOS("tls", scenarios);
}
