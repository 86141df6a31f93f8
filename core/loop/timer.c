/* timer.c - a hierarchical timer wheel in front of an intrusive pairing heap.
 *
 * MODEL. A tick is 2^20 ns, about a millisecond, counted from `origin`, so that a loop of a simulator
 * does the same whenever it begins. What is due in a later tick waits in the wheel,
 * unordered; what is due in the present tick or before is on the heap, exactly ordered by deadline
 * and then by start. So most timers, which are stopped long before they are due, cost a list
 * insertion and removal, and those that fire do so at their time and in their order.
 *
 * Level L of the wheel has 64 slots of 64^L ticks each. A timer's level is that of the highest digit
 * (base 64) in which its tick differs from the present one, its slot is the value of that digit.
 *
 * I1 A slot that is in use lies ahead of the present one of its level, and all of a level's slots
 *    come before those of the level above: the first slot of the lowest level in use is the next.
 * I2 When the present tick moves on, the slots that it passes or enters are dealt out anew: to the
 *    heap, or to lower levels. A timer moves at most once per level.
 * I3 `link` is the address of the one pointer that points to a timer, in the wheel as on the heap:
 *    taking it off needs no search and no knowledge of where it is.
 * I4 The bit of a slot in use is set; that of an empty one may still be. Whoever stops a timer leaves
 *    it, and who looks for the first slot clears what it finds empty.
 *
 * WHY a pairing heap: it needs no memory of its own, and inserting takes constant time. */
#include "core/loop/timer.h"

#include "core/base/check.h"

enum { tick_bits = 20, digit_bits = 6, digit_mask = RILL__TIMER_SLOTS - 1 };

static bool before(const struct rill__timer *a, const struct rill__timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct rill__timer **head, struct rill__timer *timer)
{
    timer->next = *head;
    timer->link = head;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *head = timer;
}

static void unlink_from(struct rill__timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
}

/* --- The heap. --- */

/* The root of both, which are roots; either may be NULL. */
static struct rill__timer *meld(struct rill__timer *a, struct rill__timer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    struct rill__timer *root = before(b, a) ? b : a;
    push(&root->child, root == a ? b : a);
    return root;
}

/* The root of a list of siblings: melded in pairs from the front, the pairs from the back. */
static struct rill__timer *meld_all(struct rill__timer *first)
{
    struct rill__timer *pairs = NULL, *root = NULL;
    while (first != NULL) {
        struct rill__timer *a = first, *b = a->next;
        first = b != NULL ? b->next : NULL;
        struct rill__timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct rill__timer *pair = pairs;
        pairs = pair->next;
        root = meld(root, pair);
    }
    return root;
}

static void set_root(struct rill__timers *timers, struct rill__timer *root)
{
    timers->near = root;
    if (root != NULL) {
        root->next = NULL;
        root->link = &timers->near;
    }
}

static void add_to_heap(struct rill__timers *timers, struct rill__timer *timer)
{
    timer->place = RILL__TIMER_ON_HEAP;
    timer->child = NULL;
    set_root(timers, meld(timers->near, timer));
}

static void take_off_heap(struct rill__timers *timers, struct rill__timer *timer)
{
    unlink_from(timer);
    set_root(timers, meld(timers->near, meld_all(timer->child)));
}

/* --- The wheel. --- */

static int64_t tick_of(const struct rill__timers *timers, rill_time at)
{
    return at < timers->origin ? -1 : (at - timers->origin) >> tick_bits;
}

static void add_to_slot(struct rill__timers *timers, struct rill__timer *timer, int64_t tick)
{
    unsigned level = (unsigned)(63 - __builtin_clzll((uint64_t)(tick ^ timers->tick))) / digit_bits;
    unsigned slot = (unsigned)(tick >> (level * digit_bits)) & digit_mask;
    timer->place = RILL__TIMER_IN_WHEEL;
    push(&timers->heads[level][slot], timer);
    timers->slots[level] |= 1ULL << slot;
    timers->levels |= 1U << level;
}

