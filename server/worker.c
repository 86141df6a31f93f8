/* worker.c - one worker process: from the fork to its end.
 *
 * Before the loop: pin, close what belongs to others, give up rights. Then four tasks beside the
 * serving half (serve.h): the main task obeys the channel, one beats the heart, one waits for SIGTERM,
 * and one drains when it is time. The end of the channel means that the master has died: then a worker
 * drains like on SIGTERM and exits. Serving goes on while a next generation is prepared; a commit is
 * one step without a suspension. */
#include "server/worker.h"

#include "server/channel.h"
#include "server/cpus.h"
#include "server/doctor.h"
#include "server/handler/handler.h"
#include "server/log.h"
#include "server/serve.h"

#include <rill/future.h>
#include <rill/loop.h>
#include <rill/net.h>
#include <rill/task.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOG_LIMIT      RILL_SEC(1)  /* for the last lines after a drain */
#define LOG_STOP_LIMIT RILL_MS(200) /* the same before a quick stop */

/* A listening socket that this worker serves. */
struct socket {
    uint32_t id;                    /* the master's */
    int fd;                         /* the serving half's */
    const struct conf_listen *item; /* of the current generation */
};

static struct worker {
    const struct worker_start *start;
    int signal_fd;
    bool ran;                          /* the ring was made */
    struct generation *current, *next; /* next: while it is prepared */
    struct serve *tables;              /* of next; NULL: not yet made */
    int next_access, next_error;
    struct socket *sockets;
    size_t socket_count;
    rill_task *main_task, *drain_task;
    bool drained;
} me = { .signal_fd = -1 };

/* --- messages to the master --- */

static void say(enum channel_type type, uint32_t number, uint32_t value, const char *text)
{
    struct channel_message message = { .type = type, .number = number, .value = value };
    snprintf(message.text, sizeof message.text, "%s", text);
    channel_send(me.start->channel, &message); /* if it fails the master is gone */
}

static int fail_start(int status, const char *format, ...) RILL_PRINTF(2, 3);

