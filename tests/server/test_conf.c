/* test_conf.c - what a good configuration becomes: values, defaults, the region, the other sources. */
#include "core/base/mem.h"
#include "server/conf/conf.h"

#include <rill/mem.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define OK "listen: [127.0.0.1:1]\n"

static _Alignas(16) char memory[CONF_MEMORY_SIZE];
static struct conf_report report;

#define assert_span(span, text)                      \
    do {                                             \
        assert_int_equal((span).size, strlen(text)); \
        assert_string_equal((span).at, text);        \
    } while (0)

static const struct conf *load_with(rill_span text, const struct conf_overrides *overrides)
{
    const struct conf *conf = NULL;
    int r = conf_load_text("f", text, overrides, memory, sizeof memory, &report, &conf);
    if (r < 0)
        print_message("%s\n", report.findings[0].text);
    assert_int_equal(r, 0);
    assert_int_equal(report.count, 0);
    return conf;
}

static const struct conf *load(const char *text)
{
    return load_with(rill_span_of(text), NULL);
}

static void the_shortest_file_has_every_default(void **state)
{
    (void)state;
    const struct conf *conf = load(OK);
    assert_span(conf->source, "f");
    assert_int_equal(conf->workers, CONF_AUTO);
    assert_int_equal(conf->user.size + conf->group.size + conf->pid_file.size, 0);
    assert_int_equal(conf->drain_timeout, RILL_SEC(30));
    assert_int_equal(conf->drain_grace, RILL_SEC(2));
    assert_int_equal(conf->log.access.to, CONF_LOG_STDOUT);
    assert_int_equal(conf->log.error.to, CONF_LOG_STDERR);
    assert_int_equal(conf->log.format, CONF_LOG_JSON);
    assert_int_equal(conf->log.level, CONF_LOG_INFO);
    assert_true(conf->log.query);
    assert_int_equal(conf->log.buffer, 1 << 20);
    assert_int_equal(conf->limits.head_line, 8 << 10);
    assert_int_equal(conf->limits.head_size, 16 << 10);
    assert_int_equal(conf->limits.head_fields, 100);
    assert_int_equal(conf->limits.body, 1 << 20);
    assert_int_equal(conf->limits.head_timeout, RILL_SEC(10));
    assert_int_equal(conf->limits.idle_timeout, RILL_SEC(60));
    assert_int_equal(conf->limits.body_timeout, RILL_SEC(30));
    assert_int_equal(conf->limits.send_timeout, RILL_SEC(30));
    assert_int_equal(conf->limits.connections, CONF_AUTO);
    assert_int_equal(conf->listen_count, 1);
    assert_int_equal(rill_addr_port(&conf->listen[0].address), 1);
    assert_int_equal(conf->listen[0].backlog, 4096);
    assert_int_equal(conf->listen[0].mode, 0660);
    assert_int_equal(conf->route_count, 0);
}

static void the_top_level_takes_every_setting(void **state)
{
    (void)state;
    const struct conf *conf = load("workers: 3\n"
                                   "user: www-data:adm\n"
                                   "pid_file: /run/x.pid\n"
                                   "drain_timeout: 1h\n"
                                   "drain_grace: 0s\n"
                                   "log: {access: no, error: /var/log/e, format: combined, level: "
                                   "debug, query: off, buffer: 128k}\n"
                                   "limits:\n"
                                   "  head_line: 1024\n"
                                   "  body: 0\n"
                                   "  idle_timeout: 2m\n"
                                   "  connections: 16\n" OK);
    assert_int_equal(conf->workers, 3);
    assert_span(conf->user, "www-data");
    assert_span(conf->group, "adm");
    assert_span(conf->pid_file, "/run/x.pid");
    assert_int_equal(conf->pid_file_place.line, 3);
    assert_int_equal(conf->drain_timeout, RILL_SEC(3600));
    assert_int_equal(conf->drain_grace, 0);
    assert_int_equal(conf->log.access.to, CONF_LOG_OFF);
    assert_int_equal(conf->log.error.to, CONF_LOG_FILE);
    assert_span(conf->log.error.path, "/var/log/e");
    assert_int_equal(conf->log.format, CONF_LOG_COMBINED);
    assert_int_equal(conf->log.level, CONF_LOG_DEBUG);
    assert_false(conf->log.query);
    assert_int_equal(conf->log.buffer, 128 << 10);
    assert_int_equal(conf->limits.head_line, 1024);
    assert_int_equal(conf->limits.head_size, 16 << 10);
    assert_int_equal(conf->limits.body, 0);
    assert_int_equal(conf->limits.idle_timeout, RILL_SEC(120));
    assert_int_equal(conf->limits.connections, 16);
}

