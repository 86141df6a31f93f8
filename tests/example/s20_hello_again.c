/* s20_hello_again.c - hello, a sleep of one second, hello again. */
#include <rill.h>

#include <stdio.h>

static int hello(void *arg)
{
    (void)arg;
    puts("Hello world!");
    int rc = rill_sleep(RILL_SEC(1));
    if (rc == 0)
        puts("Hello again!");
    return rc;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    int rc = rill_run_until_complete(loop, RILL_CORO(hello, NULL));
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
