/* deal.c - which worker accepts on which socket, brought about by messages.
 *
 * listen_deal says how it should be, `served` of a socket what was told so far; the difference goes
 * out. So the order in which workers come and go does not matter, and doing it twice does nothing. */
#include "server/deal.h"

static bool tell_listen(struct slot *slot, const struct listen_socket *one, int item)
{
    const struct channel_message message = { .type = CHANNEL_LISTEN,
                                             .value = one->id,
                                             .index = (uint32_t)item,
                                             .n_fds = 1,
                                             .fds = { one->fd } };
    return channel_send(slot->channel, &message) == 0;
}

static bool tell_unlisten(struct slot *slot, const struct listen_socket *one)
{
    const struct channel_message message = { .type = CHANNEL_UNLISTEN, .value = one->id };
    return channel_send(slot->channel, &message) == 0;
}

/* Bring one socket to those who should serve it, the new ones first: it is never without anybody (I2 of
 * master.c). A worker whose channel is full is told in a later turn. */
static void deal_socket(struct master *master, struct listen_socket *one, int item,
                        const struct slot_set *wanted)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < CONF_WORKERS_MAX; i++) {
            struct slot *slot = &master->slots[i];
            bool should = slot_set_has(wanted, i), does = slot_set_has(&one->served, i);
            if (should == does || should != (pass == 0))
                continue;
            if (slot->channel < 0)
                slot_set_put(&one->served, i, false);
            else if (should ? tell_listen(slot, one, item) : tell_unlisten(slot, one))
                slot_set_put(&one->served, i, should);
            else
                master->deal_again = true;
        }
}

/* Sockets bound for a reload that was refused do not listen; they stand behind those that do. */
static unsigned listening_sockets(const struct listener *listener)
{
    unsigned count = 0;
    while (count < listener->socket_count && listener->sockets[count].listening)
        count++;
    return count;
}

void deal_sockets(struct master *master)
{
    struct slot_set serving = { 0 }, wanted;
    master->deal_again = false;
    for (unsigned i = 0; i < CONF_WORKERS_MAX; i++)
        slot_set_put(&serving, i, master->slots[i].state == SLOT_SERVING);
    for (unsigned i = 0; i < master->sockets.count; i++) {
        struct listener *listener = master->sockets.listeners[i];
        unsigned count = listener->item >= 0 ? listening_sockets(listener) : 0;
        for (unsigned j = 0; j < count; j++) {
            listen_deal(j, count, master->workers, &serving, &wanted);
            deal_socket(master, &listener->sockets[j], listener->item, &wanted);
        }
    }
}
