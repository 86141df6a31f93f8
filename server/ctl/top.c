/* top.c - the busiest tasks, again and again.
 *
 * A step is one go of a task from where it waited to where it waits again. Steps are counted by the tasks
 * themselves; here only the differences of two snapshots are sorted. */
#include "server/ctl/top.h"

#include "server/ctl/graph.h"
#include "server/ctl/json.h"
#include "server/ctl/show.h"
#include "server/ctl/told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { rows_most = 1000 };

/* One task, of any of the processes. */
struct row {
    const struct snapshot *snapshot;
    const struct snapshot_loop *loop;
    const struct snapshot_task *task;
    uint32_t steps; /* since the last snapshot */
};

struct round {
    struct snapshot *snapshots;
    struct row *rows;
    size_t row_count;
};

/* The loop at that address, of that process, one round earlier. */
static const struct snapshot_loop *before(const struct round *last, size_t process, uint64_t at)
{
    const struct snapshot *snapshot = last->snapshots != NULL ? &last->snapshots[process] : NULL;
    for (size_t i = 0; snapshot != NULL && i < snapshot->loop_count; i++)
        if (snapshot->loops[i].at == at)
            return &snapshot->loops[i];
    return NULL;
}

static uint32_t steps_since(const struct snapshot_loop *last, const struct snapshot_task *task)
{
    const struct snapshot_task *then = last != NULL ? snapshot_find(last, task->at) : NULL;
    bool same = then != NULL && then->number == task->number && then->steps <= task->steps;
    return same ? task->steps - then->steps : task->steps;
}

static int busiest_first(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->steps != y->steps)
        return x->steps < y->steps ? 1 : -1;
    return (x->task->number > y->task->number) - (x->task->number < y->task->number);
}

static int make_rows(struct round *round, const struct round *last, size_t count)
{
    size_t used = 0, all = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < round->snapshots[i].loop_count; k++)
            all += round->snapshots[i].loops[k].count;
    round->rows = rill_alloc_zero(all + 1, sizeof *round->rows);
    if (round->rows == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct snapshot *snapshot = &round->snapshots[i];
        for (size_t k = 0; k < snapshot->loop_count; k++) {
            const struct snapshot_loop *loop = &snapshot->loops[k];
            const struct snapshot_loop *then = before(last, i, loop->at);
            for (size_t t = 0; t < loop->count; t++)
                round->rows[used++] = (struct row){ snapshot, loop, &loop->tasks[t],
                                                    steps_since(then, &loop->tasks[t]) };
        }
    }
    round->row_count = used;
    qsort(round->rows, used, sizeof *round->rows, busiest_first);
    return 0;
}

static void end_round(struct round *round, size_t count)
{
    for (size_t i = 0; round->snapshots != NULL && i < count; i++)
        snapshot_fini(&round->snapshots[i]);
    rill_free(round->snapshots);
    rill_free(round->rows);
    *round = (struct round){ 0 };
}

static int take_round(struct round *round, const struct round *last, const pid_t *pids,
                      size_t count)
{
    int r = 0;
    *round = (struct round){ .snapshots = rill_alloc_zero(count, sizeof *round->snapshots) };
    if (round->snapshots == NULL)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct snapshot *snapshot = &round->snapshots[i];
        r = snapshot_take(snapshot, pids[i]);
        for (size_t k = 0; r == 0 && k < snapshot->loop_count; k++)
            r = graph_build(snapshot, &snapshot->loops[k]);
    }
    if (r == 0)
        r = make_rows(round, last, count);
    if (r < 0)
        end_round(round, count);
    return r;
}

/* --- The answer. --- */

static void write_row(const struct top *top, const struct row *row)
{
    char memory[PRINT_LINE], told[1024];
    rill_text line = { memory, sizeof memory, 0, false };
    rill_text text = { told, sizeof told, 0, false };
    struct peers peers;
    peers_open(&peers, row->snapshot->target.pid);
    rill_text_fmt(&line, "%10u %7d %6u ", row->steps, row->snapshot->target.pid, row->task->number);
    print_clean(&top->print, &line, row->task->name, 20);
    rill_text_fmt(&line, " %-6s ", told_state(row->loop, row->task));
    told_task(&peers, row->snapshot, row->loop, row->task, &text);
    print_clean(&top->print, &line, rill_text_end(&text), 0);
    print_line(&top->print, &line, row->task->state == TASK_RUNS ? GREEN : PLAIN);
    peers_close(&peers);
}

static void write_text(const struct top *top, struct round *round, size_t count)
{
    char memory[PRINT_LINE];
    rill_text line = { memory, sizeof memory, 0, false };
    size_t left = top->print.height > 0 ? top->print.height - 1 : rows_most;
    if (top->print.height > 0 && top->times != 1)
        fputs("\033[H\033[2J", stdout);
    for (size_t i = 0; i < count; i++) {
        struct show show = { .print = top->print, .snapshot = &round->snapshots[i] };
        show_process(&show);
        for (size_t k = 0; k < round->snapshots[i].loop_count; k++)
            show_loop(&show, &round->snapshots[i].loops[k]);
        size_t lines = 1 + round->snapshots[i].loop_count;
        left = left > lines ? left - lines : 0;
    }
    rill_text_fmt(&line, "%10s %7s %6s %-20s %-6s %s", "STEPS", "PROCESS", "TASK", "NAME", "STATE",
                  "WAITS FOR");
    print_line(&top->print, &line, DIM);
    for (size_t i = 0; i < round->row_count && i + 1 < left; i++)
        write_row(top, &round->rows[i]);
}

static void write_json(const struct round *round)
{
    json_t *whole = json_object(), *array = json_array();
    for (size_t i = 0; i < round->row_count && i < rows_most; i++) {
        const struct row *row = &round->rows[i];
        json_t *object = json_object();
        json_object_set_new(object, "pid", json_integer(row->snapshot->target.pid));
        json_object_set_new(object, "id", json_integer(row->task->number));
        json_object_set_new(object, "name", json_text(row->task->name));
        json_object_set_new(object, "state", json_string(told_state(row->loop, row->task)));
        json_object_set_new(object, "steps", json_integer(row->steps));
        json_array_append_new(array, object);
    }
    json_object_set_new(whole, "tasks", array);
    json_dumpf(whole, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
}

static void wait_for(uint64_t ms)
{
    struct timespec span = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &span) == EINTR)
        continue;
}

int top_run(const struct top *top, const pid_t *pids, size_t count)
{
    struct round last = { 0 }, round;
    int r = 0;
    for (uint64_t i = 0; r == 0 && (top->times == 0 || i < top->times); i++) {
        if (i > 0)
            wait_for(top->delay_ms);
        r = take_round(&round, &last, pids, count);
        end_round(&last, count);
        if (r < 0)
            break;
        if (top->json)
            write_json(&round);
        else
            write_text(top, &round, count);
        fflush(stdout);
        if (ferror(stdout))
            r = -EPIPE;
        last = round;
    }
    end_round(&last, count);
    return r;
}
