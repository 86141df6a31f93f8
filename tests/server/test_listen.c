/* test_listen.c - the promises of the listening sockets, on real ones of the loopback. */
#include "server/inherit.h"
#include "server/listen.h"

#include "core/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char why_memory[256];
static char folder[64], path[128];

static rill_text why(void)
{
    memset(why_memory, 0, sizeof why_memory);
    return (rill_text){ why_memory, sizeof why_memory - 1, 0, false };
}

static unsigned open_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static struct conf_listen item_of(const char *address)
{
    struct conf_listen item = { .backlog = 16, .mode = 0640, .place = { 7, 5 } };
    assert_int_equal(rill_addr_parse(rill_span_of(address), &item.address), 0);
    return item;
}

static struct conf conf_of(const struct conf_listen *items, size_t count)
{
    return (struct conf){ .listen = items, .listen_count = count };
}

static int plan(struct listen_set *set, const struct conf *conf, unsigned slots)
{
    rill_text text = why();
    struct conf_place place = { 0 };
    int rc = listen_plan(set, conf, slots, 0, &text, &place);
    assert_int_equal(place.line, rc < 0 ? 7 : 0);
    return rc;
}

static void commit(struct listen_set *set)
{
    rill_text text = why();
    assert_int_equal(listen_commit(set, &text), 0);
}

static rill_addr address_of(int fd)
{
    rill_addr address = { .length = sizeof address.un };
    assert_int_equal(getsockname(fd, &address.any, &address.length), 0);
    return address;
}

static int connect_to(const rill_addr *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, &address->any, address->length) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

static void address_of_our_own_has_a_socket_per_slot_on_one_port(void **state)
{
    (void)state;
    unsigned before = open_fds();
    struct listen_set set = { 0 };
    struct conf_listen item = item_of("127.0.0.1:0");
    struct conf conf = conf_of(&item, 1);
    assert_int_equal(plan(&set, &conf, 3), 0);
    struct listener *listener = set.listeners[0];
    assert_int_equal(listener->socket_count, 3);
    rill_addr address = address_of(listener->sockets[0].fd);
    assert_int_equal(connect_to(&address), -ECONNREFUSED); /* a plan does not listen */
    commit(&set);
    assert_int_equal(connect_to(&address), 0);
    for (unsigned i = 0; i < 3; i++) {
        rill_addr other = address_of(listener->sockets[i].fd);
        int nodelay = 0;
        socklen_t size = sizeof nodelay;
        getsockopt(listener->sockets[i].fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &nodelay, &size);
        assert_true(rill_addr_equal(&address, &other));
        assert_int_equal(nodelay, 1);
        assert_int_equal(listener->sockets[i].id, i + 1);
    }
    char name[64];
    snprintf(name, sizeof name, "127.0.0.1:%u", rill_addr_port(&address));
    assert_string_equal(listener->name, name);
    listen_fini(&set);
    assert_int_equal(open_fds(), before);
}

static void address_in_use_is_refused_with_one_clear_line(void **state)
{
    (void)state;
    struct listen_set first = { 0 }, second = { 0 };
    struct conf_listen item = item_of("127.0.0.1:0");
    struct conf conf = conf_of(&item, 1);
    assert_int_equal(plan(&first, &conf, 2), 0);
    commit(&first);
    unsigned before = open_fds();
    struct conf_listen items[2] = { item_of("127.0.0.1:0"), item_of("127.0.0.1:0") };
    items[1].address = address_of(first.listeners[0]->sockets[0].fd);
    conf = conf_of(items, 2);
    assert_int_equal(plan(&second, &conf, 2), -EADDRINUSE);
    char line[128];
    snprintf(
        line, sizeof line,
        "cannot listen on 127.0.0.1:%u: the address is in use by another process; stop that, or "
        "take another one",
        rill_addr_port(&items[1].address));
    assert_string_equal(why_memory, line);
    assert_int_equal(second.count, 0);
    assert_int_equal(open_fds(), before);
    listen_fini(&first);
}

