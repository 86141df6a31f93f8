/* test_cancel_awaited.c - cancelling a task that awaits something else, and what the others get of it. */
#include "tests/support/expect.h"

static rill_future *shared;

static int await_shared(void *arg)
{
    (void)arg;
    return rill_await(shared);
}

static int cancel_of_the_awaited_future_ends_the_waiter_cancelled_without_a_request(void *arg)
{
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(future, "inner"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(rill_cancelled(task) && rill_cancelled(future));
    EXPECT_IS(rill_cancelling(task), 0);
    EXPECT(says(rill_error(task), "inner"));
    return 0;
}

static int cancel_current_and_sleep(void *arg)
{
    (void)arg;
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_cancelling(rill_current_task()), 1);
    EXPECT(!rill_cancelled(rill_current_task()));
    int r = rill_sleep(RILL_SEC(100));
    trace(r == -ECANCELED ? 'c' : '?');
    return r < 0 ? r : 12;
}

static int task_that_cancels_itself_gets_it_from_its_next_await(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_current_and_sleep, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_TRACE("c");
    EXPECT(!rill_cancel(task, NULL));
    return 0;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(10));
}

static int cancel_a_sleeper(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *sleeper = rill_create_task(RILL_CORO(sleep_long, NULL));
    int r = rill_sleep(RILL_MS(1));
    rill_cancel(sleeper, NULL);
    if (r == 0 && rill_await(sleeper) == -ECANCELED)
        return 100; /* the sleeper was cancelled, and not this task */
    return r;
}

static int cancel_of_a_sleeping_task_is_seen_by_whoever_awaits_it_as_its_result(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_a_sleeper, NULL));
    EXPECT_IS(rill_await(task), 100);
    EXPECT_IS(rill_cancelling(task), 0);
    return 0;
}

static rill_task *asked;

static int await_asked(void *arg)
{
    (void)arg;
    return rill_await(asked);
}

/* The request is there before the circle closes, and goes on to the other one. */
static int ask_oneself_and_await(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *other = rill_create_task(RILL_CORO(await_asked, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    rill_cancel(rill_current_task(), NULL);
    int r = rill_await(other);
    EXPECT_IS(rill_cancelling(rill_current_task()), 1);
    return r;
}

static int pending_cancel_that_closes_a_circle_of_awaits_ends_it(void *arg)
{
    (void)arg;
    asked = kept(rill_create_task(RILL_CORO(ask_oneself_and_await, NULL)));
    EXPECT_IS(rill_wait_for(asked, RILL_SEC(1)), -ECANCELED);
    return 0;
}

/* asyncio's test of a message that comes out of a result: none, and a text. */
static int message_of_a_cancel_is_there_behind_wait(void *arg)
{
    static const char *const texts[] = { NULL, "my message" };
    rill_future *out[2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_long, NULL));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, texts[i]));
        EXPECT_IS(rill_wait(1, &task, RILL_ALL_COMPLETED, RILL_FOREVER, out), 1);
        EXPECT_IS(rill_result(task), -ECANCELED);
        const char *got = rill_error(task)->msg;
        EXPECT(texts[i] == NULL ? got == NULL : got != NULL && strcmp(got, texts[i]) == 0);
    }
    return 0;
}

static int give_up_turns_until_cancelled(void *arg)
{
    int r;
    (void)arg;
    do
        r = rill_sleep(0);
    while (r == 0);
    return r;
}

/* As asyncio: the first request ends the wait, and its message is told; of requests to a task that waits
 * for nothing the last one counts. */
static int first_request_that_ends_a_wait_gives_its_message(void *arg)
{
    static const struct {
        rill_fn *fn;
        const char *told;
    } cases[] = { { sleep_long, "first" },
                  { sleep_for_ever, "first" },
                  { give_up_turns_until_cancelled, "second" } };

    (void)arg;
    for (size_t i = 0; i < 3; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cases[i].fn, NULL));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, "first"));
        EXPECT(rill_cancel(task, "second"));
        EXPECT_IS(rill_cancelling(task), 2);
        EXPECT_IS(rill_await(task), -ECANCELED);
        EXPECT(says(rill_error(task), cases[i].told));
    }
    return 0;
}

