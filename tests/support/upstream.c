/* upstream.c - a scripted HTTP server on loopback, as tasks of the test's own loop. */
#include "tests/support/upstream.h"

#include <rill/future.h>
#include <rill/group.h>
#include <rill/stream.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- One connection. --- */

/* The next request, kept as text. 1; 0 at the end of the connection; -errno. */
static int read_request(struct upstream_connection *connection) RILL_SUSPENDS;

static int read_request(struct upstream_connection *connection)
{
    struct upstream *upstream = connection->upstream;
    rill_span octets;
    for (size_t least = 1;; least = octets.size + 1) {
        int r = rill_stream_peek(connection->stream, least, &octets);
        if (r <= 0)
            return r;
        const char *end = memmem(octets.at, octets.size, "\r\n\r\n", 4);
        if (end == NULL)
            continue;
        size_t size = (size_t)(end - octets.at) + 4;
        if (size >= sizeof upstream->request)
            return -EMSGSIZE;
        memcpy(upstream->request, octets.at, size);
        upstream->request[size] = '\0';
        rill_stream_consume(connection->stream, size);
        upstream->requests++;
        return 1;
    }
}

static const struct upstream_answer *find_answer(struct upstream *upstream)
{
    const char *space = strchr(upstream->request, ' ');
    size_t size = space != NULL ? strcspn(space + 1, " \r") : 0;
    for (size_t i = 0; space != NULL && upstream->answers[i].target != NULL; i++) {
        const struct upstream_answer *answer = &upstream->answers[i];
        if (strlen(answer->target) != size || memcmp(answer->target, space + 1, size) != 0)
            continue;
        if (answer->once == 0 || upstream->used[i]++ < answer->once)
            return answer;
    }
    return NULL;
}

static int send_answer(struct upstream_connection *connection, const struct upstream_answer *answer)
    RILL_SUSPENDS;

static int send_answer(struct upstream_connection *connection, const struct upstream_answer *answer)
{
    size_t size = answer->octets == NULL ? 0 : answer->size;
    if (size == 0 && answer->octets != NULL)
        size = strlen(answer->octets);
    size_t step = answer->piece > 0 ? answer->piece : size;
    int r = 0;
    while (r >= 0 && connection->upstream->requests < answer->request)
        r = rill_sleep(0);
    for (size_t at = 0; at < size && r >= 0; at += step) {
        size_t left = size - at;
        r = rill_stream_write(connection->stream, answer->octets + at, left < step ? left : step,
                              NULL);
        if (r >= 0 && answer->piece > 0)
            r = rill_sleep(0);
    }
    return r < 0 ? r : rill_stream_drain(connection->stream);
}

static int wait_for_end(struct upstream_connection *connection) RILL_SUSPENDS;

static int wait_for_end(struct upstream_connection *connection)
{
    rill_span octets;
    int r;
    while ((r = rill_stream_peek(connection->stream, 1, &octets)) > 0)
        rill_stream_consume(connection->stream, octets.size);
    return r;
}

/* Serve until the connection is to end. 1: by a reset; 0: in order; -errno. */
static int serve_requests(struct upstream_connection *connection) RILL_SUSPENDS;

static int serve_requests(struct upstream_connection *connection)
{
    int r;
    while ((r = read_request(connection)) > 0) {
        const struct upstream_answer *answer = find_answer(connection->upstream);
        if (answer == NULL)
            return 1;
        r = send_answer(connection, answer);
        if (r < 0 || answer->end == UPSTREAM_CLOSE)
            return r;
        if (answer->end == UPSTREAM_HOLD)
            return wait_for_end(connection);
        if (answer->end == UPSTREAM_RESET) {
            /* A reset overtakes octets that were not read yet: let the other side run first. */
            r = upstream_turns(8);
            return r < 0 ? r : 1;
        }
    }
    return r;
}

