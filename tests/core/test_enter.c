/* test_enter.c - the ring's one system call failing: nothing is lost, nothing done twice, no spinning.
 *
 * This program has its own io_uring_enter2, the call by which core/ring enters the kernel. It counts, and
 * fails when a test says so, with the kernel untouched. */
#include "core/loop/loop.h"
#include "core/ring/ring.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <rill/file.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags, sigset_t *sig,
                    size_t size);

static struct {
    unsigned calls, interrupted;
    unsigned from, to; /* calls that fail, counted from 1 */
    int error;         /* with this */
    bool only_submits; /* and only if they submit */
    bool one_by_one;   /* a call takes one submission at most */
} enters;

int io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags, sigset_t *sig,
                    size_t size)
{
    unsigned call = ++enters.calls;
    if (call >= enters.from && call <= enters.to && (submit > 0 || !enters.only_submits))
        return enters.error;
    if (enters.one_by_one && submit > 1) {
        submit = 1; /* the kernel does not wait after it stopped early */
        wait = 0;
    }
    long r = syscall(SYS_io_uring_enter, fd, submit, wait, flags, sig, size);
    enters.interrupted += r < 0 && errno == EINTR;
    return r < 0 ? -errno : (int)r;
}

static int ends[2];

#define OWNED_PIPE                                     \
    __attribute__((cleanup(drop_pipe))) int mark_ = 0; \
    (void)mark_

static void drop_pipe(int *unused)
{
    (void)unused;
    expect_drop_fd(&ends[0]);
    expect_drop_fd(&ends[1]);
}

/* --- A program with all that an enter does: submits, waits, results, timers. --- */

enum { numbers = 40 };

static int sent[numbers];

static int write_number(void *number)
{
    return rill_file_write(ends[1], number, sizeof(int), UINT64_MAX);
}

static int numbers_go_through_a_pipe_in_order(void *arg)
{
    rill_future *writers[numbers];
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    for (int i = 0; i < numbers; i++) {
        sent[i] = i;
        writers[i] = kept(rill_create_task(RILL_CORO(write_number, &sent[i])));
    }
    for (int i = 0; i < numbers; i++) {
        int got = -1;
        EXPECT_IS(rill_file_read(ends[0], &got, sizeof got, UINT64_MAX), sizeof got);
        EXPECT_IS(got, i);
    }
    for (int i = 0; i < numbers; i++)
        EXPECT_IS(rill_await(writers[i]), sizeof(int));
    EXPECT_IS(rill_sleep(1), 0);
    return 0;
}

static const rill_loop_opts small = { .sq_entries = 8, .cq_entries = 8 };

static void run_numbers(void)
{
    enters.calls = 0;
    assert_int_equal(run_main_with(numbers_go_through_a_pipe_in_order, NULL, &small), 0);
}

static int clear_faults(void **state)
{
    (void)state;
    memset(&enters, 0, sizeof enters);
    return 0;
}

/* R3, R9. The calls of the set-up are left alone: a ring that cannot try its sends goes without them. */
static void each_enter_may_fail_once_with_each_error(void **state)
{
    static const int errors[] = { -EINTR, -EAGAIN, -EBUSY, -ENOMEM };
    (void)state;
    run_numbers();
    unsigned all = enters.calls;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        enters.error = errors[i];
        for (unsigned nth = 1; nth <= all; nth++) {
            enters.from = enters.to = nth;
            run_numbers();
        }
    }
    print_message("%zu x %u enters failed\n", sizeof errors / sizeof *errors, all);
}

static void enters_that_take_one_submission_each_keep_their_order(void **state)
{
    (void)state;
    enters.one_by_one = true;
    run_numbers();
}

/* R9: the loop has nothing else to do, and does not ask again at once. */
static int refused_submissions_are_tried_again_after_a_pause(void *arg)
{
    char octet;
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    EXPECT_IS(write(ends[1], "x", 1), 1);
    EXPECT_IS(rill_sleep(0), 0);
    enters.error = -EAGAIN;
    enters.only_submits = true;
    enters.from = enters.calls + 1;
    enters.to = enters.calls + 40;
    rill_time before = rill_now();
    EXPECT_IS(rill_file_read(ends[0], &octet, 1, UINT64_MAX), 1);
    EXPECT(rill_now() - before >=
           RILL_MS(20)); /* every other enter is the pause of a millisecond */
    return 0;
}

