/* test_probe.c - a ring that cannot be made says why, in one line with the fix, and what one can do is told.
 *
 * Each refusal is a child whose system calls are filtered, whose limits are low, or who sees a file of /proc
 * that is not the machine's. */
#include "core/ring/probe.h"

#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { skipped = 77 };

static const char setting_path[] = "/proc/sys/kernel/io_uring_disabled";

/* A call that fails, with the error of a filter. */
struct refusal {
    unsigned call;
    unsigned error;
    const char *setting; /* what io_uring_disabled says; NULL: what it does */
    bool no_limit;       /* of locked memory */
};

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* In a child: the code of a run to standard error's text, its exit status as the status. */
static int run_and_tell(void)
{
    int r = rill_run(RILL_CORO(do_nothing, NULL));
    const char *problem = rill_ring_problem();
    fprintf(stderr, "%s: %s", rill_errname(r), problem != NULL ? problem : "no problem");
    return rill_exit_code(r);
}

/* This process and nobody else sees another file in the setting's place. */
static int pretend_setting(const char *value)
{
    char path[] = "/tmp/rill_probe_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return -errno;
    bool done = write(fd, value, strlen(value)) == (ssize_t)strlen(value) &&
                unshare(CLONE_NEWNS) == 0 &&
                mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(path, setting_path, "none", MS_BIND, NULL) == 0;
    unlink(path);
    close(fd);
    return done ? 0 : -EPERM;
}

static int run_refused(void *arg)
{
    static const struct rlimit endless = { RLIM_INFINITY, RLIM_INFINITY };
    const struct refusal *refusal = arg;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
    if (refusal->setting != NULL && pretend_setting(refusal->setting) < 0)
        return skipped;
    if (refusal->no_limit && setrlimit(RLIMIT_MEMLOCK, &endless) < 0)
        return skipped;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return 1;
    return run_and_tell();
}

static void check(struct refusal refusal, const char *text)
{
    static struct child child;
    assert_int_equal(child_run(&child, run_refused, &refusal), 0);
    assert_true(WIFEXITED(child.status));
    if (WEXITSTATUS(child.status) == skipped) {
        print_message("no right to have another setting or limit\n");
        skip();
    }
    assert_string_equal(child.text, text);
    assert_int_equal(WEXITSTATUS(child.status), 78);
}

static void check_refused(unsigned error, const char *text)
{
    check((struct refusal){ .call = SYS_io_uring_setup, .error = error }, text);
}

static void forbidden_ring_is_named_and_exits_with_78(void **state)
{
    (void)state;
    check_refused(EPERM, "EPERM: cannot create an io_uring: EPERM. The sysctl allows it, so a "
                         "seccomp filter (container profile) forbids io_uring_setup");
    check_refused(EACCES, "EACCES: cannot create an io_uring: EACCES. The sysctl allows it, so a "
                          "seccomp filter (container profile) forbids io_uring_setup");
}

static void ring_that_a_setting_forbids_names_it(void **state)
{
    (void)state;
    if (access(setting_path, R_OK) < 0) {
        print_message("this kernel has no such setting\n");
        skip();
    }
    check((struct refusal){ SYS_io_uring_setup, EPERM, .setting = "2\n" },
          "EPERM: cannot create an io_uring: EPERM. kernel.io_uring_disabled is 2: set it to 0, or "
          "to 1 with kernel.io_uring_group");
    check((struct refusal){ SYS_io_uring_setup, EPERM, .setting = "1\n" },
          "EPERM: cannot create an io_uring: EPERM. kernel.io_uring_disabled is 1: set it to 0, or "
          "to 1 with kernel.io_uring_group");
    check((struct refusal){ SYS_io_uring_setup, EPERM, .setting = "" }, /* it cannot be read */
          "EPERM: cannot create an io_uring: EPERM. The sysctl allows it, so a seccomp filter "
          "(container profile) forbids io_uring_setup");
}

static void hidden_ring_is_named_and_exits_with_78(void **state)
{
    (void)state;
    check_refused(ENOSYS, "ENOSYS: cannot create an io_uring: ENOSYS. The kernel lacks io_uring "
                          "or a seccomp filter hides it");
}

