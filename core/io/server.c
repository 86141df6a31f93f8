/* server.c - servers: listening sockets, and a task of the handler for each connection.
 *
 * A server is no task: its listeners put its entries on the queue when connections come. A connection's
 * record lives until both its handler has returned and its stream is closed. It holds a reference of the
 * stream for the handler; it counts as a connection of the server until the stream is closed, whoever
 * closes it. Without descriptors or memory the listener pauses, and the error handler is told. */
#include "core/io/listener.h"
#include "core/io/park.h"
#include "core/io/socket.h"
#include "core/io/stream.h"

#include <rill/mem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { doors_max = 32, admit_most = 64 };

struct door {
    struct rill__ready ready; /* something came */
    rill_server *server;
    rill_listener *listener;
};

struct rill_server {
    struct rill_loop *loop;
    unsigned refs; /* its owner's, and one for each connection's record and each task that waits */
    bool closed;
    rill_connection_fn *handler;
    void *arg;
    rill_stream_opts stream_opts;
    struct door doors[doors_max];
    size_t door_count;
    rill_addr address;           /* of the first door */
    struct list connections;     /* those whose stream is not closed */
    struct list waiters;         /* rill__callback of those who wait for the end */
    struct rill__task *for_ever; /* who waits in rill_serve_forever */
    char *path;                  /* of a Unix socket that goes with the server; NULL: none */
    dev_t device;
    ino_t inode;
};

struct connection {
    struct list link; /* in the server's list, until the stream is closed */
    rill_server *server;
    rill_stream *stream; /* a reference, until the handler has returned */
    rill_task *task;     /* a reference, until then */
    bool dismissed;      /* the server has closed it */
    struct rill__callback ended;
    struct rill__ready on_ended;
    struct rill__stream_closer closer;
    struct rill__ready on_closed;
};

/* --- Life. --- */

static void unref(rill_server *server)
{
    if (--server->refs > 0)
        return;
    rill_free(server->path);
    rill_free(server);
}

static bool is_over(const rill_server *server)
{
    return server->closed && list_is_empty(&server->connections);
}

static void wake_waiters(rill_server *server)
{
    struct list *node;
    while (is_over(server) && (node = list_pop_front(&server->waiters)) != NULL)
        rill__loop_ready(server->loop, container_of(node, struct rill__callback, link)->ready);
}

/* --- Connections. --- */

static void drop(struct connection *connection)
{
    rill_server *server = connection->server;
    rill_free(connection);
    unref(server);
}

static int serve(void *arg)
{
    const struct connection *connection = arg;
    return connection->server->handler(connection->stream, connection->server->arg);
}

/* The handler has returned. Its error is reported when the task goes, unless it only says that the
 * server has closed the stream. */
static void run_ended(struct rill__ready *ready)
{
    struct connection *connection = container_of(ready, struct connection, on_ended);
    rill_task *task = connection->task;
    connection->task = NULL;
    if (task->state == RILL_CANCELLED || task->rc < 0)
        rill_stream_close(connection->stream);
    rill_stream_unref(connection->stream);
    task->taken |= connection->dismissed && (task->rc == -EBADF || task->rc == -EPIPE);
    rill_unref(task);
    if (!list_is_linked(&connection->link))
        drop(connection);
}

static void run_closed(struct rill__ready *ready)
{
    struct connection *connection = container_of(ready, struct connection, on_closed);
    list_remove(&connection->link);
    wake_waiters(connection->server);
    if (connection->task == NULL) /* else its handler may not even have begun */
        drop(connection);
}

static int start_handler(struct connection *connection)
{
    rill_server *server = connection->server;
    rill_task *task = rill_loop_create_task(server->loop, RILL_CORO(serve, connection), NULL);
    if (task->kind != RILL__TASK) {
        int r = rill_result(task);
        rill_unref(task);
        return r;
    }
    connection->task = task;
    connection->on_ended.run = run_ended;
    connection->ended.ready = &connection->on_ended;
    if (task->state == RILL_PENDING)
        rill__callback_add(task, &connection->ended);
    else
        rill__loop_ready(server->loop, &connection->on_ended); /* it was eager */
    return 0;
}

