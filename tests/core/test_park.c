/* test_park.c - parked streams: no task while they wait, one fresh task when something comes.
 *
 * The other side is a plain descriptor, so that what comes and when is the test's choice. Limits are
 * compared by their order, never by the clock. */
#include "core/base/mem.h"
#include "core/io/stream.h"
#include "tests/support/expect.h"

#include <rill/timeout.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { crowd_size = 100 };

struct peer {
    rill_stream *stream; /* ours, and whose turn it is: NULL once it was closed */
    int far;
    char mark; /* noted when its coroutine begins */
    unsigned starts;
    size_t buffered; /* as the coroutine saw it */
    bool ended, cancelled, again;
    rill_future *done;
};

static struct peer peers[crowd_size];

static void drop_peers(int *mark)
{
    (void)mark;
    for (int i = 0; i < crowd_size; i++) {
        struct peer *peer = &peers[i];
        expect_drop_stream(&peer->stream);
        peer->stream = NULL;
        if (peer->far > 0)
            close(peer->far);
        peer->far = 0;
    }
}

/* Streams and descriptors go back when the scenario is left. */
#define OWNED_PEERS                                           \
    __attribute__((cleanup(drop_peers))) int peers_mark_ = 0; \
    (void)peers_mark_

static int make_peer(struct peer *peer, char mark)
{
    int fds[2], small = 4096;
    *peer = (struct peer){ .mark = mark };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    int r = rill_stream_new(fds[0], NULL, &peer->stream);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    peer->far = fds[1];
    return 0;
}

static int make_first(void)
{
    int r = make_peer(&peers[0], 'a');
    if (r < 0)
        return r;
    peers[0].done = kept(rill_future_new());
    return rill_done(peers[0].done) ? rill_result(peers[0].done) : 0;
}

static int send_far(const struct peer *peer, const char *text)
{
    ssize_t sent = send(peer->far, text, strlen(text), MSG_NOSIGNAL);
    return sent == (ssize_t)strlen(text) ? 0 : -EIO;
}

static void end_peer(struct peer *peer, int result)
{
    rill_stream *stream = peer->stream;
    peer->stream = NULL;
    expect_drop_stream(&stream);
    if (peer->done != NULL)
        (void)rill_future_set_result_unless_cancelled(peer->done, result, NULL);
}

/* What a woken task does: notes why, takes what is there, and leaves. */
static int wake(void *arg)
{
    struct peer *peer = arg;
    rill_span octets;
    trace(peer->mark);
    peer->starts++;
    peer->buffered = rill_stream_buffered(peer->stream);
    peer->ended = rill_stream_peer_ended(peer->stream);
    int r = rill_stream_peek(peer->stream, 0, &octets);
    if (r > 0)
        rill_stream_consume(peer->stream, octets.size);
    end_peer(peer, r);
    return 0;
}

/* Waits for it, but not for ever: without memory nothing starts. */
static int await_peer(const struct peer *peer)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_MS(1500));
    return r < 0 ? r : rill_scope_leave(&scope, rill_await(peer->done));
}

static size_t length(const struct list *list)
{
    size_t count = 0;
    list_for_each(node, list)
        count++;
    return count;
}

static size_t live_tasks(void)
{
    return length(&rill_get_running_loop()->tasks);
}

static size_t parked_streams(void)
{
    return length(&rill_get_running_loop()->parked);
}

static size_t stacks_used(void)
{
    return rill_get_running_loop()->stacks.classes[0].used;
}

/* --- What wakes it. --- */

