/* interpret.c - runs a program (see program.py) on librill and tells what happened.
 *
 * The program comes from standard input, the trace goes to standard output: what each statement gave, in
 * order. reference.py does the same on asyncio, name by name, and compare.py holds the two against each
 * other. The world is simulated, so time is virtual and no ring is needed. What a program leaves behind
 * goes with the process. */
#include "tests/differential/program.h"

#include <rill.h>

#include <rill/mem.h>
#include <rill/sim.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 8, TASKS_MAX = 40, NOTHING = INT_MAX };

/* Who runs a statement; NULL in calls of the loop. */
struct actor {
    int me;
    const struct statement *statements;
    rill_group *group; /* that it is in, or NULL */
};

static struct program program;
static rill_future *futures[SLOTS], *tops[SLOTS], *started[SLOTS], *gathers[SLOTS];
static rill_as_completed *iterations[SLOTS];
static rill_handle handles[SLOTS];
static rill_scope *scopes[SLOTS];
static rill_group *groups[SLOTS];
static rill_queue queues[SLOTS];
static rill_lock lock;
static rill_event event;
static rill_semaphore semaphore;
static rill_condition condition;
static rill_barrier barrier;
static rill_var var = { .name = "var" };
static int count, messages;
static const char *said; /* what a verb gave, if it is no number */

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* A result as the trace has it; valid until the next one. `why` is the detail of a cancel. */
static const char *outcome(int rc, const rill_err *why)
{
    static char text[64];
    const char *given = said;
    said = NULL;
    if (rc == NOTHING)
        return "none";
    if (rc >= 0 && given != NULL)
        return given;
    if (rc >= 0)
        snprintf(text, sizeof text, "%d", rc);
    else if (rc != -ECANCELED)
        snprintf(text, sizeof text, "-%s", strerrorname_np(-rc));
    else
        snprintf(text, sizeof text, "-ECANCELED %s",
                 why != NULL && why->msg != NULL && why->msg[0] == 'm' ? why->msg : "-");
    return text;
}

static const char *future_outcome(rill_future *future)
{
    return rill_done(future) ? outcome(rill_result(future), rill_error(future)) : "pending";
}

/* --- Operands. --- */

static rill_future **place(const char *name)
{
    int i = name[1] - '0';
    switch (name[0]) {
    case 'f': return &futures[i];
    case 't': return &tops[i];
    case 'k': return &started[i];
    default: return &gathers[i];
    }
}

/* NULL also for the running task, which does not await itself. */
static rill_future *find(const char *name)
{
    rill_future *found = *place(name);
    return found == rill_current_task() ? NULL : found;
}

static size_t members(char *const *name, rill_future **ret_members)
{
    size_t n = 0;
    for (; *name != NULL; name++)
        if (find(*name) != NULL)
            ret_members[n++] = find(*name);
    return n;
}

static int slot(const char *word)
{
    return word[strcspn(word, "0123456789")] - '0';
}

static rill_time span(const char *word)
{
    return word[0] == '-' ? RILL_FOREVER : RILL_MS(number(word));
}

static rill_queue *queue(const char *name)
{
    return &queues[slot(name)];
}

/* --- Verbs about futures and tasks. --- */

static int do_turn(char *const *word)
{
    (void)word;
    return rill_sleep(0);
}

static int do_sleep(char *const *word)
{
    return rill_sleep(span(word[0]));
}

static int do_await(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_await(future);
}

static int do_shield(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_join(rill_shield(future));
}

static int do_wait_for(char *const *word)
{
    rill_future *future = find(word[0]);
    return future == NULL ? NOTHING : rill_wait_for(future, span(word[1]));
}

static int do_wait(char *const *word)
{
    rill_future *some[WORDS_MAX], *out[WORDS_MAX + 1];
    rill_wait_when when = word[0][0] == 'a'   ? RILL_ALL_COMPLETED
                          : word[0][0] == 'f' ? RILL_FIRST_COMPLETED
                                              : RILL_FIRST_ERROR;
    size_t n = members(word + 2, some);
    return n == 0 ? NOTHING : rill_wait(n, some, when, span(word[1]), out);
}

