/* test_gather.c - the promises of the gather handler (RULES.md, Gather), against scripted upstreams.
 *
 * Handler and upstreams run in one loop, so order is made by events: an answer waits for requests to have
 * come, not for time. A task only notes what it got; the test looks at it when the loop has ended. Each run
 * must leave no task of a part, no connection, no descriptor and no memory behind. */
#include "server/handler/handler.h"

#include "core/base/mem.h"
#include "core/task/task.h"
#include "server/conf/conf.h"
#include "server/logline.h"
#include "tests/support/upstream.h"

#include <rill/future.h>
#include <rill/http.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/task.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define JSON      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define TEXT      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define GOOD(n)   JSON "Content-Length: 1\r\n\r\n" #n
#define ANSWER(t) JSON "Transfer-Encoding: chunked\r\n\r\n" t "0\r\n\r\n"

enum { parts_most = 64, answers_most = 32, body_most = 1 << 20 };

/* --- One request --- */

/* Where a part's url leads. */
enum where { UPSTREAM, NOBODY };

static struct gathering {
    /* What there is. */
    struct conf_route route;
    struct conf_part parts[parts_most];
    struct conf_piece pieces[parts_most];
    enum where where[parts_most];
    struct upstream_answer answers[answers_most];
    size_t answer_count;
    /* What is asked. */
    const char *head;
    rill_span tail, query;
    int cancel_after; /* turns; negative: never */
    uint64_t fail_nth;
    /* What came of it. */
    int rc, status;
    char reply_head[1024];
    char body[body_most];
    char parts_logged[512]; /* "name:result " for each part of the access record */
    unsigned part_tasks, open, connections, requests;
    char request[4096]; /* the last one of the upstream */
    rill_time took;
} g;

static char folder[64];
static int folder_fd;

static int directory(const struct generation *generation, rill_span path)
{
    (void)generation;
    return rill_span_equal(path, rill_span_of(folder)) ? folder_fd : -ENOENT;
}

/* Forget everything; then parts are added, and answers of the upstream. */
static void begin(void)
{
    memset(&g, 0, sizeof g);
    g.route = (struct conf_route){
        .path = RILL_SPAN("/g/"),
        .prefix = true,
        .kind = CONF_GATHER,
        .gather = { .deadline = RILL_SEC(20),
                    .body_max = 1 << 20,
                    .cache_control = RILL_SPAN("no-store"),
                    .parts = g.parts },
        .deadline = RILL_SEC(30),
    };
    g.head = "GET /g/ HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n";
    g.cancel_after = -1;
}

static struct conf_part *add_part(const char *name)
{
    size_t i = g.route.gather.part_count++;
    g.parts[i] = (struct conf_part){ .name = rill_span_of(name),
                                     .timeout = g.route.gather.deadline,
                                     .part_max = 256 << 10 };
    return &g.parts[i];
}

static struct conf_part *add_url(const char *name, const char *path)
{
    struct conf_part *part = add_part(name);
    size_t i = g.route.gather.part_count - 1;
    g.pieces[i] = (struct conf_piece){ CONF_PIECE_TEXT, rill_span_of(path) };
    part->pieces = &g.pieces[i];
    part->piece_count = 1;
    return part;
}

static struct conf_part *add_nobody(const char *name)
{
    g.where[g.route.gather.part_count] = NOBODY;
    return add_url(name, "/");
}

static struct conf_part *add_file(const char *name, const char *file)
{
    static char paths[parts_most][128];
    char *path = paths[g.route.gather.part_count];
    struct conf_part *part = add_part(name);
    snprintf(path, sizeof paths[0], "%s/%s", folder, file);
    part->file = rill_span_of(path);
    return part;
}

static struct upstream_answer *add_answer(const char *target, const char *octets,
                                          enum upstream_end end)
{
    struct upstream_answer *answer = &g.answers[g.answer_count++];
    *answer = (struct upstream_answer){ .target = target, .octets = octets, .end = end };
    return answer;
}

/* A part and what its upstream says. */
static struct conf_part *add_both(const char *name, const char *target, const char *octets,
                                  enum upstream_end end)
{
    add_answer(target, octets, end);
    return add_url(name, target);
}

static void keep_reply(const struct reply *reply)
{
    g.status = reply->status;
    snprintf(g.reply_head, sizeof g.reply_head, "%.*s", (int)reply->head_size, reply->head);
    if (reply->body.size < sizeof g.body)
        memcpy(g.body, reply->body.at, reply->body.size);
    if (reply->body.at != reply->head + reply->head_size)
        g.status = -1; /* one send should do */
}

