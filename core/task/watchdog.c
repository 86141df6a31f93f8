/* watchdog.c - steps that take too long: found while they block, and timed.
 *
 * One thread in the process looks at the step counter of each loop that runs, every 40 ms if a step may
 * take 100, and at the end of that span if it has seen the same step twice. A loop that is not asleep and
 * still in the same step when the span is over has a culprit: the report names the running task and
 * shows where its thread is at that moment. Once per step, also if it never ends. A step may have begun
 * before it was first seen, awake: so one that is 40 % over its span may escape; none is told too early.
 *
 * COST. A step counts itself: one store. A loop that goes to sleep and wakes up says so: two stores per
 * sleep. If no loop does anything for a while the watchdog dozes, so that an idle program uses no CPU,
 * and the first loop that wakes up wakes it.
 *
 * Loops in the simulator are not watched: their time does not pass while they compute. With the option
 * `slow` steps are also timed one by one, on the loop's own clock; that costs two looks at it per step.
 *
 * What the watchdog reads of a loop may be gone the moment after. The loop cannot leave its run while it
 * looks (the mutex), so stacks and the loop itself are there; tasks are copied by rill__capture_copy, and
 * the copy counts if the loop is still in the same step. */
#include "core/base/machine.h"
#include "core/base/symbols.h"
#include "core/coro/sanitizer.h"
#include "core/task/capture.h"
#include "core/task/task.h"

#include <rill/text.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
    idle_looks = 20, /* in a row, before it dozes */
    frames_most = 48,
    stack_size = 128 << 10,
};

static const rill_time look_min = RILL_MS(40), look_max = RILL_MS(250);

bool rill__watchdog_dozes;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static pthread_cond_t changed;
static struct list loops = { &loops, &loops };
static bool started;

/* A culprit, as seen while the mutex was held. */
struct report {
    char name[64];
    uint32_t number;
    const rill_site *site; /* NULL: no task runs */
    rill_time span;
    void *frames[frames_most];
    int count;
};

/* --- The report. --- */

static bool still_in_step(struct rill_loop *loop)
{
    return __atomic_load_n(&loop->steps, __ATOMIC_ACQUIRE) == loop->dog.seen;
}

/* Which task runs in `loop`. False: the step has ended meanwhile. */
static bool name_culprit(struct rill_loop *loop, struct report *report)
{
    struct rill__task task;
    const rill_future *current;
    if (!rill__capture_copy(&current, &loop->current, sizeof current))
        return false;
    report->site = NULL;
    report->name[0] = 0;
    if (current == NULL)
        return still_in_step(loop);
    if (!rill__capture_copy(&task, container_of(current, struct rill__task, future), sizeof task) ||
        !still_in_step(loop))
        return false;
    report->number = task.coro.number;
    report->site = task.coro.site;
    for (size_t i = 0; task.coro.title != NULL && i + 1 < sizeof report->name; i++) {
        if (!rill__capture_copy(&report->name[i], task.coro.title + i, 1))
            return false;
        report->name[i + 1] = 0;
        if (report->name[i] == 0)
            break;
    }
    return still_in_step(loop);
}

static void write_report(const struct report *report)
{
    char memory[512], number[16];
    rill_text text = { memory, sizeof memory, 0, false };
    snprintf(number, sizeof number, "Task-%u", report->number);
    rill_text_fmt(&text, "rill: ");
    if (report->site != NULL)
        rill_text_fmt(&text, "task '%s', %s() made at %s:%d,",
                      report->name[0] != 0 ? report->name : number, report->site->function,
                      report->site->file, report->site->line);
    else
        rill_text_fmt(&text, "a call");
    rill_text_fmt(&text, " blocks its loop for %lld ms so far; it is here%s\n",
                  (long long)(report->span / RILL_MS(1)),
                  report->count > 0 ? ":" : ", but where cannot be seen");
    dprintf(STDERR_FILENO, "%s", rill_text_end(&text));
    rill__symbols_write(report->frames, report->count, STDERR_FILENO);
}

/* --- Looking. --- */

/* A machine that has no CPU for the loop is not the fault of the step: that time does not count. */
static void leave_out_queueing(struct rill__watched *dog)
{
    uint64_t queued = rill__capture_queued(dog->thread);
    if (dog->queued > 0)
        dog->since += (rill_time)(queued - dog->queued);
    dog->queued = queued;
}

/* True: `report` is to be written. */
static bool look_at(struct rill_loop *loop, rill_time now, struct report *report)
{
    struct rill__watched *dog = &loop->dog;
    uint64_t steps = __atomic_load_n(&loop->steps, __ATOMIC_ACQUIRE);
    bool asleep = __atomic_load_n(&dog->asleep, __ATOMIC_SEQ_CST);
    if (asleep || dog->slept || steps != dog->seen) { /* a sleep counts no step */
        dog->slept = asleep;
        dog->seen = steps;
        dog->since = now;
        dog->queued = 0;
        dog->told = false;
        return false;
    }
    if (!dog->told)
        leave_out_queueing(dog);
    if (dog->told || now - dog->since < loop->opts.slow)
        return false;
    dog->told = true;
    report->span = now - dog->since;
    report->count = rill__capture(dog->thread, report->frames, frames_most);
    return name_culprit(loop, report);
}

