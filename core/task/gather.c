/* gather.c - one future for many: results in order of the arguments.
 *
 * The gather is a future with one callback per slot in its own memory, so it costs one allocation.
 * It ends at the first failure (the other members run on, their errors count as taken), or when all
 * have ended; members that are done before it begins count at once. Cancelling it cancels the
 * members; it then ends when they do. As in asyncio a gather is never cancelled itself: it then
 * finishes with -ECANCELED, as with any other error of a member. */
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/wait.h>

#include <errno.h>

struct gather;

struct member {
    struct rill__callback callback;
    struct rill__ready ready;
    struct gather *gather;
    rill_future *future;
};

struct gather {
    rill_future future;
    size_t count, ended;
    bool return_errors;
    bool cancel_asked;                  /* with return_errors the waiter still gets -ECANCELED */
    struct rill__detail *cancel_detail; /* if the last member has no better one */
    struct member members[];
};

static struct gather *gather_of(rill_future *future)
{
    return container_of(future, struct gather, future);
}

static void on_member(struct rill__ready *ready)
{
    struct member *member = container_of(ready, struct member, ready);
    struct gather *gather = member->gather;
    rill_future *future = member->future;
    gather->ended++;
    future->taken = true;
    if (gather->future.state != RILL_PENDING)
        return;
    if (!gather->return_errors && future->rc < 0)
        rill__future_end(&gather->future, RILL_FINISHED, future->rc,
                         rill__detail_ref(future->detail));
    else if (gather->ended == gather->count && gather->cancel_asked)
        rill__future_end(
            &gather->future, RILL_FINISHED, -ECANCELED,
            rill__detail_ref(future->rc == -ECANCELED ? future->detail : gather->cancel_detail));
    else if (gather->ended == gather->count)
        rill__future_end(&gather->future, RILL_FINISHED, 0, NULL);
}

static bool gather_cancel(rill_future *future, const char *msg)
{
    struct gather *gather = gather_of(future);
    bool any = false;
    for (size_t i = 0; i < gather->count; i++)
        any |= rill__cancel(gather->members[i].future, msg);
    if (any && !gather->cancel_asked && msg != NULL)
        gather->cancel_detail = rill__detail_new(-ECANCELED, NULL, msg);
    gather->cancel_asked |= any;
    return any;
}

bool rill__gather_is_ending(const rill_future *future)
{
    if (future->kind != RILL__GATHER)
        return false;
    const struct gather *gather = container_of(future, struct gather, future);
    for (size_t i = 0; i < gather->count; i++)
        if (gather->members[i].future->state == RILL_PENDING)
            return false;
    return true;
}

static void gather_free(rill_future *future)
{
    struct gather *gather = gather_of(future);
    for (size_t i = 0; i < gather->count; i++) {
        struct member *member = &gather->members[i];
        rill__callback_remove(&member->callback);
        rill__loop_unready(&member->ready);
        if (gather->future.state != RILL_PENDING)
            member->future->taken = true; /* errors behind the end are nobody's concern */
        rill_unref(member->future);
    }
    rill__detail_unref(gather->cancel_detail);
    rill__future_fini(future);
    rill_free(gather);
}

const struct rill__future_ops rill__gather_ops = {
    .cancel = gather_cancel,
    .free = gather_free,
    .members = {
        .first = RILL__HERE(struct gather, members),
        .count = RILL__AT(struct gather, count),
        .element = sizeof(struct member),
        .pointer = offsetof(struct member, future),
    },
};

/* The loop of all members, or of the caller if there are none. */
static int common_loop(size_t count, rill_future *const futures[], struct rill_loop **ret_loop)
{
    struct rill_loop *loop = rill__loop_running;
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->loop == NULL)
            continue; /* born done */
        if (loop != NULL && futures[i]->loop != loop)
            return rill__misuse(-EXDEV);
        loop = futures[i]->loop;
    }
    *ret_loop = loop;
    return loop != NULL ? rill__loop_check(loop) : -ESRCH;
}

static void watch(struct gather *gather, struct member *member, rill_future *future)
{
    member->callback.ready = &member->ready;
    member->ready.run = on_member;
    member->gather = gather;
    member->future = rill_ref(future);
    if (future->state == RILL_PENDING)
        rill__callback_add(future, &member->callback);
    else
        on_member(&member->ready);
}

rill_future *rill_gather(size_t count, rill_future *const futures[], unsigned flags)
{
    struct rill_loop *loop = NULL;
    size_t size;
    int r = common_loop(count, futures, &loop);
    if (r < 0)
        return rill__future_failed(rill__loop_running, r);
    struct gather *gather = NULL;
    if (!__builtin_mul_overflow(count, sizeof *gather->members, &size) &&
        !__builtin_add_overflow(size, sizeof *gather, &size))
        gather = rill_alloc_zero(1, size);
    if (gather == NULL)
        return rill__future_failed(loop, -ENOMEM);
    rill__future_init(&gather->future, RILL__GATHER, loop);
    gather->count = count;
    gather->return_errors = flags & RILL_RETURN_ERRORS;
    if (count == 0)
        rill__future_end(&gather->future, RILL_FINISHED, 0, NULL);
    for (size_t i = 0; i < count; i++)
        watch(gather, &gather->members[i], futures[i]);
    return &gather->future;
}

static rill_future *member_at(const rill_future *future, size_t index)
{
    const struct gather *gather = container_of(future, struct gather, future);
    bool there = future->kind == RILL__GATHER && index < gather->count;
    return there ? gather->members[index].future : NULL;
}

int rill_gather_result(rill_future *future, size_t index)
{
    rill_future *member = member_at(future, index);
    return member == NULL ? -EINVAL : rill_result(member);
}

void *rill_gather_value(rill_future *future, size_t index)
{
    rill_future *member = member_at(future, index);
    return member == NULL ? NULL : rill_value(member);
}
