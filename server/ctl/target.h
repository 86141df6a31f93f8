/* target.h - the process that is looked at: its memory, its task table, its children. */
#pragma once

#include <rill/base.h>
#include <rill/table.h>

#include <sys/types.h>

struct target {
    pid_t pid;
    char program[64]; /* its name, as the kernel has it */
    rill_table table; /* a copy */
    uint64_t table_at;
};

/* One of many things to read. */
struct target_piece {
    uint64_t from;
    void *to;
    size_t size;
    bool read; /* set if all of it was */
};

/* Find the task table of process `pid`.
 * Returns: 0; -ESRCH (no such process); -EPERM, -EACCES (nobody may look into it); -ENOENT (it has no table: it
 *          is no rill program, or has not begun); -EPROTO (a table of another version). */
int target_open(struct target *target, pid_t pid);

/* Read `size` octets at `from`, all or nothing.   Returns: true if so. */
bool target_read(const struct target *target, uint64_t from, void *to, size_t size);

/* The same for many at once. */
void target_read_pieces(const struct target *target, struct target_piece *pieces, size_t count);

/* Read a text that ends with a zero octet; longer ones, and those that end unreadably, are cut. */
void target_text(const struct target *target, uint64_t from, char *text, size_t size);

/* A number of `size` octets (1, 2, 4, 8) at `from`, or `none`. */
uint64_t target_number(const struct target *target, uint64_t from, unsigned size, uint64_t none);

/* The number of `size` octets at `from`. */
uint64_t target_take(const void *from, unsigned size);

/* Whether the process is still the one that was opened. */
bool target_is_there(const struct target *target);

/* The thread of the process that is called `inner` in its own namespace.
 * Returns: its number here; 0: the process has no such thread. */
pid_t target_thread(const struct target *target, pid_t inner);

/* The children of process `pid`, at most `most`.   Returns: how many. */
size_t target_children(pid_t pid, pid_t *pids, size_t most);

/* Say on standard error why target_open failed for `pid`, and what helps. */
void target_explain(pid_t pid, int code);
