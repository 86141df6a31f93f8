/* test_udp.c - datagrams: whole, with their sender, none lost to a cancel, and closed under who waits. */
#include "tests/support/expect.h"

#include <rill/net.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static rill_udp *here, *there;
static rill_addr here_at, there_at;

#define OWNED_SOCKETS                                             \
    __attribute__((cleanup(drop_sockets))) int sockets_mark_ = 0; \
    (void)sockets_mark_

static void drop_sockets(int *mark)
{
    (void)mark;
    rill_udp_close(here);
    rill_udp_close(there);
    here = there = NULL;
}

static int open_at(const char *text, rill_udp **ret_udp, rill_addr *ret_at)
{
    rill_addr any;
    int r = rill_addr_parse(rill_span_of(text), &any);
    if (r == 0)
        r = rill_udp_open(&any, NULL, ret_udp);
    return r < 0 ? r : rill_socket_name(rill_udp_fd(*ret_udp), ret_at);
}

static int open_both(void)
{
    here = there = NULL;
    int r = open_at("127.0.0.1:0", &here, &here_at);
    return r < 0 ? r : open_at("127.0.0.1:0", &there, &there_at);
}

static int datagrams_come_whole_and_with_their_sender(void *arg)
{
    char in[8192], out[4096];
    rill_addr from;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    memset(out, 1, sizeof out);
    EXPECT_IS(rill_udp_send(here, out, sizeof out, &there_at), sizeof out);
    EXPECT_IS(rill_udp_send(here, "two", 3, &there_at), 3);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, &from), sizeof out);
    EXPECT(memcmp(in, out, sizeof out) == 0);
    EXPECT(rill_addr_equal(&from, &here_at));
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, NULL), 3);
    EXPECT_IS(rill_udp_send(there, "back", 4, &from), 4);
    EXPECT_IS(rill_udp_recv(here, in, sizeof in, &from), 4);
    EXPECT(rill_addr_equal(&from, &there_at));
    return 0;
}

static int empty_datagram_is_one_and_a_long_one_is_cut(void *arg)
{
    char in[4];
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    EXPECT_IS(rill_udp_send(here, "", 0, &there_at), 0);
    EXPECT_IS(rill_udp_send(here, "0123456789", 10, &there_at), 10);
    EXPECT_IS(rill_udp_send(here, "next", 4, &there_at), 4);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, NULL), 0);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, NULL), 4);
    EXPECT(memcmp(in, "0123", 4) == 0);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, NULL), 4);
    EXPECT(memcmp(in, "next", 4) == 0);
    return 0;
}

static int socket_with_a_remote_address_talks_to_it_only(void *arg)
{
    char in[8];
    rill_addr from;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_at("127.0.0.1:0", &there, &there_at), 0);
    EXPECT_IS(rill_udp_open(NULL, &there_at, &here), 0);
    EXPECT_IS(rill_udp_send(here, "a", 1, NULL), 1);
    EXPECT_IS(rill_udp_send(here, "b", 1, &there_at), 1);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, &from), 1);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, &from), 1);
    rill_addr other = from;
    EXPECT_IS(rill_udp_send(here, "c", 1, &other), -EINVAL);
    EXPECT_IS(rill_udp_send(there, "d", 1, NULL), -EDESTADDRREQ);
    EXPECT_IS(rill_udp_send(there, "d", 1, &from), 1);
    EXPECT_IS(rill_udp_recv(here, in, sizeof in, NULL), 1);
    return 0;
}

static int datagram_to_nobody_is_told_to_the_next_receive(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    rill_udp_close(here);
    here = NULL;
    EXPECT_IS(rill_udp_open(NULL, &here_at, &here), 0);
    rill_udp_close(there);
    there = NULL;
    EXPECT_IS(rill_udp_send(here, "a", 1, NULL), 1);
    EXPECT_IS(rill_udp_recv(here, in, sizeof in, NULL), -ECONNREFUSED);
    return 0;
}

static int bad_addresses_are_refused(void *arg)
{
    rill_addr in4, in6;
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    EXPECT_IS(rill_addr_parse(RILL_SPAN("127.0.0.1:9"), &in4), 0);
    EXPECT_IS(rill_addr_parse(RILL_SPAN("[::1]:9"), &in6), 0);
    rill_udp *none;
    EXPECT_IS(rill_udp_open(NULL, NULL, &none), -EINVAL);
    EXPECT_IS(rill_udp_open(&in4, &in6, &none), -EINVAL);
    EXPECT_IS(rill_udp_open(&here_at, NULL, &none), -EADDRINUSE);
    EXPECT_IS(rill_udp_send(here, "a", 1, &in6), -EAFNOSUPPORT);
    static char large[70000];
    EXPECT_IS(rill_udp_send(here, large, sizeof large, &there_at), -EMSGSIZE);
    return 0;
}

