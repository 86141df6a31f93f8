/* test_timer.c - the timer wheel and its heap against a plain search, over ten years of deadlines. */
#include "core/loop/timer.h"
#include "tests/support/expect.h"

enum { timers_max = 500 };

static struct rill__timer all[timers_max];
static struct rill__timers timers;
static uint64_t seed;

static uint64_t draw(void)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return seed >> 33 | seed << 31;
}

/* Spans of every size, many of them equal. */
static rill_time draw_span(void)
{
    return (rill_time)(draw() >> (64 - 1 - draw() % 58));
}

static void begin(uint64_t first_draw)
{
    memset(all, 0, sizeof all);
    memset(&timers, 0, sizeof timers);
    seed = first_draw;
}

/* The timer that must fire first: the earliest, the oldest of equal ones. */
static struct rill__timer *first_by_search(void)
{
    struct rill__timer *first = NULL;
    for (size_t i = 0; i < timers_max; i++)
        if (all[i].place != 0 && (first == NULL || all[i].at < first->at ||
                                  (all[i].at == first->at && all[i].order < first->order)))
            first = &all[i];
    return first;
}

static void fire_until(rill_time now)
{
    struct rill__timer *due = NULL, *expected = first_by_search();
    while ((due = rill__timer_take_due(&timers, now)) != NULL) {
        assert_ptr_equal(due, expected);
        assert_true(due->at <= now);
        expected = first_by_search();
    }
    assert_true(expected == NULL || expected->at > now);
}

/* The loop sleeps until `next` and looks again: it must come to each deadline, and never past it. */
static void check_next(void)
{
    struct rill__timer *first = first_by_search();
    rill_time next = rill__timer_next(&timers);
    assert_true(first != NULL ? next <= first->at : next == RILL_FOREVER);
}

static void timers_fire_by_deadline_and_then_in_order_of_start(void **state)
{
    (void)state;
    for (uint64_t run = 0; run < 20; run++) {
        rill_time now = (rill_time)run * RILL_SEC(1000) + 1;
        begin(run);
        for (int round = 0; round < 3000; round++) {
            struct rill__timer *timer = &all[draw() % timers_max];
            if (timer->place != 0)
                rill__timer_disarm(&timers, timer);
            else
                rill__timer_arm(&timers, timer, rill_time_add(now, draw_span() - 1000));
            check_next();
            if (round % 7 == 0) {
                now = rill_time_add(now, draw_span() >> 12);
                fire_until(now);
            }
        }
        rill__timers_fini(&timers);
        assert_int_equal(timers.count, 0);
        assert_null(first_by_search());
    }
}

/* A loop that sleeps until `next` each time reaches a far deadline in a few steps. */
static void far_deadline_is_reached_in_few_wake_ups(void **state)
{
    (void)state;
    begin(1);
    rill_time at = RILL_SEC(400000000) + 12345, now = RILL_SEC(1000) + 77;
    rill__timer_arm(&timers, &all[0], at);
    int steps = 0;
    while (rill__timer_take_due(&timers, now) == NULL && steps < 100) {
        now = rill__timer_next(&timers) > now ? rill__timer_next(&timers) : now;
        steps++;
    }
    assert_int_equal(now, at);
    assert_in_range(steps, 1, RILL__TIMER_LEVELS + 1);
}

static void near_deadline_is_told_exactly(void **state)
{
    (void)state;
    begin(1);
    rill_time now = RILL_SEC(5);
    assert_null(rill__timer_take_due(&timers, now));
    rill__timer_arm(&timers, &all[0], now + RILL_MS(1));
    assert_null(rill__timer_take_due(&timers, now));
    assert_int_equal(rill__timer_next(&timers), now + RILL_MS(1));
    rill__timers_fini(&timers);
}

static void disarming_what_is_not_armed_does_nothing(void **state)
{
    (void)state;
    begin(1);
    rill__timer_disarm(&timers, &all[0]);
    rill__timer_arm(&timers, &all[0], RILL_FOREVER);
    assert_int_equal(timers.count, 0);
    rill__timer_disarm(&timers, &all[0]);
    assert_int_equal(rill__timer_next(&timers), RILL_FOREVER);
}

/* A future may outlive its loop and stop its timer then. */
static void timer_may_be_disarmed_after_its_loop_has_gone(void **state)
{
    (void)state;
    begin(1);
    rill__timer_arm(&timers, &all[0], RILL_SEC(1));
    rill__timer_arm(&timers, &all[1], RILL_SEC(100000));
    rill__timers_fini(&timers);
    rill__timer_disarm(NULL, &all[0]);
    rill__timer_disarm(NULL, &all[1]);
}

static const struct scenario scenarios[] = {
    OUTSIDE(timers_fire_by_deadline_and_then_in_order_of_start),
    OUTSIDE(far_deadline_is_reached_in_few_wake_ups),
    OUTSIDE(near_deadline_is_told_exactly),
    OUTSIDE(disarming_what_is_not_armed_does_nothing),
    OUTSIDE(timer_may_be_disarmed_after_its_loop_has_gone),
};

int main(void)
{
    return RUN_SCENARIOS("timer", scenarios);
}
