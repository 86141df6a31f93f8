/* signal.h - signals as calls of a loop, or as values to wait for.
 *
 * A handler runs as any other call of the loop does, so it may do what it likes but await. It is called
 * as often as the signal came; signals of different numbers that came between two turns are called in the
 * order of these.
 *
 *     sigset_t set;
 *     int signo;
 *     sigemptyset(&set);
 *     sigaddset(&set, SIGTERM);
 *     sigaddset(&set, SIGHUP);
 *     while (rill_signal_wait(&set, &signo) == 0 && signo == SIGHUP)
 *         reload();
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>

#include <signal.h>

typedef struct rill_loop rill_loop;

#ifdef __cplusplus
extern "C" {
#endif

/** Let `loop` call `fn(arg)` in a later turn for each `signo` that comes, to whatever thread; it replaces an
 *  earlier handler. A loop that sleeps is woken. A child of fork(2) does not have the handler: the signal does
 *  there what it did before, until a loop of the child's own catches it.
 *  Args: `signo` 1 to SIGRTMAX, but what cannot be caught (SIGKILL, SIGSTOP) or tells of faults (SIGSEGV,
 *  SIGBUS, SIGFPE, SIGILL).
 *  Returns: 0; -EINVAL (such a signal); -EBUSY (another loop has it); -ESHUTDOWN (the loop is closed); -ESRCH
 *           (it runs in another thread).
 *  Like: loop.add_signal_handler.   Since: 0.1 */
RILL_API int rill_add_signal_handler(rill_loop *loop, int signo, rill_call_fn *fn, void *arg);

/** Let `signo` do again what it did before the loop caught it; closing the loop does so, too.
 *  Returns: 0; -ENOENT (the loop does not catch it).   Like: loop.remove_signal_handler.   Since: 0.1 */
RILL_API int rill_remove_signal_handler(rill_loop *loop, int signo);

/** Wait until a signal of `set` comes. From the first wait on the running loop catches these signals, until
 *  it is closed or rill_remove_signal_handler: one that comes between two waits is kept for the next, once.
 *  Of several tasks that wait for the same signal the first gets it; handlers are called besides.
 *  Returns: 0 and the signal; -ECANCELED (a signal that came meanwhile is kept for the next); -EINVAL (the set
 *           is empty, or has a signal that rill_add_signal_handler refuses); -EBUSY (another loop has one);
 *           -ESRCH (not in a task).
 *  Suspends: until one comes.   Like: sigwait(3), as an await.   Since: 0.1 */
RILL_API int rill_signal_wait(const sigset_t *set, int *ret_signo) RILL_SUSPENDS;

#ifdef __cplusplus
}
#endif
