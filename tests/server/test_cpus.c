/* test_cpus.c - how many processors there are for the workers, and which one each of them gets.
 *
 * What the kernel says of cgroups is made up, in a child that sees files of ours in the place of its. */
#include "server/cpus.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void quota_of_a_cgroup_is_rounded_up(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        unsigned cpus;
    } rows[] = { { "100000 100000\n", 1 },
                 { "150000 100000\n", 2 },
                 { "1 100000", 1 },
                 { "max 100000\n", 0 },
                 { "", 0 },
                 { "5", 0 },
                 { "100000 0", 0 },
                 { "x 5", 0 },
                 { "0 100000", 0 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(cpus_of_quota(rill_span_of(rows[i].text)), rows[i].cpus);
}

static void pinning_goes_round_the_processors_of_the_mask(void **state)
{
    (void)state;
    cpu_set_t mask, now;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    unsigned count = (unsigned)CPU_COUNT(&mask);
    assert_in_range(cpus_count(), 1, count);
    for (unsigned slot = 0; slot < count; slot++) {
        assert_int_equal(cpus_pin(slot + count), 0);
        assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
        assert_int_equal(CPU_COUNT(&now), 1);
        CPU_AND(&now, &now, &mask);
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_int_equal(sched_setaffinity(0, sizeof mask, &mask), 0);
    }
}

static int set_mask_of_one(void)
{
    cpu_set_t mask, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof mask, &mask) < 0)
        return -1;
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &mask))
            CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one);
}

static void assert_child(int (*body)(const void *arg), const void *arg)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body(arg));
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int count_under_a_mask(const void *arg)
{
    (void)arg;
    return set_mask_of_one() == 0 && cpus_count() == 1 ? 0 : 1;
}

static void count_is_that_of_the_affinity_mask(void **state)
{
    (void)state;
    assert_child(count_under_a_mask, NULL);
}

/* --- cgroups --- */

struct tree {
    const char *own;        /* /proc/self/cgroup */
    const char *folders[3]; /* below /sys/fs/cgroup, from the top down */
    const char *quotas[3];  /* their cpu.max; NULL: they have none */
    unsigned cpus;          /* what comes out; 0: as many as there are */
};

static int put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return -1;
    fputs(text, file);
    return fclose(file);
}

/* Files of ours over those of the kernel, for this process alone.   Returns: 0; -1 (not allowed). */
static int fake_cgroups(const struct tree *tree)
{
    char path[256] = "/sys/fs/cgroup";
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) < 0)
        return -1;
    for (int i = 0; i < 3 && tree->folders[i] != NULL; i++) {
        char file[300];
        snprintf(path, sizeof path, "/sys/fs/cgroup%s", tree->folders[i]);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -1;
        snprintf(file, sizeof file, "%s/cpu.max", path);
        if (tree->quotas[i] != NULL && put(file, tree->quotas[i]) < 0)
            return -1;
    }
    if (put("/sys/fs/cgroup/own", tree->own) < 0)
        return -1;
    return mount("/sys/fs/cgroup/own", "/proc/self/cgroup", NULL, MS_BIND, NULL);
}

static int count_in_a_tree(const void *arg)
{
    const struct tree *tree = arg;
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) < 0 || CPU_COUNT(&mask) < 2 ||
        fake_cgroups(tree) < 0)
        return 77;
    unsigned wanted = tree->cpus > 0 ? tree->cpus : (unsigned)CPU_COUNT(&mask);
    if (cpus_count() == wanted)
        return 0;
    fprintf(stderr, "%u instead of %u in %s", cpus_count(), wanted, tree->own);
    return 1;
}

static void smallest_quota_on_the_way_up_caps_the_count(void **state)
{
    static const struct tree trees[] = {
        { "0::/a/b\n", { "/a", "/a/b" }, { "max 100000\n", "100000 100000\n" }, 1 },
        { "0::/a/b\n", { "/a", "/a/b" }, { "50000 100000\n", "max 100000\n" }, 1 },
        { "0::/a/b\n", { "/a", "/a/b" }, { "50000 100000\n", "900000 100000\n" }, 1 },
        { "0::/\n", { "" }, { "10000 100000\n" }, 1 },      /* a container sees itself as the top */
        { "0::/a\n", { "/a" }, { "9900000 100000\n" }, 0 }, /* more than there are */
        { "0::/a\n", { "/a" }, { NULL }, 0 },
        { "0::/a\n", { "/a" }, { "nonsense\n" }, 0 },
        { "1:cpu:/a\n", { "/a" }, { "10000 100000\n" }, 0 }, /* version 1 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++)
        assert_child(count_in_a_tree, &trees[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota_of_a_cgroup_is_rounded_up),
        cmocka_unit_test(pinning_goes_round_the_processors_of_the_mask),
        cmocka_unit_test(count_is_that_of_the_affinity_mask),
        cmocka_unit_test(smallest_quota_on_the_way_up_caps_the_count),
    };
    return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
