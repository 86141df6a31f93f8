/* test_gather.c - the promises of the gather handler (RULES.md, Gather): order, time, who is required,
 * what goes out and comes back, and that nothing is left behind. */
#include "tests/server/gathering.h"

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

/* Run what `prepare` prepares with a deadline that its good part can keep, however busy the machine is. */
static void run_in_time(void (*prepare)(rill_time deadline, int variant), int variant)
{
    static const rill_time deadlines[] = { RILL_MS(20), RILL_MS(200), RILL_SEC(2) };
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        begin();
        prepare(deadlines[i], variant);
        run();
        assert_true(g.took >= deadlines[i] - RILL_MS(1)); /* the route's comes a little before */
        if (strstr(g.body, "\"good\":1") != NULL)
            break;
    }
}

static void prepare_total(rill_time deadline, int variant)
{
    static const char *const begun[] = { NULL, JSON "Content-Length: 5\r\n\r\n{", "HTTP/1.1 " };
    bool by_route = variant % 2;
    g.route.gather.deadline = by_route ? RILL_SEC(20) : deadline;
    g.route.deadline = by_route ? deadline : RILL_SEC(20);
    add_both("slow", "/slow", begun[variant / 2], UPSTREAM_HOLD)->optional = true;
    add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
    add_both("dead", "/dead", begun[variant / 2], UPSTREAM_HOLD);
}

static void total_deadline_sends_what_is_ready(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        run_in_time(prepare_total, i);
        answered(504, "{\"slow\":null,\"good\":1,\"dead\":null,"
                      "\"_errors\":{\"slow\":\"deadline\",\"dead\":\"deadline\"}}");
    }
}

static void prepare_optional(rill_time deadline, int variant)
{
    (void)variant;
    g.route.gather.deadline = deadline;
    add_both("good", "/good", GOOD(1), UPSTREAM_KEEP);
    add_both("slow", "/slow", NULL, UPSTREAM_HOLD)->optional = true;
}

static void deadline_of_optional_parts_alone_is_a_good_answer(void **state)
{
    (void)state;
    run_in_time(prepare_optional, 0);
    answered(200, "{\"good\":1,\"slow\":null,\"_errors\":{\"slow\":\"deadline\"}}");
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
        cmocka_unit_test(first_failure_of_a_required_part_cancels_the_others),
        cmocka_unit_test(failure_of_an_optional_part_cancels_nobody),
        cmocka_unit_test(required_parts_that_fail_in_one_turn_all_keep_their_reasons),
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
