/* flow_systemd.c - rilld under a real systemd: the shipped units, in a container of their own.
 *
 * RILL_MACHINE names the folder that flow_systemd_machine.sh keeps (RILL_DEPLOY and RILLD say what
 * goes in). The container is booted once for the group. The test joins its network, where port 80 is
 * free and nothing else is reached, and speaks to its systemd through nsenter. Each test begins with
 * a stopped service and a configuration of its own. Needs root; skipped with a reason elsewhere. */
#include "tests/support/fetch.h"
#include "tests/support/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAKE_MS = 500000, BOOT_MS = 60000, COMMAND_MS = 90000, BIG = 48 << 20 };

static const char *machine;
static struct proc container;
static pid_t init_pid; /* process 1 of the container, as we see it */
static struct fetch answer;

/* Run a shell command in the container. Returns: its exit status, and what it printed in `text`. */
static int inside(char text[4096], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int inside(char text[4096], const char *format, ...)
{
    char command[1024], target[16];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(target, sizeof target, "%d", (int)init_pid);
    const char *argv[] = { "/usr/bin/nsenter", "-t", target,  "-m", "-u", "-i", "-n", "-p", "-C",
                           "/bin/sh",          "-c", command, NULL };
    struct proc shell;
    int status = proc_start(&shell, &(struct proc_spec){ .argv = argv });
    if (status != 0)
        return status;
    status = proc_wait(&shell, COMMAND_MS);
    snprintf(text, 4096, "%s%s", proc_text(&shell, PROC_OUT), proc_text(&shell, PROC_ERR));
    size_t size = strlen(text);
    if (size > 0 && text[size - 1] == '\n')
        text[size - 1] = '\0';
    proc_fini(&shell);
    return status;
}

/* A property of the service, as systemctl shows it. */
static const char *property(const char *name)
{
    static char text[4096];
    if (inside(text, "systemctl show --value -p %s rilld.service", name) != 0)
        return "?";
    return text;
}

static void configure(const char *routes)
{
    char path[512];
    snprintf(path, sizeof path, "%s/etc/rilld/rilld.yaml", machine);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "workers: 2\n"
            "log:\n  access: off\n"
            "listen:\n  - 0.0.0.0:80\n  - \"[::]:80\"\n"
            "routes:\n  /:\n    files:\n      root: /srv/www\n%s",
            routes);
    assert_int_equal(fclose(file), 0);
}

static const char hello_one[] = "  /hello:\n    respond:\n      body: \"one\\n\"\n";
static const char hello_two[] = "  /hello:\n    respond:\n      body: \"two\\n\"\n";

struct pair {
    int first, second; /* process ids as the container sees them; 0: there is no such worker */
};

static struct pair workers(void)
{
    char text[4096];
    struct pair pids = { 0, 0 };
    inside(text, "p=$(systemctl show --value -p MainPID rilld); cat /proc/$p/task/$p/children");
    sscanf(text, "%d %d", &pids.first, &pids.second);
    return pids;
}

static void assert_command(const char *command)
{
    char text[4096];
    int status = inside(text, "%s", command);
    if (status != 0) {
        print_error("%s: %s\n", command, text);
        inside(text, "journalctl --no-pager -o cat -n 14 -u rilld");
        print_error("%s\n", text);
    }
    assert_int_equal(status, 0);
}

static void start_service(const char *routes)
{
    configure(routes);
    assert_command("systemctl start rilld");
}

static int stop_service(void **state)
{
    char text[4096];
    (void)state;
    return inside(text, "systemctl stop rilld.socket rilld.service; "
                        "systemctl reset-failed rilld.socket rilld.service 2>/dev/null; true");
}

static void service_is_active_when_every_worker_is_ready(void **state)
{
    (void)state;
    char text[4096];
    start_service(hello_one);
    assert_string_equal(property("ActiveState"), "active");
    assert_int_not_equal(workers().second, 0);
    assert_non_null(strstr(property("StatusText"), "2 workers"));
    assert_int_equal(fetch_get(80, "/hello", 5000, &answer), 200);
    assert_string_equal(answer.body, "one\n");
    assert_int_equal(fetch_get(80, "/", 5000, &answer), 200);
    assert_int_equal(inside(text, "stat -c %%u /proc/%d", workers().first), 0);
    assert_string_not_equal(text, "0");
}

