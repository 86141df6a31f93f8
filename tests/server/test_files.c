/* test_files.c - the promises of the files handler: rules 70 and 81 to 99, and RULES.md, Files. */
#include "tests/server/filesite.h"

/* --- Whole files --- */

static void file_is_sent_with_its_fields(void **state)
{
    (void)state;
    struct asked asked = get("/a.txt");
    assert_int_equal(asked.status, 200);
    assert_string_equal(asked.body, "0123456789");
    assert_string_equal(asked.head,
                        "HTTP/1.1 200 OK\r\n" DATE "Content-Type: text/plain; charset=utf-8\r\n"
                        "Last-Modified: " MODIFIED "\r\n"
                        "ETag: " TAG "\r\n"
                        "Accept-Ranges: bytes\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "Content-Length: 10\r\n\r\n");
}

static void rule_70_head_has_the_head_of_get(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* opened, loaded, in memory */
        struct asked got = get("/a.txt"), head = ask("HEAD", "/a.txt", "Range: bytes=0-1\r\n");
        assert_string_equal(head.head, got.head); /* rule 89: no range with HEAD */
    }
}

static void empty_file_is_an_answer_without_octets(void **state)
{
    (void)state;
    write_text("empty", "");
    for (int i = 0; i < 3; i++) {
        struct asked asked = get("/empty");
        assert_int_equal(asked.status, 200);
        assert_line(&asked, "Content-Length: 0");
        assert_false(asked.from_file);
        assert_int_equal(ask("GET", "/empty", "Range: bytes=0-\r\n").status, 416);
        assert_int_equal(ask("GET", "/empty", "Range: bytes=-5\r\n").status, 200);
    }
}

static void fields_of_the_route_replace_ours_and_stand_on_errors(void **state)
{
    (void)state;
    static const struct conf_pair pairs[] = { { { "x-content-type-options", 22 }, { "x", 1 } },
                                              { { "Cache-Control", 13 }, { "max-age=1", 9 } } };
    handler_files.close(site.state);
    site.conf.header = pairs;
    site.conf.header_count = 2;
    struct handler_env env = env_of_site();
    assert_int_equal(handler_files.open(&site.conf, &env, &site.state), 0);
    struct asked asked = get("/a.txt");
    assert_line(&asked, "x-content-type-options: x");
    assert_no_field(&asked, "nosniff");
    static const char *const fields[] = { "", "If-None-Match: *\r\n", "Range: bytes=0-1\r\n",
                                          "Range: bytes=99-\r\n", "If-Match: \"x\"\r\n" };
    static const int statuses[] = { 200, 304, 206, 416, 412 };
    for (size_t i = 0; i < 5; i++) {
        asked = ask("GET", "/a.txt", fields[i]);
        assert_int_equal(asked.status, statuses[i]);
        assert_line(&asked, "Cache-Control: max-age=1"); /* rule 87 among them */
    }
    asked = get("/none");
    assert_int_equal(asked.status, 404);
    assert_line(&asked, "Cache-Control: max-age=1");
}

static void types_of_the_route_come_first(void **state)
{
    (void)state;
    static const struct conf_pair types[] = { { { "txt", 3 }, { "text/x-own", 10 } },
                                              { { "foo", 3 }, { "x/foo", 5 } } };
    handler_files.close(site.state);
    site.conf.files.types = types;
    site.conf.files.type_count = 2;
    struct handler_env env = env_of_site();
    assert_int_equal(handler_files.open(&site.conf, &env, &site.state), 0);
    write_text("b.foo", "x");
    struct asked asked = get("/a.txt");
    assert_line(&asked, "Content-Type: text/x-own; charset=utf-8");
    asked = get("/b.foo");
    assert_line(&asked, "Content-Type: x/foo");
}

/* --- What is not there --- */

