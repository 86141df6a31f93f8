/* reap.c - the reaping side of the ring: completions find their operations.
 *
 * A completion is handed to the op that its name says; one whose op has ended only gives its buffer
 * back. Handing out notes results and makes tasks ready, nothing else. See ring.c for the model. */
#include "core/ring/state.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* So many completions in a turn, and so many of one source: the rest waits for the next turn. */
enum { reap_most = 256, source_most = 64 };

/* Valgrind does not see what the kernel writes while nobody makes a system call. */
#ifdef WITH_VALGRIND
static void tell_of_pieces(const struct iovec *iov, size_t left)
{
    for (; left > 0; iov++) {
        size_t part = left < iov->iov_len ? left : iov->iov_len;
        (void)VALGRIND_MAKE_MEM_DEFINED(iov->iov_base, part);
        left -= part;
    }
}

static void tell_valgrind(const struct rill__op *op, int result)
{
    size_t size = result > 0 ? (size_t)result : 0;
    if (op->kind == RILL__OP_READ || op->kind == RILL__OP_RECV)
        (void)VALGRIND_MAKE_MEM_DEFINED(op->addr, size);
    if (op->kind == RILL__OP_STATX && result == 0)
        (void)VALGRIND_MAKE_MEM_DEFINED((void *)(uintptr_t)op->offset, sizeof(struct statx));
    if (op->kind == RILL__OP_READV)
        tell_of_pieces(op->addr, size);
    if (op->kind == RILL__OP_RECVMSG && result >= 0) {
        struct msghdr *message = op->addr;
        size_t room = 0;
        (void)VALGRIND_MAKE_MEM_DEFINED(message, sizeof *message);
        for (size_t i = 0; i < message->msg_iovlen; i++)
            room += message->msg_iov[i].iov_len;
        tell_of_pieces(message->msg_iov, size < room ? size : room); /* MSG_TRUNC tells of more */
        (void)VALGRIND_MAKE_MEM_DEFINED(message->msg_name, message->msg_namelen);
    }
}
#else
static void tell_valgrind(const struct rill__op *op, int result)
{
    (void)op;
    (void)result;
}
#endif

static void finish(struct ring *ring, struct rill__op *op, int result, unsigned flags)
{
    tell_valgrind(op, result);
    if (!(flags & RILL__OP_MORE)) {
        if (rill__ring_is_transfer(op))
            ring->transfers--;
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

/* Whether `op`, which completes many times, had its share of this turn. */
static bool had_its_share(const struct ring *ring, struct rill__op *op)
{
    if (op->turn != ring->turn) {
        op->turn = ring->turn;
        op->taken = 0;
    }
    return op->taken++ == source_most;
}

/* False: it is to be taken in the next turn. */
static bool complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
    if (cqe->user_data == RILL__NAME_OF_CANCEL)
        return true;
    struct rill__op *op = rill__op_find(&ring->ops, cqe->user_data);
    if (op == NULL) {
        release_stale(ring, cqe);
        return true;
    }
    if ((cqe->flags & IORING_CQE_F_MORE) && had_its_share(ring, op))
        return false;
    int result = __builtin_expect(cqe->res <= -RILL__ERESTARTSYS, 0) ? -EINTR : cqe->res;
    unsigned flags = cqe->flags & IORING_CQE_F_MORE ? RILL__OP_MORE : 0;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        op->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        op->addr = rill__bufs_at(&ring->bufs, op->buffer);
        ring->bufs.out++;
        flags |= RILL__OP_BUFFER;
    }
    if (result == -ENOBUFS && op->kind == RILL__OP_RECV_MANY && flags == 0) {
        ring->backend.counters.enobufs++; /* I4 */
        rill__bufs_grow(&ring->bufs);
        if (op->stopping)
            finish(ring, op, -ECANCELED, 0);
        else
            list_push_back(&ring->starved, &op->link);
        return true;
    }
    finish(ring, op, result, flags);
    return true;
}

bool rill__ring_reap(struct ring *ring)
{
    struct io_uring_cq *cq = &ring->uring.cq;
    unsigned head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail);
    unsigned most = tail - head < reap_most ? tail - head : reap_most, taken = 0;
    ring->turn++;
    while (taken < most && complete(ring, &cq->cqes[(head + taken) & ring->uring.cq.ring_mask]))
        taken++;
    ring->backend.counters.completions += taken;
    io_uring_smp_store_release(cq->khead, head + taken);
    ring->disk_works = ring->transfers > 0;
    return head + taken == tail;
}

void rill__ring_settle(struct ring *ring, unsigned consumed)
{
    while (!list_is_empty(&ring->unsettled)) {
        struct rill__op *op = container_of(ring->unsettled.next, struct rill__op, link);
        if ((int)(op->sq_at - consumed) >= 0)
            return;
        ring->backend.counters.settled++;
        finish(ring, op, (int)op->size, 0);
    }
}

void rill__ring_finish_cancelled(struct ring *ring)
{
    struct list *node;
    while ((node = list_pop_front(&ring->cancelled)) != NULL)
        finish(ring, container_of(node, struct rill__op, link), -ECANCELED, 0);
}
