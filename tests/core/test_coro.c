/* test_coro.c - coroutines and their stacks: overflow is named, stacks are reused, nothing stays. */
#include "core/base/mem.h"
#include "core/coro/coro.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* --- Overflow. --- */

enum { frame_large = 100 << 10, frame_half = 40 << 10, depth_max = 1 << 20 };

static volatile int sink; /* what keeps frames from being optimised away */

static __attribute__((noinline)) int dig(int depth)
{
    volatile char room[128];
    room[0] = (char)depth;
    int r = depth < depth_max ? dig(depth + 1) : 0;
    return r + room[0];
}

static int overflow_by_recursion(void *arg)
{
    (void)arg;
    sink = dig(0);
    return 0;
}

static __attribute__((noinline)) int lie_in_a_large_frame(void)
{
    volatile char room[frame_large];
    for (int i = 0; i < frame_large; i += 512)
        room[i] = (char)i;
    return room[sink];
}

static int overflow_by_one_frame(void *arg)
{
    (void)arg;
    sink = lie_in_a_large_frame();
    return 0;
}

static __attribute__((noinline)) int take_the_second_half(volatile char *first)
{
    volatile char room[frame_half];
    for (int i = 0; i < frame_half; i += 512)
        room[i] = first[i];
    return room[sink];
}

static __attribute__((noinline)) int take_the_first_half(void)
{
    volatile char room[frame_half];
    for (int i = 0; i < frame_half; i += 512)
        room[i] = (char)i;
    int r = take_the_second_half(room);
    return r + room[sink];
}

static int overflow_in_a_callee(void *arg)
{
    (void)arg;
    sink = take_the_first_half();
    return 0;
}

static int join_named_task(void *arg)
{
    return rill_join(rill_create_task_with(*(rill_coro *)arg, &(rill_task_opts){ .name = "yan1" }));
}

static int run_named_task(void *arg)
{
    return rill_exit_code(rill_run(RILL_CORO(join_named_task, arg)));
}

static void check_overflow(rill_coro coro)
{
    static struct child child;
    char wanted[256];
    if (under_sanitizer()) {
        print_message("sanitizers handle faults themselves\n");
        skip();
    }
    assert_int_equal(child_run(&child, run_named_task, &coro), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGSEGV);
    snprintf(wanted, sizeof wanted,
             "rill: stack overflow in task 'yan1', coroutine %s() made at %s:%d: all of its 64 KiB "
             "are used, fault at 0x",
             coro.site->function, __FILE__, coro.site->line);
    if (strncmp(child.text, wanted, strlen(wanted)) != 0)
        fail_msg("'%s' where '%s' was expected", child.text, wanted);
}

static void overflow_by_recursion_is_named_and_dies_by_sigsegv(void **state)
{
    (void)state;
    check_overflow(RILL_CORO(overflow_by_recursion, NULL));
}

static void overflow_by_one_frame_of_100_kib_is_named_and_dies_by_sigsegv(void **state)
{
    (void)state;
    check_overflow(RILL_CORO(overflow_by_one_frame, NULL));
}

static void overflow_by_growth_in_a_callee_is_named_and_dies_by_sigsegv(void **state)
{
    (void)state;
    check_overflow(RILL_CORO(overflow_in_a_callee, NULL));
}

/* The same frame, where there is room for it. */
static int a_larger_stack_class_holds_what_overflows_the_default(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task_with(
        RILL_CORO(overflow_by_one_frame, NULL), &(rill_task_opts){ .stack_size = 2 * frame_large });
    EXPECT_IS(rill_await(task), 0);
    return 0;
}

/* --- Stacks. --- */

static void stacks_are_reused_last_in_first_out(void **state)
{
    struct rill__stack_pool pool = { 0 };
    struct rill__stack stacks[3], again;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rill__stack_take(&pool, 0, &stacks[i]), 0);
    rill__stack_give(&pool, stacks[1]);
    rill__stack_give(&pool, stacks[0]);
    rill__stack_give(&pool, stacks[2]);
    static const int order[] = { 2, 0, 1 };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rill__stack_take(&pool, 0, &again), 0);
        assert_ptr_equal(again.base, stacks[order[i]].base);
    }
    for (int i = 0; i < 3; i++)
        rill__stack_give(&pool, stacks[i]);
    rill__stack_pool_fini(&pool);
}

enum { slots = 20 }; /* more than there are colours */