static void what_is_not_a_regular_file_below_the_root_is_404(void **state)
{
    (void)state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char outside[128], long_name[400];
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", site.path);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof address), 0);
    close(sock);
    assert_int_equal(mkfifoat(site.root, "fifo", 0644), 0); /* opening it must not block */
    snprintf(outside, sizeof outside, "%s/../rill-outside", site.path);
    assert_int_equal(symlinkat("/etc/hostname", site.root, "absolute"), 0);
    assert_int_equal(symlinkat("../../etc/hostname", site.root, "climbing"), 0);
    assert_int_equal(symlinkat("loop", site.root, "loop"), 0);
    assert_int_equal(symlinkat("/proc/self/exe", site.root, "magic"), 0);
    assert_int_equal(symlinkat("nowhere", site.root, "dangling"), 0);
    memset(long_name, 'x', sizeof long_name);
    long_name[0] = '/';
    long_name[300] = 0;
    const char *const targets[] = { "/none",   "/none/a.txt", "/a.txt/",   "/a.txt/b",
                                    "/socket", "/fifo",       "/absolute", "/climbing",
                                    "/loop",   "/magic",      "/dangling", long_name };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        for (int twice = 0; twice < 2; twice++)
            assert_int_equal(status_of(targets[i]), 404);
    assert_int_equal(filecache_count(site.cache), 0);
}

static void path_longer_than_the_kernel_takes_is_404(void **state)
{
    (void)state;
    static char target[8000];
    memset(target, 'x', sizeof target);
    for (size_t i = 0; i < sizeof target; i += 100)
        target[i] = '/';
    target[sizeof target - 1] = 0;
    assert_int_equal(status_of(target), 404);
}

static void hidden_names_are_404_unless_wanted_but_for_well_known(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, ".git", 0755), 0);
    assert_int_equal(mkdirat(site.root, ".well-known", 0755), 0);
    write_text(".git/config", "secret");
    write_text(".htaccess", "secret");
    write_text(".well-known/x", "open");
    write_text(".well-known/.y", "secret");
    static const char *const targets[] = { "/.git/config",    "/%2egit/config", "/.htaccess",
                                           "/.well-known/.y", "/.git",          "/.git/" };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        assert_int_equal(status_of(targets[i]), 404);
    assert_int_equal(status_of("/.well-known/x"), 200);
    site.conf.files.hidden = true;
    assert_int_equal(status_of("/.git/config"), 200);
}

static void rule_30_encoded_slash_never_separates(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    write_text("d/a.txt", "x");
    write_text("d\\a.txt", "x");
    assert_int_equal(status_of("/d/a.txt"), 200);
    assert_int_equal(status_of("/d%2fa.txt"), 404);
    assert_int_equal(status_of("/d%5Ca.txt"), 404);
}

static void rule_33_repeated_slashes_are_not_folded(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    write_text("d/index.html", "x");
    assert_int_equal(status_of("/d/index.html"), 200);
    assert_int_equal(status_of("//d/index.html"), 404);
    assert_int_equal(status_of("/d//index.html"), 404);
    assert_int_equal(status_of("/d//"), 404);
    assert_int_equal(status_of("//etc/hostname"), 404);
}

static void links_inside_are_followed_unless_forbidden(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    assert_int_equal(symlinkat("a.txt", site.root, "link"), 0);
    assert_int_equal(symlinkat("../a.txt", site.root, "d/up"), 0);
    assert_int_equal(status_of("/link"), 200);
    assert_int_equal(status_of("/d/up"), 200);
    site.conf.files.symlinks = CONF_SYMLINKS_NONE;
    site.now++;
    assert_int_equal(status_of("/link"), 404); /* the cache does not hide it */
    assert_int_equal(status_of("/d/up"), 404);
    assert_int_equal(status_of("/a.txt"), 200);
}

