/* s08_task_states.c - a task shows itself: before it runs, and after. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    printf("Waiting:  %d\n", *(int *)arg);
    return 0;
}

static void show(rill_task *task)
{
    char text[512];
    rill_repr(task, text, sizeof text);
    puts(text);
}

int main(void)
{
    int x = 2;
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(do_some_work, &x), NULL);
    show(task);
    int rc = rill_run_until_complete(loop, task);
    show(task);
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
