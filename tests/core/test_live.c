/* test_live.c - loops that are closed, that run elsewhere, or that were made before a fork. */
#include "core/loop/loop.h"
#include "tests/support/child.h"
#include "tests/support/expect.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

static int seven = 7, calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static rill_loop *new_loop(void)
{
    rill_loop *loop;
    assert_int_equal(rill_loop_new(NULL, &loop), 0);
    return loop;
}

/* --- Closed. --- */

/* CPython: test_close, test_run_forever on a closed loop. */
static void closed_loop_refuses_everything(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    assert_false(rill_loop_is_closed(loop));
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), 7);
    rill_future *future = rill_future_new(); /* of no loop: none runs */
    assert_int_equal(rill_loop_close(loop), 0);
    assert_true(rill_loop_is_closed(loop));
    assert_false(rill_loop_is_running(loop));
    assert_int_equal(rill_run_forever(loop), -ESHUTDOWN);
    assert_int_equal(rill_run_until_done(loop, future), -ESHUTDOWN);
    assert_int_equal(rill_run_coro(loop, RILL_CORO(return_int, &seven)), -ESHUTDOWN);
    assert_null(rill_call_soon(loop, count_call, NULL).entry);
    assert_null(rill_call_later(loop, 0, count_call, NULL).entry);
    assert_null(rill_call_at(loop, 0, count_call, NULL).entry);
    assert_int_equal(rill_call_soon_threadsafe(loop, count_call, NULL), -ESHUTDOWN);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(return_int, &seven), NULL);
    assert_int_equal(rill_result(task), -ESHUTDOWN);
    rill_unref(task);
    rill_unref(future);
    assert_int_equal(rill_loop_close(loop), 0);
}

static void close_again(void *loop)
{
    calls += rill_loop_close(loop) == -EBUSY;
}

static void close_within_the_close_is_ebusy(void **state)
{
    rill_loop *loop = new_loop();
    (void)state;
    calls = 0;
    assert_non_null(rill_call_soon(loop, close_again, loop).entry);
    assert_int_equal(rill_loop_close(loop), 0);
    assert_int_equal(calls, 1);
}

/* --- Elsewhere: a loop that runs in another thread. --- */

struct elsewhere {
    rill_loop *loop;
    sem_t up, looked;
    rill_future *end;
    int r, closed;
};

static void post_up(void *up)
{
    sem_post(up);
}

static void *run_elsewhere(void *arg)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->r = rill_run_until_done(elsewhere->loop, elsewhere->end);
    sem_post(&elsewhere->up);
    while (sem_wait(&elsewhere->looked) < 0)
        continue;
    elsewhere->closed = rill_loop_close(elsewhere->loop);
    return NULL;
}

static void end_run(void *future)
{
    (void)rill_future_set_result(future, 0, NULL);
}

static void loop_of_another_thread_takes_threadsafe_calls_only(void **state)
{
    struct elsewhere elsewhere = { .loop = new_loop() };
    pthread_t thread;
    rill_stats stats;
    (void)state;
    if (under_tsan())
        skip(); /* the misuse is a look at what another thread changes */
    sem_init(&elsewhere.up, 0, 0);
    sem_init(&elsewhere.looked, 0, 0);
    elsewhere.end = rill_loop_create_future(elsewhere.loop);
    assert_non_null(rill_call_soon(elsewhere.loop, post_up, &elsewhere.up).entry);
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &elsewhere), 0);
    while (sem_wait(&elsewhere.up) < 0)
        continue;
    assert_true(rill_loop_is_running(elsewhere.loop));
    assert_null(rill_call_soon(elsewhere.loop, count_call, NULL).entry);
    rill_task *task = rill_loop_create_task(elsewhere.loop, RILL_CORO(return_int, &seven), NULL);
    assert_int_equal(rill_result(task), -ESRCH);
    rill_unref(task);
    assert_int_equal(rill_loop_stats(elsewhere.loop, &stats), -ESRCH);
    assert_int_equal(rill_run_forever(elsewhere.loop), -ESRCH);
    assert_int_equal(rill_loop_close(elsewhere.loop), -EBUSY);
    assert_int_equal(rill_call_soon_threadsafe(elsewhere.loop, end_run, elsewhere.end), 0);
    while (sem_wait(&elsewhere.up) < 0)
        continue;
    assert_int_equal(rill_run_forever(elsewhere.loop), -ESRCH); /* its ring is that thread's */
    assert_int_equal(rill_loop_close(elsewhere.loop), -ESRCH);
    rill_unref(elsewhere.end);
    sem_post(&elsewhere.looked);
    pthread_join(thread, NULL);
    assert_int_equal(elsewhere.r, 0);
    assert_int_equal(elsewhere.closed, 0);
    sem_destroy(&elsewhere.up);
    sem_destroy(&elsewhere.looked);
}

