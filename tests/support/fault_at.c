/* fault_at.c - linked to a program, lets one thing go wrong in it; for torture.sh.
 *
 * With RILL_CANCEL_AT=N in the environment the task that waits at the Nth await is cancelled, with RILL_FAIL_AT=N
 * the Nth allocation of the main thread fails. When the program has ended it says on standard error how many awaits
 * and allocations there were, and how many blocks of memory were not given back. */
#include "core/base/mem.h"
#include "core/task/task.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned long awaits;
static uint64_t cancel_at;

static void on_park(struct rill__task *task)
{
    if (++awaits == cancel_at)
        rill_cancel(&task->future, "a request at each await");
}

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t number = 0;
    if (text != NULL && rill_parse_u64(rill_span_of(text), UINT32_MAX, &number) < 0)
        abort();
    return number;
}

static __attribute__((constructor)) void begin(void)
{
    if (getenv("RILL_CANCEL_AT") == NULL && getenv("RILL_FAIL_AT") == NULL)
        return;
    cancel_at = number_of("RILL_CANCEL_AT");
    rill__task_on_park = on_park;
    rill__mem_fail_nth(number_of("RILL_FAIL_AT"), false);
}

static __attribute__((destructor)) void end(void)
{
    if (rill__task_on_park == on_park)
        fprintf(stderr, "fault_at: %lu awaits, %llu allocations, %lld blocks left\n", awaits,
                (unsigned long long)rill__mem_count(), (long long)rill__mem_live());
}
