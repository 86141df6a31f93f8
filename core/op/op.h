/* op.h - one operation of the kernel, from submit to its final completion.
 *
 * An op lies in its owner's memory: on the stack of the task that waits for it, or inside a stream.
 * The owner fills in kind and arguments, submits it through the backend, and must keep it until
 * `done` was called without RILL__OP_MORE. See op.c for the rules. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

enum rill__op_kind {
    /* Asynchronous: submitted, completed later. */
    RILL__OP_ACCEPT,      /* fd; many completions, each a descriptor; flags: of accept4 */
    RILL__OP_ACCEPT_ONE,  /* fd; one completion with a descriptor; flags: of accept4 */
    RILL__OP_CONNECT,     /* fd, addr = sockaddr, size */
    RILL__OP_RECV,        /* fd, addr, size, flags */
    RILL__OP_RECV_MANY,   /* fd; many completions, each with a buffer of the backend's */
    RILL__OP_SEND,        /* fd, addr, size, flags; waits for room */
    RILL__OP_SEND_NOW,    /* fd, addr, size: whole, or the result says how much; never waits;
                             flags: RILL__OP_SILENT */
    RILL__OP_SENDMSG_NOW, /* fd, addr = msghdr, size = all octets of it; as SEND_NOW */
    RILL__OP_RECVMSG,     /* fd, addr = msghdr, flags */
    RILL__OP_SENDMSG,     /* fd, addr = msghdr, flags; waits for room */
    RILL__OP_POLL,        /* fd, flags = poll events; result: the events */
    RILL__OP_READ,        /* fd, addr, size, offset */
    RILL__OP_WRITE,       /* fd, addr, size, offset */
    RILL__OP_FSYNC,       /* fd, flags: IORING_FSYNC_* */
    RILL__OP_OPENAT2,     /* fd = directory, addr = path, offset = open_how */
    RILL__OP_READV,       /* fd, addr = iovec, size = how many, offset */
    RILL__OP_WRITEV,      /* as READV */
    RILL__OP_STATX,       /* fd = directory, addr = path, flags = AT_*, offset = statx */
    RILL__OP_RENAME,      /* addr = old path, offset = new path */
    RILL__OP_UNLINK,      /* addr = path, flags: AT_REMOVEDIR */
    RILL__OP_MKDIR,       /* addr = path, flags = mode */
    RILL__OP_TRUNCATE,    /* fd, offset = size; only if the backend says can_truncate */
    /* Carried out at once by `call`; they pass the same waist so that faults and simulators see them. */
    RILL__OP_SEND_MORE,      /* fd, addr, size: what fits now; more follows at once */
    RILL__OP_SENDFILE,       /* fd = socket, flags = file, offset, size */
    RILL__OP_SHUTDOWN,       /* fd, flags = how */
    RILL__OP_FSTAT,          /* fd, addr = stat */
    RILL__OP_CLOSE,          /* fd */
    RILL__OP_OPENAT2_CACHED, /* as OPENAT2, -EAGAIN if the kernel would have to wait */
    RILL__OP_ACCEPT_NOW,     /* fd, non-blocking */
    RILL__OP_SOCKET,         /* fd = family, flags = type */
    RILL__OP_SOCKETPAIR,     /* fd = family, flags = type, addr = two ints for the descriptors */
    RILL__OP_CONNECT_NOW,    /* fd of datagrams, addr = sockaddr, size */
    RILL__OP_BIND,           /* fd, addr = sockaddr, size */
    RILL__OP_LISTEN,         /* fd, flags = backlog */
    RILL__OP_SETSOCKOPT,     /* fd, flags = level, offset = name, addr, size */
    RILL__OP_GETSOCKNAME,    /* fd, addr = rill_addr */
    RILL__OP_GETPEERNAME,    /* fd, addr = rill_addr */
    RILL__OP_UNACKED,        /* fd; result: octets sent and not acknowledged by the other side */
    RILL__OP_TRUNCATE_NOW,   /* fd, offset = size */
    RILL__OP_STAT_NOW,       /* addr = path, offset = stat */
    RILL__OP_UNLINK_NOW,     /* addr = path */
    RILL__OP_LOAD_NOW,       /* addr = path of a small file, offset = memory, size: how it begins */
    RILL__OP_GETDENTS,  /* fd = directory, addr, size: the next entries as getdents64(2) has them */
    RILL__OP_PIPE,      /* addr = two ints for the descriptors; flags = which of them never waits */
    RILL__OP_READ_NOW,  /* fd of a pipe that never waits, addr, size */
    RILL__OP_WRITE_NOW, /* as READ_NOW; raises no SIGPIPE */
    RILL__OP_SPAWN,     /* addr = struct rill__spawn; result: a pidfd */
    RILL__OP_SIGNAL,    /* fd = pidfd, flags = signal, offset = the group that gets it, or 0 */
    RILL__OP_REAP,      /* fd = pidfd, addr = siginfo, size = ms to wait at most, flags of waitid;
                           -EAGAIN: it runs */
};

