/* told.h - descriptions of waits: where in their records lies what is waited for; how they are read.
 *
 * A kind of wait describes itself by one constant, from which this process (told.c) and others (rillctl) read:
 *
 *     static const rill_table_wait tells_read = { .what = "stream read",
 *                                                 .fd = RILL__AT(struct reader, fd) };
 *     struct reader reader = { .wait = { cancel_read, &tells_read }, ... };
 *
 * The record must begin with its struct rill__wait. */
#pragma once

#include "core/task/task.h"

#include <rill/timeout.h>

#define RILL__MEMBER(type, member) (((type *)0)->member)

/* The value of `member` in a `type`. */
#define RILL__AT(type, member)                \
    {                                         \
        sizeof RILL__MEMBER(type, member), 0, \
        {                                     \
            offsetof(type, member)            \
        }                                     \
    }
/* The value of `member` in what the pointer `via` of a `type` points to. */
#define RILL__AT_VIA(type, via, to, member)           \
    {                                                 \
        sizeof RILL__MEMBER(to, member), 1,           \
        {                                             \
            offsetof(type, via), offsetof(to, member) \
        }                                             \
    }
/* Where an array begins: in the record itself, or in what a pointer of it points to. */
#define RILL__HERE(type, member)   \
    {                              \
        1, 0,                      \
        {                          \
            offsetof(type, member) \
        }                          \
    }
#define RILL__THERE(type, via, offset)  \
    {                                   \
        1, 1,                           \
        {                               \
            offsetof(type, via), offset \
        }                               \
    }

/* What `task` waits for. False: it is not parked, or ready to go on. */
bool rill__task_tell(const struct rill__task *task, struct rill__told *ret_told);
/* The future at `index` among those that `record` waits for as `members` says; NULL: there are no more. */
rill_future *rill__told_member(const void *record, const rill_table_members *members, size_t index);
/* The deadline of a scope, in its struct rill__block. */
extern const rill_table_path rill__scope_when;
/* Say what `scope` is for; `deed` is static, and seen from the scope. */
void rill__scope_tell(rill_scope *scope, const rill_table_deed *deed);
/* From a task to the group that it is a child of. */
extern const rill_table_child rill__group_child;
