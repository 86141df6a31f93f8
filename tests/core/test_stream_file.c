/* test_stream_file.c - files sent over streams: behind what was written, and told how far it came. */
#include "tests/support/pair.h"

#include <unistd.h>

static uint64_t file_sent;

static int send_head_and_file(void *arg)
{
    uint64_t size = *(uint64_t *)arg;
    int r = rill_stream_write(left, pattern, 500, NULL);
    if (r == 500)
        r = rill_stream_sendfile(left, file_fd, 500, size, &file_sent);
    trace(r == 0 ? 'f' : r == -ENODATA ? 'n' : r == -ECANCELED ? 'c' : '?');
    return r;
}

/* A MiB, of which the socket takes a little. */
static uint64_t rest_of_mib = mib - 500;

static int begin_to_send(rill_task **ret_sender)
{
    int r = make_far();
    if (r == 0)
        r = make_file(mib);
    if (r == 0)
        *ret_sender = kept(rill_create_task(RILL_CORO(send_head_and_file, &rest_of_mib)));
    return r;
}

static int file_follows_its_head_and_writes_follow_the_file(void *arg)
{
    static struct numbered behind = { 'b', 100 };
    rill_task *sender;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(begin_to_send(&sender), 0);
    static int turns = 5;
    EXPECT_IS(give_up_turns(&turns), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_letters, &behind)));
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    EXPECT_IS(take_far_until(mib + 100), 0);
    EXPECT_IS(rill_await(sender), 0);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT_IS(file_sent, rest_of_mib);
    EXPECT_TRACE("fb");
    EXPECT(memcmp(arrived, pattern, mib) == 0);
    EXPECT(arrived[mib] == 'b' && arrived[mib + 99] == 'b');
    return 0;
}

static int file_that_ends_before_is_told_with_what_was_sent(void *arg)
{
    static uint64_t size = 10000;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(3000), 0);
    OWNED_FUTURE rill_task *sender = rill_create_task(RILL_CORO(send_head_and_file, &size));
    EXPECT_IS(take_far_until(3000), 0);
    EXPECT_IS(rill_await(sender), -ENODATA);
    EXPECT_IS(file_sent, 2500);
    EXPECT(arrived_in_order());
    return 0;
}

static int cancelled_sendfile_says_how_much_is_sent_and_leaves_the_stream_usable(void *arg)
{
    rill_task *sender;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(begin_to_send(&sender), 0);
    static int turns = 20;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_cancel(sender, NULL));
    EXPECT_IS(rill_await(sender), -ECANCELED);
    take_far();
    EXPECT_IS(arrived_size, 500 + file_sent);
    EXPECT(file_sent > 0 && file_sent < rest_of_mib);
    EXPECT_IS(rill_stream_write(left, pattern + arrived_size, 3000, NULL), 3000);
    size_t all = arrived_size + 3000;
    EXPECT_IS(take_far_until(all), 0);
    EXPECT(arrived_in_order());
    return 0;
}

static int sendfile_of_a_bad_descriptor_is_its_error(void *arg)
{
    uint64_t sent = 7;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(rill_stream_sendfile(left, -1, 0, 10, &sent), -EBADF);
    EXPECT_IS(sent, 0);
    EXPECT_IS(rill_stream_sendfile(left, -1, 0, 0, &sent), 0);
    return 0;
}

/* The far end takes a little of it and goes. */
static int peer_that_goes_in_the_middle_of_a_file_is_an_error(void *arg)
{
    rill_task *sender;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(begin_to_send(&sender), 0);
    EXPECT_IS(take_far_until(1000), 0);
    close(far);
    far = -1;
    int r = rill_await(sender);
    EXPECT(r == -EPIPE || r == -ECONNRESET);
    EXPECT(file_sent > 0 && file_sent < rest_of_mib);
    return 0;
}

static int sendfile_over_a_closing_stream_is_refused(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(1000), 0);
    rill_stream_close(left);
    EXPECT_IS(rill_stream_sendfile(left, file_fd, 0, 1000, NULL), -EPIPE);
    return 0;
}

/* What was being sent when it was aborted is still the kernel's: nobody waits for that to be over. */
static int sendfile_over_an_aborted_stream_is_refused_at_once(void *arg)
{
    size_t size;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(overfill(&size), 0);
    EXPECT_IS(rill_sleep(0), 0);
    rill_stream_abort(left);
    EXPECT_IS(rill_stream_sendfile(left, -1, 0, 10, NULL), -EPIPE);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(file_follows_its_head_and_writes_follow_the_file),
    SCENARIO(file_that_ends_before_is_told_with_what_was_sent),
    SCENARIO(cancelled_sendfile_says_how_much_is_sent_and_leaves_the_stream_usable),
    SCENARIO(sendfile_of_a_bad_descriptor_is_its_error),
    SCENARIO(peer_that_goes_in_the_middle_of_a_file_is_an_error),
    SCENARIO(sendfile_over_a_closing_stream_is_refused),
    SCENARIO(sendfile_over_an_aborted_stream_is_refused_at_once),
};

int main(void)
{
    return RUN_SCENARIOS("stream_file", scenarios);
}
