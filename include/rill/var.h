/* var.h - task-local values: what belongs to a request, without passing it through every call.
 *
 * Each task has values of its own. A new task begins with those that were in force where it was made, and
 * so do calls (rill_call_soon and its like) and done callbacks; what it sets later nobody else sees. A
 * variable is known by its address:
 *
 *     static rill_var user = { .name = "user", .initial = "nobody" };
 *
 *     rill_var_token before;
 *     int rc = rill_var_set(&user, "ann", &before);
 *     if (rc == 0) {
 *         puts(rill_var_get(&user));
 *         rc = rill_var_reset(&user, before);
 *     }
 *
 * Values are pointers that are held, not owned. Copying all values for a task or a call costs nothing. */
#pragma once

#include <rill/base.h>
#include <rill/task.h>

typedef struct rill_var {
    const char *name;    /* for people */
    const void *initial; /* the value where none was set */
} rill_var;

/* What a variable was before a set: a plain value, good for one reset where it was set. */
typedef struct rill_var_token {
    const rill_var *var;
    const void *where;     /* the context that it was set in */
    const void *value;     /* the one before, if `serial` is not 0 */
    uint64_t serial, made; /* of the set before, and of this one */
} rill_var_token;

#ifdef __cplusplus
extern "C" {
#endif

/** The value of `var` here.   Returns: the value set last, else the initial one.   Thread: any.
 *  Like: ContextVar.get.   Since: 0.1 */
RILL_API void *rill_var_get(const rill_var *var);

/** Set `var` for this task, or for this call; outside of both, for this thread.
 *  Args: `ret_token` may be NULL.   Returns: 0 and what undoes it; -ENOMEM.   Owns: borrows the value,
 *  as long as somebody may get it.   Thread: any.   Like: ContextVar.set.   Since: 0.1 */
RILL_API int rill_var_set(rill_var *var, const void *value, rill_var_token *ret_token);

/** Make `var` what it was before the set that gave `token`.
 *  Returns: 0; -EINVAL (the token is of another variable, or from another task); -EALREADY (it was used
 *           before); -ENOMEM.
 *  Thread: any.   Like: ContextVar.reset.   Since: 0.1 */
RILL_API int rill_var_reset(rill_var *var, rill_var_token token);

/** A copy of all values here, to run something with them later.
 *  Returns: the context; NULL without memory.   Owns: gives one reference.   Thread: any.
 *  Like: contextvars.copy_context.   Since: 0.1 */
RILL_API rill_context *rill_context_copy(void);

/** Drop a reference; tasks that run in the context hold their own.   Returns: nothing.   Thread: any.
 *  Owns: takes it; NULL is fine.   Since: 0.1 */
RILL_API void rill_context_unref(rill_context *context);

/** Call `fn(arg)` with the values of `context`; what it sets is set there.
 *  Returns: what `fn` returns; -EBUSY (somebody is in it).   Suspends: if `fn` does.   Thread: any.
 *  Like: Context.run.   Since: 0.1 */
RILL_API int rill_context_run(rill_context *context, rill_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
