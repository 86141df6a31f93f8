/* await.c - the begin and the end of every await, and awaiting a future.
 *
 * A request that is pending when an await begins is delivered instead of it; one that comes meanwhile goes
 * to what is awaited, by the wait's `cancel`: see future.h for the protocol and cancel.c for the model. */
#include "core/task/told.h"

#include <errno.h>

bool rill__refuse_cancel(struct rill__wait *wait, const char *msg)
{
    (void)wait;
    (void)msg;
    return false;
}

/* A task that is ready has come to the end of its wait: the request stays pending. */
bool rill__plain_cancel(struct rill__wait *wait, const char *msg)
{
    struct rill__plain_wait *plain = container_of(wait, struct rill__plain_wait, wait);
    (void)msg;
    if (list_is_linked(&plain->task->ready.link))
        return false;
    plain->cancelled = true;
    rill__task_accept(plain->task);
    rill__loop_ready(plain->task->future.loop, &plain->task->ready);
    return true;
}

/* A function of its own: what it needs would cost each park registers, and so stack, which is cold. */
static __attribute__((noinline, cold)) int deliver(const struct rill__plain_wait *plain)
{
    return plain->cancelled ? rill__task_deliver_accepted(plain->task)
                            : rill__task_deliver(plain->task);
}

int rill__plain_park(struct rill__plain_wait *plain)
{
    struct rill__task *task = plain->task;
    rill__task_park(task, &plain->wait);
    bool asked = plain->cancelled || task->undelivered > 0;
    return __builtin_expect(asked, 0) ? deliver(plain) : 0;
}

static const rill_table_wait tells_turn = { .what = "its next turn" };

/* A function of its own: what it needs is not to be set up by those who go on. */
static __attribute__((noinline)) void give_up_turn(struct rill__task *task)
{
    struct rill__wait wait = { rill__refuse_cancel, &tells_turn };
    rill__loop_ready(task->future.loop, &task->ready);
    rill__task_park(task, &wait); /* a request that comes now is delivered by the next await */
}

int rill__await_ready(struct rill__task *task, int rc)
{
    if (__builtin_expect(--task->future.loop->budget_left == 0, 0))
        give_up_turn(task);
    return rc;
}

struct future_wait {
    struct rill__wait wait;
    struct rill__callback callback;
    struct rill__task *task;
    rill_future *future;
    bool asked;     /* to cancel */
    bool abandoned; /* the wait ends, the future goes on */
};

static bool abandon(struct future_wait *wait)
{
    if (wait->abandoned)
        return false;
    wait->abandoned = true;
    rill__loop_ready(wait->task->future.loop, &wait->task->ready);
    return true;
}

/* In the hard phase we do not wait for what does not end; and if we await somebody who awaits us,
 * the request comes back to where it began and nobody else would wake us. */
static bool forward_cancel(struct rill__wait *record, const char *msg)
{
    struct future_wait *wait = container_of(record, struct future_wait, wait);
    bool again = wait->task->hard && wait->asked;
    bool taken = !again && rill__cancel(wait->future, msg);
    wait->asked |= taken;
    bool nobody_wakes_us =
        !taken && wait->future->state == RILL_PENDING && !rill__gather_is_ending(wait->future);
    if (wait->task->hard || nobody_wakes_us)
        return abandon(wait);
    return taken;
}

static bool keep_waiting(struct rill__wait *record, const char *msg)
{
    struct future_wait *wait = container_of(record, struct future_wait, wait);
    (void)msg;
    return wait->task->hard && abandon(wait);
}

static const rill_table_wait tells_future = { .what = "future",
                                              .future = RILL__AT(struct future_wait, future) };

/* Park until `future` is done; false: the wait was abandoned. Holds a reference: what it waits for
 * must outlive the wake-up. */
static bool park_on(struct rill__task *task, rill_future *future,
                    bool (*cancel)(struct rill__wait *wait, const char *msg))
{
    struct future_wait wait = { .wait = { cancel, &tells_future },
                                .callback = { .ready = &task->ready },
                                .task = task,
                                .future = rill_ref(future) };
    rill__callback_add(future, &wait.callback);
    rill__task_park(task, &wait.wait);
    rill__callback_remove(&wait.callback);
    rill_unref(future);
    return !wait.abandoned;
}

bool rill__task_wait_done(struct rill__task *task, rill_future *future)
{
    while (future->state == RILL_PENDING)
        if (!park_on(task, future, keep_waiting))
            return false;
    return true;
}

static int take_result(struct rill__task *task, rill_future *future)
{
    int rc = rill__future_code(future);
    if (rc < 0)
        rill__task_note(task, future->detail);
    return rc;
}

/* A pending request goes on to what is awaited, as if it came while we wait. */
static bool pass_on(struct rill__task *task, rill_future *future)
{
    struct rill__asker asker = { .as = rill__record_last(task) };
    const struct rill__detail *why = rill__record_why(task);
    const struct rill__asker *before = rill__ask_begin(&asker);
    task->passing = true; /* if that awaits us, the request must not come back */
    bool taken = rill__cancel(future, why != NULL ? why->err.msg : NULL);
    task->passing = false;
    rill__ask_end(before);
    return taken;
}

int rill_await(rill_future *future)
{
    struct rill__task *task = rill__task_running();
    if (task == NULL) {
        CHECK(rill__loop_running == NULL); /* an await in a callback */
        return -ESRCH;
    }
    if (future == &task->future)
        return rill__misuse(-EDEADLK);
    if (future->loop != NULL && future->loop != task->future.loop)
        return rill__misuse(-EXDEV);
    bool pending = future->state == RILL_PENDING;
    if (task->undelivered > 0 || task->hard) {
        if (!pending || task->hard || !pass_on(task, future))
            return rill__task_deliver(task);
        task->undelivered = 0;
        task->deliveries++;
        pending = future->state == RILL_PENDING; /* some end at once: nobody would wake us */
    }
    if (!pending)
        return rill__await_ready(task, take_result(task, future));
    rill_ref(future);
    int rc;
    if (!park_on(task, future, forward_cancel) || task->undelivered > 0) {
        rc = rill__task_deliver(task); /* the future keeps its result */
        if (future->state == RILL_CANCELLED)
            rill__task_note(task, future->detail); /* it was asked first */
    } else {
        CHECK_SLOW(future->state != RILL_PENDING);
        rc = take_result(task, future);
    }
    rill_unref(future);
    return rc;
}

int rill_join(rill_future *future)
{
    int rc = rill_await(future);
    rill_unref(future);
    return rc;
}
