/* test_filecache.c - the promises of server/filecache: what is kept, what goes, who closes. */
#include "server/filecache.h"

#include "core/base/mem.h"
#include "tests/server/plainfile.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int64_t live;

static int setup(void **state)
{
    (void)state;
    plainfile = (struct plainfile){ .open = 0 };
    live = rill__mem_live();
    return 0;
}

/* Every test leaves neither memory nor descriptors behind. */
static int teardown(void **state)
{
    (void)state;
    return plainfile.open != 0 || rill__mem_live() != live;
}

static struct filecache *make(size_t file_max, size_t bytes_max)
{
    struct filecache_opts opts = { .file_max = file_max, .bytes_max = bytes_max };
    struct filecache *cache;
    assert_int_equal(filecache_new(&opts, &cache), 0);
    return cache;
}

/* A file over `content`, with the head "head" and no reference but the caller's. */
static struct file *file_over(uint64_t owner, const char *path, const char *content, size_t size)
{
    struct file *file;
    struct stat stat;
    char *memory;
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    plainfile.open++;
    assert_int_equal(pwrite(fd, content, size, 0), size);
    assert_int_equal(fstat(fd, &stat), 0);
    assert_int_equal(filecache_file_new(owner, rill_span_of(path), fd, &stat, 8, &file, &memory),
                     0);
    memcpy(memory, "head", 4);
    file->full = (struct reply){ .head = memory, .head_size = 4, .file_fd = fd, .file_size = size };
    return file;
}

/* Put a file and keep no reference. */
static void put(struct filecache *cache, uint64_t owner, const char *path, int64_t now)
{
    struct file *file = file_over(owner, path, "body", 4);
    filecache_put(cache, file, now);
    filecache_file_unref(file);
}

static struct file *find(struct filecache *cache, uint64_t owner, const char *path, int64_t now)
{
    return filecache_find(cache, owner, rill_span_of(path), now);
}

static void file_is_found_by_its_owner_and_its_whole_path(void **state)
{
    (void)state;
    struct filecache *cache = make(10, 0);
    static const char *const paths[] = { "",
                                         "a",
                                         "ab",
                                         "abc",
                                         "abcd",
                                         "abcdefg",
                                         "abcdefgh",
                                         "abcdefghijklmnop",
                                         "abcdefghijklmnopq",
                                         "abcdefghijklmnopqrstuvwxyz0123456789" };

    enum { count = sizeof paths / sizeof *paths };

    for (size_t i = 0; i < count; i++)
        put(cache, 1, paths[i], 5);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(find(cache, 1, paths[i], 5)->node.path.at, paths[i]);
        assert_null(find(cache, 2, paths[i], 5));
    }
    assert_null(find(cache, 1, "b", 5));
    assert_null(find(cache, 1, "abcdefghijklmnopr", 5));
    assert_int_equal(filecache_count(cache), count);
    filecache_free(cache);
}

static void file_put_twice_takes_the_place_of_the_first(void **state)
{
    (void)state;
    struct filecache *cache = make(10, 0);
    struct file *first = file_over(1, "a", "one", 3), *second = file_over(1, "a", "two", 3);
    filecache_put(cache, first, 5);
    assert_ptr_equal(find(cache, 1, "a", 6), first);
    filecache_put(cache, second, 6);
    assert_ptr_equal(find(cache, 1, "a", 6), second);
    assert_true(second->node.hot); /* as the first was by then */
    assert_int_equal(filecache_count(cache), 1);
    assert_int_equal(plainfile.open, 2); /* the first one is still ours */
    filecache_drop(cache, first);        /* it is not there any more: nothing happens */
    filecache_file_unref(first);
    assert_int_equal(plainfile.open, 1);
    filecache_file_unref(second);
    assert_int_equal(plainfile.open, 1); /* the cache has it */
    filecache_free(cache);
}

