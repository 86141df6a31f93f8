/* cancel.h - requests to cancel a task, the blocks of calls they concern, and their records.
 *
 * A block is a scope or a group that the task has entered; blocks nest. See cancel.c for the model. */
#pragma once

#include "core/task/future.h"

#include <rill/inspect.h>

struct rill__task;

/* A time that runs from the first request on. */
struct rill__grace {
    struct rill__timer timer;
    struct rill__ready ready; /* runs when it has passed */
    rill_time span;
    uint8_t state; /* grace_state of cancel.c */
};

struct rill__block {
    struct rill__block *outer;
    struct rill__task *task;
    /* Groups: the hard phase has reached this block; hand it on to the children. NULL: a scope. */
    void (*on_hard)(struct rill__block *block);
    struct rill__grace *shield;  /* holds requests from outside back; NULL: no shield */
    struct rill__grace grace;    /* from a request to the hard phase */
    const void *where;           /* code address of the enter */
    const rill_table_deed *deed; /* what it is for, for who looks; NULL: nobody said */
    uint32_t cancels;            /* the task's count on enter, without those held back */
    uint32_t held;               /* requests that the shield holds back */
    uint32_t deliveries;         /* the task's, when the request of this block had reached it */
    bool asked;                  /* this block has asked its task to cancel */
    bool asked_held;             /* and a shield further in holds that back */
    bool hard;                   /* the grace has passed */
    bool handed_on;              /* on_hard was called */
};

/* Who asks. In force while a request travels, for the records. */
struct rill__asker {
    rill_cancel_by by;
    const void *where;
    const struct rill__task *task; /* NULL: the running one, if there is one */
    const struct rill__record *as; /* pass on a request that is on record */
};

/* Begin to ask; the one who asked before, for rill__ask_end. */
const struct rill__asker *rill__ask_begin(const struct rill__asker *asker);
void rill__ask_end(const struct rill__asker *before);

/* rill_cancel on behalf of whoever asks now. */
bool rill__cancel(rill_future *future, const char *msg);
/* Cancel `future` in the name of the loop, or of a signal. */
bool rill__cancel_by(rill_cancel_by by, rill_future *future, const char *msg);
/* One request to cancel, from outside of all blocks. */
bool rill__task_cancel(struct rill__task *task, const char *msg);
/* Every further await of `task` fails, but behind shields. */
void rill__task_harden(struct rill__task *task);
/* The requests that no shield holds back. */
unsigned rill__task_asked(const struct rill__task *task);
/* Deliver what is pending: always -ECANCELED. */
int rill__task_deliver(struct rill__task *task);
/* A request that has just come ends what the parked `task` waits for. Its text is the one that the delivery
 * tells, as asyncio has it: those that come until then only count. */
void rill__task_accept(struct rill__task *task);
/* As rill__task_deliver, behind a wait that accepted one. */
int rill__task_deliver_accepted(struct rill__task *task);

/* Of a function that notes by whom it was called: inlined, it would note its caller's caller. */
#define RILL__NOTES_CALLER __attribute__((noinline))

void rill__block_enter(struct rill__block *block, struct rill__task *task, const void *where);
void rill__block_leave(struct rill__block *block);
/* The block asks its task to cancel. */
void rill__block_ask(struct rill__block *block, rill_cancel_by by, const void *where,
                     const char *msg);
/* Take that request back. The requests that are left and that no shield holds back. */
unsigned rill__block_withdraw(struct rill__block *block);
void rill__block_set_grace(struct rill__block *block, rill_time span);
void rill__block_shield(struct rill__block *block, struct rill__grace *shield, rill_time span);
/* The shield ends; what it held back is delivered from now on. */
void rill__block_unshield(struct rill__block *block);

/* Note a request; without memory it is not noted. Takes the reference of `why`. */
void rill__record(struct rill__task *task, struct rill__detail *why);
/* The last one, or NULL; and its text. */
const struct rill__record *rill__record_last(const struct rill__task *task);
struct rill__detail *rill__record_why(const struct rill__task *task);
void rill__records_free(struct rill__task *task);
