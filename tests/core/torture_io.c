/* torture_io.c - small programs that do I/O, with everything going wrong: echo, a copied file, a GET.
 *
 * Both sides of a connection are in the program. Octets that come are compared; none may be wrong,
 * whatever else went wrong. */
#include "tests/support/torture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { size = 24 << 10, piece = 5000 };

static char sent[size], back[size];
static rill_listener *listener;
static rill_addr address;

static void fill(void)
{
    for (size_t i = 0; i < size; i++)
        sent[i] = (char)(i * 7 + i / 251);
    memset(back, 0, size);
}

/* --- Servers: one connection, served by `serve`. --- */

static int serve_one(int (*serve)(rill_stream *stream))
{
    rill_stream *stream;
    int fd, r = rill_listener_accept(listener, &fd);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_stream_new(fd, NULL, &stream);
    if (r < 0)
        (void)rill_file_close(fd);
    else
        r = serve(stream);
    torture_held--;
    return r;
}

static int open_listener(void)
{
    int fd, r = rill_addr_parse(RILL_SPAN("127.0.0.1:0"), &address);
    if (r == 0)
        r = rill_listen(&address, NULL, &fd);
    if (r < 0)
        return r;
    r = rill_socket_name(fd, &address);
    if (r == 0)
        r = rill_listener_open(fd, &listener);
    if (r < 0)
        (void)rill_file_close(fd);
    return r;
}

/* `server` in a task beside `client` here. */
static int run_both(rill_fn *server, int (*client)(void))
{
    rill_group group = { 0 };
    int r = open_listener();
    if (r < 0)
        return r;
    r = rill_group_enter(&group);
    if (r == 0) {
        r = rill_group_go(&group, RILL_CORO(server, NULL));
        if (r == 0)
            r = client();
        r = rill_group_leave(&group, r);
        rill_group_fini(&group);
    }
    rill_listener_close(listener);
    return r;
}

/* --- Echo. --- */

static int send_back(rill_stream *stream)
{
    static char buf[piece];
    int r;
    while ((r = rill_stream_read(stream, buf, sizeof buf)) > 0)
        if ((r = rill_stream_write(stream, buf, (size_t)r, NULL)) < 0)
            break;
    if (r == 0)
        r = rill_stream_write_eof(stream);
    rill_stream_unref(stream);
    return r;
}

static int echo_server(void *arg)
{
    (void)arg;
    return serve_one(send_back);
}

static rill_stream *written;

static int write_all(void *arg)
{
    (void)arg;
    int r = rill_stream_write(written, sent, size, NULL);
    return r < 0 ? r : rill_stream_write_eof(written);
}

static int read_all(rill_stream *stream)
{
    size_t got = 0;
    int r = rill_stream_read_exactly(stream, back, size, &got);
    if (memcmp(back, sent, got) != 0)
        return -EILSEQ;
    char more;
    return r < 0 ? r : rill_stream_read(stream, &more, 1);
}

static int echo_client(void)
{
    rill_stream *stream;
    rill_group group = { 0 };
    int r = rill_stream_connect(&address, NULL, &stream);
    if (r < 0)
        return r;
    torture_held++;
    written = stream;
    r = rill_group_enter(&group);
    if (r == 0) {
        r = rill_group_go(&group, RILL_CORO(write_all, NULL));
        if (r == 0)
            r = read_all(stream);
        r = rill_group_leave(&group, r);
        rill_group_fini(&group);
    }
    rill_stream_close(stream);
    int closed = rill_stream_wait_closed(stream);
    rill_stream_unref(stream);
    torture_held--;
    return r < 0 ? r : closed;
}

static int stream_echo(void *arg)
{
    (void)arg;
    fill();
    return run_both(echo_server, echo_client);
}

/* --- A file, copied. --- */

static int copy_pieces(int from, int to)
{
    char buf[700];
    uint64_t at = 0;
    int r;
    while ((r = rill_file_read(from, buf, sizeof buf, at)) > 0) {
        size_t done = 0;
        int w = rill_file_write_all(to, buf, (size_t)r, at, &done);
        if (w < 0)
            return w;
        at += (uint64_t)r;
    }
    return r == 0 ? rill_file_sync(to, false) : r;
}

static int compare(int fd)
{
    size_t got = 0;
    int r = rill_file_read_exactly(fd, back, size / 16, 0, &got);
    return r == 0 && memcmp(back, sent, got) != 0 ? -EILSEQ : r;
}

static int copy(const char *from_path, const char *to_path)
{
    int from = rill_file_open(from_path, O_RDONLY, 0);
    if (from < 0)
        return from;
    torture_held++;
    int to = rill_file_open(to_path, O_RDWR | O_CREAT | O_TRUNC, 0600), r = to;
    if (to >= 0) {
        r = copy_pieces(from, to);
        if (r == 0)
            r = compare(to);
        int closed = rill_file_close(to);
        r = r < 0 ? r : closed;
    }
    int closed = rill_file_close(from);
    torture_held--;
    return r < 0 ? r : closed;
}

static int make_source(const char *path)
{
    int fd = rill_file_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return fd;
    size_t done = 0;
    int r = rill_file_write_all(fd, sent, size / 16, 0, &done);
    int closed = rill_file_close(fd);
    return r < 0 ? r : closed;
}

static int file_copy(void *arg)
{
    char from[64], to[64];
    (void)arg;
    fill();
    snprintf(from, sizeof from, "/tmp/rill-torture-%d-from", getpid());
    snprintf(to, sizeof to, "/tmp/rill-torture-%d-to", getpid());
    int r = make_source(from);
    if (r == 0)
        r = copy(from, to);
    unlink(from);
    unlink(to);
    return r;
}

/* --- A GET. --- */

static int answer(rill_stream *stream)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 24576\r\n\r\n";
    rill_span octets;
    int r = rill_stream_peek(stream, 16, &octets);
    if (r >= 0)
        r = rill_stream_write(stream, head, sizeof head - 1, NULL);
    if (r >= 0)
        r = rill_stream_write(stream, sent, size, NULL);
    if (r >= 0)
        r = rill_stream_drain(stream);
    rill_stream_unref(stream);
    return r < 0 ? r : 0;
}

static int http_server(void *arg)
{
    (void)arg;
    return serve_one(answer);
}

static int http_get_all(rill_http_session *session) RILL_SUSPENDS;

static int http_get_all(rill_http_session *session)
{
    rill_http_response *response;
    rill_span body;
    int r = rill_http_get(session, "http://torture/", NULL, &response);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_http_read_all(response, size, &body);
    if (r >= 0 && (body.size != size || memcmp(body.at, sent, size) != 0))
        r = -EILSEQ;
    rill_http_close(response);
    torture_held--;
    return r < 0 ? r : 0;
}

static int http_client(void)
{
    rill_http_session_opts opts = { .address = &address };
    rill_http_session *session;
    int r = rill_http_session_new(&opts, &session);
    if (r < 0)
        return r;
    r = http_get_all(session);
    return rill_first_error(r, rill_http_session_close(session));
}

static int http_get(void *arg)
{
    (void)arg;
    fill();
    return run_both(http_server, http_client);
}

static const struct torture_program programs[] = {
    TORTURE(stream_echo),
    TORTURE(file_copy),
    TORTURE(http_get),
};

int main(void)
{
    return torture_run(programs, sizeof programs / sizeof *programs);
}