static void reload_serves_the_new_configuration_with_the_same_workers(void **state)
{
    (void)state;
    start_service(hello_one);
    struct pair before = workers();
    configure(hello_two);
    assert_command("systemctl reload rilld");
    for (long end = proc_now_ms() + 5000; proc_now_ms() < end; proc_pause())
        if (fetch_get(80, "/hello", 5000, &answer) == 200 && strcmp(answer.body, "two\n") == 0)
            break;
    assert_string_equal(answer.body, "two\n");
    struct pair after = workers();
    assert_int_equal(before.first, after.first);
    assert_int_equal(before.second, after.second);
    assert_string_equal(property("ActiveState"), "active");
}

static void reload_of_a_bad_configuration_changes_nothing(void **state)
{
    (void)state;
    char text[4096] = "";
    start_service(hello_one);
    configure("  /hello:\n    respnd: {}\n");
    assert_command("systemctl reload rilld");
    for (long end = proc_now_ms() + 5000; proc_now_ms() < end; proc_pause())
        if (inside(text, "journalctl --no-pager -o cat -u rilld | grep rilld.yaml:12:") == 0)
            break;
    assert_non_null(strstr(text, "respnd"));
    assert_int_equal(fetch_get(80, "/hello", 5000, &answer), 200);
    assert_string_equal(answer.body, "one\n");
    assert_string_equal(property("ActiveState"), "active");
}

static void killed_workers_are_replaced_and_the_service_stays(void **state)
{
    (void)state;
    char text[4096];
    start_service(hello_one);
    struct pair before = workers(), after = before;
    assert_int_equal(inside(text, "kill -9 %d %d", before.first, before.second), 0);
    for (long end = proc_now_ms() + 5000; proc_now_ms() < end; proc_pause()) {
        after = workers();
        if (after.second != 0 && after.first > before.second)
            break;
    }
    assert_true(after.second != 0 && after.first > before.second);
    assert_int_equal(fetch_get(80, "/hello", 5000, &answer), 200);
    assert_string_equal(property("NRestarts"), "0");
    assert_string_equal(property("ActiveState"), "active");
}

/* Take all but the first octet of a download while the service stops: it has to come whole. */
static void stop_finishes_the_download_in_flight(void **state)
{
    (void)state;
    char text[4096];
    static char block[1 << 16];
    start_service(hello_one);
    int fd = fetch_connect(80, 20000), window = 64 << 10;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    assert_int_equal(fetch_send(fd, "GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"), 0);
    size_t got = (size_t)recv(fd, block, 1, 0);
    assert_int_equal(got, 1);
    assert_int_equal(inside(text, "systemctl stop --no-block rilld.socket rilld.service"), 0);
    for (ssize_t more; (more = recv(fd, block, sizeof block, 0)) > 0;)
        got += (size_t)more;
    close(fd);
    assert_true(got > BIG);
    assert_true(got < BIG + 1024);
    assert_command("systemctl stop rilld.service");
    assert_string_equal(property("Result"), "success");
    assert_string_equal(property("ExecMainStatus"), "0");
}

static void environment_that_cannot_work_is_not_tried_again(void **state)
{
    (void)state;
    char text[4096];
    configure(hello_one);
    assert_command("mkdir -p /run/systemd/system/rilld.service.d && "
                   "printf '[Service]\\nSystemCallFilter=~io_uring_setup\\n' "
                   ">/run/systemd/system/rilld.service.d/no-ring.conf && systemctl daemon-reload");
    assert_int_not_equal(inside(text, "systemctl start rilld"), 0);
    int status =
        inside(text, "journalctl --no-pager -o cat -u rilld | grep 'cannot create an io_uring'");
    const char *exit_status = property("ExecMainStatus");
    assert_string_equal(exit_status, "78");
    assert_string_equal(property("NRestarts"), "0");
    assert_int_equal(status, 0);
}

static int undo_drop_in(void **state)
{
    char text[4096];
    inside(text, "rm -rf /run/systemd/system/rilld.service.d; systemctl daemon-reload");
    return stop_service(state);
}

