/* test_version.c - what `rilld --version` prints: a line for each thing that may differ. */
#include "server/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

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
    assert_non_null(strstr(memory, "\nio_uring "));
    const char *works = strstr(memory, "\nio_uring works: ");
    assert_true(works == NULL || strstr(works, "silent sends") || strstr(works, "simulated"));
    assert_int_equal(strncmp(memory, "rilld ", 6), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_library_and_the_kernel_have_their_line),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