static void ring_of_an_old_kernel_is_named(void **state)
{
    (void)state;
    check_refused(EINVAL,
                  "EINVAL: cannot create an io_uring: EINVAL. The kernel is older than 6.1");
}

static void ring_without_descriptors_is_named(void **state)
{
    (void)state;
    check_refused(EMFILE, "EMFILE: cannot create an io_uring: EMFILE. No descriptor is left: raise "
                          "LimitNOFILE");
    check_refused(ENFILE, "ENFILE: cannot create an io_uring: ENFILE. No descriptor is left: raise "
                          "LimitNOFILE");
}

static void other_refusal_is_told_in_words(void **state)
{
    (void)state;
    check_refused(EIO, "EIO: cannot create an io_uring: EIO. Input/output error");
}

static void ring_that_cannot_be_asked_names_the_call(void **state)
{
    (void)state;
    check((struct refusal){ .call = SYS_io_uring_register, .error = EPERM },
          "EPERM: cannot ask the io_uring what it can do: EPERM. A seccomp filter (container "
          "profile) forbids io_uring_register");
}

static void ring_without_memory_of_the_machine_blames_no_limit(void **state)
{
    (void)state;
    check((struct refusal){ SYS_io_uring_setup, ENOMEM, .no_limit = true },
          "ENOMEM: cannot create an io_uring: ENOMEM. The machine has no memory for a ring");
}

static int run_without_locked_memory(void *arg)
{
    static const struct rlimit none = { 0, 0 };

    enum { nobody = 65534 };

    (void)arg;
    if (setrlimit(RLIMIT_MEMLOCK, &none) < 0)
        return 1;
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(nobody) < 0 || setuid(nobody) < 0))
        return 1;
    return run_and_tell();
}

static void ring_without_locked_memory_is_named_and_exits_with_78(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run(&child, run_without_locked_memory, NULL), 0);
    if (child.status == 0) {
        print_message("this kernel does not count rings as locked memory\n");
        skip();
    }
    assert_string_equal(child.text,
                        "ENOMEM: cannot create an io_uring: ENOMEM. RLIMIT_MEMLOCK is 0k for all "
                        "rings of this user together, one ring needs about 144k: raise it "
                        "(LimitMEMLOCK, ulimit -l)");
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), 78);
}

static void ring_that_could_be_made_has_no_problem(void **state)
{
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(do_nothing, NULL)), 0);
    assert_null(rill_ring_problem());
    assert_non_null(rill_ring_features());
    assert_int_equal(rill_exit_code(-EIO), 1);
    assert_int_equal(rill_exit_code(-EINTR), 130);
    assert_int_equal(rill_exit_code(3), 0);
}

static void what_a_ring_uses_is_told_before_what_it_lacks(void **state)
{
    (void)state;
    rill__probe_found(true, false, true, false);
    assert_string_equal(rill_ring_features(),
                        "registered ring, no iowait; not: silent sends, truncate");
    rill__probe_found(true, true, true, true);
    assert_string_equal(rill_ring_features(), "registered ring, silent sends, no iowait, truncate");
    rill__probe_clear();
    assert_null(rill_ring_features());
}

static const struct scenario scenarios[] = {
    OUTSIDE(forbidden_ring_is_named_and_exits_with_78),
    OUTSIDE(ring_that_a_setting_forbids_names_it),
    OUTSIDE(hidden_ring_is_named_and_exits_with_78),
    OUTSIDE(ring_of_an_old_kernel_is_named),
    OUTSIDE(ring_without_descriptors_is_named),
    OUTSIDE(other_refusal_is_told_in_words),
    OUTSIDE(ring_that_cannot_be_asked_names_the_call),
    OUTSIDE(ring_without_memory_of_the_machine_blames_no_limit),
    OUTSIDE(ring_without_locked_memory_is_named_and_exits_with_78),
    OUTSIDE(ring_that_could_be_made_has_no_problem),
    OUTSIDE(what_a_ring_uses_is_told_before_what_it_lacks),
};

int main(void)
{
    return RUN_SCENARIOS("probe", scenarios);
}
