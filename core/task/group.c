/* group.c - task groups: leaving waits for all children; the first failure cancels the rest.
 *
 * Abort cancels every child first and only then waits. The group asks its own task to cancel like
 * anybody else and takes exactly that request back when it is left, so a cancel from outside is
 * never lost and never invented. */
#include "core/task/told.h"

#include "core/base/plant.h"

#include <rill/group.h>
#include <rill/mem.h>

#include <errno.h>

struct start_wait;

struct child {
    struct list link;
    struct rill__callback callback;
    struct rill__ready ready;
    struct group *group;
    struct start_wait *start; /* who waits in rill_group_start until it says that it has started */
    rill_future *task;        /* a reference */
    bool given_up;            /* nobody waits for its start any more: it may say so all the same */
};

struct failure {
    rill_err err;
    struct failure *next;
    struct rill__detail *detail;
};

struct group {
    struct rill__block block; /* of the task that entered it */
    struct list children;
    struct failure *first, *last;
    int error; /* the first, also when there was no memory to keep it */
    bool entered, leaving, ended;
    bool aborting, waiting; /* `waiting`: leave waits for the children */
};

_Static_assert(sizeof(struct group) <= sizeof(rill_group), "rill_group has room for a group");

static struct group *group_of(rill_group *group)
{
    return (struct group *)group;
}

static void free_errors(struct group *group)
{
    while (group->first != NULL) {
        struct failure *dead = group->first;
        group->first = dead->next;
        rill__detail_unref(dead->detail);
        rill_free(dead);
    }
    group->last = NULL;
}

static void on_hard(struct rill__block *block);

RILL__NOTES_CALLER int rill_group_enter(rill_group *public)
{
    struct group *group = group_of(public);
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    if (group->entered)
        return rill__misuse(-EINVAL);
    *group = (struct group){ .entered = true };
    rill__block_enter(&group->block, task, __builtin_return_address(0));
    group->block.on_hard = on_hard;
    list_init(&group->children);
    return 0;
}

static void cancel_children(struct group *group, const void *where)
{
    struct rill__asker asker = { RILL_BY_GROUP, where, .task = group->block.task };
    const struct rill__asker *before = rill__ask_begin(&asker);
    group->aborting = true;
    list_for_each_safe(node, &group->children)
        rill__cancel(container_of(node, struct child, link)->task, "its group aborts");
    rill__ask_end(before);
}

static void abort_children(struct group *group)
{
    cancel_children(group, group->block.where);
}

/* The hard phase has come to the place of the group: its children are in it, too. */
static void on_hard(struct rill__block *block)
{
    struct group *group = container_of(block, struct group, block);
    if (!group->aborting)
        abort_children(group);
    list_for_each_safe(node, &group->children)
        rill__task_harden(rill__task_of(container_of(node, struct child, link)->task));
}

static void note_error(struct group *group, int code, struct rill__detail *detail)
{
    struct failure *failure = rill_alloc_zero(1, sizeof *failure);
    if (group->error == 0)
        group->error = code;
    if (failure == NULL)
        return;
    failure->err = detail != NULL ? detail->err : (rill_err){ .code = code };
    failure->err.next = NULL;
    failure->detail = rill__detail_ref(detail);
    if (group->last != NULL) {
        group->last->next = failure;
        group->last->err.next = &failure->err;
    } else {
        group->first = failure;
    }
    group->last = failure;
}

static void ask_own_task(struct group *group, const void *where, const char *msg)
{
    rill__block_ask(&group->block, RILL_BY_GROUP, where, msg);
}

static void end_start(struct start_wait *start, void *value);

static void on_failure(struct group *group, rill_future *task)
{
    note_error(group, task->rc, task->detail);
    if (group->aborting || group->block.asked)
        return;
    abort_children(group);
    ask_own_task(group, group->block.where, "a task of its group failed");
}

static void on_child(struct rill__ready *ready)
{
    struct child *child = container_of(ready, struct child, ready);
    struct group *group = child->group;
    rill_future *task = child->task;
    bool starting = child->start != NULL;
    if (starting)
        end_start(child->start, NULL); /* its error goes there */
    list_remove(&child->link);
    rill_free(child);
    task->taken = true;
    if (!starting && task->state == RILL_FINISHED && task->rc < 0)
        on_failure(group, task);
    rill_unref(task);
    if (list_is_empty(&group->children) && group->waiting)
        rill__loop_ready(group->block.task->future.loop, &group->block.task->ready);
}

const rill_table_child rill__group_child = {
    .run = on_child,
    .ready_run = offsetof(struct child, ready.run) - offsetof(struct child, callback),
    .group = offsetof(struct child, group) - offsetof(struct child, callback),
    .group_task = offsetof(struct group, block.task),
};

