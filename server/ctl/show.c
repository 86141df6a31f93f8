/* show.c - the answers of rillctl as text: tasks in a table, as a tree, their stacks. */
#include "server/ctl/show.h"

#include "server/ctl/graph.h"
#include "server/ctl/stack.h"
#include "server/ctl/told.h"

#include <errno.h>
#include <string.h>

enum { name_width = 20, state_width = 6, depth_shown = 64 };

static void add(struct show *show, rill_text *line, const char *text)
{
    print_clean(&show->print, line, text, 0);
}

/* --- What begins an answer. --- */

void show_process(struct show *show)
{
    char memory[PRINT_LINE], text[256];
    rill_text line = { memory, sizeof memory, 0, false };
    const struct snapshot *snapshot = show->snapshot;
    size_t tasks = 0;
    for (size_t i = 0; i < snapshot->loop_count; i++)
        tasks += snapshot->loops[i].count;
    add(show, &line, snapshot->target.program);
    snprintf(text, sizeof text, ", process %d: %zu task%s in %zu loop%s", snapshot->target.pid,
             tasks, tasks == 1 ? "" : "s", snapshot->loop_count,
             snapshot->loop_count == 1 ? "" : "s");
    add(show, &line, text);
    if (snapshot->more_loops > 0)
        rill_text_fmt(&line, " and %llu more loops that are not shown",
                      (unsigned long long)snapshot->more_loops);
    print_line(&show->print, &line, BOLD);
}

static void add_doing(const struct snapshot_loop *loop, rill_text *line)
{
    const struct snapshot_task *task = snapshot_find(loop, loop->current);
    if (!loop->running) {
        rill_text_fmt(line, "does not run");
    } else if (loop->asleep) {
        rill_text_fmt(line, "asleep");
    } else if (told_is_stuck(loop)) {
        rill_text_fmt(line, "STUCK in one step for ");
        print_span(line, loop->step);
        rill_text_fmt(line, task != NULL ? ", of task %u" : ", of a call",
                      task != NULL ? task->number : 0);
    } else {
        rill_text_fmt(line, "busy");
    }
}

void show_loop(struct show *show, const struct snapshot_loop *loop)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    if (loop->thread > 0)
        rill_text_fmt(&line, "loop of thread %d: ", loop->thread);
    else
        rill_text_fmt(&line, "loop: ");
    add_doing(loop, &line);
    if (!loop->real)
        rill_text_fmt(&line, ", simulated");
    rill_text_fmt(&line, "; %llu steps, %llu tasks made, %llu timers, %llu stacks, %llu enters",
                  (unsigned long long)loop->steps, (unsigned long long)loop->tasks_made,
                  (unsigned long long)loop->timers, (unsigned long long)loop->stacks,
                  (unsigned long long)loop->counters[0]);
    print_line(&show->print, &line, told_is_stuck(loop) ? RED : PLAIN);
}

static enum print_colour colour_of(const struct snapshot *snapshot,
                                   const struct snapshot_loop *loop,
                                   const struct snapshot_task *task)
{
    if (task->state == TASK_RUNS)
        return told_is_stuck(loop) ? RED : GREEN;
    if (task->state != TASK_WAITS)
        return GREEN;
    return loop->real && task->deadline < snapshot->now ? YELLOW : PLAIN;
}

static void add_site(struct show *show, const struct snapshot_task *task, rill_text *line)
{
    char text[600];
    if (task->site == NULL)
        return;
    snprintf(text, sizeof text, "%s() at %s:%d", task->site->function, task->site->file,
             task->site->line);
    add(show, line, text);
}

static void write_circle(struct snapshot_task *const *tasks, size_t count, void *arg)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    struct show *show = arg;
    rill_text_fmt(&line, "circle: ");
    for (size_t i = 0; i < count; i++) {
        rill_text_char(&line, '\'');
        add(show, &line, tasks[i]->name);
        rill_text_fmt(&line, "' waits for ");
    }
    rill_text_char(&line, '\'');
    add(show, &line, tasks[0]->name);
    rill_text_char(&line, '\'');
    print_line(&show->print, &line, RED);
}

/* What is said of a loop before its tasks: circles come first. */
static int begin_loop(struct show *show, struct snapshot_loop *loop)
{
    show_loop(show, loop);
    int r = graph_circles(show->snapshot, loop, write_circle, show);
    return r < 0 ? r : 0;
}

