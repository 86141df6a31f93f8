/* test_h1.c - the HTTP/1.1 pump on real connections: order, bounds, octets over a wait, handlers that wait.
 *
 * Server and clients are tasks of one loop. What each message must be answered with is shown by
 * tests/wire, and who is too slow by test_h1_slow.c; here it is how a connection lives. After each
 * run all memory and all descriptors must have been given back. */
#include "core/base/mem.h"
#include "server/conn/crowd.h"
#include "server/conn/tables.h"
#include "server/http/date.h"
#include "server/reply.h"
#include "server/route.h"
#include "server/serve.h"
#include "tests/support/site.h"
#include "tests/support/story.h"

#include <rill/sim.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { files_count = 16, large_size = 8 << 20 };

static char conf[4096];
static struct answer answer;

/* --- Surroundings --- */

static int make_surroundings(void **state)
{
    (void)state;
    site_make();
    site_put("ten", "0123456789", 0);
    site_put("large", "", large_size);
    for (int i = 0; i < files_count; i++) {
        char name[16], content[32];
        snprintf(name, sizeof name, "f %d", i);
        snprintf(content, sizeof content, "file %d\n", i);
        site_put(name, content, 0);
    }
    snprintf(conf, sizeof conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /: {files: {root: %s}}\n"
             "  /slow: {deadline: 20s, gather: {deadline: 20s, parts: {p: {url: "
             "\"http://127.0.0.1:%u/\"}}}}\n"
             "  /late: {deadline: 60ms, gather: {deadline: 20s, parts: {p: {url: "
             "\"http://127.0.0.1:%u/\"}}}}\n",
             site.folder, site.port, site.port);
    return 0;
}

static int remove_surroundings(void **state)
{
    (void)state;
    return site_remove();
}

static int run(rill_fn *body, void (*tune)(struct conf *conf))
{
    return story_run(&(struct story){ .body = body, .conf = conf, .tune = tune });
}

/* --- Order and bounds --- */

/* A hundred requests in one write: answers in order, none missing. Ranges of a file tell them apart. */
static int ask_a_hundred(void *arg)
{
    static char text[100 * 80];
    rill_text requests = { text, sizeof text, 0, false };
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    for (int i = 0; i < 100; i++)
        rill_text_fmt(&requests, "GET /ten HTTP/1.1\r\nHost: a\r\nRange: bytes=%d-%d\r\n\r\n",
                      i % 10, i % 10);
    EXPECT(!requests.full);
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_send(stream, (rill_span){ text, requests.used }), 0);
    for (int i = 0; i < 100; i++) {
        EXPECT_IS(client_answer(stream, false, &answer), 0);
        EXPECT_IS(answer.status, 206);
        EXPECT_IS(answer.body[0], '0' + i % 10);
    }
    return 0;
}

static void hundred_requests_in_one_write_are_answered_in_order(void **state)
{
    (void)state;
    assert_int_equal(run(ask_a_hundred, NULL), 0);
}

