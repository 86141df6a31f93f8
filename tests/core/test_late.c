/* test_late.c - an operation and a cancel at once: its result or the cancel, never both and never none.
 *
 * The cancel goes out when the task has just parked. With a deaf backend the operation ends by itself
 * all the same, as one does that the kernel had already begun: its result wins, and the cancel is
 * delivered by the next await. */
#include "core/io/socket.h"
#include "core/op/fault.h"
#include "core/task/task.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef RILL_CHECK_SLOW

static int pipe_ends[2];
static char path[64], other_path[80];
static int file = -1;
static char octets[64];
static rill_addr address;
static rill_task *subject; /* is cancelled when it parks for the first time */
static bool cancelled;

static void cancel_subject(struct rill__task *task)
{
    if (&task->future != subject || cancelled)
        return;
    cancelled = true;
    rill_cancel(subject, NULL);
}

/* --- Awaits on one operation. --- */

static int read_pipe(void)
{
    return rill_file_read(pipe_ends[0], octets, sizeof octets, UINT64_MAX);
}

static int read_file(void)
{
    return rill_file_read(file, octets, 5, 0);
}

static int write_file(void)
{
    return rill_file_write(file, "hello", 5, 0);
}

static int sync_file(void)
{
    return rill_file_sync(file, false);
}

static int stat_file(void)
{
    struct stat stat;
    return rill_file_stat_path(path, &stat);
}

static int rename_file(void)
{
    return rill_file_rename(path, other_path);
}

static int open_file(void)
{
    int fd = rill_file_open(path, O_RDONLY, 0);
    if (fd >= 0)
        (void)rill_file_close(fd);
    return fd;
}

static int poll_pipe(void)
{
    return rill_poll(pipe_ends[0], POLLIN);
}

static int connect_there(void)
{
    int fd = rill__socket_for(&address, SOCK_STREAM);
    if (fd < 0)
        return fd;
    int r = rill_connect(fd, &address);
    (void)rill_file_close(fd);
    return r;
}

static const struct await {
    const char *name;
    int (*wait)(void);
    int wanted; /* of one that ends well; negative: any code that is not an error */
    int kind;   /* of its operation */
} awaits[] = {
    { "read of a pipe", read_pipe, 3, RILL__OP_READ },
    { "read of a file", read_file, 5, RILL__OP_READ },
    { "write", write_file, 5, RILL__OP_WRITE },
    { "sync", sync_file, 0, RILL__OP_FSYNC },
    { "stat", stat_file, 0, RILL__OP_STATX },
    { "open", open_file, -1, RILL__OP_OPENAT2 },
    { "poll", poll_pipe, POLLIN, RILL__OP_POLL },
    { "connect", connect_there, 0, RILL__OP_CONNECT },
    { "rename", rename_file, 0, RILL__OP_RENAME }, /* the last one: the file has gone */
};

enum { count = sizeof awaits / sizeof *awaits };

static const struct await *tried;

struct outcome {
    int first, second; /* of the await, and of the next one */
};

static int await_twice(void *arg)
{
    struct outcome *outcome = arg;
    outcome->first = tried->wait();
    outcome->second = rill_sleep(0);
    return 0;
}

/* The pipe gets its octets when the cancel has gone out. */
static int try_await(struct outcome *outcome)
{
    cancelled = false;
    *outcome = (struct outcome){ 1, 1 };
    rill_task *task = subject = rill_create_task(RILL_CORO(await_twice, outcome));
    rill__task_on_park = cancel_subject;
    int r = rill_sleep(0);
    if (r == 0)
        r = rill_sleep(0);
    if (r == 0 && write(pipe_ends[1], "abc", 3) != 3)
        r = -EIO;
    int ended = rill_join(task);
    rill__task_on_park = NULL;
    char rest[8];
    while (read(pipe_ends[0], rest, sizeof rest) > 0)
        ;
    return r < 0 ? r : ended;
}

