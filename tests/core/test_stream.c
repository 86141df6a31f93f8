/* test_stream.c - streams over socket pairs: every octet once and in order, bounded, and usable after a cancel.
 *
 * The other side is a second stream, or a plain descriptor whose socket the test reads and fills itself, so
 * that "the peer does not read" is a fact and no matter of time. */
#include "core/io/stream.h"
#include "tests/support/expect.h"

#include <rill/file.h>
#include <rill/group.h>
#include <rill/net.h>
#include <rill/timeout.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { mib = 1 << 20 };

static rill_stream *left, *right; /* of the running scenario */
static int far = -1;              /* the plain other end of `left` */
static char pattern[2 * mib], arrived[2 * mib];
static size_t arrived_size;

static void fill_pattern(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof pattern; i++) {
        x = x * 1664525 + 1013904223;
        pattern[i] = (char)(x >> 24);
    }
    memset(arrived, 0, sizeof arrived);
    arrived_size = 0;
}

/* Streams and the descriptor are given back when the scenario is left. */
#define OWNED_PAIR                                          \
    __attribute__((cleanup(drop_pair))) int pair_mark_ = 0; \
    (void)pair_mark_

static void drop_pair(int *mark)
{
    (void)mark;
    expect_drop_stream(&left);
    expect_drop_stream(&right);
    if (far >= 0)
        close(far);
    left = right = NULL;
    far = -1;
}

static int new_stream(int fd, rill_stream **ret_stream)
{
    int r = rill_stream_new(fd, NULL, ret_stream);
    if (r < 0)
        close(fd);
    return r;
}

/* `left` connected to `right`. */
static int make_pair(void)
{
    int fds[2];
    fill_pattern();
    left = right = NULL;
    far = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = new_stream(fds[0], &left);
    return rill_first_error(r, new_stream(fds[1], &right));
}

/* `left` connected to the plain descriptor `far`, with small socket buffers. */
static int make_far(void)
{
    int fds[2], small = 4096;
    fill_pattern();
    left = right = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    far = fds[1];
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return new_stream(fds[0], &left);
}

/* Take what is in the far socket now; how much it was. */
static size_t take_far(void)
{
    size_t before = arrived_size;
    for (;;) {
        ssize_t got =
            recv(far, arrived + arrived_size, sizeof arrived - arrived_size, MSG_DONTWAIT);
        if (got <= 0)
            return arrived_size - before;
        arrived_size += (size_t)got;
    }
}

/* Take from the far socket until `size` octets have arrived in all, turns in between; -ENODATA if nothing
 * moves any more. */
static int take_far_until(size_t size)
{
    for (int idle = 0; arrived_size < size;) {
        int r = rill_sleep(0);
        idle = take_far() > 0 ? 0 : idle + 1;
        if (r < 0 || idle == 2000)
            return r < 0 ? r : -ENODATA;
    }
    return 0;
}

static bool arrived_in_order(void)
{
    return memcmp(arrived, pattern, arrived_size) == 0;
}

/* --- Echo. --- */

struct flow {
    rill_stream **stream;
    char *in;
    size_t got;
};

static int write_in_odd_pieces(void *arg)
{
    struct flow *flow = arg;
    size_t at = 0, step = 1;
    while (at < mib) {
        size_t size = step < mib - at ? step : mib - at, taken = 0;
        int r = rill_stream_write(*flow->stream, pattern + at, size, &taken);
        if (r < 0)
            return r;
        EXPECT_IS(taken, size);
        at += size;
        step = step * 5 % 32771 + 1; /* 1 to 32771: buffered ones and direct ones */
    }
    return rill_stream_write_eof(*flow->stream);
}

static int read_in_odd_pieces(void *arg)
{
    struct flow *flow = arg;
    size_t step = 3;
    for (;;) {
        step = step * 7 % 9973 + 1;
        int r = rill_stream_read(*flow->stream, flow->in + flow->got, step);
        if (r <= 0)
            return r;
        flow->got += (size_t)r;
    }
}