/* More requests than one turn allows: the pump gives up its turn with requests before it. */
static int ask_many_small(void *arg)
{
    static char text[1900]; /* they all lie in one receive buffer */
    rill_text requests = { text, sizeof text, 0, false };
    OWNED_STREAM rill_stream *stream = NULL;
    int count = 0;
    (void)arg;
    for (; !requests.full; count++)
        rill_text_add(&requests, RILL_SPAN("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_send(stream, (rill_span){ text, requests.used }), 0);
    for (int i = 1; i < count; i++) {
        EXPECT_IS(client_answer(stream, false, &answer), 0);
        EXPECT_IS(answer.status, 200);
    }
    EXPECT_IS(rill_stream_buffered(stream), 0);
    return 0;
}

static void more_requests_than_a_turn_allows_are_all_answered(void **state)
{
    const rill_loop_opts opts = { .budget = 8 };
    (void)state;
    struct story story = { .body = ask_many_small, .conf = conf, .opts = &opts };
    assert_int_equal(story_run(&story), 0);
}

/* --- Octets of a request over a suspension --- */

struct fetch {
    int number;
    bool body;
};

/* A file whose name has to be decoded, with a body that comes later: the path must not be lost. */
static int fetch_file(void *arg)
{
    const struct fetch *fetch = arg;
    static struct answer answers[files_count];
    struct answer *own = &answers[fetch->number];
    char text[160], wanted[16];
    OWNED_STREAM rill_stream *stream = NULL;
    EXPECT_IS(client_open(&stream), 0);
    snprintf(text, sizeof text, "GET /f%%20%d HTTP/1.1\r\nHost: a\r\n%s\r\n", fetch->number,
             fetch->body ? "Content-Length: 3\r\n" : "");
    EXPECT_IS(client_say(stream, text), 0);
    if (fetch->body) {
        EXPECT_IS(settle(), 0);
        EXPECT_IS(client_say(stream, "abc"), 0);
    }
    EXPECT_IS(client_answer(stream, false, own), 0);
    snprintf(wanted, sizeof wanted, "file %d\n", fetch->number);
    EXPECT_IS(own->status, 200);
    EXPECT(strcmp(own->body, wanted) == 0);
    return 0;
}

static int fetch_all_at_once(void *arg)
{
    struct fetch fetches[files_count];
    rill_future *all[files_count];
    (void)arg;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < files_count; i++) {
            fetches[i] = (struct fetch){ i, round % 2 == 0 };
            all[i] = rill_create_task(RILL_CORO(fetch_file, &fetches[i]));
        }
        int r = rill_join(rill_gather(files_count, all, 0));
        for (int i = 0; i < files_count; i++)
            rill_unref(all[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static void requests_that_wait_at_once_keep_their_own_path(void **state)
{
    (void)state;
    assert_int_equal(run(fetch_all_at_once, NULL), 0);
}

/* --- The end of a connection --- */

/* The refusal comes first, the client has 200 KiB more on its way: no reset may overtake the answer. */
static int send_on_after_a_refusal(void *arg)
{
    static char block[50 << 10];
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET / HTTP/1.1\r\nHost : a\r\n"), 0);
    for (int i = 0; i < 4; i++) {
        EXPECT_IS(client_send(stream, (rill_span){ block, sizeof block }), 0);
        EXPECT_IS(settle(), 0);
    }
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 400);
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(stream), 0);
    return 0;
}

static void refusal_is_readable_by_a_client_that_still_sends(void **state)
{
    (void)state;
    assert_int_equal(run(send_on_after_a_refusal, NULL), 0);
}

/* The client neither reads nor closes: after a second of silence the server does. */
static int stay_after_a_refusal(void *arg)
{
    (void)arg;
    OWNED_FD int fd = client_open_plain(0);
    EXPECT(fd >= 0);
    EXPECT_IS(send(fd, "\r\n\r\n\r\n", 6, 0), 6);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 1);
    rill_time begun = rill_now();
    while (crowd_count() > 0 && rill_now() - begun < RILL_SEC(4))
        EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    EXPECT_IS(crowd_count(), 0);
    EXPECT(rill_now() - begun > RILL_MS(900));
    return 0;
}

static void client_that_stays_after_the_answer_is_left(void **state)
{
    (void)state;
    assert_int_equal(run(stay_after_a_refusal, NULL), 0);
}

/* --- Heads of all sizes --- */

static void large_heads(struct conf *to)
{
    to->limits.head_size = 200 << 10;
    to->limits.head_line = 60 << 10;
}

static int send_a_large_head(void *arg)
{
    static char value[50 << 10];
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    memset(value, 'v', sizeof value);
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\n"), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_IS(client_say(stream, "X: "), 0);
        EXPECT_IS(client_send(stream, (rill_span){ value, sizeof value }), 0);
        EXPECT_IS(client_say(stream, "\r\n"), 0);
    }
    EXPECT_IS(client_say(stream, "\r\n"), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    return 0;
}

static void head_above_64_kib_is_taken_if_the_limits_allow(void **state)
{
    (void)state;
    assert_int_equal(run(send_a_large_head, large_heads), 0);
}

/* The connection was made under smaller limits: what it can hold counts. */
static int outgrow_the_connection(void *arg)
{
    static char value[50 << 10];
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    memset(value, 'v', sizeof value);
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, ASK("/hello")), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(serving_change(conf, large_heads), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\n"), 0);
    for (int i = 0; i < 2; i++) {
        EXPECT_IS(client_say(stream, "X: "), 0);
        EXPECT_IS(client_send(stream, (rill_span){ value, sizeof value }), 0);
        EXPECT_IS(client_say(stream, "\r\n"), 0);
    }
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 431);
    return 0;
}

static void head_larger_than_its_connection_holds_is_431(void **state)
{
    (void)state;
    assert_int_equal(run(outgrow_the_connection, NULL), 0);
}

/* --- Handlers that wait --- */

