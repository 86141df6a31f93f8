/* test_sim_ring.c - manners of the ring that the simulator copies, each shown by operations without streams.
 *
 * Each world is made by hand: what its seed says about the manner in question is overwritten, the rest is the
 * seed's. So a test fails if the simulator loses that manner, and so does none of the stories. */
#include "core/loop/loop.h"
#include "core/sim/state.h"
#include "tests/support/expect.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { seeds = 40, sends = 50, ops_most = 64, chunk = 10 };

/* An operation and what was told of it. */
struct probe {
    struct rill__op op;
    int results[8];
    unsigned flags[8], told;
    uint16_t buffers[32]; /* that it got, and that were not given back */
    unsigned held;
};

static struct probe probes[ops_most];
static unsigned all_told;
static int pair[2];
static char octets[64 << 10];
static unsigned worlds; /* in which what depends on the seed came about */

static struct rill__backend *backend(void)
{
    return rill_get_running_loop()->backend;
}

static struct rill__sim *sim(void)
{
    return container_of(backend(), struct rill__sim, backend);
}

static void note(struct rill__op *op, int result, unsigned flags)
{
    struct probe *probe = container_of(op, struct probe, op);
    unsigned at = probe->told++;
    all_told++;
    if (flags & RILL__OP_BUFFER)
        probe->buffers[probe->held++] = op->buffer;
    if (at < sizeof probe->results / sizeof *probe->results) {
        probe->results[at] = result;
        probe->flags[at] = flags;
    }
}

static int submit(struct probe *probe, struct rill__op op)
{
    *probe = (struct probe){ .op = op };
    probe->op.done = note;
    return backend()->ops->submit(backend(), &probe->op);
}

static void give_back(struct probe *probe)
{
    backend()->ops->give_back(backend(), probe->buffers[--probe->held]);
}

static int receive_many(struct probe *probe)
{
    return submit(probe, (struct rill__op){ .kind = RILL__OP_RECV_MANY, .fd = pair[0] });
}

static int send_chunk(struct probe *probe)
{
    return submit(probe, (struct rill__op){
                             .kind = RILL__OP_SEND, .fd = pair[1], .addr = octets, .size = chunk });
}

/* A pair, and a world without any manners. */
static int make_world(void)
{
    struct rill__op op = { .kind = RILL__OP_SOCKETPAIR,
                           .fd = AF_UNIX,
                           .flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                           .addr = pair };
    struct rill__manners *manners = &sim()->manners;
    manners->batch = manners->late = manners->spurious = manners->ends = manners->split = 0;
    all_told = 0;
    return backend()->ops->call(backend(), &op);
}

static int end_world(void)
{
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_file_close(pair[i]), 0);
    return 0;
}

static void run_seeds(rill_fn *fn, const rill_sim_net *net, unsigned buffers)
{
    worlds = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        rill_sim_opts world = { .seed = seed, .net = net };
        rill_loop_opts opts = { .sim = &world, .recv_buffers = buffers };
        if (run_main_with(fn, NULL, &opts) < 0)
            fail_msg("seed %llu", (unsigned long long)seed);
    }
}

/* --- How many completions a wait tells. --- */

/* What has been told after each of three waits, for fifty that are ready. */
static int tell_in_batches(unsigned batch, unsigned first, unsigned second, unsigned third)
{
    EXPECT_IS(make_world(), 0);
    sim()->manners.batch = batch;
    uint64_t overflows = backend()->counters.overflows;
    for (int i = 0; i < sends; i++)
        EXPECT_IS(send_chunk(&probes[i]), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_told, first);
    EXPECT_IS(backend()->counters.overflows - overflows, first < sends);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_told, second);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_told, third);
    for (int i = 0; i < sends; i++)
        EXPECT(probes[i].results[0] == chunk && probes[i].told == 1);
    return end_world();
}

static int tell_twenty(void *arg)
{
    (void)arg;
    return tell_in_batches(20, 20, 40, sends);
}

static int tell_all(void *arg)
{
    (void)arg;
    return tell_in_batches(0, sends, sends, sends);
}

static void wait_tells_twenty_completions_or_all(void **state)
{
    static const rill_sim_net roomy = { .capacity = 64 << 10 };
    (void)state;
    run_seeds(tell_twenty, &roomy, 0);
    run_seeds(tell_all, &roomy, 0);
}

static int send_to_nobody_ready(void *arg)
{
    (void)arg;
    EXPECT_IS(make_world(), 0);
    sim()->manners.spurious = 500;
    EXPECT_IS(send_chunk(&probes[0]), 0);
    EXPECT_IS(rill_sleep(0), 0);
    worlds += all_told == 0; /* a wait that returned with nothing */
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(all_told, 1);
    return end_world();
}