static struct flow flows[2];

static int both_ways(rill_group *group)
{
    static char in[2][mib + 32768];
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++) {
        flows[i] = (struct flow){ i == 0 ? &left : &right, in[i], 0 };
        r = rill_group_go(group, RILL_CORO(write_in_odd_pieces, &flows[i]));
        if (r == 0)
            r = rill_group_go(group, RILL_CORO(read_in_odd_pieces, &flows[i]));
    }
    return r;
}

static int in_group(int (*body)(rill_group *group))
{
    static rill_group group;
    memset(&group, 0, sizeof group);
    int r = rill_group_enter(&group);
    if (r == 0)
        r = rill_group_leave(&group, body(&group));
    rill_group_fini(&group);
    return r;
}

static int one_mib_goes_both_ways_at_once_in_odd_pieces(void *arg)
{
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(in_group(both_ways), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(flows[i].got, mib);
        EXPECT(memcmp(flows[i].in, pattern, mib) == 0);
    }
    return 0;
}

static int few_octets_both_ways(void *arg)
{
    char in[16];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(rill_stream_write(left, "question", 8, NULL), 8);
        EXPECT_IS(rill_stream_read(right, in, sizeof in), 8);
        EXPECT(memcmp(in, "question", 8) == 0);
        EXPECT_IS(rill_stream_write(right, "answer", 6, NULL), 6);
        EXPECT_IS(rill_stream_read(left, in, sizeof in), 6);
    }
    EXPECT_IS(end_stream(&left), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 0);
    return 0;
}

/* --- Reading. --- */

static int peek_shows_without_taking_and_consume_takes(void *arg)
{
    rill_span seen;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_peek(right, 0, &seen), 1);
    EXPECT_IS(seen.size, 0);
    EXPECT_IS(rill_stream_write(left, "abc", 3, NULL), 3);
    EXPECT_IS(rill_stream_peek(right, 1, &seen), 1);
    EXPECT(seen.size == 3 && memcmp(seen.at, "abc", 3) == 0);
    rill_stream_consume(right, 1);
    EXPECT_IS(rill_stream_buffered(right), 2);
    EXPECT_IS(rill_stream_write(left, "de", 2, NULL), 2);
    EXPECT_IS(rill_stream_peek(right, 4, &seen), 1); /* it came in two pieces: shown as one */
    EXPECT(seen.size == 4 && memcmp(seen.at, "bcde", 4) == 0);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_peek(right, 5, &seen), 0);
    EXPECT(seen.size == 4 && memcmp(seen.at, "bcde", 4) == 0);
    EXPECT(rill_stream_peer_ended(right));
    rill_stream_consume(right, 4);
    EXPECT_IS(rill_stream_peek(right, 1, &seen), 0);
    EXPECT_IS(seen.size, 0);
    EXPECT_IS(rill_stream_peek(right, (64 << 10) + 1, &seen), -EINVAL);
    return 0;
}

static int read_exactly_tells_how_far_it_came(void *arg)
{
    char in[8];
    size_t got = 9;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_write(left, "abcdefgh", 8, NULL), 8);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, &got), 0);
    EXPECT_IS(got, 5);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 5, &got), -ENODATA);
    EXPECT_IS(got, 3);
    EXPECT(memcmp(in, "fgh", 3) == 0);
    EXPECT_IS(rill_stream_read_exactly(right, in, 0, NULL), 0);
    return 0;
}

static int read_once(void *arg)
{
    char in[16];
    (void)arg;
    int r = rill_stream_read(right, in, sizeof in);
    trace(r == -ECANCELED ? 'c' : r > 0 ? 'r' : '?');
    return r;
}

static int second_reader_is_refused(void *arg)
{
    char in[4];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    int r = rill_stream_read(right, in, sizeof in);
    int wrote = rill_stream_write(left, "x", 1, NULL);
    int ended = rill_await(reader);
    EXPECT_IS(r, -EBUSY);
    EXPECT_IS(wrote, 1);
    EXPECT_IS(ended, 1);
    return 0;
}

