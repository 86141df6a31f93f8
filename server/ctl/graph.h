/* graph.h - who waits for whom: edges, the tree, circles. */
#pragma once

#include "server/ctl/snapshot.h"

#include <stdio.h>

/* Fill in edges, parents and children of all tasks of `loop`.   Returns: 0; -ENOMEM. */
int graph_build(struct snapshot *snapshot, struct snapshot_loop *loop);

typedef void graph_circle_fn(struct snapshot_task *const *tasks, size_t count, void *arg);

/* Call `fn` for circles of tasks that wait for each other: each task is in one of them at most once.
 * Returns: how many; -ENOMEM. */
int graph_circles(struct snapshot *snapshot, struct snapshot_loop *loop, graph_circle_fn *fn,
                  void *arg);
