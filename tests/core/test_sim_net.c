/* test_sim_net.c - the simulated network: datagrams that come late, twice or never, and pairs of streams.
 *
 * Each test runs under many seeds. What depends on the seed is counted over all of them: it must happen in
 * some world, and what only a class of faults may do in none without that class. */
#include "tests/support/expect.h"

#include <rill/net.h>
#include <rill/sim.h>
#include <rill/stream.h>
#include <rill/timeout.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { seeds = 60, numbers = 50, flood = 2000, pair_octets = 100 << 10 };

static struct {
    unsigned worlds_in_order, lost, doubled, worlds_with_loss;
} seen;

static rill_udp *here, *there;
static rill_addr here_at, there_at;

static void close_both(void *unused)
{
    (void)unused;
    rill_udp_close(here);
    rill_udp_close(there);
    here = there = NULL;
}

#define OWNED_SOCKETS                                             \
    __attribute__((cleanup(drop_sockets))) int sockets_mark_ = 0; \
    (void)sockets_mark_

static void drop_sockets(int *mark)
{
    close_both(mark);
}

static int open_at(const char *text, rill_udp **ret_udp, rill_addr *ret_at)
{
    int r = rill_addr_parse(rill_span_of(text), ret_at);
    if (r == 0)
        r = rill_udp_open(ret_at, NULL, ret_udp);
    return r < 0 ? r : rill_socket_name(rill_udp_fd(*ret_udp), ret_at);
}

static int open_both(const char *one, const char *other)
{
    here = there = NULL;
    int r = open_at(one, &here, &here_at);
    return r < 0 ? r : open_at(other, &there, &there_at);
}

/* The next datagram, or -ETIME after `span`. */
static int receive_within(rill_udp *udp, rill_time span, void *buf, size_t size)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, span);
    return r < 0 ? r : rill_scope_leave(&scope, rill_udp_recv(udp, buf, size, NULL));
}

static void run_world(rill_fn *fn, rill_sim_opts world)
{
    rill_loop_opts opts = { .sim = &world };
    int r = run_main_with(fn, NULL, &opts);
    if (r < 0)
        fail_msg("seed %llu: %s", (unsigned long long)world.seed, rill_errname(r));
}

static void run_seeds(rill_fn *fn, unsigned faults)
{
    memset(&seen, 0, sizeof seen);
    for (uint64_t seed = 1; seed <= seeds; seed++)
        run_world(fn, (rill_sim_opts){ .seed = seed, .shuffle = true, .faults = faults });
}

/* --- From one socket to another. --- */

static int count_numbers(unsigned times[numbers])
{
    int number, before = -1, r;
    bool in_order = true;
    while ((r = receive_within(there, RILL_SEC(1), &number, sizeof number)) >= 0) {
        EXPECT_IS(r, sizeof number);
        EXPECT(number >= 0 && number < numbers);
        times[number]++;
        in_order &= number >= before;
        before = number;
    }
    seen.worlds_in_order += in_order;
    return r == -ETIME ? 0 : r;
}

static int send_numbers(void *arg)
{
    unsigned times[numbers] = { 0 }, lost = 0;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both("127.0.0.1:0", "127.0.0.1:53"), 0);
    for (int i = 0; i < numbers; i++)
        EXPECT_IS(rill_udp_send(here, &i, sizeof i, &there_at), sizeof i);
    EXPECT_IS(count_numbers(times), 0);
    for (int i = 0; i < numbers; i++) {
        lost += times[i] == 0;
        seen.doubled += times[i] > 1;
    }
    seen.lost += lost;
    seen.worlds_with_loss += lost > 0;
    return 0;
}

static void datagrams_overtake_each_other_in_some_worlds(void **state)
{
    (void)state;
    run_seeds(send_numbers, 0);
    assert_int_equal(seen.lost, 0);
    assert_int_equal(seen.doubled, 0);
    assert_in_range(seen.worlds_in_order, 1, seeds - 1);
}

static void datagrams_are_lost_only_if_that_is_allowed(void **state)
{
    (void)state;
    run_seeds(send_numbers, RILL_SIM_LOSS);
    assert_int_equal(seen.doubled, 0);
    assert_in_range(seen.worlds_with_loss, 1, seeds - 1);
}

