/* s20_hello_again.c - hello, a sleep of one second, hello again: a generator that a task drives. */
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
    rill_gen *gen;
    int rc = rill_gen_new(hello, NULL, &gen);
    if (rc == 0) {
        rc = rill_run_until_complete(loop, rill_gen_coro(gen));
        rill_gen_free(gen);
    }
    rill_loop_close(loop);
    return rill_exit_code(rc);
}
