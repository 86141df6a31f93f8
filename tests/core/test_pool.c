/* test_pool.c - the promises of the connections that a session keeps, against scripted servers in the same loop.
 *
 * Whether a connection was used again is what the server counts. A task only notes what it got; the test
 * looks at it when the loop has ended. */
#include <rill/client.h>

#include "core/base/mem.h"
#include "tests/support/upstream.h"

#include <rill/future.h>
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

#define OK   "HTTP/1.1 200 OK\r\n"
#define GOOD OK "Content-Length: 2\r\n\r\nhi"

enum { visits_most = 8, any = -1 };

/* Visits of one server, one after the other, with one session. */
static struct tour {
    struct upstream_answer answers[8];

    struct {
        const char *method, *target; /* method NULL: GET; target NULL: "/" */
        bool unread;                 /* its body is not read */
        bool open;                   /* the response stays open until all visits are made */
        int rc;
    } visits[visits_most];

    size_t count;
    rill_http_session_opts session;
    bool free_first;   /* the session goes before the responses */
    bool leave;        /* the session is freed when the loop has ended */
    int cancel_after;  /* turns, of the last visit; negative: never */
    uint64_t fail_nth; /* of the last visit */
    rill_time pause;   /* between visits */
    int settle;        /* connections that are to be open in the end, or any */
    unsigned connections, requests, open, open_after;
    char request[4096];
} tour;

static struct upstream upstream;
static rill_http_session *session;

static int read_away(rill_http_response *response) RILL_SUSPENDS;

static int read_away(rill_http_response *response)
{
    char buf[16];
    int r;
    while ((r = rill_http_read(response, buf, sizeof buf)) > 0)
        ;
    return r;
}

static rill_http_response *open_responses[visits_most];

static int visit(void *arg)
{
    size_t i = *(const size_t *)arg;
    rill_http_response *response;
    const char *method = tour.visits[i].method != NULL ? tour.visits[i].method : "GET";
    const char *target = tour.visits[i].target != NULL ? tour.visits[i].target : "/";
    int r = rill_http_request(session, method, target, NULL, &response);
    if (r == 0 && tour.visits[i].open) {
        open_responses[i] = response;
        return 0;
    }
    if (r < 0)
        return r;
    if (!tour.visits[i].unread)
        r = read_away(response);
    rill_http_close(response);
    return r;
}

static int visit_all(void) RILL_SUSPENDS;

static int visit_all(void)
{
    int r = 0;
    for (size_t i = 0; i < tour.count && r == 0; i++) {
        bool last = i + 1 == tour.count;
        rill__mem_fail_nth(last ? tour.fail_nth : 0, false);
        rill_task *task = rill_create_task(RILL_CORO(visit, &i));
        if (last && tour.cancel_after >= 0) {
            r = upstream_turns((unsigned)tour.cancel_after);
            rill_cancel(task, "test");
        }
        tour.visits[i].rc = rill_join(task);
        rill__mem_fail_nth(0, false);
        if (r == 0)
            r = rill_sleep(tour.pause);
    }
    return r;
}

static int close_responses(void) RILL_SUSPENDS;

static int close_responses(void)
{
    int r = 0;
    for (size_t i = 0; i < visits_most; i++) {
        if (open_responses[i] == NULL)
            continue;
        int read = read_away(open_responses[i]);
        if (tour.free_first) /* closing the session has ended it */
            read = read == -ESHUTDOWN ? 0 : -EBADMSG;
        r = rill_first_error(r, read);
        rill_http_close(open_responses[i]);
        open_responses[i] = NULL;
    }
    return r;
}

static int run_tour(void *arg)
{
    char base[64];
    (void)arg;
    int r = upstream_start(&upstream, tour.answers);
    snprintf(base, sizeof base, "http://%s", upstream.host);
    tour.session.base_url = base;
    if (r == 0)
        r = rill_http_session_new(&tour.session, &session);
    if (r == 0)
        r = visit_all();
    if (tour.free_first)
        rill_http_session_free(session);
    r = rill_first_error(r, close_responses());
    if (tour.settle != any)
        r = rill_first_error(r, upstream_settle(&upstream, (unsigned)tour.settle));
    tour.open = upstream.open;
    tour.connections = upstream.connections;
    tour.requests = upstream.requests;
    memcpy(tour.request, upstream.request, sizeof tour.request);
    if (!tour.free_first && !tour.leave)
        rill_http_session_free(session);
    if (!tour.leave)
        r = rill_first_error(r, upstream_settle(&upstream, 0));
    tour.open_after = upstream.open;
    return rill_first_error(r, upstream_stop(&upstream));
}

static int run_in_time(void *arg)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_SEC(20));
    return r < 0 ? r : rill_scope_leave(&scope, run_tour(arg));
}

