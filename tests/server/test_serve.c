/* test_serve.c - the serving half of a worker: limits on connections, new tables, draining.
 *
 * Server and clients are tasks of one loop. A drain is for good, so each drain has a process of its
 * own. After each run all memory and all descriptors must have been given back. */
#include "server/serve.h"

#include "server/conn/crowd.h"
#include "tests/support/site.h"
#include "tests/support/story.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n"

enum { connections = 16 }; /* the least that limits.connections takes */

static char conf[1024], other_conf[1024];
static struct answer answer;

/* --- Surroundings --- */

static void make_conf(void)
{
    site_make();
    snprintf(conf, sizeof conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "limits: {connections: %d}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /files/: {files: {root: %s}}\n"
             "  /json: {gather: {parts: {p: {file: %s/one.json}}}}\n"
             "  /slow: {deadline: 20s, gather: {deadline: 20s, parts: {p: {url: "
             "\"http://127.0.0.1:%u/\"}}}}\n",
             connections, site.folder, site.folder, site.port);
    site_put("small", "0123456789", 0);
    site_put("large", "", 200 << 10);
    site_put("one.json", "7", 0);
    snprintf(other_conf, sizeof other_conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"other\\n\"}}\n");
}

static int answer_upstream(int fd)
{
    static const char text[] = JSON "7";
    return send(fd, text, sizeof text - 1, MSG_NOSIGNAL) == (ssize_t)sizeof text - 1 ? 0 : -EIO;
}

static int run(rill_fn *body)
{
    return story_run(&(struct story){ .body = body, .conf = conf });
}

/* Ask on an open connection.   Returns: the status; -errno. */
static int ask(rill_stream *stream, const char *request)
{
    return client_ask(stream, request, &answer);
}

/* --- Limits on connections --- */

struct crowd {
    rill_stream *streams[connections];
};

static void drop_crowd(struct crowd *crowd)
{
    for (int i = 0; i < connections; i++)
        expect_drop_stream(&crowd->streams[i]);
}

/* As many connections as there may be, each of which has said `text`. */
static int gather_crowd(struct crowd *crowd, const char *text)
{
    for (int i = 0; i < connections; i++) {
        EXPECT_IS(client_open(&crowd->streams[i]), 0);
        EXPECT_IS(client_say(crowd->streams[i], text), 0);
    }
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), connections);
    return 0;
}

static int come_when_all_idle(void *arg)
{
    __attribute__((cleanup(drop_crowd))) struct crowd crowd = { { NULL } };
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(gather_crowd(&crowd, ASK("/hello")), 0);
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(ask(stream, ASK("/hello")), 200);
    EXPECT_IS(client_answer(crowd.streams[0], false, &answer), 0);
    EXPECT_IS(client_ended(crowd.streams[0]), 0); /* the oldest, in order */
    for (int i = 1; i < connections; i++) {
        EXPECT_IS(client_answer(crowd.streams[i], false, &answer), 0);
        EXPECT_IS(ask(crowd.streams[i], ASK("/hello")), 200);
    }
    EXPECT_IS(crowd_count(), connections);
    return 0;
}

static void oldest_idle_connection_goes_for_a_new_one(void **state)
{
    (void)state;
    assert_int_equal(run(come_when_all_idle), 0);
}

static int come_when_none_idles(void *arg)
{
    __attribute__((cleanup(drop_crowd))) struct crowd crowd = { { NULL } };
    OWNED_STREAM rill_stream *stream = NULL, *next = NULL;
    (void)arg;
    EXPECT_IS(gather_crowd(&crowd, "GET /hello HTTP/1.1\r\n"), 0);
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_ended(stream), 0);
    EXPECT(strstr(serving_error_log(), "limits.connections is reached and none is idle") != NULL);
    EXPECT_IS(ask(crowd.streams[3], "Host: a\r\n\r\n"), 200); /* a request that began is not shed */
    EXPECT_IS(client_open(&next), 0);
    EXPECT_IS(ask(next, ASK("/hello")), 200);
    return 0;
}

static void connection_beyond_the_limit_is_closed_with_a_warning(void **state)
{
    (void)state;
    assert_int_equal(run(come_when_none_idles), 0);
}

