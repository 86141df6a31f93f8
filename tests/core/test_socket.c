/* test_socket.c - single operations on plain sockets: results, cancels that lose nothing, and closing.
 *
 * The sockets are made by plain calls, so they are real ones on every backend. */
#include "core/ring/state.h"
#include "core/task/task.h"
#include "tests/support/expect.h"

#include <rill/file.h>
#include <rill/net.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { mib = 1 << 20 };

static int ends[2] = { -1, -1 }, door = -1; /* a connection, and what listens */
static rill_addr door_at;
static char out[mib], in[mib];

#define OWNED_SOCKETS                                             \
    __attribute__((cleanup(drop_sockets))) int sockets_mark_ = 0; \
    (void)sockets_mark_

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drop_sockets(int *mark)
{
    (void)mark;
    drop(&ends[0]);
    drop(&ends[1]);
    drop(&door);
}

static int make_ends(void)
{
    int small = 4096;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (char)(i * 31 + i / 4096);
    return 0;
}

/* A socket bound to a free port of the loopback, which listens if `backlog` is above 0. */
static int make_door(int backlog)
{
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &door_at);
    door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r < 0 || door < 0)
        return -EIO;
    if (bind(door, &door_at.any, door_at.length) < 0 ||
        getsockname(door, &door_at.any, &door_at.length) < 0)
        return -errno;
    return backlog > 0 && listen(door, backlog) < 0 ? -errno : 0;
}

static int plain_client(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int client_connects_and_talks_to_who_accepts(void *arg)
{
    rill_addr from, own;
    size_t sent;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(8), 0);
    OWNED_FD int client = plain_client();
    EXPECT_IS(rill_connect(client, &door_at), 0);
    EXPECT(in_simulator() || rill_connect(client, &door_at) == -EISCONN);
    OWNED_FD int served = rill_accept(door, &from);
    EXPECT(served >= 0);
    EXPECT(fcntl(served, F_GETFL) & O_NONBLOCK);
    EXPECT_IS(rill_socket_name(client, &own), 0);
    EXPECT(rill_addr_equal(&from, &own));
    EXPECT_IS(rill_send_all(client, "question", 8, &sent), 0);
    EXPECT_IS(sent, 8);
    EXPECT_IS(rill_recv(served, in, 3, MSG_PEEK), 3);
    EXPECT_IS(rill_recv(served, in, sizeof in, 0), 8);
    EXPECT(memcmp(in, "question", 8) == 0);
    EXPECT_IS(rill_recv(served, in, sizeof in, MSG_DONTWAIT), -EAGAIN);
    EXPECT_IS(rill_send(served, "answer", 6, 0), 6);
    EXPECT_IS(rill_poll(client, POLLIN), POLLIN);
    EXPECT_IS(rill_recv(client, in, sizeof in, 0), 6);
    shutdown(served, SHUT_WR);
    EXPECT_IS(rill_recv(client, in, sizeof in, 0), 0);
    return 0;
}

static int errors_are_those_of_the_calls(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(0), 0);
    OWNED_FD int client = plain_client();
    EXPECT_IS(rill_connect(client, &door_at), -ECONNREFUSED);
    EXPECT_IS(rill_accept(door, NULL), -EINVAL); /* it does not listen */
    EXPECT_IS(rill_recv(-1, in, 1, 0), -EBADF);
    EXPECT_IS(rill_send_all(-1, out, 1, NULL), -EBADF);
    EXPECT_IS(make_ends(), 0);
    close(ends[1]);
    ends[1] = -1;
    EXPECT_IS(rill_send(ends[0], out, 1, 0), -EPIPE);
    return 0;
}

static int result;
static size_t sent_so_far;

static int receive(void *arg)
{
    (void)arg;
    return result = rill_recv(ends[1], in, sizeof in, 0);
}

static int send_everything(void *arg)
{
    (void)arg;
    return result = rill_send_all(ends[0], out, sizeof out, &sent_so_far);
}

static int accept_one(void *arg)
{
    (void)arg;
    return result = rill_accept(door, NULL);
}

