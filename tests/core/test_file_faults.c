/* test_file_faults.c - files when something is full, used up, broken, or no regular file at all.
 *
 * Limits are set in children. What holds a kernel thread is the opening of a FIFO that nobody else
 * opens; O_CREAT makes the kernel open it in a thread, where it waits. */
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <rill/dir.h>
#include <rill/file.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/rill-test-XXXXXX";
static char octets[128 << 10];

static const char *path_of(const char *name)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Run `main` in a child; `skipped` is the exit status that says why not. */
enum { skipped = 77 };

static void run_in_child(int (*fn)(void *arg))
{
    static struct child child;
    assert_int_equal(child_run(&child, fn, NULL), 0);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == skipped) {
        print_message("%s\n", child.text);
        skip();
    }
    assert_string_equal(child.text, "");
    assert_int_equal(child.status, 0);
}

static int exit_code_of(rill_fn *fn)
{
    return rill_exit_code(rill_run(RILL_CORO(fn, NULL)));
}

/* --- Full. --- */

static int full_device_is_enospc(void *arg)
{
    size_t taken = 99;
    (void)arg;
    OWNED_FD int fd = rill_file_open("/dev/full", O_WRONLY, 0);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write(fd, "abc", 3, 0), -ENOSPC);
    EXPECT_IS(rill_file_write_all(fd, "abc", 3, 0, &taken), -ENOSPC);
    EXPECT_IS(taken, 0);
    return 0;
}

enum { disk_size = 64 << 10 };

static int fill_disk(void *arg)
{
    size_t taken = 0;
    struct stat seen;
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("disk/full"), O_RDWR | O_CREAT, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write_all(fd, octets, sizeof octets, 0, &taken), -ENOSPC);
    EXPECT(taken > 0 && taken <= disk_size);
    EXPECT_IS(rill_file_stat(fd, &seen), 0);
    EXPECT_IS(seen.st_size, taken); /* each octet that was told is there, and no other */
    EXPECT_IS(rill_file_truncate(fd, 0), 0);
    EXPECT_IS(rill_file_write_all(fd, octets, disk_size / 2, 0, &taken), 0);
    return 0;
}

static int run_on_a_small_disk(void *arg)
{
    char size[32];
    (void)arg;
    snprintf(size, sizeof size, "size=%d", disk_size);
    if (mkdir(path_of("disk"), 0700) < 0 && errno != EEXIST)
        return 1;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", path_of("disk"), "tmpfs", 0, size) < 0) {
        fprintf(stderr, "no right to mount: %s", rill_errname(-errno));
        return skipped;
    }
    return exit_code_of(fill_disk);
}

static void full_disk_takes_what_fits_and_goes_on_when_there_is_room(void **state)
{
    (void)state;
    run_in_child(run_on_a_small_disk);
}

enum { file_size_max = 10000 };

static int write_over_the_limit(void *arg)
{
    size_t taken = 0;
    (void)arg;
    OWNED_FD int fd = rill_file_open(path_of("limited"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_write(fd, octets, 4096, file_size_max - 96), 96);
    EXPECT_IS(rill_file_write_all(fd, octets, sizeof octets, 0, &taken), -EFBIG);
    EXPECT_IS(taken, file_size_max);
    EXPECT_IS(rill_file_truncate(fd, file_size_max + 1), -EFBIG);
    return 0;
}

static int run_with_small_files(void *arg)
{
    static const struct rlimit small = { file_size_max, file_size_max };
    (void)arg;
    return setrlimit(RLIMIT_FSIZE, &small) < 0 ? 1 : exit_code_of(write_over_the_limit);
}

/* And not the end of the process by SIGXFSZ. */
static void file_size_limit_is_efbig(void **state)
{
    (void)state;
    run_in_child(run_with_small_files);
}

/* --- Used up and broken. --- */

static int open_without_descriptors(void *arg)
{
    rill_dir *dir = NULL;
    struct rlimit limit;
    (void)arg;
    int spare = dup(STDERR_FILENO);
    EXPECT_IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)spare + 1;
    EXPECT_IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_IS(rill_file_open("/dev/null", O_RDONLY, 0), -EMFILE);
    EXPECT_IS(rill_dir_open("/", &dir), -EMFILE);
    close(spare);
    OWNED_FD int fd = rill_file_open("/dev/null", O_RDONLY, 0);
    EXPECT_IS(fd, spare);
    return 0;
}

static int run_without_descriptors(void *arg)
{
    (void)arg;
    return exit_code_of(open_without_descriptors);
}

static void open_without_descriptors_is_emfile_until_one_is_closed(void **state)
{
    (void)state;
    skip_if_limits_are_kept();
    run_in_child(run_without_descriptors);
}

static int broken_medium_is_eio(void *arg)
{
    char in[8];
    size_t got = 99;
    (void)arg;
    OWNED_FD int fd = rill_file_open("/proc/self/mem", O_RDONLY, 0);
    EXPECT(fd >= 0);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), -EIO); /* nothing is mapped there */
    EXPECT_IS(rill_file_read_exactly(fd, in, sizeof in, 0, &got), -EIO);
    EXPECT_IS(got, 0);
    return 0;
}

static int write_to_a_pipe_nobody_reads_is_epipe(void *arg)
{
    int ends[2];
    (void)arg;
    EXPECT_IS(pipe2(ends, O_CLOEXEC), 0);
    OWNED_FD int writing = ends[1];
    close(ends[0]);
    EXPECT_IS(rill_file_write(writing, "x", 1, UINT64_MAX), -EPIPE);
    return 0;
}

