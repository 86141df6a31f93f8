/* test_gen_task.c - generators in tasks: awaiting, as coroutines, and what the end of a loop closes. */
#include "tests/support/child.h"
#include "tests/support/generate.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int three = 3;

/* Wait for the end of a task that drives a generator, whatever happens: only then may that go. */
static void see_off(rill_task *task)
{
    while (!rill_done(task))
        (void)!rill_sleep(0);
    (void)rill_result(task);
    rill_unref(task);
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

static int frames_of(rill_task *task)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int frames = rill_backtrace(task, fd);
    close(fd);
    return frames;
}

static int yield_frames(void *arg)
{
    (void)arg;
    return rill_yield(number(frames_of(rill_current_task())), NULL);
}

/* B2: the stack of a task that waits, or runs, in a generator goes on below its driver. */
static int backtrace_leads_from_the_generator_to_its_driver(void *arg)
{
    static rill_gen *gen;
    (void)arg;
    EXPECT_IS(rill_gen_new(wait_for_ever, NULL, &gen), 0);
    rill_task *driver = rill_create_task(RILL_CORO(drive_twice, &gen));
    rill_task *plain = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    int r = rill_sleep(0);
    int in_generator = frames_of(driver), without = frames_of(plain);
    rill_cancel(driver, NULL);
    rill_cancel(plain, NULL);
    see_off(driver);
    see_off(plain);
    rill_gen_free(gen);
    EXPECT_IS(r, 0);
    EXPECT(without >= 3 && in_generator >= without + 3);
    OWNED_GEN rill_gen *running = NULL;
    EXPECT_IS(rill_gen_new(yield_frames, NULL, &running), 0);
    EXPECT(next_of(running) > frames_of(rill_current_task()) + 3);
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

/* --- Scopes and groups of the body. --- */

static int yield_in_a_scope(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(rill_timeout(&scope, RILL_SEC(1)), 0);
    int refused = rill_yield(NULL, NULL);
    EXPECT_IS(rill_scope_leave(&scope, refused), -EINVAL);
    return rill_yield(NULL, NULL);
}

static int yield_in_a_group(void *arg)
{
    rill_group group = { 0 };
    (void)arg;
    EXPECT_IS(rill_group_enter(&group), 0);
    int refused = rill_yield(NULL, NULL);
    EXPECT_IS(rill_group_leave(&group, 0), 0);
    rill_group_fini(&group);
    EXPECT_IS(refused, -EINVAL);
    return rill_yield(NULL, NULL);
}

static int yield_out_of_a_scope_or_group_is_refused(void *arg)
{
    rill_fn *const bodies[] = { yield_in_a_scope, yield_in_a_group };
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_GEN rill_gen *gen = NULL;
        rill_scope around = { 0 };
        EXPECT_IS(rill_gen_new(bodies[i], NULL, &gen), 0);
        EXPECT_IS(rill_gen_next(gen, NULL), 1);
        EXPECT_IS(rill_scope_enter(&around), 0);
        int r = rill_gen_next(gen, NULL); /* that of the driver is none of its own */
        EXPECT_IS(rill_scope_leave(&around, r), 0);
    }
    return 0;
}

static int return_out_of_a_scope(void *arg)
{
    static rill_scope scope;
    (void)arg;
    return rill_scope_enter(&scope);
}

static int drive_out_of_a_scope(void *arg)
{
    rill_gen *gen;
    EXPECT_IS(rill_gen_new(return_out_of_a_scope, arg, &gen), 0);
    int r = rill_gen_next(gen, NULL);
    rill_gen_free(gen);
    return r;
}

static int run_child(void *arg)
{
    return rill_run(RILL_CORO(*(rill_fn **)arg, NULL));
}

static void return_out_of_a_scope_ends_the_process(void **state)
{
    static struct child child;
    rill_fn *const bodies[] = { return_out_of_a_scope, drive_out_of_a_scope };
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(child_run(&child, run_child, (void *)&bodies[i]), 0);
        assert_true(WIFSIGNALED(child.status));
        assert_int_equal(WTERMSIG(child.status), SIGABRT);
    }
}

static const struct scenario scenarios[] = {
    SCENARIO(other_tasks_run_while_a_generator_awaits),
    SCENARIO(await_below_a_delegate_lets_others_run),
    SCENARIO(generator_that_awaits_in_one_task_is_busy_for_another),
    SCENARIO(cancel_of_the_driving_task_reaches_the_await_in_the_generator),
    SCENARIO(deadline_of_the_driver_ends_an_await_in_the_generator),
    SCENARIO(pending_cancel_is_not_delivered_by_a_yield),
    SCENARIO(generator_starts_and_awaits_tasks_of_its_own),
    SCENARIO(backtrace_leads_from_the_generator_to_its_driver),
    SCENARIO(bare_yield_of_a_generator_coroutine_gives_up_one_turn),
    SCENARIO(cancel_at_a_bare_yield_is_thrown_into_it),
    SCENARIO(value_that_nobody_takes_is_an_error_at_the_yield),
    SCENARIO(task_of_a_generator_has_its_name_and_its_text),
    SCENARIO(kinds_are_told_apart_by_the_compiler),
    SCENARIO(yield_out_of_a_scope_or_group_is_refused),
    OUTSIDE(return_out_of_a_scope_ends_the_process),
    OUTSIDE(run_closes_open_generators_which_may_await),
    OUTSIDE(run_closes_open_generators_after_leftover_tasks_that_failed),
    OUTSIDE(generator_that_ignores_its_close_is_told_and_ended),
    OUTSIDE(generator_begun_by_a_callback_is_closed_with_the_loop),
};

int main(void)
{
    return RUN_SCENARIOS("gen_task", scenarios);
}
