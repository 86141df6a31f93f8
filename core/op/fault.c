/* fault.c - operations that fail, fall short or are deaf, whatever the backend below.
 *
 * A failed operation is never submitted: it waits here and completes in the next wait, as one of the
 * kernel's would, so what is seen is a late error and not one of the call. A capped one is submitted
 * with fewer octets; its result then says so, like any short one. */
#include "core/op/fault.h"

#ifdef RILL_CHECK_SLOW

#include "core/base/check.h"

#include <rill/mem.h>

#include <errno.h>
#include <sys/socket.h>

struct fault {
    struct rill__backend backend;
    struct rill__backend *inner;
    struct list failed; /* ops that complete with the plan's error */
    size_t count;       /* of them */
};

static _Thread_local struct rill__fault_plan plan;
static _Thread_local struct rill__fault_counts counts;
static _Thread_local bool is_set;

void rill__fault_set(const struct rill__fault_plan *wanted)
{
    is_set = wanted != NULL;
    counts = (struct rill__fault_counts){ 0 };
    if (wanted != NULL)
        plan = *wanted;
}

const struct rill__fault_counts *rill__fault_counts(void)
{
    return &counts;
}

static struct fault *fault_of(struct rill__backend *backend)
{
    return container_of(backend, struct fault, backend);
}

/* --- The plan. --- */

/* The loop reads its eventfd in words; a loop that is deaf, or spins on that, is no subject here. */
static bool is_own(const struct rill__op *op)
{
    return op->kind == RILL__OP_READ && op->size == sizeof(uint64_t);
}

static bool concerns(const struct rill__op *op)
{
    return is_set && !is_own(op) && (plan.kind == RILL__FAULT_ANY || plan.kind == op->kind);
}

/* Counts `op`; whether it is the one. */
static bool must_fail(const struct rill__op *op)
{
    if (is_own(op))
        return false;
    CHECK(op->kind < RILL__FAULT_KINDS);
    counts.seen[op->kind]++;
    if (!concerns(op) || plan.nth == 0)
        return false;
    uint64_t n = 0;
    for (int kind = 0; kind < RILL__FAULT_KINDS; kind++)
        if (plan.kind == RILL__FAULT_ANY || plan.kind == kind)
            n += counts.seen[kind];
    bool fails = n == plan.nth || (n > plan.nth && plan.forever);
    counts.failed += fails;
    return fails;
}

static bool has_length(const struct rill__op *op)
{
    switch ((enum rill__op_kind)op->kind) {
    case RILL__OP_RECV:
    case RILL__OP_SEND:
    case RILL__OP_SEND_NOW:
    case RILL__OP_READ:
    case RILL__OP_WRITE:
    case RILL__OP_SEND_MORE:
    case RILL__OP_SENDFILE: return true;
    default: return false;
    }
}

static void cap(struct rill__op *op)
{
    if (plan.cap == 0 || !concerns(op) || !has_length(op) || op->size <= plan.cap)
        return;
    op->size = plan.cap;
    if (op->kind == RILL__OP_SEND_NOW)
        op->flags &= ~(uint32_t)RILL__OP_SILENT; /* that would say that all of it went */
    counts.capped++;
}

/* --- The backend. --- */

/* The other side, and our reading half, learn of a broken connection as they would of a real one. */
static void break_connection(struct rill__backend *inner, const struct rill__op *op)
{
    struct rill__op shut = { .kind = RILL__OP_SHUTDOWN, .fd = op->fd, .flags = SHUT_RDWR };
    bool broken = plan.error == -EPIPE || plan.error == -ECONNRESET || plan.error == -ETIMEDOUT;
    if (broken && op->kind != RILL__OP_CONNECT)
        (void)inner->ops->call(inner, &shut);
}

static int fault_submit(struct rill__backend *backend, struct rill__op *op)
{
    struct fault *fault = fault_of(backend);
    if (!must_fail(op)) {
        cap(op);
        return fault->inner->ops->submit(fault->inner, op);
    }
    break_connection(fault->inner, op);
    op->in_flight = true;
    op->stopping = false;
    op->link = (struct list){ 0 };
    list_push_back(&fault->failed, &op->link);
    fault->count++;
    return 0;
}

static bool is_ours(const struct fault *fault, const struct rill__op *op)
{
    list_for_each(node, &fault->failed)
        if (node == &op->link)
            return true;
    return false;
}

