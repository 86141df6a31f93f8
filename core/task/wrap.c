/* wrap.c - jobs and loops: a future that stands for a job, a job that stands for a task.
 *
 * Both ways the two sides live in different threads, so what lies between them is held by each and
 * freed by the last. From the thread of a job's end only an entry is put on the loop's queue; without
 * memory, since it lies in the object between. A loop that is gone takes none, and nothing of it is
 * touched then. */
#include "core/task/job.h"
#include "core/task/task.h"

#include <rill/mem.h>

#include <errno.h>

/* --- A future that stands for a job. --- */

struct wrapped {
    rill_future future;
    struct rill__job_observer observer;
    struct rill__ready settle;
    struct rill_job *job;
    struct rill_loop *loop;
    uint32_t holds; /* atomic: the future's, and that of the job's end */
};

static void drop(struct wrapped *wrapped)
{
    if (__atomic_sub_fetch(&wrapped->holds, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rill__future_fini(&wrapped->future);
    rill_job_unref(wrapped->job);
    rill_free(wrapped);
}

/* The texts of errors belong to one thread: each future gets its own. */
static struct rill__detail *copy_detail(const struct rill_job *job)
{
    const struct rill__detail *detail = job->detail;
    return detail != NULL ? rill__detail_new(detail->err.code, detail->err.where, detail->err.msg)
                          : NULL;
}

static void end_as_job(struct wrapped *wrapped)
{
    struct rill_job *job = wrapped->job;
    bool cancelled = job->rc == -ECANCELED;
    if (!cancelled && job->rc >= 0)
        wrapped->future.value = job->value;
    rill__future_end(&wrapped->future, cancelled ? RILL_CANCELLED : RILL_FINISHED, job->rc,
                     copy_detail(job));
}

static void settle(struct rill__ready *ready)
{
    struct wrapped *wrapped = container_of(ready, struct wrapped, settle);
    rill__loop_outside(wrapped->loop, -1);
    if (wrapped->future.state == RILL_PENDING)
        end_as_job(wrapped);
    drop(wrapped);
}

/* In any thread. */
static void on_job_end(struct rill__job_observer *observer)
{
    struct wrapped *wrapped = container_of(observer, struct wrapped, observer);
    if (!rill__wake_post(wrapped->loop, &wrapped->settle))
        drop(wrapped);
}

static bool wrapped_cancel(rill_future *future, const char *msg)
{
    struct wrapped *wrapped = container_of(future, struct wrapped, future);
    rill__future_end(future, RILL_CANCELLED, -ECANCELED,
                     msg != NULL ? rill__detail_new(-ECANCELED, NULL, msg) : NULL);
    (void)rill_job_cancel(wrapped->job);
    return true;
}

/* A job that nobody will end any more must not keep what nobody has any more. */
static void wrapped_free(rill_future *future)
{
    struct wrapped *wrapped = container_of(future, struct wrapped, future);
    if (rill__job_leave(wrapped->job, &wrapped->observer)) {
        if (rill__loop_is_live(wrapped->loop))
            rill__loop_outside(wrapped->loop, -1);
        drop(wrapped);
    }
    drop(wrapped);
}

const struct rill__future_ops rill__wrapped_ops = { .cancel = wrapped_cancel,
                                                    .free = wrapped_free };

rill_future *rill_wrap_future(rill_job *job)
{
    struct rill_loop *loop = rill_get_event_loop();
    struct wrapped *wrapped = loop != NULL ? rill_alloc_zero(1, sizeof *wrapped) : NULL;
    if (wrapped == NULL)
        return rill__future_failed(loop, -ENOMEM);
    rill__future_init(&wrapped->future, RILL__WRAPPED, loop);
    wrapped->observer.ended = on_job_end;
    wrapped->settle.run = settle;
    wrapped->job = rill_job_ref(job);
    wrapped->loop = loop;
    wrapped->holds = 2;
    rill__loop_outside(loop, 1);
    if (!rill__job_observe(job, &wrapped->observer))
        settle(&wrapped->settle);
    return &wrapped->future;
}

/* --- A job that stands for a task of a loop. --- */

struct remote {
    struct rill__ready start, stop, end;
    struct rill__callback callback;
    struct rill__job_observer observer;
    struct rill_loop *loop;
    struct rill_job *job;
    rill_task *task; /* the loop's side of it; NULL before and after */
    rill_coro coro;
    struct rill__vars *vars; /* of the thread that asked */
    uint32_t holds;          /* atomic: that of the task's end, and that of the job's */
};

static void drop_remote(struct remote *remote)
{
    if (__atomic_sub_fetch(&remote->holds, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rill_job_unref(remote->job);
    rill_free(remote);
}

/* A value that the task owns goes over: the task may be dropped in its own thread only. */
static void end_job(struct remote *remote, rill_future *task)
{
    void *value = task->value;
    bool owned = task->owns_value;
    const struct rill__detail *detail = task->detail;
    struct rill__detail *copy = NULL;
    if (owned) {
        task->value = NULL;
        task->owns_value = false;
    }
    if (task->rc < 0 && detail != NULL)
        copy = rill__detail_new(detail->err.code, detail->err.where, detail->err.msg);
    task->taken = true;
    (void)rill__job_end(remote->job, task->state == RILL_CANCELLED ? -ECANCELED : task->rc, value,
                        owned ? rill_free : NULL, copy);
}

static void on_task_end(struct rill__ready *ready)
{
    struct remote *remote = container_of(ready, struct remote, end);
    rill_task *task = remote->task;
    remote->task = NULL;
    end_job(remote, task);
    rill_unref(task);
    drop_remote(remote);
}

static void start(struct rill__ready *ready)
{
    struct remote *remote = container_of(ready, struct remote, start);
    if (rill_job_done(remote->job)) {
        rill__vars_drop(remote->vars);
        drop_remote(remote); /* cancelled before it began */
        return;
    }
    rill__vars_begin_call(remote->loop, remote->vars);
    remote->task = rill_loop_create_task(remote->loop, remote->coro, NULL);
    rill__vars_end_call(remote->loop);
    if (remote->task->state == RILL_PENDING)
        rill__callback_add(remote->task, &remote->callback);
    else
        on_task_end(&remote->end);
}

static void stop(struct rill__ready *ready)
{
    struct remote *remote = container_of(ready, struct remote, stop);
    if (remote->task != NULL)
        (void)rill_cancel(remote->task, NULL);
    drop_remote(remote);
}

/* In any thread. */
static void on_remote_end(struct rill__job_observer *observer)
{
    struct remote *remote = container_of(observer, struct remote, observer);
    bool cancelled = remote->job->state == RILL__JOB_CANCELLED;
    if (!cancelled || !rill__wake_post(remote->loop, &remote->stop))
        drop_remote(remote);
}

static struct rill_job *launch(struct remote *remote, rill_loop *loop, rill_coro coro)
{
    struct rill_job *job = remote->job;
    *remote = (struct remote){ .start.run = start,
                               .stop.run = stop,
                               .end.run = on_task_end,
                               .callback.ready = &remote->end,
                               .observer.ended = on_remote_end,
                               .loop = loop,
                               .job = rill_job_ref(job),
                               .coro = coro,
                               .vars = rill__vars_keep(),
                               .holds = 2 };
    (void)rill__job_observe(job, &remote->observer);
    if (rill__wake_post(loop, &remote->start))
        return job;
    rill__vars_drop(remote->vars);
    (void)rill__job_end(job, -ESHUTDOWN, NULL, NULL, NULL);
    drop_remote(remote);
    return job;
}

rill_job *rill_run_coroutine_threadsafe(rill_loop *loop, rill_coro coro)
{
    struct remote *remote = rill_alloc(sizeof *remote);
    struct rill_job *job = rill__job_new();
    if (remote == NULL || rill__job_is_static(job)) {
        rill_free(remote);
        rill_job_unref(job);
        return rill__job_failed(-ENOMEM);
    }
    remote->job = job;
    return launch(remote, loop, coro);
}