static void use_whole_stack(struct rill__stack stack)
{
    char *top = rill__stack_top(stack);
    assert_int_equal((uintptr_t)top % 16, 0);
    assert_true(top > stack.base && top <= stack.base + rill__stack_size(stack.kind));
    assert_true(rill__stack_in_guard(stack, stack.base - 1));
    assert_false(rill__stack_in_guard(stack, stack.base));
    stack.base[0] = 1;
    top[-1] = 2;
    assert_int_equal(stack.base[0] + top[-1], 3);
}

static void every_size_class_is_usable_and_aligned_from_base_to_top(void **state)
{
    static const size_t sizes[] = { 64 << 10, 256 << 10, 1 << 20, 8 << 20 };
    struct rill__stack_pool pool = { 0 };
    struct rill__stack stacks[slots];
    (void)state;
    for (uint32_t kind = 0; kind < RILL__STACK_CLASSES; kind++) {
        assert_int_equal(rill__stack_size(kind), sizes[kind]);
        for (int i = 0; i < slots; i++) {
            assert_int_equal(rill__stack_take(&pool, kind, &stacks[i]), 0);
            use_whole_stack(stacks[i]);
        }
        for (int i = 0; i < slots; i++)
            rill__stack_give(&pool, stacks[i]);
    }
    rill__stack_pool_fini(&pool);
}

static void sizes_are_rounded_up_to_their_class_and_refused_above_the_last(void **state)
{
    (void)state;
    assert_int_equal(rill__stack_class(0), 0);
    assert_int_equal(rill__stack_class(64 << 10), 0);
    assert_int_equal(rill__stack_class((64 << 10) + 1), 1);
    assert_int_equal(rill__stack_class((256 << 10) + 1), 2);
    assert_int_equal(rill__stack_class((1 << 20) + 1), 3);
    assert_int_equal(rill__stack_class(8 << 20), 3);
    assert_int_equal(rill__stack_class((8 << 20) + 1), -1);
}

enum { many_stacks = 2048, hot_stacks = 1024 };

static void take_and_mark(struct rill__stack_pool *pool, struct rill__stack *stacks)
{
    for (int i = 0; i < many_stacks; i++) {
        assert_int_equal(rill__stack_take(pool, 0, &stacks[i]), 0);
        stacks[i].base[0] = 1;
    }
}

static void trimmed_stacks_give_their_pages_back_and_are_usable_again(void **state)
{
    static struct rill__stack stacks[many_stacks];
    struct rill__stack_pool pool = { 0 };
    int empty = 0;
    (void)state;
    take_and_mark(&pool, stacks);
    for (int i = 0; i < many_stacks; i++)
        rill__stack_give(&pool, stacks[i]);
    assert_int_equal(rill__stack_trim(&pool, 100), 100);
    assert_int_equal(rill__stack_trim(&pool, many_stacks), many_stacks - hot_stacks - 100);
    assert_int_equal(rill__stack_trim(&pool, many_stacks), 0);
    for (int i = 0; i < many_stacks; i++)
        empty += stacks[i].base[0] == 0;
    assert_int_equal(empty, many_stacks - hot_stacks);
    take_and_mark(&pool, stacks);
    for (int i = 0; i < many_stacks; i++)
        rill__stack_give(&pool, stacks[i]);
    rill__stack_pool_fini(&pool);
}

/* --- Coroutines. --- */

static char order[32];

static void note(char letter)
{
    size_t size = strlen(order);
    assert_true(size + 1 < sizeof order);
    order[size] = letter;
    order[size + 1] = 0;
}

static void run_inner(void *arg)
{
    (void)arg;
    note('1');
    rill__coro_suspend();
    note('2');
}

static void run_outer(void *arg)
{
    struct rill__coro *inner = arg, *me = rill__coro_running();
    note('a');
    rill__coro_resume(inner);
    note(rill__coro_running() == me ? 'b' : '!');
    rill__coro_suspend();
    note('c');
    rill__coro_resume(inner);
    note(inner->finished ? 'd' : '!');
}

static void nested_resume_returns_to_whoever_resumed(void **state)
{
    struct rill__stack_pool pool = { 0 };
    struct rill__coro inner = { 0 }, outer = { 0 };
    (void)state;
    order[0] = 0;
    assert_int_equal(rill__coro_init(&inner, &pool, 0, run_inner, NULL), 0);
    assert_int_equal(rill__coro_init(&outer, &pool, 0, run_outer, &inner), 0);
    rill__coro_resume(&outer);
    assert_null(rill__coro_running());
    assert_string_equal(order, "a1b");
    assert_false(outer.finished || inner.finished);
    rill__coro_resume(&outer);
    assert_string_equal(order, "a1bc2d");
    assert_true(outer.finished && inner.finished);
    rill__coro_fini(&inner, &pool);
    rill__coro_fini(&outer, &pool);
    rill__stack_pool_fini(&pool);
}

