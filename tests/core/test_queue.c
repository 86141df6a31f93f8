/* test_queue.c - queues: order, bounds, join, and items that no cancel loses. */
#include "core/base/mem.h"
#include "tests/support/expect.h"

static rill_queue queue; /* of the running scenario */
static rill_task *tasks[8];

/* Items are small numbers; a getter traces what it got as a letter. */
static void *item(int number)
{
    return (void *)(uintptr_t)number;
}

static int number(const void *one)
{
    return (int)(uintptr_t)one;
}

static void end_queue(void *unused)
{
    (void)unused;
    if (rill_queue_fini(&queue) < 0)
        fail_msg("the run has ended, but somebody waits in the queue");
}

static int fresh(size_t maxsize)
{
    (void)rill_queue_fini(&queue);
    int r = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = maxsize });
    if (r == 0)
        after_run(end_queue, NULL);
    return r;
}

static int get_one(void *arg)
{
    void *got = NULL;
    (void)arg;
    int r = rill_queue_get(&queue, &got);
    if (r < 0)
        return r;
    trace((char)('0' + number(got)));
    return number(got);
}

static int put_one(void *arg)
{
    return rill_queue_put(&queue, item(*(int *)arg));
}

static int start(rill_fn *fn, size_t from, size_t count)
{
    static int numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    for (size_t i = from; i < from + count; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(fn, &numbers[i])));
    int r = rill_sleep(0);
    return r < 0 ? r : all_begun(count, &tasks[from]);
}

static int put_now(int from, int to)
{
    for (int i = from; i <= to; i++) {
        int r = rill_queue_put_nowait(&queue, item(i));
        if (r < 0)
            return r;
    }
    return 0;
}

/* The number of the item; less than 0: why there is none. */
static int get_now(void)
{
    void *got = NULL;
    int r = rill_queue_get_nowait(&queue, &got);
    return r < 0 ? r : number(got);
}

/* test_empty, test_full, test_order, test_nonblocking_get and .._put with their exceptions. */
static int items_come_out_in_the_order_they_went_in(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(3), 0);
    EXPECT(rill_queue_empty(&queue) && !rill_queue_full(&queue));
    EXPECT_IS(get_now(), -EAGAIN);
    for (int round = 0; round < 3; round++) { /* round the ring */
        EXPECT_IS(put_now(1, 3), 0);
        EXPECT_IS(rill_queue_size(&queue), 3);
        EXPECT(rill_queue_full(&queue));
        EXPECT_IS(put_now(4, 4), -EAGAIN);
        for (int i = 1; i <= 3; i++)
            EXPECT_IS(get_now(), i);
        EXPECT(rill_queue_empty(&queue));
    }
    return 0;
}

/* Grows while its first item lies in the middle of the ring. */
static int unbounded_queue_grows_and_keeps_the_order(void *arg)
{
    (void)arg;
    int in = 0, out = 0;
    EXPECT_IS(fresh(0), 0);
    for (int round = 1; round < 40; round++) {
        EXPECT_IS(put_now(in, in + 2 * round - 1), 0);
        in += 2 * round;
        for (int i = 0; i < round; i++)
            EXPECT_IS(get_now(), out++);
        EXPECT(!rill_queue_full(&queue));
    }
    EXPECT_IS(rill_queue_size(&queue), in - out);
    while (out < in)
        EXPECT_IS(get_now(), out++);
    return 0;
}

/* LifoQueueTests. */
static int lifo_gives_the_last_item_first(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(rill_queue_init(&queue, &(rill_queue_opts){ .order = RILL_LIFO }), 0);
    EXPECT_IS(put_now(1, 20), 0);
    for (int i = 20; i > 10; i--)
        EXPECT_IS(get_now(), i);
    EXPECT_IS(put_now(30, 30), 0);
    EXPECT_IS(get_now(), 30);
    EXPECT_IS(get_now(), 10);
    return 0;
}

static int compare_tens(const void *a, const void *b)
{
    return number(a) / 10 - number(b) / 10;
}

