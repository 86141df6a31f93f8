/* test_process.c - programs: started, waited for, signalled, closed; none is ever left behind. */
#include "tests/support/child.h"
#include "tests/support/expect.h"
#include "tests/support/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNED_PROCESS __attribute__((cleanup(drop_process)))

static const char forever[] = "exec sleep 3600";

static void drop_process(rill_process **process)
{
    rill_process_close(*process);
}

static void close_later(void *arg)
{
    rill_process_close(arg);
}

/* One that tasks wait for which may not have begun yet. */
static int start_kept(const char *command, rill_process **ret_process)
{
    int r = rill_process_start_shell(command, NULL, ret_process);
    if (r == 0)
        after_run(close_later, *ret_process);
    return r;
}

static int wait_for(void *arg)
{
    return rill_process_wait(arg);
}

/* --- Ends. --- */

/* test_subprocess.py: test_shell. */
static int exit_status_is_the_returncode(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exit 7", NULL, &p), 0);
    EXPECT(p->pid > 0 && !p->ended && p->in == NULL && p->out == NULL && p->err == NULL);
    EXPECT_IS(rill_process_wait(p), 7);
    EXPECT_IS(rill_process_wait(p), 7);
    EXPECT(p->ended);
    EXPECT_IS(p->returncode, 7);
    return 0;
}

/* test_kill, test_terminate, test_proc_exited. */
static int signal_that_kills_is_the_negative_returncode(void *arg)
{
    OWNED_PROCESS rill_process *one = NULL, *other = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(forever, NULL, &one), 0);
    EXPECT_IS(rill_process_start_shell(forever, NULL, &other), 0);
    EXPECT_IS(rill_process_send_signal(one, 1000), -EINVAL);
    EXPECT_IS(rill_process_send_signal(one, 0), 0);
    EXPECT_IS(rill_process_kill(one), 0);
    EXPECT_IS(rill_process_terminate(other), 0);
    EXPECT_IS(rill_process_wait(one), -SIGKILL);
    EXPECT_IS(rill_process_wait(other), -SIGTERM);
    EXPECT_IS(rill_process_send_signal(one, SIGHUP), -ESRCH);
    EXPECT_IS(rill_process_terminate(one), -ESRCH);
    EXPECT_IS(rill_process_kill(other), -ESRCH);
    return 0;
}

/* 130, the first half; test_cancel_process_wait. */
static int cancelled_wait_leaves_the_child_alone(void *arg)
{
    rill_process *p;
    (void)arg;
    EXPECT_IS(start_kept(forever, &p), 0);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for, p));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &waiter), 0);
    EXPECT(rill_cancel(waiter, NULL));
    EXPECT_IS(rill_await(waiter), -ECANCELED);
    EXPECT(!p->ended);
    EXPECT_IS(kill(p->pid, 0), 0);
    EXPECT_IS(rill_process_kill(p), 0);
    EXPECT_IS(rill_process_wait(p), -SIGKILL);
    return 0;
}

static rill_task *second;

static int wait_and_cancel_the_second(void *arg)
{
    int r = rill_process_wait(arg);
    (void)rill_cancel(second, NULL);
    return r;
}

/* The law of races: the process keeps its status, so the cancel wins. */
static int cancel_in_the_turn_of_the_end_keeps_the_status(void *arg)
{
    rill_process *p;
    (void)arg;
    EXPECT_IS(start_kept("exit 3", &p), 0);
    OWNED_FUTURE rill_task *first = rill_create_task(RILL_CORO(wait_and_cancel_the_second, p));
    second = kept(rill_create_task(RILL_CORO(wait_for, p)));
    rill_task *tasks[] = { first, second };
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(2, tasks), 0);
    EXPECT_IS(rill_await(first), 3);
    int r = rill_await(second);
    EXPECT(r == -ECANCELED || (in_simulator() && r == 3)); /* a shuffled turn may have it first */
    EXPECT_IS(rill_process_wait(p), 3);
    return 0;
}

static int several_tasks_wait_at_once(void *arg)
{
    rill_process *p;
    (void)arg;
    EXPECT_IS(start_kept("exit 5", &p), 0);
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(wait_for, p));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(wait_for, p));
    EXPECT_IS(rill_process_wait(p), 5);
    EXPECT_IS(rill_await(one), 5);
    EXPECT_IS(rill_await(two), 5);
    return 0;
}

