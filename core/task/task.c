/* task.c - a coroutine with a future: create, step, park, end; names and values.
 *
 * STEPS. A task's entry on the ready queue runs one step: the coroutine goes on until it parks or
 * returns. A task owns a stack from its first step to its return; its record lies on the heap, so a
 * handle stays valid after the stack has gone to the next task.
 *
 * THE END. The function's return decides (see cancel.c); deferred calls run before, on the task's
 * stack, last in first out. Then the future ends, which makes its waiters ready, the stack goes back
 * to the pool, and the loop's reference goes. */
#include "core/task/task.h"

#include "core/base/symbols.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { copy_max = 64 << 10 };

struct rill__defer {
    struct rill__defer *next;
    rill_call_fn *fn;
    void *arg;
};

#if !defined(__clang__) && !defined(__SANITIZE_THREAD__)
_Static_assert(sizeof(struct rill__task) <= 224, "a million sleeping tasks need little memory");
#endif

/* --- Life. --- */

static bool task_cancel(rill_future *future, const char *msg)
{
    return rill__task_cancel(rill__task_of(future), msg);
}

static void task_free(rill_future *future)
{
    struct rill__task *task = rill__task_of(future);
    rill__future_fini(future);
    rill__records_free(task);
    rill__locals_fini(&task->locals);
    rill_free((char *)task->coro.title);
    if (task->owns_arg)
        rill_free(task->arg);
    rill__slabs_give(task, sizeof *task, future->place);
}

const struct rill__future_ops rill__task_ops = { .cancel = task_cancel, .free = task_free };

static void run_defers(struct rill__task *task)
{
    struct rill_loop *loop = task->future.loop;
    struct rill_future *outer = loop->values_of;
    loop->values_of = &task->future;
    while (task->defers != NULL) {
        struct rill__defer *defer = task->defers;
        task->defers = defer->next;
        loop->current = NULL; /* a deferred call is a callback: it must not await */
        defer->fn(defer->arg);
        loop->current = &task->future;
        rill_free(defer);
    }
    loop->values_of = outer;
}

/* The function has returned out of a scope or group, which lay on this stack: nothing can go on. */
__attribute__((noreturn, cold, noinline)) static void
complain_of_block(const struct rill__task *task, const void *where, bool group)
{
    char numbered[RILL__NUMBERED];
    const rill_site *site = task->coro.site;
    void *frame = (void *)(uintptr_t)where;
    fprintf(stderr, "rill: task '%s', %s() made at %s:%d, has returned without the leave of a %s",
            rill__task_name(task, numbered), site != NULL ? site->function : "?",
            site != NULL ? site->file : "?", site != NULL ? site->line : 0,
            group ? "group" : "scope");
    fprintf(stderr, " that was entered here:\n");
    rill__symbols_write(&frame, 1, STDERR_FILENO);
    abort();
}

/* On the task's own stack. */
static void task_main(void *arg)
{
    struct rill__task *task = arg;
    rill_fn *fn = task->fn;
    task->defers = NULL;
    task->future.rc = fn(task->arg);
    /* It is still there, below us, until something is called. */
    const struct rill__block *block = task->block;
    if (__builtin_expect(block != NULL, 0))
        complain_of_block(task, block->where, block->on_hard != NULL);
    if (task->defers != NULL)
        run_defers(task);
}

/* Whether a task whose function returned `rc` is cancelled: it handed the cancel on, or a request
 * was never delivered though nothing won against it. */
static bool ends_cancelled(const struct rill__task *task, int rc)
{
    return rc == -ECANCELED || (rc >= 0 && task->undelivered > 0 && !task->reached_op);
}

