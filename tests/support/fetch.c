/* fetch.c - one HTTP request on the loopback. See fetch.h. */
#include "tests/support/fetch.h"
#include "tests/support/proc.h"

#include <rill/text.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int fetch_free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = -EADDRINUSE;
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    close(fd);
    return port;
}

int fetch_connect(int port, int timeout_ms)
{
    struct sockaddr_in address = loopback(port);
    struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int failed = -errno;
    close(fd);
    return failed;
}

int fetch_send(int fd, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);
        if (sent < 0)
            return -errno;
        text += sent;
        left -= (size_t)sent;
    }
    return 0;
}

/* The status line is "HTTP/1.1 NNN ". */
static int read_status(const char *text, size_t size)
{
    uint64_t status;
    if (size < 12 || memcmp(text, "HTTP/1.1 ", 9) != 0 ||
        rill_parse_u64((rill_span){ text + 9, 3 }, 999, &status) != 0)
        return -EPROTO;
    return (int)status;
}

static int check_length(struct fetch *got)
{
    const char *field = strcasestr(got->text, "\r\nContent-Length: ");
    uint64_t length;
    if (field == NULL || field >= got->body)
        return 0;
    field += strlen("\r\nContent-Length: ");
    rill_span digits = { field, strcspn(field, "\r") };
    if (rill_parse_u64(digits, UINT32_MAX, &length) != 0 || length != got->size)
        return -EPROTO;
    return 0;
}

int fetch_receive(int fd, struct fetch *ret)
{
    size_t used = 0;
    for (;;) {
        if (used == sizeof ret->text - 1)
            return -E2BIG;
        ssize_t got = recv(fd, ret->text + used, sizeof ret->text - 1 - used, 0);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    ret->text[used] = '\0';
    const char *end = strstr(ret->text, "\r\n\r\n");
    ret->status = read_status(ret->text, used);
    if (ret->status < 0 || end == NULL)
        return -EPROTO;
    ret->body = end + 4;
    ret->head = (size_t)(ret->body - ret->text);
    ret->size = used - ret->head;
    return check_length(ret);
}

int fetch_get(int port, const char *target, int timeout_ms, struct fetch *ret)
{
    char request[1024];
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    int fd = fetch_connect(port, timeout_ms);
    if (fd < 0)
        return fd;
    int rc = fetch_send(fd, request);
    if (rc == 0)
        rc = fetch_receive(fd, ret);
    close(fd);
    return rc == 0 ? ret->status : rc;
}

int fetch_await(int port, const char *target, int status, int timeout_ms)
{
    static struct fetch answer;
    for (long end = proc_now_ms() + timeout_ms; proc_now_ms() < end; proc_pause())
        if (fetch_get(port, target, timeout_ms, &answer) == status)
            return 0;
    return -ETIME;
}
