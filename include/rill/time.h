/* time.h - points and spans on the loop's clock; nanoseconds are the only unit of time. */
#pragma once

#include <rill/base.h>

/* A point on the loop's monotonic clock, or a span, in nanoseconds. */
typedef int64_t rill_time;

#define RILL_US(n)   ((rill_time)(n)*1000)
#define RILL_MS(n)   ((rill_time)(n)*1000000)
#define RILL_SEC(n)  ((rill_time)(n)*1000000000)
#define RILL_FOREVER INT64_MAX /* a deadline that never comes, a span that never ends */

#ifdef __cplusplus
extern "C" {
#endif

/** The clock of the running loop.
 *  Returns: nanoseconds since an arbitrary point, never going back, virtual in the simulator; where
 *           no loop runs, the machine's monotonic clock.
 *  Thread: any.   Like: loop.time().   Since: 0.1 */
RILL_API rill_time rill_now(void);

/** The clock of the running loop, read at most once a turn: for idle limits and other deadlines that
 *  may be some microseconds early.
 *  Returns: as rill_now, from some point of this turn.   Thread: any.   Since: 0.1 */
RILL_API rill_time rill_turn_time(void);

/** `at` plus `span` without overflow.
 *  Returns: the sum; RILL_FOREVER if either is or the sum does not fit.   Thread: any.   Since: 0.1 */
static inline rill_time rill_time_add(rill_time at, rill_time span)
{
    rill_time sum;
    if (at == RILL_FOREVER || span == RILL_FOREVER)
        return RILL_FOREVER;
    if (__builtin_add_overflow(at, span, &sum))
        return span < 0 ? INT64_MIN : RILL_FOREVER;
    return sum;
}

#ifdef __cplusplus
}
#endif
