/* test_record.c - cancel records: who asked, where, why and when. */
#include "core/base/mem.h"
#include "tests/support/expect.h"

#include <unistd.h>

static int ask(void *arg)
{
    rill_cancel(arg, "the reason");
    return 0;
}

/* The function whose call it was: code addresses lie within it. */
static bool lies_near(const void *where, int (*function)(void *arg))
{
    uintptr_t at = (uintptr_t)where, begin = (uintptr_t)function;
    return at > begin && at < begin + 4096;
}

/* B1. */
static int request_of_a_task_is_on_record_with_who_where_why_and_when(void *arg)
{
    (void)arg;
    rill_cancel_rec rec;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_cancel_record(task, 0, &rec), -ENOENT);
    rill_time before = rill_now();
    OWNED_FUTURE rill_task *who =
        rill_create_task_with(RILL_CORO(ask, task), &(rill_task_opts){ .name = "asker" });
    EXPECT_IS(rill_await(who), 0);
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(rill_cancel_record(task, 0, &rec), 0);
    EXPECT_IS(rec.by, RILL_BY_TASK);
    EXPECT_IS(rec.task, 3);
    EXPECT(strcmp(rec.name, "asker") == 0);
    EXPECT(rec.why != NULL && strcmp(rec.why, "the reason") == 0);
    EXPECT(rec.when >= before && rec.when <= rill_now());
    EXPECT(lies_near(rec.where, ask));
    EXPECT_IS(rill_cancel_record(task, 1, &rec), -ENOENT);
    return 0;
}

static int take_all(void *arg)
{
    int count = *(int *)arg;
    for (int taken = 0; taken < count;)
        taken += rill_sleep(RILL_MS(1)) == -ECANCELED;
    return 0;
}

static int last_four_requests_are_kept(void *arg)
{
    static int six = 6;
    static const char *const texts[] = { "0", "1", "2", "3", "4", NULL };
    (void)arg;
    rill_cancel_rec rec;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(take_all, &six));
    EXPECT_IS(rill_sleep(0), 0);
    for (int i = 0; i < 6; i++) {
        rill_cancel(task, texts[i]);
        EXPECT_IS(rill_sleep(0), 0);
    }
    bool kept_all = rill_cancel_record(task, 1, &rec) == 0; /* not without memory */
    for (unsigned i = 0; kept_all && i < 4; i++) {
        EXPECT_IS(rill_cancel_record(task, i, &rec), 0);
        const char *why = texts[5 - i];
        EXPECT_IS(rec.by, RILL_BY_TASK);
        EXPECT(why == NULL ? rec.why == NULL : rec.why == NULL || strcmp(rec.why, why) == 0);
    }
    EXPECT_IS(rill_cancel_record(task, 4, &rec), -ENOENT);
    EXPECT_IS(rill_await(task), 0);
    EXPECT(kept_all);
    return 0;
}

static rill_future *shared;

static int await_shared(void *arg)
{
    (void)arg;
    return rill_await(shared);
}