static int cancelled_receive_takes_nothing(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    rill_task *receiver = kept(rill_create_task(RILL_CORO(receive, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(receiver, NULL));
    EXPECT_IS(rill_await(receiver), -ECANCELED);
    EXPECT_IS(rill_send(ends[0], "abc", 3, 0), 3);
    EXPECT_IS(rill_recv(ends[1], in, sizeof in, 0), 3);
    return 0;
}

/* What the kernel brought wins: the task ends with its result, and nothing is lost. */
static int octets_that_came_in_the_turn_of_the_cancel_are_returned(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    EXPECT_IS(send(ends[0], "abc", 3, 0), 3);
    rill_task *receiver = kept(rill_create_task(RILL_CORO(receive, NULL)));
    EXPECT_IS(rill_sleep(0), 0); /* it is submitted, and done when this turn ends */
    EXPECT(rill_cancel(receiver, NULL));
    EXPECT_IS(rill_await(receiver), 3);
    EXPECT_IS(result, 3);
    return 0;
}

static int cancelled_send_all_says_how_far_it_came(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_everything, NULL)));
    for (int i = 0; i < 20; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(sender, NULL));
    EXPECT_IS(rill_await(sender), -ECANCELED);
    EXPECT(sent_so_far > 0 && sent_so_far < sizeof out);
    size_t got = 0;
    ssize_t r;
    while ((r = recv(ends[1], in + got, sizeof in - got, MSG_DONTWAIT)) > 0)
        got += (size_t)r;
    EXPECT_IS(got, sent_so_far);
    EXPECT(memcmp(in, out, got) == 0);
    EXPECT_IS(rill_send_all(ends[0], "world", 5, NULL), 0);
    EXPECT_IS(rill_recv(ends[1], in, sizeof in, 0), 5);
    return 0;
}

static int a_mib_is_sent_and_received_at_once(void *arg)
{
    size_t got = 0;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    rill_task *sender = kept(rill_create_task(RILL_CORO(send_everything, NULL)));
    while (got < sizeof in) {
        int r = rill_recv(ends[1], in + got, sizeof in - got, 0);
        EXPECT(r > 0);
        got += (size_t)r;
    }
    EXPECT_IS(rill_await(sender), 0);
    EXPECT_IS(sent_so_far, sizeof out);
    EXPECT(memcmp(in, out, sizeof in) == 0);
    return 0;
}

static int client_of_door = -1;

static int connect_to_door(void *arg)
{
    (void)arg;
    return rill_connect(client_of_door, &door_at);
}

static int connect_may_be_tried_again_after_a_cancel(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(0), 0);
    OWNED_FD int client = client_of_door = plain_client();
    rill_task *connecting = kept(rill_create_task(RILL_CORO(connect_to_door, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(connecting, NULL);
    int r = rill_await(connecting);
    EXPECT(r == -ECANCELED || r == -ECONNREFUSED);
    EXPECT_IS(listen(door, 1), 0);
    EXPECT_IS(rill_connect(client, &door_at), 0);
    return 0;
}

/* The connection is returned, or waits for the next one. */
static int cancelled_accept_loses_no_connection(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(8), 0);
    rill_task *acceptor = kept(rill_create_task(RILL_CORO(accept_one, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FD int client = plain_client();
    EXPECT(connect(client, &door_at.any, door_at.length) == 0 || errno == EINPROGRESS);
    rill_cancel(acceptor, NULL);
    OWNED_FD int first = rill_await(acceptor);
    OWNED_FD int second = first == -ECANCELED ? rill_accept(door, NULL) : -1;
    EXPECT(first >= 0 || second >= 0);
    return 0;
}

static int receive_back(void *arg)
{
    (void)arg;
    return rill_recv(ends[0], in, sizeof in, 0);
}

static int wait_for_room(void *arg)
{
    (void)arg;
    return rill_poll(ends[0], POLLOUT);
}

static int close_tells_who_waits(void *arg)
{
    rill_fn *const fns[] = { receive_back, accept_one, send_everything };
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    EXPECT_IS(make_door(1), 0);
    rill_task *waiters[4];
    for (int i = 0; i < 3; i++)
        waiters[i] = kept(rill_create_task(RILL_CORO(fns[i], NULL)));
    for (int i = 0; i < 20; i++)
        EXPECT_IS(rill_sleep(0), 0);
    waiters[3] = kept(rill_create_task(RILL_CORO(wait_for_room, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    int *const fds[] = { &ends[0], &door };
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(rill_file_close(*fds[i]), 0);
        *fds[i] = -1;
    }
    for (int i = 0; i < 4; i++)
        EXPECT_IS(rill_await(waiters[i]), -EBADF);
    EXPECT(sent_so_far > 0 && sent_so_far < sizeof out);
    return 0;
}

/* Let the kernel end what it does with `fd`, as if nobody of us knew. */
static int end_unasked(int fd)
{
    struct ring *ring = container_of(rill_get_running_loop()->backend, struct ring, backend);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (sqe == NULL)
        return -EBUSY;
    io_uring_prep_cancel_fd(sqe, fd, 0);
    sqe->user_data = 0; /* as the ring's own cancels: nobody is told */
    return rill_sleep(0);
}

static int operation_that_ends_unasked_is_an_io_error(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    rill_task *receiver = kept(rill_create_task(RILL_CORO(receive, NULL)));
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_unasked(ends[1]), 0);
    EXPECT_IS(rill_await(receiver), -EIO);
    return 0;
}

/* It is told once, as any other error, and accepting goes on. */
static int accept_that_ends_unasked_is_an_io_error_and_goes_on(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(1), 0);
    int listening = door, fd = -1;
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(door, &listener), 0);
    door = -1;
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_unasked(listening), 0);
    EXPECT_IS(rill_listener_accept(listener, &fd), -EIO);
    OWNED_FD int client = plain_client();
    EXPECT(connect(client, &door_at.any, door_at.length) == 0 || errno == EINPROGRESS);
    OWNED_FD int served = -1;
    EXPECT_IS(rill_listener_accept(listener, &served), 0);
    return 0;
}

static int stream_that_ends_unasked_is_an_io_error(void *arg)
{
    char octet;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    OWNED_STREAM rill_stream *stream = NULL;
    int fd = ends[1];
    EXPECT_IS(rill_stream_new(fd, NULL, &stream), 0);
    ends[1] = -1;
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_unasked(fd), 0);
    EXPECT_IS(rill_stream_read(stream, &octet, 1), -EIO);
    return 0;
}

/* Rule 4.2: also an await that has nothing to do delivers a request, and then does not tell that it is done. */
static int call_of_no_octets_delivers_a_cancel(void *arg)
{
    size_t done = 7;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_ends(), 0);
    for (int i = 0; i < 4; i++) {
        rill_cancel(rill_current_task(), NULL);
        int r = i == 0   ? rill_send_all(ends[0], out, 0, &done)
                : i == 1 ? rill_file_read_exactly(ends[0], in, 0, 0, &done)
                : i == 2 ? rill_file_write_all(ends[0], out, 0, 0, &done)
                         : rill_recv(ends[0], in, 0, 0);
        EXPECT_IS(r, -ECANCELED);
        EXPECT_IS(done, 0);
        EXPECT_IS(rill_uncancel(rill_current_task()), 0);
    }
    EXPECT_IS(rill_send_all(ends[0], out, 0, &done), 0);
    EXPECT_IS(rill_file_read_exactly(ends[0], in, 0, 0, &done), 0);
    EXPECT_IS(rill_file_write_all(ends[0], out, 0, 0, &done), 0);
    return 0;
}

