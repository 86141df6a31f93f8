/* test_files_cache.c - the files handler over its cache, over changes of the files, and under failures. */
#include "tests/server/filesite.h"

/* --- The cache --- */

static void hot_file_is_answered_without_a_call_or_an_allocation(void **state)
{
    (void)state;
    assert_true(get("/a.txt").from_file);  /* the first use opens it */
    assert_false(get("/a.txt").from_file); /* the second reads it */
    unsigned opens = plainfile.count[PLAINFILE_OPEN], reads = plainfile.count[PLAINFILE_READ];
    unsigned stats = plainfile.count[PLAINFILE_STAT];
    for (int i = 0; i < 10; i++) {
        rill__mem_fail_nth(1, true);
        struct asked asked = get("/a.txt");
        rill__mem_fail_nth(0, false);
        assert_int_equal(asked.status, 200);
        assert_string_equal(asked.body, "0123456789");
        assert_false(asked.kept);
    }
    assert_int_equal(plainfile.count[PLAINFILE_OPEN], opens);
    assert_int_equal(plainfile.count[PLAINFILE_READ], reads);
    assert_int_equal(plainfile.count[PLAINFILE_STAT], stats);
}

static void file_is_looked_at_once_a_second_on_use(void **state)
{
    (void)state;
    get("/a.txt");
    for (int second = 1; second <= 3; second++) {
        site.now++;
        for (int i = 0; i < 5; i++)
            assert_int_equal(status_of("/a.txt"), 200);
        assert_int_equal(plainfile.count[PLAINFILE_OPEN], 1 + second);
        assert_int_equal(plainfile.open, 1);
    }
    site.now -= 100; /* a clock that was set back is no reason to trust what is old */
    get("/a.txt");
    assert_int_equal(plainfile.count[PLAINFILE_OPEN], 5);
}

static void change_of_any_kind_is_seen_within_the_second(void **state)
{
    (void)state;
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/new", site.path);
    snprintf(to, sizeof to, "%s/a.txt", site.path);
    get("/a.txt");
    get("/a.txt");
    write_text("a.txt", "abcdefghij"); /* in place: same size, same date, only the change time */
    site.now++;
    assert_string_equal(get("/a.txt").body, "abcdefghij");
    write_text("new", "ABCDEFGHIJ");
    assert_int_equal(rename(from, to), 0);
    assert_string_equal(get("/a.txt").body, "abcdefghij");
    site.now++;
    assert_string_equal(get("/a.txt").body, "ABCDEFGHIJ");
    assert_int_equal(unlinkat(site.root, "a.txt", 0), 0);
    assert_string_equal(get("/a.txt").body, "ABCDEFGHIJ");
    site.now++;
    assert_int_equal(status_of("/a.txt"), 404);
    assert_int_equal(filecache_count(site.cache), 0);
    assert_int_equal(mkdirat(site.root, "a.txt", 0755), 0);
    assert_int_equal(status_of("/a.txt"), 301);
}

static void link_that_is_switched_is_seen_within_the_second(void **state)
{
    (void)state;
    char from[128], to[128];
    assert_int_equal(mkdirat(site.root, "v1", 0755), 0);
    assert_int_equal(mkdirat(site.root, "v2", 0755), 0);
    write_text("v1/x", "one");
    write_text("v2/x", "two");
    assert_int_equal(symlinkat("v1", site.root, "current"), 0);
    assert_int_equal(symlinkat("v2", site.root, "next"), 0);
    assert_string_equal(get("/current/x").body, "one");
    assert_string_equal(get("/current/x").body, "one");
    snprintf(from, sizeof from, "%s/next", site.path);
    snprintf(to, sizeof to, "%s/current", site.path);
    assert_int_equal(rename(from, to), 0);
    site.now++;
    assert_string_equal(get("/current/x").body, "two");
}

static void answer_on_its_way_keeps_the_old_file(void **state)
{
    (void)state;
    struct reply reply;
    get("/a.txt");
    get("/a.txt");
    rill_http_field lines[1];
    rill_http_message head;
    rill_arena arena = { 0 };
    rill_http_head_init(&head, lines, 1);
    struct request request = { .head = &head,
                               .path = RILL_SPAN("/a.txt"),
                               .tail = RILL_SPAN("a.txt"),
                               .arena = &arena,
                               .now = site.now };
    assert_int_equal(handler_files.serve(site.state, &request, &reply), 0);
    write_text("a.txt", "new");
    site.now++;
    assert_string_equal(get("/a.txt").body, "new");
    filecache_drop(site.cache, filecache_find(site.cache, 1, RILL_SPAN("a.txt"), site.now));
    assert_int_equal(plainfile.open, 1);
    assert_memory_equal(reply.body.at, "0123456789", 10);
    reply_release(&reply);
    assert_int_equal(plainfile.open, 0);
}

