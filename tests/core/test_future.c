/* test_future.c - futures: set once, awaited by anybody, callbacks in later turns, errors told once. */
#include "tests/support/expect.h"

static rill_future *shared;
static char told[256]; /* what the error handler heard last */
static int tellings;

static void hear(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)arg;
    tellings++;
    rill_text text = { told, sizeof told, 0, false };
    rill_text_add(&text, rill_span_of(message));
    char repr[128] = "";
    if (future != NULL)
        rill_repr(future, repr, sizeof repr);
    rill_text_char(&text, ' ');
    rill_text_add(&text, rill_span_of(repr));
    (void)rill_text_end(&text);
}

static void listen_to_errors(void)
{
    tellings = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hear, NULL);
}

/* Row 31. */
static int result_before_the_end_and_a_second_result_are_errors(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_result(future), -EINPROGRESS);
    EXPECT(rill_value(future) == NULL && rill_error(future) == NULL);
    int value = 0;
    EXPECT_IS(rill_future_set_result(future, 4, &value), 0);
    EXPECT_IS(rill_result(future), 4);
    EXPECT(rill_value(future) == &value);
    EXPECT_IS(rill_future_set_result(future, 5, NULL), -EALREADY);
    EXPECT_IS(rill_future_set_error(future, -EIO, "late"), -EALREADY);
    EXPECT_IS(rill_result(future), 4);
    EXPECT(!rill_cancel(future, NULL));

    OWNED_FUTURE rill_future *cancelled = rill_future_new();
    EXPECT(rill_cancel(cancelled, "why"));
    EXPECT_IS(rill_result(cancelled), -ECANCELED);
    EXPECT(rill_cancelled(cancelled) && rill_done(cancelled));
    EXPECT_IS(rill_future_set_result(cancelled, 0, NULL), -EALREADY);
    EXPECT(!rill_cancel(cancelled, NULL));
    EXPECT_IS(rill_await(cancelled), -ECANCELED);
    return 0;
}

static int error_brings_its_text_to_whoever_awaits(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_future_set_error(future, 3, NULL), -EINVAL);
    EXPECT_IS(rill_future_set_error(future, -EIO, "disk %d", 7), 0);
    EXPECT_IS(rill_await(future), -EIO);
    EXPECT(rill_error(future) != NULL);
    EXPECT_IS(rill_error(future)->code, -EIO);
    EXPECT(rill_error(future)->msg == NULL || says(rill_error(future), "disk 7"));
    EXPECT(says(rill_last_error(), "disk 7"));
    EXPECT(rill_value(future) == NULL);
    return 0;
}

static int result_of_a_task_cannot_be_set(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(give_up_turns, NULL));
    EXPECT_IS(rill_future_set_result(task, 0, NULL), -EPERM);
    EXPECT_IS(rill_future_set_error(task, -EIO, "no"), -EPERM);
    EXPECT_IS(rill_await(task), 0);
    return 0;
}

static void trace_call(rill_future *future, void *arg)
{
    EXPECT_HERE(rill_done(future));
    EXPECT_HERE(rill_current_task() == NULL);
    trace(*(char *)arg);
}

static char a = 'a', b = 'b', c = 'c';

static int callbacks_run_in_order_in_a_later_turn_also_when_added_late(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_add_done_callback(future, trace_call, &a), 0);
    EXPECT_IS(rill_add_done_callback(future, trace_call, &b), 0);
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_add_done_callback(future, trace_call, &c), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("abc");
    return 0;
}

/* Row 33. */
static int remove_done_callback_removes_all_equal_ones(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_add_done_callback(future, trace_call, &a), 0);
    EXPECT_IS(rill_add_done_callback(future, trace_call, &b), 0);
    EXPECT_IS(rill_add_done_callback(future, trace_call, &a), 0);
    EXPECT_IS(rill_remove_done_callback(future, trace_call, &c), 0);
    EXPECT_IS(rill_remove_done_callback(future, trace_call, &a), 2);
    EXPECT_IS(rill_remove_done_callback(future, trace_call, &a), 0);
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("b");
    return 0;
}

static void remove_others(rill_future *future, void *arg)
{
    trace(*(char *)arg);
    (void)rill_remove_done_callback(future, trace_call, &a);
    (void)rill_remove_done_callback(future, remove_others, arg);
    EXPECT_HERE(rill_add_done_callback(future, trace_call, &c) == 0);
}

/* Row 33: what is on its way is called all the same, as asyncio does. */
static int callbacks_may_change_the_list_while_it_is_called(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_add_done_callback(future, remove_others, &b), 0);
    EXPECT_IS(rill_add_done_callback(future, trace_call, &a), 0);
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("bac");
    return 0;
}