static int fail_start(int status, const char *format, ...)
{
    char text[CHANNEL_TEXT_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(CHANNEL_FAILED, 0, (uint32_t)status, text);
    return status;
}

static void tell_freed(uint32_t number)
{
    say(CHANNEL_FREED, number, 0, "");
}

/* --- generations --- */

static void forget_next(void)
{
    if (me.next == NULL)
        return;
    if (me.tables != NULL)
        serve_abandon(me.tables);
    me.tables = NULL;
    close(me.next_access);
    close(me.next_error);
    generation_unref(me.next);
    me.next = NULL;
}

static void refuse(uint32_t number, const char *what, int code)
{
    char text[CHANNEL_TEXT_MAX + 1];
    snprintf(text, sizeof text, "cannot %s: %s", what, rill_strerror(code));
    say(CHANNEL_REFUSED, number, 0, text);
    forget_next();
}

static void try_to_prepare(void)
{
    if (!generation_is_complete(me.next))
        return;
    int rc = serve_prepare(me.next, &me.tables);
    if (rc < 0)
        refuse(me.next->number, "prepare the routes", rc);
    else
        say(CHANNEL_PREPARED, me.next->number, 0, "");
}

static void prepare(struct channel_message *message)
{
    forget_next();
    struct generation *generation;
    int rc = generation_adopt(message->number, message->index, message->size, message->fds[0],
                              &generation);
    message->fds[0] = -1;
    if (rc < 0) {
        refuse(message->number, "map the configuration", rc);
        tell_freed(message->number); /* the master counts it as held since it was sent */
        return;
    }
    generation->freed = tell_freed;
    me.next = generation;
    me.next_access = message->fds[1];
    me.next_error = message->fds[2];
    message->fds[1] = message->fds[2] = -1;
    if (message->value != generation->dir_count)
        refuse(message->number, "match the directories", -EPROTO);
    else
        try_to_prepare();
}

static void take_dirs(struct channel_message *message)
{
    if (me.next == NULL || message->number != me.next->number)
        return;
    int rc = generation_take_dirs(me.next, message->index, message->fds, message->n_fds);
    if (rc < 0) {
        refuse(message->number, "take the directories", rc);
        return;
    }
    message->n_fds = 0;
    try_to_prepare();
}

/* --- sockets --- */

static const struct conf_listen *same_address(const struct conf *conf,
                                              const struct conf_listen *item)
{
    for (size_t i = 0; i < conf->listen_count; i++) {
        const struct conf_listen *other = &conf->listen[i];
        if (rill_span_equal(item->systemd, other->systemd) &&
            (item->systemd.size > 0 || rill_addr_equal(&item->address, &other->address)))
            return other;
    }
    return NULL;
}

static struct socket *find_socket(uint32_t id)
{
    for (size_t i = 0; i < me.socket_count; i++)
        if (me.sockets[i].id == id)
            return &me.sockets[i];
    return NULL;
}

/* Serve a socket that came with the message. If that fails the master is not told: it is out of
 * memory, and the socket's queue stays for whoever is dealt it next. */
static int add_socket(const struct channel_message *message, const struct conf_listen *item)
{
    struct socket *sockets = rill_resize(me.sockets, (me.socket_count + 1) * sizeof *sockets);
    if (sockets == NULL)
        return -ENOMEM;
    me.sockets = sockets;
    int rc = serve_listen(message->fds[0], item);
    if (rc == 0)
        sockets[me.socket_count++] = (struct socket){ message->value, message->fds[0], item };
    return rc;
}

static void start_listening(struct channel_message *message)
{
    const struct conf *conf = me.current->conf;
    if (message->n_fds != 1 || message->index >= conf->listen_count ||
        find_socket(message->value) != NULL || me.drain_task != NULL)
        return;
    int rc = add_socket(message, &conf->listen[message->index]);
    if (rc < 0)
        log_line(LOG_ERROR, "worker", "cannot accept on a socket: %s", rill_strerror(rc));
    else
        message->n_fds = 0;
}

static void stop_listening(struct socket *socket, bool gone)
{
    serve_unlisten(socket->fd, gone);
    *socket = me.sockets[--me.socket_count];
}

/* Sockets go by the items of the current generation; those without one are served to their end. */
static void match_sockets(const struct conf *conf)
{
    for (size_t i = me.socket_count; i-- > 0;) {
        struct socket *socket = &me.sockets[i];
        socket->item = same_address(conf, socket->item);
        if (socket->item == NULL)
            stop_listening(socket, true);
        else
            serve_listen(socket->fd, socket->item); /* known already: takes the settings only */
    }
}

static void commit(uint32_t number)
{
    if (me.next == NULL || me.next->number != number || me.tables == NULL)
        return;
    struct generation *former = me.current;
    me.current = me.next;
    me.next = NULL;
    serve_commit(me.tables);
    me.tables = NULL;
    log_use(&me.current->conf->log, me.next_access, me.next_error);
    match_sockets(me.current->conf);
    generation_unref(former);
    say(CHANNEL_COMMITTED, number, 0, "");
}

/* --- drain --- */

static int drain(void *arg)
{
    const struct conf *conf = me.current->conf;
    unsigned cut = 0;
    (void)arg;
    serve_drain(conf->drain_grace);
    int rc = serve_drained(conf->drain_timeout, &cut);
    if (rc < 0)
        return rc;
    rc = log_stop(LOG_LIMIT);
    if (rc == -ECANCELED)
        return rc;
    say(CHANNEL_DRAINED, 0, cut, "");
    me.drained = true;
    rill_cancel(me.main_task, "drained");
    return 0;
}

static void start_drain(void)
{
    if (me.drain_task != NULL)
        return;
    forget_next();
    me.socket_count = 0; /* the drain closes them all: their numbers mean something else soon */
    me.drain_task = rill_create_task(RILL_CORO(drain, NULL));
    if (rill_done(me.drain_task)) /* no memory for a task: what is left is to go */
        rill_cancel(me.main_task, "cannot drain");
}

/* The signal to this process alone: the master must know that its sockets need somebody else. */
static int await_term(void *arg)
{
    (void)arg;
    int rc = rill_poll(me.signal_fd, POLLIN);
    if (rc < 0)
        return rc;
    log_line(LOG_INFO, "worker", "SIGTERM: draining");
    say(CHANNEL_LEAVING, 0, 0, "");
    start_drain();
    return 0;
}

/* --- the tasks --- */

static int beat(void *arg)
{
    (void)arg;
    int rc;
    do {
        shm_add(&shm_mine->heartbeat, 1);
        rc = rill_sleep(RILL_MS(500));
    } while (rc == 0);
    return rc;
}

/* Do what the master says.   Returns: whether to go on. */
static bool obey(struct channel_message *message)
{
    struct socket *socket;
    switch (message->type) {
    case CHANNEL_PREPARE: prepare(message); break;
    case CHANNEL_DIRS: take_dirs(message); break;
    case CHANNEL_COMMIT: commit(message->number); break;
    case CHANNEL_ABANDON: forget_next(); break;
    case CHANNEL_LOGS:
        log_use(&me.current->conf->log, message->fds[0], message->fds[1]);
        message->n_fds = 0;
        break;
    case CHANNEL_LISTEN: start_listening(message); break;
    case CHANNEL_UNLISTEN:
        socket = find_socket(message->value);
        if (socket != NULL)
            stop_listening(socket, false);
        break;
    case CHANNEL_DRAIN: start_drain(); break;
    case CHANNEL_STOP: return false;
    default: break;
    }
    return true;
}

/* Take all messages that are there.   Returns: 1 to go on; 0 at a stop; -EPIPE without a master. */
static int read_channel(void)
{
    for (;;) {
        struct channel_message message;
        int rc = channel_receive(me.start->channel, CHANNEL_MASTER, &message);
        if (rc == -EAGAIN)
            return 1;
        if (rc <= 0)
            return -EPIPE;
        bool go_on = obey(&message);
        channel_release(&message);
        if (!go_on)
            return 0;
    }
}

static int obey_master(void)
{
    int rc;
    do {
        rc = rill_poll(me.start->channel, POLLIN);
        if (rc >= 0)
            rc = read_channel();
    } while (rc > 0);
    if (rc != -EPIPE)
        return rc;
    log_line(LOG_ERROR, "worker", "the master is gone: draining");
    start_drain();
    return rill_await(me.drain_task);
}

/* Start a task that lives as long as the worker.   Returns: 0; -errno. */
static int start_task(rill_coro coro, const char *name)
{
    const rill_task_opts opts = { .name = name };
    rill_task *task = rill_create_task_with(coro, &opts);
    int rc = rill_done(task) ? rill_result(task) : 0;
    rill_unref(task); /* the loop holds it */
    return rc;
}

static int run(void *arg)
{
    (void)arg;
    me.ran = true;
    me.main_task = rill_current_task();
    int rc = log_start(me.current->conf->log.buffer);
    if (rc == 0)
        rc = serve_prepare(me.current, &me.tables);
    if (rc == 0)
        rc = start_task(RILL_CORO(beat, NULL), "heartbeat");
    if (rc == 0)
        rc = start_task(RILL_CORO(await_term, NULL), "signals");
    if (rc < 0) {
        fail_start(EXIT_FAILURE, "worker %u cannot start: %s", me.start->slot, rill_strerror(rc));
        return rc;
    }
    serve_commit(me.tables);
    me.tables = NULL;
    const char *features = rill_ring_features();
    say(CHANNEL_READY, 0, 0, features != NULL ? features : "");
    rc = obey_master();
    if (me.drained)
        return 0;
    if (rc < 0) { /* the loop is closing, or the drain could not start */
        log_line(LOG_ERROR, "worker", "ends: %s", rill_strerror(rc));
        return rc;
    }
    rc = log_stop(LOG_STOP_LIMIT);
    _exit(EXIT_SUCCESS); /* a quick stop cuts what runs; the kernel gives everything back */
    return rc;
}

/* --- before the loop --- */

static int set_signals(void)
{
    static const int ignored[] = { SIGHUP,  SIGINT,   SIGQUIT, SIGPIPE, SIGUSR1,
                                   SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &ignore, NULL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Close every descriptor that is not this worker's own: other workers' channels, all listening
 * sockets, the service manager's socket.   Returns: 0; -ENOMEM. */
static int close_others(void)
{
    const struct generation *generation = me.current;
    unsigned count = 0;
    int *keep = rill_alloc_zero(generation->dir_count + 4, sizeof *keep);
    if (keep == NULL)
        return -ENOMEM;
    log_descriptors(&keep[0], &keep[1]);
    keep[2] = me.start->channel;
    keep[3] = me.signal_fd;
    for (count = 4; count < generation->dir_count + 4; count++)
        keep[count] = generation->dirs[count - 4].fd;
    qsort(keep, count, sizeof *keep, compare_fds);
    unsigned from = STDERR_FILENO + 1;
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] < (int)from)
            continue;
        if (keep[i] > (int)from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0u, 0);
    rill_free(keep);
    return 0;
}

/* When memory runs out the kernel should take a worker and not the master. */
static void offer_to_oom_killer(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "we");
    if (file == NULL)
        return;
    fputs("500", file);
    fclose(file);
}