static void end_task(struct rill__task *task, int rc)
{
    struct rill__detail *detail = NULL;
    list_remove(&task->link);
    bool cancelled = ends_cancelled(task, rc);
    if (cancelled)
        rc = -ECANCELED;
    if (cancelled && task->undelivered > 0)
        detail = rill__record_why(task);
    else if (rc < 0)
        detail = rill__task_last(task, rc);
    rill__future_end(&task->future, cancelled ? RILL_CANCELLED : RILL_FINISHED, rc,
                     rill__detail_ref(detail));
    rill_unref(&task->future); /* the loop's */
}

static void enter_step(struct rill__task *task)
{
    struct rill_loop *loop = task->future.loop;
    loop->current = &task->future;
    loop->budget_left = loop->opts.budget;
    task->future.steps++;
}

/* One step of a task, and of those that it passed control to when it parked: the loop has it back
 * when one of them found no other task to pass it to, or has ended. */
static void step(struct rill__task *task)
{
    struct rill_loop *loop = task->future.loop;
    rill_future *outer =
        loop->current; /* not NULL while an eager task runs in its creator's step */
    unsigned budget = loop->budget_left;
    enter_step(task);
    rill__coro_resume(&task->coro);
    task = rill__task_of(loop->current);
    loop->current = outer;
    loop->budget_left = budget;
    if (!task->coro.finished)
        return;
    if (__builtin_expect(task->coro.stack.sampled, 0))
        rill__census_end(&loop->census, &task->coro);
    rill__coro_fini(&task->coro, &loop->stacks);
    end_task(task, task->future.rc);
}

static void run_task(struct rill__ready *ready)
{
    step(rill__task_of_ready(ready));
}

/* Where each step is timed none passes control on to the next: next_to_run looks for run_task. */
static void run_task_alone(struct rill__ready *ready)
{
    run_task(ready);
}

static void start_task(struct rill__ready *ready)
{
    struct rill__task *task = rill__task_of_ready(ready);
    task->ready.run = task->future.loop->timed ? run_task_alone : run_task;
    task->started = true;
    if (task->undelivered > 0) { /* before its first step: the body never runs */
        end_task(task, -ECANCELED);
        return;
    }
    int r = rill__coro_init(&task->coro, &task->future.loop->stacks, task->coro.stack.kind,
                            task_main, task);
    if (r < 0) {
        end_task(task, r);
        return;
    }
    rill__census_begin(&task->future.loop->census, &task->coro);
    step(task);
}

struct rill__task *rill__task_of_step(struct rill__ready *ready)
{
    bool is_step =
        ready->run == run_task || ready->run == run_task_alone || ready->run == start_task;
    return is_step ? rill__task_of_ready(ready) : NULL;
}

static int set_up(struct rill__task *task, rill_coro coro, const rill_task_opts *opts)
{
    int class = rill__stack_class(opts->stack_size);
    if (class < 0 || opts->copy > copy_max)
        return -EINVAL;
    task->coro.stack.kind = (uint16_t) class;
    rill__locals_init(&task->locals, opts->context);
    if (opts->name != NULL &&
        (task->coro.title = rill_copy(opts->name, strlen(opts->name))) == NULL)
        return -ENOMEM;
    if (opts->copy > 0) {
        task->arg = rill_copy(coro.arg, opts->copy);
        task->owns_arg = task->arg != NULL;
        return task->owns_arg ? 0 : -ENOMEM;
    }
    task->arg = coro.arg;
    return 0;
}

int rill__task_new(struct rill_loop *loop, rill_coro coro, const rill_task_opts *opts,
                   struct rill__task **ret_task)
{
    if (loop == NULL)
        return -ESRCH;
    int r = rill__loop_check(loop);
    if (r < 0)
        return r;
    if (loop->hard)
        return -ESHUTDOWN;
    uint16_t place;
    struct rill__task *task = rill__slabs_take(&loop->records, sizeof *task, &place);
    if (task == NULL)
        return -ENOMEM;
    memset(task, 0, sizeof *task);
    rill__future_init(&task->future, RILL__TASK, loop);
    task->future.place = place;
    task->ready.run = start_task;
    task->fn = coro.fn;
    task->coro.site = coro.site;
    r = set_up(task, coro, opts);
    if (r < 0) {
        task_free(&task->future);
        return r;
    }
    task->coro.number = (uint32_t)++loop->tasks_made;
    list_push_back(&loop->tasks, &task->link);
    task->future.refs = 2; /* the loop's and the caller's */
    *ret_task = task;
    return 0;
}

