/* master.h - the master process: its state, shared by master.c and reload.c, and its one entry.
 *
 * The master parses no network input and has no ring: it waits in poll. */
#pragma once

#include "server/generation.h"
#include "server/listen.h"
#include "server/notify.h"
#include "server/phase.h"
#include "server/privs.h"
#include "server/shm.h"
#include "server/slot.h"

/* What main gives. Texts are borrowed for good. */
struct master_options {
    struct generation_source source;
    struct listen_set sockets; /* what the service manager passed; taken over */
    struct notify notify;
    void (*ready)(int status); /* told once: 0 when ready, else the exit status; may be NULL */
};

struct master {
    enum phase phase;
    rill_time now;        /* of a clock of its own, read once a turn: see read_clock */
    rill_time clock_read; /* when; the loop's clock */
    int exit_status;
    uint64_t cut;         /* requests cut by drains */
    unsigned workers;     /* slots that should have one */
    rill_time none_since; /* since when nobody serves; RILL_FOREVER: somebody does */
    rill_time ping_at;    /* next watchdog ping; RILL_FOREVER: none */
    bool ready_told;      /* to who waits for the start */
    bool features_told;   /* of the kernel that rings use, to the log */
    bool deal_again;      /* who serves which socket may have changed */
    unsigned status_told; /* serving workers that the service manager knows of */
    int signal_fd;
    const struct generation_source *source;
    void (*ready)(int status);
    struct listen_set sockets;
    struct notify notify;
    struct privs privs;
    struct privs_limits limits;
    struct shm_worker *pages;
    struct slot_effects effects;
    char pid_file[4096]; /* "": none */

    /* Generations: those some process may still hold, by their place. */
    struct generation *alive[GENERATION_PLACES];
    struct generation *current, *next; /* next: while reloading */
    uint32_t last_number;

    /* A reload that runs. */
    bool reload_again; /* another was asked for meanwhile */
    bool reopen_again; /* log files were rotated meanwhile: those of `next` are the old ones */
    bool reload_refused;
    rill_time reload_deadline;
    int next_access, next_error; /* log files of the next generation */

    struct slot slots[CONF_WORKERS_MAX];
    bool answer_due[CONF_WORKERS_MAX]; /* the slot's worker is to say prepared, or committed */
};

/* Run the daemon until it is told to end.
 * Returns: the exit status.   Owns: takes what is in the options. */
int master_run(struct master_options *options);

/* Workers for a configuration: its number, or as many as there are processors. */
unsigned master_workers(const struct conf *conf);

/* Let an event happen to a slot, or to the whole: what slot.c or phase.c says is done. */
void master_slot_event(struct master *master, struct slot *slot, enum slot_event event);
void master_event(struct master *master, enum phase_event event);
