/* arena.c - bump allocator with one release.
 *
 * Chunks are linked, newest first; each is at least chunk_size and large enough for the request
 * that made it. Reset keeps the newest chunk, so a loop of equal rounds allocates only once. */
#include <rill/mem.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct rill_arena_chunk {
    struct rill_arena_chunk *next;
    size_t size; /* of the memory behind this head */
    _Alignas(max_align_t) char memory[];
};

enum { chunk_size = 4096 - sizeof(struct rill_arena_chunk), alignment = _Alignof(max_align_t) };

static bool grow(rill_arena *arena, size_t size)
{
    size_t want = size > chunk_size ? size : chunk_size;
    struct rill_arena_chunk *chunk = rill_alloc(sizeof *chunk + want);
    if (chunk == NULL)
        return false;
    chunk->next = arena->chunks;
    chunk->size = want;
    arena->chunks = chunk;
    arena->at = chunk->memory;
    arena->end = chunk->memory + want;
    return true;
}

void *rill_arena_alloc(rill_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t padded = size == 0 ? alignment : (size + alignment - 1) & ~(size_t)(alignment - 1);
    if (arena->limit != 0 && padded > arena->limit - arena->used)
        return NULL;
    if (padded > (size_t)(arena->end - arena->at) && !grow(arena, padded))
        return NULL;
    void *memory = arena->at;
    arena->at += padded;
    arena->used += padded;
    return memory;
}

void *rill_arena_alloc_zero(rill_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    void *memory = rill_arena_alloc(arena, total);
    if (memory != NULL)
        memset(memory, 0, total);
    return memory;
}

void *rill_arena_copy(rill_arena *arena, const void *from, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = rill_arena_alloc(arena, size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, from, size);
    copy[size] = 0;
    return copy;
}

char *rill_arena_fmt(rill_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : rill_arena_alloc(arena, (size_t)size + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

/* Free all chunks behind `chunk`. */
static void free_behind(struct rill_arena_chunk *chunk)
{
    struct rill_arena_chunk *next = chunk->next;
    chunk->next = NULL;
    while (next != NULL) {
        struct rill_arena_chunk *dead = next;
        next = dead->next;
        rill_free(dead);
    }
}

void rill_arena_reset(rill_arena *arena)
{
    arena->used = 0;
    if (arena->chunks == NULL)
        return;
    free_behind(arena->chunks);
    arena->at = arena->chunks->memory;
    arena->end = arena->at + arena->chunks->size;
}

void rill_arena_fini(rill_arena *arena)
{
    if (arena == NULL || arena->chunks == NULL)
        return;
    free_behind(arena->chunks);
    rill_free(arena->chunks);
    arena->chunks = NULL;
    arena->at = arena->end = NULL;
    arena->used = 0;
}
