/* graph.c - who waits for whom: edges, the tree, circles.
 *
 * A task waits for the task it awaits, for the holder of a lock, for the members of a gather or of a wait for
 * several, and at the end of a group for the group's children. In the tree a task stands below the one that
 * entered its group, else below the first that waits for it; circles are cut where they close. */
#include "server/ctl/graph.h"

#include <errno.h>
#include <string.h>

enum { edges_most = 4096, depth_most = 8, circles_most = 64, tree_most = 1000 };

/* The edges of one task while they are found. */
struct finder {
    struct snapshot *snapshot;
    struct snapshot_loop *loop;
    struct snapshot_task *found[edges_most];
    size_t count;
};

static void add(struct finder *finder, struct snapshot_task *task)
{
    if (task != NULL && finder->count < edges_most)
        finder->found[finder->count++] = task;
}

static void add_future(struct finder *finder, uint64_t at, int depth);

static void add_members(struct finder *finder, uint64_t first, uint64_t count,
                        const rill_table_members *array, int depth)
{
    for (uint64_t i = 0; i < count && i < edges_most && array->element > 0; i++) {
        uint64_t at = first + i * array->element + array->pointer;
        add_future(finder, target_number(&finder->snapshot->target, at, 8, 0), depth);
    }
}

/* A gather or shield lies in memory of its own and has its members in there. */
static void add_members_of(struct finder *finder, uint64_t at, int depth)
{
    const struct target *target = &finder->snapshot->target;
    const rill_table *table = &target->table;
    uint64_t kind = target_number(target, at + table->task.kind, 1, UINT64_MAX);
    uint64_t state = target_number(target, at + table->task.state, 1, UINT64_MAX);
    if (kind >= sizeof table->futures / sizeof *table->futures || state != table->task.is_pending)
        return;
    const rill_table_members *array = &table->futures[kind];
    if (array->first.size == 0 || array->first.hops > 0)
        return;
    uint64_t count = 1;
    if (array->count.size == 8 && array->count.hops == 0)
        count = target_number(target, at + array->count.at[0], 8, 0);
    rill_table_members whole = *array;
    whole.element = array->count.size > 0 ? array->element : 8;
    add_members(finder, at + array->first.at[0], count, &whole, depth + 1);
}

static void add_future(struct finder *finder, uint64_t at, int depth)
{
    struct snapshot_task *task = snapshot_find(finder->loop, at);
    if (task != NULL)
        add(finder, task);
    else if (at != 0 && depth < depth_most && finder->count < edges_most)
        add_members_of(finder, at, depth);
}

static int find_edges(struct finder *finder, struct snapshot_task *task)
{
    const struct snapshot_wait *wait = task->wait;
    finder->count = 0;
    if (wait == NULL)
        return 0;
    add_future(finder, wait->future, 0);
    struct snapshot_task *holder = snapshot_find(finder->loop, wait->holder);
    if (holder != NULL && holder->number == wait->number)
        add(finder, holder);
    add_members(finder, wait->first, wait->members, &wait->array, 0);
    size_t size = finder->count * sizeof *task->edges;
    task->edges = rill_arena_copy(&finder->snapshot->arena, finder->found, size);
    task->edge_count = finder->count;
    return task->edges == NULL ? -ENOMEM : 0;
}

/* Edges as seen from the other end. */
static int turn_round(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    for (size_t i = 0; i < loop->count; i++)
        for (size_t k = 0; k < loop->tasks[i].edge_count; k++)
            loop->tasks[i].edges[k]->awaiter_count++;
    for (size_t i = 0; i < loop->count; i++) {
        struct snapshot_task *task = &loop->tasks[i];
        size_t size = task->awaiter_count * sizeof *task->awaiters;
        if (size > 0 && (task->awaiters = rill_arena_alloc(&snapshot->arena, size)) == NULL)
            return -ENOMEM;
        task->awaiter_count = 0;
    }
    for (size_t i = 0; i < loop->count; i++)
        for (size_t k = 0; k < loop->tasks[i].edge_count; k++) {
            struct snapshot_task *to = loop->tasks[i].edges[k];
            to->awaiters[to->awaiter_count++] = &loop->tasks[i];
        }
    return 0;
}

/* --- The tree. --- */

/* Whether `task` stands above `below`, or that is so deep that nobody wants to see it. */
static bool is_above(const struct snapshot_task *task, const struct snapshot_task *below)
{
    for (size_t steps = 0; below != NULL && steps < tree_most; steps++, below = below->parent)
        if (below == task)
            return true;
    return below != NULL;
}

static void hang(struct snapshot_task *task, struct snapshot_task *below)
{
    if (below == NULL || task->parent != NULL || is_above(task, below))
        return;
    task->parent = below;
}

/* Children in order of their numbers: the last task is hung first. */
static void link_children(struct snapshot_loop *loop)
{
    for (size_t i = loop->count; i-- > 0;) {
        struct snapshot_task *task = &loop->tasks[i];
        if (task->parent == NULL)
            continue;
        task->next = task->parent->child;
        task->parent->child = task;
    }
}