static void file_in_use_outlives_the_cache(void **state)
{
    (void)state;
    struct filecache *cache = make(10, 0);
    struct file *file = file_over(1, "a", "one", 3);
    char octets[3];
    filecache_put(cache, file, 5);
    filecache_free(cache);
    assert_int_equal(rill_file_read(file->fd, octets, 3, 0), 3);
    filecache_file_unref(file);
}

static void files_above_the_limit_go_oldest_first(void **state)
{
    (void)state;
    struct filecache *cache = make(4, 0);
    char path[] = "0";
    for (; path[0] < '9'; path[0]++)
        put(cache, 1, path, 5);
    assert_int_equal(filecache_count(cache), 4);
    assert_int_equal(plainfile.open, 4);
    assert_null(find(cache, 1, "4", 5));
    assert_non_null(find(cache, 1, "5", 5));
    filecache_free(cache);
}

static void crawl_leaves_what_is_used_alone(void **state)
{
    (void)state;
    struct filecache *cache = make(16, 0);
    char path[32];
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "hot%d", i);
        put(cache, 1, path, 5);
        assert_non_null(find(cache, 1, path, 5)); /* the second use */
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "crawl%d", i);
        put(cache, 1, path, 6);
    }
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "hot%d", i);
        assert_non_null(find(cache, 1, path, 7));
    }
    filecache_free(cache);
}

static void what_was_hot_long_ago_gives_way(void **state)
{
    (void)state;
    struct filecache *cache = make(16, 0);
    char path[32];
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "old%d", i);
        put(cache, 1, path, 5);
        find(cache, 1, path, 5);
    }
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "new%d", i);
        put(cache, 1, path, 6);
        assert_non_null(find(cache, 1, path, 6));
    }
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "new%d", i);
        assert_non_null(find(cache, 1, path, 7));
    }
    assert_int_equal(filecache_count(cache), 16);
    filecache_free(cache);
}

static void memory_above_the_limit_goes_and_a_file_larger_than_it_is_not_kept(void **state)
{
    (void)state;
    size_t each;
    struct filecache *cache = make(100, 1 << 20);
    put(cache, 1, "a", 5);
    each = filecache_bytes(cache);
    filecache_free(cache);
    cache = make(100, 3 * each);
    put(cache, 1, "a", 5);
    put(cache, 1, "b", 5);
    put(cache, 1, "c", 5);
    put(cache, 1, "d", 5);
    assert_int_equal(filecache_bytes(cache), 3 * each);
    assert_null(find(cache, 1, "a", 5));
    filecache_free(cache);
    cache = make(100, 1);
    struct file *file = file_over(1, "a", "x", 1);
    filecache_put(cache, file, 5);
    assert_int_equal(filecache_count(cache), 0);
    assert_int_equal(filecache_bytes(cache), 0);
    filecache_file_unref(file);
    filecache_free(cache);
}

static void owner_that_ends_takes_its_files_along(void **state)
{
    (void)state;
    struct filecache *cache = make(100, 0);
    uint64_t one = filecache_owner(cache), two = filecache_owner(cache);
    char path[32];
    assert_true(one != two);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "%d", i);
        put(cache, i % 2 == 0 ? one : two, path, 5);
    }
    filecache_forget(cache, one);
    assert_int_equal(filecache_count(cache), 20);
    assert_null(find(cache, one, "0", 5));
    assert_non_null(find(cache, two, "1", 5));
    filecache_free(cache);
}

static void shed_gives_everything_back_one_by_one(void **state)
{
    (void)state;
    struct filecache *cache = make(100, 0);
    put(cache, 1, "hot", 5);
    find(cache, 1, "hot", 5);
    put(cache, 1, "cold", 5);
    assert_true(filecache_shed(cache));
    assert_non_null(find(cache, 1, "hot", 5));
    assert_true(filecache_shed(cache));
    assert_false(filecache_shed(cache));
    assert_int_equal(plainfile.open, 0);
    filecache_free(cache);
    filecache_free(NULL);
}

/* Random use against the two promises that always hold: the limits, and that what is found is
 * what was put last. */
