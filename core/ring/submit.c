/* submit.c - the submitting side of the ring: operations become SQEs, and cancels of them.
 *
 * I2: order is kept. An op that finds no room joins the backlog, and while that is not empty every
 * new one does; a cancel of an op in the backlog never reaches the kernel. See ring.c for the model. */
#include "core/ring/state.h"

#include "core/base/check.h"

#include <sys/socket.h>
#include <sys/stat.h>

unsigned rill__ring_publish(struct ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    if (sq->sqe_head != sq->sqe_tail) {
        sq->sqe_head = sq->sqe_tail;
        io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    }
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

int rill__ring_enter(struct ring *ring, unsigned submit, unsigned wait, unsigned flags, void *arg,
                     size_t arg_size)
{
    ring->backend.counters.enters++;
    int r = io_uring_enter2((unsigned)ring->uring.enter_ring_fd, submit, wait,
                            flags | ring->enter_flags, arg, arg_size);
    ring->backend.counters.submitted += r > 0 ? (unsigned)r : 0;
    return r;
}

/* A free SQE, making room by a submit-only enter; NULL if the kernel takes none just now. */
static struct io_uring_sqe *get_sqe(struct ring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (__builtin_expect(sqe != NULL, 1))
        return sqe;
    if (rill__ring_enter(ring, rill__ring_publish(ring), 0, 0, NULL, 0) <= 0)
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
    case RILL__OP_ACCEPT_ONE: io_uring_prep_accept(sqe, op->fd, NULL, NULL, (int)op->flags); break;
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
    case RILL__OP_RECVMSG: io_uring_prep_recvmsg(sqe, op->fd, op->addr, op->flags); break;
    case RILL__OP_SENDMSG:
        io_uring_prep_sendmsg(sqe, op->fd, op->addr, op->flags | MSG_NOSIGNAL);
        break;
    case RILL__OP_POLL: io_uring_prep_poll_add(sqe, op->fd, op->flags); break;
    case RILL__OP_READ: io_uring_prep_read(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_WRITE: io_uring_prep_write(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_FSYNC: io_uring_prep_fsync(sqe, op->fd, op->flags); break;
    case RILL__OP_OPENAT2:
        io_uring_prep_openat2(sqe, op->fd, op->addr, (struct open_how *)(uintptr_t)op->offset);
        break;
    case RILL__OP_READV: io_uring_prep_readv(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_WRITEV: io_uring_prep_writev(sqe, op->fd, op->addr, op->size, op->offset); break;
    case RILL__OP_STATX:
        io_uring_prep_statx(sqe, op->fd, op->addr, (int)op->flags, STATX_BASIC_STATS,
                            (struct statx *)(uintptr_t)op->offset);
        break;
    case RILL__OP_RENAME:
        io_uring_prep_rename(sqe, op->addr, (const char *)(uintptr_t)op->offset);
        break;
    case RILL__OP_UNLINK: io_uring_prep_unlink(sqe, op->addr, (int)op->flags); break;
    case RILL__OP_MKDIR: io_uring_prep_mkdir(sqe, op->addr, op->flags); break;
    case RILL__OP_TRUNCATE:
        io_uring_prep_rw(RILL__URING_FTRUNCATE, sqe, op->fd, NULL, 0, op->offset);
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

/* I1: a disk that works on earlier transfers gets the next ones in small batches, not with the turn:
 * so small that most of them are with the disk, and no smaller, since each batch is a call. */
static void feed_disk(struct ring *ring)
{
    enum { least = 4, share = 8 };

    ring->transfers++;
    unsigned batch = ring->transfers / share > least ? ring->transfers / share : least;
    if (ring->disk_works && ring->uring.sq.sqe_tail - ring->uring.sq.sqe_head >= batch)
        (void)rill__ring_enter(ring, rill__ring_publish(ring), 0, 0, NULL, 0);
}

int rill__ring_submit(struct rill__backend *backend, struct rill__op *op)
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
    if (rill__ring_is_transfer(op))
        feed_disk(ring);
    return 0;
}

static bool start_cancel(struct ring *ring, struct rill__op *op)
{
    struct io_uring_sqe *sqe = get_sqe(ring);
    if (sqe == NULL)
        return false;
    io_uring_prep_cancel64(sqe, rill__op_name(&ring->ops, op), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = RILL__NAME_OF_CANCEL;
    return true;
}

void rill__ring_cancel(struct rill__backend *backend, struct rill__op *op)
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

void rill__ring_start_waiting(struct ring *ring)
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
