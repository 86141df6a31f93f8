/* bufs.c - set-up and growth of the provided buffers.
 *
 * Address space for all buffers is reserved at once and touched only as they are filled in. The ring
 * itself is our memory: kernel-mapped buffer rings had a use-after-free on kernels we support. */
#include "core/ring/bufs.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static const size_t ring_size = RILL__BUFS_MAX * sizeof(struct io_uring_buf);
static const size_t memory_size = (size_t)RILL__BUFS_MAX * RILL__BUF_SIZE;

static void *map(size_t size, int flags)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void fill(struct rill__bufs *bufs, uint32_t count)
{
    for (uint32_t id = bufs->filled; id < count; id++) {
        bufs->out++; /* give_back counts it down */
        rill__bufs_give_back(bufs, (uint16_t)id);
    }
    bufs->filled = count;
    rill__bufs_flush(bufs);
}

int rill__bufs_init(struct rill__bufs *bufs, struct io_uring *uring, uint32_t count)
{
    int r = -ENOMEM;
    *bufs = (struct rill__bufs){ 0 };
    bufs->ring = map(ring_size, MAP_POPULATE);
    if (bufs->ring == NULL)
        return r;
    bufs->memory = map(memory_size, MAP_NORESERVE);
    if (bufs->memory == NULL)
        goto fail_ring;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)bufs->ring,
        .ring_entries = RILL__BUFS_MAX,
        .bgid = RILL__BUF_GROUP,
    };
    r = io_uring_register_buf_ring(uring, &registration, 0);
    if (r < 0)
        goto fail_memory;
    io_uring_buf_ring_init(bufs->ring);
    fill(bufs, count);
    return 0;

fail_memory:
    munmap(bufs->memory, memory_size);
fail_ring:
    munmap(bufs->ring, ring_size);
    return r;
}

void rill__bufs_grow(struct rill__bufs *bufs)
{
    if (bufs->filled < RILL__BUFS_MAX)
        fill(bufs, bufs->filled * 2 < RILL__BUFS_MAX ? bufs->filled * 2 : RILL__BUFS_MAX);
}

void rill__bufs_fini(struct rill__bufs *bufs, struct io_uring *uring)
{
    if (bufs->ring == NULL)
        return;
    io_uring_unregister_buf_ring(uring, RILL__BUF_GROUP);
    munmap(bufs->memory, memory_size);
    munmap(bufs->ring, ring_size);
    bufs->ring = NULL;
}