static void listen_keeps_its_order_and_every_form(void **state)
{
    (void)state;
    const struct conf *conf = load("listen:\n"
                                   "  - \"[::1]:80\"\n"
                                   "  - unix:/run/x\n"
                                   "  - address: unix:/run/y\n"
                                   "    mode: 600\n"
                                   "    backlog: 65535\n"
                                   "  - systemd:http\n");
    assert_int_equal(conf->listen_count, 4);
    assert_int_equal(conf->listen[0].address.any.sa_family, AF_INET6);
    assert_int_equal(conf->listen[0].systemd.size, 0);
    assert_string_equal(conf->listen[1].address.un.sun_path, "/run/x");
    assert_int_equal(conf->listen[2].mode, 0600);
    assert_int_equal(conf->listen[2].backlog, 65535);
    assert_int_equal(conf->listen[2].place.line, 4);
    assert_int_equal(conf->listen[3].address.length, 0);
    assert_span(conf->listen[3].systemd, "http");
    assert_int_equal(conf->listen[3].place.column, 5);
}

static void routes_are_sorted_and_say_what_they_are(void **state)
{
    (void)state;
    const struct conf *conf = load(OK "routes:\n"
                                      "  /b: {respond: }\n"
                                      "  /a/: {files: {root: /srv}, access_log: no, deadline: "
                                      "1ms}\n"
                                      "  /: {respond: {}}\n"
                                      "  /a: {respond: , header: {X-A: 1, X-B: b c}}\n");
    assert_int_equal(conf->route_count, 4);
    assert_span(conf->routes[0].path, "/");
    assert_span(conf->routes[1].path, "/a");
    assert_span(conf->routes[2].path, "/a/");
    assert_span(conf->routes[3].path, "/b");
    assert_true(conf->routes[0].prefix && conf->routes[2].prefix);
    assert_false(conf->routes[1].prefix || conf->routes[3].prefix);
    assert_int_equal(conf->routes[2].kind, CONF_FILES);
    assert_int_equal(conf->routes[2].deadline, RILL_MS(1));
    assert_false(conf->routes[2].access_log);
    assert_int_equal(conf->routes[2].place.line, 4);
    assert_int_equal(conf->routes[1].deadline, RILL_SEC(30));
    assert_true(conf->routes[1].access_log);
    assert_int_equal(conf->routes[1].header_count, 2);
    assert_span(conf->routes[1].header[0].name, "X-A");
    assert_span(conf->routes[1].header[0].value, "1");
    assert_span(conf->routes[1].header[1].value, "b c");
}

static void files_and_respond_take_every_setting(void **state)
{
    (void)state;
    const struct conf *conf = load(OK "routes:\n"
                                      "  /: {files: {root: /srv}}\n"
                                      "  /a/:\n"
                                      "    files: {root: /x, index: [a, b], types: {md: text/x, "
                                      "1: a/b}, hidden: true, symlinks: none}\n"
                                      "  /r: {respond: {status: 301, location: /x?a=%20}}\n"
                                      "  /s: {respond: {body: \"a\\0b\\n\", type: a/b}}\n");
    const struct conf_files *plain = &conf->routes[0].files, *files = &conf->routes[1].files;
    const struct conf_respond *moved = &conf->routes[2].respond, *body = &conf->routes[3].respond;
    assert_span(plain->root, "/srv");
    assert_int_equal(plain->root_place.column, 21);
    assert_int_equal(plain->index_count, 1);
    assert_span(plain->index[0], "index.html");
    assert_int_equal(plain->type_count, 0);
    assert_int_equal(plain->symlinks, CONF_SYMLINKS_BENEATH);
    assert_false(plain->hidden);
    assert_int_equal(files->index_count, 2);
    assert_span(files->index[1], "b");
    assert_span(files->types[1].name, "1");
    assert_span(files->types[0].value, "text/x");
    assert_int_equal(files->symlinks, CONF_SYMLINKS_NONE);
    assert_true(files->hidden);
    assert_int_equal(moved->status, 301);
    assert_span(moved->location, "/x?a=%20");
    assert_span(moved->type, "text/plain; charset=utf-8");
    assert_int_equal(body->status, 200);
    assert_int_equal(body->body.size, 4);
    assert_memory_equal(body->body.at, "a\0b\n", 5);
}

