/* inherit.c - listening sockets that the service manager passed.
 *
 * The documented protocol of sd_listen_fds(3): LISTEN_PID says whom they are for, LISTEN_FDS how many
 * there are from descriptor 3 on, LISTEN_FDNAMES their names, with colons between. */
#include "server/inherit.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether `fd` is a listening stream socket; its address then. */
static bool look_at(int fd, rill_addr *ret_address)
{
    int type = 0, accepting = 0;
    socklen_t size = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return false;
    size = sizeof accepting;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) < 0 || !accepting)
        return false;
    ret_address->length = sizeof ret_address->un;
    return getsockname(fd, &ret_address->any, &ret_address->length) == 0;
}

/* The `index`th of the names, which colons separate. */
static void copy_name(const char *names, unsigned index, char *to, size_t size)
{
    while (names != NULL && index-- > 0) {
        names = strchr(names, ':');
        names = names == NULL ? NULL : names + 1;
    }
    snprintf(to, size, "%.*s", names == NULL ? 0 : (int)strcspn(names, ":"),
             names == NULL ? "" : names);
}

static bool is_ours(const char *pid_text)
{
    uint64_t pid;
    return pid_text != NULL && rill_parse_u64(rill_span_of(pid_text), INT32_MAX, &pid) == 0 &&
           (pid_t)pid == getpid();
}

int inherit_sockets(struct listen_set *set)
{
    const char *names = getenv("LISTEN_FDNAMES"), *count_text = getenv("LISTEN_FDS");
    uint64_t count = 0;
    int rc = 0;
    if (count_text != NULL && is_ours(getenv("LISTEN_PID")) &&
        rill_parse_u64(rill_span_of(count_text), LISTEN_INHERITED_MAX, &count) < 0)
        rc = -EINVAL;
    if (rc == 0 && count > 0) {
        set->inherited = rill_alloc_zero(count, sizeof *set->inherited);
        rc = set->inherited == NULL ? -ENOMEM : 0;
    }
    for (unsigned i = 0; rc == 0 && i < count; i++) {
        struct listen_inherited *one = &set->inherited[set->inherited_count];
        int fd = 3 + (int)i;
        if (!look_at(fd, &one->address)) {
            close(fd);
            set->unfit_count++;
            continue;
        }
        one->fd = fd;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        copy_name(names, i, one->name, sizeof one->name);
        set->inherited_count++;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rc < 0 ? rc : (int)set->inherited_count;
}

unsigned inherit_close_unused(struct listen_set *set)
{
    unsigned closed = 0;
    for (unsigned i = 0; i < set->inherited_count; i++)
        if (set->inherited[i].fd >= 0) {
            close(set->inherited[i].fd);
            closed++;
        }
    rill_free(set->inherited);
    set->inherited = NULL;
    set->inherited_count = 0;
    return closed;
}