/* Nobody has to wait for it: the loop reaps. */
static int child_that_ended_is_no_zombie(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exit 0", NULL, &p), 0);
    while (!p->ended) {
        int r = rill_sleep(0);
        if (r < 0)
            return r;
    }
    EXPECT_IS(waitpid(p->pid, NULL, WNOHANG), -1);
    EXPECT_IS(errno, ECHILD);
    return 0;
}

/* 130, the second half; test_close_kill_running. A waiter pins what it waits for. */
static int closing_under_a_waiter_kills_and_tells(void *arg)
{
    rill_process *p;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(forever, NULL, &p), 0);
    OWNED_FUTURE rill_task *waiter = rill_create_task(RILL_CORO(wait_for, p));
    int r = rill_sleep(0);
    if (r == 0)
        r = all_begun(1, &waiter);
    if (r < 0) {
        after_run(close_later, p);
        return r;
    }
    rill_process_close(p);
    EXPECT_IS(rill_await(waiter), -SIGKILL);
    return 0;
}

static pid_t last_pid;

static int start_and_close(void *arg)
{
    rill_process *p;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(forever, NULL, &p), 0);
    last_pid = p->pid;
    rill_process_close(p);
    return 0;
}

static void closed_child_is_reaped_with_the_loop(void **state)
{
    (void)state;
    assert_int_equal(run_main(start_and_close, NULL), 0);
    assert_int_equal(kill(last_pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static rill_process *left;

static int start_and_leave(void *arg)
{
    const rill_process_opts opts = {
        .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE, .new_group = true, .kill_group = true
    };
    (void)arg;
    int r = rill_process_start_shell(forever, &opts, &left);
    return r == 0 ? rill_process_start_shell("exit 1", &opts, arg) : r;
}

/* One that was not closed before the loop holds nothing of it. */
static void child_left_to_the_loop_is_killed(void **state)
{
    rill_process *ended;
    struct footing before = footing_now();
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(start_and_leave, &ended)), 0);
    assert_true(left->ended && ended->ended);
    assert_int_equal(left->returncode, -SIGKILL);
    assert_int_equal(kill(left->pid, 0), -1);
    assert_null(left->in);
    rill_process_close(left);
    rill_process_close(ended);
    rill_process_close(NULL);
    assert_int_equal(footing_now().descriptors, before.descriptors);
    assert_int_equal(footing_now().blocks, before.blocks);
}

/* --- Starts. --- */

static int what_cannot_be_executed_is_an_error(void *arg)
{
    static const char *const nowhere[] = { "rill-is-no-program", NULL };
    static const char *const no_file[] = { "/proc/rill-is-no-program", NULL };
    static const char *const no_program[] = { "/etc/passwd", NULL };
    static const char *const nothing[] = { "", NULL };
    static const char *const empty[] = { NULL };
    static const char *const fine[] = { "true", NULL };
    static const int low[] = { 1 }, closed[] = { 900 };
    const rill_process_opts piped = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE };
    const rill_process_opts no_cwd = { .cwd = "/proc/rill-is-no-directory" };
    const rill_process_opts file_cwd = { .cwd = "/etc/passwd" };
    const rill_process_opts no_group = { .kill_group = true };
    const rill_process_opts no_fd = { .out = RILL_PROCESS_FD, .out_fd = -1 };
    const rill_process_opts bad_out = { .out = RILL_PROCESS_STDOUT };
    const rill_process_opts low_pass = { .pass_fds = low, .pass_count = 1 };
    const rill_process_opts bad_pass = { .pass_fds = closed, .pass_count = 1 };
    rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start(nowhere, &piped, &p), -ENOENT);
    EXPECT_IS(rill_process_start(no_file, NULL, &p), -ENOENT);
    EXPECT_IS(rill_process_start(no_program, &piped, &p), -EACCES);
    EXPECT_IS(rill_process_start(nothing, NULL, &p), -EACCES); /* each directory, as there */
    EXPECT_IS(rill_process_start(empty, NULL, &p), -EINVAL);
    EXPECT_IS(rill_process_start(NULL, NULL, &p), -EINVAL);
    EXPECT_IS(rill_process_start_shell(NULL, NULL, &p), -EINVAL);
    EXPECT_IS(rill_process_start(fine, &no_cwd, &p), -ENOENT);
    EXPECT_IS(rill_process_start(fine, &file_cwd, &p), -ENOTDIR);
    EXPECT_IS(rill_process_start(fine, &no_group, &p), -EINVAL);
    EXPECT_IS(rill_process_start(fine, &no_fd, &p), -EBADF);
    EXPECT_IS(rill_process_start(fine, &bad_out, &p), -EINVAL);
    EXPECT_IS(rill_process_start(fine, &low_pass, &p), -EINVAL);
    EXPECT_IS(rill_process_start(fine, &bad_pass, &p), -EBADF);
    EXPECT(p == NULL);
    return 0;
}