static int do_gather(char *const *word)
{
    rill_future *some[WORDS_MAX];
    size_t n = members(word + 2, some);
    if (n == 0)
        return NOTHING;
    gathers[slot(word[0])] = rill_gather(n, some, word[1][0] == 'e' ? RILL_RETURN_ERRORS : 0);
    return rill_done(gathers[slot(word[0])]);
}

static int do_completed(char *const *word)
{
    rill_future *some[WORDS_MAX];
    size_t n = members(word + 2, some);
    if (n == 0)
        return NOTHING;
    rill_as_completed *it = rill_alloc_zero(1, sizeof *it);
    iterations[slot(word[0])] = it;
    return rill_as_completed_init(it, n, some, span(word[1]));
}

static int do_cover(char *const *word)
{
    rill_future *future = find(word[1]);
    if (future == NULL)
        return NOTHING;
    gathers[slot(word[0])] = rill_shield(future);
    return rill_done(gathers[slot(word[0])]);
}

/* The name of a member: that of the slot which it is in. */
static const char *name_of(const rill_future *future)
{
    static const struct {
        char letter;
        rill_future **slots;
    } kinds[] = { { 'f', futures }, { 't', tops }, { 'k', started } };

    static char name[3];
    name[0] = '\0';
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (int i = 0; i < SLOTS; i++)
            if (kinds[kind].slots[i] == future)
                snprintf(name, sizeof name, "%c%c", kinds[kind].letter, '0' + i);
    return name;
}

static int do_next(char *const *word)
{
    rill_future *future;
    if (iterations[slot(word[0])] == NULL)
        return NOTHING;
    int r = rill_as_completed_next(iterations[slot(word[0])], &future);
    if (r >= 0)
        said = r > 0 ? name_of(future) : "no more";
    return r;
}

static int do_set(char *const *word)
{
    return rill_future_set_result(*place(word[0]), number(word[1]), NULL);
}

static int do_error(char *const *word)
{
    return rill_future_set_error(*place(word[0]), number(word[1]), NULL);
}

static int do_cancel(char *const *word)
{
    char message[16];
    if (*place(word[0]) == NULL)
        return NOTHING;
    snprintf(message, sizeof message, "m%d", ++messages);
    return rill_cancel(*place(word[0]), message);
}

static int do_result(char *const *word)
{
    rill_future *future = *place(word[0]);
    if (future == NULL)
        return NOTHING;
    said = future_outcome(future);
    return 0;
}

static int do_uncancel(char *const *word)
{
    (void)word;
    return (int)rill_uncancel(rill_current_task());
}

static int do_cancelling(char *const *word)
{
    (void)word;
    return (int)rill_cancelling(rill_current_task());
}

/* --- Verbs about locks. --- */

static int do_lock(char *const *word)
{
    (void)word;
    return rill_lock_acquire(&lock);
}

static int do_unlock(char *const *word)
{
    (void)word;
    return rill_lock_release(&lock);
}

static int do_locked(char *const *word)
{
    (void)word;
    return rill_lock_locked(&lock);
}

static int do_cond_wait(char *const *word)
{
    (void)word;
    return rill_condition_wait(&condition);
}

static bool event_is_set(void *unused)
{
    (void)unused;
    return rill_event_is_set(&event);
}

static int do_cond_until(char *const *word)
{
    (void)word;
    return rill_condition_wait_for(&condition, event_is_set, NULL);
}

static int do_notify(char *const *word)
{
    return rill_condition_notify(&condition, (size_t)number(word[0]));
}

static int do_event_wait(char *const *word)
{
    (void)word;
    return rill_event_wait(&event);
}

static int do_event_set(char *const *word)
{
    (void)word;
    rill_event_set(&event);
    return 0;
}

static int do_event_clear(char *const *word)
{
    (void)word;
    rill_event_clear(&event);
    return 0;
}

static int do_acquire(char *const *word)
{
    (void)word;
    return rill_semaphore_acquire(&semaphore);
}

static int do_release(char *const *word)
{
    (void)word;
    return rill_semaphore_release(&semaphore);
}

static int do_sem_locked(char *const *word)
{
    (void)word;
    return rill_semaphore_locked(&semaphore);
}

static int do_barrier(char *const *word)
{
    (void)word;
    return rill_barrier_wait(&barrier);
}

static int do_barrier_reset(char *const *word)
{
    (void)word;
    return rill_barrier_reset(&barrier);
}

