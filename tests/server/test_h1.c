/* test_h1.c - the HTTP/1.1 pump on real connections: order, bounds, time limits, and who is cut when.
 *
 * Server and clients are tasks of one loop. What each message must be answered with is shown by
 * tests/wire; here it is how a connection lives. Limits below a second are set behind the
 * configuration's back. After each run all memory and all descriptors must have been given back. */
#include "core/base/mem.h"
#include "server/conn/crowd.h"
#include "server/shm.h"
#include "tests/support/expect.h"
#include "tests/support/serving.h"

#include <rill/net.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { files_count = 16, large_size = 8 << 20 };

static char site[64], conf[4096];
static int upstream; /* a listening socket that answers nothing by itself */
static struct answer answer;

/* --- Surroundings --- */

static int put_file(const char *name, const char *content, off_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", site, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(write(fd, content, strlen(content)) >= 0);
    if (size > 0)
        assert_int_equal(ftruncate(fd, size), 0);
    return close(fd);
}

/* A plain socket that listens on the loopback; connections wait in its queue. */
static int open_upstream(unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static int make_surroundings(void **state)
{
    (void)state;
    unsigned port;
    snprintf(site, sizeof site, "/tmp/rill-h1-XXXXXX");
    assert_non_null(mkdtemp(site));
    put_file("ten", "0123456789", 0);
    put_file("large", "", large_size);
    for (int i = 0; i < files_count; i++) {
        char name[16], content[32];
        snprintf(name, sizeof name, "f %d", i);
        snprintf(content, sizeof content, "file %d\n", i);
        put_file(name, content, 0);
    }
    upstream = open_upstream(&port);
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
             site, port, port);
    return 0;
}

static int remove_surroundings(void **state)
{
    (void)state;
    char command[96];
    close(upstream);
    for (int i = 0; i < files_count; i++) {
        snprintf(command, sizeof command, "%s/f %d", site, i);
        unlink(command);
    }
    snprintf(command, sizeof command, "%s/ten", site);
    unlink(command);
    snprintf(command, sizeof command, "%s/large", site);
    unlink(command);
    return rmdir(site);
}

/* What a test wants changed. */
static void quick_limits(struct conf *to)
{
    to->limits.head_timeout = RILL_MS(80);
    to->limits.idle_timeout = RILL_MS(120);
    to->limits.body_timeout = RILL_MS(80);
    to->limits.send_timeout = RILL_MS(200);
}

#define ASK(target)  "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define LAST(target) "GET " target " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/* Wait until the access log has `word` in it.   Returns: 0; -ETIME. */
static int await_log(const char *word)
{
    static char all[16 << 10];
    rill_text text = { all, sizeof all, 0, false };
    for (int i = 0; i < 400; i++) {
        rill_text_add(&text, rill_span_of(serving_access_log()));
        if (strstr(rill_text_end(&text), word) != NULL)
            return 0;
        int r = rill_sleep(RILL_MS(5));
        if (r < 0)
            return r;
    }
    fprintf(stderr, "the access log lacks %s:\n%s", word, all);
    return -ETIME;
}

/* Run `story` between the start and the stop of a server. */
static rill_fn *story;
static void (*tune)(struct conf *conf);

static int with_server(void *arg)
{
    int r = serving_start(conf, tune);
    if (r < 0)
        return r;
    (void)serving_access_log();
    (void)serving_error_log();
    r = story(arg);
    return rill_first_error(r, serving_stop());
}

static int run(rill_fn *fn, void (*tuning)(struct conf *conf))
{
    story = fn;
    tune = tuning;
    serving.send_buffer = 0;
    int r = run_main(with_server, NULL);
    if (r < 0)
        print_error("the run ended with %s\n", rill_errname(r));
    return r;
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
    story = ask_many_small;
    tune = NULL;
    assert_int_equal(run_main_with(with_server, NULL, &opts), 0);
}

