/* serve.c - the serving half of a worker: tables of a generation, accepting, draining.
 *
 * Each listening socket has one task that accepts; each connection one that talks (conn/). Tables
 * are swapped as one pointer: requests that begin afterwards take the new ones, also on connections
 * that were open before. */
#include "server/serve.h"

#include "server/conf/conf.h"
#include "server/conn/crowd.h"
#include "server/conn/tables.h"
#include "server/filecache.h"
#include "server/generation.h"
#include "server/handler/handler.h"
#include "server/log.h"
#include "server/route.h"

#include <rill/file.h>
#include <rill/future.h>
#include <rill/loop.h>
#include <rill/mem.h>
#include <rill/net.h>
#include <rill/task.h>
#include <rill/wait.h>

#include <errno.h>
#include <sys/resource.h>

struct serve {
    struct tables tables;
    struct generation *generation;
    unsigned connections_most;
};

struct accepting {
    struct accepting *next;
    int fd;
    struct conn_listener *name;
    rill_listener *listener;
    bool gone; /* serve what waits in the socket's queue, too */
};

enum { reserve = 64, shed_at_once = 16, queue_most = 64 << 10 };

struct tables *tables_current;
static struct filecache *files;
static struct accepting *all_accepting;

/* --- Tables. --- */

static struct serve *serve_of(struct tables *tables)
{
    return (struct serve *)(void *)tables; /* its first member */
}

static void free_tables(struct tables *tables)
{
    struct serve *serve = serve_of(tables);
    routes_free(tables->routes);
    generation_unref(serve->generation);
    rill_free(serve);
}

static int make_filecache(void)
{
    return files != NULL ? 0 : filecache_new(NULL, &files);
}

/* Each connection may need a second descriptor, for a file or an upstream. */
unsigned serve_connections_most(const struct conf *conf)
{
    struct rlimit limit = { 0 };
    if (conf->limits.connections != CONF_AUTO)
        return conf->limits.connections;
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 4 * reserve ? (unsigned)(limit.rlim_cur - reserve) / 2 : reserve;
}

int serve_prepare(struct generation *generation, struct serve **ret_serve)
{
    static const struct handler *const handlers[] = {
        [CONF_FILES] = &handler_files,
        [CONF_RESPOND] = &handler_respond,
        [CONF_GATHER] = &handler_gather,
    };
    int r = make_filecache();
    if (r < 0)
        return r;
    struct handler_env env = { files, generation_dir, generation };
    const struct conf_route *bad = NULL;
    struct serve *serve = rill_alloc_zero(1, sizeof *serve);
    if (serve == NULL)
        return -ENOMEM;
    r = routes_new(generation->conf, handlers, &env, &serve->tables.routes, &bad);
    if (r < 0) {
        if (bad != NULL)
            log_line(LOG_ERROR, "conf", "%s:%u:%u: error: route \"%s\" cannot be opened: %s",
                     generation->conf->source.at, bad->place.line, bad->place.column, bad->path.at,
                     rill_strerror(r));
        rill_free(serve);
        return r;
    }
    serve->tables.conf = generation->conf;
    serve->tables.generation = generation->number;
    serve->tables.users = 1;
    serve->tables.free = free_tables;
    serve->generation = generation_ref(generation);
    serve->connections_most = serve_connections_most(generation->conf);
    *ret_serve = serve;
    return 0;
}

void serve_commit(struct serve *serve)
{
    struct tables *former = tables_current;
    tables_current = &serve->tables;
    tables_release(former);
}

void serve_abandon(struct serve *serve)
{
    if (serve != NULL)
        free_tables(&serve->tables);
}

/* --- Accepting. --- */

static void admit(int fd, struct conn_listener *listener)
{
    static struct log_limit limit;
    bool full = crowd_count() >= serve_of(tables_current)->connections_most;
    if (full && crowd_shed(1) == 0) {
        (void)rill_file_close(fd);
        log_client(
            &limit, LOG_WARNING, "serve",
            "a connection was closed at once: limits.connections is reached and none is idle");
        return;
    }
    int r = conn_open(fd, listener);
    if (r < 0)
        log_client(&limit, LOG_WARNING, "serve", "a connection was closed at once: %s",
                   rill_strerror(r));
}

