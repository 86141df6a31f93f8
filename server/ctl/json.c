/* json.c - the answers of rillctl for programs: the same data as the text.
 *
 * Spans are in milliseconds, deadlines are spans from now. Texts of the process that are no UTF-8 have their
 * octets as \xNN. */
#include "server/ctl/json.h"

#include "server/ctl/graph.h"
#include "server/ctl/show.h"
#include "server/ctl/stack.h"
#include "server/ctl/told.h"

#include <stdio.h>
#include <string.h>

json_t *json_text(const char *text)
{
    char memory[PRINT_LINE];
    rill_text escaped = { memory, sizeof memory, 0, false };
    json_t *whole = json_string(text);
    if (whole != NULL)
        return whole;
    for (const char *at = text; *at != 0; at++)
        if ((unsigned char)*at < 0x80)
            rill_text_char(&escaped, *at);
        else
            rill_text_fmt(&escaped, "\\x%02x", (unsigned char)*at);
    return json_string(rill_text_end(&escaped));
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_text(text));
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_address(json_t *object, const char *key, uint64_t address)
{
    char text[32];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    if (address != 0)
        set_text(object, key, text);
}

static json_t *site_of(const struct snapshot_site *site)
{
    json_t *object = json_object();
    if (site == NULL)
        return object;
    set_text(object, "function", site->function);
    set_text(object, "file", site->file);
    json_object_set_new(object, "line", json_integer(site->line));
    return object;
}

static json_t *task_name(const struct snapshot_task *task)
{
    json_t *object = json_object();
    set_number(object, "id", task->number);
    set_text(object, "name", task->name);
    return object;
}

/* --- Waits. --- */

static void set_peer(json_t *object, const struct peers *peers, const struct snapshot_loop *loop,
                     const struct snapshot_task *task)
{
    char memory[512];
    rill_text text = { memory, sizeof memory, 0, false };
    enum peer_kind kind = told_peer(peers, loop, task, &text);
    static const char *const keys[] = { [PEER_REMOTE] = "peer",
                                        [PEER_LOCAL] = "local",
                                        [PEER_FILE] = "file",
                                        [PEER_PROCESS] = "process" };
    if (kind != PEER_UNKNOWN)
        set_text(object, keys[kind], rill_text_end(&text));
}

static json_t *wait_of(const struct peers *peers, const struct snapshot *snapshot,
                       const struct snapshot_loop *loop, const struct snapshot_task *task)
{
    char memory[1024];
    rill_text text = { memory, sizeof memory, 0, false };
    const struct snapshot_wait *wait = task->wait;
    const struct snapshot_task *holder = snapshot_find(loop, wait->holder);
    json_t *object = json_object();
    told_wait(peers, loop, task, &text);
    set_text(object, "text", rill_text_end(&text));
    set_text(object, "what", wait->what);
    if (wait->name != NULL)
        set_text(object, "name", wait->name);
    set_address(object, "object", wait->object);
    set_address(object, "future", wait->future);
    if (wait->fd >= 0)
        set_number(object, "fd", (uint64_t)wait->fd);
    set_peer(object, peers, loop, task);
    if (wait->of > 0) {
        set_number(object, "left", wait->left);
        set_number(object, "of", wait->of);
    }
    if (holder != NULL && holder->number == wait->number)
        json_object_set_new(object, "holder", task_name(holder));
    if (task->deadline != INT64_MAX && loop->real)
        json_object_set_new(object, "deadline_ms",
                            json_integer((task->deadline - snapshot->now) / RILL_MS(1)));
    return object;
}

/* What it is all for. */
static json_t *deed_of(const struct snapshot_task *task)
{
    json_t *object = json_object();
    set_text(object, "what", task->deed);
    if (task->whom != NULL)
        set_text(object, "of", task->whom);
    if (task->bound != NULL)
        set_text(object, "bound", task->bound);
    return object;
}

static json_t *numbers_of(struct snapshot_task *const *tasks, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer(tasks[i]->number));
    return array;
}

/* --- Tasks. --- */

static json_t *task_of(const struct peers *peers, const struct snapshot *snapshot,
                       const struct snapshot_loop *loop, const struct snapshot_task *task)
{
    json_t *object = task_name(task);
    set_text(object, "state", told_state(loop, task));
    json_object_set_new(object, "made", site_of(task->site));
    set_number(object, "steps", task->steps);
    set_number(object, "cancels", task->cancels);
    if (task->wait != NULL && task->state == TASK_WAITS)
        json_object_set_new(object, "waits_for", wait_of(peers, snapshot, loop, task));
    if (task->deed != NULL)
        json_object_set_new(object, "for", deed_of(task));
    json_object_set_new(object, "awaits", numbers_of(task->edges, task->edge_count));
    json_object_set_new(object, "awaited_by", numbers_of(task->awaiters, task->awaiter_count));
    if (task->parent != NULL)
        set_number(object, "parent", task->parent->number);
    return object;
}

