/* test_generation.c - the promises of configuration generations, master's and workers' side. */
#include "server/generation.h"

#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/generation.XXXXXX", path[64], broken[64];
static struct generation_source source;
static struct conf_report report;

static unsigned open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || generation_reserve() < 0)
        return -1;
    snprintf(path, sizeof path, "%s/rilld.yaml", folder);
    snprintf(broken, sizeof broken, "%s/broken.yaml", folder);
    FILE *file = fopen(path, "w");
    fprintf(file,
            "listen: [127.0.0.1:0]\nroutes:\n  /:\n    files:\n      root: %s\n"
            "  /again/:\n    files:\n      root: %s\n  /sub/:\n    files:\n      root: /tmp\n"
            "  /g:\n    gather:\n      parts:\n        a:\n          file: %s/rilld.yaml\n"
            "        b:\n          file: /etc/passwd\n",
            folder, folder, folder);
    fclose(file);
    file = fopen(broken, "w");
    fprintf(file, "listen: [127.0.0.1:0]\nroutes:\n  /:\n    files:\n      root: %s/missing\n",
            folder);
    fclose(file);
    source.path = path;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(broken);
    return rmdir(folder);
}

static struct generation *load(uint32_t number)
{
    struct generation *generation = NULL;
    report = (struct conf_report){ 0 };
    int rc = generation_load(&source, number, &report, &generation);
    for (size_t i = 0; i < report.count; i++)
        print_message("%s\n", report.findings[i].text);
    assert_int_equal(rc, 0);
    return generation;
}

static void each_directory_is_opened_once(void **state)
{
    (void)state;
    unsigned before = open_fds();
    int64_t live = rill__mem_live();
    struct generation *generation = load(1);
    assert_int_equal(generation->conf->route_count, 4);
    assert_int_equal(generation->dir_count, 3); /* the folder, /tmp, /etc */
    assert_true(generation_is_complete(generation));
    int fd = generation_dir(generation, rill_span_of(folder));
    struct stat one, other;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &one), 0);
    assert_int_equal(stat(folder, &other), 0);
    assert_true(one.st_ino == other.st_ino);
    assert_true(fcntl(fd, F_GETFL) & O_PATH);
    assert_true(generation_dir(generation, RILL_SPAN("/etc")) >= 0);
    assert_int_equal(generation_dir(generation, RILL_SPAN("/usr")), -ENOENT);
    generation_unref(generation);
    generation_unref(NULL);
    assert_int_equal(open_fds(), before);
    assert_int_equal(rill__mem_live(), live);
}

static void sealed_memory_cannot_be_changed_any_more(void **state)
{
    (void)state;
    struct generation *generation = load(1);
    int fd = generation->memory_fd;
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_true((size_t)status.st_size == generation->size);
    generation_unref(generation);
}

static void writing_to_it_ends_the_process(void **state)
{
    (void)state;
    struct generation *generation = load(1);
    pid_t child = fork();
    if (child == 0) {
        const struct sigaction usual = { .sa_handler = SIG_DFL };
        sigaction(SIGSEGV, &usual, NULL); /* cmocka would go on with the next test */
        *(volatile unsigned *)(uintptr_t)&generation->conf->workers = 7;
        _exit(0);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0); /* a sanitizer exits */
    generation_unref(generation);
}

/* A child adopts a generation that was loaded after the fork: its pointers hold there. */
static int adopt(int fd, unsigned place, size_t size)
{
    struct generation *generation;
    if (generation_adopt(9, GENERATION_PLACES, size, dup(fd), &generation) != -EINVAL ||
        generation_adopt(9, place, 10, dup(fd), &generation) != -EINVAL)
        return 1;
    if (generation_adopt(9, place, size, dup(fd), &generation) != 0)
        return 2;
    if (generation_adopt(10, place, size, dup(fd), &(struct generation *){ 0 }) != -EINVAL)
        return 3;
    if (generation->conf->route_count != 4 || generation->conf->routes[0].path.at[0] != '/')
        return 4;
    if (generation_is_complete(generation) || generation->dir_count != 3)
        return 5;
    int fds[3] = { dup(0), dup(0), dup(0) };
    if (generation_take_dirs(generation, 1, fds, 3) != -EINVAL ||
        generation_take_dirs(generation, 4, fds, 0) != -EINVAL ||
        generation_take_dirs(generation, 0, fds, 1) != 0 ||
        generation_take_dirs(generation, 0, fds + 1, 2) != -EINVAL ||
        generation_take_dirs(generation, 1, fds + 1, 2) != 0)
        return 6;
    if (!generation_is_complete(generation) || generation_dir(generation, rill_span_of(folder)) < 0)
        return 7;
    generation_unref(generation);
    return fcntl(fds[2], F_GETFD) >= 0 ? 8 : 0;
}

