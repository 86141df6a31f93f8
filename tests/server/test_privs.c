/* test_privs.c - the promises of giving up rights; those that need root run in a child as root. */
#include "server/privs.h"
#include "server/shm.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

static void assert_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_child_of_root(int (*body)(void))
{
    if (geteuid() != 0)
        skip();
    assert_child(body);
}

static void drop_leaves_no_way_back(void **state)
{
    (void)state;
    assert_child_of_root(drop_and_look);
}

/* The sets of this process: what it may have, and what it has over a change of program. */
static int set_capabilities(uint64_t permitted, uint64_t inheritable)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2];
    for (int i = 0; i < 2; i++)
        sets[i] =
            (struct __user_cap_data_struct){ .permitted = (uint32_t)(permitted >> 32 * i),
                                             .effective = (uint32_t)(permitted >> 32 * i),
                                             .inheritable = (uint32_t)(inheritable >> 32 * i) };
    return (int)syscall(SYS_capset, &head, sets);
}

static bool has_no_capability(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &head, sets) < 0)
        return false;
    return (sets[0].permitted | sets[1].permitted | sets[0].inheritable | sets[1].inheritable) ==
               0 &&
           prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

/* As a service manager starts it: not as root, with the right to bind low ports. */
static int drop_what_was_given(void)
{
    const struct privs nobody_else = { .change = false };
    const uint64_t given = UINT64_C(1) << CAP_NET_BIND_SERVICE;
    rill_text why = why_text();
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(65534, 65534, 65534) < 0 ||
        set_capabilities(given, given) < 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) < 0)
        return 1;
    if (has_no_capability())
        return 2;
    if (privs_drop(&nobody_else, &why) < 0)
        return 3;
    return has_no_capability() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 4;
}

static void worker_that_was_never_root_loses_what_it_was_given(void **state)
{
    (void)state;
    assert_child_of_root(drop_what_was_given);
}

/* Without `missing` of root's capabilities the drop fails at the step named `what`. */
static int drop_without(int missing, const char *what)
{
    struct privs privs;
    char expected[160];
    rill_text why = why_text();
    if (privs_find(RILL_SPAN("nobody"), RILL_SPAN(""), &privs, &why) < 0)
        return 1;
    if (set_capabilities((UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID) &
                             ~(UINT64_C(1) << missing),
                         0) < 0)
        return 2;
    why = why_text();
    if (privs_drop(&privs, &why) != -EPERM)
        return 3;
    snprintf(expected, sizeof expected,
             "cannot %s: Operation not permitted. Start rilld with CAP_SETUID and CAP_SETGID",
             what);
    if (strncmp(why_memory, expected, strlen(expected)) == 0)
        return 0;
    fprintf(stderr, "%s\n", why_memory);
    return 4;
}

static int drop_without_setgid(void)
{
    return drop_without(CAP_SETGID, "set the groups");
}

static int drop_without_setuid(void)
{
    return drop_without(CAP_SETUID, "change the user");
}

static void root_without_the_right_to_change_ids_is_told_what_it_lacks(void **state)
{
    (void)state;
    assert_child_of_root(drop_without_setgid);
    assert_child_of_root(drop_without_setuid);
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

static void user_that_is_not_named_is_rilld_or_nobody(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct privs privs;
    rill_text why = why_text();
    const char *wanted = getpwnam("rilld") != NULL ? "rilld" : "nobody";
    assert_int_equal(privs_find(RILL_SPAN(""), RILL_SPAN(""), &privs, &why), 0);
    assert_true(privs.change);
    assert_string_equal(privs.name, wanted);
}

static int drop_to_a_group(void)
{
    struct privs privs;
    rill_text why = why_text();
    const struct group *group = getgrnam("daemon");
    if (group == NULL)
        return 77;
    gid_t wanted = group->gr_gid;
    if (privs_find(RILL_SPAN("nobody"), RILL_SPAN("daemon"), &privs, &why) < 0 ||
        privs_drop(&privs, &why) < 0)
        return 1;
    return getgid() == wanted && getegid() == wanted && getuid() == privs.uid ? 0 : 2;
}

static void worker_has_the_group_that_is_named(void **state)
{
    (void)state;
    assert_child_of_root(drop_to_a_group);
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

static int raise_low_ones(void)
{
    struct rlimit low = { 100, 200 };
    struct privs_limits limits;
    if (setrlimit(RLIMIT_NOFILE, &low) < 0 || privs_raise_limits(&limits) < 0)
        return 1;
    return limits.descriptors == 200 && sysconf(_SC_OPEN_MAX) == 200 ? 0 : 2;
}

static void limits_are_raised_to_the_hard_ones(void **state)
{
    (void)state;
    assert_child(raise_low_ones);
}

/* A service manager's filter may forbid it. */
static int raise_under_a_filter(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), /* it only asks */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof code / sizeof *code, code };
    struct rlimit low = { 100, 200 };
    struct privs_limits limits;
    if (setrlimit(RLIMIT_NOFILE, &low) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return 1;
    if (setrlimit(RLIMIT_NOFILE, &low) == 0)
        return 2;
    return privs_raise_limits(&limits) == 0 && limits.descriptors == 100 ? 0 : 3;
}

static void limits_that_cannot_be_raised_stay(void **state)
{
    (void)state;
    assert_child(raise_under_a_filter);
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
        cmocka_unit_test(worker_that_was_never_root_loses_what_it_was_given),
        cmocka_unit_test(root_without_the_right_to_change_ids_is_told_what_it_lacks),
        cmocka_unit_test(user_that_does_not_exist_is_named),
        cmocka_unit_test(user_that_is_not_named_is_rilld_or_nobody),
        cmocka_unit_test(worker_has_the_group_that_is_named),
        cmocka_unit_test(root_is_refused_as_a_user_of_workers),
        cmocka_unit_test(without_root_nothing_is_looked_up),
        cmocka_unit_test(limits_are_raised_to_the_hard_ones),
        cmocka_unit_test(limits_that_cannot_be_raised_stay),
        cmocka_unit_test(pages_are_shared_with_a_child_and_hold_their_version),
    };
    return cmocka_run_group_tests_name("privs", tests, NULL, NULL);
}