/* The kernel looks at the limit of descriptors when accepting is armed: a second listening socket is
 * served under a limit that leaves none. Who waits in its queue is served later. */
static int run_out_of_descriptors(void *arg)
{
    struct rlimit before, tight;
    unsigned port;
    char octet;
    OWNED_STREAM rill_stream *first = NULL;
    (void)arg;
    EXPECT_IS(client_open(&first), 0);
    EXPECT_IS(ask(first, ASK("/hello")), 200);
    int listening = site_listen(&port), own = serving.fd;
    serving.port = port;
    OWNED_FD int second = client_open_plain(0);
    EXPECT(second >= 0);
    int next = dup(second); /* the lowest free one */
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = (struct rlimit){ (rlim_t)next, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
    int r = serve_listen(listening, serving.conf->listen);
    if (r == 0)
        r = rill_sleep(RILL_MS(20));
    const char *log = serving_error_log();
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_IS(r, 0);
    EXPECT(strstr(log, "cannot accept: ") != NULL && strstr(log, "accepting pauses") != NULL);
    EXPECT_IS(client_ended(first), 0); /* it was idle: its descriptor is wanted */
    EXPECT(send(second, LAST("/hello"), sizeof LAST("/hello") - 1, 0) > 0);
    for (int i = 0; i < 400 && recv(second, &octet, 1, MSG_DONTWAIT | MSG_PEEK) != 1; i++)
        EXPECT_IS(rill_sleep(RILL_MS(5)), 0);
    EXPECT_IS(recv(second, &octet, 1, MSG_DONTWAIT), 1);
    serve_unlisten(listening, false);
    serving.fd = own;
    return 0;
}

static void lack_of_descriptors_sheds_idle_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(run(run_out_of_descriptors), 0);
}

/* --- New tables --- */

static int change_under_a_request(void *arg)
{
    OWNED_STREAM rill_stream *waiting = NULL, *open = NULL;
    (void)arg;
    EXPECT_IS(client_open(&waiting), 0);
    EXPECT_IS(client_open(&open), 0);
    EXPECT_IS(ask(open, ASK("/hello")), 200);
    EXPECT_IS(client_say(waiting, ASK("/slow")), 0);
    OWNED_FD int fd = site_accept();
    EXPECT(fd >= 0);
    EXPECT_IS(serving_change(other_conf, NULL), 0);
    EXPECT_IS(ask(open, ASK("/hello")), 200); /* on a connection from before */
    EXPECT(strcmp(answer.body, "other\n") == 0);
    EXPECT_IS(ask(open, ASK("/slow")), 404);
    EXPECT_IS(serving.freed, 0); /* the waiting request is pinned to the former tables */
    EXPECT_IS(answer_upstream(fd), 0);
    EXPECT_IS(client_answer(waiting, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(serving.freed, 1);
    EXPECT_IS(ask(waiting, ASK("/hello")), 200);
    EXPECT(strcmp(answer.body, "other\n") == 0);
    return 0;
}

static void request_under_way_keeps_its_tables(void **state)
{
    (void)state;
    assert_int_equal(run(change_under_a_request), 0);
}

static int change_often(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    for (unsigned i = 0; i < 40; i++) {
        EXPECT_IS(ask(stream, ASK("/hello")), 200);
        EXPECT(strcmp(answer.body, i % 2 == 0 ? "hello\n" : "other\n") == 0);
        EXPECT_IS(serving_change(i % 2 == 0 ? other_conf : conf, NULL), 0);
        EXPECT_IS(serving.freed, i + 1);
    }
    return 0;
}

static void tables_that_nobody_uses_go_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(change_often), 0);
}

/* Part of a head comes before the change: the request counts from its last octet. */
static int change_within_a_head(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\n"), 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(serving_change(other_conf, NULL), 0);
    EXPECT_IS(serving.freed, 1);
    EXPECT_IS(ask(stream, "\r\n"), 200);
    EXPECT(strcmp(answer.body, "other\n") == 0);
    return 0;
}

static void request_takes_the_tables_of_when_its_head_is_complete(void **state)
{
    (void)state;
    assert_int_equal(run(change_within_a_head), 0);
}

