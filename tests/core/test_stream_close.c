/* test_stream_close.c - closing streams: what was written goes out, who waits is told, who aborts does not wait. */
#include "tests/support/pair.h"

#include <sys/socket.h>
#include <unistd.h>

static int abort_resets_the_peer(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_tcp(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    EXPECT_IS(rill_stream_drain(left), 0);
    expect_drop_stream(&left);
    left = NULL;
    ssize_t got;
    while ((got = recv(far, in, sizeof in, MSG_DONTWAIT)) > 0 || (got < 0 && errno == EAGAIN))
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(got, -1);
    EXPECT_IS(errno, ECONNRESET);
    return 0;
}

static int close_left(void *arg)
{
    (void)arg;
    int r = end_stream(&left);
    trace(r == 0 ? 'c' : '!');
    return r;
}

static int close_waits_until_everything_is_sent(void *arg)
{
    size_t size;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    rill_task *closer = kept(rill_create_task(RILL_CORO(close_left, NULL)));
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    EXPECT_IS(take_far_until(size), 0);
    EXPECT_IS(rill_await(closer), 0);
    EXPECT(arrived_in_order());
    char in[1];
    ssize_t got;
    while ((got = recv(far, in, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(got, 0);
    return 0;
}

static int cancelled_wait_for_the_close_leaves_it_going_on(void *arg)
{
    size_t size;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    rill_task *closer = kept(rill_create_task(RILL_CORO(close_left, NULL)));
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_cancel(closer, NULL));
    EXPECT_IS(rill_await(closer), -ECANCELED);
    EXPECT_IS(take_far_until(size), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(far_ends(), 0);
    return 0;
}

static int wait_for_close(void *arg)
{
    (void)arg;
    int r = rill_stream_wait_closed(left);
    trace(r == 0 ? 'c' : '!');
    return r;
}

static int abort_after_close_drops_what_is_left(void *arg)
{
    size_t size;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    rill_stream_close(left);
    rill_task *waiters[2];
    for (int i = 0; i < 2; i++)
        waiters[i] = kept(rill_create_task(RILL_CORO(wait_for_close, NULL)));
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    rill_stream_abort(left);
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_await(waiters[i]), 0);
    EXPECT_IS(far_ends(), 0);
    EXPECT(arrived_size < size && arrived_in_order());
    rill_stream_abort(left); /* once more changes nothing */
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    return 0;
}

static int read_left(void *arg)
{
    char in[8];
    (void)arg;
    int r = rill_stream_read(left, in, sizeof in);
    trace(r == -EBADF ? 'r' : '?');
    return r;
}

static int write_left(void *arg)
{
    size_t size = *(size_t *)arg, taken;
    int r = rill_stream_write(left, pattern, size, &taken);
    trace(r == -EBADF ? 'w' : '?');
    return r;
}

/* A reader, a large write that the kernel has in part, one that queues behind it, and a drain. */
static int waiters_of_a_stream_that_is_closed_learn_so(void *arg)
{
    static size_t sizes[] = { mib, 100 };
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    rill_task *waiters[] = { kept(rill_create_task(RILL_CORO(read_left, NULL))),
                             kept(rill_create_task(RILL_CORO(write_left, &sizes[0]))),
                             kept(rill_create_task(RILL_CORO(write_left, &sizes[1]))),
                             kept(rill_create_task(RILL_CORO(drain_left, NULL))) };
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    expect_drop_stream(&left);
    left = NULL;
    for (int i = 0; i < 4; i++)
        EXPECT_IS(rill_await(waiters[i]), -EBADF);
    EXPECT_IS(strlen(traced()), 4);
    EXPECT(strchr(traced(), '?') == NULL && strchr(traced(), 'c') == NULL);
    return 0;
}

/* As asyncio's: a closed stream has ended for its reader, and is lost for its writer. */
static int closed_stream_reads_what_was_there_and_takes_no_more(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_write(right, "rest", 4, NULL), 4);
    while (rill_stream_buffered(left) == 0)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_stream_write(left, "bye", 3, NULL), 3);
    rill_stream_close(left);
    rill_stream_close(left); /* once more changes nothing */
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -EPIPE);
    EXPECT_IS(rill_stream_try_write(left, "x", 1), -EPIPE);
    EXPECT_IS(rill_stream_drain(left), -ECONNRESET);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    EXPECT(!rill_stream_at_eof(left));
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 4);
    EXPECT(rill_stream_at_eof(left));
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    return 0;
}

/* Nobody closes it by name: the last reference does, and what was written goes out. */
static int last_reference_closes_in_order(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    OWNED_STREAM rill_stream *second = rill_stream_ref(left);
    rill_stream_unref(left);
    left = NULL;
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_stream_at_eof(second)); /* it is open */
    rill_stream_unref(second);
    second = NULL;
    EXPECT_IS(take_far_until(100), 0);
    EXPECT(arrived_in_order());
    EXPECT_IS(far_ends(), 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(closed_stream_reads_what_was_there_and_takes_no_more),
    SCENARIO(last_reference_closes_in_order),
    SCENARIO(abort_resets_the_peer),
    SCENARIO(close_waits_until_everything_is_sent),
    SCENARIO(cancelled_wait_for_the_close_leaves_it_going_on),
    SCENARIO(abort_after_close_drops_what_is_left),
    SCENARIO(waiters_of_a_stream_that_is_closed_learn_so),
};

int main(void)
{
    return RUN_SCENARIOS("stream_close", scenarios);
}
