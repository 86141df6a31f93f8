/* sim_sync.c - locks, semaphores, conditions and queues under random cancels and deadlines: nothing is lost.
 *
 * Workers do what a draw says and go on when they are cancelled: by each other, in the very turn in which
 * they hand something over, and by main. Each seed has its own order of what is ready, so each gives other
 * races. The law of races says that a permit, an item, a notification goes to exactly one: the workers
 * check that on the way, main at the end, and in between that nobody waits for what is there. */
#include "tests/support/seeds.h"

#include <rill/sync.h>

enum { workers = 8, rounds = 100, permits = 2, parties = 3, items_max = workers * rounds };

enum item_state { NEW, OFFERED, WITHDRAWN, TAKEN };

static rill_lock lock, guard; /* `guard` is the condition's */
static rill_condition filled;
static rill_semaphore semaphore;
static rill_queue queue;
static rill_barrier barrier;

static rill_task *tasks[workers];
static uint8_t items[items_max]; /* item_state */
static size_t offered;
static int inside, permits_used, tokens, tokens_made, tokens_taken;
static int locking, acquiring, putting, getting, hoping,
    meeting; /* tasks that wait, or are about to */
static unsigned deeds_done;

/* In the turn of a wake-up, at each position. */
static void cancel_somebody(void)
{
    if (seeds_draw(2) == 0)
        rill_cancel(tasks[seeds_draw(workers)], "chance");
}

static int pause_a_while(void)
{
    return rill_sleep(seeds_draw(3) == 0 ? RILL_US(seeds_draw(20)) : 0);
}

static int use_lock(void)
{
    locking++;
    int r = rill_lock_acquire(&lock);
    locking--;
    if (r < 0)
        return r;
    EXPECT_IS(inside++, 0);
    r = pause_a_while();
    inside--;
    EXPECT_IS(rill_lock_release(&lock), 0);
    cancel_somebody();
    return r;
}

static int use_permit(void)
{
    acquiring++;
    int r = rill_semaphore_acquire(&semaphore);
    acquiring--;
    if (r < 0)
        return r;
    EXPECT(permits_used++ < permits);
    r = pause_a_while();
    permits_used--;
    EXPECT_IS(rill_semaphore_release(&semaphore), 0);
    cancel_somebody();
    return r;
}

static int put_item(void)
{
    uint8_t *item = &items[offered++];
    *item = OFFERED;
    putting++;
    int r = rill_queue_put(&queue, item);
    putting--;
    if (r == 0)
        cancel_somebody();
    if (r < 0) {
        EXPECT_IS(*item, OFFERED); /* and not taken */
        *item = WITHDRAWN;
    }
    return r;
}

static int get_item(void)
{
    void *got = NULL;
    getting++;
    int r = rill_queue_get(&queue, &got);
    getting--;
    if (r < 0)
        return r;
    cancel_somebody();
    EXPECT_IS(*(uint8_t *)got, OFFERED); /* and neither withdrawn nor taken before */
    *(uint8_t *)got = TAKEN;
    return rill_queue_task_done(&queue);
}

static bool has_token(void *arg)
{
    (void)arg;
    return tokens > 0;
}

static int take_token(void)
{
    int r = rill_lock_acquire(&guard);
    if (r < 0)
        return r;
    hoping++;
    r = rill_condition_wait_for(&filled, has_token, NULL);
    hoping--;
    EXPECT(rill_lock_holder(&guard) == rill_current_task());
    if (r == 0) {
        tokens--;
        tokens_taken++;
    }
    EXPECT_IS(rill_lock_release(&guard), 0);
    return r;
}

static int make_token(void)
{
    int r = rill_lock_acquire(&guard);
    if (r < 0)
        return r;
    tokens++;
    tokens_made++;
    EXPECT_IS(rill_condition_notify(&filled, 1), 0);
    cancel_somebody();
    EXPECT_IS(rill_lock_release(&guard), 0);
    return 0;
}

static int meet(void)
{
    meeting++;
    int r = rill_barrier_wait(&barrier);
    meeting--;
    if (r == -ECANCELED && seeds_draw(2) == 0)
        (void)rill_barrier_reset(&barrier);
    return r == -ESTALE || r >= 0 ? 0 : r;
}

static int do_something(void)
{
    static int (*const deeds[])(void) = { use_lock,   use_permit, put_item, get_item,
                                          take_token, make_token, meet };
    rill_scope scope = { 0 };
    int r = rill_timeout(&scope, RILL_US(20 + seeds_draw(200)));
    if (r < 0)
        return r;
    r = rill_scope_leave(&scope, deeds[seeds_draw(sizeof deeds / sizeof *deeds)]());
    deeds_done++;
    return r == -ETIME || r == -ECANCELED ? 0 : r;
}

