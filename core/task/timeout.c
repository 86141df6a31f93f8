/* timeout.c - timeout scopes: a deadline, or a cancel, for a block of calls.
 *
 * A scope asks its task to cancel like anybody else; what makes it a timeout is the leave, which
 * takes that one request back and, if no other is left, turns the cancel into the scope's own code.
 * A deadline that has come is put on the ready queue like any entry, so it takes effect behind the
 * completions of its turn. Shield and grace are those of its block, see cancel.c. */
#include "core/task/told.h"

#include <rill/timeout.h>
#include <rill/wait.h>

#include <errno.h>

enum scope_state { SCOPE_NEW, SCOPE_ENTERED, SCOPE_FIRED, SCOPE_EXPIRED, SCOPE_LEFT };

struct scope {
    struct rill__block block;
    struct rill__grace shield;
    struct rill__timer timer;
    struct rill__ready ready;
    rill_time when;
    uint8_t state; /* scope_state */
    bool by_deadline;
};

_Static_assert(sizeof(struct scope) <= sizeof(rill_scope), "rill_scope has room for a scope");

const rill_table_path rill__scope_when = RILL__AT(struct scope, when);

_Static_assert(offsetof(struct scope, block) == 0, "a deed is seen from the scope");

static struct scope *scope_of(rill_scope *scope)
{
    return (struct scope *)scope;
}

void rill__scope_tell(rill_scope *scope, const rill_table_deed *deed)
{
    scope_of(scope)->block.deed = deed;
}

static void fire(struct scope *scope, bool by_deadline, const void *where, const char *msg)
{
    scope->state = SCOPE_FIRED;
    scope->by_deadline = by_deadline;
    rill__block_ask(&scope->block, RILL_BY_SCOPE, where, msg);
}

static void on_deadline(struct rill__ready *ready)
{
    struct scope *scope = container_of(ready, struct scope, ready);
    fire(scope, true, scope->block.where, "timeout");
}

static void disarm(struct scope *scope)
{
    rill__timer_stop(scope->block.task->future.loop, &scope->timer);
    rill__loop_unready(&scope->ready);
}

/* Whether a deadline has come. The clock is read only for one of which the cheap one does not know. */
static bool is_over(const struct rill_loop *loop, rill_time at)
{
    return at <= rill__loop_after(loop, 1) && at <= rill__loop_now(loop);
}

static void arm(struct scope *scope, struct rill_loop *loop, rill_time at)
{
    if (is_over(loop, at))
        rill__loop_ready(loop, &scope->ready);
    else
        rill__timer_start(loop, &scope->timer, at);
    scope->when = at;
}

static int enter(rill_scope *public, rill_time at, const void *where)
{
    struct scope *scope = scope_of(public);
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    if (scope->state != SCOPE_NEW)
        return rill__misuse(-EINVAL);
    scope->ready.run = on_deadline;
    scope->timer.ready = &scope->ready;
    arm(scope, task->future.loop, at);
    rill__block_enter(&scope->block, task, where);
    scope->state = SCOPE_ENTERED;
    return 0;
}

RILL__NOTES_CALLER int rill_timeout_at(rill_scope *scope, rill_time at)
{
    return enter(scope, at, __builtin_return_address(0));
}

RILL__NOTES_CALLER int rill_timeout(rill_scope *scope, rill_time span)
{
    return enter(scope, rill_time_add(rill_now(), span), __builtin_return_address(0));
}

RILL__NOTES_CALLER int rill_scope_enter(rill_scope *scope)
{
    return enter(scope, RILL_FOREVER, __builtin_return_address(0));
}

static bool is_inside(const struct scope *scope)
{
    return (scope->state == SCOPE_ENTERED || scope->state == SCOPE_FIRED) &&
           scope->block.task == rill__task_running();
}

