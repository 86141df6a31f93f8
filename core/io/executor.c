/* executor.c - threads that call blocking functions, and the tasks that wait for these.
 *
 * A thread is started when a job finds nobody idle, up to the bound, and stays until the executor is
 * shut down. All signals are blocked in there: they are for the program's own threads. A thread that
 * is busy when its executor is given back is abandoned: it is detached, holds the executor's memory
 * and drops it when its function returns at last.
 *
 * A loop's own executor is made on first use. Files and names never pass here: the pool is the user's. */
#include "core/io/executor.h"

#include "core/base/machine.h"
#include "core/base/mem.h"
#include "core/base/symbols.h"
#include "core/task/job.h"
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/text.h>
#include <rill/var.h>
#include <rill/wait.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

enum { threads_most = 1024, threads_usual = 32 };

struct thread {
    struct list link;
    struct rill_executor *executor;
    struct rill_job *job; /* that it does; NULL: none */
    pthread_t id;
    bool told;      /* of its job, when that was abandoned */
    bool abandoned; /* nobody joins it: it frees this itself */
};

struct rill_executor {
    uint32_t refs;         /* atomic: its owner's, and one for each thread */
    pid_t pid;             /* a child of a fork has none of the threads */
    pthread_mutex_t mutex; /* guards the rest, and the threads' records */
    pthread_cond_t work, quiet;
    struct list queue; /* of jobs */
    struct list threads;
    unsigned most, started, idle, busy;
    size_t queued;
    bool shut;
    struct rill_job
        *drained; /* ends when nothing is left to do after shutdown; NULL: nobody waits */
};

static unsigned usual_threads(void)
{
    cpu_set_t cpus;
    unsigned count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
    return count + 4 < threads_usual ? count + 4 : threads_usual;
}

int rill_executor_new(unsigned threads, rill_executor **ret_executor)
{
    if (threads > threads_most)
        return -EINVAL;
    rill_executor *executor = rill_alloc_zero(1, sizeof *executor);
    if (executor == NULL)
        return -ENOMEM;
    executor->refs = 1;
    executor->pid = getpid();
    executor->most = threads > 0 ? threads : usual_threads();
    pthread_mutex_init(&executor->mutex, NULL);
    pthread_cond_init(&executor->work, NULL);
    rill__cond_init(&executor->quiet);
    list_init(&executor->queue);
    list_init(&executor->threads);
    *ret_executor = executor;
    return 0;
}