static void gather_keeps_its_parts_in_order_with_their_defaults(void **state)
{
    (void)state;
    const struct conf *conf =
        load(OK "routes:\n"
                "  /a/:\n"
                "    gather:\n"
                "      deadline: 300ms\n"
                "      body_max: 100k\n"
                "      parts:\n"
                "        z: {url: http://127.0.0.1:9001, timeout: 300ms, part_max: 100k}\n"
                "        a: {url: \"http://[::1]:80/u/{tail}/x?{query}&a=%41\", optional: yes}\n"
                "        m: {file: /srv/m}\n");
    const struct conf_gather *gather = &conf->routes[0].gather;
    assert_int_equal(gather->deadline, RILL_MS(300));
    assert_span(gather->cache_control, "no-store");
    assert_int_equal(gather->part_count, 3);
    const struct conf_part *z = &gather->parts[0], *a = &gather->parts[1], *m = &gather->parts[2];
    assert_span(z->name, "z");
    assert_span(z->host, "127.0.0.1:9001");
    assert_int_equal(z->piece_count, 1);
    assert_span(z->pieces[0].text, "/");
    assert_int_equal(z->part_max, 100 << 10);
    assert_false(z->optional);
    assert_int_equal(rill_addr_port(&a->address), 80);
    assert_span(a->host, "[::1]:80");
    assert_true(a->optional);
    assert_int_equal(a->timeout, RILL_MS(300)); /* the gather's deadline */
    assert_int_equal(a->part_max, 100 << 10);   /* 256k, bounded by body_max */

    static const enum conf_piece_kind kinds[] = { CONF_PIECE_TEXT, CONF_PIECE_TAIL, CONF_PIECE_TEXT,
                                                  CONF_PIECE_QUERY, CONF_PIECE_TEXT };

    assert_int_equal(a->piece_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(a->pieces[i].kind, kinds[i]);
    assert_true(rill_span_equal(a->pieces[0].text, RILL_SPAN("/u/")));
    assert_true(rill_span_equal(a->pieces[2].text, RILL_SPAN("/x?")));
    assert_true(rill_span_equal(a->pieces[4].text, RILL_SPAN("&a=%41")));
    assert_span(m->file, "/srv/m");
    assert_int_equal(m->piece_count, 0);
    assert_int_equal(m->place.line, 10);
}

static void variables_are_expanded_in_values_and_names_without_structure(void **state)
{
    (void)state;
    setenv("RILL_SET", "a: [b, ${NO}", 1);
    setenv("RILL_EMPTY", "", 1);
    unsetenv("RILL_UNSET");
    const struct conf *conf =
        load(OK "routes:\n"
                "  /${RILL_UNSET:-x}/${RILL_UNSET:-}: {respond: {body: \"$${RILL_SET}$\"}}\n"
                "  /a: {respond: {body: \"<${RILL_SET}>$x$$\"}}\n"
                "  /b: {respond: {body: \"${RILL_EMPTY}${RILL_EMPTY:-d}${RILL_SET:-d}\"}}\n");
    assert_span(conf->routes[0].respond.body, "<a: [b, ${NO}>$x$$");
    assert_span(conf->routes[1].respond.body, "da: [b, ${NO}");
    assert_span(conf->routes[2].path, "/x/");
    assert_span(conf->routes[2].respond.body, "${RILL_SET}$");
}

static void json_and_a_byte_order_mark_are_fine(void **state)
{
    (void)state;
    const struct conf *conf =
        load("\xef\xbb\xbf{\"listen\": [\"127.0.0.1:1\"], \"workers\": 2,\n"
             " \"routes\": {\"/a\": {\"respond\": {\"body\": \"\\u00e9\"}}}}");
    assert_int_equal(conf->workers, 2);
    assert_span(conf->routes[0].respond.body, "\xc3\xa9");
}

static void the_command_line_overrides_the_file(void **state)
{
    (void)state;
    struct conf_overrides overrides = { .workers = 256, .pid_file = "/run/y" };
    const struct conf *conf = load_with(RILL_SPAN("workers: 2\npid_file: /run/x\n" OK), &overrides);
    assert_int_equal(conf->workers, 256);
    assert_span(conf->pid_file, "/run/y");
    overrides.workers = 257;
    assert_int_equal(
        conf_load_text("f", RILL_SPAN(OK), &overrides, memory, sizeof memory, &report, &conf),
        -EINVAL);
    assert_string_equal(report.findings[0].text,
                        "f: error: --workers 257 is out of range; write 1 to 256");
}

/* --- The region. --- */

#define RICH                                                                              \
    OK "user: a:b\nlog: {access: /x}\nroutes:\n  /a/:\n    header: {A: b}\n    gather:\n" \
       "      parts: {p: {url: \"http://127.0.0.1:1/{tail}\"}, q: {file: /x}}\n"          \
       "  /: {files: {root: /x, types: {a: b/c}}}\n  /b: {respond: {body: \"${RILL_N:-b}\"}}\n"

static bool inside(const void *at, size_t size, size_t used)
{
    const char *from = at;
    return from >= memory && from + size <= memory + used;
}

static void everything_lies_in_the_region(void **state)
{
    (void)state;
    memset(memory, 0xaa, sizeof memory);
    const struct conf *conf = load(RICH);
    size_t used = conf->memory_used;
    assert_true(inside(conf, sizeof *conf, used));
    assert_true(inside(conf->source.at, 2, used));
    assert_true(inside(conf->user.at, 2, used) && inside(conf->group.at, 2, used));
    assert_true(inside(conf->log.access.path.at, 3, used));
    assert_true(inside(conf->listen, sizeof *conf->listen, used));
    assert_true(inside(conf->routes, 3 * sizeof *conf->routes, used));
    const struct conf_route *files = &conf->routes[0], *gather = &conf->routes[1];
    assert_true(inside(files->files.index[0].at, 11, used));
    assert_true(inside(files->files.types[0].value.at, 4, used));
    assert_true(inside(gather->header[0].value.at, 2, used));
    assert_true(inside(gather->gather.cache_control.at, 9, used));
    assert_true(inside(gather->gather.parts[0].pieces[1].text.at, 6, used));
    assert_true(inside(conf->routes[2].respond.type.at, 26, used));
    for (size_t i = used; i < used + 4096; i++)
        assert_int_equal((unsigned char)memory[i], 0xaa); /* untouched behind it */
}

static void a_region_too_small_says_so_at_every_size(void **state)
{
    (void)state;
    size_t used = load(RICH)->memory_used;
    const struct conf *conf = NULL;
    for (size_t size = 0; size < used; size++) {
        assert_int_equal(conf_load_text("f", RILL_SPAN(RICH), NULL, memory, size, &report, &conf),
                         -ENOBUFS);
        assert_null(conf);
        assert_int_equal(report.errors, 1);
    }
    char expected[80];
    snprintf(expected, sizeof expected, "f: error: needs more than %zu octets; shorten it",
             used - 1);
    assert_string_equal(report.findings[0].text, expected);
    assert_int_equal(conf_load_text("f", RILL_SPAN(RICH), NULL, memory, used, &report, &conf), 0);
}

/* The most memory that an octet of the file can ask for: parts, then fields, then pieces. */
static void every_file_within_the_limits_fits_the_region(void **state)
{
    (void)state;
    size_t size = (1 << 20) - 1, routes = 0;
    char *octets = rill_alloc(size);
    assert_non_null(octets);
    rill_text text = { octets, size, 0, false };
    rill_text_add(&text, RILL_SPAN(OK "routes: {"));
    while (!text.full && text.used < size - 1000) {
        rill_text_fmt(&text, "/%zx: {gather: {parts: {", routes++);
        for (int i = 0; i < 64; i++)
            rill_text_fmt(&text, "%c: {file: /},",
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"
                          "vwxyz0123456789-"[i % 63]);
        text.used -= 14; /* the last one has the name of the first */
        rill_text_add(&text, RILL_SPAN("}}},"));
    }
    text.used--;
    rill_text_add(&text, RILL_SPAN("}"));
    assert_false(text.full);
    const struct conf *conf = load_with((rill_span){ octets, text.used }, NULL);
    assert_int_equal(conf->route_count, routes);
    assert_int_equal(conf->routes[0].gather.part_count, 63);
    rill_free(octets);
}

static void the_nth_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    int r = -ENOMEM;
    const struct conf *conf = NULL;
    int64_t live = rill__mem_live();
    for (uint64_t n = 1; r < 0; n++) {
        assert_true(n < 1000);
        rill__mem_fail_nth(n, false);
        r = conf_load_text("f", RILL_SPAN(RICH), NULL, memory, sizeof memory, &report, &conf);
        bool failed = rill__mem_count() >= n;
        rill__mem_fail_nth(0, false);
        assert_int_equal(rill__mem_live(), live);
        assert_int_equal(r, failed ? -ENOMEM : 0);
        if (r < 0)
            assert_string_equal(report.findings[0].text, "f: error: no memory to read it");
    }
}

