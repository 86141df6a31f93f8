/* future.c - future states, callbacks, results and error details.
 *
 * PENDING leads to FINISHED or CANCELLED, once, and never back. See future.h for the wait protocol. */
#include "core/task/future.h"

#include "core/task/task.h"
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/task.h>
#include <rill/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- Details. --- */

struct rill__detail *rill__detail_new(int code, const char *where, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 1 : 0;
    struct rill__detail *detail = rill_alloc(sizeof *detail + size);
    if (detail == NULL)
        return NULL;
    *detail = (struct rill__detail){ .refs = 1, .err = { .code = code, .where = where } };
    if (text != NULL) {
        memcpy(detail->text, text, size);
        detail->err.msg = detail->text;
    }
    return detail;
}

struct rill__detail *rill__detail_ref(struct rill__detail *detail)
{
    if (detail != NULL)
        detail->refs++;
    return detail;
}

void rill__detail_unref(struct rill__detail *detail)
{
    if (detail == NULL || --detail->refs > 0)
        return;
    for (uint32_t i = 0; i < detail->count; i++)
        rill__detail_unref(detail->parts[i].detail);
    rill_free(detail->parts);
    rill_free(detail);
}

/* --- Life. --- */

static void plain_free(rill_future *future)
{
    if (future->loop == NULL)
        return; /* a static one */
    rill__future_fini(future);
    rill_free(future);
}

static const struct rill__future_ops plain_ops = { .free = plain_free };

/* By kind: a pointer in each future would cost eight octets. */
static const struct rill__future_ops *const ops_of[] = {
    [RILL__PLAIN] = &plain_ops,         [RILL__TASK] = &rill__task_ops,
    [RILL__GATHER] = &rill__gather_ops, [RILL__SHIELD] = &rill__shield_ops,
    [RILL__SLEEP] = &rill__sleep_ops,   [RILL__WRAPPED] = &rill__wrapped_ops,
};

const struct rill__future_ops *rill__future_ops(const rill_future *future)
{
    return ops_of[future->kind];
}

void rill__future_init(rill_future *future, enum rill__future_kind kind, struct rill_loop *loop)
{
    *future = (rill_future){ .refs = 1, .kind = (uint8_t)kind, .loop = loop };
    list_init(&future->callbacks);
}

void rill__future_fini(rill_future *future)
{
    if (future->owns_value)
        rill_free(future->value);
    rill__detail_unref(future->detail);
}

/* Born done, for callers without memory or loop: shared, never freed, never changed. */
static rill_future *static_failure(int error)
{
    static const int errors[] = { -ENOMEM, -ESRCH, -ESHUTDOWN, -EINVAL };

    enum { count = sizeof errors / sizeof *errors };

    static _Thread_local rill_future failures[count];
    size_t i = count - 1;
    while (i > 0 && errors[i] != error)
        i--;
    rill_future *future = &failures[i];
    rill__future_init(future, RILL__PLAIN, NULL);
    future->refs = UINT32_MAX / 2;
    future->state = RILL_FINISHED;
    future->taken = true;
    future->rc = errors[i];
    return future;
}

rill_future *rill__future_failed(struct rill_loop *loop, int error)
{
    rill_future *future = NULL;
    if (loop != NULL && error != -ENOMEM)
        future = rill_alloc(sizeof *future);
    if (future == NULL)
        return static_failure(error);
    rill__future_init(future, RILL__PLAIN, loop);
    rill__future_end(future, RILL_FINISHED, error, NULL);
    return future;
}

rill_future *rill_loop_create_future(rill_loop *loop)
{
    if (loop == NULL)
        return static_failure(-ESRCH);
    rill_future *future = rill_alloc(sizeof *future);
    if (future == NULL)
        return static_failure(-ENOMEM);
    rill__future_init(future, RILL__PLAIN, loop);
    return future;
}

rill_future *rill_future_new(void)
{
    return rill_loop_create_future(rill__loop_running);
}

rill_future *rill_ref(rill_future *future)
{
    future->refs++;
    return future;
}

static bool error_untaken(const rill_future *future)
{
    return future->state == RILL_FINISHED && future->rc < 0 && future->rc != -ECANCELED &&
           !future->taken && future->loop != NULL;
}

void rill_unref(rill_future *future)
{
    if (future == NULL || --future->refs > 0)
        return;
    if (error_untaken(future)) {
        future->refs = 1; /* the handler may look at it */
        future->taken = true;
        rill__loop_report(future->loop, "nobody took the error of", future);
        if (--future->refs > 0)
            return;
    }
    ops_of[future->kind]->free(future);
}

