/* ring.c - the ring backend over liburing: the model, a turn of it, set-up and end.
 *
 * MODEL. Ops become SQEs when they are submitted; one enter per turn hands them to the kernel, runs
 * the deferred work, and sleeps if the loop is idle. Then all CQEs (at most 256 a turn) are handed to
 * their ops. liburing sets the ring up and prepares SQEs; the enter is our own call because liburing
 * 2.3 leaves GETEVENTS out when it need not wait, and with deferred task work nothing completes then.
 *
 * I1 At most one enter per turn, besides submit-only enters when the submission queue is full, and
 *    one for every eighth of the transfers of files in flight (four at least) while a disk works on
 *    earlier ones: else it runs dry while a turn gathers the next (measured: 0.93 of the reads per
 *    second, at 32 outstanding).
 * I2 Order of submission is kept: while ops wait in `backlog` for room, new ones join its end.
 * I3 A silent send of the NOW kind posts a CQE only when it did not take everything
 *    (CQE_SKIP_SUCCESS with WAITALL and DONTWAIT; tried out at start). It is settled once the kernel
 *    has consumed its SQE and every CQE that the same enter posted has been reaped: until then its
 *    memory is in use. Nobody waits for a silent send, so the enter that submits it may sleep; one
 *    that is still not settled after its enter keeps the next one from sleeping.
 * I4 A receive that ran out of buffers ends with ENOBUFS. It stays in flight for its owner: the op
 *    waits in `starved` and is armed again once buffers are free, never in a spin.
 *
 * FAILURE. enter may return EINTR, EAGAIN, EBUSY, ENOMEM, ETIME: what was not consumed stays queued
 * and the next turn tries again; a loop that has nothing else to do gives a kernel that refuses a
 * millisecond. An overflown completion queue is flushed by the next enter and counted. A ring that
 * lost completions (EBADR: no memory to keep them) is lost: tasks would wait for ever.
 *
 * ELSEWHERE. submit.c makes SQEs of ops, reap.c takes CQEs, call.c makes plain calls, bufs.c has the
 * receive buffers.
 *
 * WHY NOT one timeout op per timer, linked timeouts, SQPOLL: see ARCHITECTURE.md. */
#include "core/ring/ring.h"

#include "core/base/machine.h"
#include "core/ring/call.h"
#include "core/ring/probe.h"
#include "core/ring/state.h"

#include <rill/mem.h>

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum { enter_every = 100 * 1000 /* ns */ };

static rill_time ring_now(struct rill__backend *backend)
{
    (void)backend;
    return rill__machine_time(CLOCK_MONOTONIC);
}

/* A counter that is cheaper to read than the clock: for "was it long ago?" in every turn. */
static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#endif
}

/* The clock is read once in half a microsecond, and what it says is good for as long: it is a microsecond
 * ahead. While nobody knows how long a tick is it is read each time. */
static rill_time ring_soon(struct rill__backend *backend)
{
    struct ring *ring = ring_of(backend);
    uint64_t count = ticks();
    if (count - ring->soon_ticks >= ring->ticks_between / (enter_every / 500)) {
        ring->soon_ticks = count;
        ring->soon = ring_now(backend) + RILL_US(1);
    }
    return ring->soon;
}

static rill_time ring_wall_clock(struct rill__backend *backend)
{
    (void)backend;
    return rill__machine_time(CLOCK_REALTIME);
}

static void ring_random(struct rill__backend *backend, void *memory, size_t size)
{
    (void)backend;
    rill__machine_random(memory, size);
}

/* --- A turn. --- */

static unsigned cq_flags(const struct ring *ring)
{
    return __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);
}

