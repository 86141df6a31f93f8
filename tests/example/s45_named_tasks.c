/* s45_named_tasks.c - two named tasks and the done set of a wait. */
#include <rill.h>

#include <stdio.h>

static int func(void *arg)
{
    (void)arg;
    puts("1");
    int rc = rill_sleep(RILL_SEC(5));
    puts("3");
    return rc < 0 ? rc : rill_return_fmt("返回值");
}

static void show(int count, rill_future *done[])
{
    char text[2][512];
    for (int i = 0; i < count && i < 2; i++)
        rill_repr(done[i], text[i], sizeof text[i]);
    if (count == 2)
        printf("{%s, %s}\n", text[0], text[1]);
}

static rill_task *named(const char *name)
{
    return rill_create_task_with(RILL_CORO(func, NULL), &(rill_task_opts){ .name = name });
}

static int start(void *arg)
{
    (void)arg;
    puts("main开始");
    rill_future *done[3], *tasks[] = { named("yan1"), named("yan2") };
    puts("main结束");
    int count = rill_wait(2, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    show(count, done);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return count;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
