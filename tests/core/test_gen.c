/* test_gen.c - generators: driven by hand and by each other, closed, and without a loop. */
#include "core/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/generate.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static int three = 3;

static int echo(void *arg)
{
    void *sent = arg;
    int r = 0;
    while (r == 0)
        r = rill_yield(sent, &sent);
    return r;
}

/* --- Driven by hand. --- */

static int values_come_in_order_and_the_end_stays_the_end(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(count, &three, &gen), 0);
    for (int i = 1; i <= 3; i++) {
        EXPECT(rill_gen_value(gen) == NULL);
        EXPECT_IS(next_of(gen), i);
    }
    EXPECT_IS(next_of(gen), -1);
    EXPECT(rill_gen_value(gen) == number(99));
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    EXPECT_IS(rill_gen_send(gen, gen, NULL), 0);
    EXPECT_IS(rill_gen_close(gen), 0);
    return 0;
}

static int what_is_sent_is_what_the_yield_receives(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(echo, number(5), &gen), 0);
    EXPECT_IS(send_to(gen, 1), -EINVAL); /* nobody is there to receive it */
    EXPECT_IS(send_to(gen, 0), 5);       /* NULL starts it, as next does */
    EXPECT_IS(send_to(gen, 6), 6);
    EXPECT_IS(send_to(gen, 7), 7);
    EXPECT_IS(next_of(gen), 0);
    return 0;
}

static int fail_at_once(void *arg)
{
    (void)arg;
    (void)rill_gen_return(number(1));
    return rill_fail(-EIO, "broken");
}

static int error_is_told_once_and_then_it_has_ended(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    void *value = &three;
    EXPECT_IS(rill_gen_new(fail_at_once, NULL, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, &value), -EIO);
    EXPECT(value == &three && rill_gen_value(gen) == NULL);
    EXPECT_IS(rill_gen_next(gen, &value), 0);
    EXPECT_IS(rill_gen_close(gen), 0);
    return 0;
}

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

static int body_that_yields_nothing_ends_at_once(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(return_seven, NULL, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    EXPECT(rill_gen_value(gen) == NULL);
    return 0;
}

static int drive_myself(void *arg)
{
    rill_gen *me = *(rill_gen **)arg;
    EXPECT_IS(rill_gen_next(me, NULL), -EBUSY);
    EXPECT_IS(rill_gen_send(me, me, NULL), -EBUSY);
    EXPECT_IS(rill_gen_throw(me, -EIO, NULL), -EBUSY);
    EXPECT_IS(rill_gen_close(me), -EBUSY);
    EXPECT_IS(rill_yield_from(me, NULL), -EBUSY);
    return rill_gen_return(me);
}

static int generator_that_drives_itself_is_busy(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(drive_myself, &gen, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    EXPECT(rill_gen_value(gen) == gen);
    return 0;
}

static int outside_of_a_generator_nothing_is_yielded(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_yield(NULL, NULL), -ESRCH);
    EXPECT_IS(rill_gen_return(NULL), -ESRCH);
    EXPECT_IS(rill_gen_new(count, &three, &gen), 0);
    EXPECT_IS(rill_yield_from(gen, NULL), -ESRCH);
    EXPECT_IS(next_of(gen), 1); /* and it was not begun by that */
    rill_gen_free(NULL);
    return 0;
}

/* --- Thrown into. --- */

static int catch_eio(void *arg)
{
    int r;
    while ((r = rill_yield(arg, NULL)) == -EIO)
        trace('c');
    return r;
}

static int thrown_error_is_what_the_yield_returns(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    void *value;
    EXPECT_IS(rill_gen_new(catch_eio, number(4), &gen), 0);
    EXPECT_IS(next_of(gen), 4);
    EXPECT_IS(rill_gen_throw(gen, -EIO, &value), 1);
    EXPECT(value == number(4));
    EXPECT_TRACE("c");
    EXPECT_IS(rill_gen_throw(gen, 0, &value), -EINVAL);
    EXPECT_IS(rill_gen_throw(gen, -EPIPE, &value), -EPIPE);
    EXPECT_IS(rill_gen_next(gen, &value), 0);
    EXPECT_IS(rill_gen_throw(gen, -EPIPE, &value), -EPIPE); /* ended: there is nobody to catch it */
    return 0;
}

static int error_thrown_before_the_begin_ends_it_unrun(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(catch_eio, NULL, &gen), 0);
    EXPECT_IS(rill_gen_throw(gen, -EIO, NULL), -EIO);
    EXPECT_TRACE("");
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    return 0;
}