void rill__task_launch(struct rill__task *task, bool eager)
{
    struct rill_loop *loop = task->future.loop;
    if ((!eager && !loop->opts.eager) || !loop->running) {
        rill__loop_ready(loop, &task->ready);
        return;
    }
    task->driving++; /* when it parks, control comes back here, also in a callback */
    start_task(&task->ready);
    task->driving--;
}

rill_task *rill_loop_create_task(rill_loop *loop, rill_coro coro, const rill_task_opts *opts)
{
    static const rill_task_opts defaults;
    struct rill__task *task;
    if (opts == NULL)
        opts = &defaults;
    int r = rill__task_new(loop, coro, opts, &task);
    if (r == -ESRCH || (r == -ESHUTDOWN && loop != rill__loop_running))
        loop = NULL; /* nobody of ours to tell of it */
    if (r < 0)
        return rill__future_failed(loop, r);
    rill__task_launch(task, opts->eager);
    return &task->future;
}

rill_task *rill_create_task_with(rill_coro coro, const rill_task_opts *opts)
{
    return rill_loop_create_task(rill__loop_running, coro, opts);
}

rill_task *rill_create_task(rill_coro coro)
{
    return rill_loop_create_task(rill__loop_running, coro, NULL);
}

rill_task *rill_ensure_task(rill_coro coro)
{
    return rill_loop_create_task(rill_get_event_loop(), coro, NULL);
}

rill_task *rill_current_task(void)
{
    return rill__loop_running != NULL ? rill__loop_running->current : NULL;
}

/* --- Names. --- */

const char *rill__task_name(const struct rill__task *task, char numbered[RILL__NUMBERED])
{
    if (task->coro.title != NULL)
        return task->coro.title;
    snprintf(numbered, RILL__NUMBERED, "Task-%u", task->coro.number);
    return numbered;
}

const char *rill_task_name(const rill_task *future)
{
    if (future->kind != RILL__TASK)
        return "";
    struct rill__task *task = container_of(future, struct rill__task, future);
    char numbered[RILL__NUMBERED];
    const char *name = rill__task_name(task, numbered);
    if (task->coro.title == NULL)
        task->coro.title = rill_copy(name, strlen(name));
    return task->coro.title != NULL ? task->coro.title : "Task-?";
}

int rill_task_set_name(rill_task *future, const char *name)
{
    if (future->kind != RILL__TASK)
        return -EINVAL; /* a task that could not be made is a plain future */
    char *copy = rill_copy(name, strlen(name));
    if (copy == NULL)
        return -ENOMEM;
    struct rill__task *task = rill__task_of(future);
    rill_free((char *)task->coro.title);
    task->coro.title = copy;
    return 0;
}

/* --- Parking. --- */

#ifdef RILL_CHECK_SLOW
void (*rill__task_on_park)(struct rill__task *task);
#endif

/* The task whose step is next, in this turn or the one after it: it is entered straight from here,
 * without the way through the loop. NULL if something else comes next, or the task is not driven by
 * the loop. */
static struct rill__task *next_to_run(const struct rill__task *task)
{
    struct rill_loop *loop = task->future.loop;
    struct list *turn = &loop->turn;
    if (task->coro.caller != NULL || (list_is_empty(turn) && !rill__loop_next_turn(loop)))
        return NULL;
    struct rill__ready *ready = container_of(turn->next, struct rill__ready, link);
    if (ready->run != run_task)
        return NULL;
    list_remove(&ready->link);
    return rill__task_of_ready(ready);
}