static int open_listener(rill_listener **ret_listener)
{
    int fd, r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &address);
    if (r == 0)
        r = rill_listen(&address, NULL, &fd);
    if (r == 0)
        r = rill_socket_name(fd, &address);
    return r == 0 ? rill_listener_open(fd, ret_listener) : r;
}

static int try_tried(void *arg)
{
    rill_listener *listener = NULL;
    int r = open_listener(&listener);
    if (r == 0)
        r = try_await(arg);
    rill_listener_close(listener);
    return r;
}

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/rill-late-%d", getpid());
    snprintf(other_path, sizeof other_path, "%s-other", path);
    assert_int_equal(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
    file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "hello", 5), 5);
}

static void tear_down(void)
{
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(file);
    unlink(path);
    unlink(other_path);
}

static bool ended_well(int result)
{
    return tried->wanted < 0 ? result >= 0 : result == tried->wanted;
}

static struct outcome run_tried(bool deaf, const rill_loop_opts *opts)
{
    struct rill__fault_plan plan = { .kind = tried->kind, .deaf = deaf };
    struct outcome outcome;
    set_up();
    rill__fault_set(&plan);
    assert_int_equal(run_main_with(try_tried, &outcome, opts), 0);
    bool heard = rill__fault_counts()->unheard == 0;
    rill__fault_set(NULL);
    tear_down();
    assert_true(cancelled);
    if (deaf && heard)
        fail_msg("%s: no cancel of an operation went out", tried->name);
    return outcome;
}

/* Valgrind has no openat2, which the simulator calls itself. */
static bool can_be_called(const rill_loop_opts *opts)
{
    return tried->kind != RILL__OP_OPENAT2 || opts == NULL || !under_valgrind();
}

static void check_deaf(const rill_loop_opts *opts)
{
    for (tried = awaits; tried < awaits + count; tried++) {
        if (!can_be_called(opts))
            continue;
        struct outcome outcome = run_tried(true, opts);
        if (!ended_well(outcome.first) || outcome.second != -ECANCELED)
            fail_msg("%s: %d, then %d", tried->name, outcome.first, outcome.second);
    }
}

static void check_hearing(const rill_loop_opts *opts)
{
    for (tried = awaits; tried < awaits + count; tried++) {
        if (!can_be_called(opts))
            continue;
        struct outcome outcome = run_tried(false, opts);
        bool won = ended_well(outcome.first) && outcome.second == -ECANCELED;
        bool lost = outcome.first == -ECANCELED && outcome.second == 0;
        if (!won && !lost)
            fail_msg("%s: %d, then %d", tried->name, outcome.first, outcome.second);
    }
}

/* R12. */
static void result_that_comes_after_the_cancel_wins_and_the_cancel_comes_next(void **state)
{
    (void)state;
    check_deaf(NULL);
}

static void result_or_cancel_but_never_both(void **state)
{
    (void)state;
    check_hearing(NULL);
}

static void on_each_of(void (*check)(const rill_loop_opts *opts))
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rill_sim_opts sim = { .seed = seed, .shuffle = seed % 2 == 0 };
        rill_loop_opts opts = { .sim = &sim };
        check(&opts);
    }
}

static void result_that_comes_after_the_cancel_wins_on_each_of_20_seeds(void **state)
{
    (void)state;
    on_each_of(check_deaf);
}

static void result_or_cancel_but_never_both_on_each_of_20_seeds(void **state)
{
    (void)state;
    on_each_of(check_hearing);
}

static const struct scenario scenarios[] = {
    OUTSIDE(result_that_comes_after_the_cancel_wins_and_the_cancel_comes_next),
    OUTSIDE(result_or_cancel_but_never_both),
    OUTSIDE(result_that_comes_after_the_cancel_wins_on_each_of_20_seeds),
    OUTSIDE(result_or_cancel_but_never_both_on_each_of_20_seeds),
};

int main(void)
{
    return RUN_SCENARIOS("late", scenarios);
}

#else

int main(void)
{
    puts("needs a build with RILL_CHECK_SLOW");
    return 77;
}

#endif