static void random_use_keeps_the_limits_and_finds_the_last(void **state)
{
    (void)state;

    enum { paths = 24, limit = 8 };

    struct filecache *cache = make(limit, 0);
    struct file *last[paths] = { NULL };
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        char path[16];
        seed = seed * 6364136223846793005 + 1442695040888963407;
        unsigned which = (unsigned)(seed >> 33) % paths, what = (unsigned)(seed >> 40) % 4;
        snprintf(path, sizeof path, "p%u", which);
        if (what == 0) {
            struct file *file = file_over(1, path, "x", 1);
            filecache_put(cache, file, i / 10);
            last[which] = file;
            filecache_file_unref(file);
        } else {
            struct file *file = find(cache, 1, path, i / 10);
            assert_true(file == NULL || file == last[which]);
            if (file != NULL && what == 1)
                filecache_drop(cache, file);
        }
        assert_true(filecache_count(cache) <= limit);
        assert_int_equal(plainfile.open, filecache_count(cache));
    }
    filecache_free(cache);
}

/* --- Bodies --- */

static void loaded_body_lies_behind_a_copy_of_the_head(void **state)
{
    (void)state;
    struct filecache *cache = make(10, 0);
    struct file *file = file_over(1, "a", "a body", 6);
    filecache_put(cache, file, 5);
    size_t before = filecache_bytes(cache);
    plainfile.read_max = 2;         /* short reads are gone on with */
    struct reply sent = file->full; /* on its way while the body is loaded */
    assert_int_equal(filecache_load(cache, file), 0);
    assert_memory_equal(sent.head, "head", 4);
    assert_int_equal(sent.file_fd, file->fd);
    assert_int_equal(file->full.file_fd, -1);
    assert_int_equal(file->full.file_size, 0);
    assert_memory_equal(file->full.head, "heada body", 10);
    assert_ptr_equal(file->full.body.at, file->full.head + 4);
    assert_int_equal(file->full.body.size, 6);
    assert_int_equal(filecache_bytes(cache), before + 10);
    assert_int_equal(filecache_load(cache, file), 0); /* there already */
    assert_int_equal(filecache_bytes(cache), before + 10);
    filecache_file_unref(file);
    filecache_free(cache);
}

static void body_above_the_tier_limit_stays_in_its_file(void **state)
{
    (void)state;
    struct filecache_opts opts = { .body_max = 8 };
    struct filecache *cache;
    assert_int_equal(filecache_new(&opts, &cache), 0);
    struct file *small = file_over(1, "a", "12345678", 8);
    struct file *large = file_over(1, "b", "123456789", 9);
    assert_int_equal(filecache_load(cache, small), 0);
    assert_int_equal(filecache_load(cache, large), 0);
    assert_non_null(small->block);
    assert_null(large->block);
    assert_int_equal(large->full.file_fd, large->fd);
    filecache_file_unref(small);
    filecache_file_unref(large);
    filecache_free(cache);
}

static struct filecache *hook_cache;
static struct file *hook_file;

static void shrink(enum plainfile_call call)
{
    if (call == PLAINFILE_READ)
        assert_int_equal(ftruncate(hook_file->fd, 3), 0);
}

static void touch_in_place(enum plainfile_call call)
{
    struct timespec times[2] = { { 1, 1 }, { 1, 1 } };
    if (call == PLAINFILE_STAT)
        assert_int_equal(futimens(hook_file->fd, times), 0);
}

static void file_that_changes_while_it_is_read_is_not_kept(void **state)
{
    (void)state;
    void (*const hooks[])(enum plainfile_call) = { shrink, touch_in_place };
    struct filecache *cache = make(10, 0);
    for (size_t i = 0; i < 2; i++) {
        hook_file = file_over(1, "a", "a body", 6);
        plainfile.hook = hooks[i];
        assert_int_equal(filecache_load(cache, hook_file), 0);
        plainfile.hook = NULL;
        assert_null(hook_file->block);
        assert_int_equal(hook_file->full.file_size, 6);
        assert_false(hook_file->loading);
        filecache_file_unref(hook_file);
    }
    filecache_free(cache);
}

