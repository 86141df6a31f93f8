/* job.c - results that cross threads: set, waited for and cancelled by anybody.
 *
 * PENDING leads to RUNNING if a function of an executor's does the work, and both to FINISHED or
 * CANCELLED, once, and never back. What has ended is not changed any more, so it can be read without
 * the mutex by whoever learned of the end under it. A request to stop is a flag: a function that does
 * not look at it runs on. */
#include "core/task/job.h"

#include "core/base/machine.h"

#include <rill/mem.h>
#include <rill/var.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static bool has_ended(const struct rill_job *job)
{
    return __atomic_load_n(&job->state, __ATOMIC_ACQUIRE) >= RILL__JOB_FINISHED;
}

/* --- Life. --- */

void rill__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int rill__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, rill_time deadline)
{
    struct timespec at = { deadline / RILL_SEC(1), deadline % RILL_SEC(1) };
    return deadline == RILL_FOREVER ? pthread_cond_wait(cond, mutex)
                                    : pthread_cond_timedwait(cond, mutex, &at);
}

static void init(struct rill_job *job)
{
    *job = (struct rill_job){ .refs = 1 };
    list_init(&job->observers);
    pthread_mutex_init(&job->mutex, NULL);
    rill__cond_init(&job->ended);
}

/* Born done, for callers without memory: shared, never freed, never changed. */
static struct rill_job failures[] = {
    { .state = RILL__JOB_FINISHED, .rc = -ENOMEM },
    { .state = RILL__JOB_FINISHED, .rc = -ESHUTDOWN },
    { .state = RILL__JOB_FINISHED, .rc = -ESRCH },
    { .state = RILL__JOB_FINISHED, .rc = -EAGAIN },
};

enum { failure_count = sizeof failures / sizeof *failures };

bool rill__job_is_static(const struct rill_job *job)
{
    return job >= failures && job < failures + failure_count;
}

struct rill_job *rill__job_failed(int error)
{
    for (size_t i = 0; i < failure_count; i++)
        if (failures[i].rc == error)
            return &failures[i];
    return &failures[0];
}

struct rill_job *rill__job_new(void)
{
    struct rill_job *job = rill_alloc(sizeof *job);
    if (job == NULL)
        return rill__job_failed(-ENOMEM);
    init(job);
    job->done_elsewhere = true;
    return job;
}

rill_job *rill_job_new(void)
{
    struct rill_job *job = rill__job_new();
    if (!rill__job_is_static(job))
        job->done_elsewhere = false;
    return job;
}

rill_job *rill_job_ref(rill_job *job)
{
    if (!rill__job_is_static(job))
        __atomic_add_fetch(&job->refs, 1, __ATOMIC_RELAXED);
    return job;
}

static void release(void *value, rill_release_fn *fn)
{
    if (fn != NULL && value != NULL)
        fn(value);
}

