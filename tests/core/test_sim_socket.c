/* test_sim_socket.c - simulated stream sockets without a stream: waiting for all, numbers that run out or are
 * closed behind the world's back, queues that nobody empties. Each test runs under many seeds. */
#include "tests/support/expect.h"

#include <rill/file.h>
#include <rill/net.h>
#include <rill/sim.h>
#include <rill/stream.h>
#include <rill/timeout.h>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { seeds = 40, part = 20, parts = 5 };

static const rill_sim_net odd_net = { .latency_min = RILL_MS(2),
                                      .latency_max = 1,
                                      .capacity = -1u };
static int listening, accepted;
static rill_stream *stream;

static void run_seeds(rill_fn *fn)
{
    for (uint64_t seed = 0; seed < seeds; seed++) {
        rill_sim_opts world = { .seed = seed, .shuffle = seed % 2 == 1 };
        rill_loop_opts opts = { .sim = &world };
        if (seed % 3 == 0)
            world.net = &odd_net;
        int r = run_main_with(fn, NULL, &opts);
        if (r < 0)
            fail_msg("seed %llu: %s", (unsigned long long)seed, rill_errname(r));
    }
}

/* --- Two ends: `stream`, and the number `accepted`. --- */

static void drop_both(int *mark)
{
    (void)mark;
    rill_stream_unref(stream);
    expect_drop_fd(&accepted);
    expect_drop_fd(&listening);
}

#define OWNED_ENDS                                          \
    __attribute__((cleanup(drop_both))) int ends_mark_ = 0; \
    (void)ends_mark_

static int connect_it(void)
{
    rill_addr at;
    stream = NULL;
    listening = accepted = -1;
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:80"), &at);
    if (r == 0)
        r = rill_listen(&at, NULL, &listening);
    return r < 0 ? r : rill_stream_connect(&at, NULL, &stream);
}

static int make_ends(void)
{
    int r = connect_it();
    if (r == 0)
        r = accepted = rill_accept(listening, NULL);
    return r < 0 ? r : 0;
}

/* --- Waiting for all. --- */

static int send_parts(void *arg)
{
    static const char octets[part] = "nineteen and a zero";
    int r = 0;
    (void)arg;
    for (int i = 0; i < parts && r >= 0; i++) {
        r = rill_sleep(RILL_MS(10));
        if (r == 0)
            r = rill_stream_write(stream, octets, part, NULL);
    }
    return r < 0 ? r : rill_stream_write_eof(stream);
}

static int receive_all(void *arg)
{
    char in[parts * part];
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(make_ends(), 0);
    OWNED_FUTURE rill_task *sender = rill_create_task(RILL_CORO(send_parts, NULL));
    EXPECT_IS(rill_recv(accepted, in, 3 * part, MSG_WAITALL), 3 * part);
    EXPECT_IS(memcmp(in, in + 2 * part, part), 0);
    EXPECT_IS(rill_recv(accepted, in, sizeof in, MSG_WAITALL), 2 * part); /* until the end */
    EXPECT_IS(rill_recv(accepted, in, sizeof in, MSG_WAITALL), 0);
    return rill_await(sender);
}

static void receive_of_all_waits_for_all_or_the_end(void **state)
{
    (void)state;
    run_seeds(receive_all);
}

/* What came before the cancel is the result, or still to be read. */
static int receive_in_a_hurry(void *arg)
{
    char in[parts * part];
    rill_scope scope = { 0 };
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(make_ends(), 0);
    OWNED_FUTURE rill_task *sender = rill_create_task(RILL_CORO(send_parts, NULL));
    EXPECT_IS(rill_timeout(&scope, RILL_MS(25)), 0);
    int got = 0, r = rill_recv(accepted, in, sizeof in, MSG_WAITALL);
    got += r > 0 ? r : 0;
    r = rill_scope_leave(&scope, r);
    EXPECT(r > 0 || r == -ETIME);
    for (r = 1; r > 0; got += r > 0 ? r : 0)
        r = rill_recv(accepted, in, sizeof in, 0);
    EXPECT_IS(got, sizeof in);
    return rill_await(sender);
}

static void cancelled_receive_of_all_loses_nothing(void **state)
{
    (void)state;
    run_seeds(receive_in_a_hurry);
}

/* --- Numbers. --- */

static int close_behind_the_back(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(make_ends(), 0);
    close(accepted);
    accepted = -1;
    int r = rill_stream_read(stream, in, sizeof in); /* nothing else is left to do: it shows */
    EXPECT(r == 0 || r == -ECONNRESET);
    return 0;
}

static void socket_closed_behind_the_back_ends_the_connection(void **state)
{
    (void)state;
    run_seeds(close_behind_the_back);
}

static int use_a_number_that_is_gone(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(make_ends(), 0);
    int gone = accepted;
    close(accepted);
    accepted = -1;
    EXPECT_IS(rill_recv(gone, in, sizeof in, 0), -EBADF);
    return 0;
}

static void number_that_was_closed_is_no_socket(void **state)
{
    (void)state;
    run_seeds(use_a_number_that_is_gone);
}

static int close_the_queue(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(connect_it(), 0);
    EXPECT_IS(rill_file_close(listening), 0);
    listening = -1;
    EXPECT_IS(rill_stream_read(stream, in, sizeof in), -ECONNRESET);
    return 0;
}

static void connection_that_nobody_accepts_is_reset_with_its_listener(void **state)
{
    (void)state;
    run_seeds(close_the_queue);
}

static int run_out_of_numbers(void *arg)
{
    struct rlimit before, none;
    rill_stream *one, *other;
    (void)arg;
    OWNED_ENDS;
    EXPECT_IS(connect_it(), 0);
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){ 3, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    int accept = rill_accept(listening, NULL), pair = rill_stream_pair(NULL, &one, &other);
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_IS(accept, -EMFILE);
    EXPECT_IS(pair, -EMFILE);
    accepted = rill_accept(listening, NULL); /* it is still in the queue */
    EXPECT(accepted >= 0);
    return 0;
}

static void accept_without_descriptors_leaves_the_connection_in_the_queue(void **state)
{
    (void)state;
    skip_if_limits_are_kept();
    run_seeds(run_out_of_numbers);
}

/* --- The hash. --- */

static int look_at_the_hash(void *arg)
{
    rill_loop *loop = rill_get_running_loop();
    (void)arg;
    uint64_t before = rill_sim_hash(loop);
    EXPECT(before != 0);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(rill_sim_hash(loop) != before);
    EXPECT_IS(rill_sim_hash(NULL), 0);
    return 0;
}

static void hash_is_of_all_that_happened_so_far(void **state)
{
    (void)state;
    run_seeds(look_at_the_hash);
}

static const struct scenario scenarios[] = {
    OUTSIDE(receive_of_all_waits_for_all_or_the_end),
    OUTSIDE(cancelled_receive_of_all_loses_nothing),
    OUTSIDE(socket_closed_behind_the_back_ends_the_connection),
    OUTSIDE(number_that_was_closed_is_no_socket),
    OUTSIDE(connection_that_nobody_accepts_is_reset_with_its_listener),
    OUTSIDE(accept_without_descriptors_leaves_the_connection_in_the_queue),
    OUTSIDE(hash_is_of_all_that_happened_so_far),
};

int main(void)
{
    return RUN_SCENARIOS("sim_socket", scenarios);
}
