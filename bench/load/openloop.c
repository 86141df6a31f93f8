/* openloop.c - an HTTP client that sends at planned times, whether or not answers come.
 *
 * A client that waits for each answer before it sends the next request stops asking exactly when
 * the server stalls, and so hides the stall. Here every request has its time in advance: request k
 * is due at k / rate, on connection k modulo the connections, and its latency counts from then,
 * also if the connection was still busy. It spins instead of sleeping, so it wants a CPU of its
 * own. All answers must have the size of the first.
 *
 * Arguments: PORT PATH CONNECTIONS RATE SECONDS. Prints `name value unit` lines: p50, p99, p999,
 * max in microseconds, how many requests were answered, and how many were due. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 16384, REQUESTS_MAX = 16 << 20, EVENTS = 256, REQUEST_MAX = 512 };

static struct connection {
    int fd;
    uint32_t turn; /* its requests so far: request number turn * connections + index */
    size_t left;   /* octets still to come of the answer; 0: idle */
} all[CONNECTIONS_MAX];

static struct {
    unsigned port, connections;
    double rate, seconds;
    char request[REQUEST_MAX];
    size_t request_size, answer_size;
    uint64_t start, total, due, done;
    int poller;
} run;

static float latencies_us[REQUESTS_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t due_at(uint64_t request)
{
    return run.start + (uint64_t)((double)request * 1e9 / run.rate);
}

static uint64_t current_request(const struct connection *c)
{
    return (uint64_t)c->turn * run.connections + (uint64_t)(c - all);
}

static int connect_to_server(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)run.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        die("connect");
    return fd;
}

static void send_request(const struct connection *c)
{
    if (send(c->fd, run.request, run.request_size, MSG_NOSIGNAL) != (ssize_t)run.request_size)
        die("send");
}

/* The first answer, by hand: its size is that of all others. */
static void learn_answer_size(struct connection *c)
{
    static char head[8192];
    size_t have = 0, length = 0;
    const char *end, *field;
    send_request(c);
    do {
        ssize_t got = recv(c->fd, head + have, sizeof head - 1 - have, 0);
        if (got <= 0)
            die("first answer");
        have += (size_t)got;
        head[have] = '\0';
    } while ((end = strstr(head, "\r\n\r\n")) == NULL);
    field = strcasestr(head, "\r\ncontent-length:");
    if (field == NULL || sscanf(field + 17, "%zu", &length) != 1 || memcmp(head + 9, "200", 3) != 0)
        die("first answer is not a 200 with a length");
    run.answer_size = (size_t)(end + 4 - head) + length;
    for (size_t left = run.answer_size - have; left > 0;) {
        ssize_t got = recv(c->fd, head, left < sizeof head ? left : sizeof head, 0);
        if (got <= 0)
            die("first answer");
        left -= (size_t)got;
    }
}

static void begin(struct connection *c)
{
    c->left = run.answer_size;
    send_request(c);
}

/* Reads what is there; whoever was waiting for this connection is next. */
static void on_readable(struct connection *c)
{
    static char sink[1 << 18];
    while (c->left > 0) {
        ssize_t got =
            recv(c->fd, sink, c->left < sizeof sink ? c->left : sizeof sink, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            die("recv");
        c->left -= (size_t)got;
    }
    uint64_t now = now_ns();
    latencies_us[run.done++] = (float)(now - due_at(current_request(c))) / 1e3F;
    c->turn++;
    if (current_request(c) < run.total && due_at(current_request(c)) <= now)
        begin(c);
}

static void start_due(void)
{
    uint64_t now = now_ns();
    while (run.due < run.total && due_at(run.due) <= now) {
        struct connection *c = &all[run.due % run.connections];
        if (c->left == 0 && current_request(c) == run.due)
            begin(c);
        run.due++;
    }
}

static void drive(void)
{
    static struct epoll_event events[EVENTS];
    run.start = now_ns();
    uint64_t patience = run.start + (uint64_t)((run.seconds + 5) * 1e9);
    while (run.done < run.total && now_ns() < patience) {
        start_due();
        int count = epoll_wait(run.poller, events, EVENTS, 0);
        for (int i = 0; i < count; i++)
            on_readable(events[i].data.ptr);
    }
}

static void open_all(void)
{
    run.poller = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < run.connections; i++) {
        all[i].fd = connect_to_server();
        struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = &all[i] };
        if (epoll_ctl(run.poller, EPOLL_CTL_ADD, all[i].fd, &wanted) < 0)
            die("epoll_ctl");
    }
}

static int by_size(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print_results(void)
{
    static const struct {
        const char *name;
        double share;
    } points[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };

    qsort(latencies_us, run.done, sizeof *latencies_us, by_size);
    for (size_t i = 0; i < sizeof points / sizeof *points && run.done > 0; i++) {
        size_t at = (size_t)(points[i].share * (double)(run.done - 1));
        printf("%s %.1f us\n", points[i].name, (double)latencies_us[at]);
    }
    printf("answered %llu requests\ndue %llu requests\n", (unsigned long long)run.done,
           (unsigned long long)run.total);
}

int main(int argc, char **argv)
{
    if (argc != 6 || sscanf(argv[1], "%u", &run.port) != 1 ||
        sscanf(argv[3], "%u", &run.connections) != 1 || sscanf(argv[4], "%lf", &run.rate) != 1 ||
        sscanf(argv[5], "%lf", &run.seconds) != 1 || run.connections == 0 ||
        run.connections > CONNECTIONS_MAX || run.rate * run.seconds > REQUESTS_MAX) {
        fputs("usage: openloop PORT PATH CONNECTIONS RATE SECONDS\n", stderr);
        return 2;
    }
    run.total = (uint64_t)(run.rate * run.seconds);
    run.request_size =
        (size_t)snprintf(run.request, sizeof run.request,
                         "GET %.400s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", argv[2], run.port);
    open_all();
    learn_answer_size(&all[0]);
    drive();
    print_results();
    return 0;
}