/* PriorityQueueTests; ties in order of arrival. */
static int priority_gives_the_least_item_first_and_equal_ones_in_order(void *arg)
{
    static const rill_queue_opts opts = { .order = RILL_PRIORITY, .cmp = compare_tens };
    int last = -1;
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(rill_queue_init(&queue, &(rill_queue_opts){ .order = RILL_PRIORITY }), -EINVAL);
    EXPECT_IS(rill_queue_init(&queue, &opts), 0);
    for (int i = 0; i < 100; i++) /* tens in a scattered order, units in the order of coming */
        EXPECT_IS(put_now(i * 7 % 10 * 10 + i / 10, i * 7 % 10 * 10 + i / 10), 0);
    for (int i = 0; i < 100; i++) {
        int got = get_now();
        EXPECT_IS(got, last + 1);
        last = got;
    }
    EXPECT_IS(get_now(), -EAGAIN);
    return 0;
}

/* test_blocking_get_wait, test_put_with_waiting_getters. */
static int getter_waits_for_an_item(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 1), 0);
    EXPECT(!rill_done(tasks[0]));
    EXPECT_IS(rill_queue_put(&queue, item(5)), 0);
    EXPECT_TRACE("");                      /* nobody runs inside the call */
    EXPECT_IS(rill_queue_size(&queue), 1); /* and the item is in its place until then */
    EXPECT_IS(rill_await(tasks[0]), 5);
    EXPECT(rill_queue_empty(&queue));
    return 0;
}

/* test_maxsize, test_blocking_put_wait, test_get_with_waiting_putters. */
static int putter_waits_for_room(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(2), 0);
    EXPECT_IS(start(put_one, 0, 4), 0);
    EXPECT(rill_done(tasks[0]) && rill_done(tasks[1]) && !rill_done(tasks[2]));
    EXPECT_IS(get_now(), 0);
    EXPECT(!rill_queue_full(&queue)); /* until the putter runs */
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(rill_done(tasks[2]) && !rill_done(tasks[3]));
    EXPECT(rill_queue_full(&queue));
    EXPECT_IS(get_now(), 1);
    EXPECT_IS(get_now(), 2);
    EXPECT_IS(rill_await(tasks[3]), 0);
    EXPECT_IS(get_now(), 3);
    return 0;
}

/* Getters are woken in order. */
static int getters_are_served_in_order_of_arrival(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 3), 0);
    EXPECT_IS(put_now(1, 2), 0);
    EXPECT_IS(rill_await(tasks[0]), 1);
    EXPECT_IS(rill_await(tasks[1]), 2);
    EXPECT(!rill_done(tasks[2]));
    EXPECT_IS(put_now(3, 3), 0);
    EXPECT_IS(rill_await(tasks[2]), 3);
    return 0;
}

/* Also putters. */
static int putters_are_served_in_order_of_arrival(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(1), 0);
    EXPECT_IS(start(put_one, 0, 4), 0);
    for (int i = 0; i < 4; i++) {
        EXPECT_IS(get_now(), i);
        EXPECT_IS(rill_sleep(0), 0);
    }
    EXPECT_IS(get_now(), -EAGAIN);
    return 0;
}

/* As in asyncio, an item is whose who comes first, though a getter was woken for it; that one waits
 * on, behind the others. */
static int getter_whose_item_was_taken_waits_on_behind_all_others(void *arg)
{
    void *got = NULL;
    (void)arg;
    for (int now = 0; now < 2; now++) {
        EXPECT_IS(fresh(0), 0);
        EXPECT_IS(start(get_one, 0, 2), 0);
        EXPECT_IS(put_now(1, 1), 0);
        if (now == 0)
            EXPECT_IS(rill_queue_get(&queue, &got), 0);
        EXPECT_IS(now == 0 ? number(got) : get_now(), 1);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(!rill_done(tasks[0]));
        EXPECT_IS(put_now(2, 3), 0);
        EXPECT_IS(rill_await(tasks[1]), 2);
        EXPECT_IS(rill_await(tasks[0]), 3);
    }
    return 0;
}