static void unref(rill_executor *executor)
{
    if (__atomic_sub_fetch(&executor->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    pthread_cond_destroy(&executor->work);
    pthread_cond_destroy(&executor->quiet);
    pthread_mutex_destroy(&executor->mutex);
    rill_free(executor);
}

static void count(unsigned *counter, unsigned more)
{
    __atomic_add_fetch(counter, more, __ATOMIC_SEQ_CST);
}

/* --- A thread. --- */

/* With the mutex held. The job that ends now that all is done, or NULL. */
static struct rill_job *take_drained(rill_executor *executor)
{
    if (!executor->shut || executor->queued > 0 || executor->busy > 0)
        return NULL;
    pthread_cond_broadcast(&executor->quiet);
    struct rill_job *drained = executor->drained;
    executor->drained = NULL;
    return drained;
}

static void end_drained(struct rill_job *drained)
{
    if (drained == NULL)
        return;
    (void)rill__job_end(drained, 0, NULL, NULL, NULL);
    rill_job_unref(drained);
}

/* With the mutex held. NULL: the thread is to end. */
static struct rill_job *next_job(rill_executor *executor)
{
    executor->idle++;
    while (executor->queued == 0 && !executor->shut)
        pthread_cond_wait(&executor->work, &executor->mutex);
    executor->idle--;
    struct list *node = list_pop_front(&executor->queue);
    if (node == NULL)
        return NULL;
    executor->queued--;
    return container_of(node, struct rill_job, link);
}

/* With the mutex held, which is let go meanwhile. */
static void do_job(struct thread *self, struct rill_job *job)
{
    rill_executor *executor = self->executor;
    self->job = job;
    executor->busy++;
    pthread_mutex_unlock(&executor->mutex);
    rill__job_run(job);
    pthread_mutex_lock(&executor->mutex);
    self->job = NULL;
    executor->busy--;
    struct rill_job *drained = take_drained(executor);
    pthread_mutex_unlock(&executor->mutex);
    end_drained(drained);
    rill_job_unref(job);
    count(&rill__own_jobs, -1u); /* whoever it wakes has been woken */
    pthread_mutex_lock(&executor->mutex);
}

static void *thread_main(void *arg)
{
    struct thread *self = arg;
    rill_executor *executor = self->executor;
    struct rill_job *job;
    pthread_mutex_lock(&executor->mutex);
    while ((job = next_job(executor)) != NULL)
        do_job(self, job);
    bool abandoned = self->abandoned;
    pthread_mutex_unlock(&executor->mutex);
    if (abandoned)
        rill_free(self); /* else it is whoever joins us that frees it, perhaps already */
    unref(executor);
    rill__mem_end_thread();
    return NULL;
}

/* With the mutex held. 0; -ENOMEM; -EAGAIN. */
static int start_thread(rill_executor *executor)
{
    sigset_t all, before;
    struct thread *thread = rill_alloc_zero(1, sizeof *thread);
    if (thread == NULL)
        return -ENOMEM;
    thread->executor = executor;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->id, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        rill_free(thread);
        return -EAGAIN;
    }
    list_push_back(&executor->threads, &thread->link);
    __atomic_add_fetch(&executor->refs, 1, __ATOMIC_RELAXED);
    executor->started++;
    count(&rill__own_threads, 1);
    return 0;
}

/* --- Giving it jobs. --- */

/* With the mutex held. 0: the job is on the queue, and somebody will come for it. */
static int enqueue(rill_executor *executor, struct rill_job *job)
{
    if (executor->shut)
        return -ESHUTDOWN;
    bool more = executor->queued >= executor->idle && executor->started < executor->most;
    int r = more ? start_thread(executor) : 0;
    if (r < 0 && executor->started == 0)
        return r; /* else those that are there do it, later */
    list_push_back(&executor->queue, &rill_job_ref(job)->link);
    executor->queued++;
    count(&rill__own_jobs, 1);
    pthread_cond_signal(&executor->work);
    return 0;
}

/* The running loop's own. NULL: no memory. */
static rill_executor *own_executor(struct rill_loop *loop)
{
    if (loop->executor == NULL)
        (void)rill_executor_new(0, &loop->executor);
    return loop->executor;
}

/* A job of `fn`, given to `executor`. Takes `context`. Never NULL. */
static struct rill_job *submit(rill_executor *executor, rill_job_fn *fn, void *arg,
                               rill_context *context)
{
    struct rill_job *job = rill__job_new();
    if (rill__job_is_static(job)) {
        rill_context_unref(context);
        return job;
    }
    job->fn = fn;
    job->arg = arg;
    job->context = context;
    pthread_mutex_lock(&executor->mutex);
    int r = enqueue(executor, job);
    pthread_mutex_unlock(&executor->mutex);
    if (r == 0)
        return job;
    rill_job_unref(job);
    return rill__job_failed(r);
}

/* 0 and the executor that is meant; -ESRCH; -ENOMEM. */
static int find(rill_executor *given, rill_executor **ret_executor)
{
    struct rill_loop *loop = rill__loop_running;
    if (given == NULL && loop == NULL)
        return -ESRCH;
    rill_executor *executor = given != NULL ? given : own_executor(loop);
    if (executor == NULL)
        return -ENOMEM;
    *ret_executor = executor;
    return executor->pid == getpid() ? 0 : -ESRCH;
}

rill_job *rill_executor_submit(rill_executor *given, rill_job_fn *fn, void *arg)
{
    rill_executor *executor;
    int r = find(given, &executor);
    return r < 0 ? rill__job_failed(r) : submit(executor, fn, arg, NULL);
}

rill_future *rill_run_in_executor(rill_executor *executor, rill_job_fn *fn, void *arg)
{
    struct rill_job *job = rill_executor_submit(executor, fn, arg);
    rill_future *future = rill_wrap_future(job);
    if (future->state != RILL_PENDING && !rill_job_done(job))
        (void)rill_job_cancel(job); /* there was no memory for the future: nobody waits */
    rill_job_unref(job);
    return future;
}

/* --- A task that waits for its function. --- */

struct thread_wait {
    struct rill__wait wait;
    struct rill__job_observer observer;
    struct rill__ready settle;
    struct rill__task *task;
    struct rill_job *job;
    bool asked, over;
};

static void on_settled(struct rill__ready *ready)
{
    struct thread_wait *wait = container_of(ready, struct thread_wait, settle);
    wait->over = true;
    rill__loop_ready(wait->task->future.loop, &wait->task->ready);
}

/* In any thread. The loop takes it: one with a parked task is not closed. */
static void on_job_end(struct rill__job_observer *observer)
{
    struct thread_wait *wait = container_of(observer, struct thread_wait, observer);
    CHECK(rill__wake_post(wait->task->future.loop, &wait->settle));
}

static bool ask_to_stop(struct rill__wait *record, const char *msg)
{
    struct thread_wait *wait = container_of(record, struct thread_wait, wait);
    (void)msg;
    wait->asked = true;
    (void)rill_job_cancel(wait->job);
    return false; /* whether this is the delivery, the result decides */
}

static const rill_table_wait tells_thread = { .what = "a thread, for job",
                                              .object = RILL__AT(struct thread_wait, job) };

static int wait_for_job(struct rill__task *task, struct rill_job *job)
{
    struct thread_wait wait = { .wait = { ask_to_stop, &tells_thread },
                                .observer.ended = on_job_end,
                                .settle.run = on_settled,
                                .task = task,
                                .job = job };
    if (!rill__job_observe(job, &wait.observer))
        return job->rc;
    rill__loop_outside(task->future.loop, 1);
    while (!wait.over)
        rill__task_park(task, &wait.wait);
    rill__loop_outside(task->future.loop, -1);
    if (wait.asked && job->rc == -ECANCELED)
        return rill__task_deliver(task);
    task->reached_op |= wait.asked;
    return job->rc;
}

int rill_to_thread(rill_job_fn *fn, void *arg)
{
    struct rill__task *task;
    rill_executor *executor;
    int r = rill__await_begin(&task);
    if (r == 0)
        r = find(NULL, &executor);
    if (r < 0)
        return r;
    rill_context *context = rill_context_copy();
    if (context == NULL)
        return -ENOMEM;
    struct rill_job *job = submit(executor, fn, arg, context);
    r = wait_for_job(task, job);
    rill_job_unref(job);
    return r;
}

/* --- The end. --- */

/* Take no more jobs. The job that ends when those that are there have: NULL: there are none; a static
 * one: no memory. */
static struct rill_job *close_door(rill_executor *executor)
{
    struct rill_job *drained = NULL;
    pthread_mutex_lock(&executor->mutex);
    executor->shut = true;
    pthread_cond_broadcast(&executor->work);
    if (executor->queued > 0 || executor->busy > 0) {
        if (executor->drained == NULL || rill__job_is_static(executor->drained))
            executor->drained = rill__job_new();
        drained = rill_job_ref(executor->drained);
    }
    pthread_mutex_unlock(&executor->mutex);
    return drained;
}

static void tell_abandoned(struct rill_loop *loop, const struct rill_job *job)
{
    char memory[512];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_fmt(&text, "its executor is shut down, but the function ");
    rill__symbols_add(&text, (const void *)(uintptr_t)job->fn);
    rill_text_fmt(&text, " still runs in a thread");
    rill__loop_report(loop, rill_text_end(&text), NULL);
}

/* With the mutex held: a job that runs and was not abandoned yet, with a reference; NULL: none. */
static struct rill_job *next_running(rill_executor *executor)
{
    list_for_each(node, &executor->threads) {
        struct thread *thread = container_of(node, struct thread, link);
        if (thread->job != NULL && !thread->told) {
            thread->told = true;
            return rill_job_ref(thread->job);
        }
    }
    return NULL;
}

/* Cancel what has not begun, leave what runs to its thread: how many those are. */
static int abandon(rill_executor *executor, struct rill_loop *loop)
{
    struct list queue, *node;
    struct rill_job *job;
    int abandoned = 0;
    list_init(&queue);
    pthread_mutex_lock(&executor->mutex);
    executor->shut = true;
    pthread_cond_broadcast(&executor->work);
    list_splice(&queue, &executor->queue);
    executor->queued = 0;
    while ((job = next_running(executor)) != NULL) {
        pthread_mutex_unlock(&executor->mutex);
        (void)rill_job_cancel(job);
        if (loop != NULL)
            tell_abandoned(loop, job);
        rill_job_unref(job);
        abandoned++;
        pthread_mutex_lock(&executor->mutex);
    }
    pthread_mutex_unlock(&executor->mutex);
    while ((node = list_pop_front(&queue)) != NULL) {
        job = container_of(node, struct rill_job, link);
        (void)rill_job_cancel(job);
        rill_job_unref(job);
        count(&rill__own_jobs, -1u);
    }
    return abandoned;
}

/* The threads that have nothing to do are ending: wait for that moment. The others are on their own. */
static void release_threads(rill_executor *executor)
{
    struct list leaving, *node;
    list_init(&leaving);
    pthread_mutex_lock(&executor->mutex);
    while ((node = list_pop_front(&executor->threads)) != NULL) {
        struct thread *thread = container_of(node, struct thread, link);
        thread->abandoned = thread->job != NULL;
        if (thread->abandoned) {
            pthread_detach(thread->id);
            count(&rill__own_threads, -1u);
        } else
            list_push_back(&leaving, node);
    }
    pthread_mutex_unlock(&executor->mutex);
    while ((node = list_pop_front(&leaving)) != NULL) {
        struct thread *thread = container_of(node, struct thread, link);
        pthread_join(thread->id, NULL);
        count(&rill__own_threads, -1u);
        rill_free(thread);
    }
}

int rill_executor_shutdown(rill_executor *given, rill_time span)
{
    rill_executor *executor;
    rill_future *out[2];
    int r = find(given, &executor);
    if (r < 0)
        return r;
    struct rill_job *drained = close_door(executor);
    if (drained != NULL) {
        rill_future *future = rill_wrap_future(drained);
        r = rill_wait(1, &future, RILL_ALL_COMPLETED, span, out);
        if (r > 0)
            r = rill_result(future) < 0 ? rill_result(future) : 1;
        rill_unref(future);
        rill_job_unref(drained);
    } else {
        r = rill_sleep(0);
    }
    if (r < 0)
        return r;
    r = abandon(executor, rill__loop_running);
    release_threads(executor);
    return r;
}

void rill_executor_free(rill_executor *executor)
{
    if (executor == NULL)
        return;
    if (executor->pid != getpid()) {
        rill_free(executor); /* its threads and locks are the parent's */
        return;
    }
    (void)abandon(executor, NULL);
    release_threads(executor);
    pthread_mutex_lock(&executor->mutex);
    struct rill_job *drained = executor->drained;
    executor->drained = NULL;
    pthread_mutex_unlock(&executor->mutex);
    end_drained(drained);
    unref(executor);
}

int rill__executor_end(void *arg)
{
    const rill_time *span = arg;
    return rill_executor_shutdown(rill__loop_running->executor, *span);
}

static void wait_quiet(rill_executor *executor, rill_time span)
{
    rill_time deadline = rill_time_add(rill__machine_time(CLOCK_MONOTONIC), span);
    int r = 0;
    pthread_mutex_lock(&executor->mutex);
    executor->shut = true;
    pthread_cond_broadcast(&executor->work);
    while (r == 0 && (executor->queued > 0 || executor->busy > 0))
        r = rill__cond_wait(&executor->quiet, &executor->mutex, deadline);
    pthread_mutex_unlock(&executor->mutex);
}

void rill__executor_close(rill_executor *executor, rill_time span)
{
    if (executor != NULL && span > 0 && executor->pid == getpid())
        wait_quiet(executor, span);
    rill_executor_free(executor);
}
