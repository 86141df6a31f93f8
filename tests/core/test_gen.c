/* test_gen.c - generators: driven by hand, by each other, by tasks that wait in them, and closed. */
#include "core/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define OWNED_GEN __attribute__((cleanup(drop_gen)))

static void drop_gen(rill_gen **gen)
{
    rill_gen_free(*gen);
}

static void *number(intptr_t n)
{
    return (void *)n;
}

/* The number that `gen` yields next; -1 at its end, or the error. */
static intptr_t next_of(rill_gen *gen)
{
    void *value;
    int r = rill_gen_next(gen, &value);
    return r > 0 ? (intptr_t)value : r < 0 ? r : -1;
}

static intptr_t send_to(rill_gen *gen, intptr_t n)
{
    void *value;
    int r = rill_gen_send(gen, number(n), &value);
    return r > 0 ? (intptr_t)value : r < 0 ? r : -1;
}

/* Wait for the end of a task that drives a generator, whatever happens: only then may that go. */
static void see_off(rill_task *task)
{
    while (!rill_done(task))
        (void)!rill_sleep(0);
    (void)rill_result(task);
    rill_unref(task);
}

/* Bodies. */

static int three = 3;

static int count(void *arg)
{
    for (intptr_t i = 1; i <= *(int *)arg; i++) {
        int r = rill_yield(number(i), NULL);
        if (r < 0)
            return r;
    }
    return rill_gen_return(number(99));
}

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

/* Takes as many closes as `arg` says. */
static int ignore_closes(void *arg)
{
    for (int closes = *(int *)arg; closes > 0;)
        closes -= rill_yield(number(2), NULL) == -ESHUTDOWN;
    trace('e');
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

static int delegate(void *arg)
{
    void *value = NULL;
    int r = rill_yield_from(*(rill_gen **)arg, &value);
    trace(r == 0 ? 'v' : r == -ESHUTDOWN ? 's' : 'f');
    return r < 0 ? r : rill_gen_return(value);
}

/* `*ret_outer` delegates to `*ret_inner`, a generator of `fn`. */
static int delegation(rill_coro inner, rill_gen **ret_inner, rill_gen **ret_outer)
{
    int r = rill_gen_new_of(inner, ret_inner);
    return r < 0 ? r : rill_gen_new(delegate, ret_inner, ret_outer);
}

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

/* --- Awaiting in a task. --- */

static int count_slowly(void *arg)
{
    for (intptr_t i = 1; i <= *(int *)arg; i++) {
        trace('g');
        int r = rill_sleep(0);
        if (r == 0)
            r = rill_yield(number(i), NULL);
        if (r < 0)
            return r;
    }
    return rill_sleep(0);
}

static int tick(void *arg)
{
    int r = 0;
    for (int i = *(int *)arg; i > 0 && r == 0; i--) {
        trace('t');
        r = rill_sleep(0);
    }
    return r;
}

static int other_tasks_run_while_a_generator_awaits(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    OWNED_FUTURE rill_task *ticks = rill_create_task(RILL_CORO(tick, &three));
    EXPECT_IS(rill_gen_new(count_slowly, &three, &gen), 0);
    for (int i = 1; i <= 3; i++)
        EXPECT_IS(next_of(gen), i);
    EXPECT_IS(next_of(gen), -1);
    EXPECT_TRACE("gtgtgt");
    return rill_await(ticks);
}

/* Row 3.4 of the contract's scheduling, seen through a delegate: both levels leave and come back. */
static int await_below_a_delegate_lets_others_run(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *inner = NULL;
    OWNED_GEN rill_gen *outer = NULL;
    OWNED_FUTURE rill_task *ticks = rill_create_task(RILL_CORO(tick, &three));
    EXPECT_IS(delegation(RILL_CORO(count_slowly, &three), &inner, &outer), 0);
    EXPECT_IS(next_of(outer), 1);
    EXPECT_IS(next_of(outer), 2);
    EXPECT_TRACE("gtgt");
    return rill_await(ticks);
}

static int drive_shared(void *arg)
{
    rill_gen *gen = *(rill_gen **)arg;
    int r = rill_gen_next(gen, NULL);
    trace(r == -EBUSY ? 'b' : r == 1 ? '1' : '!');
    return r == -EBUSY ? 0 : r;
}

static int generator_that_awaits_in_one_task_is_busy_for_another(void *arg)
{
    static rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(count_slowly, &three, &gen), 0);
    rill_future *drivers[] = { rill_create_task(RILL_CORO(drive_shared, &gen)),
                               rill_create_task(RILL_CORO(drive_shared, &gen)) };
    int r = rill_join(rill_gather(2, drivers, RILL_RETURN_ERRORS));
    for (int i = 0; i < 2; i++)
        see_off(drivers[i]);
    if (r >= 0)
        r = rill_gen_next(gen, NULL); /* begun by another task, and goes on here */
    trace(r == 1 ? '2' : '!');
    rill_gen_free(gen);
    EXPECT_TRACE("gb1g2");
    return 0;
}