static int explain_ring(int code)
{
    char memory[CHANNEL_TEXT_MAX + 1];
    rill_text text = { memory, sizeof memory, 0, false };
    struct doctor_facts facts;
    doctor_look(me.start->workers, &facts);
    doctor_explain(code, rill_ring_problem(), &facts, &text);
    return fail_start(DOCTOR_EXIT, "%s", rill_text_end(&text));
}

int worker_main(const struct worker_start *start)
{
    char why_memory[200];
    rill_text why = { why_memory, sizeof why_memory, 0, false };
    me.start = start;
    me.current = start->generation;
    me.current->freed = tell_freed;
    shm_mine = start->page;
    log_identity((int)start->slot);
    me.signal_fd = set_signals();
    generation_keep_only(me.current);
    int rc = me.signal_fd < 0 ? me.signal_fd : close_others();
    if (rc < 0)
        return fail_start(EXIT_FAILURE, "worker %u: %s", start->slot, rill_strerror(rc));
    offer_to_oom_killer();
    if (cpus_pin(start->slot) < 0)
        log_line(LOG_WARNING, "worker", "cannot pin to a processor");
    if (privs_drop(start->privs, &why) < 0)
        return fail_start(DOCTOR_EXIT, "worker %u: %s", start->slot, rill_text_end(&why));
    rill_loop_opts opts = { .grace = HANDLER_GRACE };
    rc = rill_run_with(RILL_CORO(run, NULL), &opts);
    if (rc < 0 && !me.ran)
        return explain_ring(rc);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