static void plan_keeps_sockets_adds_slots_and_drops_nothing_before_commit(void **state)
{
    (void)state;
    struct listen_set set = { 0 };
    struct conf_listen items[2] = { item_of("127.0.0.1:0"), item_of("[::1]:0") };
    struct conf one = conf_of(items, 1), other = conf_of(items + 1, 1);
    assert_int_equal(plan(&set, &one, 1), 0);
    commit(&set);
    int fd = set.listeners[0]->sockets[0].fd;
    rill_addr address = address_of(fd);
    assert_int_equal(plan(&set, &one, 3), 0);
    commit(&set);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.listeners[0]->sockets[0].fd, fd);
    assert_int_equal(set.listeners[0]->socket_count, 3);
    int rc = plan(&set, &other, 2);
    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
        skip(); /* no IPv6 here */
    assert_int_equal(rc, 0);
    listen_abandon(&set);
    assert_int_equal(set.count, 1);
    assert_int_equal(connect_to(&address), 0);
    assert_int_equal(plan(&set, &other, 2), 0);
    commit(&set);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.listeners[0]->item, -1);
    assert_int_equal(connect_to(&address), 0); /* until the master removes it */
    listen_remove(&set, set.listeners[0]);
    assert_int_equal(connect_to(&address), -ECONNREFUSED);
    assert_int_equal(set.count, 1);
    listen_fini(&set);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/listen.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "unix:%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path + 5);
    return rmdir(folder);
}

static void unix_socket_has_its_mode_replaces_a_stale_one_and_goes_at_the_end(void **state)
{
    (void)state;
    struct conf_listen item = item_of(path);
    struct conf conf = conf_of(&item, 1);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(stale, &item.address.any, item.address.length), 0);
    close(stale);
    struct listen_set set = { 0 };
    assert_int_equal(plan(&set, &conf, 4), 0);
    assert_int_equal(set.listeners[0]->socket_count, 1);
    commit(&set);
    struct stat status;
    assert_int_equal(stat(path + 5, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_int_equal(connect_to(&item.address), 0);
    listen_fini(&set);
    assert_int_equal(stat(path + 5, &status), -1);
}

static void unix_socket_somebody_answers_at_is_refused(void **state)
{
    (void)state;
    struct conf_listen item = item_of(path);
    struct conf conf = conf_of(&item, 1);
    struct listen_set first = { 0 }, second = { 0 };
    assert_int_equal(plan(&first, &conf, 1), 0);
    commit(&first);
    assert_int_equal(plan(&second, &conf, 1), -EADDRINUSE);
    assert_int_equal(connect_to(&item.address), 0);
    listen_fini(&first);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct conf_listen item = item_of(path);
    struct conf conf = conf_of(&item, 1);
    int fd = open(path + 5, O_CREAT | O_WRONLY, 0600);
    close(fd);
    struct listen_set set = { 0 };
    assert_int_equal(plan(&set, &conf, 1), -EEXIST);
    assert_non_null(strstr(why_memory, "there is a file that is no socket"));
    assert_int_equal(access(path + 5, F_OK), 0);
}

static void unix_socket_that_is_no_longer_ours_stays_at_the_end(void **state)
{
    (void)state;
    struct conf_listen item = item_of(path);
    struct conf conf = conf_of(&item, 1);
    struct listen_set set = { 0 };
    assert_int_equal(plan(&set, &conf, 1), 0);
    commit(&set);
    unlink(path + 5);
    int fd = open(path + 5, O_CREAT | O_WRONLY, 0600);
    close(fd);
    listen_fini(&set);
    assert_int_equal(access(path + 5, F_OK), 0);
}

static void plan_that_was_abandoned_leaves_no_file(void **state)
{
    (void)state;
    struct conf_listen item = item_of(path);
    struct conf conf = conf_of(&item, 1);
    struct listen_set set = { 0 };
    assert_int_equal(plan(&set, &conf, 1), 0);
    listen_abandon(&set);
    assert_int_equal(set.count, 0);
    char temporary[160];
    snprintf(temporary, sizeof temporary, "%s~", path + 5);
    assert_int_equal(access(temporary, F_OK), -1);
}

/* A listening socket at descriptor `fd`, as a service manager passes it. */
static rill_addr pass_socket(int fd)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(made, (struct sockaddr *)&any, sizeof any) < 0 || listen(made, 8) < 0)
        _exit(99);
    if (made != fd) {
        dup2(made, fd);
        close(made);
    }
    rill_addr address = { .length = sizeof address.un };
    getsockname(fd, &address.any, &address.length);
    return address;
}

