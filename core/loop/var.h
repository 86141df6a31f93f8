/* var.h - the values that are in force where something is made, kept for when it runs.
 *
 * Defined by core/task/var.c, which knows what a task is. Having no values costs nothing. */
#pragma once

#include <stdint.h>

struct rill__vars; /* values, shared until somebody changes them; NULL: none */
struct rill_context;
struct rill_future;
struct rill_loop;

/* Where a task, a call or a thread has its values. One word: the values, or, with the lowest bit set, a
 * context that others may have as well. */
struct rill__locals {
    uintptr_t word;
};

/* Begin with the values in force here, or in `context` if it is not NULL. */
void rill__locals_init(struct rill__locals *locals, struct rill_context *context);
void rill__locals_fini(struct rill__locals *locals);

/* The values in force here, with a reference of its own. */
struct rill__vars *rill__vars_keep(void);
void rill__vars_drop(struct rill__vars *vars);
/* A callback of `loop` begins with `vars`, whose reference it takes, and ends. */
void rill__vars_begin_call(struct rill_loop *loop, struct rill__vars *vars);
void rill__vars_end_call(struct rill_loop *loop);

/* `future` if it is a task, which has values of its own; else NULL. */
struct rill_future *rill__vars_task(struct rill_future *future);
