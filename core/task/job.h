/* job.h - the job's insides: a result that belongs to no loop.
 *
 * Everything here may be called by any thread. The mutex is held for a few instructions and never
 * while anything of somebody else's runs. */
#pragma once

#include <pthread.h>

#include "core/task/future.h"

#include <rill/executor.h>

enum rill__job_state {
    RILL__JOB_PENDING,
    RILL__JOB_RUNNING, /* its function does */
    RILL__JOB_FINISHED,
    RILL__JOB_CANCELLED,
};

/* Somebody who is told once when the job has ended, by the thread that ended it. It may be gone from
 * then on. */
struct rill__job_observer {
    struct list link;
    void (*ended)(struct rill__job_observer *observer);
};

struct rill_job {
    uint32_t refs;         /* atomic */
    pthread_mutex_t mutex; /* guards the rest until the job has ended; then nothing changes */
    pthread_cond_t ended;
    uint8_t state;
    bool done_elsewhere; /* by an executor or a loop: the user may not set it */
    bool stop;           /* its function was asked to stop */
    int signo;           /* that a request to stop sends to `thread`; 0: none */
    pthread_t thread;    /* where its function runs */
    int rc;
    void *value;
    rill_release_fn *release;
    struct rill__detail *detail; /* of an error */
    struct list observers;

    /* The executor's. */
    rill_job_fn *fn;
    void *arg;
    rill_context *context; /* in which the function is called; NULL: none */
    struct list link;
};

/* A condition whose waits end by the monotonic clock. */
void rill__cond_init(pthread_cond_t *cond);
/* 0; ETIMEDOUT. */
int rill__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, rill_time deadline);

/* A job that somebody of ours will end. Never NULL. */
struct rill_job *rill__job_new(void);
/* One that has failed without having begun. Never NULL. */
struct rill_job *rill__job_failed(int error);
/* Whether `job` was made for want of memory or executor: nobody may end it. */
bool rill__job_is_static(const struct rill_job *job);

/* Let `observer` be told. False: the job has ended already, it is not told. */
bool rill__job_observe(struct rill_job *job, struct rill__job_observer *observer);
/* Whether it need not be told: `job` is the user's to end, and has not ended. */
bool rill__job_leave(struct rill_job *job, struct rill__job_observer *observer);
/* Call the function of a pending job in this thread, and end the job. */
void rill__job_run(struct rill_job *job);
/* End a job that has not ended: FINISHED with `rc`, or CANCELLED if that is -ECANCELED. Takes the value
 * and the reference of `detail` in any case. 0; -EALREADY. */
int rill__job_end(struct rill_job *job, int rc, void *value, rill_release_fn *release,
                  struct rill__detail *detail);
