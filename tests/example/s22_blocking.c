/* s22_blocking.c - a call that blocks stops everybody: five seconds, one after the other. */
#include <rill.h>

#include <stdio.h>
#include <time.h>

static int hello(void *arg)
{
    struct timespec second = { .tv_sec = 1 };
    (void)arg;
    nanosleep(&second, NULL); /* not an await: the whole thread stands still */
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
