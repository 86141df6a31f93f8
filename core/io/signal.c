/* signal.c - signals that a loop catches: handlers called in a turn, and tasks that wait for one.
 *
 * The process has one place for each signal; a loop that catches it owns the place. The handler of the
 * process only counts the signal there and wakes the loop, which looks at all its places then, in the
 * order of their numbers. A handler may run in any thread, also while another one gives the signal
 * back: who does that first restores what was before and then waits until no handler is under way.
 *
 * A signal wakes a waiter that has not been cancelled; one that is cancelled after it was woken gives
 * the signal on. What nobody takes is kept in the place if somebody has waited for it before. */
#include "core/io/signal.h"

#include "core/task/told.h"

#include <errno.h>
#include <unistd.h>

enum { signals = 65, /* SIGRTMAX is 64 */ most_in_a_turn = 64 };

struct place {
    struct rill_loop *loop; /* that catches it; NULL: nobody. Atomic; the rest is the loop's own */
    unsigned came;          /* how often; atomic, written by the handler */
    bool kept;              /* for the next who waits */
    bool waited;            /* somebody has waited for it: it is kept */
    rill_call_fn *fn;       /* NULL: none */
    void *arg;
    struct rill__vars *vars; /* of who asked for the call */
    struct sigaction before;
};

struct signal_wait {
    struct rill__plain_wait plain;
    struct list link; /* in the loop's list, until woken */
    const sigset_t *set;
    int signo; /* that woke it; 0: none */
};

static struct place places[signals];

static struct rill_loop *owner_of(const struct place *place)
{
    return __atomic_load_n(&place->loop, __ATOMIC_SEQ_CST);
}

/* A child of a fork has the handler, but not the loop: the signal does what it would without us. */
static void raise_as_before(int signo)
{
    sigset_t set;
    sigaction(signo, &places[signo].before, NULL);
    sigemptyset(&set);
    sigaddset(&set, signo);
    raise(signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void on_signal(int signo)
{
    int before = errno;
    rill__handler_begin();
    struct rill_loop *loop = owner_of(&places[signo]);
    bool inherited = loop != NULL && rill__loop_is_inherited(loop);
    if (loop != NULL && !inherited) {
        __atomic_add_fetch(&places[signo].came, 1, __ATOMIC_RELEASE);
        __atomic_store_n(&loop->signalled, true, __ATOMIC_RELEASE);
        rill__wake_signal(loop);
    }
    rill__handler_end();
    if (inherited)
        raise_as_before(signo);
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

static void call(struct rill_loop *loop, struct place *place)
{
    rill__vars_begin_call(loop, place->vars);
    place->vars = rill__vars_keep(); /* the call has changed nothing yet */
    place->fn(place->arg);
    rill__vars_end_call(loop);
}

/* A handler may take the signal away from its loop. */
static void take(struct rill_loop *loop, int signo, unsigned times)
{
    struct place *place = &places[signo];
    for (; times > 0 && owner_of(place) == loop; times--) {
        give(loop, signo);
        if (place->fn != NULL)
            call(loop, place);
    }
}

static void take_all(struct rill__ready *ready)
{
    struct rill_loop *loop = container_of(ready, struct rill_loop, on_signal);
    for (int signo = 1; signo < signals; signo++) {
        struct place *place = &places[signo];
        if (owner_of(place) != loop)
            continue;
        unsigned times = __atomic_exchange_n(&place->came, 0, __ATOMIC_ACQ_REL);
        if (times > most_in_a_turn) {
            __atomic_add_fetch(&place->came, times - most_in_a_turn, __ATOMIC_RELAXED);
            times = most_in_a_turn;
            rill__loop_ready(loop, &loop->on_signal);
        }
        take(loop, signo, times);
    }
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

static void forget(struct place *place)
{
    __atomic_store_n(&place->came, 0, __ATOMIC_RELAXED);
    place->kept = place->waited = false;
    place->fn = NULL;
    rill__vars_drop(place->vars);
    place->vars = NULL;
}

/* 0: the place is the loop's from now on; 1: it was before; -EBUSY. That of a parent's loop is free. */
static int take_place(struct place *place, struct rill_loop *loop)
{
    rill__handler_begin(); /* nobody frees the owner while we look at it */
    struct rill_loop *owner = owner_of(place);
    bool free = owner == NULL || rill__loop_is_inherited(owner);
    if (free)
        free = __atomic_compare_exchange_n(&place->loop, &owner, loop, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    rill__handler_end();
    if (!free)
        return owner == loop ? 1 : -EBUSY;
    forget(place);
    return 0;
}

/* 0: the loop catches `signo` from now on, or did; -EINVAL; -EBUSY. */
static int catch (struct rill_loop *loop, int signo)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;
    if (check_signo(signo) < 0)
        return -EINVAL;
    struct place *place = &places[signo];
    int r = take_place(place, loop);
    if (r != 0)
        return r < 0 ? r : 0;
    loop->on_signal.run = take_all;
    sigemptyset(&action.sa_mask);
    if (sigaction(signo, &action, &before) < 0) {
        __atomic_store_n(&place->loop, NULL, __ATOMIC_SEQ_CST);
        return -EINVAL; /* the C library keeps some for itself */
    }
    if (before.sa_handler !=
        on_signal) /* else it is a parent's, and what was before that is known */
        place->before = before;
    return 0;
}

static void release(int signo)
{
    struct place *place = &places[signo];
    sigaction(signo, &place->before, NULL);
    forget(place);
    struct rill_loop *nobody = NULL;
    __atomic_store(&place->loop, &nobody, __ATOMIC_SEQ_CST);
    rill__handlers_wait(); /* that of another thread may still wake the loop */
}

int rill_add_signal_handler(rill_loop *loop, int signo, rill_call_fn *fn, void *arg)
{
    int r = rill__loop_check(loop);
    if (r == 0)
        r = catch (loop, signo);
    if (r < 0)
        return r;
    struct place *place = &places[signo];
    rill__vars_drop(place->vars);
    place->vars = rill__vars_keep();
    place->fn = fn;
    place->arg = arg;
    return 0;
}

int rill_remove_signal_handler(rill_loop *loop, int signo)
{
    if (loop == NULL || check_signo(signo) < 0 || owner_of(&places[signo]) != loop)
        return -ENOENT;
    release(signo);
    return 0;
}

void rill__signals_end(struct rill_loop *loop)
{
    for (int signo = 1; signo < signals; signo++)
        if (owner_of(&places[signo]) == loop)
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