static void fresh_file_has_a_weak_tag_and_stays_out_of_memory(void **state)
{
    (void)state;
    struct timespec times[2] = { { site.now - 1, 5 }, { site.now - 1, 5 } };
    assert_int_equal(utimensat(site.root, "a.txt", times, 0), 0);
    for (int i = 0; i < 3; i++) {
        struct asked asked = get("/a.txt");
        assert_memory_equal(value_of(&asked, "ETag"), "W/\"", 3);
        assert_true(asked.from_file);
    }
    assert_int_equal(ask("GET", "/a.txt", "If-Match: *\r\n").status, 200);
    site.now += 1; /* 2 s less 5 ns, perhaps: not sure yet */
    struct asked asked = get("/a.txt");
    assert_memory_equal(value_of(&asked, "ETag"), "W/\"", 3);
    site.now += 1;
    asked = get("/a.txt");
    assert_memory_equal(value_of(&asked, "ETag"), "\"", 1);
    assert_false(get("/a.txt").from_file);
}

static void date_of_the_future_is_sent_as_now(void **state)
{
    (void)state;
    struct timespec times[2] = { { site.now + 1000, 0 }, { site.now + 1000, 0 } };
    char first[128];
    assert_int_equal(utimensat(site.root, "a.txt", times, 0), 0);
    struct asked asked = get("/a.txt");
    snprintf(first, sizeof first, "%s", value_of(&asked, "Last-Modified"));
    site.now++;
    asked = get("/a.txt");
    assert_string_not_equal(value_of(&asked, "Last-Modified"), first);
}

static void large_file_is_never_loaded(void **state)
{
    (void)state;

    enum { large = (64 << 10) + 1 };

    char *content = rill_alloc_zero(large, 1);
    write_file("limit", content, large - 1);
    write_file("large", content, large);
    rill_free(content);
    for (int i = 0; i < 3; i++) {
        struct asked asked = get("/large");
        assert_true(asked.from_file);
        assert_int_equal(asked.body_size, large);
        asked = get("/limit");
        assert_int_equal(asked.from_file, i == 0);
        assert_int_equal(asked.body_size, large - 1);
    }
}

static void closed_route_leaves_nothing_in_the_cache(void **state)
{
    (void)state;
    get("/a.txt");
    void *old = site.state;
    open_site();
    get("/a.txt");
    assert_int_equal(filecache_count(site.cache), 2); /* one a generation */
    handler_files.close(old);
    assert_int_equal(filecache_count(site.cache), 1);
    handler_files.close(NULL);
}

/* --- Failures --- */

static void each_failed_allocation_is_an_answer_and_leaks_nothing(void **state)
{
    (void)state;
    static const char *const targets[] = { "/a.txt", "/d", "/d/", "/none" };
    static const char *const fields[] = { "", "Range: bytes=0-1\r\n", "Range: bytes=99-\r\n",
                                          "If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n" };
    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    write_text("d/index.txt", "x");
    for (size_t i = 0; i < 16; i++) {
        int clean = ask("GET", targets[i / 4], fields[i % 4]).status;
        for (uint64_t nth = 1; nth < 12; nth++) {
            site.now++;
            filecache_forget(site.cache, 1);
            ask("GET", targets[i / 4], nth % 2 == 0 ? "" : "If-Match: *\r\n");
            if (nth % 3 == 0)
                site.now++;
            rill__mem_fail_nth(nth, nth % 4 == 0);
            struct asked asked = ask("GET", targets[i / 4], fields[i % 4]);
            rill__mem_fail_nth(0, false);
            assert_int_equal(asked.result, 0);
            if (asked.status != clean)
                assert_int_equal(asked.status, 503);
        }
    }
}

static void route_that_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct conf_pair type = { { "txt", 3 }, { "text/x", 6 } };
    struct handler_env env = env_of_site();
    struct conf_route conf = site.conf;
    void *own = NULL;
    conf.files.root = RILL_SPAN("/elsewhere");
    assert_int_equal(handler_files.open(&conf, &env, &own), -ENOENT);
    conf.files = site.conf.files;
    conf.files.types = &type;
    conf.files.type_count = 1;
    int r = -ENOMEM;
    for (uint64_t nth = 1; r == -ENOMEM; nth++) {
        rill__mem_fail_nth(nth, false);
        r = handler_files.open(&conf, &env, &own);
        rill__mem_fail_nth(0, false);
        assert_true(r == 0 ? nth > 2 : own == NULL);
    }
    assert_int_equal(r, 0);
    handler_files.close(own);
}

