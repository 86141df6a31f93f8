/* test_stream_write.c - writing to streams: in order, whole, bounded, and told how far it came. */
#include "tests/support/pair.h"

#include <rill/group.h>

#include <sys/uio.h>
#include <unistd.h>

/* --- Writing. --- */

static int writer_waits_while_the_peer_does_not_read(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_one_mib, NULL)));
    static int turns = 20;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(!rill_done(writer));
    EXPECT_IS(take_far_until(mib), 0);
    EXPECT_IS(rill_await(writer), mib);
    EXPECT_IS(taken_by_writer, mib);
    EXPECT(arrived_in_order());
    return 0;
}

static int small_writes_for_ever(void *arg)
{
    size_t *written = arg;
    for (;;) {
        size_t taken = 0;
        int r = rill_stream_write(left, pattern + *written, 1000, &taken);
        *written += taken;
        if (r < 0)
            return r;
    }
}

/* The stream's own buffer is 16 KiB; what more there is lies in the socket. */
static int small_writes_wait_when_the_buffer_is_full(void *arg)
{
    static size_t written;
    (void)arg;
    OWNED_PAIR;
    written = 0;
    EXPECT_IS(make_far(), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(small_writes_for_ever, &written)));
    static int turns = 200;
    EXPECT_IS(give_up_turns(&turns), 0);
    size_t before = written;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_IS(written, before);
    size_t in_socket = take_far();
    EXPECT(before - in_socket <= 16 << 10);
    rill_cancel(writer, NULL);
    EXPECT_IS(rill_await(writer), -ECANCELED);
    EXPECT_IS(take_far_until(written), 0);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(take_far(), 0);
    EXPECT_IS(arrived_size, written);
    EXPECT(arrived_in_order());
    return 0;
}

/* Nobody else completes anything: what is awaited must wake the loop by itself. */
static int awaited_send_ends_though_nothing_else_happens(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(rill_stream_write(left, pattern + 100, 5000, NULL), 5000);
    EXPECT_IS(rill_stream_write(left, pattern + 5100, 10, NULL), 10);
    EXPECT_IS(end_stream(&left), 0);
    EXPECT_IS(rill_sleep(0), 0);
    take_far();
    EXPECT_IS(arrived_size, 5110);
    EXPECT(arrived_in_order());
    return 0;
}

static int take_7100(void *arg)
{
    (void)arg;
    return take_far_until(7100);
}

static int large_write_follows_what_is_buffered(void *arg)
{
    size_t taken = 0;
    struct iovec pieces[17] = { { pattern + 100, 5000 }, { pattern, 0 }, { pattern + 5100, 2000 } };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    char *room = rill_stream_room(left, 10);
    EXPECT(room != NULL);
    memset(room, '!', 10); /* not put: it does not count */
    rill_task *taker = kept(rill_create_task(RILL_CORO(take_7100, NULL)));
    EXPECT_IS(rill_stream_writev(left, pieces, 3, &taken), 7000);
    EXPECT_IS(taken, 7000);
    EXPECT_IS(rill_await(taker), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_writev(left, pieces, 17, NULL), -EINVAL);
    return 0;
}

static int numbered_writers(rill_group *group)
{
    static struct numbered writers[] = {
        { 'a', 8000 }, { 'b', 100 }, { 'c', 8000 }, { 'd', 3000 }
    };
    for (int i = 0; i < 4; i++) {
        int r = rill_group_go(group, RILL_CORO(write_letters, &writers[i]));
        if (r < 0)
            return r;
    }
    return take_far_until(19100);
}

static int writes_of_several_tasks_keep_their_order_and_stay_whole(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(in_group(numbered_writers), 0);
    EXPECT_IS(arrived_size, 19100);
    size_t at = 0;
    for (; at < 8000; at++)
        EXPECT(arrived[at] == 'a');
    for (; at < 8100; at++)
        EXPECT(arrived[at] == 'b');
    for (; at < 16100; at++)
        EXPECT(arrived[at] == 'c');
    for (; at < 19100; at++)
        EXPECT(arrived[at] == 'd');
    EXPECT_TRACE("abcd");
    return 0;
}

