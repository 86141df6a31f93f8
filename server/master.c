/* master.c - the life of the daemon: workers in their slots, signals, reload, drain, stop.
 *
 * One thread, one poll. A turn reads signals, what workers say, and their deaths; then looks at the
 * clock; then puts the world in order: who serves which socket, which generations are held, which
 * phase comes next. Two tables decide: phase.c what an event means to the whole, slot.c what it means
 * to one worker. This file turns what it sees into events and does what the tables say.
 *
 * I1  A listening socket is closed only when its address is no longer configured or the master ends.
 * I2  While somebody serves, every socket is served: deal_sockets makes it so after each change, and
 *     a new server is told before the former one is told to stop.
 * I3  All workers that serve have the same current generation, except between two turns of a commit.
 * I4  What a worker sends is data: it can name its own generations and end itself, nothing else. A
 *     message that is not allowed costs the worker its life.
 * I5  Every process the master forked is either in a slot or reaped.
 *
 * If the master dies, each worker sees the end of its channel, drains and exits. If a worker dies, its
 * sockets live on in the master, and the lowest serving worker takes them over until the slot serves
 * again. Why no SIGCHLD: a pidfd per worker cannot be confused by a process id used again, and says
 * which one it was. */
#include "server/master.h"

#include "server/cpus.h"
#include "server/deal.h"
#include "server/launch.h"
#include "server/log.h"
#include "server/pidfile.h"
#include "server/reload.h"
#include "server/watch.h"
#include "server/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A turn lasts no longer, but for the one whose master was held up. */
#define TURN_LIMIT RILL_SEC(1)

static struct master the_master;

/* --- start of a worker --- */

unsigned master_workers(const struct conf *conf)
{
    if (conf->workers != CONF_AUTO)
        return conf->workers;
    unsigned count = cpus_count();
    return count < CONF_WORKERS_MAX ? count : CONF_WORKERS_MAX;
}

__attribute__((noreturn)) static void be_worker(struct master *master, const struct slot *slot,
                                                int channel)
{
    const struct worker_start start = { .slot = slot->number,
                                        .workers = master->workers,
                                        .channel = channel,
                                        .generation = master->current,
                                        .privs = &master->privs,
                                        .page = shm_page(master->pages, slot->number) };
    _exit(worker_main(&start));
}

static int spawn(struct slot *slot, void *arg)
{
    struct master *master = arg;
    int pair[2], rc = channel_open(pair);
    if (rc < 0)
        return rc;
    pid_t pid = fork();
    if (pid == 0)
        be_worker(master, slot, pair[1]);
    rc = -errno;
    close(pair[1]);
    int pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (pidfd < 0) {
        log_line(LOG_ERROR, "master", "cannot start worker %u: %s", slot->number,
                 rill_strerror(pid < 0 ? rc : -errno));
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0); /* I5 */
        }
        close(pair[0]);
        return -EAGAIN;
    }
    slot->pid = pid;
    slot->pidfd = pidfd;
    slot->channel = pair[0];
    slot->holds = (uint16_t)(1u << master->current->place);
    if (master->phase == PHASE_RELOADING && master->next != NULL)
        reload_include(master, slot);
    return 0;
}

static void kill_worker(struct slot *slot, int signal_number, void *arg)
{
    (void)arg;
    if (slot_lives(slot))
        log_line(LOG_WARNING, "master", "worker %u (pid %d) is %s: sending %s", slot->number,
                 (int)slot->pid, slot_state_name(slot->state),
                 signal_number == SIGABRT ? "SIGABRT" : "SIGKILL");
    if (slot_lives(slot))
        pidfd_send_signal(slot->pidfd, signal_number, NULL, 0);
}

static void send_plain(struct slot *slot, enum channel_type type, void *arg)
{
    (void)arg;
    const struct channel_message message = { .type = type };
    if (slot->channel >= 0)
        channel_send(slot->channel, &message); /* if it fails, the slot's deadline decides */
}

/* --- events --- */

