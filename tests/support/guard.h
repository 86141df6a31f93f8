/* guard.h - octets that end at an unreadable page, so that reading one too many is a crash.
 *
 * Every parser test feeds its input from here. Each put moves the octets, so that pointers kept
 * from the call before are found out as well. */
#pragma once

#include <stddef.h>

typedef struct guard {
    char *map;
    size_t size; /* octets of the map, the unreadable page not counted */
} guard;

/* Make room for `room` octets; ends the program if the system refuses. */
void guard_init(guard *g, size_t room);
void guard_fini(guard *g);

/* Copy `size` octets so that they end at the page; what was put before is overwritten.
 * Returns: their first octet. */
char *guard_put(guard *g, const void *octets, size_t size);
