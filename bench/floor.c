/* floor.c - the barest io_uring responder: the line that rilld is measured against.
 *
 * It owns one raw ring with the flags of rilld, a multishot accept, a multishot receive per
 * connection into provided buffers, and one canned response. It has no parser, no coroutine and no
 * timer: it counts blank lines and answers each of them, all answers of one receive in one send
 * that posts no completion. What a server costs above it is the price of that server's design.
 *
 * The floor is frozen. It is not tuned along with the server, and a change to it makes all
 * recorded ratios void. Arguments: the IPv4 address and the port to listen on. */
#include <liburing.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESPONSE                                  \
    "HTTP/1.1 200 OK\r\n"                         \
    "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"     \
    "Content-Type: text/plain; charset=utf-8\r\n" \
    "Content-Length: 13\r\n"                      \
    "\r\n"                                        \
    "Hello, World!"

enum {
    SQ_ENTRIES = 256,
    CQ_ENTRIES = 4096,
    BUFFERS = 128,
    BUFFER_SIZE = 2048,
    FD_COUNT_MAX = 65536,
    RESPONSE_SIZE = sizeof RESPONSE - 1,
    /* The most blank lines that one receive can complete, the first one begun by the last. */
    RESPONSES_MAX = BUFFER_SIZE / 2 + 1,
    /* What a completion is for: the upper half of user_data. The lower half is the descriptor. */
    ON_ACCEPT = 0,
    ON_RECV = 1,
    ON_SEND = 2,
};

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *buffers;
static char responses[RESPONSES_MAX * RESPONSE_SIZE];
/* By descriptor: how many bytes of its line earlier receives have brought; 2 stands for more. */
static uint8_t begun[FD_COUNT_MAX];

static void die(const char *what, int error)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
    exit(1);
}

/* One enter: submits what is queued, waits for `wait` completions. With DEFER_TASKRUN nothing
 * completes without GETEVENTS, and the waiting calls of liburing do not always pass it. */
static void enter(unsigned wait, unsigned flags)
{
    struct io_uring_sq *sq = &ring.sq;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    unsigned pending = sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
    int rc = io_uring_enter2((unsigned)ring.enter_ring_fd, pending, wait,
                             flags | IORING_ENTER_REGISTERED_RING, NULL, _NSIG / 8);
    if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
        die("io_uring_enter", -rc);
}

static struct io_uring_sqe *get_sqe(void)
{
    struct io_uring_sqe *sqe;
    while ((sqe = io_uring_get_sqe(&ring)) == NULL)
        enter(0, 0);
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, unsigned kind, int fd)
{
    sqe->user_data = (uint64_t)kind << 32 | (unsigned)fd;
}

static void arm_accept(int listener)
{
    struct io_uring_sqe *sqe = get_sqe();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    tag(sqe, ON_ACCEPT, listener);
}

static void arm_recv(int fd)
{
    struct io_uring_sqe *sqe = get_sqe();
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    tag(sqe, ON_RECV, fd);
}

/* DONTWAIT: no poll, no thread. WAITALL: a short send is a failure. Only failures complete. */
static void send_responses(int fd, unsigned count)
{
    struct io_uring_sqe *sqe = get_sqe();
    io_uring_prep_send(sqe, fd, responses, (size_t)count * RESPONSE_SIZE,
                       MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, ON_SEND, fd);
}

/* Byte by byte, as simple as it gets. A line of one byte is the `\r` of a blank line. */
static unsigned count_blank_lines(int fd, const char *bytes, size_t size)
{
    size_t line = begun[fd];
    unsigned count = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            line++;
            continue;
        }
        if (line == 1)
            count++;
        line = 0;
    }
    begun[fd] = line < 2 ? (uint8_t)line : 2;
    return count;
}

static void give_buffer(unsigned id, int offset)
{
    io_uring_buf_ring_add(buffer_ring, buffers + (size_t)id * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)id, io_uring_buf_ring_mask(BUFFERS), offset);
}

static void on_accept(int listener, const struct io_uring_cqe *cqe)
{
    if (cqe->res < 0)
        die("accept", -cqe->res);
    if (cqe->res >= FD_COUNT_MAX)
        die("accept", EMFILE);
    begun[cqe->res] = 2;
    arm_recv(cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_accept(listener);
}

/* Returns how many buffers came back: they are published together, before the next enter. */
static int on_recv(int fd, const struct io_uring_cqe *cqe, int given)
{
    bool more = cqe->flags & IORING_CQE_F_MORE;
    int returned = 0;
    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (cqe->res > 0) {
            const char *bytes = buffers + (size_t)id * BUFFER_SIZE;
            unsigned count = count_blank_lines(fd, bytes, (size_t)cqe->res);
            if (count > 0)
                send_responses(fd, count);
        }
        give_buffer(id, given);
        returned = 1;
    }
    if (more)
        return returned;
    if (cqe->res > 0 || cqe->res == -ENOBUFS)
        arm_recv(fd);
    else
        close(fd);
    return returned;
}

static void turn(void)
{
    enter(1, IORING_ENTER_GETEVENTS);
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    int given = 0;
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        int fd = (int)(uint32_t)cqe->user_data;
        unsigned kind = (unsigned)(cqe->user_data >> 32);
        seen++;
        if (kind == ON_RECV)
            given += on_recv(fd, cqe, given);
        else if (kind == ON_ACCEPT)
            on_accept(fd, cqe);
        else
            /* The client reads too slowly or left: its receive ends, and that closes. */
            shutdown(fd, SHUT_RDWR);
    }
    io_uring_buf_ring_advance(buffer_ring, given);
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
    rc = io_uring_register_ring_fd(&ring);
    if (rc != 1)
        die("registering the ring descriptor", rc < 0 ? -rc : EIO);
}

static void *map(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap", errno);
    return memory;
}

static void make_buffers(void)
{
    buffers = map((size_t)BUFFERS * BUFFER_SIZE);
    buffer_ring = map(BUFFERS * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)buffer_ring, .ring_entries = BUFFERS };
    int rc = io_uring_register_buf_ring(&ring, &reg, 0);
    if (rc < 0)
        die("registering buffers", -rc);
    io_uring_buf_ring_init(buffer_ring);
    for (int i = 0; i < BUFFERS; i++)
        give_buffer((unsigned)i, i);
    io_uring_buf_ring_advance(buffer_ring, BUFFERS);
}

static int make_listener(const char *address, const char *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || sscanf(port, "%hu", &at.sin_port) != 1)
        die(address, EINVAL);
    at.sin_port = htons(at.sin_port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4096) < 0)
        die("listening", errno);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: floor ADDRESS PORT\n", stderr);
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (int i = 0; i < RESPONSES_MAX; i++)
        memcpy(responses + i * RESPONSE_SIZE, RESPONSE, RESPONSE_SIZE);
    make_ring();
    make_buffers();
    arm_accept(make_listener(argv[1], argv[2]));
    for (;;)
        turn();
}
