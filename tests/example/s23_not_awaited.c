/* s23_not_awaited.c - a coroutine object that nobody awaits does nothing, and costs nothing. */
#include <rill.h>

#include <stdio.h>

static int sleep_a_second(void *arg)
{
    (void)arg;
    return rill_sleep(RILL_SEC(1));
}

static int hello(void *arg)
{
    (void)arg;
    rill_coro never_run = RILL_CORO(sleep_a_second, NULL);
    (void)never_run;
    printf("Hello World %.6f\n", (double)rill_wall_clock() / 1e9);
    return 0;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    int rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = rill_run_until_complete(loop, RILL_CORO(hello, NULL));
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
