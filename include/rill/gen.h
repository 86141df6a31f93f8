/* gen.h - generators: functions that give value after value, each when it is asked for.
 *
 * A generator is a coroutine on a stack of its own that its caller drives: it runs inside the call that
 * asks for the next value, until it yields one or returns. No loop is needed. Driven in a task it may
 * await, and what waits then is the task. It begins with the first next; an error that is thrown into it,
 * or the close, is what its pending rill_yield returns.
 *
 *     static int count(void *arg) {
 *         for (intptr_t i = 1; i <= *(int *)arg; i++) {
 *             int rc = rill_yield((void *)i, NULL);
 *             if (rc < 0) return rc;                     closed, or an error was thrown
 *         }
 *         return 0;
 *     }
 *     rill_gen *gen; void *value; int rc, up_to = 3;
 *     rc = rill_gen_new(count, &up_to, &gen);
 *     while (rc >= 0 && (rc = rill_gen_next(gen, &value)) > 0) printf("%d\n", (int)(intptr_t)value);
 *     rill_gen_free(gen);
 *
 * Values are pointers that are passed as they are. A timeout scope or a group that is entered in a
 * generator must be left before the next yield, which is refused else, and before the return: it belongs to
 * the task that drives it then. */
#pragma once

#include <rill/base.h>
#include <rill/task.h>

typedef struct rill_gen rill_gen;

#ifdef __cplusplus
extern "C" {
#endif

/** A generator of `body`; nothing of it runs yet. Use the macro rill_gen_new(fn, arg, &gen).
 *  Returns: 0 and the generator; -ENOMEM.   Owns: gives it; rill_gen_free ends it.
 *  Like: calling a generator function.   Since: 0.1 */
RILL_API int rill_gen_new_of(rill_coro body, rill_gen **ret_gen);

#define rill_gen_new(fn, arg, ret_gen) rill_gen_new_of(RILL_CORO(fn, arg), ret_gen)

/** Run `gen` to its next yield.
 *  Returns: 1 and the value; 0 (it has ended, now or before); the error that its function returned (told
 *           once, then 0); -EBUSY (it is running already: in this call chain, or in a task that waits in
 *           it); -EXDEV (begun on another loop or thread); -ENOMEM (it could not begin, and has not).
 *  Args: `ret_value` may be NULL here and in send and throw.
 *  Suspends: only if the generator awaits.   Like: next(gen).   Since: 0.1 */
RILL_API int rill_gen_next(rill_gen *gen, void **ret_value) RILL_SUSPENDS;

/** As rill_gen_next, and `value` is what the pending rill_yield receives.
 *  Returns: as rill_gen_next; -EINVAL (not begun, so nobody receives: begin with next, or send NULL).
 *  Suspends: only if the generator awaits.   Like: gen.send.   Since: 0.1 */
RILL_API int rill_gen_send(rill_gen *gen, void *value, void **ret_value) RILL_SUSPENDS;

/** Let the pending rill_yield return the error `err` (negative), and run to the next yield. A generator
 *  that has not begun ends without running.
 *  Returns: as rill_gen_next; `err` itself if the body hands it on, or if it never began or has ended;
 *           -EINVAL (`err` is not negative).
 *  Suspends: only if the generator awaits.   Like: gen.throw.   Since: 0.1 */
RILL_API int rill_gen_throw(rill_gen *gen, int err, void **ret_value) RILL_SUSPENDS;

/** End `gen`: its pending rill_yield returns -ESHUTDOWN, the body cleans up and returns. One that has not
 *  begun never runs.
 *  Returns: 0 (ended, now or before); the error that the body returned instead of -ESHUTDOWN; -EPERM (it
 *           yielded again, and has not ended); -EBUSY; -EXDEV, as rill_gen_next.
 *  Suspends: only if the generator awaits.   Like: gen.close.   Since: 0.1 */
RILL_API int rill_gen_close(rill_gen *gen) RILL_SUSPENDS;

/** Close `gen` and free it. A body that goes on yielding gets -ESHUTDOWN at once each time; an error of
 *  its clean-up is not told: close it first to know.
 *  Returns: nothing.   Owns: takes it; NULL is fine. It must not be running.
 *  Suspends: only if an open generator awaits in its clean-up.   Since: 0.1 */
RILL_API void rill_gen_free(rill_gen *gen);

/** The value of a generator that has ended: that of its rill_gen_return.
 *  Returns: it; NULL if there was none, if it failed or while it has not ended.
 *  Like: StopIteration.value.   Since: 0.1 */
RILL_API void *rill_gen_value(const rill_gen *gen);

/** In a generator: set the value that it ends with.
 *  Returns: 0, to be returned by its function; -ESRCH (not in a generator).
 *  Like: return in a generator.   Since: 0.1 */
RILL_API int rill_gen_return(void *value);

/** In a generator: give `value` to the caller, and wait to be driven on. No cancel is delivered here: the
 *  caller is the one who runs meanwhile.
 *  Args: `ret_sent` may be NULL.
 *  Returns: 0 and what was sent (NULL by next); the error that was thrown; -ESHUTDOWN (closed: clean up
 *           and return it); -EINVAL (in a scope or group that the body has entered and not left); -ESRCH (not
 *           in a generator).
 *  Suspends: the generator, never the task.   Like: yield.   Since: 0.1 */
RILL_API int rill_yield(void *value, void **ret_sent) RILL_SUSPENDS;

/** In a generator: let `sub` take its place until `sub` ends. Values, what is sent and what is thrown pass
 *  between the caller and `sub`; a close closes `sub` first.
 *  Args: `ret_value` may be NULL.
 *  Returns: 0 and the value of `sub`; the error it failed with; -ESHUTDOWN (closed); -EBUSY (`sub` is
 *           running already); -ESRCH (not in a generator); -EXDEV, -ENOMEM as rill_gen_next.
 *  Owns: borrows `sub`.   Suspends: the generator; the task only if `sub` awaits.
 *  Like: yield from (PEP 380).   Since: 0.1 */
RILL_API int rill_yield_from(rill_gen *sub, void **ret_value) RILL_SUSPENDS;

/** A coroutine object that drives `gen` to its end. A bare yield, rill_yield(NULL, NULL), gives up one turn;
 *  a cancel that comes then is thrown into the generator, and so is -EINVAL for yielding anything else. Its
 *  value becomes the task's value.
 *  Returns: the object; its task ends with 0, or with the error of the generator.
 *  Owns: borrows; `gen` must live until the task has ended.   Like: @types.coroutine.   Since: 0.1 */
RILL_API rill_coro rill_gen_coro(rill_gen *gen);

#ifdef __cplusplus
}
#endif

/* Compile-time tests of what an expression is. By way of a size, since compilers warn of the code behind
 * any other constant condition.   Like: isinstance(x, Coroutine), isinstance(x, Generator). */
#define RILL_IS_COROUTINE(x) (bool)sizeof(*_Generic((x), rill_coro : "", default : (char(*)[0])0))
#define RILL_IS_GENERATOR(x) (bool)sizeof(*_Generic((x), rill_gen * : "", default : (char(*)[0])0))