static int end_on_error(void *arg)
{
    (void)arg;
    return rill_yield(NULL, NULL) < 0 ? rill_gen_return(number(8)) : 0;
}

static int body_that_ends_well_on_an_error_has_ended_well(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(end_on_error, NULL, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 1);
    EXPECT_IS(rill_gen_throw(gen, -EIO, NULL), 0);
    EXPECT(rill_gen_value(gen) == number(8));
    return 0;
}

/* --- Closed. --- */

static int close_reaches_the_pending_yield(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL, *well = NULL;
    EXPECT_IS(rill_gen_new(count, &three, &gen), 0);
    EXPECT_IS(next_of(gen), 1);
    EXPECT_IS(rill_gen_close(gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    EXPECT_IS(rill_gen_close(gen), 0);
    EXPECT_IS(rill_gen_new(end_on_error, NULL, &well), 0);
    EXPECT_IS(rill_gen_next(well, NULL), 1);
    EXPECT_IS(rill_gen_close(well), 0);
    EXPECT(rill_gen_value(well) == number(8)); /* what it returned upon that is its value */
    return 0;
}

static int close_before_the_begin_never_runs_the_body(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(fail_at_once, NULL, &gen), 0);
    EXPECT_IS(rill_gen_close(gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    return 0;
}

static int fail_when_closed(void *arg)
{
    (void)arg;
    return rill_yield(NULL, NULL) == -ESHUTDOWN ? -EDOM : 0;
}

static int error_of_the_clean_up_is_what_close_returns(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(fail_when_closed, NULL, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 1);
    EXPECT_IS(rill_gen_close(gen), -EDOM);
    EXPECT_IS(rill_gen_close(gen), 0);
    return 0;
}

static int yield_after_close_is_an_error_of_close(void *arg)
{
    static int two = 2;
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(ignore_closes, &two, &gen), 0);
    EXPECT_IS(next_of(gen), 2);
    EXPECT_IS(rill_gen_close(gen), -EPERM);
    EXPECT_IS(next_of(gen), 2); /* it has not ended */
    EXPECT_IS(rill_gen_close(gen), 0);
    EXPECT_TRACE("e");
    return 0;
}

static int free_ends_a_body_that_goes_on_yielding(void *arg)
{
    static int many = 1000;
    rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(ignore_closes, &many, &gen), 0);
    void *value;
    int r = rill_gen_next(gen, &value);
    rill_gen_free(gen);
    EXPECT_IS(r, 1);
    EXPECT_TRACE("e");
    return 0;
}

/* --- Delegated. --- */

static int values_and_the_result_pass_through_a_delegate(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(count, &three), &inner, &outer), 0);
    for (int i = 1; i <= 3; i++)
        EXPECT_IS(next_of(outer), i);
    EXPECT_IS(next_of(outer), -1);
    EXPECT(rill_gen_value(outer) == number(99));
    EXPECT_TRACE("v");
    return 0;
}

static int sends_and_errors_pass_through_a_delegate(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(echo, number(1)), &inner, &outer), 0);
    EXPECT_IS(next_of(outer), 1);
    EXPECT_IS(send_to(outer, 12), 12);
    EXPECT_IS(rill_gen_throw(outer, -EIO, NULL), -EIO);
    EXPECT_IS(rill_gen_next(inner, NULL), 0);
    EXPECT_TRACE("f");
    return 0;
}

static int error_caught_below_goes_on_through_a_delegate(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    void *value;
    EXPECT_IS(delegation(RILL_CORO(catch_eio, number(3)), &inner, &outer), 0);
    EXPECT_IS(next_of(outer), 3);
    EXPECT_IS(rill_gen_throw(outer, -EIO, &value), 1);
    EXPECT(value == number(3));
    EXPECT_TRACE("c");
    return 0;
}

static int end_upon_an_error_is_the_result_of_the_delegation(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(end_on_error, NULL), &inner, &outer), 0);
    EXPECT_IS(rill_gen_next(outer, NULL), 1);
    EXPECT_IS(rill_gen_throw(outer, -EIO, NULL), 0);
    EXPECT(rill_gen_value(outer) == number(8));
    return 0;
}

static int close_of_a_delegate_closes_what_it_delegates_to_first(void *arg)
{
    static int one = 1;
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(ignore_closes, &one), &inner, &outer), 0);
    EXPECT_IS(next_of(outer), 2);
    EXPECT_IS(rill_gen_close(outer), 0);
    EXPECT_TRACE("es");
    return 0;
}

