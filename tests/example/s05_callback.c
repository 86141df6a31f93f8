/* s05_callback.c - a done callback gets the task and what was bound to it. */
#include <rill.h>

#include <stdio.h>

static int pause_for(void *arg)
{
    int seconds = *(int *)arg;
    int rc = rill_sleep(RILL_SEC(seconds));
    return rc < 0 ? rc : seconds;
}

static void add(rill_future *task, void *arg)
{
    printf("回调返回结果相加的值为： %d\n", *(int *)arg + rill_result(task));
}

int main(void)
{
    int seconds = 4, ten = 10;
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(pause_for, &seconds), NULL);
    int rc = rill_add_done_callback(task, add, &ten);
    if (rc == 0)
        rc = rill_run_until_complete(loop, task);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
