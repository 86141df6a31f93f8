/* reload.c - a new configuration generation in place of the current one, in all processes or in none.
 *
 * Prepare and commit: the master opens all that can fail (file, directories, logs, sockets), every
 * worker builds its tables beside the old ones and says so, and only then everybody swaps. A refusal,
 * or no answer within 5 s, leaves the current generation in place everywhere. A worker that dies in
 * between is started with the current generation and prepares the next one like the others.
 *
 * A generation is freed when nobody holds it: `holds` of each slot says what its process has. */
#include "server/reload.h"

#include "server/conf/read.h"
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define ANSWER_LIMIT   RILL_SEC(5)
#define START_PATIENCE RILL_SEC(2)  /* for an address that a former daemon still holds */
#define BUSY_PATIENCE  RILL_MS(200) /* the same while we serve */

/* --- what the configuration needs --- */

/* Write a finding where the operator looks: standard error at the start, then the log. */
static void tell(const struct master *master, bool error, const char *line)
{
    if (master->current == NULL)
        fprintf(stderr, "%s\n", line);
    else
        log_line(error ? LOG_ERROR : LOG_WARNING, "conf", "%s", line);
}

static void tell_report(const struct master *master, const struct conf_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        tell(master, report->findings[i].severity == CONF_ERROR, report->findings[i].text);
    if (report->more > 0) {
        char line[64];
        snprintf(line, sizeof line, "%zu more were found", report->more);
        tell(master, true, line);
    }
}

static void tell_at(const struct master *master, const struct conf *conf, struct conf_place place,
                    const char *cause)
{
    static struct conf_report report;
    report = (struct conf_report){ 0 };
    conf_report_add(&report, conf->source.at, CONF_ERROR, place, "%s", cause);
    tell_report(master, &report);
}

/* The workers that hold old generations, for the one message that needs them. */
static void tell_holders(const struct master *master)
{
    char line[512];
    rill_text text = { line, sizeof line, 0, false };
    rill_text_fmt(&text, "%d generations are alive; old ones are held by worker",
                  GENERATION_PLACES);
    for (unsigned i = 0; i < CONF_WORKERS_MAX && !text.full; i++)
        if (master->slots[i].holds & ~(1u << master->current->place))
            rill_text_fmt(&text, " %u (pid %d)", i, (int)master->slots[i].pid);
    tell(master, true, rill_text_end(&text));
}

static int load(struct master *master, struct generation **ret_generation)
{
    struct conf_report *report = rill_alloc_zero(1, sizeof *report);
    if (report == NULL)
        return -ENOMEM;
    int rc = generation_load(master->source, master->last_number + 1, report, ret_generation);
    tell_report(master, report);
    if (rc == -EBUSY)
        tell_holders(master);
    else if (rc < 0 && report->errors == 0)
        tell(master, true, rill_strerror(rc));
    rill_free(report);
    if (rc < 0)
        return rc;
    master->last_number++;
    master->alive[(*ret_generation)->place] = *ret_generation;
    return 0;
}

static int open_log(const struct master *master, const struct conf *conf,
                    const struct conf_log_target *target)
{
    int fd = log_open(target);
    if (fd < 0) {
        char cause[512];
        snprintf(cause, sizeof cause,
                 "cannot open log \"%s\": %s; correct the path or its permissions",
                 target->to == CONF_LOG_FILE ? conf_quote(target->path).text
                                             : "standard output or error",
                 fd == -ENXIO ? "it is a FIFO that nobody reads" : rill_strerror(fd));
        tell_at(master, conf, target->place, cause);
    }
    return fd;
}

static int open_logs(const struct master *master, const struct conf *conf, int *ret_access,
                     int *ret_error)
{
    int access = open_log(master, conf, &conf->log.access);
    if (access < 0)
        return access;
    int error = open_log(master, conf, &conf->log.error);
    if (error < 0) {
        close(access);
        return error;
    }
    *ret_access = access;
    *ret_error = error;
    return 0;
}

static int plan_sockets(struct master *master, const struct conf *conf, rill_time patience)
{
    char cause[256];
    rill_text why = { cause, sizeof cause, 0, false };
    struct conf_place place;
    int rc = listen_plan(&master->sockets, conf, master_workers(conf), patience, &why, &place);
    if (rc < 0) {
        rill_text_end(&why);
        tell_at(master, conf, place, cause);
    }
    return rc;
}

static int commit_sockets(struct master *master)
{
    char cause[256];
    rill_text why = { cause, sizeof cause, 0, false };
    int rc = listen_commit(&master->sockets, &why);
    if (rc < 0)
        tell(master, true, rill_text_end(&why));
    return rc;
}

static void drop_generation(struct master *master, struct generation *generation)
{
    master->alive[generation->place] = NULL;
    generation_unref(generation);
}

