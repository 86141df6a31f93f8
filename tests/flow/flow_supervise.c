/* flow_supervise.c - a daemon whose workers are stopped, told to leave, added and taken away; whose
 * addresses come and go; that runs in the background. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct daemon rilld;
static struct fetch answer;

static int end_daemon(void **state)
{
    (void)state;
    daemon_fini(&rilld);
    return 0;
}

static void start(void)
{
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ 0 }), 0);
}

/* Put a configuration with so many workers and these `listen` items in place, and have it read. */
static void reload(int workers, const char *listen, const char *top)
{
    char next[112];
    snprintf(next, sizeof next, "%s.next", rilld.config);
    FILE *file = fopen(next, "w");
    assert_non_null(file);
    fprintf(file,
            "workers: %d\nlog:\n  access: off\n%slisten: [%s]\nroutes:\n  /hello:\n    respond:\n"
            "      body: \"one\\n\"\n",
            workers, top, listen);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(next, rilld.config), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
    assert_int_equal(daemon_await_notice(&rilld, "RELOADING=1", 20000), 0);
    assert_int_equal(daemon_await_notice(&rilld, "READY=1", 20000), 0);
}

static void await_workers(int wanted)
{
    pid_t children[PROC_CHILDREN_MAX];
    for (long end = proc_now_ms() + 20000; proc_now_ms() < end; proc_pause())
        if (proc_children(rilld.proc.pid, children) == wanted)
            return;
    fail_msg("there are not %d workers: %s", wanted, proc_text(&rilld.proc, PROC_ERR));
}

static const char *own_address(void)
{
    static char text[32];
    snprintf(text, sizeof text, "127.0.0.1:%d", rilld.port);
    return text;
}

static struct load *start_load(void)
{
    struct load_options options = {
        .port = rilld.port, .target = "/hello", .connections = 6, .think_ms = 1
    };
    struct load *load = load_new(&options);
    assert_non_null(load);
    return load;
}

static void assert_untroubled(struct load *load)
{
    assert_int_equal(load_await(load, 100, 10000), 0);
    (void)load_end_untroubled(load);
}

/* A stopped process beats no more, like one that loops. New connections that the kernel queued at its
 * socket wait until the other worker takes the socket over; none is refused. */
static void worker_without_heartbeat_is_replaced_and_its_queue_served(void **state)
{
    (void)state;
    pid_t workers[DAEMON_WORKERS];
    int waiting[20];
    start();
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    long began = proc_now_ms();
    assert_int_equal(proc_freeze(workers[1]), 0);
    for (int i = 0; i < 20; i++) {
        waiting[i] = fetch_connect(rilld.port, 15000);
        assert_true(waiting[i] >= 0);
        assert_int_equal(fetch_send(waiting[i], "GET /hello HTTP/1.1\r\nHost: localhost\r\n"
                                                "Connection: close\r\n\r\n"),
                         0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(fetch_receive(waiting[i], &answer), 0);
        assert_int_equal(answer.status, 200);
        close(waiting[i]);
    }
    long served = proc_now_ms() - began;
    assert_int_equal(daemon_await_new_worker(&rilld, workers[1], 10000), 0);
    long replaced = proc_now_ms() - began;
    printf("    all answered after %ld ms, replaced after %ld ms\n", served, replaced);
    assert_in_range(served, 0, 7500);
    assert_in_range(replaced, 4500, 8500);
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "no heartbeat for 5 s"));
}

/* Who was held up himself has not seen that others stood still: neither a daemon that was stopped as a
 * whole, nor a master that hung in the kernel, takes it for the end of its workers. */
static void daemon_stopped_as_a_whole_goes_on_with_its_workers(void **state)
{
    (void)state;
    pid_t workers[DAEMON_WORKERS], after[DAEMON_WORKERS];
    start();
    struct load *load = start_load();
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    assert_int_equal(proc_freeze(rilld.proc.pid), 0);
    for (int i = 0; i < DAEMON_WORKERS; i++)
        assert_int_equal(proc_freeze(workers[i]), 0);
    long began = proc_now_ms();
    while (proc_now_ms() - began < 6000)
        proc_pause();
    assert_int_equal(proc_signal(&rilld.proc, SIGCONT), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGUSR1), 0); /* a turn at least, before they go on */
    assert_int_equal(proc_await_text(&rilld.proc, PROC_ERR, "opened again", 5000), 0);
    for (int i = 0; i < DAEMON_WORKERS; i++)
        assert_int_equal(kill(workers[i], SIGCONT), 0);
    assert_untroubled(load);
    assert_int_equal(daemon_workers(&rilld, after), 0);
    assert_memory_equal(workers, after, sizeof after);
    assert_null(strstr(proc_text(&rilld.proc, PROC_ERR), "stuck"));
}