static void wait_may_return_with_nothing(void **state)
{
    (void)state;
    run_seeds(send_to_nobody_ready, NULL, 0);
    assert_in_range(worlds, 1, seeds - 1);
}

/* --- Cancels. --- */

static int cancel_late(void *arg)
{
    struct probe *many = &probes[0];
    (void)arg;
    EXPECT_IS(make_world(), 0);
    EXPECT_IS(send_chunk(&probes[1]), 0);
    EXPECT_IS(rill_sleep(0), 0);
    sim()->manners.late = 1000;
    sim()->manners.late_max = RILL_MS(3);
    EXPECT_IS(receive_many(many), 0);
    EXPECT_IS(rill_sleep(0), 0);
    worlds += many->told == 0; /* it has its result, and has not told it */
    backend()->ops->cancel(backend(), &many->op);
    EXPECT(many->told < 2); /* the end comes from a wait, never from the cancel */
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(many->told, 2);
    EXPECT_IS(many->results[0], chunk);
    EXPECT_IS(many->flags[0], RILL__OP_MORE | RILL__OP_BUFFER);
    EXPECT_IS(many->results[1], -ECANCELED);
    EXPECT_IS(many->flags[1], 0);
    EXPECT(!many->op.in_flight);
    give_back(many);
    return end_world();
}

static void cancelled_receive_tells_what_it_has_and_then_its_end(void **state)
{
    (void)state;
    run_seeds(cancel_late, NULL, 0);
    assert_true(worlds > 0);
}

static int receive_one(void *arg)
{
    char in;
    (void)arg;
    return rill_recv(pair[0], &in, 1, 0);
}

/* The task is asked to end, and its operation takes its time: it lies on the task's stack. */
static int cancel_and_wait(void *arg)
{
    (void)arg;
    EXPECT_IS(make_world(), 0);
    sim()->manners.late = 1000;
    sim()->manners.late_max = RILL_MS(3);
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(receive_one, NULL));
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    rill_time before = rill_now();
    rill_cancel(task, NULL);
    EXPECT_IS(rill_await(task), -ECANCELED);
    worlds += rill_now() - before > RILL_US(100);
    return end_world();
}

static void completion_of_a_cancelled_op_may_come_late(void **state)
{
    (void)state;
    run_seeds(cancel_and_wait, NULL, 0);
    assert_in_range(worlds, 1, seeds);
}

/* --- Receive buffers. --- */

static int run_out_of_buffers(void *arg)
{
    struct probe *many = &probes[0];
    (void)arg;
    EXPECT_IS(make_world(), 0);
    EXPECT_IS(receive_many(many), 0);
    unsigned count = sim()->manners.buffers;
    uint64_t before = backend()->counters.enobufs;
    for (unsigned i = 0; i < count; i++) {
        EXPECT_IS(send_chunk(&probes[1]), 0);
        EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
        EXPECT_IS(many->told, i + 1);
    }
    EXPECT_IS(send_chunk(&probes[1]), 0);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(many->told, count); /* there is none left */
    EXPECT_IS(backend()->counters.enobufs - before, 1);
    give_back(many);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(many->told, count + 1);
    backend()->ops->cancel(backend(), &many->op);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT(!many->op.in_flight);
    while (many->held > 0)
        give_back(many);
    return end_world();
}

static void receive_without_a_buffer_goes_on_when_one_is_given_back(void **state)
{
    (void)state;
    run_seeds(run_out_of_buffers, NULL, 16);
}

/* --- Sends. --- */

