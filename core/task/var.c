/* var.c - task-local values: copy on write.
 *
 * A set of values is an array that is shared until somebody changes it: who has the only reference
 * changes it in place, anybody else makes a copy first. So a new task, a call and a done callback take
 * all values by taking a reference, and nothing at all if there are none.
 *
 * WHERE a value is set: with the running task, else with the call under way, else with the thread. Each
 * has one word for it (rill__locals), which may also name a context that others use as well.
 *
 * Sets have one owner at a time but may change hands between threads (rill_call_soon_threadsafe), so
 * their references are counted atomically. */
#include "core/task/task.h"

#include <rill/mem.h>
#include <rill/var.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct value {
    const rill_var *var;
    const void *value;
    uint64_t serial; /* of the set that brought it; never used twice */
};

struct rill__vars {
    uint32_t refs;
    uint32_t count;
    struct value values[];
};

/* --- Sets. --- */

static struct rill__vars *ref_vars(struct rill__vars *vars)
{
    if (vars != NULL)
        __atomic_add_fetch(&vars->refs, 1, __ATOMIC_RELAXED);
    return vars;
}

void rill__vars_drop(struct rill__vars *vars)
{
    if (vars != NULL && __atomic_sub_fetch(&vars->refs, 1, __ATOMIC_ACQ_REL) == 0)
        rill_free(vars);
}

static struct value *find(struct rill__vars *vars, const rill_var *var)
{
    for (uint32_t i = 0; vars != NULL && i < vars->count; i++)
        if (vars->values[i].var == var)
            return &vars->values[i];
    return NULL;
}

/* Make the set in `slot` our own, with room for one more value. */
static int own(struct rill__vars **slot)
{
    struct rill__vars *shared = *slot, *mine;
    uint32_t count = shared != NULL ? shared->count : 0;
    size_t size = sizeof *mine + (count + 1) * sizeof *mine->values;
    if (shared != NULL && __atomic_load_n(&shared->refs, __ATOMIC_ACQUIRE) == 1) {
        mine = rill_resize(shared, size);
        if (mine == NULL)
            return -ENOMEM;
        *slot = mine;
        return 0;
    }
    mine = rill_alloc(size);
    if (mine == NULL)
        return -ENOMEM;
    mine->refs = 1;
    mine->count = count;
    if (count > 0)
        memcpy(mine->values, shared->values, count * sizeof *mine->values);
    rill__vars_drop(shared);
    *slot = mine;
    return 0;
}

static int put(struct rill__vars **slot, struct value value)
{
    struct value *at = find(*slot, value.var);
    bool sole = at != NULL && __atomic_load_n(&(*slot)->refs, __ATOMIC_ACQUIRE) == 1;
    int r = sole ? 0 : own(slot);
    if (r < 0)
        return r;
    at = find(*slot, value.var);
    *(at != NULL ? at : &(*slot)->values[(*slot)->count++]) = value;
    return 0;
}

static int take_out(struct rill__vars **slot, const rill_var *var)
{
    int r = own(slot);
    if (r < 0)
        return r;
    struct value *at = find(*slot, var);
    *at = (*slot)->values[--(*slot)->count];
    if ((*slot)->count == 0) {
        rill__vars_drop(*slot);
        *slot = NULL;
    }
    return 0;
}

/* --- Where they are. --- */

struct rill_context {
    struct rill__vars *vars;
    uint32_t refs;
    bool entered; /* by rill_context_run */
};

static rill_context *context_of(const struct rill__locals *locals)
{
    return locals->word & 1 ? (rill_context *)(locals->word & ~(uintptr_t)1) : NULL;
}

static rill_context *ref_context(rill_context *context)
{
    __atomic_add_fetch(&context->refs, 1, __ATOMIC_RELAXED);
    return context;
}

void rill__locals_init(struct rill__locals *locals, rill_context *context)
{
    locals->word =
        context != NULL ? (uintptr_t)ref_context(context) | 1 : (uintptr_t)rill__vars_keep();
}