void master_slot_event(struct master *master, struct slot *slot, enum slot_event event)
{
    enum slot_state before = slot->state;
    slot_handle(slot, event, master->now, &master->effects);
    if (slot->state == before)
        return;
    log_line(LOG_DEBUG, "master", "worker %u: %s, was %s", slot->number,
             slot_state_name(slot->state), slot_state_name(before));
    master->deal_again = true;
}

static void all_slots(struct master *master, enum slot_event event)
{
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        master_slot_event(master, &master->slots[i], event);
}

/* Start and drain slots until there are as many workers as the configuration wants. */
static void fit_slots(struct master *master)
{
    master->workers = master_workers(master->current->conf);
    master->effects.drain_limit = rill_time_add(master->current->conf->drain_timeout, RILL_SEC(3));
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
        struct slot *slot = &master->slots[i];
        if (i < master->workers && !slot->wanted)
            master_slot_event(master, slot, SLOT_START);
        else if (i >= master->workers && slot->wanted)
            master_slot_event(master, slot, SLOT_DRAIN);
    }
}

/* The daemon's parent waits for this, once. */
static void tell_start(struct master *master, int status)
{
    if (!master->ready_told && master->ready != NULL)
        master->ready(status);
    master->ready_told = true;
}

/* Slots in one state. */
static unsigned count(const struct master *master, enum slot_state state)
{
    unsigned found = 0;
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        found += master->slots[i].state == state;
    return found;
}

static void tell_status(struct master *master, const char *before)
{
    master->status_told = count(master, SLOT_SERVING);
    notify_send(&master->notify, "%sSTATUS=serving, generation %u, %u of %u workers", before,
                master->current->number, master->status_told, master->workers);
}

static void announce(struct master *master)
{
    const struct conf *conf = master->current->conf;
    snprintf(master->pid_file, sizeof master->pid_file, "%s",
             conf->pid_file.size > 0 ? conf->pid_file.at : "");
    int rc = master->pid_file[0] == '\0' ? 0 : pidfile_write(master->pid_file);
    if (rc < 0)
        log_line(LOG_ERROR, "master", "cannot write pid file \"%s\": %s", master->pid_file,
                 rill_strerror(rc));
    log_line(LOG_INFO, "master", "ready: %u workers, generation %u", master->workers,
             master->current->number);
    tell_status(master, "READY=1\n");
    tell_start(master, EXIT_SUCCESS);
}

static void start_drain(struct master *master)
{
    log_line(LOG_INFO, "master", "draining");
    notify_send(&master->notify, "STOPPING=1\nSTATUS=draining");
    all_slots(master, SLOT_DRAIN);
}

static void start_stop(struct master *master)
{
    log_line(LOG_INFO, "master", "stopping");
    notify_send(&master->notify, "STOPPING=1\nSTATUS=stopping");
    all_slots(master, SLOT_STOP);
}

static void begin_reload(struct master *master)
{
    notify_reloading(&master->notify, rill_now());
    reload_begin(master); /* if it fails, the turn sees that it was refused */
}

/* Do what was asked for meanwhile. */
static void reload_if_asked(struct master *master)
{
    if (!master->reload_again)
        return;
    master->reload_again = false;
    master_event(master, EVENT_HUP);
}

static void end_reload(struct master *master)
{
    if (master->reopen_again)
        reload_reopen_logs(master);
    tell_status(master, "READY=1\n");
    reload_if_asked(master);
}

