/* phase.c - the phases of the master's life: what each event does in each.
 *
 * A missing cell is no action and no change. A HUP that comes while workers start or a reload runs
 * is remembered: however many come, one more reload follows. */
#include "server/phase.h"

static const struct cell {
    enum phase_action action;
    enum phase next; /* valid with an action */
} cells[PHASES][EVENTS] = {
    [PHASE_STARTING] = { [EVENT_READY] = { ACTION_ANNOUNCE, PHASE_SERVING },
                         [EVENT_FAILED] = { ACTION_FAIL, PHASE_STOPPING },
                         [EVENT_HUP] = { ACTION_REMEMBER, PHASE_STARTING },
                         [EVENT_USR1] = { ACTION_REOPEN, PHASE_STARTING },
                         [EVENT_TERM] = { ACTION_STOP, PHASE_STOPPING },
                         [EVENT_QUIT] = { ACTION_STOP, PHASE_STOPPING } },
    [PHASE_SERVING] = { [EVENT_FAILED] = { ACTION_FAIL, PHASE_STOPPING },
                        [EVENT_HUP] = { ACTION_RELOAD, PHASE_RELOADING },
                        [EVENT_USR1] = { ACTION_REOPEN, PHASE_SERVING },
                        [EVENT_TERM] = { ACTION_DRAIN, PHASE_DRAINING },
                        [EVENT_QUIT] = { ACTION_STOP, PHASE_STOPPING } },
    [PHASE_RELOADING] = { [EVENT_FAILED] = { ACTION_FAIL, PHASE_STOPPING },
                          [EVENT_HUP] = { ACTION_REMEMBER, PHASE_RELOADING },
                          [EVENT_USR1] = { ACTION_REOPEN, PHASE_RELOADING },
                          [EVENT_TERM] = { ACTION_ABANDON_DRAIN, PHASE_DRAINING },
                          [EVENT_QUIT] = { ACTION_ABANDON_STOP, PHASE_STOPPING },
                          [EVENT_PREPARED] = { ACTION_COMMIT, PHASE_COMMITTING },
                          [EVENT_REFUSED] = { ACTION_ABANDON, PHASE_SERVING } },
    [PHASE_COMMITTING] = { [EVENT_FAILED] = { ACTION_FAIL, PHASE_STOPPING },
                           [EVENT_HUP] = { ACTION_REMEMBER, PHASE_COMMITTING },
                           [EVENT_USR1] = { ACTION_REOPEN, PHASE_COMMITTING },
                           [EVENT_TERM] = { ACTION_DRAIN, PHASE_DRAINING },
                           [EVENT_QUIT] = { ACTION_STOP, PHASE_STOPPING },
                           [EVENT_COMMITTED] = { ACTION_SETTLE, PHASE_SERVING } },
    [PHASE_DRAINING] = { [EVENT_USR1] = { ACTION_REOPEN, PHASE_DRAINING },
                         [EVENT_TERM] = { ACTION_STOP, PHASE_STOPPING },
                         [EVENT_QUIT] = { ACTION_STOP, PHASE_STOPPING },
                         [EVENT_EMPTY] = { ACTION_END, PHASE_OVER } },
    [PHASE_STOPPING] = { [EVENT_EMPTY] = { ACTION_END, PHASE_OVER } },
};

enum phase_action phase_step(enum phase phase, enum phase_event event, enum phase *ret_next)
{
    const struct cell *cell = &cells[phase][event];
    *ret_next = cell->action == ACTION_NONE ? phase : cell->next;
    return cell->action;
}
