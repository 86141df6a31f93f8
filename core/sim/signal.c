/* signal.c - the signal that a world sends to its program: once, at a moment of the seed.
 *
 * It comes by the real call, so the program's own handlers run, and their wake-up comes like each other
 * one. Moments are drawn from microseconds to minutes, short ones as often as long ones. A signal that
 * nobody catches at its moment waits until somebody does: else it would end the program, or nothing. */
#include "core/sim/state.h"

#include <errno.h>
#include <signal.h>

static bool is_caught(int signo)
{
    struct sigaction now;
    return sigaction(signo, NULL, &now) == 0 && now.sa_handler != SIG_DFL &&
           now.sa_handler != SIG_IGN;
}

void rill__signal_send(struct rill__sim *sim)
{
    int signo = sim->opts.world.signal;
    if (!sim->signal_is_due || !is_caught(signo))
        return;
    sim->signal_is_due = false;
    rill__sim_note(sim, RILL__TRACE_SIGNAL, signo, 0, 0);
    raise(signo);
}

static void come_due(struct rill__sim *sim, struct rill__event *event)
{
    (void)event;
    sim->signal_is_due = true;
}

int rill__signal_plan(struct rill__sim *sim)
{
    enum { doublings = 27 }; /* of a microsecond: up to two minutes */

    if (sim->opts.world.signal == 0)
        return 0;
    if (rill__sim_reserve_events(sim, 1) < 0)
        return -ENOMEM;
    uint64_t span = 1u << rill__sim_draw(sim, RILL__OF_SIGNAL, doublings);
    sim->signal.fire = come_due;
    rill__sim_set_event(sim, &sim->signal,
                        sim->now + RILL_US(span + rill__sim_draw(sim, RILL__OF_SIGNAL, span)));
    return 0;
}