static void forget(struct accepting *accepting)
{
    for (struct accepting **at = &all_accepting; *at != NULL; at = &(*at)->next)
        if (*at == accepting) {
            *at = accepting->next;
            break;
        }
    rill_listener_close(accepting->listener);
    conn_listener_unref(accepting->name);
    rill_free(accepting);
}

/* Serve what waits in the queue of a socket that goes. One that broke there does not cost those behind
 * it; clients that come faster than this is done find an end, too. */
static void empty_queue(const struct accepting *accepting)
{
    int fd, r = 0;
    for (unsigned i = 0; i < queue_most && (r == 0 || r == -ECONNABORTED); i++) {
        r = rill_listener_take(accepting->listener, &fd);
        if (r == 0)
            admit(fd, accepting->name);
    }
}

static int accept_main(void *arg)
{
    static struct log_limit limit;
    struct accepting *accepting = arg;
    int fd, r;
    while ((r = rill_listener_accept(accepting->listener, &fd)) != -ESHUTDOWN && r != -ECANCELED) {
        if (r == 0) {
            admit(fd, accepting->name);
            continue;
        }
        log_client(&limit, LOG_WARNING, "serve", "cannot accept: %s; accepting pauses%s",
                   rill_strerror(r),
                   r == -EMFILE ? ": raise LimitNOFILE, or lower limits.connections" : "");
        (void)crowd_shed(shed_at_once);
    }
    if (accepting->gone)
        empty_queue(accepting);
    forget(accepting);
    return 0;
}

static struct accepting *find_accepting(int fd)
{
    for (struct accepting *at = all_accepting; at != NULL; at = at->next)
        if (at->fd == fd)
            return at;
    return NULL;
}

static int start_accepting(struct accepting *accepting, const rill_addr *address)
{
    accepting->name = rill_alloc(sizeof *accepting->name);
    if (accepting->name == NULL)
        return -ENOMEM;
    *accepting->name = (struct conn_listener){ 1, *address };
    int r = rill_listener_open(accepting->fd, &accepting->listener);
    if (r < 0)
        rill_free(accepting->name);
    return r;
}

int serve_listen(int fd, const struct conf_listen *listen)
{
    /* At once, until it waits: a task that is cancelled before its first step would never run. */
    static const rill_task_opts at_once = { .eager = true };
    if (find_accepting(fd) != NULL)
        return 0;
    struct accepting *accepting = rill_alloc_zero(1, sizeof *accepting);
    if (accepting == NULL)
        return -ENOMEM;
    accepting->fd = fd;
    int r = start_accepting(accepting, &listen->address);
    if (r < 0) {
        rill_free(accepting);
        return r;
    }
    accepting->next = all_accepting;
    all_accepting = accepting;
    rill_task *task = rill_create_task_with(RILL_CORO(accept_main, accepting), &at_once);
    if (rill_done(task)) {
        log_line(LOG_ERROR, "serve", "cannot accept: %s", rill_strerror(rill_result(task)));
        forget(accepting); /* the descriptor was taken, and goes with it */
    }
    rill_unref(task);
    return 0;
}

static void stop_accepting(struct accepting *accepting, bool gone)
{
    accepting->gone |= gone;
    rill_listener_stop(accepting->listener);
}

void serve_unlisten(int fd, bool gone)
{
    struct accepting *accepting = find_accepting(fd);
    if (accepting == NULL) /* closed already: the number may be a client's by now */
        return;
    accepting->fd = -1; /* the number may come again before the task has ended */
    stop_accepting(accepting, gone);
}

/* --- Draining. --- */

void serve_drain(rill_time grace)
{
    for (struct accepting *at = all_accepting; at != NULL; at = at->next)
        stop_accepting(at, true);
    crowd_drain(grace);
}

int serve_drained(rill_time timeout, unsigned *ret_cut)
{
    unsigned cut = 0;
    rill_future *ended = crowd_all_ended();
    int r = rill_wait_for(ended, timeout);
    rill_unref(ended);
    if (r == -ETIME) {
        cut = crowd_in_flight();
        crowd_stop();
        ended = crowd_all_ended();
        r = rill_wait_for(ended, RILL_SEC(1));
        rill_unref(ended);
    }
    if (r < 0 && r != -ETIME)
        return r;
    *ret_cut = cut;
    return 0;
}
