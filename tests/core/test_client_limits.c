/* test_client_limits.c - what a session bounds: connections, their waiters, phases of time, names, growth. */
#include "tests/support/asking.h"
#include "tests/support/lookup.h"

#include <rill/client.h>
#include <rill/net.h>
#include <rill/task.h>
#include <rill/timeout.h>

#include <errno.h>
#include <stdio.h>

#define OK   "HTTP/1.1 200 OK\r\n"
#define GOOD OK "Content-Length: 2\r\n\r\nhi"

static const struct peer_answer always_good[] = { { .octets = GOOD }, { .octets = NULL } };

/* A response that is open: /open sends a part of its body. */
static const struct peer_answer open_and_good[] = {
    { .request = "GET /open", .octets = OK "Content-Length: 9\r\n\r\nhi", .end = PEER_HOLD },
    { .octets = GOOD },
    { .octets = NULL },
};

static int ask_root(void *arg)
{
    (void)arg;
    return ask("GET", "/", NULL);
}

static int turns(int count) RILL_SUSPENDS;

static int turns(int count)
{
    int r = 0;
    for (int i = 0; i < count && r == 0; i++)
        r = rill_sleep(0);
    return r;
}

/* --- Waiters of the pool. --- */

enum { waiters = 4 };

#define OWNED_TASKS __attribute__((cleanup(drop_tasks)))

static void drop_tasks(rill_task *(*tasks)[waiters])
{
    for (int i = 0; i < waiters; i++)
        if ((*tasks)[i] != NULL) {
            rill_cancel((*tasks)[i], "the scenario is over");
            rill_unref((*tasks)[i]);
        }
}

#define OWNED_RESPONSE __attribute__((cleanup(drop_response)))

static void drop_response(rill_http_response **response)
{
    rill_http_close(*response);
    *response = NULL;
}

/* Tasks that wait for the one connection, which `held` has. */
static int begin_waiting(rill_task *(*tasks)[waiters], rill_http_response **ret_held) RILL_SUSPENDS;

static int begin_waiting(rill_task *(*tasks)[waiters], rill_http_response **ret_held)
{
    int r = begin_asking(open_and_good, &(rill_http_session_opts){ .limit = 1 });
    if (r == 0)
        r = rill_http_get(session, "/open", NULL, ret_held);
    if (r < 0)
        return r;
    for (int i = 0; i < waiters; i++)
        (*tasks)[i] = rill_create_task(RILL_CORO(ask_root, NULL));
    return turns(3);
}

/* The one in the middle goes before the place is free, the first when it has been given it. */
static int cancelled_waiters_lose_no_place(void *arg)
{
    static const int results[waiters] = { -ECANCELED, -ECANCELED, 200, 200 };
    OWNED_TASKS rill_task *tasks[waiters] = { NULL };
    OWNED_RESPONSE rill_http_response *held = NULL;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_waiting(&tasks, &held), 0);
    rill_cancel(tasks[1], "test");
    EXPECT_IS(turns(2), 0);
    drop_response(&held);
    rill_cancel(tasks[0], "test"); /* in the turn that has woken it */
    for (int i = 0; i < waiters; i++)
        EXPECT_IS(rill_await(tasks[i]), results[i]);
    EXPECT_IS(ask("GET", "/", NULL), 200); /* and the place is free again */
    EXPECT_IS(peer.most, 1);
    return 0;
}

static int ask_for(void *arg)
{
    return ask("GET", arg, NULL);
}

/* Each host has room, all of them together have not. */
static int total_limit_counts_the_connections_to_all_hosts(void *arg)
{
    static char urls[][20] = { "http://a.test/", "http://b.test/", "http://c.test/",
                               "http://d.test/" };
    OWNED_TASKS rill_task *tasks[waiters] = { NULL };
    static struct peer_answer slow[] = { { .octets = GOOD }, { .octets = NULL } };
    rill_http_session_opts opts = { .limit = 2, .limit_per_host = 2 };
    (void)arg;
    OWNED_SESSION;
    slow[0].delay = in_simulator() ? RILL_MS(100) : RILL_MS(1);
    EXPECT_IS(peer_start(&peer, NULL, slow), 0);
    rill_addr at = rill_server_address(peer.server);
    opts.address = &at;
    EXPECT_IS(rill_http_session_new(&opts, &session), 0);
    for (int i = 0; i < waiters; i++)
        tasks[i] = rill_create_task(RILL_CORO(ask_for, urls[i]));
    for (int i = 0; i < waiters; i++)
        EXPECT_IS(rill_await(tasks[i]), 200);
    EXPECT_IS(peer.most, 2);
    EXPECT_IS(peer.connections, 4);
    return 0;
}