/* How long it may take until the next look at `loop`, which has just been looked at. */
static rill_time look_span(const struct rill_loop *loop, rill_time now)
{
    rill_time span = loop->opts.slow / 5 * 2;
    if (loop->dog.queued > 0 && !loop->dog.told) /* the same step as before */
        return loop->dog.since + loop->opts.slow - now;
    return span < look_min ? look_min : span > look_max ? look_max : span;
}

/* One look at all loops, the span until the next one in *ret_span. False: none of them does anything. */
static bool look_at_all(rill_time *ret_span, struct report *report, bool *ret_report)
{
    rill_time now = rill__machine_time(CLOCK_MONOTONIC);
    bool awake = false;
    *ret_span = look_max;
    *ret_report = false;
    list_for_each(node, &loops) {
        struct rill_loop *loop = container_of(node, struct rill_loop, dog.link);
        uint64_t before = loop->dog.seen;
        if (!*ret_report)
            *ret_report = look_at(loop, now, report);
        if (look_span(loop, now) < *ret_span)
            *ret_span = look_span(loop, now);
        awake |= !__atomic_load_n(&loop->dog.asleep, __ATOMIC_SEQ_CST) || loop->dog.seen != before;
    }
    return awake;
}

static void wait_for(rill_time span)
{
    rill_time at = rill__machine_time(CLOCK_MONOTONIC) + (span > 0 ? span : 0);
    struct timespec until = { at / RILL_SEC(1), at % RILL_SEC(1) };
    pthread_cond_timedwait(&changed, &mutex, &until);
}

/* Until a loop begins to run or wakes up. */
static void doze(void)
{
    bool all_asleep = true;
    __atomic_store_n(&rill__watchdog_dozes, true, __ATOMIC_SEQ_CST);
    list_for_each(node, &loops)
        all_asleep &= __atomic_load_n(&container_of(node, struct rill_loop, dog.link)->dog.asleep,
                                      __ATOMIC_SEQ_CST);
    while (all_asleep && __atomic_load_n(&rill__watchdog_dozes, __ATOMIC_SEQ_CST))
        pthread_cond_wait(&changed, &mutex);
    __atomic_store_n(&rill__watchdog_dozes, false, __ATOMIC_SEQ_CST);
}

static void *watch(void *arg)
{
    static struct report report;
    unsigned idle = 0;
    (void)arg;
    pthread_mutex_lock(&mutex);
    for (;;) {
        rill_time span;
        bool found;
        idle = look_at_all(&span, &report, &found) ? 0 : idle + 1;
        if (found) { /* whoever reads standard error may be slow: nobody waits for us meanwhile */
            pthread_mutex_unlock(&mutex);
            write_report(&report);
            pthread_mutex_lock(&mutex);
        }
        if (idle >= idle_looks)
            doze();
        else
            wait_for(span);
    }
    return NULL;
}

/* --- Its life. --- */

/* A child has its parent's memory, but not its threads. */
static void after_fork_in_child(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    mutex = unlocked;
    list_init(&loops);
    started = false;
    rill__watchdog_dozes = false;
}

static void prepare(void)
{
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

static void make_cond(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
}

/* No signal of the program's is for this thread. Without a thread nobody is watched. */
static void start(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    make_cond();
    rill__capture_init();
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack_size);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    started = pthread_create(&thread, &attr, watch, NULL) == 0;
    if (started) {
        __atomic_add_fetch(&rill__own_threads, 1, __ATOMIC_SEQ_CST);
        pthread_setname_np(thread, "rill-watchdog");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

/* ThreadSanitizer ends a child of a process with threads that makes threads itself, so there only those
 * are watched that ask for it. */
static bool is_watched(const struct rill_loop *loop)
{
#ifdef WITH_TSAN
    if (!loop->timed)
        return false;
#endif
    return loop->backend->watched && loop->opts.slow != RILL_FOREVER;
}

void rill__watchdog_enter(struct rill_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!is_watched(loop))
        return;
    pthread_once(&once, prepare);
    pthread_mutex_lock(&mutex);
    loop->dog.thread = loop->thread;
    loop->dog.since = rill__machine_time(CLOCK_MONOTONIC);
    loop->dog.seen = loop->steps;
    list_push_back(&loops, &loop->dog.link);
    if (!started)
        start();
    rill__watchdog_dozes = false;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

void rill__watchdog_leave(struct rill_loop *loop)
{
    if (!list_is_linked(&loop->dog.link))
        return;
    pthread_mutex_lock(&mutex);
    list_remove(&loop->dog.link);
    pthread_mutex_unlock(&mutex);
}

void rill__watchdog_wake(void)
{
    pthread_mutex_lock(&mutex);
    __atomic_store_n(&rill__watchdog_dozes, false, __ATOMIC_SEQ_CST);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

/* --- Timing. --- */

void rill__step_timed(struct rill_loop *loop, struct rill__ready *ready)
{
    char message[64];
    struct rill__task *task = rill__task_of_step(ready);
    rill_future *future = task != NULL ? rill_ref(&task->future) : NULL;
    rill_time began = rill__loop_now(loop);
    ready->run(ready);
    rill_time took = rill__loop_now(loop) - began;
    if (took >= loop->opts.slow) {
        snprintf(message, sizeof message, "a step took %lld.%03d s",
                 (long long)(took / RILL_SEC(1)), (int)(took % RILL_SEC(1) / RILL_MS(1)));
        rill__loop_report(loop, message, future);
    }
    rill_unref(future);
}
