/* verbs.h - what there is in a program of the differential test, and the statements that need no block. */
#pragma once

#include <rill.h>

#include <limits.h>

enum { SLOTS = 8, NOTHING = INT_MAX }; /* NOTHING: the result of a statement about an empty slot */

struct world {
    rill_future *futures[SLOTS], *tops[SLOTS], *started[SLOTS], *gathers[SLOTS];
    rill_as_completed *iterations[SLOTS];
    rill_handle handles[SLOTS];
    rill_scope *scopes[SLOTS];
    rill_group *groups[SLOTS];
    rill_queue queues[SLOTS];
    rill_lock lock;
    rill_event event;
    rill_semaphore semaphore;
    rill_condition condition;
    rill_barrier barrier;
    rill_var var;
};

extern struct world world;

struct verb {
    const char *name;
    int (*call)(char *const *word); /* with the words behind the name, NULL at their end */
};

extern const struct verb lock_verbs[]; /* of locks and queues; ended by one without a name */

/* Do what the words say. Its result, or NOTHING. */
int verb_do(char *const *word);
/* The number of the slot that a name ends with; a span in ms, `-` for none. */
int slot_of(const char *word);
rill_time span_of(const char *word);

/* A line of the trace. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What the next outcome is to be if it is no number. */
void say_instead(const char *text);
/* A result as the trace has it; valid until the next one. `why` is the detail of a cancel. */
const char *outcome(int rc, const rill_err *why);
const char *future_outcome(rill_future *future);
