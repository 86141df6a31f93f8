/* test_log.c - the promises of the logs of a process, straight and through the ring. */
#include "server/conf/conf.h"
#include "server/log.h"
#include "server/shm.h"

#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <rill/sim.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct conf_log conf;
static char text[1 << 20]; /* what a log came to hold */

/* Log to these; descriptors go to the log.   Returns: the lines dropped before. */
static uint64_t use(int access, int error)
{
    conf = (struct conf_log){ .access.to = CONF_LOG_FILE,
                              .error.to = CONF_LOG_FILE,
                              .format = CONF_LOG_COMBINED,
                              .level = CONF_LOG_INFO,
                              .query = true };
    log_use(&conf, access, error);
    return shm_get(&shm_mine->log_dropped);
}

/* Back to standard error, so that nothing of a test stays open. */
static void use_nothing(void)
{
    conf.access.to = CONF_LOG_OFF;
    log_use(&conf, open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
}

static int memory_file(void)
{
    return memfd_create("log", MFD_CLOEXEC);
}

/* A second descriptor of the same open file, to look at what the log wrote. */
static int again(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static unsigned load(int fd)
{
    unsigned lines = 0;
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

static void log_request(unsigned number)
{
    char target[32];
    snprintf(target, sizeof target, "/%u", number);
    log_access(&(struct log_access){
        .method = RILL_SPAN("GET"), .target = rill_span_of(target), .status = 200, .end = "done" });
}

/* Whether the lines of requests `from` up to `to` are in the text, each once and in order. */
static bool has_requests(unsigned from, unsigned to)
{
    const char *at = text;
    for (unsigned number = from; number < to; number++) {
        char part[32];
        snprintf(part, sizeof part, "\"GET /%u\" ", number);
        at = strstr(at, part);
        if (at == NULL)
            return false;
    }
    return true;
}

static int stalled_pipe(int *ret_read)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
        return -1;
    *ret_read = ends[0];
    return ends[1];
}

/* --- straight lines --- */

static void line_before_the_loop_is_written_at_once(void **state)
{
    (void)state;
    int file = memory_file(), look = again(file);
    use(open("/dev/null", O_WRONLY | O_CLOEXEC), file);
    log_identity(3);
    log_line(LOG_WARNING, "test", "one %d", 1);
    log_line(LOG_DEBUG, "test", "below the level");
    assert_int_equal(load(look), 1);
    char end[64];
    snprintf(end, sizeof end, " warning %d 3 test one 1\n", (int)getpid());
    assert_non_null(strstr(text, end));
    log_identity(-1);
    use_nothing();
    close(look);
}

/* In a child whose standard output is a file of a shell, `rilld >log`: not opened for appending. */
static int write_over_each_other(void *arg)
{
    const struct conf_log_target target = { .to = CONF_LOG_STDOUT };
    int file = memory_file(), one, other;
    (void)arg;
    if (file < 0 || dup2(file, STDOUT_FILENO) < 0)
        return 1;
    one = log_open(&target);
    other = log_open(&target);
    if (one < 0 || other < 0 || write(one, "the first\n", 10) != 10)
        return 2;
    lseek(other, 0, SEEK_SET); /* as two who write at once find the same position */
    if (write(other, "the second\n", 11) != 11)
        return 3;
    (void)load(file);
    return strcmp(text, "the first\nthe second\n") == 0 ? 0 : 4;
}

static void processes_that_share_a_file_as_standard_output_append(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, write_over_each_other, NULL), 0);
    assert_int_equal(child.status, 0);
}

