/* test_group_start.c - starting a child of a group and waiting until it says that it is ready. */
#include "tests/support/expect.h"

static rill_group group; /* of the running scenario */
static bool had_errors;

typedef int body_fn(void);

static int run_body(void *arg)
{
    memset(&group, 0, sizeof group);
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    r = rill_group_leave(&group, (*(body_fn **)arg)());
    had_errors = rill_group_errors(&group) != NULL;
    rill_group_fini(&group);
    return r;
}

static int in_group(body_fn *body)
{
    return run_body(&body);
}

static int stay(int r)
{
    return r < 0 ? r : rill_sleep(long_wait());
}

static int stay_and_trace(void *arg)
{
    int r = stay(0);
    trace(*(char *)arg);
    return r;
}

static char a = 'a';
static int eio = -EIO;

static char port[] = "port";

static int serve(void *arg)
{
    int r = rill_sleep(0);
    if (r < 0)
        return r;
    EXPECT_IS(rill_started(arg), 0);
    EXPECT_IS(rill_started(arg), -EINVAL);
    trace('s');
    r = rill_sleep(RILL_FOREVER);
    trace('e');
    return r;
}

static int start_server(void)
{
    void *value = NULL;
    int r = rill_group_start(&group, RILL_CORO(serve, port), &value);
    if (r < 0)
        return r;
    EXPECT(value == port);
    trace('r');
    return rill_group_cancel(&group, NULL);
}

static int start_returns_when_the_child_says_that_it_is_ready(void *arg)
{
    (void)arg;
    EXPECT_IS(in_group(start_server), 0);
    EXPECT_TRACE("sre");
    EXPECT_IS(rill_started(NULL), -EINVAL); /* nobody waits for us */
    return 0;
}

static int trace_and_end(void *arg)
{
    trace(*(char *)arg);
    return 0;
}

static int start_failures(void)
{
    static int zero;
    int r = rill_group_go(&group, RILL_CORO(trace_and_end, &a));
    if (r == 0 && (r = rill_group_start(&group, RILL_CORO(return_int, &eio), NULL)) != -EIO)
        return r < 0 ? r : -EBADMSG;
    r = rill_group_start(&group, RILL_CORO(return_int, &zero), NULL);
    EXPECT_IS(r, -EPROTO);
    return rill_sleep(0);
}

static int child_that_ends_before_it_is_ready_tells_the_starter_and_not_the_group(void *arg)
{
    (void)arg;
    EXPECT_IS(in_group(start_failures), 0);
    EXPECT(!had_errors);
    EXPECT_TRACE("a");
    return 0;
}

static int fail_when_started(void *arg)
{
    int r = rill_started(NULL);
    (void)arg;
    if (r == 0)
        r = rill_sleep(0);
    return r < 0 ? r : -EIO;
}

static int start_one_that_fails(void)
{
    int r = rill_group_start(&group, RILL_CORO(fail_when_started, NULL), NULL);
    trace(r == 0 ? 'r' : '?');
    return stay(r);
}

static int child_that_fails_after_it_was_ready_aborts_the_group(void *arg)
{
    (void)arg;
    EXPECT_IS(in_group(start_one_that_fails), -EIO);
    EXPECT_TRACE("r");
    return 0;
}

static int start_one_that_is_never_ready(void)
{
    int r = rill_group_start(&group, RILL_CORO(stay_and_trace, &a), NULL);
    trace(r == -ECANCELED ? 'c' : '?');
    return r;
}

static body_fn *body_never_ready = start_one_that_is_never_ready;

static int cancel_of_the_starter_cancels_the_child_and_waits_for_it(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_body, &body_never_ready));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(strlen(traced()), 2);
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int ready_although_cancelled(void *arg)
{
    int r = rill_sleep(RILL_FOREVER);
    (void)r;
    return rill_started(arg);
}

static int start_one_that_swallows(void)
{
    void *value = NULL;
    int r = rill_group_start(&group, RILL_CORO(ready_although_cancelled, port), &value);
    trace(r == 0 && value == port ? 'v' : 'c');
    return r;
}

static body_fn *body_swallowed = start_one_that_swallows;

/* As with any inner task that swallows a forwarded cancel. */
static int child_that_takes_the_cancel_and_is_ready_wins_against_it(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(run_body, &body_swallowed));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), 0);
    EXPECT_TRACE("v");
    EXPECT_IS(rill_cancelling(task), 1);
    return 0;
}

static int start_after_the_abort(void)
{
    EXPECT_IS(rill_group_cancel(&group, NULL), 0);
    EXPECT_IS(rill_sleep(0), -ECANCELED);
    EXPECT_IS(rill_group_start(&group, RILL_CORO(serve, port), NULL), -ESHUTDOWN);
    return -ECANCELED;
}

static int start_in_a_group_that_is_not_open_is_an_error(void *arg)
{
    (void)arg;
    rill_group none = { 0 };
    EXPECT_IS(rill_group_start(&none, RILL_CORO(serve, port), NULL), -EINVAL);
    EXPECT_IS(in_group(start_after_the_abort), 0);
    EXPECT_TRACE("");
    return 0;
}

static int start_one_that_is_ready_at_once(void)
{
    void *value = NULL;
    EXPECT_IS(rill_group_start(&group, RILL_CORO(fail_when_started, NULL), &value), 0);
    trace('r');
    return stay(0);
}

static int eager_child_may_be_ready_inside_the_call(void *arg)
{
    (void)arg;
    EXPECT_IS(in_group(start_one_that_is_ready_at_once), -EIO);
    EXPECT_TRACE("r");
    return 0;
}

static const rill_loop_opts eager = { .eager = true };

static int started_code;

static int start_late(void *arg)
{
    (void)arg;
    int r = rill_sleep(RILL_FOREVER);
    started_code = rill_started(NULL);
    return r;
}

static int start_and_give_up(void *arg)
{
    rill_group own = { 0 };
    (void)arg;
    EXPECT_IS(rill_group_enter(&own), 0);
    int r = rill_group_start(&own, RILL_CORO(start_late, NULL), NULL);
    r = rill_group_leave(&own, r);
    rill_group_fini(&own);
    return r;
}

/* In the hard phase the caller does not wait for it. */
static int child_whose_starter_has_given_up_may_say_that_it_is_ready(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    started_code = 1;
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    int r = rill_scope_set_grace(&scope, 0);
    if (r == 0)
        r = start_and_give_up(NULL);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT_IS(started_code, 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(child_whose_starter_has_given_up_may_say_that_it_is_ready),
    SCENARIO(start_returns_when_the_child_says_that_it_is_ready),
    SCENARIO(child_that_ends_before_it_is_ready_tells_the_starter_and_not_the_group),
    SCENARIO(child_that_fails_after_it_was_ready_aborts_the_group),
    SCENARIO(cancel_of_the_starter_cancels_the_child_and_waits_for_it),
    SCENARIO(child_that_takes_the_cancel_and_is_ready_wins_against_it),
    SCENARIO(start_in_a_group_that_is_not_open_is_an_error),
    SCENARIO_WITH(eager_child_may_be_ready_inside_the_call, &eager),
};

int main(void)
{
    return RUN_SCENARIOS("group_start", scenarios);
}
