/* pair.c - two ends of a connection for tests of streams. See pair.h. */
#include "tests/support/pair.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

rill_stream *left, *right;
int far = -1;
char pattern[2 * mib], arrived[2 * mib];
size_t arrived_size;

void fill_pattern(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof pattern; i++) {
        x = x * 1664525 + 1013904223;
        pattern[i] = (char)(x >> 24);
    }
    memset(arrived, 0, sizeof arrived);
    arrived_size = 0;
}

void drop_pair(int *mark)
{
    (void)mark;
    expect_drop_stream(&left);
    expect_drop_stream(&right);
    if (far >= 0)
        close(far);
    left = right = NULL;
    far = -1;
}

int new_stream(int fd, rill_stream **ret_stream)
{
    int r = rill_stream_new(fd, NULL, ret_stream);
    if (r < 0)
        close(fd);
    return r;
}

int make_pair(void)
{
    int fds[2];
    fill_pattern();
    left = right = NULL;
    far = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = new_stream(fds[0], &left);
    return rill_first_error(r, new_stream(fds[1], &right));
}

int make_far(void)
{
    int fds[2], small = 4096;
    fill_pattern();
    left = right = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    far = fds[1];
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return new_stream(fds[0], &left);
}

size_t take_far(void)
{
    size_t before = arrived_size;
    for (;;) {
        ssize_t got =
            recv(far, arrived + arrived_size, sizeof arrived - arrived_size, MSG_DONTWAIT);
        if (got <= 0)
            return arrived_size - before;
        arrived_size += (size_t)got;
    }
}

int take_far_until(size_t size)
{
    for (int idle = 0; arrived_size < size;) {
        int r = rill_sleep(0);
        idle = take_far() > 0 ? 0 : idle + 1;
        if (r < 0 || idle == 2000)
            return r < 0 ? r : -ENODATA;
    }
    return 0;
}

bool arrived_in_order(void)
{
    return memcmp(arrived, pattern, arrived_size) == 0;
}

int in_group(int (*body)(rill_group *group))
{
    static rill_group group;
    memset(&group, 0, sizeof group);
    int r = rill_group_enter(&group);
    if (r == 0)
        r = rill_group_leave(&group, body(&group));
    rill_group_fini(&group);
    return r;
}

int make_limited(size_t limit)
{
    int fds[2];
    fill_pattern();
    left = right = NULL;
    far = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int r = rill_stream_new(fds[0], &(rill_stream_opts){ .read_limit = limit }, &left);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    far = fds[1];
    return 0;
}

int overfill(size_t *ret_size)
{
    size_t size = 0;
    char *room;
    while ((room = rill_stream_room(left, 1000)) != NULL) {
        memcpy(room, pattern + size, 1000);
        rill_stream_put(left, 1000);
        size += 1000;
    }
    *ret_size = size;
    return size > 0 ? 0 : -ENOMEM;
}

/* All by plain calls, so that the sockets are real ones on every backend. */
int make_tcp(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = -EIO;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fill_pattern();
    left = right = NULL;
    far = -1;
    if (bind(listening, (struct sockaddr *)&at, sizeof at) == 0 && listen(listening, 1) == 0 &&
        getsockname(listening, (struct sockaddr *)&at, &size) == 0 &&
        connect(fd, (struct sockaddr *)&at, sizeof at) == 0) {
        far = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        r = new_stream(fd, &left);
    } else {
        close(fd);
    }
    close(listening);
    return r;
}

int far_ends(void)
{
    char in[1];
    for (int turns = 0; turns < 1000; turns++) {
        take_far();
        ssize_t got = recv(far, in, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return 0;
        int r = got > 0 ? -EBADMSG : rill_sleep(0);
        if (r < 0)
            return r;
    }
    return -ETIME;
}

int file_fd = -1;

int make_file(size_t size)
{
    file_fd = memfd_create("file", MFD_CLOEXEC);
    if (file_fd < 0)
        return -errno;
    for (size_t at = 0; at < size;) {
        ssize_t wrote = write(file_fd, pattern + at, size - at);
        if (wrote < 0)
            return -errno;
        at += (size_t)wrote;
    }
    return 0;
}

void drop_file(int *mark)
{
    (void)mark;
    if (file_fd >= 0)
        close(file_fd);
    file_fd = -1;
}

size_t taken_by_writer;

int write_one_mib(void *arg)
{
    (void)arg;
    int r = rill_stream_write(left, pattern, mib, &taken_by_writer);
    trace(r == -ECANCELED ? 'c' : r < 0 ? 'e' : 'w');
    return r;
}

int write_letters(void *arg)
{
    static char letters[4][8000];
    const struct numbered *numbered = arg;
    char *text = letters[numbered->letter - 'a'];
    memset(text, numbered->letter, numbered->size);
    int r = rill_stream_write(left, text, numbered->size, NULL);
    trace(numbered->letter);
    return r < 0 ? r : 0;
}

int drain_left(void *arg)
{
    (void)arg;
    int r = rill_stream_drain(left);
    trace(r == 0 ? 'd' : r == -ECANCELED ? 'c' : 'e');
    return r;
}
