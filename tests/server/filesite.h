/* filesite.h - a site of real files, and requests through the files handler without a connection.
 *
 * Requests are real heads, files are real ones in a directory of the test; the seconds of the wall clock
 * are given, so nothing waits. What another task would do during an await is done by a hook. To be
 * included by one file of a program. */
#pragma once

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

static inline int directory(const struct generation *generation, rill_span path)
{
    (void)generation;
    return rill_span_equal(path, RILL_SPAN("/srv/www")) ? site.root : -ENOENT;
}

static inline struct handler_env env_of_site(void)
{
    return (struct handler_env){ .files = site.cache, .directory = directory };
}

/* A file with this content, old enough for a strong tag; in the directory of the site. */
static inline void write_file(const char *name, const char *content, size_t size)
{
    struct timespec times[2] = { { MODIFIED_SECS, 0 }, { MODIFIED_SECS, 0 } };
    int fd = openat(site.root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static inline void write_text(const char *name, const char *content)
{
    write_file(name, content, strlen(content));
}

static inline void open_site(void)
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

static inline int setup(void **state)
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

static inline void remove_tree(int parent, const char *name)
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
static inline int teardown(void **state)
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
    int result, status, failure;
    char head[2048], body[4096]; /* as text; the body also if it is sent from a file */
    size_t body_size;
    bool from_file, kept;
};

static bool keep_fails;

/* In the place of the server's: moves the octets and spoils the old ones, as a receive buffer is used
 * again. */
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

static inline void take_reply(struct asked *asked, const struct reply *reply)
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
static inline struct asked ask(const char *method, const char *target, const char *fields)
{
    struct asked asked = { .result = 0 };
    char text[9000], memory[9000];
    rill_http_field lines[16];
    rill_http_message head;
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
    asked.failure = request.failure;
    rill_arena_fini(&arena);
    return asked;
}

static inline struct asked get(const char *target)
{
    return ask("GET", target, "");
}

static inline int status_of(const char *target)
{
    return get(target).status;
}

static inline void assert_line(const struct asked *asked, const char *line)
{
    char whole[512];
    snprintf(whole, sizeof whole, "\r\n%s\r\n", line);
    if (strstr(asked->head, whole) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, asked->head);
}

static inline void assert_no_field(const struct asked *asked, const char *name)
{
    if (strstr(asked->head, name) != NULL)
        fail_msg("\"%s\" in:\n%s", name, asked->head);
}

/* The value of a field of the answer. */
static inline const char *value_of(const struct asked *asked, const char *name)
{
    static char value[128];
    const char *at = strstr(asked->head, name);
    assert_non_null(at);
    at += strlen(name) + 2;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}
