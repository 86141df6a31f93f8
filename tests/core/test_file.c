/* test_file.c - regular files through the ring: contents, errors, and what a cancel may take. */
#include "tests/support/expect.h"

#include <rill/file.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/rill-test-XXXXXX";

/* A path in the test's own folder; two at a time. */
static const char *path_of(const char *name)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int file_is_written_read_and_told_of(void *arg)
{
    char in[16];
    struct stat seen;
    (void)arg;
    unlink(path_of("new"));
    OWNED_FD int fd = rill_file_open(path_of("new"), O_RDWR | O_CREAT | O_EXCL, 0640);
    EXPECT(fd >= 0);
    EXPECT_IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_IS(rill_file_write(fd, "0123456789", 10, 0), 10);
    EXPECT_IS(rill_file_write(fd, "ab", 2, 4), 2);
    EXPECT_IS(rill_file_sync(fd, false), 0);
    EXPECT_IS(rill_file_sync(fd, true), 0);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 2), 8);
    EXPECT(memcmp(in, "23ab6789", 8) == 0);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 10), 0);
    EXPECT_IS(rill_file_read(fd, in, 3, 100), 0);
    EXPECT_IS(rill_file_stat(fd, &seen), 0);
    EXPECT_IS(seen.st_size, 10);
    EXPECT_IS(seen.st_mode & 0777, 0640);
    int closed = rill_file_close(fd);
    fd = -1;
    EXPECT_IS(closed, 0);
    return 0;
}

static int appending_writes_go_to_the_end(void *arg)
{
    char in[8];
    (void)arg;
    unlink(path_of("log"));
    OWNED_FD int fd = rill_file_open(path_of("log"), O_RDWR | O_CREAT | O_APPEND, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write(fd, "one", 3, UINT64_MAX), 3);
    EXPECT_IS(rill_file_write(fd, "two", 3, UINT64_MAX), 3);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), 6);
    EXPECT(memcmp(in, "onetwo", 6) == 0);
    return 0;
}

static int errors_are_those_of_the_system_calls(void *arg)
{
    char in[4];
    struct stat seen;
    (void)arg;
    EXPECT_IS(rill_file_open(path_of("missing"), O_RDONLY, 0), -ENOENT);
    EXPECT_IS(rill_file_open(path_of("missing/below"), O_RDONLY | O_CREAT, 0600), -ENOENT);
    EXPECT_IS(rill_file_open(folder, O_WRONLY, 0), -EISDIR);
    EXPECT_IS(rill_file_read(-1, in, sizeof in, 0), -EBADF);
    EXPECT_IS(rill_file_write(-1, in, sizeof in, 0), -EBADF);
    EXPECT_IS(rill_file_sync(-1, true), -EBADF);
    EXPECT_IS(rill_file_stat(-1, &seen), -EBADF);
    EXPECT_IS(rill_file_close(-1), -EBADF);
    OWNED_FD int fd =
        rill_file_open(folder, O_RDONLY | O_DIRECTORY, 0644); /* the mode does not count */
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), -EISDIR);
    return 0;
}

static int unnamed_file_gets_its_mode(void *arg)
{
    struct stat seen;
    (void)arg;
    OWNED_FD int fd = rill_file_open(folder, O_RDWR | O_TMPFILE, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_stat(fd, &seen), 0);
    EXPECT_IS(seen.st_mode & 0777, 0600);
    return 0;
}