static bool last_error_says(const char *text)
{
    const rill_err *error = rill_last_error();
    return error == NULL || error->msg == NULL || strcmp(error->msg, text) == 0;
}

static int error_names_what_is_wrong(void *arg)
{
    static const char *const nowhere[] = { "rill-is-no-program", NULL };
    static const char *const fine[] = { "true", NULL };
    const rill_process_opts opts = { .cwd = "/proc/rill-is-no-directory" };
    rill_process *p;
    (void)arg;
    EXPECT_IS(rill_process_start(nowhere, NULL, &p), -ENOENT);
    EXPECT(last_error_says("rill-is-no-program"));
    EXPECT_IS(rill_process_start(fine, &opts, &p), -ENOENT);
    EXPECT(last_error_says("/proc/rill-is-no-directory"));
    return 0;
}

static int start_from(const char *one, const char *other)
{
    static const char *const argv[] = { "rill-is-no-program", NULL };
    char path[128];
    const char *const env[] = { path, NULL };
    const rill_process_opts opts = { .env = env };
    rill_process *p = NULL;
    snprintf(path, sizeof path, "PATH=%s:%s", one, other);
    int r = rill_process_start(argv, &opts, &p);
    rill_process_close(p);
    return r;
}

static char places[2][32];

static int start_from_both(void *arg)
{
    (void)arg;
    EXPECT_IS(start_from(places[0], places[1]), -EACCES);
    EXPECT_IS(start_from(places[1], places[0]), -ENOEXEC);
    EXPECT_IS(start_from("/proc/rill:/etc/passwd", places[1]), -ENOEXEC);
    return 0;
}

/* The first of them, as there. */
static void what_cannot_be_executed_is_told_if_nothing_else_can(void **state)
{
    char files[2][96];
    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(places[i], sizeof places[i], "/tmp/rill-path-XXXXXX");
        assert_non_null(mkdtemp(places[i]));
        snprintf(files[i], sizeof files[i], "%s/rill-is-no-program", places[i]);
        FILE *file = fopen(files[i], "we");
        assert_non_null(file);
        fputs("no program", file);
        fclose(file);
        assert_int_equal(chmod(files[i], i == 0 ? 0600 : 0700), 0);
    }
    int r = run_main(start_from_both, NULL);
    for (int i = 0; i < 2; i++) {
        unlink(files[i]);
        rmdir(places[i]);
    }
    assert_int_equal(r, 0);
}

/* As subprocess.Popen: the child's PATH, not ours. */
static int path_is_that_of_the_child(void *arg)
{
    static const char *const argv[] = { "sh", "-c", "exit 4", NULL };
    static const char *const somewhere[] = { "A=b", "PATH=/proc/rill:/etc/passwd:/usr/bin:/bin",
                                             NULL };
    static const char *const nowhere[] = { "PATH=/proc/rill", NULL };
    static const char *const none[] = { NULL };
    const rill_process_opts found = { .env = somewhere }, lost = { .env = nowhere },
                            usual = { .env = none };
    OWNED_PROCESS rill_process *p = NULL, *q = NULL;
    rill_process *no = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start(argv, &found, &p), 0);
    EXPECT_IS(rill_process_start(argv, &lost, &no), -ENOENT);
    EXPECT_IS(rill_process_start(argv, &usual, &q), 0);
    EXPECT_IS(rill_process_wait(p), 4);
    EXPECT_IS(rill_process_wait(q), 4);
    return 0;
}

