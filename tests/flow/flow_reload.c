/* flow_reload.c - reload in place under load: nobody notices, and a bad configuration changes nothing.
 * Real processes on the loopback. The load client's words (failed, stale) are those of load.h. */
#include "tests/support/daemon.h"
#include "tests/support/fetch.h"
#include "tests/support/load.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONNECTIONS = 8 };

static struct daemon rilld;
static struct fetch answer;

static int end_daemon(void **state)
{
    (void)state;
    daemon_fini(&rilld);
    return 0;
}

static struct load *start_under_load(const struct daemon_options *options)
{
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start_ready(&rilld, options), 0);
    struct load_options load_options = {
        .port = rilld.port, .target = "/hello", .connections = CONNECTIONS, .think_ms = 1
    };
    struct load *load = load_new(&load_options);
    assert_non_null(load);
    return load;
}

static const char *numbered_routes(int number)
{
    static char routes[128];
    snprintf(routes, sizeof routes, "  /hello:\n    respond:\n      body: \"number %d\"\n", number);
    return routes;
}

/* The number that /hello answers with; -1 if it does not answer. */
static int served_number(void)
{
    int number;
    if (fetch_get(rilld.port, "/hello", 5000, &answer) != 200 ||
        sscanf(answer.body, "number %d", &number) != 1)
        return -1;
    return number;
}

static void await_number(int number)
{
    for (long end = proc_now_ms() + 10000; proc_now_ms() < end; proc_pause())
        if (served_number() == number)
            return;
    assert_int_equal(served_number(), number);
}

static void ten_reloads_under_load_fail_nothing_and_keep_the_workers(void **state)
{
    (void)state;
    pid_t before[DAEMON_WORKERS], after[DAEMON_WORKERS];
    struct load *load = start_under_load(&(struct daemon_options){ .routes = numbered_routes(0) });
    assert_int_equal(daemon_workers(&rilld, before), 0);
    for (int number = 1; number <= 10; number++) {
        struct daemon_options options = { .routes = numbered_routes(number) };
        assert_int_equal(daemon_configure(&rilld, &options), 0);
        assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
        assert_int_equal(daemon_await_notice(&rilld, "RELOADING=1", 5000), 0);
        assert_int_equal(daemon_await_notice(&rilld, "READY=1", 5000), 0);
        await_number(number);
        assert_int_equal(load_await(load, 100, 10000), 0);
    }
    assert_int_equal(daemon_workers(&rilld, after), 0);
    assert_memory_equal(before, after, sizeof before);
    (void)load_end_untroubled(load);
}

static void storm_of_reloads_is_merged_and_the_last_one_counts(void **state)
{
    (void)state;
    pid_t before[DAEMON_WORKERS], after[DAEMON_WORKERS];
    struct load *load = start_under_load(&(struct daemon_options){ .routes = numbered_routes(0) });
    assert_int_equal(daemon_workers(&rilld, before), 0);
    for (int number = 1; number <= 200; number++) {
        struct daemon_options options = { .routes = numbered_routes(number) };
        assert_int_equal(daemon_configure(&rilld, &options), 0);
        assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
        proc_pause();
    }
    await_number(200);
    assert_int_equal(load_await(load, 100, 10000), 0);
    assert_int_equal(daemon_workers(&rilld, after), 0);
    assert_memory_equal(before, after, sizeof before);
    (void)load_end_untroubled(load);
}

/* A reload that has to be refused with `message`; the old configuration serves on. */
static void refuse_as_is(struct load *load, const char *message)
{
    assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
    assert_int_equal(daemon_await_notice(&rilld, "RELOADING=1", 5000), 0);
    assert_int_equal(daemon_await_notice(&rilld, "READY=1", 5000), 0);
    if (proc_await_text(&rilld.proc, PROC_ERR, message, 5000) != 0)
        fail_msg("\"%s\" is not in: %s", message, proc_text(&rilld.proc, PROC_ERR));
    assert_int_equal(load_await(load, 100, 10000), 0);
    assert_int_equal(served_number(), 7);
}

static void refuse(struct load *load, const struct daemon_options *options, const char *message)
{
    assert_int_equal(daemon_configure(&rilld, options), 0);
    refuse_as_is(load, message);
}