static int do_barrier_abort(char *const *word)
{
    (void)word;
    return rill_barrier_abort(&barrier);
}

static int do_barrier_state(char *const *word)
{
    static char state[32];
    (void)word;
    snprintf(state, sizeof state, "%d %d", rill_barrier_n_waiting(&barrier),
             rill_barrier_broken(&barrier));
    said = state;
    return 0;
}

/* --- Verbs about queues. --- */

static int do_put(char *const *word)
{
    return rill_queue_put(queue(word[0]), (void *)(intptr_t)number(word[1]));
}

static int do_put_nowait(char *const *word)
{
    return rill_queue_put_nowait(queue(word[0]), (void *)(intptr_t)number(word[1]));
}

static int do_get(char *const *word)
{
    void *item = NULL;
    int r = rill_queue_get(queue(word[0]), &item);
    return r < 0 ? r : (int)(intptr_t)item;
}

static int do_get_nowait(char *const *word)
{
    void *item = NULL;
    int r = rill_queue_get_nowait(queue(word[0]), &item);
    return r < 0 ? r : (int)(intptr_t)item;
}

static int do_task_done(char *const *word)
{
    return rill_queue_task_done(queue(word[0]));
}

static int do_join(char *const *word)
{
    return rill_queue_join(queue(word[0]));
}

static int do_size(char *const *word)
{
    return (int)rill_queue_size(queue(word[0]));
}

static int do_shutdown(char *const *word)
{
    return rill_queue_shutdown(queue(word[0]), word[1][0] == 'n');
}

/* --- Verbs about calls, values, and scopes of anybody. --- */

static void watcher(rill_future *future, void *arg)
{
    say("watcher %s -> %s", (const char *)arg, future_outcome(future));
}

static char numbers[][2] = { "0", "1" };

static int do_watch(char *const *word)
{
    rill_future *future = *place(word[0]);
    return future == NULL ? NOTHING
                          : rill_add_done_callback(future, watcher, numbers[number(word[1])]);
}

static int do_unwatch(char *const *word)
{
    rill_future *future = *place(word[0]);
    if (future == NULL)
        return NOTHING;
    return (int)rill_remove_done_callback(future, watcher, numbers[number(word[1])]);
}

static void make_call(void *words);

static int do_soon(char *const *word)
{
    handles[slot(word[0])] =
        rill_call_soon(rill_get_running_loop(), make_call, (void *)(uintptr_t)(word + 1));
    return 0;
}

static int do_later(char *const *word)
{
    handles[slot(word[0])] = rill_call_later(rill_get_running_loop(), span(word[1]), make_call,
                                             (void *)(uintptr_t)(word + 2));
    return 0;
}

static int do_drop(char *const *word)
{
    rill_handle handle = handles[slot(word[0])];
    return handle.entry == NULL ? NOTHING : rill_handle_cancel(handle);
}

static int do_var_set(char *const *word)
{
    return rill_var_set(&var, (void *)(intptr_t)number(word[0]), NULL);
}

static int do_var_get(char *const *word)
{
    (void)word;
    return (int)(intptr_t)rill_var_get(&var);
}

static int do_fire(char *const *word)
{
    rill_scope *scope = scopes[slot(word[0])];
    return scope == NULL ? NOTHING : rill_scope_reschedule(scope, rill_now() - RILL_SEC(1));
}

static int do_reschedule(char *const *word)
{
    rill_scope *scope = scopes[slot(word[0])];
    rill_time at = span(word[1]);
    return scope == NULL ? NOTHING
                         : rill_scope_reschedule(scope, at == RILL_FOREVER ? at : rill_now() + at);
}

