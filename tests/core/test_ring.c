/* test_ring.c - the ring: small queues lose nothing, and what a turn costs.
 *
 * Costs are counts of the ring's own counters, never times. */
#include "core/base/mem.h"
#include "core/loop/loop.h"
#include "tests/support/expect.h"

#include <rill/file.h>
#include <rill/net.h>
#include <rill/stream.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { many = 1000 };

static int ends[2]; /* a pipe, or whatever a test needs two of */

static const struct rill__counters *counters(void)
{
    return &rill_get_running_loop()->backend->counters;
}

static size_t in_flight(void)
{
    struct rill__backend *backend = rill_get_running_loop()->backend;
    return backend->ops->in_flight(backend);
}

/* --- Small queues. --- */

static rill_task *tasks[many];
static int numbers[many];

static void start_many(rill_coro coro)
{
    for (int i = 0; i < many; i++) {
        numbers[i] = i;
        coro.arg = &numbers[i];
        tasks[i] = rill_create_task(coro);
    }
}

static int join_many(int wanted)
{
    int r = 0;
    for (int i = 0; i < many; i++) {
        int result = rill_join(tasks[i]);
        if (result != wanted)
            r = expect_differs(__FILE__, __LINE__, "a result", result, "wanted", wanted);
    }
    return r;
}

static int write_number(void *number)
{
    return rill_file_write(ends[1], number, sizeof(int), UINT64_MAX);
}

static int submission_queue_of_8_takes_1000_ops_of_one_turn_in_order(void *arg)
{
    int got[many + 1];
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_FD int reading = ends[0];
    OWNED_FD int writing = ends[1];
    EXPECT(writing >= 0);
    start_many(RILL_CORO(write_number, NULL));
    EXPECT_IS(join_many(sizeof(int)), 0);
    EXPECT_IS(read(reading, got, sizeof got), many * sizeof(int));
    for (int i = 0; i < many; i++)
        EXPECT_IS(got[i], i);
    return 0;
}

static int poll_pipe(void *arg)
{
    (void)arg;
    return rill_poll(ends[0], POLLIN);
}

static int completion_queue_of_8_overflows_and_loses_none_of_1000(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_FD int reading = ends[0];
    OWNED_FD int writing = ends[1];
    size_t idle = in_flight();
    start_many(RILL_CORO(poll_pipe, NULL));
    while (in_flight() < idle + many)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(counters()->overflows, 0);
    EXPECT_IS(write(writing, "x", 1), 1);
    EXPECT_IS(join_many(POLLIN), 0);
    EXPECT(counters()->overflows > 0);
    EXPECT_IS(in_flight(), idle);
    EXPECT(reading >= 0);
    return 0;
}

/* --- Streams over socket pairs, whose other ends are plain descriptors. --- */

enum { pairs_max = 200 };

struct pair {
    rill_stream *stream;
    rill_task *task;
    int peer;
    char first; /* of the octets that are sent through it */
};

static struct pair pairs[pairs_max];
static int pair_count;

static int open_pairs(int count)
{
    int fds[2], r = 0;
    for (pair_count = 0; pair_count < count && r == 0; pair_count++) {
        struct pair *pair = &pairs[pair_count];
        EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        *pair = (struct pair){ .peer = fds[1], .first = (char)pair_count };
        r = rill_stream_new(fds[0], NULL, &pair->stream);
    }
    return r;
}

static void start_pairs(rill_coro coro)
{
    for (int i = 0; i < pair_count; i++) {
        coro.arg = &pairs[i];
        pairs[i].task = rill_create_task(coro);
    }
}

static int join_pairs(void)
{
    int r = 0;
    for (int i = 0; i < pair_count; i++) {
        int result = rill_join(pairs[i].task);
        r = r < 0 ? r : result;
    }
    return r;
}

static void close_pairs(void)
{
    for (int i = 0; i < pair_count; i++) {
        expect_drop_stream(&pairs[i].stream);
        close(pairs[i].peer);
    }
}

enum { load = 3000 }; /* octets; more than a receive buffer holds */

static void fill(const struct pair *pair, char octets[load])
{
    for (int i = 0; i < load; i++)
        octets[i] = (char)(pair->first + i % 251);
}

static int read_load(void *arg)
{
    struct pair *pair = arg;
    char got[load], wanted[load];
    fill(pair, wanted);
    EXPECT_IS(rill_stream_read_exactly(pair->stream, got, load, NULL), 0);
    EXPECT(memcmp(got, wanted, load) == 0);
    return 0;
}

static int receive_buffers_of_16_serve_200_streams_at_once(void *arg)
{
    char octets[load];
    (void)arg;
    EXPECT_IS(open_pairs(pairs_max), 0);
    start_pairs(RILL_CORO(read_load, NULL));
    for (int turns = 0; turns < 3; turns++) /* until all wait for octets */
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(counters()->enobufs, 0);
    for (int i = 0; i < pair_count; i++) {
        fill(&pairs[i], octets);
        EXPECT_IS(write(pairs[i].peer, octets, load), load);
    }
    EXPECT_IS(join_pairs(), 0);
    EXPECT(counters()->enobufs > 0);
    close_pairs();
    return 0;
}

/* --- Cancel. --- */

static int read_pipe(void *arg)
{
    char octet;
    (void)arg;
    return rill_file_read(ends[0], &octet, 1, UINT64_MAX);
}