static void keep_record(const struct request *request)
{
    rill_text text = { g.parts_logged, sizeof g.parts_logged, 0, false };
    for (size_t i = 0; i < request->part_count; i++) {
        const struct log_part *part = &request->parts[i];
        rill_text_fmt(&text, "%.*s:%s%s ", (int)part->name.size, part->name.at, part->result,
                      part->us >= 0 && part->us <= g.took / RILL_US(1) ? "" : "!");
    }
    rill_text_end(&text);
}

static int serve(void *state)
{
    rill_http_field fields[16];
    rill_http_head head;
    rill_arena arena = { 0 };
    struct reply reply;
    rill_http_head_init(&head, fields, 16);
    if (rill_http_request_parse(&head, g.head, strlen(g.head), NULL) <= 0)
        return -EINVAL;
    struct request request = { .head = &head,
                               .path = RILL_SPAN("/g/"),
                               .tail = g.tail,
                               .query = g.query,
                               .kept = true,
                               .arena = &arena };
    rill_time start = rill_now();
    int r = handler_gather.serve(state, &request, &reply);
    g.took = rill_now() - start;
    keep_record(&request);
    if (r == 0) {
        keep_reply(&reply);
        reply_release(&reply);
    }
    rill_arena_fini(&arena);
    return r;
}

/* Tasks of parts that have not ended. */
static unsigned count_part_tasks(void)
{
    unsigned count = 0;
    list_for_each_safe(node, &rill__loop_running->tasks)
        count += strcmp(container_of(node, struct rill__task, link)->site->function,
                        "gather_part_run") == 0;
    return count;
}

static int serve_in_task(void *state) RILL_SUSPENDS;

static int serve_in_task(void *state)
{
    int r = 0;
    rill__mem_fail_nth(g.fail_nth, false);
    rill_task *task = rill_create_task(RILL_CORO(serve, state));
    if (g.cancel_after >= 0) {
        r = upstream_turns((unsigned)g.cancel_after);
        rill_cancel(task, "test");
    }
    g.rc = rill_join(task);
    rill__mem_fail_nth(0, false);
    g.part_tasks = count_part_tasks();
    return r;
}

static int run_all(void *arg)
{
    struct handler_env env = { .directory = directory };
    struct upstream *upstream = arg;
    rill_addr nobody;
    void *state;
    int r = rill_first_error(upstream_start(upstream, g.answers), upstream_nobody(&nobody));
    for (size_t i = 0; i < parts_most; i++) {
        g.parts[i].address = g.where[i] == UPSTREAM ? upstream->address : nobody;
        g.parts[i].host = rill_span_of(upstream->host);
    }
    r = rill_first_error(r, handler_gather.open(&g.route, &env, &state));
    if (r < 0)
        return r;
    r = serve_in_task(state);
    handler_gather.close(state);
    r = rill_first_error(r, upstream_settle(upstream, 0));
    g.open = upstream->open;
    g.connections = upstream->connections;
    g.requests = upstream->requests;
    memcpy(g.request, upstream->request, sizeof g.request);
    return rill_first_error(r, upstream_stop(upstream));
}

/* Run the request; whatever comes of it, nothing may be left. */
static void run(void)
{
    static struct upstream upstream;
    int64_t live = rill__mem_live();
    size_t descriptors = upstream_descriptors();
    int r = rill_run(RILL_CORO(run_all, &upstream));
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        skip();
    }
    assert_int_equal(r, 0);
    assert_int_equal(g.part_tasks, 0);
    assert_int_equal(g.open, 0);
    assert_int_equal(upstream_descriptors(), descriptors);
    assert_int_equal(rill__mem_live(), live);
}

static void expect(int status, const char *body)
{
    char length[64];
    run();
    assert_int_equal(g.rc, 0);
    assert_string_equal(g.body, body);
    assert_int_equal(g.status, status);
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body));
    assert_non_null(strstr(g.reply_head, length));
    assert_non_null(strstr(g.reply_head, "\r\nContent-Type: application/json\r\n"));
}

/* --- Order and time --- */

static void members_stand_in_the_order_of_the_configuration(void **state)
{
    (void)state;
    begin();
    add_both("z", "/1", GOOD(1), UPSTREAM_KEEP)->timeout = RILL_SEC(10);
    g.answers[0].request = 3; /* the first part is the last to be answered, */
    g.answers[0].piece = 1;   /* an octet a turn */
    add_both("m", "/2", GOOD(2), UPSTREAM_CLOSE);
    g.answers[1].request = 2;
    add_both("a", "/3", GOOD(3), UPSTREAM_KEEP);
    add_file("f", "a.json");
    expect(200, "{\"z\":1,\"m\":2,\"a\":3,\"f\":[1, 2]}");
}

