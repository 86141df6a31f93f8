/* test_as_completed.c - members in the order in which they end, for one task or several. */
#include "tests/support/expect.h"

#include <rill/group.h>

static rill_future *parts[4];
static rill_as_completed iteration;

/* The iteration is ended when main is left. */
#define OWNED_ITERATION __attribute__((cleanup(drop_iteration)))

static void drop_iteration(rill_as_completed **it)
{
    (void)rill_as_completed_fini(*it);
}

static int begin(size_t count, rill_time span)
{
    for (size_t i = 0; i < count; i++)
        parts[i] = kept(rill_future_new());
    iteration = (rill_as_completed){ 0 };
    return rill_as_completed_init(&iteration, count, parts, span);
}

static int members_come_in_order_of_completion(void *arg)
{
    rill_future *next = NULL;
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(3, RILL_FOREVER), 0);
    EXPECT_IS(rill_future_set_result(parts[2], 0, NULL), 0);
    EXPECT_IS(rill_future_set_result(parts[0], -EIO, NULL), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[2]);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[0]);
    EXPECT(rill_cancel(parts[1], NULL));
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[1]);
    EXPECT_IS(rill_as_completed_next(it, &next), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 0);
    return 0;
}

static int iteration_of_nothing_is_over_at_once(void *arg)
{
    rill_future *next;
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(0, RILL_FOREVER), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 0);
    return 0;
}

static int duplicates_come_once(void *arg)
{
    rill_future *next;
    (void)arg;
    parts[0] = kept(rill_future_new());
    rill_future *twice[] = { parts[0], parts[0] };
    iteration = (rill_as_completed){ 0 };
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(rill_as_completed_init(it, 2, twice, RILL_FOREVER), 0);
    EXPECT_IS(rill_future_set_result(parts[0], 0, NULL), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT_IS(rill_as_completed_next(it, &next), 0);
    return 0;
}

/* Tasks that take one member each; the group ends before the iteration does. */

static rill_future *got[4];
static int ended_with[4];

static int take_one(void *arg)
{
    int index = *(int *)arg;
    ended_with[index] = rill_as_completed_next(&iteration, &got[index]);
    trace((char)('a' + index));
    return ended_with[index] < 0 ? ended_with[index] : 0;
}

typedef int body_fn(rill_group *takers);

static int with_takers(body_fn *body)
{
    static rill_group takers;
    memset(&takers, 0, sizeof takers);
    memset(got, 0, sizeof got);
    int r = rill_group_enter(&takers);
    if (r == 0)
        r = rill_group_leave(&takers, body(&takers));
    rill_group_fini(&takers);
    return r;
}

static int start_taker(rill_group *takers, int index)
{
    static int indexes[] = { 0, 1, 2, 3 };
    return rill_group_go(takers, RILL_CORO(take_one, &indexes[index]));
}

static int end_part(int index)
{
    return rill_future_set_result(parts[index], 0, NULL);
}

static int two_wait_and_a_third_comes(rill_group *takers)
{
    EXPECT_IS(start_taker(takers, 0), 0);
    EXPECT_IS(start_taker(takers, 1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    /* The third begins in the turn in which the first member's entry runs. */
    EXPECT_IS(end_part(1), 0);
    EXPECT_IS(start_taker(takers, 2), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_part(2), 0);
    EXPECT_IS(end_part(0), 0);
    return 0;
}

/* Row 71: waiters are served in the order in which they came, whoever comes in between. */
static int waiters_are_served_in_their_order(void *arg)
{
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(3, RILL_FOREVER), 0);
    EXPECT_IS(with_takers(two_wait_and_a_third_comes), 0);
    EXPECT(got[0] == parts[1] && got[1] == parts[2] && got[2] == parts[0]);
    EXPECT_IS(rill_as_completed_next(it, &got[3]), 0);
    return 0;
}

static int three_wait_for_one(rill_group *takers)
{
    for (int i = 0; i < 3; i++)
        EXPECT_IS(start_taker(takers, i), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_part(0), 0);
    return 0;
}

/* Row 71: each member is somebody's, so who comes now need not wait for nothing. */
static int more_waiters_than_members_are_told_at_once_that_no_more_comes(void *arg)
{
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(1, RILL_FOREVER), 0);
    (void)it;
    EXPECT_IS(with_takers(three_wait_for_one), 0);
    EXPECT_IS(ended_with[0], 1);
    EXPECT_IS(ended_with[1], 0);
    EXPECT_IS(ended_with[2], 0);
    EXPECT_TRACE("bca");
    return 0;
}

static int first_is_cancelled(rill_group *takers)
{
    static int zero;
    OWNED_FUTURE rill_task *first = rill_group_create_task(takers, RILL_CORO(take_one, &zero));
    EXPECT_IS(start_taker(takers, 1), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_part(0), 0);
    EXPECT_IS(rill_sleep(0), 0); /* its entry has run, the first waiter is on the queue */
    EXPECT(rill_cancel(first, NULL) || rill_done(first));
    return 0;
}

static int cancelled_waiter_leaves_its_member_to_the_next(void *arg)
{
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(2, RILL_FOREVER), 0);
    EXPECT_IS(with_takers(first_is_cancelled), 0);
    EXPECT_IS(ended_with[0], -ECANCELED);
    EXPECT_IS(ended_with[1], 1);
    EXPECT(got[1] == parts[0]);
    EXPECT_IS(end_part(1), 0);
    EXPECT_IS(rill_as_completed_next(it, &got[2]), 1);
    EXPECT_IS(rill_as_completed_next(it, &got[3]), 0);
    EXPECT(got[2] == parts[1]);
    return 0;
}

