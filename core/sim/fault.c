/* fault.c - what the seed makes of the world: its manners, and the faults that strike in it.
 *
 * Each seed first draws which manners it has and which classes of faults are on, and how often: many
 * narrow worlds find more than one wide one. Manners are what a healthy kernel may do at any time,
 * faults are what it does on a bad day. */
#include "core/sim/state.h"

#include <errno.h>

enum { SHORT, INTERRUPTED, ERRORS, RESET, CANCELED, LOSS, DOUBLE, CLASSES };

static uint64_t draw(struct rill__sim *sim, uint64_t bound)
{
    return rill__sim_draw(sim, RILL__OF_FAULT, bound);
}

/* Off in most worlds; else one of a few rates. */
static unsigned rate(struct rill__sim *sim)
{
    static const unsigned rates[] = { 0, 0, 10, 50, 200 };
    return rates[draw(sim, sizeof rates / sizeof *rates)];
}

static void draw_net(struct rill__sim *sim)
{
    static const uint32_t capacities[] = { 64 << 10, 512, 4 << 10, 256 << 10 };
    static const rill_time latencies[] = { 0, RILL_US(5), RILL_US(300), RILL_MS(20) };
    rill_sim_net *net = &sim->net;
    if (sim->opts.world.net != NULL)
        *net = *sim->opts.world.net;
    uint32_t capacity = capacities[draw(sim, 4)];
    rill_time latency = latencies[draw(sim, 4)];
    if (net->capacity == 0)
        net->capacity = capacity;
    if (net->latency_max == 0) {
        net->latency_min = latency;
        net->latency_max = latency * 2;
    }
    if (net->latency_max < net->latency_min)
        net->latency_max = net->latency_min;
    if (net->capacity > 16 << 20)
        net->capacity = 16 << 20;
}

/* A machine's own network keeps small messages together and in order. */
static bool is_loopback(const struct rill__sim *sim)
{
    return sim->opts.world.net != NULL && sim->opts.world.net->outside;
}

void rill__manners_draw(struct rill__sim *sim)
{
    static const unsigned batches[] = { 0, 0, 0, 20, 3, 1 };
    static const rill_time lates[] = { RILL_US(1), RILL_US(50), RILL_MS(3) };
    struct rill__manners *manners = &sim->manners;
    manners->batch = batches[draw(sim, 6)];
    manners->late = rate(sim);
    manners->late_max = lates[draw(sim, 3)];
    manners->spurious = rate(sim);
    unsigned split = rate(sim);
    manners->split = is_loopback(sim) ? 0 : split;
    manners->ends = rate(sim);
    manners->buffers = sim->opts.recv_buffers;
    if (draw(sim, 4) == 0)
        manners->buffers = 2 + (unsigned)draw(sim, 6);
    draw_net(sim);
    for (unsigned i = 0; i < CLASSES; i++) {
        unsigned often = rate(sim);
        manners->faults[i] = sim->opts.world.faults & 1u << i ? often : 0;
    }
    unsigned overtaken = rate(sim);
    manners->overtaken = is_loopback(sim) ? 0 : overtaken;
}

static bool strikes(struct rill__sim *sim, unsigned class)
{
    rill_time end = sim->opts.world.faults_end;
    if (end > 0 && sim->now - sim->began >= end)
        return false;
    return rill__sim_chance(sim, RILL__OF_FAULT, sim->manners.faults[class]);
}

static int one_of(struct rill__sim *sim, int a, int b, int c)
{
    uint64_t pick = draw(sim, 3);
    return pick == 0 ? a : pick == 1 ? b : c;
}

/* An error that the kernel may give to such an op; 0: it has none worth a test. */
static int error_for(struct rill__sim *sim, const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_ACCEPT:
    case RILL__OP_ACCEPT_ONE:
    case RILL__OP_ACCEPT_NOW:
    case RILL__OP_SOCKET: return one_of(sim, -EMFILE, -ENFILE, -ENOMEM);
    case RILL__OP_CONNECT: return one_of(sim, -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH);
    case RILL__OP_READ:
    case RILL__OP_READV: return one_of(sim, -EIO, -ENOMEM, -EIO);
    case RILL__OP_TRUNCATE:
    case RILL__OP_RENAME:
    case RILL__OP_UNLINK:
    case RILL__OP_MKDIR:
    case RILL__OP_WRITE:
    case RILL__OP_WRITEV: return one_of(sim, -ENOSPC, -EIO, -ENOMEM);
    case RILL__OP_SENDMSG: return one_of(sim, -ENOBUFS, -ENOMEM, -ENETUNREACH);
    case RILL__OP_STATX:
    case RILL__OP_FSYNC: return one_of(sim, -EIO, -ENOSPC, -EIO);
    case RILL__OP_OPENAT2:
    case RILL__OP_OPENAT2_CACHED: return one_of(sim, -EMFILE, -ENOMEM, -EACCES);
    case RILL__OP_BIND:
    case RILL__OP_LISTEN: return one_of(sim, -EADDRINUSE, -ENOMEM, -EADDRINUSE);
    default: return 0;
    }
}

/* Streams and their kind know no such end but as a lost connection: the socket has those. */
static bool may_be_interrupted(const struct rill__op *op)
{
    return op->kind == RILL__OP_READ || op->kind == RILL__OP_WRITE || op->kind == RILL__OP_FSYNC ||
           op->kind == RILL__OP_OPENAT2 || op->kind == RILL__OP_RECV || op->kind == RILL__OP_SEND;
}

static bool is_submitted(const struct rill__op *op)
{
    return op->in_flight && op->kind != RILL__OP_SEND_NOW && op->kind != RILL__OP_SENDMSG_NOW;
}

int rill__fault_for(struct rill__sim *sim, const struct rill__op *op)
{
    if (sim->opts.world.faults == 0 || rill__op_is_wake(op))
        return 0;
    if (may_be_interrupted(op) && strikes(sim, INTERRUPTED))
        return -EINTR;
    if (is_submitted(op) && strikes(sim, CANCELED))
        return -ECANCELED;
    return strikes(sim, ERRORS) ? error_for(sim, op) : 0;
}

uint32_t rill__fault_size(struct rill__sim *sim, uint32_t size)
{
    if (size < 2 || !strikes(sim, SHORT))
        return size;
    uint64_t pick = draw(sim, 3);
    if (pick == 0)
        return 1;
    return pick == 1 && size > 7 ? 7 : 1 + (uint32_t)draw(sim, size - 1);
}

unsigned rill__fault_copies(struct rill__sim *sim)
{
    if (strikes(sim, LOSS))
        return 0;
    return strikes(sim, DOUBLE) ? 2 : 1;
}

bool rill__fault_resets(struct rill__sim *sim)
{
    return strikes(sim, RESET);
}
