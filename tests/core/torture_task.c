/* torture_task.c - what tasks are made of, with everything going wrong: each primitive that waits.
 *
 * Each program uses a primitive as a user would, in a ladder that gives back what it has got. */
#include "tests/support/torture.h"

#include <errno.h>
#include <string.h>

static int hold_and_sleep(void *arg)
{
    (void)arg;
    torture_held++;
    int r = rill_sleep(RILL_MS(1));
    if (r == 0)
        r = rill_sleep(0);
    torture_held--;
    return r;
}

static int sleeps(void *arg)
{
    int r = hold_and_sleep(arg);
    RILL_AUTO_FUTURE rill_future *later = rill_sleep_future(RILL_MS(1), 3, NULL);
    if (r == 0)
        r = rill_await(later);
    return r < 0 ? r : 0;
}

enum { members = 4 };

static void make_members(rill_future *parts[members])
{
    for (int i = 0; i < members; i++)
        parts[i] = rill_create_task(RILL_CORO(hold_and_sleep, NULL));
}

static void drop_members(rill_future *parts[members])
{
    for (int i = 0; i < members; i++) {
        rill_cancel(parts[i], NULL);
        rill_unref(parts[i]);
    }
}

static int gathers(void *arg)
{
    rill_future *parts[members];
    (void)arg;
    make_members(parts);
    int r = rill_join(rill_gather(members, parts, 0));
    if (r == 0)
        r = rill_join(rill_gather(members, parts, RILL_RETURN_ERRORS));
    drop_members(parts);
    return r;
}

static int waits(void *arg)
{
    rill_future *parts[members], *out[members + 1];
    (void)arg;
    make_members(parts);
    int r = rill_wait(members, parts, RILL_FIRST_COMPLETED, RILL_FOREVER, out);
    if (r > 0)
        r = rill_wait(members, parts, RILL_ALL_COMPLETED, RILL_SEC(9), out);
    drop_members(parts);
    return r < 0 ? r : 0;
}

static int iterates(void *arg)
{
    rill_future *parts[members], *next;
    rill_as_completed it = { 0 };
    (void)arg;
    make_members(parts);
    int r = rill_as_completed_init(&it, members, parts, RILL_SEC(9));
    while (r == 0 && (r = rill_as_completed_next(&it, &next)) == 1)
        r = rill_result(next);
    int ended = rill_as_completed_fini(&it);
    drop_members(parts);
    return r < 0 ? r : ended;
}

static int shields(void *arg)
{
    rill_task *inner = rill_create_task(RILL_CORO(hold_and_sleep, NULL));
    (void)arg;
    int r = rill_join(rill_shield(inner));
    if (r == 0)
        r = rill_await(inner);
    rill_unref(inner);
    return r;
}

static int ignore(void *arg)
{
    (void)arg;
    torture_held++;
    int r = rill_sleep(RILL_SEC(100)), more = rill_sleep(0);
    torture_held--;
    return r == 0 ? more : r;
}

static int waits_for(void *arg)
{
    rill_task *quick = rill_create_task(RILL_CORO(hold_and_sleep, NULL));
    (void)arg;
    int r = rill_wait_for(quick, RILL_SEC(9));
    rill_unref(quick);
    if (r < 0)
        return r;
    rill_task *slow = rill_create_task(RILL_CORO(ignore, NULL));
    r = rill_wait_for(slow, RILL_MS(1));
    rill_unref(slow);
    if (r != -ETIME)
        return r < 0 ? r : -EBADMSG;
    r = rill_wait_for_call(RILL_CORO(ignore, NULL), RILL_MS(1));
    return r == -ETIME ? 0 : r;
}

static int nested_scopes(void *arg)
{
    rill_scope outer = { 0 }, inner = { 0 };
    (void)arg;
    int r = rill_timeout(&outer, RILL_SEC(9));
    if (r < 0)
        return r;
    torture_held++;
    int entered = rill_timeout(&inner, RILL_MS(1));
    if (entered == 0)
        r = rill_scope_leave(&inner, rill_sleep(RILL_SEC(5)));
    if (r == -ETIME)
        r = rill_sleep(0);
    torture_held--;
    return rill_scope_leave(&outer, r);
}