/* Also room. */
static int putter_whose_room_was_taken_waits_on_behind_all_others(void *arg)
{
    (void)arg;
    for (int now = 0; now < 2; now++) {
        EXPECT_IS(fresh(1), 0);
        EXPECT_IS(start(put_one, 0, 3), 0);
        EXPECT_IS(get_now(), 0);
        EXPECT_IS(now == 0 ? rill_queue_put(&queue, item(9)) : put_now(9, 9), 0);
        EXPECT_IS(rill_sleep(0), 0);
        EXPECT(!rill_done(tasks[1]));
        EXPECT_IS(get_now(), 9);
        EXPECT_IS(rill_await(tasks[2]), 0);
        EXPECT_IS(get_now(), 2);
        EXPECT_IS(rill_await(tasks[1]), 0);
        EXPECT_IS(get_now(), 1);
    }
    return 0;
}

/* test_get_cancelled_race: before the put; test_put_cancelled_race. */
static int cancelled_waiters_are_skipped(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(1), 0);
    EXPECT_IS(start(get_one, 0, 2), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(put_now(1, 1), 0);
    EXPECT_IS(rill_await(tasks[1]), 1);
    EXPECT_IS(start(put_one, 2, 3), 0);
    EXPECT(rill_cancel(tasks[3], NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(get_now(), 2);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(get_now(), 4);
    EXPECT_IS(rill_await(tasks[4]), 0);
    EXPECT(rill_cancelled(tasks[0]) && rill_cancelled(tasks[3]));
    return 0;
}

/* Row 103, test_get_cancel_drop_one_pending_reader: the item keeps its place. */
static int item_of_a_cancelled_getter_keeps_its_place(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 1), 0);
    EXPECT_IS(put_now(1, 2), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_await(tasks[0]), -ECANCELED);
    EXPECT_IS(get_one(NULL), 1);
    EXPECT_IS(get_one(NULL), 2);
    return 0;
}

/* Row 103, R29, test_get_cancel_drop_many_pending_readers: at each position, after each number of
 * puts; nothing is lost, nothing comes twice, the order is kept. */
static int items_of_cancelled_getters_go_to_the_next(void *arg)
{
    (void)arg;
    for (size_t victim = 0; victim < 4; victim++) {
        for (int puts = 1; puts < 5; puts++) {
            EXPECT_IS(fresh(0), 0);
            EXPECT_IS(start(get_one, 0, 4), 0);
            EXPECT_IS(put_now(1, puts), 0);
            EXPECT(rill_cancel(tasks[victim], NULL));
            EXPECT_IS(rill_await(tasks[victim]), -ECANCELED);
            EXPECT_IS(put_now(puts + 1, 3), 0);
            int next = 1;
            for (size_t i = 0; i < 4; i++)
                if (i != victim)
                    EXPECT_IS(rill_await(tasks[i]), next++);
            EXPECT_IS(get_now(), puts == 4 ? 4 : -EAGAIN);
        }
    }
    return 0;
}

/* R29: a putter cancelled in the turn in which room was made; the slot goes to the next. */
static int room_of_a_cancelled_putter_goes_to_the_next(void *arg)
{
    (void)arg;
    for (size_t victim = 1; victim < 4; victim++) {
        EXPECT_IS(fresh(1), 0);
        EXPECT_IS(start(put_one, 0, 4), 0);
        EXPECT_IS(get_now(), 0);
        EXPECT(rill_cancel(tasks[victim], NULL));
        for (int i = 1; i < 4; i++) {
            if (i == (int)victim)
                continue;
            EXPECT_IS(rill_await(tasks[i]), 0);
            EXPECT_IS(get_now(), i);
        }
        EXPECT(rill_cancelled(tasks[victim]));
        EXPECT_IS(get_now(), -EAGAIN);
    }
    return 0;
}

/* Row 105, test_cancelled_getters_not_being_held_in_self_getters and .._putters. */
static int timed_out_waiters_leave_no_dead_entries(void *arg)
{
    rill_scope scope = { 0 };
    (void)arg;
    EXPECT_IS(fresh(1), 0);
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    int r = get_one(NULL);
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT_IS(rill_queue_put(&queue, item(1)), 0);
    EXPECT_IS(rill_queue_size(&queue), 1);
    scope = (rill_scope){ 0 };
    EXPECT_IS(rill_timeout(&scope, RILL_MS(1)), 0);
    r = rill_queue_put(&queue, item(2));
    EXPECT_IS(rill_scope_leave(&scope, r), -ETIME);
    EXPECT_IS(get_now(), 1);
    EXPECT_IS(get_now(), -EAGAIN);
    EXPECT_IS(rill_queue_fini(&queue), 0); /* nobody waits */
    return 0;
}

