/* listen.c - the listening sockets: made, kept, dealt to worker slots, and given up by the master.
 *
 * SO_REUSEPORT hides a second daemon on the same address, so the first bind of an address is tried
 * without it. A unix: address is bound under a temporary name and renamed over a stale file at the
 * commit, so that there is no moment without a socket at the path. */
#include "server/listen.h"

#include "server/inherit.h"

#include <rill/mem.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- one listener --- */

static int add_socket(struct listen_set *set, struct listener *listener, int fd, bool listening)
{
    struct listen_socket *sockets =
        rill_resize(listener->sockets, (listener->socket_count + 1) * sizeof *sockets);
    if (sockets == NULL)
        return -ENOMEM;
    listener->sockets = sockets;
    sockets[listener->socket_count++] =
        (struct listen_socket){ .id = ++set->last_id, .fd = fd, .listening = listening };
    return 0;
}

static void set_name(struct listener *listener)
{
    rill_text text = { listener->name, sizeof listener->name, 0, false };
    rill_addr address = listener->address;
    if (listener->socket_count > 0 && listener->address.any.sa_family != AF_UNIX) {
        address.length = sizeof address.un;
        if (getsockname(listener->sockets[0].fd, &address.any, &address.length) < 0)
            address = listener->address;
    }
    if (listener->systemd[0] != '\0')
        rill_text_fmt(&text, "systemd:%s", listener->systemd);
    else
        rill_addr_format(&address, &text);
    rill_text_end(&text);
}

/* Take every inherited socket of that name or address.   Returns: how many; -ENOMEM. */
static int take_inherited(struct listen_set *set, struct listener *listener)
{
    int taken = 0;
    for (unsigned i = 0; i < set->inherited_count; i++) {
        struct listen_inherited *one = &set->inherited[i];
        bool wanted = listener->systemd[0] != '\0'
                          ? strcmp(listener->systemd, one->name) == 0
                          : rill_addr_equal(&listener->address, &one->address);
        if (one->fd < 0 || !wanted)
            continue;
        int rc = add_socket(set, listener, one->fd, true);
        if (rc < 0)
            return rc;
        one->fd = -1;
        taken++;
    }
    listener->inherited = taken > 0;
    return taken;
}

static int set_flag(int fd, int level, int option)
{
    const int one = 1;
    return setsockopt(fd, level, option, &one, sizeof one);
}

/* A TCP socket bound to `address`. Connections inherit TCP_NODELAY from it, without a call each. */
static int bind_tcp(const rill_addr *address, bool share)
{
    int family = address->any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) < 0 || set_flag(fd, IPPROTO_TCP, TCP_NODELAY) < 0 ||
        (share && set_flag(fd, SOL_SOCKET, SO_REUSEPORT) < 0) ||
        (family == AF_INET6 && set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0) ||
        bind(fd, &address->any, address->length) < 0) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

/* Bind the address alone, to find out that nobody else has it. A daemon that just ended may still
 * hold it for a moment. */
static int claim(const rill_addr *address, rill_time patience)
{
    if (rill_addr_port(address) == 0)
        return 0;
    for (rill_time waited = 0;; waited += RILL_MS(50)) {
        int fd = bind_tcp(address, false);
        if (fd >= 0)
            close(fd);
        if (fd != -EADDRINUSE || waited >= patience)
            return fd < 0 ? fd : 0;
        poll(NULL, 0, 50);
    }
}

/* Bind as many sockets as there are slots, all to one port. */
static int bind_slots(struct listen_set *set, struct listener *listener, unsigned slots)
{
    rill_addr address = listener->address;
    if (listener->socket_count > 0) {
        address.length = sizeof address.un;
        if (getsockname(listener->sockets[0].fd, &address.any, &address.length) < 0)
            return -errno;
    }
    while (listener->socket_count < slots) {
        int fd = bind_tcp(&address, true);
        if (fd < 0)
            return fd;
        int rc = add_socket(set, listener, fd, false);
        if (rc < 0) {
            close(fd);
            return rc;
        }
        if (rill_addr_port(&address) == 0) /* the kernel chose; the others take the same */
            return bind_slots(set, listener, slots);
    }
    return 0;
}

static void temporary(const struct listener *listener, struct sockaddr_un *ret_address)
{
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%.106s~",
             listener->address.un.sun_path);
}

/* Whether somebody answers at the path of a unix: address.
 * Returns: 0 (no, or nothing is there); -EADDRINUSE; -EEXIST (a file that is no socket); -errno. */