/* Nobody listens at port 1, where the first wants to go: the place goes on to the next. */
static int failed_connection_hands_its_place_on(void *arg)
{
    static char urls[waiters][48];
    static const int results[waiters] = { -ECONNREFUSED, 200, -ECONNREFUSED, 200 };
    OWNED_TASKS rill_task *tasks[waiters] = { NULL };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, &(rill_http_session_opts){ .limit = 1 }), 0);
    for (int i = 0; i < waiters; i++) {
        snprintf(urls[i], sizeof *urls, "http://127.0.0.1:%u/", i % 2 == 0 ? 1 : peer.port);
        tasks[i] = rill_create_task(RILL_CORO(ask_for, urls[i]));
    }
    for (int i = 0; i < waiters; i++)
        EXPECT_IS(rill_await(tasks[i]), results[i]);
    EXPECT_IS(peer.connections, 1);
    return 0;
}

/* A server may say what it likes of its body's size: memory is taken as the octets come. */
static int size_that_is_only_said_takes_no_memory(void *arg)
{
    static const struct peer_answer answers[] = {
        { .octets = OK "Content-Length: 1000000000000000\r\n\r\nhi", .end = PEER_CLOSE },
        { .octets = NULL },
    };
    OWNED_RESPONSE rill_http_response *response = NULL;
    rill_span body;
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(rill_http_get(session, "/", NULL, &response), 0);
    EXPECT_IS(rill_http_read_all(response, SIZE_MAX, &body), -EPROTO);
    EXPECT(error_says("ended inside the body"));
    return 0;
}

/* --- Phases of time. --- */

/* Nobody answers at 192.0.2.1 in the simulator: the text says which bound it was that passed. */
static int each_bound_of_connecting_is_named(void *arg)
{
    static const struct {
        rill_http_request_opts opts;
        const char *text;
    } rows[] = {
        { { .sock_connect = RILL_MS(4) }, "(sock_connect)" },
        { { .connect = RILL_MS(4) }, "(connect)" },
        { { .total = RILL_MS(4) }, "(total)" },
        { { .sock_connect = RILL_MS(8), .connect = RILL_MS(4) }, "(connect)" },
        { { .sock_connect = RILL_MS(4), .connect = RILL_MS(8) }, "(sock_connect)" },
    };

    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EXPECT_IS(ask("GET", "http://192.0.2.1/", &rows[i].opts), -ETIME);
        EXPECT(error_says(rows[i].text));
        EXPECT(error_says("GET http://192.0.2.1/: no answer in time"));
    }
    return 0;
}

/* A head that comes octet by octet, each in time. */
static int drip(rill_stream *stream, void *arg)
{
    static const char head[] = GOOD;
    (void)arg;
    int r = 0;
    for (size_t i = 0; i + 1 < sizeof head && r >= 0; i++) {
        r = rill_sleep(RILL_MS(100));
        if (r == 0)
            r = rill_stream_write(stream, head + i, 1, NULL);
    }
    return r < 0 ? r : 0;
}

static int sock_read_counts_from_the_last_octets_of_the_head(void *arg)
{
    rill_http_request_opts opts = { .sock_read = RILL_MS(400) };
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(always_good, NULL), 0);
    EXPECT_IS(rill_start_server("127.0.0.1", 0, drip, NULL, NULL, &other.server), 0);
    rill_addr at = rill_server_address(other.server);
    opts.address = &at;
    EXPECT_IS(ask("GET", "/", &opts), 200);
    return 0;
}

/* --- Names. --- */

