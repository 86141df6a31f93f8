/* stuck.h - for runs in which things go wrong: a loop that is stuck ends the program, errors are not told. */
#pragma once

#include <rill.h>

/* If this is not called again within `seconds` the process ends with `what`, which must stay, on standard
 * error. 0: the run has ended. */
void stuck_watch(const char *what, unsigned seconds);

/* Whether the running loop has got on since this was asked last: then it does not hang, but the machine has
 * no time for it. Asked again and again it says no some time. Zero it before. */
struct progress {
    uint64_t steps;
    unsigned times;
};

bool gets_on(struct progress *progress);

/* An error handler. */
void swallow_error(rill_loop *loop, const char *message, rill_future *future, void *arg);
