/* inspect.c - tasks told to people: all of them, what each waits for, where it is parked.
 *
 * Nothing here changes a task or allocates for it, so it can be asked at any time, also right before
 * an abort. What a wait knows of itself told.c reads; the words are here. */
#include "core/task/inspect.h"

#include "core/base/symbols.h"
#include "core/task/gen.h"

#include <rill/inspect.h>
#include <rill/net.h>
#include <rill/text.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { frames_most = 64, names_most = 4, text_size = 768 };

/* --- What is waited for. --- */

static void add_name(rill_text *text, const rill_future *future)
{
    char numbered[RILL__NUMBERED];
    if (future->kind == RILL__TASK)
        rill_text_fmt(text, "'%s'",
                      rill__task_name(container_of(future, struct rill__task, future), numbered));
    else
        rill_text_fmt(text, "future %p", (const void *)future);
}

static const rill_future *member_at(const rill_future *future, size_t index)
{
    return rill__told_member(future, &rill__future_ops(future)->members, index);
}

static void add_members(rill_text *text, const rill_future *future)
{
    size_t count = 0, pending = 0;
    const rill_future *member;
    for (; (member = member_at(future, count)) != NULL; count++)
        pending += member->state == RILL_PENDING;
    rill_text_fmt(text, ", %zu of %zu to come:", pending, count);
    for (size_t i = 0, named = 0; i < count && named < names_most; i++) {
        member = member_at(future, i);
        if (member->state != RILL_PENDING)
            continue;
        rill_text_char(text, ' ');
        add_name(text, member);
        named++;
    }
    if (pending > names_most)
        rill_text_fmt(text, " ...");
}

static const char *kind_word(const rill_future *future)
{
    switch ((enum rill__future_kind)future->kind) {
    case RILL__TASK: return "task ";
    case RILL__GATHER: return "gather, ";
    case RILL__SHIELD: return "shield, ";
    default: return "";
    }
}

static void add_future(rill_text *text, const rill_future *future)
{
    rill_text_fmt(text, "%s", kind_word(future));
    add_name(text, future);
    if (rill__future_ops(future)->members.first.size > 0)
        add_members(text, future);
}

/* Where a connect goes to. False: to nothing that has a number. */
static bool take_address(const struct sockaddr *from, rill_addr *ret_address)
{
    *ret_address = (rill_addr){ 0 };
    if (from->sa_family == AF_INET)
        ret_address->length = sizeof ret_address->in4;
    else if (from->sa_family == AF_INET6)
        ret_address->length = sizeof ret_address->in6;
    memcpy(&ret_address->any, from, ret_address->length);
    return ret_address->length > 0;
}

static void add_peer(rill_text *text, const struct rill_loop *loop, const struct rill__told *told)
{
    rill_addr peer;
    struct rill__op op = { .kind = RILL__OP_GETPEERNAME, .fd = told->fd, .addr = &peer };
    if (told->address != NULL ? !take_address(told->address, &peer)
                              : loop->backend->ops->call(loop->backend, &op) < 0)
        return;
    rill_text_fmt(text, " with ");
    size_t before = text->used;
    rill_addr_format(&peer, text);
    if (text->used - before == strlen("unix:"))
        rill_text_fmt(text, "(unnamed)");
}

static void add_deadline(rill_text *text, const struct rill_loop *loop, rill_time deadline)
{
    rill_time left = deadline - rill__loop_now(loop);
    rill_text_fmt(text, ", %s %lld.%03d s", left < 0 ? "due since" : "due in",
                  (long long)((left < 0 ? -left : left) / RILL_SEC(1)),
                  (int)((left < 0 ? -left : left) % RILL_SEC(1) / RILL_MS(1)));
}

static void add_told(rill_text *text, const struct rill_loop *loop, const struct rill__told *told)
{
    if (told->future != NULL)
        add_future(text, told->future);
    else
        rill_text_fmt(text, "%s", told->what);
    if (told->name != NULL)
        rill_text_fmt(text, " of '%s'", told->name);
    if (told->object != NULL)
        rill_text_fmt(text, " %p", told->object);
    if (told->fd >= 0) {
        rill_text_fmt(text, " on fd %d", told->fd);
        add_peer(text, loop, told);
    }
    if (told->of > 0)
        rill_text_fmt(text, ", %u of %u to come", told->left, told->of);
    if (told->holder != NULL) {
        rill_text_fmt(text, ", held by ");
        add_name(text, told->holder);
    }
    if (told->deed != NULL && told->whom != NULL)
        rill_text_fmt(text, ", for %s %s", told->deed, told->whom);
    if (told->bound != NULL)
        rill_text_fmt(text, " (%s)", told->bound);
    if (told->deadline != RILL_FOREVER)
        add_deadline(text, loop, told->deadline);
}

