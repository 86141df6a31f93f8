/* told.c - reads what waits say of themselves, in this process.
 *
 * The descriptions are data, because rillctl reads the same records from another process: see rill/table.h.
 * Nothing here changes a task or allocates. */
#include "core/task/told.h"

#include <string.h>

/* Where `path` leads to from `record`; NULL: there is nothing. */
static const char *find(const void *record, const rill_table_path *path)
{
    const char *at = (const char *)record + path->at[0];
    if (path->size == 0)
        return NULL;
    for (unsigned i = 1; i <= path->hops; i++) {
        const char *next;
        memcpy(&next, at, sizeof next);
        if (next == NULL)
            return NULL;
        at = next + path->at[i];
    }
    return at;
}

/* The value at the end of `path`, or `none`. */
static uint64_t load(const void *record, const rill_table_path *path, uint64_t none)
{
    const char *at = find(record, path);
    uint64_t value = 0; /* little-endian, as both machines are */
    if (at == NULL)
        return none;
    memcpy(&value, at, path->size);
    return value;
}

static void *load_pointer(const void *record, const rill_table_path *path)
{
    return (void *)(uintptr_t)load(record, path, 0);
}

/* The unfinished task at `address` with this number, which may have ended. */
static rill_future *find_task(const struct rill_loop *loop, const void *address, uint32_t number)
{
    if (address == NULL)
        return NULL;
    list_for_each(node, &loop->tasks) {
        struct rill__task *task = container_of(node, struct rill__task, link);
        if (task == address && task->coro.number == number)
            return &task->future;
    }
    return NULL;
}

static const char *word_of(const void *record, const rill_table_wait *tells)
{
    uint64_t which = load(record, &tells->which, UINT64_MAX);
    bool better = which < tells->words_count && tells->words[which] != NULL;
    return better ? tells->words[which] : tells->what;
}

/* The next deadline of the scopes that `task` is in, or `first` if that comes before. */
static rill_time next_deadline(const struct rill__task *task, rill_time first)
{
    for (const struct rill__block *block = task->block; block != NULL; block = block->outer) {
        if (block->on_hard != NULL)
            continue;
        rill_time when = (rill_time)load(block, &rill__scope_when, INT64_MAX);
        first = when < first ? when : first;
    }
    return first;
}

static void tell_deed(const struct rill__task *task, struct rill__told *told)
{
    const struct rill__block *block = task->block;
    while (block != NULL && block->deed == NULL)
        block = block->outer;
    if (block == NULL)
        return;
    told->deed = load_pointer(block, &block->deed->what);
    told->whom = load_pointer(block, &block->deed->of);
    told->bound = load_pointer(block, &block->deed->bound);
}

bool rill__task_tell(const struct rill__task *task, struct rill__told *ret_told)
{
    const struct rill__wait *wait = task->wait;
    *ret_told = (struct rill__told){ .what = "something", .deadline = RILL_FOREVER, .fd = -1 };
    if (wait == NULL || list_is_linked(&task->ready.link))
        return false;
    ret_told->deadline = next_deadline(task, RILL_FOREVER);
    tell_deed(task, ret_told);
    const rill_table_wait *tells = wait->tells;
    if (tells == NULL)
        return true;
    ret_told->what = word_of(wait, tells);
    ret_told->name = load_pointer(wait, &tells->name);
    ret_told->object = load_pointer(wait, &tells->object);
    ret_told->future = load_pointer(wait, &tells->future);
    ret_told->holder = find_task(task->future.loop, load_pointer(wait, &tells->holder),
                                 (uint32_t)load(wait, &tells->number, 0));
    ret_told->fd = (int)(int32_t)load(wait, &tells->fd, UINT32_MAX);
    ret_told->address = load_pointer(wait, &tells->address);
    ret_told->left = (uint32_t)load(wait, &tells->left, 0);
    ret_told->of = ret_told->left + (uint32_t)load(wait, &tells->ended, 0);
    rill_time own = (rill_time)load(wait, &tells->deadline, INT64_MAX);
    if (own < ret_told->deadline)
        ret_told->deadline = own;
    ret_told->record = wait;
    ret_told->members = &tells->members;
    return true;
}

rill_future *rill__told_member(const void *record, const rill_table_members *members, size_t index)
{
    const char *first = find(record, &members->first);
    rill_future *future;
    if (first == NULL || index >= load(record, &members->count, 1))
        return NULL;
    memcpy(&future, first + index * members->element + members->pointer, sizeof future);
    return future;
}
