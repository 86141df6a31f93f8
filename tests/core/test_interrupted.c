/* test_interrupted.c - operations that a signal ends early are begun anew, as Python's system calls are.
 *
 * -EINTR has one meaning here, the end of a run by SIGINT, so no operation may end with it. The fault plan
 * lets one operation of a kind end so. */
#include "core/op/fault.h"
#include "tests/support/pair.h"

#include <rill/file.h>
#include <rill/net.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef RILL_CHECK_SLOW

static char path[32];

/* Run `fn` while operation `nth` of `kind` ends with `error`. */
static void run_with(int kind, uint64_t nth, int error, rill_fn *fn)
{
    struct rill__fault_plan plan = { .kind = kind, .nth = nth, .error = error };
    rill__fault_set(&plan);
    int r = run_main(fn, NULL);
    uint64_t failed = rill__fault_counts()->failed;
    rill__fault_set(NULL);
    assert_int_equal(r, 0);
    assert_int_equal(failed, 1);
}

static int write_and_read_a_file(void *arg)
{
    char in[16];
    (void)arg;
    memcpy(path, "/tmp/rill-interrupted-XXXXXX", 29);
    OWNED_FD int fd = mkstemp(path);
    unlink(path);
    EXPECT_IS(rill_file_write(fd, "octets", 6, 0), 6);
    EXPECT_IS(rill_file_sync(fd, true), 0);
    EXPECT_IS(rill_file_read(fd, in, sizeof in, 0), 6);
    return 0;
}

static void file_operation_that_is_interrupted_is_begun_anew(void **state)
{
    (void)state;
    run_with(RILL__OP_WRITE, 1, -EINTR, write_and_read_a_file);
    run_with(RILL__OP_FSYNC, 1, -EINTR, write_and_read_a_file);
    run_with(RILL__OP_READ, 1, -EINTR, write_and_read_a_file);
}

static int receive_one(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_PAIR;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(send(far, "abc", 3, MSG_NOSIGNAL), 3);
    EXPECT_IS(rill_stream_read(left, in, sizeof in), 3);
    EXPECT(!rill_stream_peer_ended(left));
    return 0;
}

static void receive_of_a_stream_that_is_interrupted_goes_on(void **state)
{
    (void)state;
    run_with(RILL__OP_RECV_MANY, 1, -EINTR, receive_one);
}

static int send_a_file(void *arg)
{
    uint64_t sent;
    (void)arg;
    OWNED_PAIR;
    OWNED_FILE;
    EXPECT_IS(make_far(), 0);
    EXPECT_IS(make_file(1000), 0);
    EXPECT_IS(rill_stream_sendfile(left, file_fd, 0, 1000, &sent), 0);
    EXPECT_IS(sent, 1000);
    EXPECT_IS(take_far_until(1000), 0);
    EXPECT(arrived_in_order());
    return 0;
}

static void file_over_a_stream_that_is_interrupted_goes_on(void **state)
{
    (void)state;
    run_with(RILL__OP_SENDFILE, 1, -EINTR, send_a_file);
}

static int accept_a_connection(void *arg)
{
    rill_addr at;
    int fd;
    (void)arg;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &at), 0);
    OWNED_FD int listening = -1;
    EXPECT_IS(rill_listen(&at, NULL, &listening), 0);
    EXPECT_IS(rill_socket_name(listening, &at), 0);
    fd = listening;
    OWNED_LISTENER rill_listener *listener = NULL;
    EXPECT_IS(rill_listener_open(fd, &listener), 0);
    listening = -1;
    OWNED_STREAM rill_stream *client = NULL;
    rill_time before = rill_now();
    EXPECT_IS(rill_stream_connect(&at, NULL, &client), 0);
    OWNED_FD int served = -1;
    EXPECT_IS(rill_listener_accept(listener, &served), 0);
    EXPECT(in_simulator() || rill_now() - before < RILL_MS(100)); /* there was no pause */
    return 0;
}

/* A connection that went before it was taken, or a signal, is nobody's error: accepting goes on at once. */
static void accept_that_is_interrupted_goes_on_without_a_pause(void **state)
{
    (void)state;
    run_with(RILL__OP_ACCEPT, 1, -EINTR, accept_a_connection);
    run_with(RILL__OP_ACCEPT, 1, -ECONNABORTED, accept_a_connection);
}

static const struct scenario scenarios[] = {
    OUTSIDE(file_operation_that_is_interrupted_is_begun_anew),
    OUTSIDE(receive_of_a_stream_that_is_interrupted_goes_on),
    OUTSIDE(file_over_a_stream_that_is_interrupted_goes_on),
    OUTSIDE(accept_that_is_interrupted_goes_on_without_a_pause),
};

int main(void)
{
    return RUN_SCENARIOS("interrupted", scenarios);
}

#else

int main(void)
{
    puts("needs a build with RILL_CHECK_SLOW");
    return 77;
}

#endif