static int wait_for_ever(void *arg)
{
    int r = rill_yield(arg, NULL);
    if (r == 0)
        r = rill_sleep(RILL_FOREVER);
    trace(r == -ECANCELED ? 'c' : '!');
    return r;
}

static int drive_twice(void *arg)
{
    int r = rill_gen_next(*(rill_gen **)arg, NULL);
    return r < 0 ? r : rill_gen_next(*(rill_gen **)arg, NULL);
}

static int cancel_of_the_driving_task_reaches_the_await_in_the_generator(void *arg)
{
    static rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(wait_for_ever, NULL, &gen), 0);
    rill_task *driver = rill_create_task(RILL_CORO(drive_twice, &gen));
    int r = rill_sleep(0);
    rill_cancel(driver, "enough");
    r = rill_first_error(r, rill_await(driver));
    bool cancelled = rill_cancelled(driver);
    see_off(driver);
    rill_gen_free(gen);
    EXPECT_IS(r, -ECANCELED);
    EXPECT(cancelled);
    EXPECT_TRACE("c");
    return 0;
}

static int deadline_of_the_driver_ends_an_await_in_the_generator(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    rill_scope scope = { 0 };
    EXPECT_IS(rill_gen_new(wait_for_ever, NULL, &gen), 0);
    EXPECT_IS(rill_gen_next(gen, NULL), 1);
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    EXPECT_IS(rill_scope_leave(&scope, rill_gen_next(gen, NULL)), -ETIME);
    EXPECT_IS(rill_gen_next(gen, NULL), 0);
    EXPECT_TRACE("c");
    return 0;
}

static int pending_cancel_is_not_delivered_by_a_yield(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(count, &three, &gen), 0);
    EXPECT(rill_cancel(rill_current_task(), NULL));
    EXPECT_IS(next_of(gen), 1);
    EXPECT_IS(next_of(gen), 2);
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    (void)rill_uncancel(rill_current_task());
    return 0;
}

static int make_tasks(void *arg)
{
    for (int i = 0; i < 3; i++) {
        rill_task *task =
            rill_create_task_with(RILL_CORO(tick, arg), &(rill_task_opts){ .eager = i == 1 });
        int r = rill_yield(task, NULL);
        r = rill_first_error(r, rill_join(task));
        if (r < 0)
            return r;
    }
    return 0;
}

static int generator_starts_and_awaits_tasks_of_its_own(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    void *task;
    int r;
    EXPECT_IS(rill_gen_new(make_tasks, &three, &gen), 0);
    while ((r = rill_gen_next(gen, &task)) > 0)
        EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(r, 0);
    EXPECT_TRACE("ttttttttt");
    return 0;
}

/* --- As a coroutine. --- */

static int give_up_two_turns(void *arg)
{
    int r = 0;
    for (int i = 0; i < 2 && r == 0; i++) {
        trace('g');
        r = rill_yield(NULL, NULL);
    }
    trace(r == -ECANCELED ? 'c' : r < 0 ? '!' : 'e');
    return r < 0 ? r : rill_gen_return(arg);
}

static int bare_yield_of_a_generator_coroutine_gives_up_one_turn(void *arg)
{
    static rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(give_up_two_turns, &gen, &gen), 0);
    rill_task *task = rill_create_task(rill_gen_coro(gen));
    rill_task *ticks = rill_create_task(RILL_CORO(tick, &three));
    int r = rill_await(task);
    void *value = rill_value(task);
    r = rill_first_error(r, rill_join(ticks));
    see_off(task);
    rill_gen_free(gen);
    EXPECT_IS(r, 0);
    EXPECT(value == &gen);
    EXPECT_TRACE("gtgtet");
    return 0;
}

