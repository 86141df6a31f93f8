/* generation.h - one configuration generation: its sealed memory, and the descriptors that go with it.
 *
 * The master loads a configuration into a memory file at one of 16 places of an address range that it
 * reserved before the first fork, seals it, and passes it to the workers, which map it at the same
 * place: so the pointers inside struct conf hold everywhere, and nobody can change it any more.
 * Directories that handlers open files below are descriptors of the generation, opened by the master
 * while it has the right to. A generation lives as long as somebody holds a reference. */
#pragma once

#include "server/conf/conf.h"

#include <rill/mem.h>

enum { GENERATION_PLACES = 16 };

/* A directory that the configuration refers to: the root of a files route, or the folder of a part's
 * file. Each path stands once. */
struct generation_dir {
    rill_span path; /* as in the configuration; of a part's file: up to its last slash */
    struct conf_place where;
    int fd; /* O_PATH; -1: not there yet */
};

struct generation {
    uint32_t number; /* counts from 1, never reused */
    unsigned place, refs;
    int memory_fd; /* sealed; -1 in a worker that has mapped it */
    size_t size;   /* octets of the memory file */
    const struct conf *conf;
    struct generation_dir *dirs;
    unsigned dir_count;
    void (*freed)(uint32_t number); /* NULL, or told when the last reference has gone */
};

/* Where a configuration comes from: what the command line said. */
struct generation_source {
    const char *path; /* --config; NULL: `root` */
    const char *root;
    const char *const *listen;
    size_t listen_count;
    struct conf_overrides overrides;
};

/* Reserve the address range. Once, by the master, before it forks.   Returns: 0; -ENOMEM. */
int generation_reserve(void);

/* Load, check and seal a configuration and open its directories: generation `number`.
 * Returns: 0 and it, with one reference; -EBUSY (16 are alive); else the report says what is wrong.
 * The report may hold notices in any case. */
int generation_load(const struct generation_source *source, uint32_t number,
                    struct conf_report *report, struct generation **ret_generation);

/* In a worker: map what the master passed. Directories follow by generation_take_dirs.
 * Returns: 0 and it, with one reference; -EINVAL (a place or size that cannot be, or a place in use);
 * -ENOMEM; -errno.   Owns: takes `memory_fd` in any case. */
int generation_adopt(uint32_t number, unsigned place, size_t size, int memory_fd,
                     struct generation **ret_generation);

/* In a worker: the descriptors of directories `first` and up.
 * Returns: 0; -EINVAL (there are none such, or they are there already).   Owns: takes them on success. */
int generation_take_dirs(struct generation *generation, unsigned first, const int *fds,
                         unsigned count);

/* Whether all directories are there. */
bool generation_is_complete(const struct generation *generation);

/* The descriptor of a directory of this generation, for openat2.
 * Returns: it, borrowed, valid while the generation lives; -ENOENT. */
int generation_dir(const struct generation *generation, rill_span path);

/* The folder part of a file's absolute path: what generation_dir knows it by. */
rill_span generation_folder(rill_span file);

/* In a worker, after the fork: forget every other generation of the master's. */
void generation_keep_only(struct generation *generation);

struct generation *generation_ref(struct generation *generation);

/* Drop a reference; with the last one mapping, descriptors and struct go. NULL is fine. */
void generation_unref(struct generation *generation);