/* In a child: two passed sockets and one that is no listener, wanted by address and by name. */
static int use_inherited(void)
{
    char number[16];
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    int spare = dup(2); /* keeps 3 busy while the others are made */
    rill_addr by_name = pass_socket(4);
    rill_addr unused = pass_socket(5);
    close(spare);
    rill_addr by_address = pass_socket(3);
    dup2(1, 6);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", "4", 1);
    setenv("LISTEN_FDNAMES", "x:http:y:z", 1);
    struct listen_set set = { 0 };
    if (inherit_sockets(&set) != 3 || getenv("LISTEN_FDS") != NULL || fcntl(6, F_GETFD) >= 0)
        return 1;
    struct conf_listen items[2] = { { .address = by_address, .backlog = 8 },
                                    { .systemd = RILL_SPAN("http"), .backlog = 8 } };
    struct conf conf = conf_of(items, 2);
    rill_text text = why();
    struct conf_place where;
    if (listen_plan(&set, &conf, 4, 0, &text, &where) < 0 || listen_commit(&set, &text) < 0)
        return 2;
    if (set.listeners[0]->sockets[0].fd != 3 || set.listeners[1]->sockets[0].fd != 4)
        return 3;
    if (set.listeners[0]->socket_count != 1 || !set.listeners[0]->inherited)
        return 4;
    if (inherit_close_unused(&set) != 1 || connect_to(&unused) != -ECONNREFUSED)
        return 5;
    if (connect_to(&by_name) != 0 || connect_to(&by_address) != 0)
        return 6;
    struct conf_listen missing = { .systemd = RILL_SPAN("nope") };
    conf = conf_of(&missing, 1);
    if (listen_plan(&set, &conf, 4, 0, &text, &where) != -ENOENT || set.count != 2)
        return 7;
    listen_fini(&set);
    return 0;
}

/* In a child: two names for five descriptors, of which two can be listened at. */
static int take_what_is_fit(void)
{
    char number[16], names[4 + LISTEN_NAME_MAX] = "";
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    int datagrams = socket(AF_INET, SOCK_DGRAM, 0), silent = socket(AF_INET, SOCK_STREAM, 0);
    (void)pass_socket(5);
    int file = dup(2);
    (void)pass_socket(7);
    if (datagrams != 3 || silent != 4 || file != 6)
        return 1;
    memset(names, 'n', sizeof names - 1);
    memcpy(names, "a:b:", 4);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", "5", 1);
    setenv("LISTEN_FDNAMES", names, 1); /* 255 octets of n: of descriptor 5 */
    struct listen_set set = { 0 };
    if (inherit_sockets(&set) != 2 || set.unfit_count != 3)
        return 2;
    if (fcntl(3, F_GETFD) >= 0 || fcntl(4, F_GETFD) >= 0 || fcntl(6, F_GETFD) >= 0)
        return 3;
    const struct listen_inherited *fit = set.inherited;
    if (fit[0].fd != 5 || strcmp(fit[0].name, names + 4) != 0)
        return 4; /* the longest name that systemd allows */
    if (fit[1].fd != 7 || fit[1].name[0] != '\0')
        return 5;
    if ((fcntl(5, F_GETFD) & FD_CLOEXEC) == 0 || (fcntl(7, F_GETFL) & O_NONBLOCK) == 0)
        return 6;
    struct conf_listen item = { .systemd = { names + 4, LISTEN_NAME_MAX - 1 }, .backlog = 8 };
    struct conf conf = conf_of(&item, 1);
    rill_text text = why();
    struct conf_place where;
    for (int reload = 0; reload < 2; reload++)
        if (listen_plan(&set, &conf, 1, 0, &text, &where) < 0 || listen_commit(&set, &text) < 0)
            return 7;
    listen_fini(&set);
    return fcntl(5, F_GETFD) >= 0 ? 8 : 0;
}

static void assert_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(body());
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void inherited_descriptors_that_are_no_listeners_are_closed_and_counted(void **state)
{
    (void)state;
    assert_child(take_what_is_fit);
}

static void inherited_sockets_are_found_by_address_and_by_name(void **state)
{
    (void)state;
    assert_child(use_inherited);
}

