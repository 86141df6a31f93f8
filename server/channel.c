/* channel.c - typed messages between the master and one worker, with descriptors.
 *
 * On the wire a message is a fixed head in the machine's own order (both ends are the same program)
 * and a text. `rules` says per type who sends it and how many descriptors come along. */
#include "server/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct wire {
    uint32_t type, number, value, index;
    uint64_t size;
    uint32_t text_size, spare;
};

_Static_assert(sizeof(struct wire) + CHANNEL_TEXT_MAX <= CHANNEL_SIZE_MAX, "room for the largest");

static const struct rule {
    enum channel_side from;
    unsigned fds_min, fds_max;
} rules[CHANNEL_TYPES] = {
    [CHANNEL_READY] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_FAILED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_PREPARED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_REFUSED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_COMMITTED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_FREED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_LEAVING] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_DRAINED] = { CHANNEL_WORKER, 0, 0 },
    [CHANNEL_PREPARE] = { CHANNEL_MASTER, 3, 3 },
    [CHANNEL_DIRS] = { CHANNEL_MASTER, 1, CHANNEL_FDS_MAX },
    [CHANNEL_COMMIT] = { CHANNEL_MASTER, 0, 0 },
    [CHANNEL_ABANDON] = { CHANNEL_MASTER, 0, 0 },
    [CHANNEL_LOGS] = { CHANNEL_MASTER, 2, 2 },
    [CHANNEL_LISTEN] = { CHANNEL_MASTER, 1, 1 },
    [CHANNEL_UNLISTEN] = { CHANNEL_MASTER, 0, 0 },
    [CHANNEL_DRAIN] = { CHANNEL_MASTER, 0, 0 },
    [CHANNEL_STOP] = { CHANNEL_MASTER, 0, 0 },
};

int channel_open(int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    memcpy(ret_fds, fds, sizeof fds);
    return 0;
}

int channel_encode(const struct channel_message *message, void *memory, size_t size)
{
    if (message->type < 1 || message->type >= CHANNEL_TYPES)
        return -EINVAL;
    size_t text_size = strnlen(message->text, CHANNEL_TEXT_MAX);
    if (size < sizeof(struct wire) + text_size)
        return -EMSGSIZE;
    const struct wire wire = { .type = message->type,
                               .number = message->number,
                               .value = message->value,
                               .index = message->index,
                               .size = message->size,
                               .text_size = (uint32_t)text_size };
    memcpy(memory, &wire, sizeof wire);
    memcpy((char *)memory + sizeof wire, message->text, text_size);
    return (int)(sizeof wire + text_size);
}

/* A worker's text ends up in the log: no octet of it may start a line or move a cursor. */
static void copy_printable(char *to, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?';
    to[size] = '\0';
}

int channel_decode(const void *memory, size_t size, unsigned n_fds, enum channel_side from,
                   struct channel_message *ret_message)
{
    struct wire wire;
    if (size < sizeof wire)
        return -EPROTO;
    memcpy(&wire, memory, sizeof wire);
    if (wire.type < 1 || wire.type >= CHANNEL_TYPES || wire.spare != 0 ||
        wire.text_size > CHANNEL_TEXT_MAX || size != sizeof wire + wire.text_size)
        return -EPROTO;
    const struct rule *rule = &rules[wire.type];
    if (rule->from != from || n_fds < rule->fds_min || n_fds > rule->fds_max)
        return -EPROTO;
    ret_message->type = wire.type;
    ret_message->number = wire.number;
    ret_message->value = wire.value;
    ret_message->index = wire.index;
    ret_message->size = wire.size;
    ret_message->n_fds = n_fds;
    copy_printable(ret_message->text, (const char *)memory + sizeof wire, wire.text_size);
    return 0;
}

/* Room for the descriptors of one message, aligned as the kernel wants it. */
union control {
    char octets[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
    struct cmsghdr align;
};

int channel_send(int fd, const struct channel_message *message)
{
    char octets[CHANNEL_SIZE_MAX];
    int size = channel_encode(message, octets, sizeof octets);
    if (size < 0)
        return size;
    if (message->n_fds > CHANNEL_FDS_MAX)
        return -EINVAL;
    union control control = { 0 };
    struct iovec part = { octets, (size_t)size };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1 };
    if (message->n_fds > 0) {
        size_t fds_size = sizeof(int) * message->n_fds;
        head.msg_control = control.octets;
        head.msg_controllen = CMSG_SPACE(fds_size);
        struct cmsghdr *item = CMSG_FIRSTHDR(&head);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(fds_size);
        memcpy(CMSG_DATA(item), message->fds, fds_size);
    }
    while (sendmsg(fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return errno == ECONNRESET ? -EPIPE : -errno;
    return 0;
}

/* Collect the descriptors that came along.   Returns: how many. */
static unsigned take_fds(struct msghdr *head, int *fds)
{
    unsigned count = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(head); item; item = CMSG_NXTHDR(head, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
            continue;
        size_t size = item->cmsg_len - CMSG_LEN(0);
        memcpy(fds + count, CMSG_DATA(item), size);
        count += (unsigned)(size / sizeof(int));
    }
    return count;
}

int channel_receive(int fd, enum channel_side from, struct channel_message *ret_message)
{
    char octets[CHANNEL_SIZE_MAX];
    union control control;
    struct iovec part = { octets, sizeof octets };
    struct msghdr head = { .msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.octets,
                           .msg_controllen = sizeof control.octets };
    ssize_t size;
    while ((size = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0)
        if (errno != EINTR)
            return errno == ECONNRESET ? 0 : -errno;
    struct channel_message message = { .type = CHANNEL_TYPES };
    message.n_fds = take_fds(&head, message.fds);
    if (size == 0 && message.n_fds == 0)
        return 0;
    int rc = head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)
                 ? -EPROTO
                 : channel_decode(octets, (size_t)size, message.n_fds, from, &message);
    if (rc < 0) {
        channel_release(&message);
        return rc;
    }
    *ret_message = message;
    return 1;
}

void channel_release(struct channel_message *message)
{
    for (unsigned i = 0; i < message->n_fds; i++)
        if (message->fds[i] >= 0)
            close(message->fds[i]);
    message->n_fds = 0;
}
