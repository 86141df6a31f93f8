/* ring.c - the ring backend over liburing: set-up, submit, reap, overflow.
 *
 * MODEL. Ops become SQEs when they are submitted; one enter per turn hands them to the kernel, runs
 * the deferred work, and sleeps if the loop is idle. Then all CQEs (at most 256 a turn) are handed to
 * their ops. liburing sets the ring up and prepares SQEs; the enter is our own call because liburing
 * 2.3 leaves GETEVENTS out when it need not wait, and with deferred task work nothing completes then.
 *
 * I1 At most one enter per turn, besides submit-only enters when the submission queue is full.
 * I2 Order of submission is kept: while ops wait in `backlog` for room, new ones join its end.
 * I3 A silent send of the NOW kind posts a CQE only when it did not take everything
 *    (CQE_SKIP_SUCCESS with WAITALL and DONTWAIT; tried out at start). It is settled once the kernel
 *    has consumed its SQE and every CQE that the same enter posted has been reaped: until then its
 *    memory is in use. Nobody waits for a silent send, so the enter that submits it may sleep; one
 *    that is still not settled after its enter keeps the next one from sleeping.
 * I4 A receive that ran out of buffers ends with ENOBUFS. It stays in flight for its owner: the op
 *    waits in `starved` and is armed again once buffers are free, never in a spin.
 *
 * FAILURE. enter may return EINTR, EAGAIN, EBUSY, ETIME: what was not consumed stays queued and the
 * next turn tries again. An overflown completion queue is flushed by the next enter and counted. A
 * stale completion's buffer is released here.
 *
 * WHY NOT one timeout op per timer, linked timeouts, SQPOLL: see ARCHITECTURE.md. */
#include "core/ring/ring.h"

#include "core/base/check.h"
#include "core/ring/bufs.h"
#include "core/ring/call.h"
#include "core/ring/probe.h"
#include "core/ring/uapi.h"

#if defined(RILL_CHECK_SLOW) && __has_include(<valgrind/memcheck.h>)
#define WITH_VALGRIND 1
#include <valgrind/memcheck.h>
#endif

#include <rill/mem.h>

#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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
    unsigned skip_success; /* IOSQE_CQE_SKIP_SUCCESS, or 0 where the kernel does it otherwise */
    bool late;             /* silent sends were not settled by the last wait */
    rill_time entered;     /* when enter was last called */
    uint64_t entered_ticks, ticks_between; /* the same in ticks; ticks in enter_every, 0: unknown */
    uint64_t looked_ticks;                 /* when the counter was last looked at */
    unsigned unlooked;                     /* turns that need no look at it */
};

enum { reap_most = 256, enter_every = 100 * 1000 /* ns */, name_of_cancel = 0 };

static struct ring *ring_of(struct rill__backend *backend)
{
    return container_of(backend, struct ring, backend);
}

static rill_time clock_now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return RILL_SEC(at.tv_sec) + at.tv_nsec;
}

static rill_time ring_now(struct rill__backend *backend)
{
    (void)backend;
    return clock_now(CLOCK_MONOTONIC);
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

static rill_time ring_wall_clock(struct rill__backend *backend)
{
    (void)backend;
    return clock_now(CLOCK_REALTIME);
}

static void ring_random(struct rill__backend *backend, void *memory, size_t size)
{
    char *at = memory;
    (void)backend;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0)
            continue; /* only EINTR, and only before the first seed */
        at += got;
        size -= (size_t)got;
    }
}

/* --- Submit. --- */

/* Show the kernel the SQEs prepared so far; how many it has not consumed yet. */
static unsigned publish(struct ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    if (sq->sqe_head != sq->sqe_tail) {
        sq->sqe_head = sq->sqe_tail;
        io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    }
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

static int enter(struct ring *ring, unsigned submit, unsigned wait, unsigned flags, void *arg,
                 size_t arg_size)
{
    ring->backend.counters.enters++;
    ring->backend.counters.submitted += submit;
    return io_uring_enter2((unsigned)ring->uring.enter_ring_fd, submit, wait,
                           flags | ring->enter_flags, arg, arg_size);
}

/* A free SQE, making room by a submit-only enter; NULL if the kernel takes none just now. */
static struct io_uring_sqe *get_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (__builtin_expect(sqe != NULL, 1))
        return sqe;
    if (enter(ring, publish(ring), 0, 0, NULL, 0) <= 0)
        return NULL;
    return io_uring_get_sqe(&ring->uring);
}

/* What keeps a NOW send that was whole from posting a CQE; 0 if somebody waits for that. */
static uint8_t silent_flag(const struct ring *ring, const struct rill__op *op)
{
    return op->flags & RILL__OP_SILENT ? (uint8_t)ring->skip_success : 0;
}

