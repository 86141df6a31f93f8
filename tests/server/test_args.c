/* test_args.c - the promises of the command line and of the pid file. */
#include "server/args.h"
#include "server/pidfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(struct arguments *arguments, const char *line)
{
    static char memory[1024];
    static char *argv[100];
    int argc = 0;
    snprintf(memory, sizeof memory, "rilld %s", line);
    for (char *rest = memory, *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0')
            argv[argc++] = word;
    return args_parse(argc, argv, arguments);
}

static void options_are_taken_in_both_forms(void **state)
{
    (void)state;
    struct arguments arguments;
    assert_int_equal(parse(&arguments, "--config=/a.yaml --workers 3 --check --pid-file /p"), 0);
    assert_string_equal(arguments.config, "/a.yaml");
    assert_string_equal(arguments.pid_file, "/p");
    assert_int_equal(arguments.workers, 3);
    assert_true(arguments.check && !arguments.daemon);
    assert_int_equal(parse(&arguments, "--root /w --listen 1.2.3.4:5 --listen=[::1]:6 --daemon"),
                     0);
    assert_string_equal(arguments.root, "/w");
    assert_int_equal(arguments.listen_count, 2);
    assert_string_equal(arguments.listen[1], "[::1]:6");
    assert_true(arguments.daemon);
    assert_int_equal(parse(&arguments, "-h"), 0);
    assert_true(arguments.help);
    assert_int_equal(parse(&arguments, "-V"), 0);
    assert_true(arguments.version);
}

static void wrong_command_lines_are_usage_errors(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "--config",
        "--config=",
        "--nope",
        "-c x",
        "x",
        "--workers 0 --root /",
        "--check",
        "--workers 257 --root /",
        "--workers two --root /",
        "--config /a --root /b",
        "--config /a --config /b",
        "--root /a --workers 1 --workers 2",
        "--config /a --listen 1.2.3.4:5",
        "--check=yes --config /a",
        "--an-option-with-a-name-that-is-far-too-long-for-any-option 3",
    };
    struct arguments arguments = { .workers = 77 };
    assert_non_null(freopen("/dev/null", "w", stderr));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(&arguments, wrong[i]), ARGS_EXIT_USAGE);
    char many[1024] = "--root /";
    for (int i = 0; i <= ARGS_LISTEN_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), " --listen=x");
    assert_int_equal(parse(&arguments, many), ARGS_EXIT_USAGE);
    assert_int_equal(arguments.workers, 77); /* untouched on failure */
}

static void pid_file_is_written_and_removed_only_if_it_is_ours(void **state)
{
    (void)state;
    char folder[] = "/tmp/pidfile.XXXXXX", path[64], text[32] = "";
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pid", folder);
    assert_int_equal(pidfile_write(path), 0);
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    char expected[32];
    snprintf(expected, sizeof expected, "%d\n", (int)getpid());
    assert_string_equal(text, expected);
    pidfile_remove(path);
    assert_int_equal(access(path, F_OK), -1);
    file = fopen(path, "w");
    fputs("1\n", file);
    fclose(file);
    pidfile_remove(path);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    rmdir(folder);
    assert_true(pidfile_write(path) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken_in_both_forms),
        cmocka_unit_test(wrong_command_lines_are_usage_errors),
        cmocka_unit_test(pid_file_is_written_and_removed_only_if_it_is_ours),
    };
    return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