static rill_future *awaited_future;

static int await_awaited(void *arg)
{
    (void)arg;
    return rill_await(awaited_future);
}

/* Also if the task is asked in the same turn. */
static int message_of_the_awaited_futures_cancel_reaches_the_waiter(void *arg)
{
    (void)arg;
    awaited_future = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_awaited, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(awaited_future, "the future"));
    EXPECT(rill_cancel(task, "the task"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(says(rill_error(task), "the future"));
    return 0;
}

static int await_gather(void *arg)
{
    rill_task **parts = arg;
    return rill_join(rill_gather(2, parts, 0));
}

static int cancel_of_a_task_that_awaits_a_gather_cancels_the_members(void *arg)
{
    static rill_task *parts[2];
    (void)arg;
    for (int i = 0; i < 2; i++)
        parts[i] = kept(rill_create_task(RILL_CORO(sleep_long, NULL)));
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_gather, parts));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, "all of you"));
    EXPECT_IS(rill_await(task), -ECANCELED);
    for (int i = 0; i < 2; i++) {
        EXPECT(rill_cancelled(parts[i]));
        EXPECT_IS(rill_cancelling(parts[i]), 1);
        EXPECT(says(rill_error(parts[i]), "all of you"));
    }
    EXPECT(says(rill_error(task), "all of you"));
    return 0;
}

static int await_shielded(void *arg)
{
    (void)arg;
    return rill_join(rill_shield(shared));
}

static int cancel_of_a_task_that_awaits_a_shield_leaves_the_inner_one(void *arg)
{
    (void)arg;
    rill_future *inner = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shielded, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(!rill_done(inner));
    EXPECT_IS(rill_future_set_result(inner, 3, NULL), 0);
    return 0;
}

static int swallow(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_FOREVER) == -ECANCELED ? 42 : -EBADMSG;
}

/* Race table: the awaiting side gets the value, its count stays raised, and no more is delivered. */
static int inner_task_that_swallows_gives_its_value_to_the_cancelled_waiter(void *arg)
{
    (void)arg;
    shared = kept(rill_create_task(RILL_CORO(swallow, NULL)));
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 42);
    EXPECT(!rill_cancelled(task));
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int pass_two_awaits(void *arg)
{
    rill_future **both = arg;
    int r = rill_await(both[0]);
    if (r < 0)
        return r;
    r = rill_await(both[1]);
    return r == -ECANCELED ? 42 : r;
}

static int cancel_reaches_the_future_that_is_awaited_now_and_no_other(void *arg)
{
    static rill_future *both[2];
    (void)arg;
    both[0] = kept(rill_future_new());
    both[1] = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(pass_two_awaits, both));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_future_set_result(both[0], 0, NULL), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT(rill_cancelled(both[1]) && !rill_cancelled(both[0]));
    EXPECT_IS(rill_await(task), 42);
    EXPECT(!rill_cancelled(task));
    return 0;
}

static int uncancel_in_the_handler(void *arg)
{
    (void)arg;
    if (rill_sleep(RILL_SEC(10)) == -ECANCELED)
        (void)rill_uncancel(rill_current_task());
    return rill_sleep(RILL_SEC(10));
}

