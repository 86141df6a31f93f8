/* sleep.c - letting time, or a turn, pass: in a task, and as a future.
 *
 * A sleeping task's timer lies on its stack, like every wait record. A span that is over already is a turn given up: the task goes behind what is ready. */
#include "core/task/told.h"

#include "core/base/plant.h"

#include <rill/mem.h>

#include <errno.h>
#include <math.h>

struct sleep_wait {
    struct rill__plain_wait plain;
    struct rill__timer timer;
};

static const rill_table_wait tells_sleep = { .what = "sleep",
                                             .deadline = RILL__AT(struct sleep_wait, timer.at) };

static const rill_table_wait tells_yield = { .what = "its next turn" };

static int give_up_turn(struct rill__task *task)
{
    struct rill__plain_wait yield = rill__plain_wait(task, &tells_yield);
    rill__loop_ready(task->future.loop, &task->ready);
    return rill__plain_park(&yield);
}

int rill_sleep(rill_time span)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (span <= 0)
        return give_up_turn(task);
    struct rill_loop *loop = task->future.loop;
    struct sleep_wait sleep = { .plain = rill__plain_wait(task, &tells_sleep),
                                .timer = { .ready = &task->ready, .at = RILL_FOREVER } };
    if (span != RILL_FOREVER)
        rill__timer_start(loop, &sleep.timer, rill__loop_after(loop, span));
    r = rill__plain_park(&sleep.plain);
    if (!PLANTED(10))
        rill__timer_stop(loop, &sleep.timer);
    return r;
}

int rill_sleep_seconds(double seconds)
{
    if (isnan(seconds))
        return -EINVAL;
    if (seconds >= 9.2e9)
        return rill_sleep(RILL_FOREVER);
    return rill_sleep(seconds <= 0 ? 0 : (rill_time)(seconds * 1e9));
}

struct sleep_future {
    rill_future future;
    struct rill__ready ready;
    struct rill__timer timer;
    int rc;
    void *value;
};

static void end_sleep(struct rill__ready *ready)
{
    struct sleep_future *sleep = container_of(ready, struct sleep_future, ready);
    sleep->future.value = sleep->value;
    rill__future_end(&sleep->future, RILL_FINISHED, sleep->rc, NULL);
}

static void stop_sleep(struct sleep_future *sleep)
{
    rill__timer_stop(sleep->future.loop, &sleep->timer);
    rill__loop_unready(&sleep->ready);
}

static bool sleep_future_cancel(rill_future *future, const char *msg)
{
    struct sleep_future *sleep = container_of(future, struct sleep_future, future);
    stop_sleep(sleep);
    rill__future_end(future, RILL_CANCELLED, -ECANCELED,
                     msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL);
    return true;
}

/* Nobody waits for it any more: the timer holds no reference. */
static void sleep_future_free(rill_future *future)
{
    struct sleep_future *sleep = container_of(future, struct sleep_future, future);
    if (future->state == RILL_PENDING)
        stop_sleep(sleep);
    rill__future_fini(future);
    rill_free(sleep);
}

const struct rill__future_ops rill__sleep_ops = { .cancel = sleep_future_cancel,
                                                  .free = sleep_future_free };

rill_future *rill_sleep_future(rill_time span, int rc, void *value)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return rill__future_failed(NULL, -ESRCH);
    struct sleep_future *sleep = rill_alloc_zero(1, sizeof *sleep);
    if (sleep == NULL)
        return rill__future_failed(loop, -ENOMEM);
    rill__future_init(&sleep->future, RILL__SLEEP, loop);
    sleep->ready.run = end_sleep;
    sleep->timer.ready = &sleep->ready;
    sleep->rc = rc;
    sleep->value = value;
    if (span <= 0)
        rill__loop_ready(loop, &sleep->ready);
    else
        rill__timer_start(loop, &sleep->timer, rill__loop_after(loop, span));
    return &sleep->future;
}
