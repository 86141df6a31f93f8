/* child.h - a function run in a process of its own: for ends, limits and filters that a test cannot
 * have in its own process. */
#pragma once

struct child {
    int status;      /* as waitpid(2) gives it */
    char text[8192]; /* what it wrote to standard error, cut at the end */
};

/* Run fn(arg) in a forked child to its end; what it returns is the exit status. It dumps no core and
 * lives for 60 s at most.   Returns: 0; -errno. */
int child_run(struct child *child, int (*fn)(void *arg), void *arg);

enum { CHILD_CANNOT = 77 };

/* The same in a child that can have neither a child nor a second thread. Where it is not allowed to limit itself
 * fn is not run, and the exit status is CHILD_CANNOT.   Returns: 0; -errno. */
int child_run_alone(struct child *child, int (*fn)(void *arg), void *arg);