static void prepare(struct ring *ring, struct io_uring_sqe *sqe, struct rill__op *op)
{
    enum { now = MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL };

    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_ACCEPT:
        io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, (int)op->flags);
        break;
    case RILL__OP_CONNECT: io_uring_prep_connect(sqe, op->fd, op->addr, op->size); break;
    case RILL__OP_RECV: io_uring_prep_recv(sqe, op->fd, op->addr, op->size, (int)op->flags); break;
    case RILL__OP_RECV_MANY:
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = RILL__BUF_GROUP;
        sqe->ioprio |= (uint16_t)op->flags;
        break;
    case RILL__OP_SEND:
        io_uring_prep_send(sqe, op->fd, op->addr, op->size, (int)op->flags | MSG_NOSIGNAL);
        break;
    case RILL__OP_SEND_NOW:
        io_uring_prep_send(sqe, op->fd, op->addr, op->size, now);
        sqe->flags |= silent_flag(ring, op);
        break;
    case RILL__OP_SENDMSG_NOW:
        io_uring_prep_sendmsg(sqe, op->fd, op->addr, now);
        sqe->flags |= silent_flag(ring, op);
        break;
    case RILL__OP_POLL: io_uring_prep_poll_add(sqe, op->fd, op->flags); break;
    case RILL__OP_READ: io_uring_prep_read(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_WRITE: io_uring_prep_write(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_FSYNC: io_uring_prep_fsync(sqe, op->fd, op->flags); break;
    case RILL__OP_OPENAT2:
        io_uring_prep_openat2(sqe, op->fd, op->addr, (struct open_how *)(uintptr_t)op->offset);
        break;
    default: CHECK(false && "an op that `call` carries out");
    }
    /* After the preparation, which does not set it: performance depends on nothing else here. */
    sqe->user_data = rill__op_name(&ring->ops, op);
}

static bool is_now(const struct rill__op *op)
{
    return op->kind == RILL__OP_SEND_NOW || op->kind == RILL__OP_SENDMSG_NOW;
}

/* Turn `op` into an SQE; false if there is no room. */
static bool start(struct ring *ring, struct rill__op *op)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    if (sqe == NULL)
        return false;
    prepare(ring, sqe, op);
    if (is_now(op) && silent_flag(ring, op) != 0) {
        op->sq_at = ring->uring.sq.sqe_tail - 1;
        list_push_back(&ring->unsettled, &op->link);
    }
    return true;
}

static int ring_submit(struct rill__backend *backend, struct rill__op *op)
{
    struct ring *ring = ring_of(backend);
    CHECK_SLOW(!op->in_flight);
    int r = rill__op_add(&ring->ops, op);
    if (r < 0)
        return r;
    op->in_flight = true;
    op->stopping = false;
    list_init(&op->link);
    if (!list_is_empty(&ring->backlog) || !start(ring, op))
        list_push_back(&ring->backlog, &op->link);
    return 0;
}

static bool start_cancel(struct ring *ring, struct rill__op *op)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    if (sqe == NULL)
        return false;
    io_uring_prep_cancel64(sqe, rill__op_name(&ring->ops, op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = name_of_cancel;
    return true;
}

static void ring_cancel(struct rill__backend *backend, struct rill__op *op)
{
    struct ring *ring = ring_of(backend);
    if (!op->in_flight || op->stopping || is_now(op))
        return;
    op->stopping = true;
    if (list_is_linked(&op->link)) { /* in the backlog or starved: the kernel does not have it */
        list_remove(&op->link);
        list_push_back(&ring->cancelled, &op->link);
    } else if (!start_cancel(ring, op)) {
        list_push_back(&ring->cancels, &op->link);
    }
}

/* --- Reap. --- */

/* Valgrind does not see what the kernel writes while nobody makes a system call. */
static void tell_valgrind(const struct rill__op *op, int result)
{
#ifdef WITH_VALGRIND
    if (result > 0 && (op->kind == RILL__OP_READ || op->kind == RILL__OP_RECV))
        (void)VALGRIND_MAKE_MEM_DEFINED(op->addr, result);
#endif
    (void)op;
    (void)result;
}

static void finish(struct ring *ring, struct rill__op *op, int result, unsigned flags)
{
    tell_valgrind(op, result);
    if (!(flags & RILL__OP_MORE)) {
        list_remove(&op->link);
        rill__op_drop(&ring->ops, op);
        op->in_flight = false;
    }
    op->done(op, result, flags);
}

/* A completion whose op has ended: nobody will take its buffer. */
static void release_stale(struct ring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        ring->bufs.out++;
        rill__bufs_give_back(&ring->bufs, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
    }
}

static void complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data == name_of_cancel)
        return;
    struct rill__op *op = rill__op_find(&ring->ops, cqe->user_data);
    if (op == NULL) {
        release_stale(ring, cqe);
        return;
    }
    unsigned flags = cqe->flags & IORING_CQE_F_MORE ? RILL__OP_MORE : 0;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        op->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        op->addr = rill__bufs_at(&ring->bufs, op->buffer);
        ring->bufs.out++;
        flags |= RILL__OP_BUFFER;
    }
    if (cqe->res == -ENOBUFS && op->kind == RILL__OP_RECV_MANY && flags == 0) {
        ring->backend.counters.enobufs++; /* I4 */
        rill__bufs_grow(&ring->bufs);
        if (op->stopping)
            finish(ring, op, -ECANCELED, 0);
        else
            list_push_back(&ring->starved, &op->link);
        return;
    }
    finish(ring, op, cqe->res, flags);
}