static int callback_keeps_its_future_until_the_call(void *arg)
{
    (void)arg;
    rill_future *future = rill_future_new();
    int r = rill_add_done_callback(future, trace_call, &a);
    if (r == 0)
        r = rill_future_set_result(future, 0, NULL);
    rill_unref(future);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("a");
    rill_future *sleep = rill_sleep_future(RILL_MS(1), 0, NULL);
    r = rill_add_done_callback(sleep, trace_call, &b);
    rill_unref(sleep);
    EXPECT_IS(r, 0);
    EXPECT_IS(rill_sleep(RILL_MS(2)), 0);
    EXPECT_IS(rill_sleep(0), 0); /* on a slow day both end in one turn: the callback has the next */
    EXPECT_TRACE("ab");
    return 0;
}

/* Nothing leaks though the futures never end and their callbacks are never called. */
static int futures_that_nobody_ends_go_with_their_loop(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_add_done_callback(future, trace_call, &a), 0);
    OWNED_FUTURE rill_future *sleep = rill_sleep_future(RILL_SEC(3600), 0, NULL);
    EXPECT_IS(rill_add_done_callback(sleep, trace_call, &b), 0);
    rill_unref(rill_sleep_future(RILL_SEC(3600), 0, NULL));
    rill_unref(rill_sleep_future(RILL_FOREVER, 0, NULL));
    return 0;
}

/* Row 34. */
static int set_result_unless_cancelled_leaves_a_cancelled_future_alone(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT(rill_cancel(future, NULL));
    EXPECT_IS(rill_future_set_result_unless_cancelled(future, 1, NULL), 0);
    EXPECT(rill_cancelled(future));
    OWNED_FUTURE rill_future *other = rill_future_new();
    EXPECT_IS(rill_future_set_result_unless_cancelled(other, 1, NULL), 0);
    EXPECT_IS(rill_result(other), 1);
    EXPECT_IS(rill_future_set_result_unless_cancelled(other, 2, NULL), -EALREADY);
    return 0;
}

static int fail_on_purpose(void *arg)
{
    (void)arg;
    return rill_fail(-ENOTTY, "on purpose");
}

/* Row 35. */
static int error_that_nobody_took_is_told_once_when_the_future_goes(void *arg)
{
    (void)arg;
    listen_to_errors();
    rill_future *future = rill_future_new();
    int r = rill_future_set_error(future, -EIO, "lost");
    rill_unref(future);
    EXPECT_IS(r, 0);
    EXPECT_IS(tellings, 1);
    EXPECT(strstr(told, "EIO") != NULL);

    rill_unref(rill_create_task(RILL_CORO(fail_on_purpose, NULL)));
    EXPECT_IS(tellings, 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(tellings, 2);
    EXPECT(strstr(told, "coro=fail_on_purpose()") != NULL && strstr(told, "ENOTTY") != NULL);
    return 0;
}

/* Row 35. */
static int error_that_was_taken_and_a_cancel_are_not_told(void *arg)
{
    (void)arg;
    listen_to_errors();
    rill_future *future = rill_future_new();
    (void)rill_future_set_result(future, -EIO, NULL);
    int r = rill_result(future);
    rill_unref(future);
    EXPECT_IS(r, -EIO);

    future = rill_future_new();
    (void)rill_future_set_result(future, -EIO, NULL);
    const rill_err *error = rill_error(future);
    rill_unref(future);
    EXPECT(error != NULL);

    EXPECT_IS(rill_join(rill_create_task(RILL_CORO(fail_on_purpose, NULL))), -ENOTTY);
    future = rill_future_new();
    rill_cancel(future, NULL);
    rill_unref(future);
    EXPECT_IS(tellings, 0);
    return 0;
}

/* Row 35: asyncio forgets the error of a future that somebody tries to cancel. */
static int error_of_a_future_that_was_cancelled_too_late_is_not_told(void *arg)
{
    (void)arg;
    listen_to_errors();
    rill_future *future = rill_future_new();
    (void)rill_future_set_error(future, -EIO, "too early");
    bool asked = rill_cancel(future, NULL);
    int code = rill_done(future);
    rill_unref(future);
    rill_unref(rill_future_new()); /* nor one that nobody ended */
    future = rill_future_new();
    (void)rill_future_set_result(future, 42, NULL); /* nor a result that nobody took */
    rill_unref(future);
    EXPECT(!asked);
    EXPECT_IS(code, 1);
    EXPECT_IS(tellings, 0);
    return 0;
}

static void trace_arg(rill_future *future, void *arg)
{
    EXPECT_HERE(rill_done(future));
    trace(*(char *)arg);
}

static char letters[] = "abc";

static int add_three(rill_future *future)
{
    int r = 0;
    for (int i = 0; i < 3; i++)
        r = rill_first_error(r, rill_add_done_callback(future, trace_arg, &letters[i]));
    return r;
}

/* Which of three are removed, some of them twice, and what is left of them. */
static int callbacks_that_were_not_removed_run_in_order(void *arg)
{
    static const struct {
        const char *removed, *left;
    } cases[] = { { "aa", "bc" }, { "aba", "c" }, { "cc", "ab" }, { "", "abc" }, { "abc", "" } };

    (void)arg;
    char wanted[32] = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rill_future *future = kept(rill_future_new());
        EXPECT_IS(add_three(future), 0);
        for (const char *at = cases[i].removed; *at != 0; at++)
            (void)rill_remove_done_callback(future, trace_arg, &letters[*at - 'a']);
        if (i % 2 == 0)
            EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
        else
            EXPECT_IS(rill_future_set_error(future, -EIO, NULL), 0);
        EXPECT_TRACE(wanted);
        EXPECT_IS(rill_sleep(0), 0);
        memcpy(wanted + strlen(wanted), cases[i].left, strlen(cases[i].left) + 1);
        EXPECT_TRACE(wanted);
        (void)rill_result(future);
    }
    return 0;
}