/* A child on the group's list: 0 or why there is none. It holds one reference of its task. */
static int add_child(struct group *group, rill_coro coro, struct child **ret_child)
{
    static const rill_task_opts defaults;
    struct rill__task *task;
    if (!group->entered)
        return rill__misuse(-EINVAL);
    if (group->ended || group->aborting || (group->leaving && list_is_empty(&group->children)))
        return -ESHUTDOWN;
    struct child *child = rill_alloc_zero(1, sizeof *child);
    if (child == NULL)
        return -ENOMEM;
    int r = rill__task_new(group->block.task->future.loop, coro, &defaults, &task);
    if (r < 0) {
        rill_free(child);
        return r;
    }
    child->callback.ready = &child->ready;
    child->ready.run = on_child;
    child->group = group;
    child->task = &task->future;
    list_push_back(&group->children, &child->link);
    rill__callback_add(child->task, &child->callback);
    *ret_child = child;
    return 0;
}

rill_task *rill_group_create_task(rill_group *public, rill_coro coro)
{
    struct group *group = group_of(public);
    struct child *child;
    int r = add_child(group, coro, &child);
    if (r < 0)
        return rill__future_failed(rill__loop_running, r);
    rill_task *task = rill_ref(child->task);
    rill__task_launch(rill__task_of(task), false);
    return task;
}

int rill_group_go(rill_group *group, rill_coro coro)
{
    rill_task *task = rill_group_create_task(group, coro);
    int rc = task->kind == RILL__TASK ? 0 : rill_result(task);
    rill_unref(task);
    return rc;
}

RILL__NOTES_CALLER int rill_group_cancel(rill_group *public, const char *msg)
{
    struct group *group = group_of(public);
    if (!group->entered || group->ended)
        return rill__misuse(-EINVAL);
    if (!group->aborting)
        cancel_children(group, __builtin_return_address(0));
    if (!group->block.asked)
        ask_own_task(group, __builtin_return_address(0), msg);
    return 0;
}

int rill_group_set_grace(rill_group *public, rill_time span)
{
    struct group *group = group_of(public);
    if (!group->entered || group->ended)
        return rill__misuse(-EINVAL);
    rill__block_set_grace(&group->block, span);
    return 0;
}

/* --- Starting a child and waiting until it is ready. --- */

struct start_wait {
    struct rill__wait wait;
    struct rill__task *task;
    struct child *child; /* NULL: it has started or ended, or the wait was given up */
    void *value;
    bool started;
};

static void end_start(struct start_wait *start, void *value)
{
    start->child->start = NULL;
    start->child = NULL;
    start->value = value;
    if (start->task->wait == &start->wait) /* else an eager child is running inside our call */
        rill__loop_ready(start->task->future.loop, &start->task->ready);
}

/* In the hard phase the child goes on as one that has started. */
static bool cancel_start(struct rill__wait *wait, const char *msg)
{
    struct start_wait *start = container_of(wait, struct start_wait, wait);
    if (start->child == NULL)
        return false;
    bool taken = rill__cancel(start->child->task, msg);
    if (start->task->hard) {
        start->child->given_up = true;
        end_start(start, NULL);
    }
    return taken || start->task->hard;
}

static const rill_table_wait tells_start = { .what = "the start of a child",
                                             .future = RILL__AT_VIA(struct start_wait, child,
                                                                    struct child, task) };

static int started(struct start_wait *start, rill_task *child)
{
    if (start->started)
        return 0;
    if (child->state == RILL_PENDING)
        return rill__task_deliver(start->task);
    int rc = rill__future_code(child);
    if (rc < 0)
        rill__task_note(start->task, child->detail);
    return rc < 0 ? rc : -EPROTO;
}

int rill_group_start(rill_group *public, rill_coro coro, void **ret_value)
{
    struct start_wait start = { .wait = { cancel_start, &tells_start } };
    int r = rill__await_begin(&start.task);
    if (r == 0)
        r = add_child(group_of(public), coro, &start.child);
    if (r < 0)
        return r;
    rill_task *child = rill_ref(start.child->task);
    start.child->start = &start;
    rill__task_launch(rill__task_of(child), false);
    while (start.child != NULL)
        rill__task_park(start.task, &start.wait);
    r = started(&start, child);
    rill_unref(child);
    if (r == 0 && ret_value != NULL)
        *ret_value = start.value;
    return r;
}

int rill_started(void *value)
{
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    list_for_each(node, &task->future.callbacks) {
        struct rill__callback *callback = container_of(node, struct rill__callback, link);
        struct child *child = container_of(callback, struct child, callback);
        if (callback->ready->run != on_child || (child->start == NULL && !child->given_up))
            continue;
        child->given_up = false;
        if (child->start == NULL)
            return 0;
        child->start->started = true;
        end_start(child->start, value);
        return 0;
    }
    return rill__misuse(-EINVAL);
}