int reload_first(struct master *master)
{
    struct generation *generation;
    int access, error, rc = load(master, &generation);
    if (rc < 0)
        return rc;
    rc = open_logs(master, generation->conf, &access, &error);
    if (rc < 0)
        goto fail_generation;
    rc = plan_sockets(master, generation->conf, START_PATIENCE);
    if (rc < 0)
        goto fail_logs;
    rc = commit_sockets(master);
    if (rc < 0)
        goto fail_logs; /* who is not listening is not ready */
    log_use(&generation->conf->log, access, error);
    master->current = generation;
    return 0;
fail_logs:
    close(access);
    close(error);
fail_generation:
    drop_generation(master, generation);
    return rc;
}

/* --- messages to the workers --- */

static bool holds(const struct slot *slot, const struct generation *generation)
{
    return slot_lives(slot) && slot->holds >> generation->place & 1;
}

static void refuse(struct master *master, const char *why)
{
    log_line(LOG_ERROR, "reload", "refused: %s; generation %u stays", why, master->current->number);
    master->reload_refused = true;
}

static int send_generation(const struct slot *slot, const struct generation *generation, int access,
                           int error)
{
    struct channel_message message = { .type = CHANNEL_PREPARE,
                                       .number = generation->number,
                                       .value = generation->dir_count,
                                       .index = generation->place,
                                       .size = generation->size,
                                       .n_fds = 3,
                                       .fds = { generation->memory_fd, access, error } };
    int rc = channel_send(slot->channel, &message);
    for (unsigned first = 0; rc == 0 && first < generation->dir_count; first += CHANNEL_FDS_MAX) {
        message = (struct channel_message){ .type = CHANNEL_DIRS,
                                            .number = generation->number,
                                            .index = first };
        while (message.n_fds < CHANNEL_FDS_MAX && first + message.n_fds < generation->dir_count) {
            message.fds[message.n_fds] = generation->dirs[first + message.n_fds].fd;
            message.n_fds++;
        }
        rc = channel_send(slot->channel, &message);
    }
    return rc;
}

void reload_include(struct master *master, struct slot *slot)
{
    int rc = send_generation(slot, master->next, master->next_access, master->next_error);
    slot->holds |= (uint16_t)(1u << master->next->place);
    master->answer_due[slot->number] = true;
    if (rc < 0) {
        char why[96];
        snprintf(why, sizeof why, "worker %u does not take messages: %s", slot->number,
                 rill_strerror(rc));
        refuse(master, why);
    }
}

/* A draining worker keeps what it has until its end. */
static bool takes_part(const struct slot *slot)
{
    return slot->state == SLOT_STARTING || slot->state == SLOT_SERVING;
}

/* A worker that does not hear of the decision would serve another generation than the rest. */
static void send_decision(struct master *master, enum channel_type type)
{
    const struct channel_message message = { .type = type, .number = master->next->number };
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
        struct slot *slot = &master->slots[i];
        master->answer_due[i] =
            type == CHANNEL_COMMIT && holds(slot, master->next) && takes_part(slot);
        if (holds(slot, master->next) && channel_send(slot->channel, &message) < 0) {
            log_line(LOG_ERROR, "reload", "worker %u does not take messages", i);
            master->effects.kill(slot, SIGKILL, master->effects.arg);
        }
    }
}

/* --- prepare --- */

/* What only another start can change. */
static int check_change(struct master *master, const struct conf *conf)
{
    const struct conf *now = master->current->conf;
    if (master->privs.change &&
        (!rill_span_equal(now->user, conf->user) || !rill_span_equal(now->group, conf->group))) {
        tell_at(master, conf, conf->user_place, "`user` changed; restart rilld, or change it back");
        refuse(master, "the configuration cannot be used");
        return -EINVAL;
    }
    if (now->log.buffer != conf->log.buffer)
        log_line(LOG_WARNING, "reload", "log.buffer changed: workers started from now on have it");
    if (!rill_span_equal(now->pid_file, conf->pid_file))
        log_line(LOG_WARNING, "reload", "pid_file changed: the next start will have it");
    return 0;
}

int reload_begin(struct master *master)
{
    struct generation *generation;
    int access, error;
    master->reload_refused = false;
    int rc = load(master, &generation);
    if (rc < 0) {
        refuse(master, "the configuration cannot be used");
        return rc;
    }
    rc = check_change(master, generation->conf);
    if (rc < 0)
        goto fail_generation;
    rc = open_logs(master, generation->conf, &access, &error);
    if (rc < 0) {
        refuse(master, "a log cannot be opened");
        goto fail_generation;
    }
    rc = plan_sockets(master, generation->conf, BUSY_PATIENCE);
    if (rc < 0) {
        refuse(master, "an address cannot be used");
        goto fail_logs;
    }
    master->next = generation;
    master->next_access = access;
    master->next_error = error;
    master->reload_deadline = rill_time_add(master->now, ANSWER_LIMIT);
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
        struct slot *slot = &master->slots[i];
        if (takes_part(slot))
            reload_include(master, slot);
    }
    return 0;
