/* s11_await_sleep.c - a task that awaits a sleep. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    int x = *(int *)arg;
    printf("Waiting:  %d\n", x);
    int rc = rill_sleep(RILL_SEC(x));
    return rc < 0 ? rc : rill_return_fmt("Done after %ds", x);
}

int main(void)
{
    int x = 4;
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    if (loop == NULL)
        return rill_exit_code(-ENOMEM);
    rill_task *task = rill_ensure_future(RILL_CORO(do_some_work, &x));
    int rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        puts(rill_value(task));
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