static void failed_open_has_the_status_that_says_least(void **state)
{
    (void)state;

    static const struct {
        int error, status;
    } rows[] = { { -EACCES, 403 }, { -EPERM, 403 },  { -EMFILE, 503 },      { -ENFILE, 503 },
                 { -ENOMEM, 503 }, { -EAGAIN, 503 }, { -EIO, 500 },         { -EXDEV, 404 },
                 { -ELOOP, 404 },  { -ENXIO, 404 },  { -ENAMETOOLONG, 404 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        plainfile_fail(PLAINFILE_OPEN, 1, 9, rows[i].error);
        struct asked asked = get("/a.txt");
        assert_int_equal(asked.status, rows[i].status);
        assert_int_equal(asked.failure, asked.status == 500 ? rows[i].error : 0);
        if (asked.status == 503)
            assert_line(&asked, "Retry-After: 1");
    }
    plainfile_fail(PLAINFILE_OPEN, 0, 0, 0);
    plainfile_fail(PLAINFILE_STAT, 1, 1, -EIO);
    assert_int_equal(status_of("/a.txt"), 500);
    assert_int_equal(status_of("/a.txt"), 200);
}

static void race_with_a_rename_is_tried_three_times(void **state)
{
    (void)state;
    plainfile_fail(PLAINFILE_OPEN, 1, 2, -EAGAIN);
    assert_int_equal(status_of("/a.txt"), 200);
    plainfile_fail(PLAINFILE_OPEN, 1, 3, -EAGAIN);
    assert_int_equal(status_of("/b.txt"), 503);
    assert_int_equal(plainfile.count[PLAINFILE_OPEN], 3);
}

static void descriptors_run_out_the_cache_gives_one_back(void **state)
{
    (void)state;
    write_text("b.txt", "b");
    assert_int_equal(status_of("/a.txt"), 200);
    plainfile_fail(PLAINFILE_OPEN, 1, 1, -EMFILE);
    assert_int_equal(status_of("/b.txt"), 200);
    assert_int_equal(filecache_count(site.cache), 1);
}

/* --- Directories --- */

static void directory_without_its_slash_is_301_with_its_query(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, "d d", 0755), 0);
    struct asked asked = get("/d%20d?x=%20");
    assert_int_equal(asked.status, 301);
    assert_line(&asked, "Location: /d%20d/?x=%20");
    asked = get("/d%20d");
    assert_line(&asked, "Location: /d%20d/");
}

static void directory_answers_with_the_first_index_there_is(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(site.root, "d", 0755), 0);
    assert_int_equal(status_of("/"), 404);
    assert_int_equal(status_of("/d/"), 404);
    write_text("d/index.txt", "text");
    struct asked asked = get("/d/");
    assert_string_equal(asked.body, "text");
    assert_line(&asked, "Content-Type: text/plain; charset=utf-8");
    write_text("d/index.html", "html");
    asked = get("/d/");
    assert_string_equal(asked.body, "text"); /* at most one look a second */
    site.now++;
    asked = get("/d/");
    assert_string_equal(asked.body, "html");
    assert_line(&asked, "Content-Type: text/html; charset=utf-8");
    write_text("index.html", "root");
    assert_string_equal(get("/").body, "root");
    assert_string_equal(get("/?query").body, "root");
    assert_int_equal(unlinkat(site.root, "d/index.html", 0), 0);
    assert_int_equal(mkdirat(site.root, "d/index.html", 0755), 0); /* no file: the next name */
    site.now++;
    assert_string_equal(get("/d/").body, "text");
}

/* --- Conditions and ranges --- */

static void rules_83_to_86_conditions_are_answered(void **state)
{
    (void)state;

    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        { "If-None-Match: " TAG "\r\n", 304 },
        { "If-None-Match: W/" TAG "\r\n", 304 },
        { "If-None-Match: \"x\"\r\nIf-None-Match: " TAG "\r\n", 304 }, /* rule 41 */
        { "If-None-Match: \"x\"\r\nIf-Modified-Since: " MODIFIED "\r\n", 200 },
        { "If-Modified-Since: " MODIFIED "\r\n", 304 },
        { "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200 },
        { "If-Modified-Since: " MODIFIED "\r\nIf-Modified-Since: " MODIFIED "\r\n", 200 },
        { "If-Match: " TAG "\r\n", 200 },
        { "If-Match: W/" TAG "\r\n", 412 },
        { "If-Match: *\r\n", 200 },
        { "If-Match: *\r\nIf-None-Match: *\r\n", 304 },
        { "If-Unmodified-Since: " MODIFIED "\r\n", 200 },
        { "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412 },
        { "If-None-Match: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n", 400 }, /* rule 42 */
    };

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            assert_int_equal(ask("GET", "/a.txt", rows[i].fields).status, rows[i].status);
            assert_int_equal(ask("HEAD", "/a.txt", rows[i].fields).status, rows[i].status);
        }
    assert_int_equal(ask("GET", "/none", "If-Match: *\r\n").status, 404); /* rule 82 */
}

static void rule_87_not_modified_has_its_tag_and_no_body(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct asked asked = ask("GET", "/a.txt", "If-None-Match: *\r\n");
        assert_string_equal(asked.head,
                            "HTTP/1.1 304 Not Modified\r\n" DATE "ETag: " TAG "\r\n\r\n");
        assert_int_equal(asked.body_size, 0);
    }
}