static int miss_the_deadline(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, ASK("/late")), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 504); /* the handler's own answer, or the pump's */
    EXPECT_IS(serving_await_log("\"status\":504,\"end\":\"deadline\""), 0);
    EXPECT_IS(client_say(stream, LAST("/hello")), 0); /* the connection lives on */
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    OWNED_FD int fd = site_accept();
    EXPECT(fd >= 0);
    return 0;
}

static void handler_that_misses_its_deadline_is_504(void **state)
{
    (void)state;
    assert_int_equal(run(miss_the_deadline, NULL), 0);
}

static int leave_while_the_handler_waits(void *arg)
{
    char octet[256];
    (void)arg;
    int client = client_open_plain(0);
    EXPECT(client >= 0);
    EXPECT(send(client, ASK("/slow"), sizeof ASK("/slow") - 1, 0) > 0);
    OWNED_FD int fd = site_accept();
    EXPECT(fd >= 0);
    EXPECT_IS(settle(), 0);
    EXPECT(recv(fd, octet, sizeof octet, 0) > 0); /* the request has come */
    EXPECT_IS(crowd_count(), 1);
    close(client);
    EXPECT_IS(settle(), 0); /* turns, but no time */
    EXPECT_IS(crowd_count(), 0);
    EXPECT(recv(fd, octet, sizeof octet, 0) <= 0 && errno != EAGAIN);
    EXPECT_IS(serving_await_log("\"status\":499,\"end\":\"client-gone\""), 0);
    return 0;
}

static void client_that_leaves_ends_the_handler_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(leave_while_the_handler_waits, NULL), 0);
}

