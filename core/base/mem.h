/* mem.h - what tests and the end-of-run checks know of the allocator beyond <rill/mem.h>. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rill/mem.h>
#include <rill/text.h>

/* Make the `nth` allocation of this thread from now fail (1 is the next), and with `forever` all
 * after it too. 0 turns it off. For tests only. */
void rill__mem_fail_nth(uint64_t nth, bool forever);

/* Count a record that somebody takes from memory of their own as an allocation. False: it is to fail. */
bool rill__mem_take(void);
/* Such a record was given back. */
void rill__mem_give(void);

/* Allocations that this thread made since its last rill__mem_fail_nth. */
uint64_t rill__mem_count(void);

/* A fresh arena takes from `room` first, aligned for any object, which stays the caller's and is not reset. */
static inline void rill__arena_lend(rill_arena *arena, char *room, size_t size)
{
    arena->at = room;
    arena->end = room + size;
}

/* Blocks that this thread and those that have ended allocated, less those they freed. */
int64_t rill__mem_live(void);
/* Append the line of the allocator, if it is not the system's. */
void rill__mem_add_version(rill_text *text);

/* This thread ends, and may leave blocks to others. */
void rill__mem_end_thread(void);
