/* bufs.h - provided buffers: the memory that receives are answered into.
 *
 * One ring of up to 4096 buffers of 2 KiB per loop, filled in part and doubled when the kernel ran
 * out. The kernel takes them first in, first out, so it cycles through all that are filled in: few
 * are better for the cache. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/ring/uapi.h"

enum { RILL__BUF_SIZE = 2048, RILL__BUFS_MAX = 4096, RILL__BUF_GROUP = 0 };

struct rill__bufs {
    struct io_uring_buf_ring *ring;
    char *memory;    /* RILL__BUFS_MAX buffers of address space */
    uint32_t filled; /* buffers given to the kernel so far */
    uint32_t out;    /* buffers with octets that were not given back */
    int returned;    /* given back since the last flush */
};

/* 0 or -errno. */
int rill__bufs_init(struct rill__bufs *bufs, struct io_uring *uring, uint32_t count);
void rill__bufs_fini(struct rill__bufs *bufs, struct io_uring *uring);
/* Twice as many buffers, up to the limit. */
void rill__bufs_grow(struct rill__bufs *bufs);

static inline char *rill__bufs_at(const struct rill__bufs *bufs, uint16_t id)
{
    return bufs->memory + (size_t)id * RILL__BUF_SIZE;
}

static inline void rill__bufs_give_back(struct rill__bufs *bufs, uint16_t id)
{
#if defined(RILL_CHECK_SLOW) && RILL_CHECK_SLOW
    memset(rill__bufs_at(bufs, id), 0xdb, RILL__BUF_SIZE); /* who still looks at it shall see */
#endif
    io_uring_buf_ring_add(bufs->ring, rill__bufs_at(bufs, id), RILL__BUF_SIZE, id,
                          RILL__BUFS_MAX - 1, bufs->returned++);
    bufs->out--;
}

/* Show what was given back to the kernel: one store. */
static inline void rill__bufs_flush(struct rill__bufs *bufs)
{
    if (bufs->returned == 0)
        return;
    io_uring_buf_ring_advance(bufs->ring, bufs->returned);
    bufs->returned = 0;
}
