/* future.h - the future's insides, and the wait protocol that every await follows.
 *
 * THE WAIT PROTOCOL. A task that has to wait fills in a rill__wait on its own stack and calls
 * rill__task_park. Whoever brings the end makes the task ready (rill__loop_ready of its entry) and
 * never runs it. A request to cancel a parked task calls wait->cancel, which forwards it to what is
 * awaited; the task runs again when that has ended, not before. Waiting allocates nothing.
 *
 * COMPLETION. A future that ends puts each of its callbacks' entries on the queue, in order. A
 * callback is an entry plus a place in the future's list; for a waiting task it is the task's own
 * entry, for a done callback a heap object, for a gather one slot of its array. */
#pragma once

#include "core/loop/loop.h"

#include <rill/future.h>
#include <rill/table.h>

enum rill__future_kind {
    RILL__PLAIN,
    RILL__TASK,
    RILL__GATHER,
    RILL__SHIELD,
    RILL__SLEEP,
    RILL__WRAPPED, /* stands for a job */
    RILL__FUTURE_KINDS,
};

/* Makes `ready` run when the future has ended. */
struct rill__callback {
    struct list link; /* on the future's list; off it once the entry is on the queue */
    struct rill__ready *ready;
};

/* One of several errors: a copy of what `detail` says, to be linked with others. */
struct rill__part {
    rill_err err;
    struct rill__detail *detail; /* a reference; NULL: it has none */
};

/* The detail of an error, shared by all futures it travels through. */
struct rill__detail {
    rill_err err;
    uint32_t refs;
    uint32_t count;           /* of `parts` */
    struct rill__part *parts; /* what err.sub leads to; owned */
    char text[];
};

/* What kinds of futures do differently. */
struct rill__future_ops {
    /* Forward a cancel: true if the request was taken, the end comes later. NULL: ends at once. */
    bool (*cancel)(rill_future *future, const char *msg);
    /* Release what the kind holds and free the memory; the last reference has gone. */
    void (*free)(rill_future *future);
    /* Those that it waits for; `first.size` is 0: none. */
    rill_table_members members;
};

struct rill_future {
    uint32_t refs;
    uint8_t kind;  /* rill__future_kind */
    uint8_t state; /* rill_future_state */
    bool taken;    /* somebody looked at the error */
    bool owns_value;
    void *value;
    struct rill__detail *detail; /* of its error; of a pending task: of the last it gave or got */
    struct list callbacks;
    bool marked;    /* scratch of wait.c, clear between its calls */
    uint16_t place; /* of a task: in its slab */

    union {
        int rc;
        uint32_t steps; /* of a pending task: how often it went on */
    };

    struct rill_loop *loop; /* NULL: never had one, the future was born done */
};

extern const struct rill__future_ops rill__task_ops, rill__gather_ops, rill__shield_ops,
    rill__sleep_ops, rill__wrapped_ops;
/* What `future` does as one of its kind. */
const struct rill__future_ops *rill__future_ops(const rill_future *future);

/* Make `future` pending with one reference. */
void rill__future_init(rill_future *future, enum rill__future_kind kind, struct rill_loop *loop);
/* Release what every future holds. */
void rill__future_fini(rill_future *future);
/* A plain future that has failed; one of a few static ones without memory. Never NULL. */
rill_future *rill__future_failed(struct rill_loop *loop, int error);
/* End a pending future: `state` FINISHED with `rc`, or CANCELLED. Takes the reference of `detail`. */
void rill__future_end(rill_future *future, rill_future_state state, int rc,
                      struct rill__detail *detail);
/* End `future` as `from` has ended: result, value, error. */
void rill__future_end_as(rill_future *future, rill_future *from);
/* Whether `future` is a gather that waits only for the entries of members that have ended: it refuses to be
 * cancelled. */
bool rill__gather_is_ending(const rill_future *future);
/* The code an await of a finished future returns; the error counts as taken. */
int rill__future_code(rill_future *future);

static inline void rill__callback_add(rill_future *future, struct rill__callback *callback)
{
    list_push_back(&future->callbacks, &callback->link);
}

static inline void rill__callback_remove(struct rill__callback *callback)
{
    list_remove(&callback->link);
}

/* Drop the done callbacks of futures that nobody will end any more: their loop has ended. */
void rill__callbacks_drop(struct rill_loop *loop);

/* A detail with a copy of `text` (or NULL); NULL without memory, which loses the text only. */
struct rill__detail *rill__detail_new(int code, const char *where, const char *text);
struct rill__detail *rill__detail_ref(struct rill__detail *detail);
void rill__detail_unref(struct rill__detail *detail);