static void add_wait(rill_text *text, const struct rill__task *task)
{
    struct rill__told told;
    if (task->future.state != RILL_PENDING)
        rill_text_fmt(text, "nothing: it has ended");
    else if (task->future.loop->current == &task->future)
        rill_text_fmt(text, "nothing: it runs");
    else if (!task->started)
        rill_text_fmt(text, "its first turn");
    else if (rill__task_tell(task, &told))
        add_told(text, task->future.loop, &told);
    else
        rill_text_fmt(text, "nothing: it is ready");
}

int rill_task_waits_for(const rill_task *future, char *buf, size_t size)
{
    char memory[text_size];
    rill_text text = { memory, sizeof memory, 0, false };
    if (future->kind != RILL__TASK)
        return -EINVAL;
    add_wait(&text, container_of(future, struct rill__task, future));
    return snprintf(buf, size, "%s", rill_text_end(&text));
}

/* --- Where it is. --- */

int rill_backtrace(const rill_task *future, int fd)
{
    void *frames[frames_most];
    if (future->kind != RILL__TASK)
        return -EINVAL;
    const struct rill__task *task = container_of(future, struct rill__task, future);
    if (future->state != RILL_PENDING)
        return 0;
    int count = 0;
    const struct rill__coro *coro = rill__gen_inmost(task);
    for (; coro != task->coro.caller; coro = coro->caller)
        count += rill__coro_frames(coro, frames + count, frames_most - count);
    rill__symbols_write(frames, count, fd);
    return count;
}

/* --- All of them. --- */

int rill_all_tasks(rill_task_fn *fn, void *arg)
{
    struct rill_loop *loop = rill__loop_running;
    int count = 0;
    if (loop == NULL)
        return -ESRCH;
    uint32_t last = (uint32_t)loop->tasks_made;
    list_for_each(node, &loop->tasks) {
        struct rill__task *task = container_of(node, struct rill__task, link);
        if ((int32_t)(last - task->coro.number) < 0)
            break; /* made by `fn` */
        count++;
        if (fn != NULL)
            fn(&task->future, arg);
    }
    return count;
}

static void add_waiters(rill_text *text, const struct rill__task *task)
{
    size_t named = 0, others = 0;
    list_for_each(node, &task->future.callbacks) {
        struct rill__ready *ready = container_of(node, struct rill__callback, link)->ready;
        const struct rill__task *waiter = rill__task_of_step(ready);
        if (waiter == NULL || named == names_most) {
            others++;
            continue;
        }
        rill_text_fmt(text, "%s", named++ == 0 ? "; awaited by " : ", ");
        add_name(text, &waiter->future);
    }
    if (others > 0)
        rill_text_fmt(text, "; %zu more to be told of its end", others);
}

static const char *asker_word(rill_cancel_by by)
{
    switch (by) {
    case RILL_BY_TASK: return "task ";
    case RILL_BY_CALL: return "a callback";
    case RILL_BY_SCOPE: return "a scope of ";
    case RILL_BY_GROUP: return "a group of ";
    case RILL_BY_SIGNAL: return "SIGINT";
    default: return "the loop";
    }
}

static void add_requests(rill_text *text, const struct rill__task *task)
{
    rill_cancel_rec rec;
    for (unsigned i = 0; rill_cancel_record(&task->future, i, &rec) == 0; i++) {
        rill_text_fmt(text, "; %s by %s", i == 0 ? "last" : "before", asker_word(rec.by));
        if (rec.task != 0)
            rill_text_fmt(text, "'%s'", rec.name);
        if (rec.where != NULL)
            rill_text_fmt(text, " at %p", rec.where);
        if (rec.why != NULL)
            rill_text_fmt(text, " (%s)", rec.why);
        rill_time ago = rill__loop_now(task->future.loop) - rec.when;
        rill_text_fmt(text, ", %lld ms ago", (long long)(ago / 1000000));
    }
}