/* True once every CQE that was there at the beginning has been taken. */
static bool reap(struct ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    unsigned head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail);
    unsigned most = tail - head < reap_most ? tail - head : reap_most;
    for (unsigned i = 0; i < most; i++)
        complete(ring, &cq->cqes[(head + i) & ring->uring.cq.ring_mask]);
    ring->backend.counters.completions += most;
    io_uring_smp_store_release(cq->khead, head + most);
    return head + most == tail;
}

/* I3: what the kernel consumed and did not complain about went out whole. */
static void settle(struct ring *ring, unsigned consumed)
{
    while (!list_is_empty(&ring->unsettled)) {
        struct rill__op *op = container_of(ring->unsettled.next, struct rill__op, link);
        if ((int)(op->sq_at - consumed) >= 0)
            return;
        ring->backend.counters.settled++;
        finish(ring, op, (int)op->size, 0);
    }
}

static void finish_cancelled(struct ring *ring)
{
    struct list *node;
    while ((node = list_pop_front(&ring->cancelled)) != NULL)
        finish(ring, container_of(node, struct rill__op, link), -ECANCELED, 0);
}

static void start_waiting(struct ring *ring)
{
    for (uint32_t free = ring->bufs.filled - ring->bufs.out;
         free > 0 && !list_is_empty(&ring->starved); free--)
        list_push_back(&ring->backlog, list_pop_front(&ring->starved));
    while (!list_is_empty(&ring->cancels)) {
        struct rill__op *op = container_of(ring->cancels.next, struct rill__op, link);
        if (!start_cancel(ring, op))
            return;
        list_remove(&op->link);
    }
    while (!list_is_empty(&ring->backlog)) {
        struct list *node = list_pop_front(&ring->backlog);
        if (!start(ring, container_of(node, struct rill__op, link))) {
            list_push_front(&ring->backlog, node);
            return;
        }
    }
}

static unsigned cq_flags(const struct ring *ring)
{
    return __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED);
}

static bool has_completions(const struct ring *ring)
{
    return *ring->uring.cq.khead != io_uring_smp_load_acquire(ring->uring.cq.ktail);
}

/* Nothing is to be submitted, taken or handed out. */
static bool has_nothing(const struct ring *ring)
{
    return ring->uring.sq.sqe_tail == *ring->uring.sq.khead && !has_completions(ring) &&
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

static int enter_and_sleep(struct ring *ring, rill_time deadline)
{
    unsigned submit = publish(ring);
    struct __kernel_timespec span = { 0 };
    struct io_uring_getevents_arg arg = { .ts = 0 };
    bool sleep = deadline != 0 && !has_completions(ring) && list_is_empty(&ring->backlog) &&
                 list_is_empty(&ring->cancels) && !ring->late;
    note_entered(ring);
    if (sleep && deadline != RILL_FOREVER) {
        rill_time left = deadline > ring->entered ? deadline - ring->entered : 0;
        span.tv_sec = left / RILL_SEC(1);
        span.tv_nsec = left % RILL_SEC(1);
        arg.ts = (uint64_t)(uintptr_t)&span;
    }
    if (cq_flags(ring) & IORING_SQ_CQ_OVERFLOW)
        ring->backend.counters.overflows++;
    return enter(ring, submit, sleep ? 1 : 0, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg,
                 sizeof arg);
}

static __attribute__((noinline)) int submit_and_reap(struct ring *ring, rill_time deadline)
{
    if (!list_is_empty(&ring->cancelled)) {
        finish_cancelled(ring);
        deadline = 0;
    }
    rill__bufs_flush(&ring->bufs);
    start_waiting(ring);
    int r = enter_and_sleep(ring, deadline);
    unsigned consumed = *ring->uring.sq.khead; /* now: reaping may submit, and so enter again */
    if (reap(ring) && !(cq_flags(ring) & IORING_SQ_CQ_OVERFLOW))
        settle(ring, consumed);
    ring->late = !list_is_empty(&ring->unsettled);
    if (r == -EBADF || r == -EEXIST || r == -ENXIO || r == -EOPNOTSUPP)
        return r; /* this ring is not ours to use */
    return 0;
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
            ring_cancel(backend, ring->ops.slots[slot].op);
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
    .submit = ring_submit,
    .cancel = ring_cancel,
    .call = rill__ring_call,
    .wait = ring_wait,
    .is_quiet = ring_is_quiet,
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
    int r = enter(ring, publish(ring), 0, IORING_ENTER_GETEVENTS, NULL, 0);
    if (r < 0)
        return r;
    struct io_uring_cqe *cqe;
    if (!has_completions(ring))
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
    r = rill__probe_operations(&ring->uring);
    if (r < 0)
        goto fail_ring;
    r = rill__bufs_init(&ring->bufs, &ring->uring, opts->recv_buffers);
    if (r < 0) {
        rill__probe_failed(r, opts->cq_entries);
        goto fail_ring;
    }
    if (silent_sends_work(ring))
        ring->skip_success = IOSQE_CQE_SKIP_SUCCESS;
    ring->backend.ops = &ring_ops;
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