static void worker_told_to_leave_is_replaced_and_nobody_notices(void **state)
{
    (void)state;
    pid_t workers[DAEMON_WORKERS];
    start();
    struct load *load = start_load();
    assert_int_equal(load_await(load, 50, 10000), 0);
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    assert_int_equal(kill(workers[0], SIGTERM), 0);
    assert_int_equal(daemon_await_new_worker(&rilld, workers[0], 20000), 0);
    assert_untroubled(load);
}

static void signals_for_a_whole_group_do_workers_no_harm(void **state)
{
    (void)state;
    static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE };
    pid_t before[DAEMON_WORKERS], after[DAEMON_WORKERS];
    start();
    assert_int_equal(daemon_workers(&rilld, before), 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        for (int j = 0; j < DAEMON_WORKERS; j++)
            assert_int_equal(kill(before[j], signals[i]), 0);
    assert_untroubled(start_load());
    assert_int_equal(daemon_workers(&rilld, after), 0);
    assert_memory_equal(before, after, sizeof before);
}

static void number_of_workers_follows_the_configuration_under_load(void **state)
{
    (void)state;
    static const int numbers[] = { 5, 1, 3, 2 };
    start();
    struct load *load = start_load();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        reload(numbers[i], own_address(), "");
        await_workers(numbers[i]);
        assert_int_equal(load_await(load, 100, 10000), 0);
    }
    assert_untroubled(load);
}

static void addresses_come_and_go_with_a_reload(void **state)
{
    (void)state;
    char both[320], path[128];
    start();
    struct load *load = start_load();
    int port = rilld.port, other = fetch_free_port();
    snprintf(path, sizeof path, "%s/socket", rilld.folder);
    snprintf(both, sizeof both, "127.0.0.1:%d, 127.0.0.1:%d, unix:%s", port, other, path);
    reload(2, both, "");
    assert_int_equal(fetch_get(other, "/hello", 5000, &answer), 200);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fetch_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
                     0);
    assert_int_equal(fetch_receive(fd, &answer), 0);
    assert_int_equal(answer.status, 200);
    close(fd);
    reload(2, own_address(), "");
    for (long end = proc_now_ms() + 5000;
         fetch_get(other, "/hello", 5000, &answer) != -ECONNREFUSED; proc_pause())
        assert_true(proc_now_ms() < end);
    assert_int_equal(access(path, F_OK), -1);
    assert_untroubled(load);
}

static void change_of_the_user_is_refused_with_words(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody changes the user then */
    start();
    reload(2, own_address(), "user: daemon\n");
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR),
                           "rilld.yaml:4:7: error: `user` changed; restart rilld"));
    assert_int_equal(fetch_get(rilld.port, "/hello", 5000, &answer), 200);
}

static void address_taken_by_another_is_refused_at_a_reload(void **state)
{
    (void)state;
    char both[320];
    start();
    int taken = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", rilld.folder);
    assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(taken, 1), 0);
    snprintf(both, sizeof both, "%s, unix:%s", own_address(), address.sun_path);
    reload(4, both, "");
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "in use by another process"));
    assert_untroubled(start_load());
    reload(3, own_address(), ""); /* takes the sockets that the refused one had bound */
    await_workers(3);
    assert_untroubled(start_load());
    assert_null(strstr(proc_text(&rilld.proc, PROC_ERR), "cannot accept"));
    close(taken);
    unlink(address.sun_path);
}

static void user_that_cannot_be_is_told_with_its_place_and_status_78(void **state)
{
    static const struct row {
        const char *top, *message;
    } rows[] = {
        { "user: rill-has-none\n",
          "rilld.yaml:2:7: error: there is no user \"rill-has-none\": make it, or" },
        { "user: root\n", "rilld.yaml:2:7: error: user \"root\" is root" },
        { "user: daemon:rill-has-none\n",
          "rilld.yaml:2:7: error: there is no group \"rill-has-none\": make it, or" },
    };

    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody looks then */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rilld = (struct daemon){ 0 };
        assert_int_equal(daemon_start(&rilld, &(struct daemon_options){ .top = rows[i].top }), 0);
        assert_int_equal(proc_wait(&rilld.proc, 10000), 78);
        if (strstr(proc_text(&rilld.proc, PROC_ERR), rows[i].message) == NULL)
            fail_msg("\"%s\" is not in: %s", rows[i].message, proc_text(&rilld.proc, PROC_ERR));
        daemon_fini(&rilld);
    }
}

/* --- programs that are no service --- */

static int run(const char *const *argv, int timeout_ms, struct proc *proc)
{
    assert_int_equal(proc_start(proc, &(struct proc_spec){ .argv = argv }), 0);
    return proc_wait(proc, timeout_ms);
}