static json_t *frames_of(const struct stack *stack)
{
    json_t *array = json_array();
    for (size_t i = 0; i < stack->count; i++) {
        const struct stack_frame *frame = &stack->frames[i];
        json_t *object = json_object();
        set_address(object, "pc", frame->pc);
        if (frame->function != NULL)
            set_text(object, "function", frame->function);
        if (frame->file != NULL) {
            set_text(object, "file", frame->file);
            json_object_set_new(object, "line", json_integer(frame->line));
        }
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *tasks_of(const struct peers *peers, struct snapshot *snapshot,
                        const struct snapshot_loop *loop, struct stacks *stacks, const char *chosen)
{
    struct stack stack;
    json_t *array = json_array();
    for (size_t i = 0; i < loop->count; i++) {
        if (!show_is_chosen(chosen, &loop->tasks[i]))
            continue;
        json_t *object = task_of(peers, snapshot, loop, &loop->tasks[i]);
        if (stacks != NULL) {
            stacks_walk(stacks, loop, &loop->tasks[i], &stack);
            json_object_set_new(object, "frames", frames_of(&stack));
            if (stack.problem != NULL)
                set_text(object, "problem", stack.problem);
        }
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *uses_of(const struct snapshot_loop *loop)
{
    json_t *array = json_array();
    for (size_t i = 0; i < loop->use_count; i++) {
        json_t *object = json_object();
        set_number(object, "deepest", loop->uses[i].most);
        set_number(object, "tasks", loop->uses[i].tasks);
        json_object_set_new(object, "made", site_of(loop->uses[i].site));
        json_array_append_new(array, object);
    }
    return array;
}

/* --- Loops. --- */

static void add_circle(struct snapshot_task *const *tasks, size_t count, void *arg)
{
    json_array_append_new(arg, numbers_of(tasks, count));
}

static json_t *loop_of(const struct snapshot_loop *loop)
{
    static const char *const counters[] = { "enters",     "submitted", "completions", "overflows",
                                            "no_buffers", NULL,        "wakes" };
    json_t *object = json_object();
    set_number(object, "thread", (uint64_t)loop->thread);
    const char *busy = told_is_stuck(loop) ? "stuck" : "busy";
    set_text(object, "state", !loop->running ? "stopped" : loop->asleep ? "asleep" : busy);
    json_object_set_new(object, "step_ms", json_integer(loop->step / RILL_MS(1)));
    json_object_set_new(object, "simulated", json_boolean(!loop->real));
    set_number(object, "steps", loop->steps);
    set_number(object, "tasks_made", loop->tasks_made);
    set_number(object, "timers", loop->timers);
    set_number(object, "stacks", loop->stacks);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (counters[i] != NULL)
            set_number(object, counters[i], loop->counters[i]);
    return object;
}

static json_t *whole_loop(const struct peers *peers, struct snapshot *snapshot,
                          struct snapshot_loop *loop, struct stacks *stacks, const char *chosen)
{
    json_t *object = loop_of(loop), *circles = json_array();
    (void)graph_circles(snapshot, loop, add_circle, circles);
    json_object_set_new(object, "circles", circles);
    json_object_set_new(object, "tasks", tasks_of(peers, snapshot, loop, stacks, chosen));
    return object;
}

json_t *json_process(struct snapshot *snapshot, enum json_answer answer, const char *chosen)
{
    struct peers peers;
    struct stacks *stacks = NULL;
    json_t *object = json_object(), *loops = json_array();
    set_number(object, "pid", (uint64_t)snapshot->target.pid);
    set_text(object, "program", snapshot->target.program);
    if (answer == JSON_BACKTRACES)
        (void)stacks_open(snapshot, &stacks);
    peers_open(&peers, snapshot->target.pid);
    for (size_t i = 0; i < snapshot->loop_count; i++) {
        struct snapshot_loop *loop = &snapshot->loops[i];
        json_t *entry = answer == JSON_USES ? loop_of(loop)
                                            : whole_loop(&peers, snapshot, loop, stacks, chosen);
        if (answer == JSON_USES)
            json_object_set_new(entry, "places", uses_of(loop));
        json_array_append_new(loops, entry);
    }
    peers_close(&peers);
    stacks_close(stacks);
    json_object_set_new(object, "loops", loops);
    return object;
}
