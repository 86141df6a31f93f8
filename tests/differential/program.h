/* program.h - a program of the differential test (see program.py), read into memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { WORDS_MAX = 12, PROCS_MAX = 16 };

struct statement {
    bool attempt;              /* `try` */
    char *text;                /* as the trace has it */
    char *word[WORDS_MAX + 1]; /* NULL behind the last one */
    struct statement *body;    /* of a block */
    struct statement *next;
};

struct program {
    int tops, futures, permits, parties, queues;
    bool bounded, eager;

    struct {
        size_t size;
        char order; /* the first letter of its name */
    } queue[2];
    struct statement *procs[PROCS_MAX];
    int procs_count;
};

/* Read a program. 0, or -1 if it is none. What it needs lives as long as the process. */
int program_read(FILE *from, struct program *ret_program);
/* The number that `word` is, or 0. */
int number(const char *word);