enum {
    RILL__OP_MORE = 1,   /* further completions follow */
    RILL__OP_BUFFER = 2, /* `addr` and `buffer` name a receive buffer that must be given back */
};

/* A flag of the NOW sends: nobody waits for this one. If it is whole its end does not wake a loop that
 * sleeps: it is told when the wait that carried it out is over, and at the latest by the next one, which
 * does not sleep then. A send that is short or fails is told as any other. */
enum { RILL__OP_SILENT = 1 };

/* A flag of READ: by this one the loop is woken; it is nobody's operation. */
enum { RILL__OP_WAKE = 1 << 30 };

struct rill__op {
    /* Called on the loop's stack for each completion; it may only note the result and make things
     * ready. `result` is >= 0 or -errno, as the system call would have it. */
    void (*done)(struct rill__op *op, int result, unsigned flags);
    void *addr;
    uint64_t offset;
    int fd;
    uint32_t size;
    uint32_t flags;
    uint8_t kind;
    bool in_flight : 1; /* set from submit to the final completion; written by the backend */
    bool stopping : 1;  /* a cancel was asked for; written by the backend */
    /* The rest is the backend's. */
    uint8_t taken; /* completions of one that has many, in `turn` */
    uint16_t turn;
    uint16_t buffer;
    uint32_t slot;
    uint32_t sq_at;
    struct list link;
};

static inline bool rill__op_is_wake(const struct rill__op *op)
{
    return op->kind == RILL__OP_READ && (op->flags & RILL__OP_WAKE);
}

/* The table that gives each op in flight a name of its own: slot and generation. */
struct rill__op_table {
    struct rill__op_slot *slots;
    uint32_t size, free; /* `free`: first free slot plus 1, linked through the slots */
    uint32_t live;
    uint64_t stale; /* completions for names that are no longer valid */
};

struct rill__op_slot {
    struct rill__op *op; /* NULL: free */
    uint32_t generation;
    uint32_t next; /* free list: slot plus 1 */
};

/* What an op does, in one word, by its kind; NULL: there is none. */
enum { RILL__OP_WORDS = RILL__OP_REAP + 1 };

extern const char *const rill__op_words[RILL__OP_WORDS];
/* The same, or "an operation". */
const char *rill__op_word(enum rill__op_kind kind);

/* Names `op`. 0 or -ENOMEM. */
int rill__op_add(struct rill__op_table *table, struct rill__op *op);
/* The name of an op in the table, never 0. */
uint64_t rill__op_name(const struct rill__op_table *table, const struct rill__op *op);
/* Frees the name; completions that still carry it are stale. */
void rill__op_drop(struct rill__op_table *table, struct rill__op *op);
void rill__op_table_fini(struct rill__op_table *table);

/* The op with that name; NULL and counted as stale if it has ended. */
static inline struct rill__op *rill__op_find(struct rill__op_table *table, uint64_t name)
{
    uint32_t slot = (uint32_t)name - 1, generation = (uint32_t)(name >> 32);
    if (__builtin_expect(slot >= table->size || table->slots[slot].generation != generation, 0)) {
        table->stale++;
        return NULL;
    }
    return table->slots[slot].op;
}