/* Requests behind a waiting one are neither lost nor answered before it. */
static int ask_behind_a_waiting_one(void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                "Content-Length: 1\r\n\r\n7";
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, ASK("/slow") ASK("/ten") ASK("/hello")), 0);
    OWNED_FD int fd = site_accept();
    EXPECT(fd >= 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(rill_stream_buffered(stream), 0);
    EXPECT_IS(send(fd, reply, sizeof reply - 1, 0), (int)sizeof reply - 1);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT(strcmp(answer.body, "{\"p\":7}") == 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT(strcmp(answer.body, "0123456789") == 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT(strcmp(answer.body, "hello\n") == 0);
    return 0;
}

static void requests_behind_a_waiting_one_wait_for_it(void **state)
{
    (void)state;
    assert_int_equal(run(ask_behind_a_waiting_one, NULL), 0);
}

/* --- Handlers that fail --- */

static int fail_with_an_answer(void *state, struct request *request, struct reply *ret_reply)
{
    (void)state;
    request->failure = -EIO;
    reply_error(500, ret_reply);
    return 0;
}

static int fail_without_an_answer(void *state, struct request *request, struct reply *ret_reply)
{
    (void)state;
    (void)request;
    (void)ret_reply;
    return -ESTALE;
}

/* Put `serve` in the place of the handler of /hello. */
static void replace_handler(struct handler *handler,
                            int (*serve)(void *state, struct request *request,
                                         struct reply *ret_reply))
{
    rill_span tail;
    const struct route *route = route_find(tables_current->routes, RILL_SPAN("/hello"), &tail);
    *handler = *route->handler;
    handler->serve = serve;
    ((struct route *)(uintptr_t)route)->handler = handler;
}

static int ask_a_broken_handler(void *arg)
{
    static struct handler handler;
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    replace_handler(&handler, fail_with_an_answer);
    EXPECT_IS(client_ask(stream, ASK("/hello?secret"), &answer), 500);
    EXPECT(strstr(answer.body, "Input") == NULL);
    const char *log = serving_error_log();
    EXPECT(strstr(log, "/hello was answered with 500 by route /hello: Input/output error") != NULL);
    EXPECT(strstr(log, "secret") == NULL);
    replace_handler(&handler, fail_without_an_answer);
    EXPECT_IS(client_ask(stream, ASK("/hello"), &answer), 500);
    EXPECT(strstr(serving_error_log(), rill_strerror(-ESTALE)) != NULL);
    return 0;
}

static void handler_that_fails_is_500_and_the_log_says_why(void **state)
{
    (void)state;
    assert_int_equal(run(ask_a_broken_handler, NULL), 0);
}

/* --- The date --- */

static int serve_after_a_while(void *state, struct request *request, struct reply *ret_reply)
{
    int r = rill_sleep(RILL_SEC(3));
    (void)state;
    (void)request;
    reply_error(404, ret_reply);
    return r;
}

/* Whether the answer is dated not before `second`. */
static bool is_dated_since(int64_t second)
{
    int64_t date;
    return date_parse(answer_field(&answer, "Date"), second, &date) == 0 && date >= second;
}

static int ask_for_late_answers(void *arg)
{
    static struct handler handler;
    OWNED_STREAM rill_stream *stream = NULL;
    int64_t begun = rill_wall_clock() / RILL_SEC(1);
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"), 0);
    EXPECT_IS(rill_sleep(RILL_SEC(3)), 0);
    EXPECT_IS(client_ask(stream, "abc", &answer), 200);
    EXPECT(is_dated_since(begun + 3));
    replace_handler(&handler, serve_after_a_while);
    handler.suspends = true;
    handler.instant = false;
    EXPECT_IS(client_ask(stream, ASK("/hello"), &answer), 404);
    EXPECT(is_dated_since(begun + 6));
    return 0;
}

/* Time is the simulator's. A body comes 3 s after its head, a handler takes 3 s. */
static void date_is_that_of_the_answer_and_not_of_the_request(void **state)
{
    static const rill_sim_opts world = { .seed = 1 };
    const rill_loop_opts opts = { .sim = &world };
    (void)state;
    struct story story = { .body = ask_for_late_answers, .conf = conf, .opts = &opts };
    assert_int_equal(story_run(&story), 0);
}

/* --- The record --- */

/* Bodies that were copied, sent from where they lie and sent by the kernel, and answers without one. */
static int ask_for_bodies(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_ask(stream, ASK("/hello"), &answer), 200);
    EXPECT_IS(serving_await_log("\"GET /hello HTTP/1.1\" 200 6 "), 0);
    EXPECT_IS(client_ask(stream, ASK("/ten"), &answer), 200);
    EXPECT_IS(serving_await_log("\"GET /ten HTTP/1.1\" 200 10 "), 0);
    EXPECT_IS(client_ask(stream, ASK("/long"), &answer), 200);
    EXPECT_IS(serving_await_log("\"GET /long HTTP/1.1\" 200 5000 "), 0);
    EXPECT_IS(client_say(stream, "HEAD /long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 0);
    EXPECT_IS(client_answer(stream, true, &answer), 0);
    EXPECT_IS(serving_await_log("\"HEAD /long HTTP/1.0\" 200 0 "), 0);
    EXPECT_IS(client_say(stream, "GET /long HTTP/1.0\r\n\r\n"), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(serving_await_log("\"GET /long HTTP/1.0\" 200 5000 "), 0);
    return 0;
}

static void combined_record_has_the_octets_of_the_body(void **state)
{
    static char combined[8192], text[5001];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    snprintf(combined, sizeof combined,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout, format: combined}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /long: {respond: {body: %s}}\n"
             "  /: {files: {root: %s}}\n",
             text, site.folder);
    assert_int_equal(story_run(&(struct story){ .body = ask_for_bodies, .conf = combined }), 0);
}

/* Programs that read logs know an IPv6 address without brackets. */
static int ask_over_ipv6(void *arg)
{
    rill_addr address;
    OWNED_STREAM rill_stream *stream = NULL;
    int listener;
    (void)arg;
    EXPECT_IS(rill_addr_parse(RILL_SPAN("[::1]:0"), &address), 0);
    if (rill_listen(&address, NULL, &listener) < 0)
        return 0; /* there is none here */
    EXPECT_IS(rill_socket_name(listener, &address), 0);
    EXPECT_IS(serve_listen(listener, serving.conf->listen), 0);
    EXPECT_IS(rill_stream_connect(&address, NULL, &stream), 0);
    EXPECT_IS(client_ask(stream, ASK("/hello"), &answer), 200);
    EXPECT_IS(serving_await_log("\"client\":\"::1\","), 0);
    serve_unlisten(listener, false);
    return settle();
}

static void record_has_the_address_of_the_client_alone(void **state)
{
    (void)state;
    assert_int_equal(run(ask_over_ipv6, NULL), 0);
}

/* --- Without memory --- */

/* An exchange on a plain socket: nothing of the client allocates. The answer ends with the connection.
 * Returns: the status; 0 (the connection ended before an answer); -EPROTO; -ETIME. */
static int ask_plainly(const char *request)
{
    static char text[64 << 10];
    size_t got = 0;
    OWNED_FD int fd = client_open_plain(0);
    if (fd < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        return -EIO;
    rill_time begun = rill_now();
    while (rill_now() - begun < RILL_SEC(5)) {
        ssize_t r = recv(fd, text + got, sizeof text - 1 - got, MSG_DONTWAIT);
        if (r == 0 || (r < 0 && errno == ECONNRESET))
            break;
        got += r > 0 ? (size_t)r : 0;
        if (rill_sleep(0) < 0)
            return -EINTR;
    }
    text[got] = 0;
    if (got == 0)
        return 0;
    const char *length = strstr(text, "Content-Length: "), *body = strstr(text, "\r\n\r\n");
    uint64_t size;
    if (length == NULL || body == NULL ||
        rill_parse_u64((rill_span){ length + 16, strcspn(length + 16, "\r") }, 1 << 20, &size) <
            0 ||
        got != (size_t)(body + 4 - text) + size)
        return -EPROTO;
    return (text[9] - '0') * 100 + (text[10] - '0') * 10 + text[11] - '0';
}

static const char *asked; /* what is asked without memory */
static bool forever;

static int ask_without_memory(void *arg)
{
    uint64_t used = 1;
    (void)arg;
    EXPECT_IS(ask_plainly(LAST("/hello")), 200);
    for (uint64_t nth = 1; nth <= used; nth++) {
        rill__mem_fail_nth(nth, forever);
        int status = ask_plainly(asked);
        used = rill__mem_count();
        rill__mem_fail_nth(0, false);
        EXPECT(status == 200 || status == 0 || status == 502 || status == 503);
        EXPECT_IS(ask_plainly(LAST("/hello")), 200);
        EXPECT(used < 500);
    }
    EXPECT_IS(ask_plainly(asked), 200);
    return 0;
}

static void run_without_memory(const char *request)
{
    asked = request;
    for (int i = 0; i < 2; i++) {
        forever = i == 1;
        assert_int_equal(run(ask_without_memory, NULL), 0);
    }
}

static void respond_without_memory_answers_or_closes(void **state)
{
    (void)state;
    run_without_memory(LAST("/hello"));
}

static void file_without_memory_answers_or_closes(void **state)
{
    (void)state;
    run_without_memory(LAST("/ten"));
}

static void body_without_memory_answers_or_closes(void **state)
{
    (void)state;
    run_without_memory("GET /f%203 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                       "Content-Length: 3\r\n\r\nabc");
}

static void gather_without_memory_answers_or_closes(void **state)
{
    (void)state;
    static char small[4096];
    char whole[4096];
    memcpy(whole, conf, sizeof whole);
    site_put("one.json", "1", 0);
    snprintf(small, sizeof small,
             "listen: [\"127.0.0.1:1\"]\nlog: {access: stdout}\nroutes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /g: {gather: {parts: {a: {file: %s/one.json}, b: {file: %s/one.json}}}}\n",
             site.folder, site.folder);
    memcpy(conf, small, sizeof small);
    run_without_memory(LAST("/g"));
    memcpy(conf, whole, sizeof whole);
    site_drop("one.json");
}

static int setup(void **state)
{
    make_surroundings(state);
    return story_prepare(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hundred_requests_in_one_write_are_answered_in_order),
        cmocka_unit_test(more_requests_than_a_turn_allows_are_all_answered),
        cmocka_unit_test(requests_that_wait_at_once_keep_their_own_path),
        cmocka_unit_test(refusal_is_readable_by_a_client_that_still_sends),
        cmocka_unit_test(client_that_stays_after_the_answer_is_left),
        cmocka_unit_test(head_above_64_kib_is_taken_if_the_limits_allow),
        cmocka_unit_test(head_larger_than_its_connection_holds_is_431),
        cmocka_unit_test(handler_that_misses_its_deadline_is_504),
        cmocka_unit_test(client_that_leaves_ends_the_handler_at_once),
        cmocka_unit_test(requests_behind_a_waiting_one_wait_for_it),
        cmocka_unit_test(handler_that_fails_is_500_and_the_log_says_why),
        cmocka_unit_test(date_is_that_of_the_answer_and_not_of_the_request),
        cmocka_unit_test(record_has_the_address_of_the_client_alone),
        cmocka_unit_test(combined_record_has_the_octets_of_the_body),
        cmocka_unit_test(respond_without_memory_answers_or_closes),
        cmocka_unit_test(file_without_memory_answers_or_closes),
        cmocka_unit_test(body_without_memory_answers_or_closes),
        cmocka_unit_test(gather_without_memory_answers_or_closes),
    };
    return cmocka_run_group_tests_name("h1", tests, setup, remove_surroundings);
}