/* Send requests until none is taken for a while.   Returns: how many went whole. */
static int flood(int fd)
{
    static const char one[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    const size_t size = sizeof one - 1;
    size_t sent = 0;
    for (int idle = 0; idle < 50;) {
        ssize_t r = send(fd, one + sent % size, size - sent % size, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += r > 0 ? (size_t)r : 0;
        idle = r > 0 ? 0 : idle + 1;
        if (r < 0 && rill_sleep(RILL_MS(1)) < 0)
            return -1;
    }
    return (int)(sent / size);
}

static int flood_without_reading(void *arg)
{
    enum { answer_size = 121, bound = 300 << 10 };

    (void)arg;
    uint64_t before = shm_get(&shm_mine->requests);
    OWNED_FD int fd = client_open_plain(4 << 10);
    EXPECT(fd >= 0);
    int asked = flood(fd);
    int answered = (int)(shm_get(&shm_mine->requests) - before);
    EXPECT(asked > 0 && answered > 0);
    EXPECT(answered < asked); /* it stopped to serve, with 16 KiB of its own in hand, */
    EXPECT(answered * answer_size < bound);
    /* It reads no further, but for what was on its way into receive buffers. */
    EXPECT(rill_stream_buffered(crowd_oldest()->stream) <= 1 << 20);
    EXPECT_IS(rill_sleep(RILL_MS(50)), 0);
    EXPECT_IS(shm_get(&shm_mine->requests) - before, (uint64_t)answered);
    return 0;
}

static void client_that_never_reads_is_not_served_on(void **state)
{
    (void)state;
    story = flood_without_reading;
    tune = NULL;
    serving.send_buffer = 16 << 10;
    assert_int_equal(run_main(with_server, NULL), 0);
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

static int idle(void *arg)
{
    OWNED_STREAM rill_stream *fresh = NULL, *used = NULL;
    (void)arg;
    EXPECT_IS(client_open(&fresh), 0);
    EXPECT_IS(client_open(&used), 0);
    EXPECT_IS(client_say(used, ASK("/hello")), 0);
    EXPECT_IS(client_answer(used, false, &answer), 0);
    rill_time begun = rill_now();
    EXPECT_IS(client_ended(fresh), 0);
    EXPECT_IS(client_ended(used), 0);
    EXPECT(rill_now() - begun > RILL_MS(100));
    EXPECT(strstr(serving_access_log(), "\"status\":408") == NULL);
    return 0;
}

static void idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    assert_int_equal(run(idle, quick_limits), 0);
}

/* Octets keep coming, but the head has one deadline in total. */
static int send_a_head_slowly(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "HEAD /hello HTTP/1.1\r\nHost: a\r\nX: "), 0);
    rill_time begun = rill_now();
    while (rill_stream_buffered(stream) == 0 && rill_now() - begun < RILL_SEC(2)) {
        EXPECT_IS(client_say(stream, "x"), 0);
        EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    }
    EXPECT_IS(client_answer(stream, true, &answer), 0);
    EXPECT_IS(answer.status, 408);
    EXPECT(rill_now() - begun > RILL_MS(70));
    EXPECT(answer_has(&answer, "Connection", "close"));
    EXPECT_IS(client_ended(stream), 0);
    EXPECT_IS(await_log("\"target\":\"/hello\",\"status\":408,\"rule\":69,\"end\":\"refused\""), 0);
    return 0;
}

static void unfinished_head_gets_408_at_its_deadline(void **state)
{
    (void)state;
    assert_int_equal(run(send_a_head_slowly, quick_limits), 0);
}

static int fall_silent_in_a_body(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(
        client_say(stream, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 408);
    EXPECT_IS(client_ended(stream), 0);
    EXPECT_IS(await_log("\"status\":408,\"end\":\"refused\""), 0);
    return 0;
}

static void silent_body_gets_408(void **state)
{
    (void)state;
    assert_int_equal(run(fall_silent_in_a_body, quick_limits), 0);
}

/* Never silent, but a body of a few octets a second would hold the connection for a day. */
static int let_a_body_trickle(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    int sent = 0;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"),
              0);
    for (; sent < 100 && rill_stream_buffered(stream) == 0; sent++) {
        EXPECT_IS(client_say(stream, "x"), 0);
        EXPECT_IS(rill_sleep(RILL_MS(10)), 0);
    }
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 408);
    EXPECT(sent < 50);
    return 0;
}

static void trickling_body_gets_408(void **state)
{
    (void)state;
    assert_int_equal(run(let_a_body_trickle, quick_limits), 0);
}

static void patient_limits(struct conf *to)
{
    to->limits.body_timeout = RILL_MS(600);
}

/* A body longer than its silence limit in total, but never silent that long. */
static int send_a_body_slowly(void *arg)
{
    static char part[200];
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2400\r\n\r\n"),
              0);
    for (int i = 0; i < 12; i++) {
        EXPECT_IS(rill_sleep(RILL_MS(60)), 0);
        EXPECT_IS(client_send(stream, (rill_span){ part, sizeof part }), 0);
    }
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    return 0;
}

