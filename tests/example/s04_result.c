/* s04_result.c - what a task returned, read after the run. */
#include <rill.h>

#include <stdio.h>

static int pause_for(void *arg)
{
    int seconds = *(int *)arg;
    int rc = rill_sleep(RILL_SEC(seconds));
    return rc < 0 ? rc : rill_return_fmt("暂停了%d秒", seconds);
}

int main(void)
{
    int seconds = 4;
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(pause_for, &seconds), NULL);
    int rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        printf("返回结果是：%s\n", (const char *)rill_value(task));
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
