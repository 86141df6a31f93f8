/* s38_create_and_run.c - create a task of a loop and run it. */
#include <rill.h>

#include <stdio.h>

static int hello(void *arg)
{
    printf("Hello, %s\n", (const char *)arg);
    return 0;
}

int main(void)
{
    static char world[] = "World";
    rill_loop *loop = rill_get_event_loop();
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(hello, world), NULL);
    int rc = rill_run_until_complete(loop, task);
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
