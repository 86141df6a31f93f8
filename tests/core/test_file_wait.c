/* test_file_wait.c - awaits on descriptors that have to wait: closed meanwhile, late deadlines, non-blocking mode.
 *
 * Pipes stand for slow files: their other end decides when an operation ends. What the kernel cannot stop
 * is a ring whose cancel does nothing. */
#include "core/loop/loop.h"
#include "tests/support/expect.h"

#include <rill/file.h>
#include <rill/net.h>
#include <rill/timeout.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static int ends[2];
static char memory[256 << 10];

#define OWNED_PIPE                                     \
    __attribute__((cleanup(drop_pipe))) int mark_ = 0; \
    (void)mark_

static void drop_pipe(int *unused)
{
    (void)unused;
    expect_drop_fd(&ends[0]);
    expect_drop_fd(&ends[1]);
}

static int let_pass(int turns)
{
    return give_up_turns(&turns);
}

static int read_pipe(void *arg)
{
    (void)arg;
    return rill_file_read(ends[0], memory, 16, UINT64_MAX);
}

/* A reader that waits in the kernel.   Owns: it is kept. */
static int start_reader(rill_task **ret_reader)
{
    *ret_reader = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    return let_pass(2);
}

/* Whoever takes it closes it. */
static int take_reading_end(void)
{
    int reading = ends[0];
    ends[0] = -1;
    return reading;
}

/* --- Closed while somebody waits. --- */

static int poll_pipe(void *arg)
{
    (void)arg;
    return rill_poll(ends[0], POLLIN);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int close_wakes_all_who_wait_with_ebadf(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    rill_task *first = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    rill_task *second = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    rill_task *third = kept(rill_create_task(RILL_CORO(poll_pipe, NULL)));
    EXPECT_IS(let_pass(2), 0);
    int reading = take_reading_end();
    EXPECT_IS(rill_file_close(reading), 0);
    EXPECT(is_open(reading)); /* the kernel still works on it */
    EXPECT_IS(rill_await(first), -EBADF);
    EXPECT_IS(rill_await(second), -EBADF);
    EXPECT_IS(rill_await(third), -EBADF);
    EXPECT(!is_open(reading));
    return 0;
}

static int octets_that_came_before_the_close_are_returned(void *arg)
{
    (void)arg;
    rill_task *reader;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    EXPECT_IS(start_reader(&reader), 0);
    EXPECT_IS(write(ends[1], "abc", 3), 3);
    EXPECT_IS(let_pass(1), 0); /* the turn takes the completion, the reader runs in the next */
    OWNED_FD int again = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    int reading = take_reading_end();
    EXPECT_IS(rill_file_close(reading), 0);
    int r = rill_await(reader);
    EXPECT(!is_open(reading));
    if (r == -EBADF) /* or the close was first: then they are still there */
        r = (int)read(again, memory, sizeof memory);
    EXPECT_IS(r, 3);
    EXPECT(memcmp(memory, "abc", 3) == 0);
    return 0;
}

static int close_leaves_other_descriptors_alone(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    OWNED_FD int other = fcntl(ends[0], F_DUPFD_CLOEXEC, ends[0] + RILL__IO_BUCKETS);
    EXPECT(other >= 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    EXPECT_IS(let_pass(2), 0);
    int closing = fcntl(ends[0], F_DUPFD_CLOEXEC, ends[0] + RILL__IO_BUCKETS);
    EXPECT_IS(rill_file_close(closing), 0);
    EXPECT(!is_open(closing));
    EXPECT_IS(let_pass(2), 0);
    EXPECT(!rill_done(reader));
    EXPECT_IS(write(ends[1], "abc", 3), 3);
    EXPECT_IS(rill_await(reader), 3);
    return 0;
}

static int close_and_cancel_of_the_same_reader_is_a_cancel(void *arg)
{
    (void)arg;
    rill_task *reader;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    EXPECT_IS(start_reader(&reader), 0);
    int reading = take_reading_end();
    EXPECT_IS(rill_file_close(reading), 0);
    EXPECT(rill_cancel(reader, NULL));
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT(!is_open(reading));
    return 0;
}

/* R5. */
static int end_that_nobody_asked_for_is_an_error_and_no_cancel(void *arg)
{
    struct rill__backend *backend = rill_get_running_loop()->backend;
    (void)arg;
    rill_task *reader;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    EXPECT_IS(start_reader(&reader), 0);
    backend->ops->cancel_all(backend);
    EXPECT_IS(rill_await(reader), -EIO);
    EXPECT(!rill_cancelled(reader));
    return 0;
}

/* --- Operations that the kernel cannot stop. --- */

static void ignore_cancel(struct rill__backend *backend, struct rill__op *op)
{
    (void)backend;
    (void)op;
}

/* From here on the running loop's ring stops nothing. */
static void deafen(void)
{
    static struct rill__backend_ops deaf;
    struct rill__backend *backend = rill_get_running_loop()->backend;
    deaf = *backend->ops;
    deaf.cancel = ignore_cancel;
    backend->ops = &deaf;
}

static rill_scope scope;

/* The disk answers once the deadline is over. */
static int write_late(void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0 && !rill_scope_expired(&scope))
        r = rill_sleep(0);
    return write(ends[1], "abc", 3) == 3 ? r : -errno;
}

/* Row 7.14: the await lasts until the operation ends; the deadline then ends the next one. */
static int deadline_on_an_op_that_cannot_be_stopped_is_late_and_not_lost(void *arg)
{
    (void)arg;
    scope = (rill_scope){ 0 };
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    deafen();
    (void)kept(rill_create_task(RILL_CORO(write_late, NULL)));
    EXPECT_IS(rill_timeout(&scope, 0), 0);
    int got = rill_file_read(ends[0], memory, 16, UINT64_MAX);
    bool expired = rill_scope_expired(&scope);
    int next = rill_sleep(0);
    int left = rill_scope_leave(&scope, next);
    EXPECT_IS(got, 3);
    EXPECT(expired);
    EXPECT_IS(next, -ECANCELED);
    EXPECT_IS(left, -ETIME);
    return 0;
}

static int result_behind_its_deadline_stands_if_the_block_ends_with_it(void *arg)
{
    (void)arg;
    scope = (rill_scope){ 0 };
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    deafen();
    (void)kept(rill_create_task(RILL_CORO(write_late, NULL)));
    EXPECT_IS(rill_timeout(&scope, 0), 0);
    int left = rill_scope_leave(&scope, rill_file_read(ends[0], memory, 16, UINT64_MAX));
    EXPECT_IS(left, 3);
    EXPECT_IS(rill_sleep(0), 0); /* the request was the scope's and went with it */
    return 0;
}

/* --- Non-blocking mode. --- */

/* R4: -EAGAIN is waited for, and not in a loop. */
static int non_blocking_read_waits_without_spinning(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    OWNED_PIPE;
    const struct rill__counters *counters = &rill_get_running_loop()->backend->counters;
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    EXPECT_IS(let_pass(4), 0);
    uint64_t submitted = counters->submitted;
    EXPECT_IS(let_pass(50), 0);
    EXPECT_IS(counters->submitted, submitted);
    EXPECT(!rill_done(reader));
    EXPECT_IS(write(ends[1], "abc", 3), 3);
    EXPECT_IS(rill_await(reader), 3);
    return 0;
}

static int read_all(void *arg)
{
    static char in[64 << 10];
    size_t *left = arg;
    int r = 1;
    while (*left > 0 && r > 0) {
        r = rill_file_read(ends[0], in, sizeof in, UINT64_MAX);
        for (int i = 0; i < r; i++)
            EXPECT(in[i] == memory[sizeof memory - *left + (size_t)i]);
        *left -= r > 0 ? (size_t)r : 0;
    }
    close(ends[0]); /* who still writes must not wait for ever */
    ends[0] = -1;
    return r;
}

static int write_through(int flags)
{
    static size_t left;
    size_t taken = 0;
    left = sizeof memory;
    for (size_t i = 0; i < sizeof memory; i++)
        memory[i] = (char)(i * 7 + i / 251);
    EXPECT_IS(pipe2(ends, O_CLOEXEC | flags), 0);
    OWNED_PIPE;
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_all, &left)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &reader), 0);
    EXPECT_IS(rill_file_write_all(ends[1], memory, sizeof memory, UINT64_MAX, &taken), 0);
    EXPECT_IS(taken, sizeof memory);
    EXPECT(rill_await(reader) > 0);
    EXPECT_IS(left, 0);
    return 0;
}