static int cancelled_read_leaves_the_octets_in_the_stream(void *arg)
{
    char in[16];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(reader, NULL);
    int ended = rill_await(reader);
    EXPECT_IS(ended, -ECANCELED);
    EXPECT_IS(rill_stream_write(left, "abc", 3, NULL), 3);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    return 0;
}

/* The reader is then on the queue and has not run. */
static int cancel_when_it_came(void *arg)
{
    rill_task *reader = *(rill_task **)arg;
    while (rill_stream_buffered(right) == 0 && !rill_done(reader)) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    rill_cancel(reader, NULL);
    return 0;
}

/* The law of races: the stream can keep the octets, so the cancel wins and they stay. */
static int cancel_in_the_turn_of_the_octets_leaves_them_in_the_stream(void *arg)
{
    char in[16];
    static rill_task *reader;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    reader = kept(rill_create_task(RILL_CORO(read_once, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *canceller = rill_create_task(RILL_CORO(cancel_when_it_came, &reader));
    int wrote = rill_stream_write(left, "abc", 3, NULL);
    int ended = rill_await(reader);
    EXPECT_IS(wrote, 3);
    EXPECT_IS(rill_await(canceller), 0);
    EXPECT_IS(ended, -ECANCELED);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    return 0;
}

/* --- Pause and resume. --- */

static int make_limited(size_t limit)
{
    int fds[2];
    fill_pattern();
    left = right = NULL;
    far = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = rill_stream_new(fds[0], &(rill_stream_opts){ .read_limit = limit }, &left);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    far = fds[1];
    return 0;
}

/* Fill the far socket as far as it takes; how much is under way now. */
static size_t stuff_far(size_t under_way)
{
    for (;;) {
        ssize_t sent =
            send(far, pattern + under_way, sizeof pattern - under_way, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            return under_way;
        under_way += (size_t)sent;
    }
}

static int stuff_until_nothing_moves(size_t *under_way)
{
    for (int quiet = 0; quiet < 20; quiet++) {
        size_t before = *under_way, buffered = rill_stream_buffered(left);
        *under_way = stuff_far(*under_way);
        int r = rill_sleep(0);
        if (r < 0)
            return r;
        if (*under_way > before || rill_stream_buffered(left) > buffered)
            quiet = 0;
    }
    return 0;
}

static int stream_that_is_not_read_stops_receiving_at_its_limit_and_goes_on_later(void *arg)
{
    enum { limit = 32 << 10 };

    size_t sent = 0;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(limit), 0);
    EXPECT_IS(stuff_until_nothing_moves(&sent), 0);
    EXPECT(rill_stream_buffered(left) >= limit);
    EXPECT(rill_stream_buffered(left) < limit + (512 << 10));
    EXPECT(sent < sizeof pattern);
    while (arrived_size < sizeof arrived) {
        int r = rill_stream_read(left, arrived + arrived_size, 4096);
        EXPECT(r > 0);
        arrived_size += (size_t)r;
        sent = stuff_far(sent);
    }
    EXPECT(arrived_in_order());
    return 0;
}

/* After a pause the reader may want more than is left, though less than half was taken. */
static int paused_stream_goes_on_for_a_reader_that_wants_more_than_there_is(void *arg)
{
    enum { limit = 32 << 10 };

    size_t sent = 0;
    rill_span seen;
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_limited(limit), 0);
    EXPECT_IS(stuff_until_nothing_moves(&sent), 0);
    size_t extra = rill_stream_buffered(left) - limit;
    EXPECT_IS(rill_stream_peek(left, limit, &seen), 1);
    rill_stream_consume(left, extra + 100); /* leaves 100 less than the limit: above half of it */
    EXPECT_IS(rill_stream_peek(left, limit, &seen), 1);
    EXPECT(seen.size >= limit && memcmp(seen.at, pattern + extra + 100, limit) == 0);
    return 0;
}

/* --- Writing. --- */

static size_t taken_by_writer;
static int writer_ended;

static int write_one_mib(void *arg)
{
    (void)arg;
    writer_ended = rill_stream_write(left, pattern, mib, &taken_by_writer);
    trace(writer_ended == -ECANCELED ? 'c' : writer_ended < 0 ? 'e' : 'w');
    return writer_ended;
}

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

struct numbered {
    char letter;
    size_t size;
};

static int write_letters(void *arg)
{
    static char letters[4][8000];
    const struct numbered *numbered = arg;
    char *text = letters[numbered->letter - 'a'];
    memset(text, numbered->letter, numbered->size);
    int r = rill_stream_write(left, text, numbered->size, NULL);
    trace(numbered->letter);
    return r < 0 ? r : 0;
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

static int drain_left(void *arg)
{
    (void)arg;
    int r = rill_stream_drain(left);
    trace(r == 0 ? 'd' : r == -ECANCELED ? 'c' : 'e');
    return r;
}

/* Put more than the socket takes into the stream's buffer. */
static int overfill(size_t *ret_size)
{
    size_t size = 0;
    char *room;
    while ((room = rill_stream_room(left, 1000)) != NULL) {
        memcpy(room, pattern + size, 1000);
        rill_stream_put(left, 1000);
        size += 1000;
    }
    *ret_size = size;
    return size > 0 ? 0 : -ENOMEM;
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

/* --- Ends. --- */

static int half_closed_stream_still_reads(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    EXPECT_IS(rill_stream_write(left, "ask", 3, NULL), 3);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 3);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 0);
    EXPECT_IS(rill_stream_write(right, "told", 4, NULL), 4);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 4);
    EXPECT_IS(rill_stream_write(left, "x", 1, NULL), -EPIPE);
    EXPECT(rill_stream_room(left, 1) == NULL);
    EXPECT_IS(rill_stream_drain(left), 0);
    EXPECT_IS(rill_stream_write_eof(left), 0); /* once more changes nothing */
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

static void note_peer_end(void *arg)
{
    trace(*(char *)arg);
}

static char mark = 'p', other_mark = 'q';

static int peer_end_is_told_once_even_with_octets_left(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_pair(), 0);
    rill_stream_on_peer_end(right, note_peer_end, &mark);
    EXPECT_IS(rill_stream_write(left, "rest", 4, NULL), 4);
    EXPECT_IS(rill_stream_write_eof(left), 0);
    while (!rill_stream_peer_ended(right))
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("p");
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 4);
    EXPECT_IS(rill_stream_read(right, in, sizeof in), 0);
    rill_stream_on_peer_end(right, note_peer_end, &other_mark); /* it has ended: told at once */
    EXPECT_TRACE("p");
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("pq");
    rill_stream_on_peer_end(right, note_peer_end, &mark);
    rill_stream_on_peer_end(right, NULL, NULL); /* taken back */
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("pq");
    return 0;
}

