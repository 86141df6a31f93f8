/* chunk.c - the free list of send blocks. */
#include "core/loop/chunk.h"

#include <rill/mem.h>

enum { keep_most = 256 };

struct rill__chunk {
    struct rill__chunk *next;
};

char *rill__chunk_take(struct rill_loop *loop)
{
    struct rill__chunk *chunk = loop->chunks;
    if (chunk == NULL)
        return rill_alloc(RILL__CHUNK_SIZE);
    loop->chunks = chunk->next;
    loop->chunks_kept--;
    return (char *)chunk;
}

void rill__chunk_give(struct rill_loop *loop, char *block)
{
    struct rill__chunk *chunk = (void *)block;
    if (loop->chunks_kept >= keep_most) {
        rill_free(block);
        return;
    }
    chunk->next = loop->chunks;
    loop->chunks = chunk;
    loop->chunks_kept++;
}

void rill__chunks_fini(struct rill_loop *loop)
{
    while (loop->chunks != NULL)
        rill_free(rill__chunk_take(loop));
}