static void refused_reload_names_the_place_and_changes_nothing(void **state)
{
    (void)state;
    pid_t before[DAEMON_WORKERS], after[DAEMON_WORKERS];
    struct load *load = start_under_load(&(struct daemon_options){ .routes = numbered_routes(7) });
    assert_int_equal(daemon_workers(&rilld, before), 0);
    struct daemon_options bad = { .routes = "  /hello:\n    respnd: {}\n" };
    refuse(load, &bad, "rilld.yaml:8:5: error: unknown name \"respnd\"");
    bad.routes = "  /hello/:\n    files:\n      root: /nonexistent/rilld\n";
    refuse(load, &bad, "/nonexistent/rilld");
    bad.routes = "  /hello:\n    [\n";
    refuse(load, &bad, "rilld.yaml:9:");
    assert_int_equal(unlink(rilld.config), 0);
    assert_int_equal(mkfifo(rilld.config, 0600), 0);
    refuse_as_is(load, "rilld.yaml: error: it is a FIFO or pipe; write the configuration");
    assert_int_equal(unlink(rilld.config), 0);
    assert_int_equal(daemon_workers(&rilld, after), 0);
    assert_memory_equal(before, after, sizeof before);
    struct daemon_options good = { .routes = numbered_routes(8) };
    assert_int_equal(daemon_configure(&rilld, &good), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
    await_number(8);
    (void)load_end_untroubled(load);
}

static size_t count_lines(const char *name)
{
    char path[128];
    size_t lines = 0;
    snprintf(path, sizeof path, "%s/%s", rilld.folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void await_lines(const char *name)
{
    for (long end = proc_now_ms() + 5000; count_lines(name) == 0; proc_pause())
        if (proc_now_ms() > end)
            fail_msg("nothing in %s: %s", name, proc_text(&rilld.proc, PROC_ERR));
}

static void rotated_log_has_every_request_once(void **state)
{
    (void)state;
    char top[160], from[128], to[128];
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_make(&rilld), 0);
    snprintf(top, sizeof top, "log:\n  access: %s/access.log\n", rilld.folder);
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ .top = top }), 0);
    struct load_options options = {
        .port = rilld.port, .target = "/hello", .connections = CONNECTIONS, .think_ms = 1
    };
    struct load *load = load_new(&options);
    assert_non_null(load);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(load_await(load, 200, 10000), 0);
        snprintf(from, sizeof from, "%s/access.log", rilld.folder);
        snprintf(to, sizeof to, "%s/access.log.%d", rilld.folder, i);
        assert_int_equal(rename(from, to), 0);
        assert_int_equal(proc_signal(&rilld.proc, SIGUSR1), 0);
        await_lines("access.log");
    }
    struct load_result result = load_end_untroubled(load);
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
    size_t lines = count_lines("access.log");
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "access.log.%d", i);
        lines += count_lines(to);
    }
    assert_int_equal(lines, result.requests);
}

/* A reload opens its logs at its begin. Here it lasts, since a worker stands still, and the files are
 * rotated meanwhile: what the new generation opened is the old file by then. */
static void log_rotated_during_a_reload_goes_on_in_the_new_file(void **state)
{
    (void)state;
    char top[160], from[128], to[128];
    pid_t workers[DAEMON_WORKERS];
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_make(&rilld), 0);
    snprintf(top, sizeof top, "log:\n  access: %s/access.log\n", rilld.folder);
    snprintf(from, sizeof from, "%s/access.log", rilld.folder);
    snprintf(to, sizeof to, "%s/access.log.1", rilld.folder);
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ .top = top }), 0);
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    assert_int_equal(kill(workers[0], SIGSTOP), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
    assert_int_equal(daemon_await_notice(&rilld, "RELOADING=1", 5000), 0);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGUSR1), 0);
    assert_int_equal(proc_await_text(&rilld.proc, PROC_ERR, "opened again", 5000), 0);
    assert_int_equal(kill(workers[0], SIGCONT), 0);
    assert_int_equal(daemon_await_notice(&rilld, "READY=1", 5000), 0);
    assert_int_equal(fetch_get(rilld.port, "/hello", 5000, &answer), 200);
    await_lines("access.log");
    assert_int_equal(count_lines("access.log.1"), 0);
}

int main(void)
{
    if (!daemon_can_run())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(ten_reloads_under_load_fail_nothing_and_keep_the_workers,
                                  end_daemon),
        cmocka_unit_test_teardown(storm_of_reloads_is_merged_and_the_last_one_counts, end_daemon),
        cmocka_unit_test_teardown(refused_reload_names_the_place_and_changes_nothing, end_daemon),
        cmocka_unit_test_teardown(rotated_log_has_every_request_once, end_daemon),
        cmocka_unit_test_teardown(log_rotated_during_a_reload_goes_on_in_the_new_file, end_daemon),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
