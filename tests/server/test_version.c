/* test_version.c - what `rilld --version` prints: a line for each thing that may differ. */
#include "server/version.h"
#include "tests/support/child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

static char memory[1024];

/* Whether there is a line of `name`, a blank and what may be a version. */
static bool has_version(const char *name)
{
    for (const char *line = memory; *line != 0; line = strchr(line, '\n') + 1) {
        size_t size = strlen(name);
        if (strncmp(line, name, size) == 0 && line[size] == ' ')
            return line[size + 1] >= '0' && line[size + 1] <= '9';
    }
    return false;
}

static void every_library_and_the_kernel_have_their_line(void **state)
{
    static const char *const names[] = { "rilld",   "liburing", "c-ares", "OpenSSL",
                                         "zlib",    "brotli",   "zstd",   "libyaml",
                                         "jansson", "glibc",    "kernel" };
    rill_text text = { memory, sizeof memory, 0, false };
    (void)state;
    version_text(&text);
    assert_false(text.full);
    rill_text_end(&text);
    assert_int_equal(memory[text.used - 1], '\n');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!has_version(names[i]))
            fail_msg("no %s in:\n%s", names[i], memory);
    const char *works = strstr(memory, "\nio_uring works: ");
    if (works == NULL)
        assert_non_null(strstr(memory, "\nio_uring does not work: "));
    else
        assert_true(strstr(works, "silent sends") || strstr(works, "simulated"));
    assert_int_equal(strncmp(memory, "rilld ", 6), 0);
}

static int print_without_rings(void *arg)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof code / sizeof *code, code };
    rill_text text = { memory, sizeof memory, 0, false };
    (void)arg;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return 1;
    version_text(&text);
    fputs(rill_text_end(&text), stderr);
    return 0;
}

/* What to send along with a question about a machine where nothing works. */
static void without_rings_the_last_line_says_why(void **state)
{
    static struct child child;
    (void)state;
    if (getenv("RILL_SIM") != NULL)
        skip(); /* there is no ring in it to refuse */
    assert_int_equal(child_run(&child, print_without_rings, NULL), 0);
    assert_int_equal(child.status, 0);
    assert_non_null(strstr(child.text, "\nkernel "));
    const char *line =
        strstr(child.text, "\nio_uring does not work: cannot create an io_uring: ENOSYS. ");
    assert_non_null(line);
    assert_string_equal(strchr(line + 1, '\n'), "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_library_and_the_kernel_have_their_line),
        cmocka_unit_test(without_rings_the_last_line_says_why),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