static int stop_listening(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    OWNED_FD int queued = client_open_plain(0);
    EXPECT(queued >= 0);
    serve_unlisten(serving.fd, true);
    serving.fd = -1;
    EXPECT_IS(ask(stream, ASK("/hello")), 200);
    EXPECT(send(queued, LAST("/hello"), sizeof LAST("/hello") - 1, 0) > 0);
    EXPECT_IS(settle(), 0);
    char octet;
    EXPECT_IS(recv(queued, &octet, 1, MSG_DONTWAIT), 1);
    OWNED_FD int late = client_open_plain(0);
    EXPECT(late < 0);
    return 0;
}

static void socket_that_goes_leaves_its_connections(void **state)
{
    (void)state;
    assert_int_equal(run(stop_listening), 0);
}

/* --- Draining --- */

static int run_apart(rill_fn *body)
{
    return story_run_apart(&(struct story){ .body = body, .conf = conf });
}

static int drain_idle(void *arg)
{
    OWNED_STREAM rill_stream *asks = NULL, *silent = NULL, *fresh = NULL;
    unsigned cut = 7;
    (void)arg;
    EXPECT_IS(client_open(&asks), 0);
    EXPECT_IS(client_open(&silent), 0);
    EXPECT_IS(client_open(&fresh), 0);
    EXPECT_IS(ask(asks, ASK("/hello")), 200);
    EXPECT_IS(ask(silent, ASK("/hello")), 200);
    EXPECT(answer_field(&answer, "Connection").at == NULL);
    rill_time begun = rill_now();
    serve_drain(RILL_MS(150));
    serving.fd = -1;
    EXPECT_IS(settle(), 0);
    OWNED_FD int late = client_open_plain(0);
    EXPECT(late < 0);
    EXPECT_IS(ask(asks, ASK("/hello")), 200); /* within the grace */
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(asks), 0);
    EXPECT_IS(ask(fresh, ASK("/hello")), 200);
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(silent), 0);
    rill_time took = rill_now() - begun;
    EXPECT(took > RILL_MS(130) && took < RILL_SEC(5));
    EXPECT_IS(end_stream(&asks), 0);
    EXPECT_IS(end_stream(&fresh), 0);
    EXPECT_IS(serve_drained(RILL_SEC(5), &cut), 0);
    EXPECT_IS(cut, 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void drain_answers_idle_connections_once_more(void **state)
{
    (void)state;
    assert_int_equal(run_apart(drain_idle), 0);
}

static int drain_while_a_request_runs(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    unsigned cut = 7;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, ASK("/slow") ASK("/hello")), 0);
    OWNED_FD int fd = site_accept();
    EXPECT(fd >= 0);
    serve_drain(RILL_MS(20));
    serving.fd = -1;
    EXPECT_IS(rill_sleep(RILL_MS(60)), 0); /* the grace is for idle ones */
    EXPECT_IS(answer_upstream(fd), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(stream), 0); /* the request behind it was not begun */
    EXPECT_IS(end_stream(&stream), 0);
    EXPECT_IS(serve_drained(RILL_SEC(5), &cut), 0);
    EXPECT_IS(cut, 0);
    EXPECT(strstr(serving_access_log(), "\"end\":\"done\"") != NULL);
    return 0;
}

static void drain_lets_requests_finish(void **state)
{
    (void)state;
    assert_int_equal(run_apart(drain_while_a_request_runs), 0);
}

static int drain_past_its_limit(void *arg)
{
    OWNED_STREAM rill_stream *one = NULL, *two = NULL, *half = NULL;
    unsigned cut = 7;
    (void)arg;
    EXPECT_IS(client_open(&one), 0);
    EXPECT_IS(client_open(&two), 0);
    EXPECT_IS(client_open(&half), 0);
    EXPECT_IS(client_say(one, ASK("/slow")), 0);
    EXPECT_IS(client_say(two, ASK("/slow")), 0);
    EXPECT_IS(client_say(half, "GET /hel"), 0); /* no request yet: it is not counted */
    OWNED_FD int first = site_accept();
    OWNED_FD int second = site_accept();
    EXPECT(first >= 0 && second >= 0);
    rill_time begun = rill_now();
    serve_drain(RILL_MS(20));
    serving.fd = -1;
    EXPECT_IS(serve_drained(RILL_MS(100), &cut), 0);
    EXPECT(rill_now() - begun < RILL_MS(900));
    EXPECT_IS(cut, 2);
    EXPECT_IS(crowd_count(), 0);
    EXPECT_IS(client_ended(one), -ECONNRESET); /* no clean end behind no answer */
    EXPECT_IS(client_ended(two), -ECONNRESET);
    EXPECT(strstr(serving_access_log(), "\"end\":\"drain\"") != NULL);
    return 0;
}

