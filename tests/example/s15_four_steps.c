/* s15_four_steps.c - define, get a loop, ensure a future, run. */
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
    rill_future *future = rill_ensure_future(RILL_CORO(hello, NULL));
    int rc = rill_run_until_complete(loop, future);
    rill_unref(future);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
