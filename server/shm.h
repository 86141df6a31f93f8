/* shm.h - one shared page per worker slot: heartbeat and plain counters.
 *
 * The master makes the pages before the first fork and reads them; only the worker of a slot writes
 * its page. What a worker wrote is hostile input to the master: numbers, never pointers or sizes. A
 * page outlives its worker, so the counters go on when it is replaced; `in_flight` and
 * `connections` are cleared by the master after a death. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define SHM_MAGIC   0x6c6c6972u /* "rill" */
#define SHM_VERSION 1u          /* changes with the layout */

enum { SHM_PAGE = 4096 };

/* Written with shm_add and shm_set; relaxed order is enough, each number stands alone. */
struct shm_worker {
    uint32_t magic, version;
    _Atomic uint64_t heartbeat;   /* one more every 500 ms */
    _Atomic uint64_t connections; /* open now */
    _Atomic uint64_t accepted;    /* connections since the start */
    _Atomic uint64_t requests;    /* answered since the start, refused ones included */
    _Atomic uint64_t in_flight;   /* requests begun and not answered to their end */
    _Atomic uint64_t log_dropped; /* log lines dropped, both files */
};

/* Map the pages of `slots` workers.   Returns: 0; -errno.   Owns: gives; shm_fini ends it. */
int shm_init(unsigned slots, struct shm_worker **ret_pages);

void shm_fini(struct shm_worker *pages, unsigned slots);

/* The page of one slot. */
struct shm_worker *shm_page(struct shm_worker *pages, unsigned slot);

/* After a death: nothing is open or in flight there any more. The sums go on. */
void shm_clear_gauges(struct shm_worker *page);

/* The page of this process: the worker's own, or one that nobody reads. Never NULL. */
extern struct shm_worker *shm_mine;

static inline void shm_add(_Atomic uint64_t *counter, uint64_t value)
{
    /* One writer: a plain load and store, no locked instruction. */
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + value, memory_order_relaxed);
}

static inline uint64_t shm_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
