/* cancel.c - requests to cancel a task: counted, held back, forwarded, delivered, withdrawn, hardened.
 *
 * MODEL. A request raises the task's count and asks for one delivery: one await that returns
 * -ECANCELED. It never unwinds a stack.
 *
 *   a shield lies between the asker and the      `held` of the shield: delivered when the block is
 *   place where the task is                      left, or the shield's grace has passed
 *   task is parked, the wait takes the request   the awaited thing ends, and with it the await:
 *                                                that is the delivery
 *   else                                         `undelivered`: the next await delivers it, or
 *                                                passes it on to the future it awaits
 *
 * BLOCKS. A task is in a chain of blocks (scopes and groups), the innermost first. A request comes
 * from outside of all of them, or from one of them; it concerns that one and what lies further in.
 *
 * THE HARD PHASE. A block with a grace that a request concerns becomes hard when the grace has
 * passed. A task in a hard block, with no shield in between, is hard: each await fails at once, also
 * the one that it is parked on now, unless memory or order of its own depend on the wait (an operation
 * of the kernel, the children of a group). A group in a hard place hands that on to its children, as
 * the loop does at its end to all tasks.
 *
 * I1 One delivery per request at most; requests that come before it is made share it.
 * I2 The count is the caller's bookkeeping (scopes, groups): only uncancel lowers it. At zero a
 *    request that was not delivered is withdrawn.
 * I3 A kernel operation's result wins: the await returns it, `undelivered` stays for the next await
 *    and `reached_op` says that a return without any further await is no cancel.
 * I4 A result that an object can keep (a future's, a lock's, a queue's) loses: it stays where it is.
 * I5 A request needs no memory; without it, only its text and its record are lost.
 *
 * Why requests and not exceptions or destruction: every clean-up ladder runs, in order, in the task
 * that owns it. */
#include "core/task/task.h"

#include <errno.h>

/* --- Graces. --- */

enum grace_state { GRACE_OFF, GRACE_SET, GRACE_RUNS, GRACE_PASSED };

static void grace_stop(struct rill_loop *loop, struct rill__grace *grace)
{
    rill__timer_stop(loop, &grace->timer);
    rill__loop_unready(&grace->ready);
    grace->state = GRACE_OFF;
}

static void grace_set(struct rill_loop *loop, struct rill__grace *grace, rill_time span)
{
    grace_stop(loop, grace);
    grace->span = span;
    grace->timer.ready = &grace->ready;
    grace->state = GRACE_SET;
}

static void grace_start(struct rill_loop *loop, struct rill__grace *grace)
{
    if (grace->state != GRACE_SET)
        return;
    grace->state = GRACE_RUNS;
    if (grace->span > 0)
        rill__timer_start(loop, &grace->timer, rill__loop_after(loop, grace->span));
    else
        grace->ready.run(&grace->ready);
}

/* The request was taken back. */
static void grace_rewind(struct rill_loop *loop, struct rill__grace *grace)
{
    if (grace->state == GRACE_RUNS)
        grace_set(loop, grace, grace->span);
}

/* --- The hard phase. --- */

static bool hard_at(const struct rill__task *task, const struct rill__block *block)
{
    for (; block != NULL; block = block->outer) {
        if (block->hard)
            return true;
        if (block->shield != NULL)
            return false;
    }
    return task->hard_wholly;
}

static const char *last_message(const struct rill__task *task)
{
    const struct rill__detail *why = rill__record_why(task);
    return why != NULL ? why->err.msg : NULL;
}

/* Forward to what a parked task waits for. A cycle of tasks that await each other ends here. */
static bool forward(struct rill__task *task, const char *msg)
{
    if (task->wait == NULL)
        return false;
    task->passing = true;
    bool taken = task->wait->cancel(task->wait, msg);
    task->passing = false;
    if (taken)
        task->deliveries++; /* handed on: nobody can take it back any more */
    return taken;
}