static void sockets_meant_for_another_process_are_left_alone(void **state)
{
    (void)state;
    struct listen_set set = { 0 };
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "2", 1);
    assert_int_equal(inherit_sockets(&set), 0);
    assert_null(getenv("LISTEN_PID"));
    setenv("LISTEN_FDS", "999999", 1);
    char number[16];
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    assert_int_equal(inherit_sockets(&set), -EINVAL);
    assert_null(getenv("LISTEN_FDS")); /* nor does a child of ours take them for its own */
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", number, 1);
    rill__mem_fail_nth(1, false);
    assert_int_equal(inherit_sockets(&set), -ENOMEM);
    rill__mem_fail_nth(0, false);
    listen_fini(&set);
}

/* All numbers of sockets and slots up to six, all sets of serving slots. */
static void every_socket_is_served_as_long_as_anybody_serves(void **state)
{
    (void)state;
    for (unsigned slots = 1; slots <= 6; slots++)
        for (unsigned count = 1; count <= 6; count++)
            for (uint64_t serving = 0; serving < 64; serving++) {
                struct slot_set set = { { serving } }, got;
                uint64_t all = 0;
                for (unsigned index = 0; index < count; index++) {
                    listen_deal(index, count, slots, &set, &got);
                    assert_true((got.words[0] & ~serving) == 0);
                    assert_true((got.words[0] != 0) == (serving != 0));
                    all |= got.words[0];
                }
                uint64_t active = serving & ((UINT64_C(1) << slots) - 1);
                assert_true((all & active) == active); /* nobody who should serve is idle */
            }
}

static void socket_goes_home_when_its_slot_serves_again(void **state)
{
    (void)state;
    struct slot_set serving = { { 0xd } }, got; /* slot 1 of 4 is away */
    listen_deal(1, 4, 4, &serving, &got);
    assert_true(got.words[0] == 1); /* the lowest takes it */
    slot_set_put(&serving, 1, true);
    listen_deal(1, 4, 4, &serving, &got);
    assert_true(got.words[0] == 2);
    slot_set_put(&serving, 200, true);
    assert_true(slot_set_has(&serving, 200) && !slot_set_has(&serving, 199));
}

static void plan_without_memory_changes_nothing_for_each_allocation(void **state)
{
    (void)state;
    struct conf_listen items[2] = { item_of("127.0.0.1:0"), item_of("127.0.0.1:0") };
    items[1].address.in4.sin_addr.s_addr = htonl(0x7f000002);
    struct conf conf = conf_of(items, 2);
    int64_t live = rill__mem_live();
    unsigned before = open_fds();
    struct listen_set set = { 0 };
    int rc = -ENOMEM;
    for (uint64_t nth = 1; rc == -ENOMEM; nth++) {
        rill__mem_fail_nth(nth, false);
        rc = plan(&set, &conf, 2);
        rill__mem_fail_nth(0, false);
        if (rc < 0) {
            assert_int_equal(set.count, 0);
            assert_int_equal(open_fds(), before);
        }
    }
    assert_int_equal(rc, 0);
    listen_fini(&set);
    assert_int_equal(rill__mem_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_of_our_own_has_a_socket_per_slot_on_one_port),
        cmocka_unit_test(address_in_use_is_refused_with_one_clear_line),
        cmocka_unit_test(plan_keeps_sockets_adds_slots_and_drops_nothing_before_commit),
        cmocka_unit_test_setup_teardown(
            unix_socket_has_its_mode_replaces_a_stale_one_and_goes_at_the_end, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(unix_socket_somebody_answers_at_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(file_that_is_no_socket_is_left_alone, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(unix_socket_that_is_no_longer_ours_stays_at_the_end,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(plan_that_was_abandoned_leaves_no_file, make_folder,
                                        remove_folder),
        cmocka_unit_test(inherited_descriptors_that_are_no_listeners_are_closed_and_counted),
        cmocka_unit_test(inherited_sockets_are_found_by_address_and_by_name),
        cmocka_unit_test(sockets_meant_for_another_process_are_left_alone),
        cmocka_unit_test(every_socket_is_served_as_long_as_anybody_serves),
        cmocka_unit_test(socket_goes_home_when_its_slot_serves_again),
        cmocka_unit_test(plan_without_memory_changes_nothing_for_each_allocation),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
