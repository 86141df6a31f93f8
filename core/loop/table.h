/* table.h - the loops in the table that other processes read; defined by core/task/table.c, which knows
 * what a task is. */
#pragma once

struct rill_loop;

/* `loop` begins and ends to be there for readers. Called one at a time. Without memory or descriptor it is not
 * there. */
void rill__table_add(const struct rill_loop *loop);
void rill__table_remove(const struct rill_loop *loop);
/* After a fork, in the child: the table is the parent's. */
void rill__table_forget(void);
