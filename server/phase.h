/* phase.h - the phases of the master's life: what each event does in each.
 *
 * A pure table; the master does what it says. */
#pragma once

enum phase {
    PHASE_STARTING, /* until every worker is ready */
    PHASE_SERVING,
    PHASE_RELOADING,  /* workers prepare the next generation */
    PHASE_COMMITTING, /* workers go over to it */
    PHASE_DRAINING,
    PHASE_STOPPING,
    PHASE_OVER,
    PHASES
};

enum phase_event {
    EVENT_READY,  /* every worker serves, or is degraded while another serves */
    EVENT_FAILED, /* no worker can live: reported at the start, or none for 30 s */
    EVENT_HUP,
    EVENT_USR1,
    EVENT_TERM,
    EVENT_QUIT,      /* SIGINT, SIGQUIT */
    EVENT_PREPARED,  /* every worker has the next generation ready */
    EVENT_REFUSED,   /* the next generation is bad, a worker refused it, or took too long */
    EVENT_COMMITTED, /* every worker serves the new generation */
    EVENT_EMPTY,     /* the last worker process has gone */
    EVENTS
};

enum phase_action {
    ACTION_NONE,
    ACTION_ANNOUNCE, /* tell everybody that we are ready */
    ACTION_RELOAD,   /* load the next generation and send it to the workers */
    ACTION_REMEMBER, /* reload once more when this is over */
    ACTION_COMMIT,   /* the next generation becomes the current one */
    ACTION_ABANDON,  /* the next generation is forgotten */
    ACTION_SETTLE,   /* the reload is over: tell, and do what was asked meanwhile */
    ACTION_REOPEN,   /* open the log files again */
    ACTION_DRAIN,    /* let the workers finish */
    ACTION_ABANDON_DRAIN,
    ACTION_STOP, /* end the workers at once */
    ACTION_ABANDON_STOP,
    ACTION_FAIL, /* as stop, with the status of the failure */
    ACTION_END,  /* the master may exit */
    ACTIONS
};

/* What `event` does in `phase`.   Returns: the action; *ret_next is the phase after it. */
enum phase_action phase_step(enum phase phase, enum phase_event event, enum phase *ret_next);