/* Something became hard, or a shield went. */
static void spread_hard(struct rill__task *task)
{
    bool before = task->hard;
    task->hard = hard_at(task, task->block);
    for (struct rill__block *block = task->block; block != NULL; block = block->outer) {
        if (block->shield != NULL && hard_at(task, block->outer))
            grace_start(task->future.loop, block->shield);
        if (block->on_hard == NULL || block->handed_on || !hard_at(task, block))
            continue;
        block->handed_on = true;
        block->on_hard(block);
    }
    if (task->hard && !before)
        (void)forward(task, last_message(task));
}

void rill__task_harden(struct rill__task *task)
{
    if (task->future.state != RILL_PENDING)
        return;
    task->hard_wholly = true;
    spread_hard(task);
}

static void on_grace(struct rill__ready *ready)
{
    struct rill__block *block = container_of(ready, struct rill__block, grace.ready);
    block->grace.state = GRACE_PASSED;
    block->hard = true;
    spread_hard(block->task);
}

/* --- The way of a request. --- */

/* The outermost shield between the block that asks (NULL: somebody outside) and the task's place. */
static struct rill__block *shield_within(const struct rill__task *task,
                                         const struct rill__block *source)
{
    struct rill__block *found = NULL;
    for (struct rill__block *block = task->block; block != source; block = block->outer)
        if (block->shield != NULL)
            found = block;
    return found;
}

static void reach(struct rill__task *task, uint32_t requests, const char *msg)
{
    task->reached_op = false;
    if (!forward(task, msg))
        task->undelivered += requests;
}

/* Requests of `source` come in, as far as the next shield. */
static void pass_in(struct rill__task *task, struct rill__block *source, uint32_t requests,
                    const char *msg)
{
    struct rill_loop *loop = task->future.loop;
    struct rill__block *shield = shield_within(task, source), *block = task->block;
    if (shield == NULL) {
        reach(task, requests, msg);
    } else {
        shield->held += requests;
        block = shield->outer;
        grace_start(loop, shield->shield);
    }
    for (; block != NULL; block = block != source ? block->outer : NULL)
        grace_start(loop, &block->grace);
}

static void note_request(struct rill__task *task, const char *msg)
{
    task->cancels++;
    rill__record(task, msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL);
}

bool rill__task_cancel(struct rill__task *task, const char *msg)
{
    if (task->future.state != RILL_PENDING || task->passing)
        return false;
    note_request(task, msg);
    pass_in(task, NULL, 1, last_message(task));
    return true;
}

int rill__task_deliver(struct rill__task *task)
{
    task->undelivered = 0;
    task->deliveries++;
    task->reached_op = false;
    rill__task_note(task, rill__record_why(task));
    return -ECANCELED;
}

void rill__task_accept(struct rill__task *task)
{
    rill__task_note(task, rill__record_why(task));
}

int rill__task_deliver_accepted(struct rill__task *task)
{
    struct rill__detail *accepted = rill__detail_ref(task->future.detail);
    (void)rill__task_deliver(task);
    rill__task_note(task, accepted);
    rill__detail_unref(accepted);
    return -ECANCELED;
}

bool rill__cancel_by(rill_cancel_by by, rill_future *future, const char *msg)
{
    struct rill__asker asker = { .by = by };
    const struct rill__asker *before = rill__ask_begin(&asker);
    bool made = rill__cancel(future, msg);
    rill__ask_end(before);
    return made;
}

/* --- Counting. --- */

unsigned rill__task_asked(const struct rill__task *task)
{
    uint32_t held = 0;
    for (const struct rill__block *block = task->block; block != NULL; block = block->outer)
        held += block->held;
    return task->cancels - held;
}

unsigned rill_cancelling(const rill_task *future)
{
    return future->kind == RILL__TASK ? container_of(future, struct rill__task, future)->cancels
                                      : 0;
}

/* As many requests as are left may be held back, or have their grace run. */
static void forget_taken_back(struct rill__task *task)
{
    uint32_t left = task->cancels;
    for (struct rill__block *block = task->block; block != NULL; block = block->outer) {
        if (block->held > left)
            block->held = left;
        left -= block->held;
        if (task->cancels <= block->cancels && !block->asked)
            grace_rewind(task->future.loop, &block->grace);
        if (block->shield != NULL && block->held == 0 && !hard_at(task, block->outer))
            grace_rewind(task->future.loop, block->shield);
    }
}

