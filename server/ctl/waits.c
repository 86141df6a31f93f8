/* waits.c - what each task of a snapshot waits for, its name, its place, its deadline and its group.
 *
 * A wait describes itself by a rill_table_wait, of which there are few kinds: each is read once. What lies in
 * the record of the wait itself is read for all tasks at once, as are names, scopes and groups; only what is
 * behind further pointers is read one by one. Descriptions are hostile input like the rest. */
#include "server/ctl/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { kinds_most = 128, words_most = 128, record_size = 128, blocks_most = 32, hops_most = 2 };

/* A kind of wait. */
struct kind {
    uint64_t at;
    rill_table_wait tells;
    const char *what;
    const char **words;
};

struct snapshot_kinds {
    struct kind kinds[kinds_most];
    size_t count;
    rill_table_deed deed; /* the last one that was read, and its address */
    uint64_t deed_at;
};

/* A record in the target, and its first octets if they could be read at once. */
struct record {
    const struct target *target;
    uint64_t at;
    const char *octets; /* NULL: it is read field by field, as it lies at the end of a stack */
    size_t size;
};

/* One record to read for each task. */
struct sweep {
    struct target_piece *pieces;
    char *memory;
    bool *read;
    size_t size;
};

static int sweep_new(struct snapshot *snapshot, const struct snapshot_loop *loop, size_t size,
                     struct sweep *ret_sweep)
{
    size_t count = loop->count + 1;
    ret_sweep->size = size;
    ret_sweep->pieces = rill_arena_alloc(&snapshot->arena, count * sizeof *ret_sweep->pieces);
    ret_sweep->memory = rill_arena_alloc(&snapshot->arena, count * size);
    ret_sweep->read = rill_arena_alloc(&snapshot->arena, count);
    bool whole = ret_sweep->pieces != NULL && ret_sweep->memory != NULL && ret_sweep->read != NULL;
    return whole ? 0 : -ENOMEM;
}

/* Read what the pointers of the tasks point to; those that are 0 are left out. */
static void sweep_read(const struct snapshot *snapshot, const struct snapshot_loop *loop,
                       struct sweep *sweep, const uint64_t *from)
{
    size_t used = 0;
    for (size_t i = 0; i < loop->count; i++)
        if (from[i] != 0)
            sweep->pieces[used++] = (struct target_piece){ from[i], sweep->memory + i * sweep->size,
                                                           sweep->size, false };
    target_read_pieces(&snapshot->target, sweep->pieces, used);
    for (size_t i = 0, k = 0; i < loop->count; i++)
        sweep->read[i] = from[i] != 0 && sweep->pieces[k++].read;
}

static struct record record_of(const struct snapshot *snapshot, const struct sweep *sweep,
                               size_t task, uint64_t at)
{
    const char *octets = sweep->read[task] ? sweep->memory + task * sweep->size : NULL;
    return (struct record){ &snapshot->target, at, octets, sweep->size };
}

/* The number of `size` octets at `offset`. */
static uint64_t field(const struct record *record, size_t offset, unsigned size, uint64_t none)
{
    if (record->octets != NULL && offset + size <= record->size)
        return target_take(record->octets + offset, size);
    return target_number(record->target, record->at + offset, size, none);
}

/* --- Kinds. --- */

static const char *read_text(struct snapshot *snapshot, uint64_t from)
{
    char text[80];
    if (from == 0)
        return NULL;
    target_text(&snapshot->target, from, text, sizeof text);
    return rill_arena_copy(&snapshot->arena, text, strlen(text));
}

static void read_words(struct snapshot *snapshot, struct kind *kind)
{
    uint64_t from = (uintptr_t)kind->tells.words;
    size_t count = kind->tells.words_count < words_most ? kind->tells.words_count : words_most;
    if (from == 0 || count == 0)
        return;
    kind->words = rill_arena_alloc_zero(&snapshot->arena, words_most, sizeof *kind->words);
    for (size_t i = 0; kind->words != NULL && i < count; i++)
        kind->words[i] = read_text(snapshot, target_number(&snapshot->target, from + 8 * i, 8, 0));
}