static int close_ignored_below_is_the_delegates_error(void *arg)
{
    static int two = 2;
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(ignore_closes, &two), &inner, &outer), 0);
    EXPECT_IS(next_of(outer), 2);
    EXPECT_IS(rill_gen_close(outer), -EPERM);
    EXPECT_TRACE("f");
    EXPECT_IS(rill_gen_next(outer, NULL), 0);
    return 0;
}

static int delegation_to_the_ended_and_the_running_returns_at_once(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    EXPECT_IS(delegation(RILL_CORO(fail_at_once, NULL), &inner, &outer), 0);
    EXPECT_IS(rill_gen_next(inner, NULL), -EIO);
    EXPECT_IS(rill_gen_next(outer, NULL), 0);
    OWNED_GEN rill_gen *loop = NULL;
    EXPECT_IS(rill_gen_new(delegate, &loop, &loop), 0);
    EXPECT_IS(rill_gen_next(loop, NULL), -EBUSY);
    return 0;
}

enum { levels = 60 };

static rill_gen *chain[levels];

static int delegate_deeper(void *arg)
{
    intptr_t level = (intptr_t)arg;
    if (level + 1 == levels)
        return count(&three);
    int r = rill_gen_new(delegate_deeper, number(level + 1), &chain[level + 1]);
    if (r >= 0)
        r = rill_yield_from(chain[level + 1], NULL);
    rill_gen_free(chain[level + 1]);
    chain[level + 1] = NULL;
    return r;
}

static int long_chain_of_delegates_is_driven_and_closed_from_its_end(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(delegate_deeper, number(0), &gen), 0);
    EXPECT_IS(next_of(gen), 1);
    EXPECT_IS(next_of(gen), 2);
    EXPECT_IS(rill_gen_close(gen), 0);
    EXPECT(chain[1] == NULL);
    return 0;
}

/* --- Without a loop. --- */

static int await_nothing(void *arg)
{
    (void)arg;
    int r = rill_sleep(0);
    return r == -ESRCH ? rill_yield(number(1), NULL) : r;
}

static void generator_needs_no_loop_and_its_awaits_fail_there(void **state)
{
    rill_gen *gen;
    void *value = NULL;
    int r;
    (void)state;
    assert_int_equal(rill_gen_new(await_nothing, NULL, &gen), 0);
    r = rill_gen_next(gen, &value);
    assert_int_equal(r, 1);
    assert_ptr_equal(value, number(1));
    r = rill_gen_close(gen);
    assert_int_equal(r, 0);
    rill_gen_free(gen);
}

static int nap(void *arg)
{
    int r = rill_yield(NULL, NULL); /* not in a generator: a task that one of them runs */
    return r == -ESRCH ? rill_sleep(RILL_US(*(int *)arg)) : -EDOM;
}

static int run_loops(void *arg)
{
    int r = 0;
    for (intptr_t i = 0; i < 3 && r == 0; i++) {
        r = rill_run(RILL_CORO(nap, arg));
        if (r == 0)
            r = rill_yield(number(i), NULL);
    }
    return r;
}

static void generator_may_run_loops(void **state)
{
    rill_gen *gen;
    int span = 10;
    (void)state;
    assert_int_equal(rill_gen_new(run_loops, &span, &gen), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_of(gen), i);
    assert_int_equal(next_of(gen), -1);
    rill_gen_free(gen);
}

static int drive_given(void *arg)
{
    return (int)next_of(arg);
}

static void generator_begun_outside_goes_on_in_a_loop_and_behind_it(void **state)
{
    rill_gen *gen;
    (void)state;
    assert_int_equal(rill_gen_new(count, &three, &gen), 0);
    assert_int_equal(next_of(gen), 1);
    assert_int_equal(rill_run(RILL_CORO(drive_given, gen)), 2);
    assert_int_equal(next_of(gen), 3);
    rill_gen_free(gen);
}

static void generator_of_another_loop_is_refused(void **state)
{
    rill_loop *loop;
    rill_gen *gen;
    int r;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_gen_new(count, &three, &gen), 0);
    r = rill_run_until_complete(loop, RILL_CORO(drive_given, gen));
    assert_int_equal(r, 1);
    assert_int_equal(rill_run(RILL_CORO(drive_given, gen)), -EXDEV);
    assert_int_equal(next_of(gen), 2); /* outside of loops everybody may */
    rill_loop_close(loop);
    assert_int_equal(next_of(gen), -1);
    rill_gen_free(gen);
}