static int work(void *arg)
{
    int r = 0;
    (void)arg;
    for (int i = 0; i < (int)seeds_load && r == 0; i++) {
        r = do_something();
        while (rill_cancelling(rill_current_task()) > 0)
            rill_uncancel(rill_current_task());
    }
    return r;
}

static bool somebody_works(void)
{
    bool any = false;
    for (size_t i = 0; i < workers; i++)
        any |= !rill_done(tasks[i]);
    return any;
}

/* Somebody waits for what is there. */
static bool is_stuck(void)
{
    return (locking > 0 && inside == 0) || meeting >= parties ||
           (acquiring > 0 && permits_used < permits) ||
           (getting > 0 && !rill_queue_empty(&queue)) ||
           (putting > 0 && !rill_queue_full(&queue)) ||
           (hoping > 0 && tokens > 0 && !rill_lock_locked(&guard));
}

/* It may seem so in the turn of a wake-up; it must not stay so. */
static int nobody_is_stuck(void)
{
    static int turns = 12;
    unsigned before = deeds_done;
    if (!is_stuck())
        return 0;
    int r = give_up_turns(&turns);
    EXPECT(!is_stuck() || deeds_done != before);
    return r;
}

static int look_after_them(void)
{
    while (somebody_works()) {
        int r = rill_sleep(RILL_US(seeds_draw(30)));
        if (r == 0)
            r = nobody_is_stuck();
        if (r < 0)
            return r;
        cancel_somebody();
    }
    return 0;
}

static int set_up(void)
{
    lock = guard = (rill_lock){ 0 };
    inside = permits_used = tokens = tokens_made = tokens_taken = 0;
    locking = acquiring = putting = getting = hoping = meeting = 0;
    offered = 0;
    memset(items, NEW, sizeof items);
    EXPECT_IS(rill_condition_init(&filled, &guard), 0);
    EXPECT_IS(rill_semaphore_init_bounded(&semaphore, permits), 0);
    EXPECT_IS(rill_barrier_init(&barrier, parties), 0);
    return rill_queue_init(&queue, &(rill_queue_opts){ .maxsize = 2 });
}

static int all_is_accounted_for(void)
{
    void *got = NULL;
    while (rill_queue_get_nowait(&queue, &got) == 0) {
        EXPECT_IS(*(uint8_t *)got, OFFERED);
        *(uint8_t *)got = TAKEN;
        EXPECT_IS(rill_queue_task_done(&queue), 0);
    }
    for (size_t i = 0; i < offered; i++)
        EXPECT(items[i] == TAKEN || items[i] == WITHDRAWN);
    EXPECT_IS(rill_queue_task_done(&queue), -EOVERFLOW);
    EXPECT(!rill_lock_locked(&lock) && !rill_lock_locked(&guard));
    EXPECT(rill_lock_holder(&lock) == NULL && rill_lock_holder(&guard) == NULL);
    for (int i = 0; i < permits; i++) {
        EXPECT(!rill_semaphore_locked(&semaphore));
        EXPECT_IS(rill_semaphore_acquire(&semaphore), 0);
    }
    EXPECT(rill_semaphore_locked(&semaphore));
    EXPECT_IS(tokens, tokens_made - tokens_taken);
    return 0;
}

static int tear_down(void)
{
    EXPECT_IS(rill_condition_fini(&filled), 0);
    EXPECT_IS(rill_semaphore_fini(&semaphore), 0);
    EXPECT_IS(rill_barrier_fini(&barrier), 0);
    return rill_queue_fini(&queue);
}

static int storm(void *arg)
{
    (void)arg;
    EXPECT_IS(set_up(), 0);
    for (size_t i = 0; i < workers; i++)
        tasks[i] = kept(rill_create_task(RILL_CORO(work, NULL)));
    EXPECT_IS(look_after_them(), 0);
    for (size_t i = 0; i < workers; i++) /* the last cancel may come when all is done */
        EXPECT(rill_result(tasks[i]) == 0 || rill_cancelled(tasks[i]));
    EXPECT_IS(all_is_accounted_for(), 0);
    return tear_down();
}

/* R29: lost 0, double 0. */
static void nothing_is_lost_or_given_twice_under_any_seed(void **unused)
{
    (void)unused;
    (void)seeds_try(
        &(struct seeds_story){ .name = "storm", .tell = storm, .seeds = 100, .load = rounds });
}

static const struct scenario scenarios[] = {
    OUTSIDE(nothing_is_lost_or_given_twice_under_any_seed),
};

int main(void)
{
    return SEEDS_MAIN("sim_sync", scenarios);
}