static int hold_the_address(void *arg)
{
    (void)arg;
    int fd = rill_accept(door, NULL);
    return fd;
}

/* What waited is cancelled, and the address is free for somebody else. */
static int accept_that_timed_out_leaves_nothing_behind(void *arg)
{
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(make_door(1), 0);
    EXPECT_IS(rill_wait_for_call(RILL_CORO(hold_the_address, NULL), RILL_MS(10)), -ETIME);
    EXPECT_IS(rill_file_close(door), 0);
    door = -1;
    OWNED_FD int client = plain_client();
    EXPECT_IS(rill_connect(client, &door_at), -ECONNREFUSED);
    return 0;
}

#define RING_ONLY "it reaches round the waist, into the ring"

static const struct scenario scenarios[] = {
    SCENARIO(client_connects_and_talks_to_who_accepts),
    SCENARIO(errors_are_those_of_the_calls),
    SCENARIO(cancelled_receive_takes_nothing),
    SCENARIO_REAL(octets_that_came_in_the_turn_of_the_cancel_are_returned,
                  "there the cancel may come first"),
    SCENARIO(cancelled_send_all_says_how_far_it_came),
    SCENARIO_ONCE(a_mib_is_sent_and_received_at_once),
    SCENARIO_REAL(connect_may_be_tried_again_after_a_cancel, "what is left over is the kernel's"),
    SCENARIO(cancelled_accept_loses_no_connection),
    SCENARIO(close_tells_who_waits),
    SCENARIO_ONCE(call_of_no_octets_delivers_a_cancel),
    SCENARIO_REAL(accept_that_timed_out_leaves_nothing_behind,
                  "its client connects to a real door"),
    SCENARIO_REAL(operation_that_ends_unasked_is_an_io_error, RING_ONLY),
    SCENARIO_REAL(accept_that_ends_unasked_is_an_io_error_and_goes_on, RING_ONLY),
    SCENARIO_REAL(stream_that_ends_unasked_is_an_io_error, RING_ONLY),
};

int main(void)
{
    return RUN_SCENARIOS("socket", scenarios);
}