/* Rule 4.2: delivered by an await that would not have had to wait, which then does nothing. */
static int pending_cancel_takes_and_puts_nothing(void *arg)
{
    void *got = NULL;
    (void)arg;
    EXPECT_IS(fresh(2), 0);
    EXPECT_IS(put_now(1, 1), 0);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_queue_get(&queue, &got), -ECANCELED);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_queue_put(&queue, item(2)), -ECANCELED);
    rill_cancel(rill_current_task(), NULL);
    EXPECT_IS(rill_queue_join(&queue), -ECANCELED);
    EXPECT_IS(rill_queue_size(&queue), 1);
    while (rill_uncancel(rill_current_task()) > 0)
        ;
    return 0;
}

/* --- join and task_done. --- */

static int join_and_trace(void *arg)
{
    (void)arg;
    int r = rill_queue_join(&queue);
    trace(r == 0 ? 'j' : '!');
    return r;
}

/* Row 107, test_join_empty_queue, test_task_done_underflow. */
static int join_of_a_queue_never_used_returns_at_once(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(rill_queue_join(&queue), 0);
    EXPECT_IS(rill_queue_join(&queue), 0);
    EXPECT_IS(rill_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_IS(put_now(1, 1), 0);
    EXPECT_IS(rill_queue_task_done(&queue), 0);
    EXPECT_IS(rill_queue_task_done(&queue), -EOVERFLOW);
    return 0;
}

static int sum, stop;

static int work(void *arg)
{
    (void)arg;
    for (;;) {
        void *got = NULL;
        int r = rill_queue_get(&queue, &got);
        if (r < 0 || stop)
            return r;
        sum += number(got);
        r = rill_sleep(0);
        (void)rill_queue_task_done(&queue);
        if (r < 0)
            return r;
    }
}

/* test_task_done: join waits for the work, not for the queue to be empty. */
static int join_waits_until_all_work_is_done(void *arg)
{
    (void)arg;
    sum = stop = 0;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(put_now(1, 100), 0);
    EXPECT_IS(start(work, 0, 2), 0);
    EXPECT_IS(start(join_and_trace, 2, 2), 0);
    EXPECT_IS(rill_queue_join(&queue), 0);
    EXPECT_IS(sum, 5050);
    EXPECT_IS(rill_await(tasks[2]), 0);
    EXPECT_IS(rill_await(tasks[3]), 0);
    EXPECT_TRACE("jj");
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_await(tasks[0]), -ESHUTDOWN);
    EXPECT_IS(rill_await(tasks[1]), -ESHUTDOWN);
    return 0;
}

/* --- shutdown. --- */

static int all_calls_are_refused(void)
{
    void *got = NULL;
    EXPECT_IS(rill_queue_put(&queue, item(8)), -ESHUTDOWN);
    EXPECT_IS(put_now(8, 8), -ESHUTDOWN);
    EXPECT_IS(rill_queue_get(&queue, &got), -ESHUTDOWN);
    EXPECT_IS(get_now(), -ESHUTDOWN);
    return 0;
}

/* Row 106, test_shutdown_empty. */
static int shutdown_of_an_empty_queue_wakes_the_getters(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 2), 0);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_queue_fini(&queue), -EBUSY);
    EXPECT_IS(rill_queue_join(&queue), 0);
    EXPECT_IS(rill_await(tasks[0]), -ESHUTDOWN);
    EXPECT_IS(rill_await(tasks[1]), -ESHUTDOWN);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0); /* once more: nothing */
    return all_calls_are_refused();
}

