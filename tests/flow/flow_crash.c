/* flow_crash.c - workers that die and a kernel that refuses: only what was in flight is lost, crash
 * loops slow down, and a start that cannot work says why. Real processes on the loopback. */
#include "tests/support/daemon.h"
#include "tests/support/fetch.h"
#include "tests/support/load.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

enum { CONNECTIONS = 8 };

static struct daemon rilld;
static struct fetch answer;
static long start_ms; /* what a start takes on this machine, as busy as it is */

static int end_daemon(void **state)
{
    (void)state;
    daemon_fini(&rilld);
    return 0;
}

static struct load *start_under_load(void)
{
    rilld = (struct daemon){ 0 };
    start_ms = proc_now_ms();
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ 0 }), 0);
    start_ms = proc_now_ms() - start_ms;
    struct load_options options = { .port = rilld.port,
                                    .target = "/hello",
                                    .connections = CONNECTIONS };
    struct load *load = load_new(&options);
    assert_non_null(load);
    assert_int_equal(load_await(load, 100, 10000), 0);
    return load;
}

/* Kill a worker and wait until the master has buried it: a busy machine takes its time to end a process.
 * Returns: since when nobody can meet it any more. */
static long kill_worker(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    for (long end = proc_now_ms() + 20000; kill(pid, 0) == 0; proc_pause())
        assert_true(proc_now_ms() < end);
    return proc_now_ms();
}

/* At most one request per connection is in flight, so that bounds what one kill may cost. A request
 * that begins after a death meets only living workers, or a queue that one of them takes over. */
static void killed_worker_costs_only_its_requests_and_is_replaced(void **state)
{
    (void)state;

    enum { KILLS = 4 }; /* one less than what counts as a crash loop */
    struct load *load = start_under_load();
    struct load_result result;
    long slowest = 0, fastest = 60000, last_death = 0;
    pid_t workers[DAEMON_WORKERS];
    for (int i = 0; i < KILLS; i++) {
        assert_int_equal(daemon_workers(&rilld, workers), 0);
        pid_t pid = workers[i % DAEMON_WORKERS];
        long began = proc_now_ms();
        last_death = kill_worker(pid);
        assert_int_equal(daemon_await_new_worker(&rilld, pid, 20000), 0);
        long took = proc_now_ms() - began;
        slowest = took > slowest ? took : slowest;
        fastest = took < fastest ? took : fastest; /* one that a busy machine did not delay */
        assert_int_equal(load_await(load, 200, 10000), 0);
    }
    load_stop(load, &result);
    printf("    %d kills: %zu requests, %zu failed, %zu stale, replaced within %ld to %ld ms\n",
           KILLS, result.requests, result.failed, result.stale, fastest, slowest);
    if (load_failed_since(load, last_death + 1) > 0)
        load_print_troubles(load);
    assert_int_equal(load_failed_since(load, last_death + 1), 0);
    assert_true(result.failed <= KILLS * CONNECTIONS);
    load_free(load);
    assert_true(fastest < 1000 + 10 * start_ms);
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "SIGKILL"));
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "in flight"));
}

/* How often a slot can have a worker within a time: at once, again at once, then after 100, 200, 400 ms. */
static int most_starts(long ms)
{
    int starts = 2;
    for (long pause = 100, at = 100; at <= ms; pause *= 2, at += pause)
        starts++;
    return starts;
}

/* Kill one worker whenever it is there: its slot slows down, the other one serves everybody. */
static void crash_loop_slows_down_and_the_others_serve(void **state)
{
    (void)state;
    struct load *load = start_under_load();
    struct load_result result;
    pid_t workers[DAEMON_WORKERS], kept;
    int kills = 0;
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    kept = workers[0];
    long began = proc_now_ms(), last_death = began, elapsed = 0;
    while (elapsed < 2500 || (kills < 3 && elapsed < 30000)) {
        pid_t children[PROC_CHILDREN_MAX];
        int count = proc_children(rilld.proc.pid, children);
        for (int i = 0; i < count; i++)
            if (children[i] != kept) {
                last_death = kill_worker(children[i]);
                kills++;
            }
        proc_pause();
        elapsed = proc_now_ms() - began;
    }
    assert_in_range(kills, 3, most_starts(elapsed));
    assert_int_equal(load_await(load, 500, 10000), 0);
    load_stop(load, &result);
    printf("    %d kills in %ld ms: %zu requests, %zu failed, %zu stale\n", kills, elapsed,
           result.requests, result.failed, result.stale);
    assert_int_equal(load_failed_since(load, last_death + 1), 0);
    load_free(load);
    assert_int_equal(fetch_get(rilld.port, "/hello", 5000, &answer), 200);
}

static int refuse_ring(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int refuse_with_eperm(void)
{
    return refuse_ring(EPERM);
}

static int refuse_with_enosys(void)
{
    return refuse_ring(ENOSYS);
}

static void assert_refused(int (*in_child)(void), const char *cause)
{
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start(&rilld, &(struct daemon_options){ .in_child = in_child }), 0);
    assert_int_equal(proc_wait(&rilld.proc, 10000), 78);
    const char *text = proc_text(&rilld.proc, PROC_ERR);
    const char *line = strstr(text, "cannot create an io_uring: ");
    assert_non_null(line);
    assert_non_null(strstr(line, cause));
    assert_null(strstr(line + 1, "cannot create an io_uring: ")); /* told once */
    daemon_fini(&rilld);
}

static void refused_ring_is_explained_with_status_78(void **state)
{
    (void)state;
    assert_refused(refuse_with_eperm, "EPERM");
    assert_refused(refuse_with_enosys, "ENOSYS");
}

int main(void)
{
    if (!daemon_can_run())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(killed_worker_costs_only_its_requests_and_is_replaced,
                                  end_daemon),
        cmocka_unit_test_teardown(crash_loop_slows_down_and_the_others_serve, end_daemon),
        cmocka_unit_test_teardown(refused_ring_is_explained_with_status_78, end_daemon),
    };
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
