/* test_client.c - the promises of <rill/client.h>, against scripted servers in the same loop.
 *
 * A task only notes what it got; the test looks at it when the loop has ended. Servers answer whole
 * and octet by octet, one a turn; each run must leave no memory and no descriptor behind. */
#include <rill/client.h>

#include "core/base/mem.h"
#include "tests/support/upstream.h"

#include <rill/future.h>
#include <rill/http.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/timeout.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

enum { whole = 0, body_max = 64 << 10 };

/* One request to a server that answers `octets`. */
struct fetch {
    /* What to do. */
    struct upstream_answer answers[4];
    const char *method; /* NULL: GET */
    const char *target; /* or a whole URL */
    bool nobody;        /* asked where nobody listens */
    rill_http_session_opts session;
    rill_http_request_opts opts;
    size_t step;       /* read in pieces of that size; whole: by read_all */
    size_t max;        /* of read_all */
    rill_time timeout; /* 0: none */
    int cancel_after;  /* turns; negative: never */
    /* What came of it. */
    int rc;     /* of the request, then of reading */
    int status; /* 0: no response */
    size_t size;
    char body[body_max];
    char field[64];     /* its x-test field */
    char request[4096]; /* as the server got it */
    unsigned connections, open;
    int again; /* what another read returned */
};

static struct fetch fetch;
static rill_http_session *session;

static int read_pieces(rill_http_response *response) RILL_SUSPENDS;

static int read_pieces(rill_http_response *response)
{
    int r;
    while ((r = rill_http_read(response, fetch.body + fetch.size, fetch.step)) > 0)
        fetch.size += (size_t)r;
    return r;
}

static int read_whole(rill_http_response *response) RILL_SUSPENDS;

static int read_whole(rill_http_response *response)
{
    rill_span body;
    int r = rill_http_read_all(response, fetch.max, &body);
    if (r < 0)
        return r;
    fetch.size = body.size;
    memcpy(fetch.body, body.at, body.size + 1);
    return 0;
}

static int request(void *arg)
{
    rill_http_response *response;
    (void)arg;
    const char *method = fetch.method != NULL ? fetch.method : "GET";
    int r = rill_http_request(session, method, fetch.target, &fetch.opts, &response);
    if (r < 0)
        return r;
    rill_span field = rill_http_header(response, "X-Test");
    fetch.status = rill_http_status(response);
    snprintf(fetch.field, sizeof fetch.field, "%.*s", (int)field.size, field.size ? field.at : "");
    r = fetch.step == whole ? read_whole(response) : read_pieces(response);
    if (r < 0 && r != -ECANCELED)
        fetch.again = rill_http_read(response, fetch.body, sizeof fetch.body);
    rill_http_close(response);
    return r;
}

static int request_in_time(void *arg)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, fetch.timeout > 0 ? fetch.timeout : RILL_SEC(20));
    return r < 0 ? r : rill_scope_leave(&scope, request(arg));
}

/* Runs the request as a task of its own, and cancels it if so asked. */
static int run_task(void) RILL_SUSPENDS;

static int run_task(void)
{
    rill_task *task = rill_create_task(RILL_CORO(request_in_time, NULL));
    int r = 0;
    if (fetch.cancel_after >= 0) {
        r = upstream_turns((unsigned)fetch.cancel_after);
        rill_cancel(task, "test");
    }
    fetch.rc = rill_join(task);
    return r;
}

static int run_all(void *arg)
{
    struct upstream upstream;
    char base[64];
    rill_addr nobody;
    const uint64_t *fail_nth = arg;
    int r = upstream_start(&upstream, fetch.answers);
    if (r < 0)
        return r;
    snprintf(base, sizeof base, "http://%s", upstream.host);
    fetch.session.base_url = base;
    if (fetch.nobody && upstream_nobody(&nobody) == 0)
        fetch.opts.address = &nobody;
    r = rill_http_session_new(&fetch.session, &session);
    rill__mem_fail_nth(*fail_nth, false);
    if (r == 0)
        r = run_task();
    rill__mem_fail_nth(0, false);
    r = rill_first_error(r, rill_http_session_close(session));
    r = rill_first_error(r, upstream_settle(&upstream, 0));
    fetch.open = upstream.open;
    fetch.connections = upstream.connections;
    snprintf(fetch.request, sizeof fetch.request, "%s", upstream.request);
    return rill_first_error(r, upstream_stop(&upstream));
}