unsigned rill_uncancel(rill_task *future)
{
    if (future->kind != RILL__TASK)
        return 0;
    struct rill__task *task = rill__task_of(future);
    if (task->cancels > 0 && --task->cancels == 0)
        task->undelivered = 0;
    forget_taken_back(task);
    return task->cancels;
}

/* --- Blocks. --- */

void rill__block_enter(struct rill__block *block, struct rill__task *task, const void *where)
{
    *block = (struct rill__block){
        .outer = task->block,
        .task = task,
        .grace.ready.run = on_grace,
        .where = where,
        .cancels = rill__task_asked(task),
    };
    task->block = block;
}

void rill__block_leave(struct rill__block *block)
{
    struct rill__task *task = block->task;
    rill__block_unshield(block);
    grace_stop(task->future.loop, &block->grace);
    struct rill__block **at = &task->block;
    while (*at != block)
        at = &(*at)->outer;
    *at = block->outer;
    task->hard = hard_at(task, task->block);
}

void rill__block_ask(struct rill__block *block, rill_cancel_by by, const void *where,
                     const char *msg)
{
    struct rill__task *task = block->task;
    struct rill__asker asker = { .by = by, .where = where, .task = task };
    const struct rill__asker *before = rill__ask_begin(&asker);
    block->asked = true;
    block->asked_held = shield_within(task, block) != NULL;
    block->deliveries = task->deliveries;
    note_request(task, msg);
    pass_in(task, block, 1, last_message(task));
    rill__ask_end(before);
}

unsigned rill__block_withdraw(struct rill__block *block)
{
    struct rill__task *task = block->task;
    if (!block->asked_held && task->deliveries == block->deliveries && task->undelivered > 0)
        task->undelivered--;
    block->asked = false;
    (void)rill_uncancel(&task->future);
    return rill__task_asked(task);
}

/* Whether a request that concerns `block` has still to be obeyed. */
static bool is_asked(const struct rill__block *block)
{
    return block->asked || block->task->undelivered > 0 ||
           rill__task_asked(block->task) > block->cancels;
}

void rill__block_set_grace(struct rill__block *block, rill_time span)
{
    struct rill_loop *loop = block->task->future.loop;
    grace_set(loop, &block->grace, span);
    if (is_asked(block))
        grace_start(loop, &block->grace);
}

/* How many of the requests that are not delivered yet come from blocks within `block`. */
static uint32_t undelivered_within(const struct rill__block *block)
{
    const struct rill__task *task = block->task;
    uint32_t count = 0;
    for (const struct rill__block *at = task->block; at != block; at = at->outer)
        count += at->asked && !at->asked_held && at->deliveries == task->deliveries;
    return count < task->undelivered ? count : task->undelivered;
}

void rill__block_shield(struct rill__block *block, struct rill__grace *shield, rill_time span)
{
    struct rill__task *task = block->task;
    uint32_t within = undelivered_within(block);
    grace_set(task->future.loop, shield, span);
    block->shield = shield;
    block->held += task->undelivered - within; /* asked before, and not delivered yet */
    task->undelivered = within;
    for (struct rill__block *outer = block->outer; outer != NULL; outer = outer->outer)
        if (block->held > 0 && outer->asked && outer->deliveries == task->deliveries)
            outer->asked_held = true;
    if (block->held > 0 || task->hard)
        grace_start(task->future.loop, shield);
    task->hard = hard_at(task, task->block);
}

void rill__block_unshield(struct rill__block *block)
{
    struct rill__task *task = block->task;
    uint32_t held = block->held;
    if (block->shield == NULL)
        return;
    grace_stop(task->future.loop, block->shield);
    block->shield = NULL;
    block->held = 0;
    for (struct rill__block *outer = block->outer; outer != NULL; outer = outer->outer) {
        if (!outer->asked_held)
            continue;
        outer->asked_held = shield_within(task, outer) != NULL;
        outer->deliveries = task->deliveries;
    }
    if (held > 0)
        pass_in(task, block, held, last_message(task));
    spread_hard(task);
}