static int octets_start_the_coroutine_in_a_fresh_task(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(live_tasks(), 1); /* this one */
    EXPECT_IS(stacks_used(), 1);
    EXPECT_IS(peers[0].starts, 0);
    EXPECT_IS(send_far(&peers[0], "abc"), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_IS(peers[0].starts, 1);
    EXPECT_IS(peers[0].buffered, 3);
    EXPECT(!peers[0].ended);
    return 0;
}

static int wait_for_octets(const rill_stream *stream)
{
    int r = 0;
    for (int turns = 0; r == 0 && rill_stream_buffered(stream) == 0; turns++)
        r = turns < 2000 ? rill_sleep(0) : -ENODATA;
    return r;
}

static int octets_that_came_before_parking_start_it_at_once(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(send_far(&peers[0], "abc"), 0);
    EXPECT_IS(wait_for_octets(peers[0].stream), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(peers[0].starts, 0); /* not inside the call */
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_IS(peers[0].starts, 1);
    EXPECT_IS(peers[0].buffered, 3);
    return 0;
}

static int end_of_the_stream_starts_it(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(shutdown(peers[0].far, SHUT_WR), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_IS(peers[0].buffered, 0);
    EXPECT(peers[0].ended);
    return 0;
}

static int stream_that_had_ended_before_parking_starts_it_at_once(void *arg)
{
    rill_span octets;
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(shutdown(peers[0].far, SHUT_WR), 0);
    EXPECT_IS(rill_stream_peek(peers[0].stream, 1, &octets), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT(peers[0].ended);
    return 0;
}

/* The limits pass in their order, whatever the order of parking; the one without never does. */
static int idle_limits_start_it_in_the_order_of_the_limits(void *arg)
{
    static const rill_time limits[] = { RILL_MS(15), RILL_FOREVER, RILL_MS(5), 0, RILL_MS(10) };
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    for (int i = 1; i < 5; i++)
        EXPECT_IS(make_peer(&peers[i], (char)('a' + i)), 0);
    for (int i = 0; i < 5; i++)
        EXPECT_IS(rill_stream_park(peers[i].stream, limits[i], RILL_CORO(wake, &peers[i])), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_TRACE("dcea");
    EXPECT_IS(peers[0].buffered, 0);
    EXPECT(!peers[0].ended);
    return 0;
}

/* Octets, the end and the limit in one turn: one task. */
static int everything_in_one_turn_starts_it_once(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, 0, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(send_far(&peers[0], "abc"), 0);
    EXPECT_IS(shutdown(peers[0].far, SHUT_WR), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(peers[0].starts, 1);
    return 0;
}

/* --- A conversation. --- */

static int answer_and_park(void *arg)
{
    struct peer *peer = arg;
    char in[16];
    peer->starts++;
    int r = rill_stream_read(peer->stream, in, sizeof in);
    if (r > 0)
        r = rill_stream_write(peer->stream, in, (size_t)r, NULL);
    if (r > 0 && peer->stream != NULL) /* else main has given up */
        r = rill_stream_park(peer->stream, RILL_FOREVER, RILL_CORO(answer_and_park, peer));
    else
        r = -EPIPE;
    if (r < 0)
        end_peer(peer, r);
    return 0;
}

static int receive_far(const struct peer *peer, const char *text)
{
    char in[16];
    for (int turns = 0; turns < 2000; turns++) {
        ssize_t got = recv(peer->far, in, sizeof in, MSG_DONTWAIT);
        if (got > 0)
            return got == (ssize_t)strlen(text) && memcmp(in, text, strlen(text)) == 0 ? 0 : -EIO;
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    return -ENODATA;
}

/* Answers are written in the turn of the parking: they go out all the same. */
static int each_message_has_a_task_of_its_own(void *arg)
{
    static const char *const texts[] = { "one", "two", "three" };
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(
        rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(answer_and_park, &peers[0])), 0);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_IS(send_far(&peers[0], texts[i]), 0);
        EXPECT_IS(receive_far(&peers[0], texts[i]), 0);
        EXPECT_IS(peers[0].starts, i + 1);
        EXPECT_IS(live_tasks(), 1);
    }
    EXPECT_IS(shutdown(peers[0].far, SHUT_WR), 0);
    EXPECT_IS(await_peer(&peers[0]), -EPIPE);
    return 0;
}

/* --- Memory. --- */

static size_t fill(struct peer *peer)
{
    static const char block[1024];
    size_t size = 0;
    while (size < 256 << 10) {
        char *room = rill_stream_room(peer->stream, sizeof block);
        if (room == NULL)
            break;
        memcpy(room, block, sizeof block);
        rill_stream_put(peer->stream, sizeof block);
        size += sizeof block;
    }
    return size;
}

/* The other side takes it late; then nothing of the writing half is left. */
static int what_is_unsent_goes_out_while_it_is_parked(void *arg)
{
    static char in[64 << 10];
    size_t got = 0;
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    size_t size = fill(&peers[0]);
    EXPECT(size > 4096);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT(peers[0].stream->out != NULL);
    for (int turns = 0; got < size && turns < 2000; turns++) {
        EXPECT_IS(rill_sleep(0), 0);
        ssize_t more = recv(peers[0].far, in, sizeof in, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
    }
    EXPECT_IS(got, size);
    for (int turns = 0; peers[0].stream->out != NULL && turns < 2000; turns++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(peers[0].stream->out == NULL);
    EXPECT_IS(peers[0].starts, 0);
    return 0;
}

static int parked_stream_has_one_block_of_memory(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    int64_t before = rill__mem_live();
    EXPECT_IS(make_first(), 0);
    EXPECT(rill_stream_room(peers[0].stream, 1) != NULL);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_SEC(60), RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(rill__mem_live() - before, 3); /* it, the future of the test, and a free send block */
    EXPECT(sizeof *peers[0].stream <= 320); /* of the 512 octets that an idle connection may have */
    return 0;
}

/* Nothing runs meanwhile but this task. */
static int many_are_parked_at_once_and_each_starts_once(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    for (int i = 0; i < crowd_size; i++) {
        EXPECT_IS(make_peer(&peers[i], 'x'), 0);
        EXPECT_IS(rill_stream_park(peers[i].stream, RILL_SEC(60), RILL_CORO(wake, &peers[i])), 0);
    }
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(live_tasks(), 1);
    EXPECT_IS(stacks_used(), 1);
    EXPECT_IS(parked_streams(), crowd_size);
    for (int i = 0; i < crowd_size; i++)
        EXPECT_IS(send_far(&peers[i], "abc"), 0);
    for (int turns = 0; parked_streams() > 0 && turns < 2000; turns++)
        EXPECT_IS(rill_sleep(0), 0);
    for (int i = 0; i < crowd_size; i++) {
        EXPECT_IS(peers[i].starts, 1);
        EXPECT_IS(peers[i].buffered, 3);
    }
    return 0;
}

static int start_without_memory_is_tried_again(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, 0, RILL_CORO(wake, &peers[0])), 0);
    rill__mem_fail_nth(1, true);
    for (int i = 0; i < 10; i++)
        EXPECT_IS(rill_sleep(0), 0);
    rill__mem_fail_nth(0, false);
    EXPECT_IS(peers[0].starts, 0);
    EXPECT_IS(send_far(&peers[0], "abc"), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_IS(peers[0].starts, 1);
    EXPECT_IS(peers[0].buffered, 3);
    return 0;
}

/* --- Whose it is. --- */

static int parking_again_replaces_limit_and_coroutine(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(make_peer(&peers[1], 'b'), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_SEC(60), RILL_CORO(wake, &peers[1])), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_MS(1), RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(await_peer(&peers[0]), 1);
    EXPECT_TRACE("a");
    return 0;
}

static int read_it(void *arg)
{
    char in[4];
    return rill_stream_read(((struct peer *)arg)->stream, in, sizeof in);
}

static int reading_and_parking_exclude_each_other(void *arg)
{
    char in[4];
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_it, &peers[0])));
    EXPECT_IS(rill_sleep(0), 0);
    int parked = rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0]));
    rill_cancel(reader, NULL);
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT_IS(parked, -EBUSY);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(rill_stream_read(peers[0].stream, in, sizeof in), -EBUSY);
    return 0;
}

