/* mem.h - allocation, and arenas that are given back in one step.
 *
 * Every allocation of the library and the daemon goes through these calls, so that a test can make
 * the Nth one fail. NULL always means "no memory"; the caller turns it into -ENOMEM. */
#pragma once

#include <rill/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory for `size` octets, not cleared.
 *  Returns: the memory, aligned for any object; NULL without memory.  Owns: gives it; rill_free ends it.
 *  Thread: any.   Like: malloc(3).   Since: 0.1 */
RILL_API void *rill_alloc(size_t size) __attribute__((malloc, warn_unused_result));

/** Memory for `count` items of `size` octets, cleared.
 *  Returns: the memory; NULL without memory or if the product does not fit.  Owns: gives it.
 *  Thread: any.   Like: calloc(3).   Since: 0.1 */
RILL_API void *rill_alloc_zero(size_t count, size_t size)
    __attribute__((malloc, warn_unused_result));

/** Move `memory` (or NULL) to a block of `size` octets, keeping what fits.
 *  Returns: the new block, which replaces the old one; NULL without memory, then the old one stays
 *  valid.   Owns: takes and gives.   Thread: any.   Like: realloc(3).   Since: 0.1 */
RILL_API void *rill_resize(void *memory, size_t size) __attribute__((warn_unused_result));

/** Give `memory` back; NULL is fine.
 *  Returns: nothing.   Owns: takes it.   Thread: any.   Like: free(3).   Since: 0.1 */
RILL_API void rill_free(void *memory);

/** A copy of `size` octets at `from`, followed by a zero octet that `size` does not count.
 *  Returns: the copy; NULL without memory.   Owns: gives it; rill_free ends it.
 *  Thread: any.   Like: strndup(3).   Since: 0.1 */
RILL_API void *rill_copy(const void *from, size_t size) __attribute__((malloc, warn_unused_result));

/* A bump allocator: many small objects, one release. Valid when zeroed (no limit, 4 KiB chunks).
 *
 *     rill_arena arena = { .limit = 64 << 10 };
 *     char *name = rill_arena_copy(&arena, text, size);
 *     ...
 *     rill_arena_fini(&arena);
 */
typedef struct rill_arena {
    size_t limit; /* octets handed out at most; 0: no limit. The caller's to set. */
    size_t used;  /* octets handed out since init or reset; read only */
    struct rill_arena_chunk *chunks; /* private */
    char *at, *end;                  /* private: the free part of the first chunk */
} rill_arena;

/** Memory from the arena, aligned for any object, not cleared.
 *  Returns: the memory, valid until reset or fini; NULL without memory or above the limit.
 *  Owns: the arena keeps it.   Since: 0.1 */
RILL_API void *rill_arena_alloc(rill_arena *arena, size_t size) __attribute__((warn_unused_result));

/** As rill_arena_alloc, for `count` items of `size` octets, cleared.
 *  Returns: the memory; NULL as above, also if the product does not fit.   Since: 0.1 */
RILL_API void *rill_arena_alloc_zero(rill_arena *arena, size_t count, size_t size)
    __attribute__((warn_unused_result));

/** A copy of `size` octets in the arena, followed by a zero octet.
 *  Returns: the copy; NULL without memory or above the limit.   Since: 0.1 */
RILL_API void *rill_arena_copy(rill_arena *arena, const void *from, size_t size)
    __attribute__((warn_unused_result));

/** Formatted text in the arena.
 *  Returns: the text; NULL without memory or above the limit.   Like: asprintf(3).   Since: 0.1 */
RILL_API char *rill_arena_fmt(rill_arena *arena, const char *format, ...) RILL_PRINTF(2, 3)
    __attribute__((warn_unused_result));

/** Take everything handed out back, keeping one chunk for the next round.
 *  Returns: nothing; everything handed out is invalid.   Since: 0.1 */
RILL_API void rill_arena_reset(rill_arena *arena);

/** Give everything back. NULL and a zeroed arena are fine; the arena can be used again.
 *  Returns: nothing.   Since: 0.1 */
RILL_API void rill_arena_fini(rill_arena *arena);

#ifdef __cplusplus
}
#endif
