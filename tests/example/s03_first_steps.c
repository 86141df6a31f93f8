/* s03_first_steps.c - define, get a loop, make a task, run; once more with ensure_future. */
#include <rill.h>

#include <stdio.h>

static int hello(void *arg)
{
    (void)arg;
    puts("hello world");
    return 0;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    if (loop == NULL)
        return rill_exit_code(-ENOMEM);
    rill_task *task = rill_loop_create_task(loop, RILL_CORO(hello, NULL), NULL);
    int rc = rill_run_until_complete(loop, task);
    rill_unref(task);

    task = rill_ensure_future(RILL_CORO(hello, NULL));
    rc = rill_first_error(rc, rill_run_until_complete(loop, task));
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