/* R2: a pipe takes less than a quarter of it at once. */
static int whole_write_goes_on_after_short_ones(void *arg)
{
    (void)arg;
    return write_through(0);
}

static int whole_write_goes_on_after_short_ones_in_non_blocking_mode(void *arg)
{
    (void)arg;
    return write_through(O_NONBLOCK);
}

static size_t progress;

static int write_whole(void *arg)
{
    (void)arg;
    return rill_file_write_all(ends[1], memory, sizeof memory, UINT64_MAX, &progress);
}

static int cancelled_whole_write_tells_how_far_it_came(void *arg)
{
    static char in[sizeof memory];
    size_t there = 0;
    ssize_t r;
    (void)arg;
    progress = 99;
    EXPECT_IS(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    OWNED_PIPE;
    rill_task *writer = kept(rill_create_task(RILL_CORO(write_whole, NULL)));
    EXPECT_IS(let_pass(6), 0); /* the pipe is full */
    EXPECT(rill_cancel(writer, NULL));
    EXPECT_IS(rill_await(writer), -ECANCELED);
    while ((r = read(ends[0], in, sizeof in)) > 0)
        there += (size_t)r;
    EXPECT(there > 0);
    EXPECT_IS(progress, there);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(close_wakes_all_who_wait_with_ebadf),
    SCENARIO(octets_that_came_before_the_close_are_returned),
    SCENARIO(close_leaves_other_descriptors_alone),
    SCENARIO(close_and_cancel_of_the_same_reader_is_a_cancel),
    SCENARIO(end_that_nobody_asked_for_is_an_error_and_no_cancel),
    SCENARIO_ONCE(deadline_on_an_op_that_cannot_be_stopped_is_late_and_not_lost),
    SCENARIO_ONCE(result_behind_its_deadline_stands_if_the_block_ends_with_it),
    SCENARIO(non_blocking_read_waits_without_spinning),
    SCENARIO(whole_write_goes_on_after_short_ones),
    SCENARIO(whole_write_goes_on_after_short_ones_in_non_blocking_mode),
    SCENARIO(cancelled_whole_write_tells_how_far_it_came),
};

int main(void)
{
    return RUN_SCENARIOS("file_wait", scenarios);
}