/* --- What waits for room in the submission queue. --- */

enum { queue = 8, tasks_of_turn = 20 };

static struct rill__backend *ring;
static struct rill__op ops[tasks_of_turn];
static int results[tasks_of_turn], ended;

static void note_end(struct rill__op *op, int result, unsigned flags)
{
    (void)flags;
    results[op - ops] = result;
    ended++;
}

/* More writes than the queue holds, and the kernel takes none. */
static void fill_queue_and_backlog(void)
{
    struct rill__ring_opts opts = { queue, 2 * queue, 16 };
    assert_int_equal(rill__ring_new(&opts, &ring), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    enters.error = -EBUSY;
    enters.from = enters.calls + 1;
    enters.to = ~0U;
    ended = 0;
    for (int i = 0; i < tasks_of_turn; i++) {
        sent[i] = i;
        ops[i] = (struct rill__op){ .kind = RILL__OP_WRITE,
                                    .done = note_end,
                                    .fd = ends[1],
                                    .addr = &sent[i],
                                    .size = sizeof sent[i],
                                    .offset = UINT64_MAX };
        assert_int_equal(ring->ops->submit(ring, &ops[i]), 0);
    }
}

static void end_queue(void)
{
    enters.to = 0; /* the kernel takes them from here on */
    while (ring->ops->in_flight(ring) > 0)
        assert_int_equal(ring->ops->wait(ring, RILL_FOREVER), 0);
    assert_int_equal(ended, tasks_of_turn);
    ring->ops->free(ring);
}

static void expect_numbers_but(int missing)
{
    char more;
    for (int i = 0; i < tasks_of_turn; i++) {
        int got = -1;
        if (i == missing)
            continue;
        assert_int_equal(read(ends[0], &got, sizeof got), sizeof got);
        assert_int_equal(got, i);
        assert_int_equal(results[i], sizeof got);
    }
    assert_int_equal(read(ends[0], &more, 1), -1);
    drop_pipe(NULL);
}

/* R8. */
static void ops_in_the_backlog_start_in_order(void **state)
{
    (void)state;
    fill_queue_and_backlog();
    end_queue();
    expect_numbers_but(-1);
}

static void op_cancelled_in_the_backlog_never_reaches_the_kernel(void **state)
{
    enum { victim = queue + 3 };

    (void)state;
    fill_queue_and_backlog();
    ring->ops->cancel(ring, &ops[victim]);
    assert_true(ops[victim].in_flight);
    assert_int_equal(ended, 0); /* its end is told by the next wait, like every other */
    assert_int_equal(ring->ops->wait(ring, 0), 0);
    assert_int_equal(ended, 1);
    assert_int_equal(results[victim], -ECANCELED);
    end_queue();
    expect_numbers_but(victim);
}

/* The queue is full: the cancel itself has to wait for room. Its op has ended when it gets it. */
static void cancel_that_waits_for_room_changes_no_result(void **state)
{
    (void)state;
    fill_queue_and_backlog();
    ring->ops->cancel(ring, &ops[0]);
    end_queue();
    expect_numbers_but(-1);
}

static void cancel_all_ends_queue_and_backlog(void **state)
{
    int told[2] = { 0 };
    (void)state;
    fill_queue_and_backlog();
    ring->ops->cancel_all(ring);
    end_queue();
    for (int i = 0; i < tasks_of_turn; i++)
        told[results[i] == -ECANCELED]++;
    assert_int_equal(told[0], queue); /* those in the queue had won */
    assert_int_equal(told[1], tasks_of_turn - queue);
    drop_pipe(NULL);
}

/* --- Signals. --- */

static void note_signal(int signo)
{
    (void)signo;
}

static void stop_ticking(timer_t *timer)
{
    timer_delete(*timer);
}

#define OWNED_TICKING __attribute__((cleanup(stop_ticking)))

static int start_ticking(timer_t *ret_timer)
{
    static const struct itimerspec each_ms = { { 0, RILL_MS(1) }, { 0, RILL_MS(1) } };
    struct sigaction action = { .sa_handler = note_signal };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    sigaction(SIGUSR1, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, ret_timer) < 0)
        return -errno;
    return timer_settime(*ret_timer, 0, &each_ms, NULL) < 0 ? -errno : 0;
}