static int cancel_at_a_bare_yield_is_thrown_into_it(void *arg)
{
    static rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(give_up_two_turns, NULL, &gen), 0);
    rill_task *task = rill_create_task(rill_gen_coro(gen));
    int r = rill_sleep(0);
    rill_cancel(task, NULL);
    r = rill_first_error(r, rill_await(task));
    see_off(task);
    rill_gen_free(gen);
    EXPECT_IS(r, -ECANCELED);
    EXPECT_TRACE("gc");
    return 0;
}

static int value_that_nobody_takes_is_an_error_at_the_yield(void *arg)
{
    (void)arg;
    OWNED_GEN rill_gen *gen = NULL;
    EXPECT_IS(rill_gen_new(count, &three, &gen), 0);
    rill_coro coro = rill_gen_coro(gen);
    EXPECT_IS(coro.fn(coro.arg), -EINVAL); /* awaiting a coroutine is a call */
    return 0;
}

static int return_text(void *arg)
{
    int r = rill_sleep(0);
    return r < 0 ? r : rill_return_fmt("%s", (const char *)arg);
}

static int task_of_a_generator_has_its_name_and_its_text(void *arg)
{
    static rill_gen *gen;
    static char words[] = "a text";
    char text[256] = "";
    (void)arg;
    EXPECT_IS(rill_gen_new(return_text, words, &gen), 0);
    rill_task *task = rill_create_task(rill_gen_coro(gen));
    int r = rill_await(task);
    rill_repr(task, text, sizeof text);
    see_off(task);
    rill_gen_free(gen);
    EXPECT_IS(r, 0);
    EXPECT(strstr(text, "coro=return_text() at ") != NULL);
    EXPECT(strstr(text, "result='a text'") != NULL);
    return 0;
}

static int kinds_are_told_apart_by_the_compiler(void *arg)
{
    (void)arg;
    rill_gen *gen = NULL;
    _Static_assert(!RILL_IS_COROUTINE(gen) && RILL_IS_GENERATOR(gen), "a generator");
    _Static_assert(RILL_IS_COROUTINE(rill_gen_coro(gen)), "a coroutine that drives one");
    _Static_assert(RILL_IS_COROUTINE((rill_coro){ 0 }) && !RILL_IS_GENERATOR((rill_coro){ 0 }),
                   "a coroutine");
    _Static_assert(!RILL_IS_COROUTINE(1) && !RILL_IS_GENERATOR(&gen), "neither");
    EXPECT(gen == NULL);
    return 0;
}

/* --- The end of a loop. --- */

static rill_gen *left; /* outlives the loop that it was begun on */

static int clean_up_slowly(void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0)
        r = rill_yield(NULL, NULL);
    trace(r == -ESHUTDOWN ? 's' : '!');
    trace(rill_sleep(RILL_MS(1)) == 0 ? 'a' : '-');
    return r;
}

static int leave_one_open(void *arg)
{
    (void)arg;
    int r = rill_gen_new(clean_up_slowly, NULL, &left);
    return r < 0 ? r : rill_gen_next(left, NULL);
}

/* Row 125, and the generator's clean-up may await. */
static void run_closes_open_generators_which_may_await(void **state)
{
    int r = 0;
    (void)state;
    struct footing before = footing_now();
    trace_reset();
    assert_int_equal(rill_run(RILL_CORO(leave_one_open, NULL)), 1);
    assert_string_equal(traced(), "sa");
    r = rill_gen_next(left, NULL);
    assert_int_equal(r, 0);
    rill_gen_free(left);
    assert_int_equal(footing_now().blocks, before.blocks);
}

static int leave_open_and_fail(void *arg)
{
    int r = leave_one_open(arg);
    r = rill_first_error(r, rill_sleep(RILL_FOREVER));
    return r == -ECANCELED ? rill_fail(-EDOM, "cleaning up failed") : r;
}