static void rules_90_to_96_ranges_are_answered(void **state)
{
    (void)state;

    static const struct {
        const char *range, *content_range, *body;
        int status;
    } rows[] = {
        { "bytes=2-4", "bytes 2-4/10", "234", 206 },
        { "bytes=-2", "bytes 8-9/10", "89", 206 },
        { "bytes=5-", "bytes 5-9/10", "56789", 206 },
        { "bytes=0-0,1-1", "bytes 0-1/10", "01", 206 },
        { "bytes=0-99", "bytes 0-9/10", "0123456789", 206 },
        { "bytes=0-1,5-6", NULL, "0123456789", 200 }, /* two remain: all of it */
        { "bytes=4-2", NULL, "0123456789", 200 },
        { "lines=1-2", NULL, "0123456789", 200 },
        { "bytes=10-", "bytes */10", "416 Range Not Satisfiable\n", 416 },
        { "bytes=-0", "bytes */10", "416 Range Not Satisfiable\n", 416 },
    };

    for (int round = 0; round < 3; round++) /* from the descriptor, then from memory */
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char fields[64], line[64];
            snprintf(fields, sizeof fields, "Range: %s\r\n", rows[i].range);
            struct asked asked = ask("GET", "/a.txt", fields);
            assert_int_equal(asked.status, rows[i].status);
            assert_string_equal(asked.body, rows[i].body);
            snprintf(line, sizeof line, "Content-Length: %zu", strlen(rows[i].body));
            assert_line(&asked, line);
            if (rows[i].content_range == NULL) {
                assert_no_field(&asked, "Content-Range");
            } else {
                snprintf(line, sizeof line, "Content-Range: %s", rows[i].content_range);
                assert_line(&asked, line);
            }
            if (asked.status == 206)
                assert_line(&asked, "ETag: " TAG "");
        }
    struct asked two = ask("GET", "/a.txt", "Range: bytes=0-1\r\nRange: bytes=2-3\r\n");
    assert_int_equal(two.status, 200);
}

static void rule_97_if_range_decides_between_part_and_whole(void **state)
{
    (void)state;

    static const struct {
        const char *fields;
        int status;
    } rows[] = {
        { "Range: bytes=0-1\r\nIf-Range: " TAG "\r\n", 206 },
        { "Range: bytes=0-1\r\nIf-Range: W/" TAG "\r\n", 200 },
        { "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n", 200 },
        { "Range: bytes=99-\r\nIf-Range: \"x\"\r\n", 200 },
        { "Range: bytes=0-1\r\nIf-Range: " MODIFIED "\r\n", 206 },
        { "Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200 },
        { "If-Range: \"x\"\r\n", 200 },
        { "Range: bytes=0-1\r\nIf-None-Match: *\r\n", 304 }, /* rule 81 */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(ask("GET", "/a.txt", rows[i].fields).status, rows[i].status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_is_sent_with_its_fields),
        TEST(rule_70_head_has_the_head_of_get),
        TEST(empty_file_is_an_answer_without_octets),
        TEST(fields_of_the_route_replace_ours_and_stand_on_errors),
        TEST(types_of_the_route_come_first),
        TEST(what_is_not_a_regular_file_below_the_root_is_404),
        TEST(path_longer_than_the_kernel_takes_is_404),
        TEST(hidden_names_are_404_unless_wanted_but_for_well_known),
        TEST(rule_30_encoded_slash_never_separates),
        TEST(rule_33_repeated_slashes_are_not_folded),
        TEST(links_inside_are_followed_unless_forbidden),
        TEST(failed_open_has_the_status_that_says_least),
        TEST(race_with_a_rename_is_tried_three_times),
        TEST(descriptors_run_out_the_cache_gives_one_back),
        TEST(directory_without_its_slash_is_301_with_its_query),
        TEST(directory_answers_with_the_first_index_there_is),
        TEST(rules_83_to_86_conditions_are_answered),
        TEST(rule_87_not_modified_has_its_tag_and_no_body),
        TEST(rules_90_to_96_ranges_are_answered),
        TEST(rule_97_if_range_decides_between_part_and_whole),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