/* Row 106, test_shutdown_nonempty. */
static int shutdown_fails_putters_at_once_and_lets_getters_drain(void *arg)
{
    void *got = NULL;
    (void)arg;
    EXPECT_IS(fresh(1), 0);
    EXPECT_IS(put_now(1, 1), 0);
    tasks[3] = kept(rill_create_task(RILL_CORO(join_and_trace, NULL)));
    EXPECT_IS(start(put_one, 2, 1), 0);
    EXPECT(!rill_done(tasks[2]));
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_queue_size(&queue), 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_IS(rill_result(tasks[2]), -ESHUTDOWN);
    EXPECT_IS(rill_queue_get(&queue, &got), 0);
    EXPECT_IS(number(got), 1);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT(!rill_done(tasks[3]));
    EXPECT_IS(all_calls_are_refused(), 0);
    EXPECT_IS(rill_queue_task_done(&queue), 0);
    EXPECT_IS(rill_await(tasks[3]), 0);
    EXPECT_IS(rill_queue_task_done(&queue), -EOVERFLOW);
    return 0;
}

/* A putter was woken by a get, then the queue is shut before it runs. */
static int putter_that_had_room_is_refused_when_the_queue_is_shut_before_it_runs(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(1), 0);
    EXPECT_IS(start(put_one, 0, 2), 0);
    EXPECT_IS(get_now(), 0);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_await(tasks[1]), -ESHUTDOWN);
    EXPECT_IS(get_now(), -ESHUTDOWN);
    return 0;
}

/* Section 6: queue shut down, getters waiting: what is there is drained first. */
static int getters_that_were_woken_drain_a_queue_that_is_shut(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 3), 0);
    EXPECT_IS(put_now(1, 2), 0);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_await(tasks[0]), 1);
    EXPECT_IS(rill_await(tasks[1]), 2);
    EXPECT_IS(rill_await(tasks[2]), -ESHUTDOWN);
    return 0;
}

static int dropped;

static void drop(void *one)
{
    dropped += number(one);
}

/* Row 106, test_shutdown_immediate, test_shutdown_immediate_with_unfinished. */
static int immediate_shutdown_drops_the_items_and_counts_only_those_as_done(void *arg)
{
    (void)arg;
    dropped = 0;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 3, .drop = drop }), 0);
    EXPECT_IS(put_now(1, 3), 0);
    EXPECT_IS(start(join_and_trace, 0, 1), 0);
    EXPECT_IS(get_now(), 1);
    EXPECT_IS(rill_queue_shutdown(&queue, true), 0);
    EXPECT_IS(rill_queue_size(&queue), 0);
    EXPECT_IS(dropped, 5);
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE(""); /* the one that was taken out is not done */
    EXPECT_IS(all_calls_are_refused(), 0);
    EXPECT_IS(rill_queue_task_done(&queue), 0);
    EXPECT_IS(rill_queue_task_done(&queue), -EOVERFLOW);
    EXPECT_IS(rill_await(tasks[0]), 0);
    EXPECT_TRACE("j");
    return 0;
}

/* An immediate one after a polite one, with getters that were woken for what is dropped. */
static int immediate_shutdown_leaves_nothing_for_getters_that_were_woken(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_one, 0, 1), 0);
    EXPECT_IS(start(join_and_trace, 1, 1), 0);
    EXPECT_IS(put_now(1, 2), 0);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    EXPECT_IS(rill_queue_shutdown(&queue, true), 0);
    EXPECT_IS(rill_await(tasks[0]), -ESHUTDOWN);
    EXPECT_IS(rill_await(tasks[1]), 0);
    return all_calls_are_refused();
}

static int compare(const void *a, const void *b)
{
    return number(a) - number(b);
}

/* The tests of join and shutdown once more, for all kinds. */
static int every_order_is_joined_drained_and_shut(void *arg)
{
    static const int first[] = { 1, 2, 1 };
    (void)arg;
    for (int order = RILL_FIFO; order <= RILL_PRIORITY; order++) {
        rill_queue_opts opts = { .maxsize = 2, .order = (rill_queue_order)order, .cmp = compare };
        EXPECT_IS(fresh(0), 0);
        EXPECT_IS(rill_queue_init(&queue, &opts), 0);
        EXPECT_IS(put_now(1, 2), 0);
        EXPECT_IS(start(join_and_trace, 0, 1), 0);
        EXPECT_IS(start(put_one, 3, 1), 0);
        EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
        EXPECT_IS(rill_await(tasks[3]), -ESHUTDOWN);
        EXPECT_IS(get_now(), first[order]);
        EXPECT_IS(get_now(), 3 - first[order]);
        EXPECT_IS(all_calls_are_refused(), 0);
        EXPECT_IS(rill_queue_task_done(&queue), 0);
        EXPECT(!rill_done(tasks[0]));
        EXPECT_IS(rill_queue_task_done(&queue), 0);
        EXPECT_IS(rill_await(tasks[0]), 0);
    }
    EXPECT_TRACE("jjj");
    return 0;
}

