/* flow_stop.c - how rilld starts and ends, seen from outside: notifications in order, draining that
 * cuts nobody, quick stops, a master that dies, sockets that were passed in. Real processes on the
 * loopback; every wait has a limit and an event that ends it. */
#include "tests/support/daemon.h"
#include "tests/support/fetch.h"
#include "tests/support/load.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG = 48 << 20 };

static struct daemon rilld;
static struct fetch answer;
static char files_route[256];

static int end_daemon(void **state)
{
    (void)state;
    daemon_fini(&rilld);
    return 0;
}

static void start(const struct daemon_options *options)
{
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start_ready(&rilld, options), 0);
}

/* The next notification that is not a ping. */
static const char *next_notice(void)
{
    static char text[1024];
    do
        if (proc_notify_next(&rilld.notify, text, sizeof text, DAEMON_END_MS) != 0)
            return "none";
    while (strcmp(text, "WATCHDOG=1") == 0);
    return text;
}

static void notices_come_in_order_ready_reloading_ready_stopping(void **state)
{
    (void)state;
    pid_t workers[DAEMON_WORKERS];
    struct daemon_options options = { 0 };
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_start(&rilld, &options), 0);
    const char *text = next_notice();
    assert_non_null(strstr(text, "READY=1"));
    assert_non_null(strstr(text, "STATUS="));
    assert_int_equal(daemon_workers(&rilld, workers), 0); /* ready means every worker is */
    assert_int_equal(fetch_get(rilld.port, "/hello", 5000, &answer), 200);
    assert_int_equal(proc_signal(&rilld.proc, SIGHUP), 0);
    text = next_notice();
    assert_non_null(strstr(text, "RELOADING=1"));
    assert_non_null(strstr(text, "MONOTONIC_USEC="));
    assert_non_null(strstr(next_notice(), "READY=1"));
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_non_null(strstr(next_notice(), "STOPPING=1"));
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
}

static void watchdog_is_pinged_within_its_interval(void **state)
{
    (void)state;
    start(&(struct daemon_options){ .watchdog_usec = "600000" });
    for (int i = 0; i < 3; i++)
        assert_int_equal(daemon_await_notice(&rilld, "WATCHDOG=1", 600), 0);
}

static void write_big_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/big.bin", rilld.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), BIG), 0); /* without blocks: it costs no space */
    assert_int_equal(fclose(file), 0);
}

/* /hello, and the daemon's own folder below /files/. */
static const char *with_files(void)
{
    snprintf(files_route, sizeof files_route,
             "  /hello:\n    respond:\n      body: \"one\\n\"\n"
             "  /files/:\n    files:\n      root: %s\n",
             rilld.folder);
    return files_route;
}

/* A download of which only the first octet has been taken. */
static int begin_download(void)
{
    int fd = fetch_connect(rilld.port, 20000), window = 64 << 10;
    char octet;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    assert_int_equal(fetch_send(fd, "GET /files/big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"), 0);
    assert_int_equal(recv(fd, &octet, 1, 0), 1);
    return fd;
}

static size_t finish_download(int fd)
{
    static char block[1 << 16];
    size_t got = 1;
    ssize_t more;
    while ((more = recv(fd, block, sizeof block, 0)) > 0)
        got += (size_t)more;
    if (more < 0)
        print_message("    the download ended with: %s\n", strerror(errno));
    close(fd);
    return got;
}

static void start_with_download(const char *top)
{
    rilld = (struct daemon){ 0 };
    assert_int_equal(daemon_make(&rilld), 0);
    write_big_file();
    struct daemon_options options = { .routes = with_files(), .top = top };
    assert_int_equal(daemon_start_ready(&rilld, &options), 0);
}