static void dump_task(const struct rill__task *task, int fd)
{
    char memory[2 * text_size];
    rill_text text = { memory, sizeof memory, 0, false };
    rill_text_fmt(&text, "  ");
    add_name(&text, &task->future);
    rill_text_fmt(&text, " %s() made at %s:%d, waits for ", task->coro.site->function,
                  task->coro.site->file, task->coro.site->line);
    add_wait(&text, task);
    if (task->cancels > 0)
        rill_text_fmt(&text, "; cancel asked for %u times", task->cancels);
    add_requests(&text, task);
    add_waiters(&text, task);
    dprintf(fd, "%s\n", rill_text_end(&text));
}

/* --- Stacks. --- */

static void tell_use(const struct rill__census_place *place, rill_stack_use_fn *fn, void *arg)
{
    rill_stack_use use = { place->site, place->tasks, rill__census_octets(place->pages) };
    if (fn != NULL)
        fn(&use, arg);
}

static int tell_uses(const struct rill_loop *loop, rill_stack_use_fn *fn, void *arg)
{
    const struct rill__census *census = &loop->census;
    int count = 0;
    for (size_t i = 0; i < RILL__CENSUS_SLOTS; i++) {
        if (census->slots[i].site == NULL)
            continue;
        count++;
        tell_use(&census->slots[i], fn, arg);
    }
    if (census->others.tasks == 0)
        return count;
    tell_use(&census->others, fn, arg);
    return count + 1;
}

int rill_stack_census(const rill_loop *loop, rill_stack_use_fn *fn, void *arg)
{
    int r = rill__loop_check(loop);
    return r < 0 ? r : tell_uses(loop, fn, arg);
}

static void keep_deepest(const rill_stack_use *use, void *arg)
{
    rill_stack_use *deepest = arg;
    if (use->site != NULL && use->most > deepest->most)
        *deepest = *use;
}

static void dump_deepest(const struct rill_loop *loop, int fd)
{
    rill_stack_use use = { NULL, 0, 0 };
    (void)tell_uses(loop, keep_deepest, &use);
    if (use.site != NULL)
        dprintf(fd, "rill: deepest stack: %zu KiB, by one of %llu tasks %s() made at %s:%d\n",
                use.most >> 10, (unsigned long long)use.tasks, use.site->function, use.site->file,
                use.site->line);
}

int rill__tasks_dump(struct rill_loop *loop, int fd)
{
    int count = 0;
    list_for_each(node, &loop->tasks)
        count++;
    dprintf(fd, "rill: %d tasks, %zu timers, %zu operations in flight\n", count, loop->timers.count,
            rill__loop_in_flight(loop));
    dump_deepest(loop, fd);
    list_for_each(node, &loop->tasks)
        dump_task(container_of(node, struct rill__task, link), fd);
    (void)rill__circles_write(loop, fd);
    return count;
}

int rill_dump(int fd)
{
    struct rill_loop *loop = rill__loop_running != NULL ? rill__loop_running : rill__loop_own();
    return loop != NULL ? rill__tasks_dump(loop, fd) : -ESRCH;
}

int rill_loop_stats(const rill_loop *loop, rill_stats *ret_stats)
{
    int r = rill__loop_check(loop);
    if (r < 0)
        return r;
    rill_stats stats = { .steps = loop->steps,
                         .tasks_made = loop->tasks_made,
                         .timers = loop->timers.count,
                         .in_flight = rill__loop_in_flight(loop) };
    list_for_each(node, &loop->tasks)
        stats.tasks++;
    for (uint32_t kind = 0; kind < RILL__STACK_CLASSES; kind++) {
        stats.stacks += loop->stacks.classes[kind].used;
        stats.stacks_most += loop->stacks.classes[kind].used_high;
    }
    if (loop->backend != NULL) {
        const struct rill__counters *counters = &loop->backend->counters;
        stats.enters = counters->enters;
        stats.submitted = counters->submitted;
        stats.completions = counters->completions;
        stats.overflows = counters->overflows;
        stats.no_buffers = counters->enobufs;
        stats.wakes = counters->wakes;
    }
    *ret_stats = stats;
    return 0;
}
