/* snapshot.c - reads the loops of a process and the records of their tasks.
 *
 * The process goes on meanwhile. Slabs of records are read as a whole, so no list is followed that changes; a
 * record counts if it names its loop and its own place. At the end they are read again: of a task that has
 * moved on meanwhile it is not said what it waited for. All counts have bounds, whatever the process says. */
#include "server/ctl/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    slabs_most = 1 << 16,
    slab_most = 1 << 20, /* octets */
    header_most = 256,
    record_most = 1 << 12,
    places_most = 1 << 12,
    sites_most = 1 << 12,
};

static const size_t octets_most = (size_t)4 << 30; /* of records, in all */

/* Places by address: open addressing. */
struct snapshot_sites {
    struct snapshot_site slots[2 * sites_most];
    size_t count;
};

static uint64_t loop_number(const struct snapshot *snapshot, const struct snapshot_loop *loop,
                            uint16_t at, unsigned size)
{
    return target_number(&snapshot->target, loop->at + at, size, 0);
}

/* --- Places. --- */

static const char *copy_text(struct snapshot *snapshot, uint64_t from)
{
    char text[256];
    target_text(&snapshot->target, from, text, sizeof text);
    return rill_arena_copy(&snapshot->arena, text, strlen(text));
}

const struct snapshot_site *snapshot_site(struct snapshot *snapshot, uint64_t at)
{
    const rill_table *table = &snapshot->target.table;
    size_t slot = (size_t)(at * 0x9e3779b97f4a7c15u >> 40);
    struct snapshot_site *site;
    for (;; slot++) {
        site = &snapshot->sites->slots[slot % (2 * sites_most)];
        if (site->at == at)
            return site->function != NULL && site->file != NULL ? site : NULL;
        if (site->at == 0)
            break;
    }
    if (at == 0 || snapshot->sites->count == sites_most)
        return NULL;
    snapshot->sites->count++;
    site->at = at;
    uint64_t function = target_number(&snapshot->target, at + table->site.function, 8, 0);
    uint64_t file = target_number(&snapshot->target, at + table->site.file, 8, 0);
    if (function == 0 || file == 0)
        return NULL;
    site->function = copy_text(snapshot, function);
    site->file = copy_text(snapshot, file);
    site->line = (int)target_number(&snapshot->target, at + table->site.line, 4, 0);
    return site->function != NULL && site->file != NULL ? site : NULL;
}

/* --- Records. --- */

/* The slabs of a loop: what was read of them. */
struct slabs {
    struct target_piece *pieces;
    size_t count;
};

