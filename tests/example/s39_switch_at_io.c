/* s39_switch_at_io.c - where one waits, the other goes on. */
#include <rill.h>

#include <stdio.h>

static int func1(void *arg)
{
    (void)arg;
    puts("1");
    int rc = rill_sleep(RILL_SEC(4));
    puts("3");
    return rc;
}

static int func2(void *arg)
{
    (void)arg;
    puts("2");
    int rc = rill_sleep(RILL_SEC(5));
    puts("4");
    return rc;
}

static int start(void *arg)
{
    (void)arg;
    rill_future *done[3], *tasks[] = { rill_create_task(RILL_CORO(func1, NULL)),
                                       rill_create_task(RILL_CORO(func2, NULL)) };
    int rc = rill_wait(2, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    return rill_exit_code(rill_run(RILL_CORO(start, NULL)));
}
