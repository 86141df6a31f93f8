/* table.h - layout of the live task table, for readers in other processes; rillctl is one.
 *
 * A process that has a loop has one page which /proc/PID/maps calls "/memfd:rill-tasks": a rill_table. It says
 * where the loops lie in the memory of that process, and where in loops, tasks and waits to find what is to be
 * told. A reader takes the rest from there by process_vm_readv(2) and needs nobody's help, so a loop that is
 * stuck can be read, too. It needs the right to: the same user, or root, as for a debugger.
 *
 * What is read changes meanwhile. A record is a task if it names its loop and its own place in its slab; whoever
 * wants to be sure reads it twice. All of it is hostile input: nothing says that a process has not written
 * something else there. A pointer may lead anywhere, a list may never end.
 *
 * In the process itself the same descriptions say what tasks wait for (inspect.h), so both tell the same. */
#pragma once

#include <rill/base.h>

enum { RILL_TABLE_VERSION = 2, RILL_TABLE_LOOPS = 64, RILL_TABLE_KINDS = 16 };

#define RILL_TABLE_NAME  "rill-tasks"
#define RILL_TABLE_MAGIC "rilltab"

/* Where something lies, seen from a record: `at[0]` octets behind its begin; with hops a pointer lies there,
 * and it is `at[1]` octets behind where that points, and so on. A NULL on the way: it is not there now. */
typedef struct rill_table_path {
    uint8_t size; /* octets of a number or pointer: 1, 2, 4 or 8; 0: this kind has none */
    uint8_t hops; /* pointers on the way, at most 2 */
    uint16_t at[3];
} rill_table_path;

/* Futures that somebody waits for, in an array. */
typedef struct rill_table_members {
    rill_table_path first;     /* where the array begins; size 0: there is none */
    rill_table_path count;     /* size 0: it has one element */
    uint16_t element, pointer; /* size of an element; where in it the future's address is */
} rill_table_members;

/* A kind of wait: what the record on the stack of a waiting task tells. */
typedef struct rill_table_wait {
    const char *what;         /* a text: "sleep", "lock" */
    const char *const *words; /* better ones, one for each value of `which`, some NULL; or NULL */
    uint32_t words_count;
    rill_table_path which;
    rill_table_path name;        /* a text's address: the name that is looked up, or spoken to */
    rill_table_path object;      /* what has no better name than its address */
    rill_table_path future;      /* what is awaited */
    rill_table_path holder;      /* the task that has what is waited for, */
    rill_table_path number;      /* if its number is this one */
    rill_table_path deadline;    /* of the wait itself, on the loop's clock; INT64_MAX: none */
    rill_table_path fd;          /* the descriptor that is waited for */
    rill_table_path address;     /* a struct sockaddr: where it is to be connected to */
    rill_table_path left, ended; /* so many are still to come, so many have */
    rill_table_members members;  /* what is waited for, if that is several futures */
} rill_table_wait;

/* What the calls in a block are for: "GET" of "example.org", bounded by "sock_connect". The addresses of texts,
 * seen from the block. */
typedef struct rill_table_deed {
    rill_table_path what, of, bound;
} rill_table_deed;

struct rill__ready;

/* From the first callback of a child of a group to its group; `run` tells whether it is one. */
typedef struct rill_table_child {
    void (*run)(struct rill__ready *ready); /* what `ready_run` then holds */
    uint16_t ready_run, group;              /* from the callback; `group` is a pointer */
    uint16_t group_task;                    /* from there: the task that entered it */
} rill_table_child;

/* Generators of a loop. */
typedef struct rill_table_gen {
    uint16_t coro, link, state;
    uint16_t is_running; /* a value: what `state`, 4 octets, holds while its body runs */
} rill_table_gen;

/* Offsets, where nothing else is said. */
typedef struct rill_table {
    char magic[8];    /* RILL_TABLE_MAGIC; written last */
    uint32_t version; /* RILL_TABLE_VERSION; others have other fields from here on */
    uint32_t more;    /* loops that found no place here */
    uint64_t loops[RILL_TABLE_LOOPS];             /* their addresses; 0: no loop */
    rill_table_members futures[RILL_TABLE_KINDS]; /* what a future waits for, by its kind */
    rill_table_child child;
    rill_table_gen gen;

    struct {
        uint16_t current, steps, tasks_made, timers, running, backend;
        uint16_t gens;                /* a ring of links, of which this is one */
        uint16_t records;             /* what slabs name as their owner */
        uint16_t slabs, slab_count;   /* an array of addresses; 4 octets */
        uint16_t slow, thread;        /* a step is slow from then on; who runs it, 4 octets */
        uint16_t asleep, seen, since; /* the watchdog's: `since` when it is in step `seen` */
        uint16_t stacks, stack;       /* in use, of the first class; from class to class */
        uint16_t places, places_count, others; /* of the census: an array, so many, and one more */
    } loop;

    struct {
        uint16_t real;     /* 1 octet: it has the machine's clock */
        uint16_t counters; /* 8 octets each: enters, submitted, completions, overflows, no buffers,
                              settled, wakes */
    } backend;

    struct {
        uint16_t site, tasks, pages; /* pointer, 8 octets, 4 octets */
        uint16_t size;               /* of a place */
    } place;

    struct {
        uint16_t owner, fresh; /* pointer; so many records were ever used, 4 octets */
        uint16_t records;      /* the first one */
    } slab;

    struct {
        uint16_t refs, kind, state, place; /* 4, 1, 1, 2 octets */
        uint16_t steps, cancels;           /* 4 octets */
        uint16_t callbacks, ready; /* two pointers each, back and forth; to itself or 0: none */
        uint16_t loop, wait, block, coro; /* pointers; `coro` lies in the task */
        uint16_t size;                    /* of a task */
        uint16_t is_task, is_pending;     /* values of `kind` and `state` */
    } task;

    uint16_t wait_tells; /* in a wait: the address of its rill_table_wait */

    struct {
        uint16_t sp, caller_sp, caller, base, site, title; /* pointers */
        uint16_t number, finished;                         /* 4, 1 octets */
    } coro;

    struct {
        uint16_t function, file, line; /* pointers to texts; 4 octets */
    } site;

    struct {
        uint16_t outer, is_group; /* pointers; not NULL: it is a group, else a scope */
        uint16_t deed;            /* pointer to a rill_table_deed; NULL: nothing is known */
        rill_table_path when;     /* the deadline of a scope */
    } block;
} rill_table;