/* No upstream answers before all have been asked: one after the other would never end. */
static void parts_run_at_the_same_time(void **state)
{
    (void)state;
    char want[1024] = "{";
    static char names[parts_most][16];
    begin();
    add_answer("/same", GOOD(7), UPSTREAM_KEEP)->request = parts_most;
    for (int i = 0; i < parts_most; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        add_url(names[i], "/same");
        size_t used = strlen(want);
        snprintf(want + used, sizeof want - used, "%s\"p%d\":7", i > 0 ? "," : "", i);
    }
    strncat(want, "}", 2);
    expect(200, want);
    assert_int_equal(g.requests, parts_most);
}

static void silent_part_ends_by_its_own_timeout(void **state)
{
    (void)state;
    for (int optional = 0; optional <= 1; optional++) {
        begin();
        add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
        add_both("ads", "/ads", optional ? JSON : NULL, UPSTREAM_HOLD);
        g.parts[1].timeout = RILL_MS(20);
        g.parts[1].optional = optional;
        expect(optional ? 200 : 504, "{\"good\":1,\"ads\":null,\"_errors\":{\"ads\":\"timeout\"}}");
        assert_true(g.took >= RILL_MS(20));
    }
}

static void total_deadline_sends_what_is_ready(void **state)
{
    (void)state;
    static const char *const begun[] = { NULL, JSON "Content-Length: 5\r\n\r\n{", "HTTP/1.1 " };
    for (int i = 0; i < 6; i++) {
        bool by_route = i % 2;
        begin();
        g.route.gather.deadline = by_route ? RILL_SEC(20) : RILL_MS(20);
        g.route.deadline = by_route ? RILL_MS(20) : RILL_SEC(20);
        add_both("slow", "/slow", begun[i / 2], UPSTREAM_HOLD)->optional = true;
        add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
        add_both("dead", "/dead", begun[i / 2], UPSTREAM_HOLD);
        expect(504, "{\"slow\":null,\"good\":1,\"dead\":null,"
                    "\"_errors\":{\"slow\":\"deadline\",\"dead\":\"deadline\"}}");
        assert_true(g.took >= RILL_MS(19)); /* a little before the route's */
    }
}

static void deadline_of_optional_parts_alone_is_a_good_answer(void **state)
{
    (void)state;
    begin();
    g.route.gather.deadline = RILL_MS(20);
    add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
    add_both("slow", "/slow", NULL, UPSTREAM_HOLD)->optional = true;
    expect(200, "{\"good\":1,\"slow\":null,\"_errors\":{\"slow\":\"deadline\"}}");
}

/* --- What an upstream may answer --- */

/* One optional part with this answer: its member and its reason, NULL if it is good. */
struct result {
    const char *answer;
    enum upstream_end end;
    const char *member, *reason;
};

static void check_result(const struct result *result, size_t piece)
{
    static char want[4096];
    for (int optional = 0; optional <= 1; optional++) {
        begin();
        add_both("p", "/p", result->answer, result->end)->optional = optional;
        g.answers[0].piece = piece;
        snprintf(want, sizeof want,
                 result->reason ? "{\"p\":%s,\"_errors\":{\"p\":\"%s\"}}" : "{\"p\":%s}",
                 result->member, result->reason);
        expect(result->reason != NULL && !optional ? 502 : 200, want);
    }
}