/* --- Files. --- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    char *folder = rill_copy("/tmp/test_conf_XXXXXX", 21);
    *state = folder;
    return folder && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    unlink("f.yaml");
    int r = chdir("/") == 0 && rmdir(*state) == 0 ? 0 : -1;
    rill_free(*state);
    return r;
}

static void a_file_is_read_and_one_that_cannot_be_says_why(void **state)
{
    (void)state;
    const struct conf *conf = NULL;
    write_file("f.yaml", OK "workers: 2\n");
    assert_int_equal(conf_load("f.yaml", NULL, memory, sizeof memory, &report, &conf), 0);
    assert_int_equal(conf->workers, 2);
    assert_span(conf->source, "f.yaml");
    assert_int_equal(conf_load("none", NULL, memory, sizeof memory, &report, &conf), -ENOENT);
    assert_string_equal(report.findings[0].text,
                        "none: error: cannot open it: No such file or directory; name a file that "
                        "is there and may be read");
    rill__mem_fail_nth(1, true);
    assert_int_equal(conf_load("f.yaml", NULL, memory, sizeof memory, &report, &conf), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_int_equal(report.errors, 1);
}

static void a_file_without_a_descriptor_for_it_says_what_to_raise(void **state)
{
    struct rlimit limit, none;
    const struct conf *conf = NULL;
    (void)state;
    write_file("f.yaml", OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){ 0, limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = conf_load("f.yaml", NULL, memory, sizeof memory, &report, &conf);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(r, -EMFILE);
    assert_string_equal(report.findings[0].text,
                        "f.yaml: error: cannot open it: Too many open files; raise the limit of "
                        "descriptors, LimitNOFILE");
}

/* Reading it could wait for ever, and the master with it. No other process opens the FIFO or the socket. */
static void what_is_no_regular_file_is_refused_at_once(void **state)
{
    static const struct row {
        const char *path, *message;
    } rows[] = {
        { ".", ".: error: it is a folder; write the configuration to a regular file" },
        { "fifo", "fifo: error: it is a FIFO or pipe; write the configuration to a regular file" },
        { "socket", "socket: error: it is a socket; write the configuration to a regular file" },
        { "/dev/zero",
          "/dev/zero: error: it is a device; write the configuration to a regular file" },
    };
    const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct conf *conf = NULL;
        assert_int_equal(conf_load(rows[i].path, NULL, memory, sizeof memory, &report, &conf),
                         -EINVAL);
        assert_string_equal(report.findings[0].text, rows[i].message);
        assert_int_equal(report.errors, 1);
    }
    close(fd);
    unlink("fifo");
    unlink("socket");
}

