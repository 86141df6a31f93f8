/* signal.c - signals that a loop catches: handlers called in a turn, and tasks that wait for one.
 *
 * The process has one place for each signal; a loop that catches it owns the place. The handler of the
 * process only notes the signal there and wakes the loop, which looks at all its places then: signals
 * that come faster are one. A handler may run in any thread, also while another one gives the signal
 * back: who does that first restores what was before and then waits until no handler is under way.
 *
 * A signal wakes a waiter that has not been cancelled; one that is cancelled after it was woken gives
 * the signal on. What nobody takes is kept in the place if somebody has waited for it before. */
#include "core/io/signal.h"

#include "core/task/told.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

enum { signals = 65 }; /* SIGRTMAX is 64 */

struct place {
    struct rill_loop *loop; /* that catches it; NULL: nobody. Atomic; the rest is the loop's own */
    bool came;              /* atomic, set by the handler */
    bool kept;              /* for the next who waits */
    bool waited;            /* somebody has waited for it: it is kept */
    rill_call_fn *fn;       /* NULL: none */
    void *arg;
    struct sigaction before;
};

struct signal_wait {
    struct rill__plain_wait plain;
    struct list link; /* in the loop's list, until woken */
    const sigset_t *set;
    int signo; /* that woke it; 0: none */
};

static struct place places[signals];
static int under_way; /* handlers that run now, in all threads; atomic */

/* A child of a fork has the handler, but not the loop: the signal does what it would without us. */
static void raise_plainly(int signo)
{
    struct sigaction plain = { .sa_handler = SIG_DFL };
    sigset_t set;
    sigaction(signo, &plain, NULL);
    sigemptyset(&set);
    sigaddset(&set, signo);
    raise(signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void on_signal(int signo)
{
    int before = errno;
    __atomic_add_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
    struct rill_loop *loop = __atomic_load_n(&places[signo].loop, __ATOMIC_SEQ_CST);
    bool inherited = loop != NULL && rill__loop_is_inherited(loop);
    if (loop != NULL && !inherited) {
        __atomic_store_n(&places[signo].came, true, __ATOMIC_RELEASE);
        __atomic_store_n(&loop->signalled, true, __ATOMIC_RELEASE);
        rill__wake_signal(loop);
    }
    __atomic_sub_fetch(&under_way, 1, __ATOMIC_SEQ_CST);
    if (inherited)
        raise_plainly(signo);
    errno = before;
}

/* --- Taking what came. --- */

static struct signal_wait *find_waiter(const struct rill_loop *loop, int signo)
{
    list_for_each(node, &loop->signal_waits) {
        struct signal_wait *wait = container_of(node, struct signal_wait, link);
        if (sigismember(wait->set, signo) == 1)
            return wait;
    }
    return NULL;
}

/* Give `signo` to the first who waits for it, else keep it. */
static void give(struct rill_loop *loop, int signo)
{
    struct signal_wait *wait = find_waiter(loop, signo);
    if (wait == NULL) {
        places[signo].kept = places[signo].waited;
        return;
    }
    list_remove(&wait->link);
    wait->signo = signo;
    rill__loop_ready(loop, &wait->plain.task->ready);
}

static void take(struct rill_loop *loop, int signo)
{
    const struct place *place = &places[signo];
    give(loop, signo);
    if (place->fn != NULL)
        place->fn(place->arg);
}

static void take_all(struct rill__ready *ready)
{
    struct rill_loop *loop = container_of(ready, struct rill_loop, on_signal);
    for (int signo = 1; signo < signals; signo++)
        if (__atomic_load_n(&places[signo].loop, __ATOMIC_ACQUIRE) == loop &&
            __atomic_exchange_n(&places[signo].came, false, __ATOMIC_ACQ_REL))
            take(loop, signo);
}

/* --- Catching. --- */

static int check_signo(int signo)
{
    static const int refused[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    if (signo < 1 || signo > SIGRTMAX || signo >= signals)
        return -EINVAL;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (refused[i] == signo)
            return -EINVAL;
    return 0;
}

/* 0: the loop catches `signo` from now on, or did; -EINVAL; -EBUSY. */
static int catch (struct rill_loop *loop, int signo)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    struct rill_loop *owner = NULL;
    if (check_signo(signo) < 0)
        return -EINVAL;
    struct place *place = &places[signo];
    if (!__atomic_compare_exchange_n(&place->loop, &owner, loop, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        return owner == loop ? 0 : -EBUSY;
    loop->on_signal.run = take_all;
    sigemptyset(&action.sa_mask);
    if (sigaction(signo, &action, &place->before) == 0)
        return 0;
    __atomic_store_n(&place->loop, NULL, __ATOMIC_SEQ_CST);
    return -EINVAL; /* the C library keeps some for itself */
}

static void release(int signo)
{
    struct place *place = &places[signo];
    sigaction(signo, &place->before, NULL);
    struct rill_loop *nobody = NULL;
    __atomic_store(&place->loop, &nobody, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&under_way, __ATOMIC_SEQ_CST) > 0)
        sched_yield(); /* the handler of another thread may still wake the loop */
    place->came = place->kept = place->waited = false;
    place->fn = NULL;
}

int rill_add_signal_handler(rill_loop *loop, int signo, rill_call_fn *fn, void *arg)
{
    int r = rill__loop_check(loop);
    if (r == 0)
        r = catch (loop, signo);
    if (r < 0)
        return r;
    places[signo].fn = fn;
    places[signo].arg = arg;
    return 0;
}

int rill_remove_signal_handler(rill_loop *loop, int signo)
{
    if (loop == NULL || check_signo(signo) < 0 || places[signo].loop != loop)
        return -ENOENT;
    release(signo);
    return 0;
}

void rill__signals_end(struct rill_loop *loop)
{
    for (int signo = 1; signo < signals; signo++)
        if (places[signo].loop == loop)
            release(signo);
    rill__loop_unready(&loop->on_signal);
}

/* --- Waiting. --- */

static const rill_table_wait tells_wait = { .what = "a signal" };

static int catch_set(struct rill_loop *loop, const sigset_t *set)
{
    int r = -EINVAL;
    for (int signo = 1; signo < signals; signo++)
        if (sigismember(set, signo) == 1 && (r = check_signo(signo)) < 0)
            return r;
    for (int signo = 1; r == 0 && signo < signals; signo++) {
        if (sigismember(set, signo) != 1)
            continue;
        r = catch (loop, signo);
        if (r == 0)
            places[signo].waited = true;
    }
    return r;
}

/* A signal of `set` that was kept; 0: none. */
static int take_kept(const sigset_t *set)
{
    for (int signo = 1; signo < signals; signo++) {
        if (sigismember(set, signo) != 1 || !places[signo].kept)
            continue;
        places[signo].kept = false;
        return signo;
    }
    return 0;
}

int rill_signal_wait(const sigset_t *set, int *ret_signo)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    struct rill_loop *loop = task->future.loop;
    r = catch_set(loop, set);
    if (r < 0)
        return r;
    int kept = take_kept(set);
    if (kept > 0) {
        *ret_signo = kept;
        return rill__await_ready(task, 0);
    }
    struct signal_wait wait = { .plain = rill__plain_wait(task, &tells_wait), .set = set };
    list_push_back(&loop->signal_waits, &wait.link);
    r = rill__plain_park(&wait.plain);
    list_remove(&wait.link);
    if (r == 0)
        *ret_signo = wait.signo;
    else if (wait.signo > 0)
        give(loop, wait.signo);
    return r;
}