static const struct {
    const char *name;
    int (*call)(char *const *word);
} verbs[] = {
    { "acquire", do_acquire },
    { "await", do_await },
    { "barrier", do_barrier },
    { "barrier_abort", do_barrier_abort },
    { "barrier_reset", do_barrier_reset },
    { "barrier_state", do_barrier_state },
    { "cancel", do_cancel },
    { "cancelling", do_cancelling },
    { "completed", do_completed },
    { "cond_until", do_cond_until },
    { "cond_wait", do_cond_wait },
    { "cover", do_cover },
    { "drop", do_drop },
    { "error", do_error },
    { "event_clear", do_event_clear },
    { "event_set", do_event_set },
    { "event_wait", do_event_wait },
    { "fire", do_fire },
    { "gather", do_gather },
    { "get", do_get },
    { "get_nowait", do_get_nowait },
    { "join", do_join },
    { "later", do_later },
    { "lock", do_lock },
    { "locked", do_locked },
    { "next", do_next },
    { "notify", do_notify },
    { "put", do_put },
    { "put_nowait", do_put_nowait },
    { "release", do_release },
    { "reschedule", do_reschedule },
    { "result", do_result },
    { "sem_locked", do_sem_locked },
    { "set", do_set },
    { "shield", do_shield },
    { "shutdown", do_shutdown },
    { "size", do_size },
    { "sleep", do_sleep },
    { "soon", do_soon },
    { "task_done", do_task_done },
    { "turn", do_turn },
    { "uncancel", do_uncancel },
    { "unlock", do_unlock },
    { "unwatch", do_unwatch },
    { "var_get", do_var_get },
    { "var_set", do_var_set },
    { "wait", do_wait },
    { "wait_for", do_wait_for },
    { "watch", do_watch },
};

static int do_verb(char *const *word)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, word[0]) == 0)
            return verbs[i].call(word + 1);
    say("no verb: %s", word[0]);
    return -ENOSYS;
}

static void make_call(void *words)
{
    char *const *word = words;
    int rc = do_verb(word);
    printf("call");
    for (; *word != NULL; word++)
        printf(" %s", *word);
    say(" -> %s", outcome(rc, NULL));
}

/* --- Procedures. --- */

enum flow { GO_ON, RETURN }; /* RETURN: `return` ended the procedure, with the result in *rc */

static enum flow run_block(struct actor *actor, const struct statement *first, int *rc);

static enum flow run_scope(struct actor *actor, const struct statement *block, int *rc)
{
    rill_scope scope = { 0 }, **at = &scopes[slot(block->word[1])];
    *rc = rill_timeout(&scope, span(block->word[2]));
    if (*rc < 0)
        return GO_ON;
    *at = &scope;
    enum flow flow = run_block(actor, block->body, rc);
    *rc = rill_scope_leave(&scope, *rc);
    if (*at == &scope)
        *at = NULL;
    say("%d left scope %d %u", actor->me, rill_scope_expired(&scope),
        rill_cancelling(rill_current_task()));
    return *rc < 0 ? GO_ON : flow;
}

struct limited {
    struct actor *actor;
    const struct statement *block;
    enum flow flow;
};

static int run_limited(void *arg)
{
    struct limited *limited = arg;
    int rc = 0;
    limited->flow = run_block(limited->actor, limited->block->body, &rc);
    return rc;
}

static enum flow run_limit(struct actor *actor, const struct statement *block, int *rc)
{
    struct limited limited = { .actor = actor, .block = block, .flow = GO_ON };
    *rc = rill_wait_for_call(RILL_CORO(run_limited, &limited), span(block->word[1]));
    return *rc < 0 ? GO_ON : limited.flow;
}

/* The group stays: others may try to start children when it has ended. */
static enum flow run_group(struct actor *actor, const struct statement *block, int *rc)
{
    struct actor inside = *actor;
    inside.group = rill_alloc_zero(1, sizeof *inside.group);
    *rc = rill_group_enter(inside.group);
    if (*rc < 0)
        return GO_ON;
    groups[slot(block->word[1])] = inside.group;
    enum flow flow = run_block(&inside, block->body, rc);
    *rc = rill_group_leave(inside.group, *rc);
    say("%d left group %u", actor->me, rill_cancelling(rill_current_task()));
    return *rc < 0 ? GO_ON : flow;
}

static int procedure(void *arg)
{
    struct actor actor = *(struct actor *)arg;
    int rc = 0;
    say("%d begins", actor.me);
    enum flow flow = run_block(&actor, actor.statements, &rc);
    if (flow == GO_ON && rc > 0)
        rc = 0;
    say("%d ends %s", actor.me, outcome(rc, rill_last_error()));
    return rc;
}

static struct actor *actor_new(int me, int proc)
{
    struct actor *actor = rill_alloc_zero(1, sizeof *actor);
    actor->me = me;
    actor->statements = program.procs[proc];
    return actor;
}