static const struct kind *find_kind(struct snapshot *snapshot, uint64_t at)
{
    struct snapshot_kinds *kinds = snapshot->kinds;
    for (size_t i = 0; i < kinds->count; i++)
        if (kinds->kinds[i].at == at)
            return &kinds->kinds[i];
    struct kind *kind = &kinds->kinds[kinds->count];
    if (at == 0 || kinds->count == kinds_most ||
        !target_read(&snapshot->target, at, &kind->tells, sizeof kind->tells))
        return NULL;
    kinds->count++;
    kind->at = at;
    kind->what = read_text(snapshot, (uintptr_t)kind->tells.what);
    read_words(snapshot, kind);
    return kind;
}

/* --- Paths. --- */

/* Where `path` leads to; 0: nowhere. */
static uint64_t follow(const struct record *record, const rill_table_path *path)
{
    if (path->size == 0 || path->hops > hops_most)
        return 0;
    if (path->hops == 0)
        return record->at + path->at[0];
    uint64_t next = field(record, path->at[0], 8, 0);
    if (path->hops == 2 && next != 0)
        next = target_number(record->target, next + path->at[1], 8, 0);
    return next != 0 ? next + path->at[path->hops] : 0;
}

static uint64_t load(const struct record *record, const rill_table_path *path, uint64_t none)
{
    if (path->size == 0 || path->size > 8)
        return none;
    if (path->hops == 0)
        return field(record, path->at[0], path->size, none);
    uint64_t at = follow(record, path);
    return at != 0 ? target_number(record->target, at, path->size, none) : none;
}

static const char *word_of(const struct record *record, const struct kind *kind)
{
    uint64_t which = load(record, &kind->tells.which, UINT64_MAX);
    const char *better = kind->words != NULL && which < words_most ? kind->words[which] : NULL;
    if (better != NULL)
        return better;
    return kind->what != NULL ? kind->what : "something";
}

static const rill_addr *read_address(struct snapshot *snapshot, uint64_t at)
{
    rill_addr addr = { 0 };
    uint64_t family = at != 0 ? target_number(&snapshot->target, at, 2, 0) : 0;
    if (family == AF_INET)
        addr.length = sizeof addr.in4;
    else if (family == AF_INET6)
        addr.length = sizeof addr.in6;
    if (addr.length == 0 || !target_read(&snapshot->target, at, &addr.any, addr.length))
        return NULL;
    return rill_arena_copy(&snapshot->arena, &addr, sizeof addr);
}

/* The text whose address lies at the end of `path`; NULL: there is none. */
static const char *load_text(struct snapshot *snapshot, const struct record *record,
                             const rill_table_path *path)
{
    return read_text(snapshot, load(record, path, 0));
}

static int read_wait(struct snapshot *snapshot, struct snapshot_task *task,
                     const struct record *record)
{
    uint64_t tells_at = field(record, snapshot->target.table.wait_tells, 8, 0);
    const struct kind *kind = find_kind(snapshot, tells_at);
    struct snapshot_wait *wait = rill_arena_alloc_zero(&snapshot->arena, 1, sizeof *wait);
    if (wait == NULL)
        return -ENOMEM;
    task->wait = wait;
    wait->fd = -1;
    wait->what = "something";
    if (kind == NULL)
        return 0;
    const rill_table_wait *tells = &kind->tells;
    wait->what = word_of(record, kind);
    wait->name = load_text(snapshot, record, &tells->name);
    wait->object = load(record, &tells->object, 0);
    wait->future = load(record, &tells->future, 0);
    wait->holder = load(record, &tells->holder, 0);
    wait->number = (uint32_t)load(record, &tells->number, 0);
    wait->fd = (int)(int32_t)load(record, &tells->fd, UINT32_MAX);
    wait->left = load(record, &tells->left, 0);
    wait->of = wait->left + load(record, &tells->ended, 0);
    wait->address = read_address(snapshot, load(record, &tells->address, 0));
    wait->array = tells->members;
    wait->first = follow(record, &tells->members.first);
    wait->members = wait->first != 0 ? load(record, &tells->members.count, 1) : 0;
    task->deadline = (rill_time)load(record, &tells->deadline, INT64_MAX);
    return 0;
}