static int admit(rill_server *server, int fd)
{
    struct connection *connection = rill_alloc_zero(1, sizeof *connection);
    int r = connection == NULL ? -ENOMEM
                               : rill_stream_new(fd, &server->stream_opts, &connection->stream);
    if (r < 0) {
        rill__socket_drop(fd);
        rill_free(connection);
        return r;
    }
    connection->server = server;
    connection->on_closed.run = run_closed;
    connection->closer.ready = &connection->on_closed;
    connection->closer.patient = true;
    rill__stream_add_closer(connection->stream, &connection->closer);
    list_push_back(&server->connections, &connection->link);
    server->refs++;
    r = start_handler(connection);
    if (r < 0) {
        rill_stream_abort(connection->stream);
        rill_stream_unref(connection->stream); /* the record goes when it is closed */
    }
    return r;
}

static void report(const rill_server *server, const char *what, int error)
{
    char text[128];
    snprintf(text, sizeof text, "%s: %s", what, rill_strerror(error));
    rill__loop_report(server->loop, text, NULL);
}

static void run_door(struct rill__ready *ready)
{
    struct door *door = container_of(ready, struct door, ready);
    rill_server *server = door->server;
    for (int i = 0; i < admit_most && !server->closed; i++) {
        int fd = rill__listener_next(door->listener);
        if (fd == -EAGAIN || fd == -ESHUTDOWN)
            return;
        if (fd < 0)
            report(server, "a server cannot accept, it tries again soon", fd);
        int r = fd < 0 ? 0 : admit(server, fd);
        if (r < 0)
            report(server, "a server drops a connection", r);
    }
    if (!server->closed)
        rill__loop_ready(server->loop, ready); /* others want to be served, too */
}

/* --- Start. --- */

static int open_door(rill_server *server, const rill_addr *addr, const rill_listen_opts *opts)
{
    struct door *door = &server->doors[server->door_count];
    int fd, r = rill__listen(addr, opts, true, &fd);
    if (r < 0)
        return r;
    if (server->door_count == 0)
        r = rill_socket_name(fd, &server->address);
    if (r == 0)
        r = rill_listener_open(fd, &door->listener);
    if (r < 0) {
        rill__path_sweep(addr);
        rill__socket_drop(fd);
        return r;
    }
    door->server = server;
    door->ready.run = run_door;
    rill__listener_watch(door->listener, &door->ready);
    server->door_count++;
    return 0;
}

static int new_server(rill_connection_fn *handler, void *arg, const rill_server_opts *opts,
                      rill_server **ret_server)
{
    rill_server *server = rill_alloc_zero(1, sizeof *server);
    if (server == NULL)
        return -ENOMEM;
    server->loop = rill__loop_running;
    server->refs = 1;
    server->handler = handler;
    server->arg = arg;
    server->stream_opts = opts->stream;
    list_init(&server->connections);
    list_init(&server->waiters);
    *ret_server = server;
    return 0;
}

/* The address of a further door: the first one's port, if any would do. */
static rill_addr beside(const rill_server *server, rill_addr addr)
{
    if (addr.in6.sin6_port == 0) /* it lies at the same place for IPv4 */
        addr.in6.sin6_port = server->address.in6.sin6_port;
    return addr;
}

static int open_doors(rill_server *server, const rill_addr *addrs, size_t count,
                      const rill_listen_opts *opts)
{
    int r = 0, first = 0;
    for (size_t i = 0; i < count && i < doors_max && r == 0; i++) {
        rill_addr addr = server->door_count > 0 ? beside(server, addrs[i]) : addrs[i];
        r = open_door(server, &addr, opts);
        if (r == -EADDRINUSE && !rill_addr_equal(&addr, &addrs[i]))
            r = open_door(server, &addrs[i], opts);
        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) { /* a machine without that family */
            first = rill_first_error(first, r);
            r = 0;
        }
    }
    return r == 0 && server->door_count == 0 ? first : r;
}

static const rill_server_opts defaults;

int rill__server_start(const rill_addr *addrs, size_t count, rill_connection_fn *handler, void *arg,
                       const rill_server_opts *opts, rill_server **ret_server)
{
    rill_server *server;
    if (opts == NULL)
        opts = &defaults;
    rill_listen_opts listen = { opts->backlog, opts->reuse_port, .only_in6 = true };
    int r = new_server(handler, arg, opts, &server);
    if (r < 0)
        return r;
    r = open_doors(server, addrs, count, &listen);
    if (r < 0)
        rill_server_free(server);
    else
        *ret_server = server;
    return r;
}