/* Over loopback, where a reset is a reset. */
static int make_tcp(void)
{
    rill_addr addr;
    int listening = -1, fd = -1;
    fill_pattern();
    left = right = NULL;
    far = -1;
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &addr);
    if (r == 0)
        r = rill_listen(&addr, NULL, &listening);
    if (r == 0)
        r = rill_socket_name(listening, &addr);
    if (r == 0)
        r = rill_connect(&addr, &fd);
    if (r == 0)
        r = new_stream(fd, &left);
    if (r == 0) {
        far = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        r = far < 0 ? -errno : 0;
    }
    if (listening >= 0)
        close(listening);
    return r;
}

static int reset_of_the_peer_comes_behind_the_octets_before_it(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_tcp(), 0);
    EXPECT_IS(send(far, "last", 4, MSG_NOSIGNAL), 4);
    while (rill_stream_buffered(left) == 0)
        EXPECT_IS(rill_sleep(0), 0);
    struct linger reset = { .l_onoff = 1 };
    setsockopt(far, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(far);
    far = -1;
    while (!rill_stream_peer_ended(left))
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 4);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -ECONNRESET);
    int r = rill_stream_write(left, "x", 1, NULL);
    if (r == 1)
        r = rill_stream_drain(left);
    EXPECT(r == -EPIPE || r == -ECONNRESET);
    return 0;
}

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