void rill__task_park(struct rill__task *task, struct rill__wait *wait)
{
    task->wait = wait;
#ifdef RILL_CHECK_SLOW
    if (rill__task_on_park != NULL)
        rill__task_on_park(task);
#endif
    rill__task_give_way(task);
    task->wait = NULL;
}

void rill__task_give_way(struct rill__task *task)
{
    struct rill__task *next = task->driving == 0 ? next_to_run(task) : NULL;
    if (next == NULL) {
        rill__coro_suspend();
    } else {
        rill__loop_count_step(next->future.loop);
        enter_step(next);
    }
    if (next != NULL && next != task)
        rill__coro_transfer(&next->coro);
}

/* --- Values, errors, deferred calls. --- */

static int keep_value(void *value, bool owned)
{
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    if (task->future.owns_value)
        rill_free(task->future.value);
    task->future.value = value;
    task->future.owns_value = owned;
    return 0;
}

int rill_return_ptr(void *value)
{
    return keep_value(value, false);
}

int rill_return_copy(const void *value, size_t size)
{
    if (rill__task_running() == NULL)
        return -ESRCH;
    void *copy = rill_copy(value, size);
    return copy == NULL ? -ENOMEM : keep_value(copy, true);
}

int rill_return_fmt(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        return -EINVAL;
    if (rill__task_running() == NULL)
        return -ESRCH;
    char *text = rill_alloc((size_t)size + 1);
    if (text == NULL)
        return -ENOMEM;
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return keep_value(text, true);
}

void rill__task_note(struct rill__task *task, struct rill__detail *detail)
{
    rill__detail_ref(detail);
    rill__detail_unref(task->future.detail);
    task->future.detail = detail;
}

int rill_fail_at(const char *where, int err, const char *format, ...)
{
    char text[256];
    va_list args;
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return err;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct rill__detail *detail = rill__detail_new(err, where, text);
    rill__task_note(task, detail);
    rill__detail_unref(detail);
    return err;
}

/* What came of the last run of this thread. A copy: a detail would have to be released when the thread ends. */
static _Thread_local struct {
    rill_err err; /* code 0: nothing went wrong */
    char text[256];
} outcome;

void rill__outcome_note(const rill_future *future, int r)
{
    const rill_err *err = r < 0 && future->detail != NULL ? &future->detail->err : NULL;
    outcome.err = (rill_err){ .code = r < 0 ? r : 0 };
    if (err == NULL)
        return;
    outcome.err.where = err->where; /* static, as rill_fail has it */
    if (err->msg == NULL)
        return;
    snprintf(outcome.text, sizeof outcome.text, "%s", err->msg);
    outcome.err.msg = outcome.text;
}

const rill_err *rill_last_error(void)
{
    struct rill__task *task = rill__task_running();
    if (rill__loop_running == NULL)
        return outcome.err.code < 0 ? &outcome.err : NULL;
    return task != NULL && task->future.detail != NULL ? &task->future.detail->err : NULL;
}

struct outside_call {
    rill_fn *fn;
    void *arg;
    int rc;
};

static void call_outside(void *arg)
{
    struct outside_call *call = arg;
    call->rc = call->fn(call->arg);
}

int rill_call_on_loop_stack(rill_fn *fn, void *arg)
{
    struct outside_call call = { fn, arg, 0 };
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL || loop->current == NULL) {
        rill__coro_call_outside(call_outside, &call);
        return call.rc;
    }
    rill_future *task = loop->current, *outer = loop->values_of;
    loop->values_of = task;
    loop->current = NULL; /* it is a callback: it must not await */
    rill__coro_call_outside(call_outside, &call);
    loop->current = task;
    loop->values_of = outer;
    return call.rc;
}

int rill_defer(rill_call_fn *fn, void *arg)
{
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    struct rill__defer *defer = rill_alloc(sizeof *defer);
    if (defer == NULL)
        return -ENOMEM;
    *defer = (struct rill__defer){ task->defers, fn, arg };
    task->defers = defer;
    return 0;
}