/* The second time from the kernel's cache, the first perhaps too: the answer is the same. */
static int openat2_stays_beneath_its_directory(void *arg)
{
    static const struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    (void)arg;
    OWNED_FD int made = rill_file_open(path_of("inside"), O_RDWR | O_CREAT, 0600);
    OWNED_FD int dir = rill_file_open(folder, O_RDONLY | O_DIRECTORY, 0);
    EXPECT(made >= 0 && dir >= 0);
    for (int i = 0; i < 2; i++) {
        OWNED_FD int fd = rill_file_openat2(dir, "inside", &how);
        EXPECT(fd >= 0);
        EXPECT_IS(fcntl(fd, F_GETFD), FD_CLOEXEC);
        EXPECT_IS(rill_file_openat2(dir, "../etc", &how), -EXDEV);
        EXPECT_IS(rill_file_openat2(dir, "/etc/passwd", &how), -EXDEV);
        EXPECT_IS(rill_file_openat2(dir, "missing", &how), -ENOENT);
    }
    static const struct open_how creating = { .flags = O_RDWR | O_CREAT, .mode = 0600 };
    OWNED_FD int second = rill_file_openat2(dir, "second", &creating);
    EXPECT(second >= 0);
    return 0;
}

static int link_out_of_the_directory_is_exdev(void *arg)
{
    static const struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };
    static const struct open_how creating = { .flags = O_RDWR | O_CREAT,
                                              .mode = 0600,
                                              .resolve = RESOLVE_BENEATH };
    (void)arg;
    unlink(path_of("link"));
    EXPECT_IS(symlink("/tmp", path_of("link")), 0);
    OWNED_FD int dir = rill_file_open(folder, O_RDONLY | O_DIRECTORY, 0);
    EXPECT(dir >= 0);
    for (int i = 0; i < 2; i++) { /* the second time all names are cached */
        EXPECT_IS(rill_file_openat2(dir, "link/x", &how), -EXDEV);
        EXPECT_IS(rill_file_openat2(dir, "link/x", &creating), -EXDEV);
    }
    return 0;
}

enum { large = 1 << 20, piece_out = 60001, piece_in = 44453 };

static char pattern(int at)
{
    return (char)(at * 7 + at / 4096);
}

static int file_of_1_mib_in_uneven_pieces_comes_back_whole(void *arg)
{
    static char octets[large];
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    for (int i = 0; i < large; i++)
        octets[i] = pattern(i);
    for (int at = 0; at < large; at += piece_out) {
        int size = large - at < piece_out ? large - at : piece_out;
        EXPECT_IS(rill_file_write(fd, octets + at, (size_t)size, (uint64_t)at), size);
    }
    memset(octets, 0, sizeof octets);
    for (int at = 0; at < large; at += piece_in) {
        int size = large - at < piece_in ? large - at : piece_in;
        EXPECT_IS(rill_file_read(fd, octets + at, (size_t)size, (uint64_t)at), size);
    }
    for (int i = 0; i < large; i++)
        EXPECT(octets[i] == pattern(i));
    return 0;
}

static int ends[2];
static int read_result;
static char read_memory[8];

static int read_pipe(void *arg)
{
    (void)arg;
    read_result = rill_file_read(ends[0], read_memory, sizeof read_memory, UINT64_MAX);
    trace(read_result == -ECANCELED ? 'c' : 'r');
    int r = rill_sleep(0); /* a request that lost against a result is delivered here */
    trace(r == -ECANCELED ? 'c' : 'n');
    return read_result < 0 ? read_result : 0;
}

#define OWNED_PIPE                                     \
    __attribute__((cleanup(drop_pipe))) int mark_ = 0; \
    (void)mark_

static void drop_pipe(int *unused)
{
    (void)unused;
    close(ends[0]);
    close(ends[1]);
}

static int cancelled_read_takes_nothing_out_of_a_pipe(void *arg)
{
    char in[8];
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(reader, NULL));
    EXPECT_IS(rill_await(reader), -ECANCELED);
    EXPECT_TRACE("cn");
    EXPECT_IS(write(ends[1], "abc", 3), 3);
    EXPECT_IS(rill_file_read(ends[0], in, sizeof in, UINT64_MAX), 3);
    return 0;
}