static void datagrams_come_twice_only_if_that_is_allowed(void **state)
{
    (void)state;
    run_seeds(send_numbers, RILL_SIM_DOUBLE);
    assert_int_equal(seen.lost, 0);
    assert_true(seen.doubled > 0);
}

static int cut_one(void *arg)
{
    char in[16];
    struct iovec piece = { in, 4 };
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both("127.0.0.1:0", "127.0.0.1:0"), 0);
    EXPECT_IS(rill_udp_send(here, "", 0, &there_at), 0);
    EXPECT_IS(receive_within(there, RILL_SEC(1), in, sizeof in), 0);
    EXPECT_IS(rill_udp_send(here, "0123456789", 10, &there_at), 10);
    EXPECT(rill_poll(rill_udp_fd(there), POLLIN) >= 0);
    EXPECT_IS(rill_recv(rill_udp_fd(there), in, 4, MSG_PEEK | MSG_TRUNC), 10);
    EXPECT_IS(rill_recv(rill_udp_fd(there), in, 4, 0), 4);
    EXPECT(memcmp(in, "0123", 4) == 0);
    EXPECT_IS(rill_udp_send(here, "next", 4, &there_at), 4);
    EXPECT_IS(receive_within(there, RILL_SEC(1), piece.iov_base, sizeof in), 4);
    EXPECT(memcmp(in, "next", 4) == 0); /* the rest of the long one is gone */
    static char large[65508];
    EXPECT_IS(rill_udp_send(here, large, sizeof large, &there_at), -EMSGSIZE);
    return 0;
}

static void datagram_that_does_not_fit_is_cut(void **state)
{
    (void)state;
    run_seeds(cut_one, 0);
}

static int flood_one(void *arg)
{
    char in;
    unsigned got = 0;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both("127.0.0.1:0", "127.0.0.1:0"), 0);
    for (int i = 0; i < flood; i++)
        EXPECT_IS(rill_udp_send(here, "x", 1, &there_at), 1);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    while (receive_within(there, RILL_MS(1), &in, 1) == 1)
        got++;
    EXPECT(got > 100 && got < flood);
    return 0;
}

static void socket_that_nobody_reads_loses_what_it_has_no_room_for(void **state)
{
    (void)state;
    run_seeds(flood_one, 0);
}

/* --- Who gets it. --- */

static int open_to(const rill_addr *remote, rill_udp **ret_udp)
{
    *ret_udp = NULL;
    return rill_udp_open(NULL, remote, ret_udp);
}

static int talk_to_one(void *arg)
{
    char in;
    rill_addr from;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_at("127.0.0.1:53", &there, &there_at), 0);
    EXPECT_IS(rill_udp_open(&there_at, NULL, &here), -EADDRINUSE);
    EXPECT_IS(open_to(&there_at, &here), 0);
    EXPECT_IS(rill_udp_send(here, "a", 1, NULL), 1);
    EXPECT_IS(rill_udp_recv(there, &in, 1, &from), 1);
    EXPECT_IS(rill_socket_name(rill_udp_fd(here), &here_at), 0);
    EXPECT(rill_addr_equal(&from, &here_at));
    EXPECT_IS(rill_socket_peer(rill_udp_fd(here), &from), 0);
    EXPECT(rill_addr_equal(&from, &there_at));
    rill_udp *stranger;
    EXPECT_IS(open_to(&there_at, &stranger), 0);
    int named = rill_socket_name(rill_udp_fd(stranger), &from);
    rill_udp_close(stranger);
    EXPECT_IS(named, 0);
    EXPECT(!rill_addr_equal(&from, &here_at));
    EXPECT_IS(open_at("127.0.0.1:0", &stranger, &from), 0);
    int sent = rill_udp_send(stranger, "s", 1, &here_at);
    int heard = receive_within(here, RILL_SEC(1), &in, 1);
    rill_udp_close(stranger);
    EXPECT_IS(sent, 1);
    EXPECT_IS(heard, -ETIME);
    EXPECT_IS(rill_udp_send(there, "b", 1, &here_at), 1);
    EXPECT_IS(rill_udp_recv(here, &in, 1, NULL), 1);
    EXPECT_IS(in, 'b');
    return 0;
}

static void connected_socket_hears_its_other_side_only(void **state)
{
    (void)state;
    run_seeds(talk_to_one, 0);
}

