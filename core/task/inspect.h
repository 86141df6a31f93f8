/* inspect.h - between the dump and the search for circles. */
#pragma once

#include "core/task/told.h"

/* rill_dump for that loop. How many tasks. */
int rill__tasks_dump(struct rill_loop *loop, int fd);
/* Write the circles of tasks that wait for each other to the descriptor `fd`. How many there are. */
int rill__circles_write(const struct rill_loop *loop, int fd);
