/* flow_support.c - the tools of the flow tests keep their own promises: a test that rests on them
 * must not pass because they saw nothing. Runs the shell and small loopback servers of its own. */
#include "tests/support/fetch.h"
#include "tests/support/proc.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    };
    return cmocka_run_group_tests_name("support", tests, NULL, NULL);
}
