/* notify.c - the service manager's notification protocol: a datagram of NAME=VALUE lines.
 *
 * The protocol is the documented, stable one of sd_notify(3), a few lines of our own in place of a
 * library. The socket is connected once, so a manager that restarts its socket is not followed;
 * systemd does not. */
#include "server/notify.h"

#include <rill/text.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t size = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || size < 2 || size >= sizeof address.sun_path)
        return -EINVAL;
    memcpy(address.sun_path, name, size);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* An abstract name is as long as its length says; a path ends with its zero octet. */
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (connect(fd, (struct sockaddr *)&address, length) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

/* The watchdog is ours if WATCHDOG_PID names this process or is absent. */
static int read_watchdog(rill_time *ret_span)
{
    const char *usec_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
    uint64_t usec, pid;
    if (usec_text == NULL)
        return 0;
    if (rill_parse_u64(rill_span_of(usec_text), INT64_MAX / 1000, &usec) < 0 || usec == 0)
        return -EINVAL;
    if (pid_text != NULL) {
        if (rill_parse_u64(rill_span_of(pid_text), INT32_MAX, &pid) < 0)
            return -EINVAL;
        if ((pid_t)pid != getpid())
            return 0;
    }
    *ret_span = RILL_US((rill_time)usec);
    return 0;
}

int notify_init(struct notify *notify)
{
    *notify = (struct notify){ .fd = -1 };
    int rc = read_watchdog(&notify->watchdog);
    const char *name = getenv("NOTIFY_SOCKET");
    if (name != NULL) {
        int fd = connect_to(name);
        if (fd >= 0)
            notify->fd = fd;
        else
            rc = rill_first_error(rc, fd);
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return rc;
}

void notify_fini(struct notify *notify)
{
    if (notify->fd > 0)
        close(notify->fd);
    notify->fd = -1;
}

static int send_text(const struct notify *notify, const rill_text *text)
{
    if (text->full)
        return -EMSGSIZE;
    if (send(notify->fd, text->at, text->used, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return -errno;
    return 0;
}

int notify_send(const struct notify *notify, const char *format, ...)
{
    if (notify->fd < 0)
        return 0;
    char memory[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(memory, sizeof memory, format, args);
    va_end(args);
    bool fits = size >= 0 && (size_t)size < sizeof memory;
    rill_text text = { memory, sizeof memory, fits ? (size_t)size : 0, !fits };
    return send_text(notify, &text);
}

int notify_reloading(const struct notify *notify, rill_time now)
{
    return notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now / RILL_US(1));
}