static void term_lets_requests_end_and_clients_leave(void **state)
{
    (void)state;
    start_with_download(NULL);
    struct load_options options = { .port = rilld.port,
                                    .target = "/hello",
                                    .connections = 8,
                                    .think_ms = 20,
                                    .leave_on_close = true };
    struct load *load = load_new(&options);
    assert_non_null(load);
    int download = begin_download();
    assert_int_equal(load_await(load, 50, 10000), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(daemon_await_notice(&rilld, "STOPPING=1", 5000), 0);
    size_t got = finish_download(download);
    if (got < BIG)
        fail_msg("%zu of %d octets, then: %s", got, BIG, proc_text(&rilld.proc, PROC_ERR));
    assert_in_range(got, BIG + 100, BIG + 1024);
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
    assert_int_equal(load_end_untroubled(load).closes, 8); /* each got a last answer that said so */
}

/* The head of its answer is out and does not say that it is the last. */
static void term_during_an_answer_lets_its_client_ask_once_more(void **state)
{
    (void)state;
    static char block[1 << 16];
    char end[4] = { 0 };
    ssize_t more;
    start_with_download(NULL);
    int fd = begin_download();
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(daemon_await_notice(&rilld, "STOPPING=1", 5000), 0);
    assert_int_equal(fetch_send(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"), 0);
    while ((more = recv(fd, block, sizeof block, 0)) > 0) {
        size_t keep = more < 4 ? (size_t)more : 4;
        memmove(end, end + keep, 4 - keep);
        memcpy(end + 4 - keep, block + more - keep, keep);
    }
    assert_int_equal(more, 0);
    assert_memory_equal(end, "one\n", 4);
    close(fd);
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
}

/* Requests that came before the grace was over are answered, although the workers were held up until long
 * after it: what waits in the sockets is seen later than the clock. Some connections are parked. */
static void requests_of_the_grace_are_answered_by_a_worker_that_was_held_up(void **state)
{
    (void)state;

    enum { CLIENTS = 100 };

    static const char request[] = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    pid_t workers[DAEMON_WORKERS];
    int clients[CLIENTS];
    start(&(struct daemon_options){ 0 });
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fetch_connect(rilld.port, 20000);
        assert_int_equal(fetch_send(clients[i], request), 0);
        assert_true(recv(clients[i], answer.text, sizeof answer.text, 0) > 0);
    }
    for (int i = 0; i < DAEMON_WORKERS; i++)
        assert_int_equal(kill(workers[i], SIGTERM), 0);
    assert_int_equal(proc_await_text(&rilld.proc, PROC_ERR, " 0 worker SIGTERM: draining", 5000),
                     0);
    assert_int_equal(proc_await_text(&rilld.proc, PROC_ERR, " 1 worker SIGTERM: draining", 5000),
                     0);
    for (int i = 0; i < DAEMON_WORKERS; i++)
        assert_int_equal(proc_freeze(workers[i]), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(fetch_send(clients[i], request), 0);
    for (long end = proc_now_ms() + 2500; proc_now_ms() < end;)
        proc_pause();
    for (int i = 0; i < DAEMON_WORKERS; i++)
        assert_int_equal(kill(workers[i], SIGCONT), 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(fetch_receive(clients[i], &answer), 0);
        assert_int_equal(answer.status, 200);
        assert_non_null(strstr(answer.text, "\r\nConnection: close\r\n"));
        close(clients[i]);
    }
}

static void term_past_its_limit_cuts_and_says_so(void **state)
{
    (void)state;
    start_with_download("log:\n  access: off\ndrain_timeout: 1s\ndrain_grace: 0s\n");
    int download = begin_download();
    long began = proc_now_ms();
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(proc_wait(&rilld.proc, 10000), 1);
    assert_in_range(proc_now_ms() - began, 900, 6000);
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "1 requests were cut"));
    assert_true(finish_download(download) < BIG);
}

static void quick_stop_does_not_wait(void **state)
{
    (void)state;
    static const int signals[][2] = { { SIGINT, 0 }, { SIGQUIT, 0 }, { SIGTERM, SIGTERM } };
    for (size_t i = 0; i < 3; i++) {
        start_with_download(NULL);
        int download = begin_download();
        assert_int_equal(proc_signal(&rilld.proc, signals[i][0]), 0);
        assert_int_equal(daemon_await_notice(&rilld, "STOPPING=1", 5000), 0);
        long began = proc_now_ms();
        if (signals[i][1] != 0)
            assert_int_equal(proc_signal(&rilld.proc, signals[i][1]), 0);
        int status = proc_wait(&rilld.proc, 5000);
        assert_true(status == 0 || status == 1);
        assert_in_range(proc_now_ms() - began, 0, 2000);
        assert_true(finish_download(download) < BIG);
        daemon_fini(&rilld);
    }
}

static void dead_master_takes_its_workers_along_and_frees_the_port(void **state)
{
    (void)state;
    pid_t workers[DAEMON_WORKERS];
    assert_int_equal(proc_adopt_orphans(), 0);
    start(&(struct daemon_options){ 0 });
    int port = rilld.port;
    assert_int_equal(daemon_workers(&rilld, workers), 0);
    assert_int_equal(proc_signal(&rilld.proc, SIGKILL), 0);
    assert_int_equal(proc_wait(&rilld.proc, 5000), PROC_SIGNALLED + SIGKILL);
    long end = proc_now_ms() + 35000;
    for (int i = 0; i < DAEMON_WORKERS; i++) {
        int status = -1;
        pid_t left;
        while ((left = waitpid(workers[i], &status, WNOHANG)) == 0 && proc_now_ms() < end)
            proc_pause();
        assert_int_equal(left, workers[i]);
        assert_true(WIFEXITED(status));
    }
    daemon_fini(&rilld);
    rilld.port = port;
    assert_int_equal(daemon_start_ready(&rilld, &(struct daemon_options){ 0 }), 0);
    assert_int_equal(fetch_get(port, "/hello", 5000, &answer), 200);
}

/* A listening socket as a service manager makes it. Returns: it, and its port. */
static int make_listener(int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void passed_socket_keeps_its_queue_over_a_restart(void **state)
{
    (void)state;
    int port, listener = make_listener(&port);
    struct daemon_options options = { .listen_fds = &listener, .listen_fd_count = 1 };
    rilld = (struct daemon){ .port = port };
    assert_int_equal(daemon_start_ready(&rilld, &options), 0);
    assert_int_equal(fetch_get(port, "/hello", 5000, &answer), 200);
    assert_int_equal(proc_signal(&rilld.proc, SIGTERM), 0);
    assert_int_equal(proc_wait(&rilld.proc, DAEMON_END_MS), 0);
    daemon_fini(&rilld);
    int waiting = fetch_connect(port, 20000); /* nobody serves it yet */
    assert_true(waiting >= 0);
    assert_int_equal(
        fetch_send(waiting, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 0);
    rilld = (struct daemon){ .port = port };
    assert_int_equal(daemon_start_ready(&rilld, &options), 0);
    assert_int_equal(fetch_receive(waiting, &answer), 0);
    assert_int_equal(answer.status, 200);
    close(waiting);
    close(listener);
}

static void port_in_use_is_told_and_nothing_starts(void **state)
{
    (void)state;
    int port, listener = make_listener(&port);
    rilld = (struct daemon){ .port = port };
    assert_int_equal(daemon_start(&rilld, &(struct daemon_options){ 0 }), 0);
    assert_int_equal(proc_wait(&rilld.proc, 10000), 1);
    assert_non_null(strstr(proc_text(&rilld.proc, PROC_ERR), "127.0.0.1"));
    close(listener);
}

int main(void)
{
    if (!daemon_can_run())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(notices_come_in_order_ready_reloading_ready_stopping, end_daemon),
        cmocka_unit_test_teardown(watchdog_is_pinged_within_its_interval, end_daemon),
        cmocka_unit_test_teardown(term_lets_requests_end_and_clients_leave, end_daemon),
        cmocka_unit_test_teardown(term_during_an_answer_lets_its_client_ask_once_more, end_daemon),
        cmocka_unit_test_teardown(requests_of_the_grace_are_answered_by_a_worker_that_was_held_up,
                                  end_daemon),
        cmocka_unit_test_teardown(term_past_its_limit_cuts_and_says_so, end_daemon),
        cmocka_unit_test_teardown(quick_stop_does_not_wait, end_daemon),
        cmocka_unit_test_teardown(dead_master_takes_its_workers_along_and_frees_the_port,
                                  end_daemon),
        cmocka_unit_test_teardown(passed_socket_keeps_its_queue_over_a_restart, end_daemon),
        cmocka_unit_test_teardown(port_in_use_is_told_and_nothing_starts, end_daemon),
    };
    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