/* --- Deadlines. --- */

enum { passes_most = 16 };

/* At `when` somebody is cancelled, and `task` is so with it. */
static bool inherit(struct snapshot_task *task, rill_time when)
{
    if (task == NULL || when >= task->inherited)
        return false;
    task->inherited = when;
    if (when < task->deadline) {
        task->deadline = when;
        task->bound = NULL; /* that was of its own deadline */
    }
    return true;
}

static bool inherit_from_group(struct snapshot_task *task, const struct snapshot_task *above)
{
    if (above == NULL || above->state != TASK_WAITS)
        return false;
    return inherit(task, task->around < above->inherited ? task->around : above->inherited);
}

/* From who awaits a task to that, and from scopes around a group to its children; not to members of a wait for
 * several or through a shield, which nobody cancels. */
static void hand_deadlines_on(struct snapshot_loop *loop)
{
    bool any = true;
    for (size_t i = 0; i < loop->count; i++)
        loop->tasks[i].inherited = INT64_MAX;
    for (int pass = 0; any && pass < passes_most; pass++) {
        any = false;
        for (size_t i = 0; i < loop->count; i++) {
            struct snapshot_task *task = &loop->tasks[i];
            any |= inherit_from_group(task, snapshot_find(loop, task->group_task));
            if (task->state == TASK_WAITS && task->wait != NULL && task->wait->future != 0)
                any |= inherit(snapshot_find(loop, task->wait->future), task->deadline);
        }
    }
}

int graph_build(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    struct finder *finder = rill_arena_alloc_zero(&snapshot->arena, 1, sizeof *finder);
    if (finder == NULL)
        return -ENOMEM;
    finder->snapshot = snapshot;
    finder->loop = loop;
    for (size_t i = 0; i < loop->count; i++)
        if (find_edges(finder, &loop->tasks[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < loop->count; i++) {
        struct snapshot_task *task = &loop->tasks[i];
        hang(task, snapshot_find(loop, task->group_task));
    }
    if (turn_round(snapshot, loop) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < loop->count; i++)
        if (loop->tasks[i].awaiter_count > 0)
            hang(&loop->tasks[i], loop->tasks[i].awaiters[0]);
    link_children(loop);
    hand_deadlines_on(loop);
    return 0;
}

/* --- Circles. --- */

enum { NEW, ON_PATH, DONE };

struct step {
    struct snapshot_task *task;
    size_t next;                 /* of its edges */
    struct snapshot_task *child; /* the next one in the tree */
};

struct walk {
    struct step *path;
    struct snapshot_task **tasks; /* of a circle, for `fn` */
    size_t length;
    int found;
    graph_circle_fn *fn;
    void *arg;
};

/* The next edge of the last task on the path, or NULL: those that are known, then the children of the group
 * whose end it waits for. */
static struct snapshot_task *next_edge(struct step *step)
{
    const struct snapshot_task *task = step->task;
    if (step->next < task->edge_count)
        return task->edges[step->next++];
    while (step->child != NULL) {
        struct snapshot_task *child = step->child;
        step->child = child->next;
        if (task->wait != NULL && child->group == task->wait->object && child->group != 0)
            return child;
    }
    return NULL;
}

static void tell_circle(struct walk *walk, const struct snapshot_task *from)
{
    size_t at = walk->length;
    while (at > 0 && walk->path[at - 1].task != from)
        at--;
    size_t count = 0;
    for (size_t i = at - 1; i < walk->length; i++)
        walk->tasks[count++] = walk->path[i].task;
    if (walk->found++ < circles_most)
        walk->fn(walk->tasks, count, walk->arg);
}

static void visit(struct walk *walk, struct snapshot_task *task)
{
    if (task->seen == ON_PATH)
        tell_circle(walk, task);
    if (task->seen != NEW)
        return;
    task->seen = ON_PATH;
    walk->path[walk->length++] = (struct step){ task, 0, task->child };
}

int graph_circles(struct snapshot *snapshot, struct snapshot_loop *loop, graph_circle_fn *fn,
                  void *arg)
{
    struct walk walk = { .fn = fn, .arg = arg };
    walk.path = rill_arena_alloc(&snapshot->arena, (loop->count + 1) * sizeof *walk.path);
    walk.tasks = rill_arena_alloc(&snapshot->arena, (loop->count + 1) * sizeof(void *));
    if (walk.path == NULL || walk.tasks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < loop->count; i++) {
        visit(&walk, &loop->tasks[i]);
        while (walk.length > 0) {
            struct step *last = &walk.path[walk.length - 1];
            struct snapshot_task *to = next_edge(last);
            if (to != NULL) {
                visit(&walk, to);
                continue;
            }
            last->task->seen = DONE;
            walk.length--;
        }
    }
    return walk.found;
}