static void daemon_in_the_background_is_ready_when_its_parent_exits(void **state)
{
    (void)state;
    char pid_file[96], text[32] = "";
    struct proc proc = { 0 };
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_make(&rilld), 0);
    assert_int_equal(daemon_configure(&rilld, &(struct daemon_options){ 0 }), 0);
    snprintf(pid_file, sizeof pid_file, "%s/pid", rilld.folder);
    const char *const argv[] = { getenv("RILLD"), "--config", rilld.config, "--daemon",
                                 "--pid-file",    pid_file,   NULL };
    assert_int_equal(run(argv, DAEMON_READY_MS, &proc), 0);
    assert_int_equal(fetch_get(rilld.port, "/hello", 5000, &answer), 200);
    FILE *file = fopen(pid_file, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    int pid = 0;
    assert_int_equal(sscanf(text, "%d", &pid), 1);
    assert_true(pid > 1 && pid != proc.pid);
    struct proc second = { 0 };
    assert_int_equal(run(argv, DAEMON_READY_MS, &second), 1); /* the address is in use */
    assert_non_null(strstr(proc_text(&second, PROC_ERR), "in use by another process"));
    proc_fini(&second);
    assert_int_equal(kill(pid, SIGTERM), 0);
    for (long end = proc_now_ms() + 10000; access(pid_file, F_OK) == 0; proc_pause())
        assert_true(proc_now_ms() < end);
    for (long end = proc_now_ms() + 10000; kill(pid, 0) == 0; proc_pause())
        assert_true(proc_now_ms() < end);
    proc_fini(&proc);
}

/* A service manager may have lowered limits, and a kernel may lack what another has. */
static void start_tells_limits_and_kernel_features_once(void **state)
{
    static const char *const words[] = { "2 workers, descriptors ", ", memlock ",
                                         " connections a worker", "the rings use: " };
    (void)state;
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ 0 }), 0);
    const char *log = proc_text(&rilld.proc, PROC_ERR);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *found = strstr(log, words[i]);
        if (found == NULL || strstr(found + 1, words[i]) != NULL)
            fail_msg("\"%s\" is not once in: %s", words[i], log);
    }
}

static void check_tells_whether_the_configuration_is_good(void **state)
{
    (void)state;
    struct proc proc = { 0 };
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_make(&rilld), 0);
    assert_int_equal(daemon_configure(&rilld, &(struct daemon_options){ 0 }), 0);
    const char *const argv[] = { getenv("RILLD"), "--check", "--config", rilld.config, NULL };
    char line[128];
    assert_int_equal(run(argv, 10000, &proc), 0);
    snprintf(line, sizeof line, "%s: ok\n", rilld.config);
    assert_string_equal(proc_text(&proc, PROC_OUT), line);
    proc_fini(&proc);
    assert_int_equal(daemon_configure(&rilld, &(struct daemon_options){ .top = "tpo: 1\n" }), 0);
    assert_int_equal(run(argv, 10000, &proc), 1);
    assert_non_null(strstr(proc_text(&proc, PROC_ERR), "rilld.yaml:2:1: error: "));
    proc_fini(&proc);
    const char *const wrong[] = { getenv("RILLD"), "--nonsense", NULL };
    assert_int_equal(run(wrong, 10000, &proc), 2);
    proc_fini(&proc);
}

int main(void)
{
    if (!daemon_can_run())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(worker_without_heartbeat_is_replaced_and_its_queue_served,
                                  end_daemon),
        cmocka_unit_test_teardown(daemon_stopped_as_a_whole_goes_on_with_its_workers, end_daemon),
        cmocka_unit_test_teardown(worker_told_to_leave_is_replaced_and_nobody_notices, end_daemon),
        cmocka_unit_test_teardown(signals_for_a_whole_group_do_workers_no_harm, end_daemon),
        cmocka_unit_test_teardown(number_of_workers_follows_the_configuration_under_load,
                                  end_daemon),
        cmocka_unit_test_teardown(addresses_come_and_go_with_a_reload, end_daemon),
        cmocka_unit_test_teardown(change_of_the_user_is_refused_with_words, end_daemon),
        cmocka_unit_test_teardown(user_that_cannot_be_is_told_with_its_place_and_status_78,
                                  end_daemon),
        cmocka_unit_test_teardown(address_taken_by_another_is_refused_at_a_reload, end_daemon),
        cmocka_unit_test_teardown(daemon_in_the_background_is_ready_when_its_parent_exits,
                                  end_daemon),
        cmocka_unit_test_teardown(start_tells_limits_and_kernel_features_once, end_daemon),
        cmocka_unit_test_teardown(check_tells_whether_the_configuration_is_good, end_daemon),
    };
    return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
