/* flow_support.c - the tools of the flow tests keep their own promises: a test that rests on them
 * must not pass because they saw nothing. Runs the shell and small loopback servers of its own. */
#include "tests/support/fetch.h"
#include "tests/support/load.h"
#include "tests/support/proc.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int start_shell(struct proc *proc, const char *script, const char *const *env)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };
    return proc_start(proc, &(struct proc_spec){ .argv = argv, .env = env });
}

static void program_prints_and_exits_both_are_seen(void **state)
{
    (void)state;
    struct proc proc;
    const char *env[] = { "WORD=hello", NULL };
    assert_int_equal(start_shell(&proc, "echo $WORD; echo bad >&2; exit 7", env), 0);
    assert_int_equal(proc_wait(&proc, 5000), 7);
    assert_string_equal(proc_text(&proc, PROC_OUT), "hello\n");
    assert_string_equal(proc_text(&proc, PROC_ERR), "bad\n");
    proc_fini(&proc);
}

static void program_killed_tells_the_signal(void **state)
{
    (void)state;
    struct proc proc;
    assert_int_equal(start_shell(&proc, "echo up; exec sleep 60", NULL), 0);
    assert_int_equal(proc_await_text(&proc, PROC_OUT, "up", 5000), 0);
    assert_int_equal(proc_wait(&proc, 0), -ETIME);
    assert_int_equal(proc_signal(&proc, SIGTERM), 0);
    assert_int_equal(proc_wait(&proc, 5000), PROC_SIGNALLED + SIGTERM);
    assert_int_equal(proc_signal(&proc, SIGTERM), -ESRCH);
    assert_int_equal(proc_await_text(&proc, PROC_OUT, "down", 5000), -ESRCH);
    proc_fini(&proc);
}

static void missing_program_is_an_exit_status(void **state)
{
    (void)state;
    struct proc proc;
    const char *argv[] = { "/nonexistent", NULL };
    assert_int_equal(proc_start(&proc, &(struct proc_spec){ .argv = argv }), 0);
    assert_int_equal(proc_wait(&proc, 5000), 127);
    proc_fini(&proc);
}

static void fini_ends_the_whole_group(void **state)
{
    (void)state;
    struct proc proc;
    pid_t children[PROC_CHILDREN_MAX];
    assert_int_equal(proc_adopt_orphans(), 0);
    assert_int_equal(start_shell(&proc, "sleep 60 & sleep 60 & echo up; wait", NULL), 0);
    assert_int_equal(proc_await_text(&proc, PROC_OUT, "up", 5000), 0);
    assert_int_equal(proc_children(proc.pid, children), 2);
    proc_fini(&proc);
    assert_int_equal(kill(children[0], 0), -1);
    assert_int_equal(kill(children[1], 0), -1);
}

static void listen_descriptors_arrive_from_three_on(void **state)
{
    (void)state;
    struct proc proc;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const int fds[] = { ends[1], STDERR_FILENO, ends[1] };
    const char *argv[] = { "/bin/sh", "-c",
                           "[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS >&3; echo two >&5", NULL };
    struct proc_spec spec = { .argv = argv, .listen_fds = fds, .listen_fd_count = 3 };
    assert_int_equal(proc_start(&proc, &spec), 0);
    assert_int_equal(proc_wait(&proc, 5000), 0);
    char text[16] = "";
    assert_int_equal(read(ends[0], text, sizeof text - 1), 6);
    assert_string_equal(text, "3\ntwo\n");
    close(ends[0]);
    close(ends[1]);
    proc_fini(&proc);
}

static void notification_arrives_whole(void **state)
{
    (void)state;
    struct proc_notify notify;
    char text[64], socket_variable[128];
    assert_int_equal(proc_notify_open(&notify), 0);
    assert_int_equal(proc_notify_next(&notify, text, sizeof text, 0), -ETIME);
    if (access("/usr/bin/systemd-notify", X_OK) == 0) {
        struct proc proc;
        const char *argv[] = { "/usr/bin/systemd-notify", "READY=1", "STATUS=up", NULL };
        snprintf(socket_variable, sizeof socket_variable, "NOTIFY_SOCKET=%s", notify.path);
        const char *env[] = { socket_variable, NULL };
        assert_int_equal(proc_start(&proc, &(struct proc_spec){ .argv = argv, .env = env }), 0);
        assert_int_equal(proc_notify_next(&notify, text, sizeof text, 5000), 0);
        assert_string_equal(text, "READY=1\nSTATUS=up");
        proc_fini(&proc);
    }
    proc_notify_close(&notify);
}