/* Whether the other side sees the end of the connection; what comes before is taken. */
static int far_ends(void)
{
    char in[1];
    for (int turns = 0; turns < 1000; turns++) {
        take_far();
        ssize_t got = recv(far, in, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return 0;
        int r = got > 0 ? -EBADMSG : rill_sleep(0);
        if (r < 0)
            return r;
    }
    return -ETIME;
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

/* --- Files. --- */

static int file_fd = -1;

static int make_file(size_t size)
{
    file_fd = memfd_create("file", MFD_CLOEXEC);
    if (file_fd < 0)
        return -errno;
    for (size_t at = 0; at < size;) {
        ssize_t wrote = write(file_fd, pattern + at, size - at);
        if (wrote < 0)
            return -errno;
        at += (size_t)wrote;
    }
    return 0;
}

#define OWNED_FILE                                          \
    __attribute__((cleanup(drop_file))) int file_mark_ = 0; \
    (void)file_mark_

static void drop_file(int *unused)
{
    (void)unused;
    if (file_fd >= 0)
        close(file_fd);
    file_fd = -1;
}

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

static int file_follows_its_head_and_writes_follow_the_file(void *arg)
{
    static uint64_t size = mib - 500;
    static struct numbered behind = { 'b', 100 };
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(mib), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_head_and_file, &size)));
    static int turns = 5;
    EXPECT_IS(give_up_turns(&turns), 0);
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_letters, &behind)));
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT_TRACE("");
    EXPECT_IS(take_far_until(mib + 100), 0);
    EXPECT_IS(rill_await(sender), 0);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT_IS(file_sent, size);
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
    static uint64_t size = mib - 500;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(mib), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_head_and_file, &size)));
    static int turns = 20;
    EXPECT_IS(give_up_turns(&turns), 0);
    EXPECT(rill_cancel(sender, NULL));
    EXPECT_IS(rill_await(sender), -ECANCELED);
    take_far();
    EXPECT_IS(arrived_size, 500 + file_sent);
    EXPECT(file_sent > 0 && file_sent < size);
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

/* --- Few buffers, small rings. --- */

enum { many = 200 };

static rill_stream *crowd[many];
static int crowd_far[many];

#define OWNED_CROWD                                           \
    __attribute__((cleanup(drop_crowd))) int crowd_mark_ = 0; \
    (void)crowd_mark_

static void drop_crowd(int *unused)
{
    (void)unused;
    for (int i = 0; i < many; i++) {
        expect_drop_stream(&crowd[i]);
        if (crowd_far[i] > 0)
            close(crowd_far[i]);
        crowd[i] = NULL;
        crowd_far[i] = 0;
    }
}

static int read_crowd(void *arg)
{
    char in[3000];
    rill_stream *stream = *(rill_stream **)arg;
    size_t got = 0;
    int r = rill_stream_read_exactly(stream, in, sizeof in, &got);
    if (r == 0 && memcmp(in, pattern, sizeof in) != 0)
        r = -EBADMSG;
    return r;
}