static int await_it_twice(void *arg)
{
    int r = rill_await(arg);
    return r != 42 ? r : rill_await(arg);
}

static int finished_future_may_be_awaited_again(void *arg)
{
    (void)arg;
    rill_future *future = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_it_twice, future));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(future, 42, NULL), 0);
    EXPECT_IS(rill_await(task), 42);
    return 0;
}

/* One code, however often it is awaited, and no text that grows. */
static int failed_future_gives_the_same_error_each_time(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_future_set_error(future, -EIO, "forty-two"), 0);
    for (int i = 0; i < 5; i++) {
        EXPECT_IS(rill_await(future), -EIO);
        EXPECT(says(rill_error(future), "forty-two"));
        EXPECT(says(rill_last_error(), "forty-two"));
    }
    EXPECT_IS(rill_future_set_result(future, 0, NULL), -EALREADY);
    EXPECT_IS(rill_future_set_error(future, -EPERM, NULL), -EALREADY);
    return 0;
}

static int cancelled_future_keeps_its_message_and_takes_no_result(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT(!rill_cancelled(future) && !rill_done(future));
    EXPECT(rill_cancel(future, "my message"));
    EXPECT(rill_cancelled(future) && rill_done(future));
    EXPECT_IS(rill_result(future), -ECANCELED);
    EXPECT_IS(rill_error(future)->code, -ECANCELED);
    EXPECT(says(rill_error(future), "my message"));
    EXPECT_IS(rill_future_set_result(future, 0, NULL), -EALREADY);
    EXPECT_IS(rill_future_set_error(future, -EIO, "x"), -EALREADY);
    EXPECT(!rill_cancel(future, "another"));
    EXPECT_IS(rill_await(future), -ECANCELED);
    EXPECT(says(rill_error(future), "my message"));
    return 0;
}

static void hear_and_fail(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    hear(loop, message, future, arg);
    rill_future *worse = rill_future_new();
    (void)rill_future_set_result(worse, -EIO, NULL);
    rill_unref(worse); /* goes to the default handler, not here again */
}

/* Row 123. */
static int error_in_the_error_handler_goes_to_the_default_one(void *arg)
{
    (void)arg;
    tellings = 0;
    rill_loop_set_error_handler(rill_get_running_loop(), hear_and_fail, NULL);
    for (int i = 0; i < 2; i++) {
        rill_future *future = rill_future_new();
        (void)rill_future_set_result(future, -EIO, NULL);
        rill_unref(future);
    }
    EXPECT_IS(tellings, 2);
    return 0;
}

static int await_shared(void *arg)
{
    (void)arg;
    int r = rill_await(shared);
    trace(r == 6 ? 'r' : '?');
    return r;
}

static int all_waiters_of_a_future_get_its_result(void *arg)
{
    (void)arg;
    shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *one = rill_create_task(RILL_CORO(await_shared, NULL));
    OWNED_FUTURE rill_task *two = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(shared, 6, NULL), 0);
    EXPECT_TRACE("");
    EXPECT_IS(rill_await(one), 6);
    EXPECT_IS(rill_await(two), 6);
    EXPECT_TRACE("rr");
    return 0;
}

