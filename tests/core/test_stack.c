/* test_stack.c - guards below every stack, on kernels with and without guard pages, and beyond the kernel's
 * limit of mappings.
 *
 * The kernel is asked whether an octet can be read: it answers EFAULT for a guard, and nobody dies. */
#include "core/base/mem.h"
#include "core/coro/stack.h"
#include "tests/support/expect.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { guard_size = 64 << 10, mapped_most = 16000 };

static int probe_pipe[2];

static bool can_read(const char *octet)
{
    char taken;
    if (write(probe_pipe[1], octet, 1) != 1)
        return false;
    return read(probe_pipe[0], &taken, 1) == 1;
}

static int open_probe(void **state)
{
    (void)state;
    return pipe2(probe_pipe, O_CLOEXEC);
}

static void check_guard(struct rill__stack stack)
{
    assert_false(can_read(stack.base - 1));
    assert_false(can_read(stack.base - guard_size / 2));
    assert_false(can_read(stack.base - guard_size));
    assert_true(can_read(stack.base));
    assert_true(can_read(rill__stack_top(stack) - 1));
    assert_true(rill__stack_in_guard(stack, stack.base - 1));
    assert_true(rill__stack_in_guard(stack, stack.base - guard_size));
    assert_false(rill__stack_in_guard(stack, stack.base));
    assert_false(rill__stack_in_guard(stack, stack.base - guard_size - 1));
}

/* One stack of each class, and a second slab of the first. */
static void check_guards(struct rill__stack_pool *pool)
{
    static struct rill__stack stacks[300];
    struct rill__stack large[RILL__STACK_CLASSES];
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rill__stack_take(pool, 0, &stacks[i]), 0);
        check_guard(stacks[i]);
    }
    for (uint32_t kind = 1; kind < RILL__STACK_CLASSES; kind++) {
        assert_int_equal(rill__stack_take(pool, kind, &large[kind]), 0);
        check_guard(large[kind]);
        rill__stack_give(pool, large[kind]);
    }
    for (int i = 0; i < 300; i++)
        rill__stack_give(pool, stacks[i]);
}

static void guards_lie_below_every_stack(void **state)
{
    struct rill__stack_pool pool = { 0 };
    (void)state;
    check_guards(&pool);
    if (!pool.guard_pages)
        print_message("this kernel has no guard pages: mappings were used\n");
    rill__stack_pool_fini(&pool);
}

/* As on a kernel before 6.13. */
static void guards_of_older_kernels_are_mappings_without_access(void **state)
{
    struct rill__stack_pool pool = { .probed = true };
    (void)state;
    check_guards(&pool);
    assert_int_equal(pool.mapped_guards, 2 * 256 + 64 + 16 + 4);
    rill__stack_pool_fini(&pool);
}

static void guards_stay_when_cold_stacks_are_trimmed(void **state)
{
    static struct rill__stack stacks[1500];
    struct rill__stack_pool pool = { 0 };
    (void)state;
    for (int i = 0; i < 1500; i++)
        assert_int_equal(rill__stack_take(&pool, 0, &stacks[i]), 0);
    for (int i = 0; i < 1500; i++)
        rill__stack_give(&pool, stacks[i]);
    assert_true(rill__stack_trim(&pool, 1500) > 0);
    for (int i = 0; i < 1500; i++)
        check_guard(stacks[i]);
    rill__stack_pool_fini(&pool);
}

/* Above the limit of mappings: a canary instead. */
static void stacks_beyond_the_limit_of_mappings_have_a_canary(void **state)
{
    struct rill__stack_pool pool = { .probed = true, .mapped_guards = mapped_most };
    struct rill__stack stack;
    (void)state;
    assert_int_equal(rill__stack_take(&pool, 0, &stack), 0);
    assert_true(can_read(stack.base - 1));
    memset(stack.base + 8, 'x', rill__stack_size(0) - 4096); /* all but the last octets: fine */
    rill__stack_give(&pool, stack);
    assert_int_equal(pool.mapped_guards, mapped_most);
    rill__stack_pool_fini(&pool);
}

static void overflow_beyond_the_limit_of_mappings_ends_the_process(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct rill__stack_pool pool = { .probed = true, .mapped_guards = mapped_most };
        struct rill__stack stack;
        if (rill__stack_take(&pool, 0, &stack) < 0)
            _exit(2);
        memset(stack.base, 'x', 64);
        rill__stack_give(&pool, stack);
        _exit(1); /* it was not noticed */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void tops_are_aligned_and_staggered(void **state)
{
    struct rill__stack_pool pool = { 0 };
    struct rill__stack stacks[17];
    (void)state;
    for (int i = 0; i < 17; i++) {
        assert_int_equal(rill__stack_take(&pool, 0, &stacks[i]), 0);
        assert_int_equal((uintptr_t)rill__stack_top(stacks[i]) % 16, 0);
    }
    size_t first = (size_t)(rill__stack_top(stacks[0]) - stacks[0].base);
    for (int i = 1; i < 16; i++)
        assert_int_not_equal(rill__stack_top(stacks[i]) - stacks[i].base, first);
    assert_int_equal(rill__stack_top(stacks[16]) - stacks[16].base, first);
    for (int i = 0; i < 17; i++)
        rill__stack_give(&pool, stacks[i]);
    rill__stack_pool_fini(&pool);
}

static void stack_without_memory_for_its_slab_is_refused(void **state)
{
    (void)state;
    int64_t blocks = rill__mem_live();
    for (uint64_t nth = 1;; nth++) {
        struct rill__stack_pool pool = { 0 };
        struct rill__stack stack;
        rill__mem_fail_nth(nth, false);
        int r = rill__stack_take(&pool, 1, &stack);
        bool failed = rill__mem_count() >= nth;
        rill__mem_fail_nth(0, false);
        assert_int_equal(r, failed ? -ENOMEM : 0);
        if (r == 0)
            rill__stack_give(&pool, stack);
        else
            assert_int_equal(rill__stack_take(&pool, 1, &stack), 0);
        if (r < 0)
            rill__stack_give(&pool, stack);
        rill__stack_pool_fini(&pool);
        assert_int_equal(rill__mem_live(), blocks);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_lie_below_every_stack),
        cmocka_unit_test(guards_of_older_kernels_are_mappings_without_access),
        cmocka_unit_test(guards_stay_when_cold_stacks_are_trimmed),
        cmocka_unit_test(stacks_beyond_the_limit_of_mappings_have_a_canary),
        cmocka_unit_test(overflow_beyond_the_limit_of_mappings_ends_the_process),
        cmocka_unit_test(tops_are_aligned_and_staggered),
        cmocka_unit_test(stack_without_memory_for_its_slab_is_refused),
    };
    return cmocka_run_group_tests_name("stack", tests, open_probe, NULL);
}