/* --- ps --- */

static void write_task(struct show *show, const struct peers *peers,
                       const struct snapshot_loop *loop, const struct snapshot_task *task)
{
    char memory[PRINT_LINE], told[1024];
    rill_text line = { memory, sizeof memory, 0, false };
    rill_text text = { told, sizeof told, 0, false };
    rill_text_fmt(&line, "%6u ", task->number);
    print_clean(&show->print, &line, task->name, name_width);
    rill_text_fmt(&line, " %-*s %8u %3u  ", state_width, told_state(loop, task), task->steps,
                  task->cancels);
    told_task(peers, show->snapshot, loop, task, &text);
    add(show, &line, rill_text_end(&text));
    if (task->awaiter_count > 0) {
        rill_text_fmt(&line, "; awaited by '");
        add(show, &line, task->awaiters[0]->name);
        rill_text_char(&line, '\'');
    }
    if (task->awaiter_count > 1)
        rill_text_fmt(&line, " and %zu more", task->awaiter_count - 1);
    rill_text_fmt(&line, "; ");
    add_site(show, task, &line);
    print_line(&show->print, &line, colour_of(show->snapshot, loop, task));
}

int show_tasks(struct show *show)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    struct peers peers;
    int r = 0;
    show_process(show);
    peers_open(&peers, show->snapshot->target.pid);
    for (size_t i = 0; r == 0 && i < show->snapshot->loop_count; i++) {
        struct snapshot_loop *loop = &show->snapshot->loops[i];
        r = begin_loop(show, loop);
        rill_text_fmt(&line, "%6s %-*s %-*s %8s %3s  %s", "TASK", name_width, "NAME", state_width,
                      "STATE", "STEPS", "CAN", "WAITS FOR; MADE");
        print_line(&show->print, &line, DIM);
        for (size_t k = 0; r == 0 && k < loop->count; k++)
            write_task(show, &peers, loop, &loop->tasks[k]);
    }
    peers_close(&peers);
    return r;
}

/* --- tree --- */

/* The lines to the left of a task: whether something follows on each level. */
struct branch {
    bool more[depth_shown];
    size_t depth;
};

static void add_branch(const struct show *show, const struct branch *branch, rill_text *line)
{
    for (size_t i = 0; i < branch->depth && i < depth_shown; i++) {
        bool last = i + 1 == branch->depth;
        if (show->print.utf8)
            rill_text_fmt(line, "%s",
                          last ? (branch->more[i] ? "├─ " : "└─ ")
                               : (branch->more[i] ? "│  " : "   "));
        else
            rill_text_fmt(line, "%s",
                          last ? (branch->more[i] ? "|- " : "`- ")
                               : (branch->more[i] ? "|  " : "   "));
    }
}

static void write_leaf(struct show *show, const struct peers *peers,
                       const struct snapshot_loop *loop, const struct snapshot_task *task,
                       const struct branch *branch)
{
    char memory[PRINT_LINE], told[1024];
    rill_text line = { memory, sizeof memory, 0, false };
    rill_text text = { told, sizeof told, 0, false };
    add_branch(show, branch, &line);
    rill_text_fmt(&line, "%u '", task->number);
    add(show, &line, task->name);
    rill_text_fmt(&line, "' %s ", told_state(loop, task));
    rill_text_fmt(&text, "for ");
    told_task(peers, show->snapshot, loop, task, &text);
    add(show, &line, rill_text_end(&text));
    if (task->cancels > 0)
        rill_text_fmt(&line, "; asked to cancel %u times", task->cancels);
    rill_text_fmt(&line, "; ");
    add_site(show, task, &line);
    print_line(&show->print, &line, colour_of(show->snapshot, loop, task));
}

static struct snapshot_task *next_root(const struct snapshot_loop *loop, size_t *at)
{
    while (*at < loop->count)
        if (loop->tasks[(*at)++].parent == NULL)
            return &loop->tasks[*at - 1];
    return NULL;
}

