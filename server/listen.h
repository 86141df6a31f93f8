/* listen.h - the listening sockets: made, kept, dealt to worker slots, and given up by the master.
 *
 * An address of our own has one SO_REUSEPORT socket per worker slot, a unix: address one socket, and
 * an address that the service manager passed has as many as came. None is closed while its address is
 * configured, whatever happens to workers: what the kernel queued there is served by somebody. A new
 * configuration is applied in two steps: plan binds what is new and can fail, commit listens. */
#pragma once

#include "server/conf/conf.h"

enum {
    LISTEN_MAX = 64,
    LISTEN_INHERITED_MAX = 512,
    LISTEN_NAME_MAX = 256, /* of FileDescriptorName=, with its zero */
};

/* A set of worker slots. */
struct slot_set {
    uint64_t words[CONF_WORKERS_MAX / 64];
};

static inline bool slot_set_has(const struct slot_set *set, unsigned slot)
{
    return set->words[slot / 64] >> slot % 64 & 1;
}

static inline void slot_set_put(struct slot_set *set, unsigned slot, bool in)
{
    uint64_t bit = UINT64_C(1) << slot % 64;
    set->words[slot / 64] = in ? set->words[slot / 64] | bit : set->words[slot / 64] & ~bit;
}

struct listen_socket {
    uint32_t id; /* what the channel calls it; never used twice */
    int fd;
    bool listening;
    struct slot_set served; /* the workers that were told to accept on it; the master's to set */
};

/* One address with its sockets. */
struct listener {
    rill_addr address;             /* as configured; port 0: any */
    char name[RILL_ADDR_TEXT_MAX]; /* for messages: the address with its real port */
    char systemd[LISTEN_NAME_MAX]; /* NAME of systemd:NAME, else "" */
    int item, planned; /* index in the configuration's `listen`: now, after commit; -1: none */
    bool inherited;
    unsigned backlog;
    mode_t mode;
    dev_t file_device; /* of a unix: address, once it is there: whether the file is still ours */
    ino_t file_inode;
    struct listen_socket *sockets;
    unsigned socket_count;
};

/* A socket that the service manager passed and nobody uses yet. */
struct listen_inherited {
    int fd; /* -1: taken */
    rill_addr address;
    char name[LISTEN_NAME_MAX]; /* of LISTEN_FDNAMES */
};

/* All sockets of this master. Valid when zeroed. */
struct listen_set {
    struct listener *listeners[LISTEN_MAX * 2]; /* old and new ones during a change */
    unsigned count;
    uint32_t last_id;
    struct listen_inherited *inherited;
    unsigned inherited_count;
    unsigned unfit_count; /* descriptors that were passed and are no listening stream sockets */
};

/* Prepare the sockets that `conf` wants for `slots` workers, keeping those that are there. A busy
 * address is tried again for `patience`.
 * Returns: 0; -errno, then nothing has changed, `why` says it in one line and *ret_where where in the
 * configuration. */
int listen_plan(struct listen_set *set, const struct conf *conf, unsigned slots, rill_time patience,
                rill_text *why, struct conf_place *ret_where);

/* Listen on what was planned. Listeners that are no longer configured have item -1 then, and wait for
 * listen_remove.   Returns: 0; -errno and `why` (the others do listen). */
int listen_commit(struct listen_set *set, rill_text *why);

/* Undo a plan. */
void listen_abandon(struct listen_set *set);

/* Close the sockets of a listener and forget it; the file of a unix: address goes if it is ours. */
void listen_remove(struct listen_set *set, struct listener *listener);

/* What the kernel caps every backlog to (net.core.somaxconn). */
unsigned listen_backlog_max(void);

/* Remove all listeners. */
void listen_fini(struct listen_set *set);

/* Which slots should accept on socket `index` of `count`: of `slots` workers those it was dealt to, if
 * any of them is in `serving`, else the lowest serving one. */
void listen_deal(unsigned index, unsigned count, unsigned slots, const struct slot_set *serving,
                 struct slot_set *ret_slots);
