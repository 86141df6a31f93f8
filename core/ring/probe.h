/* probe.h - why there is no ring: the exact cause in one line, with the fix. */
#pragma once

#include <stdbool.h>

struct io_uring;

/* Notes why setting up a ring failed with `error` (negative) for this thread. */
void rill__probe_failed(int error, unsigned cq_entries);
/* Forget the last problem, and what was found. */
void rill__probe_clear(void);
/* Notes what a ring of this thread uses; for rill_ring_features. */
void rill__probe_found(bool registered, bool silent_sends, bool no_iowait, bool truncate);
/* Check that the kernel knows every operation we use: 0 and whether it can truncate, too (it need
 * not); -ENOMEM; -ENOSYS or another refusal of the kernel's, with the problem noted. */
int rill__probe_operations(struct io_uring *ring, bool *ret_truncate);