/* A task and all below it, without recursion: trees come from outside. */
static void write_branch(struct show *show, const struct peers *peers,
                         const struct snapshot_loop *loop, struct snapshot_task *root, bool more)
{
    struct branch branch = { .depth = 1 };
    struct snapshot_task *task = root;
    branch.more[0] = more;
    while (task != NULL) {
        write_leaf(show, peers, loop, task, &branch);
        if (task->child != NULL) {
            task = task->child;
            branch.depth++;
        } else {
            while (task != root && task->next == NULL) {
                task = task->parent;
                branch.depth--;
            }
            task = task != root ? task->next : NULL;
        }
        if (task != NULL && task != root && branch.depth <= depth_shown)
            branch.more[branch.depth - 1] = task->next != NULL;
    }
}

int show_tree(struct show *show)
{
    struct peers peers;
    int r = 0;
    show_process(show);
    peers_open(&peers, show->snapshot->target.pid);
    for (size_t i = 0; r == 0 && i < show->snapshot->loop_count; i++) {
        struct snapshot_loop *loop = &show->snapshot->loops[i];
        size_t at = 0;
        r = begin_loop(show, loop);
        struct snapshot_task *root = next_root(loop, &at), *next;
        for (; root != NULL; root = next) {
            next = next_root(loop, &at);
            write_branch(show, &peers, loop, root, next != NULL);
        }
    }
    peers_close(&peers);
    return r;
}

/* --- stacks --- */

static void write_use(struct show *show, const struct snapshot_use *use)
{
    char memory[PRINT_LINE], text[600];
    rill_text line = { memory, sizeof memory, 0, false };
    rill_text_fmt(&line, "%8llu KiB %10llu  ", (unsigned long long)use->most >> 10,
                  (unsigned long long)use->tasks);
    snprintf(text, sizeof text, "%s() at %s:%d", use->site != NULL ? use->site->function : "",
             use->site != NULL ? use->site->file : "", use->site != NULL ? use->site->line : 0);
    add(show, &line, use->site != NULL ? text : "all other places");
    print_line(&show->print, &line, PLAIN);
}

int show_uses(struct show *show)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    show_process(show);
    for (size_t i = 0; i < show->snapshot->loop_count; i++) {
        const struct snapshot_loop *loop = &show->snapshot->loops[i];
        show_loop(show, loop);
        rill_text_fmt(&line, "%12s %10s  %s", "DEEPEST", "TASKS", "MADE");
        print_line(&show->print, &line, DIM);
        for (size_t k = 0; k < loop->use_count; k++)
            write_use(show, &loop->uses[k]);
    }
    return 0;
}

/* --- bt --- */

bool show_is_chosen(const char *chosen, const struct snapshot_task *task)
{
    uint64_t number;
    if (chosen == NULL || strcmp(chosen, task->name) == 0)
        return true;
    return rill_parse_u64(rill_span_of(chosen), UINT32_MAX, &number) == 0 && number == task->number;
}

static void write_frames(struct show *show, const struct stack *stack)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    for (size_t i = 0; i < stack->count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        rill_text_fmt(&line, "  #%-2zu ", i);
        if (frame->function != NULL)
            add(show, &line, frame->function);
        else
            rill_text_fmt(&line, "0x%llx", (unsigned long long)frame->pc);
        if (frame->file != NULL) {
            rill_text_fmt(&line, " at ");
            add(show, &line, frame->file);
            rill_text_fmt(&line, ":%d", frame->line);
        }
        print_line(&show->print, &line, PLAIN);
    }
    if (stack->problem == NULL)
        return;
    rill_text_fmt(&line, "  no stack: %s", stack->problem);
    print_line(&show->print, &line, DIM);
}

static const struct branch no_branch;

int show_backtraces(struct show *show)
{
    struct stacks *stacks;
    struct peers peers;
    struct stack stack;
    bool any = show->chosen == NULL;
    int r = stacks_open(show->snapshot, &stacks);
    if (r < 0)
        return r;
    show_process(show);
    peers_open(&peers, show->snapshot->target.pid);
    for (size_t i = 0; i < show->snapshot->loop_count; i++) {
        const struct snapshot_loop *loop = &show->snapshot->loops[i];
        for (size_t k = 0; k < loop->count; k++) {
            const struct snapshot_task *task = &loop->tasks[k];
            if (!show_is_chosen(show->chosen, task))
                continue;
            any = true;
            write_leaf(show, &peers, loop, task, &no_branch);
            stacks_walk(stacks, loop, task, &stack);
            write_frames(show, &stack);
        }
    }
    peers_close(&peers);
    stacks_close(stacks);
    return any ? 0 : -ENOENT;
}
