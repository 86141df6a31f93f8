/* args.h - the command line of rilld: its options, and what it may not say. */
#pragma once

#include <rill/base.h>

enum { ARGS_LISTEN_MAX = 64, ARGS_EXIT_USAGE = 2 };

/* The text of --help. */
extern const char args_help[];

/* What the command line says. */
struct arguments {
    const char *config, *root, *pid_file;
    const char *listen[ARGS_LISTEN_MAX];
    size_t listen_count;
    uint64_t workers; /* 0: not said */
    bool check, daemon, help, version;
};

/* Read the command line. What is wrong with it goes to standard error.
 * Returns: 0 and the arguments, which borrow argv; ARGS_EXIT_USAGE. */
int args_parse(int argc, char **argv, struct arguments *ret_arguments);

/* Make relative paths absolute, for a daemon that changes its folder. Once: the paths lie in static
 * memory.   Returns: 0; -ENAMETOOLONG. */
int args_make_absolute(struct arguments *arguments);