void rill__locals_fini(struct rill__locals *locals)
{
    if (locals->word & 1)
        rill_context_unref(context_of(locals));
    else
        rill__vars_drop((struct rill__vars *)locals->word);
    locals->word = 0;
}

static _Thread_local struct rill__locals thread_locals;
static pthread_key_t thread_end;

static void on_thread_end(void *locals)
{
    rill__locals_fini(locals);
}

static void make_key(void)
{
    pthread_key_create(&thread_end, on_thread_end);
}

/* What a thread sets outside of tasks goes with the thread. */
static void drop_at_thread_end(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    pthread_setspecific(thread_end, &thread_locals);
}

static struct rill__locals *locals_here(void)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return &thread_locals;
    rill_future *task = loop->current != NULL ? loop->current : loop->values_of;
    return task != NULL ? &rill__task_of(task)->locals : &loop->locals;
}

struct rill_future *rill__vars_task(struct rill_future *future)
{
    return future != NULL && future->kind == RILL__TASK ? future : NULL;
}

static struct rill__vars **slot_here(void)
{
    struct rill__locals *locals = locals_here();
    rill_context *context = context_of(locals);
    return context != NULL ? &context->vars : (struct rill__vars **)&locals->word;
}

struct rill__vars *rill__vars_keep(void)
{
    return ref_vars(*slot_here());
}

void rill__vars_begin_call(struct rill_loop *loop, struct rill__vars *vars)
{
    loop->locals.word = (uintptr_t)vars;
}

void rill__vars_end_call(struct rill_loop *loop)
{
    if (loop->locals.word != 0)
        rill__locals_fini(&loop->locals);
}

/* --- Variables. --- */

void *rill_var_get(const rill_var *var)
{
    const struct value *at = find(*slot_here(), var);
    return (void *)(uintptr_t)(at != NULL ? at->value : var->initial);
}

int rill_var_set(rill_var *var, const void *value, rill_var_token *ret_token)
{
    static uint64_t serials;
    struct rill__vars **slot = slot_here();
    const struct value *at = find(*slot, var);
    rill_var_token token = { .var = var,
                             .where = slot,
                             .value = at != NULL ? at->value : NULL,
                             .serial = at != NULL ? at->serial : 0,
                             .made = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED) };
    int r = put(slot, (struct value){ var, value, token.made });
    if (r < 0)
        return r;
    if (rill__loop_running == NULL)
        drop_at_thread_end();
    if (ret_token != NULL)
        *ret_token = token;
    return 0;
}

int rill_var_reset(rill_var *var, rill_var_token token)
{
    struct rill__vars **slot = slot_here();
    const struct value *at = find(*slot, var);
    if (token.var != var || token.where != slot)
        return rill__misuse(-EINVAL);
    if (at == NULL || at->serial < token.made)
        return rill__misuse(-EALREADY); /* what it made is not in force any more */
    return token.serial != 0 ? put(slot, (struct value){ var, token.value, token.serial })
                             : take_out(slot, var);
}

/* --- Contexts. --- */

rill_context *rill_context_copy(void)
{
    rill_context *context = rill_alloc(sizeof *context);
    if (context == NULL)
        return NULL;
    *context = (rill_context){ .vars = rill__vars_keep(), .refs = 1 };
    return context;
}

void rill_context_unref(rill_context *context)
{
    if (context == NULL || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    rill__vars_drop(context->vars);
    rill_free(context);
}

int rill_context_run(rill_context *context, rill_fn *fn, void *arg)
{
    struct rill__locals *locals = locals_here(), before = *locals;
    if (context->entered || context_of(locals) == context)
        return rill__misuse(-EBUSY);
    context->entered = true;
    locals->word = (uintptr_t)ref_context(context) | 1;
    int r = fn(arg);
    context->entered = false;
    rill_context_unref(context);
    *locals = before;
    return r;
}