/* --- Producers and consumers. --- */

static int drain_after_a_turn(void *arg)
{
    (void)arg;
    int r = rill_sleep(0);
    for (size_t left = rill_queue_size(&queue); left > 0; left--) /* others wait for that */
        EXPECT(get_now() >= 0);
    return r;
}

/* test_why_are_putters_waiting: room made by get_nowait reaches all who wait for it. */
static int putters_do_not_wait_beside_free_room(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(2), 0);
    tasks[4] = kept(rill_create_task(RILL_CORO(drain_after_a_turn, NULL)));
    EXPECT_IS(start(put_one, 0, 4), 0);
    EXPECT_IS(join_all(5, tasks), 0);
    EXPECT_IS(rill_queue_size(&queue), 2);
    return 0;
}

enum { each = 200 };

static int produce(void *arg)
{
    int first = *(int *)arg * each;
    for (int i = 0; i < each; i++) {
        int r = rill_queue_put(&queue, item(first + i));
        if (r < 0)
            return r;
    }
    return 0;
}

static int taken[8 * each], last_of[8];

static int consume(void *arg)
{
    void *got = NULL;
    int r;
    (void)arg;
    while ((r = rill_queue_get(&queue, &got)) == 0) {
        EXPECT_IS(taken[number(got)]++, 0);
        EXPECT(number(got) % each > last_of[number(got) / each]);
        last_of[number(got) / each] = number(got) % each;
        (void)rill_queue_task_done(&queue);
    }
    return r == -ESHUTDOWN ? 0 : r;
}

/* test_why_are_getters_waiting, test_why_are_putters_waiting, and more of both; each producer's items
 * come in order, and no hand-over allocates. */
static int many_producers_and_consumers_lose_nothing_and_allocate_nothing(void *arg)
{
    (void)arg;
    memset(taken, 0, sizeof taken);
    memset(last_of, 0xff, sizeof last_of);
    EXPECT_IS(fresh(3), 0);
    EXPECT_IS(start(produce, 0, 4), 0);
    EXPECT_IS(start(consume, 4, 4), 0);
    uint64_t before = rill__mem_count();
    for (size_t i = 0; i < 4; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    EXPECT_IS(rill_queue_join(&queue), 0);
    EXPECT_IS(rill__mem_count(), before);
    EXPECT_IS(rill_queue_shutdown(&queue, false), 0);
    for (size_t i = 4; i < 8; i++)
        EXPECT_IS(rill_await(tasks[i]), 0);
    for (int i = 0; i < 4 * each; i++)
        EXPECT_IS(taken[i], 1);
    return 0;
}

static int fini_drops_what_is_left(void *arg)
{
    (void)arg;
    dropped = 0;
    EXPECT_IS(rill_queue_fini(NULL), 0);
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(rill_queue_init(&queue, &(rill_queue_opts){ .drop = drop }), 0);
    EXPECT_IS(start(get_one, 0, 1), 0);
    EXPECT_IS(rill_queue_fini(&queue), -EBUSY);
    EXPECT_IS(put_now(1, 3), 0);
    EXPECT_IS(rill_queue_fini(&queue), -EBUSY);
    EXPECT_IS(rill_await(tasks[0]), 1);
    EXPECT_IS(rill_queue_fini(&queue), 0);
    EXPECT_IS(dropped, 5);
    EXPECT_IS(rill_queue_fini(&queue), 0);
    EXPECT_IS(rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = SIZE_MAX }), -ENOMEM);
    return 0;
}

static int get_hard(void *arg)
{
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r == 0)
        r = rill_scope_set_grace(&scope, 0);
    for (int i = 0; i < 3; i++) /* whatever it is told */
        if (r == 0 && get_one(arg) == -ECANCELED)
            trace('!');
    return rill_scope_leave(&scope, r);
}

