/* test_sim.c - the simulator: one seed one run, a clock that jumps, sockets, deadlocks that are found. */
#include "core/loop/loop.h"
#include "core/sim/state.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <unistd.h>

enum { seeds = 40, big = 200 << 10 };

static char sent[big], got[big];
static size_t got_size;
static rill_addr address;

/* One run of `fn` in the world of `seed`; its hash. */
static uint64_t run_seed(rill_fn *fn, rill_sim_opts world, int wanted)
{
    uint64_t hash = 0;
    world.ret_hash = &hash;
    rill_loop_opts opts = { .sim = &world };
    int r = run_main_with(fn, NULL, &opts);
    if (r != wanted)
        fail_msg("seed %llu: %s instead of %s", (unsigned long long)world.seed, rill_errname(r),
                 rill_errname(wanted));
    return hash;
}

/* --- A story: one side sends, the other sends it back. --- */

static int echo(void *arg)
{
    rill_listener *listener = arg;
    rill_stream *stream;
    char part[3000];
    int fd, r = rill_listener_accept(listener, &fd);
    if (r < 0)
        return r;
    r = rill_stream_new(fd, NULL, &stream);
    while (r >= 0) {
        r = rill_stream_read(stream, part, sizeof part);
        if (r <= 0)
            break;
        r = rill_stream_write(stream, part, (size_t)r, NULL);
    }
    r = rill_first_error(r, rill_stream_drain(stream));
    rill_stream_close(stream);
    rill_stream_unref(stream);
    return r;
}

static int send_all(void *arg)
{
    rill_stream *stream = arg;
    int r = rill_stream_write(stream, sent, sizeof sent, NULL);
    return r < 0 ? r : rill_stream_write_eof(stream);
}

static int talk(void *arg)
{
    int fd;
    (void)arg;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7 + (i >> 9));
    memset(got, 0, sizeof got);
    got_size = 0;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &address), 0);
    EXPECT_IS(rill_listen(&address, NULL, &fd), 0);
    EXPECT_IS(rill_socket_name(fd, &address), 0);
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(fd, &listener), 0);
    OWNED_FUTURE rill_task *server = rill_create_task(RILL_CORO(echo, listener));
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    OWNED_FUTURE rill_task *writer = rill_create_task(RILL_CORO(send_all, stream));
    int r = 1;
    while (r > 0 && got_size < sizeof got) {
        r = rill_stream_read(stream, got + got_size, sizeof got - got_size);
        got_size += r > 0 ? (size_t)r : 0;
    }
    EXPECT_IS(r > 0 ? rill_stream_read(stream, got, 1) : r, 0);
    EXPECT_IS(got_size, sizeof got);
    EXPECT(memcmp(sent, got, sizeof got) == 0);
    EXPECT_IS(rill_await(writer), 0);
    EXPECT_IS(rill_await(server), 0);
    return 0;
}

static void same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        rill_sim_opts world = { .seed = seed, .shuffle = seed % 2 == 1 };
        uint64_t first = run_seed(talk, world, 0);
        assert_true(first != 0);
        assert_true(run_seed(talk, world, 0) == first);
    }
}

static void other_seeds_give_other_runs(void **state)
{
    uint64_t hashes[seeds];
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        hashes[seed] = run_seed(talk, (rill_sim_opts){ .seed = seed }, 0);
        for (uint64_t other = 0; other < seed; other++)
            assert_true(hashes[seed] != hashes[other]);
    }
}

/* --- The clock. --- */

static int sleep_long(void *arg)
{
    (void)arg;
    rill_time before = rill_now(), wall = rill_wall_clock();
    EXPECT_IS(rill_sleep(RILL_SEC(3600)), 0);
    EXPECT_IS(rill_now() - before, RILL_SEC(3600));
    EXPECT_IS(rill_wall_clock() - wall, RILL_SEC(3600));
    return 0;
}

static void virtual_hour_passes_at_once_and_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        uint64_t first = run_seed(sleep_long, (rill_sim_opts){ .seed = seed }, 0);
        /* An hour later it wakes up as often on its way as before. */
        assert_true(run_seed(sleep_long, (rill_sim_opts){ .seed = seed }, 0) == first);
    }
}

