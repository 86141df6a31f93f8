/* test_gather_parts.c - the promises of the gather handler (RULES.md, Gather): what becomes of one part. */
#include "tests/server/gathering.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_become_members_as_the_table_says),
        cmocka_unit_test(nobody_listens_is_a_connect_error),
        cmocka_unit_test(json_of_64_levels_is_valid_and_of_65_is_not),
        cmocka_unit_test(body_of_part_max_is_taken_and_one_octet_more_is_too_large),
        cmocka_unit_test(bodies_together_are_bounded_by_body_max),
        cmocka_unit_test(large_text_grows_by_its_escapes_and_keeps_its_length),
        cmocka_unit_test(files_are_judged_by_their_names_and_contents),
        cmocka_unit_test(folder_that_is_not_lent_fails_the_opening),
    };
    return cmocka_run_group_tests_name("gather_parts", tests, make_folder, remove_folder);
}
