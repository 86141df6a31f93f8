/* fuzz_channel.c - messages of a worker that has gone mad, as the master decodes them.
 *
 * The first octet is the number of descriptors that came along. Oracle: what is taken is of a type
 * that its side may send, has a printable text, and is the same after being encoded again. */
#include "tests/fuzz/fuzz.h"

#include "server/channel.h"
#include "tests/support/guard.h"

#include <string.h>

static guard end;

static void check(const void *octets, size_t size, unsigned n_fds, enum channel_side from)
{
    struct channel_message message = { 0 }, again = { 0 };
    char memory[CHANNEL_SIZE_MAX];
    if (channel_decode(octets, size, n_fds, from, &message) < 0)
        return;
    PROMISE(message.type >= 1 && message.type < CHANNEL_TYPES);
    PROMISE((message.type <= CHANNEL_DRAINED) == (from == CHANNEL_WORKER));
    PROMISE(message.n_fds == n_fds && n_fds <= CHANNEL_FDS_MAX);
    PROMISE(from != CHANNEL_WORKER || n_fds == 0);
    for (const char *at = message.text; *at != '\0'; at++)
        PROMISE(*at >= 0x20 && *at < 0x7f);
    int used = channel_encode(&message, memory, sizeof memory);
    PROMISE(used > 0 && (size_t)used == size);
    PROMISE(channel_decode(memory, (size_t)used, n_fds, from, &again) == 0);
    PROMISE(again.type == message.type && again.number == message.number &&
            again.value == message.value && again.index == message.index &&
            again.size == message.size && strcmp(again.text, message.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > CHANNEL_SIZE_MAX)
        return 0;
    if (end.map == NULL)
        guard_init(&end, CHANNEL_SIZE_MAX);
    const void *octets = guard_put(&end, data + 1, size - 1);
    check(octets, size - 1, data[0] % (CHANNEL_FDS_MAX + 2), CHANNEL_WORKER);
    check(octets, size - 1, data[0] % (CHANNEL_FDS_MAX + 2), CHANNEL_MASTER);
    return 0;
}
