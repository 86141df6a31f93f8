/* test_stream_limits.c - marks of the write buffer: who waits above the high one, goes on at the low one. */
#include "tests/support/pair.h"

#include <rill/net.h>

enum { kib = 1 << 10 };

static size_t written;

/* Write pieces of that size until all of a MiB is taken. */
static int write_pieces(void *arg)
{
    size_t size = *(size_t *)arg;
    while (written < mib) {
        size_t taken = 0;
        int r = rill_stream_write(left, pattern + written, size, &taken);
        written += taken;
        if (r < 0)
            return r;
    }
    return 0;
}

static int settle(void)
{
    int count = 50;
    return give_up_turns(&count);
}

static int try_until_full(size_t size)
{
    int r;
    while ((r = rill_stream_try_write(left, pattern + written, size)) == (int)size)
        written += size;
    return r;
}

static int try_write_takes_all_or_nothing(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    written = 0;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, 0), 0);
    for (int round = 0; round < 20; round++) {
        EXPECT_IS(try_until_full(1000), -EAGAIN);
        EXPECT_IS(rill_sleep(0), 0);
    }
    size_t in_socket = take_far();
    EXPECT(written - in_socket <= 16 * kib + 1000);
    EXPECT_IS(take_far_until(written), 0);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern + written, 100 * kib), 100 * kib);
    written += 100 * kib; /* whole, above the mark: what comes next has to wait */
    EXPECT_IS(rill_stream_try_write(left, pattern, 1), -EAGAIN);
    EXPECT(rill_stream_room(left, 1) == NULL);
    EXPECT_IS(take_far_until(written), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, 1), -EPIPE);
    return 0;
}

static int try_write_does_not_pass_those_who_wait(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_one_mib, NULL)));
    EXPECT_IS(settle(), 0);
    EXPECT_IS(rill_stream_try_write(left, "x", 1), -EAGAIN);
    EXPECT_IS(take_far_until(mib), 0);
    EXPECT_IS(rill_await(writer), mib);
    EXPECT_IS(rill_stream_try_write(left, pattern + mib, 1), 1);
    EXPECT_IS(take_far_until(mib + 1), 0);
    EXPECT(arrived_in_order());
    return 0;
}

/* Pieces of 10 KiB: without marks each would wait until it is sent. */
static int writes_wait_above_the_high_mark_and_go_on_at_the_low_one(void *arg)
{
    static size_t piece = 10 * kib;
    (void)arg;
    OWNED_PAIR;
    written = 0;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_set_limits(left, 64 * kib, 65 * kib), -EINVAL);
    EXPECT_IS(rill_stream_set_limits(left, 64 * kib, 32 * kib), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_pieces, &piece)));
    EXPECT_IS(settle(), 0);
    size_t before = written, socket = take_far();
    EXPECT(before > 54 * kib && before - socket <= 64 * kib);
    while (written == before) { /* a little at a time, until the writer goes on */
        EXPECT_IS(settle(), 0);
        take_far();
    }
    EXPECT(before - arrived_size <= 33 * kib && before > arrived_size);
    EXPECT_IS(take_far_until(mib), 0);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT(arrived_in_order());
    return 0;
}

static int mark_of_zero_lets_each_write_wait_until_it_is_sent(void *arg)
{
    static size_t piece = 100;
    (void)arg;
    OWNED_PAIR;
    written = 0;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_set_limits(left, 0, 0), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_pieces, &piece)));
    for (int i = 0; i < 4; i++)
        EXPECT_IS(settle(), 0);
    size_t before = written, socket = take_far();
    EXPECT_IS(before, socket);
    rill_cancel(writer, NULL);
    EXPECT_IS(rill_await(writer), -ECANCELED);
    EXPECT(arrived_in_order());
    return 0;
}

static int without_a_bound_nobody_waits_and_close_sends_it_all(void *arg)
{
    RILL_AUTO_SCOPE rill_scope scope = { 0 }; /* without memory to buffer in, a write waits */
    size_t taken;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(rill_timeout(&scope, RILL_MS(500)), 0);
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_set_limits(left, SIZE_MAX, 0), 0);
    for (size_t at = 0; at < mib; at += mib / 4)
        EXPECT_IS(rill_stream_write(left, pattern + at, mib / 4, &taken), mib / 4);
    EXPECT_IS(rill_stream_drain(left), 0); /* it is not above the mark */
    rill_stream_close(left);
    EXPECT_IS(take_far_until(mib), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(far_ends(), 0);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    return 0;
}

/* Row 114. */
static int drain_waits_above_the_high_mark_for_the_low_one(void *arg)
{
    rill_task *drains[10];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_set_limits(left, 64 * kib, 16 * kib), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, 60 * kib), 60 * kib);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern + 60 * kib, 100 * kib), 100 * kib);
    for (int i = 0; i < 10; i++)
        drains[i] = kept(rill_create_task(RILL_CORO(drain_left, NULL)));
    EXPECT_IS(settle(), 0);
    EXPECT_TRACE("");
    while (arrived_size < 140 * kib && traced()[0] == 0) {
        take_far();
        EXPECT_IS(settle(), 0);
    }
    EXPECT(arrived_size >= 120 * kib);
    for (int i = 0; i < 10; i++)
        EXPECT_IS(rill_await(drains[i]), 0);
    EXPECT_TRACE("dddddddddd");
    EXPECT_IS(take_far_until(160 * kib), 0);
    EXPECT(arrived_in_order());
    return 0;
}

/* As asyncio's transport: what fills the buffer up to the high mark is not above it. */
static int drain_at_the_high_mark_does_not_wait_and_one_octet_above_does(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_set_limits(left, 1000, 128), 0);
    EXPECT_IS(rill_stream_try_write(left, pattern, 1000), 1000);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(take_far(), 0); /* no turn has passed */
    EXPECT_IS(rill_stream_try_write(left, pattern + 1000, 1), 1);
    EXPECT_IS(rill_stream_try_write(left, pattern, 1), -EAGAIN);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(take_far(), 1001);
    EXPECT(arrived_in_order());
    return 0;
}

/* The end goes out behind everything, also behind what the marks let stay. */
static int end_follows_what_is_buffered_below_the_marks(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_set_limits(left, mib, mib), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 50 * kib, NULL), 50 * kib);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_read_exactly(right, arrived, 50 * kib, &arrived_size), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(rill_stream_read(right, arrived, 1), 0);
    return 0;
}

/* A deadline that is there for failures alone is no matter of real time. */
static const rill_sim_opts world = { .seed = 4 };
static const rill_loop_opts simulated = { .sim = &world };

static const struct scenario scenarios[] = {
    SCENARIO(try_write_takes_all_or_nothing),
    SCENARIO(try_write_does_not_pass_those_who_wait),
    SCENARIO_ONCE(writes_wait_above_the_high_mark_and_go_on_at_the_low_one),
    SCENARIO_ONCE(mark_of_zero_lets_each_write_wait_until_it_is_sent),
    SCENARIO_WITH(without_a_bound_nobody_waits_and_close_sends_it_all, &simulated),
    SCENARIO(drain_waits_above_the_high_mark_for_the_low_one),
    SCENARIO(drain_at_the_high_mark_does_not_wait_and_one_octet_above_does),
    SCENARIO(end_follows_what_is_buffered_below_the_marks),
};

int main(void)
{
    return RUN_SCENARIOS("stream_limits", scenarios);
}
