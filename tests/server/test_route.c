/* test_route.c - the promises of server/route and of the respond handler. */
#include "server/route.h"

#include "core/base/mem.h"

#include <rill/http.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t opened;             /* states of the fake handler that are open */
static size_t fail_at = SIZE_MAX; /* the open call that fails */

static int fake_open(const struct conf_route *conf, const struct handler_env *env, void **ret_state)
{
    (void)env;
    if (opened == fail_at)
        return -ENOENT;
    opened++;
    *ret_state = (void *)(uintptr_t)conf;
    return 0;
}

static void fake_close(void *state)
{
    if (state != NULL)
        opened--;
}

static int fake_serve(void *state, struct request *request, struct reply *ret_reply)
{
    (void)state, (void)request, (void)ret_reply;
    return -EIO;
}

static const struct handler fake = {
    .name = "fake",
    .methods = 1u << RILL_HTTP_GET | 1u << RILL_HTTP_HEAD,
    .open = fake_open,
    .close = fake_close,
    .serve = fake_serve,
};

static const struct handler *const handlers[] = {
    [CONF_FILES] = &fake, [CONF_RESPOND] = &handler_respond, [CONF_GATHER] = &fake
};

static const struct handler_env env = { .files = NULL };

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct conf_route *)a)->path.at, ((const struct conf_route *)b)->path.at);
}

/* Routes for the paths up to NULL, in any order. */
static struct routes *make(const char *const *paths, struct conf_route *rows)
{
    struct conf conf = { .routes = rows };
    struct routes *routes;
    for (; paths[conf.route_count] != NULL; conf.route_count++) {
        rill_span path = rill_span_of(paths[conf.route_count]);
        rows[conf.route_count] = (struct conf_route){ .path = path,
                                                      .prefix = path.at[path.size - 1] == '/',
                                                      .kind = CONF_FILES };
    }
    qsort(rows, conf.route_count, sizeof *rows, by_path);
    assert_int_equal(routes_new(&conf, handlers, &env, &routes, NULL), 0);
    return routes;
}

/* What the path leads to: the path of a route, "redirect", or "none". */
static const char *find(const struct routes *routes, const char *path, rill_span *ret_tail)
{
    const struct route *route = route_find(routes, rill_span_of(path), ret_tail);
    return route == NULL ? "none" : route->conf == NULL ? "redirect" : route->conf->path.at;
}

static void exact_wins_over_prefix_and_the_longest_prefix_wins(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a/b/",  "/",    "/a/",   "/a/x",
                                         "/hello", "/a/b", "/z/y/", NULL };
    static const char *const want[][2] = {
        { "/", "/" },           { "/hello", "/hello" }, { "/hello/", "/" },   { "/hell", "/" },
        { "/a", "redirect" },   { "/a/", "/a/" },       { "/a/x", "/a/x" },   { "/a/x/", "/a/" },
        { "/a/xy", "/a/" },     { "/a/b", "/a/b" },     { "/a/b/", "/a/b/" }, { "/a/b/c", "/a/b/" },
        { "/a/bc", "/a/" },     { "/ab", "/" },         { "/z", "/" },        { "/z/", "/" },
        { "/z/y", "redirect" }, { "/z/y/q", "/z/y/" },  { "/z/yy", "/" },     { "/~", "/" },
        { "/\x01", "/" },       { "/a/\x01", "/a/" },   { "/a\x01/b", "/" },
    };
    struct conf_route rows[8];
    struct routes *routes = make(paths, rows);
    rill_span tail;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_string_equal(find(routes, want[i][0], &tail), want[i][1]);
    assert_string_equal(find(routes, "", &tail), "none");
    assert_string_equal(find(routes, "*", &tail), "none");
    routes_free(routes);
    assert_int_equal(opened, 0);
}

static void tail_is_what_lies_below_the_route(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a/", "/b", NULL };
    struct conf_route rows[8];
    struct routes *routes = make(paths, rows);
    rill_span tail;
    assert_string_equal(find(routes, "/a/b/c", &tail), "/a/");
    assert_true(rill_span_equal(tail, RILL_SPAN("b/c")));
    assert_string_equal(find(routes, "/a/", &tail), "/a/");
    assert_int_equal(tail.size, 0);
    assert_string_equal(find(routes, "/b", &tail), "/b");
    assert_int_equal(tail.size, 0);
    assert_string_equal(find(routes, "/c", &tail), "none");
    routes_free(routes);
}