static int wait_busily(void *arg)
{
    (void)arg;
    rill_time until = rill_now() + RILL_MS(20);
    while (rill_now() < until)
        ;
    OWNED_FUTURE rill_future *soon = rill_sleep_future(RILL_MS(20), 0, NULL);
    while (!rill_done(soon))
        EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static void busy_waits_end(void **state)
{
    (void)state;
    run_seed(wait_busily, (rill_sim_opts){ .seed = 1 }, 0);
}

static int draw_random(void *arg)
{
    static uint64_t before;
    uint64_t octets[2];
    (void)arg;
    rill_random(octets, sizeof octets);
    EXPECT(octets[0] != octets[1]);
    EXPECT(before == 0 || before == octets[0]);
    before = octets[0];
    return 0;
}

static void randomness_is_the_seeds(void **state)
{
    (void)state;
    run_seed(draw_random, (rill_sim_opts){ .seed = 5 }, 0);
    run_seed(draw_random, (rill_sim_opts){ .seed = 5 }, 0);
}

/* --- Order. --- */

static int trace_letter(void *arg)
{
    trace(*(const char *)arg);
    return 0;
}

static int start_four(void *arg)
{
    rill_future *tasks[4];
    (void)arg;
    for (size_t i = 0; i < 4; i++)
        tasks[i] = rill_create_task(RILL_CORO(trace_letter, (void *)(uintptr_t) & "abcd"[i]));
    int r = 0;
    for (size_t i = 0; i < 4; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    return r;
}

static void ready_tasks_are_shuffled_only_if_asked_for(void **state)
{
    unsigned others = 0;
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++) {
        run_seed(start_four, (rill_sim_opts){ .seed = seed }, 0);
        assert_string_equal(traced(), "abcd");
        run_seed(start_four, (rill_sim_opts){ .seed = seed, .shuffle = true }, 0);
        assert_int_equal(strlen(traced()), 4);
        others += strcmp(traced(), "abcd") != 0;
    }
    assert_true(others > seeds / 2);
}

/* --- Deadlocks. --- */

static unsigned told;

static void count_report(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)arg;
    told += strstr(message, "deadlock") != NULL && future != NULL;
}

static int wait_for_nobody(void *arg)
{
    (void)arg;
    rill_loop_set_error_handler(rill_get_running_loop(), count_report, NULL);
    OWNED_FUTURE rill_future *never = rill_future_new();
    return rill_await(never);
}

static void deadlock_ends_the_run_and_is_told(void **state)
{
    (void)state;
    told = 0;
    run_seed(wait_for_nobody, (rill_sim_opts){ .seed = 3 }, -EDEADLK);
    assert_int_equal(told, 1);
}

static int do_nothing(rill_stop *stop, void *arg)
{
    (void)stop;
    (void)arg;
    return 0;
}

static int use_a_thread_and_wait(void *arg)
{
    EXPECT_IS(rill_to_thread(do_nothing, NULL), 0);
    return wait_for_nobody(arg);
}

static void deadlock_is_found_though_the_executor_has_threads(void **state)
{
    (void)state;
    told = 0;
    run_seed(use_a_thread_and_wait, (rill_sim_opts){ .seed = 3 }, -EDEADLK);
    assert_int_equal(told, 1);
}

static int serve_nobody(rill_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return 0;
}

static int start_server(void *arg)
{
    return rill_start_server("127.0.0.1", 80, serve_nobody, NULL, NULL, arg);
}

/* A loop that runs for ever, with a server that nobody can connect to, and a task that waits. */
static void deadlock_of_a_loop_that_runs_for_ever_names_the_stuck_tasks(void **state)
{
    rill_sim_opts world = { .seed = 4 };
    rill_loop_opts opts = { .sim = &world };
    rill_loop *loop;
    rill_server *server;
    (void)state;
    told = 0;
    assert_int_equal(rill_loop_new(&opts, &loop), 0);
    rill_loop_set_error_handler(loop, count_report, NULL);
    assert_int_equal(rill_run_coro(loop, RILL_CORO(start_server, &server)), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(sleep_for_ever, NULL), NULL);
    assert_int_equal(rill_run_forever(loop), -EDEADLK);
    assert_int_equal(told, 1);
    rill_server_close(server);
    rill_cancel(task, NULL);
    assert_int_equal(rill_run_until_done(loop, task), -ECANCELED);
    rill_unref(task);
    rill_server_free(server);
    assert_int_equal(rill_loop_close(loop), 0);
}

