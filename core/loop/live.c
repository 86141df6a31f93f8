/* live.c - which loops there are: of this process, of this thread, and after a fork.
 *
 * Futures may outlive their loop, and other threads may know one that has been closed meanwhile. So
 * whoever is not sure asks here first, and may hold the loops while it uses one. */
#include "core/base/machine.h"
#include "core/loop/loop.h"
#include "core/loop/table.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

_Thread_local struct rill_loop *rill__loop_running;
static _Thread_local struct rill_loop *own; /* this thread's loop, made on first use */

static pthread_mutex_t live_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards `live` */
/* All loops. A name that link-time optimisation keeps: deploy/gdb begins here. */
__attribute__((used)) struct list rill__loops_live = { &rill__loops_live, &rill__loops_live };

static unsigned forks; /* how many lie between the first process and this one */
static int handlers;   /* of signals that run now, in all threads; atomic */

/* No other thread is in the middle of a change of the list when the child gets its copy. */
static void before_fork(void)
{
    pthread_mutex_lock(&live_mutex);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&live_mutex);
}

/* A child shares nothing with its parent's loop: no loop runs there. */
static void after_fork_in_child(void)
{
    forks++;
    rill__own_threads = rill__own_jobs = 0;
    handlers = 0; /* those of other threads do not go on here */
    rill__loop_running = NULL;
    own = NULL;
    rill__table_forget();
    pthread_mutex_unlock(&live_mutex); /* as the thread that forked had it */
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void rill__loop_add_live(struct rill_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&live_mutex);
    list_push_back(&rill__loops_live, &loop->live);
    rill__table_add(loop);
    pthread_mutex_unlock(&live_mutex);
}

void rill__loop_remove_live(struct rill_loop *loop)
{
    if (own == loop)
        own = NULL;
    pthread_mutex_lock(&live_mutex);
    rill__table_remove(loop);
    list_remove(&loop->live);
    pthread_mutex_unlock(&live_mutex);
}

bool rill__loop_hold(const struct rill_loop *loop)
{
    pthread_mutex_lock(&live_mutex);
    list_for_each(node, &rill__loops_live)
        if (node == &loop->live)
            return true;
    pthread_mutex_unlock(&live_mutex);
    return false;
}

void rill__loop_let_go(void)
{
    pthread_mutex_unlock(&live_mutex);
}

bool rill__loop_is_live(const struct rill_loop *loop)
{
    bool found = rill__loop_hold(loop);
    if (found)
        rill__loop_let_go();
    return found;
}

/* --- Handlers of signals, which cannot take the mutex. --- */

void rill__handler_begin(void)
{
    __atomic_add_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
}

void rill__handler_end(void)
{
    __atomic_sub_fetch(&handlers, 1, __ATOMIC_SEQ_CST);
}

void rill__handlers_wait(void)
{
    while (__atomic_load_n(&handlers, __ATOMIC_SEQ_CST) > 0)
        sched_yield();
}

/* --- This thread's, and a parent's. --- */

rill_loop *rill_get_running_loop(void)
{
    return rill__loop_running;
}

rill_loop *rill_get_event_loop(void)
{
    if (rill__loop_running != NULL)
        return rill__loop_running;
    if (own == NULL)
        (void)rill_loop_new(NULL, &own);
    return own;
}

bool rill__loop_is_foreign(const struct rill_loop *loop)
{
    return loop->backend != NULL && loop->thread != gettid();
}

struct rill_loop *rill__loop_own(void)
{
    return own;
}

bool rill__loop_is_inherited(const struct rill_loop *loop)
{
    return loop->backend != NULL && loop->forks != forks;
}

int rill__loop_check_idle(const struct rill_loop *loop)
{
    if (!rill__loop_is_live(loop) || loop->closing)
        return -ESHUTDOWN;
    return loop->running ? -ESRCH : 0;
}

unsigned rill__loop_forks(void)
{
    return forks;
}
