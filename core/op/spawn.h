/* spawn.h - what RILL__OP_SPAWN is told: a program, and what it finds when it begins. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A standard descriptor of the child, if it is not one of ours. */
enum { RILL__SPAWN_INHERIT = -1, RILL__SPAWN_NULL = -2, RILL__SPAWN_OUTPUT = -3 };

struct rill__spawn {
    const char *const *argv;
    const char *const *env; /* NULL: ours */
    const char *cwd;        /* NULL: ours */
    int fds[3];             /* of ours, or one of the above; OUTPUT: as descriptor 1 */
    const int *pass;        /* further ones that it keeps, each above 2 */
    size_t pass_count;
    bool group, session; /* that it leads */
    pid_t pid;           /* the result */
    bool no_cwd;         /* an error is that of cwd */
};
