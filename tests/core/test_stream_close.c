/* test_stream_close.c - closing streams: what was written goes out, who waits is told, who aborts does not wait. */
#include "core/base/mem.h"
#include "core/op/fault.h"
#include "tests/support/pair.h"

#include <rill/net.h>

#include <poll.h>
#include <sys/eventfd.h>
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

/* `left` with more in its buffer than its socket takes. */
static int make_overfilled(size_t *ret_size)
{
    int r = make_far();
    return r < 0 ? r : overfill(ret_size);
}

static int let_it_stall(void)
{
    static int turns = 10;
    return give_up_turns(&turns);
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
    EXPECT_IS(make_overfilled(&size), 0);
    rill_task *closer = kept(rill_create_task(RILL_CORO(close_left, NULL)));
    EXPECT_IS(let_it_stall(), 0);
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
    EXPECT_IS(make_overfilled(&size), 0);
    rill_task *closer = kept(rill_create_task(RILL_CORO(close_left, NULL)));
    EXPECT_IS(let_it_stall(), 0);
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
    EXPECT_IS(make_overfilled(&size), 0);
    rill_stream_close(left);
    rill_task *waiters[2];
    for (int i = 0; i < 2; i++)
        waiters[i] = kept(rill_create_task(RILL_CORO(wait_for_close, NULL)));
    EXPECT_IS(let_it_stall(), 0);
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
    EXPECT_IS(let_it_stall(), 0);
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

/* The number of its descriptor may be another socket's by then. */
static int closed_stream_has_no_descriptor_and_keeps_its_count(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    rill_stream_close(left);
    EXPECT_IS(rill_stream_wait_closed(left), 0);
    EXPECT_IS(rill_stream_fd(left), -1);
    EXPECT_IS(rill_stream_delivered(left), 100);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    rill_stream_abort(left); /* changes nothing */
    return 0;
}

static int spare_fd = -1;

static void drop_spare(void *arg)
{
    (void)arg;
    close(spare_fd);
}

static int wait_for_spare(void *arg)
{
    (void)arg;
    return rill_poll(spare_fd, POLLIN);
}

/* The table of operations grows with one of these sends, for which there is no memory: the octets are lost,
 * and the close ends all the same. */
static int close_ends_though_there_is_no_memory_for_its_send(void *arg)
{
    int failed = 0;
    (void)arg;
    OWNED_PAIR;
    spare_fd = eventfd(0, EFD_CLOEXEC);
    after_run(drop_spare, NULL);
    for (int i = 0; i < 70 && failed == 0; i++) {
        rill_unref(rill_create_task(RILL_CORO(wait_for_spare, NULL)));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(make_far(), 0);
        EXPECT_IS(rill_stream_write(left, pattern, 10, NULL), 10);
        rill_stream_close(left);
        rill__mem_fail_nth(1, true);
        EXPECT_IS(rill_sleep(0), 0);
        rill__mem_fail_nth(0, false);
        int r = rill_stream_wait_closed(left);
        EXPECT(r == 0 || r == -ENOMEM);
        failed += r < 0;
        drop_pair(NULL);
    }
    EXPECT_IS(failed, 1);
    return 0;
}

/* --- A receive that fails while the other side is there and does not read. --- */

/* There is no memory for what comes: receiving ends with -ENOMEM. */
static int break_left(void)
{
    if (send(far, "first", 5, MSG_NOSIGNAL) != 5)
        return -errno;
    while (rill_stream_buffered(left) == 0)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0); /* it lies in memory of the stream's own now, and that is small */
    EXPECT_IS(send(far, pattern, 2048, MSG_NOSIGNAL), 2048);
    rill__mem_fail_nth(1, true);
    for (int i = 0; i < 100 && !rill_stream_peer_ended(left); i++)
        EXPECT_IS(rill_sleep(0), 0);
    rill__mem_fail_nth(0, false);
    EXPECT(rill_stream_peer_ended(left));
    return 0;
}

