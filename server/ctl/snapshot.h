/* snapshot.h - the loops and tasks of a process at one moment, as plain data. */
#pragma once

#include "server/ctl/target.h"

#include <rill/mem.h>
#include <rill/net.h>
#include <rill/time.h>

enum { SNAPSHOT_NAME = 96 };

enum snapshot_state { TASK_NEW, TASK_READY, TASK_WAITS, TASK_RUNS, TASK_ENDS };

/* Where tasks are made. */
struct snapshot_site {
    uint64_t at;
    const char *function, *file;
    int line;
};

/* What a task waits for. */
struct snapshot_wait {
    const char *what;
    const char *name;                /* that is looked up or spoken to; NULL: none */
    uint64_t object, future, holder; /* addresses; 0: none */
    uint32_t number;                 /* the holder's */
    int fd;                          /* -1: none */
    uint64_t left, of;               /* 0 of 0: not counted */
    const rill_addr *address;        /* where it connects to; NULL: it does not */
    uint64_t first, members;         /* of an array of futures, and how many */
    rill_table_members array;
};

struct snapshot_task {
    uint64_t at;
    uint32_t number, steps, cancels;
    enum snapshot_state state;
    const char *name;
    const struct snapshot_site *site;
    struct snapshot_wait *wait; /* NULL: it does not wait, or it cannot be told */
    rill_time
        deadline; /* of the wait, of a scope around it or around who waits for it; INT64_MAX: none */
    const char *deed, *whom,
        *bound;          /* "GET", "example.org", "sock_connect"; NULL: nothing is known */
    uint64_t group_task; /* the task that entered its group; 0: it has none */
    uint64_t group;
    rill_time
        around; /* the first deadline of the scopes around its group; INT64_MAX: there is none */
    uint64_t wait_at, tells_at, block_at, callback_at, title_at, site_at; /* in the target */
    /* Written by graph.c. */
    rill_time
        inherited; /* the first deadline of those who would cancel it; INT64_MAX: there is none */
    struct snapshot_task **edges; /* those that it waits for */
    size_t edge_count;
    struct snapshot_task **awaiters; /* those that wait for it */
    size_t awaiter_count;
    struct snapshot_task *parent, *child, *next; /* in the tree */
    uint8_t seen;
};

/* How deep stacks were used at one place. */
struct snapshot_use {
    const struct snapshot_site *site; /* NULL: all others */
    uint64_t tasks, most;
};

struct snapshot_loop {
    uint64_t at;
    pid_t thread; /* 0: it has not run */
    bool running, asleep;
    bool real;      /* its clock is the machine's */
    rill_time step; /* the step under way lasts so long at least; 0: unknown, or none */
    rill_time slow;
    uint64_t steps, tasks_made, timers, stacks;
    uint64_t counters[7];                      /* as in rill_table.backend */
    uint64_t current;                          /* address of the task that runs; 0: none */
    struct snapshot_task *tasks, **by_address; /* in order of their numbers; of their addresses */
    size_t count;
    struct snapshot_use *uses;
    size_t use_count;
};

struct snapshot {
    struct target target;
    rill_arena arena; /* all that follows */
    struct snapshot_loop *loops;
    size_t loop_count;
    uint64_t more_loops; /* that have no place in the table */
    rill_time now;
    struct snapshot_kinds *kinds;
    struct snapshot_sites *sites;
};

/* Look at process `pid`.   Returns: 0; as target_open; -ENOMEM.   Owns: snapshot_fini in any case. */
int snapshot_take(struct snapshot *snapshot, pid_t pid);
/* The same of a process whose table is known. */
int snapshot_of(struct snapshot *snapshot, const struct target *target);
void snapshot_fini(struct snapshot *snapshot);

/* The task at `address`, or NULL. */
struct snapshot_task *snapshot_find(const struct snapshot_loop *loop, uint64_t address);

/* The place whose address is `at`; NULL: it cannot be read. */
const struct snapshot_site *snapshot_site(struct snapshot *snapshot, uint64_t at);

/* What each task waits for, and its names; by snapshot_take. 0; -ENOMEM. */
int snapshot_read_waits(struct snapshot *snapshot, struct snapshot_loop *loop);