static void run_failing(uint64_t nth)
{
    int64_t live = rill__mem_live();
    size_t descriptors = upstream_descriptors();
    int r = rill_run(RILL_CORO(run_all, &nth));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        skip();
    }
    assert_int_equal(r, 0);
    assert_int_equal(fetch.open, 0);
    assert_int_equal(upstream_descriptors(), descriptors);
    assert_int_equal(rill__mem_live(), live);
}

static void run(void)
{
    run_failing(0);
}

/* A request to come: GET /, answered so. */
static void prepare(const char *octets, size_t size, enum upstream_end end)
{
    memset(&fetch, 0, sizeof fetch);
    fetch.answers[0] =
        (struct upstream_answer){ .target = "/", .octets = octets, .size = size, .end = end };
    fetch.target = "/";
    fetch.session.keepalive = -1;
    fetch.cancel_after = -1;
    fetch.max = body_max - 1;
}

static void run_text(const char *octets, enum upstream_end end)
{
    prepare(octets, 0, end);
    run();
}

/* --- Responses --- */

/* What a server sends and what the caller gets: the same however the octets come and are read. */
static void response_is_read_the_same_in_every_split(void **state)
{
    (void)state;

    static const struct {
        const char *octets;
        enum upstream_end end;
        int rc, status;
        const char *body;
    } rows[] = {
        { OK "Content-Length: 5\r\n\r\nhello", UPSTREAM_KEEP, 0, 200, "hello" },
        { OK "Content-Length: 0\r\n\r\n", UPSTREAM_KEEP, 0, 200, "" },
        { OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n",
          UPSTREAM_KEEP, 0, 200, "hello" },
        { OK "\r\nhello", UPSTREAM_CLOSE, 0, 200, "hello" },
        { "HTTP/1.0 200 OK\r\n\r\nhello", UPSTREAM_CLOSE, 0, 200, "hello" },
        { OK "\r\n", UPSTREAM_CLOSE, 0, 200, "" },
        { "HTTP/1.1 204 No Content\r\n\r\n", UPSTREAM_KEEP, 0, 204, "" },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", UPSTREAM_KEEP, 0, 304, "" },
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", UPSTREAM_KEEP, 0, 404, "no" },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK
          "Content-Length: 2\r\n\r\nhi",
          UPSTREAM_KEEP, 0, 200, "hi" },
        /* rule 62: what follows is never read */
        { OK "Content-Length: 2\r\n\r\nhiHTTP/1.1 500 X\r\n\r\n", UPSTREAM_KEEP, 0, 200, "hi" },
        /* rule 61: an early end is never taken for a whole body */
        { OK "Content-Length: 5\r\n\r\nhell", UPSTREAM_CLOSE, -EPROTO, 200, NULL },
        { OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", UPSTREAM_CLOSE, -EPROTO, 200, NULL },
        { OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n", UPSTREAM_CLOSE, -EPROTO, 200,
          NULL },
        { OK "Content-Length: 5\r\n\r\nhell", UPSTREAM_RESET, -ECONNRESET, 200, NULL },
        { OK "\r\nhell", UPSTREAM_RESET, -ECONNRESET, 200, NULL },
        { OK "Transfer-Encoding: chunked\r\n\r\n3\nhel", UPSTREAM_HOLD, -EPROTO, 200, NULL },
        { NULL, UPSTREAM_CLOSE, -ECONNRESET, 0, NULL },
        { NULL, UPSTREAM_RESET, -ECONNRESET, 0, NULL },
        { "H", UPSTREAM_CLOSE, -EPROTO, 0, NULL },
        { OK "Content-Len", UPSTREAM_CLOSE, -EPROTO, 0, NULL },
        { OK "Content-Len", UPSTREAM_RESET, -ECONNRESET, 0, NULL },
        { "HTTP/1.1 100 Continue\r\n\r\n", UPSTREAM_CLOSE, -EPROTO, 0, NULL },
        { "SSH-2.0-x\r\n", UPSTREAM_HOLD, -EPROTO, 0, NULL },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
          UPSTREAM_HOLD, -EPROTO, 0, NULL }, /* rule 63 */
        /* rule 60 */
        { OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", UPSTREAM_HOLD, -EPROTO, 0, NULL },
        { OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", UPSTREAM_HOLD,
          -EPROTO, 0, NULL },
        { OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", UPSTREAM_HOLD, -EPROTO, 0, NULL },
        { OK "X: a\rb\r\n\r\n", UPSTREAM_HOLD, -EPROTO, 0, NULL }, /* rule 106 */
    };

    static const size_t steps[] = { whole, 1, 3, body_max };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < 8; k++) {
            prepare(rows[i].octets, 0, rows[i].end);
            fetch.answers[0].piece = k / 4;
            fetch.step = steps[k % 4];
            run();
            if (fetch.rc != rows[i].rc || fetch.status != rows[i].status)
                print_message("row %zu, way %zu\n", i, k);
            assert_int_equal(fetch.rc, rows[i].rc);
            assert_int_equal(fetch.status, rows[i].status);
            assert_int_equal(fetch.connections, 1);
            if (rows[i].body != NULL)
                assert_string_equal(fetch.body, rows[i].body);
            else if (fetch.status != 0)
                assert_int_equal(fetch.again, rows[i].rc);
        }
}

