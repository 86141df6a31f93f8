/* test_file.c - regular files through the ring: contents, errors, and what a cancel may take. */
#include "core/loop/loop.h"
#include "tests/support/expect.h"

#include <rill/file.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
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

/* --- Several buffers, several pieces. --- */

static int vectors_are_filled_in_order_and_may_end_early(void *arg)
{
    char head[3], body[4] = "....", rest[8];
    struct iovec out[] = { { (char[]){ "abc" }, 3 },
                           { (char[]){ "" }, 0 },
                           { (char[]){ "defg" }, 4 } };
    struct iovec in[] = { { head, sizeof head }, { body, sizeof body }, { rest, sizeof rest } };
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_writev(fd, out, 3, 2), 7);
    EXPECT_IS(rill_file_readv(fd, in, 3, 4), 5);
    EXPECT(memcmp(head, "cde", 3) == 0 && memcmp(body, "fg..", 4) == 0);
    EXPECT_IS(rill_file_readv(fd, in, 3, 9), 0);
    EXPECT_IS(rill_file_readv(fd, in, 0, 0), 0);
    EXPECT_IS(rill_file_readv(fd, in, (size_t)1 << 32, 0), -EINVAL);
    EXPECT_IS(rill_file_writev(fd, out, 3, UINT64_MAX), 7);
    EXPECT_IS(rill_file_readv(fd, in, 1, UINT64_MAX), 2); /* behind what was written */
    EXPECT(memcmp(head, "fg", 2) == 0);
    return 0;
}

static int exact_read_tells_how_far_the_end_was(void *arg)
{
    char in[8];
    size_t got = 99;
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write_all(fd, "abcdef", 6, 0, &got), 0);
    EXPECT_IS(got, 6);
    EXPECT_IS(rill_file_read_exactly(fd, in, 4, 1, &got), 0);
    EXPECT_IS(got, 4);
    EXPECT(memcmp(in, "bcde", 4) == 0);
    EXPECT_IS(rill_file_read_exactly(fd, in, 4, 4, &got), -ENODATA);
    EXPECT_IS(got, 2);
    EXPECT_IS(rill_file_read_exactly(fd, in, 4, 6, NULL), -ENODATA);
    EXPECT_IS(rill_file_read_exactly(fd, in, 0, 0, &got), 0);
    EXPECT_IS(got, 0);
    EXPECT_IS(rill_file_read_exactly(-1, in, 4, 0, &got), -EBADF);
    EXPECT_IS(rill_file_write_all(-1, in, 4, 0, &got), -EBADF);
    EXPECT_IS(got, 0);
    EXPECT_IS(rill_file_read(fd, in, 1, (uint64_t)1 << 63), -EINVAL); /* no offset of a file */
    return 0;
}

static int sizes_are_set_both_ways(void)
{
    char in[8];
    struct stat seen;
    OWNED_FD int fd = rill_file_open(path_of("big"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    OWNED_FD int dir = rill_file_open(folder, O_RDONLY | O_DIRECTORY, 0);
    EXPECT(fd >= 0 && dir >= 0);
    EXPECT_IS(rill_file_write(fd, "abcdef", 6, 0), 6);
    EXPECT_IS(rill_file_truncate(fd, 2), 0);
    EXPECT_IS(rill_file_truncate(fd, 4), 0);
    EXPECT_IS(rill_file_stat(fd, &seen), 0);
    EXPECT_IS(seen.st_size, 4);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), 4);
    EXPECT(memcmp(in, "ab\0\0", 4) == 0);
    EXPECT_IS(rill_file_truncate(dir, 0), -EINVAL);
    EXPECT_IS(rill_file_truncate(fd, (uint64_t)1 << 63), -EINVAL);
    EXPECT_IS(rill_file_truncate(-1, 0), -EBADF);
    return 0;
}

static int truncate_sets_the_size_with_and_without_the_ring(void *arg)
{
    struct rill__backend *backend = rill_get_running_loop()->backend;
    (void)arg;
    EXPECT_IS(sizes_are_set_both_ways(), 0);
    backend->can_truncate = false; /* as a kernel before 6.9 */
    EXPECT_IS(sizes_are_set_both_ways(), 0);
    return 0;
}

