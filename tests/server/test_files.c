/* test_files.c - the promises of the files handler: rules 70 and 81 to 99, and RULES.md, Files.
 *
 * Requests are real heads, files are real ones in a directory of the test; the seconds of the wall clock
 * are given, so nothing waits. What another task would do during an await is done by a hook. */
#include "server/handler/handler.h"

#include "core/base/mem.h"
#include "server/conf/conf.h"
#include "server/filecache.h"
#include "tests/server/plainfile.h"

#include <rill/http.h>
#include <rill/mem.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MODIFIED      "Sun, 06 Nov 1994 08:49:37 GMT" /* of every file that is not said to be newer */
#define MODIFIED_SECS 784111777
#define TAG           "\"ae1b981bc490a00-a\"" /* of a.txt */
#define DATE          "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"

/* --- The site --- */

static struct site {
    char path[64];
    int root; /* the directory, as the generation lends it */
    struct filecache *cache;
    struct conf_route conf;
    void *state; /* of the handler */
    int64_t now; /* of the requests: ahead of every change time, so that files are settled */
    int64_t live;
} site;

static int directory(const struct generation *generation, rill_span path)
{
    (void)generation;
    return rill_span_equal(path, RILL_SPAN("/srv/www")) ? site.root : -ENOENT;
}

static struct handler_env env_of_site(void)
{
    return (struct handler_env){ .files = site.cache, .directory = directory };
}

/* A file with this content, old enough for a strong tag; in the directory of the site. */
static void write_file(const char *name, const char *content, size_t size)
{
    struct timespec times[2] = { { MODIFIED_SECS, 0 }, { MODIFIED_SECS, 0 } };
    int fd = openat(site.root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void write_text(const char *name, const char *content)
{
    write_file(name, content, strlen(content));
}

static void open_site(void)
{
    static const rill_span names[] = { { "index.html", 10 }, { "index.txt", 9 } };
    struct handler_env env = env_of_site();
    site.conf = (struct conf_route){
        .path = RILL_SPAN("/"),
        .prefix = true,
        .kind = CONF_FILES,
        .files = { .root = RILL_SPAN("/srv/www"), .index = names, .index_count = 2 },
    };
    assert_int_equal(handler_files.open(&site.conf, &env, &site.state), 0);
}

static int setup(void **state)
{
    (void)state;
    struct filecache_opts opts = { .file_max = 64 };
    plainfile = (struct plainfile){ .open = 0 };
    site = (struct site){ .path = "/tmp/rill-files-XXXXXX", .live = rill__mem_live() };
    assert_non_null(mkdtemp(site.path));
    site.root = open(site.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(site.root >= 0);
    assert_int_equal(filecache_new(&opts, &site.cache), 0);
    site.now = time(NULL) + 10;
    open_site();
    write_text("a.txt", "0123456789");
    return 0;
}

static void remove_tree(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        DIR *dir = fdopendir(fd);
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                remove_tree(fd, entry->d_name);
        closedir(dir);
    }
    unlinkat(parent, name, fd >= 0 ? AT_REMOVEDIR : 0);
}

/* Neither memory nor descriptors are left behind by any test. */
static int teardown(void **state)
{
    (void)state;
    handler_files.close(site.state);
    filecache_free(site.cache);
    close(site.root);
    remove_tree(AT_FDCWD, site.path);
    return plainfile.open != 0 || rill__mem_live() != site.live;
}

/* --- Requests --- */

struct asked {
    int result, status;
    char head[2048], body[4096]; /* as text; the body also if it is sent from a file */
    size_t body_size;
    bool from_file, kept;
};

static bool keep_fails;

/* Moves the octets and spoils the old ones, as a receive buffer is used again. */
int request_keep(struct request *request)
{
    if (request->kept)
        return 0;
    if (keep_fails)
        return -ENOMEM;
    size_t size = request->path.size, tail = request->tail.size;
    char *path = rill_arena_copy(request->arena, request->path.at, size);
    if (path == NULL)
        return -ENOMEM;
    memset((char *)(uintptr_t)request->path.at, '!', size);
    request->path.at = path;
    request->tail.at = path + size - tail;
    request->kept = true;
    return 0;
}

static void take_reply(struct asked *asked, const struct reply *reply)
{
    assert_true(reply->head_size < sizeof asked->head);
    assert_memory_equal(reply->head + reply->date_at - 6, DATE, sizeof DATE - 1);
    memcpy(asked->head, reply->head, reply->head_size);
    asked->head[reply->head_size] = 0;
    asked->status = reply->status;
    asked->from_file = reply->file_fd >= 0;
    asked->body_size = asked->from_file ? (size_t)reply->file_size : reply->body.size;
    size_t size = asked->body_size < sizeof asked->body ? asked->body_size : sizeof asked->body - 1;
    if (asked->from_file) {
        ssize_t got = pread(reply->file_fd, asked->body, size, (off_t)reply->file_offset);
        assert_true(got >= 0);
        size = (size_t)got;
    } else if (size > 0) {
        memcpy(asked->body, reply->body.at, size);
    }
    asked->body[size] = 0;
}

/* Send `method target` with further field lines through the handler. */
static struct asked ask(const char *method, const char *target, const char *fields)
{
    struct asked asked = { .result = 0 };
    char text[9000], memory[9000];
    rill_http_field lines[16];
    rill_http_head head;
    rill_http_target parsed;
    rill_arena arena = { 0 };
    struct reply reply = { .status = -1 };
    int size =
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, fields);
    rill_http_head_init(&head, lines, 16);
    assert_int_equal(rill_http_request_parse(&head, text, (size_t)size, NULL), size);
    assert_int_equal(rill_http_target_parse(rill_http_span(&head, head.resource), memory,
                                            sizeof memory, &parsed),
                     0);
    memmove(memory, parsed.path.at, parsed.path.size); /* where it may be spoiled */
    struct request request = {
        .head = &head,
        .path = { memory, parsed.path.size },
        .tail = { memory + 1, parsed.path.size - 1 },
        .query = parsed.query,
        .encoded_slash = parsed.encoded_slash,
        .arena = &arena,
        .now = site.now,
    };
    asked.result = handler_files.serve(site.state, &request, &reply);
    if (asked.result == 0) {
        take_reply(&asked, &reply);
        reply_release(&reply);
    }
    asked.kept = request.kept;
    rill_arena_fini(&arena);
    return asked;
}

static struct asked get(const char *target)
{
    return ask("GET", target, "");
}

static int status_of(const char *target)
{
    return get(target).status;
}

static void assert_line(const struct asked *asked, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    if (strstr(asked->head, whole) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, asked->head);
}

static void assert_no_field(const struct asked *asked, const char *name)
{
    if (strstr(asked->head, name) != NULL)
        fail_msg("\"%s\" in:\n%s", name, asked->head);
}

/* The value of a field of the answer. */
static const char *value_of(const struct asked *asked, const char *name)
{
    static char value[128];
    const char *at = strstr(asked->head, name);
    assert_non_null(at);
    at += strlen(name) + 2;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

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
    rill_http_head head;
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
    char first[64];
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
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
