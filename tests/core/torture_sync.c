/* torture_sync.c - locks, queues and their like, with everything going wrong: nothing handed over is lost. */
#include "tests/support/torture.h"

#include <errno.h>
#include <string.h>

static rill_lock lock;
static rill_condition changed;
static rill_event event;
static rill_semaphore permits;
static rill_barrier barrier;
static rill_queue queue;
static int value;

/* Three times `fn` in a group, and `body` here. */
static int run_three(rill_fn *fn, int (*body)(void))
{
    rill_group group = { 0 };
    int r = rill_group_enter(&group);
    if (r < 0)
        return r;
    for (int i = 0; r == 0 && i < 3; i++)
        r = rill_group_go(&group, RILL_CORO(fn, NULL));
    if (r == 0)
        r = body();
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    return r;
}

static int add_under_lock(void *arg)
{
    (void)arg;
    int r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    torture_held++;
    if (torture_held != 1)
        r = -EILSEQ; /* two at once */
    int before = value;
    if (r == 0)
        r = rill_sleep(0);
    if (value != before)
        r = -EILSEQ;
    value = before + 1;
    torture_held--;
    int released = rill_lock_release(&lock);
    return r < 0 ? r : released;
}

static int add_here(void)
{
    return add_under_lock(NULL);
}

static int locks(void *arg)
{
    (void)arg;
    memset(&lock, 0, sizeof lock);
    value = 0;
    int r = run_three(add_under_lock, add_here);
    if (rill_lock_locked(&lock))
        return -EILSEQ;
    return r;
}

static bool is_set(void *arg)
{
    (void)arg;
    return value > 0;
}

static int wait_for_value(void *arg)
{
    int r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_condition_wait_for(&changed, is_set, arg);
    torture_held--;
    int released = rill_lock_release(&lock); /* held in any case */
    return r < 0 ? r : released;
}

static int set_value(void)
{
    int r = rill_sleep(0);
    if (r == 0)
        r = rill_lock_acquire(&lock);
    if (r < 0)
        return r;
    value = 1;
    r = rill_condition_notify_all(&changed);
    int released = rill_lock_release(&lock);
    return r < 0 ? r : released;
}

static int conditions(void *arg)
{
    (void)arg;
    memset(&lock, 0, sizeof lock);
    value = 0;
    int r = rill_condition_init(&changed, &lock);
    if (r < 0)
        return r;
    r = run_three(wait_for_value, set_value);
    int ended = rill_condition_fini(&changed);
    return r < 0 ? r : ended;
}

static int wait_for_event(void *arg)
{
    (void)arg;
    torture_held++;
    int r = rill_event_wait(&event);
    torture_held--;
    return r;
}

static int set_event(void)
{
    int r = rill_sleep(0);
    rill_event_set(&event);
    return r;
}

static int events(void *arg)
{
    (void)arg;
    memset(&event, 0, sizeof event);
    return run_three(wait_for_event, set_event);
}

static int use_permit(void *arg)
{
    (void)arg;
    int r = rill_semaphore_acquire(&permits);
    if (r < 0)
        return r;
    torture_held++;
    r = torture_held <= 2 ? rill_sleep(0) : -EILSEQ;
    torture_held--;
    int released = rill_semaphore_release(&permits);
    return r < 0 ? r : released;
}

static int use_here(void)
{
    return use_permit(NULL);
}

/* At the end both permits are there again, whatever happened. */
static int semaphores(void *arg)
{
    (void)arg;
    int r = rill_semaphore_init_bounded(&permits, 2);
    if (r < 0)
        return r;
    r = run_three(use_permit, use_here);
    if (rill_semaphore_locked(&permits) ||
        (r == 0 && rill_semaphore_release(&permits) != -EOVERFLOW))
        r = -EILSEQ;
    int ended = rill_semaphore_fini(&permits);
    return r < 0 ? r : ended;
}

static int meet(void *arg)
{
    (void)arg;
    torture_held++;
    int r = rill_barrier_wait(&barrier);
    if (r < 0)
        (void)rill_barrier_abort(&barrier); /* the others must not wait for us */
    torture_held--;
    return r < 0 ? r : 0;
}

static int meet_here(void)
{
    return meet(NULL);
}

static int barriers(void *arg)
{
    (void)arg;
    int r = rill_barrier_init(&barrier, 4);
    if (r < 0)
        return r;
    r = run_three(meet, meet_here);
    int ended = rill_barrier_fini(&barrier);
    return r < 0 ? r : ended;
}

static int take_two(void *arg)
{
    void *item;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        int r = rill_queue_get(&queue, &item);
        if (r < 0)
            return r;
        value += *(int *)item;
        r = rill_queue_task_done(&queue);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_six(void)
{
    static int one = 1;
    for (int i = 0; i < 6; i++) {
        int r = rill_queue_put(&queue, &one);
        if (r < 0)
            return r;
        value += 100;
    }
    return rill_queue_join(&queue);
}

/* An item that was put was taken, or is there. */
static int queues(void *arg)
{
    (void)arg;
    value = 0;
    int r = rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 2 });
    if (r < 0)
        return r;
    r = run_three(take_two, put_six);
    if (value / 100 != value % 100 + (int)rill_queue_size(&queue))
        r = -EILSEQ;
    int ended = rill_queue_fini(&queue);
    return r < 0 ? r : ended;
}

static const struct torture_program programs[] = {
    TORTURE(locks),      TORTURE(conditions), TORTURE(events),
    TORTURE(semaphores), TORTURE(barriers),   TORTURE(queues),
};

int main(void)
{
    return torture_run(programs, sizeof programs / sizeof *programs);
}
