/* sim_blocks.c - groups, scopes, gathers, waits and shields, nested at random, under random cancels.
 *
 * A node is a coroutine that draws what it does: sleep, fail, swallow its cancel, or start further nodes in
 * one of the forms that wait for several. Each seed is another program with another order of its steps.
 * What must hold in all of them: a form returns only when what it waits for has ended, the main task is never
 * left with a request that nobody of its own made, nothing leaks, nobody waits for ever. */
#include "tests/support/seeds.h"

#include <rill/group.h>
#include <rill/timeout.h>
#include <rill/wait.h>

enum { depth_most = 5, children_most = 3, known_most = 32 };

static rill_task *known[known_most];
static bool over;

static rill_time draw_span(void)
{
    return seeds_draw(4) == 0 ? 0 : RILL_US(seeds_draw(40));
}

/* What a node knows of its surroundings; lies on the stack of who starts it and waits for it. */
struct node {
    int depth;
    int *live; /* counts the nodes of a form that have begun and not ended, or NULL */
};

static int do_something(int depth);

static int run_node(void *arg)
{
    const struct node *node = arg;
    int *live = node->live;
    if (live != NULL)
        ++*live;
    int r = do_something(node->depth - 1);
    if (live != NULL)
        --*live;
    return r;
}

/* Known to the killer, who holds a reference. */
static void make_known(rill_task *task)
{
    size_t at = seeds_draw(known_most);
    rill_unref(known[at]);
    known[at] = rill_ref(task);
}

static rill_task *start(const struct node *node)
{
    rill_task_opts opts = { .copy = sizeof *node, .eager = seeds_draw(4) == 0 };
    rill_task *task = rill_create_task_with(RILL_CORO(run_node, (void *)(uintptr_t)node), &opts);
    make_known(task);
    return task;
}

/* --- The forms. --- */

static int sleep_a_while(int depth)
{
    (void)depth;
    return rill_sleep(draw_span());
}

static int give_error(int depth)
{
    int r = sleep_a_while(depth);
    return r < 0 ? r : -EIO;
}

static int fail_in_clean_up(int depth)
{
    int r = sleep_a_while(depth);
    return r == -ECANCELED ? -ENOTTY : r;
}

static int swallow(int depth)
{
    for (int i = 0; i < 3; i++)
        (void)(sleep_a_while(depth) < 0);
    return 3;
}

static int in_group(int depth)
{
    rill_group group = { 0 };
    int live = 0;
    struct node nodes[children_most];
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    for (uint32_t left = 1 + seeds_draw(children_most); left > 0 && r == 0; left--) {
        nodes[left - 1] = (struct node){ depth, &live };
        r = rill_group_go(&group, RILL_CORO(run_node, &nodes[left - 1]));
    }
    if (seeds_draw(8) == 0)
        (void)rill_group_cancel(&group, NULL);
    if (r == 0 && seeds_draw(2) == 0)
        r = do_something(depth - 1);
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    EXPECT_IS(live, 0); /* leaving waits for all */
    return r;
}

static int in_scope(int depth)
{
    rill_scope scope = { 0 };
    unsigned before = rill_cancelling(rill_current_task());
    int r = rill_timeout(&scope, draw_span());
    if (r < 0)
        return r;
    int inside = do_something(depth - 1);
    if (seeds_draw(6) == 0)
        (void)rill_scope_cancel(&scope, NULL);
    r = rill_scope_leave(&scope, inside);
    EXPECT(r == inside || inside == -ECANCELED);
    EXPECT(r != -ETIME || inside == -ETIME || rill_scope_expired(&scope));
    EXPECT(rill_cancelling(rill_current_task()) >= before); /* only its own request is taken back */
    return r;
}

static int behind_scope_shield(int depth)
{
    rill_scope scope = { 0 };
    int r = rill_scope_enter(&scope);
    if (r < 0)
        return r;
    int shielded = rill_scope_shield(&scope, RILL_FOREVER);
    int slept = sleep_a_while(depth);
    r = rill_scope_leave(&scope, slept);
    EXPECT_IS(shielded, 0);
    EXPECT_IS(slept, 0); /* whoever asks meanwhile */
    return r;
}

struct members {
    struct node node;
    rill_task *tasks[children_most];
    size_t count;
};

static void start_members(struct members *members, int depth)
{
    members->node = (struct node){ .depth = depth };
    members->count = 1 + seeds_draw(children_most);
    for (size_t i = 0; i < members->count; i++)
        members->tasks[i] = start(&members->node);
}

static size_t drop_members(struct members *members)
{
    size_t pending = 0;
    for (size_t i = 0; i < members->count; i++) {
        pending += !rill_done(members->tasks[i]);
        (void)rill_result(members->tasks[i]);
        rill_unref(members->tasks[i]);
    }
    return pending;
}

