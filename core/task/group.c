/* group.c - task groups: leaving waits for all children; the first failure cancels the rest.
 *
 * Abort cancels every child first and only then waits. The group asks its own task to cancel like
 * anybody else and takes exactly that request back when it is left, so a cancel from outside is
 * never lost and never invented. */
#include "core/task/task.h"

#include <rill/group.h>
#include <rill/mem.h>

#include <errno.h>

struct child {
    struct list link;
    struct rill__callback callback;
    struct rill__ready ready;
    struct group *group;
    rill_future *task; /* a reference */
};

struct failure {
    rill_err err;
    struct failure *next;
    struct rill__detail *detail;
};

struct group {
    struct rill__task *task; /* that entered it */
    struct list children;
    struct failure *first, *last;
    struct rill__wait *wait; /* of leave, while it waits */
    uint32_t deliveries;     /* the task's when the group asked it to cancel */
    int error;               /* the first, also when there was no memory to keep it */
    bool entered, leaving, ended;
    bool aborting;
    bool asked; /* the group has asked its task to cancel */
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

int rill_group_enter(rill_group *public)
{
    struct group *group = group_of(public);
    struct rill__task *task = rill__task_running();
    if (task == NULL)
        return -ESRCH;
    if (group->entered && !group->ended)
        return -EINVAL;
    free_errors(group);
    *group = (struct group){ .task = task, .entered = true };
    list_init(&group->children);
    return 0;
}

static void abort_children(struct group *group)
{
    group->aborting = true;
    list_for_each_safe(node, &group->children)
        rill_cancel(container_of(node, struct child, link)->task, "its group aborts");
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

static void ask_own_task(struct group *group, const char *msg)
{
    group->asked = true;
    group->deliveries = group->task->deliveries;
    rill__task_cancel(group->task, msg);
}

static void on_child(struct rill__ready *ready)
{
    struct child *child = container_of(ready, struct child, ready);
    struct group *group = child->group;
    rill_future *task = child->task;
    list_remove(&child->link);
    rill_free(child);
    task->taken = true;
    if (task->state == RILL_FINISHED && task->rc < 0) {
        note_error(group, task->rc, task->detail);
        if (!group->aborting && !group->asked) {
            abort_children(group);
            ask_own_task(group, "a task of its group failed");
        }
    }
    rill_unref(task);
    if (list_is_empty(&group->children) && group->wait != NULL)
        rill__loop_ready(group->task->future.loop, &group->task->ready);
}

rill_task *rill_group_create_task(rill_group *public, rill_coro coro)
{
    struct group *group = group_of(public);
    if (!group->entered)
        return rill__future_failed(rill__loop_running, -EINVAL);
    struct rill_loop *loop = group->task->future.loop;
    if (group->ended || group->aborting || (group->leaving && list_is_empty(&group->children)))
        return rill__future_failed(loop, -ESHUTDOWN);
    struct child *child = rill_alloc_zero(1, sizeof *child);
    if (child == NULL)
        return rill__future_failed(loop, -ENOMEM);
    rill_task *task = rill_loop_create_task(loop, coro, NULL);
    if (task->kind != RILL__TASK) {
        rill_free(child);
        return task;
    }
    child->callback.ready = &child->ready;
    child->ready.run = on_child;
    child->group = group;
    child->task = rill_ref(task);
    list_push_back(&group->children, &child->link);
    if (task->state == RILL_PENDING)
        rill__callback_add(task, &child->callback);
    else
        rill__loop_ready(loop, &child->ready); /* it was eager */
    if (group->aborting)
        rill_cancel(task, "its group aborts"); /* an eager one did that before it was on the list */
    return task;
}

int rill_group_go(rill_group *group, rill_coro coro)
{
    rill_task *task = rill_group_create_task(group, coro);
    int rc = task->kind == RILL__TASK ? 0 : rill_result(task);
    rill_unref(task);
    return rc;
}

int rill_group_cancel(rill_group *public, const char *msg)
{
    struct group *group = group_of(public);
    if (!group->entered || group->ended)
        return -EINVAL;
    if (!group->aborting)
        abort_children(group);
    if (!group->asked)
        ask_own_task(group, msg);
    return 0;
}

struct leave_wait {
    struct rill__wait wait;
    struct group *group;
    bool cancelled;
};

static bool cancel_leave(struct rill__wait *wait, const char *msg)
{
    struct leave_wait *leave = container_of(wait, struct leave_wait, wait);
    (void)msg;
    if (leave->cancelled || list_is_empty(&leave->group->children))
        return false;
    leave->cancelled = true;
    rill__loop_ready(leave->group->task->future.loop, &leave->group->task->ready);
    return true;
}

/* One wait for the children; true if a request to cancel came instead. */
static bool wait_children(struct group *group)
{
    struct rill__task *task = group->task;
    struct leave_wait leave = { .wait = { cancel_leave }, .group = group };
    if (task->undelivered == 0) {
        group->wait = &leave.wait;
        rill__task_park(task, &leave.wait);
        group->wait = NULL;
        if (!leave.cancelled)
            return false;
    }
    rill__task_deliver(task);
    return true;
}

int rill_group_leave(rill_group *public, int rc)
{
    struct group *group = group_of(public);
    struct rill__task *task = group->task;
    if (!group->entered || group->ended || group->leaving || task != rill__task_running())
        return -EINVAL;
    bool cancelled = rc == -ECANCELED;
    group->leaving = true;
    if (rc < 0 && !group->aborting)
        abort_children(group);
    while (!list_is_empty(&group->children)) {
        if (!wait_children(group) || group->aborting)
            continue;
        cancelled = true;
        abort_children(group);
    }
    group->ended = true;
    if (group->asked && rill__task_withdraw(task, group->deliveries) == 0)
        cancelled = false; /* the only request was our own */
    if (rc < 0 && rc != -ECANCELED)
        note_error(group, rc, task->last != NULL && task->last->err.code == rc ? task->last : NULL);
    if (group->error != 0) {
        if (task->cancels > 0 && task->undelivered == 0)
            task->undelivered =
                1; /* the errors first; the cancel at the next await, still counted */
        rill__task_note(task, group->first != NULL ? group->first->detail : NULL);
        return group->error;
    }
    if (cancelled)
        return -ECANCELED;
    return rc == -ECANCELED ? 0 : rc;
}

const rill_err *rill_group_errors(const rill_group *public)
{
    const struct group *group = (const struct group *)public;
    return group->first != NULL ? &group->first->err : NULL;
}

void rill_group_fini(rill_group *public)
{
    if (public != NULL)
        free_errors(group_of(public));
}
