/* s30_loop_and_wait.c - two tasks made before the loop runs. */
#include <rill.h>

#include <stdio.h>

static int taskIO_1(void *arg)
{
    (void)arg;
    puts("开始运行IO任务1...");
    int rc = rill_sleep(RILL_SEC(2));
    puts("IO任务1已完成，耗时2秒...");
    return rc < 0 ? rc : rill_return_fmt("taskIO_1");
}

static int taskIO_2(void *arg)
{
    (void)arg;
    puts("开始运行IO任务2...");
    int rc = rill_sleep(RILL_SEC(3));
    puts("IO任务2已完成，耗时3秒...");
    return rc < 0 ? rc : rill_return_fmt("taskIO_2");
}

static int wait_for_both(void *arg)
{
    rill_future *done[3];
    int count = rill_wait(2, arg, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    for (int i = 0; i < count; i++)
        printf("协程无序返回值：%s\n", (const char *)rill_value(done[i]));
    return count;
}

int main(void)
{
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    rill_future *tasks[] = { rill_loop_create_task(loop, RILL_CORO(taskIO_1, NULL), NULL),
                             rill_loop_create_task(loop, RILL_CORO(taskIO_2, NULL), NULL) };
    int rc = rill_run_until_complete(loop, RILL_CORO(wait_for_both, tasks));
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    rill_loop_close(loop);
    printf("所有IO任务总耗时%.5f秒\n", (double)(rill_now() - begin) / 1e9);
    return rill_exit_code(rc);
}