static int start_true(void *arg)
{
    return rill_process_start_shell("exit 0", NULL, arg);
}

/* test_cancel_make_subprocess_transport_exec. */
static int cancel_before_the_start_starts_nothing(void *arg)
{
    static rill_process *p;
    (void)arg;
    p = NULL;
    OWNED_FUTURE rill_task *starter = rill_create_task(RILL_CORO(start_true, &p));
    EXPECT(rill_cancel(starter, NULL) || rill_done(starter));
    EXPECT(rill_await(starter) < 0);
    EXPECT(p == NULL);
    return 0;
}

/* test_start_new_session. */
static int child_leads_the_group_that_it_is_given(void *arg)
{
    const rill_process_opts group = { .in = RILL_PROCESS_PIPE, .new_group = true };
    const rill_process_opts session = { .in = RILL_PROCESS_PIPE, .new_session = true };
    OWNED_PROCESS rill_process *plain = NULL, *leader = NULL, *owner = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(forever, NULL, &plain), 0);
    EXPECT_IS(rill_process_start_shell("exec cat", &group, &leader), 0);
    EXPECT_IS(rill_process_start_shell("exec cat", &session, &owner), 0);
    EXPECT_IS(getpgid(plain->pid), getpgrp());
    EXPECT_IS(getpgid(leader->pid), leader->pid);
    EXPECT_IS(getsid(leader->pid), getsid(0));
    EXPECT_IS(getsid(owner->pid), owner->pid);
    return 0;
}

/* What we block or ignore for ourselves is not the program's. */
static int child_begins_with_plain_signals(void *arg)
{
    static const struct sigaction ignored = { .sa_handler = SIG_IGN };
    struct sigaction before;
    sigset_t set, mask;
    rill_process *p, *q;
    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, &mask);
    sigaction(SIGPIPE, &ignored, &before);
    int r = rill_process_start_shell("kill -s PIPE $$; exit 1", NULL, &p);
    int s = rill_process_start_shell(forever, NULL, &q);
    sigaction(SIGPIPE, &before, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    OWNED_PROCESS rill_process *piped = r == 0 ? p : NULL, *termed = s == 0 ? q : NULL;
    EXPECT_IS(r, 0);
    EXPECT_IS(s, 0);
    EXPECT_IS(rill_process_wait(piped), -SIGPIPE);
    EXPECT_IS(rill_process_terminate(termed), 0);
    EXPECT_IS(rill_process_wait(termed), -SIGTERM);
    return 0;
}

/* --- Descriptors. --- */

/* As close_fds of subprocess.Popen, which is on. */
static int child_has_no_descriptor_that_it_was_not_given(void *arg)
{
    OWNED_FD int plain = fcntl(2, F_DUPFD, 50), hidden = fcntl(2, F_DUPFD, 60),
                 passed = fcntl(2, F_DUPFD_CLOEXEC, 70);
    char script[200];
    (void)arg;
    snprintf(script, sizeof script,
             "test -e /proc/$$/fd/%d && exit 1; test -e /proc/$$/fd/%d && exit 2; "
             "test -e /proc/$$/fd/%d || exit 3; exit 0",
             plain, hidden, passed);
    const rill_process_opts opts = { .pass_fds = &passed, .pass_count = 1 };
    OWNED_PROCESS rill_process *p = NULL, *q = NULL;
    EXPECT_IS(rill_process_start_shell(script, &opts, &p), 0);
    EXPECT_IS(rill_process_start_shell(script, NULL, &q), 0);
    EXPECT_IS(rill_process_wait(p), 0);
    EXPECT_IS(rill_process_wait(q), 3);
    return 0;
}

/* Our own standard descriptors change places in the child. */
static int standard_descriptors_may_be_exchanged(void *arg)
{
    const rill_process_opts opts = {
        .out = RILL_PROCESS_FD, .out_fd = 2, .err = RILL_PROCESS_FD, .err_fd = 1
    };
    const char script[] = "test /proc/$$/fd/1 -ef /proc/$PPID/fd/2 || exit 1; "
                          "test /proc/$$/fd/2 -ef /proc/$PPID/fd/1 || exit 2";
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(script, &opts, &p), 0);
    EXPECT_IS(rill_process_wait(p), 0);
    return 0;
}

