/* s09_bound_callback.c - a callback with an argument of its own reads the result. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    printf("Waiting:  %d\n", *(int *)arg);
    return rill_return_fmt("Done after %ds", *(int *)arg);
}

static void callback(rill_future *task, void *label)
{
    printf("%s  %s\n", (const char *)label, (const char *)rill_value(task));
}

int main(void)
{
    static char label[] = "Callback:";
    int x = 2;
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(do_some_work, &x), NULL);
    int rc = rill_add_done_callback(task, callback, label);
    if (rc == 0)
        rc = rill_run_until_complete(loop, task);
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