void rill_job_unref(rill_job *job)
{
    if (job == NULL || rill__job_is_static(job))
        return;
    if (__atomic_sub_fetch(&job->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    release(job->value, job->release);
    rill__detail_unref(job->detail);
    rill_context_unref(job->context);
    pthread_cond_destroy(&job->ended);
    pthread_mutex_destroy(&job->mutex);
    rill_free(job);
}

/* --- The end. --- */

bool rill__job_observe(struct rill_job *job, struct rill__job_observer *observer)
{
    if (rill__job_is_static(job))
        return false;
    pthread_mutex_lock(&job->mutex);
    bool pending = !has_ended(job);
    if (pending)
        list_push_back(&job->observers, &observer->link);
    pthread_mutex_unlock(&job->mutex);
    return pending;
}

bool rill__job_leave(struct rill_job *job, struct rill__job_observer *observer)
{
    if (job->done_elsewhere)
        return false;
    pthread_mutex_lock(&job->mutex);
    bool pending = !has_ended(job);
    if (pending)
        list_remove(&observer->link);
    pthread_mutex_unlock(&job->mutex);
    return pending;
}

/* With the mutex held, which is let go: the end has come, those who waited are told. The job is kept
 * meanwhile, for the last of them may drop it. */
static void tell(struct rill_job *job)
{
    struct list observers, *node;
    list_init(&observers);
    list_splice(&observers, &job->observers);
    __atomic_add_fetch(&job->refs, 1, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&job->ended);
    pthread_mutex_unlock(&job->mutex);
    while ((node = list_pop_front(&observers)) != NULL) {
        struct rill__job_observer *observer = container_of(node, struct rill__job_observer, link);
        observer->ended(observer);
    }
    rill_job_unref(job);
}

static void set_state(struct rill_job *job, enum rill__job_state state)
{
    __atomic_store_n(&job->state, (uint8_t)state, __ATOMIC_RELEASE);
}

int rill__job_end(struct rill_job *job, int rc, void *value, rill_release_fn *release_fn,
                  struct rill__detail *detail)
{
    pthread_mutex_lock(&job->mutex);
    if (has_ended(job)) {
        pthread_mutex_unlock(&job->mutex);
        rill__detail_unref(detail);
        release(value, release_fn);
        return -EALREADY;
    }
    job->rc = rc;
    job->value = value;
    job->release = release_fn;
    job->detail = detail;
    set_state(job, rc == -ECANCELED ? RILL__JOB_CANCELLED : RILL__JOB_FINISHED);
    tell(job);
    return 0;
}

/* Whether the user may set it. 0; -EPERM; a static one has ended. */
static int check_settable(const struct rill_job *job)
{
    if (job->done_elsewhere)
        return -EPERM;
    return rill__job_is_static(job) ? -EALREADY : 0;
}

int rill_job_set_result(rill_job *job, int rc, void *value, rill_release_fn *release_fn)
{
    int r = check_settable(job);
    if (r == 0)
        return rill__job_end(job, rc, value, release_fn, NULL);
    release(value, release_fn);
    return r;
}

int rill_job_set_error(rill_job *job, int err, const char *format, ...)
{
    char text[256];
    va_list args;
    int r = check_settable(job);
    if (r < 0 || err >= 0)
        return r < 0 ? r : -EINVAL;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return rill__job_end(job, err, NULL, NULL, rill__detail_new(err, NULL, text));
}

bool rill_job_cancel(rill_job *job)
{
    if (rill__job_is_static(job))
        return false;
    pthread_mutex_lock(&job->mutex);
    if (job->state == RILL__JOB_PENDING) {
        job->rc = -ECANCELED;
        set_state(job, RILL__JOB_CANCELLED);
        tell(job);
        return true;
    }
    if (job->state == RILL__JOB_RUNNING) {
        __atomic_store_n(&job->stop, true, __ATOMIC_RELEASE);
        if (job->signo != 0)
            pthread_kill(job->thread, job->signo);
    }
    pthread_mutex_unlock(&job->mutex);
    return false;
}

/* --- Looking at it. --- */

bool rill_job_done(const rill_job *job)
{
    return has_ended(job);
}

int rill_job_result(rill_job *job, rill_time span)
{
    if (has_ended(job))
        return job->rc;
    if (span <= 0)
        return -ETIME;
    rill_time deadline = rill_time_add(rill__machine_time(CLOCK_MONOTONIC), span);
    pthread_mutex_lock(&job->mutex);
    int r = 0;
    while (!has_ended(job) && r != ETIMEDOUT)
        r = rill__cond_wait(&job->ended, &job->mutex, deadline);
    r = has_ended(job) ? job->rc : -ETIME;
    pthread_mutex_unlock(&job->mutex);
    return r;
}

void *rill_job_value(const rill_job *job)
{
    return has_ended(job) && job->rc >= 0 ? job->value : NULL;
}

const rill_err *rill_job_error(const rill_job *job)
{
    return has_ended(job) && job->detail != NULL ? &job->detail->err : NULL;
}

/* --- Its function, as an executor calls it. --- */

struct rill_stop {
    struct rill_job *job;
    void *value;
    rill_release_fn *release;
};

static int call(void *arg)
{
    struct rill_stop *stop = arg;
    return stop->job->fn(stop, stop->job->arg);
}

/* False: somebody cancelled it before. */
static bool begin(struct rill_job *job)
{
    pthread_mutex_lock(&job->mutex);
    bool pending = job->state == RILL__JOB_PENDING;
    if (pending) {
        set_state(job, RILL__JOB_RUNNING);
        job->thread = pthread_self();
    }
    pthread_mutex_unlock(&job->mutex);
    return pending;
}

/* From here on no signal is sent; one that was sent has been taken when this returns. */
static void end_signal(struct rill_job *job, int signo)
{
    sigset_t set;
    pthread_mutex_lock(&job->mutex);
    int before = job->signo;
    job->signo = signo;
    pthread_mutex_unlock(&job->mutex);
    if (before == 0 || before == signo)
        return;
    sigemptyset(&set);
    sigaddset(&set, before);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void rill__job_run(struct rill_job *job)
{
    struct rill_stop stop = { .job = job };
    if (!begin(job))
        return;
    int rc = job->context != NULL ? rill_context_run(job->context, call, &stop) : call(&stop);
    end_signal(job, 0);
    (void)rill__job_end(job, rc, stop.value, stop.release, NULL);
}

bool rill_stop_requested(const rill_stop *stop)
{
    return __atomic_load_n(&stop->job->stop, __ATOMIC_ACQUIRE);
}

int rill_stop_set_signal(rill_stop *stop, int signo)
{
    sigset_t set;
    if (signo < 0 || signo > SIGRTMAX)
        return -EINVAL;
    end_signal(stop->job, signo);
    if (signo == 0)
        return 0;
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (rill_stop_requested(stop))
        pthread_kill(pthread_self(), signo);
    return 0;
}

int rill_job_return(rill_stop *stop, void *value, rill_release_fn *release_fn)
{
    release(stop->value, stop->release);
    stop->value = value;
    stop->release = release_fn;
    return 0;
}
