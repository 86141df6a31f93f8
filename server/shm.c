/* shm.c - one shared page per worker slot: heartbeat and plain counters.
 *
 * Pages are a whole memory page apart, so that workers never share a cache line and a later version
 * can grow one without moving the others. */
#include "server/shm.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

static struct shm_worker nobodys;
struct shm_worker *shm_mine = &nobodys;

struct shm_worker *shm_page(struct shm_worker *pages, unsigned slot)
{
    return (struct shm_worker *)(void *)((char *)pages + (size_t)slot * SHM_PAGE);
}

int shm_init(unsigned slots, struct shm_worker **ret_pages)
{
    _Static_assert(sizeof(struct shm_worker) <= SHM_PAGE, "a page per worker");
    void *memory = mmap(NULL, (size_t)slots * SHM_PAGE, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    for (unsigned slot = 0; slot < slots; slot++) {
        struct shm_worker *page = shm_page(memory, slot);
        page->magic = SHM_MAGIC;
        page->version = SHM_VERSION;
    }
    *ret_pages = memory;
    return 0;
}

void shm_fini(struct shm_worker *pages, unsigned slots)
{
    if (pages != NULL)
        munmap(pages, (size_t)slots * SHM_PAGE);
}

void shm_clear_gauges(struct shm_worker *page)
{
    atomic_store_explicit(&page->connections, 0, memory_order_relaxed);
    atomic_store_explicit(&page->in_flight, 0, memory_order_relaxed);
}