static int send_too_much(void *arg)
{
    struct rill__op much = {
        .kind = RILL__OP_SEND_NOW, .fd = 0, .addr = octets, .size = sizeof octets
    };
    char in[512];
    (void)arg;
    EXPECT_IS(make_world(), 0);
    much.fd = pair[1];
    EXPECT_IS(submit(&probes[0], much), 0);
    EXPECT_IS(submit(&probes[1], much), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(probes[0].results[0], sizeof in); /* the room there was */
    EXPECT_IS(probes[1].results[0], -EAGAIN);
    EXPECT_IS(rill_recv(pair[0], in, sizeof in, 0), sizeof in);
    return end_world();
}

static void send_that_does_not_wait_is_short_when_the_pipe_is_full(void **state)
{
    static const rill_sim_net narrow = { .capacity = 512 };
    (void)state;
    run_seeds(send_too_much, &narrow, 0);
}

static int send_silently(void *arg)
{
    (void)arg;
    EXPECT_IS(make_world(), 0);
    uint64_t settled = backend()->counters.settled;
    EXPECT_IS(submit(&probes[0], (struct rill__op){ .kind = RILL__OP_SEND_NOW,
                                                    .fd = pair[1],
                                                    .addr = octets,
                                                    .size = chunk,
                                                    .flags = RILL__OP_SILENT }),
              0);
    EXPECT_IS(rill_sleep(RILL_SEC(1)), 0);
    EXPECT_IS(probes[0].told, 1);
    EXPECT_IS(backend()->counters.settled - settled, 1); /* not as others are told */
    return end_world();
}

static void silent_send_has_no_completion_of_its_own(void **state)
{
    (void)state;
    run_seeds(send_silently, NULL, 0);
}

/* --- What a seed draws. --- */

static unsigned on[7], batches_of_20, batches_of_all, few_buffers;

static int look_at_manners(void *arg)
{
    const struct rill__manners *manners = &sim()->manners;
    (void)arg;
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        on[i] += manners->faults[i] > 0;
    batches_of_20 += manners->batch == 20;
    batches_of_all += manners->batch == 0;
    few_buffers += manners->buffers < 8;
    return 0;
}

static void seed_draws_first_which_faults_are_on(void **state)
{
    (void)state;
    memset(on, 0, sizeof on);
    batches_of_20 = batches_of_all = few_buffers = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        rill_sim_opts world = { .seed = seed, .faults = RILL_SIM_ALL };
        rill_loop_opts opts = { .sim = &world };
        assert_int_equal(run_main_with(look_at_manners, NULL, &opts), 0);
    }
    for (size_t i = 0; i < sizeof on / sizeof *on; i++)
        assert_in_range(on[i], 1, seeds - 1);
    assert_in_range(batches_of_20, 1, seeds - 1);
    assert_in_range(batches_of_all, 1, seeds - 1);
    assert_in_range(few_buffers, 1, seeds - 1);
}

static bool draws_more;

static int trace_letter(void *arg)
{
    trace(*(const char *)arg);
    return 0;
}

static int start_some(void *arg)
{
    rill_future *tasks[4];
    uint64_t drawn[4];
    (void)arg;
    if (draws_more)
        rill_random(drawn, sizeof drawn);
    for (size_t i = 0; i < 4; i++)
        tasks[i] = rill_create_task(RILL_CORO(trace_letter, (void *)(uintptr_t) & "abcd"[i]));
    int r = 0;
    for (size_t i = 0; i < 4; i++)
        r = rill_first_error(r, rill_join(tasks[i]));
    return r;
}

static void draws_of_the_program_do_not_shift_the_order(void **state)
{
    char order[8];
    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        rill_sim_opts world = { .seed = seed, .shuffle = true };
        rill_loop_opts opts = { .sim = &world };
        draws_more = false;
        assert_int_equal(run_main_with(start_some, NULL, &opts), 0);
        snprintf(order, sizeof order, "%s", traced());
        draws_more = true;
        assert_int_equal(run_main_with(start_some, NULL, &opts), 0);
        assert_string_equal(traced(), order);
    }
}

/* --- Last words. --- */

static int wait_for_nobody(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) /* more steps than are kept */
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    OWNED_FUTURE rill_future *never = rill_future_new();
    return rill_await(never);
}

static size_t count_lines(const char *text, const char *word)
{
    size_t count = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        count++;
    return count;
}

static void report_has_seed_step_last_lines_tasks_and_operations(void **state)
{
    static char text[64 << 10];
    rill_sim_opts world = { .seed = 77 };
    rill_loop_opts opts = { .sim = &world };
    (void)state;
    int before = dup(STDERR_FILENO), file = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(before >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    int r = run_main_with(wait_for_nobody, NULL, &opts);
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t size = pread(file, text, sizeof text - 1, 0);
    close(file);
    assert_int_equal(r, -EDEADLK);
    assert_true(size > 0);
    assert_int_equal(count_lines(text, " us  "), RILL__TRACE_KEPT);
    assert_non_null(strstr(text, "(seed 77, step "));
    assert_non_null(strstr(text, "1 tasks, "));
    assert_non_null(strstr(text, "'Task-1'"));
    assert_non_null(strstr(text, "deadlock"));
}

static const struct scenario scenarios[] = {
    OUTSIDE(wait_tells_twenty_completions_or_all),
    OUTSIDE(wait_may_return_with_nothing),
    OUTSIDE(cancelled_receive_tells_what_it_has_and_then_its_end),
    OUTSIDE(completion_of_a_cancelled_op_may_come_late),
    OUTSIDE(receive_without_a_buffer_goes_on_when_one_is_given_back),
    OUTSIDE(send_that_does_not_wait_is_short_when_the_pipe_is_full),
    OUTSIDE(silent_send_has_no_completion_of_its_own),
    OUTSIDE(seed_draws_first_which_faults_are_on),
    OUTSIDE(draws_of_the_program_do_not_shift_the_order),
    OUTSIDE(report_has_seed_step_last_lines_tasks_and_operations),
};

int main(void)
{
    return RUN_SCENARIOS("sim_ring", scenarios);
}