/* Cleans up behind a shield, also when it is cancelled. */
static int shielded_clean_up(void *arg)
{
    rill_scope shield = { 0 };
    torture_held++;
    int r = hold_and_sleep(arg);
    int entered = rill_scope_enter(&shield), inside = entered;
    if (entered == 0) {
        inside = rill_scope_shield(&shield, RILL_MS(50));
        if (inside == 0)
            inside = rill_sleep(RILL_MS(1));
        inside = rill_scope_leave(&shield, inside);
    }
    torture_held--;
    return r < 0 ? r : inside;
}

static int stubborn(void *arg)
{
    int ignored = 0;
    (void)arg;
    torture_held++;
    for (int turns = 0; turns < 500 && ignored < 3; turns++)
        ignored += rill_sleep(RILL_MS(1)) < 0;
    torture_held--;
    return -ECANCELED;
}

static int in_grace(void *arg)
{
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_MS(1));
    if (r < 0)
        return r;
    r = rill_scope_set_grace(&scope, RILL_MS(2));
    while (r == 0 && rill_sleep(RILL_MS(1)) == 0)
        ;
    r = rill_scope_leave(&scope, stubborn(arg));
    return r == -ETIME ? 0 : r;
}

static int group_body(rill_group *group)
{
    int r = 0;
    for (int i = 0; r == 0 && i < 3; i++)
        r = rill_group_go(group, RILL_CORO(hold_and_sleep, NULL));
    return r == 0 ? rill_sleep(0) : r;
}

static int groups(void *arg)
{
    rill_group group = { 0 };
    (void)arg;
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_group_leave(&group, group_body(&group));
    rill_group_fini(&group);
    torture_held--;
    return r;
}

static int serve(void *arg)
{
    torture_held++;
    int r = rill_sleep(0);
    if (r == 0)
        r = rill_started(arg);
    if (r == 0)
        r = rill_sleep(RILL_SEC(100));
    torture_held--;
    return r;
}

static int group_starts(void *arg)
{
    rill_group group = { 0 };
    void *value = NULL;
    (void)arg;
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    r = rill_group_start(&group, RILL_CORO(serve, &group), &value);
    if (r == 0)
        r = value == &group ? rill_group_cancel(&group, NULL) : -EBADMSG;
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

static int fail_later(void *arg)
{
    int r = rill_sleep(RILL_MS(1));
    (void)arg;
    return r < 0 ? r : rill_fail(-EIO, "on purpose");
}

static int group_that_fails(void *arg)
{
    rill_group group = { 0 };
    (void)arg;
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    r = rill_group_go(&group, RILL_CORO(fail_later, NULL));
    if (r == 0)
        r = rill_group_go(&group, RILL_CORO(ignore, NULL));
    if (r == 0)
        r = ignore(NULL);
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r == -EIO ? 0 : r;
}

static int count_up(void *arg)
{
    (void)arg;
    torture_held++;
    int r = 0;
    for (uintptr_t i = 1; r == 0 && i <= 3; i++) {
        r = rill_yield((void *)i, NULL);
        if (r == 0)
            r = rill_sleep(0);
    }
    torture_held--;
    return r;
}

static int generates(void *arg)
{
    rill_gen *gen;
    void *value;
    (void)arg;
    int r = rill_gen_new(count_up, NULL, &gen);
    if (r < 0)
        return r;
    for (r = 1; r == 1;)
        r = rill_gen_next(gen, &value);
    int closed = rill_gen_close(gen);
    rill_gen_free(gen);
    return r < 0 ? r : closed;
}

static const struct torture_program programs[] = {
    TORTURE(sleeps),    TORTURE(gathers),   TORTURE(waits),         TORTURE(iterates),
    TORTURE(shields),   TORTURE(waits_for), TORTURE(nested_scopes), TORTURE(shielded_clean_up),
    TORTURE(in_grace),  TORTURE(groups),    TORTURE(group_starts),  TORTURE(group_that_fails),
    TORTURE(generates),
};

int main(void)
{
    return torture_run(programs, sizeof programs / sizeof *programs);
}