static uint64_t *read_slab_array(struct snapshot *snapshot, const struct snapshot_loop *loop,
                                 size_t *ret_count)
{
    const rill_table *table = &snapshot->target.table;
    uint64_t *array = NULL;
    for (int tries = 0; tries < 8; tries++) { /* it may move */
        uint64_t count = loop_number(snapshot, loop, table->loop.slab_count, 4);
        uint64_t from = loop_number(snapshot, loop, table->loop.slabs, 8);
        if (count > slabs_most)
            count = slabs_most;
        array = rill_arena_alloc(&snapshot->arena, (count + 1) * sizeof *array);
        *ret_count = count;
        if (array == NULL || count == 0 ||
            target_read(&snapshot->target, from, array, count * sizeof *array))
            return array;
    }
    *ret_count = 0;
    return array;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Read the headers of the slabs at `array`, which is sorted. The octets of header `i` begin at i * size. */
static char *read_headers(struct snapshot *snapshot, const uint64_t *array, size_t count,
                          size_t size, struct target_piece *pieces)
{
    char *headers = rill_arena_alloc_zero(&snapshot->arena, count + 1, size);
    for (size_t i = 0; headers != NULL && i < count; i++)
        pieces[i] = (struct target_piece){ array[i], headers + i * size, size, false };
    if (headers != NULL)
        target_read_pieces(&snapshot->target, pieces, count);
    return headers;
}

/* How many octets of records are worth reading in a slab with this header. */
static size_t slab_size(const struct snapshot *snapshot, const struct snapshot_loop *loop,
                        const char *header)
{
    const rill_table *table = &snapshot->target.table;
    uint64_t owner = target_take(header + table->slab.owner, 8);
    uint64_t fresh = target_take(header + table->slab.fresh, 4);
    if (owner != loop->at + table->loop.records || fresh * table->task.size > slab_most)
        return 0;
    return (size_t)fresh * table->task.size;
}

static int read_slabs(struct snapshot *snapshot, const struct snapshot_loop *loop,
                      struct slabs *ret_slabs)
{
    size_t count, used = 0, total = 0, header_size = snapshot->target.table.slab.records;
    uint64_t *array = read_slab_array(snapshot, loop, &count);
    struct target_piece *pieces =
        rill_arena_alloc_zero(&snapshot->arena, count + 1, sizeof *pieces);
    if (array == NULL || pieces == NULL)
        return -ENOMEM;
    qsort(array, count, sizeof *array, by_value);
    const char *headers = read_headers(snapshot, array, count, header_size, pieces);
    if (headers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        size_t size = slab_size(snapshot, loop, headers + i * header_size);
        bool overlaps = i + 1 < count && array[i + 1] - array[i] < header_size + size;
        if (size == 0 || overlaps || (total += size) > octets_most)
            continue;
        void *to = rill_arena_alloc(&snapshot->arena, size);
        if (to == NULL)
            return -ENOMEM;
        pieces[used++] = (struct target_piece){ array[i] + header_size, to, size, false };
    }
    target_read_pieces(&snapshot->target, pieces, used);
    *ret_slabs = (struct slabs){ pieces, used };
    return 0;
}

/* Whether `record`, number `place` of its slab, is a task that has not ended. */
static bool is_task(const rill_table *table, const struct snapshot_loop *loop, const char *record,
                    size_t place)
{
    uint64_t refs = target_take(record + table->task.refs, 4);
    return refs > 0 && target_take(record + table->task.kind, 1) == table->task.is_task &&
           target_take(record + table->task.state, 1) == table->task.is_pending &&
           target_take(record + table->task.place, 2) == place &&
           target_take(record + table->task.loop, 8) == loop->at;
}

static enum snapshot_state state_of(const rill_table *table, const struct snapshot_loop *loop,
                                    const char *record, uint64_t at)
{
    const char *coro = record + table->task.coro;
    uint64_t ready = target_take(record + table->task.ready + 8, 8);
    if (loop->current == at)
        return TASK_RUNS;
    if (target_take(coro + table->coro.finished, 1) != 0)
        return TASK_ENDS;
    if (target_take(coro + table->coro.base, 8) == 0)
        return TASK_NEW;
    if (target_take(record + table->task.wait, 8) == 0 ||
        (ready != 0 && ready != at + table->task.ready))
        return TASK_READY;
    return TASK_WAITS;
}

static void decode(const rill_table *table, const struct snapshot_loop *loop, const char *record,
                   uint64_t at, struct snapshot_task *task)
{
    const char *coro = record + table->task.coro;
    uint64_t callback = target_take(record + table->task.callbacks + 8, 8);
    *task = (struct snapshot_task){
        .at = at,
        .number = (uint32_t)target_take(coro + table->coro.number, 4),
        .steps = (uint32_t)target_take(record + table->task.steps, 4),
        .cancels = (uint32_t)target_take(record + table->task.cancels, 4),
        .state = state_of(table, loop, record, at),
        .deadline = INT64_MAX,
        .wait_at = target_take(record + table->task.wait, 8),
        .block_at = target_take(record + table->task.block, 8),
        .callback_at = callback != at + table->task.callbacks ? callback : 0,
        .title_at = target_take(coro + table->coro.title, 8),
        .site_at = target_take(coro + table->coro.site, 8),
    };
    if (task->state == TASK_ENDS)
        task->steps = 0; /* its result is there instead */
}

static size_t decode_all(const struct snapshot *snapshot, struct snapshot_loop *loop,
                         const struct slabs *slabs, struct snapshot_task *tasks)
{
    const rill_table *table = &snapshot->target.table;
    size_t count = 0;
    for (size_t i = 0; i < slabs->count; i++) {
        const struct target_piece *piece = &slabs->pieces[i];
        const char *records = piece->to;
        for (size_t at = 0; piece->read && at < piece->size; at += table->task.size) {
            if (!is_task(table, loop, records + at, at / table->task.size))
                continue;
            if (tasks != NULL)
                decode(table, loop, records + at, piece->from + at, &tasks[count]);
            count++;
        }
    }
    return count;
}

static int by_number(const void *a, const void *b)
{
    const struct snapshot_task *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_address(const void *a, const void *b)
{
    const struct snapshot_task *x = *(struct snapshot_task *const *)a;
    const struct snapshot_task *y = *(struct snapshot_task *const *)b;
    return (x->at > y->at) - (x->at < y->at);
}

struct snapshot_task *snapshot_find(const struct snapshot_loop *loop, uint64_t address)
{
    struct snapshot_task wanted = { .at = address }, *key = &wanted;
    if (address == 0 || loop->count == 0)
        return NULL;
    struct snapshot_task **found =
        bsearch(&key, loop->by_address, loop->count, sizeof *loop->by_address, by_address);
    return found != NULL ? *found : NULL;
}

static int sort_tasks(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    loop->by_address =
        rill_arena_alloc_zero(&snapshot->arena, loop->count + 1, sizeof *loop->by_address);
    if (loop->by_address == NULL)
        return -ENOMEM;
    qsort(loop->tasks, loop->count, sizeof *loop->tasks, by_number);
    for (size_t i = 0; i < loop->count; i++)
        loop->by_address[i] = &loop->tasks[i];
    qsort(loop->by_address, loop->count, sizeof *loop->by_address, by_address);
    return 0;
}

/* What was read of a task that has gone on meanwhile may be of two moments. */
static void drop_moved(const struct snapshot *snapshot, struct snapshot_loop *loop,
                       const struct slabs *slabs)
{
    const rill_table *table = &snapshot->target.table;
    for (size_t i = 0; i < slabs->count; i++) {
        const struct target_piece *piece = &slabs->pieces[i];
        for (size_t at = 0; piece->read && at < piece->size; at += table->task.size) {
            const char *record = (const char *)piece->to + at;
            struct snapshot_task *task = snapshot_find(loop, piece->from + at), now;
            if (task == NULL || task->state != TASK_WAITS)
                continue;
            decode(table, loop, record, piece->from + at, &now);
            if (now.number == task->number && now.steps == task->steps &&
                now.wait_at == task->wait_at && is_task(table, loop, record, at / table->task.size))
                continue;
            task->state = TASK_READY;
            task->wait = NULL;
            task->deed = NULL;
            task->deadline = INT64_MAX;
        }
    }
}

static int read_tasks(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    struct slabs slabs;
    int r = read_slabs(snapshot, loop, &slabs);
    if (r < 0)
        return r;
    loop->count = decode_all(snapshot, loop, &slabs, NULL);
    loop->tasks = rill_arena_alloc_zero(&snapshot->arena, loop->count + 1, sizeof *loop->tasks);
    if (loop->tasks == NULL)
        return -ENOMEM;
    decode_all(snapshot, loop, &slabs, loop->tasks);
    r = sort_tasks(snapshot, loop);
    if (r == 0)
        r = snapshot_read_waits(snapshot, loop);
    if (r < 0)
        return r;
    target_read_pieces(&snapshot->target, slabs.pieces, slabs.count);
    drop_moved(snapshot, loop, &slabs);
    return 0;
}

/* --- Loops. --- */

static void read_use(struct snapshot *snapshot, struct snapshot_loop *loop, uint64_t at)
{
    const rill_table *table = &snapshot->target.table;
    const struct target *target = &snapshot->target;
    struct snapshot_use *use = &loop->uses[loop->use_count];
    use->tasks = target_number(target, at + table->place.tasks, 8, 0);
    use->most =
        target_number(target, at + table->place.pages, 4, 0) * (uint64_t)sysconf(_SC_PAGESIZE);
    use->site = snapshot_site(snapshot, target_number(target, at + table->place.site, 8, 0));
    loop->use_count += use->tasks > 0;
}

static int read_uses(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    const rill_table *table = &snapshot->target.table;
    size_t count = table->loop.places_count < places_most ? table->loop.places_count : places_most;
    loop->uses = rill_arena_alloc_zero(&snapshot->arena, count + 1, sizeof *loop->uses);
    if (loop->uses == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        read_use(snapshot, loop, loop->at + table->loop.places + i * table->place.size);
    read_use(snapshot, loop, loop->at + table->loop.others);
    return 0;
}

/* How long the step under way has lasted, as the watchdog knows it. */
static rill_time step_of(const struct snapshot *snapshot, const struct snapshot_loop *loop)
{
    const rill_table *table = &snapshot->target.table;
    uint64_t seen = loop_number(snapshot, loop, table->loop.seen, 8);
    rill_time since = (rill_time)loop_number(snapshot, loop, table->loop.since, 8);
    if (loop->asleep || !loop->real || !loop->running || seen != loop->steps || since <= 0)
        return 0;
    return snapshot->now > since ? snapshot->now - since : 0;
}

static void read_state(const struct snapshot *snapshot, struct snapshot_loop *loop)
{
    const rill_table *table = &snapshot->target.table;
    uint64_t backend = loop_number(snapshot, loop, table->loop.backend, 8);
    loop->steps = loop_number(snapshot, loop, table->loop.steps, 8);
    loop->current = loop_number(snapshot, loop, table->loop.current, 8);
    loop->asleep = loop_number(snapshot, loop, table->loop.asleep, 1) != 0;
    loop->running = loop_number(snapshot, loop, table->loop.running, 1) != 0;
    loop->thread = (pid_t)loop_number(snapshot, loop, table->loop.thread, 4);
    if (loop->thread > 0)
        loop->thread = target_thread(&snapshot->target, loop->thread);
    loop->slow = (rill_time)loop_number(snapshot, loop, table->loop.slow, 8);
    loop->tasks_made = loop_number(snapshot, loop, table->loop.tasks_made, 8);
    loop->timers = loop_number(snapshot, loop, table->loop.timers, 8);
    for (unsigned i = 0; i < 4; i++)
        loop->stacks +=
            loop_number(snapshot, loop, (uint16_t)(table->loop.stacks + i * table->loop.stack), 8);
    loop->real =
        target_number(&snapshot->target, backend + table->backend.real, 1, 0) != 0 || backend == 0;
    if (backend != 0)
        (void)target_read(&snapshot->target, backend + table->backend.counters, loop->counters,
                          sizeof loop->counters);
    loop->step = step_of(snapshot, loop);
}

static int read_loop(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    read_state(snapshot, loop);
    int r = read_tasks(snapshot, loop);
    return r < 0 ? r : read_uses(snapshot, loop);
}

/* The description of records must make sense, whoever wrote it. */
static bool is_sound(const rill_table *table)
{
    const uint16_t ends[] = { table->task.refs,  table->task.kind,      table->task.state,
                              table->task.place, table->task.steps,     table->task.cancels,
                              table->task.loop,  table->task.callbacks, table->task.ready,
                              table->task.wait,  table->task.block };
    const uint16_t ends_of_coro[] = { table->coro.sp,     table->coro.caller_sp, table->coro.caller,
                                      table->coro.base,   table->coro.site,      table->coro.title,
                                      table->coro.number, table->coro.finished };
    unsigned size = table->task.size;
    unsigned header = table->slab.records;
    if (size < 64 || size > record_most || header < 8 || header > header_most ||
        table->slab.owner + 8u > header || table->slab.fresh + 4u > header)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i] + 16u > size)
            return false;
    for (size_t i = 0; i < sizeof ends_of_coro / sizeof *ends_of_coro; i++)
        if (table->task.coro + ends_of_coro[i] + 8u > size)
            return false;
    return true;
}

static int read_loops(struct snapshot *snapshot)
{
    const rill_table *table = &snapshot->target.table;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snapshot->now = RILL_SEC((rill_time)now.tv_sec) + now.tv_nsec;
    snapshot->more_loops = table->more;
    for (size_t i = 0; i < RILL_TABLE_LOOPS; i++) {
        if (table->loops[i] == 0)
            continue;
        struct snapshot_loop *loop = &snapshot->loops[snapshot->loop_count++];
        loop->at = table->loops[i];
        int r = read_loop(snapshot, loop);
        if (r < 0)
            return r;
    }
    return 0;
}

int snapshot_take(struct snapshot *snapshot, pid_t pid)
{
    struct target target;
    *snapshot = (struct snapshot){ 0 };
    int r = target_open(&target, pid);
    return r < 0 ? r : snapshot_of(snapshot, &target);
}

int snapshot_of(struct snapshot *snapshot, const struct target *target)
{
    *snapshot = (struct snapshot){ .target = *target };
    if (!is_sound(&snapshot->target.table))
        return -EPROTO;
    snapshot->sites = rill_arena_alloc_zero(&snapshot->arena, 1, sizeof *snapshot->sites);
    snapshot->loops =
        rill_arena_alloc_zero(&snapshot->arena, RILL_TABLE_LOOPS, sizeof *snapshot->loops);
    if (snapshot->sites == NULL || snapshot->loops == NULL)
        return -ENOMEM;
    int r = read_loops(snapshot);
    return r < 0 || target_is_there(target) ? r : -ESRCH; /* it has ended meanwhile */
}

void snapshot_fini(struct snapshot *snapshot)
{
    rill_arena_fini(&snapshot->arena);
}