/* As asyncio's transport after a fatal read error: closed by force, its buffer dropped. */
static int failed_receive_drops_what_is_unsent_and_the_close_does_not_wait(void *arg)
{
    size_t size;
    rill_span seen;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 10, NULL), 10);
    EXPECT_IS(break_left(), 0);
    EXPECT_IS(rill_stream_peek(left, 1, &seen), 1); /* it still shows what came before */
    EXPECT(rill_span_equal(seen, RILL_SPAN("first")));
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -ENOMEM);
    EXPECT_IS(rill_stream_try_write(left, "x", 1), -ENOMEM);
    EXPECT_IS(rill_stream_sendfile(left, -1, 0, 1, NULL), -ENOMEM);
    EXPECT_IS(rill_stream_drain(left), -ENOMEM);
    EXPECT_IS(rill_stream_write_eof(left), -ENOMEM);
    rill_stream_close(left);
    rill_task *closer = kept(rill_create_task(RILL_CORO(wait_for_close, NULL)));
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_done(closer)); /* nobody reads at the far end */
    EXPECT_IS(rill_await(closer), -ENOMEM);
    EXPECT_IS(far_ends(), 0);
    EXPECT(arrived_size < size && arrived_in_order());
    return 0;
}

static int send_a_file(void *arg)
{
    (void)arg;
    return rill_stream_sendfile(left, file_fd, 0, mib, NULL);
}

/* A large write that the kernel has in part, one that queues behind it, a drain, and who waits for the end. */
static int failed_receive_wakes_all_who_write_or_wait(void *arg)
{
    static size_t small = 100;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    rill_task *waiters[] = { kept(rill_create_task(RILL_CORO(write_one_mib, NULL))),
                             kept(rill_create_task(RILL_CORO(write_left, &small))),
                             kept(rill_create_task(RILL_CORO(drain_left, NULL))),
                             kept(rill_create_task(RILL_CORO(wait_for_close, NULL))) };
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    EXPECT_IS(break_left(), 0);
    EXPECT_IS(give_up_turns(&turns), 0);
    for (int i = 0; i < 4; i++)
        EXPECT(rill_done(waiters[i]));
    for (int i = 0; i < 4; i++)
        EXPECT_IS(rill_await(waiters[i]), -ENOMEM);
    take_far();
    EXPECT_IS(arrived_size, taken_by_writer);
    EXPECT(arrived_size < mib && arrived_in_order());
    return 0;
}

static int failed_receive_ends_a_file_that_waits_for_room(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(mib), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_a_file, NULL)));
    static int turns = 10;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_IS(break_left(), 0);
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_done(sender));
    EXPECT_IS(rill_await(sender), -ENOMEM);
    return 0;
}

#ifdef RILL_CHECK_SLOW

static int write_and_close(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_tcp(), 0);
    EXPECT_IS(rill_stream_write(left, pattern, 100, NULL), 100);
    EXPECT_IS(end_stream(&left), -ENOMEM);
    EXPECT_IS(recv(far, in, sizeof in, 0), -1);
    EXPECT_IS(errno, ECONNRESET);
    return 0;
}

/* The other side sees that something is missing: an answer that was cut never looks whole. */
static void close_after_a_failed_send_is_a_reset(void **state)
{
    struct rill__fault_plan plan = { .kind = RILL__OP_SEND_NOW, .nth = 1, .error = -ENOMEM };
    (void)state;
    rill__fault_set(&plan);
    int r = run_main(write_and_close, NULL);
    rill__fault_set(NULL);
    assert_int_equal(r, 0);
}

#endif

static const struct scenario scenarios[] = {
    SCENARIO(closed_stream_reads_what_was_there_and_takes_no_more),
    SCENARIO(last_reference_closes_in_order),
    SCENARIO(abort_resets_the_peer),
    SCENARIO(close_waits_until_everything_is_sent),
    SCENARIO(cancelled_wait_for_the_close_leaves_it_going_on),
    SCENARIO(abort_after_close_drops_what_is_left),
    SCENARIO(waiters_of_a_stream_that_is_closed_learn_so),
    SCENARIO(closed_stream_has_no_descriptor_and_keeps_its_count),
    SCENARIO_ONCE(close_ends_though_there_is_no_memory_for_its_send),
    SCENARIO_ONCE(failed_receive_drops_what_is_unsent_and_the_close_does_not_wait),
    SCENARIO_ONCE(failed_receive_wakes_all_who_write_or_wait),
    SCENARIO_ONCE(failed_receive_ends_a_file_that_waits_for_room),
#ifdef RILL_CHECK_SLOW
    OUTSIDE(close_after_a_failed_send_is_a_reset),
#endif
};

int main(void)
{
    return RUN_SCENARIOS("stream_close", scenarios);
}