static void check_files_tells_missing_from_forbidden(void **state)
{
    const char *folder = *state;
    char text[1024];
    snprintf(text, sizeof text,
             "pid_file: /none/pid\n"
             "log: {access: %s/a.log, error: /none/e}\n"
             "listen: [unix:/none/s]\n"
             "routes:\n"
             "  /a/: {files: {root: %s}}\n"
             "  /b/: {files: {root: %s/none}}\n"
             "  /c/: {files: {root: %s/f.yaml}}\n"
             "  /d/: {gather: {parts: {p: {file: %s/f.yaml}, q: {file: %s/x}, r: {file: %s}}}}\n",
             folder, folder, folder, folder, folder, folder, folder);
    write_file("f.yaml", text);
    const struct conf *conf = load(text);
    assert_int_equal(conf_check_files(conf, &report), -ENOENT);
    assert_int_equal(report.errors, 7);
    assert_int_equal(report.count, 7);
    assert_string_equal(report.findings[0].text, "f:1:11: error: the folder of pid_file \"/none\" "
                                                 "does not exist; make it or correct the path");
    static const uint32_t lines[] = { 1, 2, 3, 6, 7, 8, 8 };
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(report.findings[i].place.line, lines[i]);
    assert_non_null(strstr(report.findings[4].text, "is no folder; correct the path"));
    assert_non_null(strstr(report.findings[6].text, "is a folder, not a file; correct the path"));
}

