/* ring_echo.c - the barest io_uring echo: the line that bench_echo.c is measured against.
 *
 * One raw ring with the flags of librill's, a multishot accept, a multishot receive per connection into
 * provided buffers. Each message is sent from the buffer that it came in, by a send that posts no
 * completion; the buffer goes back once the next enter has consumed the send. No stream, no task, no
 * limit: an answer that the socket does not take at once ends the program. liburing alone. */
#include "bench/micro/echo.h"
#include "bench/micro/micro.h"

#include <liburing.h>

#include <errno.h>
#include <sys/mman.h>

enum { SQ_ENTRIES = 256, CQ_ENTRIES = 4096, BUFFERS = 128, BUFFER_SIZE = 2048 };

enum { ON_ACCEPT, ON_RECV, ON_SEND }; /* the upper half of user_data; the lower is the descriptor */

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *buffers;
static unsigned spent_buffers[BUFFERS], spent_count; /* to go back after the next enter */
static unsigned long messages;
static int connections;
static bool ended;

static void die(const char *what, int error)
{
    fprintf(stderr, "ring_echo: %s: %s\n", what, strerror(error));
    exit(1);
}

static void enter(unsigned wait)
{
    struct io_uring_sq *sq = &ring.sq;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    unsigned pending = sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
    int rc =
        io_uring_enter2((unsigned)ring.enter_ring_fd, pending, wait,
                        IORING_ENTER_GETEVENTS | IORING_ENTER_REGISTERED_RING, NULL, _NSIG / 8);
    if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
        die("io_uring_enter", -rc);
}

static struct io_uring_sqe *get_sqe(unsigned kind, int fd,
                                    void (*prepare)(struct io_uring_sqe *, int))
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&ring)) == NULL)
        enter(0);
    prepare(sqe, fd);
    sqe->user_data = (uint64_t)kind << 32 | (unsigned)fd;
    return sqe;
}

static void prepare_accept(struct io_uring_sqe *sqe, int fd)
{
    io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void prepare_recv(struct io_uring_sqe *sqe, int fd)
{
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
}

static void prepare_send(struct io_uring_sqe *sqe, int fd)
{
    io_uring_prep_send(sqe, fd, NULL, 0, MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void give_buffer(unsigned id, int offset)
{
    io_uring_buf_ring_add(buffer_ring, buffers + (size_t)id * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), offset);
}

static void on_recv(int fd, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *sqe = get_sqe(ON_SEND, fd, prepare_send);
        sqe->addr = (uintptr_t)(buffers + (size_t)id * BUFFER_SIZE);
        sqe->len = (unsigned)cqe->res;
        spent_buffers[spent_count++] = id;
        messages++;
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS) {
        get_sqe(ON_RECV, fd, prepare_recv);
    } else {
        close(fd);
        ended = --connections == 0;
    }
}

static void turn(int listener)
{
    unsigned head, seen = 0, given = spent_count;
    enter(1);
    for (unsigned i = 0; i < given; i++)
        give_buffer(spent_buffers[i], (int)i);
    io_uring_buf_ring_advance(buffer_ring, (int)given);
    spent_count = 0;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        unsigned kind = (unsigned)(cqe->user_data >> 32);
        seen++;
        if (kind == ON_RECV) {
            on_recv((int)(uint32_t)cqe->user_data, cqe);
        } else if (kind == ON_ACCEPT && cqe->res >= 0) {
            connections++;
            get_sqe(ON_RECV, cqe->res, prepare_recv);
            if (!(cqe->flags & IORING_CQE_F_MORE))
                get_sqe(ON_ACCEPT, listener, prepare_accept);
        } else {
            die(kind == ON_SEND ? "send" : "accept", -cqe->res);
        }
    }
    io_uring_cq_advance(&ring, seen);
}

static void make_ring(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = CQ_ENTRIES,
    };
    int rc = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);
    if (rc < 0)
        die("io_uring_setup", -rc);
    if (io_uring_register_ring_fd(&ring) != 1)
        die("registering the ring descriptor", EIO);
    buffers = mmap(NULL, (size_t)BUFFERS * (BUFFER_SIZE + sizeof(struct io_uring_buf)),
                   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (buffers == MAP_FAILED)
        die("mmap", errno);
    buffer_ring = (void *)(buffers + (size_t)BUFFERS * BUFFER_SIZE);
    struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)buffer_ring, .ring_entries = BUFFERS };
    rc = io_uring_register_buf_ring(&ring, &reg, 0);
    if (rc < 0)
        die("registering buffers", -rc);
    io_uring_buf_ring_init(buffer_ring);
    for (int i = 0; i < BUFFERS; i++)
        give_buffer((unsigned)i, i);
    io_uring_buf_ring_advance(buffer_ring, BUFFERS);
}

static int make_listener(unsigned *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        die("listening", errno);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

int main(void)
{
    unsigned port;
    int listener = make_listener(&port);
    pid_t client = echo_start_client(port);
    make_ring(); /* after the fork: a ring is not inherited */
    double begun = micro_cpu_ns();
    get_sqe(ON_ACCEPT, listener, prepare_accept);
    while (!ended)
        turn(listener);
    double spent = micro_cpu_ns() - begun;
    if (!echo_client_is_content(client) || messages < ECHO_MESSAGES)
        die("the client", EIO);
    micro_report("echo", spent / ECHO_MESSAGES, "ns");
    return 0;
}