static int others_may_write_to_a_parked_stream(void *arg)
{
    (void)arg;
    OWNED_PEERS;
    EXPECT_IS(make_first(), 0);
    EXPECT_IS(rill_stream_park(peers[0].stream, RILL_FOREVER, RILL_CORO(wake, &peers[0])), 0);
    EXPECT_IS(rill_stream_write(peers[0].stream, "ping", 4, NULL), 4);
    EXPECT_IS(receive_far(&peers[0], "ping"), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(peers[0].stream->out == NULL);
    EXPECT_IS(peers[0].starts, 0);
    return 0;
}

static int closed_and_aborted_ones_never_start(void *arg)
{
    char in[4];
    (void)arg;
    OWNED_PEERS;
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(make_peer(&peers[i], 'x'), 0);
        EXPECT_IS(send_far(&peers[i], "abc"), 0);
        EXPECT_IS(wait_for_octets(peers[i].stream), 0);
    }
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_stream_park(peers[i].stream, 0, RILL_CORO(wake, &peers[i])), 0);
    expect_drop_stream(&peers[0].stream);
    peers[0].stream = NULL;
    EXPECT_IS(end_stream(&peers[1].stream), 0);
    for (int i = 0; i < 10; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(peers[0].starts + peers[1].starts, 0);
    EXPECT(recv(peers[1].far, in, sizeof in, 0) <= 0); /* over unread octets: an end or a reset */
    return 0;
}