static void results_become_members_as_the_table_says(void **state)
{
    (void)state;
    static const struct result rows[] = {
        /* JSON: octets as received */
        { JSON "\r\n{\"a\": 1.10}", UPSTREAM_CLOSE, "{\"a\": 1.10}", NULL },
        { JSON "Content-Length: 11\r\n\r\n \t\r\n[1 ,2]\n", UPSTREAM_KEEP, "[1 ,2]", NULL },
        { ANSWER("3\r\n[12\r\n4\r\n,34]\r\n"), UPSTREAM_KEEP, "[12,34]", NULL },
        { JSON "\r\n12345678901234567890123456789.012345678901234567890", UPSTREAM_CLOSE,
          "12345678901234567890123456789.012345678901234567890", NULL },
        { JSON "\r\n-0", UPSTREAM_CLOSE, "-0", NULL },
        { JSON "\r\n\"a\\u0000\\ud83d\\ude00\"", UPSTREAM_CLOSE, "\"a\\u0000\\ud83d\\ude00\"",
          NULL },
        { JSON "\r\nnull", UPSTREAM_CLOSE, "null", NULL },
        { "HTTP/1.1 201 Created\r\nContent-Type: Application/Problem+JSON ; charset=x\r\n\r\ntrue",
          UPSTREAM_CLOSE, "true", NULL },
        { "HTTP/1.0 200 OK\r\nContent-Type: application/json;charset=utf-8\r\n\r\n\"x\"",
          UPSTREAM_CLOSE, "\"x\"", NULL },
        { JSON "Content-Encoding: identity\r\n\r\n1", UPSTREAM_CLOSE, "1", NULL },
        { "HTTP/1.1 103 Early\r\n\r\n" JSON "\r\n1", UPSTREAM_CLOSE, "1", NULL },
        { JSON "\r\n1 2", UPSTREAM_CLOSE, "null", "invalid json" },
        { JSON "\r\n{\"a\":1,\"a\":2}", UPSTREAM_CLOSE, "null", "invalid json" },
        { JSON "\r\n\xef\xbb\xbf{}", UPSTREAM_CLOSE, "null", "invalid json" },
        { JSON "\r\n\"\xff\"", UPSTREAM_CLOSE, "null", "invalid json" },
        { JSON "\r\n  ", UPSTREAM_CLOSE, "null", "invalid json" },
        /* text */
        { TEXT "\r\ntwo\nlines", UPSTREAM_CLOSE, "\"two\\nlines\"", NULL },
        { TEXT "\r\n\"\\/\b\f\r\t\x01\x1f\x7f", UPSTREAM_CLOSE,
          "\"\\\"\\\\/\\b\\f\\r\\t\\u0001\\u001f\x7f\"", NULL },
        { TEXT "\r\n\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbb\xbf", UPSTREAM_CLOSE,
          "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbb\xbf\"", NULL },
        { "HTTP/1.1 200 OK\r\nContent-Type: TEXT/html; x=y; Charset=\"UTF-8\"\r\n\r\n<p>",
          UPSTREAM_CLOSE, "\"<p>\"", NULL },
        { TEXT "\r\n ", UPSTREAM_CLOSE, "\" \"", NULL },
        { TEXT "\r\n\xc0\x80", UPSTREAM_CLOSE, "null", "invalid text" },
        { TEXT "\r\n\xed\xa0\x80", UPSTREAM_CLOSE, "null", "invalid text" },
        { TEXT "\r\n\xf4\x90\x80\x80", UPSTREAM_CLOSE, "null", "invalid text" },
        { TEXT "\r\n\xe2\x82", UPSTREAM_CLOSE, "null", "invalid text" },
        /* nothing */
        { "HTTP/1.1 204 No Content\r\n\r\n", UPSTREAM_KEEP, "null", NULL },
        { JSON "Content-Length: 0\r\n\r\n", UPSTREAM_KEEP, "null", NULL },
        { ANSWER(""), UPSTREAM_KEEP, "null", NULL },
        { "HTTP/1.1 200 OK\r\n\r\n", UPSTREAM_CLOSE, "null", NULL },
        { "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", UPSTREAM_KEEP,
          "null", NULL },
        /* types */
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", UPSTREAM_KEEP, "null", "type" },
        { "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx", UPSTREAM_CLOSE, "null", "type" },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/jsonp\r\n\r\n{}", UPSTREAM_CLOSE, "null",
          "type" },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nx",
          UPSTREAM_CLOSE, "null", "type" },
        { JSON "Content-Encoding: gzip\r\n\r\nx", UPSTREAM_CLOSE, "null", "encoding" },
        /* statuses */
        { "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{}", UPSTREAM_CLOSE,
          "null", "status 404" },
        { "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", UPSTREAM_KEEP, "null",
          "status 302" },
        { "HTTP/1.1 599 X\r\nContent-Length: 9\r\n\r\n", UPSTREAM_HOLD, "null", "status 599" },
        /* connections */
        { NULL, UPSTREAM_CLOSE, "null", "reset" },
        { NULL, UPSTREAM_RESET, "null", "reset" },
        { JSON "Content-Length: 5\r\n\r\n{\"a", UPSTREAM_RESET, "null", "reset" },
        { JSON "Content-Length: 5\r\n\r\n{\"a", UPSTREAM_CLOSE, "null", "reset" },
        { JSON "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", UPSTREAM_CLOSE, "null", "reset" },
        { "220 mail ready\r\n", UPSTREAM_HOLD, "null", "reset" },
        { "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", UPSTREAM_HOLD, "null",
          "reset" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 0; piece <= 1; piece++)
            check_result(&rows[i], piece);
}

