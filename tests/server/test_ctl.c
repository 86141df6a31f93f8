/* test_ctl.c - what rillctl makes of a process whose table and tasks are lies.
 *
 * A child maps a table of its own making where the library's would be and stops. Whatever it says, a snapshot
 * of it ends, in an error or with what could be read. */
#include "server/ctl/graph.h"

#include <rill.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static rill_table truth; /* of this process */
static pid_t child;

static int learn(void *arg)
{
    struct target target;
    int r = target_open(&target, getpid());
    (void)arg;
    truth = target.table;
    return r;
}

static int learn_the_truth(void **state)
{
    (void)state;
    return rill_run(RILL_CORO(learn, NULL));
}

/* In the child: a table that is `lie`, and to be looked at from then on. */
static void live_with(const rill_table *lie, int told)
{
    int fd = memfd_create(RILL_TABLE_NAME, 0);
    if (ftruncate(fd, sizeof *lie) < 0)
        _exit(1);
    void *page = mmap(NULL, sizeof *lie, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(page, lie, sizeof *lie);
    (void)!write(told, "x", 1);
    for (;;)
        pause();
}

static int look_at(const rill_table *lie)
{
    struct snapshot snapshot;
    int ends[2];
    char octet;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0)
        live_with(lie, ends[1]);
    assert_int_equal(read(ends[0], &octet, 1), 1);
    close(ends[0]);
    close(ends[1]);
    int r = snapshot_take(&snapshot, child);
    for (size_t i = 0; r == 0 && i < snapshot.loop_count; i++)
        r = graph_build(&snapshot, &snapshot.loops[i]);
    snapshot_fini(&snapshot);
    return r;
}

static int end_child(void **state)
{
    (void)state;
    if (child > 0)
        kill(child, SIGKILL);
    if (child > 0)
        waitpid(child, NULL, 0);
    child = 0;
    return 0;
}

/* What a process calls its thread may be somebody else's number, whom nobody wants to stop. */
static void threads_of_others_are_not_taken_for_its_own(void **state)
{
    struct target target;
    (void)state;
    assert_int_equal(look_at(&truth), 0);
    assert_int_equal(target_open(&target, child), 0);
    assert_int_equal(target_thread(&target, child), child);
    assert_int_equal(target_thread(&target, getpid()), 0);
    assert_int_equal(target_thread(&target, 0), 0);
}

static void tables_of_other_versions_are_refused(void **state)
{
    rill_table lie = truth;
    (void)state;
    lie.version++;
    assert_int_equal(look_at(&lie), -EPROTO);
}

static void tables_without_their_mark_are_refused(void **state)
{
    rill_table lie = truth;
    (void)state;
    lie.magic[0]++;
    assert_int_equal(look_at(&lie), -EPROTO);
}

static void records_that_do_not_fit_are_refused(void **state)
{
    rill_table lie = truth;
    (void)state;
    lie.task.size = 0;
    assert_int_equal(look_at(&lie), -EPROTO);
    end_child(NULL);
    lie = truth;
    lie.task.loop = lie.task.size;
    assert_int_equal(look_at(&lie), -EPROTO);
    end_child(NULL);
    lie = truth;
    lie.task.coro = UINT16_MAX;
    assert_int_equal(look_at(&lie), -EPROTO);
}

static void loops_that_are_nowhere_have_no_tasks(void **state)
{
    rill_table lie = truth;
    (void)state;
    for (int i = 0; i < RILL_TABLE_LOOPS; i++)
        lie.loops[i] = UINT64_MAX - (uint64_t)i;
    assert_int_equal(look_at(&lie), 0);
}

/* Memory that claims to be loops and slabs of tasks, all pointing into itself. */
static void memory_full_of_itself_is_read_to_an_end(void **state)
{
    enum { SIZE = 1 << 20, WORDS = SIZE / sizeof(uint64_t) };

    uint64_t *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    rill_table lie = truth;
    (void)state;
    assert_ptr_not_equal(memory, MAP_FAILED);
    srand(7);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < WORDS; i++)
            memory[i] = (uintptr_t)&memory[rand() % WORDS] + (rand() % 8 == 0 ? 1 : 0);
        for (int i = 0; i < 4; i++)
            lie.loops[i] = (uintptr_t)&memory[rand() % WORDS];
        assert_true(look_at(&lie) <= 0);
        end_child(NULL);
    }
    munmap(memory, SIZE);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(1000));
}

static int let_be_seen(void *arg)
{
    const int *told = arg;
    rill_group group = { 0 };
    int rc = rill_group_enter(&group);
    for (int i = 0; rc == 0 && i < 10; i++)
        rc = rill_group_go(&group, RILL_CORO(sleep_long, NULL));
    if (rc == 0)
        rc = rill_sleep(RILL_MS(1));
    (void)!write(*told, "x", 1);
    return rill_group_leave(&group, rc);
}

/* A child with eleven tasks, which sleep. */
static void start_sleepers(struct target *target)
{
    int ends[2];
    char octet;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0)
        _exit(rill_run(RILL_CORO(let_be_seen, &ends[1])) == 0 ? 0 : 1);
    assert_int_equal(read(ends[0], &octet, 1), 1);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(target_open(target, child), 0);
}

/* Each octet of the description of the layout is turned round once, with a true loop behind it. */
static void wrong_offsets_are_read_to_an_end(void **state)
{
    const size_t begin = offsetof(rill_table, futures), end = sizeof(rill_table);
    struct target target;
    struct snapshot snapshot;
    (void)state;
    start_sleepers(&target);
    for (size_t i = begin; i < end; i++) {
        ((unsigned char *)&target.table)[i] ^= 0xff;
        int r = snapshot_of(&snapshot, &target);
        for (size_t k = 0; r == 0 && k < snapshot.loop_count; k++)
            r = graph_build(&snapshot, &snapshot.loops[k]);
        snapshot_fini(&snapshot);
        assert_true(r <= 0);
        ((unsigned char *)&target.table)[i] ^= 0xff;
    }
    assert_int_equal(snapshot_of(&snapshot, &target), 0);
    assert_int_equal(snapshot.loop_count, 1);
    assert_int_equal(snapshot.loops[0].count, 11);
    snapshot_fini(&snapshot);
}

static void process_that_ends_while_it_is_read_is_an_error(void **state)
{
    struct target target;
    struct snapshot snapshot;
    (void)state;
    start_sleepers(&target);
    end_child(NULL);
    assert_int_equal(snapshot_of(&snapshot, &target), -ESRCH); /* and not one without tasks */
    snapshot_fini(&snapshot);
}

#define LIE(name) cmocka_unit_test_teardown(name, end_child)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIE(threads_of_others_are_not_taken_for_its_own),
        LIE(tables_of_other_versions_are_refused),
        LIE(tables_without_their_mark_are_refused),
        LIE(records_that_do_not_fit_are_refused),
        LIE(loops_that_are_nowhere_have_no_tasks),
        LIE(memory_full_of_itself_is_read_to_an_end),
        LIE(wrong_offsets_are_read_to_an_end),
        LIE(process_that_ends_while_it_is_read_is_an_error),
    };
    return cmocka_run_group_tests_name("ctl", tests, learn_the_truth, NULL);
}
