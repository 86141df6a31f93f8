/* show.h - the answers of rillctl as text. */
#pragma once

#include "server/ctl/print.h"
#include "server/ctl/snapshot.h"

/* What is looked at, and how it is shown. */
struct show {
    struct print print;
    struct snapshot *snapshot;
    const char *chosen; /* bt: the task by number or name; NULL: all */
};

/* Each returns 0; -ENOMEM; show_stacks_of_tasks also -ENOENT (the chosen task is not there). */
int show_tasks(struct show *show);
int show_tree(struct show *show);
int show_uses(struct show *show);
int show_backtraces(struct show *show);

/* The lines that begin the answer about a process, and one of its loops. */
void show_process(struct show *show);
void show_loop(struct show *show, const struct snapshot_loop *loop);

/* Whether `task` is the chosen one. */
bool show_is_chosen(const char *chosen, const struct snapshot_task *task);
