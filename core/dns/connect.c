/* connect.c - connections and servers by the name of a host.
 *
 * A host with several addresses is connected to as RFC 8305 has it: the families alternate, the next address is
 * tried when one has failed or has been silent for 250 ms, and the first connection wins. All tries are operations
 * of one wait: they are stopped, and their sockets closed, before it ends. */
#include "core/dns/dns.h"
#include "core/io/socket.h"
#include "core/task/told.h"

#include <rill/mem.h>
#include <rill/stream.h>
#include <rill/task.h>

#include <errno.h>

#define STAGGER RILL_MS(250)

struct
try {
    struct rill__op op;
    struct race *race;
    int fd, result; /* fd -1: there is no socket */
    bool done;
};

/* Who connects first. */
struct race {
    struct rill__wait wait;
    struct rill__task *task;
    struct rill__timer timer;
    const struct rill__dns_list *list;
    const void *address; /* that was tried last, and its socket */
    int fd;
    rill_time next_at;
    size_t tried;
    bool asked; /* to stop, by a request to cancel the task */
    int error;  /* the first */
    struct try tries[];
};

static const rill_table_wait tells_race = { .what = "connect",
                                            .fd = RILL__AT(struct race, fd),
                                            .address = RILL__AT(struct race, address) };

/* --- The order. --- */

static bool is_of(const rill_addr *addr, sa_family_t family)
{
    return addr->any.sa_family == family;
}

/* The families take turns, beginning with the first address's; within one the order stays. */
static void interleave(struct rill__dns_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        size_t other = i;
        while (other < list->count && is_of(&list->at[other], list->at[i - 1].any.sa_family))
            other++;
        if (other == list->count)
            return;
        rill_addr moved = list->at[other];
        for (; other > i; other--)
            list->at[other] = list->at[other - 1];
        list->at[i] = moved;
    }
}

/* --- Tries. --- */

static void on_done(struct rill__op *op, int result, unsigned flags)
{
    struct try *try = container_of(op, struct try, op);
    (void)flags;
    try->result = result;
    try->done = true;
    rill__loop_ready(try->race->task->future.loop, &try->race->task->ready);
}

static int submit(struct try *try)
{
    struct rill__backend *backend = try->race->task->future.loop->backend;
    return backend->ops->submit(backend, &try->op);
}

static void start(struct race *race)
{
    const rill_addr *addr = &race->list->at[race->tried];
    struct try *try = &race->tries[race->tried++];
    *try = (struct try){ .race = race, .fd = rill__socket_to(addr) };
    race->address = &addr->any;
    race->fd = try->fd;
    try->op = (struct rill__op){ .kind = RILL__OP_CONNECT,
                                 .done = on_done,
                                 .fd = try->fd,
                                 .addr = (void *)(uintptr_t)&addr->any,
                                 .size = addr->length };
    int r = try->fd < 0 ? try->fd : submit(try);
    if (r < 0) {
        try->result = r;
        try->done = true;
    }
}

static void close_try(struct try *try)
{
    if (try->fd >= 0)
        rill__socket_drop(try->fd);
    try->fd = -1;
}

/* One that has ended has failed, or is the winner. */
static struct try *look_at(struct race *race, bool *ret_failed)
{
    for (size_t i = 0; i < race->tried; i++) {
        struct try *try = &race->tries[i];
        if (!try->done)
            continue;
        try->done = false;
        if (try->result == 0)
            return try;
        if (try->result == -EINTR && !race->asked && submit(try) == 0)
            continue;
        race->error = rill_first_error(race->error, try->result == -ECANCELED ? -EIO : try->result);
        close_try(try);
        *ret_failed = true;
    }
    return NULL;
}

static size_t running(const struct race *race)
{
    size_t count = 0;
    for (size_t i = 0; i < race->tried; i++)
        count += race->tries[i].op.in_flight;
    return count;
}

static void stop_all(struct race *race)
{
    struct rill__backend *backend = race->task->future.loop->backend;
    for (size_t i = 0; i < race->tried; i++)
        if (race->tries[i].op.in_flight)
            backend->ops->cancel(backend, &race->tries[i].op);
}