/* Section 10 of reliability.md: the kernel raises SIGPIPE for a WRITE, so a loop ignores it. */
static int run_with_default_sigpipe(void *arg)
{
    (void)arg;
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    return exit_code_of(write_to_a_pipe_nobody_reads_is_epipe);
}

static void write_to_a_closed_pipe_does_not_end_the_process(void **state)
{
    (void)state;
    run_in_child(run_with_default_sigpipe);
}

/* --- FIFOs. --- */

static int made_fifo(void)
{
    unlink(path_of("fifo"));
    EXPECT_IS(mkfifo(path_of("fifo"), 0600), 0);
    return 0;
}

static int open_fifo(void *flags)
{
    int fd = rill_file_open(path_of("fifo"), *(int *)flags | O_CREAT, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

static int reading = O_RDONLY, writing = O_WRONLY;

static int some_turns(void)
{
    int turns = 3;
    return give_up_turns(&turns);
}

static int fifo_waits_for_its_other_side(void *arg)
{
    (void)arg;
    EXPECT_IS(made_fifo(), 0);
    rill_task *reader = kept(rill_create_task(RILL_CORO(open_fifo, &reading)));
    EXPECT_IS(some_turns(), 0);
    EXPECT(!rill_done(reader));
    rill_task *writer = kept(rill_create_task(RILL_CORO(open_fifo, &writing)));
    EXPECT_IS(rill_await(reader), 0);
    EXPECT_IS(rill_await(writer), 0);
    return 0;
}

/* R13: the kernel answers EALREADY, since its thread is at it; the open ends interrupted. */
static int open_of_a_fifo_without_its_other_side_can_be_cancelled(void *arg)
{
    (void)arg;
    EXPECT_IS(made_fifo(), 0);
    rill_task *opener = kept(rill_create_task(RILL_CORO(open_fifo, &writing)));
    EXPECT_IS(some_turns(), 0);
    EXPECT(!rill_done(opener));
    EXPECT(rill_cancel(opener, NULL));
    EXPECT_IS(rill_await(opener), -ECANCELED);
    return 0;
}

static int fifo_in_non_blocking_mode_does_not_wait(void *arg)
{
    char in[4];
    (void)arg;
    EXPECT_IS(made_fifo(), 0);
    EXPECT_IS(rill_file_open(path_of("fifo"), O_WRONLY | O_NONBLOCK, 0), -ENXIO);
    OWNED_FD int from = rill_file_open(path_of("fifo"), O_RDONLY | O_NONBLOCK, 0);
    EXPECT(from >= 0);
    int to = rill_file_open(path_of("fifo"), O_WRONLY | O_NONBLOCK, 0);
    EXPECT(to >= 0);
    int written = rill_file_write(to, "ab", 2, UINT64_MAX);
    close(to);
    EXPECT_IS(written, 2);
    EXPECT_IS(rill_file_read(from, in, sizeof in, UINT64_MAX), 2);
    EXPECT_IS(rill_file_read(from, in, sizeof in, UINT64_MAX), 0); /* the writer has gone */
    EXPECT_IS(rill_file_truncate(from, 0), -EINVAL);
    return 0;
}

static int write_to_a_full_fifo_ends_when_its_reader_goes(void *arg)
{
    (void)arg;
    EXPECT_IS(made_fifo(), 0);
    int from = rill_file_open(path_of("fifo"), O_RDONLY | O_NONBLOCK, 0);
    OWNED_FD int to = rill_file_open(path_of("fifo"), O_WRONLY | O_NONBLOCK, 0);
    if (from >= 0 && to >= 0)
        while (write(to, octets, sizeof octets) > 0)
            ;
    if (from >= 0)
        close(from);
    EXPECT(from >= 0 && to >= 0);
    EXPECT_IS(rill_file_write(to, "x", 1, UINT64_MAX), -EPIPE);
    return 0;
}

/* --- Threads of the kernel. --- */

static int count_threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

enum { stuck = 40, threads_most = 12 };

/* Row 7.12: each holds a thread of the kernel, or waits for one. */
static int stuck_opens_hold_a_bounded_number_of_threads(void *arg)
{
    (void)arg;
    EXPECT_IS(made_fifo(), 0);
    int before = count_threads();
    for (int i = 0; i < stuck; i++)
        (void)kept(rill_create_task(RILL_CORO(open_fifo, &writing)));
    for (int i = 0; i < 20; i++)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT(count_threads() > before);
    EXPECT(count_threads() <= before + threads_most);
    return 0; /* the end of the run cancels them */
}

static const struct scenario scenarios[] = {
    SCENARIO(full_device_is_enospc),
    OUTSIDE(full_disk_takes_what_fits_and_goes_on_when_there_is_room),
    OUTSIDE(file_size_limit_is_efbig),
    OUTSIDE(open_without_descriptors_is_emfile_until_one_is_closed),
    SCENARIO(broken_medium_is_eio),
    SCENARIO(write_to_a_pipe_nobody_reads_is_epipe),
    OUTSIDE(write_to_a_closed_pipe_does_not_end_the_process),
    SCENARIO_ONCE(fifo_waits_for_its_other_side),
    SCENARIO(open_of_a_fifo_without_its_other_side_can_be_cancelled),
    SCENARIO(fifo_in_non_blocking_mode_does_not_wait),
    SCENARIO(write_to_a_full_fifo_ends_when_its_reader_goes),
    SCENARIO_ONCE(stuck_opens_hold_a_bounded_number_of_threads),
};

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    int r = RUN_SCENARIOS("file_faults", scenarios);
    unlink(path_of("fifo"));
    unlink(path_of("limited"));
    rmdir(path_of("disk"));
    rmdir(folder);
    return r;
}
