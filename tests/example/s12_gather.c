/* s12_gather.c - three tasks at once; the results come in the order of the arguments. */
#include <rill.h>

#include <stdio.h>

static int do_some_work(void *arg)
{
    int x = *(int *)arg;
    printf("Waiting:  %d\n", x);
    int rc = rill_sleep(RILL_SEC(x));
    return rc < 0 ? rc : rill_return_fmt("Done after %ds", x);
}

static int start(void *arg)
{
    static int x[] = { 1, 2, 4 };
    rill_future *tasks[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = rill_create_task(RILL_CORO(do_some_work, &x[i]));
    int rc = rill_join(rill_gather(3, tasks, 0));
    for (int i = 0; i < 3; i++) {
        if (rc >= 0)
            puts(rill_value(tasks[i]));
        rill_unref(tasks[i]);
    }
    return rc;
}

int main(void)
{
    rill_time begin = rill_now();
    int rc = rill_run(RILL_CORO(start, NULL));
    printf("TIME:  %.6f\n", (double)(rill_now() - begin) / 1e9);
    return rill_exit_code(rc);
}
