/* test_stream.c - streams over socket pairs: every octet once and in order, both ways at once, with few buffers. */
#include "core/io/stream.h"
#include "tests/support/pair.h"

#include <rill/group.h>

#include <sys/socket.h>
#include <unistd.h>

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

/* As asyncio's reader: who reads is told of the error at once; who looks sees what came before it. */
static int reset_of_the_peer_is_told_at_once_and_hides_no_octets(void *arg)
{
    char in[8];
    rill_span seen;
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
    EXPECT_IS(rill_stream_read(left, in, sizeof in), -ECONNRESET);
    EXPECT_IS(rill_stream_read_exactly(left, in, 0, NULL), -ECONNRESET);
    EXPECT_IS(rill_stream_read_line(left, &seen), -ECONNRESET);
    EXPECT(!rill_stream_at_eof(left));
    EXPECT_IS(rill_stream_peek(left, 1, &seen), 1);
    EXPECT(rill_span_equal(seen, RILL_SPAN("last")));
    rill_stream_consume(left, 4);
    EXPECT_IS(rill_stream_peek(left, 1, &seen), -ECONNRESET);
    EXPECT_IS(rill_stream_wait_closed(left),
              -ECONNRESET); /* nobody has closed it, but it is lost */
    EXPECT_IS(rill_stream_drain(left), -ECONNRESET);
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
    SCENARIO(half_closed_stream_still_reads),
    SCENARIO(peer_end_is_told_once_even_with_octets_left),
    SCENARIO(reset_of_the_peer_is_told_at_once_and_hides_no_octets),
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