static void limit_files(unsigned more, struct rlimit *ret_before)
{
    int next = fcntl(0, F_DUPFD, 0);
    close(next);
    getrlimit(RLIMIT_NOFILE, ret_before);
    struct rlimit tight = { (rlim_t)next + more, ret_before->rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
}

static int start_within_limits(void *arg)
{
    const rill_process_opts opts = { .in = RILL_PROCESS_PIPE,
                                     .out = RILL_PROCESS_PIPE,
                                     .err = RILL_PROCESS_PIPE };
    struct footing before = footing_now();
    (void)arg;
    int r = -EMFILE;
    unsigned more;
    for (more = 0; more < 40 && r == -EMFILE; more++) {
        struct rlimit limit;
        rill_process *p = NULL;
        limit_files(more, &limit);
        r = rill_process_start_shell("exit 0", &opts, &p);
        setrlimit(RLIMIT_NOFILE, &limit);
        if (r == 0)
            r = rill_process_wait(p);
        rill_process_close(p);
        EXPECT_IS(rill_sleep(RILL_MS(5)), 0); /* the last completions of streams that were begun */
        EXPECT_IS(footing_now().descriptors, before.descriptors);
    }
    EXPECT_IS(r, 0);
    EXPECT(more > 7); /* three pipes, and one to watch it by */
    return 0;
}

static void start_without_descriptors_fails_and_leaves_nothing(void **state)
{
    (void)state;
    skip_if_limits_are_kept();
    assert_int_equal(run_main(start_within_limits, NULL), 0);
}

static int start_without_processes(void *arg)
{
    const rill_process_opts opts = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE };
    struct footing before = footing_now();
    rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exit 0", &opts, &p), -EAGAIN);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0);
    EXPECT_IS(footing_now().descriptors, before.descriptors);
    return 0;
}

static int run_without_processes(void *arg)
{
    (void)arg;
    return rill_run(RILL_CORO(start_without_processes, NULL)) == 0 ? 0 : 1;
}

static void start_without_processes_fails_and_leaves_nothing(void **state)
{
    static struct child child;
    (void)state;
    assert_int_equal(child_run_alone(&child, run_without_processes, NULL), 0);
    if (WIFEXITED(child.status) && WEXITSTATUS(child.status) == CHILD_CANNOT)
        skip();
    if (child.status != 0)
        print_error("%s", child.text);
    assert_int_equal(child.status, 0);
}

/* --- Groups. --- */

/* The pipe ends when nobody has it any more. */
static int wait_until_all_have_gone(int fd)
{
    int r = rill_poll(fd, POLLIN);
    return r < 0 ? r : 0;
}

static int closing_kills_the_whole_group(void *arg)
{
    int fds[2];
    const char *const scripts[] = { "sleep 3600 & sleep 3600", "sleep 3600 & exit 0" };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(pipe2(fds, O_CLOEXEC), 0);
        OWNED_FD int mine = fds[0];
        const rill_process_opts opts = {
            .out = RILL_PROCESS_FD, .out_fd = fds[1], .new_group = true, .kill_group = true
        };
        rill_process *p = NULL;
        int r = rill_process_start_shell(scripts[i], &opts, &p);
        close(fds[1]);
        if (r == 0 && i == 1)
            r = rill_process_wait(p);
        rill_process_close(p);
        EXPECT_IS(r, 0);
        EXPECT_IS(wait_until_all_have_gone(mine), 0);
    }
    return 0;
}

/* --- Many, and stubborn ones. --- */

static int two_hundred_children_at_once(void *arg)
{
    enum { count = 200 };

    static rill_process *children[count];
    int sum = 0;
    (void)arg;
    for (int i = 0; i < count; i++)
        EXPECT_IS(rill_process_start_shell("exit 1", NULL, &children[i]), 0);
    for (int i = 0; i < count; i++) {
        int r = rill_process_wait(children[i]);
        sum += r;
        rill_process_close(children[i]);
    }
    EXPECT_IS(sum, count);
    return 0;
}

