/* channel.h - typed messages between the master and one worker, with descriptors.
 *
 * A channel is a SOCK_SEQPACKET socket pair: one datagram is one message, its end is the death of
 * the other side. No call here ever waits. What a worker sends is hostile input to the master: the
 * decoder knows which side may send which type, and no worker may pass a descriptor. */
#pragma once

#include <stdint.h>

#include <rill/text.h>

enum { CHANNEL_FDS_MAX = 64, CHANNEL_TEXT_MAX = 255, CHANNEL_SIZE_MAX = 512 };

enum channel_type {
    /* From a worker. */
    CHANNEL_READY = 1, /* it can serve: `text` what its ring uses of the kernel */
    CHANNEL_FAILED,    /* it cannot start: `value` exit status, `text` why */
    CHANNEL_PREPARED,  /* generation `number` can be committed */
    CHANNEL_REFUSED,   /* it cannot: `text` why */
    CHANNEL_COMMITTED, /* generation `number` is served now */
    CHANNEL_FREED,     /* generation `number` has had its last request there */
    CHANNEL_LEAVING,   /* it was told to drain by a signal; takes no more connections */
    CHANNEL_DRAINED,   /* done: `value` requests were cut */

    /* From the master. */
    CHANNEL_PREPARE,  /* generation `number`: memory file and two logs; `size` octets, `value`
                         directories follow, `index` is its place in the address range */
    CHANNEL_DIRS,     /* directories `index` and up of generation `number` */
    CHANNEL_COMMIT,   /* serve generation `number` from now on */
    CHANNEL_ABANDON,  /* forget generation `number` */
    CHANNEL_LOGS,     /* write to these two from now on: access, error */
    CHANNEL_LISTEN,   /* serve socket `value`, which comes with it, by item `index` of `listen` */
    CHANNEL_UNLISTEN, /* stop serving socket `value`: somebody else does */
    CHANNEL_DRAIN,    /* finish and exit */
    CHANNEL_STOP,     /* exit now */
    CHANNEL_TYPES
};

enum channel_side { CHANNEL_MASTER, CHANNEL_WORKER };

/* One message. Fields that its type does not name are 0. */
struct channel_message {
    enum channel_type type;
    uint32_t number, value, index;
    uint64_t size;
    char text[CHANNEL_TEXT_MAX + 1];
    unsigned n_fds;
    int fds[CHANNEL_FDS_MAX]; /* sent: borrowed; received: the receiver's own, close-on-exec */
};

/* Make a pair; both ends are non-blocking and close-on-exec.
 * Returns: 0, [0] for the master and [1] for the worker; -errno. */
int channel_open(int ret_fds[2]);

/* Put the octets of `message` into `memory`.   Returns: the octets used; -EMSGSIZE; -EINVAL (type). */
int channel_encode(const struct channel_message *message, void *memory, size_t size);

/* Read a message that `from` sent along with `n_fds` descriptors. Texts come out printable.
 * Returns: 0 and the message with n_fds and without fds; -EPROTO (anything not allowed). */
int channel_decode(const void *memory, size_t size, unsigned n_fds, enum channel_side from,
                   struct channel_message *ret_message);

/* Send; never waits.   Returns: 0; -EAGAIN (the other side does not read); -EPIPE (it is gone). */
int channel_send(int fd, const struct channel_message *message);

/* Take one message that `from` sent; never waits.
 * Returns: 1 and the message, whose descriptors the caller owns; 0 (the other side is gone);
 *          -EAGAIN (none there); -EPROTO (not allowed; nothing is kept open). */
int channel_receive(int fd, enum channel_side from, struct channel_message *ret_message);

/* Close the descriptors of a received message that nobody took; taken ones are set to -1. */
void channel_release(struct channel_message *message);