static void head_request_has_no_body_whatever_the_length_says(void **state)
{
    (void)state;
    prepare(OK "Content-Length: 5\r\nx-test: a b\r\n\r\n", 0, UPSTREAM_HOLD);
    fetch.method = "HEAD";
    run();
    assert_int_equal(fetch.rc, 0);
    assert_int_equal(fetch.size, 0);
    assert_string_equal(fetch.field, "a b");
}

static void sixteen_interim_responses_are_skipped_and_one_more_is_an_error(void **state)
{
    (void)state;
    static char octets[4096];
    for (int count = 16; count <= 17; count++) {
        size_t used = 0;
        for (int i = 0; i < count; i++)
            used += (size_t)snprintf(octets + used, sizeof octets - used,
                                     "HTTP/1.1 102 Processing\r\n\r\n");
        snprintf(octets + used, sizeof octets - used, OK "Content-Length: 2\r\n\r\nhi");
        run_text(octets, UPSTREAM_HOLD);
        assert_int_equal(fetch.rc, count == 16 ? 0 : -EPROTO);
    }
}

static void head_at_its_limits_is_read_and_above_them_refused(void **state)
{
    (void)state;

    enum { field = 1024, head = 32 << 10 };

    static char octets[2 * head];
    for (int over = 0; over <= 1; over++) {
        size_t used = (size_t)snprintf(octets, sizeof octets, OK);
        for (size_t left = head + (size_t)over; left > 0;) {
            size_t size = left > 2 * field ? field : left;
            memset(octets + used, 'x', size);
            memcpy(octets + used, "a: ", 3);
            memcpy(octets + used + size - 2, "\r\n", 2);
            used += size;
            left -= size;
        }
        memcpy(octets + used, "\r\n", 2);
        prepare(octets, used + 2, UPSTREAM_CLOSE);
        run();
        assert_int_equal(fetch.rc, over ? -EPROTO : 0);
    }
    for (int count = 200; count <= 201; count++) {
        size_t used = (size_t)snprintf(octets, sizeof octets, OK);
        for (int i = 0; i < count; i++)
            used += (size_t)snprintf(octets + used, sizeof octets - used, "a: b\r\n");
        memcpy(octets + used, "\r\n", 3);
        run_text(octets, UPSTREAM_CLOSE);
        assert_int_equal(fetch.rc, count == 200 ? 0 : -EPROTO);
    }
}

