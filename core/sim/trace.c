/* trace.c - what happened: a rolling hash of all of it, and the last lines.
 *
 * Lines hold dense numbers only: no address, no descriptor, nothing that a compiler chooses. Times
 * count from the begin of the loop. */
#include "core/sim/trace.h"

#include "core/op/op.h"
#include "core/sim/random.h"

#include <inttypes.h>
#include <stdio.h>

/* What the three numbers are stands in trace.h. */
static const char *const names[RILL__TRACE_KINDS] = {
    [RILL__TRACE_TURN] = "turn",         [RILL__TRACE_SUBMIT] = "submit",
    [RILL__TRACE_CANCEL] = "cancel",     [RILL__TRACE_CALL] = "call",
    [RILL__TRACE_WAIT] = "wait",         [RILL__TRACE_JUMP] = "jump",
    [RILL__TRACE_COMPLETE] = "complete", [RILL__TRACE_FAULT] = "fault",
    [RILL__TRACE_NOW] = "now",           [RILL__TRACE_WALL] = "wall clock",
    [RILL__TRACE_RANDOM] = "random",     [RILL__TRACE_DRAW] = "draw",
    [RILL__TRACE_SOCKET] = "socket",     [RILL__TRACE_SIGNAL] = "signal",
};

/* The kind of an op, in words; "" where there is none. */
static const char *word_of(const struct rill__trace_line *line)
{
    if (line->what == RILL__TRACE_SUBMIT)
        return rill__op_word((enum rill__op_kind)line->b);
    return line->what == RILL__TRACE_CALL ? rill__op_word((enum rill__op_kind)line->a) : "";
}

static void print(const struct rill__trace_line *line, uint64_t step)
{
    fprintf(stderr,
            "%8" PRIu64 " %10" PRId64 ".%03d us  %-10s %" PRId64 " %" PRId64 " %" PRId64 "  %s\n",
            step, line->at / 1000, (int)(line->at % 1000), names[line->what], line->a, line->b,
            line->c, word_of(line));
}

static uint64_t stir(uint64_t hash, int64_t value)
{
    return rill__random_mix(hash + 0x9e3779b97f4a7c15u + (uint64_t)value);
}

void rill__trace(struct rill__trace *trace, enum rill__trace_what what, rill_time at, int64_t a,
                 int64_t b, int64_t c)
{
    struct rill__trace_line *line = &trace->lines[trace->steps % RILL__TRACE_KEPT];
    *line = (struct rill__trace_line){ at, a, b, c, what };
    trace->hash = stir(stir(stir(stir(stir(trace->hash, (int64_t)what), at), a), b), c);
    trace->steps++;
    if (trace->loud)
        print(line, trace->steps);
}

void rill__trace_print(const struct rill__trace *trace)
{
    uint64_t first = trace->steps > RILL__TRACE_KEPT ? trace->steps - RILL__TRACE_KEPT : 0;
    for (uint64_t step = first; step < trace->steps; step++)
        print(&trace->lines[step % RILL__TRACE_KEPT], step + 1);
}
