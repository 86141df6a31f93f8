/* gathering.h - one request through the gather handler, against scripted upstreams and a folder of files.
 *
 * Handler and upstreams run in one loop, so order is made by events: an answer waits for requests to have
 * come, not for time. A task only notes what it got; the test looks at it when the loop has ended. Each run
 * must leave no task of a part, no connection, no descriptor and no memory behind. To be included by one
 * file of a program. */
#pragma once

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

static inline int directory(const struct generation *generation, rill_span path)
{
    (void)generation;
    return rill_span_equal(path, rill_span_of(folder)) ? folder_fd : -ENOENT;
}

/* Forget everything; then parts are added, and answers of the upstream. */
static inline void begin(void)
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

static inline struct conf_part *add_part(const char *name)
{
    size_t i = g.route.gather.part_count++;
    g.parts[i] = (struct conf_part){ .name = rill_span_of(name),
                                     .timeout = g.route.gather.deadline,
                                     .part_max = 256 << 10 };
    return &g.parts[i];
}

static inline struct conf_part *add_url(const char *name, const char *path)
{
    struct conf_part *part = add_part(name);
    size_t i = g.route.gather.part_count - 1;
    g.pieces[i] = (struct conf_piece){ CONF_PIECE_TEXT, rill_span_of(path) };
    part->pieces = &g.pieces[i];
    part->piece_count = 1;
    return part;
}

static inline struct conf_part *add_nobody(const char *name)
{
    g.where[g.route.gather.part_count] = NOBODY;
    return add_url(name, "/");
}

static inline struct conf_part *add_file(const char *name, const char *file)
{
    static char paths[parts_most][128];
    char *path = paths[g.route.gather.part_count];
    struct conf_part *part = add_part(name);
    snprintf(path, sizeof paths[0], "%s/%s", folder, file);
    part->file = rill_span_of(path);
    return part;
}

static inline struct upstream_answer *add_answer(const char *target, const char *octets,
                                                 enum upstream_end end)
{
    struct upstream_answer *answer = &g.answers[g.answer_count++];
    *answer = (struct upstream_answer){ .target = target, .octets = octets, .end = end };
    return answer;
}

/* A part and what its upstream says. */
static inline struct conf_part *add_both(const char *name, const char *target, const char *octets,
                                         enum upstream_end end)
{
    add_answer(target, octets, end);
    return add_url(name, target);
}

static inline void keep_reply(const struct reply *reply)
{
    g.status = reply->status;
    snprintf(g.reply_head, sizeof g.reply_head, "%.*s", (int)reply->head_size, reply->head);
    if (reply->body.size < sizeof g.body)
        memcpy(g.body, reply->body.at, reply->body.size);
    if (reply->body.at != reply->head + reply->head_size)
        g.status = -1; /* one send should do */
}

static inline void keep_record(const struct request *request)
{
    rill_text text = { g.parts_logged, sizeof g.parts_logged, 0, false };
    for (size_t i = 0; i < request->part_count; i++) {
        const struct log_part *part = &request->parts[i];
        rill_text_fmt(&text, "%.*s:%s%s ", (int)part->name.size, part->name.at, part->result,
                      part->us >= 0 && part->us <= g.took / RILL_US(1) ? "" : "!");
    }
    rill_text_end(&text);
}

static inline int serve(void *state)
{
    rill_http_field fields[16];
    rill_http_message head;
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
static inline unsigned count_part_tasks(void)
{
    unsigned count = 0;
    list_for_each_safe(node, &rill__loop_running->tasks)
        count += strcmp(container_of(node, struct rill__task, link)->coro.site->function,
                        "gather_part_run") == 0;
    return count;
}

static inline int serve_in_task(void *state) RILL_SUSPENDS;

static inline int serve_in_task(void *state)
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

static inline int run_all(void *arg)
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
static inline void run(void)
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

static inline void answered(int status, const char *body)
{
    char length[64];
    assert_int_equal(g.rc, 0);
    assert_string_equal(g.body, body);
    assert_int_equal(g.status, status);
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body));
    assert_non_null(strstr(g.reply_head, length));
    assert_non_null(strstr(g.reply_head, "\r\nContent-Type: application/json\r\n"));
}

static inline void expect(int status, const char *body)
{
    run();
    answered(status, body);
}

/* --- The folder --- */

static inline void write_file(const char *name, const char *content, size_t size)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    close(fd);
}

static const char *const folder_names[] = { "a.json",    "motd.txt", "empty.bin", "empty.json",
                                            "link.txt",  "bad.json", "latin.txt", "data.bin",
                                            "large.txt", "fifo.txt", "out.txt",   "loop.txt",
                                            "secret.txt" };

static inline int make_folder(void **state)
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

static inline int remove_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof folder_names / sizeof *folder_names; i++)
        unlinkat(folder_fd, folder_names[i], 0);
    unlinkat(folder_fd, "folder.txt", AT_REMOVEDIR);
    close(folder_fd);
    return rmdir(folder);
}
