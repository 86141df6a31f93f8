/* state.h - the insides of the simulator, shared by its files. */
#pragma once

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/sim/heap.h"
#include "core/sim/random.h"
#include "core/sim/sim.h"
#include "core/sim/trace.h"

#include <rill/net.h>

#include <poll.h>

struct rill__sim;

/* Something that happens at a point of the virtual time. */
struct rill__event {
    struct heap_node node;
    void (*fire)(struct rill__sim *sim, struct rill__event *event);
};

/* One op in flight: new (linked in `fresh`), waiting (linked where what it waits for is), due to be
 * tried or told (its event is on the heap), or ready to be told (in `done`). */
struct rill__flight {
    struct rill__event event;
    struct rill__op *op; /* NULL: free */
    struct list link;
    struct rill__socket *socket; /* NULL: a descriptor that is not ours; else kept until the end */
    struct rill__flight *next_free;
    uint64_t id; /* dense, for the trace */
    uint32_t index;
    uint32_t got;   /* octets so far, of a receive that waits for all; tries of a connect */
    bool fresh;     /* not tried yet */
    bool cancelled; /* asked to stop */
    bool again;     /* told before, and more was said to follow */
    bool may_lose;  /* the cancel may win against what becomes ready after it */
    bool has_result;
    int result;
    unsigned flags;
    uint16_t buffer;
};

enum rill__concern {
    RILL__OF_ORDER, /* scheduling: order, delays, how many at once */
    RILL__OF_NET,
    RILL__OF_FAULT,
    RILL__OF_PROGRAM, /* what the program asks for */
    RILL__OF_SIGNAL,
    RILL__CONCERNS,
};

/* What this world is like; drawn once from the seed. */
struct rill__manners {
    unsigned batch;     /* completions told per wait; 0: all */
    unsigned late;      /* permille of results that come later than they could */
    rill_time late_max; /* by at most so much */
    unsigned spurious;  /* permille of waits that return with nothing */
    unsigned split;     /* permille of receives and sends that are cut */
    unsigned ends;      /* permille of multishot results after which the op ends by itself */
    unsigned buffers;   /* receive buffers */
    unsigned overtaken; /* permille of datagrams that later ones may overtake */
    unsigned faults[7]; /* permille, by the order of RILL_SIM_* */
};

enum { RILL__SIM_BUFFER = 2048 };

struct rill__sim {
    struct rill__backend backend;
    struct rill__sim_opts opts;
    struct rill__manners manners;
    rill_sim_net net;
    struct rill__random randoms[RILL__CONCERNS];
    struct rill__trace trace;
    rill_time began, now;
    unsigned reads, turns; /* looks at the clock, waits that did not wait, since it moved */

    struct heap events;
    struct rill__event signal; /* the moment of the signal that the world sends */
    bool signal_is_due;        /* that has come */
    size_t events_most;        /* events that may be on the heap at once */
    struct rill__flight **flights;
    struct rill__flight **done; /* what is ready to be told; room for all flights */
    uint32_t flight_count, done_count;
    struct rill__flight *free_flights;
    uint64_t submitted; /* ids given out */
    struct list fresh;
    struct list foreign; /* ops that wait for descriptors that are not ours */
    struct list starved; /* receives without buffers */
    struct list quiet;   /* silent sends that are over and not told */
    bool settles;        /* the next wait does not sleep, and tells those */
    size_t live;

    char *buffer_memory;
    uint16_t *free_buffers;
    unsigned free_buffer_count;

    struct list sockets;
    struct list datagrams; /* under way */
    bool lost_one; /* a datagram was lost in here: who waits for it waits for nobody outside */
    struct rill__socket **by_fd;
    size_t by_fd_size;
    uint32_t sockets_made;
    uint16_t next_port;
};

/* --- world.c --- */

/* A draw below `bound`, traced. */
uint64_t rill__sim_draw(struct rill__sim *sim, enum rill__concern concern, uint64_t bound);
bool rill__sim_chance(struct rill__sim *sim, enum rill__concern concern, unsigned permille);
void rill__sim_note(struct rill__sim *sim, enum rill__trace_what what, int64_t a, int64_t b,
                    int64_t c);