static int crowd_body(rill_group *group)
{
    for (int i = 0; i < many; i++) {
        int fds[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
            return -errno;
        crowd_far[i] = fds[1];
        int r = new_stream(fds[0], &crowd[i]);
        if (r == 0)
            r = rill_group_go(group, RILL_CORO(read_crowd, &crowd[i]));
        if (r < 0)
            return r;
    }
    int r = rill_sleep(0);
    for (int i = 0; i < many && r == 0; i++)
        if (send(crowd_far[i], pattern, 3000, MSG_NOSIGNAL) != 3000)
            r = -EIO;
    return r;
}

/* 200 messages of two buffers each come in one turn, and there are 16 buffers to begin with. */
static int readers_that_find_no_buffer_are_armed_again(void *arg)
{
    (void)arg;
    OWNED_CROWD;
    fill_pattern();
    EXPECT_IS(in_group(crowd_body), 0);
    EXPECT(rill_get_running_loop()->backend->counters.enobufs > 0);
    return 0;
}

static const rill_loop_opts few_buffers = { .recv_buffers = 16 };
static const rill_loop_opts small_ring = { .sq_entries = 8, .cq_entries = 8, .recv_buffers = 16 };

static const struct scenario scenarios[] = {
    SCENARIO_ONCE(one_mib_goes_both_ways_at_once_in_odd_pieces),
    { .name = "one_mib_goes_both_ways_through_the_smallest_ring",
      .main = one_mib_goes_both_ways_at_once_in_odd_pieces,
      .opts = &small_ring,
      .once = true },
    SCENARIO(few_octets_both_ways),
    SCENARIO(peek_shows_without_taking_and_consume_takes),
    SCENARIO(read_exactly_tells_how_far_it_came),
    SCENARIO(second_reader_is_refused),
    SCENARIO(cancelled_read_leaves_the_octets_in_the_stream),
    SCENARIO(cancel_in_the_turn_of_the_octets_leaves_them_in_the_stream),
    SCENARIO(stream_that_is_not_read_stops_receiving_at_its_limit_and_goes_on_later),
    SCENARIO(paused_stream_goes_on_for_a_reader_that_wants_more_than_there_is),
    SCENARIO(writer_waits_while_the_peer_does_not_read),
    SCENARIO(small_writes_wait_when_the_buffer_is_full),
    SCENARIO(awaited_send_ends_though_nothing_else_happens),
    SCENARIO(large_write_follows_what_is_buffered),
    SCENARIO(writes_of_several_tasks_keep_their_order_and_stay_whole),
    SCENARIO(cancelled_large_write_says_how_much_is_sent_and_leaves_the_stream_usable),
    SCENARIO(any_number_of_tasks_may_drain_at_once),
    SCENARIO(write_of_nothing_waits_its_turn_and_wakes_the_next),
    SCENARIO(half_closed_stream_still_reads),
    SCENARIO(writing_in_a_tight_loop_to_a_closed_peer_ends_with_an_error),
    SCENARIO(all_writers_learn_that_the_peer_has_gone),
    SCENARIO(peer_end_is_told_once_even_with_octets_left),
    SCENARIO_REAL(reset_of_the_peer_comes_behind_the_octets_before_it,
                  "it uses a socket of the simulator's by plain calls"),
    SCENARIO_REAL(abort_resets_the_peer, "it uses a socket of the simulator's by plain calls"),
    SCENARIO(close_waits_until_everything_is_sent),
    SCENARIO(cancelled_wait_for_the_close_leaves_it_going_on),
    SCENARIO(abort_after_close_drops_what_is_left),
    SCENARIO(waiters_of_a_stream_that_is_closed_learn_so),
    SCENARIO(file_follows_its_head_and_writes_follow_the_file),
    SCENARIO(file_that_ends_before_is_told_with_what_was_sent),
    SCENARIO(cancelled_sendfile_says_how_much_is_sent_and_leaves_the_stream_usable),
    SCENARIO(sendfile_of_a_bad_descriptor_is_its_error),
    { .name = "readers_that_find_no_buffer_are_armed_again",
      .main = readers_that_find_no_buffer_are_armed_again,
      .opts = &few_buffers,
      .once = true },
    { .name = "readers_that_find_no_buffer_are_armed_again_in_the_smallest_ring",
      .main = readers_that_find_no_buffer_are_armed_again,
      .opts = &small_ring,
      .once = true },
};

int main(void)
{
    return RUN_SCENARIOS("stream", scenarios);
}