/* Half of it is in the socket: `taken` says how much, and the next write goes on behind it. */
static int cancelled_large_write_says_how_much_is_sent_and_leaves_the_stream_usable(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_one_mib, NULL)));
    static int turns = 20;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_cancel(writer, NULL));
    EXPECT_IS(rill_await(writer), -ECANCELED);
    EXPECT(taken_by_writer > 0 && taken_by_writer < mib);
    take_far();
    EXPECT_IS(arrived_size, taken_by_writer);
    EXPECT_IS(rill_stream_write(left, pattern + taken_by_writer, 3000, NULL), 3000);
    EXPECT_IS(rill_stream_drain(left), 0);
    take_far();
    EXPECT_IS(arrived_size, taken_by_writer + 3000);
    EXPECT(arrived_in_order());
    return 0;
}

/* Row 114. */
static int any_number_of_tasks_may_drain_at_once(void *arg)
{
    size_t size;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    rill_task *drains[3];
    for (int i = 0; i < 3; i++)
        drains[i] = kept(rill_create_task(RILL_CORO(drain_left, NULL)));
    static int turns = 5;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    EXPECT(rill_cancel(drains[1], NULL));
    EXPECT_IS(take_far_until(size), 0);
    EXPECT_IS(rill_await(drains[0]), 0);
    EXPECT_IS(rill_await(drains[2]), 0);
    EXPECT_IS(rill_await(drains[1]), -ECANCELED);
    EXPECT(arrived_in_order());
    return 0;
}

static int write_nothing(void *arg)
{
    (void)arg;
    int r = rill_stream_write(left, "", 0, NULL);
    trace(r == 0 ? '0' : '?');
    return r;
}

static int queue_behind_nothing(rill_group *group)
{
    static struct numbered last = { 'd', 100 };
    int r = rill_group_go(group, RILL_CORO(write_one_mib, NULL));
    if (r == 0)
        r = rill_group_go(group, RILL_CORO(write_nothing, NULL));
    if (r == 0)
        r = rill_group_go(group, RILL_CORO(write_letters, &last));
    return r < 0 ? r : take_far_until(mib + 100);
}

/* A write of nothing takes its turn as well, and passes it on. */
static int write_of_nothing_waits_its_turn_and_wakes_the_next(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(in_group(queue_behind_nothing), 0);
    EXPECT_TRACE("w0d");
    return 0;
}

/* Row 115. */
static int writing_in_a_tight_loop_to_a_closed_peer_ends_with_an_error(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    close(far);
    far = -1;
    int r = 0;
    for (int i = 0; i < 1000 && r >= 0; i++) {
        r = rill_stream_write(left, pattern, 100, NULL);
        if (r >= 0)
            r = rill_stream_drain(left);
    }
    EXPECT_IS(r, -EPIPE);
    return 0;
}

static int writers_of_a_broken_stream(rill_group *group)
{
    (void)group;
    rill_task *writers[3];
    for (int i = 0; i < 3; i++)
        writers[i] = kept(rill_create_task(RILL_CORO(write_one_mib, NULL)));
    static int turns = 5;
    int r = give_up_turns(&turns);
    if (r < 0)
        return r;
    close(far);
    far = -1;
    for (int i = 0; i < 3; i++) {
        r = rill_await(writers[i]);
        if (r != -EPIPE && r != -ECONNRESET)
            return r < 0 ? r : -EBADMSG;
    }
    return 0;
}

static int all_writers_learn_that_the_peer_has_gone(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(in_group(writers_of_a_broken_stream), 0);
    EXPECT_TRACE("eee");
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(writer_waits_while_the_peer_does_not_read),
    SCENARIO(small_writes_wait_when_the_buffer_is_full),
    SCENARIO(awaited_send_ends_though_nothing_else_happens),
    SCENARIO(large_write_follows_what_is_buffered),
    SCENARIO(writes_of_several_tasks_keep_their_order_and_stay_whole),
    SCENARIO(cancelled_large_write_says_how_much_is_sent_and_leaves_the_stream_usable),
    SCENARIO(any_number_of_tasks_may_drain_at_once),
    SCENARIO(write_of_nothing_waits_its_turn_and_wakes_the_next),
    SCENARIO(writing_in_a_tight_loop_to_a_closed_peer_ends_with_an_error),
    SCENARIO(all_writers_learn_that_the_peer_has_gone),
};

int main(void)
{
    return RUN_SCENARIOS("stream_write", scenarios);
}
