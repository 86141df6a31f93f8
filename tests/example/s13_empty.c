/* s13_empty.c - two generators that do nothing, driven as coroutines, and a loop that is closed. */
#include <rill.h>

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int start(void *arg)
{
    rill_gen **gens = arg;
    rill_future *done[3];
    rill_future *tasks[] = { rill_create_task(rill_gen_coro(gens[0])),
                             rill_create_task(rill_gen_coro(gens[1])) };
    int rc = rill_wait(2, tasks, RILL_ALL_COMPLETED, RILL_FOREVER, done);
    rill_unref(tasks[0]);
    rill_unref(tasks[1]);
    return rc;
}

int main(void)
{
    rill_loop *loop = rill_get_event_loop();
    rill_gen *gens[2] = { NULL, NULL };
    int rc = rill_gen_new(nothing, NULL, &gens[0]);
    if (rc == 0)
        rc = rill_gen_new(nothing, NULL, &gens[1]);
    if (rc == 0)
        rc = rill_run_until_complete(loop, RILL_CORO(start, gens));
    rill_loop_close(loop);
    rill_loop_close(loop); /* a second close does nothing */
    rill_gen_free(gens[0]);
    rill_gen_free(gens[1]);
    return rill_exit_code(rc);
}