static int request_that_came_through_others_names_the_one_who_began_it(void *arg)
{
    (void)arg;
    rill_cancel_rec rec;
    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(await_shared, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *who =
        rill_create_task_with(RILL_CORO(ask, outer), &(rill_task_opts){ .name = "asker" });
    EXPECT_IS(rill_await(who), 0);
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT_IS(rill_cancel_record(inner, 0, &rec), 0);
    EXPECT(strcmp(rec.name, "asker") == 0 && lies_near(rec.where, ask));
    return 0;
}

static int ask_oneself_and_await(void *arg)
{
    rill_cancel(rill_current_task(), NULL);
    return await_shared(arg);
}

static int pending_request_that_is_passed_on_keeps_its_record(void *arg)
{
    (void)arg;
    rill_cancel_rec rec;
    rill_task *inner = shared = kept(rill_create_task(RILL_CORO(sleep_for_ever, NULL)));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *outer = rill_create_task(RILL_CORO(ask_oneself_and_await, NULL));
    EXPECT_IS(rill_await(outer), -ECANCELED);
    EXPECT_IS(rill_cancel_record(inner, 0, &rec), 0);
    EXPECT(strcmp(rec.name, "Task-3") == 0);
    EXPECT(lies_near(rec.where, ask_oneself_and_await));
    return 0;
}

static void ask_in_call(void *task)
{
    rill_cancel(task, NULL);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int in_group(rill_group *group)
{
    int r = rill_group_enter(group);
    if (r < 0)
        return r;
    r = rill_group_go(group, RILL_CORO(fail_at_once, NULL));
    if (r == 0)
        r = rill_sleep(RILL_FOREVER);
    return rill_group_leave(group, r);
}

static int scopes_groups_and_calls_are_named_as_such(void *arg)
{
    (void)arg;
    rill_cancel_rec rec;
    rill_scope scope = { 0 };
    rill_group group = { 0 };
    int r = rill_timeout(&scope, 0);
    if (r == 0)
        r = rill_scope_leave(&scope, rill_sleep(RILL_FOREVER));
    EXPECT_IS(r, -ETIME);
    EXPECT_IS(rill_cancel_record(rill_current_task(), 0, &rec), 0);
    EXPECT_IS(rec.by, RILL_BY_SCOPE);
    EXPECT_IS(rec.task, 1);
    EXPECT(lies_near(rec.where, scopes_groups_and_calls_are_named_as_such));
    EXPECT(rec.why != NULL && strcmp(rec.why, "timeout") == 0);

    r = in_group(&group);
    rill_group_fini(&group);
    EXPECT_IS(r, -EIO);
    EXPECT_IS(rill_cancel_record(rill_current_task(), 0, &rec), 0);
    EXPECT_IS(rec.by, RILL_BY_GROUP);

    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    EXPECT(rill_call_soon(rill_get_running_loop(), ask_in_call, task).entry != NULL);
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT_IS(rill_cancel_record(task, 0, &rec), 0);
    EXPECT_IS(rec.by, RILL_BY_CALL);
    EXPECT_IS(rec.task, 0);
    EXPECT_IS(rec.name[0], 0);
    return 0;
}

static char dumped[16 << 10];

static int dump(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    int r = rill_dump(ends[1]);
    close(ends[1]);
    ssize_t size = read(ends[0], dumped, sizeof dumped - 1);
    dumped[size > 0 ? size : 0] = 0;
    close(ends[0]);
    return r;
}

static int ask_again(void *arg)
{
    rill_cancel(arg, NULL);
    return 0;
}

static int hold_on(void *arg)
{
    static int two = 2;
    (void)arg;
    return take_all(&two) < 0 ? -EBADMSG : rill_sleep(RILL_FOREVER);
}

/* B1: shown in every dump. */
static int dump_says_who_asked(void *arg)
{
    (void)arg;
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(hold_on, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *who =
        rill_create_task_with(RILL_CORO(ask, task), &(rill_task_opts){ .name = "asker" });
    EXPECT_IS(rill_await(who), 0);
    EXPECT_IS(rill_sleep(0), 0);
    OWNED_FUTURE rill_task *next =
        rill_create_task_with(RILL_CORO(ask_again, task), &(rill_task_opts){ .name = "next" });
    EXPECT_IS(rill_await(next), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(dump() > 0);
    bool last = strstr(dumped, "; last by task 'next' at 0x") != NULL;
    bool before = strstr(dumped, "; before by task 'asker' at 0x") != NULL;
    EXPECT(rill_cancel(task, NULL));
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(last && before);
    EXPECT(strstr(dumped, " (the reason), ") != NULL);
    return 0;
}

static rill_task *leftover;

static int leave_one(void *arg)
{
    (void)arg;
    leftover = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    return rill_sleep(0);
}

static void end_of_the_loop_is_on_record(void **state)
{
    rill_cancel_rec rec;
    (void)state;
    assert_int_equal(rill_run(RILL_CORO(leave_one, NULL)), 0);
    assert_int_equal(rill_cancel_record(leftover, 0, &rec), 0);
    assert_int_equal(rec.by, RILL_BY_LOOP);
    assert_string_equal(rec.why, "the loop ends");
    rill_unref(leftover);
}

static int task_without_requests_has_no_memory_for_records(void *arg)
{
    (void)arg;
    int64_t before = rill__mem_live();
    OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(sleep_for_ever, NULL));
    EXPECT_IS(rill_sleep(0), 0);
    int64_t waiting = rill__mem_live();
    rill_cancel(task, NULL);
    int64_t asked = rill__mem_live();
    EXPECT_IS(rill_await(task), -ECANCELED);
    EXPECT(waiting - before <= 2); /* the task, and room among the timers */
    EXPECT_IS(asked - waiting, 1);
    return 0;
}

static int what_is_no_task_has_no_records(void *arg)
{
    (void)arg;
    rill_cancel_rec rec;
    OWNED_FUTURE rill_future *future = rill_future_new();
    rill_cancel(future, NULL);
    EXPECT_IS(rill_cancel_record(future, 0, &rec), -ENOENT);
    return 0;
}

/* A task that was asked too few times ends by this. */
static const rill_loop_opts impatient = { .grace = RILL_MS(5) };

static const struct scenario scenarios[] = {
    SCENARIO(request_of_a_task_is_on_record_with_who_where_why_and_when),
    SCENARIO_WITH(last_four_requests_are_kept, &impatient),
    SCENARIO(request_that_came_through_others_names_the_one_who_began_it),
    SCENARIO(pending_request_that_is_passed_on_keeps_its_record),
    SCENARIO(scopes_groups_and_calls_are_named_as_such),
    SCENARIO_WITH(dump_says_who_asked, &impatient),
    OUTSIDE(end_of_the_loop_is_on_record),
    SCENARIO(task_without_requests_has_no_memory_for_records),
    SCENARIO(what_is_no_task_has_no_records),
};

int main(void)
{
    return RUN_SCENARIOS("record", scenarios);
}