/* Every connection is a new one: what a name stands for is asked for as often as dns_ttl says. */
static int names_hold_as_long_as_dns_ttl_says(void *arg)
{
    static const rill_time spans[] = { 0, RILL_SEC(1), -1 };
    static const unsigned asked[] = { 1, 2,
                                      3 }; /* by three requests, of which one comes 2 s later */
    (void)arg;
    OWNED_SESSION;
    for (size_t i = 0; i < 3; i++) {
        OWNED_NAMES;
        char url[64];
        rill_http_session_opts opts = { .dns_ttl = spans[i], .keepalive = -1 };
        EXPECT_IS(begin(), 0);
        EXPECT_IS(begin_asking(always_good, &opts), 0);
        snprintf(url, sizeof url, "http://four.test:%u/", peer.port);
        EXPECT_IS(ask("GET", url, NULL), 200);
        unsigned once = names.asked;
        EXPECT_IS(ask("GET", url, NULL), 200);
        EXPECT_IS(rill_sleep(RILL_SEC(2)), 0);
        EXPECT_IS(ask("GET", url, NULL), 200);
        EXPECT_IS(names.asked, asked[i] * once);
        EXPECT_IS(peer.connections, 3);
        drop_session(NULL);
    }
    return 0;
}

/* --- Retries. --- */

/* The server ends a kept connection as the next request comes. */
static const struct peer_answer ends_at_reuse[] = {
    { .octets = GOOD, .once = 1 },
    { .request = "GET /", .octets = NULL, .end = PEER_CLOSE, .once = 1 },
    { .request = "POST /", .octets = NULL, .end = PEER_CLOSE, .once = 1 },
    { .octets = GOOD },
    { .octets = NULL },
};

static int session_without_retry_tells_of_a_connection_that_died(void *arg)
{
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(ends_at_reuse, &(rill_http_session_opts){ .retry = -1 }), 0);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(ask("GET", "/", NULL), -ECONNRESET);
    EXPECT_IS(ask("GET", "/", NULL), 200);
    EXPECT_IS(peer.requests, 3);
    return 0;
}

/* --- The application stops reading. --- */

/* A response that is dropped half read takes its connection with it, and its place is free at once. */
static int dropped_response_frees_its_place(void *arg)
{
    rill_http_response *response;
    char buf[2];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(open_and_good, &(rill_http_session_opts){ .limit = 1 }), 0);
    for (unsigned i = 1; i <= 3; i++) {
        EXPECT_IS(rill_http_get(session, "/open", NULL, &response), 0);
        int r = rill_http_read(response, buf, 1);
        rill_http_close(response);
        EXPECT_IS(r, 1);
        EXPECT_IS(peer.connections, i);
    }
    EXPECT_IS(ask("GET", "/", NULL), 200);
    return 0;
}

static int read_once(void *arg)
{
    char buf[8];
    return rill_http_read(arg, buf, sizeof buf);
}

/* A second reader is sent away, and does the first no harm. */
static int second_reader_of_a_response_leaves_the_first_alone(void *arg)
{
    static const struct peer_answer answers[] = {
        { .octets = OK "Content-Length: 4\r\n\r\nhi", .end = PEER_HOLD },
        { .octets = NULL },
    };
    OWNED_TASKS rill_task *tasks[waiters] = { NULL };
    OWNED_RESPONSE rill_http_response *response = NULL;
    char buf[8];
    (void)arg;
    OWNED_SESSION;
    EXPECT_IS(begin_asking(answers, NULL), 0);
    EXPECT_IS(rill_http_get(session, "/", NULL, &response), 0);
    EXPECT_IS(rill_http_read(response, buf, sizeof buf), 2);
    tasks[0] = rill_create_task(RILL_CORO(read_once, response));
    int r = turns(2);
    if (r == 0)
        r = rill_http_read(response, buf, sizeof buf);
    bool waits = !rill_done(tasks[0]);
    rill_cancel(tasks[0], "test");
    int first = rill_await(tasks[0]);
    EXPECT_IS(r, -EBUSY);
    EXPECT(waits);
    EXPECT_IS(first, -ECANCELED);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(cancelled_waiters_lose_no_place),
    SCENARIO(total_limit_counts_the_connections_to_all_hosts),
    SCENARIO(failed_connection_hands_its_place_on),
    SCENARIO(size_that_is_only_said_takes_no_memory),
    SIMULATED(each_bound_of_connecting_is_named),
    SIMULATED(sock_read_counts_from_the_last_octets_of_the_head),
    SIMULATED_ONCE(names_hold_as_long_as_dns_ttl_says),
    SCENARIO(session_without_retry_tells_of_a_connection_that_died),
    SCENARIO(dropped_response_frees_its_place),
    SCENARIO_ONCE(second_reader_of_a_response_leaves_the_first_alone),
};

int main(void)
{
    return RUN_SCENARIOS("client_limits", scenarios);
}