static void nobody_listens_is_a_connect_error(void **state)
{
    (void)state;
    begin();
    add_nobody("p")->optional = true;
    add_both("q", "/q", GOOD(1), UPSTREAM_KEEP);
    expect(200, "{\"p\":null,\"q\":1,\"_errors\":{\"p\":\"connect\"}}");
    g.parts[0].optional = false;
    add_url("r", "/q");
    run();
    assert_int_equal(g.status, 502);
}

/* 64 levels are taken, 65 are not; the longest recursion fits a task's stack, or the guard reports it. */
static void json_of_64_levels_is_valid_and_of_65_is_not(void **state)
{
    (void)state;
    static char answer[2048], member[1024];
    static const char *const opens[] = { "[", "{\"a\":" }, *const closes[] = { "]", "}" };
    for (int i = 0; i < 4; i++) {
        int depth = 64 + i % 2;
        size_t used = 0;
        for (int k = 0; k < depth; k++)
            used += (size_t)snprintf(member + used, sizeof member - used, "%s", opens[i / 2]);
        used += (size_t)snprintf(member + used, sizeof member - used, "\"]]\\\"{{\"");
        for (int k = 0; k < depth; k++)
            used += (size_t)snprintf(member + used, sizeof member - used, "%s", closes[i / 2]);
        snprintf(answer, sizeof answer, JSON "\r\n%s", member);
        struct result good = { answer, UPSTREAM_CLOSE, member, NULL };
        struct result bad = { answer, UPSTREAM_CLOSE, "null", "invalid json" };
        check_result(depth == 64 ? &good : &bad, 0);
    }
}

static void body_of_part_max_is_taken_and_one_octet_more_is_too_large(void **state)
{
    (void)state;
    static const char *const answers[] = { JSON "Content-Length: 5\r\n\r\n12345", JSON "\r\n12345",
                                           ANSWER("2\r\n12\r\n3\r\n345\r\n") };
    for (size_t i = 0; i < 3; i++)
        for (uint64_t max = 4; max <= 5; max++) {
            begin();
            add_both("p", "/p", answers[i], UPSTREAM_CLOSE)->part_max = max;
            if (max == 5)
                expect(200, "{\"p\":12345}");
            else
                expect(502, "{\"p\":null,\"_errors\":{\"p\":\"too large\"}}");
        }
}

static void bodies_together_are_bounded_by_body_max(void **state)
{
    (void)state;
    for (uint64_t max = 14; max <= 15; max++) {
        begin();
        g.route.gather.body_max = max;
        add_both("a", "/a", JSON "Content-Length: 5\r\n\r\n12345", UPSTREAM_KEEP);
        add_both("b", "/b", JSON "Content-Length: 4\r\n\r\n1234", UPSTREAM_KEEP)->optional = true;
        g.answers[1].request = 2;
        g.answers[1].piece = 1; /* it comes last */
        add_file("f", "a.json");
        if (max == 15)
            expect(200, "{\"a\":12345,\"b\":1234,\"f\":[1, 2]}");
        else
            expect(200, "{\"a\":12345,\"b\":null,\"f\":[1, 2],\"_errors\":{\"b\":\"too large\"}}");
    }
}

static void large_text_grows_by_its_escapes_and_keeps_its_length(void **state)
{
    (void)state;

    enum { size = 100000 };

    static char answer[size + 256], want[6 * size + 64];
    size_t used = (size_t)snprintf(answer, sizeof answer, TEXT "\r\n");
    size_t wanted = (size_t)snprintf(want, sizeof want, "{\"p\":\"");
    memset(answer + used, 1, size);
    for (int i = 0; i < size; i++)
        wanted += (size_t)snprintf(want + wanted, sizeof want - wanted, "\\u0001");
    snprintf(want + wanted, sizeof want - wanted, "\"}");
    begin();
    add_both("p", "/p", answer, UPSTREAM_CLOSE);
    g.answers[0].size = used + size;
    expect(200, want);
}

/* --- Required and optional --- */

static void first_failure_of_a_required_part_cancels_the_others(void **state)
{
    (void)state;
    begin();
    add_both("held", "/held", JSON, UPSTREAM_HOLD);
    add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
    add_both("bad", "/bad", "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", UPSTREAM_KEEP);
    g.answers[2].request = 4; /* when all have come */
    g.answers[2].piece = 1;
    add_both("also", "/also", NULL, UPSTREAM_HOLD)->optional = true;
    expect(502, "{\"held\":null,\"good\":1,\"bad\":null,\"also\":null,\"_errors\":{"
                "\"held\":\"cancelled\",\"bad\":\"status 500\",\"also\":\"cancelled\"}}");
    assert_string_equal(g.parts_logged, "held:cancelled good:done bad:status also:cancelled ");
}

