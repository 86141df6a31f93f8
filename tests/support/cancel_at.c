/* cancel_at.c - linked to a program, cancels the task that waits at its Nth await; for cancel_each.sh.
 *
 * N is RILL_CANCEL_AT in the environment. When the program has ended it says on standard error how many awaits
 * there were, and how many blocks of memory were not given back. */
#include "core/base/mem.h"
#include "core/task/task.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned long awaits, cancel_at;

static void on_park(struct rill__task *task)
{
    if (++awaits == cancel_at)
        rill_cancel(&task->future, "a request at each await");
}

static __attribute__((constructor)) void begin(void)
{
    const char *at = getenv("RILL_CANCEL_AT");
    uint64_t number = 0;
    if (at == NULL || rill_parse_u64(rill_span_of(at), UINT32_MAX, &number) < 0)
        return;
    cancel_at = number;
    rill__task_on_park = on_park;
}

static __attribute__((destructor)) void end(void)
{
    if (rill__task_on_park == on_park)
        fprintf(stderr, "cancel_at: %lu awaits, %lld blocks left\n", awaits,
                (long long)rill__mem_live());
}