/* A soft end, a grace, a hard end. */
static int child_that_ignores_sigterm_is_killed(void *arg)
{
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE };
    OWNED_PROCESS rill_process *p = NULL;
    rill_span line;
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(rill_process_start_shell("trap '' TERM; echo ready; exec sleep 3600", &opts, &p), 0);
    EXPECT_IS(rill_stream_read_line(p->out, &line), 6);
    EXPECT_IS(rill_process_terminate(p), 0);
    EXPECT_IS(rill_timeout(&scope, RILL_MS(20)), 0);
    EXPECT_IS(rill_scope_leave(&scope, rill_process_wait(p)), -ETIME);
    EXPECT_IS(rill_process_kill(p), 0);
    EXPECT_IS(rill_process_wait(p), -SIGKILL);
    return 0;
}

static int told;

static void count_told(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop, (void)future, (void)arg;
    told += strstr(message, "status was taken") != NULL;
}

static int end_unseen(void *arg)
{
    const rill_process_opts opts = { .in = RILL_PROCESS_PIPE }, says = { .out = RILL_PROCESS_PIPE };
    OWNED_PROCESS rill_process *p = NULL;
    rill_span out;
    (void)arg;
    told = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), count_told, NULL);
    EXPECT_IS(rill_process_start_shell("exec cat", &opts, &p), 0);
    rill_stream_close(p->in);
    EXPECT_IS(rill_process_wait(p), 255);
    for (int i = 1; i <= 30; i++) { /* some of them have gone before anybody could look at them */
        OWNED_PROCESS rill_process *q = NULL;
        EXPECT_IS(rill_process_start_shell("echo it", &says, &q), 0);
        EXPECT_IS(rill_process_communicate(q, RILL_SPAN(""), &out, NULL), 0);
        EXPECT(rill_span_equal(out, RILL_SPAN("it\n")));
        EXPECT_IS(q->returncode, 255);
        EXPECT_IS(told, i + 1);
    }
    return 0;
}

/* As asyncio's child watchers: the status is unknown, and that is told. */
static void status_that_was_taken_is_255(void **state)
{
    static const struct sigaction ignored = { .sa_handler = SIG_IGN };
    struct sigaction before;
    (void)state;
    sigaction(SIGCHLD, &ignored, &before);
    int r = run_main(end_unseen, NULL);
    sigaction(SIGCHLD, &before, NULL);
    assert_int_equal(r, 0);
}

static int take_status_elsewhere(void *arg)
{
    rill_process *p, *q;
    (void)arg;
    told = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), count_told, NULL);
    EXPECT_IS(rill_process_start_shell(forever, NULL, &p), 0);
    EXPECT_IS(rill_process_start_shell(forever, NULL, &q), 0);
    EXPECT_IS(rill_process_kill(p) + rill_process_kill(q), 0);
    EXPECT_IS(waitpid(p->pid, NULL, 0), p->pid);
    EXPECT_IS(waitpid(q->pid, NULL, 0), q->pid);
    EXPECT_IS(rill_process_terminate(q), -ESRCH); /* its number may be somebody else's by now */
    rill_process_close(q);
    EXPECT_IS(rill_process_wait(p), 255);
    rill_process_close(p);
    while (told < 2)
        EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

/* test_close_dont_kill_finished. */
static void child_that_somebody_else_reaped_is_not_killed(void **state)
{
    (void)state;
    assert_int_equal(run_main(take_status_elsewhere, NULL), 0);
}

/* test_subprocess_send_signal_race: a signal never takes the status of one that just ends. */
static int signal_to_a_child_that_ends_leaves_its_status(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        OWNED_PROCESS rill_process *p = NULL;
        EXPECT_IS(rill_process_start_shell("exit 9", NULL, &p), 0);
        for (int turns = 0; turns < i; turns++)
            EXPECT_IS(rill_sleep(0), 0);
        int sent = rill_process_send_signal(p, SIGUSR1), r = rill_process_wait(p);
        EXPECT(sent == 0 || sent == -ESRCH);
        EXPECT(r == 9 || (r == -SIGUSR1 && sent == 0));
    }
    return 0;
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

