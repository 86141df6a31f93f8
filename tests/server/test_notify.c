/* test_notify.c - the promises of the notification protocol, at a fake manager. */
#include "server/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager's socket: `name` as NOTIFY_SOCKET has it. */
static int manager(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(name);
    memcpy(address.sun_path, name, size);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

static void expect_datagram(int fd, const char *text)
{
    char got[2048];
    ssize_t size = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    assert_true(size >= 0);
    got[size] = '\0';
    assert_string_equal(got, text);
}

static void tell(const char *name)
{
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    struct notify notify;
    assert_int_equal(notify_init(&notify), 0);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_int_equal(notify_send(&notify, "READY=1\nSTATUS=%d workers", 2), 0);
    expect_datagram(fd, "READY=1\nSTATUS=2 workers");
    notify_fini(&notify);
    close(fd);
}

static void manager_at_a_path_is_told(void **state)
{
    (void)state;
    char folder[] = "/tmp/notify.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    tell(path);
    unlink(path);
    rmdir(folder);
}

static void manager_at_an_abstract_name_is_told(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@rill-test-notify-%d", (int)getpid());
    tell(name);
}

static void reloading_carries_the_monotonic_time(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@rill-test-reload-%d", (int)getpid());
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    struct notify notify;
    assert_int_equal(notify_init(&notify), 0);
    assert_int_equal(notify_reloading(&notify, RILL_MS(1234)), 0);
    expect_datagram(fd, "RELOADING=1\nMONOTONIC_USEC=1234000");
    notify_fini(&notify);
    close(fd);
}

static void without_a_manager_every_call_does_nothing(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    struct notify notify;
    assert_int_equal(notify_init(&notify), 0);
    assert_int_equal(notify.fd, -1);
    assert_int_equal(notify_send(&notify, "READY=1"), 0);
    notify_fini(&notify);
}

static void socket_name_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    char large[256];
    memset(large, 'x', sizeof large - 1);
    large[0] = '/';
    large[sizeof large - 1] = '\0';
    const char *const bad[] = { "", "/", "relative", "@", large };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct notify notify;
        setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_int_equal(notify_init(&notify), -EINVAL);
        assert_int_equal(notify_send(&notify, "READY=1"), 0);
    }
    struct notify notify;
    setenv("NOTIFY_SOCKET", "/nonexistent/rill", 1);
    assert_int_equal(notify_init(&notify), -ENOENT);
}

static void text_above_the_limit_is_refused_and_not_cut(void **state)
{
    (void)state;
    char name[64], large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    snprintf(name, sizeof name, "@rill-test-large-%d", (int)getpid());
    int fd = manager(name);
    setenv("NOTIFY_SOCKET", name, 1);
    struct notify notify;
    assert_int_equal(notify_init(&notify), 0);
    assert_int_equal(notify_send(&notify, "STATUS=%s", large), -EMSGSIZE);
    assert_true(recv(fd, large, sizeof large, MSG_DONTWAIT) < 0);
    notify_fini(&notify);
    close(fd);
}

static void watchdog_counts_only_for_this_process(void **state)
{
    (void)state;

    static const struct {
        const char *usec, *pid;
        int rc;
        rill_time span;
    } rows[] = {
        { "10000000", NULL, 0, RILL_SEC(10) },
        { "10000000", "1", 0, 0 },
        { "0", NULL, -EINVAL, 0 },
        { "10s", NULL, -EINVAL, 0 },
        { "18446744073709551615", NULL, -EINVAL, 0 },
        { "5", "x", -EINVAL, 0 },
    };

    unsetenv("NOTIFY_SOCKET");
    struct notify notify;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        setenv("WATCHDOG_USEC", rows[i].usec, 1);
        if (rows[i].pid != NULL)
            setenv("WATCHDOG_PID", rows[i].pid, 1);
        assert_int_equal(notify_init(&notify), rows[i].rc);
        assert_true(notify.watchdog == rows[i].span);
        assert_null(getenv("WATCHDOG_USEC"));
        assert_null(getenv("WATCHDOG_PID"));
    }
    char own[16];
    snprintf(own, sizeof own, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", own, 1);
    assert_int_equal(notify_init(&notify), 0);
    assert_true(notify.watchdog == RILL_SEC(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manager_at_a_path_is_told),
        cmocka_unit_test(manager_at_an_abstract_name_is_told),
        cmocka_unit_test(reloading_carries_the_monotonic_time),
        cmocka_unit_test(without_a_manager_every_call_does_nothing),
        cmocka_unit_test(socket_name_that_makes_no_sense_is_refused),
        cmocka_unit_test(text_above_the_limit_is_refused_and_not_cut),
        cmocka_unit_test(watchdog_counts_only_for_this_process),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
