/* inspect.h - looking at tasks and loops: who asked for what.
 *
 *     rill_cancel_rec rec;
 *     for (unsigned i = 0; rill_cancel_record(task, i, &rec) == 0; i++)
 *         printf("%s asked: %s\n", rec.name, rec.why != NULL ? rec.why : "no reason");
 */
#pragma once

#include <rill/base.h>
#include <rill/task.h>
#include <rill/time.h>

/* Who asked a task to cancel. */
typedef enum rill_cancel_by {
    RILL_BY_TASK,   /* a task, by rill_cancel */
    RILL_BY_CALL,   /* a callback, or code outside of the loop, by rill_cancel */
    RILL_BY_SCOPE,  /* a scope that the task was in: its deadline, or rill_scope_cancel */
    RILL_BY_GROUP,  /* a group: a task of it failed, its block failed, or rill_group_cancel */
    RILL_BY_SIGNAL, /* SIGINT */
    RILL_BY_LOOP,   /* the loop came to its end */
} rill_cancel_by;

/* One request to cancel. A request that came through other tasks names the one who began it. */
typedef struct rill_cancel_rec {
    rill_cancel_by by;
    uint32_t task; /* number of the asking task, of a scope's or group's task; 0: none */
    char name[32]; /* and its name, as of then; cut to 31 octets */
    const void
        *where; /* code address: the call of rill_cancel, or where scope or group was entered */
    const char *why; /* the text given, or NULL; valid until the task's next request */
    rill_time when;  /* on the loop's clock */
} rill_cancel_rec;

#ifdef __cplusplus
extern "C" {
#endif

/** A request to cancel that `task` got. The last four are kept.
 *  Args: `index` counts back from the last request, which is 0.
 *  Returns: 0 and the record; -ENOENT (no such request, or no memory to note it).
 *  Since: 0.1 */
RILL_API int rill_cancel_record(const rill_task *task, unsigned index, rill_cancel_rec *ret_rec);

#ifdef __cplusplus
}
#endif
