/* chunk.h - blocks of one size for what waits to be sent; kept by the loop, the hottest first. */
#pragma once

#include "core/loop/loop.h"

enum { RILL__CHUNK_SIZE = 16 << 10 };

/* A block of RILL__CHUNK_SIZE octets, or NULL. */
char *rill__chunk_take(struct rill_loop *loop);
void rill__chunk_give(struct rill_loop *loop, char *chunk);
/* Give all free blocks back. */
void rill__chunks_fini(struct rill_loop *loop);