static void run_transfer(void *arg)
{
    note('a');
    rill__coro_transfer(arg);
    note('b');
}

static void transfer_runs_another_one_on_behalf_of_the_same_caller(void **state)
{
    struct rill__stack_pool pool = { 0 };
    struct rill__coro from = { 0 }, to = { 0 };
    (void)state;
    order[0] = 0;
    assert_int_equal(rill__coro_init(&to, &pool, 0, run_inner, NULL), 0);
    assert_int_equal(rill__coro_init(&from, &pool, 0, run_transfer, &to), 0);
    rill__coro_resume(&from);
    assert_string_equal(order, "a1");
    rill__coro_resume(&from);
    assert_string_equal(order, "a1b");
    assert_true(from.finished);
    rill__coro_resume(&to);
    assert_string_equal(order, "a1b2");
    assert_true(to.finished);
    rill__coro_fini(&from, &pool);
    rill__coro_fini(&to, &pool);
    rill__stack_pool_fini(&pool);
}

static void first_coroutine_without_memory_fails_whole_and_works_later(void **state)
{
    int64_t before = rill__mem_live();
    int r = -ENOMEM;
    uint64_t nth = 0;
    (void)state;
    while (r == -ENOMEM) {
        struct rill__stack_pool pool = { 0 };
        struct rill__coro coro = { 0 };
        rill__mem_fail_nth(++nth, false);
        r = rill__coro_init(&coro, &pool, 0, run_inner, NULL);
        rill__mem_fail_nth(0, false);
        if (r == -ENOMEM)
            assert_int_equal(rill__coro_init(&coro, &pool, 0, run_inner, NULL), 0);
        rill__coro_fini(&coro, &pool);
        rill__stack_pool_fini(&pool);
        assert_int_equal(rill__mem_live(), before);
    }
    assert_int_equal(r, 0);
    assert_true(nth > 1); /* something was allocated, so something failed */
}

/* --- Many. --- */

static rill_future *gate;
static int waiting;

static int wait_at_the_gate(void *arg)
{
    (void)arg;
    waiting++;
    return rill_await(gate);
}

static int many_tasks(void *arg)
{
    int count = *(int *)arg, started = 0;
    gate = rill_future_new();
    waiting = 0;
    while (started < count) {
        rill_task *task = rill_create_task(RILL_CORO(wait_at_the_gate, NULL));
        EXPECT(rill_state(task) == RILL_PENDING);
        rill_unref(task);
        started++;
    }
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(waiting, count);
    EXPECT_IS(rill_future_set_result(gate, 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    rill_unref(gate);
    return 0;
}

static void tasks_100000_at_once_end_and_leave_no_memory(void **state)
{
    int count = under_sanitizer() ? 2000 : 100000;
    (void)state;
    assert_int_equal(run_main(many_tasks, &count), 0);
}

/* The overflows come first: a child in whose process a loop ran before would inherit its handler as
 * already installed, after cmocka has put its own in its place. */
static const struct scenario scenarios[] = {
    OUTSIDE(overflow_by_recursion_is_named_and_dies_by_sigsegv),
    OUTSIDE(overflow_by_one_frame_of_100_kib_is_named_and_dies_by_sigsegv),
    OUTSIDE(overflow_by_growth_in_a_callee_is_named_and_dies_by_sigsegv),
    SCENARIO(a_larger_stack_class_holds_what_overflows_the_default),
    OUTSIDE(stacks_are_reused_last_in_first_out),
    OUTSIDE(every_size_class_is_usable_and_aligned_from_base_to_top),
    OUTSIDE(sizes_are_rounded_up_to_their_class_and_refused_above_the_last),
    OUTSIDE(trimmed_stacks_give_their_pages_back_and_are_usable_again),
    OUTSIDE(nested_resume_returns_to_whoever_resumed),
    OUTSIDE(transfer_runs_another_one_on_behalf_of_the_same_caller),
    OUTSIDE(first_coroutine_without_memory_fails_whole_and_works_later),
    OUTSIDE(tasks_100000_at_once_end_and_leave_no_memory),
};

int main(void)
{
    return RUN_SCENARIOS("coro", scenarios);
}