static void body_of_the_most_octets_is_taken_and_one_more_is_too_large(void **state)
{
    (void)state;
    static const char *const answers[] = {
        OK "Content-Length: 5\r\n\r\nhello",
        OK "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        OK "\r\nhello",
    };
    for (size_t i = 0; i < 3; i++)
        for (size_t max = 0; max <= 6; max++) {
            prepare(answers[i], 0, UPSTREAM_CLOSE);
            fetch.max = max;
            run();
            assert_int_equal(fetch.rc, max >= 5 ? 0 : -EMSGSIZE);
        }
}

static void large_body_is_read_whole_through_a_stream_that_pauses(void **state)
{
    (void)state;

    enum { size = body_max - 1 };

    static char octets[size + 256];
    int head = snprintf(octets, sizeof octets, OK "Content-Length: %d\r\n\r\n", size);
    for (size_t i = 0; i < size; i++)
        octets[(size_t)head + i] = (char)('a' + i % 23);
    for (size_t step = 0; step <= 5000; step += 5000) {
        prepare(octets, (size_t)head + size, UPSTREAM_HOLD);
        fetch.step = step;
        run();
        assert_int_equal(fetch.rc, 0);
        assert_int_equal(fetch.size, size);
        assert_memory_equal(fetch.body, octets + head, size);
    }
}

/* --- Requests --- */

static void request_is_written_from_its_parts(void **state)
{
    (void)state;
    static const rill_http_line lines[] = { { { "Accept", 6 }, { "text/plain", 10 } },
                                            { { "X-Empty", 7 }, { NULL, 0 } } };
    char want[256];
    prepare(OK "Content-Length: 0\r\n\r\n", 0, UPSTREAM_KEEP);
    fetch.answers[0].target = "/a%20b?c=d";
    fetch.target = "/a%20b?c=d";
    fetch.opts.headers = lines;
    fetch.opts.header_count = 2;
    run();
    assert_int_equal(fetch.rc, 0);
    snprintf(want, sizeof want,
             "GET /a%%20b?c=d HTTP/1.1\r\nHost: %.*s\r\nAccept: text/plain\r\n"
             "X-Empty: \r\nAccept-Encoding: gzip, deflate, br, zstd\r\nUser-Agent: rill/0.1\r\n"
             "Connection: close\r\n\r\n",
             (int)strcspn(strstr(fetch.request, "127."), "\r"), strstr(fetch.request, "127."));
    assert_string_equal(fetch.request, want);
}

static void request_that_could_be_read_as_two_is_never_sent(void **state)
{
    (void)state;
    static const rill_http_line lines[] = {
        { { "X", 1 }, { "a\r\nb: c", 7 } },   { { "X", 1 }, { "a\nb", 3 } },
        { { "X ", 2 }, { "a", 1 } },          { { "", 0 }, { "a", 1 } },
        { { "X\r\nY", 4 }, { "a", 1 } },      { { "content-length", 14 }, { "5", 1 } },
        { { "Host", 4 }, { "a", 1 } },        { { "Transfer-Encoding", 17 }, { "chunked", 7 } },
        { { "CONNECTION", 10 }, { "x", 1 } },
    };
    static const char *const targets[] = { "/\r\n", "/\n", "/?\x7f" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        prepare(OK "\r\n", 0, UPSTREAM_CLOSE);
        fetch.opts.headers = &lines[i];
        fetch.opts.header_count = 1;
        run();
        assert_int_equal(fetch.rc, -EINVAL);
        assert_int_equal(fetch.connections, 0);
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        prepare(OK "\r\n", 0, UPSTREAM_CLOSE);
        fetch.target = targets[i];
        run();
        assert_int_equal(fetch.rc, -EINVAL);
    }
    prepare(OK "\r\n", 0, UPSTREAM_CLOSE);
    fetch.method = "GE T";
    run();
    assert_int_equal(fetch.rc, -EINVAL);
}

