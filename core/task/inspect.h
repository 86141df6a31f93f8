/* inspect.h - what tasks wait for, as data; between the texts, the dump and the search for circles. */
#pragma once

#include "core/task/task.h"

/* What `task` waits for. False: it is not parked, or ready to go on. */
bool rill__task_tell(const struct rill__task *task, struct rill__told *ret_told);
/* rill_dump for that loop. How many tasks. */
int rill__tasks_dump(struct rill_loop *loop, int fd);
/* Write the circles of tasks that wait for each other to the descriptor `fd`. How many there are. */
int rill__circles_write(const struct rill_loop *loop, int fd);