static void failure_of_an_optional_part_cancels_nobody(void **state)
{
    (void)state;
    begin();
    add_nobody("bad")->optional = true;
    add_both("late", "/late", GOOD(1), UPSTREAM_KEEP);
    g.answers[0].piece = 1;
    add_file("none", "none.txt")->optional = true;
    expect(200, "{\"bad\":null,\"late\":1,\"none\":null,"
                "\"_errors\":{\"bad\":\"connect\",\"none\":\"not found\"}}");
}

/* These files are told to be bad without a wait, so both parts fail in the turn in which they begin. */
static void required_parts_that_fail_in_one_turn_all_keep_their_reasons(void **state)
{
    (void)state;
    begin();
    add_both("held", "/held", NULL, UPSTREAM_HOLD);
    add_file("one", "data.bin");
    add_file("two", "large.txt")->part_max = 100;
    expect(502, "{\"held\":null,\"one\":null,\"two\":null,\"_errors\":{"
                "\"held\":\"cancelled\",\"one\":\"type\",\"two\":\"too large\"}}");
}

/* --- Files --- */

static void files_are_judged_by_their_names_and_contents(void **state)
{
    (void)state;

    static const struct {
        const char *file, *member, *reason;
    } rows[] = {
        { "a.json", "[1, 2]", NULL },
        { "motd.txt", "\"two\\nlines\"", NULL },
        { "empty.bin", "null", NULL },
        { "empty.json", "null", NULL },
        { "link.txt", "\"two\\nlines\"", NULL },
        { "bad.json", "null", "invalid json" },
        { "latin.txt", "null", "invalid text" },
        { "data.bin", "null", "type" },
        { "large.txt", "null", "too large" },
        { "none.txt", "null", "not found" },
        { "folder.txt", "null", "not found" },
        { "fifo.txt", "null", "not found" },
        { "out.txt", "null", "not found" },
        { "loop.txt", "null", "not found" },
        { "secret.txt", "null", "forbidden" },
    };

    char want[256];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].file, "secret.txt") == 0 && geteuid() == 0)
            continue; /* nothing is forbidden to root */
        begin();
        add_file("f", rows[i].file)->part_max = 100;
        snprintf(want, sizeof want,
                 rows[i].reason ? "{\"f\":%s,\"_errors\":{\"f\":\"%s\"}}" : "{\"f\":%s}",
                 rows[i].member, rows[i].reason);
        expect(rows[i].reason != NULL ? 502 : 200, want);
    }
}

static void write_file(const char *name, const char *content, size_t size)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    close(fd);
}

static const char *const names[] = { "a.json",   "motd.txt",  "empty.bin", "empty.json", "link.txt",
                                     "bad.json", "latin.txt", "data.bin",  "large.txt",  "fifo.txt",
                                     "out.txt",  "loop.txt",  "secret.txt" };

static int make_folder(void **state)
{
    static char large[101];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rill-gather-XXXXXX");
    assert_non_null(mkdtemp(folder));
    folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder_fd >= 0);
    memset(large, 'x', sizeof large);
    write_file("a.json", "[1, 2]", 6);
    write_file("motd.txt", "two\nlines", 9);
    write_file("empty.bin", "", 0);
    write_file("empty.json", "", 0);
    write_file("bad.json", "{", 1);
    write_file("latin.txt", "\xe4", 1);
    write_file("data.bin", "x", 1);
    write_file("large.txt", large, sizeof large);
    write_file("secret.txt", "x", 1);
    assert_int_equal(fchmodat(folder_fd, "secret.txt", 0, 0), 0);
    assert_int_equal(mkdirat(folder_fd, "folder.txt", 0755), 0);
    assert_int_equal(mkfifoat(folder_fd, "fifo.txt", 0644), 0);
    assert_int_equal(symlinkat("motd.txt", folder_fd, "link.txt"), 0);
    assert_int_equal(symlinkat("/etc/hostname", folder_fd, "out.txt"), 0);
    assert_int_equal(symlinkat("loop.txt", folder_fd, "loop.txt"), 0);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(folder_fd, names[i], 0);
    unlinkat(folder_fd, "folder.txt", AT_REMOVEDIR);
    close(folder_fd);
    return rmdir(folder);
}

static void folder_that_is_not_lent_fails_the_opening(void **state)
{
    (void)state;
    struct handler_env env = { .directory = directory };
    void *own = NULL;
    begin();
    add_part("f")->file = RILL_SPAN("/elsewhere/a.json");
    assert_int_equal(handler_gather.open(&g.route, &env, &own), -ENOENT);
    assert_null(own);
    handler_gather.close(NULL);
}

