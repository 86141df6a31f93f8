/* timer.h - the loop's timers: a wheel for what is far, a heap for what is near.
 *
 * A timer lies in its owner's memory and needs no other: starting one cannot fail, and starting and
 * stopping take the same time however many are pending. See timer.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rill/time.h>

struct rill__ready;

/* A point in time at which `ready` is put on the loop's queue. */
struct rill__timer {
    struct rill__ready *ready;
    rill_time at;
    uint64_t order;            /* of the start: breaks ties */
    struct rill__timer *next;  /* in the slot; among the children of one parent on the heap */
    struct rill__timer *child; /* the first one below it on the heap */
    struct rill__timer **link; /* the pointer that points here: a head, a `next` or a `child` */

    enum { RILL__TIMER_IDLE, RILL__TIMER_IN_WHEEL, RILL__TIMER_ON_HEAP } place;
};

enum { RILL__TIMER_LEVELS = 8, RILL__TIMER_SLOTS = 64 };

struct rill__timers {
    rill_time origin; /* where ticks are counted from, not negative; set before the first one */
    int64_t tick;     /* all that is due in it or before is on the heap */
    struct rill__timer *near; /* root of the heap */
    uint64_t started;
    size_t count;
    unsigned levels;                    /* bit per level: one of its slots has its bit */
    uint64_t slots[RILL__TIMER_LEVELS]; /* bit per slot: something is in it, or was */
    struct rill__timer *heads[RILL__TIMER_LEVELS][RILL__TIMER_SLOTS];
};

/* Arm `timer`, which is not armed, with `ready` set. RILL_FOREVER arms nothing. */
void rill__timer_arm(struct rill__timers *timers, struct rill__timer *timer, rill_time at);
/* Disarm `timer`; nothing happens if it is not armed. */
void rill__timer_disarm(struct rill__timers *timers, struct rill__timer *timer);
/* Disarm and return the first timer that is due at `now`; NULL: none is. */
struct rill__timer *rill__timer_take_due(struct rill__timers *timers, rill_time now);
/* When to look for due timers next: the first one's deadline, or a time before it if it is far away;
 * RILL_FOREVER if none is armed. */
rill_time rill__timer_next(struct rill__timers *timers);
/* Disarm all: their owners may live on, and disarm them later. */
void rill__timers_fini(struct rill__timers *timers);
