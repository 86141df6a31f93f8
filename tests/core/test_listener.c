/* test_listener.c - accepting: in order, none lost to a cancel, a pause when descriptors run out. */
#include "core/base/mem.h"
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <rill/net.h>

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { clients_max = 16 };

static rill_listener *listener; /* of the running scenario */
static rill_addr address;
static int clients[clients_max], client_count;
static rill_task *acceptor;

#define OWNED_LISTENING                              \
    __attribute__((cleanup(drop_all))) int mark = 0; \
    (void)mark

static void drop_all(int *unused)
{
    (void)unused;
    rill_listener_close(listener);
    listener = NULL;
    while (client_count > 0)
        close(clients[--client_count]);
    if (address.any.sa_family == AF_UNIX)
        unlink(address.un.sun_path);
}

static int listen_at(const char *text)
{
    int fd = -1;
    listener = NULL;
    client_count = 0;
    int r = rill_addr_parse(rill_span_of(text), &address);
    if (r < 0)
        return r;
    r = rill_listen(&address, NULL, &fd);
    if (r < 0)
        return r;
    if (address.any.sa_family != AF_UNIX)
        r = rill_socket_name(fd, &address);
    if (r == 0)
        r = rill_listener_open(fd, &listener);
    if (r < 0)
        close(fd);
    return r;
}

static int listen_on_loopback(void)
{
    return listen_at("127.0.0.1:0");
}

/* A client whose connection waits in the kernel's queue. */
static int connect_client(void)
{
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    clients[client_count++] = fd;
    return connect(fd, &address.any, address.length) < 0 ? -errno : 0;
}

/* The client at the other end of `fd`: its index, or -1. */
static int client_of(int fd)
{
    char letter = 'x';
    if (send(fd, &letter, 1, MSG_NOSIGNAL) != 1)
        return -1;
    for (int i = 0; i < client_count; i++)
        if (recv(clients[i], &letter, 1, MSG_DONTWAIT) == 1)
            return i;
    return -1;
}

static int connections_come_in_order_of_arrival(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(connect_client(), 0);
    for (int i = 0; i < 3; i++) {
        OWNED_FD int fd = -1;
        EXPECT_IS(rill_listener_accept(listener, &fd), 0);
        EXPECT_IS(client_of(fd), i);
    }
    return 0;
}

static int unix_socket_carries_a_connection(void *arg)
{
    char path[64];
    (void)arg;
    OWNED_LISTENING;
    snprintf(path, sizeof path, "unix:/tmp/rill-test-%d", (int)getpid());
    EXPECT_IS(listen_at(path), 0);
    OWNED_STREAM rill_stream *stream = NULL;
    OWNED_FD int fd = -1;
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    EXPECT_IS(rill_listener_accept(listener, &fd), 0);
    EXPECT_IS(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
    char in[8];
    EXPECT_IS(rill_stream_read(stream, in, sizeof in), 5);
    return 0;
}

static int connect_where_nobody_listens_is_refused(void *arg)
{
    rill_stream *stream;
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    rill_listener_close(listener);
    listener = NULL;
    int r = rill_stream_connect(&address, NULL, &stream);
    while (r == 0) { /* the kernel has not let go of the socket yet */
        expect_drop_stream(&stream);
        EXPECT_IS(rill_sleep(0), 0);
        r = rill_stream_connect(&address, NULL, &stream);
    }
    EXPECT_IS(r, -ECONNREFUSED);
    return 0;
}

static int accepted_fd = -1;

static int accept_one(void *arg)
{
    (void)arg;
    int r = rill_listener_accept(listener, &accepted_fd);
    trace(r == 0 ? 'a' : r == -ECANCELED ? 'c' : r == -ESHUTDOWN ? 's' : '?');
    if (r == 0)
        close(accepted_fd);
    return r;
}

static int cancelled_accept_takes_no_connection(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(acceptor, NULL));
    EXPECT_IS(rill_await(acceptor), -ECANCELED);
    EXPECT_IS(connect_client(), 0);
    OWNED_FD int fd = -1;
    EXPECT_IS(rill_listener_accept(listener, &fd), 0);
    EXPECT_IS(client_of(fd), 0);
    return 0;
}

static void cancel_acceptor(void *arg)
{
    (void)arg;
    rill_cancel(acceptor, NULL);
}