/* --- Requests --- */

/* Nothing of the request reaches an upstream but what the configuration puts into the target. */
static void upstream_learns_only_what_the_table_says(void **state)
{
    (void)state;
    char want[512];
    begin();
    add_both("p", "/p?a=b", GOOD(1), UPSTREAM_KEEP)->timeout = RILL_SEC(5);
    expect(200, "{\"p\":1}");
    const char *host = strstr(g.request, "Host: "), *left = strstr(g.request, "Timeout-Ms: ");
    assert_non_null(host);
    assert_non_null(left);
    snprintf(want, sizeof want,
             "GET /p?a=b HTTP/1.1\r\n%.*s\r\n"
             "Accept: application/json, text/*;q=0.9, */*;q=0.1\r\n"
             "Accept-Encoding: identity\r\nUser-Agent: rilld\r\n"
             "X-Request-%.*s\r\n\r\n",
             (int)strcspn(host, "\r"), host, (int)strcspn(left, "\r"), left);
    assert_string_equal(g.request, want);
    uint64_t ms;
    rill_span digits = { left + strlen("Timeout-Ms: "),
                         strcspn(left, "\r") - strlen("Timeout-Ms: ") };
    assert_int_equal(rill_parse_u64(digits, 5000, &ms), 0);
    assert_true(ms > 1000);
}

static void tail_and_query_go_into_the_target_encoded_again(void **state)
{
    (void)state;
    static const struct conf_piece pieces[] = { { CONF_PIECE_TEXT, { "/u/", 3 } },
                                                { CONF_PIECE_TAIL, { NULL, 0 } },
                                                { CONF_PIECE_TEXT, { "/x?k=", 5 } },
                                                { CONF_PIECE_QUERY, { NULL, 0 } } };

    static const struct {
        const char *tail, *query, *target;
    } rows[] = {
        { "", "", "/u//x?k=" },
        { "a/b", "c=d&e", "/u/a/b/x?k=c=d&e" },
        { "a b?#%\r\nX: y", "", "/u/a%20b%3F%23%25%0D%0AX:%20y/x?k=" },
        { "\xc3\xa4\x01", "%00?", "/u/%C3%A4%2F/x?k=%00?" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        add_answer(rows[i].target, GOOD(1), UPSTREAM_KEEP);
        struct conf_part *part = add_part("p");
        part->pieces = pieces;
        part->piece_count = 4;
        g.tail = rill_span_of(rows[i].tail);
        g.query = rill_span_of(rows[i].query);
        expect(200, "{\"p\":1}");
    }
}

static void request_with_a_body_is_refused(void **state)
{
    (void)state;

    static const struct {
        const char *head;
        int status;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200 },
    };

    for (size_t i = 0; i < 3; i++) {
        begin();
        add_both("p", "/p", GOOD(1), UPSTREAM_KEEP);
        g.head = rows[i].head;
        run();
        assert_int_equal(g.status, rows[i].status);
        assert_int_equal(g.connections, rows[i].status == 200);
    }
}

static void answer_has_the_cache_control_and_the_fields_of_the_route(void **state)
{
    (void)state;
    static const struct conf_pair pair = { { "X-Own", 5 }, { "1", 1 } };
    begin();
    add_both("p", "/p", GOOD(1), UPSTREAM_KEEP);
    expect(200, "{\"p\":1}");
    assert_non_null(strstr(g.reply_head, "\r\nCache-Control: no-store\r\n"));
    begin();
    add_nobody("p");
    g.route.gather.cache_control = (rill_span){ NULL, 0 };
    g.route.header = &pair;
    g.route.header_count = 1;
    expect(502, "{\"p\":null,\"_errors\":{\"p\":\"connect\"}}");
    assert_null(strstr(g.reply_head, "Cache-Control"));
    assert_non_null(strstr(g.reply_head, "\r\nX-Own: 1\r\n"));
}

/* The sender drops the body of HEAD: the head has to be that of GET. */
static void head_request_runs_the_parts(void **state)
{
    (void)state;
    begin();
    add_both("p", "/p", GOOD(1), UPSTREAM_KEEP);
    g.head = "HEAD /g/ HTTP/1.1\r\nHost: a\r\n\r\n";
    expect(200, "{\"p\":1}");
    assert_memory_equal(g.request, "GET ", 4);
}

/* --- Leaving nothing --- */