/* The plain version: look at every route. */
static const char *plain(const char *const *paths, const char *path)
{
    char slashed[40];
    const char *best = "none";
    snprintf(slashed, sizeof slashed, "%s/", path);
    for (size_t i = 0; paths[i] != NULL; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    for (size_t i = 0; paths[i] != NULL; i++)
        if (strcmp(paths[i], slashed) == 0)
            return "redirect";
    for (size_t i = 0; paths[i] != NULL; i++) {
        size_t size = strlen(paths[i]);
        if (paths[i][size - 1] == '/' && strncmp(paths[i], path, size) == 0 &&
            (strcmp(best, "none") == 0 || strlen(best) < size))
            best = paths[i];
    }
    return best;
}

/* A path of slashes and two letters behind `base`. */
static void random_path(uint64_t *seed, const char *base, char *path)
{
    size_t start = strlen(base) + 1, size = start;
    memcpy(path, base, start);
    path[0] = path[start - 1] = '/';
    for (*seed = *seed * 6364136223846793005 + 1442695040888963407; size < start + 7; size++) {
        unsigned pick = (unsigned)(*seed >> (20 + 3 * (size - start))) & 7;
        if (pick > 5)
            break;
        path[size] = pick < 2 ? '/' : pick < 4 ? 'a' : 'b';
    }
    path[size] = 0;
}

static void random_routes_equal_the_plain_version(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 400; round++) {
        const char *base = round % 2 == 0 ? "" : "/aaaaaa"; /* ends before, at, behind the key */
        char memory[24][32], path[32];
        const char *paths[25] = { NULL };
        struct conf_route rows[25];
        rill_span tail;
        size_t count = 0;
        for (size_t i = 0; i < round % 24; i++) {
            bool is_new = true;
            random_path(&seed, base + i % 3 * (round % 2), memory[count]);
            for (size_t k = 0; k < count; k++)
                is_new &= strcmp(memory[k], memory[count]) != 0;
            if (is_new) {
                paths[count] = memory[count];
                count++;
            }
        }
        struct routes *routes = make(paths, rows);
        for (unsigned i = 0; i < 500; i++) {
            random_path(&seed, base + i % 3 * (round % 2), path);
            assert_string_equal(find(routes, path, &tail), plain(paths, path));
        }
        routes_free(routes);
    }
}

static void failed_open_names_the_route_and_closes_the_others(void **state)
{
    (void)state;
    struct conf_route rows[3] = { { .path = RILL_SPAN("/a"), .kind = CONF_FILES },
                                  { .path = RILL_SPAN("/b"), .kind = CONF_FILES },
                                  { .path = RILL_SPAN("/c"), .kind = CONF_FILES } };
    struct conf conf = { .routes = rows, .route_count = 3 };
    struct routes *routes = NULL;
    const struct conf_route *bad = NULL;
    for (fail_at = 0; fail_at < 3; fail_at++) {
        assert_int_equal(routes_new(&conf, handlers, &env, &routes, &bad), -ENOENT);
        assert_ptr_equal(bad, &rows[fail_at]);
        assert_int_equal(opened, 0);
        assert_null(routes);
    }
    fail_at = SIZE_MAX;
}

static void each_failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    struct conf_route rows[2] = {
        { .path = RILL_SPAN("/a/"), .prefix = true, .kind = CONF_FILES },
        { .path = RILL_SPAN("/b"),
          .kind = CONF_RESPOND,
          .respond = { .status = 200, .body = RILL_SPAN("x"), .type = RILL_SPAN("a/b") } },
    };
    struct conf conf = { .routes = rows, .route_count = 2 };
    int64_t live = rill__mem_live();
    int r = -ENOMEM;
    for (uint64_t nth = 1; r == -ENOMEM; nth++) {
        struct routes *routes = NULL;
        rill__mem_fail_nth(nth, false);
        r = routes_new(&conf, handlers, &env, &routes, NULL);
        rill__mem_fail_nth(0, false);
        assert_true(r == 0 || r == -ENOMEM);
        assert_true(r == 0 ? nth > 2 : routes == NULL);
        routes_free(routes);
        assert_int_equal(rill__mem_live(), live);
        assert_int_equal(opened, 0);
    }
    routes_free(NULL);
}