static int spawn(const struct actor *actor, char *const *word)
{
    rill_group *group = word[0][0] == 'h' ? actor->group : groups[slot(word[0])];
    if (group == NULL || count >= TASKS_MAX)
        return NOTHING;
    count++;
    int r = rill_group_go(group, RILL_CORO(procedure, actor_new(count - 1, number(word[1]))));
    count -= r < 0;
    return r;
}

static int start(char *const *word)
{
    if (count >= TASKS_MAX)
        return NOTHING;
    count++;
    rill_coro coro = RILL_CORO(procedure, actor_new(count - 1, number(word[1])));
    rill_task_opts opts = { .eager = word[2][0] == 'e' };
    rill_task *task = rill_create_task_with(coro, &opts);
    started[slot(word[0])] = task;
    return 0;
}

/* A statement's result in *rc. */
static enum flow run_statement(struct actor *actor, const struct statement *statement, int *rc)
{
    const char *verb = statement->word[0];
    if (strcmp(verb, "return") == 0 || strcmp(verb, "fail") == 0) {
        *rc = number(statement->word[1]);
        return *rc < 0 ? GO_ON : RETURN;
    }
    if (strcmp(verb, "scope") == 0)
        return run_scope(actor, statement, rc);
    if (strcmp(verb, "limit") == 0)
        return run_limit(actor, statement, rc);
    if (strcmp(verb, "group") == 0)
        return run_group(actor, statement, rc);
    if (strcmp(verb, "spawn") == 0)
        *rc = spawn(actor, statement->word + 1);
    else if (strcmp(verb, "start") == 0)
        *rc = start(statement->word + 1);
    else
        *rc = do_verb(statement->word);
    return GO_ON;
}

static enum flow run_block(struct actor *actor, const struct statement *first, int *rc)
{
    for (const struct statement *at = first; at != NULL; at = at->next) {
        if (run_statement(actor, at, rc) == RETURN)
            return RETURN;
        say("%d %s -> %s", actor->me, at->text,
            outcome(at->body != NULL && *rc > 0 ? 0 : *rc, rill_last_error()));
        if (*rc < 0 && !at->attempt)
            return GO_ON;
    }
    *rc = 0;
    return GO_ON;
}

/* --- The whole. --- */

static int by_number(const void *a, const void *b)
{
    return ((intptr_t)a > (intptr_t)b) - ((intptr_t)a < (intptr_t)b);
}

static void quiet(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int make_world(void)
{
    int r = (program.bounded ? rill_semaphore_init_bounded : rill_semaphore_init)(&semaphore,
                                                                                  program.permits);
    if (r == 0)
        r = rill_condition_init(&condition, &lock);
    if (r == 0)
        r = rill_barrier_init(&barrier, program.parties);
    for (int i = 0; r == 0 && i < program.queues; i++) {
        char order = program.queue[i].order;
        rill_queue_opts opts = { .maxsize = program.queue[i].size,
                                 .order = order == 'f'   ? RILL_FIFO
                                          : order == 'l' ? RILL_LIFO
                                                         : RILL_PRIORITY,
                                 .cmp = by_number };
        r = rill_queue_init(&queues[i], &opts);
    }
    for (int i = 0; i < program.futures; i++)
        futures[i] = rill_future_new();
    return r;
}

static int run_program(void *arg)
{
    (void)arg;
    rill_loop_set_error_handler(rill_get_running_loop(), quiet, NULL);
    int r = make_world();
    if (r < 0)
        return r;
    count = program.tops;
    for (int i = 0; i < program.tops; i++)
        tops[i] = rill_create_task(RILL_CORO(procedure, actor_new(i, i)));
    r = rill_sleep(RILL_SEC(1000));
    for (int i = 0; i < program.tops; i++)
        say("t%d %s %u", i, future_outcome(tops[i]), rill_cancelling(tops[i]));
    for (int i = 0; i < program.futures; i++)
        say("f%d %s", i, future_outcome(futures[i]));
    fflush(stdout);
    _exit(r < 0);
}

int main(void)
{
    if (program_read(stdin, &program) < 0)
        return 2;
    rill_sim_opts sim = { .seed = 1 };
    rill_loop_opts opts = { .sim = &sim, .eager = program.eager };
    return rill_exit_code(rill_run_with(RILL_CORO(run_program, NULL), &opts));
}