static void run(void)
{
    int64_t live = rill__mem_live();
    size_t descriptors = upstream_descriptors();
    int r = rill_run(RILL_CORO(run_in_time, NULL));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        skip();
    }
    if (tour.leave)
        rill_http_session_free(session);
    assert_int_equal(r, 0);
    if (tour.settle != any)
        assert_int_equal(tour.open, tour.settle);
    assert_int_equal(tour.open_after, tour.leave ? tour.open : 0);
    assert_int_equal(upstream_descriptors(), descriptors);
    assert_int_equal(rill__mem_live(), live);
}

/* A tour of `count` visits to a server that answers / so. */
static void prepare(size_t count, const char *octets, enum upstream_end end)
{
    memset(&tour, 0, sizeof tour);
    tour.answers[0] = (struct upstream_answer){ .target = "/", .octets = octets, .end = end };
    tour.count = count;
    tour.cancel_after = -1;
}

static void assert_all_good(void)
{
    for (size_t i = 0; i < tour.count; i++)
        assert_int_equal(tour.visits[i].rc, 0);
}

static void connection_is_used_again_after_a_whole_response(void **state)
{
    (void)state;

    static const struct {
        const char *method, *octets;
    } rows[] = {
        { NULL, GOOD },
        { NULL, OK "Content-Length: 0\r\n\r\n" },
        { NULL, OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n" },
        { NULL, "HTTP/1.1 204 No Content\r\n\r\n" },
        { NULL, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno" },
        { NULL, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi" },
        { "HEAD", OK "Content-Length: 9\r\n\r\n" },
        { "DELETE", GOOD },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 0; piece <= 1; piece++) {
            prepare(3, rows[i].octets, UPSTREAM_KEEP);
            tour.answers[0].piece = piece;
            for (size_t k = 0; k < 3; k++)
                tour.visits[k].method = rows[i].method;
            tour.settle = 1;
            run();
            assert_all_good();
            assert_int_equal(tour.requests, 3);
            assert_int_equal(tour.connections, 1);
            assert_null(strstr(tour.request, "Connection"));
        }
}

static void connection_is_not_used_again_where_the_next_response_may_not_be_ours(void **state)
{
    (void)state;

    static const struct {
        const char *octets;
        enum upstream_end end;
    } rows[] = {
        { OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi", UPSTREAM_KEEP },
        { "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", UPSTREAM_KEEP },
        { OK "\r\nhi", UPSTREAM_CLOSE },
        { GOOD "x", UPSTREAM_KEEP }, /* stray octets */
        { GOOD, UPSTREAM_CLOSE },    /* ended while it waited */
        { GOOD, UPSTREAM_RESET },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        prepare(3, rows[i].octets, rows[i].end);
        run();
        assert_all_good();
        assert_int_equal(tour.connections, 3);
        assert_int_equal(tour.requests, 3);
    }
}

/* The rest of a body that nobody wants is taken if it is there already, and not waited for. */
static void connection_is_used_again_only_if_the_rest_of_the_body_is_there(void **state)
{
    (void)state;
    for (int slow = 0; slow <= 1; slow++) {
        prepare(2, GOOD, UPSTREAM_KEEP);
        tour.answers[0].piece = slow ? strlen(GOOD) - 1 : 0;
        tour.visits[0].unread = true;
        tour.settle = 1;
        run();
        assert_all_good();
        assert_int_equal(tour.connections, slow ? 2 : 1);
    }
}

/* Octets that come while the connection waits are found when it is taken. */
static void stray_octets_of_a_waiting_connection_end_it(void **state)
{
    (void)state;
    prepare(2, GOOD "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", UPSTREAM_KEEP);
    tour.answers[0].piece = strlen(GOOD); /* so the rest comes a turn later */
    tour.pause = RILL_MS(20);
    tour.settle = 1; /* the second one, whose stray octets nobody has met yet */
    run();
    assert_all_good();
    assert_int_equal(tour.connections, 2);
}

/* Acceptance case 133: once, on a reused connection, with a method that may be sent twice. */
static void request_on_a_dead_connection_is_sent_once_more(void **state)
{
    (void)state;
    for (unsigned deaths = 1; deaths <= 2; deaths++)
        for (int reset = 0; reset <= 1; reset++) {
            prepare(2, GOOD, UPSTREAM_KEEP);
            tour.answers[0].once = 1;
            tour.answers[1] = (struct upstream_answer){
                .target = "/", .end = reset ? UPSTREAM_RESET : UPSTREAM_CLOSE, .once = deaths
            };
            tour.answers[2] =
                (struct upstream_answer){ .target = "/", .octets = GOOD, .end = UPSTREAM_KEEP };
            tour.settle = deaths == 1;
            run();
            assert_int_equal(tour.visits[0].rc, 0);
            assert_int_equal(tour.visits[1].rc, deaths == 1 ? 0 : -ECONNRESET);
            assert_int_equal(tour.connections, 2);
            assert_int_equal(tour.requests, 3);
        }
}

static void request_on_a_fresh_connection_is_sent_once(void **state)
{
    (void)state;
    prepare(1, NULL, UPSTREAM_CLOSE);
    run();
    assert_int_equal(tour.visits[0].rc, -ECONNRESET);
    assert_int_equal(tour.requests, 1);
}

static void response_that_began_is_never_asked_for_again(void **state)
{
    (void)state;
    prepare(2, GOOD, UPSTREAM_KEEP);
    tour.answers[0].once = 1;
    tour.answers[1] =
        (struct upstream_answer){ .target = "/", .octets = "HTTP/1.1 2", .end = UPSTREAM_CLOSE };
    run();
    assert_int_equal(tour.visits[1].rc, -EPROTO);
    assert_int_equal(tour.requests, 2);
}

static void post_on_a_dead_connection_is_never_repeated(void **state)
{
    (void)state;
    prepare(2, GOOD, UPSTREAM_KEEP);
    tour.answers[0].once = 1;
    tour.answers[1] = (struct upstream_answer){ .target = "/", .end = UPSTREAM_CLOSE };
    tour.visits[1].method = "POST";
    run();
    assert_int_equal(tour.visits[1].rc, -ECONNRESET);
    assert_int_equal(tour.connections, 1);
    assert_int_equal(tour.requests, 2);
}

static void connection_that_waits_too_long_is_closed(void **state)
{
    (void)state;
    prepare(3, GOOD, UPSTREAM_KEEP);
    tour.session.keepalive = RILL_MS(20);
    tour.visits[0].open = tour.visits[1].open = true;
    run(); /* settles with none open */
    assert_all_good();
}

static void session_that_goes_ends_its_open_responses(void **state)
{
    (void)state;
    prepare(3, GOOD, UPSTREAM_KEEP);
    tour.answers[1] = (struct upstream_answer){ .target = "/slow",
                                                .octets = OK "Content-Length: 5\r\n\r\nhe",
                                                .end = UPSTREAM_HOLD };
    tour.visits[1].target = tour.visits[2].target = "/slow";
    tour.visits[1].open = tour.visits[2].open = true;
    tour.free_first = true;
    run();
    assert_all_good();
}

static void session_may_outlive_its_loop(void **state)
{
    (void)state;
    prepare(2, GOOD, UPSTREAM_KEEP);
    tour.leave = true;
    tour.settle = 1;
    run();
    assert_all_good();
}

static void cancel_in_each_turn_of_a_reused_connection_leaves_nothing(void **state)
{
    (void)state;
    int rc = -ECANCELED;
    for (int turns = 0; rc == -ECANCELED; turns++) {
        prepare(2, GOOD, UPSTREAM_KEEP);
        tour.answers[0].piece = 1;
        tour.cancel_after = turns;
        tour.settle = any;
        run();
        rc = tour.visits[1].rc;
        assert_true(rc == 0 || rc == -ECANCELED);
        assert_int_equal(tour.connections, 1);
    }
}

static void each_failed_allocation_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 40; nth++) {
        prepare(2, GOOD, UPSTREAM_KEEP);
        tour.answers[0].piece = 1;
        tour.fail_nth = nth;
        tour.settle = any;
        run();
        int rc = tour.visits[1].rc;
        assert_true(rc == 0 || rc == -ENOMEM || rc == -ECONNRESET || rc == -EPROTO);
        assert_true(nth < 20 || rc == 0);
    }
}

static void freeing_no_session_is_fine(void **state)
{
    (void)state;
    rill_http_session_free(NULL);
    rill__mem_fail_nth(1, false);
    assert_int_equal(rill_http_session_new(NULL, &session), -ENOMEM);
    rill__mem_fail_nth(0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_is_used_again_after_a_whole_response),
        cmocka_unit_test(connection_is_not_used_again_where_the_next_response_may_not_be_ours),
        cmocka_unit_test(connection_is_used_again_only_if_the_rest_of_the_body_is_there),
        cmocka_unit_test(stray_octets_of_a_waiting_connection_end_it),
        cmocka_unit_test(request_on_a_dead_connection_is_sent_once_more),
        cmocka_unit_test(request_on_a_fresh_connection_is_sent_once),
        cmocka_unit_test(response_that_began_is_never_asked_for_again),
        cmocka_unit_test(post_on_a_dead_connection_is_never_repeated),
        cmocka_unit_test(connection_that_waits_too_long_is_closed),
        cmocka_unit_test(session_that_goes_ends_its_open_responses),
        cmocka_unit_test(session_may_outlive_its_loop),
        cmocka_unit_test(cancel_in_each_turn_of_a_reused_connection_leaves_nothing),
        cmocka_unit_test(each_failed_allocation_leaves_nothing),
        cmocka_unit_test(freeing_no_session_is_fine),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