/* Rule 4.6: in the hard phase a getter takes nothing, also where it would not have to wait. */
static int getter_in_the_hard_phase_takes_nothing(void *arg)
{
    (void)arg;
    EXPECT_IS(fresh(0), 0);
    EXPECT_IS(start(get_hard, 0, 1), 0);
    EXPECT_IS(put_now(1, 2), 0);
    EXPECT(rill_cancel(tasks[0], NULL));
    EXPECT_IS(rill_sleep(0), 0);
    EXPECT_TRACE("!!!");
    EXPECT(rill_done(tasks[0]));
    EXPECT_IS(get_now(), 1);
    EXPECT_IS(get_now(), 2);
    return 0;
}

static int stop_and_get(void *arg)
{
    rill_loop_stop(arg);
    return get_one(NULL);
}

static void queue_of_another_loop_is_refused(void **state)
{
    rill_loop *loop = NULL;
    void *got = NULL;
    (void)state;
    assert_int_equal(rill_queue_init(&queue, NULL), 0);
    assert_int_equal(rill_queue_get(&queue, &got), -ESRCH);
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(stop_and_get, loop), NULL);
    assert_int_equal(rill_run_until_complete(loop, task), -EINPROGRESS);
    assert_int_equal(rill_run(RILL_CORO(get_one, NULL)), -EXDEV);
    assert_int_equal(rill_queue_put_nowait(&queue, item(6)), 0);
    assert_int_equal(rill_run_until_complete(loop, task), 6);
    rill_unref(task);
    rill_loop_close(loop);
    assert_int_equal(rill_queue_fini(&queue), 0);
}

/* A turn of a machine under load may take longer than a deadline that is there for failures alone. */
static const rill_sim_opts world = { .seed = 2 };
static const rill_loop_opts simulated = { .sim = &world };

static const struct scenario scenarios[] = {
    SCENARIO(items_come_out_in_the_order_they_went_in),
    SCENARIO(unbounded_queue_grows_and_keeps_the_order),
    SCENARIO(lifo_gives_the_last_item_first),
    SCENARIO(priority_gives_the_least_item_first_and_equal_ones_in_order),
    SCENARIO(getter_waits_for_an_item),
    SCENARIO(putter_waits_for_room),
    SCENARIO(getters_are_served_in_order_of_arrival),
    SCENARIO_WITH(putters_are_served_in_order_of_arrival, &simulated),
    SCENARIO(getter_whose_item_was_taken_waits_on_behind_all_others),
    SCENARIO(putter_whose_room_was_taken_waits_on_behind_all_others),
    SCENARIO(cancelled_waiters_are_skipped),
    SCENARIO(item_of_a_cancelled_getter_keeps_its_place),
    SCENARIO(items_of_cancelled_getters_go_to_the_next),
    SCENARIO(room_of_a_cancelled_putter_goes_to_the_next),
    SCENARIO(timed_out_waiters_leave_no_dead_entries),
    SCENARIO(pending_cancel_takes_and_puts_nothing),
    SCENARIO(join_of_a_queue_never_used_returns_at_once),
    SCENARIO(join_waits_until_all_work_is_done),
    SCENARIO(shutdown_of_an_empty_queue_wakes_the_getters),
    SCENARIO(shutdown_fails_putters_at_once_and_lets_getters_drain),
    SCENARIO(putter_that_had_room_is_refused_when_the_queue_is_shut_before_it_runs),
    SCENARIO(getters_that_were_woken_drain_a_queue_that_is_shut),
    SCENARIO(immediate_shutdown_drops_the_items_and_counts_only_those_as_done),
    SCENARIO(immediate_shutdown_leaves_nothing_for_getters_that_were_woken),
    SCENARIO(every_order_is_joined_drained_and_shut),
    SCENARIO(putters_do_not_wait_beside_free_room),
    SCENARIO(many_producers_and_consumers_lose_nothing_and_allocate_nothing),
    SCENARIO(getter_in_the_hard_phase_takes_nothing),
    SCENARIO(fini_drops_what_is_left),
    OUTSIDE(queue_of_another_loop_is_refused),
};

int main(void)
{
    return RUN_SCENARIOS("queue", scenarios);
}