/* The law of races: nobody can keep the octets, so the result wins and the cancel comes at the next await. */
static int octets_that_came_before_the_cancel_are_returned(void *arg)
{
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_PIPE;
    rill_task *reader = kept(rill_create_task(RILL_CORO(read_pipe, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(write(ends[1], "abc", 3), 3); /* the read ends with this, before the cancel is sent */
    EXPECT(rill_cancel(reader, NULL));
    (void)rill_result(reader);
    int r = rill_await(reader);
    if (read_result == -ECANCELED) { /* or the cancel was first: then the octets are still there */
        EXPECT_IS(rill_file_read(ends[0], read_memory, sizeof read_memory, UINT64_MAX), 3);
        return 0;
    }
    EXPECT_IS(read_result, 3);
    EXPECT(memcmp(read_memory, "abc", 3) == 0);
    EXPECT_TRACE("rc");
    EXPECT_IS(r, 0);
    return 0;
}

static int opened = -1;

static int open_then_await(void *arg)
{
    (void)arg;
    opened = rill_file_open(path_of("inside"), O_RDWR | O_CREAT, 0600);
    int r = opened < 0 ? opened : rill_sleep(0);
    trace(opened < 0 ? 'c' : r == -ECANCELED ? 'o' : '?');
    if (opened >= 0)
        close(opened);
    return r;
}

static int cancelled_open_gives_its_descriptor_or_none(void *arg)
{
    (void)arg;
    rill_task *opener = kept(rill_create_task(RILL_CORO(open_then_await, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(opener, NULL);
    EXPECT_IS(rill_await(opener), -ECANCELED);
    EXPECT(strcmp(traced(), "c") == 0 || strcmp(traced(), "o") == 0);
    return 0;
}

static int tick(void *arg)
{
    int *ticks = arg;
    int r = 0;
    while (r == 0) {
        ++*ticks;
        r = rill_sleep(0);
    }
    return r;
}

static int reading_lets_other_tasks_run(void *arg)
{
    static int ticks;
    static char big[64 << 10];
    (void)arg;
    ticks = 0;
    OWNED_FD int fd = rill_file_open(path_of("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    OWNED_FUTURE rill_task *ticker = rill_create_task(RILL_CORO(tick, &ticks));
    for (uint64_t i = 0; i < 16; i++)
        EXPECT_IS(rill_file_write(fd, big, sizeof big, i * sizeof big), sizeof big);
    for (uint64_t i = 0; i < 16; i++)
        EXPECT_IS(rill_file_read(fd, big, sizeof big, i * sizeof big), sizeof big);
    EXPECT(ticks >= 32);
    rill_cancel(ticker, NULL);
    EXPECT_IS(rill_await(ticker), -ECANCELED);
    return 0;
}

static void files_outside_of_a_loop_are_refused(void **state)
{
    char in[4];
    (void)state;
    assert_int_equal(rill_file_open("/", O_RDONLY, 0), -ESRCH);
    assert_int_equal(rill_file_read(0, in, sizeof in, 0), -ESRCH);
    assert_int_equal(rill_file_close(-1), -ESRCH);
}

static const struct scenario scenarios[] = {
    SCENARIO(file_is_written_read_and_told_of),
    SCENARIO(appending_writes_go_to_the_end),
    SCENARIO(errors_are_those_of_the_system_calls),
    SCENARIO(unnamed_file_gets_its_mode),
    SCENARIO(openat2_stays_beneath_its_directory),
    SCENARIO(link_out_of_the_directory_is_exdev),
    SCENARIO_ONCE(file_of_1_mib_in_uneven_pieces_comes_back_whole),
    SCENARIO(cancelled_read_takes_nothing_out_of_a_pipe),
    SCENARIO(octets_that_came_before_the_cancel_are_returned),
    SCENARIO(cancelled_open_gives_its_descriptor_or_none),
    SCENARIO(reading_lets_other_tasks_run),
    OUTSIDE(files_outside_of_a_loop_are_refused),
};

int main(void)
{
    umask(022);
    if (mkdtemp(folder) == NULL)
        return 1;
    int r = RUN_SCENARIOS("file", scenarios);
    static const char *const made[] = { "new", "log", "inside", "second", "big", "link" };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(path_of(made[i]));
    rmdir(folder);
    return r;
}