enum { rounds = 30, rounds_most = 1000 /* a busy machine has no CPU to be interrupted on */ };

static int write_later(void *number)
{
    int r = rill_sleep(RILL_MS(3));
    return r < 0 ? r : write_number(number);
}

/* R3. Each round sleeps in the kernel for some signals; a wake-up that is lost would hang it. */
static int signals_at_1_khz_lose_no_wake_up(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    OWNED_TICKING timer_t timer;
    EXPECT_IS(start_ticking(&timer), 0);
    for (int i = 0; i < rounds || (enters.interrupted < rounds && i < rounds_most); i++) {
        int got = -1;
        sent[0] = i;
        OWNED_FUTURE rill_task *writer = rill_create_task(RILL_CORO(write_later, &sent[0]));
        EXPECT_IS(rill_file_read(ends[0], &got, sizeof got, UINT64_MAX), sizeof got);
        EXPECT_IS(got, i);
        EXPECT_IS(rill_await(writer), sizeof(int));
    }
    EXPECT(enters.interrupted >= rounds ||
           under_valgrind()); /* it delivers signals when it likes */
    return 0;
}

/* --- A ring that is lost. --- */

static void ignore_cancel(struct rill__backend *backend, struct rill__op *op)
{
    (void)backend;
    (void)op;
}

static void ignore_cancels(struct rill__backend *backend)
{
    (void)backend;
}

static int lose_completions(void *arg)
{
    static struct rill__backend_ops losing;
    struct rill__backend *backend = rill_get_running_loop()->backend;
    char octet;
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    losing = *backend->ops;
    losing.cancel = ignore_cancel;
    losing.cancel_all = ignore_cancels;
    backend->ops = &losing;
    enters.error = -EBADR;
    enters.from = enters.to = enters.calls + 1;
    int r = rill_file_read(ends[0], &octet, 1, UINT64_MAX);
    return r < 0 ? r : 0;
}

static int run_and_lose(void *arg)
{
    (void)arg;
    return rill_run(RILL_CORO(lose_completions, NULL)) == -EBADR ? 0 : 1;
}

/* The task that waits can never end, so nothing can be cleaned up: the process is replaced. */
static void lost_completions_end_the_process_and_do_not_hang_it(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, run_and_lose, NULL), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGABRT);
}

static void run_refused(void **state)
{
    (void)state;
    assert_int_equal(run_main(refused_submissions_are_tried_again_after_a_pause, NULL), 0);
}

static void run_signals(void **state)
{
    (void)state;
    assert_int_equal(run_main(signals_at_1_khz_lose_no_wake_up, NULL), 0);
}

#define WITH_FAULTS(test) cmocka_unit_test_setup(test, clear_faults)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAULTS(each_enter_may_fail_once_with_each_error),
        WITH_FAULTS(enters_that_take_one_submission_each_keep_their_order),
        { "refused_submissions_are_tried_again_after_a_pause", run_refused, clear_faults, NULL,
          NULL },
        WITH_FAULTS(ops_in_the_backlog_start_in_order),
        WITH_FAULTS(op_cancelled_in_the_backlog_never_reaches_the_kernel),
        WITH_FAULTS(cancel_that_waits_for_room_changes_no_result),
        WITH_FAULTS(cancel_all_ends_queue_and_backlog),
        { "signals_at_1_khz_lose_no_wake_up", run_signals, clear_faults, NULL, NULL },
        WITH_FAULTS(lost_completions_end_the_process_and_do_not_hang_it),
    };
    return cmocka_run_group_tests_name("enter", tests, NULL, NULL);
}