static int receive_there(void *arg)
{
    char in[8];
    (void)arg;
    if (there == NULL)
        return -ECANCELED; /* the scenario was left before our first step */
    int r = rill_udp_recv(there, in, sizeof in, NULL);
    trace(r == -ECANCELED ? 'c' : r == -EBADF ? 'b' : r > 0 ? in[0] : '?');
    return r;
}

static int cancelled_receive_takes_no_datagram(void *arg)
{
    char in[8];
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    rill_task *receiver = kept(rill_create_task(RILL_CORO(receive_there, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(receiver, NULL));
    EXPECT_IS(rill_await(receiver), -ECANCELED);
    EXPECT_IS(rill_udp_send(here, "x", 1, &there_at), 1);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, NULL), 1);
    EXPECT_TRACE("c");
    return 0;
}

static int several_tasks_may_wait_and_each_gets_one(void *arg)
{
    rill_task *receivers[3];
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    for (int i = 0; i < 3; i++)
        receivers[i] = kept(rill_create_task(RILL_CORO(receive_there, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_udp_send(here, "1", 1, &there_at), 1);
    EXPECT_IS(rill_udp_send(here, "2", 1, &there_at), 1);
    EXPECT_IS(rill_udp_send(here, "3", 1, &there_at), 1);
    for (int i = 0; i < 3; i++)
        EXPECT_IS(rill_await(receivers[i]), 1);
    EXPECT(strchr(traced(), '1') != NULL && strchr(traced(), '2') != NULL);
    EXPECT(strchr(traced(), '3') != NULL);
    return 0;
}

static int close_tells_who_waits(void *arg)
{
    rill_task *receivers[2];
    (void)arg;
    OWNED_SOCKETS;
    EXPECT_IS(open_both(), 0);
    for (int i = 0; i < 2; i++)
        receivers[i] = kept(rill_create_task(RILL_CORO(receive_there, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    rill_udp_close(there);
    there = NULL;
    for (int i = 0; i < 2; i++)
        EXPECT_IS(rill_await(receivers[i]), -EBADF);
    EXPECT_TRACE("bb");
    return 0;
}

static int unix_datagrams_are_carried_too(void *arg)
{
    char in[8], path[64];
    rill_addr at, from;
    (void)arg;
    OWNED_SOCKETS;
    here = there = NULL;
    snprintf(path, sizeof path, "unix:/tmp/rill-udp-%d", (int)getpid());
    EXPECT_IS(rill_addr_parse(rill_span_of(path), &at), 0);
    int r = rill_udp_open(&at, NULL, &there);
    if (r == 0)
        r = rill_udp_open(NULL, &at, &here);
    unlink(at.un.sun_path);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_udp_send(here, "abc", 3, NULL), 3);
    EXPECT_IS(rill_udp_recv(there, in, sizeof in, &from), 3);
    return 0;
}

/* As asyncio's endpoint at a path: what is no socket is left alone. */
static int socket_left_behind_at_the_path_is_replaced_and_a_file_is_not(void *arg)
{
    rill_addr at;
    char text[64];
    (void)arg;
    OWNED_SOCKETS;
    here = there = NULL;
    snprintf(text, sizeof text, "unix:/tmp/rill-udp-left-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(open_at(text, &here, &at), 0);
        rill_udp_close(here);
        here = NULL;
    }
    unlink(text + 5);
    close(open(text + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    int r = open_at(text, &here, &at);
    unlink(text + 5);
    EXPECT_IS(r, -EADDRINUSE);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(socket_left_behind_at_the_path_is_replaced_and_a_file_is_not),
    SCENARIO(datagrams_come_whole_and_with_their_sender),
    SCENARIO(empty_datagram_is_one_and_a_long_one_is_cut),
    SCENARIO(socket_with_a_remote_address_talks_to_it_only),
    SCENARIO(datagram_to_nobody_is_told_to_the_next_receive),
    SCENARIO(bad_addresses_are_refused),
    SCENARIO(cancelled_receive_takes_no_datagram),
    SCENARIO(several_tasks_may_wait_and_each_gets_one),
    SCENARIO(close_tells_who_waits),
    SCENARIO(unix_datagrams_are_carried_too),
};

int main(void)
{
    return RUN_SCENARIOS("udp", scenarios);
}
