/* s32_starting.c - starting a coroutine. */
#include <rill.h>

#include <stdio.h>

static int coroutine(void *arg)
{
    (void)arg;
    puts("in coroutine");
    return 0;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    puts("starting coroutine");
    rill_coro coro = RILL_CORO(coroutine, NULL);
    puts("entering event loop");
    int rc = rill_run_until_complete(loop, coro);
    puts("closing event loop");
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