static int refuse(void *arg)
{
    char in;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:53"), &there_at), 0);
    EXPECT_IS(open_to(&there_at, &here), 0);
    EXPECT_IS(rill_udp_send(here, "a", 1, NULL), 1);
    EXPECT_IS(rill_udp_recv(here, &in, 1, NULL), -ECONNREFUSED);
    EXPECT_IS(rill_udp_send(here, "b", 1, NULL), 1);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(rill_udp_send(here, "c", 1, NULL),
              -ECONNREFUSED); /* told once, to whoever asks next */
    EXPECT_IS(open_at("127.0.0.1:0", &there, &here_at), 0);
    EXPECT_IS(rill_udp_send(there, "d", 1, &there_at), 1); /* who talks to anybody is not told */
    EXPECT_IS(receive_within(there, RILL_SEC(1), &in, 1), -ETIME);
    return 0;
}

static void port_that_nobody_has_refuses_datagrams(void **state)
{
    (void)state;
    run_seeds(refuse, 0);
}

static int shout_into_the_dark(void *arg)
{
    char in;
    rill_stream *stream;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("192.0.2.1:53"), &there_at), 0);
    EXPECT_IS(open_to(&there_at, &here), 0);
    EXPECT_IS(rill_udp_send(here, "a", 1, NULL), 1);
    EXPECT_IS(receive_within(here, RILL_SEC(600), &in, 1), -ETIME);
    rill_time before = rill_now();
    EXPECT_IS(rill_stream_connect(&there_at, NULL, &stream), -ETIMEDOUT);
    EXPECT(rill_now() - before > RILL_SEC(60));
    EXPECT_IS(rill_addr_parse(RILL_SPAN("[2001:db8::1]:53"), &there_at), 0);
    EXPECT_IS(rill_stream_connect(&there_at, NULL, &stream), -ETIMEDOUT);
    return 0;
}

static void address_of_the_documentation_never_answers(void **state)
{
    (void)state;
    run_seeds(shout_into_the_dark, 0);
}

/* --- Unix sockets. --- */

static int send_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < numbers; i++) {
        int r = rill_udp_send(here, &i, sizeof i, &there_at);
        if (r < 0)
            return r;
    }
    return numbers;
}

static int fill_the_queue(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both("unix:/here", "unix:/there"), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_many, NULL)));
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT(!rill_done(sender)); /* it waits for room */
    for (int i = 0; i < numbers; i++) {
        int number;
        rill_addr from;
        EXPECT_IS(rill_udp_recv(there, &number, sizeof number, &from), sizeof number);
        EXPECT_IS(number, i);
        EXPECT(rill_addr_equal(&from, &here_at));
    }
    EXPECT_IS(rill_await(sender), numbers);
    rill_udp_close(there);
    there = NULL;
    EXPECT_IS(rill_udp_send(here, "x", 1, &there_at), -ECONNREFUSED);
    return 0;
}

static void datagrams_of_unix_sockets_wait_for_room(void **state)
{
    (void)state;
    run_seeds(fill_the_queue, RILL_SIM_LOSS | RILL_SIM_DOUBLE);
}

/* --- Somebody outside. --- */

static int send_outside(void *arg)
{
    (void)arg;
    for (int i = 0; i < flood; i++) {
        int r = rill_udp_send(here, &i, sizeof i, NULL);
        if (r < 0)
            return r;
    }
    return flood;
}

/* A socket that is made without rill: it is filled, and then read. */
static int talk_to_the_outside(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    there = here = NULL;
    OWNED_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT(fd >= 0);
    /* The kernel finds a name that nobody has. */
    EXPECT_IS(bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)), 0);
    there_at.length = sizeof there_at.un;
    EXPECT_IS(getsockname(fd, &there_at.any, &there_at.length), 0);
    EXPECT_IS(open_to(&there_at, &here), 0);
    OWNED_FUTURE rill_task *sender = rill_create_task(RILL_CORO(send_outside, NULL));
    EXPECT_IS(rill_sleep(RILL_MS(100)), 0);
    EXPECT(!rill_done(sender)); /* it waits for room */
    for (int wanted = 0; wanted < flood;) {
        int number;
        if (recv(fd, &number, sizeof number, 0) < 0) {
            EXPECT_IS(rill_sleep(RILL_MS(5)), 0);
            continue;
        }
        EXPECT_IS(number, wanted++);
    }
    EXPECT_IS(rill_await(sender), flood);
    return 0;
}

