/* slot.c - the life of one worker slot: states, events, and what each event does in each state.
 *
 * Who calls: the master, with what pidfds, channels, heartbeats and its clock tell. A cell that is
 * missing from the table means that the event changes nothing in that state. */
#include "server/slot.h"

#include <signal.h>

typedef void action(struct slot *slot, rill_time now, const struct slot_effects *effects);

static void enter(struct slot *slot, enum slot_state state, rill_time deadline)
{
    slot->state = state;
    slot->deadline = deadline;
}

/* --- death and another try --- */

static void note_death(struct slot *slot, rill_time now)
{
    if (slot->ready_at != 0 && now - slot->ready_at >= RILL_SEC(60))
        slot->failures = 0;
    slot->failures++;
    slot->deaths[slot->death_count++ % SLOT_DEATHS] = now;
}

static bool dies_too_often(const struct slot *slot, rill_time now)
{
    rill_time oldest = slot->deaths[slot->death_count % SLOT_DEATHS];
    return slot->death_count >= SLOT_DEATHS && now - oldest < RILL_SEC(60);
}

/* At once after the first death, then 100 ms, doubling up to 5 s. */
static rill_time pause_before_next(const struct slot *slot)
{
    rill_time pause = slot->failures <= 1 ? 0 : RILL_MS(100);
    for (unsigned i = 2; i < slot->failures && pause < RILL_SEC(5); i++)
        pause *= 2;
    return pause < RILL_SEC(5) ? pause : RILL_SEC(5);
}

static void try_later(struct slot *slot, rill_time now)
{
    note_death(slot, now);
    if (dies_too_often(slot, now))
        enter(slot, SLOT_DEGRADED, now + RILL_SEC(60));
    else
        enter(slot, SLOT_BACKOFF, now + pause_before_next(slot));
}

/* --- actions --- */

static void start(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    slot->wanted = true;
    slot->killed = false;
    slot->ready_at = 0;
    enter(slot, SLOT_STARTING, now + SLOT_START_LIMIT);
    if (effects->spawn(slot, effects->arg) < 0)
        try_later(slot, now);
}

static void serve(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    (void)effects;
    slot->ready_at = slot->beat_at = now;
    enter(slot, SLOT_SERVING, RILL_FOREVER);
}

static void let_finish(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    enter(slot, SLOT_DRAINING, rill_time_add(now, effects->drain_limit));
}

static void drain(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    slot->wanted = false;
    effects->send(slot, CHANNEL_DRAIN, effects->arg);
    let_finish(slot, now, effects);
}

static void stop(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    slot->wanted = false;
    effects->send(slot, CHANNEL_STOP, effects->arg);
    enter(slot, SLOT_DRAINING, now + SLOT_STOP_LIMIT);
}

static void want_again(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    (void)now, (void)effects;
    slot->wanted = true;
}

static void want_no_more(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    (void)now, (void)effects;
    slot->wanted = false;
}

/* The core dump of a stuck worker shows where it is stuck. */
static void abort_it(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    effects->kill(slot, SIGABRT, effects->arg);
    enter(slot, SLOT_STUCK, now + RILL_SEC(1));
}

/* It cannot refuse this one; the state waits for its death. */
static void kill_it(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    (void)now;
    slot->killed = true;
    effects->kill(slot, SIGKILL, effects->arg);
    enter(slot, slot->state == SLOT_DRAINING ? SLOT_DRAINING : SLOT_STUCK, RILL_FOREVER);
}

static void give_up(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    slot->wanted = false;
    kill_it(slot, now, effects);
}

static void forget(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    (void)now, (void)effects;
    slot->wanted = false;
    enter(slot, SLOT_EMPTY, RILL_FOREVER);
}

static void replace(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    if (slot->wanted)
        try_later(slot, now);
    else
        forget(slot, now, effects);
}

/* A drain that ended is no failure: whoever is wanted next starts at once. */
static void finish(struct slot *slot, rill_time now, const struct slot_effects *effects)
{
    if (slot->wanted)
        enter(slot, SLOT_BACKOFF, now);
    else
        forget(slot, now, effects);
}

static action *const actions[SLOT_STATES][SLOT_EVENTS] = {
    [SLOT_EMPTY] = { [SLOT_START] = start },
    [SLOT_STARTING] = { [SLOT_READY] = serve,
                        [SLOT_LEAVE] = let_finish,
                        [SLOT_DRAIN] = drain,
                        [SLOT_STOP] = stop,
                        [SLOT_TIMER] = kill_it,
                        [SLOT_DIED] = replace },
    [SLOT_SERVING] = { [SLOT_LEAVE] = let_finish,
                       [SLOT_DRAIN] = drain,
                       [SLOT_STOP] = stop,
                       [SLOT_SILENT] = abort_it,
                       [SLOT_DIED] = replace },
    [SLOT_DRAINING] = { [SLOT_START] = want_again,
                        [SLOT_DRAIN] = want_no_more,
                        [SLOT_STOP] = stop,
                        [SLOT_TIMER] = kill_it,
                        [SLOT_DIED] = finish },
    [SLOT_STUCK] = { [SLOT_START] = want_again,
                     [SLOT_DRAIN] = give_up,
                     [SLOT_STOP] = give_up,
                     [SLOT_TIMER] = kill_it,
                     [SLOT_DIED] = replace },
    [SLOT_BACKOFF] = { [SLOT_START] = want_again,
                       [SLOT_DRAIN] = forget,
                       [SLOT_STOP] = forget,
                       [SLOT_TIMER] = start },
    [SLOT_DEGRADED] = { [SLOT_START] = start,
                        [SLOT_DRAIN] = forget,
                        [SLOT_STOP] = forget,
                        [SLOT_TIMER] = start },
};

void slot_init(struct slot *slot, unsigned number)
{
    *slot = (struct slot){ .number = number, .deadline = RILL_FOREVER, .pidfd = -1, .channel = -1 };
}

void slot_handle(struct slot *slot, enum slot_event event, rill_time now,
                 const struct slot_effects *effects)
{
    action *act = actions[slot->state][event];
    if (act != NULL)
        act(slot, now, effects);
}

const char *slot_state_name(enum slot_state state)
{
    static const char *const names[SLOT_STATES] = {
        [SLOT_EMPTY] = "empty",       [SLOT_STARTING] = "starting", [SLOT_SERVING] = "serving",
        [SLOT_DRAINING] = "draining", [SLOT_STUCK] = "stuck",       [SLOT_BACKOFF] = "backoff",
        [SLOT_DEGRADED] = "degraded",
    };
    return names[state];
}