static bool ask_to_stop(struct rill__wait *wait, const char *msg)
{
    struct race *race = container_of(wait, struct race, wait);
    (void)msg;
    race->asked = true;
    stop_all(race);
    return false; /* whether this is the delivery, the result decides */
}

/* --- The race. --- */

static void wait_for_one(struct race *race)
{
    struct rill_loop *loop = race->task->future.loop;
    if (race->tried < race->list->count && !race->asked)
        rill__timer_start(loop, &race->timer, race->next_at);
    rill__task_park(race->task, &race->wait);
    rill__timer_stop(loop, &race->timer);
}

/* The winner, or NULL: all have failed, or it was cancelled. */
static struct try *run(struct race *race)
{
    struct try *winner = NULL;
    bool failed = true;
    for (;;) {
        rill_time now = rill__loop_now(race->task->future.loop);
        while (winner == NULL && !race->asked && race->tried < race->list->count &&
               (failed || now >= race->next_at)) {
            start(race);
            race->next_at = rill_time_add(now, STAGGER);
            failed = false;
            winner = look_at(race, &failed);
        }
        if (winner != NULL || running(race) == 0)
            return winner;
        wait_for_one(race);
        winner = look_at(race, &failed);
    }
}

/* The others end before their memory goes. */
static void end(struct race *race, const struct try *winner)
{
    stop_all(race);
    while (running(race) > 0)
        rill__task_park(race->task, &race->wait);
    for (size_t i = 0; i < race->tried; i++)
        if (&race->tries[i] != winner)
            close_try(&race->tries[i]);
}

static int settle(struct race *race, struct try *winner, const rill_stream_opts *opts,
                  rill_stream **ret_stream)
{
    if (winner == NULL)
        return race->asked ? rill__task_deliver(race->task) : race->error;
    if (race->asked)
        race->task->reached_op = true;
    int r = rill_stream_new(winner->fd, opts, ret_stream);
    if (r < 0)
        close_try(winner);
    return r;
}

static int connect_any(struct rill__dns_list *list, const rill_stream_opts *opts,
                       rill_stream **ret_stream)
{
    struct rill__task *task;
    int r = rill__await_begin(&task);
    if (r < 0)
        return r;
    struct race *race = rill_alloc_zero(1, sizeof *race + list->count * sizeof race->tries[0]);
    if (race == NULL)
        return -ENOMEM;
    interleave(list);
    race->wait = (struct rill__wait){ ask_to_stop, &tells_race };
    race->task = task;
    race->timer.ready = &task->ready;
    race->fd = -1;
    race->list = list;
    struct try *winner = run(race);
    end(race, winner);
    r = settle(race, winner, opts, ret_stream);
    rill_free(race);
    return r;
}

/* Give an error its text. */
static int explain(int r, const char *what, const char *host, unsigned port)
{
    if (r >= 0 || r == -ECANCELED)
        return r;
    return rill_fail(r, "%s %s:%u: %s", what, host != NULL ? host : "", port, rill_strerror(r));
}

int rill_open_connection(const char *host, unsigned port, const rill_stream_opts *opts,
                         rill_stream **ret_stream)
{
    struct rill__dns_list *list;
    int r = rill__dns_addresses(host, port, NULL, &list);
    if (r < 0)
        return r;
    r = list->count == 1 ? rill_stream_connect(&list->at[0], opts, ret_stream)
                         : connect_any(list, opts, ret_stream);
    rill_free(list);
    return explain(r, "cannot connect to", host, port);
}

int rill_start_server(const char *host, unsigned port, rill_connection_fn *handler, void *arg,
                      const rill_server_opts *opts, rill_server **ret_server)
{
    rill_dns_hints hints = { .flags = RILL_DNS_PASSIVE };
    struct rill__dns_list *list;
    int r = rill__dns_addresses(host, port, &hints, &list);
    if (r < 0)
        return r;
    r = rill__server_start(list->at, list->count, handler, arg, opts, ret_server);
    rill_free(list);
    return explain(r, "cannot listen at", host, port);
}