/* The connection came in the turn of the cancel: it stays for the next one. */
static int cancel_in_the_turn_of_the_connection_leaves_it_to_the_next(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(connect_client(), 0); /* its completion is taken at the end of this turn */
    EXPECT(rill_call_soon(rill_get_running_loop(), cancel_acceptor, NULL).entry != NULL);
    EXPECT_IS(rill_await(acceptor), -ECANCELED);
    OWNED_FD int fd = -1;
    EXPECT_IS(rill_listener_accept(listener, &fd), 0);
    EXPECT_IS(client_of(fd), 0);
    return 0;
}

static int second_acceptor_is_refused(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(all_begun(1, &acceptor), 0);
    int fd;
    EXPECT_IS(rill_listener_accept(listener, &fd), -EBUSY);
    EXPECT_IS(connect_client(), 0);
    EXPECT_IS(rill_await(acceptor), 0);
    return 0;
}

static int stop_gives_what_came_before_and_then_says_so(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(connect_client(), 0);
    EXPECT_IS(connect_client(), 0);
    EXPECT_IS(rill_sleep(RILL_MS(1)), 0); /* a wait in the kernel takes both */
    rill_listener_stop(listener);
    for (int i = 0; i < 2; i++) {
        OWNED_FD int fd = -1;
        EXPECT_IS(rill_listener_accept(listener, &fd), 0);
        EXPECT_IS(client_of(fd), i);
    }
    int fd;
    EXPECT_IS(rill_listener_accept(listener, &fd), -ESHUTDOWN);
    EXPECT_IS(rill_listener_accept(listener, &fd), -ESHUTDOWN);
    return 0;
}

static int stopped_listener_takes_what_waits_in_the_socket(void *arg)
{
    int fd;
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    EXPECT_IS(rill_listener_take(listener, &fd), -EBUSY);
    rill_listener_stop(listener);
    EXPECT_IS(rill_listener_accept(listener, &fd), -ESHUTDOWN);
    EXPECT_IS(rill_listener_take(listener, &fd), -EAGAIN);
    EXPECT_IS(connect_client(), 0);
    OWNED_FD int taken = -1;
    EXPECT_IS(rill_listener_take(listener, &taken), 0);
    EXPECT_IS(client_of(taken), 0);
    return 0;
}

static int stop_and_close_wake_who_waits(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_listener_stop(listener);
    EXPECT_IS(rill_await(acceptor), -ESHUTDOWN);
    rill_listener_close(listener);
    EXPECT_IS(listen_on_loopback(), 0);
    acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_listener_close(listener);
    listener = NULL;
    EXPECT_IS(rill_await(acceptor), -ESHUTDOWN);
    return 0;
}