static int sleep_future_brings_its_result_and_may_be_dropped(void *arg)
{
    (void)arg;
    int value = 1;
    OWNED_FUTURE rill_future *sleep = rill_sleep_future(RILL_MS(1), 8, &value);
    OWNED_FUTURE rill_future *now = rill_sleep_future(0, 9, NULL);
    EXPECT_IS(rill_await(sleep), 8);
    EXPECT(rill_value(sleep) == &value);
    EXPECT_IS(rill_await(now), 9);
    OWNED_FUTURE rill_future *stopped = rill_sleep_future(RILL_SEC(3600), 0, NULL);
    EXPECT(rill_cancel(stopped, "enough"));
    EXPECT_IS(rill_await(stopped), -ECANCELED);
    EXPECT(rill_error(stopped)->msg == NULL || says(rill_error(stopped), "enough"));
    rill_unref(rill_sleep_future(0, 0, NULL)); /* its entry is on the queue */
    EXPECT_IS(rill_sleep(0), 0);
    return 0;
}

static int repr_shows_kind_state_and_result(void *arg)
{
    char text[64];
    (void)arg;
    OWNED_FUTURE rill_future *future = rill_future_new();
    EXPECT_IS(rill_repr(future, text, sizeof text), 16);
    EXPECT(strcmp(text, "<Future pending>") == 0);
    EXPECT_IS(rill_future_set_result(future, 3, NULL), 0);
    rill_repr(future, text, sizeof text);
    EXPECT(strcmp(text, "<Future finished result=3>") == 0);
    EXPECT_IS(rill_repr(future, text, 8), 26); /* as snprintf: the length of all of it */
    EXPECT(strcmp(text, "<Future") == 0);
    OWNED_FUTURE rill_future *cancelled = rill_future_new();
    rill_cancel(cancelled, NULL);
    rill_repr(cancelled, text, sizeof text);
    EXPECT(strcmp(text, "<Future cancelled>") == 0);
    return 0;
}

static void future_outside_of_a_loop_is_a_failed_one(void **state)
{
    (void)state;
    rill_future *future = rill_future_new();
    assert_int_equal(rill_result(future), -ESRCH);
    rill_unref(future);
    rill_task *task = rill_create_task(RILL_CORO(give_up_turns, NULL));
    assert_int_equal(rill_result(task), -ESRCH);
    assert_int_equal(rill_await(task), -ESRCH);
    rill_unref(task);
}

static int leave_futures(void *arg)
{
    rill_future **ret_futures = arg;
    ret_futures[0] = rill_create_task(RILL_CORO(fail_on_purpose, NULL));
    ret_futures[1] = rill_sleep_future(RILL_SEC(3600), 0, NULL);
    ret_futures[2] = rill_shield(ret_futures[1]);
    ret_futures[3] = rill_gather(2, ret_futures, RILL_RETURN_ERRORS);
    return rill_sleep(0);
}

static void future_may_outlive_its_loop(void **state)
{
    rill_future *futures[4];
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(rill_run(RILL_CORO(leave_futures, futures)), 0);
    assert_int_equal(rill_state(futures[0]), RILL_FINISHED);
    for (int i = 0; i < 4; i++)
        rill_unref(futures[i]);
    assert_int_equal(footing_now().blocks, before.blocks);
}

static const struct scenario scenarios[] = {
    SCENARIO(result_before_the_end_and_a_second_result_are_errors),
    SCENARIO(error_brings_its_text_to_whoever_awaits),
    SCENARIO(result_of_a_task_cannot_be_set),
    SCENARIO(callbacks_run_in_order_in_a_later_turn_also_when_added_late),
    SCENARIO(remove_done_callback_removes_all_equal_ones),
    SCENARIO(callbacks_may_change_the_list_while_it_is_called),
    SCENARIO(callback_keeps_its_future_until_the_call),
    SCENARIO(futures_that_nobody_ends_go_with_their_loop),
    SCENARIO(set_result_unless_cancelled_leaves_a_cancelled_future_alone),
    SCENARIO(error_that_nobody_took_is_told_once_when_the_future_goes),
    SCENARIO(error_that_was_taken_and_a_cancel_are_not_told),
    SCENARIO(error_of_a_future_that_was_cancelled_too_late_is_not_told),
    SCENARIO(callbacks_that_were_not_removed_run_in_order),
    SCENARIO(finished_future_may_be_awaited_again),
    SCENARIO(failed_future_gives_the_same_error_each_time),
    SCENARIO(cancelled_future_keeps_its_message_and_takes_no_result),
    SCENARIO(error_in_the_error_handler_goes_to_the_default_one),
    SCENARIO(all_waiters_of_a_future_get_its_result),
    SCENARIO(sleep_future_brings_its_result_and_may_be_dropped),
    SCENARIO(repr_shows_kind_state_and_result),
    OUTSIDE(future_outside_of_a_loop_is_a_failed_one),
    OUTSIDE(future_may_outlive_its_loop),
};

int main(void)
{
    return RUN_SCENARIOS("future", scenarios);
}