/* test_as_completed_with_timeout: what was done in time is given first, then there is one timeout for each
 * of the others, and a loop that goes on behind it comes to its end. */
static int time_that_has_passed_is_told_for_each_member_that_is_late(void *arg)
{
    rill_future *next;
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(3, RILL_MS(1)), 0);
    EXPECT_IS(rill_future_set_result(parts[1], 0, NULL), 0);
    EXPECT_IS(rill_sleep(RILL_MS(3)), 0);
    EXPECT_IS(rill_future_set_result(parts[0], 0, NULL), 0); /* too late */
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[1]);
    EXPECT_IS(rill_as_completed_next(it, &next), -ETIME);
    EXPECT_IS(rill_as_completed_next(it, &next), -ETIME);
    EXPECT(next == parts[1]);
    EXPECT_IS(rill_as_completed_next(it, &next), 0);
    EXPECT(!rill_done(parts[2]));
    return 0;
}

static int three_wait_for_two(rill_group *takers)
{
    for (int i = 0; i < 3; i++)
        EXPECT_IS(start_taker(takers, i), 0);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(end_part(1), 0);
    return 0;
}

/* The same for tasks that wait when the time passes. */
static int time_that_passes_is_told_to_as_many_waiters_as_members_are_late(void *arg)
{
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(2, RILL_MS(1)), 0);
    (void)it;
    EXPECT_IS(with_takers(three_wait_for_two), -ETIME);
    EXPECT_IS(ended_with[0], 1);
    EXPECT_IS(ended_with[1], -ETIME);
    EXPECT_IS(ended_with[2], 0);
    return 0;
}

/* No time at all is enough for what is done. */
static int iteration_without_time_gives_what_is_done(void *arg)
{
    rill_future *next = NULL;
    (void)arg;
    for (size_t i = 0; i < 2; i++)
        parts[i] = kept(rill_future_new());
    EXPECT_IS(rill_future_set_result(parts[1], 0, NULL), 0);
    iteration = (rill_as_completed){ 0 };
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(rill_as_completed_init(it, 2, parts, 0), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[1]);
    EXPECT_IS(rill_as_completed_next(it, &next), -ETIME);
    EXPECT(!rill_done(parts[0]));
    return 0;
}

/* A deadline and a completion in one turn: the completion comes first. */
static int member_that_ends_in_the_turn_of_the_deadline_is_given(void *arg)
{
    rill_future *next;
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(2, 0), 0);
    EXPECT_IS(end_part(0), 0);
    EXPECT_IS(rill_as_completed_next(it, &next), 1);
    EXPECT(next == parts[0]);
    EXPECT_IS(rill_as_completed_next(it, &next), -ETIME);
    return 0;
}

static int fini_too_early(rill_group *takers)
{
    EXPECT_IS(start_taker(takers, 0), 0);
    EXPECT_IS(rill_sleep(0), 0);
    int early = rill_as_completed_fini(&iteration);
    EXPECT_IS(end_part(0), 0);
    EXPECT_IS(early, -EBUSY);
    return 0;
}

static int fini_while_a_task_waits_is_refused(void *arg)
{
    (void)arg;
    OWNED_ITERATION rill_as_completed *it = &iteration;
    EXPECT_IS(begin(1, RILL_FOREVER), 0);
    EXPECT_IS(with_takers(fini_too_early), 0);
    EXPECT_IS(ended_with[0], 1);
    EXPECT_IS(rill_as_completed_fini(it), 0);
    EXPECT_IS(rill_as_completed_fini(it), 0);
    EXPECT_IS(rill_as_completed_fini(NULL), 0);
    return 0;
}

static const struct scenario scenarios[] = {
    SCENARIO(members_come_in_order_of_completion),
    SCENARIO(iteration_of_nothing_is_over_at_once),
    SCENARIO(duplicates_come_once),
    SCENARIO(waiters_are_served_in_their_order),
    SCENARIO(more_waiters_than_members_are_told_at_once_that_no_more_comes),
    SCENARIO(cancelled_waiter_leaves_its_member_to_the_next),
    SCENARIO(time_that_has_passed_is_told_for_each_member_that_is_late),
    SCENARIO(time_that_passes_is_told_to_as_many_waiters_as_members_are_late),
    SCENARIO(iteration_without_time_gives_what_is_done),
    SCENARIO(member_that_ends_in_the_turn_of_the_deadline_is_given),
    SCENARIO(fini_while_a_task_waits_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("as_completed", scenarios);
}