/* Nothing is to be submitted, taken or handed out. */
static bool has_nothing(const struct ring *ring)
{
    return ring->uring.sq.sqe_tail == *ring->uring.sq.khead && !rill__ring_has_completions(ring) &&
           (cq_flags(ring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0 &&
           ring->bufs.returned == 0 && list_is_empty(&ring->backlog) &&
           list_is_empty(&ring->cancels) && list_is_empty(&ring->cancelled) &&
           list_is_empty(&ring->unsettled);
}

/* Note when we enter, and learn how many ticks pass in enter_every. */
static void note_entered(struct ring *ring)
{
    rill_time now = ring_now(&ring->backend);
    uint64_t count = ticks();
    if (ring->entered != 0 && now - ring->entered < enter_every && ring->ticks_between == 0)
        return; /* too short a time to learn from */
    if (ring->entered != 0 && now - ring->entered >= enter_every)
        ring->ticks_between = (uint64_t)((double)(count - ring->entered_ticks) * enter_every /
                                         (double)(now - ring->entered));
    ring->entered = now;
    ring->entered_ticks = count;
}

/* A loop that is busy enters the kernel every enter_every even if it has nothing to submit. While
 * turns are short, only each eighth looks at the counter, which costs as much as a switch. */
static bool entered_lately(struct ring *ring)
{
    enum { unlooked = 7 };

    if (ring->unlooked > 0) {
        ring->unlooked--;
        return true;
    }
    uint64_t now = ticks();
    if (now - ring->looked_ticks < ring->ticks_between / 32)
        ring->unlooked = unlooked;
    ring->looked_ticks = now;
    return now - ring->entered_ticks < ring->ticks_between;
}

/* Valgrind does not know that the call may sleep, and lets no other thread run meanwhile: a loop sleeps
 * in short pieces there, and others run in between. */
static rill_time under_valgrind(struct ring *ring, rill_time deadline)
{
#ifdef WITH_VALGRIND
    if (RUNNING_ON_VALGRIND && deadline != 0) {
        rill_time soon = ring_now(&ring->backend) + RILL_MS(1);
        sched_yield();
        return deadline < soon ? deadline : soon;
    }
#endif
    (void)ring;
    return deadline;
}

static int enter_and_sleep(struct ring *ring, rill_time deadline)
{
    unsigned submit = rill__ring_publish(ring);
    struct __kernel_timespec span = { 0 };
    struct io_uring_getevents_arg arg = { .ts = 0 };
    bool sleep = deadline != 0 && !rill__ring_has_completions(ring) &&
                 list_is_empty(&ring->backlog) && list_is_empty(&ring->cancels) && !ring->late;
    note_entered(ring);
    if (sleep && deadline != RILL_FOREVER) {
        rill_time left = deadline > ring->entered ? deadline - ring->entered : 0;
        span.tv_sec = left / RILL_SEC(1);
        span.tv_nsec = left % RILL_SEC(1);
        arg.ts = (uint64_t)(uintptr_t)&span;
    }
    if (cq_flags(ring) & IORING_SQ_CQ_OVERFLOW)
        ring->backend.counters.overflows++;
    return rill__ring_enter(ring, submit, sleep ? 1 : 0,
                            IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof arg);
}

static bool refuses(int r)
{
    return r == -EAGAIN || r == -EBUSY || r == -ENOMEM;
}

/* Nothing could be submitted and nobody is ready: wait a little for completions, not to spin. */
static void back_off(struct ring *ring)
{
    struct __kernel_timespec span = { .tv_nsec = RILL_MS(1) };
    struct io_uring_getevents_arg arg = { .ts = (uint64_t)(uintptr_t)&span };
    (void)rill__ring_enter(ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
                           sizeof arg);
}

/* EEXIST, and EINVAL where it goes by its registered number, are what a child of its process gets. */
static bool is_lost(int r)
{
    return r == -EINVAL || r == -EBADF || r == -EEXIST || r == -ENXIO || r == -EOPNOTSUPP ||
           r == -EBADR;
}

static __attribute__((noinline)) int submit_and_reap(struct ring *ring, rill_time deadline)
{
    if (!list_is_empty(&ring->cancelled)) {
        rill__ring_finish_cancelled(ring);
        deadline = 0;
    }
    if (ring->lost < 0)
        deadline = 0; /* nobody knows whether something would come */
    rill__bufs_flush(&ring->bufs);
    rill__ring_start_waiting(ring);
    int r = enter_and_sleep(ring, under_valgrind(ring, deadline));
    if (refuses(r) && deadline != 0 && !rill__ring_has_completions(ring))
        back_off(ring);
    unsigned consumed = *ring->uring.sq.khead; /* now: reaping may submit, and so enter again */
    if (rill__ring_reap(ring) && !(cq_flags(ring) & IORING_SQ_CQ_OVERFLOW))
        rill__ring_settle(ring, consumed);
    ring->late = !list_is_empty(&ring->unsettled);
    if (is_lost(r))
        ring->lost = r;
    return ring->lost;
}

static bool ring_is_quiet(struct rill__backend *backend, rill_time deadline)
{
    struct ring *ring = ring_of(backend);
    return deadline > ring->entered + enter_every && has_nothing(ring) && entered_lately(ring);
}

static int ring_wait(struct rill__backend *backend, rill_time deadline)
{
    struct ring *ring = ring_of(backend);
    if (deadline == 0 && has_nothing(ring) && entered_lately(ring))
        return 0; /* the turns of a busy loop cost no more than this */
    return submit_and_reap(ring, deadline);
}

static void ring_give_back(struct rill__backend *backend, uint16_t buffer)
{
    rill__bufs_give_back(&ring_of(backend)->bufs, buffer);
}

static void ring_cancel_all(struct rill__backend *backend)
{
    struct ring *ring = ring_of(backend);
    for (uint32_t slot = 0; slot < ring->ops.size; slot++)
        if (ring->ops.slots[slot].op != NULL)
            rill__ring_cancel(backend, ring->ops.slots[slot].op);
    ring->late = true; /* who asks waits for the silent ones, too */
}

static size_t ring_in_flight(const struct rill__backend *backend)
{
    return container_of(backend, struct ring, backend)->ops.live;
}

static void ring_free(struct rill__backend *backend)
{
    struct ring *ring = ring_of(backend);
    rill__bufs_fini(&ring->bufs, &ring->uring);
    rill__op_table_fini(&ring->ops);
    io_uring_queue_exit(&ring->uring);
    rill_free(ring);
}

static const struct rill__backend_ops ring_ops = {
    .submit = rill__ring_submit,
    .cancel = rill__ring_cancel,
    .call = rill__ring_call,
    .wait = ring_wait,
    .is_quiet = ring_is_quiet,
    .soon = ring_soon,
    .give_back = ring_give_back,
    .now = ring_now,
    .wall_clock = ring_wall_clock,
    .random = ring_random,
    .cancel_all = ring_cancel_all,
    .in_flight = ring_in_flight,
    .free = ring_free,
};

/* --- Set-up. --- */

/* One NOW send of `size` octets into a socket pair: the result its CQE has, or `size` without one. */
static int try_send(struct ring *ring, int fd, const void *memory, unsigned size)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    io_uring_prep_send(sqe, fd, memory, size, MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = 1;
    int r = rill__ring_enter(ring, rill__ring_publish(ring), 0, IORING_ENTER_GETEVENTS, NULL, 0);
    if (r < 0)
        return r;
    struct io_uring_cqe *cqe;
    if (!rill__ring_has_completions(ring))
        return (int)size;
    cqe = &ring->uring.cq.cqes[*ring->uring.cq.khead & ring->uring.cq.ring_mask];
    r = cqe->res;
    io_uring_smp_store_release(ring->uring.cq.khead, *ring->uring.cq.khead + 1);
    return r;
}

/* I3: sends that are silent on success and honest otherwise, shown on this kernel: whole, short, full. */
static bool silent_sends_work(struct ring *ring)
{
    enum { large = 1 << 20 };

    int pair[2];
    bool work = false;
    char *memory = rill_alloc_zero(1, large);
    if (memory == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        goto out;
    int whole = try_send(ring, pair[0], memory, 16);
    int part = try_send(ring, pair[0], memory, large);
    int full = try_send(ring, pair[0], memory, 16);
    work = whole == 16 && part > 0 && part < large && full == -EAGAIN;
    close(pair[0]);
    close(pair[1]);
out:
    rill_free(memory);
    return work;
}

static int set_up(struct ring *ring, const struct rill__ring_opts *opts)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = opts->cq_entries,
    };
    int r = io_uring_queue_init_params(opts->sq_entries, &ring->uring, &params);
    if (r < 0)
        return r;
    if (params.features & IORING_FEAT_NO_IOWAIT)
        ring->enter_flags |= IORING_ENTER_NO_IOWAIT;
    if (io_uring_register_ring_fd(&ring->uring) == 1)
        ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    unsigned workers[2] = { 8, 4 }; /* for regular files, for the rest */
    io_uring_register_iowq_max_workers(&ring->uring, workers);
    return 0;
}

int rill__ring_new(const struct rill__ring_opts *opts, struct rill__backend **ret_backend)
{
    struct ring *ring = rill_alloc_zero(1, sizeof *ring);
    rill__probe_clear();
    if (ring == NULL)
        return -ENOMEM;
    int r = set_up(ring, opts);
    if (r < 0)
        goto fail_problem;
    r = rill__probe_operations(&ring->uring, &ring->backend.can_truncate);
    if (r < 0)
        goto fail_ring;
    r = rill__bufs_init(&ring->bufs, &ring->uring, opts->recv_buffers);
    if (r < 0) {
        rill__probe_failed(r, opts->cq_entries);
        goto fail_ring;
    }
    if (silent_sends_work(ring))
        ring->skip_success = IOSQE_CQE_SKIP_SUCCESS;
    rill__probe_found((ring->enter_flags & IORING_ENTER_REGISTERED_RING) != 0,
                      ring->skip_success != 0, (ring->enter_flags & IORING_ENTER_NO_IOWAIT) != 0,
                      ring->backend.can_truncate);
    ring->backend.ops = &ring_ops;
    ring->backend.watched = true;
    list_init(&ring->backlog);
    list_init(&ring->cancels);
    list_init(&ring->cancelled);
    list_init(&ring->unsettled);
    list_init(&ring->starved);
    *ret_backend = &ring->backend;
    return 0;

fail_problem:
    rill__probe_failed(r, opts->cq_entries);
    rill_free(ring);
    return r;
fail_ring:
    io_uring_queue_exit(&ring->uring);
    rill_free(ring);
    return r;
}
