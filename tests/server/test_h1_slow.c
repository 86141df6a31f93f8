/* test_h1_slow.c - clients that are slow, silent or gone: time limits, and who is cut when.
 *
 * Server and clients are tasks of one loop. Limits below a second are set behind the configuration's
 * back. After each run all memory and all descriptors must have been given back. */
#include "server/conn/crowd.h"
#include "server/shm.h"
#include "tests/support/site.h"
#include "tests/support/story.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { large_size = 8 << 20 };

static char conf[512];
static struct answer answer;

/* What a test wants changed. */
static void quick_limits(struct conf *to)
{
    to->limits.head_timeout = RILL_MS(80);
    to->limits.idle_timeout = RILL_MS(120);
    to->limits.body_timeout = RILL_MS(80);
    to->limits.send_timeout = RILL_MS(200);
}

/* With `send_buffer` octets in the server's sockets; 0: the system's choice. */
static int run_with(rill_fn *body, void (*tune)(struct conf *conf), size_t send_buffer)
{
    return story_run(&(struct story){ body, conf, tune, NULL, send_buffer });
}

static int run(rill_fn *body, void (*tune)(struct conf *conf))
{
    return run_with(body, tune, 0);
}

/* --- Time limits --- */

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
    EXPECT_IS(
        serving_await_log("\"target\":\"/hello\",\"status\":408,\"rule\":69,\"end\":\"refused\""),
        0);
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
    EXPECT_IS(serving_await_log("\"status\":408,\"end\":\"refused\""), 0);
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

/* --- Slow and absent readers --- */

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
    assert_int_equal(run_with(flood_without_reading, NULL, 16 << 10), 0);
}

/* Nothing is read: the server cuts after the limit, and the client can tell. */
static int read_nothing(void *arg)
{
    (void)arg;
    OWNED_FD int fd = client_open_plain(16 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, ASK("/large"), sizeof ASK("/large") - 1, 0) > 0);
    rill_time begun = rill_now();
    EXPECT_IS(serving_await_log("\"status\":200,\"end\":\"cut\""), 0);
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
    EXPECT_IS(serving_await_log("\"end\":\"cut\""), 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(crowd_count(), 0);
    return 0;
}

static void flood_that_is_never_read_is_cut_after_the_send_limit(void **state)
{
    (void)state;
    assert_int_equal(run_with(read_nothing_of_many, quick_limits, 16 << 10), 0);
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
    EXPECT_IS(serving_await_log("\"status\":200,\"end\":\"done\""), 0);
    return 0;
}

static void reader_that_makes_progress_is_not_cut(void **state)
{
    (void)state;
    assert_int_equal(run_with(read_slowly, quick_limits, 4 << 20), 0);
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
    EXPECT_IS(serving_await_log("\"status\":200,\"end\":\"client-gone\""), 0);
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
    snprintf(path, sizeof path, "%s/large", site.folder);
    OWNED_FD int fd = client_open_plain(16 << 10);
    EXPECT(fd >= 0);
    EXPECT(send(fd, ASK("/large"), sizeof ASK("/large") - 1, 0) > 0);
    EXPECT_IS(settle(), 0);
    EXPECT_IS(truncate(path, 4096), 0);
    long got = read_to_the_end(fd);
    EXPECT_IS(truncate(path, large_size), 0);
    EXPECT_IS(got, -ECONNRESET);
    EXPECT_IS(serving_await_log("\"status\":200,\"end\":\"cut\""), 0);
    return 0;
}

static void file_that_gets_shorter_while_it_is_sent_is_a_cut(void **state)
{
    (void)state;
    assert_int_equal(run_with(shorten_a_file, NULL, 64 << 10), 0);
}

static int setup(void **state)
{
    (void)state;
    site_make();
    site_put("large", "", large_size);
    snprintf(conf, sizeof conf,
             "listen: [\"127.0.0.1:1\"]\n"
             "log: {access: stdout}\n"
             "routes:\n"
             "  /hello: {respond: {body: \"hello\\n\"}}\n"
             "  /: {files: {root: %s}}\n",
             site.folder);
    return story_prepare(conf);
}

static int teardown(void **state)
{
    (void)state;
    return site_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_that_never_reads_is_not_served_on),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(unfinished_head_gets_408_at_its_deadline),
        cmocka_unit_test(silent_body_gets_408),
        cmocka_unit_test(trickling_body_gets_408),
        cmocka_unit_test(slow_body_that_goes_on_is_taken),
        cmocka_unit_test(reader_that_stops_is_cut_after_the_send_limit),
        cmocka_unit_test(flood_that_is_never_read_is_cut_after_the_send_limit),
        cmocka_unit_test(reader_that_makes_progress_is_not_cut),
        cmocka_unit_test(client_that_leaves_a_large_file_is_let_go),
        cmocka_unit_test(file_that_gets_shorter_while_it_is_sent_is_a_cut),
    };
    return cmocka_run_group_tests_name("h1_slow", tests, setup, teardown);
}