static void fetch_without_a_server_is_refused(void **state)
{
    (void)state;
    static struct fetch answer;
    int port = fetch_free_port();
    assert_true(port > 0);
    assert_int_equal(fetch_get(port, "/", 1000, &answer), -ECONNREFUSED);
    assert_int_equal(fetch_await(port, "/", 200, 20), -ETIME);
}

/* A server for one connection at a time: it answers with the texts in turn, then closes. */
struct script {
    int listener, port;
    const char *answers[3];
    pthread_t thread;
};

static void *serve_script(void *arg)
{
    struct script *script = arg;
    char request[1024];
    for (int fd; (fd = accept(script->listener, NULL, NULL)) >= 0; close(fd))
        for (int i = 0; i < 3 && script->answers[i] != NULL; i++)
            if (recv(fd, request, sizeof request, 0) <= 0 ||
                fetch_send(fd, script->answers[i]) != 0)
                break;
    return NULL;
}

static void script_start(struct script *script)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(script->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(script->listener, 8), 0);
    assert_int_equal(getsockname(script->listener, (struct sockaddr *)&address, &size), 0);
    script->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&script->thread, NULL, serve_script, script), 0);
}

static void script_end(struct script *script)
{
    shutdown(script->listener, SHUT_RDWR);
    pthread_join(script->thread, NULL);
    close(script->listener);
}

/* One client asks the script until it has had ten good answers, or for a moment if there are none. */
static struct load_result load_script(struct script *script)
{
    struct load_result result;
    script_start(script);
    struct load_options options = { .port = script->port, .target = "/", .connections = 1 };
    struct load *load = load_new(&options);
    assert_non_null(load);
    assert_int_equal(load_await(load, 10, strstr(script->answers[0], "zz") ? 50 : 5000),
                     strstr(script->answers[0], "zz") ? -ETIME : 0);
    load_stop(load, &result);
    load_free(load);
    script_end(script);
    return result;
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void load_counts_silent_ends_as_stale(void **state)
{
    (void)state;
    struct script script = { .answers = { GOOD, GOOD } };
    struct load_result result = load_script(&script);
    assert_int_equal(result.failed, 0);
    assert_true(result.stale >= 4);
    assert_int_equal(result.requests, result.ok + result.stale);
}

static void load_takes_an_announced_end_as_good(void **state)
{
    (void)state;
    struct script script = { .answers = { GOOD,
                                          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: "
                                          "close\r\n\r\n" } };
    struct load_result result = load_script(&script);
    assert_int_equal(result.requests, result.ok);
    assert_true(result.closes >= 5);
}

static void load_counts_cut_and_wrong_answers_as_failed(void **state)
{
    (void)state;
    struct script cut = { .answers = { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nzz" } };
    struct load_result result = load_script(&cut);
    assert_true(result.failed > 0 && result.ok == 0 && result.stale == 0);
    struct script wrong = { .answers = { "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nzz" } };
    result = load_script(&wrong);
    assert_true(result.failed > 0 && result.ok == 0);
}

static void load_counts_a_refused_connect_as_failed(void **state)
{
    (void)state;
    struct load_result result;
    struct load_options options = { .port = fetch_free_port(), .target = "/", .connections = 2 };
    struct load *load = load_new(&options);
    assert_non_null(load);
    load_stop(load, &result);
    assert_true(result.failed >= 2);
    assert_int_equal(load_failed_since(load, 0), result.failed);
    assert_int_equal(load_failed_since(load, proc_now_ms() + 1), 0);
    load_free(load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(program_prints_and_exits_both_are_seen),
        cmocka_unit_test(program_killed_tells_the_signal),
        cmocka_unit_test(missing_program_is_an_exit_status),
        cmocka_unit_test(fini_ends_the_whole_group),
        cmocka_unit_test(listen_descriptors_arrive_from_three_on),
        cmocka_unit_test(notification_arrives_whole),
        cmocka_unit_test(fetch_without_a_server_is_refused),
        cmocka_unit_test(load_counts_silent_ends_as_stale),
        cmocka_unit_test(load_takes_an_announced_end_as_good),
        cmocka_unit_test(load_counts_cut_and_wrong_answers_as_failed),
        cmocka_unit_test(load_counts_a_refused_connect_as_failed),
    };
    return cmocka_run_group_tests_name("support", tests, NULL, NULL);
}
