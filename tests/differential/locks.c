/* locks.c - the statements about locks, events, semaphores, conditions, barriers and queues. */
#include "tests/differential/program.h"
#include "tests/differential/verbs.h"

#include <errno.h>

static int do_lock(char *const *word)
{
    (void)word;
    return rill_lock_acquire(&world.lock);
}

static int do_unlock(char *const *word)
{
    (void)word;
    return rill_lock_release(&world.lock);
}

static int do_locked(char *const *word)
{
    (void)word;
    return rill_lock_locked(&world.lock);
}

static int do_cond_wait(char *const *word)
{
    (void)word;
    return rill_condition_wait(&world.condition);
}

static bool event_is_set(void *unused)
{
    (void)unused;
    return rill_event_is_set(&world.event);
}

static int do_cond_until(char *const *word)
{
    (void)word;
    return rill_condition_wait_for(&world.condition, event_is_set, NULL);
}

static int do_notify(char *const *word)
{
    return rill_condition_notify(&world.condition, (size_t)number(word[0]));
}

static int do_event_wait(char *const *word)
{
    (void)word;
    return rill_event_wait(&world.event);
}

static int do_event_set(char *const *word)
{
    (void)word;
    rill_event_set(&world.event);
    return 0;
}

static int do_event_clear(char *const *word)
{
    (void)word;
    rill_event_clear(&world.event);
    return 0;
}

static int do_acquire(char *const *word)
{
    (void)word;
    return rill_semaphore_acquire(&world.semaphore);
}

static int do_release(char *const *word)
{
    (void)word;
    return rill_semaphore_release(&world.semaphore);
}

static int do_sem_locked(char *const *word)
{
    (void)word;
    return rill_semaphore_locked(&world.semaphore);
}

static int do_barrier(char *const *word)
{
    (void)word;
    return rill_barrier_wait(&world.barrier);
}

static int do_barrier_reset(char *const *word)
{
    (void)word;
    return rill_barrier_reset(&world.barrier);
}

static int do_barrier_abort(char *const *word)
{
    (void)word;
    return rill_barrier_abort(&world.barrier);
}

static int do_barrier_state(char *const *word)
{
    static char state[32];
    (void)word;
    snprintf(state, sizeof state, "%d %d", rill_barrier_n_waiting(&world.barrier),
             rill_barrier_broken(&world.barrier));
    say_instead(state);
    return 0;
}

/* --- Queues. --- */

static rill_queue *queue(const char *name)
{
    return &world.queues[slot_of(name)];
}

static int do_put(char *const *word)
{
    return rill_queue_put(queue(word[0]), (void *)(intptr_t)number(word[1]));
}

static int do_put_nowait(char *const *word)
{
    return rill_queue_put_nowait(queue(word[0]), (void *)(intptr_t)number(word[1]));
}

static int do_get(char *const *word)
{
    void *item = NULL;
    int r = rill_queue_get(queue(word[0]), &item);
    return r < 0 ? r : (int)(intptr_t)item;
}

static int do_get_nowait(char *const *word)
{
    void *item = NULL;
    int r = rill_queue_get_nowait(queue(word[0]), &item);
    return r < 0 ? r : (int)(intptr_t)item;
}

static int do_task_done(char *const *word)
{
    return rill_queue_task_done(queue(word[0]));
}

static int do_join(char *const *word)
{
    return rill_queue_join(queue(word[0]));
}

static int do_size(char *const *word)
{
    return (int)rill_queue_size(queue(word[0]));
}

static int do_shutdown(char *const *word)
{
    return rill_queue_shutdown(queue(word[0]), word[1][0] == 'n');
}

const struct verb lock_verbs[] = {
    { "acquire", do_acquire },
    { "barrier", do_barrier },
    { "barrier_abort", do_barrier_abort },
    { "barrier_reset", do_barrier_reset },
    { "barrier_state", do_barrier_state },
    { "cond_until", do_cond_until },
    { "cond_wait", do_cond_wait },
    { "event_clear", do_event_clear },
    { "event_set", do_event_set },
    { "event_wait", do_event_wait },
    { "get", do_get },
    { "get_nowait", do_get_nowait },
    { "join", do_join },
    { "lock", do_lock },
    { "locked", do_locked },
    { "notify", do_notify },
    { "put", do_put },
    { "put_nowait", do_put_nowait },
    { "release", do_release },
    { "sem_locked", do_sem_locked },
    { "shutdown", do_shutdown },
    { "size", do_size },
    { "task_done", do_task_done },
    { "unlock", do_unlock },
    { NULL, NULL },
};