static int read_all_waits(struct snapshot *snapshot, struct snapshot_loop *loop, uint64_t *from)
{
    struct sweep sweep;
    int r = sweep_new(snapshot, loop, record_size, &sweep);
    for (size_t i = 0; i < loop->count; i++)
        from[i] = loop->tasks[i].state == TASK_WAITS ? loop->tasks[i].wait_at : 0;
    if (r == 0)
        sweep_read(snapshot, loop, &sweep, from);
    for (size_t i = 0; r == 0 && i < loop->count; i++) {
        struct record record = record_of(snapshot, &sweep, i, from[i]);
        if (from[i] != 0)
            r = read_wait(snapshot, &loop->tasks[i], &record);
    }
    return r;
}

/* --- Names and places. --- */

/* `octets` are SNAPSHOT_NAME, or NULL. */
static const char *name_of(struct snapshot *snapshot, const struct snapshot_task *task,
                           char *octets)
{
    char text[SNAPSHOT_NAME];
    if (task->title_at == 0)
        return rill_arena_fmt(&snapshot->arena, "Task-%u", task->number);
    if (octets != NULL) {
        octets[SNAPSHOT_NAME - 1] = 0;
        return rill_arena_copy(&snapshot->arena, octets, strlen(octets));
    }
    target_text(&snapshot->target, task->title_at, text, sizeof text); /* near the end of a page */
    return rill_arena_copy(&snapshot->arena, text, strlen(text));
}