static void generation_loaded_after_the_fork_is_adopted_at_the_same_address(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        /* The descriptor is fetched from the parent, which the channel does otherwise. */
        struct {
            unsigned place;
            size_t size;
            int fd, pid;
        } given;

        close(pipes[1]);
        if (read(pipes[0], &given, sizeof given) != sizeof given)
            _exit(99);
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/fd/%d", given.pid, given.fd);
        _exit(adopt(open(name, O_RDONLY), given.place, given.size));
    }
    struct generation *generation = load(9);

    struct {
        unsigned place;
        size_t size;
        int fd, pid;
    } given = { generation->place, generation->size, generation->memory_fd, (int)getpid() };

    assert_true(write(pipes[1], &given, sizeof given) == sizeof given);
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(pipes[0]);
    close(pipes[1]);
    generation_unref(generation);
}

static void seventeenth_generation_is_refused_until_one_is_freed(void **state)
{
    (void)state;
    struct generation *all[GENERATION_PLACES], *one;
    for (uint32_t i = 0; i < GENERATION_PLACES; i++)
        all[i] = load(i + 1);
    assert_int_equal(generation_load(&source, 17, &report, &one), -EBUSY);
    generation_unref(all[5]);
    all[5] = load(17);
    assert_int_equal(all[5]->place, 5);
    for (int i = 0; i < GENERATION_PLACES; i++)
        generation_unref(all[i]);
}

static uint32_t last_freed;

static void note_freed(uint32_t number)
{
    last_freed = number;
}

static void last_reference_tells_that_it_is_freed(void **state)
{
    (void)state;
    struct generation *generation = load(21);
    generation->freed = note_freed;
    generation_ref(generation);
    generation_unref(generation);
    assert_int_equal(last_freed, 0);
    generation_unref(generation);
    assert_int_equal(last_freed, 21);
}

static void missing_directory_is_an_error_with_its_place(void **state)
{
    (void)state;
    unsigned before = open_fds();
    const struct generation_source bad = { .path = broken };
    struct generation *generation = NULL;
    report = (struct conf_report){ 0 };
    assert_true(generation_load(&bad, 1, &report, &generation) < 0);
    assert_null(generation);
    assert_true(report.errors >= 1);
    char start[96];
    snprintf(start, sizeof start, "%s:5:13: error: ", broken);
    assert_memory_equal(report.findings[0].text, start, strlen(start));
    assert_int_equal(open_fds(), before);
}

static void folder_of_a_file_is_what_stands_before_the_last_slash(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "/etc/passwd", "/etc" }, { "/passwd", "/" }, { "/a/b/c", "/a/b" }, { "/a//c", "/a" }
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(
            rill_span_equal(generation_folder(rill_span_of(rows[i][0])), rill_span_of(rows[i][1])));
}

static void load_without_memory_leaves_nothing_for_each_allocation(void **state)
{
    (void)state;
    unsigned before = open_fds();
    int64_t live = rill__mem_live();
    int rc = -ENOMEM;
    for (uint64_t nth = 1; rc < 0; nth++) {
        struct generation *generation = NULL;
        report = (struct conf_report){ 0 };
        rill__mem_fail_nth(nth, false);
        rc = generation_load(&source, 1, &report, &generation);
        rill__mem_fail_nth(0, false);
        if (rc < 0)
            assert_int_equal(rc, -ENOMEM);
        generation_unref(generation);
        assert_int_equal(open_fds(), before);
        assert_int_equal(rill__mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_directory_is_opened_once),
        cmocka_unit_test(sealed_memory_cannot_be_changed_any_more),
        cmocka_unit_test(writing_to_it_ends_the_process),
        cmocka_unit_test(generation_loaded_after_the_fork_is_adopted_at_the_same_address),
        cmocka_unit_test(seventeenth_generation_is_refused_until_one_is_freed),
        cmocka_unit_test(last_reference_tells_that_it_is_freed),
        cmocka_unit_test(missing_directory_is_an_error_with_its_place),
        cmocka_unit_test(folder_of_a_file_is_what_stands_before_the_last_slash),
        cmocka_unit_test(load_without_memory_leaves_nothing_for_each_allocation),
    };
    return cmocka_run_group_tests_name("generation", tests, setup, teardown);
}
