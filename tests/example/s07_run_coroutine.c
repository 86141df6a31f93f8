/* s07_run_coroutine.c - a coroutine goes straight into run_until_complete. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    printf("Waiting:  %d\n", *(int *)arg);
    return 0;
}

int main(void)
{
    int x = 2;
    rill_time begin = rill_now();
    rill_loop *loop = rill_get_event_loop();
    int rc = rill_run_until_complete(loop, RILL_CORO(do_some_work, &x));
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
