/* interpret.c - runs a program (see program.py) on librill and tells what happened.
 *
 * The program comes from standard input, the trace goes to standard output: what each statement gave, in
 * order. reference.py does the same on asyncio, name by name, and compare.py holds the two against each
 * other. The world is simulated, so time is virtual and no ring is needed. What a program leaves behind
 * goes with the process. */
#include "tests/differential/program.h"
#include "tests/differential/verbs.h"

#include <rill/mem.h>
#include <rill/sim.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TASKS_MAX = 40 };

/* Who runs statements. */
struct actor {
    int me;
    const struct statement *statements;
    rill_group *group; /* that it is in, or NULL */
};

static struct program program;
static int count; /* of tasks */

/* --- Procedures. --- */

enum flow { GO_ON, RETURN }; /* RETURN: `return` ended the procedure, with the result in *rc */

static enum flow run_block(struct actor *actor, const struct statement *first, int *rc);

static enum flow run_scope(struct actor *actor, const struct statement *block, int *rc)
{
    rill_scope scope = { 0 }, **at = &world.scopes[slot_of(block->word[1])];
    *rc = rill_timeout(&scope, span_of(block->word[2]));
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
    *rc = rill_wait_for_call(RILL_CORO(run_limited, &limited), span_of(block->word[1]));
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
    world.groups[slot_of(block->word[1])] = inside.group;
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
    rill_group *group = word[0][0] == 'h' ? actor->group : world.groups[slot_of(word[0])];
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
    world.started[slot_of(word[0])] = task;
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
        *rc = verb_do(statement->word);
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
    int r = (program.bounded ? rill_semaphore_init_bounded : rill_semaphore_init)(&world.semaphore,
                                                                                  program.permits);
    if (r == 0)
        r = rill_condition_init(&world.condition, &world.lock);
    if (r == 0)
        r = rill_barrier_init(&world.barrier, program.parties);
    for (int i = 0; r == 0 && i < program.queues; i++) {
        char order = program.queue[i].order;
        rill_queue_opts opts = { .maxsize = program.queue[i].size,
                                 .order = order == 'f'   ? RILL_FIFO
                                          : order == 'l' ? RILL_LIFO
                                                         : RILL_PRIORITY,
                                 .cmp = by_number };
        r = rill_queue_init(&world.queues[i], &opts);
    }
    for (int i = 0; i < program.futures; i++)
        world.futures[i] = rill_future_new();
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
        world.tops[i] = rill_create_task(RILL_CORO(procedure, actor_new(i, i)));
    r = rill_sleep(RILL_SEC(1000));
    for (int i = 0; i < program.tops; i++)
        say("t%d %s %u", i, future_outcome(world.tops[i]), rill_cancelling(world.tops[i]));
    for (int i = 0; i < program.futures; i++)
        say("f%d %s", i, future_outcome(world.futures[i]));
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