static void datagrams_reach_sockets_outside(void **state)
{
    static const rill_sim_net open_world = { .outside = true };
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        run_world(talk_to_the_outside, (rill_sim_opts){ .seed = seed, .net = &open_world });
}

/* Somebody outside could send at any time; but what does not come is what the simulator took away. */
static int wait_for_what_was_lost(void *arg)
{
    int number = 0, r = 0;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both("127.0.0.1:0", "127.0.0.1:0"), 0);
    for (int i = 0; i < flood && r >= 0; i++) {
        EXPECT_IS(rill_udp_send(there, &i, sizeof i, &here_at), (int)sizeof i);
        r = rill_udp_recv(here, &number, sizeof number, NULL);
    }
    return r;
}

static void lost_datagram_is_a_deadlock_also_where_others_may_come(void **state)
{
    static const rill_sim_net open_world = { .outside = true };
    rill_sim_opts world = { .seed = 3, .net = &open_world, .faults = RILL_SIM_LOSS };
    (void)state;
    assert_int_equal(
        run_main_with(wait_for_what_was_lost, NULL, &(rill_loop_opts){ .sim = &world }), -EDEADLK);
}

/* --- Pairs of streams. --- */

static char sent[pair_octets], got[pair_octets];
static rill_stream *one, *other;

static int write_all(void *arg)
{
    int r = rill_stream_write(one, sent, sizeof sent, NULL);
    (void)arg;
    return r < 0 ? r : rill_stream_write_eof(one);
}

static int talk_in_a_pair(void *arg)
{
    size_t size = 0;
    int r = 1;
    (void)arg;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7 + (i >> 9));
    OWNED_STREAM rill_stream *mine = NULL, *yours = NULL;
    EXPECT_IS(rill_stream_pair(NULL, &one, &other), 0);
    mine = one;
    yours = other;
    OWNED_FUTURE rill_task *writer = rill_create_task(RILL_CORO(write_all, NULL));
    for (; r > 0; size += r > 0 ? (size_t)r : 0)
        r = rill_stream_read(yours, got + size, sizeof got - size);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT_IS(size, sizeof got);
    EXPECT(memcmp(sent, got, size) == 0);
    EXPECT_IS(rill_stream_write(yours, "back", 4, NULL), 4); /* half is closed */
    EXPECT_IS(rill_stream_read_exactly(mine, got, 4, &size), 0);
    rill_stream_abort(yours);
    EXPECT_IS(rill_stream_read(mine, got, 1), 0);
    return 0;
}

static void pair_of_streams_carries_octets_both_ways(void **state)
{
    (void)state;
    run_seeds(talk_in_a_pair, 0);
    run_seeds(talk_in_a_pair, RILL_SIM_SHORT);
}

/* --- One seed, one run. --- */

static void datagrams_and_pairs_are_the_seeds(void **state)
{
    rill_fn *const stories[] = { send_numbers, talk_in_a_pair, fill_the_queue };
    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
            uint64_t first = 0, second = 0;
            rill_sim_opts world = { .seed = seed, .ret_hash = &first };
            run_world(stories[i], world);
            world.ret_hash = &second;
            run_world(stories[i], world);
            assert_true(first != 0 && first == second);
        }
}

static const struct scenario scenarios[] = {
    OUTSIDE(datagrams_overtake_each_other_in_some_worlds),
    OUTSIDE(datagrams_are_lost_only_if_that_is_allowed),
    OUTSIDE(datagrams_come_twice_only_if_that_is_allowed),
    OUTSIDE(datagram_that_does_not_fit_is_cut),
    OUTSIDE(socket_that_nobody_reads_loses_what_it_has_no_room_for),
    OUTSIDE(connected_socket_hears_its_other_side_only),
    OUTSIDE(port_that_nobody_has_refuses_datagrams),
    OUTSIDE(address_of_the_documentation_never_answers),
    OUTSIDE(datagrams_of_unix_sockets_wait_for_room),
    OUTSIDE(datagrams_reach_sockets_outside),
    OUTSIDE(lost_datagram_is_a_deadlock_also_where_others_may_come),
    OUTSIDE(pair_of_streams_carries_octets_both_ways),
    OUTSIDE(datagrams_and_pairs_are_the_seeds),
};

int main(void)
{
    return RUN_SCENARIOS("sim_net", scenarios);
}