static int probe_path(const rill_addr *address)
{
    struct stat status;
    if (lstat(address->un.sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int rc = connect(fd, &address->any, address->length) == 0 ? -EADDRINUSE : -errno;
    close(fd);
    return rc == -ECONNREFUSED ? 0 : rc == -EAGAIN ? -EADDRINUSE : rc;
}

static int bind_path(struct listen_set *set, struct listener *listener)
{
    if (strlen(listener->address.un.sun_path) > sizeof listener->address.un.sun_path - 2)
        return -ENAMETOOLONG;
    int rc = probe_path(&listener->address);
    if (rc < 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    struct sockaddr_un address;
    temporary(listener, &address);
    unlink(address.sun_path);
    mode_t mask = umask(0177);
    rc = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
    umask(mask);
    if (rc == 0)
        rc = add_socket(set, listener, fd, false);
    if (rc < 0)
        close(fd);
    return rc;
}

unsigned listen_backlog_max(void)
{
    unsigned most = UINT_MAX;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
    if (file != NULL && fscanf(file, "%u", &most) != 1)
        most = UINT_MAX;
    if (file != NULL)
        fclose(file);
    return most;
}

/* Start to listen.   Returns: 0; -errno. */
static int activate(struct listener *listener)
{
    for (unsigned i = 0; i < listener->socket_count; i++) {
        struct listen_socket *one = &listener->sockets[i];
        if (one->listening)
            continue;
        if (listen(one->fd, (int)listener->backlog) < 0)
            return -errno;
        one->listening = true;
        if (listener->address.any.sa_family != AF_UNIX)
            continue;
        struct sockaddr_un address;
        struct stat status;
        temporary(listener, &address);
        if (chmod(address.sun_path, listener->mode) < 0 ||
            rename(address.sun_path, listener->address.un.sun_path) < 0 ||
            stat(listener->address.un.sun_path, &status) < 0)
            return -errno;
        listener->file_device = status.st_dev;
        listener->file_inode = status.st_ino;
    }
    return 0;
}

static void remove_file(const struct listener *listener)
{
    struct sockaddr_un address;
    struct stat status;
    const char *path = listener->address.un.sun_path;
    if (listener->inherited || listener->address.any.sa_family != AF_UNIX ||
        listener->socket_count == 0)
        return;
    if (listener->file_inode == 0) {
        temporary(listener, &address);
        unlink(address.sun_path);
    } else if (stat(path, &status) == 0 && status.st_dev == listener->file_device &&
               status.st_ino == listener->file_inode) {
        unlink(path);
    }
}

static void free_listener(struct listener *listener)
{
    remove_file(listener);
    for (unsigned i = 0; i < listener->socket_count; i++)
        close(listener->sockets[i].fd);
    rill_free(listener->sockets);
    rill_free(listener);
}

/* --- the set --- */

static bool is_for(const struct listener *listener, const struct conf_listen *item)
{
    if (item->systemd.size > 0)
        return rill_span_equal(rill_span_of(listener->systemd), item->systemd);
    return listener->systemd[0] == '\0' && rill_addr_equal(&listener->address, &item->address);
}

static struct listener *find(struct listen_set *set, const struct conf_listen *item)
{
    for (unsigned i = 0; i < set->count; i++)
        if (is_for(set->listeners[i], item))
            return set->listeners[i];
    return NULL;
}

static int open_sockets(struct listen_set *set, struct listener *listener, unsigned slots,
                        rill_time patience)
{
    int rc = take_inherited(set, listener);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (listener->systemd[0] != '\0')
        return -ENOENT;
    if (listener->address.any.sa_family == AF_UNIX)
        return bind_path(set, listener);
    rc = claim(&listener->address, patience);
    return rc < 0 ? rc : bind_slots(set, listener, slots);
}

static int add_listener(struct listen_set *set, const struct conf_listen *item, unsigned slots,
                        rill_time patience, struct listener **ret_listener)
{
    if (set->count == LISTEN_MAX * 2)
        return -ENOSPC;
    struct listener *listener = rill_alloc_zero(1, sizeof *listener);
    if (listener == NULL)
        return -ENOMEM;
    listener->address = item->address;
    listener->item = -1;
    snprintf(listener->systemd, sizeof listener->systemd, "%.*s", (int)item->systemd.size,
             item->systemd.size > 0 ? item->systemd.at : "");
    int rc = open_sockets(set, listener, slots, patience);
    if (rc < 0) {
        free_listener(listener);
        return rc;
    }
    set_name(listener);
    set->listeners[set->count++] = listener;
    *ret_listener = listener;
    return 0;
}

/* Bind what one item needs beyond what is there. */
static int plan_item(struct listen_set *set, const struct conf_listen *item, int index,
                     unsigned slots, rill_time patience)
{
    int rc = 0;
    struct listener *listener = find(set, item);
    if (listener == NULL)
        rc = add_listener(set, item, slots, patience, &listener);
    else if (!listener->inherited && listener->address.any.sa_family != AF_UNIX)
        rc = bind_slots(set, listener, slots);
    if (rc < 0)
        return rc;
    listener->planned = index;
    listener->backlog = item->backlog;
    listener->mode = item->mode;
    return 0;
}

static void explain(const struct conf_listen *item, int code, rill_text *why)
{
    rill_text_add(why, RILL_SPAN("cannot listen on "));
    if (item->systemd.size > 0)
        rill_text_fmt(why, "systemd:%.*s", (int)item->systemd.size, item->systemd.at);
    else
        rill_addr_format(&item->address, why);
    rill_text_add(why, RILL_SPAN(": "));
    if (item->systemd.size > 0 && code == -ENOENT)
        rill_text_add(why, RILL_SPAN("the service manager passed no socket of that name; write its "
                                     "FileDescriptorName="));
    else if (code == -EADDRINUSE)
        rill_text_add(why, RILL_SPAN("the address is in use by another process; stop that, or take "
                                     "another one"));
    else if (code == -EEXIST)
        rill_text_add(
            why, RILL_SPAN("there is a file that is no socket; remove it, or take another path"));
    else if (code == -EADDRNOTAVAIL)
        rill_text_add(why,
                      RILL_SPAN("no interface of this machine has that address; take another one"));
    else if (code == -EACCES)
        rill_text_add(why, RILL_SPAN("permission denied; use socket activation, or grant "
                                     "CAP_NET_BIND_SERVICE for a port below 1024"));
    else
        rill_text_add(why, rill_span_of(rill_strerror(code)));
}

int listen_plan(struct listen_set *set, const struct conf *conf, unsigned slots, rill_time patience,
                rill_text *why, struct conf_place *ret_where)
{
    for (unsigned i = 0; i < set->count; i++)
        set->listeners[i]->planned = -1;
    for (size_t i = 0; i < conf->listen_count; i++) {
        int rc = plan_item(set, &conf->listen[i], (int)i, slots, patience);
        if (rc == 0)
            continue;
        explain(&conf->listen[i], rc, why);
        *ret_where = conf->listen[i].place;
        listen_abandon(set);
        return rc;
    }
    return 0;
}

int listen_commit(struct listen_set *set, rill_text *why)
{
    int rc = 0;
    for (unsigned i = 0; i < set->count; i++) {
        struct listener *listener = set->listeners[i];
        listener->item = listener->planned;
        int failed = listener->item < 0 ? 0 : activate(listener);
        if (failed < 0 && rc == 0) {
            rc = failed;
            rill_text_fmt(why, "cannot listen on %s: %s", listener->name, rill_strerror(rc));
        }
    }
    return rc;
}

/* A listener that was there keeps the sockets bound for more slots: they do not listen, so they do
 * no harm, and the next plan finds them. */
void listen_abandon(struct listen_set *set)
{
    for (unsigned i = set->count; i-- > 0;)
        if (set->listeners[i]->item < 0)
            listen_remove(set, set->listeners[i]);
        else
            set->listeners[i]->planned = set->listeners[i]->item;
}

void listen_remove(struct listen_set *set, struct listener *listener)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->listeners[i] == listener) {
            set->listeners[i] = set->listeners[--set->count];
            free_listener(listener);
            return;
        }
}

void listen_fini(struct listen_set *set)
{
    while (set->count > 0)
        listen_remove(set, set->listeners[0]);
    inherit_close_unused(set);
}

/* --- who accepts where --- */

/* Whether socket `index` of `count` is dealt to `slot` of `slots`: with enough sockets each has one
 * slot, otherwise slots share one. */
static bool is_dealt_to(unsigned index, unsigned count, unsigned slot, unsigned slots)
{
    return count >= slots ? index % slots == slot : slot % count == index;
}

void listen_deal(unsigned index, unsigned count, unsigned slots, const struct slot_set *serving,
                 struct slot_set *ret_slots)
{
    struct slot_set set = { 0 };
    bool any = false;
    for (unsigned slot = 0; slot < slots; slot++)
        if (slot_set_has(serving, slot) && is_dealt_to(index, count, slot, slots)) {
            slot_set_put(&set, slot, true);
            any = true;
        }
    for (unsigned slot = 0; !any && slot < CONF_WORKERS_MAX; slot++)
        if (slot_set_has(serving, slot)) {
            slot_set_put(&set, slot, true);
            any = true;
        }
    *ret_slots = set;
}
