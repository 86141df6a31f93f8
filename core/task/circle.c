/* circle.c - circles of tasks that wait for each other: awaits, members of gathers, holders of locks.
 *
 * A task has an edge to what it awaits, or to all that it waits for, and to the task that holds what it
 * waits for; a gather or shield has edges to its members. A depth-first walk visits each of them once (`marked`, which is
 * clear outside of such walks) and keeps the way that it came; an edge back onto that way is a circle.
 * Ways of more than path_most steps are cut off there. */
#include "core/task/inspect.h"

#include <rill/mem.h>

#include <stdio.h>

enum { path_most = 1024 };

struct step {
    const rill_future *future;
    size_t next; /* index of the edge to look at next */
};

struct walk {
    struct step *path;
    size_t length;
    int fd, found;
};

/* The edge at `index`, or NULL behind the last one. */
static rill_future *edge(const rill_future *future, size_t index)
{
    struct rill__told told;
    if (future->kind != RILL__TASK)
        return rill__told_member(future, &rill__future_ops(future)->members, index);
    if (!rill__task_tell(container_of(future, struct rill__task, future), &told))
        return NULL;
    if (told.future != NULL && index-- == 0)
        return told.future;
    if (told.holder != NULL && index-- == 0)
        return told.holder;
    return told.members != NULL ? rill__told_member(told.record, told.members, index) : NULL;
}

static const char *name_at(const struct walk *walk, size_t i, char numbered[RILL__NUMBERED])
{
    return rill__task_name(container_of(walk->path[i].future, struct rill__task, future), numbered);
}

static void write_circle(const struct walk *walk, size_t from)
{
    char numbered[RILL__NUMBERED];
    dprintf(walk->fd, "rill: circle:");
    for (size_t i = from; i < walk->length; i++)
        if (walk->path[i].future->kind == RILL__TASK)
            dprintf(walk->fd, " '%s' waits for", name_at(walk, i, numbered));
    for (size_t i = from; i < walk->length; i++) {
        if (walk->path[i].future->kind != RILL__TASK)
            continue;
        dprintf(walk->fd, " '%s'\n", name_at(walk, i, numbered));
        return;
    }
}

/* Go on to `future`, or note that it lies on the way. */
static void visit(struct walk *walk, rill_future *future)
{
    for (size_t i = 0; i < walk->length; i++) {
        if (walk->path[i].future != future)
            continue;
        walk->found++;
        write_circle(walk, i);
        return;
    }
    if (future->marked || future->state != RILL_PENDING || walk->length == path_most)
        return;
    future->marked = true;
    walk->path[walk->length++] = (struct step){ future, 0 };
}

static void walk_from(struct walk *walk, rill_future *start)
{
    visit(walk, start);
    while (walk->length > 0) {
        struct step *last = &walk->path[walk->length - 1];
        rill_future *to = edge(last->future, last->next++);
        if (to == NULL)
            walk->length--;
        else
            visit(walk, to);
    }
}

/* Clear the marks of what `future` leads to. Each mark is cleared once, so this ends. */
static void unmark(struct walk *walk, rill_future *future)
{
    walk->length = 0;
    for (;;) {
        if (future != NULL && future->marked && walk->length < path_most) {
            future->marked = false;
            walk->path[walk->length++] = (struct step){ future, 0 };
        }
        if (walk->length == 0)
            return;
        struct step *last = &walk->path[walk->length - 1];
        future = edge(last->future, last->next++);
        if (future == NULL)
            walk->length--;
    }
}

int rill__circles_write(const struct rill_loop *loop, int fd)
{
    struct walk walk = { .path = rill_alloc(path_most * sizeof *walk.path), .fd = fd };
    if (walk.path == NULL) {
        dprintf(fd, "rill: no memory to look for circles\n");
        return 0;
    }
    list_for_each(node, &loop->tasks)
        walk_from(&walk, &container_of(node, struct rill__task, link)->future);
    list_for_each(node, &loop->tasks)
        unmark(&walk, &container_of(node, struct rill__task, link)->future);
    rill_free(walk.path);
    return walk.found;
}