/* --- The end. --- */

void rill__future_end(rill_future *future, rill_future_state state, int rc,
                      struct rill__detail *detail)
{
    struct rill_loop *loop = future->loop;
    struct list *node;
    CHECK_SLOW(future->state == RILL_PENDING);
    future->state = (uint8_t)state;
    future->rc = rc;
    rill__detail_unref(future->detail);
    future->detail = detail;
    if (list_is_empty(&future->callbacks) ||
        (loop != rill__loop_running && !rill__loop_is_live(loop)))
        return; /* nobody waits, or nobody is there any more to tell them */
    while ((node = list_pop_front(&future->callbacks)) != NULL)
        rill__loop_ready(loop, container_of(node, struct rill__callback, link)->ready);
}

void rill__future_end_as(rill_future *future, rill_future *from)
{
    from->taken = true;
    future->value = from->value;
    rill__future_end(future, (rill_future_state)from->state, from->rc,
                     rill__detail_ref(from->detail));
}

static int set(rill_future *future, int rc, void *value, struct rill__detail *detail)
{
    if (future->kind != RILL__PLAIN) {
        rill__detail_unref(detail);
        return rill__misuse(-EPERM);
    }
    if (future->state != RILL_PENDING) {
        rill__detail_unref(detail);
        return -EALREADY;
    }
    future->value = value;
    rill__future_end(future, RILL_FINISHED, rc, detail);
    return 0;
}

int rill_future_set_result(rill_future *future, int rc, void *value)
{
    return set(future, rc, value, NULL);
}

int rill_future_set_result_unless_cancelled(rill_future *future, int rc, void *value)
{
    if (future->kind == RILL__PLAIN && future->state == RILL_CANCELLED)
        return 0;
    return set(future, rc, value, NULL);
}

int rill_future_set_error(rill_future *future, int err, const char *format, ...)
{
    char text[256];
    va_list args;
    if (err >= 0)
        return -EINVAL;
    if (format == NULL)
        return set(future, err, NULL, NULL);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return set(future, err, NULL, rill__detail_new(err, NULL, text));
}

RILL__NOTES_CALLER bool rill_cancel(rill_future *future, const char *msg)
{
    struct rill__asker asker = { .where = __builtin_return_address(0) };
    const struct rill__asker *before = rill__ask_begin(&asker);
    bool made = rill__cancel(future, msg);
    rill__ask_end(before);
    return made;
}

bool rill__cancel(rill_future *future, const char *msg)
{
    if (future->state != RILL_PENDING) {
        future->taken = true; /* who cancels it does not ask for its error */
        return false;
    }
    const struct rill__future_ops *ops = ops_of[future->kind];
    if (ops->cancel != NULL)
        return ops->cancel(future, msg);
    rill__future_end(future, RILL_CANCELLED, -ECANCELED,
                     msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL);
    return true;
}

/* --- Done callbacks. --- */

struct done_callback {
    struct rill__callback callback;
    struct rill__ready ready;
    struct rill__vars *vars; /* that were in force where it was added */
    struct list awaiting; /* in the loop's list while the future is pending: each holds the other */
    rill_future *future;
    rill_done_fn *fn;
    void *arg;
};

static void run_done_callback(struct rill__ready *ready)
{
    struct done_callback *done = container_of(ready, struct done_callback, ready);
    struct rill_loop *loop = rill__loop_running;
    list_remove(&done->awaiting);
    rill__vars_begin_call(loop, done->vars);
    done->fn(done->future, done->arg);
    rill__vars_end_call(loop);
    rill_unref(done->future);
    rill_free(done);
}

int rill_add_done_callback(rill_future *future, rill_done_fn *fn, void *arg)
{
    struct rill_loop *loop = future->loop != NULL ? future->loop : rill__loop_running;
    int r = loop != NULL ? rill__loop_check(loop) : -ESRCH;
    if (r < 0)
        return r;
    struct done_callback *done = rill_alloc_zero(1, sizeof *done);
    if (done == NULL)
        return -ENOMEM;
    done->callback.ready = &done->ready;
    done->ready.run = run_done_callback;
    done->future = rill_ref(future);
    done->vars = rill__vars_keep();
    done->fn = fn;
    done->arg = arg;
    if (future->state == RILL_PENDING) {
        rill__callback_add(future, &done->callback);
        list_push_back(&loop->awaiting, &done->awaiting);
    } else {
        rill__loop_ready(loop, &done->ready);
    }
    return 0;
}