/* Turns until the client sees its end: 0, or why it does not. */
static int await_end_of(int client)
{
    char in;
    for (int turns = 0; turns < 1000; turns++) {
        ssize_t got = recv(client, &in, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return 0;
        int r = got > 0 ? -EBADMSG : rill_sleep(0);
        if (r < 0)
            return r;
    }
    return -ETIME;
}

/* The descriptors of those that nobody took are given back, too: the run ends clean. */
static int close_closes_what_was_not_taken(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    for (int i = 0; i < 8; i++)
        EXPECT_IS(connect_client(), 0);
    OWNED_FD int first = -1;
    EXPECT_IS(rill_listener_accept(listener, &first), 0); /* the others came with it */
    rill_listener_close(listener);
    listener = NULL;
    for (int i = 1; i < client_count; i++)
        EXPECT_IS(await_end_of(clients[i]), 0);
    EXPECT_IS(client_of(first), 0);
    return 0;
}

static struct rlimit limit_before;

static void restore_limit(int *unused)
{
    (void)unused;
    setrlimit(RLIMIT_NOFILE, &limit_before);
}

/* Row 119. One accept fails, is told, and goes on by itself; in between the loop sleeps. */
static int accept_without_descriptors_is_told_and_goes_on_after_a_pause(void *arg)
{
    (void)arg;
    if (under_valgrind())
        return 0; /* as skip_if_limits_are_kept, which a task cannot call */
    __attribute__((cleanup(restore_limit))) int restore = 0;
    OWNED_LISTENING;
    (void)restore;
    getrlimit(RLIMIT_NOFILE, &limit_before);
    EXPECT_IS(listen_on_loopback(), 0);
    EXPECT_IS(connect_client(), 0);
    struct rlimit none = { .rlim_cur = 0, .rlim_max = limit_before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &none);
    OWNED_FD int fd = -1;
    struct rill__counters *counters = &rill_get_running_loop()->backend->counters;
    EXPECT_IS(rill_listener_accept(listener, &fd), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &limit_before);
    uint64_t enters = counters->enters;
    EXPECT_IS(rill_listener_accept(listener, &fd), 0);
    EXPECT(counters->enters - enters < 10);
    EXPECT_IS(client_of(fd), 0);
    return 0;
}

/* Let no further descriptor be made until one that is there is closed. */
static int use_up_descriptors(void)
{
    struct rlimit limit;
    int next = dup(STDERR_FILENO);
    if (next < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    close(next);
    limit.rlim_cur = (rlim_t)next;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

/* In a child: each descriptor that is closed lets one connection in; in between the loop sleeps. */
static int accept_at_the_limit(void *arg)
{
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    EXPECT_IS(connect_client(), 0);
    EXPECT_IS(connect_client(), 0);
    int spare = dup(STDERR_FILENO), first = -1;
    EXPECT(spare >= 0);
    struct rill_loop *loop = rill_get_running_loop();
    rill_time before = rill_now();
    EXPECT_IS(use_up_descriptors(), 0);
    EXPECT_IS(rill_listener_accept(listener, &first), -EMFILE);
    struct rill__counters *counters = &loop->backend->counters;
    uint64_t enters = counters->enters;
    close(spare);
    EXPECT_IS(rill_listener_accept(listener, &first), 0);
    EXPECT(rill_now() >= before + RILL_MS(100)); /* not tried before then */
    EXPECT_IS(client_of(first), 0);
    OWNED_FD int second = -1;
    EXPECT_IS(rill_listener_accept(listener, &second), -EMFILE);
    close(first);
    EXPECT_IS(rill_listener_accept(listener, &second), 0);
    EXPECT_IS(client_of(second), 1);
    EXPECT(counters->enters - enters < 20);
    return 0;
}

static int run_at_the_limit(void *arg)
{
    return rill_exit_code(rill_run(RILL_CORO(accept_at_the_limit, arg)));
}

static void accept_at_the_limit_goes_on_after_each_close(void **state)
{
    static struct child child;
    (void)state;
    skip_if_limits_are_kept();
    assert_int_equal(child_run(&child, run_at_the_limit, NULL), 0);
    assert_string_equal(child.text, "");
    assert_int_equal(child.status, 0);
}

/* One connection is always waiting; the queue must not remember all that passed through it. */
static int queue_that_is_never_empty_does_not_grow(void *arg)
{
    uint64_t warm = 0;
    (void)arg;
    OWNED_LISTENING;
    EXPECT_IS(listen_on_loopback(), 0);
    EXPECT_IS(connect_client(), 0);
    EXPECT_IS(connect_client(), 0);
    for (int i = 0; i < 600; i++) {
        OWNED_FD int fd = -1;
        if (i == 300)
            warm = rill__mem_count();
        EXPECT_IS(rill_listener_accept(listener, &fd), 0);
        close(clients[0]);
        clients[0] = clients[1];
        client_count = 1;
        EXPECT_IS(connect_client(), 0);
        for (int turns = 0; turns < 2; turns++)
            EXPECT_IS(rill_sleep(0), 0);
    }
    EXPECT_IS(rill__mem_count(), warm);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(connections_come_in_order_of_arrival),
    SCENARIO_REAL(unix_socket_carries_a_connection,
                  "it uses a socket of the simulator's by plain calls"),
    SCENARIO(connect_where_nobody_listens_is_refused),
    SCENARIO(cancelled_accept_takes_no_connection),
    SCENARIO(cancel_in_the_turn_of_the_connection_leaves_it_to_the_next),
    SCENARIO(second_acceptor_is_refused),
    SCENARIO(stop_gives_what_came_before_and_then_says_so),
    SCENARIO(stopped_listener_takes_what_waits_in_the_socket),
    SCENARIO(stop_and_close_wake_who_waits),
    SCENARIO(close_closes_what_was_not_taken),
    SCENARIO(accept_without_descriptors_is_told_and_goes_on_after_a_pause),
    OUTSIDE(accept_at_the_limit_goes_on_after_each_close),
    SCENARIO_ONCE(queue_that_is_never_empty_does_not_grow),
};

int main(void)
{
    return RUN_SCENARIOS("listener", scenarios);
}
