/* s44_await_tasks.c - two tasks run while main awaits the one and then the other. */
#include <rill.h>

#include <stdio.h>

static int func(void *arg)
{
    (void)arg;
    puts("1");
    int rc = rill_sleep(RILL_SEC(5));
    puts("3");
    return rc;
}

static const char *value_of(rill_task *task)
{
    const char *value = rill_value(task);
    return value != NULL ? value : "None";
}

static int start(void *arg)
{
    (void)arg;
    puts("main开始");
    rill_task *one = rill_create_task(RILL_CORO(func, NULL));
    rill_task *two = rill_create_task(RILL_CORO(func, NULL));
    puts("main结束");
    int rc = rill_await(one);
    if (rc == 0)
        rc = rill_await(two);
    if (rc == 0)
        printf("%s %s\n", value_of(one), value_of(two));
    rill_unref(one);
    rill_unref(two);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
