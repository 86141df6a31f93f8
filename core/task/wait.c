/* wait.c - waiting for some of many: rill_wait, and iteration in order of completion.
 *
 * Both watch each distinct member with a callback of their own and cancel nobody. The members'
 * callbacks run in the order of completion, which is the order of the results. */
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/wait.h>

#include <errno.h>

/* One distinct member under watch. */
struct watched {
    struct rill__callback callback;
    struct rill__ready ready;
    rill_future *future;
    void *owner;
};

static int check_members(struct rill_loop *loop, size_t count, rill_future *const futures[])
{
    for (size_t i = 0; i < count; i++)
        if (futures[i]->loop != NULL && futures[i]->loop != loop)
            return rill__misuse(-EXDEV);
    return 0;
}

/* Watch the distinct members; how many they are. */
static size_t watch_all(struct watched *watched, size_t count, rill_future *const futures[],
                        void (*run)(struct rill__ready *ready), void *owner)
{
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (futures[i]->marked)
            continue;
        futures[i]->marked = true;
        struct watched *one = &watched[distinct++];
        *one = (struct watched){ .callback = { .ready = &one->ready },
                                 .ready = { .run = run },
                                 .future = rill_ref(futures[i]),
                                 .owner = owner };
    }
    for (size_t i = 0; i < distinct; i++)
        watched[i].future->marked = false;
    return distinct;
}

static void watch_start(struct rill_loop *loop, struct watched *one)
{
    if (one->future->state == RILL_PENDING)
        rill__callback_add(one->future, &one->callback);
    else
        rill__loop_ready(loop, &one->ready);
}

static void watch_end(struct watched *one)
{
    rill__callback_remove(&one->callback);
    rill__loop_unready(&one->ready);
    rill_unref(one->future);
}

/* --- rill_wait. --- */

struct waiting {
    struct rill__plain_wait plain;
    struct rill__timer timer;
    rill_wait_when when;
    size_t left, ended, distinct;
    struct watched *watched;
    rill_future **out;
};

#define TELLS_WAIT(text)                                        \
    {                                                           \
        .what = (text), .left = RILL__AT(struct waiting, left), \
        .ended = RILL__AT(struct waiting, ended),               \
        .members = {                                            \
            .first = RILL__THERE(struct waiting, watched, 0),   \
            .count = RILL__AT(struct waiting, distinct),        \
            .element = sizeof(struct watched),                  \
            .pointer = offsetof(struct watched, future),        \
        },                                                      \
    }

static const rill_table_wait tells_any = TELLS_WAIT("any future"),
                             tells_all = TELLS_WAIT("all futures");

static bool failed(const rill_future *future)
{
    return future->state == RILL_FINISHED && future->rc < 0;
}

static void on_wait_member(struct rill__ready *ready)
{
    struct watched *one = container_of(ready, struct watched, ready);
    struct waiting *waiting = one->owner;
    waiting->out[waiting->ended++] = one->future;
    waiting->left--;
    if (waiting->left == 0 || waiting->when == RILL_FIRST_COMPLETED ||
        (waiting->when == RILL_FIRST_ERROR && failed(one->future)))
        rill__loop_ready(waiting->plain.task->future.loop, &waiting->plain.task->ready);
}

/* Append those members in this state that are not in `out` yet; the new end. */
static size_t append(size_t count, rill_future *const futures[], bool pending, rill_future *out[],
                     size_t at)
{
    for (size_t i = 0; i < count; i++) {
        if ((futures[i]->state == RILL_PENDING) != pending || futures[i]->marked)
            continue;
        futures[i]->marked = true;
        out[at++] = futures[i];
    }
    return at;
}

/* Behind the `ended` members whose callbacks ran: the others that are done, then the pending. */
static int sort_out(size_t count, rill_future *const futures[], size_t ended, rill_future *out[])
{
    for (size_t i = 0; i < ended; i++)
        out[i]->marked = true;
    size_t done = append(count, futures, false, out, ended);
    size_t end = append(count, futures, true, out, done);
    out[end] = NULL;
    for (size_t i = 0; i < end; i++)
        out[i]->marked = false;
    return (int)done;
}