void master_event(struct master *master, enum phase_event event)
{
    switch (phase_step(master->phase, event, &master->phase)) {
    case ACTION_ANNOUNCE:
        announce(master);
        reload_if_asked(master);
        break;
    case ACTION_RELOAD: begin_reload(master); break;
    case ACTION_REMEMBER: master->reload_again = true; break;
    case ACTION_COMMIT:
        reload_commit(master);
        fit_slots(master);
        break;
    case ACTION_ABANDON: reload_abandon(master); __attribute__((fallthrough));
    case ACTION_SETTLE: end_reload(master); break;
    case ACTION_REOPEN: reload_reopen_logs(master); break;
    case ACTION_ABANDON_DRAIN: reload_abandon(master); __attribute__((fallthrough));
    case ACTION_DRAIN: start_drain(master); break;
    case ACTION_ABANDON_STOP: reload_abandon(master); __attribute__((fallthrough));
    case ACTION_STOP: start_stop(master); break;
    case ACTION_FAIL:
        if (master->exit_status == EXIT_SUCCESS)
            master->exit_status = EXIT_FAILURE;
        reload_abandon(master);
        start_stop(master);
        break;
    case ACTION_NONE:
    case ACTION_END:
    case ACTIONS: break;
    }
}

/* --- the clock --- */

/* The master's clock stands still while the master does: stopped, or in a call that the kernel does not
 * finish (reaping a process may take it seconds while others look at /proc). What was not seen in that
 * time is nobody's silence, and limits set before it are not over. */
static void read_clock(struct master *master)
{
    rill_time read = rill_now(), passed = read - master->clock_read;
    master->clock_read = read;
    master->now += passed < TURN_LIMIT ? passed : TURN_LIMIT;
    if (passed > TURN_LIMIT && master->ping_at != RILL_FOREVER)
        master->ping_at = master->now; /* the service manager's did not stand still */
}

static void check_slots(struct master *master)
{
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
        struct slot *slot = &master->slots[i];
        if (slot->state == SLOT_SERVING)
            watch_heartbeat(master, slot);
        if (master->now >= slot->deadline)
            master_slot_event(master, slot, SLOT_TIMER);
    }
}

static void check_watchdog(struct master *master)
{
    if (master->now < master->ping_at)
        return;
    notify_send(&master->notify, "WATCHDOG=1");
    master->ping_at = master->now + master->notify.watchdog / 3;
}

static void check_start(struct master *master)
{
    unsigned serving = count(master, SLOT_SERVING), degraded = count(master, SLOT_DEGRADED);
    if (serving > 0 && serving + degraded >= master->workers) {
        master_event(master, EVENT_READY);
    } else if (serving == 0 && degraded > 0) {
        fprintf(stderr, "rilld: workers die as soon as they start; see the error log\n");
        master_event(master, EVENT_FAILED);
    }
}

static void check_life(struct master *master)
{
    if (count(master, SLOT_SERVING) > 0) {
        master->none_since = RILL_FOREVER;
    } else if (master->none_since == RILL_FOREVER) {
        master->none_since = master->now;
    } else if (master->now - master->none_since >= RILL_SEC(30)) {
        log_line(LOG_ERROR, "master", "no live worker for 30 s: giving up");
        master_event(master, EVENT_FAILED);
    }
}

static bool is_empty(const struct master *master)
{
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        if (slot_lives(&master->slots[i]))
            return false;
    return true;
}

static bool serves(const struct master *master)
{
    return master->phase > PHASE_STARTING && master->phase < PHASE_DRAINING;
}

/* Put the world in order after what this turn brought. */
static void settle(struct master *master)
{
    check_slots(master);
    check_watchdog(master);
    if (master->phase == PHASE_STARTING)
        check_start(master);
    else if (serves(master))
        check_life(master);
    if (master->phase == PHASE_RELOADING && (master->reload_refused || reload_is_decided(master)))
        master_event(master, master->reload_refused ? EVENT_REFUSED : EVENT_PREPARED);
    if (master->phase == PHASE_COMMITTING && reload_is_over(master))
        master_event(master, EVENT_COMMITTED);
    if (master->deal_again && serves(master))
        deal_sockets(master);
    if (master->phase == PHASE_SERVING && count(master, SLOT_SERVING) != master->status_told)
        tell_status(master, "");
    if (master->phase >= PHASE_DRAINING && is_empty(master))
        master_event(master, EVENT_EMPTY);
}

/* --- the turn --- */

