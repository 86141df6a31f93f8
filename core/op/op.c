/* op.c - the names of ops in flight, and the rules of their life.
 *
 * An op is idle, in flight or idle again. Submitting names it: slot and generation, which the kernel
 * carries as user_data. A completion that carries MORE leaves it in flight; the one without ends it.
 *
 * I1 Between submit and final completion the op, and every octet it points to, belongs to the
 *    kernel. Whoever owns the memory waits for the final completion before it goes: this is why ops
 *    may lie on the stacks of waiting tasks.
 * I2 A cancel is a wish. The op ends when its final completion says so: with -ECANCELED, or with the
 *    result that won. No result is thrown away here; what to do with one that comes too late is its
 *    owner's business (a descriptor is closed, octets stay in the stream).
 * I3 A name is used once: dropping raises the generation, so a completion that comes after the end
 *    (a cancelled multishot's leftovers) finds nobody. It is counted and its resources are released.
 * I4 `done` only notes results and makes tasks ready. Nobody's code runs in the middle of reaping.
 *
 * Why a table and no pointers as user_data: a stale pointer is silent corruption, a stale name is a
 * counter. The price is one load and one compare per completion. */
#include "core/op/op.h"

#include "core/base/check.h"

#include <rill/mem.h>

#include <errno.h>

enum { first_size = 64, size_max = 1 << 24 };

static int grow(struct rill__op_table *table)
{
    uint32_t size = table->size == 0 ? first_size : table->size * 2;
    if (size > size_max)
        return -ENOMEM;
    struct rill__op_slot *moved = rill_resize(table->slots, size * sizeof *moved);
    if (moved == NULL)
        return -ENOMEM;
    table->slots = moved;
    for (uint32_t slot = size; slot-- > table->size;) {
        moved[slot] = (struct rill__op_slot){ .generation = 1, .next = table->free };
        table->free = slot + 1;
    }
    table->size = size;
    return 0;
}

int rill__op_add(struct rill__op_table *table, struct rill__op *op)
{
    if (table->free == 0 && grow(table) < 0)
        return -ENOMEM;
    op->slot = table->free - 1;
    struct rill__op_slot *slot = &table->slots[op->slot];
    table->free = slot->next;
    slot->op = op;
    table->live++;
    return 0;
}

uint64_t rill__op_name(const struct rill__op_table *table, const struct rill__op *op)
{
    return (uint64_t)table->slots[op->slot].generation << 32 | (op->slot + 1);
}

void rill__op_drop(struct rill__op_table *table, struct rill__op *op)
{
    struct rill__op_slot *slot = &table->slots[op->slot];
    CHECK_SLOW(slot->op == op);
    slot->op = NULL;
    slot->generation++;
    slot->next = table->free;
    table->free = op->slot + 1;
    table->live--;
}

void rill__op_table_fini(struct rill__op_table *table)
{
    CHECK(table->live == 0);
    rill_free(table->slots);
    *table = (struct rill__op_table){ 0 };
}

const char *const rill__op_words[RILL__OP_WORDS] = {
    [RILL__OP_ACCEPT] = "accept",     [RILL__OP_CONNECT] = "connect",
    [RILL__OP_RECV] = "recv",         [RILL__OP_RECV_MANY] = "recv",
    [RILL__OP_SEND] = "send",         [RILL__OP_SEND_NOW] = "send",
    [RILL__OP_SENDMSG_NOW] = "send",  [RILL__OP_POLL] = "poll",
    [RILL__OP_READ] = "read",         [RILL__OP_WRITE] = "write",
    [RILL__OP_READV] = "read",        [RILL__OP_WRITEV] = "write",
    [RILL__OP_STATX] = "stat",        [RILL__OP_RENAME] = "rename",
    [RILL__OP_UNLINK] = "unlink",     [RILL__OP_MKDIR] = "mkdir",
    [RILL__OP_TRUNCATE] = "truncate", [RILL__OP_FSYNC] = "fsync",
    [RILL__OP_OPENAT2] = "open",      [RILL__OP_ACCEPT_ONE] = "accept",
    [RILL__OP_RECVMSG] = "recv",      [RILL__OP_SENDMSG] = "send",
    [RILL__OP_SEND_MORE] = "send",    [RILL__OP_SENDFILE] = "sendfile",
    [RILL__OP_SHUTDOWN] = "shutdown", [RILL__OP_CLOSE] = "close",
    [RILL__OP_SOCKET] = "socket",     [RILL__OP_SOCKETPAIR] = "socketpair",
    [RILL__OP_BIND] = "bind",         [RILL__OP_LISTEN] = "listen",
    [RILL__OP_ACCEPT_NOW] = "accept", [RILL__OP_CONNECT_NOW] = "connect",
    [RILL__OP_LOAD_NOW] = "load",     [RILL__OP_READ_NOW] = "read",
    [RILL__OP_WRITE_NOW] = "write",
};

const char *rill__op_word(enum rill__op_kind kind)
{
    const char *word = kind <= RILL__OP_REAP ? rill__op_words[kind] : NULL;
    return word != NULL ? word : "an operation";
}
