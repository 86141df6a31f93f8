/* s06_many_tasks.c - three sleeps at once: with wait, then again with gather. */
#include <rill.h>

#include <stdio.h>

static int wait_for(void *arg)
{
    int seconds = *(int *)arg;
    printf("等待： %d\n", seconds);
    int rc = rill_sleep(RILL_SEC(seconds));
    return rc < 0 ? rc : rill_return_fmt("等待时间: %d", seconds);
}

static int three(bool by_gather)
{
    static int seconds[] = { 1, 2, 3 };
    rill_time begin = rill_now();
    rill_future *tasks[3], *done[4];
    for (int i = 0; i < 3; i++)
        tasks[i] = rill_create_task(RILL_CORO(wait_for, &seconds[i]));
    int rc;
    if (by_gather)
        rc = rill_join(rill_gather(3, tasks, 0));
    else
        rc = rill_wait(3, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    for (int i = 0; i < 3; i++) {
        if (rc >= 0)
            printf("任务返回的结果是： %s\n", (const char *)rill_value(tasks[i]));
        rill_unref(tasks[i]);
    }
    printf("总的运行时间为： %.6f\n", (double)(rill_now() - begin) / 1e9);
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    int rc = three(false);
    return rc < 0 ? rc : three(true);
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