/* In a thread of its own, for the first generator of a thread makes its pool. */
static void *first_generator_of_a_thread(void *arg)
{
    uint64_t nth = (uint64_t)(uintptr_t)arg;
    rill_gen *gen;
    rill__mem_fail_nth(nth, false);
    intptr_t r = rill_gen_new(count, &three, &gen);
    if (r == 0)
        r = next_of(gen);
    rill__mem_fail_nth(0, false);
    if (r == -ENOMEM && nth > 1) /* it could not begin; now it can */
        r = next_of(gen) == 1 ? -ENOMEM : -EDOM;
    if (nth > 1 || r != -ENOMEM)
        rill_gen_free(gen);
    return number(r);
}

static void first_generator_without_memory_fails_whole_and_works_later(void **state)
{
    uintptr_t nth = 0;
    void *r = number(-ENOMEM);
    (void)state;
    while (r == number(-ENOMEM)) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, first_generator_of_a_thread, (void *)++nth),
                         0);
        pthread_join(thread, &r);
    }
    assert_ptr_equal(r, number(1));
    assert_true(nth > 3);
}

/* --- Overflow. --- */

static __attribute__((noinline)) int dig(int depth)
{
    volatile char room[128];
    room[0] = (char)depth;
    int r = depth < 1 << 20 ? dig(depth + 1) : 0;
    return r + room[0];
}

static int overflow(void *arg)
{
    *(volatile int *)arg = dig(0);
    return 0;
}

static int drive_into_the_guard(void *arg)
{
    rill_gen *gen;
    int r = rill_gen_new(overflow, arg, &gen);
    return r < 0 ? r : rill_gen_next(gen, NULL);
}

static int run_into_the_guard(void *arg)
{
    return rill_run(RILL_CORO(drive_into_the_guard, arg));
}

static void check_overflow(int (*fn)(void *arg))
{
    static struct child child;
    static int sink;
    const char *wanted =
        "rill: stack overflow in generator 'overflow', coroutine overflow() made at ";
    if (under_sanitizer()) {
        print_message("sanitizers handle faults themselves\n");
        skip();
    }
    assert_int_equal(child_run(&child, fn, &sink), 0);
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGSEGV);
    if (strncmp(child.text, wanted, strlen(wanted)) != 0)
        fail_msg("'%s' where '%s' was expected", child.text, wanted);
}

static void overflow_in_a_generator_of_a_task_is_named(void **state)
{
    (void)state;
    check_overflow(run_into_the_guard);
}

static void overflow_in_a_generator_without_a_loop_is_named(void **state)
{
    (void)state;
    check_overflow(drive_into_the_guard);
}

/* The overflows come first: see test_coro.c. */
static const struct scenario scenarios[] = {
    OUTSIDE(overflow_in_a_generator_of_a_task_is_named),
    OUTSIDE(overflow_in_a_generator_without_a_loop_is_named),
    SCENARIO(values_come_in_order_and_the_end_stays_the_end),
    SCENARIO(what_is_sent_is_what_the_yield_receives),
    SCENARIO(error_is_told_once_and_then_it_has_ended),
    SCENARIO(body_that_yields_nothing_ends_at_once),
    SCENARIO(generator_that_drives_itself_is_busy),
    SCENARIO(outside_of_a_generator_nothing_is_yielded),
    SCENARIO(thrown_error_is_what_the_yield_returns),
    SCENARIO(error_thrown_before_the_begin_ends_it_unrun),
    SCENARIO(body_that_ends_well_on_an_error_has_ended_well),
    SCENARIO(close_reaches_the_pending_yield),
    SCENARIO(close_before_the_begin_never_runs_the_body),
    SCENARIO(error_of_the_clean_up_is_what_close_returns),
    SCENARIO(yield_after_close_is_an_error_of_close),
    SCENARIO(free_ends_a_body_that_goes_on_yielding),
    SCENARIO(values_and_the_result_pass_through_a_delegate),
    SCENARIO(sends_and_errors_pass_through_a_delegate),
    SCENARIO(error_caught_below_goes_on_through_a_delegate),
    SCENARIO(end_upon_an_error_is_the_result_of_the_delegation),
    SCENARIO(close_of_a_delegate_closes_what_it_delegates_to_first),
    SCENARIO(close_ignored_below_is_the_delegates_error),
    SCENARIO(delegation_to_the_ended_and_the_running_returns_at_once),
    SCENARIO(long_chain_of_delegates_is_driven_and_closed_from_its_end),
    OUTSIDE(generator_needs_no_loop_and_its_awaits_fail_there),
    OUTSIDE(generator_may_run_loops),
    OUTSIDE(generator_begun_outside_goes_on_in_a_loop_and_behind_it),
    OUTSIDE(generator_of_another_loop_is_refused),
    OUTSIDE(first_generator_without_memory_fails_whole_and_works_later),
};

int main(void)
{
    return RUN_SCENARIOS("gen", scenarios);
}