static int open_unix_door(rill_server *server, const char *path, const rill_server_opts *opts)
{
    struct stat status;
    rill_addr addr;
    int r = rill__addr_of_path(path, &addr);
    if (r < 0)
        return r;
    r = open_door(server, &addr, &(rill_listen_opts){ .backlog = opts->backlog });
    if (r < 0 || opts->keep_path || rill__path_stat(path, &status) < 0)
        return r;
    server->path = rill_copy(path, strlen(path));
    server->device = status.st_dev;
    server->inode = status.st_ino;
    if (server->path != NULL)
        return 0;
    (void)rill__path_remove(path);
    return -ENOMEM;
}

int rill_start_unix_server(const char *path, rill_connection_fn *handler, void *arg,
                           const rill_server_opts *opts, rill_server **ret_server)
{
    struct rill__task *task;
    rill_server *server;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (opts == NULL)
        opts = &defaults;
    r = new_server(handler, arg, opts, &server);
    if (r < 0)
        return r;
    r = open_unix_door(server, path, opts);
    if (r < 0)
        rill_server_free(server);
    else
        *ret_server = server;
    return rill__await_ready(task, r);
}

/* --- Close. --- */

/* The socket's name in the file system, unless somebody has put something else there. */
static void remove_own_path(const rill_server *server)
{
    struct stat status;
    if (server->path != NULL && rill__path_stat(server->path, &status) == 0 &&
        status.st_dev == server->device && status.st_ino == server->inode)
        (void)rill__path_remove(server->path);
}

void rill_server_close(rill_server *server)
{
    if (server == NULL || server->closed)
        return;
    server->closed = true;
    remove_own_path(server);
    for (size_t i = 0; i < server->door_count; i++) {
        struct door *door = &server->doors[i];
        rill__listener_watch(door->listener, NULL);
        rill__loop_unready(&door->ready);
        rill_listener_close(door->listener);
    }
    if (server->for_ever != NULL)
        rill__loop_ready(server->loop, &server->for_ever->ready);
    wake_waiters(server);
}

/* A coroutine that waits with a parked stream is started first: it learns of the end like any reader. */
static void end_stream(rill_stream *stream, void (*end)(rill_stream *stream))
{
    rill_stream_ref(stream);
    if (stream->parked)
        rill__park_start(stream);
    bool never_starts = stream->parked; /* there is no memory for it */
    end(stream);
    if (never_starts)
        rill_stream_unref(stream); /* it would have had this one */
    rill_stream_unref(stream);
}

static void dismiss(rill_server *server, void (*end)(rill_stream *stream))
{
    if (server == NULL)
        return;
    list_for_each(node, &server->connections) {
        struct connection *connection = container_of(node, struct connection, link);
        if (connection->closer.told)
            continue;
        connection->dismissed = true;
        end_stream(connection->stream, end);
    }
}

void rill_server_close_clients(rill_server *server)
{
    dismiss(server, rill_stream_close);
}

void rill_server_abort_clients(rill_server *server)
{
    dismiss(server, rill_stream_abort);
}

void rill_server_free(rill_server *server)
{
    if (server == NULL)
        return;
    rill_server_close(server);
    unref(server);
}

bool rill_server_is_serving(const rill_server *server)
{
    return !server->closed;
}

rill_addr rill_server_address(const rill_server *server)
{
    return server->address;
}

/* --- Waiting. --- */

static const rill_table_wait tells_wait = { .what = "the end of a server" };

int rill_server_wait_closed(rill_server *server)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (is_over(server))
        return rill__await_ready(task, 0);
    struct rill__plain_wait wait = rill__plain_wait(task, &tells_wait);
    struct rill__callback callback = { .ready = &task->ready };
    list_push_back(&server->waiters, &callback.link);
    server->refs++;
    r = rill__plain_park(&wait);
    rill__callback_remove(&callback);
    unref(server);
    return r;
}

int rill_serve_forever(rill_server *server)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    if (server->closed)
        return -ESHUTDOWN;
    if (server->for_ever != NULL)
        return -EBUSY;
    struct rill__plain_wait wait = rill__plain_wait(task, &tells_wait);
    server->for_ever = task;
    server->refs++;
    r = rill__plain_park(&wait);
    server->for_ever = NULL;
    if (r < 0) {
        rill_server_close(server);
        r = rill_first_error(r, rill_server_wait_closed(server));
    }
    unref(server);
    return r < 0 ? r : -ESHUTDOWN;
}