/* ChildWatcherTestsMixin: here SIGCHLD is the program's. */
static int handler_of_sigchld_and_processes_know_nothing_of_each_other(void *arg)
{
    static int calls;
    OWNED_PROCESS rill_process *p = NULL, *q = NULL;
    (void)arg;
    calls = 0;
    EXPECT_IS(rill_add_signal_handler(rill_get_running_loop(), SIGCHLD, count_call, &calls), 0);
    EXPECT_IS(rill_process_start_shell("exit 1", NULL, &p), 0);
    EXPECT_IS(rill_process_start_shell("exit 2", NULL, &q), 0);
    EXPECT_IS(rill_process_wait(p), 1);
    EXPECT_IS(rill_process_wait(q), 2);
    while (calls == 0)
        EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int start_in_child(void *arg)
{
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell("exit 4", NULL, &p), 0);
    EXPECT_IS(rill_process_wait(p), 4);
    return 0;
}

static int run_in_child(void *arg)
{
    return rill_run(RILL_CORO(start_in_child, arg)) == 0 ? 0 : 1;
}

static int fork_with_a_child(void *arg)
{
    static struct child child;
    OWNED_PROCESS rill_process *p = NULL;
    (void)arg;
    EXPECT_IS(rill_process_start_shell(forever, NULL, &p), 0);
    EXPECT_IS(child_run(&child, run_in_child, NULL), 0);
    if (child.status != 0)
        print_error("%s", child.text);
    EXPECT_IS(child.status, 0);
    EXPECT(!p->ended); /* the end of the other's loop is nothing to it */
    EXPECT_IS(kill(p->pid, 0), 0);
    EXPECT_IS(rill_process_kill(p), 0);
    EXPECT_IS(rill_process_wait(p), -SIGKILL);
    return 0;
}

/* test_unix_events.py: test_fork_asyncio_subprocess. */
static void child_of_a_fork_has_children_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(run_main(fork_with_a_child, NULL), 0);
}

static void no_child_is_left(void **state)
{
    pid_t pids[PROC_CHILDREN_MAX];
    (void)state;
    assert_int_equal(proc_children(getpid(), pids), 0);
}

int main(void)
{
    static const struct scenario scenarios[] = {
        SCENARIO(exit_status_is_the_returncode),
        SCENARIO(signal_that_kills_is_the_negative_returncode),
        SCENARIO(cancelled_wait_leaves_the_child_alone),
        SCENARIO(cancel_in_the_turn_of_the_end_keeps_the_status),
        SCENARIO(several_tasks_wait_at_once),
        SCENARIO(child_that_ended_is_no_zombie),
        SCENARIO(closing_under_a_waiter_kills_and_tells),
        SCENARIO(what_cannot_be_executed_is_an_error),
        SCENARIO(error_names_what_is_wrong),
        OUTSIDE(what_cannot_be_executed_is_told_if_nothing_else_can),
        SCENARIO(path_is_that_of_the_child),
        SCENARIO(cancel_before_the_start_starts_nothing),
        SCENARIO(child_leads_the_group_that_it_is_given),
        SCENARIO(child_begins_with_plain_signals),
        SCENARIO(child_has_no_descriptor_that_it_was_not_given),
        SCENARIO_ONCE(standard_descriptors_may_be_exchanged),
        SCENARIO(closing_kills_the_whole_group),
        SCENARIO_ONCE(two_hundred_children_at_once),
        SCENARIO(child_that_ignores_sigterm_is_killed),
        OUTSIDE(closed_child_is_reaped_with_the_loop),
        OUTSIDE(child_left_to_the_loop_is_killed),
        OUTSIDE(start_without_descriptors_fails_and_leaves_nothing),
        OUTSIDE(start_without_processes_fails_and_leaves_nothing),
        OUTSIDE(status_that_was_taken_is_255),
        OUTSIDE(child_that_somebody_else_reaped_is_not_killed),
        SCENARIO_ONCE(signal_to_a_child_that_ends_leaves_its_status),
        SCENARIO(handler_of_sigchld_and_processes_know_nothing_of_each_other),
        OUTSIDE(child_of_a_fork_has_children_of_its_own),
        OUTSIDE(no_child_is_left),
    };
    leave_without_pidfds();
    return RUN_SCENARIOS("process", scenarios);
}
