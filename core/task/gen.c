/* gen.c - generators: a coroutine that is driven by its caller, value by value.
 *
 * A generator runs inside the call that drives it. While it does it is RUNNING, also when it awaits:
 * then rill__task_give_way gives control back to the driver, which gives way as well, until the task
 * at the bottom has left; the way back leads through the same drivers. So an await in a generator is
 * an await of the task, and nobody else can drive the generator meanwhile.
 *
 * Its stack comes from the running loop, which closes what is still open at its end; outside of loops
 * from a pool of the thread's own. Like a task it owns one from its first step to its return. */
#include "core/task/gen.h"

#include <rill/mem.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

struct rill_gen {
    struct rill__coro coro;
    struct rill__stack_pool *pool; /* of its stack, from the begin to the end */
    struct list link;              /* in its loop's list, likewise */
    rill_coro body;
    const struct rill__block *outside; /* of the task, where the body is driven now */
    void *value;                       /* passed by the switch under way, in either direction */
    void *returned;                    /* what it ends with */
    int rc; /* what the pending yield is to return, at last what the body has returned */

    enum { NEW, SUSPENDED, RUNNING, ENDED } state;

    bool final; /* whoever yields now is told at once that it is closed */
};

const rill_table_gen rill__gen_layout = { offsetof(rill_gen, coro), offsetof(rill_gen, link),
                                          offsetof(rill_gen, state), RUNNING };

/* --- Stacks where no loop runs. --- */

static _Thread_local struct rill__stack_pool thread_stacks;
static _Thread_local bool thread_watched; /* overflows are reported */
static pthread_key_t thread_key;          /* its destructor frees them with the thread */
static bool thread_key_made;

static void free_thread_stacks(void *arg)
{
    struct rill__stack_pool *pool = arg;
    if (pool->classes[0].used > 0)
        return; /* a generator was left open: its frames are all that is lost */
    rill__stack_pool_fini(pool);
    rill__coro_unwatch_overflow();
    thread_watched = false;
}

static void make_thread_key(void)
{
    thread_key_made = pthread_key_create(&thread_key, free_thread_stacks) == 0;
}

static int thread_pool(struct rill__stack_pool **ret_pool)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int r = thread_watched ? 0 : rill__coro_watch_overflow();
    if (r < 0)
        return r;
    thread_watched = true;
    pthread_once(&once, make_thread_key);
    if (thread_key_made)
        pthread_setspecific(thread_key, &thread_stacks);
    *ret_pool = &thread_stacks;
    return 0;
}

/* --- Begin, drive, end. --- */

int rill_gen_new_of(rill_coro body, rill_gen **ret_gen)
{
    rill_gen *gen = rill_alloc_zero(1, sizeof *gen);
    if (gen == NULL)
        return -ENOMEM;
    gen->body = body;
    *ret_gen = gen;
    return 0;
}

static void gen_main(void *arg)
{
    rill_gen *gen = arg;
    gen->rc = gen->body.fn(gen->body.arg);
}

static int begin(rill_gen *gen)
{
    struct rill_loop *loop = rill__loop_running;
    struct rill__stack_pool *pool = loop != NULL ? &loop->stacks : NULL;
    int r = pool != NULL ? 0 : thread_pool(&pool);
    if (r < 0)
        return r;
    gen->coro.generator = true;
    gen->coro.title = gen->body.site->function;
    gen->coro.site = gen->body.site;
    r = rill__coro_init(&gen->coro, pool, 0, gen_main, gen);
    if (r < 0)
        return r;
    gen->pool = pool;
    if (loop == NULL)
        return 0;
    list_push_back(&loop->gens, &gen->link);
    rill__census_begin(&loop->census, &gen->coro);
    return 0;
}

static void end(rill_gen *gen)
{
    if (gen->coro.stack.sampled)
        rill__census_end(&container_of(gen->pool, struct rill_loop, stacks)->census, &gen->coro);
    rill__coro_fini(&gen->coro, gen->pool);
    gen->pool = NULL;
    list_remove(&gen->link);
    gen->state = ENDED;
    if (gen->rc < 0)
        gen->returned = NULL;
}

/* Whether the body has left all scopes and groups that it has entered. */
static bool in_no_block(const rill_gen *gen)
{
    const struct rill__task *task = rill__task_running();
    return task == NULL || task->block == gen->outside;
}

/* Run the body until it yields or ends; its task waits when it does. */
static void run_on(rill_gen *gen)
{
    struct rill__task *task = rill__task_running();
    gen->state = RUNNING;
    gen->outside = task != NULL ? task->block : NULL;
    for (;;) {
        if (task != NULL)
            task->driving++;
        rill__coro_resume(&gen->coro);
        if (task != NULL)
            task->driving--;
        if (gen->coro.finished) {
            CHECK(in_no_block(gen)); /* they lay on its stack */
            end(gen);
        }
        if (gen->state != RUNNING)
            return;
        rill__task_give_way(task);
    }
}

/* The pending yield returns `error`, or 0 and `sent`. */
static int drive(rill_gen *gen, void *sent, int error, void **ret_value)
{
    gen->value = sent;
    gen->rc = error;
    run_on(gen);
    if (gen->state == ENDED)
        return gen->rc < 0 ? gen->rc : 0;
    if (ret_value != NULL)
        *ret_value = gen->value;
    return 1;
}

/* Whether this is the time and the place to drive `gen`. */
static int check(const rill_gen *gen)
{
    const struct rill_loop *loop = rill__loop_running;
    if (gen->state == RUNNING)
        return rill__misuse(-EBUSY);
    if (gen->pool == NULL || gen->pool == &thread_stacks || loop == NULL)
        return 0;
    return gen->pool == &loop->stacks ? 0 : rill__misuse(-EXDEV);
}