static int leave_a_task_behind(void *arg)
{
    rill_unref(rill_create_task(RILL_CORO(leave_open_and_fail, NULL)));
    int r = rill_sleep(0);
    return r < 0 ? r : *(int *)arg;
}

static char told[256];

static void note_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)arg;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s|%s;", message,
             future != NULL ? rill_errname(rill_error(future)->code) : "");
}

static int leave_a_failing_task_behind(void *arg)
{
    told[0] = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), note_error, NULL);
    return leave_a_task_behind(arg);
}

/* Row 125. */
static void run_closes_open_generators_after_leftover_tasks_that_failed(void **state)
{
    int wanted = -ECANCELED, r = 0;
    (void)state;
    trace_reset();
    assert_int_equal(rill_run(RILL_CORO(leave_a_failing_task_behind, &wanted)), -ECANCELED);
    assert_non_null(strstr(told, "|EDOM;"));
    assert_string_equal(traced(), "sa");
    r = rill_gen_next(left, NULL);
    assert_int_equal(r, 0);
    rill_gen_free(left);
}

static int leave_stubborn_one_open(void *arg)
{
    told[0] = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), note_error, NULL);
    int r = rill_gen_new(ignore_closes, arg, &left);
    return r < 0 ? r : rill_gen_next(left, NULL);
}

static void generator_that_ignores_its_close_is_told_and_ended(void **state)
{
    int closes = 3;
    (void)state;
    trace_reset();
    assert_int_equal(rill_run(RILL_CORO(leave_stubborn_one_open, &closes)), 1);
    assert_non_null(
        strstr(told, "closing a generator failed with EPERM: ignore_closes() made at "));
    assert_string_equal(traced(), "e");
    rill_gen_free(left);
}

static void begin_one(void *arg)
{
    *(int *)arg = rill_gen_new(count, &three, &left);
    if (*(int *)arg == 0)
        *(int *)arg = rill_gen_next(left, NULL);
}

static int ask_for_a_late_begin(void *arg)
{
    return rill_defer(begin_one, arg);
}

static void generator_begun_by_a_callback_is_closed_with_the_loop(void **state)
{
    int r = 0;
    (void)state;
    rill_loop *loop;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_run_until_complete(loop, RILL_CORO(ask_for_a_late_begin, &r)), 0);
    assert_int_equal(r, 1);
    rill_loop_close(loop);
    r = rill_gen_next(left, NULL);
    assert_int_equal(r, 0);
    rill_gen_free(left);
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
    int r;
    (void)state;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    assert_int_equal(rill_gen_new(count, &three, &left), 0);
    r = rill_run_until_complete(loop, RILL_CORO(drive_given, left));
    assert_int_equal(r, 1);
    assert_int_equal(rill_run(RILL_CORO(drive_given, left)), -EXDEV);
    assert_int_equal(next_of(left), 2); /* outside of loops everybody may */
    rill_loop_close(loop);
    assert_int_equal(next_of(left), -1);
    rill_gen_free(left);
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
    SCENARIO(other_tasks_run_while_a_generator_awaits),
    SCENARIO(await_below_a_delegate_lets_others_run),
    SCENARIO(generator_that_awaits_in_one_task_is_busy_for_another),
    SCENARIO(cancel_of_the_driving_task_reaches_the_await_in_the_generator),
    SCENARIO(deadline_of_the_driver_ends_an_await_in_the_generator),
    SCENARIO(pending_cancel_is_not_delivered_by_a_yield),
    SCENARIO(generator_starts_and_awaits_tasks_of_its_own),
    SCENARIO(bare_yield_of_a_generator_coroutine_gives_up_one_turn),
    SCENARIO(cancel_at_a_bare_yield_is_thrown_into_it),
    SCENARIO(value_that_nobody_takes_is_an_error_at_the_yield),
    SCENARIO(task_of_a_generator_has_its_name_and_its_text),
    SCENARIO(kinds_are_told_apart_by_the_compiler),
    OUTSIDE(run_closes_open_generators_which_may_await),
    OUTSIDE(run_closes_open_generators_after_leftover_tasks_that_failed),
    OUTSIDE(generator_that_ignores_its_close_is_told_and_ended),
    OUTSIDE(generator_begun_by_a_callback_is_closed_with_the_loop),
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