static void nobody_listens_is_the_error_of_connect(void **state)
{
    (void)state;
    prepare(OK "\r\n", 0, UPSTREAM_CLOSE);
    fetch.nobody = true;
    run();
    assert_int_equal(fetch.rc, -ECONNREFUSED);
}

/* --- Endings --- */

/* The server reads the reset that tells it that nobody waits: run() checks that it let go. A slow machine
 * gets more time to come as far as the head. */
static void deadline_ends_a_request_to_a_silent_server(void **state)
{
    (void)state;
    static const char *const answers[] = { NULL, "HTTP/1.1 200", OK "Content-Length: 5\r\n\r\nhe" };
    for (size_t i = 0; i < 3; i++) {
        int status = i == 2 ? 200 : 0;
        rill_time timeout = RILL_MS(20);
        do {
            prepare(answers[i], 0, UPSTREAM_HOLD);
            fetch.timeout = timeout;
            run();
            assert_int_equal(fetch.rc, -ETIME);
            timeout *= 4;
        } while (fetch.status != status && timeout < RILL_SEC(20));
        assert_int_equal(fetch.status, status);
    }
}

static void cancel_in_each_turn_leaves_nothing(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 5\r\n\r\nhello",
        OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        OK "\r\nhello",
    };
    for (size_t i = 0; i < 6; i++) {
        int turns = 0;
        do {
            prepare(answers[i / 2], 0, UPSTREAM_CLOSE);
            fetch.answers[0].piece = i % 2;
            fetch.step = i % 2 ? 1 : whole;
            fetch.cancel_after = turns++;
            run();
            assert_true(fetch.rc == 0 || fetch.rc == -ECANCELED);
        } while (fetch.rc == -ECANCELED);
        assert_string_equal(fetch.body, "hello");
        assert_true(turns > 3);
    }
}

static void each_failed_allocation_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    uint64_t nth = 0;
    do {
        prepare(OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", 0,
                UPSTREAM_CLOSE);
        fetch.answers[0].piece = nth % 2;
        fetch.cancel_after = -1;
        run_failing(++nth);
        /* The server fails, too, and then closes. */
        assert_true(fetch.rc == 0 || fetch.rc == -ENOMEM || fetch.rc == -ECONNRESET ||
                    fetch.rc == -EPROTO);
    } while (fetch.rc < 0 || nth < 20);
    assert_string_equal(fetch.body, "hello");
}

static void closing_nothing_is_fine(void **state)
{
    (void)state;
    rill_http_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(response_is_read_the_same_in_every_split),
        cmocka_unit_test(head_request_has_no_body_whatever_the_length_says),
        cmocka_unit_test(sixteen_interim_responses_are_skipped_and_one_more_is_an_error),
        cmocka_unit_test(head_at_its_limits_is_read_and_above_them_refused),
        cmocka_unit_test(body_of_the_most_octets_is_taken_and_one_more_is_too_large),
        cmocka_unit_test(large_body_is_read_whole_through_a_stream_that_pauses),
        cmocka_unit_test(request_is_written_from_its_parts),
        cmocka_unit_test(request_that_could_be_read_as_two_is_never_sent),
        cmocka_unit_test(nobody_listens_is_the_error_of_connect),
        cmocka_unit_test(deadline_ends_a_request_to_a_silent_server),
        cmocka_unit_test(cancel_in_each_turn_leaves_nothing),
        cmocka_unit_test(each_failed_allocation_is_an_error_and_leaves_nothing),
        cmocka_unit_test(closing_nothing_is_fine),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