/* --- Names. --- */

static int names_are_made_told_of_moved_and_removed(void *arg)
{
    struct stat seen, same;
    (void)arg;
    unlink(path_of("sub/moved"));
    rmdir(path_of("sub"));
    EXPECT_IS(rill_file_mkdir(path_of("sub"), 0750), 0);
    EXPECT_IS(rill_file_mkdir(path_of("sub"), 0750), -EEXIST);
    EXPECT_IS(rill_file_stat_path(path_of("sub"), &seen), 0);
    EXPECT(S_ISDIR(seen.st_mode));
    EXPECT_IS(seen.st_mode & 0777, 0750);
    OWNED_FD int fd = rill_file_open(path_of("inside"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write(fd, "abc", 3, 0), 3);
    EXPECT_IS(rill_file_rename(path_of("inside"), path_of("sub/moved")), 0);
    EXPECT_IS(rill_file_rename(path_of("inside"), path_of("sub/moved")), -ENOENT);
    EXPECT_IS(rill_file_stat_path(path_of("inside"), &seen), -ENOENT);
    EXPECT_IS(rill_file_stat_path(path_of("sub/moved"), &seen), 0);
    EXPECT_IS(rill_file_stat(fd, &same), 0);
    EXPECT(seen.st_ino == same.st_ino && seen.st_dev == same.st_dev && seen.st_size == 3);
    EXPECT(seen.st_mode == same.st_mode && seen.st_nlink == 1 && seen.st_uid == same.st_uid);
    EXPECT(seen.st_blocks == same.st_blocks && seen.st_blksize == same.st_blksize);
    EXPECT_IS(memcmp(&seen.st_mtim, &same.st_mtim, sizeof seen.st_mtim), 0);
    EXPECT_IS(rill_file_rmdir(path_of("sub")), -ENOTEMPTY);
    EXPECT_IS(rill_file_unlink(path_of("sub")), -EISDIR);
    EXPECT_IS(rill_file_rmdir(path_of("sub/moved")), -ENOTDIR);
    EXPECT_IS(rill_file_unlink(path_of("sub/moved")), 0);
    EXPECT_IS(rill_file_unlink(path_of("sub/moved")), -ENOENT);
    EXPECT_IS(rill_file_rmdir(path_of("sub")), 0);
    return 0;
}

static int file_whose_name_is_gone_stays_until_it_is_closed(void *arg)
{
    char in[4];
    struct stat seen;
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("new"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write(fd, "abc", 3, 0), 3);
    EXPECT_IS(rill_file_unlink(path_of("new")), 0);
    EXPECT_IS(rill_file_open(path_of("new"), O_RDONLY, 0), -ENOENT);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), 3);
    EXPECT_IS(rill_file_stat(fd, &seen), 0);
    EXPECT_IS(seen.st_nlink, 0);
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
    assert_int_equal(rill_file_truncate(0, 0), -ESRCH);
    assert_int_equal(rill_file_unlink("/"), -ESRCH);
}

static const struct scenario scenarios[] = {
    SCENARIO(file_is_written_read_and_told_of),
    SCENARIO(appending_writes_go_to_the_end),
    SCENARIO(errors_are_those_of_the_system_calls),
    SCENARIO(unnamed_file_gets_its_mode),
    SCENARIO(openat2_stays_beneath_its_directory),
    SCENARIO(link_out_of_the_directory_is_exdev),
    SCENARIO(vectors_are_filled_in_order_and_may_end_early),
    SCENARIO(exact_read_tells_how_far_the_end_was),
    SCENARIO(truncate_sets_the_size_with_and_without_the_ring),
    SCENARIO(names_are_made_told_of_moved_and_removed),
    SCENARIO(file_whose_name_is_gone_stays_until_it_is_closed),
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
    static const char *const made[] = {
        "new", "log", "inside", "second", "big", "link", "sub/moved"
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(path_of(made[i]));
    rmdir(path_of("sub"));
    rmdir(folder);
    return r;
}