static void line_to_a_stalled_reader_is_dropped_and_nobody_waits(void **state)
{
    (void)state;
    int reader, writer = stalled_pipe(&reader);
    uint64_t before = use(open("/dev/null", O_WRONLY | O_CLOEXEC), writer);
    for (int i = 0; i < 1000; i++)
        log_line(LOG_INFO, "test", "line %d of those that do not fit", i);
    uint64_t dropped = shm_get(&shm_mine->log_dropped) - before;
    use_nothing(); /* closes the writing end */
    unsigned lines = 0;
    for (ssize_t size; (size = read(reader, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < size; i++)
            lines += text[i] == '\n';
    assert_true(lines > 0 && dropped > 0);
    assert_int_equal(lines + dropped, 1000);
    close(reader);
}

/* In a child, since the environment of this process is for all tests. */
static int log_to_the_journal(void)
{
    char name[64];
    struct stat status;
    int file = memory_file(), look = again(file);
    if (fstat(file, &status) < 0)
        return 1;
    snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
    use(open("/dev/null", O_WRONLY | O_CLOEXEC), file);
    log_line(LOG_ERROR, "test", "for the journal");
    return load(look) == 1 && strncmp(text, "<3>", 3) == 0 ? 0 : 2;
}

static void line_for_the_journal_begins_with_its_priority(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(log_to_the_journal());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void events_of_clients_are_shown_ten_times_a_second(void **state)
{
    (void)state;
    struct log_limit limit = { 0 };
    unsigned shown = 0, left_out = 7;
    for (int i = 0; i < 100; i++)
        shown += log_limit_take(&limit, RILL_MS(i), &left_out);
    assert_int_equal(shown, 10);
    assert_int_equal(left_out, 0);
    assert_true(log_limit_take(&limit, RILL_SEC(1), &left_out));
    assert_int_equal(left_out, 90);
    assert_true(log_limit_take(&limit, RILL_SEC(1), &left_out));
    assert_int_equal(left_out, 0);
}

/* --- through the ring --- */

enum { MANY = 5000 };

static int every_line_is_written_once_and_in_order(void *arg)
{
    (void)arg;
    EXPECT_IS(log_start(1 << 20), 0);
    for (unsigned i = 0; i < MANY; i++) {
        log_request(i);
        if (i % 1000 == 999)
            EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    }
    log_line(LOG_INFO, "test", "last");
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    return 0;
}

static void lines_come_out_once_and_in_order(void **state)
{
    (void)state;
    int files[2] = { memory_file(), memory_file() };
    int looks[2] = { again(files[0]), again(files[1]) };
    uint64_t before = use(files[0], files[1]);
    assert_int_equal(run_main(every_line_is_written_once_and_in_order, NULL), 0);
    load(looks[1]);
    assert_non_null(strstr(text, " test last\n"));
    assert_int_equal(load(looks[0]), MANY);
    assert_true(has_requests(0, MANY));
    assert_true(shm_get(&shm_mine->log_dropped) == before);
    use_nothing();
    close(looks[0]);
    close(looks[1]);
}

static int change_files(void *arg)
{
    int *files = arg;
    EXPECT_IS(log_start(1 << 20), 0);
    for (unsigned i = 0; i < MANY; i++) {
        if (i == MANY / 2) /* while a batch is being written, and lines wait */
            log_use(&conf, again(files[1]), memory_file());
        if (i == MANY / 2 + 1) /* and once more, perhaps before anybody noticed */
            log_use(&conf, again(files[2]), memory_file());
        log_request(i);
        if (i % 1000 == 250)
            EXPECT_IS(rill_sleep(RILL_MS(11)), 0);
    }
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    return 0;
}

static void change_of_files_loses_and_doubles_no_line(void **state)
{
    (void)state;
    int files[3] = { memory_file(), memory_file(), memory_file() };
    use(again(files[0]), memory_file());
    assert_int_equal(run_main(change_files, files), 0);
    unsigned first = load(files[0]);
    assert_true(has_requests(0, first));
    unsigned second = load(files[1]);
    assert_true(has_requests(first, first + second));
    unsigned third = load(files[2]);
    assert_true(has_requests(first + second, MANY));
    assert_int_equal(first + second + third, MANY);
    assert_true(first > 0 && third > 0);
    use_nothing();
    for (int i = 0; i < 3; i++)
        close(files[i]);
}

static int fill_the_disk(void *arg)
{
    (void)arg;
    EXPECT_IS(log_start(64 << 10), 0);
    for (unsigned i = 0; i < MANY; i++) {
        log_request(i);
        if (i % 500 == 0)
            EXPECT_IS(rill_sleep(RILL_MS(2)), 0);
    }
    EXPECT_IS(log_stop(RILL_MS(200)), -ETIME);
    return 0;
}

/* In the simulator, where the last line of the error log is in time whatever the machine's load. */
static void full_disk_drops_lines_counts_them_and_warns_rarely(void **state)
{
    static const rill_sim_opts world = { .seed = 1 };
    static const rill_loop_opts simulated = { .sim = &world };
    char rest[64];
    (void)state;
    int error = memory_file(), look = again(error);
    uint64_t before = use(open("/dev/full", O_WRONLY | O_CLOEXEC), error);
    assert_int_equal(run_main_with(fill_the_disk, NULL, &simulated), 0);
    assert_int_equal(shm_get(&shm_mine->log_dropped) - before, MANY);
    assert_int_equal(load(look), 2); /* one within the minute, and the rest at the end */
    assert_non_null(strstr(text, " log access log: 1 line dropped: No space left on device\n"));
    snprintf(rest, sizeof rest, " log access log: %d lines dropped: No space", MANY - 1);
    assert_non_null(strstr(text, rest));
    use_nothing();
    close(look);
}

/* The file takes the first lines and a part of one; then the disk has no room, and there is another. In the
 * simulator, where the time until the log has met the limit does not depend on the machine's load. */
static int tear_a_line(void *arg)
{
    int *files = arg;
    struct rlimit before, little = { .rlim_cur = 100 };
    EXPECT_IS(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    EXPECT_IS(log_start(64 << 10), 0);
    EXPECT_IS(setrlimit(RLIMIT_FSIZE, &little), 0);
    for (unsigned i = 0; i < 10; i++)
        log_request(i);
    EXPECT_IS(rill_sleep(RILL_MS(50)), 0);
    EXPECT_IS(setrlimit(RLIMIT_FSIZE, &before), 0);
    log_use(&conf, again(files[1]), memory_file());
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    return 0;
}

static void line_that_a_full_disk_cut_is_whole_in_the_next_file(void **state)
{
    static const rill_sim_opts world = { .seed = 1 };
    static const rill_loop_opts simulated = { .sim = &world };
    int files[2] = { memory_file(), memory_file() };
    (void)state;
    assert_int_equal(fcntl(files[0], F_SETFL, O_APPEND), 0);
    use(again(files[0]), memory_file());
    assert_int_equal(run_main_with(tear_a_line, files, &simulated), 0);
    unsigned first = load(files[0]);
    assert_true(has_requests(0, first));
    assert_true(text[strlen(text) - 1] != '\n'); /* it has been cut */
    assert_int_equal(load(files[1]), 10 - first);
    assert_true(has_requests(first, 10));
    assert_int_equal(strncmp(text, "- - -", 5), 0);
    use_nothing();
    close(files[0]);
    close(files[1]);
}

static int write_many(void *arg)
{
    (void)arg;
    EXPECT_IS(log_start(1 << 20), 0);
    for (unsigned i = 0; i < 500; i++)
        log_request(i);
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    return 0;
}

/* Write 500 lines to an end that keeps apart what was written at once, and look at each piece: so much
 * is taken without mixing it with what others write. */
static void assert_whole_lines(int reader, int writer)
{
    ssize_t size;
    unsigned lines = 0;
    use(writer, memory_file());
    assert_int_equal(run_main(write_many, NULL), 0);
    use_nothing();
    while ((size = read(reader, text, sizeof text)) > 0) {
        assert_true(size <= PIPE_BUF);
        assert_int_equal(text[size - 1], '\n');
        for (ssize_t i = 0; i < size; i++)
            lines += text[i] == '\n';
    }
    assert_int_equal(lines, 500);
    close(reader);
}

static void pipe_gets_whole_lines_that_others_cannot_tear(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
    assert_whole_lines(ends[0], ends[1]);
}

/* As the journal's is, but for the packets. */
static void socket_gets_whole_lines_that_others_cannot_tear(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_whole_lines(ends[0], ends[1]);
}

static unsigned ticks;

static int tick(void *arg)
{
    (void)arg;
    int rc;
    while ((rc = rill_sleep(RILL_MS(1))) == 0)
        ticks++;
    return rc;
}

static int stall(void *arg)
{
    int *reader = arg, rc;
    rill_task *ticking = rill_create_task(RILL_CORO(tick, NULL));
    EXPECT_IS(log_start(64 << 10), 0);
    for (unsigned i = 0; i < 600; i++) /* ten pipes full */
        log_request(i);
    while (ticks < 50)
        EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    /* The reader comes back: everything that waited arrives. */
    size_t used = 0;
    while (used < sizeof text - 1 && strstr(text, "\"GET /599\"") == NULL) {
        rc = rill_poll(*reader, POLLIN);
        EXPECT(rc > 0);
        ssize_t got = read(*reader, text + used, sizeof text - 1 - used);
        EXPECT(got > 0);
        used += (size_t)got;
        text[used] = '\0';
    }
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    rill_cancel(ticking, NULL);
    rc = rill_join(ticking);
    return rc == -ECANCELED ? 0 : rc;
}

static void stalled_reader_holds_nobody_up_and_loses_nothing_that_fits(void **state)
{
    (void)state;
    int reader, writer = stalled_pipe(&reader);
    ticks = 0;
    text[0] = '\0';
    uint64_t before = use(writer, memory_file());
    assert_int_equal(run_main(stall, &reader), 0);
    assert_true(has_requests(0, 600));
    assert_true(shm_get(&shm_mine->log_dropped) == before);
    use_nothing();
    close(reader);
}

static int turn_on_and_off(void *arg)
{
    int file = again(*(int *)arg);
    conf.access.to = CONF_LOG_OFF;
    log_use(&conf, open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    EXPECT_IS(log_start(64 << 10), 0);
    EXPECT(!log_access_wanted());
    log_request(0);
    EXPECT_IS(rill_sleep(RILL_MS(20)), 0);
    conf.access.to = CONF_LOG_FILE;
    log_use(&conf, file, STDERR_FILENO);
    EXPECT(log_access_wanted());
    log_request(1);
    log_request(2);
    conf.access.to = CONF_LOG_OFF;
    log_use(&conf, open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    log_request(3);
    EXPECT_IS(log_stop(RILL_SEC(10)), 0);
    return 0;
}

static void log_turned_on_has_its_first_line_and_turned_off_no_more(void **state)
{
    (void)state;
    int look = memory_file();
    use_nothing();
    assert_int_equal(run_main(turn_on_and_off, &look), 0);
    use_nothing();
    assert_int_equal(load(look), 2);
    assert_true(has_requests(1, 3));
    close(look);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        OUTSIDE(line_before_the_loop_is_written_at_once),
        OUTSIDE(processes_that_share_a_file_as_standard_output_append),
        OUTSIDE(line_to_a_stalled_reader_is_dropped_and_nobody_waits),
        OUTSIDE(line_for_the_journal_begins_with_its_priority),
        OUTSIDE(events_of_clients_are_shown_ten_times_a_second),
        OUTSIDE(lines_come_out_once_and_in_order),
        OUTSIDE(change_of_files_loses_and_doubles_no_line),
        OUTSIDE(full_disk_drops_lines_counts_them_and_warns_rarely),
        OUTSIDE(line_that_a_full_disk_cut_is_whole_in_the_next_file),
        OUTSIDE(pipe_gets_whole_lines_that_others_cannot_tear),
        OUTSIDE(socket_gets_whole_lines_that_others_cannot_tear),
        OUTSIDE(stalled_reader_holds_nobody_up_and_loses_nothing_that_fits),
        OUTSIDE(log_turned_on_has_its_first_line_and_turned_off_no_more),
    };
    return RUN_SCENARIOS("log", scenarios);
}
