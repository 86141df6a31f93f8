/* s16_callback_then_result.c - first the callback has the result, then the one who waits. */
#include <rill.h>

#include <stdio.h>

static int request(void *arg)
{
    int seconds = *(int *)arg;
    int rc = rill_sleep(RILL_SEC(seconds));
    if (rc == 0)
        rc = rill_return_fmt("返回结果");
    return rc < 0 ? rc : seconds;
}

static void callback(rill_future *task, void *arg)
{
    printf("回调返回值是 %d\n", *(int *)arg + rill_result(task));
}

int main(void)
{
    int seconds = 3, ten = 10;
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(request, &seconds), NULL);
    int rc = rill_add_done_callback(task, callback, &ten);
    if (rc == 0)
        rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        puts(rill_value(task));
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
