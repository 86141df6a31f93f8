/* pidfile.h - the file that tells others the master's process id. */
#pragma once

#include <rill/base.h>

/* Write this process's id to `path`, by rename: a reader sees the old file or the whole new one.
 * Returns: 0; -errno. */
int pidfile_write(const char *path);

/* Remove `path` if it still holds this process's id. */
void pidfile_remove(const char *path);
