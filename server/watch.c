/* watch.c - what the master hears and sees of its workers: messages, deaths, heartbeats.
 *
 * Turns them into events for slot.c and phase.c. What a worker sends is data: it can name generations
 * that it holds and end itself, nothing else. */
#include "server/watch.h"

#include "server/doctor.h"
#include "server/log.h"
#include "server/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES_PER_TURN = 64 };

/* --- what workers say --- */

static void worker_failed(struct master *master, struct slot *slot,
                          const struct channel_message *message)
{
    bool hopeless = message->value == DOCTOR_EXIT;
    if (master->phase == PHASE_STOPPING)
        return; /* most likely what another one said */
    if (master->phase != PHASE_STARTING) {
        log_line(LOG_ERROR, "master", "worker %u cannot start: %s", slot->number, message->text);
        return;
    }
    fprintf(stderr, "rilld: %s\n", message->text);
    master->exit_status = hopeless ? DOCTOR_EXIT : EXIT_FAILURE;
    master_event(master, EVENT_FAILED);
}

/* The kernel is the same for all: the first one tells of its ring. */
static void worker_ready(struct master *master, struct slot *slot, const char *features)
{
    if (!master->features_told && features[0] != '\0')
        log_line(LOG_INFO, "master", "the rings use: %s", features);
    master->features_told = true;
    master_slot_event(master, slot, SLOT_READY);
}

/* A generation it may have: any of the living ones but the current and the next. */
static void worker_freed(struct master *master, struct slot *slot, uint32_t number)
{
    for (unsigned place = 0; place < GENERATION_PLACES; place++)
        if (master->alive[place] != NULL && master->alive[place]->number == number)
            slot->holds &= (uint16_t) ~(1u << place);
    reload_collect(master);
}

static void handle_message(struct master *master, struct slot *slot,
                           const struct channel_message *message)
{
    switch (message->type) {
    case CHANNEL_READY: worker_ready(master, slot, message->text); break;
    case CHANNEL_FAILED: worker_failed(master, slot, message); break;
    case CHANNEL_PREPARED:
    case CHANNEL_REFUSED:
    case CHANNEL_COMMITTED: reload_answer(master, slot, message); break;
    case CHANNEL_FREED: worker_freed(master, slot, message->number); break;
    case CHANNEL_LEAVING:
        master->answer_due[slot->number] = false; /* it has forgotten what it was asked */
        master_slot_event(master, slot, SLOT_LEAVE);
        break;
    case CHANNEL_DRAINED:
        log_line(LOG_INFO, "master", "worker %u has drained, %u requests were cut", slot->number,
                 message->value);
        master->cut += message->value;
        break;
    default: break; /* the channel lets nothing else through */
    }
}

void watch_channel(struct master *master, struct slot *slot)
{
    for (int i = 0; i < MESSAGES_PER_TURN && slot->channel >= 0; i++) {
        struct channel_message message;
        int rc = channel_receive(slot->channel, CHANNEL_WORKER, &message);
        if (rc == -EAGAIN)
            return;
        if (rc > 0) {
            handle_message(master, slot, &message);
            continue;
        }
        if (rc < 0) { /* I4 */
            log_line(LOG_ERROR, "master", "worker %u broke the protocol: %s", slot->number,
                     rill_strerror(rc));
            master->effects.kill(slot, SIGKILL, master);
        }
        close(slot->channel); /* its pidfd tells the rest */
        slot->channel = -1;
    }
}

static void log_death(const struct slot *slot, const siginfo_t *info, uint64_t in_flight)
{
    bool expected =
        slot->state == SLOT_DRAINING && info->si_code == CLD_EXITED && info->si_status == 0;
    if (expected)
        log_line(LOG_INFO, "master", "worker %u (pid %d) has ended", slot->number, (int)slot->pid);
    else if (info->si_code == CLD_EXITED)
        log_line(LOG_ERROR, "master",
                 "worker %u (pid %d) exited with status %d, %llu requests in "
                 "flight",
                 slot->number, (int)slot->pid, info->si_status, (unsigned long long)in_flight);
    else
        log_line(LOG_ERROR, "master",
                 "worker %u (pid %d) was killed by signal %d (SIG%s), %llu "
                 "requests in flight",
                 slot->number, (int)slot->pid, info->si_status, sigabbrev_np(info->si_status),
                 (unsigned long long)in_flight);
}

void watch_death(struct master *master, struct slot *slot)
{
    siginfo_t info = { 0 };
    if (waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    struct shm_worker *page = shm_page(master->pages, slot->number);
    uint64_t in_flight = shm_get(&page->in_flight);
    log_death(slot, &info, in_flight);
    if (slot->killed && master->phase == PHASE_DRAINING)
        master->cut += in_flight > 0 ? in_flight : 1; /* whatever kept it */
    if (slot->killed && master->phase == PHASE_STOPPING && master->exit_status == EXIT_SUCCESS)
        master->exit_status = EXIT_FAILURE; /* a stop that did not keep its limit */
    shm_clear_gauges(page);
    close(slot->pidfd);
    if (slot->channel >= 0)
        close(slot->channel);
    slot->pid = 0;
    slot->pidfd = slot->channel = -1;
    slot->holds = 0;
    master->answer_due[slot->number] = false;
    for (unsigned i = 0; i < master->sockets.count; i++)
        for (unsigned j = 0; j < master->sockets.listeners[i]->socket_count; j++)
            slot_set_put(&master->sockets.listeners[i]->sockets[j].served, slot->number, false);
    master_slot_event(master, slot, SLOT_DIED);
    master->deal_again = true;
    reload_collect(master);
}

void watch_heartbeat(struct master *master, struct slot *slot)
{
    uint64_t beat = shm_get(&shm_page(master->pages, slot->number)->heartbeat);
    if (beat != slot->beat) {
        slot->beat = beat;
        slot->beat_at = master->now;
    } else if (master->now - slot->beat_at >= SLOT_SILENCE) {
        log_line(LOG_ERROR, "master", "worker %u (pid %d) is stuck: no heartbeat for 5 s",
                 slot->number, (int)slot->pid);
        master_slot_event(master, slot, SLOT_SILENT);
    }
}
