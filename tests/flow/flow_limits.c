/* flow_limits.c - what runs out: descriptors, room for logs. Service goes on, nothing spins, and what
 * comes back is used again. Real processes on the loopback. */
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
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONNECTIONS = 8, DESCRIPTORS = 96, IDLE = 300 };

static struct daemon rilld;

static int end_daemon(void **state)
{
    (void)state;
    daemon_fini(&rilld);
    return 0;
}

static struct load *start_load(void)
{
    struct load_options options = {
        .port = rilld.port, .target = "/hello", .connections = CONNECTIONS, .think_ms = 1
    };
    struct load *load = load_new(&options);
    assert_non_null(load);
    assert_int_equal(load_await(load, 100, 10000), 0);
    return load;
}

static int allow_few_descriptors(void)
{
    return setrlimit(RLIMIT_NOFILE, &(struct rlimit){ DESCRIPTORS, DESCRIPTORS });
}

/* Processor time that the workers have used, in clock ticks. */
static unsigned long worker_ticks(void)
{
    pid_t pids[DAEMON_WORKERS];
    unsigned long sum = 0;
    assert_int_equal(daemon_workers(&rilld, pids), 0);
    for (int i = 0; i < DAEMON_WORKERS; i++) {
        char path[64];
        unsigned long user = 0, kernel = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pids[i]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file,
                                "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                &user, &kernel),
                         2);
        fclose(file);
        sum += user + kernel;
    }
    return sum;
}

/* Three times as many clients as there are descriptors: who is served stays served, the rest wait in
 * the queue without a spin, and are served as soon as there is room. */
static void descriptors_that_run_out_cost_the_newcomers_a_wait(void **state)
{
    (void)state;
    static int idle[IDLE];
    rilld = (struct daemon){ 0 };
    struct daemon_options options = { .in_child = allow_few_descriptors };
    assert_int_equal(daemon_start_ready(&rilld, &options), 0);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = fetch_connect(rilld.port, 20000);
        assert_true(idle[i] >= 0);
    }
    unsigned long before = worker_ticks();
    long began = proc_now_ms();
    while (proc_now_ms() < began + 1000)
        proc_pause();
    unsigned long used = worker_ticks() - before;
    assert_true(used <= (unsigned long)sysconf(_SC_CLK_TCK) / 4); /* of two workers' seconds */
    for (int i = 0; i < IDLE; i++)
        close(idle[i]);
    assert_int_equal(fetch_await(rilld.port, "/hello", 200, 5000), 0);
    (void)load_end_untroubled(start_load());
}

/* The sum of what warnings say. */
static size_t count_dropped(const char *log)
{
    static const char mark[] = " access log: ";
    size_t sum = 0, lines;
    for (const char *at = log; (at = strstr(at, mark)) != NULL; at++)
        if (sscanf(at + sizeof mark - 1, "%zu line", &lines) == 1)
            sum += lines;
    return sum;
}

static void full_log_disk_costs_lines_and_no_requests(void **state)
{
    (void)state;
    rilld = (struct daemon){ 0 };
    struct daemon_options options = { .top = "log:\n  access: /dev/full\n  buffer: 64k\n" };
    assert_int_equal(daemon_start_ready(&rilld, &options), 0);
    struct load *load = start_load();
    assert_int_equal(load_await(load, 2000, 30000), 0); /* far more lines than the buffer holds */
    assert_int_equal(proc_await_text(&rilld.proc, PROC_ERR, " dropped: ", 10000), 0);
    assert_int_equal(load_await(load, 100, 10000), 0);
    struct load_result result = load_end_untroubled(load);
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "No space left"));
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
    assert_int_equal(count_dropped(proc_text(&rilld.proc, PROC_ERR)), result.requests);
}

int main(void)
{
    if (!daemon_can_run())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(descriptors_that_run_out_cost_the_newcomers_a_wait, end_daemon),
        cmocka_unit_test_teardown(full_log_disk_costs_lines_and_no_requests, end_daemon),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