/* --- The end of the loop. --- */

static int wait_and_clean_up(void *arg)
{
    struct peer *peer = arg;
    rill_span octets;
    peer->starts++;
    int r = rill_stream_peek(peer->stream, 1, &octets);
    peer->cancelled = r == -ECANCELED;
    /* Nobody can wait for anything now. */
    peer->again = rill_stream_park(peer->stream, 0, RILL_CORO(wake, peer)) == 0;
    end_peer(peer, r);
    return r;
}

static int leave_some_parked(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int r = make_peer(&peers[i], 'x');
        if (r == 0)
            r = rill_stream_park(peers[i].stream, i % 2 == 0 ? RILL_FOREVER : RILL_SEC(60),
                                 RILL_CORO(wait_and_clean_up, &peers[i]));
        if (r < 0) {
            drop_peers(NULL);
            return r;
        }
    }
    return 0;
}

static void end_of_the_loop_starts_and_cancels_each_so_that_it_can_clean_up(void **state)
{
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(rill_run(RILL_CORO(leave_some_parked, NULL)), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(peers[i].starts, 1);
        assert_true(peers[i].cancelled);
        assert_false(peers[i].again);
        assert_null(peers[i].stream);
        close(peers[i].far);
        peers[i].far = 0;
    }
    struct footing after = footing_now();
    assert_int_equal(after.blocks, before.blocks);
    assert_int_equal(after.descriptors, before.descriptors);
}

/* It cannot be started, and there is no later: the stream is closed all the same. */
static void end_of_the_loop_without_memory_aborts_them(void **state)
{
    (void)state;
    rill_loop *loop;
    struct footing before = footing_now();
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(leave_some_parked, NULL)), 0);
    rill__mem_fail_nth(1, true);
    int r = rill_loop_close(loop);
    rill__mem_fail_nth(0, false);
    assert_int_equal(r, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(peers[i].starts, 0);
        peers[i].stream = NULL;
        close(peers[i].far);
        peers[i].far = 0;
    }
    struct footing after = footing_now();
    assert_int_equal(after.blocks, before.blocks);
    assert_int_equal(after.descriptors, before.descriptors);
}

static const struct scenario scenarios[] = {
    SCENARIO(octets_start_the_coroutine_in_a_fresh_task),
    SCENARIO(octets_that_came_before_parking_start_it_at_once),
    SCENARIO(end_of_the_stream_starts_it),
    SCENARIO(stream_that_had_ended_before_parking_starts_it_at_once),
    SCENARIO(idle_limits_start_it_in_the_order_of_the_limits),
    SCENARIO(everything_in_one_turn_starts_it_once),
    SCENARIO(each_message_has_a_task_of_its_own),
    SCENARIO(what_is_unsent_goes_out_while_it_is_parked),
    SCENARIO_ONCE(parked_stream_has_one_block_of_memory),
    SCENARIO_ONCE(many_are_parked_at_once_and_each_starts_once),
    SCENARIO_ONCE(start_without_memory_is_tried_again),
    SCENARIO(parking_again_replaces_limit_and_coroutine),
    SCENARIO(reading_and_parking_exclude_each_other),
    SCENARIO(others_may_write_to_a_parked_stream),
    SCENARIO(closed_and_aborted_ones_never_start),
    OUTSIDE(end_of_the_loop_starts_and_cancels_each_so_that_it_can_clean_up),
    OUTSIDE(end_of_the_loop_without_memory_aborts_them),
};

int main(void)
{
    return RUN_SCENARIOS("park", scenarios);
}