/* --- Whole requests --- */

struct asked {
    rill_http_message head;
    rill_http_field fields[4];
    rill_arena arena;
    struct request request;
};

static void ask(struct asked *asked, rill_http_method method, const char *path, const char *query)
{
    *asked = (struct asked){ .head = { .method = (uint8_t)method } };
    asked->request = (struct request){ .head = &asked->head,
                                       .path = rill_span_of(path),
                                       .query = rill_span_of(query),
                                       .arena = &asked->arena };
}

static void assert_reply(const struct reply *reply, int status, const char *line)
{
    assert_int_equal(reply->status, status);
    if (memmem(reply->head, reply->head_size, line, strlen(line)) == NULL)
        fail_msg("no %s in %.*s", line, (int)reply->head_size, reply->head);
}

static void request_without_a_route_is_404_and_a_wrong_method_405(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a/", NULL };
    struct conf_route rows[2];
    struct routes *routes = make(paths, rows);
    struct asked asked;
    struct reply reply;
    ask(&asked, RILL_HTTP_GET, "/b", "");
    assert_int_equal(route_request(routes, &asked.request, &reply), 0);
    assert_reply(&reply, 404, "404 Not Found");
    ask(&asked, RILL_HTTP_POST, "/a/b", "");
    assert_int_equal(route_request(routes, &asked.request, &reply), 0);
    assert_reply(&reply, 405, "\r\nAllow: GET, HEAD, OPTIONS\r\n"); /* rules 11, 77 */
    rill_arena_fini(&asked.arena);
    ask(&asked, RILL_HTTP_HEAD, "/a/b", "");
    assert_int_equal(route_request(routes, &asked.request, &reply), 1);
    assert_ptr_equal(asked.request.route->conf, &rows[0]);
    assert_true(rill_span_equal(asked.request.tail, RILL_SPAN("b")));
    routes_free(routes);
}

