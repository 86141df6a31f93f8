/* process_state.h - the insides of a process, shared by its life and its talk. */
#pragma once

#include "core/io/process.h"
#include "core/task/told.h"

/* What communicate has read of one stream. */
struct rill__said {
    char *octets;
    size_t size, room;
};

struct rill__process {
    rill_process public;
    struct rill_loop *loop;
    struct list link; /* in the loop's list, until its memory goes */
    struct list waiters;
    unsigned users;    /* its owner, and the tasks that are in a call on it */
    int pidfd;         /* -1: it is reaped */
    unsigned failures; /* of the reaping */
    bool kill_group;
    bool closed;
    struct rill__op watch;    /* until it has ended */
    struct rill__ready look;  /* the watch has ended */
    struct rill__ready again; /* it could not begin, or brought nothing: later */
    struct rill__timer later;

    /* Communicating. */
    bool talking;
    size_t fed; /* octets of the input that the pipe took */
    size_t output_limit;
    struct rill__said said[2];
};

static inline struct rill__process *rill__process_of(rill_process *public)
{
    return container_of(public, struct rill__process, public);
}

/* A process without a child, in the list of the running loop. NULL without memory. */
struct rill__process *rill__process_new(const rill_process_opts *opts);
/* The child has been started, and is watched from now on. A negative pidfd: it has ended, and nobody knows
 * how. */
void rill__process_begin(struct rill__process *process, pid_t pid, int pidfd);
/* One who used it goes. Its memory may go as well. */
void rill__process_release(struct rill__process *process);