fail_logs:
    close(access);
    close(error);
fail_generation:
    drop_generation(master, generation);
    return rc;
}

void reload_answer(struct master *master, struct slot *slot, const struct channel_message *message)
{
    bool committed = message->type == CHANNEL_COMMITTED;
    const struct generation *asked = committed ? master->current : master->next;
    if (asked == NULL || message->number != asked->number || !master->answer_due[slot->number])
        return; /* an answer to a question that is settled */
    if (message->type != CHANNEL_REFUSED) {
        master->answer_due[slot->number] = false;
        return;
    }
    char why[CHANNEL_TEXT_MAX + 64];
    snprintf(why, sizeof why, "worker %u says: %s", slot->number, message->text);
    refuse(master, why);
}

/* A slot whose answer is due.   Returns: its number; CONF_WORKERS_MAX if there is none. */
static unsigned find_due(const struct master *master)
{
    unsigned slot = 0;
    while (slot < CONF_WORKERS_MAX && !master->answer_due[slot])
        slot++;
    return slot;
}

bool reload_is_over(struct master *master)
{
    return find_due(master) == CONF_WORKERS_MAX || master->now >= master->reload_deadline;
}

bool reload_is_decided(struct master *master)
{
    unsigned due = find_due(master);
    if (due == CONF_WORKERS_MAX)
        return true;
    if (!master->reload_refused && master->now >= master->reload_deadline) {
        char why[64];
        snprintf(why, sizeof why, "worker %u did not answer within 5 s", due);
        refuse(master, why);
    }
    return master->reload_refused;
}

/* --- commit or abandon --- */

/* Workers know from the new configuration which addresses are gone, and serve what is queued there
 * before they close theirs. */
static void remove_sockets(struct master *master)
{
    for (unsigned i = master->sockets.count; i-- > 0;) {
        struct listener *listener = master->sockets.listeners[i];
        if (listener->item >= 0)
            continue;
        log_line(LOG_INFO, "listen", "%s is gone", listener->name);
        listen_remove(&master->sockets, listener);
    }
}

void reload_commit(struct master *master)
{
    struct generation *former = master->current;
    master->reload_deadline = rill_time_add(master->now, ANSWER_LIMIT);
    send_decision(master, CHANNEL_COMMIT);
    master->current = master->next;
    master->next = NULL;
    log_use(&master->current->conf->log, master->next_access, master->next_error);
    (void)commit_sockets(master); /* the log says which; the others do listen */
    remove_sockets(master);
    master->deal_again = true;
    log_line(LOG_INFO, "reload", "generation %u is in use, after %u", master->current->number,
             former->number);
    reload_collect(master);
}

void reload_abandon(struct master *master)
{
    if (master->next == NULL)
        return; /* it never came to be sent */
    send_decision(master, CHANNEL_ABANDON);
    listen_abandon(&master->sockets);
    close(master->next_access);
    close(master->next_error);
    master->next = NULL;
    reload_collect(master);
}

void reload_collect(struct master *master)
{
    for (unsigned place = 0; place < GENERATION_PLACES; place++) {
        struct generation *generation = master->alive[place];
        if (generation == NULL || generation == master->current || generation == master->next)
            continue;
        bool held = false;
        for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
            held = held || holds(&master->slots[i], generation);
        if (!held)
            drop_generation(master, generation);
    }
}

/* --- logs --- */

static int reopen(const struct master *master, const struct conf_log_target *target, int current)
{
    int fd = open_log(master, master->current->conf, target);
    return fd >= 0 ? fd : fcntl(current, F_DUPFD_CLOEXEC, 3);
}

void reload_reopen_logs(struct master *master)
{
    const struct conf_log *log = &master->current->conf->log;
    int access, error;
    master->reopen_again = master->next != NULL;
    log_descriptors(&access, &error);
    access = reopen(master, &log->access, access);
    error = reopen(master, &log->error, error);
    if (access < 0 || error < 0) { /* out of descriptors: everybody keeps the old ones */
        if (access >= 0)
            close(access);
        if (error >= 0)
            close(error);
        return;
    }
    const struct channel_message message = { .type = CHANNEL_LOGS,
                                             .n_fds = 2,
                                             .fds = { access, error } };
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        if (slot_lives(&master->slots[i]) && master->slots[i].channel >= 0 &&
            channel_send(master->slots[i].channel, &message) < 0)
            log_line(LOG_ERROR, "log", "worker %u does not take the new log files", i);
    log_use(log, access, error);
    log_line(LOG_INFO, "log", "log files were opened again");
}