static void load_again_and_drop(enum plainfile_call call)
{
    if (call != PLAINFILE_READ)
        return;
    unsigned reads = plainfile.count[PLAINFILE_READ];
    assert_int_equal(filecache_load(hook_cache, hook_file), 0);
    assert_null(hook_file->block);
    assert_int_equal(plainfile.count[PLAINFILE_READ], reads); /* one task reads, not two */
    filecache_drop(hook_cache, hook_file);
}

static void file_that_leaves_the_cache_while_it_is_read_is_not_counted(void **state)
{
    (void)state;
    hook_cache = make(10, 0);
    hook_file = file_over(1, "a", "a body", 6);
    filecache_put(hook_cache, hook_file, 5);
    plainfile.hook = load_again_and_drop;
    assert_int_equal(filecache_load(hook_cache, hook_file), 0);
    plainfile.hook = NULL;
    assert_non_null(hook_file->block);
    assert_int_equal(filecache_bytes(hook_cache), 0);
    filecache_file_unref(hook_file);
    filecache_free(hook_cache);
}

static void failed_load_changes_nothing(void **state)
{
    (void)state;

    static const enum plainfile_call calls[] = { PLAINFILE_READ, PLAINFILE_STAT };

    static const int errors[] = { -ECANCELED, -EIO };
    struct filecache *cache = make(10, 0);
    struct file *file = file_over(1, "a", "a body", 6);
    filecache_put(cache, file, 5);
    size_t before = filecache_bytes(cache);
    for (size_t i = 0; i < 4; i++) {
        plainfile_fail(calls[i / 2], 1, 1, errors[i % 2]);
        assert_int_equal(filecache_load(cache, file), errors[i % 2]);
        plainfile_fail(calls[i / 2], 0, 0, 0);
    }
    rill__mem_fail_nth(1, false);
    assert_int_equal(filecache_load(cache, file), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_null(file->block);
    assert_int_equal(file->full.file_fd, file->fd);
    assert_int_equal(filecache_bytes(cache), before);
    assert_int_equal(filecache_load(cache, file), 0);
    assert_non_null(file->block);
    filecache_file_unref(file);
    filecache_free(cache);
}

static void no_memory_is_an_error_and_leaves_the_descriptor_to_the_caller(void **state)
{
    (void)state;
    struct filecache *cache;
    struct file *file;
    struct stat stat = { 0 };
    char *memory;
    rill__mem_fail_nth(1, true);
    assert_int_equal(filecache_new(NULL, &cache), -ENOMEM);
    assert_int_equal(filecache_file_new(1, RILL_SPAN("a"), 7, &stat, 0, &file, &memory), -ENOMEM);
    rill__mem_fail_nth(0, false);
    assert_int_equal(plainfile.open, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_is_found_by_its_owner_and_its_whole_path),
        TEST(file_put_twice_takes_the_place_of_the_first),
        TEST(file_in_use_outlives_the_cache),
        TEST(files_above_the_limit_go_oldest_first),
        TEST(crawl_leaves_what_is_used_alone),
        TEST(what_was_hot_long_ago_gives_way),
        TEST(memory_above_the_limit_goes_and_a_file_larger_than_it_is_not_kept),
        TEST(owner_that_ends_takes_its_files_along),
        TEST(shed_gives_everything_back_one_by_one),
        TEST(random_use_keeps_the_limits_and_finds_the_last),
        TEST(loaded_body_lies_behind_a_copy_of_the_head),
        TEST(body_above_the_tier_limit_stays_in_its_file),
        TEST(file_that_changes_while_it_is_read_is_not_kept),
        TEST(file_that_leaves_the_cache_while_it_is_read_is_not_counted),
        TEST(failed_load_changes_nothing),
        TEST(no_memory_is_an_error_and_leaves_the_descriptor_to_the_caller),
    };
    return cmocka_run_group_tests_name("filecache", tests, NULL, NULL);
}