static bool any_queued(const struct waiting *waiting)
{
    for (size_t i = 0; i < waiting->distinct; i++)
        if (list_is_linked(&waiting->watched[i].ready.link))
            return true;
    return false;
}

static void take_queued(struct waiting *waiting, const struct list *queue)
{
    list_for_each(node, queue) {
        struct rill__ready *ready = container_of(node, struct rill__ready, link);
        if (ready->run == on_wait_member &&
            container_of(ready, struct watched, ready)->owner == waiting)
            waiting->out[waiting->ended++] = container_of(ready, struct watched, ready)->future;
    }
}

/* Members may be done whose callbacks have not run: the queues have them in order of completion. */
static void take_late(struct waiting *waiting)
{
    const struct rill_loop *loop = waiting->plain.task->future.loop;
    if (!any_queued(waiting))
        return;
    take_queued(waiting, &loop->turn);
    take_queued(waiting, &loop->ready);
}

static bool holds_already(size_t count, rill_future *const futures[], rill_wait_when when)
{
    size_t done = 0;
    bool error = false;
    for (size_t i = 0; i < count; i++) {
        done += futures[i]->state != RILL_PENDING;
        error |= failed(futures[i]);
    }
    return done == count || (done > 0 && when == RILL_FIRST_COMPLETED) ||
           (error && when == RILL_FIRST_ERROR);
}

static int wait_parked(struct waiting *waiting, size_t count, rill_future *const futures[],
                       rill_time timeout)
{
    struct rill_loop *loop = waiting->plain.task->future.loop;
    struct watched *watched = rill_alloc(count * sizeof *watched);
    if (watched == NULL)
        return -ENOMEM;
    rill__timer_start(loop, &waiting->timer, rill__loop_after(loop, timeout));
    size_t distinct = watch_all(watched, count, futures, on_wait_member, waiting);
    waiting->watched = watched;
    waiting->left = waiting->distinct = distinct;
    for (size_t i = 0; i < distinct; i++)
        watch_start(loop, &watched[i]);
    int r = rill__plain_park(&waiting->plain);
    if (r == 0) {
        take_late(waiting);
        r = sort_out(count, futures, waiting->ended, waiting->out);
    }
    for (size_t i = 0; i < distinct; i++)
        watch_end(&watched[i]);
    rill__timer_stop(loop, &waiting->timer);
    rill_free(watched);
    return r;
}

int rill_wait(size_t count, rill_future *const futures[], rill_wait_when when, rill_time timeout,
              rill_future *out[])
{
    struct rill__task *task;
    if (count == 0 || when > RILL_FIRST_ERROR)
        return rill__misuse(-EINVAL);
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    r = check_members(task->future.loop, count, futures);
    if (r < 0)
        return r;
    if (timeout <= 0 || holds_already(count, futures, when))
        return rill__await_ready(task, sort_out(count, futures, 0, out));
    struct waiting waiting = { .plain = rill__plain_wait(
                                   task, when == RILL_ALL_COMPLETED ? &tells_all : &tells_any),
                               .timer = { .ready = &task->ready },
                               .when = when,
                               .out = out };
    return wait_parked(&waiting, count, futures, timeout);
}

/* --- as_completed. --- */

struct iteration {
    struct rill_loop *loop;
    struct list waiters; /* of struct next_wait, in order of arrival */
    struct rill__timer timer;
    struct rill__ready expiry;
    bool expired;
    size_t distinct, ended, given, waiting;
    rill_future **done; /* in order of completion */
    struct watched watched[];
};

struct next_wait {
    struct rill__plain_wait plain;
    struct list link;
    struct iteration *it;
};

_Static_assert(sizeof(struct iteration *) <= sizeof(rill_as_completed), "room for a pointer");

static struct iteration **iteration_of(rill_as_completed *it)
{
    return (struct iteration **)(void *)it;
}

