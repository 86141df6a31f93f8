/* capture.h - where another thread of this process is, seen while it goes on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Make ready, once in a process. */
void rill__capture_init(void);
/* How long `thread` has waited for a CPU so far, in nanoseconds; 0: the kernel does not say. */
uint64_t rill__capture_queued(pid_t thread);
/* The addresses at which the calls of `thread` go on, the innermost first, `most` at most. How many; 0:
 * it could not be seen. One caller at a time. */
int rill__capture(pid_t thread, void *frames[], int most);
/* Copy memory that may be gone meanwhile. False: not all of it is there. */
bool rill__capture_copy(void *to, const void *from, size_t size);
