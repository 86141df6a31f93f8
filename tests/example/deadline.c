/* deadline.c - a program that may run for so long and no longer: asked to end, then killed.
 *
 * The child ignores the polite request, so it takes all three steps. Closing the process would kill it as
 * well; what the steps add is time for those that clean up. */
#include <rill.h>

#include <signal.h>
#include <stdio.h>

static int wait_up_to(rill_process *child, rill_time span)
{
    rill_scope scope = { 0 };
    int rc = rill_timeout(&scope, span);
    return rc < 0 ? rc : rill_scope_leave(&scope, rill_process_wait(child));
}

static int end_politely(rill_process *child)
{
    int rc = wait_up_to(child, RILL_MS(20));
    if (rc != -ETIME)
        return rc;
    puts("too long: please end");
    (void)rill_process_terminate(child);
    rc = wait_up_to(child, RILL_MS(20));
    if (rc != -ETIME)
        return rc;
    puts("still there: killed");
    (void)rill_process_kill(child);
    return rill_process_wait(child);
}

static int start(void *arg)
{
    const rill_process_opts opts = { .out = RILL_PROCESS_PIPE };
    rill_process *child;
    rill_span line;
    int rc = rill_process_start_shell(arg, &opts, &child);
    if (rc < 0)
        return rc;
    rc = rill_stream_read_line(child->out, &line); /* by now it ignores the signal */
    if (rc > 0)
        rc = end_politely(child);
    if (child->ended)
        printf("returncode %d\n", child->returncode);
    rill_process_close(child);
    return rc == -SIGKILL ? 0 : rc;
}

int main(void)
{
    static char stubborn[] = "trap '' TERM; echo ready; exec sleep 3600";
    return rill_exit_code(rill_run(RILL_CORO(start, stubborn)));
}