static void place(struct rill__timers *timers, struct rill__timer *timer)
{
    int64_t tick = tick_of(timers, timer->at);
    if (tick <= timers->tick)
        add_to_heap(timers, timer);
    else
        add_to_slot(timers, timer, tick);
}

static void note_empty(struct rill__timers *timers, unsigned level, unsigned slot)
{
    timers->slots[level] &= ~(1ULL << slot);
    if (timers->slots[level] == 0)
        timers->levels &= ~(1U << level);
}

/* False: the wheel is empty. */
static bool find_first(struct rill__timers *timers, unsigned *ret_level, unsigned *ret_slot)
{
    while (timers->levels != 0) {
        unsigned level = (unsigned)__builtin_ctz(timers->levels);
        unsigned slot = (unsigned)__builtin_ctzll(timers->slots[level]);
        if (timers->heads[level][slot] != NULL) {
            *ret_level = level;
            *ret_slot = slot;
            return true;
        }
        note_empty(timers, level, slot);
    }
    return false;
}

static void deal_out(struct rill__timers *timers, unsigned level, unsigned slot)
{
    struct rill__timer *timer = timers->heads[level][slot];
    timers->heads[level][slot] = NULL;
    note_empty(timers, level, slot);
    while (timer != NULL) {
        struct rill__timer *next = timer->next;
        place(timers, timer);
        timer = next;
    }
}

/* Make `tick` the present one (I2). */
static void advance(struct rill__timers *timers, int64_t tick)
{
    int64_t old = timers->tick;
    if (tick <= old)
        return;
    timers->tick = tick;
    for (unsigned level = 0; timers->levels >> level != 0; level++) {
        unsigned above = (level + 1) * digit_bits;
        bool same_round = old >> above == tick >> above;
        unsigned last =
            same_round ? (unsigned)(tick >> (level * digit_bits)) & digit_mask : digit_mask;
        uint64_t passed = timers->slots[level] & (~0ULL >> (digit_mask - last));
        for (; passed != 0; passed &= passed - 1)
            deal_out(timers, level, (unsigned)__builtin_ctzll(passed));
        if (same_round)
            return;
    }
}

/* --- What the loop sees. --- */

void rill__timer_arm(struct rill__timers *timers, struct rill__timer *timer, rill_time at)
{
    CHECK_SLOW(timer->place == RILL__TIMER_IDLE);
    if (at == RILL_FOREVER)
        return;
    timer->at = at;
    timer->order = timers->started++;
    timers->count++;
    place(timers, timer);
}

void rill__timer_disarm(struct rill__timers *timers, struct rill__timer *timer)
{
    if (timer->place == RILL__TIMER_IDLE)
        return;
    if (timer->place == RILL__TIMER_ON_HEAP)
        take_off_heap(timers, timer);
    else
        unlink_from(timer);
    timer->place = RILL__TIMER_IDLE;
    timers->count--;
}

struct rill__timer *rill__timer_take_due(struct rill__timers *timers, rill_time now)
{
    advance(timers, tick_of(timers, now));
    struct rill__timer *first = timers->near;
    if (first == NULL || first->at > now)
        return NULL;
    rill__timer_disarm(timers, first);
    return first;
}

rill_time rill__timer_next(struct rill__timers *timers)
{
    unsigned level, slot;
    if (timers->near != NULL)
        return timers->near->at;
    if (!find_first(timers, &level, &slot))
        return RILL_FOREVER;
    unsigned above = (level + 1) * digit_bits;
    int64_t tick = ((timers->tick >> above) << above) + ((int64_t)slot << (level * digit_bits));
    if (level > 0)
        return timers->origin + (tick << tick_bits);
    advance(timers, tick); /* nothing is due before: the exact deadline spares a wake-up */
    return timers->near->at;
}

void rill__timers_fini(struct rill__timers *timers)
{
    while (timers->levels != 0)
        (void)rill__timer_take_due(timers, RILL_FOREVER);
    while (timers->near != NULL)
        rill__timer_disarm(timers, timers->near);
}
