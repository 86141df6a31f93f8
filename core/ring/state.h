/* state.h - the ring's state, shared by its submitting and its reaping side. */
#pragma once

#include "core/op/backend.h"
#include "core/ring/bufs.h"
#include "core/ring/uapi.h"

#if defined(RILL_CHECK_SLOW) && __has_include(<valgrind/memcheck.h>)
#define WITH_VALGRIND 1
#include <valgrind/memcheck.h>
#endif

/* What the answers to cancels carry; names of ops are never 0. */
enum { RILL__NAME_OF_CANCEL = 0 };

struct ring {
    struct rill__backend backend;
    struct io_uring uring;
    struct rill__op_table ops;
    struct rill__bufs bufs;
    struct list backlog;   /* ops that wait for room in the submission queue (I2) */
    struct list cancels;   /* ops in flight whose cancel waits for room */
    struct list cancelled; /* ops cancelled while in the backlog; completed by the next wait */
    struct list unsettled; /* NOW sends, in order (I3) */
    struct list starved;   /* receives without buffers (I4) */
    unsigned enter_flags;
    unsigned transfers;    /* at an offset of a file, in flight */
    uint16_t turn;         /* counts reaps, for the shares of sources */
    bool disk_works;       /* some of them were left after the last reap (I1) */
    int lost;              /* why this ring is of no use any more; 0: it is fine */
    unsigned skip_success; /* IOSQE_CQE_SKIP_SUCCESS, or 0 where the kernel does it otherwise */
    bool late;             /* silent sends were not settled by the last wait */
    rill_time entered;     /* when enter was last called */
    uint64_t entered_ticks, ticks_between; /* the same in ticks; ticks in enter_every, 0: unknown */
    uint64_t looked_ticks;                 /* when the counter was last looked at */
    unsigned unlooked;                     /* turns that need no look at it */
    rill_time soon;                        /* a microsecond after the clock was last read for it, */
    uint64_t soon_ticks;                   /* and when that was */
};

static inline struct ring *ring_of(struct rill__backend *backend)
{
    return container_of(backend, struct ring, backend);
}

/* Whether `op` moves octets at an offset of a file: what a disk does, not another process. */
static inline bool rill__ring_is_transfer(const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_READ:
    case RILL__OP_WRITE:
    case RILL__OP_READV:
    case RILL__OP_WRITEV: return op->offset != UINT64_MAX;
    default: return false;
    }
}

static inline bool rill__ring_has_completions(const struct ring *ring)
{
    return *ring->uring.cq.khead != io_uring_smp_load_acquire(ring->uring.cq.ktail);
}

/* submit.c: show the kernel the SQEs prepared so far; how many it has not consumed yet. */
unsigned rill__ring_publish(struct ring *ring);
/* The one system call: as io_uring_enter(2). */
int rill__ring_enter(struct ring *ring, unsigned submit, unsigned wait, unsigned flags, void *arg,
                     size_t arg_size);
int rill__ring_submit(struct rill__backend *backend, struct rill__op *op);
void rill__ring_cancel(struct rill__backend *backend, struct rill__op *op);
/* Turn what waited for room or for buffers into SQEs, as far as there is room now. */
void rill__ring_start_waiting(struct ring *ring);

/* reap.c: hand completions to their ops, reap_most at most. True once every CQE that was there at the
 * beginning has been taken. */
bool rill__ring_reap(struct ring *ring);
/* I3: silent sends that the kernel consumed, up to the SQ head `consumed`, and did not complain about. */
void rill__ring_settle(struct ring *ring, unsigned consumed);
/* End what was cancelled before the kernel had it. */
void rill__ring_finish_cancelled(struct ring *ring);