int rill_gen_send(rill_gen *gen, void *value, void **ret_value)
{
    int r = check(gen);
    if (r < 0 || gen->state == ENDED)
        return r;
    if (gen->state == NEW && value != NULL)
        return rill__misuse(-EINVAL);
    if (gen->state == NEW)
        r = begin(gen);
    return r < 0 ? r : drive(gen, value, 0, ret_value);
}

int rill_gen_next(rill_gen *gen, void **ret_value)
{
    return rill_gen_send(gen, NULL, ret_value);
}

int rill_gen_throw(rill_gen *gen, int err, void **ret_value)
{
    int r = err < 0 ? check(gen) : rill__misuse(-EINVAL);
    if (r < 0)
        return r;
    if (gen->state != SUSPENDED) {
        gen->state = ENDED;
        return err;
    }
    return drive(gen, NULL, err, ret_value);
}

int rill_gen_close(rill_gen *gen)
{
    int r = check(gen);
    if (r < 0)
        return r;
    if (gen->state != SUSPENDED) {
        gen->state = ENDED;
        return 0;
    }
    r = drive(gen, NULL, -ESHUTDOWN, NULL);
    if (r > 0)
        return -EPERM;
    return r == -ESHUTDOWN ? 0 : r;
}

/* Close it, whatever it does. */
static int close_for_good(rill_gen *gen)
{
    int r = rill_gen_close(gen);
    if (gen->state != SUSPENDED)
        return r;
    gen->final = true;
    return rill_first_error(r, drive(gen, NULL, -ESHUTDOWN, NULL));
}

void rill_gen_free(rill_gen *gen)
{
    if (gen == NULL)
        return;
    (void)close_for_good(gen);
    CHECK(gen->state == ENDED); /* it is running */
    rill_free(gen);
}

static void report(struct rill_loop *loop, const rill_gen *gen, int error)
{
    char text[256];
    const rill_site *site = gen->body.site;
    snprintf(text, sizeof text, "closing a generator failed with %s: %s() made at %s:%d",
             rill_errname(error), site->function, site->file, site->line);
    rill__loop_report(loop, text, NULL);
}

int rill__gens_close(void *arg)
{
    struct rill_loop *loop = arg;
    struct list *node;
    while ((node = list_pop_front(&loop->gens)) != NULL) {
        rill_gen *gen = container_of(node, rill_gen, link);
        int r = close_for_good(gen);
        if (r < 0)
            report(loop, gen, r);
    }
    return 0;
}

/* The one of its loop that `by` drives, or NULL. */
static const struct rill__coro *driven(const struct rill_loop *loop, const struct rill__coro *by)
{
    list_for_each(node, &loop->gens) {
        const rill_gen *gen = container_of(node, rill_gen, link);
        if (gen->state == RUNNING && gen->coro.caller == by)
            return &gen->coro;
    }
    return NULL;
}

const struct rill__coro *rill__gen_inmost(const struct rill__task *task)
{
    const struct rill__coro *coro = &task->coro, *next;
    while ((next = driven(task->future.loop, coro)) != NULL)
        coro = next;
    return coro;
}

void *rill_gen_value(const rill_gen *gen)
{
    return gen->state == ENDED ? gen->returned : NULL;
}

/* --- In the body. --- */

/* The generator whose body is running, or NULL. */
static rill_gen *running(void)
{
    struct rill__coro *coro = rill__coro_running();
    return coro != NULL && coro->generator ? container_of(coro, rill_gen, coro) : NULL;
}

int rill_gen_return(void *value)
{
    rill_gen *gen = running();
    if (gen == NULL)
        return -ESRCH;
    gen->returned = value;
    return 0;
}

int rill_yield(void *value, void **ret_sent)
{
    rill_gen *gen = running();
    if (gen == NULL)
        return -ESRCH;
    if (gen->final)
        return -ESHUTDOWN;
    if (!in_no_block(gen))
        return rill__misuse(-EINVAL);
    gen->value = value;
    gen->state = SUSPENDED;
    rill__coro_suspend();
    if (gen->rc < 0)
        return gen->rc;
    if (ret_sent != NULL)
        *ret_sent = gen->value;
    return 0;
}

int rill_yield_from(rill_gen *sub, void **ret_value)
{
    void *value, *sent;
    if (running() == NULL)
        return -ESRCH;
    int r = rill_gen_next(sub, &value);
    while (r > 0) {
        int rc = rill_yield(value, &sent);
        if (rc == -ESHUTDOWN)
            return rill_first_error(rill_gen_close(sub), rc);
        if (rc < 0)
            r = rill_gen_throw(sub, rc, &value);
        else
            r = rill_gen_send(sub, sent, &value);
    }
    if (r < 0)
        return r;
    if (ret_value != NULL)
        *ret_value = sub->returned;
    return 0;
}

/* --- As a coroutine. --- */

static int drive_to_end(void *arg)
{
    rill_gen *gen = arg;
    void *value;
    int r = rill_gen_next(gen, &value);
    while (r > 0) {
        int rc = rill_sleep(0);
        if (rc >= 0 && value != NULL)
            rc = -EINVAL; /* nobody is there to take a value */
        r = rc < 0 ? rill_gen_throw(gen, rc, &value) : rill_gen_next(gen, &value);
    }
    if (r == 0 && gen->returned != NULL)
        r = rill_return_ptr(gen->returned);
    return r;
}

rill_coro rill_gen_coro(rill_gen *gen)
{
    return (rill_coro){ drive_to_end, gen, gen->body.site };
}