/* asyncio's uncancel, with what repr says meanwhile. */
static int repr_says_cancelling_while_a_request_is_open(void *arg)
{
    char line[200];
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(uncancel_in_the_handler, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    rill_repr(task, line, sizeof line);
    EXPECT(strstr(line, "<Task cancelling ") == line);
    EXPECT(!rill_cancelled(task) && !rill_done(task));
    EXPECT_IS(rill_sleep(0), 0);
    rill_repr(task, line, sizeof line);
    EXPECT(strstr(line, "<Task pending ") == line);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    rill_repr(task, line, sizeof line);
    EXPECT(strstr(line, "<Task cancelled ") == line);
    EXPECT_IS(rill_uncancel(task), 0);
    EXPECT(rill_cancelled(task));
    return 0;
}

static int repr_names_the_future_that_is_awaited(void *arg)
{
    char line[400];
    (void)arg;
    rill_future *future = shared = kept(rill_future_new());
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    rill_repr(task, line, sizeof line);
    EXPECT(strstr(line, " wait_for=<Future pending>>") != NULL);
    EXPECT_IS(rill_future_set_result(future, 0, NULL), 0);
    EXPECT_IS(rill_await(task), 0);
    rill_repr(task, line, sizeof line);
    EXPECT(strstr(line, "wait_for") == NULL);
    return 0;
}

static int await_it(void *arg)
{
    return rill_await(*(rill_task **)arg);
}

/* asyncio's recursive repr: tasks that await each other. */
static int repr_of_a_cycle_of_tasks_ends(void *arg)
{
    static rill_task *pair[2];
    char line[1024];
    (void)arg;
    pair[0] = kept(rill_create_task(RILL_CORO(await_it, &pair[1])));
    pair[1] = kept(rill_create_task(RILL_CORO(await_it, &pair[0])));
    EXPECT_IS(rill_sleep(0), 0);
    rill_repr(pair[0], line, sizeof line);
    rill_cancel(pair[0], NULL);
    EXPECT_IS(rill_await(pair[0]), -ECANCELED);
    EXPECT_IS(rill_await(pair[1]), -ECANCELED);
    EXPECT(strstr(line, "wait_for=...>") != NULL);
    return 0;
}

static int cancel_twice_and_return(void *arg)
{
    (void)arg;
    int first = rill_sleep(RILL_FOREVER), second = rill_sleep(RILL_FOREVER);
    trace(first == -ECANCELED ? 'c' : '?');
    trace(second == -ECANCELED ? 'c' : '?');
    return 7;
}

/* R17: a second request in the clean-up is a delivery of its own. */
static int second_request_in_the_clean_up_is_delivered_as_well(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(cancel_twice_and_return, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 7);
    EXPECT_TRACE("cc");
    EXPECT_IS(rill_cancelling(task), 2);
    return 0;
}

/* Two requests in one turn are one delivery; so the second await would last for ever. */
static int two_requests_in_one_turn_are_delivered_once(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(uncancel_in_the_handler, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(task));
    EXPECT_IS(rill_cancelling(task), 1);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    return 0;
}

/* Who takes one request and waits on ends by this. */
static const rill_loop_opts impatient = { .grace = RILL_MS(5) };

static const struct scenario scenarios[] = {
    SCENARIO(cancel_of_the_awaited_future_ends_the_waiter_cancelled_without_a_request),
    SCENARIO(task_that_cancels_itself_gets_it_from_its_next_await),
    SCENARIO(cancel_of_a_sleeping_task_is_seen_by_whoever_awaits_it_as_its_result),
    SCENARIO(message_of_a_cancel_is_there_behind_wait),
    SCENARIO(pending_cancel_that_closes_a_circle_of_awaits_ends_it),
    SCENARIO(first_request_that_ends_a_wait_gives_its_message),
    SCENARIO(message_of_the_awaited_futures_cancel_reaches_the_waiter),
    SCENARIO_WITH(cancel_of_a_task_that_awaits_a_gather_cancels_the_members, &impatient),
    SCENARIO(cancel_of_a_task_that_awaits_a_shield_leaves_the_inner_one),
    SCENARIO(inner_task_that_swallows_gives_its_value_to_the_cancelled_waiter),
    SCENARIO(cancel_reaches_the_future_that_is_awaited_now_and_no_other),
    SCENARIO_WITH(repr_says_cancelling_while_a_request_is_open, &impatient),
    SCENARIO(repr_names_the_future_that_is_awaited),
    SCENARIO(repr_of_a_cycle_of_tasks_ends),
    SCENARIO_WITH(second_request_in_the_clean_up_is_delivered_as_well, &impatient),
    SCENARIO_WITH(two_requests_in_one_turn_are_delivered_once, &impatient),
};

int main(void)
{
    return RUN_SCENARIOS("cancel_awaited", scenarios);
}