static void take_signals(struct master *master)
{
    struct signalfd_siginfo info;
    while (read(master->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        log_line(LOG_INFO, "master", "SIG%s from pid %u", sigabbrev_np((int)info.ssi_signo),
                 info.ssi_pid);
        switch (info.ssi_signo) {
        case SIGTERM: master_event(master, EVENT_TERM); break;
        case SIGINT:
        case SIGQUIT: master_event(master, EVENT_QUIT); break;
        case SIGHUP: master_event(master, EVENT_HUP); break;
        case SIGUSR1: master_event(master, EVENT_USR1); break;
        default: break;
        }
    }
}

/* How long poll may wait: until the next deadline, or half a second for the heartbeats. */
static int wait_ms(const struct master *master)
{
    rill_time until = rill_time_add(master->now, master->deal_again ? RILL_MS(20) : RILL_MS(500));
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        if (master->slots[i].deadline < until)
            until = master->slots[i].deadline;
    if ((master->phase == PHASE_RELOADING || master->phase == PHASE_COMMITTING) &&
        master->reload_deadline < until)
        until = master->reload_deadline;
    if (master->ping_at < until)
        until = master->ping_at;
    rill_time left = until - master->now - (rill_now() - master->clock_read);
    return left <= 0 ? 0 : (int)((left + RILL_MS(1) - 1) / RILL_MS(1));
}

static void turn(struct master *master)
{
    static struct pollfd fds[1 + 2 * CONF_WORKERS_MAX];
    static struct slot *owners[1 + 2 * CONF_WORKERS_MAX];
    nfds_t used = 0;
    fds[used++] = (struct pollfd){ .fd = master->signal_fd, .events = POLLIN };
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
        struct slot *slot = &master->slots[i];
        if (!slot_lives(slot))
            continue;
        owners[used] = slot;
        fds[used++] = (struct pollfd){ .fd = slot->channel, .events = POLLIN };
        owners[used] = slot;
        fds[used++] = (struct pollfd){ .fd = slot->pidfd, .events = POLLIN };
    }
    poll(fds, used, wait_ms(master));
    read_clock(master);
    if (fds[0].revents != 0)
        take_signals(master);
    for (nfds_t i = 1; i < used; i += 2) { /* its last words first */
        if (fds[i].revents != 0)
            watch_channel(master, owners[i]);
        if (fds[i + 1].revents != 0) {
            watch_channel(master, owners[i]);
            watch_death(master, owners[i]);
        }
    }
    settle(master);
}

/* --- start and end --- */

static int finish(struct master *master)
{
    if (master->cut > 0) {
        log_line(LOG_WARNING, "master", "%llu requests were cut", (unsigned long long)master->cut);
        notify_send(&master->notify, "STATUS=%llu requests were cut",
                    (unsigned long long)master->cut);
        if (master->exit_status == EXIT_SUCCESS)
            master->exit_status = EXIT_FAILURE;
    }
    if (master->pid_file[0] != '\0')
        pidfile_remove(master->pid_file);
    log_line(LOG_INFO, "master", "ended with status %d", master->exit_status);
    return master->exit_status;
}

int master_run(struct master_options *options)
{
    struct master *master = &the_master;
    *master = (struct master){ .phase = PHASE_STARTING,
                               .now = rill_now(),
                               .clock_read = rill_now(),
                               .none_since = RILL_FOREVER,
                               .ping_at = RILL_FOREVER,
                               .source = &options->source,
                               .ready = options->ready,
                               .sockets = options->sockets,
                               .notify = options->notify };
    master->effects = (struct slot_effects){
        .spawn = spawn, .kill = kill_worker, .send = send_plain, .arg = master
    };
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        slot_init(&master->slots[i], i);
    int status = launch_prepare(master);
    if (status == EXIT_SUCCESS) {
        launch_log(master);
        if (master->notify.watchdog > 0)
            master->ping_at = master->now;
        fit_slots(master);
        while (master->phase != PHASE_OVER)
            turn(master);
        status = finish(master);
    }
    tell_start(master, status);
    listen_fini(&master->sockets);
    notify_fini(&master->notify);
    return status;
}
