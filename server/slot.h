/* slot.h - the life of one worker slot: states, events, and what each event does in each state.
 *
 * A slot is a place for a worker process; its listening sockets and its shared page outlive the
 * processes that come and go in it. What a slot does to the world goes through struct slot_effects,
 * so the table can be tested cell by cell without a process. */
#pragma once

#include "server/channel.h"

#include <rill/time.h>

#include <sys/types.h>

enum slot_state {
    SLOT_EMPTY,    /* nothing here */
    SLOT_STARTING, /* forked, not ready */
    SLOT_SERVING,  /* accepts */
    SLOT_DRAINING, /* does not accept, finishes */
    SLOT_STUCK,    /* its heartbeat stood still, or it did not start in time: on its way out */
    SLOT_BACKOFF,  /* died, waits for its turn */
    SLOT_DEGRADED, /* died too often: one try a minute */
    SLOT_STATES
};

enum slot_event {
    SLOT_START,  /* a worker is wanted here */
    SLOT_READY,  /* it says that it can serve */
    SLOT_LEAVE,  /* it says that it drains on its own */
    SLOT_DRAIN,  /* none is wanted any more: let it finish */
    SLOT_STOP,   /* none is wanted any more: at once */
    SLOT_SILENT, /* its heartbeat stood still for SLOT_SILENCE */
    SLOT_TIMER,  /* the deadline of the state has come */
    SLOT_DIED,   /* the process has ended */
    SLOT_EVENTS
};

enum { SLOT_DEATHS = 5 }; /* within a minute make a slot degraded */

#define SLOT_START_LIMIT RILL_SEC(10)
#define SLOT_SILENCE     RILL_SEC(5)
#define SLOT_STOP_LIMIT  RILL_MS(700) /* a quick stop is over within a second */

struct slot {
    unsigned number;
    enum slot_state state;
    bool wanted;        /* a worker should be here */
    bool killed;        /* by us, because a drain or stop took too long */
    rill_time deadline; /* of the state; RILL_FOREVER: none */
    pid_t pid;          /* 0: no process */
    int pidfd, channel; /* valid with a process */
    uint64_t beat;      /* heartbeat last seen, and when it last moved */
    rill_time beat_at;
    rill_time ready_at;            /* of this process; 0: not yet */
    unsigned failures;             /* deaths in a row, without a minute of service between */
    rill_time deaths[SLOT_DEATHS]; /* the last ones, a ring; 0: none */
    unsigned death_count;
    uint16_t holds; /* places of the generations that the process holds; the master's */
};

struct slot_effects {
    int (*spawn)(struct slot *slot, void *arg); /* fill pid, pidfd and channel; -errno */
    void (*kill)(struct slot *slot, int signal_number, void *arg);
    void (*send)(struct slot *slot, enum channel_type type, void *arg);
    rill_time drain_limit; /* after which a draining worker is killed */
    void *arg;
};

void slot_init(struct slot *slot, unsigned number);

/* Let `event` happen. Events that mean nothing in the slot's state are ignored. */
void slot_handle(struct slot *slot, enum slot_event event, rill_time now,
                 const struct slot_effects *effects);

/* Whether there is a process. */
static inline bool slot_lives(const struct slot *slot)
{
    return slot->pid != 0;
}

/* The name of a state, for messages. */
const char *slot_state_name(enum slot_state state);
