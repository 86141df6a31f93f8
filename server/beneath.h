/* beneath.h - files below a directory that the configuration names. */
#pragma once

#include <rill/base.h>

/* Open `path` below the directory `root` for reading, without waiting for a writer of a FIFO. The kernel
 * keeps the path inside, links included; without `links` it follows none.
 * Returns: the descriptor; -EXDEV (it leads out); -ELOOP; -EAGAIN (renames raced, three times in a row);
 * -ECANCELED; as openat2(2).   Owns: gives the descriptor. */
int beneath_open(int root, const char *path, bool links) RILL_SUSPENDS;
