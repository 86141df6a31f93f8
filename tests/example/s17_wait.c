/* s17_wait.c - three tasks with wait. */
#include <rill.h>

#include <stdio.h>

static int work(void *arg)
{
    int x = *(int *)arg;
    printf("等待 %d\n", x);
    int rc = rill_sleep(RILL_SEC(x));
    return rc < 0 ? rc : rill_return_fmt("Done after %ds", x);
}

static int start(void *arg)
{
    static int x[] = { 1, 2, 3 };
    rill_future *tasks[3], *done[4];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = rill_create_task(RILL_CORO(work, &x[i]));
    int count = rill_wait(3, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    for (int i = 0; i < count; i++)
        printf("任务返回的结果是 %s\n", (const char *)rill_value(done[i]));
    for (int i = 0; i < 3; i++)
        rill_unref(tasks[i]);
    return count;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