/* --- The network. --- */

static const rill_sim_net slow_net = { .latency_min = RILL_MS(10), .latency_max = RILL_MS(10) };

static int take_first_octet(void *arg)
{
    rill_listener *listener = arg;
    rill_stream *stream;
    char in;
    int fd, r = rill_listener_accept(listener, &fd);
    if (r < 0)
        return r;
    r = rill_stream_new(fd, NULL, &stream);
    if (r < 0)
        return r;
    r = rill_stream_read(stream, &in, 1);
    rill_stream_abort(stream);
    rill_stream_unref(stream);
    return r;
}

static int send_one(void *arg)
{
    int fd;
    (void)arg;
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:80"), &address), 0);
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), -ECONNREFUSED);
    EXPECT_IS(rill_listen(&address, NULL, &fd), 0); /* nobody needs to be root in there */
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(fd, &listener), 0);
    OWNED_FUTURE rill_task *server = rill_create_task(RILL_CORO(take_first_octet, listener));
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    rill_time before = rill_now();
    EXPECT_IS(rill_stream_write(stream, "xy", 2, NULL), 2);
    EXPECT_IS(rill_await(server), 1);
    EXPECT(rill_now() - before >= RILL_MS(10));
    char in;
    EXPECT_IS(rill_stream_read(stream, &in, 1), -ECONNRESET);
    return 0;
}

static void octets_take_their_time_and_a_reset_comes_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++)
        run_seed(send_one, (rill_sim_opts){ .seed = seed, .net = &slow_net }, 0);
}

/* --- Silent sends. --- */

struct silent_send {
    struct rill__op op;
    rill_time ended;
};

static void note_end(struct rill__op *op, int result, unsigned flags)
{
    struct silent_send *send = container_of(op, struct silent_send, op);
    (void)flags;
    EXPECT_HERE(result == (int)op->size);
    send->ended = rill__sim_now();
}

/* One, a turn in which it is carried out, and a long sleep: its end comes before that. */
static int send_silently(int fd)
{
    static struct silent_send send;
    struct rill__backend *backend = rill_get_running_loop()->backend;
    send.op = (struct rill__op){ .kind = RILL__OP_SEND_NOW,
                                 .fd = fd,
                                 .addr = sent,
                                 .size = 10,
                                 .flags = RILL__OP_SILENT,
                                 .done = note_end };
    send.ended = 0;
    rill_time began = rill__sim_now();
    EXPECT_IS(backend->ops->submit(backend, &send.op), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(RILL_SEC(3600)), 0);
    EXPECT(!send.op.in_flight);
    EXPECT(send.ended - began < RILL_SEC(60));
    return 0;
}

static int send_ten_silently(void *arg)
{
    int fd;
    (void)arg;
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:80"), &address), 0);
    EXPECT_IS(rill_listen(&address, NULL, &fd), 0);
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(fd, &listener), 0);
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    for (int i = 0; i < 10; i++)
        EXPECT_IS(send_silently(rill_stream_fd(stream)), 0);
    return 0;
}

static void end_of_a_silent_send_is_told_by_the_next_wait(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++)
        run_seed(send_ten_silently, (rill_sim_opts){ .seed = seed }, 0);
}

/* --- Operations with many completions that end by themselves. --- */

enum { chunks = 8, chunk = 100 };

/* Watches the receives of the one stream there is; completion `ends_at` of them is made the last one. */
static struct {
    struct rill__sim *sim;
    const struct rill__backend_ops *ops;
    void (*done)(struct rill__op *op, int result, unsigned flags);
    unsigned arms, live, live_most, completions, ends_at;
} watch;