static void cancel_at_each_call_ends_the_request_and_leaks_nothing(void **state)
{
    (void)state;

    static const enum plainfile_call calls[] = { PLAINFILE_OPEN, PLAINFILE_READ };

    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    write_text("d/index.txt", "x");
    for (size_t i = 0; i < 2; i++)
        for (int nth = 1; nth <= 2; nth++) {
            const char *target = i == 0 ? "/d/" : "/a.txt";
            filecache_forget(site.cache, 1);
            if (calls[i] == PLAINFILE_READ)
                get(target);
            plainfile.read_max = 5;
            plainfile_fail(calls[i], nth, nth, -ECANCELED);
            assert_int_equal(get(target).result, -ECANCELED);
            plainfile_fail(calls[i], 0, 0, 0);
            struct asked asked = get(target); /* the next request is served */
            assert_int_equal(asked.status, 200);
        }
}

static void no_memory_to_keep_the_request_is_503_or_a_cold_answer(void **state)
{
    (void)state;
    keep_fails = true;
    assert_int_equal(status_of("/a.txt"), 503);
    keep_fails = false;
    assert_int_equal(status_of("/a.txt"), 200);
    keep_fails = true;
    assert_true(get("/a.txt").from_file); /* not loaded, but sent */
    keep_fails = false;
}

static void file_that_shrinks_while_it_is_loaded_is_sent_from_its_descriptor(void **state)
{
    (void)state;
    get("/a.txt");
    plainfile_fail(PLAINFILE_READ, 1, 1, -EIO);
    struct asked asked = get("/a.txt");
    assert_int_equal(asked.status, 200);
    assert_true(asked.from_file);
    assert_line(&asked, "Content-Length: 10"); /* cut by the sender if it is too short (rule 100) */
}

/* While one request waits for the file system, others come. */
static struct asked meanwhile[2];

static void ask_meanwhile(enum plainfile_call call)
{
    if (call != PLAINFILE_OPEN)
        return;
    meanwhile[0] = get("/a.txt");
    meanwhile[1] = get("/a.txt");
}

static void ask_a_second_later(enum plainfile_call call)
{
    if (call != PLAINFILE_OPEN)
        return;
    write_text("a.txt", "later");
    site.now++;
    meanwhile[0] = get("/a.txt");
}

static void requests_that_meet_in_one_look_are_all_served(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) { /* nothing cached, then at the look of a new second */
        plainfile.hook = ask_meanwhile;
        assert_string_equal(get("/a.txt").body, "0123456789");
        plainfile.hook = NULL;
        assert_string_equal(meanwhile[0].body, "0123456789");
        assert_string_equal(meanwhile[1].body, "0123456789");
        assert_int_equal(filecache_count(site.cache), 1);
        site.now++;
    }
    plainfile.hook = ask_a_second_later;
    get("/a.txt");
    plainfile.hook = NULL;
    assert_string_equal(meanwhile[0].body, "later");
    site.now++;
    assert_string_equal(get("/a.txt").body, "later");
    assert_int_equal(filecache_count(site.cache), 1);
    assert_int_equal(plainfile.open, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hot_file_is_answered_without_a_call_or_an_allocation),
        TEST(file_is_looked_at_once_a_second_on_use),
        TEST(change_of_any_kind_is_seen_within_the_second),
        TEST(link_that_is_switched_is_seen_within_the_second),
        TEST(answer_on_its_way_keeps_the_old_file),
        TEST(fresh_file_has_a_weak_tag_and_stays_out_of_memory),
        TEST(date_of_the_future_is_sent_as_now),
        TEST(large_file_is_never_loaded),
        TEST(closed_route_leaves_nothing_in_the_cache),
        TEST(each_failed_allocation_is_an_answer_and_leaks_nothing),
        TEST(route_that_cannot_be_opened_says_why),
        TEST(cancel_at_each_call_ends_the_request_and_leaks_nothing),
        TEST(no_memory_to_keep_the_request_is_503_or_a_cold_answer),
        TEST(file_that_shrinks_while_it_is_loaded_is_sent_from_its_descriptor),
        TEST(requests_that_meet_in_one_look_are_all_served),
    };
    return cmocka_run_group_tests_name("files_cache", tests, NULL, NULL);
}