/* A request with parts of every kind. */
static void begin_mixed(size_t piece)
{
    begin();
    add_both("json", "/json", ANSWER("3\r\n[12\r\n4\r\n,34]\r\n"), UPSTREAM_KEEP);
    g.answers[0].piece = piece;
    add_both("text", "/text", TEXT "Content-Length: 2\r\n\r\nhi", UPSTREAM_KEEP);
    g.answers[1].piece = piece;
    add_nobody("nobody")->optional = true;
    add_both("held", "/held", JSON "Content-Length: 5\r\n\r\n1", UPSTREAM_HOLD);
    g.parts[3].optional = true;
    add_file("file", "a.json");
    add_file("none", "none.txt")->optional = true;
    g.parts[3].timeout = RILL_MS(40); /* so that it ends at all */
}

#define MIXED                                                                                \
    "{\"json\":[12,34],\"text\":\"hi\",\"nobody\":null,\"held\":null,\"file\":[1, 2],"       \
    "\"none\":null,\"_errors\":{\"nobody\":\"connect\",\"held\":\"timeout\",\"none\":\"not " \
    "found\"}}"

static void cancel_in_each_turn_ends_the_request_and_leaves_nothing(void **state)
{
    (void)state;
    for (size_t piece = 0; piece <= 1; piece++)
        for (int turns = 0; turns < 60; turns++) {
            begin_mixed(piece);
            g.parts[3].timeout = RILL_SEC(10);
            g.cancel_after = turns;
            run();
            assert_int_equal(g.rc, -ECANCELED);
            assert_true(g.took < RILL_SEC(5));
            if (turns > 1)
                assert_non_null(strstr(g.parts_logged, "held:cancelled "));
        }
    begin_mixed(0);
    expect(200, MIXED);
}

static void cancel_in_the_turn_of_a_failure_is_not_lost(void **state)
{
    (void)state;
    for (int turns = 0; turns < 20; turns++) {
        begin();
        add_nobody("bad");
        add_both("held", "/held", NULL, UPSTREAM_HOLD);
        g.cancel_after = turns;
        run();
        assert_true(g.rc == -ECANCELED || (g.rc == 0 && g.status == 502));
    }
    assert_int_equal(g.rc, 0); /* it had ended before */
}

static void each_failed_allocation_is_an_answer_and_leaves_nothing(void **state)
{
    (void)state;
    bool whole = false;
    for (uint64_t nth = 1; nth < 400 && !whole; nth++) {
        begin_mixed(nth % 2);
        g.fail_nth = nth;
        run();
        /* The test's own task, or the upstream, may be what failed. */
        assert_true(g.rc == 0 || g.rc == -ENOMEM);
        assert_true(g.rc < 0 || g.status == 200 || g.status == 502 || g.status == 503);
        whole = nth > 60 && g.rc == 0 && strcmp(g.body, MIXED) == 0;
    }
    assert_true(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_stand_in_the_order_of_the_configuration),
        cmocka_unit_test(parts_run_at_the_same_time),
        cmocka_unit_test(silent_part_ends_by_its_own_timeout),
        cmocka_unit_test(total_deadline_sends_what_is_ready),
        cmocka_unit_test(deadline_of_optional_parts_alone_is_a_good_answer),
        cmocka_unit_test(results_become_members_as_the_table_says),
        cmocka_unit_test(nobody_listens_is_a_connect_error),
        cmocka_unit_test(json_of_64_levels_is_valid_and_of_65_is_not),
        cmocka_unit_test(body_of_part_max_is_taken_and_one_octet_more_is_too_large),
        cmocka_unit_test(bodies_together_are_bounded_by_body_max),
        cmocka_unit_test(large_text_grows_by_its_escapes_and_keeps_its_length),
        cmocka_unit_test(first_failure_of_a_required_part_cancels_the_others),
        cmocka_unit_test(failure_of_an_optional_part_cancels_nobody),
        cmocka_unit_test(required_parts_that_fail_in_one_turn_all_keep_their_reasons),
        cmocka_unit_test(files_are_judged_by_their_names_and_contents),
        cmocka_unit_test(folder_that_is_not_lent_fails_the_opening),
        cmocka_unit_test(upstream_learns_only_what_the_table_says),
        cmocka_unit_test(tail_and_query_go_into_the_target_encoded_again),
        cmocka_unit_test(request_with_a_body_is_refused),
        cmocka_unit_test(answer_has_the_cache_control_and_the_fields_of_the_route),
        cmocka_unit_test(head_request_runs_the_parts),
        cmocka_unit_test(cancel_in_each_turn_ends_the_request_and_leaves_nothing),
        cmocka_unit_test(cancel_in_the_turn_of_a_failure_is_not_lost),
        cmocka_unit_test(each_failed_allocation_is_an_answer_and_leaves_nothing),
    };
    return cmocka_run_group_tests_name("gather", tests, make_folder, remove_folder);
}
