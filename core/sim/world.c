/* world.c - what a simulated world is made of: draws, the trace, events, clocks, the environment's wishes. */
#include "core/sim/net.h"

#include <rill/text.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rill_time clock_start = RILL_SEC(1000);
static const rill_time wall_start = RILL_SEC(1767225600); /* 2026-01-01T00:00:00Z */
static _Thread_local rill_time clock_now = RILL_SEC(1000);

/* --- Draws, notes, events. --- */

void rill__sim_note(struct rill__sim *sim, enum rill__trace_what what, int64_t a, int64_t b,
                    int64_t c)
{
    rill__trace(&sim->trace, what, sim->now - sim->began, a, b, c);
}

uint64_t rill__sim_draw(struct rill__sim *sim, enum rill__concern concern, uint64_t bound)
{
    uint64_t value = rill__random_below(&sim->randoms[concern], bound);
    if (bound > 1)
        rill__sim_note(sim, RILL__TRACE_DRAW, concern, (int64_t)value, (int64_t)bound);
    return value;
}

bool rill__sim_chance(struct rill__sim *sim, enum rill__concern concern, unsigned permille)
{
    return permille > 0 && rill__sim_draw(sim, concern, 1000) < permille;
}

int rill__sim_reserve_events(struct rill__sim *sim, size_t more)
{
    int r = heap_reserve(&sim->events, sim->events_most + more);
    if (r == 0)
        sim->events_most += more;
    return r;
}

void rill__sim_drop_event(struct rill__sim *sim, struct rill__event *event)
{
    heap_remove(&sim->events, &event->node);
}

void rill__sim_set_event(struct rill__sim *sim, struct rill__event *event, rill_time at)
{
    rill__sim_drop_event(sim, event);
    int r = heap_insert(&sim->events, &event->node, at);
    CHECK(r == 0); /* I4 */
}

/* --- Clocks, the same for all loops of a thread. --- */

void rill__sim_move_clock(struct rill__sim *sim, rill_time to)
{
    if (to <= sim->now)
        return;
    rill__sim_note(sim, RILL__TRACE_JUMP, to - sim->now, 0, 0);
    sim->now = clock_now = to;
}

void rill__sim_pass(struct rill__sim *sim, rill_time span)
{
    clock_now = sim->now += span;
}

rill_time rill__sim_now(void)
{
    return clock_now;
}

rill_time rill__sim_wall_clock(void)
{
    return wall_start + (clock_now - clock_start);
}

/* --- Last words. --- */

uint64_t rill__sim_hash(const struct rill__backend *backend)
{
    return container_of(backend, struct rill__sim, backend)->trace.hash;
}

static void print_flight(const struct rill__flight *flight)
{
    char memory[RILL_ADDR_TEXT_MAX];
    rill_text name = { .at = memory, .size = sizeof memory };
    if (rill__op_is_wake(flight->op))
        return;
    if (flight->socket != NULL)
        rill_addr_format(&flight->socket->local, &name);
    fprintf(stderr, "rill: simulator: operation %llu in flight: %s %.*s\n",
            (unsigned long long)flight->id, rill__op_word((enum rill__op_kind)flight->op->kind),
            (int)name.used, memory);
}

void rill__sim_report(struct rill__backend *backend, const char *why)
{
    struct rill__sim *sim = container_of(backend, struct rill__sim, backend);
    unsigned long long seed = sim->opts.world.seed;
    rill__trace_print(&sim->trace);
    for (uint32_t i = 0; i < sim->flight_count; i++)
        if (sim->flights[i]->op != NULL)
            print_flight(sim->flights[i]);
    fprintf(stderr, "rill: simulator: %s (seed %llu, step %llu)\n", why, seed,
            (unsigned long long)sim->trace.steps);
    if (sim->opts.told_by_env)
        fprintf(stderr, "rill: simulator: again: RILL_SIM=%s %s\n", getenv("RILL_SIM"),
                program_invocation_name);
}

/* --- The environment. --- */

static bool take_word(rill_span *text, const char *word)
{
    size_t size = strlen(word);
    if (text->size < size || memcmp(text->at, word, size) != 0)
        return false;
    *text = (rill_span){ text->at + size, text->size - size };
    return true;
}

bool rill__sim_from_env(rill_sim_opts *ret_world)
{
    static const rill_sim_net reachable = { .outside = true };
    const char *text = getenv("RILL_SIM");
    rill_sim_opts world = { .net = &reachable };
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    rill_span rest = rill_span_of(text);
    for (; rest.size > 0 && *rest.at >= '0' && *rest.at <= '9'; rest.at++, rest.size--)
        world.seed = world.seed * 10 + (uint64_t)(*rest.at - '0');
    while (rest.size > 0)
        if (take_word(&rest, ",shuffle"))
            world.shuffle = true;
        else if (take_word(&rest, ",faults"))
            world.faults = RILL_SIM_ALL;
        else if (take_word(&rest, ",sigint"))
            world.signal = SIGINT;
        else if (take_word(&rest, ",sigterm"))
            world.signal = SIGTERM;
        else
            return false;
    *ret_world = world;
    return true;
}