/* Whether the first who waits need not wait any more. */
static bool settled(const struct iteration *it)
{
    return it->given < it->ended || it->expired;
}

/* The first in the queue looks again; when it leaves, it wakes the one behind it. */
static void wake_first(struct iteration *it)
{
    if (list_is_empty(&it->waiters) || !settled(it))
        return;
    struct next_wait *first = container_of(it->waiters.next, struct next_wait, link);
    rill__loop_ready(it->loop, &first->plain.task->ready);
}

static void on_next_member(struct rill__ready *ready)
{
    struct watched *one = container_of(ready, struct watched, ready);
    struct iteration *it = one->owner;
    if (it->expired)
        return; /* too late: every further wait ends with -ETIME */
    it->done[it->ended++] = one->future;
    wake_first(it);
}

static void on_expiry(struct rill__ready *ready)
{
    struct iteration *it = container_of(ready, struct iteration, expiry);
    it->expired = true;
    wake_first(it);
}

int rill_as_completed_init(rill_as_completed *public, size_t count, rill_future *const futures[],
                           rill_time span)
{
    struct rill_loop *loop = rill__loop_running;
    if (loop == NULL)
        return -ESRCH;
    int r = check_members(loop, count, futures);
    if (r < 0)
        return r;
    size_t one = sizeof(struct watched) + sizeof(rill_future *);
    struct iteration *it = rill_alloc_zero(1, sizeof *it + count * one);
    if (it == NULL)
        return -ENOMEM;
    it->loop = loop;
    it->done = (rill_future **)(void *)&it->watched[count];
    list_init(&it->waiters);
    it->expiry.run = on_expiry;
    it->timer.ready = &it->expiry;
    it->distinct = watch_all(it->watched, count, futures, on_next_member, it);
    for (size_t i = 0; i < it->distinct; i++)
        watch_start(loop, &it->watched[i]);
    /* Also without time a timer: behind what ends in this turn, which is given. */
    rill__timer_start(loop, &it->timer, rill__loop_after(loop, span > 0 ? span : 0));
    *iteration_of(public) = it;
    return 0;
}

static const rill_table_wait tells_next = {
    .what = "the next of several futures",
    .members = {
        .first = RILL__THERE(struct next_wait, it, offsetof(struct iteration, watched)),
        .count = RILL__AT_VIA(struct next_wait, it, struct iteration, distinct),
        .element = sizeof(struct watched),
        .pointer = offsetof(struct watched, future),
    },
};

static int take_next(struct iteration *it, rill_future **ret_future)
{
    if (it->given >= it->ended) { /* those that came too late count as given, too */
        it->given++;
        return -ETIME;
    }
    *ret_future = it->done[it->given++];
    return 1;
}

int rill_as_completed_next(rill_as_completed *public, rill_future **ret_future)
{
    struct iteration *it = *iteration_of(public);
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (it->given + it->waiting == it->distinct) /* each of the others is somebody's */
        return rill__await_ready(task, 0);
    if (it->waiting == 0 && settled(it))
        return rill__await_ready(task, take_next(it, ret_future));
    struct next_wait next = { .plain = rill__plain_wait(task, &tells_next), .it = it };
    list_push_back(&it->waiters, &next.link);
    it->waiting++;
    do
        r = rill__plain_park(&next.plain);
    while (r == 0 && (it->waiters.next != &next.link || !settled(it)));
    list_remove(&next.link);
    it->waiting--;
    if (r == 0)
        r = take_next(it, ret_future);
    wake_first(it);
    return r;
}

int rill_as_completed_fini(rill_as_completed *public)
{
    struct iteration *it = public != NULL ? *iteration_of(public) : NULL;
    if (it == NULL)
        return 0;
    if (!list_is_empty(&it->waiters))
        return rill__misuse(-EBUSY);
    rill__timer_stop(it->loop, &it->timer);
    rill__loop_unready(&it->expiry);
    for (size_t i = 0; i < it->distinct; i++)
        watch_end(&it->watched[i]);
    rill_free(it);
    *iteration_of(public) = NULL;
    return 0;
}