static void check_files_refuses_folders_where_files_are_made(void **state)
{
    const char *folder = *state;
    char text[512], expected[128];
    snprintf(text, sizeof text,
             "pid_file: %s\nlog: {access: %s, error: /dev/null}\nlisten: [unix:%s]\n", folder,
             folder, folder);
    const struct conf *conf = load(text);
    assert_int_equal(conf_check_files(conf, &report), -ENOENT);
    assert_int_equal(report.errors, 3);
    snprintf(expected, sizeof expected,
             "f:2:15: error: access \"%s\" is a folder, not a file; correct the path", folder);
    assert_string_equal(report.findings[1].text, expected);
}

static void check_files_without_memory_says_so(void **state)
{
    (void)state;
    const struct conf *conf = load("listen: [unix:/s]\npid_file: /pid\n");
    for (uint64_t n = 1; n <= 2; n++) {
        report = (struct conf_report){ 0 };
        rill__mem_fail_nth(n, false);
        assert_int_equal(conf_check_files(conf, &report), -ENOMEM);
        rill__mem_fail_nth(0, false);
        assert_string_equal(report.findings[0].text, "f: error: no memory to check it");
    }
}

/* Root may read everything, so the test gives its rights up for the call. */
static void check_files_gives_a_notice_for_what_this_user_may_not_read(void **state)
{
    const char *folder = *state;
    char text[256];
    if (geteuid() != 0)
        skip();
    snprintf(text, sizeof text, OK "routes: {/: {files: {root: %s}}}\n", folder);
    const struct conf *conf = load(text);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(seteuid(65534), 0);
    int r = conf_check_files(conf, &report);
    int back = seteuid(0);
    assert_int_equal(back, 0);
    assert_int_equal(r, 0);
    assert_int_equal(report.count, 1);
    assert_int_equal(report.errors, 0);
    assert_non_null(strstr(report.findings[0].text, "f:2:28: notice: root"));
}

/* --- Other sources. --- */

