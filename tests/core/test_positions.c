/* test_positions.c - gather, group and wait of one to eight tasks, with a failure at each place. */
#include "tests/support/expect.h"

enum { most = 8 };

/* Who fails, as bits; the others sleep a little longer. */
static unsigned failing;
static int places[most] = { 0, 1, 2, 3, 4, 5, 6, 7 };
static int ended; /* how many tasks have ended, in whatever way */

static int fail_or_sleep(void *arg)
{
    int place = *(int *)arg;
    int r = rill_sleep(RILL_MS(1 + place % 2));
    if (r == 0 && (failing & 1u << place) == 0)
        r = rill_sleep(RILL_MS(3));
    ended++;
    if (r < 0)
        return r;
    return failing & 1u << place ? -(100 + place) : place;
}

/* Of the failing ones the first in time: the even places come before the odd. */
static int first_failure(int count)
{
    for (int odd = 0; odd < 2; odd++)
        for (int place = odd; place < count; place += 2)
            if (failing & 1u << place)
                return -(100 + place);
    return 0;
}

static void make(int count, rill_future *tasks[])
{
    ended = 0;
    for (int i = 0; i < count; i++)
        tasks[i] = rill_create_task(RILL_CORO(fail_or_sleep, &places[i]));
}

static void drop(int count, rill_future *tasks[])
{
    for (int i = 0; i < count; i++) {
        rill_cancel(tasks[i], NULL);
        rill_unref(tasks[i]);
    }
}

/* --- Gather: the first error is out at once, the others run on. --- */

static int check_gather(int count)
{
    rill_future *tasks[most] = { NULL };
    make(count, tasks);
    int wanted = first_failure(count);
    int r = rill_join(rill_gather((size_t)count, tasks, 0));
    int running = 0;
    for (int i = 0; i < count; i++)
        running += rill_state(tasks[i]) == RILL_PENDING;
    int left = rill_sleep(RILL_MS(8));
    int well = 0;
    for (int i = 0; i < count; i++)
        well += rill_result(tasks[i]) == ((failing & 1u << i) ? -(100 + i) : i);
    drop(count, tasks);
    EXPECT_IS(r, wanted);
    EXPECT(wanted == 0 || count == 1 || running > 0 || failing == (1u << count) - 1);
    EXPECT_IS(left, 0);
    EXPECT_IS(well, count); /* nobody was cancelled */
    EXPECT_IS(ended, count);
    return 0;
}

static int check_gather_of_all(int count)
{
    rill_future *tasks[most] = { NULL };
    make(count, tasks);
    RILL_AUTO_FUTURE rill_future *all = rill_gather((size_t)count, tasks, RILL_RETURN_ERRORS);
    int r = rill_await(all), well = 0;
    for (int i = 0; i < count; i++)
        well += rill_gather_result(all, (size_t)i) == ((failing & 1u << i) ? -(100 + i) : i);
    drop(count, tasks);
    EXPECT_IS(r, 0);
    EXPECT_IS(well, count);
    return 0;
}

/* --- Group: the first error cancels the others, and leave waits for all. --- */

static int check_group(int count)
{
    rill_group group = { 0 };
    int r = rill_group_enter(&group), wanted = first_failure(count);
    ended = 0;
    for (int i = 0; r == 0 && i < count; i++)
        r = rill_group_go(&group, RILL_CORO(fail_or_sleep, &places[i]));
    if (r == 0 && wanted < 0)
        r = rill_sleep(RILL_SEC(5)); /* the block is cancelled as well */
    r = rill_group_leave(&group, r);
    const rill_err *first = rill_group_errors(&group);
    int code = first != NULL ? first->code : 0;
    rill_group_fini(&group);
    EXPECT_IS(r, wanted);
    EXPECT_IS(code, wanted);
    EXPECT_IS(ended, count);
    EXPECT_IS(rill_cancelling(rill_current_task()), 0);
    return rill_sleep(0);
}

/* --- Wait: until the first error, or all. --- */

static int check_wait(int count)
{
    rill_future *tasks[most] = { NULL }, *out[most + 1];
    make(count, tasks);
    int wanted = first_failure(count);
    int done = rill_wait((size_t)count, tasks, RILL_FIRST_ERROR, RILL_FOREVER, out);
    int failed = 0;
    for (int i = 0; i < done; i++)
        failed += rill_result(out[i]) == wanted && wanted < 0;
    int all = rill_wait((size_t)count, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, out);
    for (int i = 0; i < count; i++)
        (void)rill_result(tasks[i]);
    drop(count, tasks);
    EXPECT(done > 0);
    EXPECT_IS(failed, wanted < 0);
    EXPECT_IS(all, count);
    EXPECT(out[count] == NULL);
    return 0;
}