int rill_scope_leave(rill_scope *public, int rc)
{
    struct scope *scope = scope_of(public);
    if (!is_inside(scope))
        return rill__misuse(-EINVAL);
    bool fired = scope->state == SCOPE_FIRED;
    disarm(scope);
    scope->state = fired ? SCOPE_EXPIRED : SCOPE_LEFT;
    bool alone = fired && rill__block_withdraw(&scope->block) <= scope->block.cancels;
    rill__block_leave(&scope->block);
    if (!alone || rc != -ECANCELED)
        return rc;
    return scope->by_deadline ? -ETIME : 0;
}

void rill_scope_drop(rill_scope *scope)
{
    if (is_inside(scope_of(scope)))
        (void)rill_scope_leave(scope, 0);
}

int rill_scope_reschedule(rill_scope *public, rill_time at)
{
    struct scope *scope = scope_of(public);
    if (scope->state != SCOPE_ENTERED)
        return rill__misuse(-EINVAL);
    disarm(scope);
    arm(scope, scope->block.task->future.loop, at);
    return 0;
}

RILL__NOTES_CALLER int rill_scope_cancel(rill_scope *public, const char *msg)
{
    struct scope *scope = scope_of(public);
    if (scope->state != SCOPE_ENTERED)
        return rill__misuse(-EINVAL);
    disarm(scope);
    fire(scope, false, __builtin_return_address(0), msg);
    return 0;
}

int rill_scope_set_grace(rill_scope *public, rill_time span)
{
    struct scope *scope = scope_of(public);
    if (scope->state != SCOPE_ENTERED && scope->state != SCOPE_FIRED)
        return rill__misuse(-EINVAL);
    rill__block_set_grace(&scope->block, span);
    return 0;
}

static void on_shield(struct rill__ready *ready)
{
    rill__block_unshield(&container_of(ready, struct scope, shield.ready)->block);
}

int rill_scope_shield(rill_scope *public, rill_time grace)
{
    struct scope *scope = scope_of(public);
    if (scope->state != SCOPE_ENTERED || !is_inside(scope) || scope->block.shield != NULL)
        return rill__misuse(-EINVAL);
    scope->shield.ready.run = on_shield;
    rill__block_shield(&scope->block, &scope->shield, grace);
    return 0;
}

bool rill_scope_expired(const rill_scope *public)
{
    const struct scope *scope = (const struct scope *)public;
    return (scope->state == SCOPE_FIRED || scope->state == SCOPE_EXPIRED) && scope->by_deadline;
}

rill_time rill_scope_when(const rill_scope *public)
{
    const struct scope *scope = (const struct scope *)public;
    return scope->state == SCOPE_NEW ? RILL_FOREVER : scope->when;
}

/* --- One call or future under a deadline. --- */

/* The deadline has passed before we began: cancel `future` and wait for its end. */
static int cancel_and_wait(rill_future *future)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (future == &task->future)
        return rill__misuse(-EDEADLK);
    if (future->loop != task->future.loop)
        return rill__misuse(-EXDEV);
    rill_ref(future); /* its owner may drop it while we wait */
    rill_cancel(future, "timeout");
    if (!rill__task_wait_done(task, future) || task->undelivered > 0)
        r = rill__task_deliver(task);
    else if ((r = rill__future_code(future)) == -ECANCELED)
        r = -ETIME;
    rill_unref(future);
    return r;
}

int rill_wait_for(rill_future *future, rill_time span)
{
    rill_scope scope = { 0 };
    if (span <= 0 && !rill_done(future))
        return cancel_and_wait(future);
    if (span <= 0)
        return rill_await(future);
    int r = enter(&scope, rill_time_add(rill_now(), span), __builtin_return_address(0));
    if (r < 0)
        return r;
    r = rill_await(future);
    return rill_scope_leave(&scope, r);
}

int rill_wait_for_call(rill_coro coro, rill_time span)
{
    rill_scope scope = { 0 };
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (span <= 0)
        return rill__await_ready(task, -ETIME); /* it never starts */
    r = enter(&scope, rill_time_add(rill_now(), span), __builtin_return_address(0));
    return r < 0 ? r : rill_scope_leave(&scope, coro.fn(coro.arg));
}
