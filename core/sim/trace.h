/* trace.h - what happened: a rolling hash of all of it, and the last lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rill/time.h>

enum rill__trace_what {
    RILL__TRACE_TURN,     /* entries that run in the turn */
    RILL__TRACE_SUBMIT,   /* op, kind, size */
    RILL__TRACE_CANCEL,   /* op */
    RILL__TRACE_CALL,     /* kind, socket, result */
    RILL__TRACE_WAIT,     /* span until the deadline */
    RILL__TRACE_JUMP,     /* of the clock */
    RILL__TRACE_COMPLETE, /* op, result, flags */
    RILL__TRACE_FAULT,    /* op, error */
    RILL__TRACE_NOW,      /* a look at the clock */
    RILL__TRACE_WALL,
    RILL__TRACE_RANDOM, /* octets */
    RILL__TRACE_DRAW,   /* concern, value, bound */
    RILL__TRACE_SOCKET, /* socket, what happens to it, how much */
    RILL__TRACE_SIGNAL, /* number */
    RILL__TRACE_KINDS,
};

enum { RILL__TRACE_KEPT = 200 };

struct rill__trace {
    uint64_t hash, steps;
    bool loud; /* each line goes to standard error */

    struct rill__trace_line {
        rill_time at;
        int64_t a, b, c;
        enum rill__trace_what what;
    } lines[RILL__TRACE_KEPT];
};

void rill__trace(struct rill__trace *trace, enum rill__trace_what what, rill_time at, int64_t a,
                 int64_t b, int64_t c);
/* The last lines, to standard error. */
void rill__trace_print(const struct rill__trace *trace);