static void drop_callback(struct done_callback *done)
{
    list_remove(&done->callback.link);
    list_remove(&done->awaiting);
    rill__vars_drop(done->vars);
    rill_unref(done->future);
    rill_free(done);
}

void rill__callbacks_drop(struct rill_loop *loop)
{
    while (!list_is_empty(&loop->awaiting))
        drop_callback(container_of(loop->awaiting.next, struct done_callback, awaiting));
}

size_t rill_remove_done_callback(rill_future *future, rill_done_fn *fn, void *arg)
{
    size_t removed = 0;
    list_for_each_safe(node, &future->callbacks) {
        struct rill__callback *callback = container_of(node, struct rill__callback, link);
        if (callback->ready->run != run_done_callback)
            continue;
        struct done_callback *done = container_of(callback, struct done_callback, callback);
        if (done->fn != fn || done->arg != arg)
            continue;
        drop_callback(done); /* the caller holds a reference, so this one is not the last */
        removed++;
    }
    return removed;
}

/* --- Looking at it. --- */

rill_future_state rill_state(const rill_future *future)
{
    return (rill_future_state)future->state;
}

bool rill_done(const rill_future *future)
{
    return future->state != RILL_PENDING;
}

bool rill_cancelled(const rill_future *future)
{
    return future->state == RILL_CANCELLED;
}

int rill__future_code(rill_future *future)
{
    future->taken = true;
    return future->rc;
}

int rill_result(rill_future *future)
{
    return future->state == RILL_PENDING ? -EINPROGRESS : rill__future_code(future);
}

void *rill_value(rill_future *future)
{
    return future->state == RILL_FINISHED && future->rc >= 0 ? future->value : NULL;
}

const rill_err *rill_error(rill_future *future)
{
    static _Thread_local rill_err plain;
    if (future->state == RILL_PENDING || future->rc >= 0)
        return NULL;
    future->taken = true;
    if (future->detail != NULL)
        return &future->detail->err;
    plain = (rill_err){ .code = future->rc };
    return &plain;
}

static const char *state_word(const rill_future *future)
{
    switch (future->state) {
    case RILL_PENDING: return rill_cancelling(future) > 0 ? "cancelling" : "pending";
    case RILL_CANCELLED: return "cancelled";
    default: return "finished";
    }
}

static void add_result(const rill_future *future, rill_text *text)
{
    if (future->state != RILL_FINISHED)
        return;
    if (future->rc < 0)
        rill_text_fmt(text, " error=%s", rill_errname(future->rc));
    else if (future->owns_value && future->value != NULL)
        rill_text_fmt(text, " result='%s'", (const char *)future->value);
    else if (future->rc == 0)
        rill_text_add(text, RILL_SPAN(" result=None"));
    else
        rill_text_fmt(text, " result=%d", future->rc);
}

enum { repr_depth = 4 }; /* who awaits whom: a cycle ends here */

static void add_repr(const rill_future *future, rill_text *text, int depth)
{
    const struct rill__task *task =
        future->kind == RILL__TASK ? container_of(future, struct rill__task, future) : NULL;
    char numbered[RILL__NUMBERED];
    struct rill__told told;
    const rill_future *awaited = task != NULL && rill__task_tell(task, &told) ? told.future : NULL;
    rill_text_fmt(text, "<%s %s", task != NULL ? "Task" : "Future", state_word(future));
    if (task != NULL)
        rill_text_fmt(text, " name='%s' coro=%s() at %s:%d", rill__task_name(task, numbered),
                      task->coro.site->function, task->coro.site->file, task->coro.site->line);
    if (awaited != NULL)
        rill_text_add(text, RILL_SPAN(" wait_for="));
    if (awaited != NULL && depth == repr_depth)
        rill_text_add(text, RILL_SPAN("..."));
    else if (awaited != NULL)
        add_repr(awaited, text, depth + 1);
    add_result(future, text);
    rill_text_char(text, '>');
}

int rill_repr(const rill_future *future, char *buf, size_t size)
{
    char memory[1024];
    rill_text text = { memory, sizeof memory, 0, false };
    add_repr(future, &text, 1);
    return snprintf(buf, size, "%s", rill_text_end(&text));
}