static void fault_cancel(struct rill__backend *backend, struct rill__op *op)
{
    struct fault *fault = fault_of(backend);
    if (plan.deaf && concerns(op)) {
        counts.unheard++;
        op->stopping = true;
    } else if (!is_ours(fault, op)) {
        fault->inner->ops->cancel(fault->inner, op);
    }
}

static int fault_call(struct rill__backend *backend, struct rill__op *op)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    if (!must_fail(op)) {
        struct rill__op capped = *op;
        cap(&capped);
        return inner->ops->call(inner, &capped);
    }
    break_connection(inner, op);
    if (op->kind == RILL__OP_CLOSE)
        (void)inner->ops->call(inner, op); /* Linux closes it also when it says that it failed */
    return plan.error;
}

static void complete_failed(struct fault *fault)
{
    for (size_t left = fault->count; left > 0; left--) { /* not those submitted meanwhile */
        struct rill__op *op = container_of(list_pop_front(&fault->failed), struct rill__op, link);
        fault->count--;
        op->in_flight = op->stopping = false;
        op->done(op, plan.error, 0);
    }
}

static int fault_wait(struct rill__backend *backend, rill_time deadline)
{
    struct fault *fault = fault_of(backend);
    uint64_t wakes = backend->counters.wakes; /* the loop's own */
    fault->inner->outside = backend->outside;
    int r = fault->inner->ops->wait(fault->inner, fault->count > 0 ? 0 : deadline);
    complete_failed(fault);
    backend->counters = fault->inner->counters;
    backend->counters.wakes = wakes;
    return r;
}

static rill_time fault_soon(struct rill__backend *backend)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    return inner->ops->soon != NULL ? inner->ops->soon(inner) : inner->ops->now(inner);
}

static bool fault_is_quiet(struct rill__backend *backend, rill_time deadline)
{
    struct fault *fault = fault_of(backend);
    return fault->count == 0 && fault->inner->ops->is_quiet != NULL &&
           fault->inner->ops->is_quiet(fault->inner, deadline);
}

static void fault_turn(struct rill__backend *backend, struct list *entries)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    if (inner->ops->turn != NULL)
        inner->ops->turn(inner, entries);
}

static void fault_give_back(struct rill__backend *backend, uint16_t buffer)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    inner->ops->give_back(inner, buffer);
}

static rill_time fault_now(struct rill__backend *backend)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    return inner->ops->now(inner);
}

static rill_time fault_wall_clock(struct rill__backend *backend)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    return inner->ops->wall_clock(inner);
}

static void fault_random(struct rill__backend *backend, void *memory, size_t size)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    inner->ops->random(inner, memory, size);
}

static void fault_cancel_all(struct rill__backend *backend)
{
    struct rill__backend *inner = fault_of(backend)->inner;
    inner->ops->cancel_all(inner);
}

static size_t fault_in_flight(const struct rill__backend *backend)
{
    const struct fault *fault = container_of(backend, struct fault, backend);
    return fault->count + fault->inner->ops->in_flight(fault->inner);
}

static void fault_free(struct rill__backend *backend)
{
    struct fault *fault = fault_of(backend);
    fault->inner->ops->free(fault->inner);
    rill_free(fault);
}

int rill__fault_wrap(int made, struct rill__backend **backend)
{
    static const struct rill__backend_ops ops = {
        .submit = fault_submit,
        .cancel = fault_cancel,
        .call = fault_call,
        .wait = fault_wait,
        .is_quiet = fault_is_quiet,
        .soon = fault_soon,
        .turn = fault_turn,
        .give_back = fault_give_back,
        .now = fault_now,
        .wall_clock = fault_wall_clock,
        .random = fault_random,
        .cancel_all = fault_cancel_all,
        .in_flight = fault_in_flight,
        .free = fault_free,
    };
    if (made < 0 || !is_set)
        return made;
    struct rill__backend *inner = *backend;
    struct fault *fault = rill_alloc_zero(1, sizeof *fault);
    if (fault == NULL) {
        inner->ops->free(inner);
        return -ENOMEM;
    }
    fault->backend = *inner;
    fault->backend.ops = &ops;
    fault->inner = inner;
    list_init(&fault->failed);
    *backend = &fault->backend;
    return 0;
}

#endif
