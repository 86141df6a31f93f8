/* test_files_ring.c - the files handler on the real ring: many tasks at once, and cancelled ones.
 *
 * test_files.c has the promises one by one; here the awaits are real. A task only notes what it
 * got; the test looks at it afterwards. */
#include "server/handler/handler.h"

#include "core/base/mem.h"
#include "server/conf/conf.h"
#include "server/filecache.h"

#include <rill/future.h>
#include <rill/http.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/task.h>
#include <rill/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { files = 8, tasks = 48 };

static char site[64];
static int root;
static struct filecache *cache;
static void *state;
static int64_t now;

static int directory(const struct generation *generation, rill_span path)
{
    (void)generation, (void)path;
    return root;
}

int request_keep(struct request *request)
{
    size_t size = request->path.size;
    if (request->kept)
        return 0;
    char *path = rill_arena_copy(request->arena, request->path.at, size);
    if (path == NULL)
        return -ENOMEM;
    memset((char *)(uintptr_t)request->path.at, '!', size);
    request->path.at = path;
    request->tail.at = path + 1;
    request->kept = true;
    return 0;
}

/* One request for a file of the site, and what came of it. */
struct asked {
    char path[32];
    int result, status;
    size_t size;
    bool from_file;
    char first; /* octet of the body */
};

static int serve(void *arg)
{
    struct asked *asked = arg;
    rill_http_field lines[1];
    rill_http_message head;
    rill_arena arena = { 0 };
    struct reply reply;
    size_t size = strlen(asked->path);
    rill_http_head_init(&head, lines, 1);
    head.method = RILL_HTTP_GET;
    struct request request = { .head = &head,
                               .path = { asked->path, size },
                               .tail = { asked->path + 1, size - 1 },
                               .arena = &arena,
                               .now = now };
    asked->result = handler_files.serve(state, &request, &reply);
    if (asked->result == 0) {
        asked->status = reply.status;
        asked->from_file = reply.file_fd >= 0;
        asked->size = asked->from_file ? (size_t)reply.file_size : reply.body.size;
        if (!asked->from_file && asked->size > 0)
            asked->first = reply.body.at[0];
        else if (pread(reply.file_fd, &asked->first, 1, (off_t)reply.file_offset) < 0)
            asked->result = -EIO;
        reply_release(&reply);
    }
    rill_arena_fini(&arena);
    return asked->result;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* File N holds N KiB (and an octet) of its own letter. */
static void make_site(void)
{
    static char content[(files << 10) + 1];
    snprintf(site, sizeof site, "/tmp/rill-ring-XXXXXX");
    assert_non_null(mkdtemp(site));
    root = open(site, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(root >= 0);
    for (int i = 0; i < files; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        memset(content, 'a' + i, sizeof content);
        assert_int_equal(write(fd, content, (size_t)(i << 10) + 1), (i << 10) + 1);
        close(fd);
    }
}

static int setup(void **unused)
{
    (void)unused;
    static struct conf_route conf = { .path = RILL_SPAN("/"), .prefix = true, .kind = CONF_FILES };
    struct handler_env env = { .directory = directory };
    make_site();
    now = time(NULL) + 10;
    assert_int_equal(filecache_new(NULL, &cache), 0);
    env.files = cache;
    assert_int_equal(handler_files.open(&conf, &env, &state), 0);
    return 0;
}

static int teardown(void **unused)
{
    (void)unused;
    for (int i = 0; i < files; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        unlinkat(root, name, 0);
    }
    close(root);
    return rmdir(site);
}

/* Run a coroutine that leaves an empty cache behind: files are closed by ops of the loop. */
static void run(rill_coro coro)
{
    int64_t live = rill__mem_live();
    size_t descriptors = open_descriptors();
    int r = rill_run(coro);
    if (r < 0 && rill_ring_problem() != NULL) {
        print_message("%s\n", rill_ring_problem());
        skip();
    }
    assert_int_equal(r, 0);
    assert_int_equal(filecache_count(cache), 0);
    assert_int_equal(open_descriptors(), descriptors);
    assert_int_equal(rill__mem_live(), live);
}

static struct asked asked[tasks];

static void ask_for(struct asked *one, unsigned file)
{
    *one = (struct asked){ .result = 1 };
    snprintf(one->path, sizeof one->path, "/f%u", file);
}

static int ask_in_turn(void *unused)
{
    (void)unused;
    for (int i = 0; i < 4; i++) {
        ask_for(&asked[i], 3);
        serve(&asked[i]);
    }
    snprintf(asked[4].path, sizeof asked[4].path, "/none");
    serve(&asked[4]);
    filecache_forget(cache, 1);
    return 0;
}

static void file_is_opened_then_read_then_answered_from_memory(void **unused)
{
    (void)unused;
    run(RILL_CORO(ask_in_turn, NULL));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(asked[i].result, 0);
        assert_int_equal(asked[i].status, 200);
        assert_int_equal(asked[i].size, (3 << 10) + 1);
        assert_int_equal(asked[i].first, 'd');
        assert_int_equal(asked[i].from_file, i == 0);
    }
    assert_int_equal(asked[4].status, 404);
}

/* Start all tasks, cancel every `cancel`th one after `turns` turns, and wait for all. */
struct crowd {
    int cancel, turns;
};

static int ask_at_once(void *arg)
{
    const struct crowd *crowd = arg;
    rill_future *all[tasks];
    for (unsigned i = 0; i < tasks; i++) {
        ask_for(&asked[i], i % files);
        all[i] = rill_create_task(RILL_CORO(serve, &asked[i]));
    }
    int r = 0;
    for (int i = 0; i < crowd->turns && r == 0; i++)
        r = rill_sleep(0);
    for (int i = 0; crowd->cancel > 0 && i < tasks; i += crowd->cancel)
        rill_cancel(all[i], NULL);
    int joined = rill_join(rill_gather(tasks, all, RILL_RETURN_ERRORS));
    for (unsigned i = 0; i < tasks; i++)
        rill_unref(all[i]);
    filecache_forget(cache, 1);
    return rill_first_error(r, joined);
}

static void tasks_that_ask_at_once_all_get_their_file(void **unused)
{
    (void)unused;
    struct crowd crowd = { 0, 0 };
    run(RILL_CORO(ask_at_once, &crowd));
    for (int i = 0; i < tasks; i++) {
        assert_int_equal(asked[i].result, 0);
        assert_int_equal(asked[i].size, (i % files << 10) + 1);
        assert_int_equal(asked[i].first, 'a' + i % files);
    }
}

static void cancelled_tasks_leave_nothing_and_disturb_nobody(void **unused)
{
    (void)unused;
    for (int cancel = 1; cancel <= 3; cancel++)
        for (int turns = 0; turns < 6; turns++) {
            struct crowd crowd = { cancel, turns };
            run(RILL_CORO(ask_at_once, &crowd));
            for (int i = 0; i < tasks; i++) {
                if (i % cancel == 0 && asked[i].result != 0)
                    continue; /* cancelled, perhaps before it began */
                assert_int_equal(asked[i].result, 0);
                assert_int_equal(asked[i].first, 'a' + i % files);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_opened_then_read_then_answered_from_memory),
        cmocka_unit_test(tasks_that_ask_at_once_all_get_their_file),
        cmocka_unit_test(cancelled_tasks_leave_nothing_and_disturb_nobody),
    };
    return cmocka_run_group_tests_name("files_ring", tests, setup, teardown);
}
