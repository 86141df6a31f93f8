/* s13_empty.c - two coroutines that do nothing, and a loop that is closed. */
#include <rill.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int start(void *arg)
{
    (void)arg;
    rill_future *done[3], *tasks[] = { rill_create_task(RILL_CORO(nothing, NULL)),
                                       rill_create_task(RILL_CORO(nothing, NULL)) };
    int rc = rill_wait(2, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    int rc = rill_run_until_complete(loop, RILL_CORO(start, NULL));
    rill_loop_close(loop);
    rill_loop_close(loop); /* a second close does nothing */
    return rill_exit_code(rc);
}