/* --- Forks. --- */

static void *call_from_a_thread(void *arg)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->r = rill_call_soon_threadsafe(elsewhere->loop, end_run, elsewhere->end);
    return NULL;
}

/* 0 if the loop is woken by a thread of this process, and by nobody else. */
static int run_until_called(void *arg)
{
    struct elsewhere here = { .loop = arg };
    pthread_t thread;
    here.end = rill_loop_create_future(here.loop);
    if (pthread_create(&thread, NULL, call_from_a_thread, &here) != 0)
        return 1;
    int r = rill_run_until_done(here.loop, here.end);
    pthread_join(thread, NULL);
    rill_unref(here.end);
    if (r != 0 || here.r != 0)
        return 2;
    rill_stats stats;
    if (rill_loop_stats(here.loop, &stats) != 0 || stats.wakes > 1)
        return 3;
    return rill_loop_close(here.loop) == 0 ? 0 : 4;
}

/* Row 129. A loop that has not run yet belongs to both processes, and each has one of its own. */
static void loop_made_before_a_fork_is_each_ones_own(void **state)
{
    static struct child child;
    rill_loop *loop = new_loop();
    (void)state;
    struct footing before = footing_now();
    assert_int_equal(child_run(&child, run_until_called, loop), 0);
    assert_string_equal(child.text, "");
    assert_int_equal(child.status, 0);
    assert_int_equal(footing_now().descriptors, before.descriptors);
    assert_int_equal(run_until_called(loop), 0);
}

static int use_a_parents_loop(void *arg)
{
    rill_loop *loop = arg;
    if (rill_get_running_loop() != NULL || rill_loop_is_running(loop))
        return 1;
    if (rill_run_forever(loop) != -ESRCH || rill_loop_close(loop) != -ESRCH)
        return 2;
    if (rill_run_coro(loop, RILL_CORO(return_int, &seven)) >= 0)
        return 3;
    return rill_run(RILL_CORO(return_int, &seven)) == 7 ? 0 : 4;
}

static int fork_and_look(void *arg)
{
    static struct child child;
    (void)arg;
    EXPECT_IS(child_run(&child, use_a_parents_loop, rill_get_running_loop()), 0);
    EXPECT_IS(child.status, 0);
    EXPECT(rill_loop_is_running(rill_get_running_loop()));
    return rill_sleep(0);
}

static int look_for_the_own_loop(void *parents)
{
    rill_loop *own = rill_get_event_loop();
    if (own == NULL || own == parents)
        return 1;
    return rill_loop_close(own) == 0 ? 0 : 2;
}

static void own_loop_of_a_child_is_a_new_one(void **state)
{
    static struct child child;
    rill_loop *own = rill_get_event_loop();
    (void)state;
    assert_int_equal(rill_run_coro(own, RILL_CORO(return_int, &seven)), 7);
    assert_int_equal(child_run(&child, look_for_the_own_loop, own), 0);
    assert_int_equal(child.status, 0);
    assert_int_equal(rill_loop_close(own), 0);
}

static const struct scenario scenarios[] = {
    OUTSIDE(closed_loop_refuses_everything),
    OUTSIDE(close_within_the_close_is_ebusy),
    OUTSIDE(loop_of_another_thread_takes_threadsafe_calls_only),
    OUTSIDE(loop_made_before_a_fork_is_each_ones_own),
    { .name = "running_loop_is_esrch_in_a_child", .main = fork_and_look, .once = true },
    OUTSIDE(own_loop_of_a_child_is_a_new_one),
};

int main(void)
{
    return RUN_SCENARIOS("live", scenarios);
}