static void rule_71_options_is_204_with_allow(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a/", NULL };
    struct conf_route rows[2];
    struct routes *routes = make(paths, rows);
    struct asked asked;
    struct reply reply;
    ask(&asked, RILL_HTTP_OPTIONS, "/a/b", "");
    assert_int_equal(route_request(routes, &asked.request, &reply), 0);
    assert_reply(&reply, 204, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    assert_null(memmem(reply.head, reply.head_size, "Content-Length", 14));
    ask(&asked, RILL_HTTP_OPTIONS, "*", "");
    asked.head.form = RILL_HTTP_ASTERISK;
    assert_int_equal(route_request(routes, &asked.request, &reply), 0);
    assert_reply(&reply, 204, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    routes_free(routes);
}

static void path_of_a_prefix_without_its_slash_is_308_with_its_query(void **state)
{
    (void)state;
    static const char *const paths[] = { "/a b/", "//evil/", NULL };
    struct conf_route rows[2];
    struct routes *routes = make(paths, rows);
    struct asked asked;
    struct reply reply;
    ask(&asked, RILL_HTTP_POST, "/a b", "x=%20&y");
    assert_int_equal(route_request(routes, &asked.request, &reply), 1);
    const struct route *route = asked.request.route;
    assert_int_equal(route->handler->serve(route->state, &asked.request, &reply), 0);
    assert_reply(&reply, 308, "\r\nLocation: /a%20b/?x=%20&y\r\n");
    rill_arena_fini(&asked.arena);
    ask(&asked, RILL_HTTP_GET, "//evil", ""); /* rule 35: never another host */
    assert_int_equal(route_request(routes, &asked.request, &reply), 1);
    assert_int_equal(route->handler->serve(route->state, &asked.request, &reply), 0);
    assert_reply(&reply, 308, "\r\nLocation: /evil/\r\n");
    rill_arena_fini(&asked.arena);
    ask(&asked, RILL_HTTP_GET, "/a b", "");
    asked.arena.limit = 8;
    assert_int_equal(route_request(routes, &asked.request, &reply), 1);
    assert_int_equal(route->handler->serve(route->state, &asked.request, &reply), 0);
    assert_int_equal(reply.status, 503);
    routes_free(routes);
}

static void respond_sends_one_block_made_at_open(void **state)
{
    (void)state;
    static const struct conf_pair pair = { { "X-A", 3 }, { "b", 1 } };
    struct conf_route row = {
        .path = RILL_SPAN("/hello"),
        .kind = CONF_RESPOND,
        .header = &pair,
        .header_count = 1,
        .respond = { .status = 200, .body = RILL_SPAN("hello\n"), .type = RILL_SPAN("text/plain") },
    };
    struct conf conf = { .routes = &row, .route_count = 1 };
    struct routes *routes;
    struct asked asked;
    struct reply reply;
    int64_t live = rill__mem_live();
    assert_int_equal(routes_new(&conf, handlers, &env, &routes, NULL), 0);
    ask(&asked, RILL_HTTP_GET, "/hello", "");
    rill__mem_fail_nth(1, true); /* the answer needs no allocation */
    assert_int_equal(route_request(routes, &asked.request, &reply), 1);
    const struct route *route = asked.request.route;
    assert_int_equal(route->handler->serve(route->state, &asked.request, &reply), 0);
    rill__mem_fail_nth(0, false);
    assert_reply(&reply, 200,
                 "\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nX-A: b\r\n\r\n");
    assert_true(rill_span_equal(reply.body, RILL_SPAN("hello\n")));
    assert_ptr_equal(reply.body.at, reply.head + reply.head_size);
    routes_free(routes);
    assert_int_equal(rill__mem_live(), live);
}

static void respond_redirects_and_drops_a_body_that_its_status_forbids(void **state)
{
    (void)state;
    struct conf_route row = { .kind = CONF_RESPOND,
                              .respond = { .status = 302,
                                           .location = RILL_SPAN("https://a.example/"),
                                           .type = RILL_SPAN("text/plain") } };
    struct asked asked;
    struct reply reply;
    void *own;
    ask(&asked, RILL_HTTP_GET, "/", "");
    assert_int_equal(handler_respond.open(&row, &env, &own), 0);
    assert_int_equal(handler_respond.serve(own, &asked.request, &reply), 0);
    assert_reply(&reply, 302, "\r\nContent-Length: 0\r\nLocation: https://a.example/\r\n\r\n");
    handler_respond.close(own);
    static const unsigned statuses[] = { 204, 205, 304 };
    for (size_t i = 0; i < 3; i++) {
        row.respond = (struct conf_respond){ .status = statuses[i],
                                             .body = RILL_SPAN("no"),
                                             .type = RILL_SPAN("text/plain") };
        assert_int_equal(handler_respond.open(&row, &env, &own), 0);
        assert_int_equal(handler_respond.serve(own, &asked.request, &reply), 0);
        assert_int_equal(reply.body.size, 0);
        assert_int_equal(memmem(reply.head, reply.head_size, "Content-Length", 14) != NULL,
                         statuses[i] == 205); /* rule 76 */
        handler_respond.close(own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_wins_over_prefix_and_the_longest_prefix_wins),
        cmocka_unit_test(tail_is_what_lies_below_the_route),
        cmocka_unit_test(random_routes_equal_the_plain_version),
        cmocka_unit_test(failed_open_names_the_route_and_closes_the_others),
        cmocka_unit_test(each_failed_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(request_without_a_route_is_404_and_a_wrong_method_405),
        cmocka_unit_test(rule_71_options_is_204_with_allow),
        cmocka_unit_test(path_of_a_prefix_without_its_slash_is_308_with_its_query),
        cmocka_unit_test(respond_sends_one_block_made_at_open),
        cmocka_unit_test(respond_redirects_and_drops_a_body_that_its_status_forbids),
    };
    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
