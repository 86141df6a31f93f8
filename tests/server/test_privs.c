/* test_privs.c - the promises of giving up rights; those that need root run in a child as root. */
#include "server/privs.h"
#include "server/shm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char why_memory[256];

static rill_text why_text(void)
{
    memset(why_memory, 0, sizeof why_memory);
    return (rill_text){ why_memory, sizeof why_memory - 1, 0, false };
}

/* What a worker does; the exit status says which promise it found broken. */
static int drop_and_look(void)
{
    struct privs privs;
    rill_text why = why_text();
    gid_t groups[PRIVS_GROUPS_MAX];
    if (privs_find(RILL_SPAN("nobody"), RILL_SPAN(""), &privs, &why) < 0 || !privs.change)
        return 1;
    if (privs_drop(&privs, &why) < 0)
        return 2;
    if (getuid() != privs.uid || geteuid() != privs.uid || getgid() != privs.gid)
        return 3;
    if (setuid(0) == 0 || setgid(0) == 0 || seteuid(0) == 0)
        return 4;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 5;
    int count = getgroups(PRIVS_GROUPS_MAX, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == 0)
            return 6;
    char line[256];
    unsigned long long sets = 0, value;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "CapEff: %llx", &value) == 1 ||
            sscanf(line, "CapPrm: %llx", &value) == 1 ||
            sscanf(line, "CapInh: %llx", &value) == 1 || sscanf(line, "CapAmb: %llx", &value) == 1)
            sets |= value;
    return file == NULL || sets != 0 ? 7 : 0;
}

static void drop_leaves_no_way_back(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t child = fork();
    if (child == 0)
        _exit(drop_and_look());
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void user_that_does_not_exist_is_named(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct privs privs = { .uid = 77 };
    rill_text why = why_text();
    assert_int_equal(privs_find(RILL_SPAN("no-such-user"), RILL_SPAN(""), &privs, &why), -ENOENT);
    assert_string_equal(why_memory,
                        "there is no user \"no-such-user\": make it, or name another as `user`");
    why = why_text();
    assert_int_equal(privs_find(RILL_SPAN("nobody"), RILL_SPAN("no-such-group"), &privs, &why),
                     -ENOENT);
    assert_string_equal(why_memory,
                        "there is no group \"no-such-group\": make it, or name another in `user`");
    assert_int_equal(privs.uid, 77);
}

static void root_is_refused_as_a_user_of_workers(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct privs privs;
    rill_text why = why_text();
    assert_int_equal(privs_find(RILL_SPAN("root"), RILL_SPAN(""), &privs, &why), -EPERM);
    assert_string_equal(why_memory,
                        "user \"root\" is root, and workers never are: name another as `user`");
}

static void without_root_nothing_is_looked_up(void **state)
{
    (void)state;
    if (geteuid() == 0 && seteuid(65534) < 0)
        skip();
    struct privs privs;
    rill_text why = why_text();
    int rc = privs_find(RILL_SPAN("no-such-user"), RILL_SPAN(""), &privs, &why);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(rc, 0);
    assert_false(privs.change);
}

static void limits_are_raised_to_the_hard_ones(void **state)
{
    (void)state;
    struct privs_limits limits;
    assert_int_equal(privs_raise_limits(&limits), 0);
    assert_true(limits.descriptors >= (uint64_t)sysconf(_SC_OPEN_MAX));
}

static void pages_are_shared_with_a_child_and_hold_their_version(void **state)
{
    (void)state;
    struct shm_worker *pages;
    assert_int_equal(shm_init(3, &pages), 0);
    pid_t child = fork();
    if (child == 0) {
        shm_add(&shm_page(pages, 2)->requests, 5);
        _exit(0);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(shm_get(&shm_page(pages, 2)->requests) == 5);
    assert_true(shm_get(&shm_page(pages, 1)->requests) == 0);
    assert_int_equal(shm_page(pages, 2)->magic, SHM_MAGIC);
    assert_int_equal(shm_page(pages, 2)->version, SHM_VERSION);
    shm_fini(pages, 3);
    shm_fini(NULL, 3);
    shm_add(&shm_mine->requests, 1); /* nobody's page: harmless outside of a worker */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drop_leaves_no_way_back),
        cmocka_unit_test(user_that_does_not_exist_is_named),
        cmocka_unit_test(root_is_refused_as_a_user_of_workers),
        cmocka_unit_test(without_root_nothing_is_looked_up),
        cmocka_unit_test(limits_are_raised_to_the_hard_ones),
        cmocka_unit_test(pages_are_shared_with_a_child_and_hold_their_version),
    };
    return cmocka_run_group_tests_name("privs", tests, NULL, NULL);
}