static void a_root_on_the_command_line_is_a_whole_configuration(void **state)
{
    const char *folder = *state;
    static const char *const listen[] = { "127.0.0.1:80", "unix:/run/x" };
    const struct conf *conf = NULL;
    assert_int_equal(conf_from_root("/srv", NULL, 0, NULL, memory, sizeof memory, &report, &conf),
                     0);
    assert_span(conf->source, "command line");
    assert_int_equal(conf->listen_count, 1);
    assert_int_equal(rill_addr_port(&conf->listen[0].address), 8080);
    assert_int_equal(conf->limits.head_line, 8 << 10);
    assert_int_equal(conf->route_count, 1);
    assert_span(conf->routes[0].path, "/");
    assert_span(conf->routes[0].files.root, "/srv");
    assert_span(conf->routes[0].files.index[0], "index.html");
    struct conf_overrides overrides = { .workers = 2 };
    assert_int_equal(
        conf_from_root("x", listen, 2, &overrides, memory, sizeof memory, &report, &conf), 0);
    assert_int_equal(conf->listen_count, 2);
    assert_int_equal(conf->workers, 2);
    char expected[64];
    snprintf(expected, sizeof expected, "%s/x", folder);
    assert_span(conf->routes[0].files.root, expected);
}

static void a_root_with_a_wrong_address_names_the_command_line(void **state)
{
    (void)state;
    static const char *const listen[] = { "localhost" };
    const struct conf *conf = NULL;
    assert_int_equal(conf_from_root("/srv", listen, 1, NULL, memory, sizeof memory, &report, &conf),
                     -EINVAL);
    assert_string_equal(report.findings[0].text,
                        "command line: error: address \"localhost\" is no address; write "
                        "IPv4:PORT, \"[IPv6]:PORT\", unix:PATH or systemd:NAME");
    int r = -ENOMEM;
    for (uint64_t n = 1; r < 0; n++) {
        rill__mem_fail_nth(n, false);
        r = conf_from_root("/srv", NULL, 0, NULL, memory, sizeof memory, &report, &conf);
        rill__mem_fail_nth(0, false);
        assert_int_equal(report.errors, r < 0 ? 1 : 0);
        assert_true(n < 100);
    }
}

static void the_files_in_deploy_are_right(void **state)
{
    (void)state;
    const struct conf *conf = NULL;
    setenv("RILL_DEMO", RILL_SOURCE "/deploy/demo", 1);
    assert_int_equal(
        conf_load(RILL_SOURCE "/deploy/rilld.yaml", NULL, memory, sizeof memory, &report, &conf),
        0);
    assert_int_equal(conf_load(RILL_SOURCE "/deploy/demo/rilld.yaml", NULL, memory, sizeof memory,
                               &report, &conf),
                     0);
    assert_int_equal(report.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_file_has_every_default),
        cmocka_unit_test(the_top_level_takes_every_setting),
        cmocka_unit_test(listen_keeps_its_order_and_every_form),
        cmocka_unit_test(routes_are_sorted_and_say_what_they_are),
        cmocka_unit_test(files_and_respond_take_every_setting),
        cmocka_unit_test(gather_keeps_its_parts_in_order_with_their_defaults),
        cmocka_unit_test(variables_are_expanded_in_values_and_names_without_structure),
        cmocka_unit_test(json_and_a_byte_order_mark_are_fine),
        cmocka_unit_test(the_command_line_overrides_the_file),
        cmocka_unit_test(everything_lies_in_the_region),
        cmocka_unit_test(a_region_too_small_says_so_at_every_size),
        cmocka_unit_test(every_file_within_the_limits_fits_the_region),
        cmocka_unit_test(the_nth_failing_allocation_is_reported_and_leaks_nothing),
        cmocka_unit_test(a_file_is_read_and_one_that_cannot_be_says_why),
        cmocka_unit_test(a_file_without_a_descriptor_for_it_says_what_to_raise),
        cmocka_unit_test(what_is_no_regular_file_is_refused_at_once),
        cmocka_unit_test(check_files_tells_missing_from_forbidden),
        cmocka_unit_test(check_files_refuses_folders_where_files_are_made),
        cmocka_unit_test(check_files_without_memory_says_so),
        cmocka_unit_test(check_files_gives_a_notice_for_what_this_user_may_not_read),
        cmocka_unit_test(a_root_on_the_command_line_is_a_whole_configuration),
        cmocka_unit_test(a_root_with_a_wrong_address_names_the_command_line),
        cmocka_unit_test(the_files_in_deploy_are_right),
    };
    return cmocka_run_group_tests_name("conf", tests, make_folder, remove_folder);
}