/* One user of the folder at a time, for as long as this process lives. */
static int lock_machine(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s.lock", machine);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : flock(fd, LOCK_EX);
}

/* Returns 0, or what main should exit with. */
static int make_machine(void)
{
    char script[512];
    const char *deploy = getenv("RILL_DEPLOY"), *rilld = getenv("RILLD");
    machine = getenv("RILL_MACHINE");
    if (machine == NULL || deploy == NULL || rilld == NULL) {
        printf("RILL_MACHINE, RILL_DEPLOY and RILLD are not set: run it through ctest\n");
        return 77;
    }
    if (lock_machine() != 0)
        return 1;
    snprintf(script, sizeof script, "%s/../tests/flow/flow_systemd_machine.sh", deploy);
    struct proc maker;
    const char *argv[] = { script, machine, deploy, rilld, NULL };
    int status = proc_start(&maker, &(struct proc_spec){ .argv = argv });
    if (status == 0)
        status = proc_wait(&maker, MAKE_MS);
    printf("%s%s", proc_text(&maker, PROC_OUT), proc_text(&maker, PROC_ERR));
    proc_fini(&maker);
    return status;
}

/* The network of the container becomes that of this process. */
static int join_network(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)init_pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
    close(fd);
    return rc;
}

/* The container's process 1 is the grandchild of unshare. Returns: its id; 0 while there is none. */
static pid_t find_init(void)
{
    char path[64], name[16] = "";
    pid_t nspawn[PROC_CHILDREN_MAX], children[PROC_CHILDREN_MAX];
    if (proc_children(container.pid, nspawn) < 1)
        return 0;
    int count = proc_children(nspawn[0], children);
    if (count < 1)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/comm", (int)children[count - 1]);
    FILE *comm = fopen(path, "r");
    if (comm != NULL) {
        (void)!fscanf(comm, "%15s", name);
        fclose(comm);
    }
    return strcmp(name, "systemd") == 0 ? children[count - 1] : 0;
}

/* unshare gives the container an outer process namespace that dies with this test, however it ends:
 * a killed nspawn alone would leave its container behind. */
static int boot(void)
{
    char text[4096];
    const char *argv[] = { "/usr/bin/unshare",
                           "--pid",
                           "--fork",
                           "--kill-child",
                           "--mount-proc",
                           "/usr/bin/systemd-nspawn",
                           "-q",
                           "-D",
                           machine,
                           "-b",
                           "--register=no",
                           "--keep-unit",
                           "--private-network",
                           "--console=pipe",
                           NULL };
    if (proc_start(&container, &(struct proc_spec){ .argv = argv }) != 0)
        return -1;
    for (long end = proc_now_ms() + BOOT_MS; proc_now_ms() < end; proc_pause()) {
        init_pid = find_init();
        if (init_pid != 0 && inside(text, "systemctl is-system-running --wait") == 0)
            return join_network();
        if (proc_has_ended(&container))
            return -1;
    }
    return -1;
}

static int power_off(void **state)
{
    char text[4096];
    (void)state;
    inside(text, "systemctl poweroff");
    proc_wait(&container, 20000);
    proc_fini(&container);
    return 0;
}

int main(void)
{
    int status = make_machine();
    if (status != 0)
        return status == 77 ? 77 : 1;
    if (boot() != 0) {
        printf("the container does not boot here: %s%s\n", proc_text(&container, PROC_OUT),
               proc_text(&container, PROC_ERR));
        proc_fini(&container);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(service_is_active_when_every_worker_is_ready, stop_service),
        cmocka_unit_test_teardown(reload_serves_the_new_configuration_with_the_same_workers,
                                  stop_service),
        cmocka_unit_test_teardown(reload_of_a_bad_configuration_changes_nothing, stop_service),
        cmocka_unit_test_teardown(killed_workers_are_replaced_and_the_service_stays, stop_service),
        cmocka_unit_test_teardown(stop_finishes_the_download_in_flight, stop_service),
        cmocka_unit_test_teardown(environment_that_cannot_work_is_not_tried_again, undo_drop_in),
    };
    return cmocka_run_group_tests_name("systemd", tests, NULL, power_off);
}