/* Room for `more` further events, so that setting one cannot fail. 0 or -ENOMEM. */
int rill__sim_reserve_events(struct rill__sim *sim, size_t more);
void rill__sim_set_event(struct rill__sim *sim, struct rill__event *event, rill_time at);
void rill__sim_drop_event(struct rill__sim *sim, struct rill__event *event);
/* The clock jumps; nothing happens if it is there already. */
void rill__sim_move_clock(struct rill__sim *sim, rill_time to);
/* The clock goes on without a line in the trace: what made it go has one. */
void rill__sim_pass(struct rill__sim *sim, rill_time span);

/* --- flight.c --- */

/* Room for further ops, and for all that they will need (I4). */
int rill__flights_make(struct rill__sim *sim);
void rill__flights_fini(struct rill__sim *sim);
/* As the backend's submit and cancel. */
int rill__flight_submit(struct rill__sim *sim, struct rill__op *op);
void rill__flight_cancel(struct rill__sim *sim, struct rill__op *op);
/* Try what was submitted since the last wait, in order (I2). */
void rill__flights_start(struct rill__sim *sim);
/* Hand the result to the owner of the op. */
void rill__flight_tell(struct rill__sim *sim, struct rill__flight *flight);
/* Tell the ends of silent sends. */
void rill__flights_settle(struct rill__sim *sim);
/* Try the waiting `flight` again soon. */
void rill__sim_wake(struct rill__sim *sim, struct rill__flight *flight);

/* What a try says when the op has to wait. */
enum { RILL__SIM_WAIT = INT32_MIN };

int rill__sim_make_buffers(struct rill__sim *sim);
/* A free receive buffer, its number in flight->buffer; NULL if there is none. */
char *rill__sim_take_buffer(struct rill__sim *sim, struct rill__flight *flight);
void rill__sim_give_buffer(struct rill__sim *sim, uint16_t buffer);

/* --- fault.c --- */

void rill__manners_draw(struct rill__sim *sim);
/* The error that `op` is made to end with; 0: none. */
int rill__fault_for(struct rill__sim *sim, const struct rill__op *op);
/* `size`, or less where short results are due. */
uint32_t rill__fault_size(struct rill__sim *sim, uint32_t size);
/* How many of a datagram arrive: 1, unless it is lost or doubled. */
unsigned rill__fault_copies(struct rill__sim *sim);
/* Whether a connection is to be reset now. */
bool rill__fault_resets(struct rill__sim *sim);

/* --- foreign.c: ops on descriptors that the simulator did not make, by the real call --- */

/* Carries out the op without waiting: its result, or RILL__SIM_WAIT. */
int rill__foreign_try(struct rill__sim *sim, struct rill__flight *flight);
/* Whether the op is worth a delay: the kernel would hand it to a thread. */
bool rill__foreign_is_slow(const struct rill__op *op);
/* Whether what waits could be carried out by now; a socket of ours wakes its ops itself. */
bool rill__foreign_is_ready(const struct rill__flight *flight);
/* Wake all that wait and are ready, sleeping up to `patience` ms (-1: for ever) until one is. False:
 * there was none, and no signal either. */
bool rill__foreign_poll(struct rill__sim *sim, int patience);
/* As poll(2), also where the limit of descriptors lies below `count`. */
int rill__poll(struct pollfd *polled, size_t count, int timeout);
/* Whether anything that waits could be ended by somebody outside. */
bool rill__foreign_may_come(const struct rill__sim *sim);

/* --- signal.c --- */

/* Draw the moment of the world's signal, if it has one. 0 or -ENOMEM. */
int rill__signal_plan(struct rill__sim *sim);
/* Send it if it is due. */
void rill__signal_send(struct rill__sim *sim);

/* --- net.c --- */

/* Whether the flags of an op on a socket say that it must not wait. */
bool rill__op_never_waits(const struct rill__op *op);