/* Each number of tasks with nobody, each one, each pair of neighbours and everybody failing. */
static int at_each_place(int (*check)(int count))
{
    for (int count = 1; count <= most; count++) {
        unsigned all = (1u << count) - 1;
        for (int place = -1; place <= count; place++) {
            unsigned one = place < 0 ? 0 : 1u << place;
            failing = place == count ? all : one;
            int r = check(count);
            failing = (one | one << 1) & all;
            if (r == 0)
                r = check(count);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* R18. */
static int gather_with_a_failure_at_each_place_gives_it_and_lets_the_others_run_on(void *arg)
{
    (void)arg;
    return at_each_place(check_gather);
}

static int gather_of_errors_has_each_at_its_place(void *arg)
{
    (void)arg;
    return at_each_place(check_gather_of_all);
}

static int group_with_a_failure_at_each_place_cancels_the_others_and_waits_for_all(void *arg)
{
    (void)arg;
    return at_each_place(check_group);
}

static int wait_with_a_failure_at_each_place_returns_at_the_first(void *arg)
{
    (void)arg;
    return at_each_place(check_wait);
}

/* --- A cancel in the middle. --- */

static int gather_all(void *arg)
{
    rill_future *tasks[most] = { NULL };
    int count = *(int *)arg;
    make(count, tasks);
    int r = rill_join(rill_gather((size_t)count, tasks, 0));
    int over = 0;
    for (int i = 0; i < count; i++)
        over += rill_cancelled(tasks[i]);
    drop(count, tasks);
    EXPECT_IS(over, count);
    return r;
}

static int group_all(void *arg)
{
    rill_group group = { 0 };
    int count = *(int *)arg, r = rill_group_enter(&group);
    ended = 0;
    for (int i = 0; r == 0 && i < count; i++)
        r = rill_group_go(&group, RILL_CORO(fail_or_sleep, &places[i]));
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    EXPECT_IS(ended, count);
    return r;
}

static int wait_all(void *arg)
{
    rill_future *tasks[most] = { NULL }, *out[most + 1];
    int count = *(int *)arg;
    make(count, tasks);
    int r = rill_wait((size_t)count, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, out);
    int running = 0;
    for (int i = 0; i < count; i++)
        running += !rill_done(tasks[i]) && rill_cancelling(tasks[i]) == 0;
    drop(count, tasks);
    EXPECT_IS(running, count);
    return r;
}

static int cancelled_in_the_middle(rill_fn *fn)
{
    static int counts[most] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    failing = 0;
    for (int i = 0; i < most; i++) {
        OWNED_FUTURE rill_task *task = rill_create_task(RILL_CORO(fn, &counts[i]));
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(rill_cancel(task, NULL));
        EXPECT_IS(rill_await(task), -ECANCELED);
    }
    return 0;
}

static int cancel_during_gather_reaches_all_members(void *arg)
{
    (void)arg;
    return cancelled_in_the_middle(gather_all);
}

static int cancel_during_group_ends_all_children_before_the_parent(void *arg)
{
    (void)arg;
    return cancelled_in_the_middle(group_all);
}

static int cancel_during_wait_leaves_all_members(void *arg)
{
    (void)arg;
    return cancelled_in_the_middle(wait_all);
}

static const rill_sim_opts world = { .seed = 18 };
static const rill_loop_opts simulated = { .sim = &world };

/* Deadlines a millisecond apart are apart in virtual time only. */
#define SIMULATED_ONCE(function)                                                \
    {                                                                           \
        .name = #function, .main = (function), .opts = &simulated, .once = true \
    }

static const struct scenario scenarios[] = {
    SIMULATED_ONCE(gather_with_a_failure_at_each_place_gives_it_and_lets_the_others_run_on),
    SIMULATED_ONCE(gather_of_errors_has_each_at_its_place),
    SIMULATED_ONCE(group_with_a_failure_at_each_place_cancels_the_others_and_waits_for_all),
    SIMULATED_ONCE(wait_with_a_failure_at_each_place_returns_at_the_first),
    SIMULATED_ONCE(cancel_during_gather_reaches_all_members),
    SIMULATED_ONCE(cancel_during_group_ends_all_children_before_the_parent),
    SIMULATED_ONCE(cancel_during_wait_leaves_all_members),
};

int main(void)
{
    return RUN_SCENARIOS("positions", scenarios);
}
