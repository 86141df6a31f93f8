/* s33_return_value.c - the value that a coroutine returns. */
#include <rill.h>

#include <stdio.h>

static int coroutine(void *arg)
{
    (void)arg;
    puts("in coroutine");
    return rill_return_fmt("result");
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    if (loop == NULL)
        return rill_exit_code(-ENOMEM);
    rill_task *task = rill_ensure_future(RILL_CORO(coroutine, NULL));
    int rc = rill_run_until_complete(loop, task);
    if (rc >= 0)
        printf("it returned: '%s'\n", (const char *)rill_value(task));
    rill_unref(task);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