static void set_next_end(void)
{
    watch.sim->manners.ends = watch.completions + 1 == watch.ends_at ? 1000 : 0;
}

static void watch_done(struct rill__op *op, int result, unsigned flags)
{
    watch.completions++;
    watch.live -= !(flags & RILL__OP_MORE);
    set_next_end();
    watch.done(op, result, flags);
}

static int watch_submit(struct rill__backend *backend, struct rill__op *op)
{
    if (op->kind == RILL__OP_RECV_MANY) {
        watch.done = op->done;
        op->done = watch_done;
        watch.arms++;
        watch.live_most = ++watch.live > watch.live_most ? watch.live : watch.live_most;
    }
    return watch.ops->submit(backend, op);
}

static void begin_watch(unsigned ends_at)
{
    static struct rill__backend_ops watched;
    struct rill__backend *backend = rill_get_running_loop()->backend;
    memset(&watch, 0, sizeof watch);
    watch.sim = container_of(backend, struct rill__sim, backend);
    watch.ops = backend->ops;
    watch.ends_at = ends_at;
    watched = *backend->ops;
    watched.submit = watch_submit;
    backend->ops = &watched;
    set_next_end();
}

static int send_chunks(void *arg)
{
    int fd, r = rill_listener_accept(arg, &fd);
    if (r < 0)
        return r;
    for (size_t i = 0; i < chunks && r >= 0; i++) {
        r = rill_sleep(RILL_SEC(1)); /* each is a completion of its own */
        if (r == 0)
            r = rill_send(fd, sent + i * chunk, chunk, 0);
    }
    return rill_first_error(r, rill_file_close(fd));
}

/* The completion `*arg` of the receive is its last one, and octets go on coming. */
static int receive_chunks(void *arg)
{
    int fd;
    for (size_t i = 0; i < chunks * chunk; i++)
        sent[i] = (char)(i * 7 + (i >> 9));
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:80"), &address), 0);
    EXPECT_IS(rill_listen(&address, NULL, &fd), 0);
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(fd, &listener), 0);
    OWNED_FUTURE rill_task *sender = rill_create_task(RILL_CORO(send_chunks, listener));
    begin_watch(*(unsigned *)arg);
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    int r = 1;
    for (got_size = 0; r > 0; got_size += r > 0 ? (size_t)r : 0)
        r = rill_stream_read(stream, got + got_size, sizeof got - got_size);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_await(sender), 0);
    EXPECT_IS(got_size, chunks * chunk);
    EXPECT(memcmp(sent, got, got_size) == 0);
    EXPECT_IS(watch.arms, 2);
    EXPECT_IS(watch.live_most, 1);
    return 0;
}

/* R11: at each completion; armed again exactly once, one is live at a time, no octet is lost. */
static void receive_that_ends_by_itself_is_armed_again_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < seeds; seed++)
        for (unsigned at = 1; at <= chunks; at++) {
            rill_sim_opts world = { .seed = seed };
            rill_loop_opts opts = { .sim = &world };
            if (run_main_with(receive_chunks, &at, &opts) != 0)
                fail_msg("seed %llu, completion %u", (unsigned long long)seed, at);
        }
}

static const struct scenario scenarios[] = {
    OUTSIDE(same_seed_gives_the_same_run),
    OUTSIDE(other_seeds_give_other_runs),
    OUTSIDE(virtual_hour_passes_at_once_and_exactly),
    OUTSIDE(busy_waits_end),
    OUTSIDE(randomness_is_the_seeds),
    OUTSIDE(ready_tasks_are_shuffled_only_if_asked_for),
    OUTSIDE(deadlock_ends_the_run_and_is_told),
    OUTSIDE(deadlock_is_found_though_the_executor_has_threads),
    OUTSIDE(deadlock_of_a_loop_that_runs_for_ever_names_the_stuck_tasks),
    OUTSIDE(octets_take_their_time_and_a_reset_comes_back),
    OUTSIDE(end_of_a_silent_send_is_told_by_the_next_wait),
    OUTSIDE(receive_that_ends_by_itself_is_armed_again_once),
};

int main(void)
{
    return RUN_SCENARIOS("sim", scenarios);
}
