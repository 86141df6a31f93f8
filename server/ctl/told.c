/* told.c - what a task does and waits for, in words. */
#include "server/ctl/told.h"

#include "server/ctl/print.h"

enum { names_most = 4 };

bool told_is_stuck(const struct snapshot_loop *loop)
{
    return loop->step > 0 && loop->slow > 0 && loop->step >= loop->slow;
}

const char *told_state(const struct snapshot_loop *loop, const struct snapshot_task *task)
{
    switch (task->state) {
    case TASK_NEW: return "new";
    case TASK_READY: return "ready";
    case TASK_WAITS: return "waits";
    case TASK_RUNS: return told_is_stuck(loop) ? "stuck" : "runs";
    default: return "ends";
    }
}

enum peer_kind told_peer(const struct peers *peers, const struct snapshot_loop *loop,
                         const struct snapshot_task *task, rill_text *text)
{
    const struct snapshot_wait *wait = task->wait;
    if (wait == NULL || wait->fd < 0)
        return PEER_UNKNOWN;
    if (wait->address != NULL) {
        rill_addr_format(wait->address, text);
        return PEER_REMOTE;
    }
    return loop->real ? peers_tell(peers, wait->fd, text) : PEER_UNKNOWN;
}

static void add_peer(const struct peers *peers, const struct snapshot_loop *loop,
                     const struct snapshot_task *task, rill_text *text)
{
    char memory[512];
    rill_text peer = { memory, sizeof memory, 0, false };
    switch (told_peer(peers, loop, task, &peer)) {
    case PEER_REMOTE: rill_text_fmt(text, " with %s", rill_text_end(&peer)); break;
    case PEER_LOCAL: rill_text_fmt(text, " at %s", rill_text_end(&peer)); break;
    case PEER_PROCESS:
    case PEER_FILE: rill_text_fmt(text, " (%s)", rill_text_end(&peer)); break;
    default: break;
    }
}

static void add_names(const struct snapshot_task *task, rill_text *text)
{
    for (size_t i = 0; i < task->edge_count && i < names_most; i++)
        rill_text_fmt(text, "%s'%s'", i == 0 ? "" : ", ", task->edges[i]->name);
    if (task->edge_count > names_most)
        rill_text_fmt(text, " and %zu more", task->edge_count - names_most);
}

void told_wait(const struct peers *peers, const struct snapshot_loop *loop,
               const struct snapshot_task *task, rill_text *text)
{
    const struct snapshot_wait *wait = task->wait;
    const struct snapshot_task *holder = snapshot_find(loop, wait->holder);
    const struct snapshot_task *awaited = snapshot_find(loop, wait->future);
    if (awaited != NULL) {
        rill_text_fmt(text, "task '%s'", awaited->name);
        return;
    }
    rill_text_fmt(text, "%s", wait->what);
    if (wait->name != NULL)
        rill_text_fmt(text, " of '%s'", wait->name);
    if (wait->object != 0 || wait->future != 0)
        rill_text_fmt(text, " 0x%llx",
                      (unsigned long long)(wait->object != 0 ? wait->object : wait->future));
    if (wait->fd >= 0)
        rill_text_fmt(text, " on fd %d", wait->fd);
    add_peer(peers, loop, task, text);
    if (wait->of > 0)
        rill_text_fmt(text, ", %llu of %llu to come", (unsigned long long)wait->left,
                      (unsigned long long)wait->of);
    if (holder != NULL && holder->number == wait->number) {
        rill_text_fmt(text, ", held by '%s'", holder->name);
    } else if (task->edge_count > 0) {
        rill_text_fmt(text, ": ");
        add_names(task, text);
    }
}

static void add_deed(const struct snapshot_task *task, rill_text *text)
{
    if (task->deed != NULL && task->whom != NULL)
        rill_text_fmt(text, ", for %s %s", task->deed, task->whom);
    if (task->deed != NULL && task->bound != NULL)
        rill_text_fmt(text, " (%s)", task->bound);
}

static void add_deadline(const struct snapshot *snapshot, const struct snapshot_loop *loop,
                         rill_time deadline, rill_text *text)
{
    if (deadline == INT64_MAX)
        return;
    if (!loop->real) {
        rill_text_fmt(text, ", due at ");
        print_span(text, deadline);
        rill_text_fmt(text, " of its clock");
        return;
    }
    rill_text_fmt(text, deadline < snapshot->now ? ", due since " : ", due in ");
    print_span(text, deadline - snapshot->now);
}

void told_task(const struct peers *peers, const struct snapshot *snapshot,
               const struct snapshot_loop *loop, const struct snapshot_task *task, rill_text *text)
{
    switch (task->state) {
    case TASK_NEW: rill_text_fmt(text, "its first turn"); return;
    case TASK_READY: rill_text_fmt(text, "its turn"); return;
    case TASK_ENDS: rill_text_fmt(text, "nothing: it ends"); return;
    case TASK_RUNS: rill_text_fmt(text, "nothing: it runs"); break;
    default:
        if (task->wait != NULL)
            told_wait(peers, loop, task, text);
        add_deed(task, text);
        add_deadline(snapshot, loop, task->deadline, text);
        return;
    }
    if (told_is_stuck(loop)) {
        rill_text_fmt(text, ", in one step for ");
        print_span(text, loop->step);
    }
}