static int in_gather(int depth)
{
    struct members members;
    start_members(&members, depth);
    unsigned flags = seeds_draw(2) == 0 ? RILL_RETURN_ERRORS : 0;
    rill_future *all = rill_gather(members.count, members.tasks, flags);
    int r = rill_await(all);
    bool ended = rill_done(all);
    rill_unref(all);
    size_t pending = drop_members(&members);
    EXPECT(pending == 0 || (flags == 0 && r < 0) || !ended);
    return r;
}

static int in_wait(int depth)
{
    static const rill_wait_when whens[] = { RILL_ALL_COMPLETED, RILL_FIRST_COMPLETED,
                                            RILL_FIRST_ERROR };
    struct members members;
    rill_future *out[children_most + 1];
    start_members(&members, depth);
    rill_time span = draw_span(); /* by itself: compilers differ in the order of arguments */
    int r = rill_wait(members.count, members.tasks, whens[seeds_draw(3)], span, out);
    for (size_t i = 0; i < members.count; i++)
        if (r >= 0 && rill_done(out[i]) != (i < (size_t)r))
            r = -EBADMSG;
    for (size_t i = 0; i < members.count; i++)
        rill_cancel(members.tasks[i], NULL);
    (void)drop_members(&members);
    EXPECT(r != -EBADMSG); /* first the done ones, then the others */
    return r;
}

static int take_all(rill_as_completed *it, size_t count)
{
    rill_future *next = NULL;
    size_t taken = 0;
    int r;
    while ((r = rill_as_completed_next(it, &next)) == 1) {
        EXPECT(rill_done(next));
        taken++;
    }
    EXPECT(r < 0 || taken == count);
    return r;
}

static int in_order_of_completion(int depth)
{
    struct members members;
    rill_as_completed it = { 0 };
    start_members(&members, depth);
    int r = rill_as_completed_init(&it, members.count, members.tasks, draw_span() + RILL_US(1));
    if (r == 0)
        r = take_all(&it, members.count);
    int ended = rill_as_completed_fini(&it);
    (void)drop_members(&members);
    EXPECT_IS(ended, 0);
    return r;
}

static int wait_for_one(int depth)
{
    const struct node node = { .depth = depth };
    rill_task *task = start(&node);
    int r = rill_wait_for(task, draw_span());
    bool done = rill_done(task), delivered = r == -ECANCELED;
    rill_unref(task);
    EXPECT(done || delivered); /* it has ended, unless the call did nothing but deliver */
    return r;
}

static int behind_shield(int depth)
{
    const struct node node = { .depth = depth };
    rill_task *task = start(&node);
    int r = rill_join(rill_shield(task));
    rill_unref(task); /* it runs on, until the loop ends */
    return r;
}

static int do_something(int depth)
{
    static int (*const forms[])(int depth) = {
        sleep_a_while,
        give_error,
        fail_in_clean_up,
        swallow,
        in_group,
        in_scope,
        in_group,
        in_scope,
        in_wait,
        in_gather,
        behind_scope_shield,
        wait_for_one,
        behind_shield,
        in_order_of_completion,
    };

    enum { leaves = 4 };

    return forms[seeds_draw(depth > 0 ? sizeof forms / sizeof *forms : leaves)](depth);
}

/* --- The whole. --- */

static int cancel_now_and_then(void *arg)
{
    (void)arg;
    while (!over) {
        int r = rill_sleep(RILL_US(1 + seeds_draw(20)));
        if (r < 0)
            return r;
        rill_task *victim = known[seeds_draw(known_most)];
        if (victim != NULL)
            rill_cancel(victim, "chance");
    }
    return 0;
}

static void forget_all(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < known_most; i++) {
        if (known[i] != NULL)
            (void)rill_result(known[i]); /* its error is nobody's */
        rill_unref(known[i]);
        known[i] = NULL;
    }
}

static void swallow_error(rill_loop *loop, const char *message, rill_future *future, void *arg)
{
    (void)loop;
    (void)message;
    (void)future;
    (void)arg;
}

static int storm(void *arg)
{
    (void)arg;
    over = false;
    after_run(forget_all, NULL);
    rill_loop_set_error_handler(rill_get_running_loop(), swallow_error, NULL);
    OWNED_FUTURE rill_task *killer = rill_create_task(RILL_CORO(cancel_now_and_then, NULL));
    for (int i = 0; i < (int)seeds_load; i++) {
        int r = do_something(depth_most);
        EXPECT(r >= 0 || r == -EIO || r == -ENOTTY || r == -ETIME || r == -ECANCELED);
        EXPECT_IS(rill_cancelling(rill_current_task()), 0);
        EXPECT_IS(rill_sleep(0), 0); /* and nothing is pending */
    }
    over = true;
    return rill_await(killer);
}

static void blocks_nested_at_random_keep_their_promises_under_any_seed(void **unused)
{
    (void)unused;
    (void)seeds_try(&(struct seeds_story){
        .name = "storm", .tell = storm, .seeds = 300, .load = 25, .ordered = true });
}

static const struct scenario scenarios[] = {
    OUTSIDE(blocks_nested_at_random_keep_their_promises_under_any_seed),
};

int main(void)
{
    return SEEDS_MAIN("sim_blocks", scenarios);
}
