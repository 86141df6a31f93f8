/* test_dir.c - listing directories: each name once, in short blocks, and nothing lost to a cancel. */
#include "core/task/task.h"
#include "tests/support/expect.h"

#include <rill/dir.h>
#include <rill/file.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { files = 1000 }; /* of some 30 octets each: several blocks */

static char folder[] = "/tmp/rill-test-XXXXXX";
static unsigned char seen[files];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

#define OWNED_DIR __attribute__((cleanup(drop_dir)))

static void drop_dir(rill_dir **dir)
{
    (void)rill_dir_close(*dir);
}

/* The number in the name of a file, or -1. */
static int number_of(const rill_dir_entry *entry)
{
    int number;
    return sscanf(entry->name, "many/name-%d", &number) == 1 ||
                   sscanf(entry->name, "name-%d", &number) == 1
               ? number
               : -1;
}

static int note(const rill_dir_entry *entry)
{
    int number = number_of(entry);
    EXPECT(number >= 0 && number < files);
    EXPECT(entry->type == DT_REG || entry->type == DT_UNKNOWN);
    EXPECT(entry->inode != 0);
    seen[number]++;
    return 0;
}

static int all_seen_once(void)
{
    for (int i = 0; i < files; i++)
        EXPECT_IS(seen[i], 1);
    return 0;
}

static int each_name_comes_once_and_the_dots_do_not(void *arg)
{
    OWNED_DIR rill_dir *dir = NULL;
    rill_dir_entry entry;
    int r;
    (void)arg;
    memset(seen, 0, sizeof seen);
    EXPECT_IS(rill_dir_open(path_of("many"), &dir), 0);
    while ((r = rill_dir_next(dir, &entry)) > 0)
        EXPECT_IS(note(&entry), 0);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_dir_next(dir, &entry), 0); /* it stays at its end */
    return all_seen_once();
}

static int empty_directory_ends_at_once(void *arg)
{
    OWNED_DIR rill_dir *dir = NULL;
    rill_dir_entry entry = { "untouched", 1, 2 };
    (void)arg;
    EXPECT_IS(rill_dir_open(path_of("empty"), &dir), 0);
    EXPECT_IS(rill_dir_next(dir, &entry), 0);
    EXPECT(strcmp(entry.name, "untouched") == 0 && entry.inode == 1);
    return 0;
}

static int what_is_no_directory_is_refused(void *arg)
{
    rill_dir *dir = NULL;
    (void)arg;
    EXPECT_IS(rill_dir_open(path_of("many/name-0"), &dir), -ENOTDIR);
    EXPECT_IS(rill_dir_open(path_of("missing"), &dir), -ENOENT);
    EXPECT(dir == NULL);
    EXPECT_IS(rill_dir_close(NULL), 0);
    return 0;
}

static int directory_that_was_removed_meanwhile_is_enoent(void *arg)
{
    OWNED_DIR rill_dir *dir = NULL;
    rill_dir_entry entry;
    (void)arg;
    mkdir(path_of("gone"), 0700);
    EXPECT_IS(rill_dir_open(path_of("gone"), &dir), 0);
    EXPECT_IS(rill_file_rmdir(path_of("gone")), 0);
    EXPECT_IS(rill_dir_next(dir, &entry), -ENOENT);
    return 0;
}

static int ticks;

static int tick(void *arg)
{
    int r = 0;
    (void)arg;
    for (ticks = 0; r == 0; ticks++)
        r = rill_sleep(0);
    return r;
}

static int long_listing_lets_others_run_between_its_blocks(void *arg)
{
    OWNED_DIR rill_dir *dir = NULL;
    rill_dir_entry entry;
    int most = 0, without = 0, before, r;
    (void)arg;
    rill_task *ticker = kept(rill_create_task(RILL_CORO(tick, NULL)));
    EXPECT_IS(rill_dir_open(path_of("many"), &dir), 0);
    before = ticks;
    while ((r = rill_dir_next(dir, &entry)) > 0) {
        without = ticks == before ? without + 1 : 0;
        before = ticks;
        most = without > most ? without : most;
    }
    EXPECT_IS(r, 0);
    EXPECT(most <= 128); /* the budget; a block has more */
    rill_cancel(ticker, NULL);
    EXPECT_IS(rill_await(ticker), -ECANCELED);
    return 0;
}

static rill_dir *shared;

static int list_shared(void *arg)
{
    rill_dir_entry entry;
    int r;
    (void)arg;
    while ((r = rill_dir_next(shared, &entry)) > 0)
        EXPECT_IS(note(&entry), 0);
    return r;
}

static int two_tasks_share_a_listing_and_each_name_comes_to_one(void *arg)
{
    (void)arg;
    memset(seen, 0, sizeof seen);
    shared = NULL;
    EXPECT_IS(rill_dir_open(path_of("many"), &shared), 0);
    rill_task *first = kept(rill_create_task(RILL_CORO(list_shared, NULL)));
    rill_task *second = kept(rill_create_task(RILL_CORO(list_shared, NULL)));
    int r = rill_await(first);
    r = rill_first_error(r, rill_await(second));
    rill_cancel(first, NULL); /* if this was cancelled, they still use it */
    rill_cancel(second, NULL);
    struct rill__task *self = rill__task_of(rill_current_task());
    rill__task_wait_done(self, first);
    rill__task_wait_done(self, second);
    EXPECT_IS(rill_dir_close(shared), 0);
    EXPECT_IS(r, 0);
    return all_seen_once();
}

/* The cancel comes with a new block: no entry is skipped. */
static int cancelled_listing_goes_on_where_it_was(void *arg)
{
    OWNED_DIR rill_dir *dir = NULL;
    rill_dir_entry entry;
    int r;
    unsigned cancels = 0;
    (void)arg;
    memset(seen, 0, sizeof seen);
    EXPECT_IS(rill_dir_open(path_of("many"), &dir), 0);
    do {
        rill_cancel(rill_current_task(), NULL);
        r = rill_dir_next(dir, &entry);
        EXPECT_IS(r, -ECANCELED);
        rill_uncancel(rill_current_task());
        cancels++;
        r = rill_dir_next(dir, &entry);
        if (r > 0)
            EXPECT_IS(note(&entry), 0);
    } while (r > 0);
    EXPECT_IS(r, 0);
    EXPECT_IS(cancels, files + 1);
    return all_seen_once();
}

static const struct scenario scenarios[] = {
    SCENARIO(each_name_comes_once_and_the_dots_do_not),
    SCENARIO(empty_directory_ends_at_once),
    SCENARIO(what_is_no_directory_is_refused),
    SCENARIO(directory_that_was_removed_meanwhile_is_enoent),
    SCENARIO(long_listing_lets_others_run_between_its_blocks),
    SCENARIO(two_tasks_share_a_listing_and_each_name_comes_to_one),
    SCENARIO_ONCE(cancelled_listing_goes_on_where_it_was),
};

static int make_files(void)
{
    char name[32];
    if (mkdtemp(folder) == NULL || mkdir(path_of("many"), 0700) < 0 ||
        mkdir(path_of("empty"), 0700) < 0)
        return -errno;
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof name, "many/name-%d", i);
        int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            return -errno;
        close(fd);
    }
    return 0;
}

static void remove_files(void)
{
    char name[32];
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof name, "many/name-%d", i);
        unlink(path_of(name));
    }
    rmdir(path_of("many"));
    rmdir(path_of("empty"));
    rmdir(path_of("gone"));
    rmdir(folder);
}

int main(void)
{
    int r = make_files() == 0 ? RUN_SCENARIOS("dir", scenarios) : 1;
    remove_files();
    return r;
}
