/* torture_process.c - a child that is fed, read and reaped, with everything going wrong. */
#include "tests/support/expect.h"
#include "tests/support/torture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const char *const cat[] = { "cat", NULL };

static const rill_process_opts piped = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_PIPE };

static const rill_process_opts fed = { .in = RILL_PROCESS_PIPE, .out = RILL_PROCESS_NULL };

/* What came back is the beginning of what was sent. */
static int communicate(void *arg)
{
    const rill_span input = RILL_SPAN("what is said to a cat, the cat repeats");
    rill_process *p;
    rill_span out;
    (void)arg;
    int r = rill_process_start(cat, &piped, &p);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_process_communicate(p, input, &out, NULL);
    if (r == 0 && p->returncode == 0 && !rill_span_equal(out, input))
        r = -EILSEQ;
    rill_process_close(p);
    torture_held--;
    return r;
}

/* A child that runs as long as we hold its input, ended by us before: no other end is possible. Where no
 * signal gets through, it ends with the pipe. */
static int kill_and_wait(void *arg)
{
    rill_process *p;
    (void)arg;
    int r = rill_process_start(cat, &fed, &p);
    if (r < 0)
        return r;
    torture_held++;
    r = rill_process_terminate(p);
    if (r == 0)
        r = rill_process_wait(p);
    if (p->ended && p->returncode != -SIGTERM && p->returncode != 255)
        r = -EILSEQ; /* 255: it could not be reaped */
    rill_process_close(p);
    torture_held--;
    return r == -SIGTERM || r == 255 ? 0 : r;
}

int main(void)
{
    static const struct torture_program programs[] = { TORTURE(communicate),
                                                       TORTURE(kill_and_wait) };
    leave_without_pidfds();
    return torture_run(programs, sizeof programs / sizeof *programs);
}