static int read_names(struct snapshot *snapshot, struct snapshot_loop *loop, uint64_t *from)
{
    struct sweep sweep;
    int r = sweep_new(snapshot, loop, SNAPSHOT_NAME, &sweep);
    if (r < 0)
        return r;
    for (size_t i = 0; i < loop->count; i++)
        from[i] = loop->tasks[i].title_at;
    sweep_read(snapshot, loop, &sweep, from);
    for (size_t i = 0; i < loop->count; i++) {
        struct snapshot_task *task = &loop->tasks[i];
        char *octets = sweep.read[i] ? sweep.memory + i * sweep.size : NULL;
        task->name = name_of(snapshot, task, octets);
        task->site = snapshot_site(snapshot, task->site_at);
        if (task->name == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* --- Scopes and groups. --- */

enum { block_size = 512 };

/* What the calls in a block are for; that of an inner block counts. */
static void read_deed(struct snapshot *snapshot, struct snapshot_task *task,
                      const struct record *record)
{
    struct snapshot_kinds *kinds = snapshot->kinds;
    uint64_t at = field(record, snapshot->target.table.block.deed, 8, 0);
    if (at == 0 || task->deed != NULL)
        return;
    if (at != kinds->deed_at) {
        kinds->deed_at = 0;
        if (!target_read(&snapshot->target, at, &kinds->deed, sizeof kinds->deed))
            return;
        kinds->deed_at = at;
    }
    task->deed = load_text(snapshot, record, &kinds->deed.what);
    task->whom = load_text(snapshot, record, &kinds->deed.of);
    task->bound = load_text(snapshot, record, &kinds->deed.bound);
}

/* The next block out; 0: there is none. */
static uint64_t read_block(struct snapshot *snapshot, struct snapshot_task *task,
                           const struct record *record)
{
    const rill_table *table = &snapshot->target.table;
    rill_time when = INT64_MAX;
    if (field(record, table->block.is_group, 8, 1) == 0)
        when = (rill_time)load(record, &table->block.when, INT64_MAX);
    if (when < task->deadline) {
        task->deadline = when;
        task->bound = NULL; /* an outer scope comes first */
    }
    read_deed(snapshot, task, record);
    return field(record, table->block.outer, 8, 0);
}

static int read_blocks(struct snapshot *snapshot, struct snapshot_loop *loop, uint64_t *from)
{
    struct sweep sweep;
    bool any = true;
    int r = sweep_new(snapshot, loop, block_size, &sweep);
    for (size_t i = 0; i < loop->count; i++)
        from[i] = loop->tasks[i].block_at;
    for (int depth = 0; r == 0 && any && depth < blocks_most; depth++) {
        sweep_read(snapshot, loop, &sweep, from);
        any = false;
        for (size_t i = 0; i < loop->count; i++) {
            struct record record = record_of(snapshot, &sweep, i, from[i]);
            if (from[i] != 0)
                from[i] = read_block(snapshot, &loop->tasks[i], &record);
            any |= from[i] != 0;
        }
    }
    return r;
}

/* The first deadline of the scopes of `task` that are outside of its block at `block`. */
static rill_time deadline_around(const struct snapshot *snapshot, const struct snapshot_task *task,
                                 uint64_t block)
{
    const rill_table *table = &snapshot->target.table;
    rill_time first = INT64_MAX;
    bool outside = false;
    uint64_t at = task->block_at;
    for (int depth = 0; at != 0 && depth < blocks_most; depth++) {
        struct record record = { &snapshot->target, at, NULL, 0 };
        rill_time when = INT64_MAX;
        if (outside && field(&record, table->block.is_group, 8, 1) == 0)
            when = (rill_time)load(&record, &table->block.when, INT64_MAX);
        first = when < first ? when : first;
        outside |= at == block;
        at = field(&record, table->block.outer, 8, 0);
    }
    return first;
}

static void read_around(const struct snapshot *snapshot, struct snapshot_loop *loop)
{
    uint64_t group = 0;
    rill_time around = INT64_MAX;
    for (size_t i = 0; i < loop->count; i++) { /* the children of a group are mostly neighbours */
        struct snapshot_task *task = &loop->tasks[i];
        const struct snapshot_task *above = snapshot_find(loop, task->group_task);
        if (above != NULL && task->group != group)
            around = deadline_around(snapshot, above, group = task->group);
        task->around = above != NULL ? around : INT64_MAX;
    }
}

enum { callback_size = 128 };

static int read_groups(struct snapshot *snapshot, struct snapshot_loop *loop, uint64_t *from)
{
    const rill_table_child *child = &snapshot->target.table.child;
    uint64_t run = (uintptr_t)child->run;
    struct sweep sweep;
    int r = sweep_new(snapshot, loop, callback_size, &sweep);
    if (r < 0)
        return r;
    for (size_t i = 0; i < loop->count; i++)
        from[i] = loop->tasks[i].callback_at;
    sweep_read(snapshot, loop, &sweep, from);
    for (size_t i = 0; i < loop->count; i++) {
        struct record record = record_of(snapshot, &sweep, i, from[i]);
        bool is_child = from[i] != 0 && field(&record, child->ready_run, 8, 0) == run;
        uint64_t group = is_child ? field(&record, child->group, 8, 0) : 0;
        loop->tasks[i].group = group;
        from[i] = group != 0 ? group + child->group_task : 0;
    }
    sweep.size = 8;
    sweep_read(snapshot, loop, &sweep, from);
    for (size_t i = 0; i < loop->count; i++)
        if (sweep.read[i])
            loop->tasks[i].group_task = target_take(sweep.memory + i * sweep.size, 8);
    read_around(snapshot, loop);
    return 0;
}

int snapshot_read_waits(struct snapshot *snapshot, struct snapshot_loop *loop)
{
    if (snapshot->kinds == NULL)
        snapshot->kinds = rill_arena_alloc_zero(&snapshot->arena, 1, sizeof *snapshot->kinds);
    uint64_t *from = rill_arena_alloc(&snapshot->arena, (loop->count + 1) * sizeof *from);
    if (snapshot->kinds == NULL || from == NULL)
        return -ENOMEM;
    int r = read_all_waits(snapshot, loop, from);
    if (r == 0)
        r = read_names(snapshot, loop, from);
    if (r == 0)
        r = read_blocks(snapshot, loop, from);
    return r < 0 ? r : read_groups(snapshot, loop, from);
}