static int cancelled_op_ends_with_ecanceled_and_leaves_nothing_in_flight(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_FD int reading = ends[0];
    OWNED_FD int writing = ends[1];
    size_t idle = in_flight();
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(read_pipe, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(in_flight(), idle + 1);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(in_flight(), idle);
    EXPECT(reading >= 0 && writing >= 0);
    return 0;
}

/* --- What it costs. --- */

enum { clients = 64, rounds = 3, enters_most = 4 };

static int answered;

/* What a server does with a connection that is kept alive. */
static int answer_requests(void *arg)
{
    struct pair *pair = arg;
    rill_span request;
    for (int round = 0; round < rounds; round++) {
        EXPECT_IS(rill_stream_peek(pair->stream, 4, &request), 1);
        EXPECT(memcmp(request.at, "ping", 4) == 0);
        rill_stream_consume(pair->stream, 4);
        char *room = rill_stream_room(pair->stream, 4);
        EXPECT(room != NULL);
        memcpy(room, "pong", 4);
        rill_stream_put(pair->stream, 4);
        answered++;
    }
    return 0;
}

/* All clients ask at once, and get their answer. */
static int one_round(void)
{
    char got[8];
    answered = 0;
    for (int i = 0; i < clients; i++)
        EXPECT_IS(write(pairs[i].peer, "ping", 4), 4);
    while (answered < clients)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0); /* the answers of the last turn are sent at its end */
    for (int i = 0; i < clients; i++)
        EXPECT_IS(read(pairs[i].peer, got, sizeof got), 4);
    return 0;
}

static int check_round(void)
{
    struct rill__counters before = *counters();
    uint64_t allocations = rill__mem_count();
    EXPECT_IS(one_round(), 0);
    const struct rill__counters *now = counters();
    EXPECT_IS(rill__mem_count(), allocations);
    EXPECT_IS(now->completions - before.completions, clients);
    EXPECT_IS(now->submitted - before.submitted, clients);
    return 0;
}

static int requests_on_64_kept_connections_cost_one_receive_and_no_allocation_each(void *arg)
{
    (void)arg;
    EXPECT_IS(open_pairs(clients), 0);
    start_pairs(RILL_CORO(answer_requests, NULL));
    EXPECT_IS(one_round(), 0); /* what is made at first use is there */
    for (int round = 1; round < rounds; round++)
        EXPECT_IS(check_round(), 0);
    EXPECT_IS(join_pairs(), 0);
    close_pairs();
    return 0;
}

/* As one_round, but it counts the enters until the last request was there. */
static int count_enters(uint64_t *ret_enters)
{
    answered = 0;
    for (int i = 0; i < clients; i++)
        EXPECT_IS(write(pairs[i].peer, "ping", 4), 4);
    uint64_t before = counters()->enters;
    while (answered < clients)
        EXPECT_IS(rill_sleep(0), 0);
    *ret_enters = counters()->enters - before;
    return 0;
}

static int requests_on_64_kept_connections_come_with_4_enters(void *arg)
{
    uint64_t enters = 0;
    (void)arg;
    EXPECT_IS(open_pairs(clients), 0);
    start_pairs(RILL_CORO(answer_requests, NULL));
    EXPECT_IS(one_round(), 0);
    for (int round = 1; round < rounds; round++) {
        EXPECT_IS(count_enters(&enters), 0);
        EXPECT(enters <= enters_most);
    }
    EXPECT_IS(join_pairs(), 0);
    close_pairs();
    return 0;
}

static int small_writes_of_one_turn_are_one_send(void *arg)
{
    char got[32];
    (void)arg;
    EXPECT_IS(open_pairs(1), 0);
    EXPECT_IS(rill_sleep(0), 0); /* the receive is armed */
    uint64_t before = counters()->submitted;
    for (int i = 0; i < 16; i++)
        EXPECT_IS(rill_stream_write(pairs[0].stream, "x", 1, NULL), 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(counters()->submitted - before, 1);
    EXPECT_IS(read(pairs[0].peer, got, sizeof got), 16);
    close_pairs();
    return 0;
}

#define SCENARIO_ONCE_WITH(function, opts_)                                \
    {                                                                      \
        .name = #function, .main = (function), .opts = (opts_), .once = 1, \
    }

static const rill_loop_opts small_sq = { .sq_entries = 8 };
static const rill_loop_opts small_cq = { .sq_entries = 8, .cq_entries = 8 };
static const rill_loop_opts few_buffers = { .recv_buffers = 16 };

static const struct scenario scenarios[] = {
    SCENARIO_ONCE_WITH(submission_queue_of_8_takes_1000_ops_of_one_turn_in_order, &small_sq),
    SCENARIO_ONCE_WITH(completion_queue_of_8_overflows_and_loses_none_of_1000, &small_cq),
    SCENARIO_ONCE_WITH(receive_buffers_of_16_serve_200_streams_at_once, &few_buffers),
    SCENARIO(cancelled_op_ends_with_ecanceled_and_leaves_nothing_in_flight),
    SCENARIO_ONCE(requests_on_64_kept_connections_cost_one_receive_and_no_allocation_each),
    SCENARIO_ONCE(requests_on_64_kept_connections_come_with_4_enters),
    SCENARIO_ONCE(small_writes_of_one_turn_are_one_send),
};

int main(void)
{
    return RUN_SCENARIOS("ring", scenarios);
}