static int serve_connection(void *arg)
{
    struct upstream_connection *connection = arg;
    rill_stream *stream = connection->stream;
    int r = serve_requests(connection);
    connection->stream = NULL;
    connection->upstream->open--;
    if (r == 0) {
        rill_stream_close(stream);
        r = rill_stream_wait_closed(stream);
    }
    if (r != 0)
        rill_stream_abort(stream);
    rill_stream_unref(stream);
    return r == -ECANCELED ? r : 0; /* what a connection meets is no error of the server */
}

/* --- The server. --- */

static void begin_connection(struct upstream *upstream, rill_group *group, int fd)
{
    struct upstream_connection *slot = upstream->slots;
    upstream->connections++;
    while (slot < upstream->slots + UPSTREAM_CONNECTIONS_MAX && slot->stream != NULL)
        slot++;
    if (slot == upstream->slots + UPSTREAM_CONNECTIONS_MAX ||
        rill_stream_new(fd, NULL, &slot->stream) < 0) {
        close(fd);
        return;
    }
    slot->upstream = upstream;
    upstream->open++;
    if (rill_group_go(group, RILL_CORO(serve_connection, slot)) == 0)
        return;
    rill_stream_abort(slot->stream);
    rill_stream_unref(slot->stream);
    slot->stream = NULL;
    upstream->open--;
}

/* Connections whose task was cancelled before its first step. */
static void end_connections(struct upstream *upstream)
{
    for (size_t i = 0; i < UPSTREAM_CONNECTIONS_MAX; i++) {
        rill_stream_abort(upstream->slots[i].stream);
        rill_stream_unref(upstream->slots[i].stream);
        upstream->slots[i].stream = NULL;
    }
}

static int serve(void *arg)
{
    struct upstream *upstream = arg;
    rill_group group = { 0 };
    int fd, r = rill_group_enter(&group);
    if (r < 0)
        return r;
    do {
        r = rill_listener_accept(upstream->listener, &fd);
        if (r == 0)
            begin_connection(upstream, &group, fd);
    } while (r != -ECANCELED);
    r = rill_group_leave(&group, r);
    rill_group_fini(&group);
    end_connections(upstream);
    return r;
}

/* A socket that listens on a free port, and its address. */
static int listen_anywhere(int *ret_fd, rill_addr *ret_address)
{
    rill_addr any;
    int r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &any);
    if (r == 0)
        r = rill_listen(&any, NULL, ret_fd);
    if (r < 0)
        return r;
    r = rill_socket_name(*ret_fd, ret_address);
    if (r < 0)
        close(*ret_fd);
    return r;
}

int upstream_start(struct upstream *upstream, const struct upstream_answer *answers)
{
    int fd;
    *upstream = (struct upstream){ .answers = answers };
    int r = listen_anywhere(&fd, &upstream->address);
    if (r < 0)
        return r;
    r = rill_listener_open(fd, &upstream->listener);
    if (r < 0) {
        close(fd);
        return r;
    }
    rill_text text = { upstream->host, sizeof upstream->host, 0, false };
    rill_addr_format(&upstream->address, &text);
    rill_text_end(&text);
    upstream->task = rill_create_task(RILL_CORO(serve, upstream));
    return 0;
}

int upstream_stop(struct upstream *upstream)
{
    if (upstream->listener == NULL)
        return 0;
    rill_cancel(upstream->task, "the upstream stops");
    int r = rill_join(upstream->task);
    rill_listener_close(upstream->listener);
    upstream->listener = NULL;
    return r == -ECANCELED ? 0 : r;
}

int upstream_nobody(rill_addr *ret_address)
{
    int fd, r = listen_anywhere(&fd, ret_address);
    if (r == 0)
        close(fd);
    return r;
}

int upstream_turns(unsigned turns)
{
    int r = 0;
    while (turns-- > 0 && r == 0)
        r = rill_sleep(0);
    return r;
}

int upstream_settle(const struct upstream *upstream, unsigned open)
{
    int r = upstream_turns(8);
    for (int i = 0; i < 5000 && upstream->open != open && r == 0; i++)
        r = rill_sleep(RILL_MS(1)); /* a busy kernel delivers late, also on loopback */
    return r;
}

size_t upstream_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}