/* --- Leaving. --- */

struct leave_wait {
    struct rill__plain_wait plain;
    struct group *group;
};

static const rill_table_wait tells_leave = { .what = "the children of group",
                                             .object = RILL__AT(struct leave_wait, group) };

/* One wait for the children; true if a request to cancel came instead. */
static bool wait_children(struct group *group)
{
    struct rill__task *task = group->block.task;
    struct leave_wait leave = { rill__plain_wait(task, &tells_leave), group };
    int r = task->undelivered > 0 ? rill__task_deliver(task) : 0;
    if (r == 0) {
        group->waiting = true;
        r = rill__plain_park(&leave.plain);
        group->waiting = false;
    }
    return r < 0;
}

/* Why a group ends cancelled: what its block got, else the first request that came while it was left.
 * Later ones find it aborting. */
struct why {
    bool cancelled, noted;
    struct rill__detail *detail; /* a reference */
};

static void note_why(struct why *why, const struct rill__task *task)
{
    why->noted = true;
    why->detail = rill__detail_ref(rill__task_last(task, -ECANCELED));
}

/* Wait for all children, and note whether a request to cancel came. */
static void wait_for_all(struct group *group, struct why *why)
{
    while (!list_is_empty(&group->children)) {
        if (PLANTED(12) && group->children.next == group->children.prev)
            break;
        if (!wait_children(group))
            continue;
        why->cancelled = true; /* or it was our own request: the withdrawal shows */
        if (group->aborting)
            continue;
        note_why(why, group->block.task);
        abort_children(group);
    }
}

/* Let `detail` have copies of all errors below it. Without memory it has none. */
static void add_parts(struct rill__detail *detail, const struct group *group)
{
    uint32_t count = 0;
    for (const struct failure *failure = group->first; failure != NULL; failure = failure->next)
        count++;
    detail->parts = rill_alloc_zero(count, sizeof *detail->parts);
    if (detail->parts == NULL)
        return;
    for (const struct failure *failure = group->first; failure != NULL; failure = failure->next) {
        struct rill__part *part = &detail->parts[detail->count++];
        part->err = failure->err;
        part->err.next = detail->count < count ? &part[1].err : NULL;
        part->detail = rill__detail_ref(failure->detail);
    }
    detail->err.sub = &detail->parts[0].err;
}

/* What the group fails with: what its first error says, and if there are several all of them below. */
static struct rill__detail *detail_of(const struct group *group)
{
    const struct failure *first = group->first;
    if (first == NULL || first == group->last)
        return first != NULL ? rill__detail_ref(first->detail) : NULL;
    struct rill__detail *detail = rill__detail_new(group->error, first->err.where, first->err.msg);
    if (detail == NULL)
        return rill__detail_ref(first->detail);
    add_parts(detail, group);
    return detail;
}

/* The errors first; a cancel from outside at the next await, still counted. */
static int report_errors(struct group *group, struct rill__task *task)
{
    struct rill__detail *detail = detail_of(group);
    if (rill__task_asked(task) > 0 && task->undelivered == 0)
        task->undelivered = 1;
    rill__task_note(task, detail);
    rill__detail_unref(detail);
    return group->error;
}

static int report_cancel(const struct why *why, struct rill__task *task)
{
    if (why->noted)
        rill__task_note(task, why->detail);
    return -ECANCELED;
}

int rill_group_leave(rill_group *public, int rc)
{
    struct group *group = group_of(public);
    struct rill__task *task = group->block.task;
    if (!group->entered || group->ended || group->leaving || task != rill__task_running())
        return rill__misuse(-EINVAL);
    struct why why = { .cancelled = rc == -ECANCELED };
    if (why.cancelled)
        note_why(&why, task);
    group->leaving = true;
    if (rc < 0 && !group->aborting)
        abort_children(group);
    wait_for_all(group, &why);
    group->ended = true;
    if (group->block.asked && rill__block_withdraw(&group->block) <= group->block.cancels)
        why.cancelled = false; /* the only request was our own */
    rill__block_leave(&group->block);
    if (rc < 0 && rc != -ECANCELED)
        note_error(group, rc, rill__task_last(task, rc));
    if (group->error != 0)
        rc = report_errors(group, task);
    else if (why.cancelled)
        rc = report_cancel(&why, task);
    else if (rc == -ECANCELED)
        rc = 0;
    rill__detail_unref(why.detail);
    return rc;
}

const rill_err *rill_group_errors(const rill_group *public)
{
    const struct group *group = (const struct group *)public;
    return group->first != NULL ? &group->first->err : NULL;
}

void rill_group_fini(rill_group *public)
{
    struct group *group = group_of(public);
    if (group == NULL)
        return;
    free_errors(group);
    if (group->ended)
        *group = (struct group){ 0 };
}