static void slow_body_that_goes_on_is_taken(void **state)
{
    (void)state;
    assert_int_equal(run(send_a_body_slowly, patient_limits), 0);
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

/* --- Slow and absent readers --- */

/* Nothing is read: the server cuts after the limit, and the client can tell. */
static int read_nothing(void *arg)
{
    (void)arg;
    OWNED_FD int fd = client_open_plain(16 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, ASK("/large"), sizeof ASK("/large") - 1, 0) > 0);
    rill_time begun = rill_now();
    EXPECT_IS(await_log("\"status\":200,\"end\":\"cut\""), 0);
    rill_time took = rill_now() - begun;
    EXPECT(took > RILL_MS(180) && took < RILL_MS(1500));
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void reader_that_stops_is_cut_after_the_send_limit(void **state)
{
    (void)state;
    assert_int_equal(run(read_nothing, quick_limits), 0);
}

/* A body in memory instead of a file. */
static int read_nothing_of_many(void *arg)
{
    (void)arg;
    OWNED_FD int fd = client_open_plain(4 << 10);
    EXPECT(fd >= 0);
    EXPECT(flood(fd) > 0);
    EXPECT_IS(await_log("\"end\":\"cut\""), 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void flood_that_is_never_read_is_cut_after_the_send_limit(void **state)
{
    (void)state;
    story = read_nothing_of_many;
    tune = quick_limits;
    serving.send_buffer = 16 << 10;
    assert_int_equal(run_main(with_server, NULL), 0);
}

/* The socket's buffer is so large that it has no room for longer than the limit, while the client
 * reads all the time. */
static int read_slowly(void *arg)
{
    enum { step = 64 << 10, pause_ms = 12 };

    static char block[step];
    size_t got = 0;
    (void)arg;
    OWNED_FD int fd = client_open_plain(256 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, LAST("/large"), sizeof LAST("/large") - 1, 0) > 0);
    for (ssize_t r = 1; r != 0;) {
        r = recv(fd, block, sizeof block, MSG_DONTWAIT);
        EXPECT(r >= 0 || errno == EAGAIN);
        got += r > 0 ? (size_t)r : 0;
        EXPECT_IS(rill_sleep(RILL_MS(pause_ms)), 0);
    }
    EXPECT(got > large_size);
    EXPECT_IS(await_log("\"status\":200,\"end\":\"done\""), 0);
    return 0;
}

static void reader_that_makes_progress_is_not_cut(void **state)
{
    (void)state;
    story = read_slowly;
    tune = quick_limits;
    serving.send_buffer = 4 << 20;
    assert_int_equal(run_main(with_server, NULL), 0);
}

static int leave_a_large_file(void *arg)
{
    (void)arg;
    int fd = client_open_plain(16 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, ASK("/large"), sizeof ASK("/large") - 1, 0) > 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 1);
    close(fd);
    EXPECT_IS(await_log("\"status\":200,\"end\":\"client-gone\""), 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void client_that_leaves_a_large_file_is_let_go(void **state)
{
    (void)state;
    assert_int_equal(run(leave_a_large_file, NULL), 0);
}

/* Read all until the end.   Returns: the octets; a negative error. */
static long read_to_the_end(int fd)
{
    static char block[64 << 10];
    long got = 0;
    for (;;) {
        ssize_t r = recv(fd, block, sizeof block, MSG_DONTWAIT);
        if (r == 0)
            return got;
        if (r < 0 && errno != EAGAIN)
            return -errno;
        got += r > 0 ? r : 0;
        if (r < 0 && rill_sleep(RILL_MS(1)) < 0)
            return -ECANCELED;
    }
}

/* The client must see that the answer is not whole: never a clean end behind too few octets. */
static int shorten_a_file(void *arg)
{
    char path[128];
    (void)arg;
    snprintf(path, sizeof path, "%s/large", site);
    OWNED_FD int fd = client_open_plain(16 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, ASK("/large"), sizeof ASK("/large") - 1, 0) > 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(truncate(path, 4096), 0);
    long got = read_to_the_end(fd);
    EXPECT_IS(truncate(path, large_size), 0);
    EXPECT_IS(got, -ECONNRESET);
    EXPECT_IS(await_log("\"status\":200,\"end\":\"cut\""), 0);
    return 0;
}

static void file_that_gets_shorter_while_it_is_sent_is_a_cut(void **state)
{
    (void)state;
    story = shorten_a_file;
    tune = NULL;
    serving.send_buffer = 64 << 10;
    assert_int_equal(run_main(with_server, NULL), 0);
}

/* --- Handlers that wait --- */

static int accept_upstream(void)
{
    for (int i = 0; i < 1000; i++) {
        int fd = accept4(upstream, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0 || rill_sleep(RILL_MS(1)) < 0)
            return fd;
    }
    return -ETIME;
}

static int miss_the_deadline(void *arg)
{
    OWNED_STREAM rill_stream *stream = NULL;
    (void)arg;
    EXPECT_IS(client_open(&stream), 0);
    EXPECT_IS(client_say(stream, ASK("/late")), 0);
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 504); /* the handler's own answer, or the pump's */
    EXPECT_IS(await_log("\"status\":504,\"end\":\"deadline\""), 0);
    EXPECT_IS(client_say(stream, LAST("/hello")), 0); /* the connection lives on */
    EXPECT_IS(client_answer(stream, false, &answer), 0);
    EXPECT_IS(answer.status, 200);
    OWNED_FD int fd = accept_upstream();
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
    OWNED_FD int fd = accept_upstream();
    EXPECT(fd >= 0);
    EXPECT_IS(settle(), 0);
    EXPECT(recv(fd, octet, sizeof octet, 0) > 0); /* the request has come */
    EXPECT_IS(crowd_count(), 1);
    close(client);
    EXPECT_IS(settle(), 0); /* turns, but no time */
    EXPECT_IS(crowd_count(), 0);
    EXPECT(recv(fd, octet, sizeof octet, 0) <= 0 && errno != EAGAIN);
    EXPECT_IS(await_log("\"status\":499,\"end\":\"client-gone\""), 0);
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
    OWNED_FD int fd = accept_upstream();
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
    put_file("one.json", "1", 0);
    snprintf(small, sizeof small,
             "listen: [\"127.0.0.1:1\"]\nlog: {access: stdout}\nroutes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /g: {gather: {parts: {a: {file: %s/one.json}, b: {file: %s/one.json}}}}\n",
             site, site);
    memcpy(conf, small, sizeof small);
    run_without_memory(LAST("/g"));
    memcpy(conf, whole, sizeof whole);
    snprintf(small, sizeof small, "%s/one.json", site);
    unlink(small);
}

/* Once, so that what a process makes once is there. */
static int warm_up(void *arg)
{
    (void)arg;
    int r = serving_start(conf, NULL);
    return r < 0 ? r : serving_stop();
}

static int setup(void **state)
{
    make_surroundings(state);
    int r = rill_run(RILL_CORO(warm_up, NULL));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        exit(77);
    }
    return r;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hundred_requests_in_one_write_are_answered_in_order),
        cmocka_unit_test(more_requests_than_a_turn_allows_are_all_answered),
        cmocka_unit_test(client_that_never_reads_is_not_served_on),
        cmocka_unit_test(requests_that_wait_at_once_keep_their_own_path),
        cmocka_unit_test(refusal_is_readable_by_a_client_that_still_sends),
        cmocka_unit_test(client_that_stays_after_the_answer_is_left),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(unfinished_head_gets_408_at_its_deadline),
        cmocka_unit_test(silent_body_gets_408),
        cmocka_unit_test(trickling_body_gets_408),
        cmocka_unit_test(slow_body_that_goes_on_is_taken),
        cmocka_unit_test(head_above_64_kib_is_taken_if_the_limits_allow),
        cmocka_unit_test(head_larger_than_its_connection_holds_is_431),
        cmocka_unit_test(reader_that_stops_is_cut_after_the_send_limit),
        cmocka_unit_test(flood_that_is_never_read_is_cut_after_the_send_limit),
        cmocka_unit_test(reader_that_makes_progress_is_not_cut),
        cmocka_unit_test(client_that_leaves_a_large_file_is_let_go),
        cmocka_unit_test(file_that_gets_shorter_while_it_is_sent_is_a_cut),
        cmocka_unit_test(handler_that_misses_its_deadline_is_504),
        cmocka_unit_test(client_that_leaves_ends_the_handler_at_once),
        cmocka_unit_test(requests_behind_a_waiting_one_wait_for_it),
        cmocka_unit_test(respond_without_memory_answers_or_closes),
        cmocka_unit_test(file_without_memory_answers_or_closes),
        cmocka_unit_test(body_without_memory_answers_or_closes),
        cmocka_unit_test(gather_without_memory_answers_or_closes),
    };
    return cmocka_run_group_tests_name("h1", tests, setup, remove_surroundings);
}