static void drain_past_its_limit_cuts_and_counts(void **state)
{
    (void)state;
    assert_int_equal(run_apart(drain_past_its_limit), 0);
}

/* Whoever waits in the socket's queue when the drain begins is served. */
static int drain_the_queue(void *arg)
{
    enum { clients = 8 };

    int fds[clients];
    unsigned cut = 7, answered = 0;
    (void)arg;
    for (int i = 0; i < clients; i++) {
        fds[i] = client_open_plain(0);
        EXPECT(fds[i] >= 0);
        EXPECT(send(fds[i], ASK("/hello"), sizeof ASK("/hello") - 1, 0) > 0);
    }
    serve_drain(RILL_MS(50)); /* not one turn was given to accept them */
    serving.fd = -1;
    EXPECT_IS(settle(), 0);
    for (int i = 0; i < clients; i++) {
        char text[512];
        ssize_t got = recv(fds[i], text, sizeof text - 1, MSG_DONTWAIT);
        text[got > 0 ? got : 0] = 0;
        answered += strstr(text, " 200 ") != NULL && strstr(text, "Connection: close") != NULL;
        close(fds[i]);
    }
    EXPECT_IS(answered, clients);
    EXPECT_IS(serve_drained(RILL_SEC(5), &cut), 0);
    EXPECT_IS(cut, 0);
    return 0;
}

static void drain_serves_who_waits_in_the_queue(void **state)
{
    (void)state;
    assert_int_equal(run_apart(drain_the_queue), 0);
}

/* --- Under failures --- */

/* A server from its start to its stop, with a request of each kind: run again with each allocation
 * failing and with a cancel at each await of every task. */
static int one_of_each(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(ask(stream, ASK("/hello")), 200);
    EXPECT_IS(ask(stream, ASK("/files/small")), 200);
    EXPECT_IS(ask(stream, ASK("/files/none")), 404);
    EXPECT_IS(ask(stream, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 405);
    EXPECT_IS(ask(stream, ASK("/files/large")), 200);
    EXPECT_IS(ask(stream, ASK("/json")), 200);
    EXPECT_IS(ask(stream, ASK(":")), 400);
    EXPECT_IS(client_ended(stream), 0);
    return 0;
}

static int serve_one_of_each(void *arg)
{
    struct story story = { .body = one_of_each, .conf = conf };
    (void)arg;
    return story_tell(&story);
}

/* --- The group --- */

static int setup(void **state)
{
    (void)state;
    make_conf();
    return story_prepare(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_idle_connection_goes_for_a_new_one),
        cmocka_unit_test(connection_beyond_the_limit_is_closed_with_a_warning),
        cmocka_unit_test(lack_of_descriptors_sheds_idle_and_goes_on),
        cmocka_unit_test(request_under_way_keeps_its_tables),
        cmocka_unit_test(tables_that_nobody_uses_go_at_once),
        cmocka_unit_test(request_takes_the_tables_of_when_its_head_is_complete),
        cmocka_unit_test(socket_that_goes_leaves_its_connections),
        cmocka_unit_test(drain_answers_idle_connections_once_more),
        cmocka_unit_test(drain_lets_requests_finish),
        cmocka_unit_test(drain_past_its_limit_cuts_and_counts),
        cmocka_unit_test(drain_serves_who_waits_in_the_queue),
    };
    const struct scenario scenarios[] = { SCENARIO(serve_one_of_each) };
    int r = cmocka_run_group_tests_name("serve", tests, setup, NULL);
    r |= RUN_SCENARIOS("serve under failures", scenarios);
    r |= site_remove();
    return r;
}
