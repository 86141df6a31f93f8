/* s10_result_after_run.c - the result is read from the task when the run is over. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    printf("Waiting:  %d\n", *(int *)arg);
    return rill_return_fmt("Done after %ds", *(int *)arg);
}

int main(void)
{
    int x = 2;
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(do_some_work, &x), NULL);
    int rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        puts(rill_value(task));
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
